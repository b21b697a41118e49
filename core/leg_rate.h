/*
 * core/leg_rate.h - how fast a TCP connection drains, and what may be sent on it.
 *
 * The rate is what was acknowledged while the connection had more than it could carry: while
 * something waited here or unsent in the kernel, or a queue stood in the network (a round trip
 * with more under way than it carries). Then, and only then, it shows what it carries. The cap
 * that is reported to whoever feeds it falls below the rate as soon as a queue stands, and
 * grows while none does, the faster the longer, to half as much again as is really sent.
 *
 * Sans-IO, plain value, one thread.
 */
#ifndef CORE_LEG_RATE_H
#define CORE_LEG_RATE_H

#include "core/base.h"
#include "core/stream_sample.h"

#define LEG_RATE_MIN 30000u /* bit/s: less is a stall, not a rate */
#define LEG_RATE_MAX UINT64_C(100000000000)
#define LEG_CAP_MAX 20000000u   /* a cap that has grown so far is none */
#define LEG_RATE_BUSY MSEC(100) /* of draining without a pause, before there is a rate */

struct leg_rate {
    bool started;
    uint64_t acked;        /* at the last sample */
    usec_t sampled;        /* when */
    usec_t quiet;          /* how long nothing has been acknowledged */
    double bytes, time;    /* acknowledged while busy, and how long that was; older ones fade */
    double used;           /* bit/s that were acknowledged in the last second or so */
    double cap;            /* bit/s; 0: none */
    usec_t standing;       /* since when a queue stands without a pause; 0: none does */
    usec_t lowered, grown; /* when the cap was last set by the rate, or grew */
};

/* `waited`: there were bytes that the kernel would not be given, all the time since the last
 * sample; `delay`: what is sent now would have to wait. */
void leg_rate_sample(struct leg_rate *rate, const struct stream_sample *sample, bool waited,
                     usec_t delay, usec_t now);

/* bit/s; 0: it has never been busy long enough. */
uint64_t leg_rate_drained(const struct leg_rate *rate);
/* bit/s that may be sent so that no queue stands; 0: no limit is known. */
uint64_t leg_rate_cap(const struct leg_rate *rate);

#endif
