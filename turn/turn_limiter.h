/*
 * turn/turn_limiter.h - how often strangers are answered: so many errors per second and source
 * address to requests that do not authenticate, so many Binding responses per second in all.
 *
 * The source of a datagram may be forged, and a 401 is three times as long as what asked for
 * it: without a limit this server would be somebody's weapon. The table is of fixed size and
 * direct-mapped; an address that is not in it takes its slot over, so that a flood from
 * everywhere cannot keep a newcomer out. IPv6 sources count by their /64.
 *
 * Sans-IO. Plain value of 12 kB; one thread.
 */
#ifndef TURN_TURN_LIMITER_H
#define TURN_TURN_LIMITER_H

#include "core/address.h"
#include "core/base.h"

#define TURN_LIMITER_SLOTS 1024

/* Zeroes: nobody was answered yet. */
struct turn_limiter {
    struct {
        uint32_t source; /* hash */
        uint32_t second;
        uint32_t answers; /* in that second */
    } slot[TURN_LIMITER_SLOTS];
    usec_t budget_full; /* when the budget of turn_limiter_budget is whole again */
};

/* May `source` have one more of `per_second` answers? Then it is counted. */
bool turn_limiter_source(struct turn_limiter *limiter, const struct address *source,
                         uint32_t per_second, usec_t now);
/* The same of all sources together, with a burst of one second's worth. */
bool turn_limiter_budget(struct turn_limiter *limiter, uint32_t per_second, usec_t now);

#endif
