/*
 * tests/sim/stream_sender_lib.h - one synthetic RTP stream as a browser sends it: frames cut
 * into packets of equal size, key frames on demand, its packets kept for RTX.
 *
 * Sans-IO: the owner calls stream_sender_frame when it is due and sends what is emitted. Plain
 * value; stream_sender_free gives the kept packets back.
 */
#ifndef TESTS_SIM_STREAM_SENDER_LIB_H
#define TESTS_SIM_STREAM_SENDER_LIB_H

#include "core/base.h"
#include "relay/packet_ring.h"
#include "relay/rtp_extension.h"

struct stream_sender_options {
    enum codec_id codec;                        /* CODEC_OPUS also when it leaves inside RED */
    uint8_t payload_type;                       /* of the codec */
    uint8_t red_payload_type, rtx_payload_type; /* 0: without */
    uint32_t ssrc, rtx_ssrc;
    uint32_t sender; /* for the stamps */
    uint32_t first_timestamp;
    uint16_t first_seq;
    uint32_t bitrate;                    /* of payload, bit/s */
    usec_t interval;                     /* between frames */
    uint16_t payload_max;                /* of a packet */
    uint8_t audio_level;                 /* -dBov, where negotiated */
    struct rtp_extension_map extensions; /* to write */
};

/* A plaintext packet with room behind it for what SRTP adds. */
typedef void stream_emit_fn(void *arg, const uint8_t *packet, size_t len);

struct stream_sender {
    struct stream_sender_options options;
    uint16_t *transport_seq; /* borrowed: one count for all streams of a client */
    usec_t began, due;
    uint32_t frame;
    uint16_t seq, rtx_seq, picture_id;
    uint8_t tl0;
    bool key_frame_wanted;
    uint32_t packets, octets, timestamp;
    unsigned key_frames, resent, unknown; /* unknown: NACKed, and not kept any more */
    struct packet_ring kept;
};

void stream_sender_init(struct stream_sender *s, const struct stream_sender_options *options,
                        uint16_t *transport_seq);
void stream_sender_free(struct stream_sender *s);
/* Frames are due from now on; the first of a video is a key frame. */
void stream_sender_start(struct stream_sender *s, usec_t now);
void stream_sender_stop(struct stream_sender *s);
/* Emits the packets of the frame that is due. */
void stream_sender_frame(struct stream_sender *s, usec_t now, stream_emit_fn *emit, void *arg);
/* A NACK has come in. */
void stream_sender_resend(struct stream_sender *s, uint16_t seq, usec_t now,
                          stream_emit_fn *emit, void *arg);
/* The RTP clock at `now`. */
uint32_t stream_sender_clock(const struct stream_sender *s, usec_t now);

#endif
