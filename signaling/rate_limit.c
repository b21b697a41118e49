#include "signaling/rate_limit.h"

bool rate_limit_take(struct rate_limit *limit, uint32_t per_second, usec_t now)
{
    const usec_t cost = SEC(1) / per_second;
    const usec_t start = limit->full_at > now ? limit->full_at : now;

    if (start + cost > now + SEC(1))
        return false;
    limit->full_at = start + cost;
    return true;
}
