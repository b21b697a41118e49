#include "turn/permission.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 2 };

static void ip_of(const struct address *peer, uint8_t out[static 16])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

    if (peer->sa.sa_family == AF_INET) {
        memcpy(out, mapped, sizeof mapped);
        memcpy(out + 12, &peer->v4.sin_addr, 4);
    } else {
        memcpy(out, &peer->v6.sin6_addr, 16);
    }
}

/* The first place whose address is not below `ip`. */
static size_t place_of(const struct permission_set *set, const uint8_t ip[static 16])
{
    size_t low = 0, high = set->count;

    while (low < high) {
        const size_t middle = (low + high) / 2;

        if (memcmp(set->list[middle].ip, ip, 16) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_at(const struct permission_set *set, size_t i, const uint8_t ip[static 16])
{
    return i < set->count && memcmp(set->list[i].ip, ip, 16) == 0;
}

static void sweep(struct permission_set *set, usec_t now)
{
    uint16_t kept = 0;

    for (size_t i = 0; i < set->count; i++) {
        if (set->list[i].expires > now)
            set->list[kept++] = set->list[i];
    }
    set->count = kept;
}

int permission_reserve(struct permission_set *set, size_t more, usec_t now)
{
    size_t capacity = set->capacity ? set->capacity : FIRST_CAPACITY;

    sweep(set, now);
    if (more > PERMISSIONS_MAX || set->count > PERMISSIONS_MAX - more)
        return RC_FULL;
    while (capacity < set->count + more)
        capacity *= 2;
    if (capacity == set->capacity)
        return RC_OK;

    struct permission *list = realloc(set->list, capacity * sizeof *list);
    if (!list)
        return RC_NOMEM;
    set->list = list;
    set->capacity = (uint16_t)capacity;
    return RC_OK;
}

void permission_grant(struct permission_set *set, const struct address *peer,
                      enum turn_peer how, usec_t expires)
{
    struct permission new = {.expires = expires, .how = how};

    ip_of(peer, new.ip);
    const size_t i = place_of(set, new.ip);
    if (!is_at(set, i, new.ip)) {
        memmove(set->list + i + 1, set->list + i, (set->count - i) * sizeof *set->list);
        set->count++;
    }
    set->list[i] = new;
}

const struct permission *permission_find(const struct permission_set *set,
                                         const struct address *peer, usec_t now)
{
    uint8_t ip[16];

    ip_of(peer, ip);
    const size_t i = place_of(set, ip);
    return is_at(set, i, ip) && now < set->list[i].expires ? &set->list[i] : NULL;
}

void permission_set_free(struct permission_set *set)
{
    free(set->list);
    *set = (struct permission_set){0};
}
