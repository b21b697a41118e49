/*
 * turn/relay_tcp.h - the sockets of TCP allocations (RFC 6062): the one that listens on the
 * relayed transport address, the connections that peers make to it and those that are made from
 * it, and the clients' data connections that they are bound to.
 *
 * Glue: sockets and libevent. A set belongs to the thread of its loop. Which peers may connect,
 * how long a connection may wait for its client, and how many an allocation may have is the
 * server's business (turn/turn_tcp_relay.h), which knows them by `id`.
 *
 * What a peer says before its client is there stays in the kernel, whose window tells the peer
 * (sections 5.2 and 5.3: it must not be lost). Relays take their ports from the same pool as
 * those of UDP.
 */
#ifndef TURN_RELAY_TCP_H
#define TURN_RELAY_TCP_H

#include "core/address.h"
#include "core/loop.h"
#include "core/metrics.h"
#include "turn/relay_addresses.h"
#include "turn/relay_pipe.h"

struct turn_allocation;
struct turn_relay; /* a relay of a set has `tcp` in it: turn/turn_relay.h */

#define RELAY_TCP_CONNECTIONS 4096 /* with peers, of one set: two descriptors each */
#define RELAY_TCP_ACCEPT 16        /* connections of one relay in a wakeup */

/* What happens, called from the loop. Each may call anything here but relay_tcp_free. */
struct relay_tcp_events {
    void *arg;
    /* The connection that relay_tcp_connect began is there, or `ok` is false: it is gone. */
    void (*connected)(void *arg, uint32_t id, bool ok, usec_t now);
    /* A peer has connected. Returns the id of the connection; 0: it is closed. */
    uint32_t (*arrived)(void *arg, struct turn_allocation *owner, const struct address *peer,
                        usec_t now);
    /* Bytes were carried; as relay_pipe_user.carried. */
    usec_t (*carried)(void *arg, uint32_t id, enum relay_pipe_way way, size_t bytes,
                      usec_t now);
    /* It has ended by itself, and the client's data connection with it. */
    void (*closed)(void *arg, uint32_t id, usec_t now);
};

struct relay_tcp_options {
    struct loop *loop;                 /* borrowed */
    struct relay_addresses *addresses; /* borrowed */
    struct relay_tcp_events events;
    uint32_t max_connections; /* 0: RELAY_TCP_CONNECTIONS */
};

/* Written by the loop's thread; register them where they are. */
struct relay_tcp_stats {
    struct counter open, connections;          /* gauges: relays, and connections with peers */
    struct counter connects, connects_failed;  /* to peers */
    struct counter accepted, accepted_refused; /* from peers */
    struct counter ports_exhausted;
};

struct relay_tcp;

/* RC_NOMEM. */
int relay_tcp_create(struct relay_tcp **out, const struct relay_tcp_options *options);
/* Closes what is open, without a word. NULL is fine. */
void relay_tcp_free(struct relay_tcp *set);

/* As relay_socket_open: a port of its own, listening. RC_BAD: no address of this family;
 * RC_FULL: no port is free; RC_SYS, RC_NOMEM. */
int relay_tcp_open(struct relay_tcp *set, sa_family_t family, const struct address *local,
                   struct turn_allocation *owner, struct turn_relay **relay,
                   struct address *told);
/* Its connections live on: hang up first. */
void relay_tcp_close(struct relay_tcp *set, struct turn_relay *relay);

/* Begins a connection from the relay's address and port (section 5.2); `connected` follows,
 * never from inside. RC_FULL: as many as there may be; RC_SYS: it cannot even be tried;
 * RC_NOMEM. */
int relay_tcp_connect(struct relay_tcp *set, struct turn_relay *relay,
                      const struct address *peer, uint32_t id);
/* Closes the connection, and the data connection that it is bound to. Unknown ids do nothing.
 */
void relay_tcp_hang_up(struct relay_tcp *set, uint32_t id);

/* From now on the connection waits for its client: give relay_tcp_take with what this returns
 * to turn_tcp_detach. When that refuses, hang up. NULL: there is no such connection, or it is
 * not connected. */
struct relay_tcp_peer *relay_tcp_expect(struct relay_tcp *set, uint32_t id);
/* A turn_tcp_taker. */
void relay_tcp_take(void *peer, struct listener *listener, struct bufferevent *client);

struct relay_tcp_stats *relay_tcp_stats(struct relay_tcp *set);

#endif
