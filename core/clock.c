#include "core/clock.h"

#include <time.h>

static usec_t read_clock(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (usec_t)t.tv_sec * SEC(1) + (usec_t)t.tv_nsec / 1000u;
}

/* One is added because a machine (or a namespace) that has just started may read zero, which
 * elsewhere means "not yet". */
usec_t clock_now(void)
{
    return read_clock(CLOCK_MONOTONIC) + 1;
}

usec_t clock_wall(void)
{
    return read_clock(CLOCK_REALTIME);
}
