// What can be missing: the camera, a secure page, the server, the path for media.
import assert from 'node:assert/strict';
import { networkInterfaces } from 'node:os';
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

/** As a person who presses “Block”. */
function refuseDevices() {
    navigator.mediaDevices.getUserMedia = () =>
        Promise.reject(new DOMException('Permission denied', 'NotAllowedError'));
}

/** As a machine whose camera gives small pictures only. */
function onlySmallPictures() {
    const native = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = (constraints) =>
        constraints.video && constraints.video.width.ideal > 320
            ? Promise.reject(new DOMException('no', 'OverconstrainedError'))
            : native(constraints);
}

function noCamera() {
    const native = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = (constraints) =>
        constraints.video
            ? Promise.reject(new DOMException('in use', 'NotReadableError'))
            : native(constraints);
}

test('a refused camera leaves text, says so, and chat works', LIMIT, async () => {
    const people = await Promise.all(
        [1, 2].map(() => chromium.person(relay.url, { before: refuseDevices })),
    );
    const [a, b] = people;
    await Promise.all([a.start(), b.start()]);
    await Promise.all([a.reaches('connected'), b.reaches('connected')]);
    for (const person of people) {
        assert.match(await person.text('notice'), /not allowed.*chat by text/);
        assert.equal(await person.evaluate(() => document.body.dataset.mode), 'text');
    }
    await a.say('no camera here');
    await b.hears('no camera here');
    await b.click('next');
    await a.reaches('partner-left');
});

test('a camera that cannot do 720 lines is asked for fewer', LIMIT, async () => {
    /* Both: the pages of one Chromium share its fake camera and get what the first asked for. */
    const [a, b] = await Promise.all(
        [1, 2].map(() => chromium.person(relay.url, { before: onlySmallPictures })),
    );
    await Promise.all([a.start(), b.start()]);
    await Promise.all([a.reaches('connected'), b.reaches('connected')]);
    const stats = await b.seesAndHears();
    assert.ok(stats.width <= 320, `${stats.width} wide`);
});

test('a camera in use leaves sound, and the other sees why there is no picture', LIMIT, async () => {
    const a = await chromium.person(relay.url, { before: noCamera });
    const b = await chromium.person(relay.url);
    await Promise.all([a.start(), b.start()]);
    await Promise.all([a.reaches('connected'), b.reaches('connected')]);
    await b.seesAndHears({ frames: 0 });
    await a.seesAndHears();
    await until(async () => /camera is off/.test(await b.text('headline')), 'no word of it');
    assert.match(await a.text('notice'), /heard but not seen/);
});

test('a page that is not secure says to use https, and text works', LIMIT, async (t) => {
    const own = Object.values(networkInterfaces())
        .flat()
        .find((address) => address.family === 'IPv4' && !address.internal);
    if (!own) {
        t.skip('this machine has no address but loopback');
        return;
    }
    const url = `http://${own.address}:${relay.port}`;
    const [a, b] = await Promise.all([chromium.person(url), chromium.person(url)]);
    assert.match(await a.text('notice'), /https/);
    await Promise.all([a.start(), b.start()]);
    await Promise.all([a.reaches('connected'), b.reaches('connected')]);
    await a.say('plain');
    await b.hears('plain');
});

test('a server that dies: the page says so, comes back and finds someone again', LIMIT, async () => {
    let own = await startRelay();
    const { port } = own;
    const people = await Promise.all([1, 2].map(() => chromium.person(own.url)));
    const [a, b] = people;
    await Promise.all([a.start(), b.start()]);
    await Promise.all([a.reaches('connected'), b.reaches('connected')]);
    await own.kill();
    for (const person of people) {
        await person.reaches('reconnecting');
        assert.match(await person.text('headline'), /can’t be reached/);
        assert.match(await person.text('hint'), /Trying again in/);
    }
    own = await startRelay(`--port=${port}`);
    await Promise.all([a.reaches('connected'), b.reaches('connected')]);
    await Promise.all([a.seesAndHears(), b.seesAndHears()]);
    await chromium.clear();
    await own.stop();
});

test('a server that is stopped tells first', LIMIT, async () => {
    const own = await startRelay();
    const person = await chromium.person(own.url);
    await person.start();
    await person.reaches('waiting');
    await own.stop();
    await person.reaches('reconnecting');
    assert.match(await person.text('headline'), /restarting/);
});

test('a server that refuses us says why', LIMIT, async () => {
    const own = await startRelay('--max-connections-per-ip=1');
    const a = await chromium.person(own.url);
    const b = await chromium.person(own.url);
    await a.start();
    await a.reaches('waiting');
    await b.start();
    await b.reaches('refused');
    assert.match(await b.text('hint'), /too many open pages/);
    await a.click('stop');
    await b.reaches('waiting');
    await chromium.clear();
    await own.stop();
});
