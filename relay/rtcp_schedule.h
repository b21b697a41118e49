/*
 * relay/rtcp_schedule.h - when the regular RTCP of one peer is due.
 *
 * Reports (SR, RR, SDES in one compound): every second, audio and video alike. RFC 3550
 * section 6.2 computes an interval from the bandwidth of the session and RFC 4585 lifts the
 * minimum of five seconds; two parties and a second are far below 5 % of any video call. The
 * randomness of section 6.3.5, which keeps parties from falling into step, is a phase of the
 * peer's own.
 *
 * REMB: repeated every second; at once, but at most every 100 ms, when the cap falls by 3 % or
 * more; a rise waits for the second.
 *
 * Transport feedback has its own deadline in relay/transport_feedback, NACKs in
 * relay/nack_generator, key frame requests in relay/keyframe_request.
 *
 * Sans-IO, no malloc. Plain value of one peer, owned by its worker.
 */
#ifndef RELAY_RTCP_SCHEDULE_H
#define RELAY_RTCP_SCHEDULE_H

#include "core/base.h"

#define RTCP_REPORT_INTERVAL SEC(1)
#define RTCP_REMB_INTERVAL SEC(1)
#define RTCP_REMB_MIN_INTERVAL MSEC(100)

struct rtcp_schedule {
    usec_t report_due;
    usec_t remb_sent; /* 0: never */
    uint64_t remb_told;
    uint64_t remb_wanted; /* 0: none */
};

/* `seed`: anything that differs from peer to peer, the SSRC say. The first report is due within
 * half a second. */
void rtcp_schedule_init(struct rtcp_schedule *schedule, uint32_t seed, usec_t now);

/* True when reports are due; the next one is then a second later. Missed ones are not made up.
 */
bool rtcp_schedule_take_report(struct rtcp_schedule *schedule, usec_t now);

/* The cap that the peer should know of, bit/s; 0: none. Cheap: call as often as it may change.
 */
void rtcp_schedule_set_remb(struct rtcp_schedule *schedule, uint64_t bitrate);
/* True when a REMB should leave now; *bitrate is what it says, and counts as told. */
bool rtcp_schedule_take_remb(struct rtcp_schedule *schedule, usec_t now, uint64_t *bitrate);

/* The earlier of the two. */
usec_t rtcp_schedule_deadline(const struct rtcp_schedule *schedule);

#endif
