#include "core/timer.h"

#include <stdlib.h>

/* Four children a node: half the depth of a binary heap, and the children of a node share one
 * cache line. */
enum { ARITY = 4, FIRST_CAPACITY = 64 };

/* The key is kept beside the pointer so that sifting does not touch the timers themselves. */
struct entry {
    usec_t due;
    struct timer *timer; /* borrowed */
};

struct timers {
    struct entry *heap; /* owned */
    uint32_t count, capacity;
    usec_t running; /* `now` of the run that is going on, 0 otherwise */
};

int timers_create(struct timers **out)
{
    struct timers *timers = calloc(1, sizeof *timers);

    if (!timers)
        return RC_NOMEM;
    *out = timers;
    return RC_OK;
}

void timers_free(struct timers *timers)
{
    if (!timers)
        return;
    for (uint32_t i = 0; i < timers->count; i++)
        timers->heap[i].timer->index = 0;
    free(timers->heap);
    free(timers);
}

void timer_init(struct timer *timer, timer_fn *fn, void *arg)
{
    *timer = (struct timer){.due = USEC_NEVER, .fn = fn, .arg = arg};
}

static void place(struct timers *timers, uint32_t at, struct entry entry)
{
    timers->heap[at] = entry;
    entry.timer->index = at + 1;
}

static void sift_up(struct timers *timers, uint32_t at, struct entry entry)
{
    while (at > 0) {
        const uint32_t parent = (at - 1) / ARITY;

        if (timers->heap[parent].due <= entry.due)
            break;
        place(timers, at, timers->heap[parent]);
        at = parent;
    }
    place(timers, at, entry);
}

static uint32_t earliest_child(const struct timers *timers, uint32_t at)
{
    const uint32_t first = at * ARITY + 1;
    const uint32_t end = timers->count - first < ARITY ? timers->count : first + ARITY;
    uint32_t best = first;

    for (uint32_t i = first + 1; i < end; i++) {
        if (timers->heap[i].due < timers->heap[best].due)
            best = i;
    }
    return best;
}

static void sift_down(struct timers *timers, uint32_t at, struct entry entry)
{
    while (at * ARITY + 1 < timers->count) {
        const uint32_t child = earliest_child(timers, at);

        if (timers->heap[child].due >= entry.due)
            break;
        place(timers, at, timers->heap[child]);
        at = child;
    }
    place(timers, at, entry);
}

static void reorder(struct timers *timers, uint32_t at, struct entry entry)
{
    if (at > 0 && timers->heap[(at - 1) / ARITY].due > entry.due)
        sift_up(timers, at, entry);
    else
        sift_down(timers, at, entry);
}

static int make_room(struct timers *timers)
{
    if (timers->count < timers->capacity)
        return RC_OK;
    if (timers->capacity > UINT32_MAX / 2 / ARITY)
        return RC_NOMEM;

    const uint32_t capacity = timers->capacity ? timers->capacity * 2 : FIRST_CAPACITY;
    struct entry *heap = realloc(timers->heap, capacity * sizeof *heap);
    if (!heap)
        return RC_NOMEM;
    timers->heap = heap;
    timers->capacity = capacity;
    return RC_OK;
}

int timers_set(struct timers *timers, struct timer *timer, usec_t due)
{
    if (timers->running && due <= timers->running)
        due = timers->running + 1;

    const struct entry entry = {due, timer};
    if (timer->index) {
        timer->due = due;
        reorder(timers, timer->index - 1, entry);
        return RC_OK;
    }
    const int rc = make_room(timers);
    if (rc != RC_OK)
        return rc;
    timer->due = due;
    sift_up(timers, timers->count++, entry);
    return RC_OK;
}

void timers_clear(struct timers *timers, struct timer *timer)
{
    if (!timer->index)
        return;

    const uint32_t at = timer->index - 1;
    const struct entry last = timers->heap[--timers->count];
    timer->index = 0;
    if (last.timer != timer)
        reorder(timers, at, last);
}

usec_t timers_next(const struct timers *timers)
{
    return timers->count ? timers->heap[0].due : USEC_NEVER;
}

void timers_run(struct timers *timers, usec_t now)
{
    timers->running = now;
    while (timers->count && timers->heap[0].due <= now) {
        struct timer *timer = timers->heap[0].timer;

        timers_clear(timers, timer);
        timer->fn(timer, timer->arg, now);
    }
    timers->running = 0;
}

size_t timers_count(const struct timers *timers)
{
    return timers->count;
}
