/*
 * What a TURN server costs: many clients against one or more running servers over loopback, the
 * same for each. bench/turn_against_coturn.mjs starts the servers and compares; bench/README.md
 * says how each figure is taken.
 *
 *   turn_load single|burst|rtt|allocate|memory --server=NAME=ADDRESS:PORT/PID...
 *             [--user=NAME] [--password=WORD] [--clients=N] [--rate=PACKETS per second]
 *             [--size=BYTES] [--direction=both|up|down] [--windows=N] [--seconds=S of a window]
 *
 * Several servers take turns, window by window. Prints "MODE SERVER key=value..." lines.
 */
#include "bench/process_cost_lib.h"
#include "bench/turn_traffic_lib.h"
#include "core/clock.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define SERVERS_MAX 4
#define WINDOWS_MAX 64
#define WARM_UP MSEC(300)
#define BURST 5
#define ALLOCATES 2000 /* of one window of `allocate` */
#define FIRST_FEW 100  /* allocations that a server has before its memory is looked at */
#define TIME_LIMIT 170 /* seconds; then this program ends, whatever hangs */

struct target {
    char name[32];
    struct address address;
    pid_t pid;
    struct turn_crowd crowd;
    struct turn_traffic traffic;
};

struct plan {
    struct target target[SERVERS_MAX];
    unsigned targets;
    const char *user, *password;
    unsigned clients, windows;
    usec_t window;
    struct turn_traffic_options traffic;
};

static const enum turn_ask CHANNEL_SETUP[] = {TURN_ASK_NONCE, TURN_ASK_ALLOCATION,
                                              TURN_ASK_PERMISSION, TURN_ASK_CHANNEL};
static const enum turn_ask ALLOCATION_SETUP[] = {TURN_ASK_NONCE, TURN_ASK_ALLOCATION};

static void die(const char *what)
{
    fprintf(stderr, "turn_load: %s\n", what);
    exit(EXIT_FAILURE);
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static double median(double *values, unsigned count)
{
    qsort(values, count, sizeof *values, ascending);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

/* --- crowds --- */

static void open_crowd(const struct plan *plan, struct target *target, unsigned capacity)
{
    turn_crowd_init(&target->crowd, &target->address, plan->user, plan->password, capacity);
}

static void ask(struct target *target, unsigned first, unsigned count,
                const enum turn_ask *asks, unsigned ask_count)
{
    const unsigned granted = turn_crowd_ask(&target->crowd, first, count, asks, ask_count);

    if (granted == count)
        return;
    fprintf(stderr, "turn_load: %s refused %u of %u (last code %u)\n", target->name,
            count - granted, count, target->crowd.refusal);
    exit(EXIT_FAILURE);
}

static void leave(struct target *target)
{
    turn_crowd_leave(&target->crowd, 0);
    turn_crowd_free(&target->crowd);
}

/* Clients with channels, ready for traffic, at every server. */
static void set_up_traffic(struct plan *plan)
{
    for (unsigned t = 0; t < plan->targets; t++) {
        struct target *target = &plan->target[t];

        open_crowd(plan, target, plan->clients);
        turn_crowd_grow(&target->crowd, plan->clients, true);
        ask(target, 0, plan->clients, CHANNEL_SETUP, ARRAY_LEN(CHANNEL_SETUP));
        turn_traffic_init(&target->traffic, &target->crowd, &plan->traffic);
        turn_traffic_run(&target->traffic, WARM_UP);
    }
}

/* --- CPU --- */

struct cpu_series {
    double cost[WINDOWS_MAX]; /* nanoseconds of the server per packet */
    uint64_t sent, received, late;
};

static void cpu_window(const struct plan *plan, struct target *target,
                       struct cpu_series *series, unsigned window)
{
    const uint64_t before = process_cpu(target->pid, "");

    turn_traffic_reset(&target->traffic);
    turn_traffic_run(&target->traffic, plan->window);
    const struct turn_counts *counts = &target->traffic.counts;
    if (counts->received == 0) {
        fprintf(stderr,
                "turn_load: nothing came through %s in window %u (sent %.0f, late %.0f)\n",
                target->name, window, (double)counts->sent, (double)counts->late);
        exit(EXIT_FAILURE);
    }
    series->cost[window] =
        (double)(process_cpu(target->pid, "") - before) / (double)counts->received;
    series->sent += counts->sent;
    series->received += counts->received;
    series->late += counts->late;
}

static void measure_cpu(struct plan *plan, const char *mode)
{
    static struct cpu_series series[SERVERS_MAX];

    set_up_traffic(plan);
    for (unsigned w = 0; w < plan->windows; w++)
        for (unsigned t = 0; t < plan->targets; t++)
            cpu_window(plan, &plan->target[t], &series[t], w);
    for (unsigned t = 0; t < plan->targets; t++) {
        struct cpu_series *s = &series[t];
        const double middle = median(s->cost, plan->windows);

        printf("%s %s size=%u cpu_us=%.3f best_us=%.3f packets=%.0f lost=%.0f late=%.0f\n",
               mode, plan->target[t].name, plan->traffic.size, middle / 1000, s->cost[0] / 1000,
               (double)s->received, (double)(s->sent - s->received), (double)s->late);
        leave(&plan->target[t]);
    }
}

/* --- round trips --- */

static void measure_rtt(struct plan *plan)
{
    static double p50[SERVERS_MAX][WINDOWS_MAX], p99[SERVERS_MAX][WINDOWS_MAX];
    uint64_t lost[SERVERS_MAX] = {0};

    plan->traffic.echo = true;
    plan->traffic.direction = TURN_UP;
    set_up_traffic(plan);
    for (unsigned w = 0; w < plan->windows; w++) {
        for (unsigned t = 0; t < plan->targets; t++) {
            struct turn_traffic *traffic = &plan->target[t].traffic;

            turn_traffic_reset(traffic);
            turn_traffic_run(traffic, plan->window);
            p50[t][w] = turn_counts_percentile(&traffic->counts, 0.5);
            p99[t][w] = turn_counts_percentile(&traffic->counts, 0.99);
            lost[t] += traffic->counts.sent - traffic->counts.received;
        }
    }
    for (unsigned t = 0; t < plan->targets; t++) {
        printf("rtt %s size=%u p50_us=%.0f p99_us=%.0f lost=%.0f\n", plan->target[t].name,
               plan->traffic.size, median(p50[t], plan->windows), median(p99[t], plan->windows),
               (double)lost[t]);
        leave(&plan->target[t]);
    }
}

/* --- allocations --- */

struct allocate_series {
    double rate[WINDOWS_MAX]; /* per second of real time */
    double cpu[WINDOWS_MAX];  /* microseconds of the server each */
    double own[WINDOWS_MAX];  /* and of this program */
};

/* New clients ask for `before` unmeasured and for `asks` measured, and leave. */
static void allocate_window(const struct plan *plan, struct target *target,
                            const enum turn_ask *asks, unsigned ask_count, bool nonce_first,
                            struct allocate_series *series, unsigned window)
{
    open_crowd(plan, target, ALLOCATES);
    turn_crowd_grow(&target->crowd, ALLOCATES, false);
    if (nonce_first)
        ask(target, 0, ALLOCATES, ALLOCATION_SETUP, 1);
    const uint64_t cpu = process_cpu(target->pid, ""), own = process_cpu(getpid(), "");
    const usec_t begin = clock_now();
    ask(target, 0, ALLOCATES, asks, ask_count);
    const usec_t took = clock_now() - begin;
    series->cpu[window] = (double)(process_cpu(target->pid, "") - cpu) / 1000 / ALLOCATES;
    series->own[window] = (double)(process_cpu(getpid(), "") - own) / 1000 / ALLOCATES;
    series->rate[window] = (double)ALLOCATES * SEC(1) / (double)took;
    leave(target);
}

static void measure_allocate(struct plan *plan)
{
    static struct allocate_series full[SERVERS_MAX], known[SERVERS_MAX];
    const enum turn_ask *whole = ALLOCATION_SETUP;

    for (unsigned w = 0; w < plan->windows; w++) {
        for (unsigned t = 0; t < plan->targets; t++) {
            allocate_window(plan, &plan->target[t], whole, 2, false, &full[t], w);
            allocate_window(plan, &plan->target[t], whole + 1, 1, true, &known[t], w);
        }
    }
    for (unsigned t = 0; t < plan->targets; t++)
        printf("allocate %s per_second=%.0f cpu_us=%.1f client_us=%.1f "
               "known_nonce_per_second=%.0f known_nonce_cpu_us=%.1f\n",
               plan->target[t].name, median(full[t].rate, plan->windows),
               median(full[t].cpu, plan->windows), median(full[t].own, plan->windows),
               median(known[t].rate, plan->windows), median(known[t].cpu, plan->windows));
}

/* --- memory --- */

static double per_allocation(uint64_t before, uint64_t after, unsigned count)
{
    return ((double)after - (double)before) / count;
}

static void measure_memory_of(const struct plan *plan, struct target *target)
{
    const unsigned count = plan->clients;

    open_crowd(plan, target, FIRST_FEW + count);
    turn_crowd_grow(&target->crowd, FIRST_FEW + count, false);
    ask(target, 0, FIRST_FEW, CHANNEL_SETUP, ARRAY_LEN(CHANNEL_SETUP));
    const struct process_memory before = process_memory(target->pid);
    ask(target, FIRST_FEW, count, ALLOCATION_SETUP, ARRAY_LEN(ALLOCATION_SETUP));
    const struct process_memory bare = process_memory(target->pid);
    ask(target, FIRST_FEW, count, CHANNEL_SETUP + 2, 2);
    const struct process_memory after = process_memory(target->pid);
    leave(target);
    const struct process_memory later = process_memory(target->pid);

    printf("memory %s allocations=%u bytes=%.0f anonymous=%.0f without_channel=%.0f "
           "before_mb=%.1f after_mb=%.1f ended_mb=%.1f\n",
           target->name, count, per_allocation(before.resident, after.resident, count),
           per_allocation(before.anonymous, after.anonymous, count),
           per_allocation(before.resident, bare.resident, count),
           (double)before.resident / 1048576, (double)after.resident / 1048576,
           (double)later.resident / 1048576);
}

/* As many clients as descriptors are to be had for, here and, one each, in the server. */
static void measure_memory(struct plan *plan)
{
    struct rlimit limit;

    getrlimit(RLIMIT_NOFILE, &limit);
    if (plan->clients + FIRST_FEW + 200 > limit.rlim_cur) {
        plan->clients = (unsigned)limit.rlim_cur - FIRST_FEW - 200;
        fprintf(stderr, "turn_load: only %u allocations: RLIMIT_NOFILE is %lu\n", plan->clients,
                (unsigned long)limit.rlim_cur);
    }
    for (unsigned t = 0; t < plan->targets; t++)
        measure_memory_of(plan, &plan->target[t]);
}

/* --- options --- */

static void add_target(struct plan *plan, char *text)
{
    char *address = strchr(text, '='), *pid = strrchr(text, '/');
    struct target *target = &plan->target[plan->targets];

    if (!address || !pid || plan->targets == SERVERS_MAX)
        die("--server=NAME=ADDRESS:PORT/PID, four of them at most");
    *address++ = *pid++ = '\0';
    snprintf(target->name, sizeof target->name, "%s", text);
    target->pid = (pid_t)atoi(pid);
    if (address_parse(&target->address, address) != RC_OK || target->pid <= 0)
        die("--server: no address or no process");
    plan->targets++;
}

static enum turn_direction parse_direction(const char *text)
{
    return strcmp(text, "up") == 0     ? TURN_UP
           : strcmp(text, "down") == 0 ? TURN_DOWN
                                       : TURN_BOTH;
}

static void parse_options(struct plan *plan, int argc, char **argv)
{
    static const struct option options[] = {
        {"server", required_argument, NULL, 's'},    {"user", required_argument, NULL, 'u'},
        {"password", required_argument, NULL, 'w'},  {"clients", required_argument, NULL, 'n'},
        {"rate", required_argument, NULL, 'r'},      {"size", required_argument, NULL, 'l'},
        {"direction", required_argument, NULL, 'd'}, {"windows", required_argument, NULL, 'k'},
        {"seconds", required_argument, NULL, 't'},   {NULL, 0, NULL, 0}};
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 's':
            add_target(plan, optarg);
            break;
        case 'u':
            plan->user = optarg;
            break;
        case 'w':
            plan->password = optarg;
            break;
        case 'n':
            plan->clients = (unsigned)atoi(optarg);
            break;
        case 'r':
            plan->traffic.rate = (unsigned)atoi(optarg);
            break;
        case 'l':
            plan->traffic.size = (uint16_t)atoi(optarg);
            break;
        case 'd':
            plan->traffic.direction = parse_direction(optarg);
            break;
        case 'k':
            plan->windows = (unsigned)atoi(optarg);
            break;
        case 't':
            plan->window = (usec_t)(atof(optarg) * 1e6);
            break;
        default:
            exit(EXIT_FAILURE);
        }
    }
    if (plan->targets == 0 || plan->windows == 0 || plan->windows > WINDOWS_MAX ||
        plan->clients == 0 || plan->traffic.rate == 0 || plan->traffic.size < 64 ||
        plan->traffic.size > TURN_PACKET_MAX)
        die("no server, or an option that makes no sense");
}

static void raise_limits(void)
{
    struct rlimit limit;

    alarm(TIME_LIMIT);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    prctl(PR_SET_TIMERSLACK, 1);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(int argc, char **argv)
{
    static struct plan plan = {
        .user = "user",
        .password = "password",
        .windows = 7,
        .window = MSEC(500),
        .traffic = {.size = 160, .burst = 1, .rate = 20000, .direction = TURN_BOTH},
    };
    const char *mode = argc > 1 ? argv[1] : "";
    const bool memory = strcmp(mode, "memory") == 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    plan.clients = memory ? 10000 : 200;
    if (strcmp(mode, "rtt") == 0)
        plan.traffic.rate = 2000;
    if (argc > 1)
        parse_options(&plan, argc - 1, argv + 1);
    raise_limits();
    if (memory) {
        measure_memory(&plan);
    } else if (strcmp(mode, "allocate") == 0) {
        measure_allocate(&plan);
    } else if (strcmp(mode, "rtt") == 0) {
        measure_rtt(&plan);
    } else if (strcmp(mode, "burst") == 0 || strcmp(mode, "single") == 0) {
        plan.traffic.burst = *mode == 'b' ? BURST : 1;
        measure_cpu(&plan, mode);
    } else {
        die("usage: turn_load single|burst|rtt|allocate|memory --server=NAME=ADDRESS:PORT/PID");
    }
    return EXIT_SUCCESS;
}
