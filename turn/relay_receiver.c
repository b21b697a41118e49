#include "turn/relay_receiver.h"

#include "core/udp_sender.h" /* udp_map_pages */

#include <errno.h>
#include <event2/event.h>
#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    GRO_MAX = 65535,   /* one coalesced message */
    SLACK = 32,        /* readable bytes behind a datagram: it may be spliced into the media */
    SLOT_PLAIN = 2112, /* RELAY_PACKET_MAX + SLACK, in odd cache lines */
    SLOT_GRO = 65600,  /* GRO_MAX + SLACK, the same: slots must not share cache sets */
    ERRORS = 8,        /* ICMP errors of one relay in a turn of the loop */
};

/* A relay that is ready again so soon had more than was read. */
#define BUSY_INTERVAL 20

_Static_assert(SLOT_PLAIN >= RELAY_PACKET_MAX + SLACK && SLOT_PLAIN / 64 % 2 == 1, "");
_Static_assert(SLOT_GRO >= GRO_MAX + SLACK && SLOT_GRO / 64 % 2 == 1, "");

/* --- datagrams -------------------------------------------------------------------------------
 */

static void flush(struct relay_receiver *receiver, usec_t now)
{
    receiver->events.flush(receiver->events.arg, now);
    receiver->slots_used = 0;
}

static void on_flush(evutil_socket_t fd, short what, void *arg)
{
    struct relay_receiver *receiver = arg;
    (void)fd;
    (void)what;

    loop_enter(receiver->loop, "relays");
    receiver->flush_due = false;
    flush(receiver, loop_now(receiver->loop));
    loop_leave(receiver->loop);
}

static void prepare(struct relay_receiver *receiver, unsigned messages, usec_t now)
{
    if (RELAY_SLOTS - receiver->slots_used < messages)
        flush(receiver, now);
    for (unsigned i = 0; i < messages; i++) {
        receiver->piece[i] = (struct iovec){
            receiver->slots + (receiver->slots_used + i) * receiver->slot_size,
            receiver->slot_size - SLACK,
        };
        receiver->in[i].msg_hdr = (struct msghdr){
            .msg_name = &receiver->from[i],
            .msg_namelen = sizeof receiver->from[i],
            .msg_iov = &receiver->piece[i],
            .msg_iovlen = 1,
            .msg_control = receiver->control[i],
            .msg_controllen = receiver->gro ? RELAY_RECEIVE_CONTROL : 0,
        };
    }
}

static size_t segment_len(struct msghdr *header, size_t total)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
        int len;

        if (c->cmsg_level != SOL_UDP || c->cmsg_type != UDP_GRO)
            continue;
        memcpy(&len, CMSG_DATA(c), sizeof len);
        if (len > 0 && (size_t)len < total)
            return (size_t)len;
    }
    return total;
}

/* Cuts message `i` into datagrams. Whoever is told of one may close the relay. */
static void deliver(struct relay_receiver *receiver, const struct turn_relay *relay, unsigned i,
                    usec_t now)
{
    struct msghdr *header = &receiver->in[i].msg_hdr;
    const size_t total = receiver->in[i].msg_len, step = segment_len(header, total);
    const size_t packets = total ? (total + step - 1) / step : 1;
    const uint8_t *data = receiver->piece[i].iov_base;
    struct address from;

    counter_add(&receiver->stats->packets_in, packets);
    counter_add(&receiver->stats->bytes_in, total);
    if (header->msg_flags & MSG_TRUNC || step > RELAY_PACKET_MAX) {
        counter_add(&receiver->stats->dropped_oversize, packets);
        return;
    }
    if (address_from_sockaddr(&from, &receiver->from[i].sa, header->msg_namelen) != RC_OK)
        return;
    for (size_t at = 0, k = 0; k < packets && relay->owner; k++, at += step) {
        const size_t len = total - at < step ? total - at : step;

        receiver->events.datagram(receiver->events.arg, relay->owner, &from,
                                  (struct span){data + at, len}, now);
    }
}

/* Returns how many messages there were; an error is an ICMP error, told once (RECVERR). */
static int receive(struct relay_receiver *receiver, const struct turn_relay *relay,
                   unsigned most)
{
    int n;

    if (most == 1) { /* cheaper by a fifth than recvmmsg, which asks once more in vain */
        const ssize_t len = recvmsg(relay->fd, &receiver->in[0].msg_hdr, MSG_DONTWAIT);

        receiver->in[0].msg_len = len < 0 ? 0 : (unsigned)len;
        n = len < 0 ? -1 : 1;
    } else {
        n = recvmmsg(relay->fd, receiver->in, most, MSG_DONTWAIT, NULL);
    }
    counter_add(&receiver->stats->calls_in, 1);
    return n;
}

/* False: there was nothing, so it may be an error that woke us. */
static bool read_datagrams(struct relay_receiver *receiver, const struct turn_relay *relay,
                           unsigned most, usec_t now)
{
    prepare(receiver, most, now);
    int n = receive(receiver, relay, most);

    if (n < 0 && errno != EAGAIN)
        n = receive(receiver, relay, most);
    for (int i = 0; i < n; i++) {
        receiver->slots_used++;
        deliver(receiver, relay, (unsigned)i, now);
    }
    return n > 0;
}

/* --- ICMP ------------------------------------------------------------------------------------
 */

static const struct sock_extended_err *find_error(struct msghdr *header)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c))
        if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
            (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR))
            return (const struct sock_extended_err *)(const void *)CMSG_DATA(c);
    return NULL;
}

/* The kernel's own "too long" is told as the router would that has this MTU. It names no port.
 */
static bool read_error(const struct turn_relay *relay, const struct sock_extended_err *error,
                       struct address *peer, uint8_t *type, uint8_t *code)
{
    *type = error->ee_type;
    *code = error->ee_code;
    if (error->ee_origin == SO_EE_ORIGIN_ICMP || error->ee_origin == SO_EE_ORIGIN_ICMP6)
        return true;
    if (error->ee_origin != SO_EE_ORIGIN_LOCAL || error->ee_errno != EMSGSIZE)
        return false;
    *type = relay->family == AF_INET ? ICMP_DEST_UNREACH : ICMP6_PACKET_TOO_BIG;
    *code = relay->family == AF_INET ? ICMP_FRAG_NEEDED : 0;
    address_set_port(peer, ntohs(relay->too_long_port));
    return true;
}

/* One error off the queue. False: there is none. */
static bool take_error(struct relay_receiver *receiver, struct turn_relay *relay, usec_t now)
{
    struct address to = {0}, peer;
    _Alignas(8) uint8_t control[256];
    struct msghdr header = {
        .msg_name = &to,
        .msg_namelen = sizeof to,
        .msg_control = control,
        .msg_controllen = sizeof control,
    };
    uint8_t type, code;

    if (recvmsg(relay->fd, &header, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
        return false;
    const struct sock_extended_err *error = find_error(&header);
    if (!error || address_from_sockaddr(&peer, &to.sa, header.msg_namelen) != RC_OK ||
        !read_error(relay, error, &peer, &type, &code))
        return true;
    counter_add(&receiver->stats->icmp, 1);
    if (relay->owner)
        receiver->events.icmp(receiver->events.arg, relay->owner, &peer, type, code,
                              error->ee_info, now);
    return true;
}

static void read_errors(struct relay_receiver *receiver, struct turn_relay *relay, usec_t now)
{
    for (int i = 0; i < ERRORS && relay->fd >= 0; i++)
        if (!take_error(receiver, relay, now))
            return;
}

/* --- when one is ready
 * ------------------------------------------------------------------------- */

static void bury_dead(struct relay_receiver *receiver)
{
    while (receiver->dead) {
        struct turn_relay *relay = receiver->dead;

        receiver->dead = relay->next;
        free(relay);
    }
}

/* Where one message waits, to ask for more costs a fifth of what reading does, and is left to
 * libevent; but not where what is left would wait. */
static unsigned how_many(struct turn_relay *relay, usec_t now)
{
    const bool soon = now - relay->read_at < BUSY_INTERVAL;

    relay->read_at = now;
    return soon || loop_keeps_pace(relay->receiver->loop) ? RELAY_BURST : 1;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct turn_relay *relay = arg;
    struct relay_receiver *receiver = relay->receiver;
    (void)fd;
    (void)what;

    loop_enter(receiver->loop, "relays");
    const usec_t now = loop_now(receiver->loop);
    receiver->in_handler = true;
    if (!read_datagrams(receiver, relay, how_many(relay, now), now))
        read_errors(receiver, relay, now);
    receiver->in_handler = false;
    bury_dead(receiver);
    if (!receiver->flush_due)
        event_active(receiver->flush, EV_READ, 0);
    receiver->flush_due = true;
    loop_leave(receiver->loop);
}

int relay_receiver_add(struct relay_receiver *receiver, struct turn_relay *relay)
{
    relay->receiver = receiver;
    if (event_assign(&relay->readable, loop_base(receiver->loop), relay->fd,
                     EV_READ | EV_PERSIST, on_readable, relay) < 0 ||
        event_add(&relay->readable, NULL) < 0)
        return RC_NOMEM;
    return RC_OK;
}

void relay_receiver_remove(struct relay_receiver *receiver, struct turn_relay *relay)
{
    event_del(&relay->readable);
    close(relay->fd);
    relay->fd = -1;
    relay->next = receiver->dead;
    receiver->dead = relay;
    if (!receiver->in_handler)
        bury_dead(receiver);
}

/* --- life ------------------------------------------------------------------------------------
 */

int relay_receiver_open(struct relay_receiver *receiver,
                        const struct relay_sockets_options *options,
                        struct relay_sockets_stats *stats)
{
    receiver->loop = options->loop;
    receiver->stats = stats;
    receiver->events = options->events;
    receiver->gro = !options->no_gro;
    receiver->slot_size = receiver->gro ? SLOT_GRO : SLOT_PLAIN;
    receiver->slots = udp_map_pages(RELAY_SLOTS * receiver->slot_size);
    receiver->flush = event_new(loop_base(options->loop), -1, EV_PERSIST, on_flush, receiver);
    return receiver->slots && receiver->flush ? RC_OK : RC_NOMEM;
}

void relay_receiver_close(struct relay_receiver *receiver)
{
    if (receiver->flush)
        event_free(receiver->flush);
    if (receiver->slots)
        munmap(receiver->slots, RELAY_SLOTS * receiver->slot_size);
}
