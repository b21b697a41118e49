#include "turn/relay_direct.h"

#include <netinet/udp.h>
#include <stdlib.h>
#include <unistd.h>

void relay_direct_count(struct turn_relay *relay, const struct turn_relay *way,
                        const struct address *peer, unsigned packets)
{
    if (way != relay) {
        relay->direct->unused = 0;
        return;
    }
    if (relay->direct)
        relay->direct->unused += packets;
    if (!address_equal(&relay->last_to, peer)) {
        relay->last_to = *peer;
        relay->streak = 0;
    }
    if (relay->streak < RELAY_DIRECT_AFTER)
        relay->streak = (uint16_t)(relay->streak + packets);
}

static bool set_flag(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof value) == 0;
}

/* As the relay's own. Two sockets at one port need SO_REUSEPORT while the second is bound, and
 * only then: nobody else's may join them. */
static int open_connected(const struct turn_relay *relay, const struct address *peer, bool gro)
{
    struct address at = relay->address->bind;
    const int fd = socket(relay->family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int buffer = 0;
    socklen_t len = sizeof buffer;

    if (fd < 0)
        return -1;
    address_set_port(&at, relay->port);
    if (relay->family == AF_INET) {
        (void)set_flag(fd, IPPROTO_IP, IP_RECVERR, 1);
        (void)set_flag(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
    } else {
        (void)set_flag(fd, IPPROTO_IPV6, IPV6_RECVERR, 1);
        (void)set_flag(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    }
    if (gro)
        (void)set_flag(fd, SOL_UDP, UDP_GRO, 1);
    if (getsockopt(relay->fd, SOL_SOCKET, SO_RCVBUF, &buffer, &len) == 0)
        (void)set_flag(fd, SOL_SOCKET, SO_RCVBUF, buffer / 2); /* the kernel doubles it */
    const bool open = set_flag(relay->fd, SOL_SOCKET, SO_REUSEPORT, 1) &&
                      set_flag(fd, SOL_SOCKET, SO_REUSEPORT, 1) &&
                      bind(fd, &at.sa, address_len(&at)) == 0 &&
                      connect(fd, &peer->sa, address_len(peer)) == 0;
    (void)set_flag(relay->fd, SOL_SOCKET, SO_REUSEPORT, 0);
    (void)set_flag(fd, SOL_SOCKET, SO_REUSEPORT, 0);
    if (open)
        return fd;
    close(fd);
    return -1;
}

static bool open_direct(struct turn_relay *relay, struct relay_receiver *receiver)
{
    struct relay_direct *direct = calloc(1, sizeof *direct);

    if (!direct)
        return false;
    direct->peer = relay->last_to;
    direct->socket.family = relay->family;
    direct->socket.port = relay->port;
    direct->socket.address = relay->address;
    direct->socket.owner = relay->owner;
    direct->socket.fd = open_connected(relay, &direct->peer, receiver->gro);
    if (direct->socket.fd < 0) {
        free(direct);
        return false;
    }
    if (relay_receiver_add(receiver, &direct->socket) != RC_OK) {
        close(direct->socket.fd);
        free(direct);
        return false;
    }
    relay->direct = direct;
    counter_add(&receiver->stats->direct, 1);
    return true;
}

void relay_direct_close(struct turn_relay *relay, struct relay_receiver *receiver)
{
    struct relay_direct *direct = relay->direct;

    if (!direct)
        return;
    relay->direct = NULL;
    direct->socket.owner = NULL;
    counter_set(&receiver->stats->direct, counter_get(&receiver->stats->direct) - 1);
    relay_receiver_remove(receiver, &direct->socket);
}

void relay_direct_adjust(struct turn_relay *relay, struct relay_receiver *receiver)
{
    if (relay->direct && relay->direct->unused >= RELAY_DIRECT_UNUSED)
        relay_direct_close(relay, receiver);
    if (relay->direct || relay->streak < RELAY_DIRECT_AFTER || relay->never_direct)
        return;
    relay->streak = 0;
    relay->never_direct = !open_direct(relay, receiver);
}
