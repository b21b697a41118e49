#include "turn/channel.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 2 };

/* Any total order does. A struct address has no bytes that two equal ones could differ in. */
static int compare(const struct address *a, const struct address *b)
{
    return memcmp(a, b, sizeof *a);
}

static size_t place_of(const struct channel_set *set, uint16_t number)
{
    size_t low = 0, high = set->count;

    while (low < high) {
        const size_t middle = (low + high) / 2;

        if (set->list[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static size_t place_of_peer(const struct channel_set *set, const struct address *peer)
{
    size_t low = 0, high = set->count;

    while (low < high) {
        const size_t middle = (low + high) / 2;

        if (compare(&set->list[set->by_peer[middle]].peer, peer) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct channel *channel_find(const struct channel_set *set, uint16_t number, usec_t now)
{
    const size_t i = place_of(set, number);

    if (i == set->count || set->list[i].number != number || set->list[i].expires <= now)
        return NULL;
    return &set->list[i];
}

const struct channel *channel_of_peer(const struct channel_set *set, const struct address *peer,
                                      usec_t now)
{
    const size_t i = place_of_peer(set, peer);

    if (i == set->count)
        return NULL;
    const struct channel *channel = &set->list[set->by_peer[i]];
    return compare(&channel->peer, peer) == 0 && channel->expires > now ? channel : NULL;
}

unsigned channel_refusal(const struct channel_set *set, uint16_t number,
                         const struct address *peer, usec_t now)
{
    const struct channel *by_number = channel_find(set, number, now);
    const struct channel *by_peer = channel_of_peer(set, peer, now);

    return by_number == by_peer ? 0 : 400;
}

static int by_peer_order(const void *a, const void *b, void *arg)
{
    const struct channel_set *set = arg;

    return compare(&set->list[*(const uint16_t *)a].peer,
                   &set->list[*(const uint16_t *)b].peer);
}

static void sort_by_peer(struct channel_set *set)
{
    for (uint16_t i = 0; i < set->count; i++)
        set->by_peer[i] = i;
    qsort_r(set->by_peer, set->count, sizeof *set->by_peer, by_peer_order, set);
}

/* Keeps those for which nothing speaks: alive at `now`, and not of `family`. */
static void sweep(struct channel_set *set, usec_t now, sa_family_t family)
{
    uint16_t kept = 0;

    for (size_t i = 0; i < set->count; i++) {
        if (set->list[i].expires > now && set->list[i].peer.sa.sa_family != family)
            set->list[kept++] = set->list[i];
    }
    if (kept == set->count)
        return;
    set->count = kept;
    sort_by_peer(set);
}

void channel_drop_family(struct channel_set *set, sa_family_t family)
{
    sweep(set, 0, family);
}

static int make_room(struct channel_set *set)
{
    const size_t capacity = set->capacity ? set->capacity * 2u : FIRST_CAPACITY;

    if (set->count < set->capacity)
        return RC_OK;
    if (set->count == CHANNELS_MAX)
        return RC_FULL;
    struct channel *list = realloc(set->list, capacity * sizeof *list);
    if (!list)
        return RC_NOMEM;
    set->list = list;
    uint16_t *by_peer = realloc(set->by_peer, capacity * sizeof *by_peer);
    if (!by_peer)
        return RC_NOMEM;
    set->by_peer = by_peer;
    set->capacity = (uint16_t)capacity;
    return RC_OK;
}

int channel_bind(struct channel_set *set, uint16_t number, const struct address *peer,
                 enum turn_peer how, usec_t expires, usec_t now)
{
    sweep(set, now, AF_UNSPEC);

    size_t i = place_of(set, number);
    if (i < set->count && set->list[i].number == number) {
        set->list[i].expires = expires;
        set->list[i].how = (uint8_t)how;
        return RC_OK;
    }
    const int rc = make_room(set);
    if (rc != RC_OK)
        return rc;
    memmove(set->list + i + 1, set->list + i, (set->count - i) * sizeof *set->list);
    set->list[i] = (struct channel){*peer, number, (uint8_t)how, expires};
    set->count++;
    sort_by_peer(set);
    return RC_OK;
}

void channel_set_free(struct channel_set *set)
{
    free(set->list);
    free(set->by_peer);
    *set = (struct channel_set){0};
}
