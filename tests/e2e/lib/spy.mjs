// What runs in a page before its own code: keeps every PeerConnection that the page makes, so
// that a test can read its statistics without the page offering a door for it. Runs in the
// browser: must not name anything outside of itself.
export function spy() {
    const Native = globalThis.RTCPeerConnection;
    if (!Native || globalThis.spied) return;
    const spied = { connections: [], offers: 0, frames: [] };
    globalThis.spied = spied;
    globalThis.RTCPeerConnection = class extends Native {
        constructor(...args) {
            super(...args);
            spied.connections.push(this);
        }

        setLocalDescription(...args) {
            spied.offers++;
            return super.setLocalDescription(...args);
        }
    };

    /** Numbers of the newest PeerConnection. */
    spied.stats = async () => {
        const pc = spied.connections.at(-1);
        if (!pc) return null;
        const out = {
            connections: spied.connections.length,
            offers: spied.offers,
            state: pc.connectionState,
            framesDecoded: 0,
            framesSent: 0,
            audioSamples: 0,
            audioPackets: 0,
            videoPacketsSent: 0,
        };
        const stats = await pc.getStats();
        const by = (id) => [...stats.values()].find((s) => s.id === id);
        let pair = null;
        for (const s of stats.values()) {
            if (s.type === 'inbound-rtp' && s.kind === 'video') {
                out.framesDecoded = s.framesDecoded ?? 0;
                out.keyFramesDecoded = s.keyFramesDecoded;
                out.freezeCount = s.freezeCount;
                out.width = s.frameWidth;
                out.height = s.frameHeight;
                out.codec = by(s.codecId)?.mimeType;
            } else if (s.type === 'inbound-rtp' && s.kind === 'audio') {
                out.audioSamples = s.totalSamplesReceived ?? 0;
                out.audioPackets = s.packetsReceived ?? 0;
            } else if (s.type === 'outbound-rtp' && s.kind === 'video') {
                out.framesSent = s.framesSent ?? 0;
                out.videoPacketsSent = s.packetsSent ?? 0;
            } else if (s.type === 'transport') {
                out.srtpCipher = s.srtpCipher;
                out.dtlsState = s.dtlsState;
                out.transport = s.id;
                out.localCertificate = s.localCertificateId;
                pair = by(s.selectedCandidatePairId) ?? pair;
            } else if (s.type === 'candidate-pair' && (s.selected || (s.nominated && !pair))) {
                pair = s;
            }
        }
        if (pair) {
            const remote = by(pair.remoteCandidateId);
            out.remotePort = remote?.port;
            out.remoteProtocol = remote?.protocol;
            out.remoteUfrag = remote?.usernameFragment;
            out.localUfrag = by(pair.localCandidateId)?.usernameFragment;
        }
        return out;
    };
}
