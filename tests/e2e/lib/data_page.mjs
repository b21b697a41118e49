// A page with a plain RTCPeerConnection that has data channels: offers at once, is matched on
// demand, and notes what comes. Runs in the browser but for the last lines.

const script = `
const relay = new URLSearchParams(location.search).get('relay');
const channels = [];
const heard = [];
let socket, pc;

function note(channel, mirrored) {
    const one = { channel, label: channel.label, mirrored };
    channels.push(one);
    channel.binaryType = 'arraybuffer';
    channel.onmessage = async ({ data }) => {
        const text = typeof data === 'string';
        heard.push({ label: channel.label, mirrored, text, size: text ? data.length : data.byteLength,
            data: text ? data : sum(new Uint8Array(data)) });
    };
}

function sum(bytes) {
    let out = 0;
    for (let i = 0; i < bytes.length; i++) out = (out * 31 + bytes[i]) >>> 0;
    return out;
}

function pattern(size) {
    const bytes = new Uint8Array(size);
    for (let i = 0; i < size; i++) bytes[i] = (i * 7 + (i >> 8)) & 255;
    return bytes;
}

/** own: [{label, init}]; media: send the fake camera and microphone, too; wrongPort: send SCTP to
 * a port that the answer does not name. */
globalThis.begin = async ({ own, media = false, wrongPort = false }) => {
    socket = io(relay);
    pc = globalThis.pc = new RTCPeerConnection({ iceServers: [] });
    pc.ondatachannel = ({ channel }) => note(channel, true);
    pc.onicecandidate = ({ candidate }) => socket.emit('ice-candidate', candidate);
    if (media) {
        const stream = await navigator.mediaDevices.getUserMedia({ video: true, audio: true });
        for (const track of stream.getTracks()) pc.addTrack(track, stream);
    }
    for (const { label, init } of own) note(pc.createDataChannel(label, init), false);
    socket.on('answer', ({ type, sdp }) =>
        pc.setRemoteDescription({ type, sdp: wrongPort ? sdp.replace(/sctp-port:5000/, 'sctp-port:5001') : sdp }));
    socket.on('match-found', () => { document.body.dataset.state = 'matched'; });
    socket.on('waiting', () => { document.body.dataset.state = 'waiting'; });
    for (const event of ['peer-left', 'peer-disconnected'])
        socket.on(event, () => { document.body.dataset.state = 'partner-left'; });
    socket.on('error', (error) => { document.body.dataset.error = JSON.stringify(error); });
    if (!socket.connected) await new Promise((resolve) => socket.on('connect', resolve));
    const offer = await pc.createOffer();
    await pc.setLocalDescription(offer);
    socket.emit('offer', offer);
};
globalThis.find = () => { document.body.dataset.state = 'searching'; socket.emit('find-match', { type: 'text' }); };
globalThis.leave = () => { document.body.dataset.state = 'idle'; socket.emit('leave-chat'); };
globalThis.pick = (label, mirrored) =>
    channels.findLast((c) => c.label === label && (mirrored === undefined || c.mirrored === mirrored))?.channel;
globalThis.listChannels = () => channels.map(({ channel, mirrored }) => ({
    label: channel.label, protocol: channel.protocol, ordered: channel.ordered, mirrored,
    retransmits: channel.maxRetransmits, lifetime: channel.maxPacketLifeTime, state: channel.readyState,
    id: channel.id }));
globalThis.heard = heard;
globalThis.say = (label, what) => pick(label).send(what);
globalThis.sayBytes = (label, size) => { const bytes = pattern(size); pick(label).send(bytes); return sum(bytes); };
`;

/** A page for startSite. */
export const dataPage = `<!doctype html><html lang="en"><meta charset="utf-8"><title>data</title>
<body data-state="idle"><script src="/socket.io-4.js"></script><script>${script}</script></body></html>`;
