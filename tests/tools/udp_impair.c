/*
 * udp_impair - a UDP forwarder that is a bad network: it loses, repeats, delays and reorders.
 *
 *   udp_impair --listen=ADDRESS:PORT --to=ADDRESS:PORT [--loss=PERCENT] [--duplicate=PERCENT]
 *              [--reorder=PERCENT] [--delay=MS] [--jitter=MS] [--seed=N]
 *
 * Every client of the listening address gets a socket of its own towards the server, as behind
 * a NAT. Both directions are treated alike. Each packet is late by the delay and up to the
 * jitter more, in order; of those that --reorder chooses, one comes twice the jitter and 10 ms
 * later and is overtaken. Prints "ready", runs until SIGTERM, and prints then what it has done.
 *
 * Bounded: 64 clients, 4096 packets under way; what is more is lost.
 */
#include "core/address.h"
#include "core/clock.h"
#include "core/loop.h"

#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CLIENTS_MAX = 64, FLIGHT_MAX = 4096, PACKET_MAX = 2048, READS_PER_WAKEUP = 64 };

struct options {
    struct address listen, to;
    double loss, duplicate, reorder; /* percent */
    usec_t delay, jitter;
    uint64_t seed;
};

struct client {
    struct impair *impair; /* borrowed, the owner */
    struct address address;
    int fd; /* towards the server */
    struct event *readable;
    usec_t last_up, last_down; /* so that what is not reordered stays in order */
};

struct flight {
    struct timer timer;
    struct impair *impair; /* borrowed */
    struct client *client; /* borrowed */
    bool up;
    size_t len;
    uint8_t bytes[PACKET_MAX];
};

struct impair {
    struct options options;
    struct loop *loop;
    int fd;
    struct event *readable;
    struct client client[CLIENTS_MAX];
    size_t clients;
    struct flight *free[FLIGHT_MAX];
    size_t free_count;
    struct flight *flights; /* owned, FLIGHT_MAX of them */
    unsigned long packets, lost, duplicated, reordered, overflowed;
};

/* xorshift64: the same seed makes the same network. */
static double percent(struct impair *impair)
{
    uint64_t *seed = &impair->options.seed;

    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return (double)(*seed >> 11) / (double)(1ull << 53) * 100;
}

/* --- packets
 * ----------------------------------------------------------------------------------- */

static void land(struct timer *timer, void *arg, usec_t now)
{
    struct flight *flight = arg;
    struct impair *impair = flight->impair;
    struct client *client = flight->client;
    (void)timer;
    (void)now;

    if (flight->up)
        (void)send(client->fd, flight->bytes, flight->len, MSG_DONTWAIT);
    else
        (void)sendto(impair->fd, flight->bytes, flight->len, MSG_DONTWAIT, &client->address.sa,
                     address_len(&client->address));
    impair->free[impair->free_count++] = flight;
}

static usec_t arrival(struct impair *impair, struct client *client, bool up)
{
    const struct options *o = &impair->options;
    const usec_t jitter = (usec_t)((double)o->jitter * percent(impair) / 100);
    usec_t *last = up ? &client->last_up : &client->last_down;
    usec_t at = clock_now() + o->delay + jitter;

    if (percent(impair) < o->reorder) {
        impair->reordered++;
        return at + 2 * o->jitter + MSEC(10);
    }
    if (at < *last)
        at = *last;
    *last = at;
    return at;
}

static void take_off(struct impair *impair, struct client *client, bool up,
                     const uint8_t *bytes, size_t len)
{
    if (impair->free_count == 0) {
        impair->overflowed++;
        return;
    }
    struct flight *flight = impair->free[--impair->free_count];

    flight->client = client;
    flight->up = up;
    flight->len = len;
    memcpy(flight->bytes, bytes, len);
    if (timers_set(loop_timers(impair->loop), &flight->timer, arrival(impair, client, up)) !=
        RC_OK)
        impair->free[impair->free_count++] = flight;
}

static void carry(struct impair *impair, struct client *client, bool up, const uint8_t *bytes,
                  size_t len)
{
    impair->packets++;
    if (percent(impair) < impair->options.loss) {
        impair->lost++;
        return;
    }
    take_off(impair, client, up, bytes, len);
    if (percent(impair) < impair->options.duplicate) {
        impair->duplicated++;
        take_off(impair, client, up, bytes, len);
    }
}

/* --- sockets
 * ------------------------------------------------------------------------------------- */

static void on_server(evutil_socket_t fd, short what, void *arg)
{
    struct client *client = arg;
    uint8_t bytes[PACKET_MAX];
    (void)what;

    for (int i = 0; i < READS_PER_WAKEUP; i++) {
        const ssize_t n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);

        if (n < 0)
            return;
        carry(client->impair, client, false, bytes, (size_t)n);
    }
}

static int udp_socket(const struct address *at)
{
    return socket(at->sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

static struct client *new_client(struct impair *impair, const struct address *address)
{
    const struct address *to = &impair->options.to;
    struct client *client = &impair->client[impair->clients];

    if (impair->clients == CLIENTS_MAX)
        return NULL;
    client->fd = udp_socket(to);
    if (client->fd < 0 || connect(client->fd, &to->sa, address_len(to)) < 0)
        return NULL;
    client->impair = impair;
    client->address = *address;
    client->readable =
        event_new(loop_base(impair->loop), client->fd, EV_READ | EV_PERSIST, on_server, client);
    if (!client->readable || event_add(client->readable, NULL) < 0)
        return NULL;
    impair->clients++;
    return client;
}

static struct client *client_of(struct impair *impair, const struct address *address)
{
    for (size_t i = 0; i < impair->clients; i++)
        if (address_equal(&impair->client[i].address, address))
            return &impair->client[i];
    return new_client(impair, address);
}

static void on_clients(evutil_socket_t fd, short what, void *arg)
{
    struct impair *impair = arg;
    uint8_t bytes[PACKET_MAX];
    (void)what;

    for (int i = 0; i < READS_PER_WAKEUP; i++) {
        struct sockaddr_storage source;
        socklen_t source_len = sizeof source;
        struct address from;
        const ssize_t n = recvfrom(fd, bytes, sizeof bytes, MSG_DONTWAIT,
                                   (struct sockaddr *)&source, &source_len);

        if (n < 0)
            return;
        if (address_from_sockaddr(&from, (struct sockaddr *)&source, source_len) != RC_OK)
            continue;
        struct client *client = client_of(impair, &from);
        if (client)
            carry(impair, client, true, bytes, (size_t)n);
    }
}

/* --- life
 * ------------------------------------------------------------------------------------------ */

static void on_signal(evutil_socket_t signal_number, short what, void *arg)
{
    const struct impair *impair = arg;
    (void)signal_number;
    (void)what;

    loop_stop(impair->loop);
}

static int open_all(struct impair *impair)
{
    const struct address *at = &impair->options.listen;

    if (loop_create(&impair->loop, "impair", 16) != RC_OK)
        return RC_NOMEM;
    impair->flights = calloc(FLIGHT_MAX, sizeof *impair->flights);
    if (!impair->flights)
        return RC_NOMEM;
    for (size_t i = 0; i < FLIGHT_MAX; i++) {
        timer_init(&impair->flights[i].timer, land, &impair->flights[i]);
        impair->flights[i].impair = impair;
        impair->free[impair->free_count++] = &impair->flights[i];
    }
    impair->fd = udp_socket(at);
    if (impair->fd < 0 || bind(impair->fd, &at->sa, address_len(at)) < 0)
        return RC_SYS;
    impair->readable = event_new(loop_base(impair->loop), impair->fd, EV_READ | EV_PERSIST,
                                 on_clients, impair);
    return impair->readable && event_add(impair->readable, NULL) == 0 ? RC_OK : RC_NOMEM;
}

static void close_all(struct impair *impair)
{
    for (size_t i = 0; i < impair->clients; i++) {
        event_free(impair->client[i].readable);
        close(impair->client[i].fd);
    }
    event_free(impair->readable);
    close(impair->fd);
    loop_free(impair->loop);
    free(impair->flights);
}

static const char *value_of(const char *argument, const char *name)
{
    const size_t n = strlen(name);

    return strncmp(argument, name, n) == 0 && argument[n] == '=' ? argument + n + 1 : NULL;
}

static bool read_argument(struct options *o, const char *argument)
{
    const char *value;

    if ((value = value_of(argument, "--listen")))
        return address_parse(&o->listen, value) == RC_OK;
    if ((value = value_of(argument, "--to")))
        return address_parse(&o->to, value) == RC_OK;
    if ((value = value_of(argument, "--loss")))
        return (o->loss = strtod(value, NULL)) >= 0;
    if ((value = value_of(argument, "--duplicate")))
        return (o->duplicate = strtod(value, NULL)) >= 0;
    if ((value = value_of(argument, "--reorder")))
        return (o->reorder = strtod(value, NULL)) >= 0;
    if ((value = value_of(argument, "--delay")))
        return (o->delay = MSEC(strtoul(value, NULL, 10))) < SEC(10);
    if ((value = value_of(argument, "--jitter")))
        return (o->jitter = MSEC(strtoul(value, NULL, 10))) < SEC(10);
    if ((value = value_of(argument, "--seed")))
        return (o->seed = strtoull(value, NULL, 10)) != 0;
    return false;
}

int main(int argc, char **argv)
{
    static struct impair impair = {.options = {.seed = 0x9e3779b97f4a7c15u}};

    for (int i = 1; i < argc; i++) {
        if (!read_argument(&impair.options, argv[i])) {
            fprintf(stderr, "udp_impair: what is %s?\n", argv[i]);
            return 2;
        }
    }
    if (address_port(&impair.options.listen) == 0 || address_port(&impair.options.to) == 0) {
        fprintf(stderr, "udp_impair: --listen=ADDRESS:PORT and --to=ADDRESS:PORT are needed\n");
        return 2;
    }
    if (open_all(&impair) != RC_OK) {
        perror("udp_impair");
        return 1;
    }
    struct event *ends = evsignal_new(loop_base(impair.loop), SIGTERM, on_signal, &impair);
    if (!ends || event_add(ends, NULL) < 0)
        return 1;
    printf("ready\n");
    fflush(stdout);
    loop_run(impair.loop);
    printf("packets %lu lost %lu duplicated %lu reordered %lu overflowed %lu\n", impair.packets,
           impair.lost, impair.duplicated, impair.reordered, impair.overflowed);
    event_free(ends);
    close_all(&impair);
    return 0;
}
