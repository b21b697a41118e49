/*
 * relay/track_out.h - one outgoing track of a peer: the stable audio or video stream that a
 * client sees for as long as its peer connection lives, whoever its partner is.
 *
 * Sans-IO. Sequences the value modules (rewriter, sent history, sender report, RTX) and writes
 * packets into the worker's outbox. Embedded in the peer, owned by its worker.
 */
#ifndef RELAY_TRACK_OUT_H
#define RELAY_TRACK_OUT_H

#include "core/base.h"
#include "core/stream_leg.h"
#include "relay/outbox.h"
#include "relay/rewriter.h"
#include "relay/sender_report.h"
#include "relay/sent_history.h"
#include "relay/sent_packets.h"
#include "relay/track_in.h"

/* Bytes that may be repeated: so many at first, and one for each that is sent, up to a limit. A
 * client that loses half of everything is repaired; one that asks for all of it ten times, and
 * claims a short RTT, does not get ten times its share of the line. */
#define TRACK_OUT_RESEND_START 65536u
#define TRACK_OUT_RESEND_MAX 262144u

/* What the tracks of one peer share on the way out. Embedded in the peer. */
struct track_leg {
    struct outbox *outbox; /* borrowed, the worker's */
    struct outbox_route *route;
    struct sent_packets *sent; /* NULL: transport-wide feedback is not negotiated */
    usec_t rtt;                /* to the client; 0 unknown */
    struct stream_leg *stream; /* borrowed: a path over TCP has one; else NULL */
    bool elsewhere,
        full; /* such a path whose leg is another thread's; it takes no picture now */
};

/* No picture gets through for now. */
static inline bool track_leg_is_shut(const struct track_leg *leg)
{
    return leg->stream ? stream_leg_is_shut(leg->stream) : leg->elsewhere && leg->full;
}

struct track_out {
    enum media_kind media;
    bool present; /* negotiated, and the client wants to receive it */
    uint32_t ssrc, rtx_ssrc;
    uint8_t payload_type[CODEC_COUNT]; /* by codec; 0: the client cannot take it */
    uint16_t rtx_seq;
    unsigned feedback;
    struct rtp_extension_map extensions; /* the ids that the client expects */
    struct rewriter rewriter;
    struct sent_history history;
    struct sender_report report;
    struct track_in *source; /* borrowed: who is watched; NULL: nobody */
    struct track_leg *leg;   /* borrowed, the peer's */
    uint64_t packets, bytes, retransmitted;
    size_t resend_bytes;    /* that may be repeated now */
    uint16_t key_frame_seq; /* of the first packet of the newest key frame */
    usec_t nacked;          /* when the client last missed something; 0: never */
    /* Over TCP: the newest frame of a picture, and whether the leg takes it. */
    bool frame_asked, frame_admitted;
    uint32_t frame_timestamp;
    /* What the client's last report block said of this stream. */
    uint8_t fraction_lost;
    uint32_t jitter; /* timestamp units */
};

struct track_out_ssrcs {
    uint32_t media, rtx;
};

/* `ssrcs` are ours, as the answer announced them. */
void track_out_init(struct track_out *track, enum media_kind media,
                    const struct track_out_ssrcs *ssrcs, struct track_leg *leg);
void track_out_configure(struct track_out *track,
                         const struct sdp_negotiated_media *negotiated);
void track_out_free(struct track_out *track);

/* Shows `source` from now on, beginning with a key frame; NULL: nothing. Also undoes and makes
 * the link on the source's side. */
void track_out_watch(struct track_out *track, struct track_in *source);

/* Can the client take packets of this codec (RED: at least what is inside)? */
bool track_out_takes(const struct track_out *track, enum codec_id codec);

/* A packet of the source: rewritten into the outbox, or dropped. */
void track_out_packet(struct track_out *track, const struct track_packet *packet, usec_t now);

/* The client asks for `seq` again: from the source's ring, by RTX. True when it was sent; false
 * too when it was repeated enough, or everything was. */
bool track_out_resend(struct track_out *track, uint16_t seq, usec_t now);

/* Is this packet of a picture gone for good: sent once, not kept any more, and no key frame has
 * been sent since? What follows it cannot be decoded, and a browser waits for three seconds
 * before it says so. */
bool track_out_is_beyond_repair(const struct track_out *track, uint16_t seq, usec_t now);

/* The sender report for now; false: nothing was sent yet. */
bool track_out_report(struct track_out *track, usec_t now, struct rtcp_sr *out);

#endif
