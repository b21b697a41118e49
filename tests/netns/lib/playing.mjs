// What a person's browser says of the media that it gets.
import assert from 'node:assert/strict';
import { availableParallelism, loadavg } from 'node:os';

import { sleep, until } from '../../e2e/lib/person.mjs';

/** Numbers of the newest PeerConnection, by what they are about. */
export function mediaStats(person) {
    return person.evaluate(async () => {
        const pc = globalThis.spied.connections.at(-1);
        const all = [...(await pc.getStats()).values()];
        const find = (type, kind) => all.find((s) => s.type === type && s.kind === kind) ?? {};
        const video = find('inbound-rtp', 'video');
        const audio = find('inbound-rtp', 'audio');
        const sent = find('outbound-rtp', 'video');
        const transport = all.find((s) => s.type === 'transport') ?? {};
        const path = all.find((s) => s.id === transport.selectedCandidatePairId) ?? {};
        const remote = all.find((s) => s.id === path.remoteCandidateId) ?? {};
        const local = all.find((s) => s.id === path.localCandidateId) ?? {};
        return {
            connections: globalThis.spied.connections.length,
            state: pc.connectionState,
            frames: video.framesDecoded ?? 0,
            freezes: video.freezeCount ?? 0,
            frozenSeconds: video.totalFreezesDuration ?? 0,
            lost: video.packetsLost ?? 0,
            packets: video.packetsReceived ?? 0,
            bytes: video.bytesReceived ?? 0,
            nacksSent: video.nackCount ?? 0,
            repaired: video.retransmittedPacketsReceived ?? 0,
            nacksReceived: sent.nackCount ?? 0,
            repairsSent: sent.retransmittedPacketsSent ?? 0,
            samples: audio.totalSamplesReceived ?? 0,
            concealed: audio.concealedSamples ?? 0,
            soundWaited: audio.jitterBufferDelay ?? 0,
            soundEmitted: audio.jitterBufferEmittedCount ?? 0,
            localAddress: local.address,
            localPath:
                local.candidateType === 'relay'
                    ? `turn-${local.relayProtocol}`
                    : local.protocol === 'tcp'
                      ? 'ice-tcp'
                      : local.protocol,
            roundTrip: path.currentRoundTripTime,
            remoteAddress: remote.address,
        };
    });
}

/**
 * Watches for `seconds`: the frames decoded in each second, and the numbers at the end less those at
 * the beginning.
 */
export async function watch(people, seconds) {
    const begin = await Promise.all(people.map(mediaStats));
    const perSecond = people.map(() => []);
    let last = begin;
    for (let second = 0; second < seconds; second++) {
        await sleep(1000);
        const now = await Promise.all(people.map(mediaStats));
        now.forEach((stats, i) => perSecond[i].push(stats.frames - last[i].frames));
        last = now;
    }
    return people.map((_, i) => {
        const gained = { perSecond: perSecond[i] };
        for (const [name, value] of Object.entries(last[i]))
            gained[name] = typeof value === 'number' ? value - begin[i][name] : value;
        return gained;
    });
}

/** Frames in every second, few freezes, and sound that is mostly not made up. */
export function assertPlays(seen, { frozen = 3, concealed = 0.2 } = {}) {
    const what = JSON.stringify(seen);
    assert.ok(Math.min(...seen.perSecond) > 0, `a second without a frame: ${what}`);
    assert.ok(seen.frozenSeconds <= frozen, `frozen too long: ${what}`);
    assert.ok(seen.samples >= 40000 * seen.perSecond.length, `too little sound: ${what}`);
    assert.ok(seen.concealed <= concealed * seen.samples, `too much made-up sound: ${what}`);
}

/**
 * Watches, and checks what each saw. On a machine that is busy with other things, where browsers
 * stand still for seconds, a failed look is followed by another, three in all.
 * @param {(seen: object) => void} check throws what is wrong
 */
export async function watchQuietly(people, seconds, check) {
    for (let tries = 1; ; tries++) {
        const seen = await watch(people, seconds);
        try {
            seen.forEach((one) => check(one));
            return seen;
        } catch (error) {
            const load = loadavg()[0] / availableParallelism();
            if (load < 3 || tries === 3) throw error;
            console.log(`# again, since the load is ${load.toFixed(1)} a core: ${error.message}`);
        }
    }
}

/** Two people find each other and each other's media arrives. */
export async function meet(...people) {
    await Promise.all(people.map((person) => person.start()));
    await Promise.all(people.map((person) => person.reaches('connected')));
    await Promise.all(people.map((person) => person.seesAndHears()));
}

/** Until frames come again after something broke; how long it took in milliseconds. */
export async function untilFramesGrow(person, ms) {
    const begin = Date.now();
    const { frames } = await mediaStats(person);
    await until(async () => (await mediaStats(person)).frames > frames + 5, 'no more frames', ms);
    return Date.now() - begin;
}
