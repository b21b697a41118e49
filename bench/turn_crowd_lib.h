/*
 * bench/turn_crowd_lib.h - many TURN clients of one server, each with a UDP socket of its own
 * and, if wanted, a peer's socket to relay to.
 *
 * Blocking, one thread. Every socket is on an address of 127/8 of its own, chosen at random: to
 * the server these are as many machines, none looks like an earlier one, which it may still
 * remember, and their ports are not in the way of its own on 127.0.0.1. Ends this process with
 * a word on stderr when the system gives no socket.
 */
#ifndef BENCH_TURN_CROWD_LIB_H
#define BENCH_TURN_CROWD_LIB_H

#include "bench/turn_dialog_lib.h"

struct turn_member {
    struct turn_dialog dialog;
    int fd;      /* connected to the server; -1: left */
    int peer_fd; /* connected to the relayed address; -1: none */
    const enum turn_ask
        *todo; /* what it still asks for, borrowed for the call; NULL: nothing */
    unsigned todo_count, tries;
    bool failed;
    usec_t sent_at;
};

struct turn_crowd {
    struct address server;
    struct turn_account account;
    struct turn_member *member; /* owned */
    unsigned count, capacity;
    int epoll;           /* clients: data.u32 is the member's number; peers: PEER_BIT with it */
    unsigned window;     /* members that ask at one time */
    struct address sink; /* the peer of members that have no peer socket */
    unsigned refusal;    /* the last refusal's code */
};
#define TURN_PEER_BIT 0x80000000u

/* `name` and `password` are borrowed. `capacity` members at most. The crowd must stay where it
 * is. */
void turn_crowd_init(struct turn_crowd *crowd, const struct address *server, const char *name,
                     const char *password, unsigned capacity);
/* Closes every socket; allocations are not ended (turn_crowd_leave). */
void turn_crowd_free(struct turn_crowd *crowd);

/* `more` members, with sockets and nothing else. */
void turn_crowd_grow(struct turn_crowd *crowd, unsigned more, bool with_peers);

/* Members [first, first + count) each ask for one thing after the other, `window` members at a
 * time; unanswered requests are repeated as RFC 8489 section 6.2.1 has it, less patiently.
 * Returns how many got all that they asked for; the rest are `failed`. Peers are connected to
 * what was allocated. */
unsigned turn_crowd_ask(struct turn_crowd *crowd, unsigned first, unsigned count,
                        const enum turn_ask *asks, unsigned ask_count);

/* Ends the allocations of members [first, count) and removes those members. */
void turn_crowd_leave(struct turn_crowd *crowd, unsigned first);

#endif
