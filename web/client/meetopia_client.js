import { io } from 'socket.io-client';

import { Backoff } from './backoff.js';
import { Capture } from './capture.js';
import { Emitter } from './emitter.js';
import { MediaLink } from './media_link.js';

/**
 * Where a client is. One at a time, each an event `state`:
 *
 * - `idle`: not started, or stopped
 * - `asking`: the browser asks the person for camera and microphone
 * - `connecting`: on the way to the server, or the media path is being proved
 * - `ready`: warm, and not looking for anybody; next() does
 * - `waiting`: in the queue ({position, estimatedWaitTime ms})
 * - `matched`: there is a partner; no sound or picture yet
 * - `connected`: the partner's media arrives (in text mode: at once)
 * - `partner-reconnecting`: the partner's connection is away for now ({timeoutMs})
 * - `partner-left`: the partner is gone ({reason}); next() finds another
 * - `reconnecting`: the server cannot be reached ({attempt, retryMs, draining})
 * - `refused`: the server does not take us ({code, message, retryMs}); tried again later
 *
 * @typedef {'idle' | 'asking' | 'connecting' | 'ready' | 'waiting' | 'matched' | 'connected'
 *     | 'partner-reconnecting' | 'partner-left' | 'reconnecting' | 'refused'} ClientState
 *
 * @typedef {object} Partner
 * @property {string} peerId an alias of this pair, never a socket id
 * @property {string} [matchId]
 * @property {string} [networkQuality]
 *
 * @typedef {object} ChatMessage
 * @property {string} id
 * @property {string} text as it was typed: show it with textContent
 * @property {number} timestamp milliseconds since 1970
 * @property {'me' | 'peer'} from
 */

/** How long a request may wait for its answer. Milliseconds. */
const ANSWER_PATIENCE = 10000;
/** Without a media path after this many tries in a row, the person goes on with text. */
const LINK_TRIES = 3;
/** How often to look whether the partner's first frame is there. */
const ARRIVAL_INTERVAL = 50;
/** Typing: told again after, and over after this much silence. */
const TYPING_INTERVAL = 3000;
const QUALITY_INTERVAL = 5000;

/**
 * A person's connection to a Meetopia Relay: signaling, partner, chat and media.
 *
 * Events besides `state`: `partner` (Partner or null), `chat` (ChatMessage), `chat-history`
 * (list of ChatMessage), `typing` (boolean: the partner types), `local-stream` and
 * `remote-stream` (MediaStream), `local-media` and `remote-media` ({audio, video}: what is on),
 * `media` (state of the media path), `data-channel` ({channel, own}), `quality`, `peer-quality`,
 * `draining`, `error` ({code, message}).
 */
export class MeetopiaClient extends Emitter {
    /** @type {ClientState} */
    state = 'idle';
    /** What came with the state. */
    detail = {};
    /** @type {Partner | null} */
    partner = null;
    /** @type {MediaStream | null} */
    remoteStream = null;
    remoteMedia = { audio: true, video: true };

    #options;
    #onOnline = () => this.#networkIsBack();
    #socket = null;
    #session = null;
    /** @type {MediaLink | null} */
    #link = null;
    #linkTries = 0;
    #iceConfiguration = {};
    #backoff = new Backoff();
    #running = false;
    #captured = false;
    #wantsPartner = false;
    #searching = false;
    #draining = null;
    #timers = { reconnect: null, arrival: null, typing: null, peerTyping: null, quality: null };
    #matchedAt = 0;
    #lastReport = null;

    /**
     * @param {object} [options]
     * @param {string} [options.url] the server; without it, the page's own
     * @param {boolean} [options.warm] keep one PeerConnection for all partners (default) or make
     *     one for each
     * @param {string} [options.region]
     * @param {string[]} [options.interests]
     * @param {string[]} [options.languages]
     * @param {RTCConfiguration} [options.rtc]
     * @param {Record<string, RTCDataChannelInit>} [options.dataChannels] by label: one's own, the
     *     same for each partner. None by default: they cost the server 15 kB and more a person
     * @param {object} [options.socket] further options of socket.io-client
     */
    constructor(options = {}) {
        super();
        this.#options = { warm: true, ...options };
        this.capture = new Capture();
        this.capture.on('tracks', (tracks) => {
            this.#link?.setTracks(tracks);
            this.emit('local-stream', this.capture.stream);
        });
        this.capture.on('change', () => this.#tellLocalMedia());
        this.capture.on('ended', (kind) =>
            this.emit('error', { code: 'device_lost', message: `the ${kind} device went away` }),
        );
    }

    /** @returns {import('./capture.js').CaptureMode} */
    get mode() {
        return this.#linkTries >= LINK_TRIES ? 'text' : this.capture.mode;
    }

    /** The media connection's PeerConnection, for statistics; may be null. */
    get peerConnection() {
        return this.#link?.peerConnection ?? null;
    }

    /**
     * Asks for the camera, connects and looks for a partner.
     * @param {object} [options]
     * @param {boolean} [options.search] false: gets ready for one and waits for next()
     */
    async start({ search = true } = {}) {
        if (this.#running) return;
        this.#running = true;
        this.#captured = false;
        this.#wantsPartner = search;
        this.#linkTries = 0;
        globalThis.addEventListener?.('online', this.#onOnline);
        this.#setState('asking');
        this.#connect();
        await this.capture.open();
        if (!this.#running) {
            this.capture.close();
            return;
        }
        this.#captured = true;
        if (this.state === 'asking') this.#setState('connecting');
        if (this.capture.mode === 'text') this.#closeLink();
        this.#advance();
    }

    /** Leaves the partner, if any, and looks for another. */
    next() {
        if (!this.#running || !this.#captured) return;
        this.#setPartner(null);
        this.#wantsPartner = true;
        this.#searching = false;
        this.#advance();
    }

    /** Leaves, and gives camera, microphone and connections back. */
    stop() {
        if (!this.#running) return;
        this.#running = this.#captured = this.#wantsPartner = this.#searching = false;
        globalThis.removeEventListener?.('online', this.#onOnline);
        for (const name of Object.keys(this.#timers)) this.#clear(name);
        this.#setPartner(null);
        this.#closeLink();
        this.#socket?.emit('leave-chat');
        this.#socket?.disconnect();
        this.#socket = this.#session = this.#draining = null;
        this.#backoff.reset();
        this.capture.close();
        this.emit('local-stream', null);
        this.#setState('idle');
    }

    /**
     * Says something to the partner.
     * @param {string} text
     * @returns {Promise<ChatMessage>} as the server took it; throws an Error with `code`
     */
    async send(text) {
        if (!this.#socket || !this.partner) throw failure('no_partner', 'there is nobody to write to');
        this.setTyping(false);
        const { id, timestamp } = await this.#request('chat-message', { text });
        return { id, text, timestamp, from: 'me' };
    }

    /**
     * The person is typing: call it at every key, and with false when they are done.
     * @param {boolean} typing
     */
    setTyping(typing) {
        const told = this.#timers.typing !== null;
        if (typing === told || !this.#socket || !this.partner) return;
        if (typing) {
            this.#socket.emit('typing-start', {});
            this.#after('typing', TYPING_INTERVAL, () => this.#socket?.emit('typing-stop', {}));
        } else {
            this.#clear('typing');
            this.#socket.emit('typing-stop', {});
        }
    }

    /** @param {boolean} on */
    setMicrophone(on) {
        this.capture.setMicrophone(on);
    }

    /**
     * @param {boolean} on
     * @returns {Promise<boolean>} whether the camera is on now
     */
    async setCamera(on) {
        const isOn = await this.capture.setCamera(on);
        if (isOn && this.#session && !this.#link) this.#openLink();
        return isOn;
    }

    /** The network is another one now, or came back: finds the way for media anew. */
    restartMedia() {
        this.#link?.restartIce();
    }

    /** @returns {Promise<boolean>} whether there was another camera and it is on now */
    switchCamera() {
        return this.capture.switchCamera();
    }

    /* --- signaling ------------------------------------------------------------------------- */

    #connect() {
        const { url, region, socket } = this.#options;
        /* Not '': socket.io-client would put brackets around an IPv6 address that has them. */
        this.#socket = io(url ?? globalThis.location?.origin ?? '', {
            transports: ['websocket', 'polling'],
            tryAllTransports: true,
            reconnection: false, /* Backoff does it, also after a refusal */
            forceNew: true,
            query: region ? { region } : {},
            auth: (give) => give(this.#session ? { sessionToken: this.#session.sessionToken } : {}),
            ...socket,
        });
        const on = (event, handle) =>
            this.#socket.on(event, (payload) => this.#running && handle(payload ?? {}));

        on('connect_error', (error) => this.#onConnectError(error));
        on('disconnect', () => this.#onDisconnect());
        on('session', (session) => this.#onSession(session));
        on('waiting', (place) => this.#onWaiting(place));
        on('match-found', (match) => this.#onMatch(match));
        on('peer-left', (who) => this.#onPeerGone(who));
        on('peer-disconnected', (who) => this.#onPeerGone(who));
        on('peer-reconnecting', (who) => this.#onPeerAway(who));
        on('peer-reconnected', (who) => this.#onPeerBack(who));
        on('chat-message', (message) => this.#onChat(message));
        on('chat-history', (list) => this.emit('chat-history', list));
        on('typing-start', () => this.#onTyping(true));
        on('typing-stop', () => this.#onTyping(false));
        on('stream-state-change', (what) => this.#onRemoteMedia(what));
        on('quality', (quality) => this.emit('quality', quality));
        on('peer-quality-changed', (quality) => this.emit('peer-quality', quality));
        on('ice-restart', (how) => this.#onIceRestart(how));
        on('server-draining', (when) => this.#onDraining(when));
        on('error', (error) => this.#onError(error));
    }

    async #request(event, payload) {
        let answer;
        try {
            answer = await this.#socket.timeout(ANSWER_PATIENCE).emitWithAck(event, payload);
        } catch {
            throw failure('timeout', 'the server did not answer in time');
        }
        if (answer?.status === 'error' || answer?.ok === false)
            throw failure(answer.code, answer.message);
        return answer;
    }

    #onConnectError(error) {
        const code = error?.data?.code ?? null;
        const retryMs = this.#retry();
        if (code || error?.data) {
            this.#setState('refused', { code, message: error.data?.message ?? error.message, retryMs });
            return;
        }
        this.#away(retryMs);
    }

    #onDisconnect() {
        const retryMs = this.#retry();
        this.#searching = false;
        this.#clear('quality');
        if (!(this.#session?.standbyMs > 0)) {
            /* Nothing of us is kept: we come back as someone new, and look for someone new. */
            this.#wantsPartner ||= !!this.partner;
            this.#setPartner(null);
            this.#closeLink();
            this.#session = null;
        }
        this.#away(retryMs);
    }

    #away(retryMs) {
        this.#setState('reconnecting', {
            attempt: this.#backoff.attempt,
            retryMs,
            draining: !!this.#draining,
        });
    }

    #retry() {
        const retryMs = this.#draining?.reconnectAfterMs ?? this.#backoff.next();
        if (this.#draining) this.#draining = { reconnectAfterMs: undefined };
        this.#after('reconnect', retryMs, () => this.#socket?.connect());
        return retryMs;
    }

    /** No need to sit out a pause, or to wait until ICE notices by itself. */
    #networkIsBack() {
        if (this.#timers.reconnect !== null) {
            this.#clear('reconnect');
            this.#socket?.connect();
        }
        if (this.#link?.state === 'connected') this.restartMedia();
    }

    #onSession(session) {
        this.#session = session;
        this.#draining = null;
        this.#backoff.reset();
        this.#clear('reconnect');
        this.#iceConfiguration = { iceServers: session.iceServers ?? [] };
        this.#every('quality', session.reportIntervalMs ?? QUALITY_INTERVAL, () => this.#report());
        if (!session.restored) {
            this.#wantsPartner ||= !!this.partner;
            this.#setPartner(null);
            this.#closeLink();
        }
        this.#linkTries = 0;
        if (this.#options.warm && !this.#link && !(this.#captured && this.mode === 'text'))
            this.#openLink();
        if (session.restored && this.partner) {
            this.#socket.emit('restore-connection', { peerId: this.partner.peerId });
            this.#setState('connected');
            return;
        }
        this.#setState(this.#captured ? 'connecting' : 'asking');
        this.#advance();
    }

    /** Asks for a partner, if one is wanted, as soon as nothing is in the way. */
    #advance() {
        if (!this.#running || this.#searching || this.partner) return;
        if (!this.#captured || !this.#session || !this.#socket.connected) return;
        if (!this.#wantsPartner && this.state !== 'connecting') return;
        const text = this.mode === 'text';
        if (!text && this.#options.warm && this.#link?.state !== 'connected') {
            this.#setState('connecting', { media: true });
            return;
        }
        if (!this.#wantsPartner) {
            this.#setState('ready');
            return;
        }
        this.#searching = true;
        const { interests, languages } = this.#options;
        this.#request('find-match', { type: text ? 'text' : 'video', interests, languages }).catch(
            (error) => {
                this.#searching = false;
                this.emit('error', { code: error.code, message: error.message });
            },
        );
    }

    #onWaiting({ position, estimatedWaitTime }) {
        if (this.#searching && !this.partner)
            this.#setState('waiting', { position, estimatedWaitTime });
    }

    #onMatch(match) {
        if (!this.#wantsPartner && !this.#searching) return;
        this.#wantsPartner = this.#searching = false;
        this.#matchedAt = performance.now();
        this.remoteMedia = { audio: this.mode !== 'text', video: this.mode !== 'text' };
        if (this.mode !== 'text') {
            if (!this.#options.warm) this.#openLink();
            this.#link?.setActive(true);
            this.#every('arrival', ARRIVAL_INTERVAL, () => this.#lookForMedia());
        }
        this.#setPartner(match);
        this.#setState(this.mode === 'text' ? 'connected' : 'matched');
        if (!this.capture.microphone || !this.capture.camera) this.#tellPeerMedia();
    }

    #onPeerGone({ peerId, reason }) {
        if (!this.partner || (peerId && peerId !== this.partner.peerId)) return;
        this.#setPartner(null);
        this.#setState('partner-left', { reason });
    }

    #onPeerAway({ timeoutMs }) {
        if (this.partner) this.#setState('partner-reconnecting', { timeoutMs });
    }

    #onPeerBack() {
        if (this.partner) this.#setState('connected');
    }

    #onChat(message) {
        if (typeof message.text !== 'string') return;
        this.#onTyping(false);
        this.emit('chat', { from: 'peer', ...message });
    }

    #onTyping(typing) {
        this.#clear('peerTyping');
        if (typing && !this.partner) return;
        /* A stop that got lost must not leave the sign standing. */
        if (typing) this.#after('peerTyping', 2 * TYPING_INTERVAL, () => this.emit('typing', false));
        this.emit('typing', typing);
    }

    #onRemoteMedia({ audio, video }) {
        const is = (value, before) => (typeof value === 'boolean' ? value : before);
        this.remoteMedia = {
            audio: is(audio, this.remoteMedia.audio),
            video: is(video, this.remoteMedia.video),
        };
        this.emit('remote-media', this.remoteMedia);
        if (this.state === 'matched' && !this.remoteMedia.video && !this.remoteMedia.audio)
            this.#setState('connected');
    }

    #onIceRestart({ iceServers, iceTransportPolicy }) {
        if (iceServers) this.#iceConfiguration.iceServers = iceServers;
        if (iceTransportPolicy) this.#iceConfiguration.iceTransportPolicy = iceTransportPolicy;
        this.#link?.restartIce(this.#iceConfiguration);
    }

    #onDraining(when) {
        this.#draining = when;
        this.emit('draining', when);
    }

    #onError(error) {
        /* The server gave our media connection up: only a new one helps. */
        if (error.event === 'media') this.#link?.replace();
        this.emit('error', error);
    }

    #setPartner(partner) {
        const before = this.partner;
        this.partner = partner;
        if (partner) {
            this.emit('partner', partner);
            return;
        }
        this.#clear('arrival');
        this.#clear('typing');
        this.#onTyping(false);
        if (this.#options.warm) this.#link?.setActive(false);
        else this.#closeLink();
        if (before) this.emit('partner', null);
    }

    /* --- media ----------------------------------------------------------------------------- */

    #openLink() {
        this.#closeLink();
        const link = new MediaLink({
            sendOffer: (offer) => this.#request('offer', offer),
            sendCandidate: (candidate) => this.#socket?.emit('ice-candidate', candidate),
            configuration: { ...this.#options.rtc, ...this.#iceConfiguration },
            dataChannels: this.#options.dataChannels,
        });
        link.on('stream', (stream) => {
            this.remoteStream = stream;
            this.emit('remote-stream', stream);
        });
        link.on('channel', (detail) => this.emit('data-channel', detail));
        link.on('state', (state) => this.#onLinkState(state));
        link.on('failed', (tries) => this.#onLinkFailed(tries));
        link.on('refused', ({ code, message }) => this.emit('error', { code, message }));
        link.setTracks({ audio: this.capture.audioTrack, video: this.capture.videoTrack });
        this.#link = link;
        link.setActive(!!this.partner || !this.#options.warm);
        link.open();
    }

    #closeLink() {
        const link = this.#link;
        this.#link = null;
        link?.close();
        if (!link) return;
        this.remoteStream = null;
        this.emit('remote-stream', null);
    }

    #onLinkState(state) {
        if (!this.#link) return;
        this.emit('media', state);
        if (state !== 'connected') return;
        this.#linkTries = 0;
        this.#advance();
    }

    #onLinkFailed(tries) {
        this.#linkTries = tries;
        if (tries < LINK_TRIES) return;
        this.emit('error', { code: 'no_media_path', message: 'no media path to the server' });
        this.#advance(); /* with text; the link goes on trying */
    }

    #lookForMedia() {
        if (!this.#link || this.#link.lastMediaAt() <= this.#matchedAt) return;
        this.#clear('arrival');
        if (this.state === 'matched') this.#setState('connected');
    }

    #tellLocalMedia() {
        this.emit('local-media', { audio: this.capture.microphone, video: this.capture.camera });
        if (this.partner) this.#tellPeerMedia();
    }

    #tellPeerMedia() {
        this.#socket?.emit('stream-state-change', {
            audio: this.capture.microphone,
            video: this.capture.camera,
        });
    }

    async #report() {
        const pc = this.peerConnection;
        if (!pc || !this.partner) {
            this.#lastReport = null;
            return;
        }
        const now = summarize(await pc.getStats());
        const before = this.#lastReport;
        this.#lastReport = now;
        if (!before || now.received < before.received || !this.partner) return;
        const lost = Math.max(0, now.lost - before.lost);
        const received = now.received - before.received;
        this.#socket?.emit('report-quality', {
            latency: now.rtt,
            packetLoss: lost + received > 0 ? lost / (lost + received) : 0,
            bandwidth: now.bandwidth,
            packetsLost: lost,
            packetsReceived: received,
            bytesReceived: now.bytes - before.bytes,
        });
    }

    /* --- small things ---------------------------------------------------------------------- */

    #setState(state, detail = {}) {
        const previous = this.state;
        this.state = state;
        this.detail = detail;
        this.emit('state', { state, previous, ...detail });
    }

    #after(name, milliseconds, then) {
        this.#clear(name);
        this.#timers[name] = setTimeout(() => {
            this.#timers[name] = null;
            then();
        }, milliseconds);
    }

    #every(name, milliseconds, then) {
        this.#clear(name);
        this.#timers[name] = setInterval(then, milliseconds);
    }

    #clear(name) {
        clearTimeout(this.#timers[name]); /* stops an interval as well */
        this.#timers[name] = null;
    }
}

function failure(code, message) {
    return Object.assign(new Error(message ?? code ?? 'refused'), { code: code ?? 'refused' });
}

/** What a report of quality needs of getStats. @param {RTCStatsReport} stats */
function summarize(stats) {
    const sum = { lost: 0, received: 0, bytes: 0, rtt: 0, bandwidth: 0 };
    for (const entry of stats.values()) {
        if (entry.type === 'inbound-rtp') {
            sum.lost += entry.packetsLost ?? 0;
            sum.received += entry.packetsReceived ?? 0;
            sum.bytes += entry.bytesReceived ?? 0;
        } else if (entry.type === 'candidate-pair' && entry.nominated) {
            sum.rtt = Math.round((entry.currentRoundTripTime ?? 0) * 1000);
            sum.bandwidth = Math.round(entry.availableOutgoingBitrate ?? 0);
        }
    }
    return sum;
}
