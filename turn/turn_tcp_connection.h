/*
 * turn/turn_tcp_connection.h - one client's connection: reads messages, keeps deadlines, ends.
 *
 * Internal to turn/turn_tcp.c, which owns the table. Glue: libevent. One thread.
 */
#ifndef TURN_TURN_TCP_CONNECTION_H
#define TURN_TURN_TCP_CONNECTION_H

#include "core/count_by_ip.h"
#include "core/refusal.h"
#include "core/table.h"
#include "turn/turn_stream.h"
#include "turn/turn_tcp.h"

/* What is to become of a connection as soon as no handler of it is on the stack. */
enum turn_tcp_ending {
    TURN_TCP_STAYS,
    TURN_TCP_CLOSED,   /* the server wants it */
    TURN_TCP_DETACHED, /* it has a taker */
    TURN_TCP_BROKEN,   /* by the client: the server is told */
};

struct turn_tcp_connection {
    UT_hash_handle hh;         /* in turn_tcp.connections, by client.connection */
    struct turn_tcp *tcp;      /* borrowed */
    struct listener *listener; /* borrowed */
    struct bufferevent *bev;   /* owned, until it is released or taken */
    struct turn_client client;
    struct turn_stream stream;
    struct turn_leg leg;
    struct timer timer;
    usec_t idle_at; /* when somebody without an allocation has to go */
    usec_t
        message_at; /* when the message that has begun has to be there; USEC_NEVER: none has */
    enum turn_tcp_ending ending;
    bool busy;      /* a handler of ours is on the stack */
    bool allocated; /* there was an allocation when this was last asked */
    turn_tcp_taker *taker;
    void *taker_arg;
};

struct turn_tcp {
    struct turn_tcp_options options;         /* defaults filled in */
    struct turn_tcp_connection *connections; /* owned */
    uint64_t next_number;
    struct count_by_ip sources;
    struct turn_tcp_stats stats;
};

static inline usec_t turn_tcp_now(const struct turn_tcp *tcp)
{
    return loop_now(tcp->options.loop);
}

/* The table's part, in turn/turn_tcp.c: takes it out and frees it. */
void turn_tcp_forget(struct turn_tcp_connection *connection);

/* Everything but the table is filled in: callbacks, timer. */
void turn_tcp_connection_start(struct turn_tcp_connection *connection);
/* The first reason counts. Frees the connection at once, or when its handler returns. */
void turn_tcp_connection_end(struct turn_tcp_connection *connection,
                             enum turn_tcp_ending ending);
/* The same as TURN_TCP_BROKEN and never at once: for callers that are inside the server. */
void turn_tcp_connection_end_soon(struct turn_tcp_connection *connection);

#endif
