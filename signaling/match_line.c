#include "signaling/match_line.h"

#include <stdlib.h>
#include <string.h>

#define CAPACITY_MIN 64

void match_line_free(struct match_line *line)
{
    free(line->tree);
    free(line->holder);
    memset(line, 0, sizeof *line);
}

/* --- the tree ------------------------------------------------------------------------------
 */

static void count_one(struct match_line *line, uint32_t number, uint32_t change)
{
    for (uint32_t i = number + 1; i <= line->capacity; i += i & (0u - i))
        line->tree[i] += change; /* wraps for -1, as unsigned numbers may */
}

static uint32_t sum_before(const struct match_line *line, uint32_t number)
{
    uint32_t sum = 0;

    for (uint32_t i = number; i > 0; i &= i - 1)
        sum += line->tree[i];
    return sum;
}

/* Everybody stands, one after the other: the tree of `count` ones. */
static void build_tree(struct match_line *line)
{
    memset(line->tree, 0, ((size_t)line->capacity + 1) * sizeof *line->tree);
    for (uint32_t i = 1; i <= line->capacity; i++) {
        const uint32_t parent = i + (i & (0u - i));

        line->tree[i] += i <= line->count;
        if (parent <= line->capacity)
            line->tree[parent] += line->tree[i];
    }
}

/* --- numbering anew ------------------------------------------------------------------------
 */

static int grow(struct match_line *line)
{
    const uint32_t capacity = line->capacity ? 2 * line->capacity : CAPACITY_MIN;

    uint32_t **holder = realloc(line->holder, capacity * sizeof(uint32_t *));
    if (!holder)
        return RC_NOMEM;
    line->holder = holder;
    uint32_t *tree = realloc(line->tree, ((size_t)capacity + 1) * sizeof *tree);
    if (!tree)
        return RC_NOMEM;
    line->tree = tree;
    line->capacity = capacity;
    return RC_OK;
}

static void close_ranks(struct match_line *line)
{
    uint32_t to = 0;

    for (uint32_t from = 0; from < line->next; from++) {
        uint32_t *number = line->holder[from];

        if (!number)
            continue;
        *number = to;
        line->holder[to++] = number;
    }
    line->next = to;
}

static int make_room(struct match_line *line)
{
    /* Half of it is free afterwards, so the next time is as many newcomers away. */
    if (line->count >= line->capacity / 2 && grow(line) != RC_OK)
        return RC_NOMEM;
    close_ranks(line);
    build_tree(line);
    return RC_OK;
}

/* --- people --------------------------------------------------------------------------------
 */

int match_line_enter(struct match_line *line, uint32_t *number)
{
    if (line->next == line->capacity && make_room(line) != RC_OK)
        return RC_NOMEM;
    *number = line->next++;
    line->holder[*number] = number;
    line->count++;
    count_one(line, *number, 1);
    return RC_OK;
}

void match_line_leave(struct match_line *line, const uint32_t *number)
{
    line->holder[*number] = NULL;
    line->count--;
    count_one(line, *number, UINT32_MAX);
}

uint32_t match_line_before(const struct match_line *line, const uint32_t *number)
{
    return sum_before(line, *number);
}
