/*
 * Fuzzes turn_range_parse() and turn_ranges_build() with lines of ranges: a set contains the
 * ends of each of its ranges, and nothing that none of them contains alone.
 */
#include "turn/turn_ranges.h"

#include <stdlib.h>
#include <string.h>

#define MUST(cond) ((cond) ? (void)0 : abort()) /* active in every build, unlike assert */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LINES_MAX = 32 };

static struct address end_of(const struct turn_range *range, const uint8_t key[static 16])
{
    struct address a = {.sa = {.sa_family = range->family}};

    if (range->family == AF_INET)
        memcpy(&a.v4.sin_addr, key, 4);
    else
        memcpy(&a.v6.sin6_addr, key, 16);
    return a;
}

/* By looking at each. */
static bool any_contains(const struct turn_range *range, size_t count, const struct address *a)
{
    for (size_t i = 0; i < count; i++) {
        struct turn_range copy = range[i];
        const struct turn_ranges one = {&copy, 1};

        if (turn_ranges_contain(&one, a))
            return true;
    }
    return false;
}

static void check(const struct turn_ranges *set, const struct turn_range *range, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        MUST(memcmp(range[i].first, range[i].last, 16) <= 0);
        if (range[i].family == AF_UNSPEC)
            continue;
        struct address first = end_of(&range[i], range[i].first);
        struct address last = end_of(&range[i], range[i].last);
        MUST(turn_ranges_contain(set, &first) && turn_ranges_contain(set, &last));
        uint8_t *byte = last.sa.sa_family == AF_INET ? (uint8_t *)&last.v4.sin_addr + 3
                                                     : last.v6.sin6_addr.s6_addr + 15;
        ++*byte; /* somewhere near */
        MUST(turn_ranges_contain(set, &last) == any_contains(range, count, &last));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *line[LINES_MAX];
    struct turn_range range[LINES_MAX];
    struct turn_ranges set;
    size_t count = 0, bad = 0;

    char *text = malloc(size + 1);
    if (!text)
        return 0;
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    for (char *at = strtok(text, "\n"); at && count < LINES_MAX; at = strtok(NULL, "\n")) {
        if (turn_range_parse(&range[count], at) == RC_OK)
            line[count++] = at;
    }
    MUST(turn_ranges_build(&set, line, count, &bad) == RC_OK);
    check(&set, range, count);
    turn_ranges_clear(&set);
    free(text);
    return 0;
}
