#include "turn/relay_socket.h"

#include "turn/relay_direct.h"
#include "turn/relay_receiver.h"
#include "turn/relay_sender.h"

#include <errno.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <unistd.h>

struct relay_sockets {
    struct relay_sockets_options options;
    struct relay_sockets_stats stats;
    struct turn_relay *all;
    struct relay_sender sender;
    struct relay_receiver receiver;
};

/* --- one socket
 * ------------------------------------------------------------------------------- */

static bool set_flag(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof value) == 0;
}

/* RFC 8656 section 14: datagrams may be fragmented unless the client says otherwise. */
static bool set_options(const struct relay_sockets *sockets, int fd, sa_family_t family)
{
    const int bytes = sockets->options.buffer_bytes;

    if (family == AF_INET6 && !set_flag(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1))
        return false;
    if (family == AF_INET) {
        (void)set_flag(fd, IPPROTO_IP, IP_RECVERR, 1);
        (void)set_flag(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
    } else {
        (void)set_flag(fd, IPPROTO_IPV6, IPV6_RECVERR, 1);
    }
    if (!sockets->options.no_gro)
        (void)set_flag(fd, SOL_UDP, UDP_GRO, 1);
    if (bytes && !set_flag(fd, SOL_SOCKET, SO_RCVBUFFORCE, bytes))
        (void)set_flag(fd, SOL_SOCKET, SO_RCVBUF, bytes);
    return true;
}

/* RC_AGAIN: another program has the port. */
static int open_at(const struct relay_sockets *sockets, const struct relay_address *address,
                   uint16_t port, int *out)
{
    struct address at = address->bind;
    const int fd = socket(at.sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return RC_SYS;
    address_set_port(&at, port);
    if (set_options(sockets, fd, at.sa.sa_family) && bind(fd, &at.sa, address_len(&at)) == 0) {
        *out = fd;
        return RC_OK;
    }
    const int error = errno;
    close(fd);
    errno = error;
    return error == EADDRINUSE || error == EACCES ? RC_AGAIN : RC_SYS;
}

static void insert(struct relay_sockets *sockets, struct turn_relay *relay)
{
    relay->next = sockets->all;
    if (sockets->all)
        sockets->all->at = &relay->next;
    relay->at = &sockets->all;
    sockets->all = relay;
}

/* Without a socket it is an address that is held, and nothing else. */
static struct turn_relay *new_relay(const struct relay_address *address, uint16_t port)
{
    struct turn_relay *relay = calloc(1, sizeof *relay);

    if (!relay)
        return NULL;
    relay->fd = -1;
    relay->family = address->bind.sa.sa_family;
    relay->address = address;
    relay->port = port;
    return relay;
}

static int make_relay(struct relay_sockets *sockets, const struct relay_address *address,
                      uint16_t port, struct turn_relay **out)
{
    struct turn_relay *relay = new_relay(address, port);
    int rc = relay ? open_at(sockets, address, port, &relay->fd) : RC_NOMEM;

    if (rc == RC_OK) {
        rc = relay_receiver_add(&sockets->receiver, relay);
        if (rc != RC_OK)
            close(relay->fd);
    }
    if (rc != RC_OK) {
        free(relay);
        return rc;
    }
    counter_add(&sockets->stats.open, 1);
    insert(sockets, relay);
    *out = relay;
    return RC_OK;
}

static void unmake_relay(struct relay_sockets *sockets, struct turn_relay *relay)
{
    *relay->at = relay->next;
    if (relay->next)
        relay->next->at = relay->at;
    if (relay->fd < 0) {
        free(relay);
        return;
    }
    counter_set(&sockets->stats.open, counter_get(&sockets->stats.open) - 1);
    relay->owner = NULL;
    relay_direct_close(relay, &sockets->receiver);
    relay_receiver_remove(&sockets->receiver, relay);
}

void relay_socket_close(struct relay_sockets *sockets, struct turn_relay *relay)
{
    if (relay->fd >= 0)
        relay_sender_finish(&sockets->sender, relay);
    relay_ports_give(relay->address->ports, relay->port);
    unmake_relay(sockets, relay);
}

/* --- opening
 * ------------------------------------------------------------------------------------ */

/* What relay_socket_open was asked for, and what it has. */
struct opening {
    struct relay_sockets *sockets;
    const struct relay_address *address;
    struct turn_relay *relay, *next; /* next: of a pair */
    bool pair, held;
};

static int open_ports(void *arg, uint16_t port)
{
    struct opening *opening = arg;

    if (opening->held) {
        opening->relay = new_relay(opening->address, port);
        if (opening->relay)
            insert(opening->sockets, opening->relay);
        return opening->relay ? RC_OK : RC_NOMEM;
    }
    int rc = make_relay(opening->sockets, opening->address, port, &opening->relay);

    if (rc != RC_OK || !opening->pair)
        return rc;
    rc = make_relay(opening->sockets, opening->address, (uint16_t)(port + 1), &opening->next);
    if (rc != RC_OK)
        unmake_relay(opening->sockets, opening->relay);
    return rc;
}

static int open_relay(struct opening *opening, enum relay_ports_wish wish,
                      struct turn_allocation *owner, struct turn_relay **relay,
                      struct address *told)
{
    if (!opening->address)
        return RC_BAD;
    const int rc = relay_ports_bind(opening->address->ports, wish, open_ports, opening);
    if (rc != RC_OK) {
        counter_add(&opening->sockets->stats.ports_exhausted, rc == RC_FULL);
        return rc;
    }
    opening->relay->owner = owner;
    *relay = opening->relay;
    *told = relay_socket_told(opening->relay);
    return RC_OK;
}

int relay_socket_open(struct relay_sockets *sockets, sa_family_t family, bool even,
                      const struct address *local, struct turn_allocation *owner,
                      struct turn_relay **relay, struct address *told, struct turn_relay **next)
{
    const enum relay_ports_wish wish = next   ? RELAY_PORTS_PAIR
                                       : even ? RELAY_PORTS_EVEN
                                              : RELAY_PORTS_ANY;
    struct opening opening = {
        .sockets = sockets,
        .address = relay_addresses_choose(sockets->options.addresses, family, local),
        .pair = next,
    };

    const int rc = open_relay(&opening, wish, owner, relay, told);
    if (rc == RC_OK && next)
        *next = opening.next;
    return rc;
}

int relay_socket_hold(struct relay_sockets *sockets, sa_family_t family, bool even,
                      const struct address *local, struct turn_allocation *owner,
                      struct turn_relay **relay, struct address *told)
{
    struct opening opening = {
        .sockets = sockets,
        .address = relay_addresses_choose(sockets->options.addresses, family, local),
        .held = true,
    };

    return open_relay(&opening, even ? RELAY_PORTS_EVEN : RELAY_PORTS_ANY, owner, relay, told);
}

void relay_socket_adopt(struct turn_relay *relay, struct turn_allocation *owner)
{
    relay->owner = owner;
}

struct address relay_socket_told(const struct turn_relay *relay)
{
    struct address told = relay->address->told;

    address_set_port(&told, relay->port);
    return told;
}

/* --- sending
 * ------------------------------------------------------------------------------------ */

void relay_socket_send(struct relay_sockets *sockets, struct turn_relay *relay,
                       const struct address *peer, struct span data, bool dont_fragment)
{
    if (relay->fd >= 0)
        relay_sender_send(&sockets->sender, relay, peer, data, dont_fragment);
    else
        counter_add(&sockets->stats.send_errors, 1);
}

void relay_sockets_flush(struct relay_sockets *sockets)
{
    relay_sender_flush(&sockets->sender);
}

/* --- life
 * --------------------------------------------------------------------------------------- */

int relay_sockets_create(struct relay_sockets **out,
                         const struct relay_sockets_options *options)
{
    struct relay_sockets *sockets = calloc(1, sizeof *sockets);

    if (!sockets)
        return RC_NOMEM;
    sockets->options = *options;
    relay_sender_init(&sockets->sender, options, &sockets->stats, &sockets->receiver);
    const int rc = relay_receiver_open(&sockets->receiver, options, &sockets->stats);
    if (rc != RC_OK) {
        relay_sockets_free(sockets);
        return rc;
    }
    *out = sockets;
    return RC_OK;
}

void relay_sockets_free(struct relay_sockets *sockets)
{
    const int saved = errno;

    if (!sockets)
        return;
    while (sockets->all)
        relay_socket_close(sockets, sockets->all);
    relay_receiver_close(&sockets->receiver);
    free(sockets);
    errno = saved;
}

struct relay_sockets_stats *relay_sockets_stats(struct relay_sockets *sockets)
{
    return &sockets->stats;
}
