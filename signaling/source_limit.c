#include "signaling/source_limit.h"

#include "core/hash.h"

#include <string.h>

void source_key(uint8_t out[static SOURCE_KEY_BYTES], const struct address *address)
{
    memset(out, 0, SOURCE_KEY_BYTES);
    if (address->sa.sa_family == AF_INET) {
        out[0] = 4;
        memcpy(out + 1, &address->v4.sin_addr, 4);
    } else if (address->sa.sa_family == AF_INET6) {
        out[0] = 6;
        memcpy(out + 1, &address->v6.sin6_addr, 8);
    }
}

bool source_limit_take(struct source_limit *limit, const struct address *from,
                       uint32_t per_second, usec_t now)
{
    uint8_t key[SOURCE_KEY_BYTES];

    source_key(key, from);
    return rate_limit_take(&limit->bucket[hash_bytes(key, sizeof key) % SOURCE_LIMIT_BUCKETS],
                           per_second, now);
}
