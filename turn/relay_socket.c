#include "turn/relay_socket.h"

#include "turn/relay_receiver.h"
#include "turn/relay_sender.h"

#include <errno.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <unistd.h>

enum { BIND_TRIES = 16 }; /* ports that other programs have are met by chance alone */

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
    counter_add(&sockets->stats.open, 1);
}

static int make_relay(struct relay_sockets *sockets, const struct relay_address *address,
                      uint16_t port, struct turn_relay **out)
{
    struct turn_relay *relay = calloc(1, sizeof *relay);
    int rc = RC_NOMEM;

    if (relay) {
        relay->family = address->bind.sa.sa_family;
        relay->address = address;
        relay->port = port;
        rc = open_at(sockets, address, port, &relay->fd);
    }
    if (rc == RC_OK) {
        rc = relay_receiver_add(&sockets->receiver, relay);
        if (rc != RC_OK)
            close(relay->fd);
    }
    if (rc != RC_OK) {
        free(relay);
        return rc;
    }
    insert(sockets, relay);
    *out = relay;
    return RC_OK;
}

static void unmake_relay(struct relay_sockets *sockets, struct turn_relay *relay)
{
    *relay->at = relay->next;
    if (relay->next)
        relay->next->at = relay->at;
    counter_set(&sockets->stats.open, counter_get(&sockets->stats.open) - 1);
    relay->owner = NULL;
    relay_receiver_remove(&sockets->receiver, relay);
}

void relay_socket_close(struct relay_sockets *sockets, struct turn_relay *relay)
{
    relay_sender_finish(&sockets->sender, relay);
    relay_ports_give(relay->address->ports, relay->port);
    unmake_relay(sockets, relay);
}

/* --- opening
 * ------------------------------------------------------------------------------------ */

static int open_ports(struct relay_sockets *sockets, const struct relay_address *address,
                      uint16_t port, struct turn_relay **relay, struct turn_relay **next)
{
    int rc = make_relay(sockets, address, port, relay);

    if (rc != RC_OK || !next)
        return rc;
    rc = make_relay(sockets, address, (uint16_t)(port + 1), next);
    if (rc != RC_OK)
        unmake_relay(sockets, *relay);
    return rc;
}

static void give_ports(const struct relay_address *address, uint16_t port, bool pair)
{
    relay_ports_give(address->ports, port);
    if (pair)
        relay_ports_give(address->ports, (uint16_t)(port + 1));
}

/* Ports that another program has stay taken until one is found: none is tried twice. */
static int open_any(struct relay_sockets *sockets, const struct relay_address *address,
                    enum relay_ports_wish wish, struct turn_relay **relay,
                    struct turn_relay **next)
{
    uint16_t tried[BIND_TRIES];
    unsigned count = 0;
    int rc = RC_AGAIN;

    while (rc == RC_AGAIN && count < BIND_TRIES) {
        const uint16_t port = relay_ports_take(address->ports, wish);

        if (port == 0)
            break;
        rc = open_ports(sockets, address, port, relay, next);
        if (rc != RC_OK)
            tried[count++] = port;
    }
    const int saved = errno;
    while (count > 0)
        give_ports(address, tried[--count], next != NULL);
    errno = saved;
    return rc == RC_AGAIN ? RC_FULL : rc;
}

int relay_socket_open(struct relay_sockets *sockets, sa_family_t family, bool even,
                      const struct address *local, struct turn_allocation *owner,
                      struct turn_relay **relay, struct address *told, struct turn_relay **next)
{
    const struct relay_address *address =
        relay_addresses_choose(sockets->options.addresses, family, local);
    const enum relay_ports_wish wish = next   ? RELAY_PORTS_PAIR
                                       : even ? RELAY_PORTS_EVEN
                                              : RELAY_PORTS_ANY;
    struct turn_relay *opened, *above;

    if (!address)
        return RC_BAD;
    const int rc = open_any(sockets, address, wish, &opened, next ? &above : NULL);
    if (rc != RC_OK) {
        counter_add(&sockets->stats.ports_exhausted, rc == RC_FULL);
        return rc;
    }
    opened->owner = owner;
    *relay = opened;
    *told = relay_socket_told(opened);
    if (next)
        *next = above;
    return RC_OK;
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
    relay_sender_send(&sockets->sender, relay, peer, data, dont_fragment);
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
    relay_sender_init(&sockets->sender, options, &sockets->stats);
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
