/*
 * relay/track_in.h - one incoming track of a peer: an audio or a video stream and the RTX stream
 * that repairs it.
 *
 * Sans-IO. Sequences the value modules (statistics, NACK, key frame requests, packet ring, silence);
 * holds no algorithm of its own. Embedded in the peer, owned by its worker.
 */
#ifndef RELAY_TRACK_IN_H
#define RELAY_TRACK_IN_H

#include "core/base.h"
#include "relay/keyframe_request.h"
#include "relay/media.h"
#include "relay/nack_generator.h"
#include "relay/packet_ring.h"
#include "relay/payload.h"
#include "relay/receive_stats.h"
#include "relay/rtp.h"
#include "relay/rtp_extension.h"
#include "relay/sdp_negotiated.h"
#include "relay/silence.h"

struct track_out;

struct track_in {
    enum media_kind media;
    bool present;  /* negotiated, and the client may send it */
    bool declared; /* the SSRC is from the offer: another one is refused */
    uint32_t ssrc; /* 0: not known yet */
    uint32_t rtx_ssrc;
    enum codec_id codec; /* Opus, or the video codec */
    uint8_t red_payload_type, rtx_payload_type, payload_type; /* 0: not negotiated */
    unsigned feedback; /* mask of enum codec_feedback */
    struct rtp_extension_map extensions;
    struct receive_stats stats;
    struct nack_generator nack;
    struct keyframe_request key_frame;
    struct packet_ring ring; /* of video: sound has no RTX, and a decoder that conceals */
    struct silence silence;
    usec_t last_packet;     /* 0: none yet */
    struct track_out *sink; /* borrowed: who watches; NULL: nobody */
};

/* One plaintext packet on its way through. Valid during the call. */
struct track_packet {
    struct span bytes; /* the whole RTP packet */
    struct rtp_view view;
    enum codec_id codec; /* RED where the payload is RED */
    struct payload_info info;
    bool has_frame_number;
    uint16_t frame_number;
    bool duplicate; /* it came before, or is too late to be of use: do not forward it */
};

void track_in_init(struct track_in *track, enum media_kind media);
/* From an answer. Keeps statistics and ring unless the SSRC changed. */
void track_in_configure(struct track_in *track, const struct sdp_negotiated_media *negotiated,
                        usec_t now);
/* A track that comes from another worker: only what describing its packets needs. */
void track_in_configure_remote(struct track_in *track,
                               const struct track_description *description);
void track_in_free(struct track_in *track);

/* Is `ssrc` with this payload type ours? Learns an SSRC that the offer did not announce. */
bool track_in_owns(struct track_in *track, uint32_t ssrc, uint8_t payload_type);

/*
 * A packet of this track's SSRC, or one that RTX brought back (`recovered`). REFUSAL_NONE: *out
 * describes it and it is kept. Otherwise the reason, not counted yet. *silence says whether
 * the person began or stopped speaking.
 */
enum refusal track_in_packet(struct track_in *track, struct span bytes, bool recovered,
                             usec_t now, struct track_packet *out,
                             enum silence_event *silence);

/* Keeps a packet for NACKs of whoever watches. False: it came before. */
bool track_in_keep(struct track_in *track, uint16_t seq, struct span bytes, usec_t now);

/* Describes a packet from the ring, as track_in_packet did when it came in. */
bool track_in_describe(const struct track_in *track, struct span bytes,
                       struct track_packet *out);

#endif
