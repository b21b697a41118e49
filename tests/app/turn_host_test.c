/* The TURN server of a process: every thread's clients, and what is done to all of them at
 * once. */
#include "tests/t.h"
#include "core/clock.h"
#include "core/random.h"
#include "tests/app/turn_client_lib.h"

#include <stdio.h>

enum { CLIENTS = 3, WORKERS = 2 };
#define PATIENCE SEC(20) /* a machine under ThreadSanitizer and load */
#define TICK MSEC(2)

static struct {
    struct loop *control;
    struct relay *relay;
    struct turn_host *host;
    struct listener *listener;
    struct listener_protocol protocol;
    struct timer tick;
    struct turn_client_lib *client[CLIENTS]; /* of each worker, and of the control thread */
    unsigned code;
} world;

static void on_state(void *user, enum relay_peer_state state, enum refusal why)
{
    (void)user;
    (void)state;
    (void)why;
}

static void on_silence(void *user, bool silent)
{
    (void)user;
    (void)silent;
}

static void on_quality(void *user, const struct relay_quality *quality)
{
    (void)user;
    (void)quality;
}

static const struct relay_events events = {on_state, on_silence, on_quality};

static void on_data(void *arg, uint8_t *bytes, size_t n)
{
    (void)arg;
    (void)bytes;
    (void)n;
}

static void on_tick(struct timer *timer, void *arg, usec_t now)
{
    (void)arg;
    for (int i = 0; i < CLIENTS; i++)
        if (world.client[i])
            turn_client_read(world.client[i], on_data, NULL);
    T_EQ(timers_set(loop_timers(world.control), timer, now + TICK), RC_OK);
}

static bool until(bool (*is_true)(void))
{
    const usec_t end = clock_now() + PATIENCE;

    while (!is_true()) {
        if (clock_now() >= end)
            return false;
        loop_turn(world.control);
    }
    return true;
}

static const struct turn_client_lib *asking;

static bool is_answered(void)
{
    return turn_client_answer(asking, &world.code);
}

/* 0, or the error's code. */
static unsigned ask(struct turn_client_lib *client, enum turn_client_ask what)
{
    asking = client;
    turn_client_ask(client, what, NULL);
    T_OK(until(is_answered));
    return world.code;
}

/* Several workers need ports in a row that nobody else has. */
static int try_to_start(void)
{
    struct relay_options media = {
        .workers = WORKERS,
        .listen_count = 1,
        .port = (uint16_t)(20000 + random_u32() % 40000),
        .video_codecs = {CODEC_VP8},
        .video_codec_count = 1,
        .max_peers = 10,
        .max_handshakes = 10,
    };
    char error[RELAY_ERROR_MAX];

    T_EQ(address_parse(&media.listen[0], "127.0.0.1"), RC_OK);
    world.host = turn_client_host(world.control, &media, false);
    const int rc = relay_start(&world.relay, &media, world.control, &events, error);
    if (rc != RC_OK)
        turn_client_host_free(world.host);
    return rc;
}

static void begin(void)
{
    struct listener_options options = {.protocols = &world.protocol, .protocol_count = 1};
    int rc = RC_SYS;

    memset(&world, 0, sizeof world);
    T_EQ(loop_create(&world.control, "control", 0), RC_OK);
    for (int tries = 0; rc != RC_OK && tries < 50; tries++)
        rc = try_to_start();
    T_EQ(rc, RC_OK);
    world.protocol = turn_client_host_streams(world.host);
    T_EQ(address_parse(&options.at, "127.0.0.1"), RC_OK);
    T_EQ(listener_open(&world.listener, world.control, &options), RC_OK);
    timer_init(&world.tick, on_tick, NULL);
    T_EQ(timers_set(loop_timers(world.control), &world.tick, 1), RC_OK);
}

static void end(void)
{
    turn_client_host_stop(world.host);
    relay_stop(world.relay);
    turn_client_host_free(world.host);
    listener_close(world.listener);
    for (int i = 0; i < CLIENTS; i++)
        if (world.client[i])
            turn_client_close(world.client[i]);
    loop_free(world.control);
}

/* One on each worker's port, and one over TCP, on the control thread. */
static void add_client(int i)
{
    struct address server =
        i < WORKERS ? relay_address(world.relay) : listener_address(world.listener);

    if (i < WORKERS)
        address_set_port(&server, relay_worker_port(world.relay, (unsigned)i));
    world.client[i] = turn_client_open(&server, i == WORKERS);
    T_EQ(ask(world.client[i], TURN_CLIENT_NONCE), 0);
    T_EQ(ask(world.client[i], TURN_CLIENT_ALLOCATE), 0);
}

static uint64_t allocations;

static bool are_as_many(void)
{
    return turn_client_host_allocations(world.host) == allocations;
}

static void expect_allocations(uint64_t count)
{
    allocations = count;
    T_OK(until(are_as_many));
}

static void every_thread_serves_clients(void)
{
    begin();
    for (int i = 0; i < CLIENTS; i++)
        add_client(i);
    expect_allocations(CLIENTS);
    for (int i = 0; i < CLIENTS; i++)
        for (int k = 0; k < i; k++) {
            const struct address a = turn_client_relayed(world.client[i]),
                                 b = turn_client_relayed(world.client[k]);
            T_OK(!address_equal(&a, &b));
        }
    for (int i = 0; i < CLIENTS; i++)
        T_EQ(ask(world.client[i], TURN_CLIENT_END), 0);
    expect_allocations(0);
    end();
}

static void what_a_revoked_user_has_ends_on_every_thread(void)
{
    begin();
    for (int i = 0; i < CLIENTS; i++)
        add_client(i);
    expect_allocations(CLIENTS);
    T_EQ(turn_client_host_revoke(world.host, "bob"), RC_OK);
    T_EQ(ask(world.client[0], TURN_CLIENT_NONCE),
         0); /* it was heard of, and is nobody's here */
    expect_allocations(CLIENTS);
    T_EQ(turn_client_host_revoke(world.host, "alice"), RC_OK);
    expect_allocations(0);
    for (int i = 0; i < WORKERS; i++) {
        T_EQ(ask(world.client[i], TURN_CLIENT_NONCE), 0);
        T_EQ(ask(world.client[i], TURN_CLIENT_ALLOCATE), 401);
    }
    end();
}

static const struct t_case cases[] = {
    T_CASE(every_thread_serves_clients),
    T_CASE(what_a_revoked_user_has_ends_on_every_thread),
};
T_MAIN(cases)
