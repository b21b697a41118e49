/*
 * relay/rtp.h - the RTP header (RFC 3550, section 5.1), and what kind of datagram this is by
 * its first bytes (RFC 7983, RFC 5761 section 4).
 *
 * Sans-IO. A view is spans into the datagram: nothing is copied, nothing to free, valid as long
 * as the datagram. Any thread.
 */
#ifndef RELAY_RTP_H
#define RELAY_RTP_H

#include "core/base.h"

#define RTP_VERSION 2
#define RTP_HEADER_LEN 12
#define RTP_EXTENSION_HEADER_LEN 4
/* The largest packet that we build: an Ethernet path without the IP, UDP and SRTP overhead
 * would give less, but what a peer managed to send us must also leave. */
#define RTP_PACKET_MAX 2048

enum datagram_kind {
    DATAGRAM_UNKNOWN = 0,
    DATAGRAM_STUN,         /* first byte 0-3 */
    DATAGRAM_DTLS,         /* 20-63 */
    DATAGRAM_CHANNEL_DATA, /* 64-127, TURN (RFC 8656: to 79; RFC 5766 went on) */
    DATAGRAM_RTP,          /* 128-191 */
    DATAGRAM_RTCP,         /* 128-191 and a packet type of 192-223 (RFC 5761) */
};

struct rtp_view {
    bool marker;
    uint8_t payload_type;
    uint8_t csrc_count;
    uint16_t seq;
    uint32_t timestamp;
    uint32_t ssrc;
    uint16_t extension_profile; /* 0 when there is no extension */
    struct span extension;      /* the words behind the 4-byte extension header; may be empty */
    struct span payload;        /* without padding; empty in a padding-only packet */
    uint8_t padding;            /* bytes, its count byte included */
};

/* What rtp_write_header needs. CSRCs are not written: we are one source to each receiver. */
struct rtp_header {
    bool marker;
    bool extended; /* the X bit: an extension block follows */
    uint8_t payload_type;
    uint16_t seq;
    uint32_t timestamp;
    uint32_t ssrc;
};

/* By the first bytes alone; an empty datagram is unknown. */
enum datagram_kind datagram_classify(struct span datagram);

/* RC_BAD for anything that is not well-formed RTP version 2; *out is then untouched. */
int rtp_parse(struct span packet, struct rtp_view *out);

/* Writes RTP_HEADER_LEN bytes, no padding, no CSRC. Returns RTP_HEADER_LEN. */
size_t rtp_write_header(uint8_t out[static RTP_HEADER_LEN], const struct rtp_header *header);

/* The number of clock ticks in `elapsed` at `clock_rate` Hz, modulo 2^32. */
static inline uint32_t rtp_ticks(usec_t elapsed, uint32_t clock_rate)
{
    const uint64_t seconds = elapsed / 1000000u, rest = elapsed % 1000000u;
    return (uint32_t)(seconds * clock_rate + rest * clock_rate / 1000000u);
}

#endif
