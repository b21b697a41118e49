import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { Capture, captureSteps } from '../../web/client/capture.js';

class FakeTrack {
    enabled = true;
    readyState = 'live';
    onended = null;

    constructor(kind, deviceId) {
        this.kind = kind;
        this.deviceId = deviceId;
    }

    stop() {
        this.readyState = 'ended';
    }

    getSettings() {
        return { deviceId: this.deviceId };
    }
}

class FakeStream {
    constructor(tracks = []) {
        this.tracks = tracks;
    }

    getTracks() {
        return [...this.tracks];
    }

    getAudioTracks() {
        return this.tracks.filter((track) => track.kind === 'audio');
    }

    getVideoTracks() {
        return this.tracks.filter((track) => track.kind === 'video');
    }

    addTrack(track) {
        this.tracks.push(track);
    }

    removeTrack(track) {
        this.tracks = this.tracks.filter((other) => other !== track);
    }
}

/** Devices that refuse by `refuse(constraints)`, which returns an error's name or nothing. */
function machine({ devices = ['videoinput', 'audioinput'], refuse = () => null, microphone = 'prompt' } = {}) {
    const asked = [];
    const all = devices.map((kind, i) => ({ kind, deviceId: `${kind}-${i}` }));
    return {
        asked,
        mediaDevices: {
            enumerateDevices: async () => all,
            getUserMedia: async (constraints) => {
                asked.push(constraints);
                const name = refuse(constraints);
                if (name) throw Object.assign(new Error(name), { name });
                const tracks = [];
                const wanted = constraints.video?.deviceId?.exact;
                const camera = all.find((d) => d.kind === 'videoinput' && (!wanted || d.deviceId === wanted));
                if (constraints.audio) tracks.push(new FakeTrack('audio', 'mic'));
                if (constraints.video) tracks.push(new FakeTrack('video', camera.deviceId));
                return new FakeStream(tracks);
            },
        },
        permissions: { query: async () => ({ state: microphone }) },
    };
}

const width = (constraints) => constraints.video && constraints.video.width.ideal;

beforeEach(() => {
    globalThis.MediaStream = FakeStream;
});

test('the steps go from 1280x720 over 640x480 and 320x240 to sound alone', () => {
    const steps = captureSteps({ video: true, audio: true });
    assert.deepEqual(steps.map(width), [1280, 640, 320, false]);
    assert.ok(steps.every((step) => step.audio));
});

test('the first step is taken when it works', async () => {
    const m = machine();
    const capture = new Capture(m);
    assert.equal(await capture.open(), 'video');
    assert.deepEqual(m.asked.map(width), [1280]);
    assert.ok(capture.camera && capture.microphone);
    assert.equal(capture.trouble, null);
});

test('a camera that cannot do it is asked for less, step by step', async () => {
    const m = machine({ refuse: (c) => (width(c) > 320 ? 'OverconstrainedError' : null) });
    assert.equal(await new Capture(m).open(), 'video');
    assert.deepEqual(m.asked.map(width), [1280, 640, 320]);
});

test('a camera in use leaves sound', async () => {
    const m = machine({ refuse: (c) => (c.video ? 'NotReadableError' : null) });
    const capture = new Capture(m);
    assert.equal(await capture.open(), 'audio');
    assert.equal(capture.trouble, 'busy');
    assert.ok(capture.microphone && !capture.camera);
});

test('a person who says no is asked once', async () => {
    const m = machine({ refuse: () => 'NotAllowedError' });
    const capture = new Capture(m);
    assert.equal(await capture.open(), 'text');
    assert.equal(capture.trouble, 'refused');
    assert.equal(m.asked.length, 1);
});

test('a no to the camera leaves a microphone that is allowed already', async () => {
    const m = machine({ refuse: (c) => (c.video ? 'NotAllowedError' : null), microphone: 'granted' });
    assert.equal(await new Capture(m).open(), 'audio');
    assert.equal(m.asked.length, 2);
});

test('a machine without a camera is not asked for one', async () => {
    const m = machine({ devices: ['audioinput'] });
    assert.equal(await new Capture(m).open(), 'audio');
    assert.deepEqual(m.asked.map(width), [false]);
});

test('a machine without devices leaves text', async () => {
    const m = machine({ devices: ['audiooutput'] });
    assert.equal(await new Capture(m).open(), 'text');
    assert.equal(m.asked.length, 0);
});

test('a page that is not secure leaves text and says why', async () => {
    globalThis.isSecureContext = false;
    const capture = new Capture({});
    assert.equal(await capture.open(), 'text');
    assert.equal(capture.trouble, 'insecure');
    delete globalThis.isSecureContext;
});

test('switching the camera off gives it back, and on asks for it again', async () => {
    const m = machine();
    const capture = new Capture(m);
    await capture.open();
    const before = capture.videoTrack;
    await capture.setCamera(false);
    assert.equal(before.readyState, 'ended');
    assert.equal(capture.videoTrack, null);
    assert.equal(await capture.setCamera(true), true);
    assert.equal(capture.videoTrack.readyState, 'live');
    assert.equal(capture.audioTrack.readyState, 'live');
});

test('switching the microphone off keeps its track', async () => {
    const capture = new Capture(machine());
    await capture.open();
    capture.setMicrophone(false);
    assert.equal(capture.audioTrack.enabled, false);
    assert.equal(capture.audioTrack.readyState, 'live');
    capture.setMicrophone(true);
    assert.equal(capture.audioTrack.enabled, true);
});

test('the next camera takes the place of the one before', async () => {
    const m = machine({ devices: ['videoinput', 'videoinput', 'audioinput'] });
    const capture = new Capture(m);
    await capture.open();
    const first = capture.videoTrack;
    assert.equal(await capture.switchCamera(), true);
    assert.equal(capture.videoTrack.deviceId, 'videoinput-1');
    assert.equal(first.readyState, 'ended');
    assert.equal(await capture.switchCamera(), true);
    assert.equal(capture.videoTrack.deviceId, 'videoinput-0');
});

test('another camera that does not work leaves the one before', async () => {
    const m = machine({
        devices: ['videoinput', 'videoinput', 'audioinput'],
        refuse: (c) => (c.video?.deviceId?.exact === 'videoinput-1' ? 'NotReadableError' : null),
    });
    const capture = new Capture(m);
    await capture.open();
    assert.equal(await capture.switchCamera(), false);
    assert.equal(capture.videoTrack.deviceId, 'videoinput-0');
    assert.equal(capture.camera, true);
});

test('a camera that is unplugged is told and is off', async () => {
    const capture = new Capture(machine());
    await capture.open();
    const told = [];
    capture.on('ended', (kind) => told.push(kind));
    capture.videoTrack.onended();
    assert.deepEqual(told, ['video']);
    assert.equal(capture.camera, false);
    assert.equal(capture.microphone, true);
});
