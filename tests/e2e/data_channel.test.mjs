// Data channels of real browsers through the relay: what they are, what they carry, and what
// becomes of them with the next partner.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { startChromium } from './lib/chromium.mjs';
import { dataPage } from './lib/data_page.mjs';
import { startFirefox } from './lib/firefox.mjs';
import { until } from './lib/person.mjs';
import { startRelay } from './lib/relay.mjs';
import { startSite } from './lib/site.mjs';

const LIMIT = { timeout: 60000 };

let site, relay, chromium;

before(async () => {
    site = await startSite({ '/data': dataPage });
    relay = await startRelay(`--allowed-origins=${site.url}`);
    chromium = await startChromium();
});
afterEach(() => chromium.clear());
after(async () => {
    await chromium?.stop();
    await relay?.stop();
    await site?.stop();
});

/** Somebody with these channels of their own, connected to the relay and not matched. */
async function someone(own, { browser = chromium, ...options } = {}) {
    const person = await browser.person(`${site.url}/data?relay=${encodeURIComponent(relay.url)}`);
    await person.evaluate((options) => begin(options), { own, ...options });
    return person;
}

async function match(a, b) {
    await a.evaluate(() => find());
    await a.reaches('waiting', 'matched');
    await b.evaluate(() => find());
    await Promise.all([a.reaches('matched'), b.reaches('matched')]);
}

/** The channel of that label, once it is in that state. */
function channel(person, label, { state = 'open', mirrored } = {}) {
    let list;
    return until(
        async () => {
            list = await person.evaluate(() => listChannels());
            return list.findLast(
                (c) =>
                    c.label === label &&
                    c.state === state &&
                    (mirrored === undefined || c.mirrored === mirrored),
            );
        },
        `no ${state} channel “${label}”`,
        15000,
    ).catch((error) => {
        throw new Error(`${error.message}: ${JSON.stringify(list)}`);
    });
}

function hears(person, test, what) {
    return until(async () => (await person.evaluate(() => heard)).find(test), `never heard ${what}`);
}

const say = (person, label, what) => person.evaluate(([l, w]) => say(l, w), [label, what]);

test('labels, protocols, ordering and reliability are kept', LIMIT, async () => {
    const kinds = [
        { label: 'plain', init: { protocol: 'text/v1' } },
        { label: 'unordered', init: { ordered: false } },
        { label: 'three tries', init: { maxRetransmits: 3 } },
        { label: 'no second try', init: { ordered: false, maxRetransmits: 0 } },
        { label: 'half a second', init: { ordered: false, maxPacketLifeTime: 500 } },
        { label: 'ünïcödé 🎈', init: { protocol: 'é' } },
        { label: '', init: {} },
    ];
    const [a, b] = await Promise.all([someone(kinds), someone([{ label: 'other', init: {} }])]);
    for (const { label } of kinds) await channel(a, label);
    await channel(b, 'other');
    await match(a, b);
    for (const { label, init } of kinds) {
        const c = await channel(b, label, { mirrored: true });
        assert.equal(c.protocol, init.protocol ?? '', label);
        assert.equal(c.ordered, init.ordered ?? true, label);
        assert.equal(c.retransmits, init.maxRetransmits ?? null, label);
        assert.equal(c.lifetime, init.maxPacketLifeTime ?? null, label);
        await say(a, label, `to ${label}`);
        await hears(b, (m) => m.label === label && m.data === `to ${label}`, label);
        await say(b, label, `from ${label}`);
        await hears(a, (m) => m.label === label && m.data === `from ${label}`, label);
    }
    await channel(a, 'other', { mirrored: true });
    assert.deepEqual([...a.errors, ...b.errors], []);
});

test('text and bytes, empty and of 200 kB, arrive as they were sent, in order', LIMIT, async () => {
    const own = [{ label: 'chat', init: {} }];
    const [a, b] = await Promise.all([someone(own), someone(own)]);
    await Promise.all([channel(a, 'chat'), channel(b, 'chat')]);
    await match(a, b);
    const sums = [];
    await say(a, 'chat', '');
    await say(a, 'chat', 'grüße');
    for (const size of [0, 1, 1200, 200000, 262144])
        sums.push([size, await a.evaluate((size) => sayBytes('chat', size), size)]);
    await say(a, 'chat', 'x'.repeat(200000));
    for (let i = 0; i < 200; i++) await say(a, 'chat', `number ${i}`);

    await hears(b, (m) => m.data === 'number 199', 'the last one');
    const heard = await b.evaluate(() => heard);
    assert.deepEqual(
        heard.slice(0, 7).map((m) => [m.text, m.size, m.data]),
        [[true, 0, ''], [true, 5, 'grüße'], ...sums.map(([size, sum]) => [false, size, sum])],
    );
    assert.equal(heard[7].data, 'x'.repeat(200000));
    assert.deepEqual(
        heard.slice(8).map((m) => m.data),
        Array.from({ length: 200 }, (_, i) => `number ${i}`),
    );
    /* One channel of the same name on both sides: nobody got a second one. */
    assert.equal((await a.evaluate(() => listChannels())).length, 1);
    assert.equal((await b.evaluate(() => listChannels())).length, 1);
});

test('with the next partner one’s own channels stay and mirrors are closed', LIMIT, async () => {
    const [a, b, c] = await Promise.all([
        someone([{ label: 'a’s', init: {} }]),
        someone([{ label: 'b’s', init: {} }]),
        someone([{ label: 'c’s', init: {} }]),
    ]);
    await match(a, b);
    await channel(b, 'a’s', { mirrored: true });
    await channel(a, 'b’s', { mirrored: true });
    await say(a, 'a’s', 'to b');
    await hears(b, (m) => m.data === 'to b', 'to b');

    await a.evaluate(() => leave());
    await b.reaches('partner-left');
    await channel(b, 'a’s', { state: 'closed' });
    await channel(a, 'b’s', { state: 'closed' });
    await channel(a, 'a’s');
    await channel(b, 'b’s');
    const dropped = await relay.metric('meetopia_data_unlinked_total');
    await say(a, 'a’s', 'to nobody');
    await until(
        async () => (await relay.metric('meetopia_data_unlinked_total')) === dropped + 1,
        'it was not counted',
    );

    await match(a, c);
    await channel(c, 'a’s', { mirrored: true });
    await channel(a, 'c’s', { mirrored: true });
    await say(a, 'a’s', 'to c');
    await hears(c, (m) => m.data === 'to c', 'to c');
    await say(c, 'c’s', 'to a');
    await hears(a, (m) => m.data === 'to a', 'to a');
    assert.equal((await c.evaluate(() => heard)).length, 1);
    assert.deepEqual([...a.errors, ...b.errors, ...c.errors], []);
});

test('closing a channel closes it on the other side, and its id is used again', LIMIT, async () => {
    const [a, b] = await Promise.all([
        someone([{ label: 'first', init: {} }, { label: 'stays', init: {} }]),
        someone([{ label: 'b’s', init: {} }]),
    ]);
    await match(a, b);
    await channel(b, 'first', { mirrored: true });
    await channel(a, 'b’s', { mirrored: true });
    await a.evaluate(() => pick('first').close());
    await channel(b, 'first', { state: 'closed' });
    await b.evaluate(() => pick('stays').close()); /* by the one who did not open it */
    await channel(a, 'stays', { state: 'closed' });
    for (let i = 0; i < 20; i++) {
        /* more than there are places, one after the other */
        await a.evaluate((label) => note(pc.createDataChannel(label), false), `again ${i}`);
        await channel(b, `again ${i}`, { mirrored: true });
        await a.evaluate((label) => pick(label).close(), `again ${i}`);
        await channel(b, `again ${i}`, { state: 'closed' });
    }
    await say(b, 'b’s', 'still here');
    await hears(a, (m) => m.data === 'still here', 'the one that stayed');
});

test('channels that the pages agreed on themselves', LIMIT, async () => {
    const own = [{ label: 'agreed', init: { negotiated: true, id: 8 } }];
    const [a, b, c] = await Promise.all([someone(own), someone(own), someone(own)]);
    await Promise.all([channel(a, 'agreed'), channel(b, 'agreed'), channel(c, 'agreed')]);
    await match(a, b);
    await say(a, 'agreed', 'to b');
    await hears(b, (m) => m.data === 'to b', 'to b');
    await say(b, 'agreed', 'to a');
    await hears(a, (m) => m.data === 'to a', 'to a');
    await a.evaluate(() => leave());
    await b.reaches('partner-left');
    await match(a, c);
    await say(a, 'agreed', 'to c');
    await hears(c, (m) => m.data === 'to c', 'to c');
    await channel(b, 'agreed');
});

test('more channels than the limit are closed, the others work', LIMIT, async () => {
    const own = Array.from({ length: 18 }, (_, i) => ({ label: `channel ${i}`, init: {} }));
    const a = await someone(own);
    await until(async () => {
        const states = (await a.evaluate(() => listChannels())).map((c) => c.state);
        return (
            states.filter((s) => s === 'open').length === 16 &&
            states.filter((s) => s === 'closed').length === 2
        );
    }, 'not 16 open and 2 closed');
    assert.equal(await relay.metric('meetopia_refused_total{code="channel_limit"}'), 2);
});

test('a megabyte in a row to one who reads slowly arrives whole', LIMIT, async () => {
    const own = [{ label: 'files', init: {} }];
    const [a, b] = await Promise.all([someone(own), someone(own)]);
    await Promise.all([channel(a, 'files'), channel(b, 'files')]);
    await match(a, b);
    const sum = await a.evaluate(async () => {
        let last;
        for (let i = 0; i < 40; i++) {
            while (pick('files').bufferedAmount > 1e6) await new Promise((r) => setTimeout(r, 10));
            last = sayBytes('files', 100000 + i);
        }
        return last;
    });
    await until(async () => (await b.evaluate(() => heard.length)) === 40, 'not all came');
    const heard = await b.evaluate(() => heard.map((m) => m.size));
    assert.deepEqual(heard, Array.from({ length: 40 }, (_, i) => 100000 + i));
    assert.equal((await b.evaluate(() => heard.at(-1))).data, sum);
});

test('an association that cannot come about leaves sound and picture alone', LIMIT, async () => {
    const own = [{ label: 'chat', init: {} }];
    const play = () => {
        const video = document.createElement('video');
        video.autoplay = true;
        video.srcObject = new MediaStream(pc.getReceivers().map((r) => r.track));
        document.body.append(video);
    };
    const refused = () => relay.metric('meetopia_refused_total{code="sctp_malformed"}');
    const before = await refused();
    const [a, b] = await Promise.all([
        someone(own, { media: true, wrongPort: true }),
        someone(own, { media: true }),
    ]);
    await channel(b, 'chat');
    await match(a, b);
    await Promise.all([a.evaluate(play), b.evaluate(play)]);
    await Promise.all([a.seesAndHears(), b.seesAndHears()]);
    await until(async () => (await refused()) > before, 'its packets were not counted');
    await channel(a, 'chat', { state: 'connecting' });
    await Promise.all([a.seesAndHears(), b.seesAndHears()]);
});

test('the client library opens data channels when it is asked to', LIMIT, async () => {
    const begin = async () => {
        const { MeetopiaClient } = await import('/meetopia-client.js');
        globalThis.client = new MeetopiaClient({ dataChannels: { game: { ordered: false } } });
        globalThis.got = [];
        client.on('data-channel', ({ channel, own }) => {
            if (own) globalThis.game = channel;
            channel.onmessage = ({ data }) => got.push(data);
        });
        await client.start();
    };
    const people = await Promise.all([chromium.person(relay.url), chromium.person(relay.url)]);
    for (const person of people) await person.evaluate(begin);
    const [a, b] = people;
    for (const person of people)
        await until(
            () => person.evaluate(() => client.state === 'connected' && game.readyState === 'open'),
            'never connected',
        );
    await a.evaluate(() => game.send('your move'));
    await until(() => b.evaluate(() => got.includes('your move')), 'never heard');
    await b.evaluate(() => game.send(new Uint8Array([1, 2, 3])));
    await until(() => a.evaluate(() => got.length === 1), 'never heard');
});

test('Firefox and Chromium', LIMIT, async () => {
    const firefox = await startFirefox();
    try {
        const [a, b] = await Promise.all([
            someone([{ label: 'fire', init: { ordered: false, maxRetransmits: 9 } }], {
                browser: firefox,
            }),
            someone([{ label: 'chrome', init: { maxPacketLifeTime: 9000 } }]),
        ]);
        await match(a, b);
        const fire = await channel(b, 'fire', { mirrored: true });
        assert.deepEqual([fire.ordered, fire.retransmits, fire.lifetime], [false, 9, null]);
        const chrome = await channel(a, 'chrome', { mirrored: true });
        assert.deepEqual([chrome.ordered, chrome.retransmits, chrome.lifetime], [true, null, 9000]);
        await say(a, 'fire', 'to Chromium');
        await hears(b, (m) => m.data === 'to Chromium', 'Firefox');
        await say(b, 'chrome', 'to Firefox');
        await hears(a, (m) => m.data === 'to Firefox', 'Chromium');
        for (const [from, to, label] of [[a, b, 'fire'], [b, a, 'chrome']]) {
            const sum = await from.evaluate((label) => sayBytes(label, 200000), label);
            await until(
                async () => (await to.evaluate(() => heard)).some((m) => m.data === sum),
                `no 200 kB on ${label}`,
            );
        }
        await a.evaluate(() => leave());
        await channel(b, 'fire', { state: 'closed' });
        await channel(a, 'chrome', { state: 'closed' });
        await channel(a, 'fire');
    } finally {
        await firefox.clear();
        await firefox.stop();
    }
});
