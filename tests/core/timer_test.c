#include "tests/t.h"
#include "core/timer.h"

enum { MANY = 20000 };

struct ring {
    struct timer timer;
    struct timers *timers;
    usec_t again; /* set itself for then, once */
    struct timer *clears;
    usec_t rang;
    unsigned rings;
    unsigned order;
};

static unsigned order;

static void on_ring(struct timer *timer, void *arg, usec_t now)
{
    struct ring *ring = arg;

    T_OK(timer == &ring->timer);
    T_OK(!timer_is_set(timer));
    ring->rang = now;
    ring->rings++;
    ring->order = ++order;
    if (ring->clears)
        timers_clear(ring->timers, ring->clears);
    if (ring->again) {
        const usec_t again = ring->again;
        ring->again = 0;
        T_EQ(timers_set(ring->timers, timer, again), RC_OK);
    }
}

static struct timers *open_timers(void)
{
    struct timers *timers = NULL;

    order = 0;
    T_EQ(timers_create(&timers), RC_OK);
    return timers;
}

static void set(struct timers *timers, struct ring *ring, usec_t due)
{
    memset(ring, 0, sizeof *ring);
    ring->timers = timers;
    timer_init(&ring->timer, on_ring, ring);
    T_EQ(timers_set(timers, &ring->timer, due), RC_OK);
}

static void an_empty_set_never_wants_to_be_woken(void)
{
    struct timers *timers = open_timers();

    T_EQ(timers_next(timers), USEC_NEVER);
    timers_run(timers, SEC(1));
    T_EQ(timers_count(timers), 0);
    timers_free(timers);
    timers_free(NULL);
}

static void a_timer_rings_at_its_instant_and_once(void)
{
    struct timers *timers = open_timers();
    struct ring ring;

    set(timers, &ring, SEC(5));
    T_EQ(timers_next(timers), SEC(5));
    timers_run(timers, SEC(5) - 1);
    T_EQ(ring.rings, 0);
    timers_run(timers, SEC(5));
    T_EQ(ring.rings, 1);
    timers_run(timers, SEC(6));
    T_EQ(ring.rings, 1);
    timers_free(timers);
}

static void the_earliest_rings_first(void)
{
    static struct ring rings[MANY];
    struct timers *timers = open_timers();
    uint32_t x = 1;

    for (size_t i = 0; i < MANY; i++) {
        x = x * 1664525u + 1013904223u;
        set(timers, &rings[i], 1 + x % 1000000);
    }
    T_EQ(timers_count(timers), MANY);
    timers_run(timers, 2000000);
    for (size_t i = 1; i < MANY; i++) {
        const struct ring *a = &rings[i - 1], *b = &rings[i];
        T_EQ(b->rings, 1);
        T_OK(a->timer.due == b->timer.due ||
             (a->timer.due < b->timer.due) == (a->order < b->order));
    }
    T_EQ(timers_count(timers), 0);
    timers_free(timers);
}

/* Random moves and clears against a plain array. */
static void moved_and_cleared_timers_keep_the_heap_right(void)
{
    enum { FEW = 300, STEPS = 30000 };
    static struct ring rings[FEW];
    static usec_t expected[FEW];
    struct timers *timers = open_timers();
    uint32_t x = 7;

    for (size_t i = 0; i < FEW; i++) {
        memset(&rings[i], 0, sizeof rings[i]);
        timer_init(&rings[i].timer, on_ring, &rings[i]);
        expected[i] = USEC_NEVER;
    }
    for (int step = 0; step < STEPS; step++) {
        x = x * 1664525u + 1013904223u;
        const size_t i = (x >> 8) % FEW;
        if (x >> 29 == 0) {
            timers_clear(timers, &rings[i].timer);
            expected[i] = USEC_NEVER;
        } else {
            expected[i] = 1000 + (x >> 4) % 100000;
            T_EQ(timers_set(timers, &rings[i].timer, expected[i]), RC_OK);
        }
        usec_t earliest = USEC_NEVER;
        for (size_t k = 0; k < FEW; k++)
            earliest = expected[k] < earliest ? expected[k] : earliest;
        T_EQ(timers_next(timers), earliest);
    }
    timers_free(timers);
}

static void clearing_twice_is_harmless(void)
{
    struct timers *timers = open_timers();
    struct ring ring;

    set(timers, &ring, 10);
    timers_clear(timers, &ring.timer);
    timers_clear(timers, &ring.timer);
    T_OK(!timer_is_set(&ring.timer));
    timers_run(timers, 20);
    T_EQ(ring.rings, 0);
    timers_free(timers);
}

static void a_timer_set_while_running_for_now_rings_a_microsecond_later(void)
{
    struct timers *timers = open_timers();
    struct ring ring;

    set(timers, &ring, 10);
    ring.again = 5;
    timers_run(timers, 20);
    T_EQ(ring.rings, 1);
    T_EQ(timers_next(timers), 21);
    timers_run(timers, 21);
    T_EQ(ring.rings, 2);
    timers_free(timers);
}

static void a_timer_may_clear_one_that_is_due_as_well(void)
{
    struct timers *timers = open_timers();
    struct ring first, second;

    set(timers, &first, 10);
    set(timers, &second, 11);
    first.clears = &second.timer;
    timers_run(timers, 20);
    T_EQ(first.rings, 1);
    T_EQ(second.rings, 0);
    timers_free(timers);
}

static void freeing_the_set_unsets_its_timers(void)
{
    struct timers *timers = open_timers();
    struct ring ring;

    set(timers, &ring, 10);
    timers_free(timers);
    T_OK(!timer_is_set(&ring.timer));
}

static const struct t_case cases[] = {
    T_CASE(an_empty_set_never_wants_to_be_woken),
    T_CASE(a_timer_rings_at_its_instant_and_once),
    T_CASE(the_earliest_rings_first),
    T_CASE(moved_and_cleared_timers_keep_the_heap_right),
    T_CASE(clearing_twice_is_harmless),
    T_CASE(a_timer_set_while_running_for_now_rings_a_microsecond_later),
    T_CASE(a_timer_may_clear_one_that_is_due_as_well),
    T_CASE(freeing_the_set_unsets_its_timers),
};
T_MAIN(cases)
