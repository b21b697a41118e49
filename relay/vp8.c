#include "relay/vp8.h"

#define KEY_FRAME_HEAD_LEN 10 /* RFC 6386, section 9.1: frame tag, start code, dimensions */

/*
 * RFC 7741, section 4.2. Reads the optional bytes behind the X bit; returns the length of the
 * whole descriptor, 0 when the payload ends within it.
 *
 *       0 1 2 3 4 5 6 7
 *      +-+-+-+-+-+-+-+-+
 *      |X|R|N|S|R| PID | (REQUIRED)
 * X:   |I|L|T|K| RSV   | (OPTIONAL)
 * I:   |M| PictureID   | (OPTIONAL), 15 bits when M is set
 * L:   |   TL0PICIDX   | (OPTIONAL)
 * T/K: |TID|Y| KEYIDX  | (OPTIONAL)
 */
static size_t read_descriptor(struct span payload, struct payload_info *info)
{
    struct picture_numbers *picture = &info->picture;
    size_t at = 1;

    if (!(payload.p[0] & 0x80))
        return at;
    if (payload.n <= at)
        return 0;
    const uint8_t present = payload.p[at++];

    if (present & 0x80) {
        if (payload.n <= at)
            return 0;
        picture->id_at = (uint8_t)at;
        picture->id_bits = payload.p[at] & 0x80 ? 15 : 7;
        if (picture->id_bits == 15 && payload.n - at < 2)
            return 0;
        picture->id =
            picture->id_bits == 15 ? load_be16(payload.p + at) & 0x7fff : payload.p[at];
        at += picture->id_bits == 15 ? 2 : 1;
    }
    if (present & 0x40) {
        if (payload.n <= at)
            return 0;
        picture->has_tl0 = true;
        picture->tl0_at = (uint8_t)at;
        picture->tl0 = payload.p[at++];
    }
    if (present & 0x30) {
        if (payload.n <= at)
            return 0;
        info->has_temporal_id = present & 0x20;
        info->temporal_id = info->has_temporal_id ? payload.p[at] >> 6 : 0;
        at++;
    }
    return at;
}

/*
 * RFC 6386, section 9.1. The lowest bit of the frame tag is 0 in a key frame, which goes on
 * with the start code 9d 01 2a, width and height, 14 bits each, little endian, and 2 bits of
 * scaling.
 */
static bool read_key_frame(struct span frame, struct payload_info *info)
{
    if (frame.p[0] & 0x01)
        return true;
    info->key_frame = true;
    if (frame.n < KEY_FRAME_HEAD_LEN) /* legal: the packet may end anywhere */
        return true;
    if (frame.p[3] != 0x9d || frame.p[4] != 0x01 || frame.p[5] != 0x2a)
        return false;
    info->width = (uint16_t)((frame.p[6] | frame.p[7] << 8) & 0x3fff);
    info->height = (uint16_t)((frame.p[8] | frame.p[9] << 8) & 0x3fff);
    return true;
}

int vp8_inspect(struct span payload, bool marker, struct payload_info *out)
{
    struct payload_info info = {.frame_end = marker};

    if (payload.n == 0)
        return RC_BAD;
    const size_t descriptor = read_descriptor(payload, &info);
    if (descriptor == 0 || payload.n <= descriptor) /* "MUST be followed by payload" */
        return RC_BAD;

    /* S: start of a partition; the frame begins with that of partition 0. */
    info.frame_start = (payload.p[0] & 0x17) == 0x10;
    if (info.frame_start &&
        !read_key_frame((struct span){payload.p + descriptor, payload.n - descriptor}, &info))
        return RC_BAD;
    *out = info;
    return RC_OK;
}
