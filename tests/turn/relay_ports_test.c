#include "turn/relay_ports.h"

#include "tests/t.h"

#include <pthread.h>

static struct relay_ports *ports;
static bool taken[65536];

static void open_pool(uint16_t first, uint16_t last)
{
    memset(taken, 0, sizeof taken);
    T_EQ(relay_ports_create(&ports, first, last), RC_OK);
}

/* Takes one, which nobody may have. */
static uint16_t take(enum relay_ports_wish wish)
{
    const uint16_t port = relay_ports_take(ports, wish);

    if (!port)
        return 0;
    for (int i = 0; i <= (wish == RELAY_PORTS_PAIR); i++) {
        T_OK(!taken[port + i]);
        taken[port + i] = true;
    }
    return port;
}

static void give(uint16_t port)
{
    T_OK(taken[port]);
    taken[port] = false;
    relay_ports_give(ports, port);
}

static void a_range_that_is_none_is_refused(void)
{
    T_EQ(relay_ports_create(&ports, 0, 100), RC_BAD);
    T_EQ(relay_ports_create(&ports, 101, 100), RC_BAD);
    relay_ports_free(NULL);
}

static void every_port_of_the_range_is_given_out_once(void)
{
    static const uint16_t ranges[][2] = {
        {49152, 65535}, {50001, 50100}, {50000, 50000}, {50001, 50001}, {1, 2}, {1, 65535},
    };

    for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
        const uint32_t count = (uint32_t)(ranges[i][1] - ranges[i][0]) + 1;

        open_pool(ranges[i][0], ranges[i][1]);
        T_EQ(relay_ports_left(ports), count);
        for (uint32_t k = 0; k < count; k++) {
            const uint16_t port = take(RELAY_PORTS_ANY);
            T_OK(port >= ranges[i][0] && port <= ranges[i][1]);
        }
        T_EQ(take(RELAY_PORTS_ANY), 0);
        T_EQ(take(RELAY_PORTS_EVEN), 0);
        T_EQ(take(RELAY_PORTS_PAIR), 0);
        T_EQ(relay_ports_left(ports), 0);
        relay_ports_free(ports);
    }
}

static void an_exhausted_range_serves_again_what_comes_back(void)
{
    open_pool(60000, 60099);
    while (take(RELAY_PORTS_ANY))
        ;
    give(60017);
    T_EQ(take(RELAY_PORTS_EVEN), 0);
    T_EQ(take(RELAY_PORTS_PAIR), 0);
    T_EQ(take(RELAY_PORTS_ANY), 60017);
    give(60017);
    give(60016);
    T_EQ(take(RELAY_PORTS_PAIR), 60016);
    give(60017);
    give(60016);
    T_EQ(take(RELAY_PORTS_EVEN), 60016);
    T_EQ(take(RELAY_PORTS_ANY), 60017);
    T_EQ(take(RELAY_PORTS_ANY), 0);
    relay_ports_free(ports);
}

static void even_ports_are_even_and_run_out(void)
{
    open_pool(60001, 60100); /* 60002 to 60100 */
    for (int i = 0; i < 50; i++)
        T_EQ(take(RELAY_PORTS_EVEN) % 2, 0);
    T_EQ(take(RELAY_PORTS_EVEN), 0);
    T_EQ(take(RELAY_PORTS_PAIR), 0);
    for (int i = 0; i < 50; i++)
        T_EQ(take(RELAY_PORTS_ANY) % 2, 1);
    T_EQ(take(RELAY_PORTS_ANY), 0);
    relay_ports_free(ports);
}

static void a_pair_is_an_even_port_and_the_next_inside_the_range(void)
{
    open_pool(60001, 60100); /* neither 60000+60001 nor 60100+60101 */
    for (int i = 0; i < 49; i++) {
        const uint16_t port = take(RELAY_PORTS_PAIR);

        T_EQ(port % 2, 0);
        T_OK(port >= 60002 && port <= 60098);
    }
    T_EQ(take(RELAY_PORTS_PAIR), 0);
    T_EQ(relay_ports_left(ports), 2);
    T_EQ(take(RELAY_PORTS_EVEN), 60100);
    T_EQ(take(RELAY_PORTS_ANY), 60001);
    relay_ports_free(ports);
}

static void random_use_loses_and_doubles_nothing(void)
{
    enum { FIRST = 50001, LAST = 50300 };
    unsigned seed = 7, used = 0;

    open_pool(FIRST, LAST);
    for (int i = 0; i < 200000; i++) {
        seed = seed * 1103515245 + 12345;
        const unsigned what = seed >> 16 & 7;
        const uint16_t port = (uint16_t)(FIRST + (seed >> 8) % (LAST - FIRST + 1));

        if (what < 4 && taken[port]) {
            give(port);
            used--;
        } else if (what == 5) {
            used += take(RELAY_PORTS_PAIR) ? 2 : 0;
        } else if (what == 6) {
            used += take(RELAY_PORTS_EVEN) ? 1 : 0;
        } else if (what == 7) {
            used += take(RELAY_PORTS_ANY) ? 1 : 0;
        }
        T_EQ(relay_ports_left(ports), LAST - FIRST + 1 - used);
    }
    relay_ports_free(ports);
}

/* 100 ports, 20 000 draws: each is expected 200 times, standard deviation 14. */
static void every_free_port_is_as_likely_as_any_other(void)
{
    unsigned drawn[100] = {0};

    open_pool(60000, 60099);
    for (int i = 0; i < 30; i++) /* some pairs are halved, some gone */
        (void)take(i % 3 ? RELAY_PORTS_ANY : RELAY_PORTS_PAIR);
    const uint32_t left = relay_ports_left(ports);
    for (uint32_t i = 0; i < 200 * left; i++) {
        const uint16_t port = take(RELAY_PORTS_ANY);

        drawn[port - 60000]++;
        give(port);
    }
    for (int i = 0; i < 100; i++)
        if (taken[60000 + i])
            T_EQ(drawn[i], 0);
        else
            T_OK(drawn[i] > 100 && drawn[i] < 300);
    relay_ports_free(ports);
}

static void two_pools_do_not_draw_the_same(void)
{
    uint16_t first[8];
    int same = 0;

    open_pool(RELAY_PORT_FIRST, RELAY_PORT_LAST);
    for (size_t i = 0; i < ARRAY_LEN(first); i++)
        first[i] = take(RELAY_PORTS_ANY);
    relay_ports_free(ports);
    open_pool(RELAY_PORT_FIRST, RELAY_PORT_LAST);
    for (size_t i = 0; i < ARRAY_LEN(first); i++)
        same += take(RELAY_PORTS_ANY) == first[i];
    T_OK(same < 4);
    relay_ports_free(ports);
}

enum { THREADS = 4, ROUNDS = 20000, HELD = 20 };
static _Atomic int owners[65536];
static _Atomic int doubles;

static void *use_ports(void *arg)
{
    uint16_t held[HELD] = {0};
    (void)arg;

    for (int i = 0; i < ROUNDS; i++) {
        const int k = i % HELD;

        if (held[k]) {
            owners[held[k]]--;
            relay_ports_give(ports, held[k]);
        }
        held[k] = relay_ports_take(ports, i % 5 ? RELAY_PORTS_ANY : RELAY_PORTS_EVEN);
        if (held[k] && owners[held[k]]++ != 0)
            doubles++;
    }
    return NULL;
}

static void threads_never_share_a_port(void)
{
    pthread_t thread[THREADS];

    open_pool(60000, 60060); /* fewer than they all want */
    for (int i = 0; i < THREADS; i++)
        T_EQ(pthread_create(&thread[i], NULL, use_ports, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    T_EQ(doubles, 0);
    relay_ports_free(ports);
}

/* What binds ports here: those up to `theirs` are another program's. */
static struct {
    uint16_t theirs, bound;
    unsigned calls;
    int failure;
} binder;

static int bind_port(void *arg, uint16_t port)
{
    T_OK(arg == &binder);
    T_OK(!taken[port]); /* none is tried twice */
    taken[port] = true;
    binder.calls++;
    if (binder.failure)
        return binder.failure;
    binder.bound = port;
    return port <= binder.theirs ? RC_AGAIN : RC_OK;
}

static int bind_any(uint16_t theirs, enum relay_ports_wish wish, int failure)
{
    memset(taken, 0, sizeof taken);
    memset(&binder, 0, sizeof binder);
    binder.theirs = theirs;
    binder.failure = failure;
    return relay_ports_bind(ports, wish, bind_port, &binder);
}

static void ports_that_cannot_be_bound_are_passed_over_and_given_back(void)
{
    open_pool(60000, 60007);
    for (int i = 0; i < 50; i++) {
        T_EQ(bind_any(60006, RELAY_PORTS_ANY, 0), RC_OK);
        T_EQ(binder.bound, 60007);
        T_EQ(relay_ports_left(ports), 7);
        relay_ports_give(ports, 60007);
        T_EQ(bind_any(60005, RELAY_PORTS_PAIR, 0), RC_OK);
        T_EQ(binder.bound, 60006);
        T_EQ(relay_ports_left(ports), 6);
        relay_ports_give(ports, 60006);
        relay_ports_give(ports, 60007);
    }
    relay_ports_free(ports);
}

static void it_is_told_when_none_can_be_bound(void)
{
    open_pool(60000, 60007);
    T_EQ(bind_any(60007, RELAY_PORTS_ANY, 0), RC_FULL);
    T_EQ(binder.calls, 8);
    T_EQ(bind_any(60007, RELAY_PORTS_PAIR, 0), RC_FULL);
    T_EQ(bind_any(0, RELAY_PORTS_ANY, RC_SYS), RC_SYS);
    T_EQ(binder.calls, 1);
    T_EQ(relay_ports_left(ports), 8);
    relay_ports_free(ports);
    open_pool(1, 65535);
    T_EQ(bind_any(65535, RELAY_PORTS_ANY, 0), RC_FULL);
    T_OK(binder.calls < 100); /* in bounded time */
    T_EQ(relay_ports_left(ports), 65535);
    relay_ports_free(ports);
}

static const struct t_case cases[] = {
    T_CASE(a_range_that_is_none_is_refused),
    T_CASE(every_port_of_the_range_is_given_out_once),
    T_CASE(an_exhausted_range_serves_again_what_comes_back),
    T_CASE(even_ports_are_even_and_run_out),
    T_CASE(a_pair_is_an_even_port_and_the_next_inside_the_range),
    T_CASE(random_use_loses_and_doubles_nothing),
    T_CASE(every_free_port_is_as_likely_as_any_other),
    T_CASE(two_pools_do_not_draw_the_same),
    T_CASE(threads_never_share_a_port),
    T_CASE(ports_that_cannot_be_bound_are_passed_over_and_given_back),
    T_CASE(it_is_told_when_none_can_be_bound),
};
T_MAIN(cases)
