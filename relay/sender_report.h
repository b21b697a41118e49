/*
 * relay/sender_report.h - the sender reports of one outgoing stream (RFC 3550, section 6.4.1).
 *
 * The receiver sees one stream with one clock, ours, whoever the partner is: NTP times are our
 * monotonic clock and never go back. The RTP timestamp of a report is the source's clock, by
 * its last SR moved onto our clock (relay/peer_clock), plus the offset that the rewriter
 * applies. Before the source's first SR it is reckoned from the last packet that was forwarded.
 *
 * Sans-IO, no malloc. Plain value of one outgoing stream, owned by the worker that sends it.
 */
#ifndef RELAY_SENDER_REPORT_H
#define RELAY_SENDER_REPORT_H

#include "core/base.h"
#include "relay/peer_clock.h"
#include "relay/rtcp.h"

struct sender_report {
    uint32_t ssrc;
    uint32_t clock_rate;
    uint32_t packets; /* wrap, as section 6.4.1 has it */
    uint32_t octets;
    bool sent_any;
    uint32_t last_timestamp; /* outgoing, of the newest packet */
    usec_t last_sent;
    bool mapped;               /* the source's SR is known */
    usec_t source_time;        /* our clock at that SR */
    uint32_t source_timestamp; /* the source's RTP clock at that SR */
};

void sender_report_init(struct sender_report *report, uint32_t ssrc, uint32_t clock_rate);

/* A packet of this stream leaves. `timestamp`: as sent; `payload`: bytes without header and
 * padding. Retransmissions on their own SSRC are not counted here. */
void sender_report_packet(struct sender_report *report, uint32_t timestamp, size_t payload,
                          usec_t now);

/* The source's SR, after peer_clock_report on its clock. */
void sender_report_source(struct sender_report *report, const struct peer_clock *clock,
                          uint64_t ntp, uint32_t timestamp);
/* Another source from now on: its SR is not known yet. Counts go on. */
void sender_report_new_source(struct sender_report *report);

/* The SR for `now`. timestamp_offset: outgoing less source timestamp, as the rewriter applies
 * it. False: nothing was sent on this stream yet (then it is an RR's turn). */
bool sender_report_make(const struct sender_report *report, uint32_t timestamp_offset,
                        usec_t now, struct rtcp_sr *out);

/* Round trip to whoever sent this block about a stream of ours (section 6.4.1: A - LSR - DLSR).
 * RC_AGAIN when the block refers to no SR, RC_BAD when it is absurd (below 0 or over 10 s). */
int sender_report_rtt(const struct rtcp_report_block *block, usec_t now, usec_t *out);

#endif
