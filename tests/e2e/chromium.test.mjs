// Two people in Chromium, through the relay.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { startChromium } from './lib/chromium.mjs';
import { startRelay } from './lib/relay.mjs';

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

async function people(count = 2) {
    return Promise.all(Array.from({ length: count }, () => chromium.person(relay.url)));
}

async function pair() {
    const [a, b] = await people();
    await Promise.all([a.start(), b.start()]);
    await Promise.all([a.reaches('connected'), b.reaches('connected')]);
    return [a, b];
}

test('two people see and hear each other', { timeout: 60000 }, async () => {
    const [a, b] = await pair();
    for (const person of [a, b]) {
        const stats = await person.seesAndHears();
        assert.equal(stats.remotePort, relay.udpPort, 'media does not go to the one UDP port');
        assert.match(stats.srtpCipher, /AEAD_AES_128_GCM/);
        assert.deepEqual(person.errors, []);
    }
});
