/*
 * What the relay costs: synthetic users against the real server over loopback, signaling, ICE,
 * DTLS and SRTP included. bench/README.md says how each figure is taken.
 *
 *   relay_load frames|single|delay|users|idle|splice [PROGRAM] [FRAMES per second and user, 20]
 */
#include "bench/load_server_lib.h"
#include "bench/load_socket_lib.h"
#include "bench/load_users_lib.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WARM_UP SEC(2)
#define WINDOW SEC(1)
#define WINDOWS 7
#define MEASURE SEC(5)
#define IDLE_SOCKETS 5000

static struct load_server server;

static void stop_server(void)
{
    load_server_stop(&server);
}

static void require_delivery(const struct load_counts *counts)
{
    const double lost = 1.0 - (double)counts->received / (double)counts->sent;

    if (lost > 0.01)
        printf(
            "  (%.1f %% of the packets were lost: the machine is too busy for this figure)\n",
            lost * 100);
}

/* --- CPU --- */

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

/* Nanoseconds of the worker thread per packet that reached its receiver, in one window. */
static double cpu_of_window(struct load *load, uint64_t *received)
{
    const uint64_t worker = load_server_cpu(&server, "worker");

    load_reset(load);
    load_run(load, WINDOW);
    *received = load_counts(load)->received;
    return (double)(load_server_cpu(&server, "worker") - worker) / (double)*received;
}

static void measure_cpu(const char *what, double goal, const struct load_options *options)
{
    struct load *load = load_create(options);
    double cost[WINDOWS];
    uint64_t received = 0, sum = 0;

    load_match(load);
    load_run(load, WARM_UP);
    for (unsigned i = 0; i < WINDOWS; i++) {
        cost[i] = cpu_of_window(load, &received);
        sum += received;
        require_delivery(load_counts(load));
    }
    qsort(cost, WINDOWS, sizeof *cost, ascending);
    const double rate = (double)sum * SEC(1) / (WINDOWS * WINDOW);
    printf("%-44s %7.2f us   goal %5.1f   (best %.2f; %.0f packets/s, %.0f %% of a core)\n",
           what, cost[WINDOWS / 2] / 1000, goal, cost[0] / 1000, rate,
           cost[WINDOWS / 2] * rate / 1e7);
    load_free(load);
}

/* --- delay --- */

static unsigned percentile(const struct load_counts *counts, double share)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i <= LOAD_DELAY_MAX; i++) {
        sum += counts->delay[i];
        if ((double)sum >= share * (double)counts->delays)
            return i;
    }
    return LOAD_DELAY_MAX;
}

static void measure_delay(const struct load_options *options)
{
    struct load *load = load_create(options);

    load_match(load);
    load_run(load, WARM_UP);
    load_reset(load);
    load_run(load, MEASURE);
    const struct load_counts *counts = load_counts(load);

    printf("%-44s %7u us   goal  1000   (p50 %u, p99.9 %u, max %u us at %.0f packets/s)\n",
           "forwarding delay, p99", percentile(counts, 0.99), percentile(counts, 0.5),
           percentile(counts, 0.999), percentile(counts, 1),
           (double)counts->received * SEC(1) / MEASURE);
    require_delivery(counts);
    load_free(load);
}

/* --- memory --- */

static void measure_users(const struct load_options *options)
{
    const uint64_t before = load_server_resident(&server);
    struct load *load = load_create(options);

    load_match(load);
    load_reset(load);
    load_run(load, SEC(8));
    const uint64_t after = load_server_resident(&server);

    printf(
        "%-44s %7.1f kB   goal 100.0   (%u users, %u with video; %.1f -> %.1f MB, peak %.1f)\n",
        "resident memory per connected video user",
        (double)(after - before) / 1024 / options->users, options->users, load_served(load),
        (double)before / 1048576, (double)after / 1048576,
        (double)load_server_resident_peak(&server) / 1048576);
    require_delivery(load_counts(load)); /* who loses packets has them kept longer */
    load_free(load);
}

static void measure_idle(void)
{
    static struct load_socket sockets[IDLE_SOCKETS];
    const uint64_t before = load_server_resident(&server);

    for (unsigned i = 0; i < IDLE_SOCKETS; i++) {
        if (load_socket_open(&sockets[i], &server.page, NULL, NULL) != RC_OK) {
            fprintf(stderr, "relay_load: socket %u was refused\n", i);
            exit(EXIT_FAILURE);
        }
        for (unsigned k = i < 8 ? 0 : i - 8; k <= i; k++) /* each joins its namespace */
            (void)load_socket_read(&sockets[k]);
    }
    usleep(1000000);
    for (unsigned i = 0; i < IDLE_SOCKETS; i++)
        (void)load_socket_read(&sockets[i]);
    usleep(1000000);
    const uint64_t after = load_server_resident(&server);
    const long users = load_server_status(&server, "connections", "total");

    if (users != IDLE_SOCKETS) {
        fprintf(stderr, "relay_load: the server has %ld users\n", users);
        exit(EXIT_FAILURE);
    }
    printf("%-44s %7.1f kB   goal  14.0   (%d WebSockets; %.1f -> %.1f MB)\n",
           "resident memory per idle Socket.IO socket",
           (double)(after - before) / 1024 / IDLE_SOCKETS, IDLE_SOCKETS,
           (double)before / 1048576, (double)after / 1048576);
    for (unsigned i = 0; i < IDLE_SOCKETS; i++)
        load_socket_close(&sockets[i]);
}

/* --- the splice --- */

/* Median nanoseconds of both servers' threads per packet. */
static double cpu_with(const struct load_options *options, const struct load_server *turn)
{
    struct load *load = load_create(options);
    double cost[WINDOWS];

    load_match(load);
    load_run(load, WARM_UP);
    for (unsigned i = 0; i < WINDOWS; i++) {
        const uint64_t before = load_server_cpu(turn, "");
        uint64_t received;

        cost[i] = cpu_of_window(load, &received);
        if (turn->pid != server.pid)
            cost[i] += (double)(load_server_cpu(turn, "") - before) / (double)received;
        require_delivery(load_counts(load));
    }
    qsort(cost, WINDOWS, sizeof *cost, ascending);
    load_free(load);
    return cost[WINDOWS / 2];
}

/* The same people, straight, by the channels of the server that has their media, and by those
 * of a server next to it, which needs a relay socket for each. */
static void measure_splice(const char *program, struct load_options *options, const char *what)
{
    static struct load_server next = {.turn = true};

    load_server_start(&next, program);
    const double straight = cpu_with(options, &server);
    options->turn = server.media;
    const double spliced = cpu_with(options, &server);
    options->turn = next.media;
    const double relayed = cpu_with(options, &next);
    options->turn = (struct address){0};
    load_server_stop(&next);

    printf("%-44s %7.2f us   goal %5.2f   (ratio %.2f, of what TURN adds %.2f; through relay "
           "sockets %.2f, without TURN %.2f)\n",
           what, spliced / 1000, relayed / 2000, spliced / relayed,
           (spliced - straight) / (relayed - straight), relayed / 1000, straight / 1000);
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";

    const char *program = argc > 2 ? argv[2] : "build/meetopia-relay";

    setvbuf(stdout, NULL, _IOLBF, 0);
    server.turn = strcmp(mode, "splice") == 0;
    load_server_start(&server, program);
    atexit(stop_server);

    struct load_options options = {
        .server = server.page,
        .users = 200,
        .packet_size = 1200,
        .frame_packets = 5,
        .frame_rate = 20,
        .half_open_max = 16,
        .turn_user = LOAD_TURN_USER,
        .turn_password = LOAD_TURN_PASSWORD,
    };
    if (argc > 3)
        options.frame_rate = (unsigned)atoi(argv[3]);
    if (strcmp(mode, "frames") == 0) {
        measure_cpu("CPU per packet, frames of five", 2.5, &options);
    } else if (strcmp(mode, "single") == 0) {
        options.frame_packets = 1;
        options.frame_rate *= 5;
        measure_cpu("CPU per packet, one at a time", 8, &options);
    } else if (strcmp(mode, "delay") == 0) {
        measure_delay(&options);
    } else if (strcmp(mode, "users") == 0) {
        options.users = 500;
        options.packet_size = 1100;
        options.frame_packets = 2;
        options.frame_rate = 30; /* 528 kbit/s */
        options.audio = true;
        measure_users(&options);
    } else if (strcmp(mode, "idle") == 0) {
        measure_idle();
    } else if (strcmp(mode, "splice") == 0) {
        measure_splice(program, &options, "CPU per packet by TURN, spliced, frames of five");
        options.frame_packets = 1;
        options.frame_rate *= 5;
        measure_splice(program, &options, "CPU per packet by TURN, spliced, one at a time");
    } else {
        fprintf(stderr,
                "usage: relay_load frames|single|delay|users|idle|splice [PROGRAM] [RATE]\n");
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
