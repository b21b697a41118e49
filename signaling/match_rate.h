/*
 * signaling/match_rate.h - how often something has happened lately.
 *
 * A sliding window made of two halves, and for what is rarer than the window a moving mean of
 * the time between two events: nothing is kept per event. Sans-IO, a plain value.
 */
#ifndef SIGNALING_MATCH_RATE_H
#define SIGNALING_MATCH_RATE_H

#include "core/base.h"

#define MATCH_RATE_WINDOW SEC(10)
/* Of the very first window not less than this is taken for the time that has passed. */
#define MATCH_RATE_LEAST SEC(2)

struct match_rate {
    usec_t first, last; /* event ever; 0: none */
    usec_t interval;    /* moving mean; 0 before the second event */
    usec_t start;       /* of the current window */
    uint32_t current, previous;
};

/* `n` more of them. */
void match_rate_note(struct match_rate *rate, uint32_t n, usec_t now);
/* How long it is from one to the next, however rare they are; 0: nobody knows. Not less than
 * the time since the last one. */
usec_t match_rate_interval(const struct match_rate *rate, usec_t now);
/* Per 1000 s, over the last window. */
uint64_t match_rate_get(const struct match_rate *rate, usec_t now);

#endif
