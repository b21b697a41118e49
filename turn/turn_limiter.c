#include "turn/turn_limiter.h"

#include "core/hash.h"

static uint64_t source_hash(const struct address *source)
{
    if (source->sa.sa_family == AF_INET6)
        return hash_bytes(&source->v6.sin6_addr, 8);
    return hash_bytes(&source->v4.sin_addr, 4);
}

bool turn_limiter_source(struct turn_limiter *limiter, const struct address *source,
                         uint32_t per_second, usec_t now)
{
    const uint64_t hash = source_hash(source);
    const uint32_t second = (uint32_t)(now / SEC(1)), who = (uint32_t)(hash >> 32);
    const size_t i = hash % TURN_LIMITER_SLOTS;

    if (limiter->slot[i].source != who || limiter->slot[i].second != second) {
        limiter->slot[i].source = who;
        limiter->slot[i].second = second;
        limiter->slot[i].answers = 0;
    }
    if (limiter->slot[i].answers >= per_second)
        return false;
    limiter->slot[i].answers++;
    return true;
}

bool turn_limiter_budget(struct turn_limiter *limiter, uint32_t per_second, usec_t now)
{
    const usec_t cost = per_second < SEC(1) ? SEC(1) / per_second : 1;
    const usec_t from = limiter->budget_full > now ? limiter->budget_full : now;

    if (from - now > SEC(1) - cost)
        return false;
    limiter->budget_full = from + cost;
    return true;
}
