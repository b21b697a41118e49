/*
 * core/rtp_glance.h - what an SRTP packet shows without its key: the header is in the clear
 * (RFC 3711, section 3.1; RFC 3550, section 5.1). And by how a stream behaves, whether it is
 * sound or a picture.
 *
 * For those who carry packets that they cannot read and still want to drop the right ones: a
 * TURN server, say. Sans-IO, plain values, one thread.
 */
#ifndef CORE_RTP_GLANCE_H
#define CORE_RTP_GLANCE_H

#include "core/base.h"

struct rtp_glance {
    uint32_t ssrc, timestamp;
    uint16_t seq;
    uint8_t payload_type;
    bool marker;
};

/* False: not RTP; what is multiplexed with it (RFC 7983, RFC 5761: STUN, DTLS, RTCP) included.
 */
bool rtp_glance(struct span packet, struct rtp_glance *out);

#define RTP_STREAMS_MAX 16 /* that are remembered; the one that was silent longest makes room  \
                            */

struct rtp_stream {
    uint32_t ssrc;
    bool known; /* the owner said so; not to be judged */
    bool picture;
    bool started;
    uint32_t timestamp; /* of the newest packet */
    uint32_t packets, shared,
        marked;    /* seen while judged: of one timestamp with the last, marked */
    uint64_t used; /* the table's clock when it was last looked for */
};

struct rtp_streams {
    uint64_t clock;
    struct rtp_stream stream[RTP_STREAMS_MAX];
};

/* `ssrc` is a picture, or it is not: no judgement any more. */
void rtp_streams_know(struct rtp_streams *streams, uint32_t ssrc, bool picture);

/*
 * The stream of a packet, whose `picture` is the judgement after it. A stream is a picture once
 * a packet of it is larger than sound is (RFC 7587: 20 ms of Opus at 256 kbit/s are 640 bytes),
 * two have one timestamp, or most are marked as the last of their frame; it stays one. Sound
 * has a timestamp for each packet and marks the first after a silence. *fresh: its timestamp is
 * another than the last packet's: a frame begins.
 */
struct rtp_stream *rtp_streams_look(struct rtp_streams *streams,
                                    const struct rtp_glance *glance, size_t len, bool *fresh);

#endif
