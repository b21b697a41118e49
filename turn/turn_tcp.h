/*
 * turn/turn_tcp.h - the clients of TURN over TCP and TLS (RFC 8656 section 3.1): connections
 * that core/listener.h hands over, whole messages in, whole messages out.
 *
 * Glue: libevent. Belongs to the thread of its loop. It knows nothing of TURN but how messages
 * are framed; who speaks for the server is struct turn_tcp_user. A connection costs 2 kB,
 * libevent aside, and no buffer while nothing is half-way in or out.
 *
 * Bounds: connections in all and per source (an IPv6 /64 is one); the time that one message may
 * take to arrive; the time that a connection may live without an allocation; the length of a
 * message, which is short until there is an allocation; and what waits for a client
 * (turn/turn_leg.h).
 */
#ifndef TURN_TURN_TCP_H
#define TURN_TURN_TCP_H

#include "core/listener.h"
#include "core/loop.h"
#include "turn/turn_leg.h"
#include "turn/turn_server.h"

#define TURN_TCP_CONNECTIONS 10000
#define TURN_TCP_PER_SOURCE 128 /* an office behind one address, two or three each */
#define TURN_TCP_IDLE SEC(30)
#define TURN_TCP_MESSAGE_TIME SEC(10)

/* The server behind it. Each may call anything here but turn_tcp_free. */
struct turn_tcp_user {
    void *arg;
    /* One whole message, valid for the call: turn_server_input. RC_BAD closes the connection.
     */
    int (*input)(void *arg, const struct turn_client *from, struct span message, usec_t now);
    /* What `input` was given since the last time goes away: send what still points at it. NULL
     * is fine. Called once for all that one read brought, so that packets can leave together.
     */
    void (*flush)(void *arg, usec_t now);
    /* The connection ended by itself: turn_server_client_gone. Not called for one that
     * turn_tcp_close_client or turn_tcp_detach took away. */
    void (*gone)(void *arg, const struct turn_client *client, usec_t now);
    /* turn_server_find_client: those that have one may stay. */
    bool (*has_allocation)(void *arg, const struct turn_client *client);
    /* How the way out to a client is doing: with each change, and once a second while anything is sent.
     * NULL: nobody asks. */
    void (*leg)(void *arg, const struct turn_client *client, const struct turn_leg_report *report);
};

struct turn_tcp_options {
    struct loop *loop; /* borrowed */
    struct turn_tcp_user user;
    uint32_t max_connections, max_per_source; /* 0: the defaults above */
    usec_t idle, message_time;                /* 0: the defaults above */
};

/* Written by the loop's thread; register them where they are. */
struct turn_tcp_stats {
    struct counter connections; /* gauge */
    struct counter accepted;    /* since the start */
    struct turn_leg_stats out;
};

struct turn_tcp;

/* RC_NOMEM. */
int turn_tcp_create(struct turn_tcp **out, const struct turn_tcp_options *options);
/* Closes what is open, without a word to the user. NULL is fine. */
void turn_tcp_free(struct turn_tcp *tcp);

/* For the listener's table. It must be closed after turn_tcp_free. */
struct listener_protocol turn_tcp_protocol(struct turn_tcp *tcp);

/* turn_output.to_client: head, data and `tail` zeroes are one message, copied. What has data,
 * or a ChannelData header for its head, counts as data and may be dropped; the rest are
 * replies. Nothing happens when the connection is not there any more. */
void turn_tcp_to_client(struct turn_tcp *tcp, const struct turn_client *client,
                        struct span head, struct span data, size_t tail);
/* turn_output.client_close: what waits is sent first, but for data. */
void turn_tcp_close_client(struct turn_tcp *tcp, const struct turn_client *client);

/* Ends the framing of a connection (RFC 6062 section 5.4: after its ConnectionBind it carries a
 * peer's bytes) and hands it to `taker`: now, or inside `input` as soon as that returns.
 * Replies are in the bufferevent's output, what came behind the last message is in its input,
 * it has no callbacks and is disabled; end it with listener_release. RC_BAD: there is no such
 * connection. When it breaks before it is handed over, the user is told by `gone` as ever. */
typedef void turn_tcp_taker(void *arg, struct listener *listener,
                            struct bufferevent *connection);
int turn_tcp_detach(struct turn_tcp *tcp, const struct turn_client *client,
                    turn_tcp_taker *taker, void *arg);

/* How much waits for a client, and how long a picture would; zeroes when it is not there. */
struct turn_tcp_backlog {
    size_t bytes;
    usec_t delay;
};
struct turn_tcp_backlog turn_tcp_backlog(const struct turn_tcp *tcp,
                                         const struct turn_client *client, usec_t now);

uint32_t turn_tcp_connections(const struct turn_tcp *tcp);
struct turn_tcp_stats *turn_tcp_stats(struct turn_tcp *tcp);

#endif
