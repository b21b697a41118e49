/*
 * core/clock.h - the only way to ask what time it is. For event-loop glue; all other code is
 * given `now`.
 */
#ifndef CORE_CLOCK_H
#define CORE_CLOCK_H

#include "core/base.h"

/* Monotonic microseconds; never 0, never goes back. */
usec_t clock_now(void);

/* Wall clock: microseconds since 1970. For timestamps that people and other machines read. */
usec_t clock_wall(void);

#endif
