// The same in Firefox, and Firefox with Chromium.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { startChromium } from './lib/chromium.mjs';
import { startFirefox } from './lib/firefox.mjs';
import { until } from './lib/person.mjs';
import { startRelay } from './lib/relay.mjs';

const LIMIT = { timeout: 90000 };

let relay, firefox, chromium;

before(async () => {
    relay = await startRelay();
    firefox = await startFirefox();
    chromium = await startChromium();
});
afterEach(() => Promise.all([firefox.clear(), chromium.clear()]));
after(async () => {
    await firefox?.stop();
    await chromium?.stop();
    await relay?.stop();
});

async function pair(first, second) {
    const [a, b] = await Promise.all([first.person(relay.url), second.person(relay.url)]);
    await Promise.all([a.start(), b.start()]);
    await Promise.all([a.reaches('connected'), b.reaches('connected')]);
    return [a, b];
}

test('two people in Firefox see and hear each other, and write', LIMIT, async () => {
    const [a, b] = await pair(firefox, firefox);
    for (const person of [a, b]) {
        const stats = await person.seesAndHears();
        assert.equal(stats.remotePort, relay.udpPort);
        if (stats.srtpCipher) assert.match(stats.srtpCipher, /AEAD_AES_128_GCM/);
        assert.deepEqual(person.errors, []);
    }
    await a.say('from fox to fox');
    await b.hears('from fox to fox');
    await b.say('and back');
    await a.hears('and back');
});

test('Firefox and Chromium see and hear each other, and write', LIMIT, async () => {
    const [a, b] = await pair(firefox, chromium);
    await Promise.all([a.seesAndHears(), b.seesAndHears()]);
    await a.say('from the fox');
    await b.hears('from the fox');
    await b.say('to the fox');
    await a.hears('to the fox');
    await a.leave();
    await b.reaches('partner-left');
});

test('Next from Firefox to Chromium and back needs no SDP', LIMIT, async () => {
    const [a, b] = await pair(firefox, firefox);
    await Promise.all([a.seesAndHears(), b.seesAndHears()]);
    const c = await chromium.person(relay.url);
    await c.start();
    await c.reaches('waiting');
    await a.click('next');
    await b.reaches('partner-left');
    await Promise.all([a.reaches('connected'), c.reaches('connected')]);
    await Promise.all([a.seesAndHears(), c.seesAndHears()]);
    await c.click('next');
    await b.click('next');
    await Promise.all([b.reaches('connected'), c.reaches('connected')]);
    await Promise.all([b.seesAndHears(), c.seesAndHears()]);
    for (const person of [a, b, c]) {
        const { offers, connections } = await person.stats();
        assert.deepEqual({ offers, connections }, { offers: 1, connections: 1 });
    }
});

test('a reload of Firefox in the middle', LIMIT, async () => {
    const [a, b] = await pair(firefox, chromium);
    await a.page.reload();
    await b.reaches('partner-left');
    await a.start();
    await b.click('next');
    await Promise.all([a.reaches('connected'), b.reaches('connected')]);
    await Promise.all([a.seesAndHears(), b.seesAndHears()]);
});

test('an ICE restart of Firefox: media goes on', LIMIT, async () => {
    const [a, b] = await pair(firefox, chromium);
    await a.seesAndHears();
    await a.evaluate(() => globalThis.dispatchEvent(new Event('online')));
    await until(async () => (await a.stats()).offers === 2, 'no restart was offered');
    await Promise.all([a.seesAndHears({ frames: 30 }), b.seesAndHears({ frames: 30 })]);
    assert.equal((await a.stats()).connections, 1);
    assert.equal(await a.state(), 'connected');
});
