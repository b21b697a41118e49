// Media over the TCP port alone: what a browser does that no UDP packet gets through to.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { startChromium } from './lib/chromium.mjs';
import { until } from './lib/person.mjs';
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

/** Runs in the page: of the answers, only TCP candidates are seen. */
function withoutUdp() {
    const native = globalThis.RTCPeerConnection?.prototype.setRemoteDescription;
    if (!native) return;
    globalThis.RTCPeerConnection.prototype.setRemoteDescription = function (description) {
        const { type, sdp } = description;
        const lines = sdp.split('\r\n').filter((line) => !/^a=candidate:\S+ 1 udp /.test(line));
        return native.call(this, { type, sdp: lines.join('\r\n') });
    };
}

/** Keeps what the page's socket hears under its name. Runs in the page. */
function keepQuality() {
    globalThis.qualities = [];
    const Native = globalThis.WebSocket;
    globalThis.WebSocket = class extends Native {
        constructor(...args) {
            super(...args);
            this.addEventListener('message', ({ data }) => {
                const [, json] = /^42(\["quality",.*)$/.exec(data) ?? [];
                if (json) globalThis.qualities.push(JSON.parse(json)[1]);
            });
        }
    };
}

const overTcp = { before: `(${withoutUdp})();(${keepQuality})();` };

async function meet(people) {
    await Promise.all(people.map((person) => person.start()));
    await Promise.all(people.map((person) => person.reaches('connected')));
    return Promise.all(people.map((person) => person.seesAndHears()));
}

test('two people who reach nothing but the TCP port see and hear each other', LIMIT, async () => {
    const people = [await chromium.person(relay.url, overTcp), await chromium.person(relay.url, overTcp)];
    const begin = Date.now();
    for (const stats of await meet(people)) {
        assert.equal(stats.remoteProtocol, 'tcp');
        assert.equal(stats.remotePort, relay.port);
        assert.match(stats.srtpCipher, /AEAD_AES_128_GCM$/);
        assert.equal(stats.connections, 1);
    }
    console.log(`# frames and sound on both sides after ${Date.now() - begin} ms`);
    assert.ok((await relay.metric('meetopia_ice_tcp_connections')) >= 2);
    for (const person of people) {
        const told = await until(
            () => person.evaluate(() => globalThis.qualities.at(-1)),
            'no quality report',
        );
        assert.equal(told.path, 'tcp');
        assert.deepEqual(person.errors, []);
    }
});

test('who comes over TCP meets who comes over UDP, and Next changes nothing', LIMIT, async () => {
    const a = await chromium.person(relay.url, overTcp);
    const b = await chromium.person(relay.url);
    const [over, under] = await meet([a, b]);
    assert.equal(over.remoteProtocol, 'tcp');
    assert.equal(under.remoteProtocol, 'udp');
    const c = await chromium.person(relay.url);
    await c.start();
    await c.reaches('waiting');
    await a.click('next');
    await b.reaches('partner-left');
    await a.reaches('connected');
    const later = await a.seesAndHears();
    assert.equal(later.offers, over.offers);
    assert.equal(later.remoteProtocol, 'tcp');
    await c.seesAndHears();
});

test('an ICE restart over TCP: media goes on in the same PeerConnection', LIMIT, async () => {
    const [a, b] = [await chromium.person(relay.url, overTcp), await chromium.person(relay.url)];
    const [before] = await meet([a, b]);
    await a.evaluate(() => globalThis.dispatchEvent(new Event('online')));
    await until(async () => (await a.stats()).offers === 2, 'no restart was offered');
    await until(
        async () => (await a.stats()).remoteUfrag !== before.remoteUfrag,
        'the pair in use has the old credentials',
    );
    const later = await a.seesAndHears({ frames: 30 });
    assert.equal(later.remoteProtocol, 'tcp');
    assert.equal(later.connections, 1);
    await b.seesAndHears({ frames: 30 });
});

test('when both leave, their TCP connections end', LIMIT, async () => {
    const people = [await chromium.person(relay.url, overTcp), await chromium.person(relay.url, overTcp)];
    await meet(people);
    await Promise.all(people.map((person) => person.leave()));
    await until(
        async () => (await relay.metric('meetopia_ice_tcp_connections')) === 0,
        'connections are left',
        40000,
    );
});
