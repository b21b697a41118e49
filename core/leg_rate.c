#include "core/leg_rate.h"

#define MEMORY 400000.0 /* microseconds of draining that the rate remembers */
#define QUEUED MSEC(25) /* more than the shortest round trip: a queue stands in the network */
#define QUEUED_BYTES 3000u    /* two segments */
#define USED_MEMORY 1000000.0 /* microseconds, of what is really sent */
#define USED_ROOM 100000.0    /* bit/s, beside half as much again */
#define QUIET_MAX MSEC(200)   /* a path that stands still for longer is no slow one */
#define STANDS_FROM MSEC(40)  /* a queue as long as that stands */
#define STANDING_MAX MSEC(60) /* and for so long: a frame passes, overload does not */
#define LOWER_INTERVAL MSEC(250)
#define CLEAR_HOLD MSEC(500) /* after a fall, before the cap grows */
#define CAP_SHARE 0.85       /* of the rate: the queue drains while the sender keeps to it */
#define GROWTH 0.05          /* a second, and as much more for each second without a queue */
#define GROWTH_MAX 0.5

/* More than the path carries is under way. A round trip that was long alone is no sign: its
 * mean stays long for a while. And little under way has no end to wait for. */
static bool is_queued(const struct leg_rate *rate, const struct stream_sample *sample)
{
    const uint64_t carried = leg_rate_drained(rate) * sample->rtt_min / SEC(8);

    return sample->rtt_min > 0 && sample->rtt > sample->rtt_min + QUEUED &&
           sample->in_flight >= QUEUED_BYTES && sample->in_flight > carried + carried / 4;
}

/* What is seen now was so since the last sample, since only that was followed by writing. */
static bool is_busy(const struct leg_rate *rate, const struct stream_sample *sample,
                    bool waited)
{
    return waited || sample->unsent > 0 || is_queued(rate, sample);
}

static void measure_used(struct leg_rate *rate, uint64_t acked, usec_t elapsed)
{
    const double time = (double)elapsed;
    const double keep = time < USED_MEMORY ? 1 - time / USED_MEMORY : 0;

    rate->used = rate->used * keep + (double)acked * 8e6 / USED_MEMORY;
}

static void measure(struct leg_rate *rate, const struct stream_sample *sample, bool waited,
                    usec_t now)
{
    const usec_t elapsed = now - rate->sampled;

    if (!rate->started || sample->acked < rate->acked)
        return;
    measure_used(rate, sample->acked - rate->acked, elapsed);
    rate->quiet = sample->acked == rate->acked ? rate->quiet + elapsed : 0;
    if (!is_busy(rate, sample, waited) || rate->quiet > QUIET_MAX)
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
    if (rate->cap > 1.5 * rate->used + USED_ROOM) {
        rate->grown = now; /* what is not used is not proved */
        return;
    }
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
