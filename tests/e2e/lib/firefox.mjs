// Debian's Firefox ESR, driven by puppeteer-core over WebDriver BiDi.
import { existsSync } from 'node:fs';
import puppeteer from 'puppeteer-core';

import { Person } from './person.mjs';
import { spy } from './spy.mjs';

const places = [process.env.FIREFOX, '/usr/bin/firefox-esr', '/usr/bin/firefox'];

export async function startFirefox() {
    const browser = await puppeteer.launch({
        browser: 'firefox',
        executablePath: places.find((place) => place && existsSync(place)),
        headless: true,
        extraPrefsFirefox: {
            'media.navigator.streams.fake': true,
            'media.navigator.permission.disabled': true,
            'media.autoplay.default': 0,
            'media.devices.unfocused.enabled': true, /* several people, one window in front */
            'media.getusermedia.window.focus_source.enabled': false,
            'media.gmp-manager.updateEnabled': false,
            'app.update.enabled': false,
            'browser.shell.checkDefaultBrowser': false,
            'datareporting.policy.dataSubmissionEnabled': false,
            'network.captive-portal-service.enabled': false,
            'network.connectivity-service.enabled': false,
            'extensions.update.enabled': false,
        },
    });
    const contexts = [];
    return {
        name: 'firefox',
        browser,
        async person(url, { before } = {}) {
            const own = await browser.createBrowserContext();
            contexts.push(own);
            const page = await own.newPage();
            await page.evaluateOnNewDocument(spy);
            if (before) await page.evaluateOnNewDocument(before);
            await page.goto(url);
            return new Person(page, 'firefox', () => own.close());
        },
        async clear() {
            await Promise.all(contexts.splice(0).map((own) => own.close()));
        },
        stop: () => browser.close(),
    };
}
