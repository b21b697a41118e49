/*
 * relay/payload.h - what a relay needs to know of a packet's payload, for every codec that we
 * forward: does a key frame start here, which picture is it, where lie the numbers to rewrite.
 *
 * Sans-IO, no malloc, O(1) but for H264's STAP-A, which is walked to its end. One file per
 * payload format (vp8, h264, vp9, av1) does the reading; this one chooses. Any thread.
 */
#ifndef RELAY_PAYLOAD_H
#define RELAY_PAYLOAD_H

#include "core/base.h"
#include "relay/codec.h"

/* Picture numbers of VP8 (RFC 7741) and VP9 (RFC 9628) and where they lie in the payload. */
struct picture_numbers {
    uint8_t id_bits; /* 0: no picture id, 7 or 15 */
    bool has_tl0;    /* temporal layer zero index */
    uint8_t tl0;
    uint8_t id_at, tl0_at; /* offsets into the payload */
    uint16_t id;
};

struct payload_info {
    /* A decoder that has seen nothing can start at this packet. Set on the first packet of a
     * key frame only (H264: the packet with the SPS that comes before the IDR). */
    bool key_frame;
    /* The payload itself says that a frame starts, or ends, here. H264 and AV1 don't always:
     * there the marker bit ends a frame and a new timestamp starts one. Audio: both. */
    bool frame_start, frame_end;
    bool has_temporal_id;
    uint8_t temporal_id;
    uint16_t width, height; /* of a key frame, where it is cheap to know (VP8, VP9); else 0 */
    struct picture_numbers picture;
};

/* Reads the payload of one packet. `marker` is the RTP marker bit. RC_BAD for a payload that
 * the format forbids or that ends within its own header; *out is then untouched. An empty
 * payload (a padding-only packet) is RC_BAD too: look at view.payload.n first. */
int payload_inspect(enum codec_id codec, struct span payload, bool marker,
                    struct payload_info *out);

/* Overwrites picture id and TL0PICIDX in `payload` (a copy, or the very bytes that were
 * inspected), each in the width that it has there. What the payload lacks is not added. */
void payload_write_picture(uint8_t *payload, const struct picture_numbers *where, uint16_t id,
                           uint8_t tl0);

#endif
