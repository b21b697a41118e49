#include "turn/relay_tcp.h"

#include "turn/relay_tcp_peer.h"
#include "turn/turn_relay.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <unistd.h>

enum { BACKLOG = 64 };

#define ACCEPT_PAUSE MSEC(200) /* when there are no descriptors */

struct tcp_relay {
    struct turn_relay relay;  /* first: the two are one pointer */
    struct relay_tcp *set;    /* borrowed */
    struct event *acceptable; /* owned */
    struct timer resume;      /* ends a pause in accepting */
};

static struct tcp_relay *relay_of(struct turn_relay *relay)
{
    return (struct tcp_relay *)(void *)relay;
}

/* --- sockets ------------------------------------------------------------------------------ */

static bool set_flag(int fd, int level, int name)
{
    const int on = 1;

    return setsockopt(fd, level, name, &on, sizeof on) == 0;
}

/* RFC 6062 section 5.2: connections leave from the port that listens, so all of a relay's
 * sockets share it, and each says so. */
static int bind_at(const struct relay_address *address, uint16_t port)
{
    struct address at = address->bind;
    const int family = at.sa.sa_family;
    const int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -1;
    address_set_port(&at, port);
    if ((family != AF_INET6 || set_flag(fd, IPPROTO_IPV6, IPV6_V6ONLY)) &&
        set_flag(fd, SOL_SOCKET, SO_REUSEADDR) && set_flag(fd, SOL_SOCKET, SO_REUSEPORT) &&
        bind(fd, &at.sa, address_len(&at)) == 0)
        return fd;
    const int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* --- peers that connect ------------------------------------------------------------------- */

static bool is_full(struct relay_tcp *set)
{
    return HASH_COUNT(set->peers) >= set->options.max_connections;
}

static void refuse_peer(struct relay_tcp *set, int fd)
{
    const struct linger none = {.l_onoff = 1};

    /* A reset: nobody who may not connect leaves a TIME_WAIT here. */
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    close(fd);
    counter_add(&set->stats.accepted_refused, 1);
}

/* Section 5.3. */
static void take_in(struct relay_tcp *set, struct turn_allocation *owner, int fd,
                    const struct address *from)
{
    const struct relay_tcp_events *events = &set->options.events;
    struct relay_tcp_peer *peer;

    if (is_full(set)) {
        refuse_peer(set, fd);
        return;
    }
    peer = relay_tcp_peer_accepted(set, fd);
    if (!peer)
        return;
    const uint32_t id = events->arrived(events->arg, owner, from, loop_now(set->options.loop));
    if (id) {
        relay_tcp_peer_publish(peer, id);
        counter_add(&set->stats.accepted, 1);
        return;
    }
    peer->fd = -1;
    relay_tcp_peer_free(peer);
    refuse_peer(set, fd);
}

static void on_resume(struct timer *timer, void *arg, usec_t now)
{
    const struct tcp_relay *relay = arg;
    (void)timer;
    (void)now;

    event_add(relay->acceptable, NULL);
}

/* False: there is nobody, or nothing to accept with. */
static bool accept_one(struct tcp_relay *relay)
{
    struct relay_tcp *set = relay->set;
    struct loop *loop = set->options.loop;
    struct sockaddr_storage sa;
    socklen_t len = sizeof sa;
    struct address from;

    const int fd =
        accept4(relay->relay.fd, (struct sockaddr *)&sa, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
        if (address_from_sockaddr(&from, (struct sockaddr *)&sa, len) == RC_OK)
            take_in(set, relay->relay.owner, fd, &from);
        else
            refuse_peer(set, fd);
        return true;
    }
    if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM)
        return errno == ECONNABORTED || errno == EINTR;
    if (timers_set(loop_timers(loop), &relay->resume, loop_now(loop) + ACCEPT_PAUSE) == RC_OK)
        event_del(relay->acceptable);
    return false;
}

static void on_acceptable(evutil_socket_t fd, short what, void *arg)
{
    struct tcp_relay *relay = arg;
    struct relay_tcp *set = relay->set;
    struct loop *loop = set->options.loop;
    (void)fd;
    (void)what;

    loop_enter(loop, "relay tcp accept");
    set->accepting = relay;
    for (int i = 0; i < RELAY_TCP_ACCEPT && relay->relay.fd >= 0; i++) {
        if (!accept_one(relay))
            break;
    }
    set->accepting = NULL;
    if (relay->relay.fd < 0) /* closed meanwhile */
        free(relay);
    loop_leave(loop);
}

/* --- relays ------------------------------------------------------------------------------- */

static void insert(struct relay_tcp *set, struct turn_relay *relay)
{
    relay->next = set->relays;
    if (set->relays)
        set->relays->at = &relay->next;
    relay->at = &set->relays;
    set->relays = relay;
    counter_add(&set->stats.open, 1);
}

static int start(struct tcp_relay *relay)
{
    struct event_base *base = loop_base(relay->set->options.loop);

    if (listen(relay->relay.fd, BACKLOG) < 0)
        return errno == EADDRINUSE ? RC_AGAIN : RC_SYS;
    relay->acceptable =
        event_new(base, relay->relay.fd, EV_READ | EV_PERSIST, on_acceptable, relay);
    if (relay->acceptable && event_add(relay->acceptable, NULL) == 0)
        return RC_OK;
    return RC_NOMEM;
}

struct opening {
    struct relay_tcp *set;
    const struct relay_address *address;
    struct turn_relay *relay;
};

static int open_at(void *arg, uint16_t port)
{
    struct opening *opening = arg;
    const int fd = bind_at(opening->address, port);
    struct tcp_relay *relay;

    if (fd < 0)
        return errno == EADDRINUSE || errno == EACCES ? RC_AGAIN : RC_SYS;
    relay = calloc(1, sizeof *relay);
    int rc = RC_NOMEM;
    if (relay) {
        relay->relay = (struct turn_relay){
            .fd = fd,
            .family = opening->address->bind.sa.sa_family,
            .port = port,
            .tcp = true,
            .address = opening->address,
        };
        relay->set = opening->set;
        timer_init(&relay->resume, on_resume, relay);
        rc = start(relay);
    }
    if (rc == RC_OK) {
        opening->relay = &relay->relay;
        return RC_OK;
    }
    const int error = errno;
    if (relay && relay->acceptable)
        event_free(relay->acceptable);
    free(relay);
    close(fd);
    errno = error;
    return rc;
}

int relay_tcp_open(struct relay_tcp *set, sa_family_t family, const struct address *local,
                   struct turn_allocation *owner, struct turn_relay **relay,
                   struct address *told)
{
    struct opening opening = {
        .set = set,
        .address = relay_addresses_choose(set->options.addresses, family, local),
    };

    if (!opening.address)
        return RC_BAD;
    const int rc = relay_ports_bind(opening.address->ports, RELAY_PORTS_ANY, open_at, &opening);
    if (rc != RC_OK) {
        counter_add(&set->stats.ports_exhausted, rc == RC_FULL);
        return rc;
    }
    insert(set, opening.relay);
    opening.relay->owner = owner;
    *relay = opening.relay;
    *told = opening.address->told;
    address_set_port(told, opening.relay->port);
    return RC_OK;
}

void relay_tcp_close(struct relay_tcp *set, struct turn_relay *relay)
{
    struct tcp_relay *tcp = relay_of(relay);

    *relay->at = relay->next;
    if (relay->next)
        relay->next->at = relay->at;
    counter_set(&set->stats.open, counter_get(&set->stats.open) - 1);
    timers_clear(loop_timers(set->options.loop), &tcp->resume);
    event_free(tcp->acceptable);
    close(relay->fd);
    relay->fd = -1;
    relay_ports_give(relay->address->ports, relay->port);
    if (set->accepting != tcp)
        free(tcp);
}

/* --- peers that are connected to ---------------------------------------------------------- */

int relay_tcp_connect(struct relay_tcp *set, struct turn_relay *relay,
                      const struct address *peer, uint32_t id)
{
    if (is_full(set))
        return RC_FULL;
    const int fd = bind_at(relay->address, relay->port);
    if (fd < 0)
        return RC_SYS;
    counter_add(&set->stats.connects, 1);
    const int rc = relay_tcp_peer_connect(set, fd, peer, id);
    if (rc != RC_OK) {
        const int error = errno;
        counter_add(&set->stats.connects_failed, 1);
        close(fd);
        errno = error;
    }
    return rc;
}

/* --- life --------------------------------------------------------------------------------- */

int relay_tcp_create(struct relay_tcp **out, const struct relay_tcp_options *options)
{
    struct relay_tcp *set = calloc(1, sizeof *set);

    if (!set)
        return RC_NOMEM;
    set->options = *options;
    if (!set->options.max_connections)
        set->options.max_connections = RELAY_TCP_CONNECTIONS;
    *out = set;
    return RC_OK;
}

void relay_tcp_free(struct relay_tcp *set)
{
    struct relay_tcp_peer *peer, *next;

    if (!set)
        return;
    HASH_ITER(hh, set->peers, peer, next)
    relay_tcp_peer_free(peer);
    while (set->relays)
        relay_tcp_close(set, set->relays);
    free(set);
}

struct relay_tcp_stats *relay_tcp_stats(struct relay_tcp *set)
{
    return &set->stats;
}
