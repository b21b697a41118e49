// Debian's Chromium, driven by playwright-core. One browser a test file; each person is a context
// of their own.
import { chromium } from 'playwright-core';

import { Person } from './person.mjs';
import { spy } from './spy.mjs';

export function startChromium(...args) {
    return launchChromium({ args });
}

/** @param {{executablePath?: string, args?: string[]}} options */
export async function launchChromium({
    executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium',
    args = [],
}) {
    const browser = await chromium.launch({
        executablePath,
        headless: true,
        args: [
            '--no-sandbox',
            '--disable-gpu',
            '--disable-quic',
            '--no-first-run',
            '--disable-background-networking',
            '--disable-component-update',
            '--disable-sync',
            '--use-fake-device-for-media-stream',
            '--use-fake-ui-for-media-stream',
            '--autoplay-policy=no-user-gesture-required',
            ...args,
        ],
    });
    const contexts = [];
    return {
        name: 'chromium',
        browser,
        /** A page for another person. @param {{before?: Function, context?: object}} options */
        async person(url, { before, context = {} } = {}) {
            const own = await browser.newContext(context);
            contexts.push(own);
            const page = await own.newPage();
            await page.addInitScript(spy);
            if (before) await page.addInitScript(before);
            await page.goto(url);
            return new Person(page, 'chromium', () => own.close());
        },
        /** Everybody goes: between two tests. */
        async clear() {
            await Promise.all(contexts.splice(0).map((own) => own.close()));
        },
        stop: () => browser.close(),
    };
}
