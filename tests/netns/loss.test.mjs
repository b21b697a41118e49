// Lost, repeated, late and reordered packets between two browsers and the relay.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { unavailable } from './lib/network.mjs';
import { assertPlays, meet, watchQuietly } from './lib/playing.mjs';
import { Scene, SERVER, UDP_PORT } from './lib/scene.mjs';

/* Each way, and only media: signaling is TCP, which looks after itself. */
const LOSS = `table inet loss {
    chain in {
        type filter hook input priority 0;
        udp dport ${UDP_PORT} numgen random mod 100 lt 5 counter drop
    }
    chain out {
        type filter hook output priority 0;
        udp sport ${UDP_PORT} numgen random mod 100 lt 5 counter drop
    }
}`;
const BAD_NETWORK = '10.77.0.9'; // where udp_impair listens
const BAD_PORT = 3004;

const skip = unavailable();
let scene, clients, browsers, people;

before(async () => {
    if (skip) return;
    scene = new Scene();
    clients = [scene.client('a'), scene.client('b')];
    const origins = [`http://${SERVER}:3003`, `http://${SERVER}:${BAD_PORT}`];
    browsers = await Promise.all(clients.map((client) => scene.chromium(client, origins)));
});
afterEach(() => Promise.all(people?.map((person) => person.leave()) ?? []));
after(() => scene?.close());

async function meetAt(relay) {
    people = await Promise.all(browsers.map((browser) => browser.person(relay.url)));
    await meet(...people);
}

test('video and sound go on with 5 % of the packets lost each way', { skip }, async () => {
    const relay = await scene.relay();
    await meetAt(relay);
    scene.server.nft(LOSS);
    const seen = await watchQuietly(people, 15, assertPlays);
    for (const one of seen) {
        const what = JSON.stringify(one);
        assert.ok(one.nacksSent > 0 && one.repaired > 0, `no repairs: ${what}`);
        assert.ok(one.nacksReceived > 0, `never asked by the relay: ${what}`);
    }
    assert.ok((await relay.metric('meetopia_nack_asked_total')) > 0);
    assert.ok((await relay.metric('meetopia_rtp_recovered_total')) > 0);
    assert.ok((await relay.metric('meetopia_rtp_retransmitted_total')) > 0);
    for (const person of people) assert.deepEqual(person.errors, []);
});

test('video and sound go on over a path that repeats, delays and reorders', { skip }, async () => {
    const udpPort = UDP_PORT + 1;
    scene.server.ip(`addr add ${BAD_NETWORK}/32 dev lo`);
    const relay = await scene.relay({
        port: BAD_PORT,
        udpPort,
        external: [BAD_NETWORK],
        options: [`--listening-ip=${SERVER}`],
    });
    await scene.tool(
        'udp_impair',
        ...[`--listen=${BAD_NETWORK}:${udpPort}`, `--to=${SERVER}:${udpPort}`],
        ...['--delay=20', '--jitter=10', '--reorder=2', '--duplicate=5', '--loss=1'],
    );
    await meetAt(relay);
    const seen = await watchQuietly(people, 12, assertPlays);
    for (const one of seen) assert.equal(one.remoteAddress, BAD_NETWORK);
    assert.equal(await relay.metric('meetopia_refused_total{code="srtp_auth"}'), 0);
    assert.ok((await relay.metric('meetopia_refused_total{code="srtp_replay"}')) > 0);
    for (const person of people) assert.deepEqual(person.errors, []);
});
