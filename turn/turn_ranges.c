#include "turn/turn_ranges.h"

#include <stdlib.h>
#include <string.h>

/* Big-endian bytes: memcmp orders them as numbers. */
static void set_key(uint8_t out[static 16], const struct address *a)
{
    memset(out, 0, 16);
    if (a->sa.sa_family == AF_INET)
        memcpy(out, &a->v4.sin_addr, 4);
    else
        memcpy(out, &a->v6.sin6_addr, 16);
}

static int parse_net(struct turn_range *out, const char *text)
{
    struct address_net net;

    if (address_net_parse(&net, text) != RC_OK)
        return RC_BAD;
    *out = (struct turn_range){.family = (uint8_t)net.base.sa.sa_family};
    set_key(out->first, &net.base);
    memcpy(out->last, out->first, 16);
    const unsigned total = out->family == AF_INET ? 32 : 128;
    for (unsigned bit = net.bits; bit < total; bit++)
        out->last[bit / 8] |= (uint8_t)(0x80u >> bit % 8);
    return RC_OK;
}

static bool is_all_ipv4(const struct turn_range *range)
{
    static const uint8_t zeros[4], ones[4] = {0xff, 0xff, 0xff, 0xff};

    return range->family == AF_INET && memcmp(range->first, zeros, 4) == 0 &&
           memcmp(range->last, ones, 4) == 0;
}

int turn_range_parse(struct turn_range *out, const char *text)
{
    char copy[2 * ADDRESS_TEXT_MAX];
    struct turn_range first, last;

    if (strlen(text) >= sizeof copy)
        return RC_BAD;
    memcpy(copy, text, strlen(text) + 1);
    char *dash = strchr(copy, '-');
    if (dash)
        *dash++ = '\0';
    if (dash && strpbrk(text, "/"))
        return RC_BAD;
    if (parse_net(&first, copy) != RC_OK || parse_net(&last, dash ? dash : copy) != RC_OK ||
        first.family != last.family || memcmp(first.first, last.last, 16) > 0)
        return RC_BAD;
    memcpy(first.last, last.last, 16);
    if (is_all_ipv4(&first) && strchr(text, ':'))
        first.family = AF_UNSPEC;
    *out = first;
    return RC_OK;
}

static int compare(const void *a, const void *b)
{
    const struct turn_range *x = a, *y = b;

    if (x->family != y->family)
        return x->family < y->family ? -1 : 1;
    return memcmp(x->first, y->first, sizeof x->first);
}

/* Of sorted ranges: those that overlap become one, so that a search by halves sees them all. */
static size_t merge(struct turn_range *range, size_t count)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        struct turn_range *top = kept > 0 ? &range[kept - 1] : NULL;

        if (!top || top->family != range[i].family ||
            memcmp(range[i].first, top->last, sizeof top->last) > 0)
            range[kept++] = range[i];
        else if (memcmp(range[i].last, top->last, sizeof top->last) > 0)
            memcpy(top->last, range[i].last, sizeof top->last);
    }
    return kept;
}

int turn_ranges_build(struct turn_ranges *out, const char *const *text, size_t count,
                      size_t *bad)
{
    struct turn_range *range = calloc(count ? count : 1, sizeof *range);

    if (!range)
        return RC_NOMEM;
    for (size_t i = 0; i < count; i++) {
        if (turn_range_parse(&range[i], text[i]) != RC_OK) {
            *bad = i;
            free(range);
            return RC_BAD;
        }
    }
    qsort(range, count, sizeof *range, compare);
    *out = (struct turn_ranges){.range = range, .count = merge(range, count)};
    return RC_OK;
}

void turn_ranges_clear(struct turn_ranges *ranges)
{
    free(ranges->range);
    *ranges = (struct turn_ranges){0};
}

bool turn_ranges_contain(const struct turn_ranges *ranges, const struct address *a)
{
    struct turn_range key = {.family = (uint8_t)a->sa.sa_family};
    size_t low = 0, high = ranges->count;

    if (a->sa.sa_family != AF_INET && a->sa.sa_family != AF_INET6)
        return false;
    set_key(key.first, a);
    while (low < high) { /* the first range that begins behind the address */
        const size_t middle = low + (high - low) / 2;

        if (compare(&ranges->range[middle], &key) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && ranges->range[low - 1].family == key.family &&
           memcmp(key.first, ranges->range[low - 1].last, sizeof key.first) <= 0;
}
