// The page in Chromium, through the relay: what two and three people do.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { startChromium } from './lib/chromium.mjs';
import { sleep, until } from './lib/person.mjs';
import { startRelay } from './lib/relay.mjs';

const LIMIT = { timeout: 60000 };

let relay, chromium;

before(async () => {
    relay = await startRelay();
    chromium = await startChromium();
});
afterEach(() => chromium.clear());
after(async () => {
    await chromium?.stop();
    await relay?.stop();
});

function people(count = 2) {
    return Promise.all(Array.from({ length: count }, () => chromium.person(relay.url)));
}

async function pair() {
    const [a, b] = await people();
    await Promise.all([a.start(), b.start()]);
    await Promise.all([a.reaches('connected'), b.reaches('connected')]);
    return [a, b];
}

/** What a change of partner must leave as it is. */
const path = ({ connections, offers, transport, remoteUfrag, remotePort, localCertificate }) => ({
    connections,
    offers,
    transport,
    remoteUfrag,
    remotePort,
    localCertificate,
});

test('two people see and hear each other over AES-GCM and the one UDP port', LIMIT, async () => {
    const [a, b] = await pair();
    for (const person of [a, b]) {
        const stats = await person.seesAndHears();
        assert.equal(stats.remotePort, relay.udpPort);
        assert.equal(stats.remoteProtocol, 'udp');
        assert.match(stats.srtpCipher, /AEAD_AES_128_GCM$/);
        assert.equal(stats.connections, 1);
        assert.equal(stats.offers, 1);
        assert.deepEqual(person.errors, []);
    }
});

test('what they write arrives, as text and nothing else', LIMIT, async () => {
    const [a, b] = await pair();
    const markup = '<img src=x onerror="globalThis.broken = true"> & <b>bold</b>';
    await a.say('hello there');
    await b.hears('hello there');
    await b.say(markup);
    await a.hears(markup);
    await a.say('grüße 👋🏽 ‏שלום');
    await b.hears('grüße 👋🏽 ‏שלום');
    assert.equal(await a.evaluate(() => globalThis.broken), undefined);
    assert.equal(await a.evaluate(() => document.querySelectorAll('#messages img').length), 0);
});

test('typing shows on the other side and goes when the message comes', LIMIT, async () => {
    const [a, b] = await pair();
    await a.page.locator('#text').pressSequentially('hel');
    await until(async () => /typing/.test(await b.text('typing')), 'no typing sign');
    await a.page.keyboard.press('Enter');
    await b.hears('hel');
    assert.equal(await b.text('typing'), '');
});

test('Next among three needs no SDP, no ICE and no DTLS', LIMIT, async () => {
    const [a, b] = await pair();
    const [pathA, pathB] = [path(await a.seesAndHears()), path(await b.seesAndHears())];
    const c = await chromium.person(relay.url);
    await c.start();
    await c.reaches('waiting');

    await a.click('next');
    await b.reaches('partner-left');
    await c.reaches('connected');
    await a.reaches('connected');
    assert.deepEqual(path(await a.seesAndHears()), pathA);
    await c.seesAndHears();

    await b.click('next');
    await b.reaches('waiting');
    await c.click('next');
    await a.reaches('partner-left');
    await b.reaches('connected');
    assert.deepEqual(path(await b.seesAndHears()), pathB);
    assert.equal((await c.seesAndHears()).offers, 1);
    await b.say('you are new');
    await c.hears('you are new');
});

test('who waits or is left sends nothing', LIMIT, async () => {
    const [a, b] = await pair();
    await a.seesAndHears();
    await b.click('stop');
    await a.reaches('partner-left');
    await sleep(500);
    const before = await a.stats();
    await sleep(1000);
    const later = await a.stats();
    assert.equal(later.videoPacketsSent, before.videoPacketsSent);
    assert.equal(later.state, 'connected', 'the connection is not warm any more');
});

test('a reload in the middle: the other is told, and both find each other again', LIMIT, async () => {
    const [a, b] = await pair();
    await a.seesAndHears();
    await a.page.reload();
    await b.reaches('partner-left');
    await a.start();
    await a.reaches('waiting');
    await b.click('next');
    await Promise.all([a.reaches('connected'), b.reaches('connected')]);
    await Promise.all([a.seesAndHears(), b.seesAndHears()]);
});

/** As with a server that is far away: answers come long after the browser has gathered. */
function lateAnswers() {
    globalThis.RTCPeerConnection = class extends globalThis.RTCPeerConnection {
        async setRemoteDescription(description) {
            await new Promise((resolve) => setTimeout(resolve, 300));
            return super.setRemoteDescription(description);
        }
    };
}

for (const [when, before] of [
    ['', () => {}],
    [' whose answer is late', lateAnswers],
]) {
    test(`an ICE restart${when}: media goes on in the same PeerConnection`, LIMIT, async () => {
        const [a, b] = await Promise.all([
            chromium.person(relay.url, { before }),
            chromium.person(relay.url),
        ]);
        await Promise.all([a.start(), b.start()]);
        await Promise.all([a.reaches('connected'), b.reaches('connected')]);
        const first = await a.seesAndHears();
        await a.evaluate(() => globalThis.dispatchEvent(new Event('online')));
        await until(async () => (await a.stats()).offers === 2, 'no restart was offered');
        /* Its own: with a late answer Chromium stays with what it found by ours of before. */
        await until(
            async () => (await a.stats()).localUfrag !== first.localUfrag,
            'the pair in use has the old credentials',
        );
        const later = await a.seesAndHears({ frames: 30 });
        assert.equal(later.connections, 1);
        assert.equal(later.localCertificate, first.localCertificate);
        await b.seesAndHears({ frames: 30 });
        assert.equal(await a.state(), 'connected');
    });
}

test('closing the tab ends in a clear state on the other side, at once', LIMIT, async () => {
    const [a, b] = await pair();
    await a.page.close({ runBeforeUnload: false });
    const begin = Date.now();
    await b.reaches('partner-left');
    assert.ok(Date.now() - begin < 2000);
    assert.match(await b.text('headline'), /left/);
    assert.match(await b.text('hint'), /Next/);
});

test('camera and microphone go off and on without an offer, and the other is told', LIMIT, async () => {
    const [a, b] = await pair();
    await a.seesAndHears();
    await a.click('camera');
    await until(
        () => b.evaluate(() => !document.body.classList.contains('live')),
        'the picture is still shown',
    );
    assert.match(await b.text('headline'), /camera is off/);
    await a.click('microphone');
    await a.click('camera');
    await until(
        () => b.evaluate(() => document.body.classList.contains('live')),
        'the picture never came back',
    );
    await a.click('microphone');
    const stats = await b.seesAndHears();
    assert.equal(stats.offers, 1);
    assert.equal((await a.stats()).offers, 1);
});

test('the keyboard is enough: Enter sends, N and Ctrl+Right go on, Esc stops', LIMIT, async () => {
    const [a, b] = await people();
    await a.page.locator('#start').focus();
    await a.page.keyboard.press('Enter');
    await b.start();
    await a.reaches('connected');
    await a.page.locator('#text').focus();
    await a.page.keyboard.type('no, not next');
    assert.equal(await a.state(), 'connected', 'a typed n went to the next');
    await a.page.keyboard.press('Enter');
    await b.hears('no, not next');
    await a.page.keyboard.press('Control+ArrowRight');
    await b.reaches('partner-left');
    await b.page.locator('#next').focus();
    await b.page.keyboard.press('n');
    await b.reaches('waiting', 'connected');
    await a.page.keyboard.press('Escape');
    await a.reaches('idle');
});

test('the page loads nothing that its content policy forbids', LIMIT, async () => {
    const person = await chromium.person(relay.url, {
        before: () => {
            globalThis.violations = [];
            addEventListener('securitypolicyviolation', (e) => globalThis.violations.push(e.blockedURI));
        },
    });
    await person.start();
    await person.reaches('waiting');
    assert.deepEqual(await person.evaluate(() => globalThis.violations), []);
    const response = await fetch(relay.url);
    assert.match(response.headers.get('content-security-policy'), /'self'/);
    assert.doesNotMatch(response.headers.get('content-security-policy'), /unsafe/);
});

test('the page works over https on the same port', LIMIT, async () => {
    const url = relay.url.replace('http:', 'https:');
    const options = { context: { ignoreHTTPSErrors: true } };
    const a = await chromium.person(url, options);
    const b = await chromium.person(relay.url);
    await Promise.all([a.start(), b.start()]);
    await Promise.all([a.reaches('connected'), b.reaches('connected')]);
    await Promise.all([a.seesAndHears(), b.seesAndHears()]);
});
