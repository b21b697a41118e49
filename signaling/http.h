/*
 * signaling/http.h - an HTTP/1.1 server connection (RFC 9110, RFC 9112) and a table of routes.
 *
 * Glue: libevent bufferevents and the loop's timers; the head of a request is parsed by
 * signaling/http_head.h, a chunked body by signaling/chunked.h. One thread, that of the loop.
 * TLS, PROXY protocol and the limit on connections are the listener's.
 *
 * A handler answers now or later. A request that is kept lives until it is answered or its
 * client goes away, whichever comes first; http_on_gone tells which. Requests of one connection
 * are handled one after the other: a pipelined one waits until its predecessor is answered and
 * most of that answer is written.
 *
 * Whatever is refused is counted with refuse() and gets the JSON body
 * {"code":"not_found","message":"there is nothing under this path"}.
 */
#ifndef SIGNALING_HTTP_H
#define SIGNALING_HTTP_H

#include "core/address.h"
#include "core/base.h"
#include "core/listener.h"
#include "core/loop.h"
#include "core/metrics.h"
#include "core/refusal.h"
#include "signaling/cors.h"
#include "signaling/http_head.h"

#define HTTP_BODY_MAX 1000000      /* bytes, where a route sets no limit of its own */
#define HTTP_HEAD_TIMEOUT SEC(10)  /* from the first byte of a request to its empty line */
#define HTTP_BODY_TIMEOUT SEC(30)  /* from there to the last byte of the body */
#define HTTP_IDLE_TIMEOUT SEC(75)  /* a kept-alive connection without a request */
#define HTTP_STALL_TIMEOUT SEC(30) /* a client that reads nothing of its answer */
#define HTTP_LINGER_TIMEOUT SEC(2) /* reading on after a refusal, so that it is seen */
#define HTTP_PIPELINE_MAX                                                                      \
    (64 * 1024) /* unwritten bytes above which no further request starts */

/* ---- requests --------------------------------------------------------------------------- */

/* Read only for handlers, but for `data`. All strings end with NUL and live as long as the
 * request does: until http_respond, http_refuse or a take-over, or the end of the gone
 * callback. */
struct http_request {
    unsigned method;         /* one of enum http_method_mask; HEAD stays HEAD */
    const char *method_name; /* "GET" */
    const char *path;        /* percent-decoded, begins with '/' ("*" for OPTIONS *) */
    const char *query;       /* as it came, without '?'; "" when there is none */
    struct span body;        /* complete and de-chunked; n = 0 when there is none */
    struct address from;     /* the client, behind trusted proxies as X-Forwarded-For tells */
    bool tls;                /* as the client sees it (X-Forwarded-Proto of a trusted proxy) */
    void *data;              /* the handler's own, NULL at first */
};

typedef void http_handler_fn(struct http_request *request, void *arg);

/* First field of that name (any case), NULL when absent. */
const char *http_header(const struct http_request *request, const char *name);
/* The n-th of that name, counted from 0: for lists that came in several fields. */
const char *http_header_nth(const struct http_request *request, const char *name, size_t n);

/* The query parameter `name`, percent-decoded ('+' is a space), NUL-terminated into buf. Its
 * first occurrence counts. Returns the length: 0 with buf "" also when it is absent
 * (http_query_has). RC_FULL: longer than size - 1; RC_BAD: a broken escape or a NUL. Then buf
 * is "". */
int http_query(const struct http_request *request, const char *name, char *buf, size_t size);
bool http_query_has(const struct http_request *request, const char *name);

/* A header field of an answer; arrays end with {NULL, NULL}. */
struct http_field {
    const char *name, *value;
};
/* No line end in any of them? (NULL: true.) */
bool http_fields_clean(const struct http_field *fields);

/* Answers. Everything is copied; the request is gone when this returns. `type` may be NULL (no
 * body), `fields` may be NULL. Date, Content-Length, Connection, security and CORS fields are
 * the server's. A CR, LF or NUL in a field value makes the answer a 500: nobody splits it.
 * Calls no handler: a pipelined request starts on the next turn of the loop. */
void http_respond(struct http_request *request, int status, const char *type,
                  const struct http_field *fields, struct span body);

#define HTTP_JSON "application/json; charset=utf-8"

/* The same without a copy of the body, which stays borrowed until release is called: once it is
 * written, when the connection dies, or at once when it is not sent at all (HEAD, 304). */
typedef void http_release_fn(const void *body, size_t n, void *arg);
void http_respond_borrowed(struct http_request *request, int status, const char *type,
                           const struct http_field *fields, struct span body,
                           http_release_fn *release, void *arg);

/* Counts `why` and answers with its JSON body. */
void http_refuse(struct http_request *request, int status, enum refusal why);
/* The same with further header fields. */
void http_refuse_fields(struct http_request *request, int status, enum refusal why,
                        const struct http_field *fields);
/* The same with a body of its own: JSON, written by the caller. */
void http_refuse_with(struct http_request *request, int status, enum refusal why,
                      const struct http_field *fields, struct span body);

/* Tells when the client goes away before the answer (or the server is freed): from the loop,
 * once, and the request is gone afterwards. NULL withdraws it. A request may be held for as
 * long as one likes: nothing but its client ends it. */
void http_on_gone(struct http_request *request,
                  void (*gone)(struct http_request *request, void *arg), void *arg);

/* Takes the connection away from HTTP (RFC 9110 section 7.8). Nothing has been written yet,
 * what the client sent behind the request is in the input, no callbacks are set, reading is
 * disabled. The request and all of HTTP's memory are gone. End it with http_connection_release.
 */
struct http_connection_parts {
    struct bufferevent *connection;
    struct listener *listener; /* NULL: none, as in tests */
    struct loop *loop;
    struct address from;
    bool tls;
};
void http_take_over(struct http_request *request, struct http_connection_parts *out);
/* Writes the rest of the output (2 s at most) and closes. */
void http_connection_release(struct listener *listener, struct bufferevent *connection);

/* ---- routes and the server ----------------------------------------------------------------
 */

struct http_route {
    const char
        *path; /* "/health"; with prefix: everything that begins with it ("/socket.io/") */
    bool prefix;
    unsigned methods; /* mask of enum http_method_mask. GET takes HEAD along */
    http_handler_fn *handle;
    void *arg;
    size_t max_body;         /* 0: HTTP_BODY_MAX */
    const struct cors *cors; /* NULL: no CORS fields, any origin. Otherwise the server refuses
                              * foreign origins (403), answers preflights, adds the fields */
    const char
        *content_policy; /* Content-Security-Policy; NULL: nothing may be loaded or framed */
    const char *frame_options; /* X-Frame-Options; NULL: DENY; "": leave it out */
};

struct http_options {
    const struct http_route *routes; /* borrowed. Exact before prefix, longest prefix first */
    size_t route_count;
    const struct address_net *trusted_proxies; /* borrowed: whose X-Forwarded-* count */
    size_t trusted_proxy_count;
    usec_t head_timeout, body_timeout, idle_timeout, stall_timeout; /* 0: as above */
};

/* Written by the loop's thread. */
struct http_stats {
    struct counter requests;         /* complete heads */
    struct counter responses[6];     /* by first digit of the status */
    struct counter connections_open; /* gauge, HTTP only: not what was taken over */
    struct counter take_overs;
};

struct http_server;

/* RC_NOMEM. */
int http_server_create(struct http_server **out, struct loop *loop,
                       const struct http_options *options);
/* Closes every connection; kept requests get their gone callback. NULL is fine. */
void http_server_free(struct http_server *server);
/* No further keep-alive: idle connections are closed, others after their answer. */
void http_server_drain(struct http_server *server);
struct http_stats *http_server_stats(struct http_server *server);
/* Puts them on /metrics, until the server is freed. RC_NOMEM. */
int http_server_register_metrics(struct http_server *server);

/* The row for listener_options.protocols; valid as long as the server. */
struct listener_protocol http_server_protocol(struct http_server *server);
/* What that row calls. listener may be NULL: then the connection is freed, not released. */
void http_server_accept(struct http_server *server, struct listener *listener,
                        struct bufferevent *connection, const struct address *from, bool tls);

#endif
