// Clients that are deployed already work unchanged: with each other, with the other vocabulary,
// and with the product's own page.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { startChromium } from './lib/chromium.mjs';
import { deployedPages } from './lib/deployed.mjs';
import { startRelay } from './lib/relay.mjs';
import { startSite } from './lib/site.mjs';

const LIMIT = { timeout: 60000 };

let site, relay, chromium;

before(async () => {
    site = await startSite(deployedPages);
    relay = await startRelay(`--allowed-origins=${site.url}`);
    chromium = await startChromium();
});
afterEach(() => chromium.clear());
after(async () => {
    await chromium?.stop();
    await relay?.stop();
    await site?.stop();
});

function open(kind) {
    if (kind === 'our page') return chromium.person(relay.url);
    return chromium.person(`${site.url}/${kind}?relay=${encodeURIComponent(relay.url)}`);
}

const pairs = [
    ['match-4', 'match-4'],
    ['user-4', 'user-4'],
    ['match-4', 'user-4'],
    ['match-2', 'user-2'],
    ['match-4', 'our page'],
    ['user-2', 'our page'],
];

for (const [first, second] of pairs) {
    test(`${first} with ${second}: sound, picture, chat, and a clear end`, LIMIT, async () => {
        const [a, b] = await Promise.all([open(first), open(second)]);
        await Promise.all([a.start(), b.start()]);
        await Promise.all([a.reaches('connected'), b.reaches('connected')]);
        await Promise.all([a.seesAndHears(), b.seesAndHears()]);
        await a.say('from the first');
        await b.hears('from the first');
        await b.say('from the second');
        await a.hears('from the second');
        await a.click('stop');
        await b.reaches('partner-left');
        assert.deepEqual([...a.errors, ...b.errors], []);
    });
}

test('a deployed client goes on to the next with a fresh PeerConnection', LIMIT, async () => {
    const [a, b, c] = await Promise.all([open('match-4'), open('our page'), open('user-4')]);
    await Promise.all([a.start(), b.start()]);
    await Promise.all([a.reaches('connected'), b.reaches('connected')]);
    await c.start();
    await c.reaches('waiting');
    await a.click('next');
    await b.reaches('partner-left');
    await Promise.all([a.reaches('connected'), c.reaches('connected')]);
    await Promise.all([a.seesAndHears(), c.seesAndHears()]);
    assert.equal((await a.stats()).connections, 2);

    await c.click('next');
    await b.click('next');
    await Promise.all([b.reaches('connected'), c.reaches('connected')]);
    await Promise.all([b.seesAndHears(), c.seesAndHears()]);
    assert.equal((await b.stats()).connections, 1);
});
