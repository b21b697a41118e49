/*
 * relay/rtp_extension.h - RTP header extensions (RFC 8285): the one table of those that we
 * know, reading both forms, and rewriting them for a receiver that negotiated other ids.
 *
 * Sans-IO, no malloc, for every packet. Maps are plain values of one media section of one peer;
 * the worker that owns the peer owns them.
 */
#ifndef RELAY_RTP_EXTENSION_H
#define RELAY_RTP_EXTENSION_H

#include "core/base.h"
#include "relay/codec.h"
#include "relay/rtp.h"

#define RTP_EXTENSION_ONE_BYTE 0xbede /* RFC 8285, section 4.2 */
#define RTP_EXTENSION_TWO_BYTE 0x1000 /* section 4.3; the low four bits are "appbits" */
#define RTP_EXTENSION_ID_MAX 255      /* 1-14 fit the one-byte form */
/* Longest block that we write, its 4-byte header included. Larger ones are refused. */
#define RTP_EXTENSION_BLOCK_MAX 512

enum rtp_extension_kind {
    RTP_EXTENSION_NONE = 0,
    RTP_EXTENSION_MID,               /* RFC 9143 */
    RTP_EXTENSION_ABS_SEND_TIME,     /* 24 bits, 6.18 seconds */
    RTP_EXTENSION_TRANSPORT_WIDE_CC, /* draft-holmer-rmcat-transport-wide-cc-extensions-01 */
    RTP_EXTENSION_AUDIO_LEVEL,       /* RFC 6464 */
    RTP_EXTENSION_VIDEO_ORIENTATION, /* 3GPP TS 26.114 */
    RTP_EXTENSION_PLAYOUT_DELAY,     /* 2 x 12 bits, 10 ms */
    RTP_EXTENSION_ABS_CAPTURE_TIME,  /* NTP time of capture */
    RTP_EXTENSION_DEPENDENCY_DESCRIPTOR, /* AV1 RTP payload format, appendix A */
    RTP_EXTENSION_TOFFSET,               /* RFC 5450 */
    RTP_EXTENSION_COUNT
};

enum rtp_extension_policy {
    RTP_EXTENSION_PASS,  /* the sender's value goes on to the receiver */
    RTP_EXTENSION_WRITE, /* hop by hop: read by us, written afresh by us */
    RTP_EXTENSION_DROP,  /* true of one hop only and of no use to the next: not passed on */
};

struct rtp_extension_info {
    enum rtp_extension_kind kind;
    const char *uri;
    unsigned media; /* mask of enum media_kind in whose sections we accept it */
    enum rtp_extension_policy policy;
};

/* What one media section negotiated (a=extmap). All zero: nothing. */
struct rtp_extension_map {
    uint8_t kind_of[RTP_EXTENSION_ID_MAX + 1]; /* enum rtp_extension_kind by id */
    uint8_t id_of[RTP_EXTENSION_COUNT];        /* id by kind; 0: not negotiated */
};

/* One element as it lies in a packet. */
struct rtp_extension {
    uint8_t id;
    struct span data;
};

/* Where an iteration stands. Embed it on the stack; fields are private. */
struct rtp_extension_iterator {
    struct span rest;
    bool two_byte;
};

/* Values that are ours to write; what is not set is not written. */
struct rtp_extension_fresh {
    struct span mid; /* empty: none; at most 16 bytes */
    bool has_abs_send_time;
    uint32_t abs_send_time; /* rtp_abs_send_time() */
    bool has_transport_sequence;
    uint16_t transport_sequence;
    bool has_frame_number; /* replaces the frame number inside a dependency descriptor */
    uint16_t frame_number;
};

/* NULL for RTP_EXTENSION_NONE and out of range. */
const struct rtp_extension_info *rtp_extension_info(enum rtp_extension_kind kind);
/* RTP_EXTENSION_NONE when we don't know `uri`. */
enum rtp_extension_kind rtp_extension_by_uri(struct span uri);

/* Notes that `id` means `kind`. RC_BAD: id 0 or over 255, kind out of range, id or kind is
 * taken by another, or id 15 (reserved by section 4.2). */
int rtp_extension_map_set(struct rtp_extension_map *map, unsigned id,
                          enum rtp_extension_kind kind);

/* Walks the elements of a packet. A malformed tail ends the walk: what came before stands (RFC
 * 8285 lets a receiver ignore the rest). Unknown profiles have no elements. */
void rtp_extension_begin(struct rtp_extension_iterator *it, const struct rtp_view *view);
bool rtp_extension_next(struct rtp_extension_iterator *it, struct rtp_extension *out);

/* The first element of `kind`, false when the packet has none. */
bool rtp_extension_find(const struct rtp_view *view, const struct rtp_extension_map *map,
                        enum rtp_extension_kind kind, struct span *data);

/* Typed readers of one element; false when its length is wrong. */
bool rtp_extension_read_abs_send_time(struct span data, uint32_t *value);
bool rtp_extension_read_transport_sequence(struct span data, uint16_t *value);
/* RFC 6464: level in -dBov, 0 (loudest) to 127 (silence). */
bool rtp_extension_read_audio_level(struct span data, uint8_t *level, bool *voice);
/* The frame number of a dependency descriptor. */
bool rtp_extension_read_frame_number(struct span data, uint16_t *value);

/* `now` as 24 bits of 6.18 fixed point seconds. */
uint32_t rtp_abs_send_time(usec_t now);

/*
 * Writes the whole extension block of an outgoing packet (4-byte header, elements, zero padding
 * to a 32-bit word) to `out`: what `view` carries and policy passes on, under the ids of `to`,
 * and the fresh values. The one-byte form when every id is at most 14 and every length 1 to 16,
 * else the two-byte form. An element of `from` that repeats is passed on once.
 *
 * Returns the length of the block, 0 when there is nothing to write (then the X bit is clear),
 * or RC_FULL when it needs more than `size` or RTP_EXTENSION_BLOCK_MAX bytes. O(elements).
 */
int rtp_extension_rewrite(const struct rtp_view *view, const struct rtp_extension_map *from,
                          const struct rtp_extension_map *to,
                          const struct rtp_extension_fresh *fresh, uint8_t *out, size_t size);

#endif
