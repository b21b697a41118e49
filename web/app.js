/** The page: shows what the client says, and tells it what the person wants. */
import { MeetopiaClient } from './client/index.js';
import { ChatView } from './page/chat_view.js';
import { describe, describeError, describeTrouble } from './page/words.js';

const $ = (id) => document.getElementById(id);
const remote = $('remote');
const local = $('local');
const client = new MeetopiaClient();
const chat = new ChatView({
    send: (text) => client.send(text),
    typing: (typing) => client.setTyping(typing),
    explain: (error) => describeError(error.code) || 'Not sent.',
});

let unread = 0;
let passing = ''; /* a notice that is not about the devices, until the next state */

/* --- what is shown ---------------------------------------------------------------------------- */

function showState() {
    const { state, detail, mode } = client;
    const words = describe(state, detail, mode);
    const active = state !== 'idle';

    document.body.dataset.state = state;
    document.body.dataset.tone = words.tone;
    document.body.dataset.mode = active ? mode : 'video';
    $('status').textContent = words.status;
    $('headline').textContent = words.headline;
    $('hint').textContent = words.hint;
    $('next').disabled = !active || state === 'asking' || state === 'reconnecting' || state === 'refused';
    $('stop').disabled = !active;
    $('microphone').disabled = !active || state === 'asking' || mode === 'text';
    $('camera').disabled = !active || state === 'asking';
    chat.setEnabled(!!client.partner && state !== 'reconnecting');
    showNotice();
    showRemote();
}

function showNotice() {
    const { mode, state, capture } = client;
    const asked = state !== 'idle' && state !== 'asking';
    const trouble = asked
        ? describeTrouble(mode, capture.trouble)
        : globalThis.isSecureContext
          ? ''
          : describeTrouble('text', 'insecure');
    const text = passing || trouble;
    $('notice').textContent = text;
    $('notice').hidden = !text;
}

/** The picture is there from the partner's first frame until they go or switch it off. */
function showRemote() {
    const live =
        client.state === 'connected' && client.mode !== 'text' && client.remoteMedia.video;
    document.body.classList.toggle('live', live);
}

function showLocalMedia({ audio, video }) {
    for (const [id, on, name] of [
        ['microphone', audio, 'microphone'],
        ['camera', video, 'camera'],
    ]) {
        const button = $(id);
        button.setAttribute('aria-pressed', String(on));
        button.title = `Turn the ${name} ${on ? 'off' : 'on'}`;
        button.querySelector('.label').textContent = button.title;
        button.classList.toggle('is-off', !on);
    }
    $('local-box').classList.toggle('is-off', !video);
}

async function showCameraChoice() {
    const cameras = await client.capture.cameras();
    $('switch-camera').hidden = cameras.length < 2;
}

function showQuality({ networkQuality }) {
    const names = { good: 'Good connection', fair: 'Fair connection', poor: 'Poor connection' };
    const box = $('quality');
    box.hidden = !names[networkQuality] || !client.partner;
    box.dataset.level = networkQuality;
    box.title = names[networkQuality] ?? '';
    box.setAttribute('aria-label', box.title);
}

function playRemote() {
    remote.play().then(
        () => ($('play').hidden = true),
        (error) => ($('play').hidden = error.name !== 'NotAllowedError'),
    );
}

/* --- what the client says --------------------------------------------------------------------- */

client.on('state', ({ state, previous }) => {
    if (state !== previous) passing = '';
    if (state === 'partner-left') chat.note('Your partner left.');
    showState();
});
client.on('partner', (partner) => {
    if (!partner) {
        $('quality').hidden = true;
        return;
    }
    chat.clear();
    chat.note('You are talking to someone new. Say hello!');
    setUnread(0);
    if (client.mode === 'text') openChat(true);
});
client.on('local-stream', (stream) => {
    if (local.srcObject !== stream) local.srcObject = stream;
    showCameraChoice();
    showState();
});
client.on('remote-stream', (stream) => {
    remote.srcObject = stream;
    if (stream) playRemote();
});
client.on('local-media', showLocalMedia);
client.on('remote-media', showState);
client.on('quality', showQuality);
client.on('typing', (typing) => chat.setTyping(typing));
client.on('chat', (message) => {
    chat.add(message);
    if (!isChatVisible()) setUnread(unread + 1);
});
client.on('chat-history', (list) => {
    chat.clear();
    for (const message of list) chat.add(message);
});
client.on('draining', () => {
    passing = 'The server restarts in a moment; you will be reconnected.';
    showNotice();
});
client.on('error', ({ code }) => {
    passing = describeError(code) || passing;
    showState();
});

/* --- the chat as a sheet on small screens ------------------------------------------------------- */

const small = globalThis.matchMedia('(max-width: 899px)');

function isChatVisible() {
    return !small.matches || document.body.classList.contains('chat-open');
}

function setUnread(count) {
    unread = count;
    $('unread').textContent = String(Math.min(count, 99));
    $('unread').hidden = count === 0;
    $('chat-toggle').querySelector('.label').textContent =
        count === 0 ? 'Chat' : `Chat, ${count} unread`;
}

function openChat(open) {
    document.body.classList.toggle('chat-open', open);
    $('chat-toggle').setAttribute('aria-expanded', String(open));
    if (open) setUnread(0);
}

/* --- what the person does ----------------------------------------------------------------------- */

function start() {
    client.start();
}

function stop() {
    openChat(false);
    chat.clear();
    client.stop();
    $('start').focus({ preventScroll: true });
}

$('start').addEventListener('click', start);
$('stop').addEventListener('click', stop);
$('next').addEventListener('click', () => client.next());
$('play').addEventListener('click', playRemote);
$('microphone').addEventListener('click', () => client.setMicrophone(!client.capture.microphone));
$('camera').addEventListener('click', () => client.setCamera(!client.capture.camera));
$('switch-camera').addEventListener('click', () => client.switchCamera());
$('chat-close').addEventListener('click', () => {
    openChat(false);
    $('chat-toggle').focus();
});
$('chat-toggle').addEventListener('click', () => {
    openChat(!document.body.classList.contains('chat-open'));
    if (isChatVisible()) chat.focus();
});

document.addEventListener('keydown', (event) => {
    if (event.defaultPrevented || event.isComposing || event.altKey || event.metaKey) return;
    if (event.key === 'Escape' && document.body.classList.contains('chat-open')) {
        openChat(false);
    } else if (event.key === 'Escape' && client.state !== 'idle') {
        stop();
    } else if (event.key === 'ArrowRight' && event.ctrlKey) {
        if ($('next').disabled || (chat.hasFocus && $('text').value !== '')) return;
        client.next();
    } else if (event.key.toLowerCase() === 'n' && !event.ctrlKey && !chat.hasFocus) {
        if (!$('next').disabled) client.next();
    } else {
        return;
    }
    event.preventDefault();
});

/* A tab that closes says so: the partner learns at once and not by a time-out. */
globalThis.addEventListener('pagehide', () => client.stop());

showLocalMedia({ audio: false, video: false });
showState();
