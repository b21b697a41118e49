/*
 * relay/codec.h - the one table of codecs that we forward, and of the RTCP feedback that each
 * may negotiate.
 *
 * Sans-IO, constant data, any thread. What is not in this table is not answered in SDP; adding
 * a codec is adding a row, and its payload format to relay/payload.
 */
#ifndef RELAY_CODEC_H
#define RELAY_CODEC_H

#include "core/base.h"

/* Bits, so that a table row can name both. */
enum media_kind {
    MEDIA_NONE = 0,
    MEDIA_AUDIO = 1 << 0,
    MEDIA_VIDEO = 1 << 1,
};

enum codec_id {
    CODEC_NONE = 0,
    CODEC_OPUS, /* RFC 7587 */
    CODEC_RED,  /* RFC 2198, audio only: redundant Opus */
    CODEC_VP8,  /* RFC 7741 */
    CODEC_H264, /* RFC 6184, packetization-mode 1 */
    CODEC_VP9,  /* RFC 9628, profile 0 */
    CODEC_AV1,  /* AV1 RTP payload format 1.0, profile 0 */
    CODEC_RTX,  /* RFC 4588 */
    CODEC_COUNT
};

/* a=rtcp-fb values (RFC 4585, RFC 5104), bits. */
enum codec_feedback {
    FEEDBACK_NACK = 1 << 0,         /* "nack" */
    FEEDBACK_NACK_PLI = 1 << 1,     /* "nack pli" */
    FEEDBACK_CCM_FIR = 1 << 2,      /* "ccm fir" */
    FEEDBACK_GOOG_REMB = 1 << 3,    /* "goog-remb" */
    FEEDBACK_TRANSPORT_CC = 1 << 4, /* "transport-cc" */
};
#define FEEDBACK_COUNT 5 /* bits 0 to 4 */

struct codec {
    enum codec_id id;
    const char *name;      /* as SDP writes it; compared without regard to case */
    enum media_kind media; /* one bit */
    uint32_t clock_rate;   /* Hz; RTX runs at the rate of what it repairs, here 90000 */
    uint8_t channels;      /* as in a=rtpmap; 0: video, not written */
    unsigned feedback;     /* mask of enum codec_feedback that we can do */
    bool media_codec;      /* a codec of its own; false for RED and RTX, which wrap another */
};

/* The row of `id`; NULL for CODEC_NONE and anything out of range. */
const struct codec *codec_get(enum codec_id id);

/* A codec by the name of the `video-codecs` option or of a=rtpmap ("VP8", "h264"), whatever its
 * kind. CODEC_NONE when we don't have it. */
enum codec_id codec_by_name(struct span name);

/*
 * The codec that an offered payload type is: a=rtpmap:<pt> <name>/<clock_rate>[/<channels>]
 * with its a=fmtp parameters (the text after the payload type; empty when there is none).
 * `channels` is 1 when the line names none. Returns CODEC_NONE for what we don't forward: other
 * names, rates and channel counts, H264 without packetization-mode=1 or in a profile other than
 * (constrained) baseline, VP9 and AV1 in a profile other than 0, RED for video.
 */
enum codec_id codec_match(enum media_kind media, struct span name, uint32_t clock_rate,
                          unsigned channels, struct span fmtp);

/* Finds `key` in fmtp parameters "a=1;b=2; c". True with *value (may be empty) when it is
 * there. */
bool codec_fmtp(struct span fmtp, const char *key, struct span *value);

/* One bit of enum codec_feedback for the text after "a=rtcp-fb:<pt> ", 0 for what we don't
 * know. */
unsigned codec_feedback_by_name(struct span text);
/* The text for one bit: "nack pli". NULL unless exactly one known bit is set. */
const char *codec_feedback_name(unsigned bit);

#endif
