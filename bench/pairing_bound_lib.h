/*
 * bench/pairing_bound_lib.h - how well a number of people could be paired at best, by one who
 * knows them all beforehand.
 *
 * Maximum weight matching in a general graph, from both sides: a pairing that exists, and a
 * bound that no pairing can exceed. The bound is linear programming's: any prices p >= 0 of
 * people give one, the sum of p[j] and of what each i gains at most, max(0, w[i][j] - p[j]),
 * halved, since everybody is in it twice, as who chooses and as who is chosen. Bertsekas'
 * auction finds good prices; whatever it finds, the bound holds. What it may lie too high by:
 * odd cycles, and the auction's step.
 */
#ifndef BENCH_PAIRING_BOUND_LIB_H
#define BENCH_PAIRING_BOUND_LIB_H

#include "core/base.h"

struct pairing {
    uint32_t n;
    const uint8_t *weight; /* n * n, symmetric; the diagonal is not looked at */
    const uint32_t *from;  /* i may be paired with from[i] <= j < to[i]; symmetric */
    const uint32_t *to;
    uint8_t good; /* which pairs are counted as such */
};

struct pairing_bound {
    double upper;   /* sum of weights that no pairing exceeds */
    uint64_t lower; /* and of one that exists */
    uint32_t pairs; /* of that one, */
    uint32_t good;  /* and how many of them have at least the weight `good` */
};

/* Ends the program without memory. */
struct pairing_bound pairing_bound(const struct pairing *pairing);

#endif
