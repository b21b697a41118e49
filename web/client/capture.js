import { Emitter } from './emitter.js';

/**
 * What can be sent: camera and microphone, one of them, or text alone.
 * @typedef {'video' | 'audio' | 'text'} CaptureMode
 */

/**
 * Why there is less than was asked for.
 * @typedef {'refused' | 'missing' | 'busy' | 'insecure' | 'unsupported'} CaptureTrouble
 */

const AUDIO = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };

/** From the best picture to none. A step is taken when the one before it failed. */
const SIZES = [
    { width: 1280, height: 720 },
    { width: 640, height: 480 },
    { width: 320, height: 240 },
];

/** @param {{width: number, height: number}} size @param {MediaTrackConstraints} [camera] */
function videoConstraints(size, camera = {}) {
    return {
        width: { ideal: size.width },
        height: { ideal: size.height },
        frameRate: { ideal: 30, max: 30 },
        ...camera,
    };
}

/**
 * The steps to try, best first. `has` tells which kinds of device the machine has, as far as
 * it says.
 * @param {{video: boolean, audio: boolean}} has
 * @param {MediaTrackConstraints} [camera]
 * @returns {MediaStreamConstraints[]}
 */
export function captureSteps(has, camera) {
    /** @type {MediaStreamConstraints[]} */
    const steps = [];
    if (has.video)
        for (const size of SIZES)
            steps.push({
                video: videoConstraints(size, camera),
                audio: has.audio ? AUDIO : false,
            });
    if (has.audio) steps.push({ video: false, audio: AUDIO });
    return steps;
}

/** @param {unknown} error @returns {CaptureTrouble} */
export function captureTrouble(error) {
    switch (/** @type {any} */ (error)?.name) {
        case 'NotAllowedError':
        case 'SecurityError':
            return 'refused';
        case 'NotFoundError':
        case 'OverconstrainedError':
            return 'missing';
        default:
            return 'busy';
    }
}

/**
 * The camera and the microphone. Switching either off or on, or to another camera, changes the
 * track that is sent and never the session: nothing is negotiated anew.
 *
 * Events: `tracks` when a track was replaced ({audio, video} or null), `change` when one was
 * switched, `ended` when a device went away (its kind).
 */
export class Capture extends Emitter {
    /** What the person sees of themselves: the tracks that are on. */
    stream = null;
    /** @type {CaptureMode} */
    mode = 'text';
    /** @type {CaptureTrouble | null} */
    trouble = null;
    microphone = false;
    camera = false;
    #deviceId = null;
    #devices;
    #permissions;

    /** @param {{mediaDevices?: MediaDevices, permissions?: Permissions}} [navigator] */
    constructor(navigator = globalThis.navigator) {
        super();
        this.#devices = navigator?.mediaDevices;
        this.#permissions = navigator?.permissions;
    }

    get audioTrack() {
        return this.stream?.getAudioTracks()[0] ?? null;
    }

    get videoTrack() {
        return this.stream?.getVideoTracks()[0] ?? null;
    }

    /**
     * Asks for the devices, step by step. Never throws: the worst outcome is mode `text`, with
     * `trouble` saying why.
     * @returns {Promise<CaptureMode>}
     */
    async open() {
        this.close();
        this.trouble = null;
        if (!this.#devices?.getUserMedia) {
            this.trouble = globalThis.isSecureContext === false ? 'insecure' : 'unsupported';
            return this.mode;
        }
        for (const step of captureSteps(await this.#kinds())) {
            if (this.trouble === 'refused' && !(await this.#mayAskFor(step))) continue;
            try {
                this.#adopt(await this.#devices.getUserMedia(step));
                break;
            } catch (error) {
                this.trouble = captureTrouble(error);
            }
        }
        if (this.mode === 'video') this.trouble = null;
        return this.mode;
    }

    /** Gives the devices back. */
    close() {
        for (const track of this.stream?.getTracks() ?? []) this.#drop(track);
        this.stream = null;
        this.mode = 'text';
        this.microphone = this.camera = false;
    }

    /** @param {boolean} on */
    setMicrophone(on) {
        const track = this.audioTrack;
        this.microphone = on && !!track;
        if (track) track.enabled = this.microphone;
        this.emit('change');
    }

    /**
     * Off gives the camera back, so that its light goes out; on asks for it again.
     * @param {boolean} on
     * @returns {Promise<boolean>} whether the camera is on now
     */
    async setCamera(on) {
        if (on === this.camera) return this.camera;
        if (on) return this.#replaceCamera(this.#deviceId);
        this.camera = false;
        this.#removeVideo();
        this.#tell();
        return false;
    }

    /**
     * The next of the machine's cameras.
     * @returns {Promise<boolean>} whether there was another one and it is on now
     */
    async switchCamera() {
        const all = await this.cameras();
        if (all.length < 2) return false;
        const at = all.findIndex((device) => device.deviceId === this.#deviceId);
        const before = this.#deviceId;
        /* A phone opens one camera at a time: the old one goes first. */
        this.#removeVideo();
        if (await this.#replaceCamera(all[(at + 1) % all.length].deviceId)) return true;
        await this.#replaceCamera(before);
        return false;
    }

    /** @returns {Promise<MediaDeviceInfo[]>} */
    async cameras() {
        const all = (await this.#devices?.enumerateDevices()) ?? [];
        return all.filter((device) => device.kind === 'videoinput');
    }

    async #kinds() {
        try {
            const all = await this.#devices.enumerateDevices();
            const has = (kind) => all.some((device) => device.kind === kind);
            if (all.length > 0) return { video: has('videoinput'), audio: has('audioinput') };
        } catch {
            /* some browsers say nothing before they are asked for a device */
        }
        return { video: true, audio: true };
    }

    /** After a no: ask for less only where that is not the same question again. */
    async #mayAskFor(step) {
        if (step.video) return false;
        try {
            const answer = await this.#permissions.query({
                name: /** @type {any} */ ('microphone'),
            });
            return answer.state === 'granted';
        } catch {
            return false;
        }
    }

    #adopt(stream) {
        this.stream = stream;
        this.microphone = !!this.audioTrack;
        this.camera = !!this.videoTrack;
        this.mode = this.camera ? 'video' : this.microphone ? 'audio' : 'text';
        this.#deviceId = this.videoTrack?.getSettings?.().deviceId ?? null;
        for (const track of stream.getTracks()) this.#watch(track);
        this.#tell();
    }

    #watch(track) {
        track.onended = () => {
            if (track.kind === 'video') {
                this.camera = false;
                this.#removeVideo();
            } else {
                this.microphone = false;
            }
            this.#tell();
            this.emit('ended', track.kind);
        };
    }

    #drop(track) {
        track.onended = null;
        track.stop();
    }

    #removeVideo() {
        const track = this.videoTrack;
        if (!track) return;
        this.#drop(track);
        this.stream.removeTrack(track);
    }

    async #replaceCamera(deviceId) {
        const which = deviceId ? { deviceId: { exact: deviceId } } : {};
        let error;
        for (const step of captureSteps({ video: true, audio: false }, which)) {
            try {
                const fresh = (await this.#devices.getUserMedia(step)).getVideoTracks()[0];
                this.#removeVideo();
                this.stream ??= new MediaStream();
                this.stream.addTrack(fresh);
                this.#watch(fresh);
                this.#deviceId = fresh.getSettings?.().deviceId ?? deviceId;
                this.camera = true;
                this.mode = 'video';
                this.trouble = null;
                this.#tell();
                return true;
            } catch (e) {
                error = e;
                if (captureTrouble(e) === 'refused') break;
            }
        }
        this.trouble = captureTrouble(error);
        this.camera = !!this.videoTrack;
        this.#tell();
        return false;
    }

    #tell() {
        this.emit('tracks', { audio: this.audioTrack, video: this.videoTrack });
        this.emit('change');
    }
}
