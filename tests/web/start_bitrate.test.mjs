import assert from 'node:assert/strict';
import { test } from 'node:test';

import { withStartBitrate } from '../../web/client/start_bitrate.js';

const sdp = (...video) =>
    [
        'v=0',
        'm=audio 3478 UDP/TLS/RTP/SAVPF 111',
        'a=rtpmap:111 opus/48000/2',
        'a=fmtp:111 minptime=10',
        ...video,
        '',
    ].join('\r\n');

test('a codec without parameters gets a line of them', () => {
    const out = withStartBitrate(sdp('m=video 3478 UDP/TLS/RTP/SAVPF 96 97', 'a=rtpmap:96 VP8/90000', 'a=rtpmap:97 rtx/90000'), 900);
    assert.match(out, /a=rtpmap:96 VP8\/90000\r\na=fmtp:96 x-google-start-bitrate=900\r\na=rtpmap:97/);
    assert.match(out, /a=fmtp:111 minptime=10\r\n/);
});

test('a codec with parameters gets one more', () => {
    const out = withStartBitrate(sdp('m=video 3478 UDP/TLS/RTP/SAVPF 98', 'a=rtpmap:98 VP9/90000', 'a=fmtp:98 profile-id=0'), 900);
    assert.match(out, /a=fmtp:98 profile-id=0;x-google-start-bitrate=900\r\n/);
    assert.equal(out.match(/a=fmtp:98/g).length, 1);
});

test('an answer that has it, refuses video, or has none stays as it is', () => {
    for (const video of [
        ['m=video 3478 UDP/TLS/RTP/SAVPF 98', 'a=fmtp:98 x-google-start-bitrate=300'],
        ['m=video 0 UDP/TLS/RTP/SAVPF 98', 'a=rtpmap:98 VP9/90000'],
        [],
    ])
        assert.equal(withStartBitrate(sdp(...video)), sdp(...video));
});
