/*
 * The way of a packet through the TURN server of one thread, alone: the port of clients, the
 * server core, the relay sockets, over loopback, with nobody else to wake. What a turn of the
 * loop takes that finds one packet or burst at a client's or a peer's socket, libevent and all
 * system calls in it, the kernel's delivery to the receiver as well. Medians, which other work
 * on the machine moves little.
 *
 *   turn_path_bench [TURNS per row, 20000 if left out]
 */
#include "bench/turn_crowd_lib.h"
#include "core/clock.h"
#include "turn/turn_policy.h"
#include "turn/turn_worker.h"

#include <errno.h>
#include <netinet/udp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { CLIENTS = 100, BURST = 5, TURNS_MAX = 1000000 };

#define MUST(cond)                                                                             \
    do {                                                                                       \
        if (!(cond)) {                                                                         \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #cond, strerror(errno));    \
            exit(EXIT_FAILURE);                                                                \
        }                                                                                      \
    } while (0)

static struct {
    struct loop *loop;
    struct udp_port *port;
    struct turn_auth *auth;
    struct turn_policy *policy;
    struct relay_addresses *addresses;
    struct turn_worker *worker;
    struct turn_crowd crowd;
} bench;

/* --- the server
 * ---------------------------------------------------------------------------------- */

static void on_receive(void *arg, struct udp_datagram *batch, size_t count, usec_t now)
{
    const struct address local = udp_port_address(bench.port);
    (void)arg;

    for (size_t i = 0; i < count; i++)
        batch[i].local = local;
    turn_worker_input(bench.worker, batch, count, now);
}

static void wire_send(void *arg, const struct address *to, const struct address *local,
                      const struct udp_parts *parts)
{
    (void)arg;
    udp_port_send_parts(bench.port, to, local, parts);
}

static void wire_flush(void *arg)
{
    (void)arg;
    udp_port_flush(bench.port);
}

static void start_server(void)
{
    static const char *const users[] = {"user:password"}, *const allowed[] = {"127.0.0.0/8"};
    const struct turn_auth_options auth = {
        .realm = "bench", .user = users, .user_count = 1, .stale_nonce = 600};
    const struct turn_policy_options policy = {.allowed_peer_ip = allowed,
                                               .allowed_count = 1,
                                               .allow_loopback = true,
                                               .relay_ports = true};
    struct udp_port_options port = {.buffer_bytes = 0};
    char error[256];

    MUST(address_parse(&port.at, "127.0.0.1") == RC_OK);
    MUST(loop_create(&bench.loop, "bench", 0) == RC_OK);
    MUST(udp_port_open(&bench.port, bench.loop, &port, on_receive, NULL, NULL) == RC_OK);
    MUST(turn_auth_create(&bench.auth, &auth, error, sizeof error) == RC_OK);
    MUST(turn_policy_create(&bench.policy, &policy, error, sizeof error) == RC_OK);
    MUST(relay_addresses_create(
             &bench.addresses,
             &(struct relay_addresses_options){.min_port = 20000, .max_port = 65535}) == RC_OK);
    const struct turn_worker_options options = {
        .loop = bench.loop,
        .server = {.auth = bench.auth, .policy = bench.policy, .unauthorized_rate = 1000000},
        .addresses = bench.addresses,
        .wire = {NULL, wire_send, wire_flush},
    };
    MUST(turn_worker_create(&bench.worker, &options) == RC_OK);
}

static void stop_server(void)
{
    turn_worker_free(bench.worker);
    udp_port_close(bench.port);
    relay_addresses_free(bench.addresses);
    turn_policy_free(bench.policy);
    turn_auth_free(bench.auth);
    loop_free(bench.loop);
}

static void *run_server(void *arg)
{
    loop_run(bench.loop);
    return arg;
}

/* Clients ask and wait for answers: meanwhile the server has a thread. */
static void make_clients(void)
{
    static const enum turn_ask setup[] = {TURN_ASK_NONCE, TURN_ASK_ALLOCATION,
                                          TURN_ASK_PERMISSION, TURN_ASK_CHANNEL};
    const struct address at = udp_port_address(bench.port);
    pthread_t thread;

    MUST(pthread_create(&thread, NULL, run_server, NULL) == 0);
    turn_crowd_init(&bench.crowd, &at, "user", "password", CLIENTS);
    turn_crowd_grow(&bench.crowd, CLIENTS, true);
    MUST(turn_crowd_ask(&bench.crowd, 0, CLIENTS, setup, ARRAY_LEN(setup)) == CLIENTS);
    loop_stop(bench.loop);
    pthread_join(thread, NULL);
    for (unsigned i = 0; i < CLIENTS; i++) { /* a burst stays one message on its whole way */
        const int on = 1;

        (void)setsockopt(bench.crowd.member[i].fd, SOL_UDP, UDP_GRO, &on, sizeof on);
        (void)setsockopt(bench.crowd.member[i].peer_fd, SOL_UDP, UDP_GRO, &on, sizeof on);
    }
}

/* --- packets
 * --------------------------------------------------------------------------------------- */

struct row {
    bool up;
    unsigned burst;
    size_t size;
};

static uint8_t packet[2048];

static void send_to_server(const struct turn_member *member, const struct row *row)
{
    const size_t head = row->up ? 4 : 0, len = head + row->size;
    uint8_t bytes[BURST * sizeof packet];
    _Alignas(8) uint8_t control[CMSG_SPACE(sizeof(uint16_t))] = {0};
    struct iovec iov = {bytes, len * row->burst};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

    store_be16(packet, member->dialog.channel);
    store_be16(packet + 2, (uint16_t)row->size);
    for (unsigned i = 0; i < row->burst; i++)
        memcpy(bytes + i * len, packet, len);
    if (row->burst > 1) {
        struct cmsghdr *c = (struct cmsghdr *)(void *)control;
        const uint16_t segment = (uint16_t)len;

        c->cmsg_level = SOL_UDP;
        c->cmsg_type = UDP_SEGMENT;
        c->cmsg_len = CMSG_LEN(sizeof segment);
        memcpy(CMSG_DATA(c), &segment, sizeof segment);
        message.msg_control = control;
        message.msg_controllen = sizeof control;
    }
    MUST(sendmsg(row->up ? member->fd : member->peer_fd, &message, 0) >= 0);
}

static size_t receive(const struct turn_member *member, const struct row *row)
{
    static uint8_t bytes[65536];
    const int fd = row->up ? member->peer_fd : member->fd;
    size_t total = 0;
    ssize_t n;

    while ((n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT)) >= 0)
        total += (size_t)n;
    return total;
}

static int64_t nanoseconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000 + t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
    const int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

    return (x > y) - (x < y);
}

static void measure(const struct row *row, unsigned turns)
{
    static int32_t took[TURNS_MAX];
    unsigned lost = 0;

    for (unsigned i = 0; i < turns; i++) {
        const struct turn_member *member = &bench.crowd.member[i % CLIENTS];

        send_to_server(member, row);
        const int64_t start = nanoseconds();
        loop_turn(bench.loop);
        took[i] = (int32_t)(nanoseconds() - start);
        lost += receive(member, row) != row->burst * (row->size + (row->up ? 0 : 4));
    }
    qsort(took, turns, sizeof *took, ascending);
    printf("%-16s %u x %4zu B: %.2f us per packet   (best tenth %.2f)\n",
           row->up ? "client to peer" : "peer to client", row->burst, row->size,
           took[turns / 2] / 1e3 / row->burst, took[turns / 10] / 1e3 / row->burst);
    if (lost)
        printf("  (%u of %u turns brought not what was sent)\n", lost, turns);
}

int main(int argc, char **argv)
{
    static const struct row rows[] = {
        {true, 1, 160}, {false, 1, 160}, {true, 1, 1200}, {false, 1, 1200},
        {true, 5, 160}, {false, 5, 160}, {true, 5, 1200}, {false, 5, 1200},
    };
    const unsigned turns = argc > 1 ? (unsigned)atoi(argv[1]) : 20000;

    setvbuf(stdout, NULL, _IOLBF, 0);
    MUST(turns > 0 && turns <= TURNS_MAX);
    start_server();
    make_clients();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        measure(&rows[i], turns);
    turn_crowd_free(&bench.crowd);
    stop_server();
    return EXIT_SUCCESS;
}
