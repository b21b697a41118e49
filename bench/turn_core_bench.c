/*
 * What the state machine of the TURN server costs, without sockets and the kernel: nanoseconds
 * of CPU per message, for a client whose allocation is warm in the caches and for 10 000 in
 * turn, and the heap per allocation.
 *
 *     build/bench/turn_core_bench [messages per figure]
 */
#include "tests/turn/turn_world_lib.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CLIENTS = 10000, DEFAULT_MESSAGES = 1000000, PAYLOAD = 160, BURST = 40000 };

static struct turn_world w;
static struct tester clients[CLIENTS];
static struct address media;
static uint8_t payload[PAYLOAD];

struct message {
    uint8_t bytes[512];
    size_t n;
};

static double cpu_ns(void)
{
    struct timespec at;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at);
    return (double)at.tv_sec * 1e9 + (double)at.tv_nsec;
}

static void show(const char *what, double started, unsigned count)
{
    printf("  %-58s %7.1f ns\n", what, (cpu_ns() - started) / count);
}

static void must(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "%s\n", what);
    exit(EXIT_FAILURE);
}

/* --- messages
 * --------------------------------------------------------------------------------- */

static void make_channel_data(struct message *out)
{
    stun_channel_write(out->bytes, 0x4000, PAYLOAD);
    out->n = STUN_CHANNEL_HEADER + PAYLOAD;
}

static void make_send(struct message *out)
{
    struct stun_builder b;

    stun_begin(&b, out->bytes, sizeof out->bytes, STUN_INDICATION, STUN_SEND, clients[0].id);
    stun_put_address(&b, STUN_ATTR_XOR_PEER_ADDRESS, &media);
    stun_put(&b, STUN_ATTR_DATA, payload, sizeof payload);
    out->n = stun_finish(&b, false);
}

static void make_request(struct message *out, enum stun_method method, bool anonymous)
{
    struct tester_request request;

    clients[0].anonymous = anonymous;
    tester_begin(&request, &clients[0], method);
    out->n = tester_seal(&request);
    memcpy(out->bytes, request.buffer, out->n);
}

/* --- figures
 * ------------------------------------------------------------------------------------ */

static void from_client(const char *what, const struct message *m, unsigned count, bool many)
{
    const struct span bytes = {m->bytes, m->n};
    const double started = cpu_ns();

    for (unsigned i = 0; i < count; i++)
        tester_input(&clients[many ? i * 7919u % CLIENTS : 0], bytes);
    show(what, started, count);
}

static void from_peer(const char *what, unsigned count, bool many)
{
    static struct turn_allocation *allocations[CLIENTS];

    for (unsigned i = 0; i < CLIENTS; i++)
        allocations[i] = turn_server_find_client(w.server, &clients[i].tuple);
    const double started = cpu_ns();
    for (unsigned i = 0; i < count; i++)
        turn_server_from_peer(w.server, allocations[many ? i * 7919u % CLIENTS : 0], &media,
                              (struct span){payload, sizeof payload}, w.now);
    show(what, started, count);
}

static void data(unsigned count)
{
    struct message channel, send;

    make_channel_data(&channel);
    make_send(&send);
    printf("data of %d bytes:\n", PAYLOAD);
    from_client("ChannelData from a client", &channel, count, false);
    from_client("ChannelData from 10000 clients in turn", &channel, count, true);
    from_peer("to a client's channel", count, false);
    from_peer("to 10000 clients' channels in turn", count, true);
    from_client("Send indication", &send, count, false);
}

static void requests(unsigned count)
{
    struct message m;

    printf("requests:\n");
    make_request(&m, STUN_REFRESH, false);
    from_client("Refresh", &m, count / 10, false);
    make_request(&m, STUN_ALLOCATE, true);
    from_client("401 to a stranger", &m, count / 10, false);
    make_request(&m, STUN_BINDING, true);
    from_client("Binding", &m, BURST, false);
}

static void open_world(void)
{
    turn_world_init(&w);
    w.options.relay_ports_none =
        true; /* the tables of the test's own relays are not measured */
    w.options.synthetic_v4 = turn_address(WORLD_RELAY_IP);
    w.options.unauthorized_rate = UINT32_MAX;
    turn_world_open(&w);
    media = turn_address(WORLD_MEDIA);
}

static void allocate(void)
{
    for (uint32_t i = 0; i < CLIENTS; i++) {
        tester_init(&clients[i], &w, "192.0.2.1:4000");
        clients[i].tuple.remote.v4.sin_addr.s_addr = htonl(0xc0000000u + i);
    }
    const size_t before = mallinfo2().uordblks;
    for (unsigned i = 0; i < CLIENTS; i++)
        must(tester_allocate(&clients[i]) == 0 &&
                 tester_bind(&clients[i], 0x4000, WORLD_MEDIA) == 0,
             "an allocation was refused");
    printf("allocations with a permission and a channel:\n  %-58s %7zu bytes\n",
           "heap of each, of 10000", (mallinfo2().uordblks - before) / CLIENTS);
}

int main(int argc, char **argv)
{
    const unsigned count = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : DEFAULT_MESSAGES;

    must(count >= 10, "usage: turn_core_bench [messages per figure]");
    open_world();
    allocate();
    w.quiet = true; /* what is sent is counted and not kept */
    data(count);
    requests(count);
    turn_world_close(&w);
    return EXIT_SUCCESS;
}
