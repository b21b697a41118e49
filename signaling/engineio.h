/*
 * signaling/engineio.h - Engine.IO server, protocol revisions 4 and 3: sessions over HTTP
 * long-polling and WebSocket, with the upgrade from the first to the second.
 *
 * Glue: puts engineio_session.[ch] (the sans-IO state machine) on http.h and websocket.h.
 * Everything runs on the thread of the loop that it was created with. JSONP (revision 3's `j=`)
 * is not spoken and refused with 400.
 *
 * Ownership: the server owns its sessions. A session handed to a handler is good until `closed`
 * has returned; never touch it afterwards.
 */
#ifndef SIGNALING_ENGINEIO_H
#define SIGNALING_ENGINEIO_H

#include "core/address.h"
#include "core/base.h"
#include "core/metrics.h"
#include "signaling/http.h"

struct cors;
struct loop;
struct eio_message;
struct eio_server;
struct eio_session;

enum eio_transport { EIO_POLLING, EIO_WEBSOCKET };

/* Why a session ended; eio_close_text gives the words that the Node server uses. */
enum eio_close {
    EIO_CLOSE_CLIENT,       /* the client said so: "transport close" */
    EIO_CLOSE_TRANSPORT,    /* connection lost or poll given up: "transport close" */
    EIO_CLOSE_PING_TIMEOUT, /* "ping timeout" */
    EIO_CLOSE_BAD_PACKET,   /* "parse error" */
    EIO_CLOSE_OVERLAP,      /* two polls or two posts at once: "transport error" */
    EIO_CLOSE_SLOW_READER,  /* more waits for the client than the limits allow */
    EIO_CLOSE_FLOOD,        /* more packets in a second than the limit allows */
    EIO_CLOSE_SERVER,       /* eio_session_close: "forced close" */
    EIO_CLOSE_SHUTDOWN,     /* "server shutting down" */
};
const char *eio_close_text(enum eio_close why);

/* Zero means the default that stands beside the member. */
struct eio_options {
    const char *path;            /* "/engine.io/"; borrowed, static */
    usec_t ping_interval;        /* 25 s */
    usec_t ping_timeout;         /* 120 s */
    usec_t upgrade_timeout;      /* 30 s from the WebSocket's opening to its upgrade packet */
    uint32_t max_payload;        /* 1 000 000 bytes: one POST body, one WebSocket message */
    uint32_t queue_messages;     /* 1000: packets that wait for a poll */
    uint32_t queue_bytes;        /* 4 MiB: bytes that wait for a poll or in a socket's buffer */
    uint32_t packets_per_second; /* 2000: received by one session, then it is closed */
    uint32_t max_sessions;       /* 20 000 */
    bool refuse_eio3;            /* allow-eio3 turned off */
    const struct cors *cors;     /* borrowed; NULL: pages of any origin, without CORS fields */
    const char *const
        *kept_headers; /* NULL-terminated, static: request headers of the handshake
                          that eio_session_header can tell later; NULL: none */
};

/* Zeros become defaults. */
void eio_options_complete(struct eio_options *options);

struct eio_handlers {
    /* A session is open: messages may be sent at once. eio_session_set_user here. */
    void (*opened)(void *arg, struct eio_session *session);
    /* `data` is valid UTF-8 unless `binary`; borrowed for the length of the call. */
    void (*message)(void *arg, struct eio_session *session, struct span data, bool binary);
    /* Exactly once for each opened session, whoever ended it. */
    void (*closed)(void *arg, struct eio_session *session, enum eio_close why);
};

struct eio_stats {
    struct counter sessions;         /* gauge: open now */
    struct counter websockets;       /* gauge: open now on WebSocket */
    struct counter opened, upgraded; /* counters */
    struct counter packets_in, packets_out;
    struct counter bytes_in, bytes_out; /* of message payloads, before framing */
};

/* handlers is borrowed and must be static. RC_NOMEM. */
int eio_server_create(struct eio_server **out, struct loop *loop,
                      const struct eio_options *options, const struct eio_handlers *handlers,
                      void *arg);
/* The row for the HTTP server's table. The two servers may be freed in either order, without a
 * turn of the loop between them. */
struct http_route eio_server_route(struct eio_server *server);
/* No new sessions (503 with the code shutting_down); every open one is told and closed. The
 * client sees the transport close, so that it comes back by itself to whoever serves next. */
void eio_server_shutdown(struct eio_server *server);
/* Sessions that are not gone: open ones and those that wait for their last poll. */
uint32_t eio_server_sessions(const struct eio_server *server);
/* Also closes what is still open, with its `closed`. NULL is fine. Not from inside a handler.
 */
void eio_server_free(struct eio_server *server);
struct eio_stats *eio_server_stats(struct eio_server *server);
/* Registers eio_stats on /metrics. */
int eio_server_register_metrics(struct eio_server *server);

/* --- messages ---------------------------------------------------------------------------- */

/* A message encoded once and sent to any number of sessions. Text must be valid UTF-8. The
 * caller has one reference. NULL: no memory. */
struct eio_message *eio_message_create(bool binary, size_t n);
/* Where the `n` bytes go; write them before the first send. */
uint8_t *eio_message_data(struct eio_message *message);
void eio_message_release(struct eio_message *message); /* NULL is fine */

/* Queues or sends; takes a reference of its own. RC_FULL: the client reads too slowly, the
 * session is being closed for it (closed is called from the loop, not from inside). RC_BAD: it
 * is closed already. */
int eio_session_send(struct eio_session *session, struct eio_message *message);

/* --- a session --------------------------------------------------------------------------- */

/* Ends it after what was sent before has gone out. Calls `closed` from inside. */
void eio_session_close(struct eio_session *session, enum eio_close why);

#define EIO_SID_LENGTH 20 /* characters of [A-Za-z0-9_-]: 120 bits nobody can guess */
const char *eio_session_id(const struct eio_session *session);
int eio_session_protocol(const struct eio_session *session); /* 4 or 3 */
enum eio_transport eio_session_transport(const struct eio_session *session);
const struct address *
eio_session_address(const struct eio_session *session); /* of the handshake */
/* Value of a parameter of the handshake's query, percent-decoded into buf; false when it is not
 * there, does not fit or holds a NUL or invalid UTF-8. */
bool eio_session_query(const struct eio_session *session, const char *name, char *buf,
                       size_t size);
/* A kept header of the handshake, or NULL. Lower-case name. */
const char *eio_session_header(const struct eio_session *session, const char *name);
size_t
eio_session_backlog(const struct eio_session *session); /* bytes not yet with the kernel */
void *eio_session_user(const struct eio_session *session);
void eio_session_set_user(struct eio_session *session, void *user);

#endif
