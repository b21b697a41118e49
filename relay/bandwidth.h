/*
 * relay/bandwidth.h - how much the path to one receiver carries, from transport-wide feedback.
 *
 * Two estimators, the lower counts (after draft-ietf-rmcat-gcc-02): one-way delay gradient
 * (least squares line over groups of packets, adaptive threshold, section 5) and loss (section
 * 6). Increase is multiplicative far from the known capacity and additive near it; decrease is
 * to 85 % of what arrived. There is no probing: the estimate grows to one and a half times of
 * what is sent at most, and is never lowered because little is sent.
 *
 * Random loss is not congestion: up to 6 % without a queue building up still lets it grow.
 *
 * Sans-IO, no malloc, a few additions per packet. Plain value of one peer, owned by its worker.
 */
#ifndef RELAY_BANDWIDTH_H
#define RELAY_BANDWIDTH_H

#include "core/base.h"
#include "relay/sent_packets.h"
#include "relay/transport_feedback.h"

#define BANDWIDTH_MIN_DEFAULT 50000u /* bit/s: audio and a crawl of video */
#define BANDWIDTH_START_DEFAULT 1000000u
#define BANDWIDTH_MAX_DEFAULT 10000000u
#define BANDWIDTH_TREND_WINDOW 20 /* groups of packets in the regression line */
#define BANDWIDTH_ACKED_SLOTS 10  /* of 50 ms: what arrived in the last half second */

enum bandwidth_usage { BANDWIDTH_NORMAL = 0, BANDWIDTH_UNDERUSE, BANDWIDTH_OVERUSE };

/* Packets sent within 5 ms of each other: only the last times matter. */
struct bandwidth_group {
    bool open;
    usec_t first_sent, last_sent;
    uint32_t first_arrival, last_arrival; /* ticks */
};

/* Is the one-way delay growing? Times in milliseconds. */
struct bandwidth_trend {
    struct bandwidth_group current, previous;
    uint32_t groups; /* differences so far, up to what raises the gain */
    double arrival;  /* of the newest group, since the first */
    double delay;    /* accumulated delay variation */
    double smoothed; /* the same, smoothed */
    double x[BANDWIDTH_TREND_WINDOW], y[BANDWIDTH_TREND_WINDOW]; /* ring */
    uint32_t points;                                             /* ever put into the ring */
    double slope;                                                /* of the line through them */
    double threshold;                                            /* adaptive */
    double over;    /* how long the trend has been over the threshold */
    uint32_t overs; /* groups in a row over it */
    enum bandwidth_usage usage;
};

/* What the receiver got, by its own clock. */
struct bandwidth_acked {
    bool started;
    uint32_t slot_start; /* ticks */
    uint32_t slot;       /* index of the newest */
    uint32_t full;       /* slots before it that are complete */
    uint32_t bytes[BANDWIDTH_ACKED_SLOTS];
};

struct bandwidth {
    double min, max;    /* bit/s */
    double delay_based; /* bit/s; the lower of the two is the estimate */
    double loss_based;
    struct bandwidth_trend trend;
    struct bandwidth_acked acked;
    double capacity;  /* mean of the rate that arrived when the path was full; 0: not known */
    double deviation; /* of that, relative */
    double loss;      /* smoothed ratio, 0..1 */
    uint32_t window_packets, window_lost;
    usec_t window_start;
    usec_t rtt;            /* smoothed */
    usec_t decreased;      /* last decrease by delay; 0: never */
    usec_t loss_decreased; /* and by loss */
    usec_t sunk;           /* last decrease by silence */
    usec_t feedback;       /* last message; 0: none */
};

/* 0 < min <= start <= max, bit/s of UDP payload. */
void bandwidth_init(struct bandwidth *b, uint64_t min, uint64_t start, uint64_t max);

/* One message, parsed and not yet iterated; `sent` is what we sent to this peer. */
void bandwidth_feedback(struct bandwidth *b, struct sent_packets *sent,
                        struct transport_feedback *feedback, usec_t now);

/* A path that swallows everything sends no feedback either: while what is sent stays
 * unanswered, the estimate sinks by 30 % per second. Call at the deadline, which is USEC_NEVER
 * before the first feedback: a peer that does not speak it is not judged by its silence. */
void bandwidth_tick(struct bandwidth *b, const struct sent_packets *sent, usec_t now);
usec_t bandwidth_deadline(const struct bandwidth *b, const struct sent_packets *sent);

/* Has the path ever been full, or silent? Until then the estimate says how much was tested, which
 * is no reason to cap anybody: a key frame at the start of a call would wait for the cap. */
bool bandwidth_is_known(const struct bandwidth *b);
/* bit/s of UDP payload. */
uint64_t bandwidth_estimate(const struct bandwidth *b);
/* What arrived at the receiver in the last half second, bit/s; 0 until that is known. */
uint64_t bandwidth_acked_rate(const struct bandwidth *b);
/* Ratio 0..1 on this leg alone, smoothed over about a second. */
double bandwidth_loss(const struct bandwidth *b);
/* Smoothed time from sending to feedback; 0 until known. Includes up to 100 ms at the peer. */
usec_t bandwidth_rtt(const struct bandwidth *b);

#endif
