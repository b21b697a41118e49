#include "tests/sim/stream_stamp_lib.h"

#include "relay/red.h"

#include <string.h>

enum {
    STAMP_LEN = 28,
    VP8_DESCRIPTOR_LEN = 6,
    VP8_HEAD_LEN = 10,
    H264_HEAD_LEN = 4,
    OPUS_HEAD_LEN = 1,
};
#define STAMP_MAGIC 0x4d544f50u

static void write_vp8(const struct stream_stamp *stamp, uint8_t *out)
{
    static const uint8_t head[VP8_HEAD_LEN] = {0x10, 0,    0,    0x9d, 0x01,
                                               0x2a, 0x80, 0x02, 0xe0, 0x01}; /* 640 x 480 */

    out[0] = 0x80 | (stamp->index == 0 ? 0x10 : 0);
    out[1] = 0xe0; /* picture id, TL0PICIDX, temporal id */
    store_be16(out + 2, 0x8000 | stamp->picture_id);
    out[4] = stamp->tl0;
    out[5] = (uint8_t)(stamp->frame % 2 << 6);
    memcpy(out + VP8_DESCRIPTOR_LEN, head, sizeof head);
    out[VP8_DESCRIPTOR_LEN] |= stamp->key_frame ? 0 : 1;
}

/* A key frame begins with its SPS inside a STAP-A; all else are FU-As (RFC 6184, 5.7 and 5.8).
 */
static void write_h264(const struct stream_stamp *stamp, uint8_t *out, size_t len)
{
    if (stamp->key_frame && stamp->index == 0) {
        out[0] = 0x78;
        store_be16(out + 1, (uint16_t)(len - 3));
        out[3] = 0x67;
        return;
    }
    out[0] = 0x7c;
    out[1] = stamp->key_frame ? 5 : 1;
    out[1] |= (uint8_t)((stamp->index == (stamp->key_frame ? 1 : 0) ? 0x80 : 0) |
                        (stamp->index + 1 == stamp->count ? 0x40 : 0));
    out[2] = out[3] = 0;
}

static size_t head_len(enum codec_id codec)
{
    switch (codec) {
    case CODEC_VP8:
        return VP8_DESCRIPTOR_LEN + VP8_HEAD_LEN;
    case CODEC_H264:
        return H264_HEAD_LEN;
    default:
        return OPUS_HEAD_LEN;
    }
}

void stream_stamp_write(enum codec_id codec, const struct stream_stamp *stamp, uint8_t *out,
                        size_t len)
{
    uint8_t *at = out + head_len(codec);

    if (codec == CODEC_VP8)
        write_vp8(stamp, out);
    else if (codec == CODEC_H264)
        write_h264(stamp, out, len);
    else
        out[0] = 0xfc; /* TOC: one CELT frame of 20 ms, stereo */

    store_be32(at, STAMP_MAGIC);
    store_be32(at + 4, stamp->sender);
    store_be32(at + 8, stamp->frame);
    store_be16(at + 12, stamp->index);
    store_be16(at + 14, stamp->count);
    store_be64(at + 16, stamp->sent);
    store_be32(at + 24, stamp->key_frame);
    at += STAMP_LEN;
    memset(at, (int)(stamp->frame + stamp->index) & 0xff, len - (size_t)(at - out));
}

static bool filled(struct span rest, uint8_t with)
{
    for (size_t i = 0; i < rest.n; i++)
        if (rest.p[i] != with)
            return false;
    return true;
}

int stream_stamp_read(enum codec_id codec, struct span payload, struct stream_stamp *out)
{
    struct red_block primary;

    if (codec == CODEC_RED) {
        if (red_primary(payload, &primary) != RC_OK)
            return RC_BAD;
        payload = primary.data;
    }
    const size_t head = head_len(codec);
    if (payload.n < head + STAMP_LEN)
        return RC_BAD;

    const uint8_t *at = payload.p + head;
    if (load_be32(at) != STAMP_MAGIC)
        return RC_BAD;
    const struct stream_stamp stamp = {
        .sender = load_be32(at + 4),
        .frame = load_be32(at + 8),
        .index = load_be16(at + 12),
        .count = load_be16(at + 14),
        .sent = load_be64(at + 16),
        .key_frame = load_be32(at + 24),
        .picture_id = codec == CODEC_VP8 ? load_be16(payload.p + 2) & 0x7fff : 0,
        .tl0 = codec == CODEC_VP8 ? payload.p[4] : 0,
    };
    const struct span rest = {at + STAMP_LEN, payload.n - head - STAMP_LEN};
    if (!filled(rest, (uint8_t)(stamp.frame + stamp.index)))
        return RC_BAD;
    *out = stamp;
    return RC_OK;
}
