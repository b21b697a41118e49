/*
 * tests/sim/stream_receiver_lib.h - one incoming RTP stream as a strict receiver sees it: every
 * packet is noted by its extended sequence number, losses are asked for, and in the end the
 * whole stream is looked at: is it one, did anything break?
 *
 * Sans-IO. Plain value; stream_receiver_free gives the notes back.
 */
#ifndef TESTS_SIM_STREAM_RECEIVER_LIB_H
#define TESTS_SIM_STREAM_RECEIVER_LIB_H

#include "core/base.h"
#include "relay/nack_generator.h"
#include "relay/receive_stats.h"
#include "relay/rtp.h"
#include "tests/sim/stream_stamp_lib.h"

/* One packet. */
struct stream_record {
    bool received, recovered, marker;
    uint8_t payload_type;
    uint32_t timestamp;
    usec_t arrived;
    struct stream_stamp stamp;
};

struct stream_receiver {
    enum media_kind media;
    enum codec_id codec; /* Opus for RED too */
    uint8_t payload_type, red_payload_type, rtx_payload_type;
    uint32_t ssrc, rtx_ssrc;
    bool started, nack_wanted;
    uint32_t first;           /* extended: the first that is noted */
    uint32_t lowest, highest; /* extended, that came */
    struct receive_stats stats;
    struct nack_generator nack;
    struct stream_record *record; /* owned; NULL: only counted */
    uint32_t capacity;
    uint64_t packets, bytes, duplicates, recovered, broken, wrong_type;
    /* Told of each packet, retransmissions included; NULL: nobody. */
    void (*on_packet)(void *arg, const struct stream_stamp *stamp, bool recovered, usec_t now);
    void *arg;
};

/* `capacity`: packets of which notes are kept; 0: none. */
int stream_receiver_init(struct stream_receiver *r, enum media_kind media, uint32_t capacity);
void stream_receiver_free(struct stream_receiver *r);
/* What the answer says, before the first packet. */
void stream_receiver_expect(struct stream_receiver *r, uint32_t ssrc, uint32_t rtx_ssrc);

/* A packet of this stream, media or RTX; changed in place. */
void stream_receiver_packet(struct stream_receiver *r, uint8_t *data, size_t len, usec_t now);

/* Notes by place in the stream: 0 is the first; NULL past the end. */
const struct stream_record *stream_receiver_at(const struct stream_receiver *r, uint32_t place);
/* Packets from the first to the newest. */
uint32_t stream_receiver_length(const struct stream_receiver *r);
/* Of those, the ones that never came and were not made needless by a key frame. `until`: leave
 * out what is newer than that time. */
uint32_t stream_receiver_missing(const struct stream_receiver *r, usec_t until);

/*
 * What is wrong with the stream as a whole; NULL: nothing. Timestamps and picture numbers go on
 * (as far as every frame between has come) and never back, packets of a frame lie together, and
 * another sender's part begins with a key frame.
 */
const char *stream_receiver_flaw(const struct stream_receiver *r);

/* When the first packet of `sender` came that begins a key frame (audio: any); 0: never. */
usec_t stream_receiver_first_of(const struct stream_receiver *r, uint32_t sender);

#endif
