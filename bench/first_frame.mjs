/**
 * How long a person waits for a picture: from the match to the partner's first decoded frame.
 * Chromium with its fake camera at 1280x720, the relay and everybody on this machine.
 *
 *     node bench/first_frame.mjs [--runs=20] [--only=warm,next,fresh] [--picture=detailed]
 *                                [--relay=OPTION,OPTION]
 *
 * warm   both have their PeerConnection before they are matched, as the page does
 * next   one of two goes on to a third who waits, all of them warm
 * fresh  both make a PeerConnection when they are matched, as clients do that are deployed
 *
 * The fake camera's picture is easy to encode (key frames of 4 kB); --picture=detailed is not (60 kB
 * if it may), which shows what pacing and estimates of the path cost.
 *
 * A frame's times are those that Chromium gives with it (requestVideoFrameCallback): `received`
 * is when its last packet came, `decoded` adds the decoder's time, `shown` is the compositor's.
 */
import { startChromium } from '../tests/e2e/lib/chromium.mjs';
import { until } from '../tests/e2e/lib/person.mjs';
import { startRelay } from '../tests/e2e/lib/relay.mjs';

const flags = Object.fromEntries(
    process.argv.slice(2).map((flag) => flag.replace(/^--/, '').split('=')),
);
const runs = Number(flags.runs ?? 20);
const only = (flags.only ?? 'warm,next,fresh').split(',');
const goals = { warm: 200, next: 200, fresh: 500 };

/** Runs in the page: a client of the library, and the times of what happens to it. */
async function openClient({ warm }) {
    const { MeetopiaClient } = await import('/meetopia-client.js');
    const client = new MeetopiaClient({ warm });
    const video = document.getElementById('remote');
    const me = (globalThis.me = { client, times: {} });
    const note = (name, at = performance.now()) => (me.times[name] ??= at);

    video.muted = true;
    document.body.classList.add('live'); /* or nothing is shown */
    const onFrame = (now, frame) => {
        /* What came within 3 ms of the match was the last partner's last. */
        if (frame.receiveTime > me.times.match + 3) {
            note('received', frame.receiveTime);
            note('decoded', frame.receiveTime + 1000 * (frame.processingDuration ?? 0));
            note('shown', now);
            note('width', frame.width);
        }
        video.requestVideoFrameCallback(onFrame);
    };
    video.requestVideoFrameCallback(onFrame);
    client.on('remote-stream', (stream) => {
        video.srcObject = stream;
        if (stream) video.play().catch(() => {});
    });
    client.on('partner', (partner) => {
        if (partner) me.times = { match: performance.now() };
    });
    client.on('media', (state) => state === 'connected' && note('media'));
    await client.start({ search: false });
}

/** Runs before the page: a camera whose picture is full of detail. */
function detailedCamera() {
    const native = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    const [width, height] = [1280, 720];
    navigator.mediaDevices.getUserMedia = async ({ audio }) => {
        const stream = await native({ audio });
        const picture = Object.assign(document.createElement('canvas'), { width: 1500, height: 900 });
        const brush = picture.getContext('2d');
        const random = (least, most) => least + Math.random() * (most - least);
        for (let i = 0; i < 4000; i++) {
            brush.fillStyle = `hsl(${random(0, 360)} 50% ${random(20, 80)}%)`;
            brush.beginPath();
            brush.ellipse(random(0, 1500), random(0, 900), random(4, 50), random(4, 30), random(0, 6), 0, 7);
            brush.fill();
        }
        const camera = Object.assign(document.createElement('canvas'), { width, height });
        const shown = camera.getContext('2d');
        let step = 0;
        setInterval(() => shown.drawImage(picture, -(++step % 150), -(step % 100)), 33);
        stream.addTrack(camera.captureStream(30).getVideoTracks()[0]);
        return stream;
    };
}

const states = (person) => person.evaluate(() => globalThis.me.client.state);
const reach = (person, state) =>
    until(async () => (await states(person)) === state, `${state} was not reached`);

async function timesOf(person) {
    await until(() => person.evaluate(() => 'shown' in globalThis.me.times), 'no frame was shown');
    const { match, ...rest } = await person.evaluate(() => globalThis.me.times);
    const out = { width: rest.width };
    for (const name of ['media', 'received', 'decoded', 'shown'])
        if (rest[name] !== undefined) out[name] = rest[name] - match;
    return out;
}

async function open(chromium, relay, options) {
    const person = await chromium.person(relay.url, { before });
    await person.evaluate(openClient, options);
    return person;
}

const settle = () => new Promise((resolve) => setTimeout(resolve, 1000));
const search = (person) => person.evaluate(() => globalThis.me.client.next());

async function measurePair(chromium, relay, warm) {
    const [a, b] = [await open(chromium, relay, { warm }), await open(chromium, relay, { warm })];
    await Promise.all([reach(a, 'ready'), reach(b, 'ready')]);
    await search(a);
    await reach(a, 'waiting');
    await settle();
    await search(b);
    const times = await Promise.all([timesOf(a), timesOf(b)]);
    await chromium.clear();
    return times;
}

async function* measureNext(chromium, relay) {
    const a = await open(chromium, relay, { warm: true });
    let left = await open(chromium, relay, { warm: true });
    let waiting = await open(chromium, relay, { warm: true });
    await Promise.all([search(a), search(left)]);
    await Promise.all([timesOf(a), timesOf(left)]);
    await search(waiting);
    for (;;) {
        await reach(waiting, 'waiting');
        await settle();
        await search(a);
        await reach(waiting, 'connected');
        yield Promise.all([timesOf(a), timesOf(waiting)]);
        await search(left);
        [left, waiting] = [waiting, left];
    }
}

function summary(values) {
    const sorted = [...values].sort((x, y) => x - y);
    const at = (part) => sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))];
    return { median: at(0.5), min: sorted[0], p90: at(0.9) };
}

function print(name, all) {
    const ms = (value) => `${value.toFixed(0)} ms`.padStart(8);
    console.log(`\n${name}: ${all.length} frames of ${runs} matches, both people`);
    for (const key of ['media', 'received', 'decoded', 'shown']) {
        const values = all.map((times) => times[key]).filter((value) => value !== undefined);
        if (values.length === 0) continue;
        const { median, min, p90 } = summary(values);
        const goal = key === 'decoded' ? `   goal: median under ${goals[name]} ms` : '';
        console.log(`  ${key.padEnd(9)} median${ms(median)}  min${ms(min)}  p90${ms(p90)}${goal}`);
    }
}

const before = flags.picture === 'detailed' ? detailedCamera : undefined;
const relay = await startRelay(...(flags.relay ? flags.relay.split(',').map((o) => `--${o}`) : []));
const chromium = await startChromium();
try {
    for (const name of only) {
        const all = [];
        if (name === 'next') {
            for await (const times of measureNext(chromium, relay)) {
                all.push(...times);
                if (all.length >= 2 * runs) break;
            }
            await chromium.clear();
        } else {
            for (let i = 0; i < runs; i++)
                all.push(...(await measurePair(chromium, relay, name === 'warm')));
        }
        print(name, all);
    }
} finally {
    await chromium.stop();
    await relay.stop();
}
