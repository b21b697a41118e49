/*
 * relay/receive_stats.h - reception of one SSRC: extended sequence number, loss, jitter and the
 * report block that says so (RFC 3550, sections 6.4.1 and A.1, A.3, A.8), its last SR, and its
 * rate.
 *
 * Sans-IO, no malloc, O(1) per packet. Plain value of one incoming stream, owned by its worker.
 * RTX has an SSRC, and so a struct, of its own.
 */
#ifndef RELAY_RECEIVE_STATS_H
#define RELAY_RECEIVE_STATS_H

#include "core/base.h"
#include "relay/rtcp.h"

#define RECEIVE_STATS_MAX_DROPOUT 3000 /* A.1: a forward jump that is still one stream */
#define RECEIVE_STATS_MAX_MISORDER 100 /* A.1: how late a packet may come */
#define RECEIVE_STATS_SLOTS 10         /* of 100 ms: the window of the rates */

/* What a sequence number was. */
enum receive_order {
    RECEIVE_FIRST,   /* of the stream, or of the stream after a restart: forget older numbers */
    RECEIVE_NEXT,    /* exactly the next one */
    RECEIVE_GAP,     /* newer, with others missing before it */
    RECEIVE_LATE,    /* older than the newest: reordered, or a duplicate */
    RECEIVE_REFUSED, /* far off (A.1): not counted; two in a row restart the stream */
};

/* Payload bytes and packets of the last second. */
struct receive_rate {
    uint64_t slot_index; /* time / 100 ms of the newest slot */
    uint32_t bytes[RECEIVE_STATS_SLOTS];
    uint16_t packets[RECEIVE_STATS_SLOTS];
};

struct receive_stats {
    uint32_t ssrc;
    uint32_t clock_rate;
    bool started;
    uint16_t max_seq;
    uint32_t cycles;   /* wraps, shifted by 16 */
    uint32_t base_seq; /* A.1 */
    uint32_t bad_seq;
    uint64_t received; /* packets, duplicates included */
    uint64_t bytes;
    uint32_t expected_prior, received_prior; /* at the last report block */
    uint8_t fraction_lost;                   /* of the last report block */
    uint32_t transit;                        /* A.8, timestamp units */
    uint32_t jitter;                         /* A.8, scaled by 16 */
    bool has_transit;
    uint32_t last_timestamp; /* jitter is measured between frames, not inside them */
    bool has_sr;
    usec_t sr_arrived;
    uint64_t sr_ntp;
    uint32_t sr_timestamp;
    struct receive_rate rate;
};

void receive_stats_init(struct receive_stats *stats, uint32_t ssrc, uint32_t clock_rate);

/* `bytes`: of the RTP payload. */
enum receive_order receive_stats_packet(struct receive_stats *stats, uint16_t seq,
                                        uint32_t timestamp, size_t bytes, usec_t now);
/* An SR of this SSRC. One that is older than the last is ignored. */
void receive_stats_sr(struct receive_stats *stats, const struct rtcp_sr *sr, usec_t now);

/* The report block for now. Starts the next interval of fraction_lost. */
void receive_stats_report(struct receive_stats *stats, usec_t now,
                          struct rtcp_report_block *out);

/* Extended highest sequence number; 0 before the first packet. */
uint32_t receive_stats_highest(const struct receive_stats *stats);
/* Expected less received, as 24 bits signed can say it: duplicates make it negative. */
int32_t receive_stats_lost(const struct receive_stats *stats);
/* Interarrival jitter in microseconds. */
usec_t receive_stats_jitter(const struct receive_stats *stats);
/* Over the last second. */
uint64_t receive_stats_bitrate(struct receive_stats *stats, usec_t now);
uint32_t receive_stats_packet_rate(struct receive_stats *stats, usec_t now);

/* The sender's NTP time of an RTP timestamp, by its last SR. False before the first SR. */
bool receive_stats_ntp(const struct receive_stats *stats, uint32_t timestamp, uint64_t *out);

#endif
