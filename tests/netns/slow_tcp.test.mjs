// A client that reaches nothing but the TCP port, by a line of 500 kbit/s, and a partner who would
// send more than twice that.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { sleep } from '../e2e/lib/person.mjs';
import { unavailable } from './lib/network.mjs';
import { mediaStats, meet, watchQuietly } from './lib/playing.mjs';
import { Scene, SERVER } from './lib/scene.mjs';

const RATE = 500; // kbit/s
const DELAY_MAX = 0.3; // seconds
const NO_UDP = `table inet firewall {
    chain out {
        type filter hook output priority 0;
        meta l4proto udp drop
    }
}`;

const skip = unavailable();
let scene, slow, relay, people;

before(async () => {
    if (skip) return;
    scene = new Scene();
    slow = scene.client('slow');
    slow.nft(NO_UDP);
    relay = await scene.relay();
});
afterEach(() => Promise.all(people?.map((person) => person.leave()) ?? []));
after(() => scene?.close());

/** A picture that no encoder makes small. Runs in the page. */
function noise() {
    const { mediaDevices } = navigator;
    const open = mediaDevices?.getUserMedia.bind(mediaDevices);
    if (!open) return;
    mediaDevices.getUserMedia = async ({ audio, video }) => {
        const stream = audio ? await open({ audio }) : new MediaStream();
        if (!video) return stream;
        const [width, height] = [320, 240];
        const canvas = Object.assign(document.createElement('canvas'), { width, height });
        const context = canvas.getContext('2d');
        const frames = Array.from({ length: 8 }, () => {
            const image = context.createImageData(width, height);
            const pixels = new Uint32Array(image.data.buffer);
            const blocks = Uint32Array.from({ length: 1200 }, () => Math.random() * 0x1000000);
            for (let y = 0; y < height; y++)
                for (let x = 0; x < width; x++)
                    pixels[y * width + x] = 0xff000000 | blocks[(y >> 3) * 40 + (x >> 3)];
            return image;
        });
        let shown = 0;
        setInterval(() => context.putImageData(frames[shown++ % frames.length], 0, 0), 66);
        stream.addTrack(canvas.captureStream(15).getVideoTracks()[0]);
        return stream;
    };
}

/** Seconds that sound waited in the browser, on the average. */
const waited = (one) => one.soundWaited / one.soundEmitted;

const metrics = async () =>
    Object.fromEntries(
        await Promise.all(
            ['meetopia_leg_frames_dropped_total', 'meetopia_leg_full_total'].map(async (name) => [
                name,
                await relay.metric(name),
            ]),
        ),
    );

test('sound over a slow TCP line is whole and young, and the partner slows down', { skip }, async () => {
    const origins = [`http://${SERVER}:3003`];
    const [far, near] = await Promise.all([
        scene.chromium(slow, origins),
        scene.chromium(scene.client('near'), origins),
    ]);
    people = [await far.person(relay.url), await near.person(relay.url, { before: noise })];
    const device = `client${slow.number}`;
    await meet(...people);
    assert.equal((await mediaStats(people[0])).localPath, 'ice-tcp');
    await sleep(5000);
    console.log(`# with room: ${JSON.stringify(await metrics())}`);

    await scene.server.run(
        'tc',
        ...`qdisc add dev ${device} root tbf rate ${RATE}kbit burst 4kb latency 2s`.split(' '),
    );
    await sleep(5000); // until the sender has heard of it
    console.log(`# after 5 s: ${JSON.stringify(await metrics())}`);
    const trips = [];
    const sampling = setInterval(async () => {
        const stats = await mediaStats(people[0]).catch(() => ({}));
        if (stats.roundTrip) trips.push(stats.roundTrip);
    }, 500);
    const [seen] = await watchQuietly([people[0]], 20, (one) => {
        const what = JSON.stringify(one);
        assert.ok(one.samples >= 40000 * one.perSecond.length, `too little sound: ${what}`);
        assert.ok(one.concealed <= 0.01 * one.samples, `gaps in the sound: ${what}`);
        assert.ok(waited(one) < DELAY_MAX, `sound waits for ${waited(one)} s: ${what}`);
        assert.ok(Math.min(...one.perSecond) > 0, `a second without a frame: ${what}`);
        assert.ok(one.frozenSeconds <= 3, `frozen too long: ${what}`);
    });
    clearInterval(sampling);
    const trip = Math.max(...trips);
    console.log(
        `# ${seen.perSecond.join(' ')} frames; concealed ${seen.concealed} of ${seen.samples} samples; ` +
            `sound waits ${(waited(seen) * 1000).toFixed()} ms, round trips up to ${(trip * 1000).toFixed()} ms; ` +
            JSON.stringify(await metrics()),
    );
    assert.ok(trip < DELAY_MAX, `a round trip took ${trip} s`);
    for (const person of people) assert.deepEqual(person.errors, []);
});
