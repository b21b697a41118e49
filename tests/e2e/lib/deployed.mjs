// Pages of the kind that is deployed already: plain socket.io-client, a fresh PeerConnection for
// each partner, made and offered only once there is a partner, by the one of the two whose id
// compares so. They know nothing of a server in the middle. Their elements have the names that
// Person looks for.

const frame = (clientVersion, script) => `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>deployed</title>
<body data-state="idle">
<button id="start">start</button><button id="next">next</button><button id="stop">stop</button>
<video id="remote" autoplay playsinline></video>
<ol id="messages"></ol>
<form id="composer"><input id="text"></form>
<script src="/socket.io-${clientVersion}.js"></script>
<script>
const $ = (id) => document.getElementById(id);
const relay = new URLSearchParams(location.search).get('relay');
let socket, stream, pc, peer;

const setState = (state) => { document.body.dataset.state = state; };

function show(text, who) {
    const item = document.createElement('li');
    item.className = who;
    item.append(document.createElement('p'));
    item.firstChild.textContent = text;
    $('messages').append(item);
}

function makePeerConnection(sendCandidate) {
    pc?.close();
    const mine = pc = new RTCPeerConnection({ iceServers: [] });
    for (const track of stream.getTracks()) pc.addTrack(track, stream);
    pc.ontrack = ({ streams }) => { $('remote').srcObject = streams[0]; };
    pc.onicecandidate = ({ candidate }) => { if (candidate) sendCandidate(candidate); };
    pc.onconnectionstatechange = () => {
        if (mine === pc && mine.connectionState === 'connected') setState('connected');
    };
    return pc;
}

function hangUp() {
    pc?.close();
    pc = peer = null;
    $('remote').srcObject = null;
    setState('partner-left');
}
${script}
</script></body></html>`;

/** First vocabulary: offers when its own id is the greater one. */
const matchVocabulary = `
$('start').onclick = async () => {
    stream = await navigator.mediaDevices.getUserMedia({ video: true, audio: true });
    socket = io(relay);
    socket.on('connect', find);
    socket.on('waiting', () => setState('waiting'));
    socket.on('match-found', async ({ peerId }) => {
        peer = peerId;
        setState('matched');
        makePeerConnection((candidate) => socket.emit('ice-candidate', candidate));
        if (socket.id > peerId) {
            const offer = await pc.createOffer();
            await pc.setLocalDescription(offer);
            socket.emit('offer', offer);
        }
    });
    socket.on('offer', async (offer) => {
        await pc.setRemoteDescription(offer);
        const answer = await pc.createAnswer();
        await pc.setLocalDescription(answer);
        socket.emit('answer', answer);
    });
    socket.on('answer', (answer) => pc.setRemoteDescription(answer));
    socket.on('ice-candidate', (candidate) => pc.addIceCandidate(candidate));
    socket.on('chat-message', ({ text }) => show(text, 'theirs'));
    socket.on('peer-left', hangUp);
};
function find() { socket.emit('find-match', { type: 'video' }); }
$('next').onclick = () => { pc?.close(); pc = null; setState('searching'); find(); };
$('stop').onclick = () => { socket.emit('leave-chat'); socket.close(); pc?.close(); setState('idle'); };
$('composer').onsubmit = (event) => {
    event.preventDefault();
    socket.emit('chat-message', { text: $('text').value });
};`;

/** Second vocabulary: offers when the partner's id is the greater one. */
const userVocabulary = `
$('start').onclick = async () => {
    stream = await navigator.mediaDevices.getUserMedia({ video: true, audio: true });
    socket = io(relay);
    socket.on('connect', () => { setState('waiting'); socket.emit('find-user'); });
    socket.on('user-found', async ({ partnerId }) => {
        peer = partnerId;
        setState('matched');
        makePeerConnection((candidate) => socket.emit('ice-candidate', { candidate, to: peer }));
        if (partnerId > socket.id) {
            const offer = await pc.createOffer();
            await pc.setLocalDescription(offer);
            socket.emit('call-user', { offer, to: partnerId, profile: { name: 'someone' } });
        }
    });
    socket.on('answer-made', ({ answer, from }) => {
        if (from !== peer) throw new Error('an answer from ' + from + ', not ' + peer);
        return pc.setRemoteDescription(answer);
    });
    socket.on('ice-candidate', ({ candidate }) => pc.addIceCandidate(candidate));
    socket.on('chat-message', ({ text }) => show(text, 'theirs'));
    socket.on('peer-left', hangUp);
};
$('next').onclick = () => { pc?.close(); pc = null; setState('waiting'); socket.emit('find-next-user'); };
$('stop').onclick = () => { socket.emit('peer-left'); socket.close(); pc?.close(); setState('idle'); };
$('composer').onsubmit = (event) => {
    event.preventDefault();
    socket.emit('chat-message', { text: $('text').value });
};`;

/** Paths of startSite's pages: vocabulary and version of socket.io-client. */
export const deployedPages = {
    '/match-4': frame(4, matchVocabulary),
    '/match-2': frame(2, matchVocabulary),
    '/user-4': frame(4, userVocabulary),
    '/user-2': frame(2, userVocabulary),
};
