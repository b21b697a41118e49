/*
 * turn/relay_tcp_peer.h - one connection between a relay of TCP and a peer.
 *
 *      CONNECTING ──► WAITING ──► EXPECTING ──► BOUND
 *      (accepted) ──────┘             └── hung up ──► DROPPED
 *
 * WAITING until the server says whose client it is for, EXPECTING until that client's
 * connection is handed over, which may be at the end of the handler that is running: hung up in
 * between, it stays as DROPPED for the taker to find. Internal to turn/relay_tcp.c, which owns
 * them.
 */
#ifndef TURN_RELAY_TCP_PEER_H
#define TURN_RELAY_TCP_PEER_H

#include "core/table.h"
#include "turn/relay_tcp.h"

struct event;

enum relay_tcp_state {
    RELAY_TCP_CONNECTING,
    RELAY_TCP_WAITING,
    RELAY_TCP_EXPECTING,
    RELAY_TCP_BOUND,
    RELAY_TCP_DROPPED,
};

struct relay_tcp_peer {
    UT_hash_handle hh;     /* in relay_tcp.peers, by id */
    struct relay_tcp *set; /* borrowed */
    uint32_t id;
    enum relay_tcp_state state;
    int fd;                   /* owned, until it is the pipe's; -1 */
    struct event *connecting; /* owned; CONNECTING */
    struct relay_pipe *pipe;  /* owned; BOUND */
};

struct tcp_relay;

struct relay_tcp {
    struct relay_tcp_options options; /* defaults filled in */
    struct relay_tcp_stats stats;
    struct relay_tcp_peer *peers; /* owned */
    struct turn_relay *relays;    /* owned */
    struct tcp_relay *accepting;  /* whose handler is on the stack */
};

/* A peer that has connected, with the descriptor, which is closed where there is no memory
 * (NULL). Not in the table yet. */
struct relay_tcp_peer *relay_tcp_peer_accepted(struct relay_tcp *set, int fd);
/* Begins to connect `fd`, which is bound already. RC_SYS, RC_NOMEM: the descriptor is still the
 * caller's. */
int relay_tcp_peer_connect(struct relay_tcp *set, int fd, const struct address *peer,
                           uint32_t id);
/* Into the table. */
void relay_tcp_peer_publish(struct relay_tcp_peer *peer, uint32_t id);
/* Closes whatever it has, at once, and frees it; in the table or not. */
void relay_tcp_peer_free(struct relay_tcp_peer *peer);

#endif
