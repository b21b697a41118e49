#include "relay/payload.h"

#include "relay/av1.h"
#include "relay/h264.h"
#include "relay/vp8.h"
#include "relay/vp9.h"

int payload_inspect(enum codec_id codec, struct span payload, bool marker,
                    struct payload_info *out)
{
    if (payload.n == 0)
        return RC_BAD;

    switch (codec) {
    case CODEC_OPUS:
    case CODEC_RED:
        *out = (struct payload_info){.key_frame = true, .frame_start = true, .frame_end = true};
        return RC_OK;
    case CODEC_VP8:
        return vp8_inspect(payload, marker, out);
    case CODEC_H264:
        return h264_inspect(payload, marker, out);
    case CODEC_VP9:
        return vp9_inspect(payload, marker, out);
    case CODEC_AV1:
        return av1_inspect(payload, marker, out);
    case CODEC_NONE:
    case CODEC_RTX:
    case CODEC_COUNT:
        break;
    }
    return RC_BAD;
}

void payload_write_picture(uint8_t *payload, const struct picture_numbers *where, uint16_t id,
                           uint8_t tl0)
{
    if (where->id_bits == 15)
        store_be16(payload + where->id_at, (uint16_t)(0x8000 | (id & 0x7fff)));
    else if (where->id_bits == 7)
        payload[where->id_at] = id & 0x7f;
    if (where->has_tl0)
        payload[where->tl0_at] = tl0;
}
