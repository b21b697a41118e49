#include "signaling/match_rate.h"

/* The window that `now` falls into. */
static struct match_rate advance(const struct match_rate *rate, usec_t now)
{
    const usec_t age = now > rate->start ? now - rate->start : 0;
    struct match_rate to = *rate;

    if (age < MATCH_RATE_WINDOW)
        return to;
    to.previous = age < 2 * MATCH_RATE_WINDOW ? rate->current : 0;
    to.start = age < 2 * MATCH_RATE_WINDOW ? rate->start + MATCH_RATE_WINDOW : now;
    to.current = 0;
    return to;
}

static void note_interval(struct match_rate *rate, usec_t interval)
{
    rate->interval = rate->interval ? (7 * rate->interval + interval) / 8 : interval;
}

void match_rate_note(struct match_rate *rate, uint32_t n, usec_t now)
{
    if (!rate->first)
        rate->first = rate->start = now;
    else
        note_interval(rate, now > rate->last ? now - rate->last : 0);
    rate->last = now;
    *rate = advance(rate, now);
    rate->current += n;
}

uint64_t match_rate_get(const struct match_rate *rate, usec_t now)
{
    const struct match_rate r = advance(rate, now);
    const usec_t into = now > r.start ? now - r.start : 0;
    usec_t span = now > r.first ? now - r.first : 0;

    if (span > MATCH_RATE_WINDOW)
        span = MATCH_RATE_WINDOW;
    if (span < MATCH_RATE_LEAST)
        span = MATCH_RATE_LEAST;
    /* Of the window before, the part that the last ten seconds still reach into. */
    const uint64_t before = r.previous * (MATCH_RATE_WINDOW - into) / MATCH_RATE_WINDOW;
    return (r.current + before) * SEC(1000) / span;
}

usec_t match_rate_interval(const struct match_rate *rate, usec_t now)
{
    const usec_t since = now > rate->last ? now - rate->last : 0;

    if (!rate->interval)
        return 0;
    return rate->interval > since ? rate->interval : since;
}
