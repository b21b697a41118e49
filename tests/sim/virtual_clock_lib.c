#include "tests/sim/virtual_clock_lib.h"

#include <sys/time.h>
#include <time.h>

static usec_t virtual_now; /* 0: not set */

void virtual_clock_set(usec_t now)
{
    virtual_now = now;
}

/* libc's has the same shape; being in the program, ours comes first. */
int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
    struct timespec real;
    (void)zone;

    if (virtual_now) {
        *tv = (struct timeval){(time_t)(virtual_now / SEC(1)),
                               (suseconds_t)(virtual_now % SEC(1))};
        return 0;
    }
    clock_gettime(CLOCK_REALTIME, &real);
    *tv = (struct timeval){real.tv_sec, (suseconds_t)(real.tv_nsec / 1000)};
    return 0;
}
