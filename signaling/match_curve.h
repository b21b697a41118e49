/*
 * signaling/match_curve.h - how much of what they could hope for people insist on, by how long
 * they have waited.
 *
 * Plain values, linear between the points. From the last point on anybody will do.
 */
#ifndef SIGNALING_MATCH_CURVE_H
#define SIGNALING_MATCH_CURVE_H

#include "core/base.h"

#define MATCH_CURVE_POINTS_MAX 8

struct match_curve {
    struct {
        usec_t waited; /* rising */
        uint8_t share; /* percent of match_card.best; falling */
    } point[MATCH_CURVE_POINTS_MAX];
    uint32_t count; /* at least 1 */
};

extern const struct match_curve match_curve_default;

/* Is it one that can be used: times rise from 0, shares fall and are at most 100? */
bool match_curve_valid(const struct match_curve *curve);
/* Percent; 0 from match_curve_end on. */
uint32_t match_curve_share(const struct match_curve *curve, usec_t waited);
usec_t match_curve_end(const struct match_curve *curve);

#endif
