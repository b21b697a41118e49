/*
 * turn/relay_socket.h - the UDP sockets of relayed transport addresses, one each (RFC 8656
 * sections 7.2, 11 and 14), and the batches in which one thread reads and writes all of them.
 *
 * Glue: sockets, libevent and the loop's clock. A set belongs to the thread of its loop. A
 * relay costs about 300 bytes here, libevent's among them: what is received lies in slots that
 * all sockets of the set share, what is sent is gathered for all of them.
 *
 * No socket can starve the others: a turn of the loop reads each once, at most RELAY_BURST
 * messages. What a full socket does not take is dropped and counted, as a network would. ICMP
 * errors are read from the error queues and never fail what is sent next.
 */
#ifndef TURN_RELAY_SOCKET_H
#define TURN_RELAY_SOCKET_H

#include "core/address.h"
#include "core/base.h"
#include "core/loop.h"
#include "core/metrics.h"
#include "turn/relay_addresses.h"

struct turn_allocation;
struct turn_relay; /* one socket; turn/turn_server.h keeps it, and knows nothing of it */

#define RELAY_BURST 16        /* messages of one socket in one turn of the loop */
#define RELAY_PENDING 256     /* packets to peers that are gathered; then they are flushed */
#define RELAY_PACKET_MAX 2048 /* longer ones are dropped and counted */

struct mmsghdr;
typedef int relay_sendmmsg_fn(int fd, struct mmsghdr *messages, unsigned count, int flags);

/* What happens, called from the loop. */
struct relay_socket_events {
    void *arg;
    /* A datagram of a peer. `data` stays where it is until `flush`. */
    void (*datagram)(void *arg, struct turn_allocation *owner, const struct address *peer,
                     struct span data, usec_t now);
    /* An ICMP error about a datagram to `peer`; data: the four bytes of the error, an MTU. Also
     * where the kernel itself knows that a datagram is too long not to be fragmented. */
    void (*icmp)(void *arg, struct turn_allocation *owner, const struct address *peer,
                 uint8_t type, uint8_t code, uint32_t data, usec_t now);
    /* The slots are used again after this: what was lent must be sent now. Also once behind all
     * that one turn of the loop has read. */
    void (*flush)(void *arg, usec_t now);
};

struct relay_sockets_options {
    struct loop *loop;                 /* borrowed */
    struct relay_addresses *addresses; /* borrowed */
    struct relay_socket_events events;
    int buffer_bytes;               /* SO_RCVBUF of each; 0: the system's */
    bool no_gso, no_gro, no_direct; /* for tests and measurements */
    relay_sendmmsg_fn *sendmmsg;    /* for tests: in place of the kernel's calls */
};

/* Counters of one set, written by its thread. */
struct relay_sockets_stats {
    struct counter open, direct; /* gauges: relays, and second sockets of busy ones */
    struct counter packets_in, bytes_in, packets_out, bytes_out;
    struct counter calls_in, calls_out; /* system calls that read or write */
    struct counter gso_messages;
    struct counter icmp; /* errors that were read */
    struct counter dropped_oversize, dropped_full, send_errors;
    struct counter ports_exhausted; /* no port was free, or none could be bound */
};

struct relay_sockets;

/* RC_NOMEM, RC_SYS. */
int relay_sockets_create(struct relay_sockets **out,
                         const struct relay_sockets_options *options);
/* Closes what is open. NULL is fine. */
void relay_sockets_free(struct relay_sockets *sockets);

/* A relay of this family for a client that came in at `local`. *told is the address that peers
 * see. With `next`, the relay is at an even port and *next is at the port above; otherwise
 * *next is not touched. RC_BAD: no address of this family; RC_FULL: no port is free; RC_SYS,
 * RC_NOMEM. */
int relay_socket_open(struct relay_sockets *sockets, sa_family_t family, bool even,
                      const struct address *local, struct turn_allocation *owner,
                      struct turn_relay **relay, struct address *told,
                      struct turn_relay **next);
/* The same without a socket: a port that nobody else is given, and what is sent by it is
 * dropped. */
int relay_socket_hold(struct relay_sockets *sockets, sa_family_t family, bool even,
                      const struct address *local, struct turn_allocation *owner,
                      struct turn_relay **relay, struct address *told);
/* Whose datagrams are they? NULL: they are dropped (a port that is reserved). */
void relay_socket_adopt(struct turn_relay *relay, struct turn_allocation *owner);
struct address relay_socket_told(const struct turn_relay *relay);
/* What is gathered for it is sent before. May be called from inside an event. */
void relay_socket_close(struct relay_sockets *sockets, struct turn_relay *relay);

/* Gathers one datagram to `peer`, whose family is the relay's. `data` must stay until
 * relay_sockets_flush. */
void relay_socket_send(struct relay_sockets *sockets, struct turn_relay *relay,
                       const struct address *peer, struct span data, bool dont_fragment);
/* Hands everything gathered to the kernel, one call for each relay that has something. */
void relay_sockets_flush(struct relay_sockets *sockets);

struct relay_sockets_stats *relay_sockets_stats(struct relay_sockets *sockets);

#endif
