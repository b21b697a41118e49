import { Backoff } from './backoff.js';
import { Emitter } from './emitter.js';
import { FIRST_BITRATE, FIRST_TIME, withStartBitrate } from './start_bitrate.js';

/** A path that hiccups mends itself within this; longer, and ICE is restarted. Milliseconds. */
const DISCONNECTED_PATIENCE = 2000;
/** A first connection that takes longer has failed. */
const CONNECT_PATIENCE = 10000;
/** And so has an ICE restart. */
const RESTART_PATIENCE = 6000;

/**
 * `new`: not offered yet. `connecting`: first ICE and DTLS. `connected`: media can flow.
 * `recovering`: it could, and will be able to again. `closed`: for good.
 * @typedef {'new' | 'connecting' | 'connected' | 'recovering' | 'closed'} LinkState
 */

/**
 * The media connection with the server: one PeerConnection that is kept warm. We offer, the
 * server answers; a partner who comes or goes changes which encodings are active and nothing
 * else. A broken path is mended by an ICE restart, and where that fails by a fresh
 * PeerConnection, again and again with growing pauses.
 *
 * Events: `stream` (a fresh PeerConnection's remote stream), `state` (LinkState),
 * `failed` (count of tries in a row that came to nothing), `channel` ({channel, own}: a data
 * channel of ours, or one that the partner has opened).
 */
export class MediaLink extends Emitter {
    /** @type {LinkState} */
    state = 'new';
    #send;
    #configuration;
    #dataChannels;
    /** @type {RTCPeerConnection | null} */
    #pc = null;
    #audio = null;
    #video = null;
    #tracks = { audio: null, video: null };
    #everConnected = false;
    #active = false;
    #careful = true; /* the first key frame of a partner is still to come */
    #carefulTimer = null;
    #applying = Promise.resolve();
    #stream = null;
    #backoff = new Backoff({ first: 500, most: 20000 });
    #timer = null;
    #negotiating = false;
    #negotiateAgain = false;

    /**
     * @param {object} options
     * @param {(description: {type: string, sdp: string}) => Promise<{type: string, sdp: string}>}
     *     options.sendOffer gives the answer or throws
     * @param {(candidate: RTCIceCandidateInit | null) => void} options.sendCandidate
     * @param {RTCConfiguration} [options.configuration]
     * @param {Record<string, RTCDataChannelInit>} [options.dataChannels] by label; without one,
     *     no data channel is offered, and those of a partner do not come either
     */
    constructor({ sendOffer, sendCandidate, configuration = {}, dataChannels = {} }) {
        super();
        this.#dataChannels = dataChannels;
        this.#send = { offer: sendOffer, candidate: sendCandidate };
        this.#configuration = { ...configuration, bundlePolicy: 'max-bundle' };
    }

    /** The one PeerConnection, for statistics; null before open() and after close(). */
    get peerConnection() {
        return this.#pc;
    }

    /** Makes the PeerConnection and offers it. */
    open() {
        this.#fresh();
    }

    close() {
        this.#dropConnection();
        this.#setState('closed');
    }

    /**
     * What is sent from now on; without negotiation.
     * @param {{audio: MediaStreamTrack | null, video: MediaStreamTrack | null}} tracks
     */
    setTracks(tracks) {
        this.#tracks = tracks;
        this.#applyTracks();
    }

    /**
     * Whether anything is sent: yes with a partner, no without.
     * @param {boolean} active
     */
    setActive(active) {
        this.#active = active;
        this.#startCarefully();
        this.#applyEncodings();
    }

    /**
     * A better path, or a new one.
     * @param {RTCConfiguration} [configuration] replaces iceServers and iceTransportPolicy
     */
    restartIce(configuration) {
        if (configuration) {
            this.#configuration = { ...this.#configuration, ...configuration };
            this.#pc?.setConfiguration(this.#configuration);
        }
        if (!this.#pc) return;
        this.#setState('recovering');
        this.#wait(RESTART_PATIENCE, () => this.#failed());
        this.#pc.restartIce();
        this.#negotiate();
    }

    /** Throws the PeerConnection away and makes another, after a pause that grows. */
    replace() {
        this.#failed();
    }

    /** When a partner's sound or picture last came out of the jitter buffer; 0 never. */
    lastMediaAt() {
        let last = 0;
        for (const transceiver of [this.#video, this.#audio])
            for (const source of transceiver?.receiver.getSynchronizationSources() ?? [])
                last = Math.max(last, source.timestamp);
        /* Browsers disagree on whether it counts from 1970 or from the page's start. */
        return last > performance.timeOrigin ? last - performance.timeOrigin : last;
    }

    #fresh() {
        this.#dropConnection();
        const pc = new RTCPeerConnection(this.#configuration);
        this.#pc = pc;
        this.#stream = new MediaStream();
        this.#careful = true;
        const active = this.#active;
        this.#audio = pc.addTransceiver('audio', {
            direction: 'sendrecv',
            sendEncodings: [{ active }],
        });
        this.#video = pc.addTransceiver('video', {
            direction: 'sendrecv',
            sendEncodings: [{ active, maxBitrate: FIRST_BITRATE }],
        });
        this.#applyTracks();
        pc.ontrack = ({ track }) => this.#stream.addTrack(track);
        pc.onicecandidate = ({ candidate }) =>
            this.#send.candidate(candidate ? candidate.toJSON() : null);
        pc.onconnectionstatechange = () => this.#onState();
        pc.oniceconnectionstatechange = () => this.#onState();
        this.#setState(this.#everConnected ? 'recovering' : 'connecting');
        this.#wait(CONNECT_PATIENCE, () => this.#failed());
        pc.ondatachannel = ({ channel }) => this.emit('channel', { channel, own: false });
        this.emit('stream', this.#stream);
        for (const [label, init] of Object.entries(this.#dataChannels))
            this.emit('channel', { channel: pc.createDataChannel(label, init), own: true });
        this.#negotiate();
    }

    #dropConnection() {
        this.#stopWaiting();
        clearTimeout(this.#carefulTimer);
        const pc = this.#pc;
        this.#pc = this.#audio = this.#video = null;
        this.#negotiating = this.#negotiateAgain = false;
        if (!pc) return;
        pc.ontrack = pc.onicecandidate = pc.ondatachannel = null;
        pc.onconnectionstatechange = pc.oniceconnectionstatechange = null;
        pc.close();
    }

    /** One offer at a time; what comes up meanwhile makes one more. */
    async #negotiate() {
        if (this.#negotiating) {
            this.#negotiateAgain = true;
            return;
        }
        const pc = this.#pc;
        this.#negotiating = true;
        try {
            await pc.setLocalDescription();
            const { type, sdp } = pc.localDescription;
            const answer = await this.#send.offer({ type, sdp });
            if (pc !== this.#pc) return;
            await pc.setRemoteDescription({ type: 'answer', sdp: withStartBitrate(answer.sdp) });
            this.#applyEncodings();
        } catch (error) {
            if (pc !== this.#pc) return;
            this.emit('refused', error);
            this.#failed();
            return;
        }
        if (pc !== this.#pc) return;
        this.#negotiating = false;
        /* A restart on a path that works never leaves this state: there is no event for it. */
        if (pc.connectionState === 'connected') this.#onState();
        if (!this.#negotiateAgain) return;
        this.#negotiateAgain = false;
        this.#negotiate();
    }

    #applyTracks() {
        if (!this.#pc) return;
        for (const kind of ['audio', 'video']) {
            const { sender } = kind === 'audio' ? this.#audio : this.#video;
            if (sender.track !== this.#tracks[kind])
                sender.replaceTrack(this.#tracks[kind]).catch(() => {});
        }
    }

    /** One change at a time, each to what holds when its turn comes. */
    #applyEncodings() {
        this.#applying = this.#applying.then(() =>
            Promise.all([
                this.#applyEncoding(this.#video, this.#careful ? FIRST_BITRATE : undefined),
                this.#applyEncoding(this.#audio, undefined),
            ]),
        );
    }

    async #applyEncoding(transceiver, maxBitrate) {
        const parameters = transceiver?.sender.getParameters();
        const encoding = parameters?.encodings?.[0];
        if (!encoding) return;
        if (encoding.active === this.#active && encoding.maxBitrate === maxBitrate) return;
        encoding.active = this.#active;
        if (maxBitrate) encoding.maxBitrate = maxBitrate;
        else delete encoding.maxBitrate;
        await transceiver.sender.setParameters(parameters).catch(() => {}); /* closed meanwhile */
    }

    /** Small until the first key frame is through: see start_bitrate.js. */
    #startCarefully() {
        clearTimeout(this.#carefulTimer);
        this.#careful = true;
        if (!this.#active || this.#pc?.connectionState !== 'connected') return;
        this.#carefulTimer = setTimeout(() => {
            this.#careful = false;
            this.#applyEncodings();
        }, FIRST_TIME);
    }

    #onState() {
        const pc = this.#pc;
        if (!pc) return;
        if (pc.connectionState === 'connected') {
            this.#stopWaiting();
            this.#backoff.reset();
            if (this.state !== 'connected' && this.#careful) this.#startCarefully();
            this.#everConnected = true;
            this.#setState('connected');
        } else if (pc.iceConnectionState === 'failed') {
            /* In every other state a restart or a first try is under way and has its timer. */
            if (this.state === 'connected') this.restartIce();
        } else if (pc.connectionState === 'failed') {
            this.#failed(); /* DTLS: nothing that a restart could mend */
        } else if (pc.iceConnectionState === 'disconnected' && this.state === 'connected') {
            this.#wait(DISCONNECTED_PATIENCE, () => this.restartIce());
        }
    }

    #failed() {
        this.#dropConnection();
        this.#setState(this.#everConnected ? 'recovering' : 'connecting');
        this.#wait(this.#backoff.next(), () => this.#fresh());
        this.emit('failed', this.#backoff.attempt);
    }

    #wait(milliseconds, then) {
        this.#stopWaiting();
        this.#timer = setTimeout(then, milliseconds);
    }

    #stopWaiting() {
        clearTimeout(this.#timer);
        this.#timer = null;
    }

    #setState(state) {
        if (this.state === state || this.state === 'closed') return;
        this.state = state;
        this.emit('state', state);
    }
}
