#include "core/leg_rate.h"

#define MEMORY 400000.0 /* microseconds of draining that the rate remembers */
#define QUEUED MSEC(25) /* more than the shortest round trip: a queue stands in the network */
#define QUIET_MAX MSEC(200)   /* a path that stands still for longer is no slow one */
#define STANDS_FROM MSEC(40)  /* a queue as long as that stands */
#define STANDING_MAX MSEC(60) /* and for so long: a frame passes, overload does not */
#define LOWER_INTERVAL MSEC(250)
#define CLEAR_HOLD MSEC(500) /* after a fall, before the cap grows */
#define CAP_SHARE 0.85       /* of the rate: the queue drains while the sender keeps to it */
#define GROWTH 0.05          /* a second, and as much more for each second without a queue */
#define GROWTH_MAX 0.5

static bool is_busy(const struct stream_sample *sample, bool waited)
{
    const bool queued =
        sample->in_flight > 0 && sample->rtt_min > 0 && sample->rtt > sample->rtt_min + QUEUED;

    return waited || sample->unsent > 0 || queued;
}

static void measure(struct leg_rate *rate, const struct stream_sample *sample, bool waited,
                    usec_t now)
{
    const usec_t elapsed = now - rate->sampled;

    if (!rate->started || sample->acked < rate->acked)
        return;
    rate->quiet = sample->acked == rate->acked ? rate->quiet + elapsed : 0;
    if (!is_busy(sample, waited) || rate->quiet > QUIET_MAX)
        return;
    rate->bytes += (double)(sample->acked - rate->acked);
    rate->time += (double)elapsed;
    if (rate->time > MEMORY) {
        rate->bytes *= MEMORY / rate->time;
        rate->time = MEMORY;
    }
}

static void lower(struct leg_rate *rate, usec_t now)
{
    const double cap = (double)leg_rate_drained(rate) * CAP_SHARE;

    if (cap <= 0 || (rate->lowered && now - rate->lowered < LOWER_INTERVAL))
        return;
    rate->cap = cap > LEG_CAP_MAX ? 0 : cap > LEG_RATE_MIN ? cap : LEG_RATE_MIN;
    rate->lowered = rate->grown = now;
}

static void grow(struct leg_rate *rate, usec_t now)
{
    const usec_t clear = now - rate->lowered;

    if (rate->cap == 0 || clear < CLEAR_HOLD)
        return;
    /* A leg that was idle has proved nothing meanwhile. */
    const usec_t step = now - rate->grown < SEC(1) ? now - rate->grown : SEC(1);
    const double growth = GROWTH * (1 + (double)clear / 1e6);
    rate->cap *= 1 + (growth < GROWTH_MAX ? growth : GROWTH_MAX) * (double)step / 1e6;
    rate->grown = now;
    if (rate->cap > LEG_CAP_MAX)
        rate->cap = 0;
}

void leg_rate_sample(struct leg_rate *rate, const struct stream_sample *sample, bool waited,
                     usec_t delay, usec_t now)
{
    if (rate->started && now <= rate->sampled)
        return; /* several writes of one wakeup */
    measure(rate, sample, waited, now);
    if (delay < STANDS_FROM)
        rate->standing = 0;
    else if (!rate->standing)
        rate->standing = now;
    if (rate->standing && now - rate->standing >= STANDING_MAX)
        lower(rate, now);
    else if (!rate->standing)
        grow(rate, now);
    rate->started = true;
    rate->acked = sample->acked;
    rate->sampled = now;
}

uint64_t leg_rate_drained(const struct leg_rate *rate)
{
    if (rate->time < (double)LEG_RATE_BUSY)
        return 0;
    const double drained = rate->bytes * 8e6 / rate->time;
    return drained > LEG_RATE_MAX   ? LEG_RATE_MAX
           : drained > LEG_RATE_MIN ? (uint64_t)drained
                                    : LEG_RATE_MIN;
}

uint64_t leg_rate_cap(const struct leg_rate *rate)
{
    return (uint64_t)rate->cap;
}
