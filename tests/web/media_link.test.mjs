// The media connection over a PeerConnection that does what the test says, in mocked time.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';

import { MediaLink } from '../../web/client/media_link.js';
import { Clock } from './lib/clock.mjs';

let made, clock;

class FakeSender {
    track = null;
    changes = [];
    #parameters;

    constructor(encodings) {
        this.#parameters = { encodings };
    }

    getParameters() {
        return structuredClone(this.#parameters);
    }

    async setParameters(parameters) {
        this.#parameters = structuredClone(parameters);
        this.changes.push(parameters.encodings[0]);
    }

    async replaceTrack(track) {
        this.track = track;
    }

    get encoding() {
        return this.#parameters.encodings[0];
    }
}

class FakePeerConnection {
    connectionState = 'new';
    iceConnectionState = 'new';
    restarts = 0;
    answers = 0;
    closed = false;

    constructor(configuration) {
        this.configuration = configuration;
        this.senders = {};
        made.push(this);
    }

    addTransceiver(kind, { sendEncodings }) {
        const sender = (this.senders[kind] = new FakeSender(sendEncodings));
        return { sender, receiver: { getSynchronizationSources: () => [] } };
    }

    createDataChannel(label, init) {
        return { label, init };
    }

    async setLocalDescription() {
        this.localDescription = { type: 'offer', sdp: `offer ${this.restarts}` };
    }

    async setRemoteDescription() {
        this.answers++;
    }

    setConfiguration(configuration) {
        this.configuration = configuration;
    }

    restartIce() {
        this.restarts++;
    }

    close() {
        this.closed = true;
    }

    become(connection, ice = connection) {
        this.iceConnectionState = ice;
        this.oniceconnectionstatechange?.();
        this.connectionState = connection;
        this.onconnectionstatechange?.();
    }
}

const settle = () => clock.settle();
const pass = (milliseconds) => clock.pass(milliseconds);

async function openLink({ refuse = () => false, dataChannels } = {}) {
    const offers = [];
    const channels = [];
    const link = new MediaLink({
        sendOffer: async (offer) => {
            offers.push(offer.sdp);
            if (refuse(offers.length)) throw Object.assign(new Error('no'), { code: 'no' });
            return { type: 'answer', sdp: 'v=0' };
        },
        sendCandidate: () => {},
        dataChannels,
    });
    link.on('channel', ({ channel, own }) => channels.push([channel.label, own]));
    link.open();
    await settle();
    return { link, offers, channels, pc: () => made.at(-1) };
}

async function connectedLink(options) {
    const opened = await openLink(options);
    opened.pc().become('connected');
    await settle();
    assert.equal(opened.link.state, 'connected');
    return opened;
}

beforeEach(() => {
    made = [];
    globalThis.RTCPeerConnection = FakePeerConnection;
    globalThis.MediaStream = class {};
    clock = new Clock();
    clock.install();
});
afterEach(() => clock.uninstall());

test('one offer, and nothing is sent before there is a partner', async () => {
    const { link, offers, pc } = await openLink();
    assert.deepEqual(offers, ['offer 0']);
    assert.equal(link.state, 'connecting');
    assert.equal(pc().senders.video.encoding.active, false);
    assert.equal(pc().senders.audio.encoding.active, false);
});

test('no data channel unless asked for, and then with each PeerConnection', async () => {
    assert.deepEqual((await openLink()).channels, []);
    const { link, channels, pc } = await openLink({ dataChannels: { chat: { ordered: false } } });
    assert.deepEqual(channels, [['chat', true]]);
    pc().ondatachannel({ channel: { label: 'theirs' } });
    link.replace();
    await pass(1000);
    assert.deepEqual(channels, [
        ['chat', true],
        ['theirs', false],
        ['chat', true],
    ]);
});

test('a partner who comes, goes and comes needs no offer', async () => {
    const { link, offers, pc } = await connectedLink();
    for (const active of [true, false, true]) {
        link.setActive(active);
        await settle();
        assert.equal(pc().senders.video.encoding.active, active);
        assert.equal(pc().senders.audio.encoding.active, active);
    }
    assert.equal(offers.length, 1);
    assert.equal(made.length, 1);
});

test('the first half second of a partner is sent with a small bitrate, then without limit', async () => {
    const { link, pc } = await connectedLink();
    link.setActive(true);
    await settle();
    const { video, audio } = pc().senders;
    assert.equal(video.encoding.maxBitrate, 600000);
    assert.equal(audio.encoding.maxBitrate, undefined);
    await pass(500);
    assert.equal(video.encoding.maxBitrate, undefined);
    assert.equal(video.encoding.active, true);
    link.setActive(false);
    await pass(1000);
    assert.deepEqual(video.encoding, { active: false, maxBitrate: 600000 });
});

test('a hiccup that mends itself is left alone', async () => {
    const { link, offers, pc } = await connectedLink();
    pc().become('disconnected');
    await pass(1500);
    pc().become('connected');
    await pass(30000);
    assert.equal(link.state, 'connected');
    assert.equal(offers.length, 1);
});

test('a path that stays away gets an ICE restart on the same PeerConnection', async () => {
    const { link, offers, pc } = await connectedLink();
    pc().become('disconnected');
    await pass(2000);
    assert.equal(link.state, 'recovering');
    assert.deepEqual(offers, ['offer 0', 'offer 1']);
    pc().become('connected');
    await pass(30000);
    assert.equal(link.state, 'connected');
    assert.equal(made.length, 1);
});

test('a path that failed is restarted at once', async () => {
    const { link, offers, pc } = await connectedLink();
    pc().become('failed');
    await settle();
    assert.equal(link.state, 'recovering');
    assert.equal(offers.length, 2);
    assert.equal(made.length, 1);
});

test('a restart that comes to nothing ends in a fresh PeerConnection, with what was sent', async () => {
    const { link, pc } = await connectedLink();
    const track = { kind: 'video' };
    link.setTracks({ audio: null, video: track });
    link.setActive(true);
    pc().become('failed');
    await pass(6000); /* the restart's patience */
    await pass(1000); /* the pause */
    assert.equal(made.length, 2);
    assert.equal(made[0].closed, true);
    assert.equal(pc().senders.video.track, track);
    assert.equal(pc().senders.video.encoding.active, true);
    pc().become('connected');
    assert.equal(link.state, 'connected');
});

test('a restart that the server asked for on a path that works is over with its answer', async () => {
    const { link, offers, pc } = await connectedLink();
    link.restartIce({ iceTransportPolicy: 'relay' });
    assert.equal(link.state, 'recovering');
    await settle();
    assert.equal(pc().configuration.iceTransportPolicy, 'relay');
    assert.equal(link.state, 'connected');
    assert.equal(offers.length, 2);
});

test('DTLS that failed gets a fresh PeerConnection: a restart would not mend it', async () => {
    const { offers, pc } = await connectedLink();
    pc().become('failed', 'connected');
    await pass(1000);
    assert.equal(made.length, 2);
    assert.deepEqual(offers, ['offer 0', 'offer 0']);
});

test('a server that refuses is asked again with growing pauses', async () => {
    const { link, offers } = await openLink({ refuse: () => true });
    const told = [];
    link.on('failed', (tries) => told.push(tries));
    await pass(20000);
    assert.ok(offers.length >= 5 && offers.length <= 10, `${offers.length} offers in 20 s`);
    assert.deepEqual(told, [...told].sort((a, b) => a - b));
});

test('a server that never answers a first offer is tried anew', async () => {
    const { link, pc } = await openLink();
    pc().become('connecting');
    await pass(10000);
    await pass(1000);
    assert.equal(made.length, 2);
    assert.equal(link.state, 'connecting');
});

test('two restarts at one time make two offers, one after the other', async () => {
    const { link, offers } = await connectedLink();
    link.restartIce();
    link.restartIce();
    await settle();
    assert.equal(offers.length, 3);
});

test('a closed link stays closed', async () => {
    const { link, pc } = await connectedLink();
    const last = pc();
    link.close();
    await pass(60000);
    assert.equal(link.state, 'closed');
    assert.equal(last.closed, true);
    assert.equal(made.length, 1);
});
