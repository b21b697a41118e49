/*
 * signaling/http_connection.h - inside of the HTTP server, shared by http.c (routes and
 * policy), http_connection.c (reading, deadlines, closing) and http_answer.c (writing). Nobody
 * else includes it.
 *
 * A connection is always in one phase:
 *
 *     IDLE ─► HEAD ─► BODY ─► ANSWER ─► IDLE …           ANSWER: a handler has the request
 *       any ─► FLUSH (write the rest, then close) ─► CLOSED
 *       any ─► LINGER (the same, and read on for a while) ─► CLOSED
 */
#ifndef SIGNALING_HTTP_CONNECTION_H
#define SIGNALING_HTTP_CONNECTION_H

#include "signaling/chunked.h"
#include "signaling/http.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <sys/queue.h>

enum http_phase {
    HTTP_IDLE,
    HTTP_HEAD_PHASE,
    HTTP_BODY,
    HTTP_ANSWER,
    HTTP_FLUSH,
    HTTP_LINGER,
    HTTP_CLOSED,
};

/* A request with what its handler does not see. Lives from the end of its head to its answer.
 */
struct http_exchange {
    struct http_request request;        /* first: a handler's pointer is a pointer to this */
    struct http_connection *connection; /* borrowed: it owns us */
    const struct http_route *route;     /* borrowed; NULL while none is found */
    struct http_head head;              /* strings in head_bytes */
    uint8_t *head_bytes;                /* owned */
    uint8_t *body;                      /* owned */
    size_t body_n, body_size;
    struct chunked chunked;
    bool cors_allowed;
    void (*gone)(struct http_request *request, void *arg);
    void *gone_arg;
};

struct http_connection {
    LIST_ENTRY(http_connection) link;
    struct http_server *server;     /* borrowed */
    struct listener *listener;      /* borrowed, may be NULL */
    struct bufferevent *bev;        /* owned until it is released or taken over */
    struct http_exchange *exchange; /* owned, NULL between requests */
    struct timer timer;
    usec_t started;   /* of the head or body that is being read */
    size_t seen;      /* bytes of the input that hold no end of a head */
    size_t unwritten; /* when the stall timer was set */
    struct address from;
    enum http_phase phase;
    bool tls;
    bool close;  /* after this answer */
    bool busy;   /* its functions are on the stack: it must not be freed */
    bool paused; /* reading is off: too much waits behind this request */
    bool broken; /* libevent reported its end meanwhile */
};

LIST_HEAD(http_connections, http_connection);

struct http_server {
    struct loop *loop; /* borrowed */
    struct http_options options;
    struct http_connections connections;
    struct evbuffer *scratch; /* owned: where an answer is put together */
    struct http_stats stats;
    time_t date_second;
    char date[32];
    bool draining;
};

/* http_connection.c */
struct http_connection *http_connection_open(struct http_server *server,
                                             struct listener *listener, struct bufferevent *bev,
                                             const struct address *from, bool tls);
/* Cuts it off; a kept request gets its gone callback. */
void http_connection_close(struct http_connection *connection);
/* May bytes of the refused request still be on their way? Then nothing can follow it. */
bool http_connection_unread(const struct http_connection *connection);
/* Forgets the request that was answered and goes on to the next one or to the end. */
void http_connection_answered(struct http_connection *connection);
void http_exchange_free(struct http_exchange *exchange);

/* http.c: decides about a request whose head is complete. True: its body is wanted or it has
 * none; false: it has been answered. */
bool http_route_request(struct http_server *server, struct http_exchange *exchange);

/* http_answer.c: answers what never became a request, and closes. */
void http_answer_malformed(struct http_connection *connection, int status, enum refusal why);

#endif
