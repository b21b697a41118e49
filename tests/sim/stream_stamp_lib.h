/*
 * tests/sim/stream_stamp_lib.h - payloads that say what they are: VP8, H264, Opus and RED in
 * form, with a stamp inside by which a receiver knows whose packet it is and that every byte
 * survived.
 *
 * Sans-IO, pure, any thread.
 */
#ifndef TESTS_SIM_STREAM_STAMP_LIB_H
#define TESTS_SIM_STREAM_STAMP_LIB_H

#include "core/base.h"
#include "relay/codec.h"

struct stream_stamp {
    uint32_t sender;       /* which client made it */
    uint32_t frame;        /* counts from 0 */
    uint16_t index, count; /* of the packets of the frame */
    usec_t sent;
    bool key_frame;
    uint16_t picture_id; /* 15 bits; VP8 only, as is */
    uint8_t tl0;
};

/* The least that stream_stamp_write needs. */
#define STREAM_STAMP_PAYLOAD_MIN 64

/* Writes a payload of exactly `len` bytes, at least STREAM_STAMP_PAYLOAD_MIN. */
void stream_stamp_write(enum codec_id codec, const struct stream_stamp *stamp, uint8_t *out,
                        size_t len);
/* RC_BAD: not of our making, or a byte of it has changed. Of a RED payload the primary is read.
 */
int stream_stamp_read(enum codec_id codec, struct span payload, struct stream_stamp *out);

#endif
