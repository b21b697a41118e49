#include "core/stream_pump.h"

enum { WRITES_MAX = 64 }; /* of one call: the others want to go as well */

/* A system call saved: the rate moves a little all the time. */
static void follow_rate(const struct stream *stream, const struct stream_leg *leg,
                        uint32_t *lowat)
{
    const uint32_t wanted = stream_leg_unsent_max(leg);
    const uint32_t less = *lowat - *lowat / 4, more = *lowat + *lowat / 4;

    if (*lowat && wanted >= less && wanted <= more)
        return;
    *lowat = wanted;
    stream_set_lowat(stream, wanted);
}

enum stream_pump_result stream_pump(struct stream *stream, struct stream_leg *leg,
                                    uint32_t *lowat, usec_t now)
{
    struct stream_sample sample;
    unsigned wants;

    for (int i = 0; i < WRITES_MAX && stream_leg_waits(leg); i++) {
        if (stream_sample(stream, &sample) != RC_OK)
            return STREAM_PUMP_BROKEN;
        stream_leg_sample(leg, &sample, now);
        follow_rate(stream, leg, lowat);
        const struct span bytes = stream_leg_next(leg, now);
        if (bytes.n == 0)
            break;
        const long n = stream_write(stream, bytes.p, bytes.n, &wants);
        if (n == 0 || n == RC_SYS || stream_leg_took(leg, n > 0 ? (size_t)n : 0) != RC_OK)
            return STREAM_PUMP_BROKEN;
        if (n == RC_AGAIN)
            break;
    }
    return stream_leg_waits(leg) ? STREAM_PUMP_LATER : STREAM_PUMP_DONE;
}
