// A person in front of a page: what they do, what they see, and what their browser measures.
// The same for Chromium (playwright) and Firefox (puppeteer): evaluate() is all it needs.
import assert from 'node:assert/strict';

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Asks until `ask` gives something true, and gives that; else fails with `what` and the last. */
export async function until(ask, what, ms = 20000) {
    const end = Date.now() + ms;
    let last;
    for (;;) {
        last = await ask();
        if (last) return last;
        if (Date.now() > end) assert.fail(`${what} (waited ${ms} ms)`);
        await sleep(50);
    }
}

export class Person {
    /** @param {any} page @param {string} browser @param {() => Promise<void>} leave */
    constructor(page, browser, leave) {
        this.page = page;
        this.browser = browser;
        /** Closes the tab and everything of this person's. */
        this.leave = leave;
        this.errors = [];
        page.on('pageerror', (error) => this.errors.push(error));
    }

    evaluate(fn, ...args) {
        return this.page.evaluate(fn, ...args);
    }

    click(id) {
        return this.evaluate((id) => document.getElementById(id).click(), id);
    }

    state() {
        return this.evaluate(() => document.body.dataset.state);
    }

    /** Waits until the page is in one of the states. */
    async reaches(...states) {
        let now;
        await until(
            async () => states.includes((now = await this.state())),
            `${this.browser} page never came to ${states.join(' or ')}`,
        ).catch((error) => {
            throw new Error(`${error.message}; it is in ${now}`);
        });
        return now;
    }

    async start() {
        await this.click('start');
    }

    async say(text) {
        await this.evaluate((text) => {
            const input = document.getElementById('text');
            input.value = text;
            input.dispatchEvent(new Event('input', { bubbles: true }));
            document.getElementById('composer').requestSubmit();
        }, text);
    }

    /** What others have said to this person. */
    heard() {
        return this.evaluate(() =>
            [...document.querySelectorAll('#messages .theirs p')].map((p) => p.textContent),
        );
    }

    async hears(text) {
        await until(async () => (await this.heard()).includes(text), `never heard “${text}”`);
    }

    text(id) {
        return this.evaluate((id) => document.getElementById(id).textContent, id);
    }

    stats() {
        return this.evaluate(() => globalThis.spied.stats());
    }

    /** Waits until frames are decoded and samples received beyond what there was. */
    async seesAndHears({ frames = 10, samples = 20000 } = {}) {
        const before = await this.stats();
        return until(
            async () => {
                const now = await this.stats();
                const fresh = !before || now.connections !== before.connections;
                const decoded = now.framesDecoded - (fresh ? 0 : before.framesDecoded);
                const heard = now.audioSamples - (fresh ? 0 : before.audioSamples);
                return decoded >= frames && heard >= samples && now;
            },
            `${this.browser} decoded too few frames or received too few samples`,
        ).catch(async (error) => {
            throw new Error(`${error.message}: ${JSON.stringify(await this.stats())}`);
        });
    }
}
