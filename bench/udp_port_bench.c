/*
 * CPU per packet of core/udp_port over loopback: packets of 1200 bytes, in runs of 1, 2 and 5
 * to one destination, then the next. Sending includes the kernel's way to the receiver's queue.
 *
 *   udp_port_bench [SECONDS per row, 1 if left out]
 */
#include "core/clock.h"
#include "core/udp_port.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { PACKET = 1200, ROUND = 500, RECEIVERS = 2 };

static size_t received;

static void on_receive(void *arg, struct udp_datagram *batch, size_t count, usec_t now)
{
    (void)arg;
    (void)batch;
    (void)now;
    received += count;
}

static double cpu_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static struct udp_port *open_port(struct loop *loop, bool plain)
{
    struct udp_port_options options = {.no_gso = plain, .no_gro = plain};
    struct udp_port *port;

    address_parse(&options.at, "127.0.0.1");
    if (udp_port_open(&port, loop, &options, on_receive, NULL, NULL) != RC_OK) {
        perror("udp_port_open");
        exit(EXIT_FAILURE);
    }
    return port;
}

struct cost {
    double sending, receiving; /* microseconds of CPU */
    size_t packets;
};

static void send_round(struct udp_port *port, const struct address *to, int run)
{
    static uint8_t packets[ROUND][PACKET];

    for (int i = 0; i < ROUND; i++)
        udp_port_send(port, &to[i / run % RECEIVERS], NULL, packets[i], PACKET);
    udp_port_flush(port);
}

static void measure(int run, bool plain, usec_t duration)
{
    struct udp_port *sender, *receivers[RECEIVERS];
    struct address to[RECEIVERS];
    struct loop *loop;
    struct cost cost = {0};

    if (loop_create(&loop, "bench", 0) != RC_OK)
        exit(EXIT_FAILURE);
    sender = open_port(loop, plain);
    for (int i = 0; i < RECEIVERS; i++) {
        receivers[i] = open_port(loop, plain);
        to[i] = udp_port_address(receivers[i]);
    }
    for (const usec_t end = clock_now() + duration; clock_now() < end;) {
        received = 0;
        const double start = cpu_now();
        send_round(sender, to, run);
        const double sent = cpu_now();
        while (received < ROUND)
            loop_turn(loop);
        cost.sending += sent - start;
        cost.receiving += cpu_now() - sent;
        cost.packets += ROUND;
    }
    const double n = (double)cost.packets;
    printf("%-8s runs of %d: send %.2f  receive %.2f  together %.2f us per packet\n",
           plain ? "no GSO" : "GSO, GRO", run, cost.sending / n, cost.receiving / n,
           (cost.sending + cost.receiving) / n);
    udp_port_close(sender);
    for (int i = 0; i < RECEIVERS; i++)
        udp_port_close(receivers[i]);
    loop_free(loop);
}

int main(int argc, char **argv)
{
    static const int runs[] = {1, 2, 5};
    const double seconds = argc > 1 ? atof(argv[1]) : 1;

    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; i < ARRAY_LEN(runs); i++)
        measure(runs[i], true, (usec_t)(seconds * 1e6));
    for (size_t i = 0; i < ARRAY_LEN(runs); i++)
        measure(runs[i], false, (usec_t)(seconds * 1e6));
    return EXIT_SUCCESS;
}
