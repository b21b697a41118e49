/*
 * bench/match_population_lib.h - people as a service might have them, by chance from a seed.
 * bench/README.md states the population in words.
 */
#ifndef BENCH_MATCH_POPULATION_LIB_H
#define BENCH_MATCH_POPULATION_LIB_H

#include "signaling/match_score.h"

struct chance {
    uint64_t state; /* never 0 */
};

/* 0…n-1. */
uint32_t chance_below(struct chance *chance, uint32_t n);
/* 0…1, never 1. */
double chance_unit(struct chance *chance);
/* The next interval of a Poisson process of `rate` events per second. */
usec_t chance_interval(struct chance *chance, double rate);

/* Somebody; only what is known of a person is set. */
void population_person(struct chance *chance, struct match_card *card);

#endif
