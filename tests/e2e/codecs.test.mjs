// Each video codec that the option video-codecs can put first, decoded by Chromium.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { startChromium } from './lib/chromium.mjs';
import { startRelay } from './lib/relay.mjs';

let chromium, sends;

before(async () => {
    chromium = await startChromium();
    const page = await chromium.browser.newPage();
    sends = await page.evaluate(() =>
        RTCRtpSender.getCapabilities('video').codecs.map((codec) => codec.mimeType),
    );
    await page.close();
});
afterEach(() => chromium.clear());
after(() => chromium?.stop());

for (const codec of ['VP8', 'H264', 'VP9', 'AV1']) {
    test(`video-codecs=${codec}: both decode it, again after Next`, { timeout: 60000 }, async (t) => {
        if (!sends.includes(`video/${codec}`)) {
            t.skip(`this Chromium cannot send ${codec}`);
            return;
        }
        const relay = await startRelay(`--video-codecs=${codec},VP8`);
        t.after(async () => {
            await chromium.clear();
            await relay.stop();
        });
        const all = await Promise.all([1, 2, 3].map(() => chromium.person(relay.url)));
        const [a, b, c] = all;
        await Promise.all([a.start(), b.start()]);
        await Promise.all([a.reaches('connected'), b.reaches('connected')]);
        for (const person of [a, b])
            assert.equal((await person.seesAndHears()).codec, `video/${codec}`);

        await c.start();
        await c.reaches('waiting');
        await a.click('next');
        await Promise.all([a.reaches('connected'), c.reaches('connected')]);
        await Promise.all([a.seesAndHears(), c.seesAndHears()]);
    });
}
