// How long sound takes from one page to another: one plays a beep every second in place of its
// microphone, the other listens. Both read the same machine's clock.

/** Before the page's own code: its microphone beeps. Runs in the page. */
export function beepingMicrophone() {
    const { mediaDevices } = navigator;
    const open = mediaDevices?.getUserMedia.bind(mediaDevices);
    if (!open) return;
    const beeps = (globalThis.beeps = { sent: [] }); /* milliseconds since 1970 */

    function microphone() {
        const context = new AudioContext();
        const tone = context.createOscillator();
        const gate = context.createGain();
        const out = context.createMediaStreamDestination();
        tone.frequency.value = 1000;
        gate.gain.value = 0;
        tone.connect(gate).connect(out);
        tone.start();
        setInterval(() => {
            const at = context.currentTime + 0.1;
            gate.gain.setValueAtTime(0.7, at);
            gate.gain.setValueAtTime(0, at + 0.1);
            beeps.sent.push(Date.now() + 100);
        }, 1000);
        return out.stream.getAudioTracks()[0];
    }
    mediaDevices.getUserMedia = async (wanted) => {
        const stream = await open(wanted);
        for (const track of stream.getAudioTracks()) {
            stream.removeTrack(track);
            track.stop();
            stream.addTrack(microphone());
        }
        return stream;
    };
}

/** Starts listening to what the newest PeerConnection receives. Runs in the page. */
function listen() {
    const context = new AudioContext();
    const pc = globalThis.spied.connections.at(-1);
    const { track } = pc.getReceivers().find((receiver) => receiver.track.kind === 'audio');
    const source = context.createMediaStreamSource(new MediaStream([track]));
    const ear = context.createScriptProcessor(256, 1, 1);
    const heard = (globalThis.heardBeeps = []);
    let loud = false;
    ear.onaudioprocess = ({ inputBuffer }) => {
        const samples = inputBuffer.getChannelData(0);
        const now = samples.some((sample) => Math.abs(sample) > 0.2);
        if (now && !loud && Date.now() - (heard.at(-1) ?? 0) > 300) heard.push(Date.now());
        loud = now;
    };
    source.connect(ear).connect(context.destination);
}

export const startListening = (person) => person.evaluate(listen);

/**
 * The delays, in milliseconds, of the beeps that `from` sent between two moments; NaN for one that
 * `to` did not hear within a second.
 */
export async function delays(from, to, begin, end) {
    const sent = await from.evaluate(() => globalThis.beeps.sent);
    const heard = await to.evaluate(() => globalThis.heardBeeps);
    return sent
        .filter((at) => at >= begin && at < end)
        .map((at) => (heard.find((time) => time >= at - 20 && time < at + 980) ?? NaN) - at);
}

/**
 * Before the page's own code: its camera shows a picture that moves and is hard to encode, so that the
 * sender takes whatever bit rate it may. Runs in the page.
 */
export function detailedCamera() {
    const { mediaDevices } = navigator;
    const open = mediaDevices?.getUserMedia.bind(mediaDevices);
    if (!open) return;
    const [width, height] = [480, 270];

    function camera() {
        const scenery = Object.assign(document.createElement('canvas'), { width: 900, height: 600 });
        const brush = scenery.getContext('2d');
        const random = (most) => Math.random() * most;
        for (let i = 0; i < 3000; i++) {
            brush.fillStyle = `hsl(${random(360)} 50% ${20 + random(60)}%)`;
            brush.fillRect(random(900), random(600), 4 + random(40), 4 + random(20));
        }
        const shown = Object.assign(document.createElement('canvas'), { width, height });
        const view = shown.getContext('2d');
        let step = 0;
        setInterval(() => view.drawImage(scenery, -(++step % 200), -(step % 150)), 66);
        return shown.captureStream(15).getVideoTracks()[0];
    }
    mediaDevices.getUserMedia = async (wanted) => {
        const stream = await open(wanted);
        for (const track of stream.getVideoTracks()) {
            stream.removeTrack(track);
            track.stop();
            stream.addTrack(camera());
        }
        return stream;
    };
}
