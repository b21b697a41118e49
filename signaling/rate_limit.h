/*
 * signaling/rate_limit.h - a token bucket: so many events a second, with a second's worth saved
 * up.
 *
 * Sans-IO, plain value of 8 bytes: embed it.
 */
#ifndef SIGNALING_RATE_LIMIT_H
#define SIGNALING_RATE_LIMIT_H

#include "core/base.h"

struct rate_limit {
    usec_t full_at; /* when the bucket is full again; 0 is a full one */
};

/* May one more event of `per_second` (1 to 1 000 000) pass at `now`? One that may not costs
 * nothing. */
bool rate_limit_take(struct rate_limit *limit, uint32_t per_second, usec_t now);

#endif
