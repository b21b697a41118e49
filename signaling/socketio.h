/*
 * signaling/socketio.h - Socket.IO server, protocol revisions 5 (clients 3.x and 4.x) and 4
 * (client 2.x), on Engine.IO 4 and 3.
 *
 * Glue over engineio.h; socketio_packet.[ch] is the sans-IO codec. Everything, handlers
 * included, runs on the thread of the loop that the server was created with.
 *
 * Ownership: the server owns its namespaces and sockets. A socket is good from `connected`
 * until `disconnected` has returned. Any function here may be called from any handler, also
 * sio_disconnect on the socket that is being handled.
 *
 * JSON: every json_t that is passed in is taken over (as by jansson's *_new functions), also
 * when the call fails; every json_t that a handler is given is borrowed: json_incref what you
 * keep.
 *
 * Binary: an attachment stands in the JSON as {"_placeholder":true,"num":i}, i its index among
 * the attachments; both ways. What arrives has been checked: each placeholder's num is in
 * range, and at most SIO_ATTACHMENTS_MAX came.
 */
#ifndef SIGNALING_SOCKETIO_H
#define SIGNALING_SOCKETIO_H

#include "core/address.h"
#include "core/base.h"
#include "core/metrics.h"
#include "core/refusal.h"
#include "signaling/engineio.h"

#include <jansson.h>

struct sio_handshake;
struct sio_namespace;
struct sio_server;
struct sio_socket;

#define SIO_ATTACHMENTS_MAX 10     /* of one packet */
#define SIO_JSON_DEPTH_MAX 64      /* nesting of arrays and objects in one packet */
#define SIO_EVENT_NAME_MAX 128     /* bytes; longer names are malformed packets */
#define SIO_NAMESPACE_NAME_MAX 128 /* bytes, "/" included */
#define SIO_SOCKETS_PER_CLIENT 16  /* namespaces that one connection may be in */
#define SIO_ACKS_PENDING_MAX 256   /* acks that we wait for on one socket */
#define SIO_NO_ACK (-1)

struct sio_options {
    struct eio_options engine;     /* path: zero means "/socket.io/" here */
    usec_t connect_timeout;        /* 0: 60 s from the session's opening to its first CONNECT */
    uint32_t max_attachment_bytes; /* 0: twice max_payload; all attachments of one packet */
};

/* One event (or one ack's answer: then name is NULL). Borrowed for the length of the call. */
struct sio_event {
    const char *name;
    json_t *args; /* array, the name not in it */
    const struct span *attachments;
    size_t attachment_count;
    int64_t ack_id; /* for sio_ack; SIO_NO_ACK when the client asked for none */
};

/* Any may be NULL. `user` is the socket's pointer. */
struct sio_handlers {
    /* May this client enter? REFUSAL_NONE, or what is counted and told as CONNECT_ERROR
     * {"message": refusal_text, "data": {"code": refusal_code}}. *user (NULL at first) becomes
     * the socket's pointer; after REFUSAL_NONE `connected` follows, unless memory is out. Must
     * not shut the server down. */
    enum refusal (*authorize)(void *arg, const struct sio_handshake *handshake, void **user);
    void (*connected)(void *arg, struct sio_socket *socket);
    /* Reserved names never get here. Without a handler, events are dropped. */
    void (*event)(void *arg, struct sio_socket *socket, const struct sio_event *event);
    /* Exactly once for each connected socket, with the Node server's words: "client namespace
     * disconnect", "server namespace disconnect", "transport close", "transport error",
     * "ping timeout", "parse error", "forced close", "server shutting down"; and "slow reader",
     * "flood". Sending to the socket from here does nothing. */
    void (*disconnected)(void *arg, struct sio_socket *socket, const char *reason);
};

struct sio_stats {
    struct counter sockets;   /* gauge */
    struct counter connected; /* counter */
    struct counter events_in, events_out, acks_in, acks_out, attachments_in;
};

int sio_server_create(struct sio_server **out, struct loop *loop,
                      const struct sio_options *options);
/* The row for the HTTP server's table. The two servers may be freed in either order, without a
 * turn of the loop between them. */
struct http_route sio_server_route(struct sio_server *server);
/* Registers a namespace ("/", "/custom") before clients come. handlers is borrowed and must be
 * static. RC_BAD for a name that does not begin with "/", holds a comma or "?", or is taken. */
int sio_namespace_create(struct sio_namespace **out, struct sio_server *server,
                         const char *name, const struct sio_handlers *handlers, void *arg);
/* Lets nobody in any more and closes every connection after what was sent before. Clients see
 * the transport close and come back by themselves. `disconnected` is called from inside. */
void sio_server_shutdown(struct sio_server *server);
/* Connections that have not gone yet (those closing wait for their last bytes to be read). */
uint32_t sio_server_sessions(const struct sio_server *server);
/* Closes what is still open. NULL is fine. Not from inside a handler. */
void sio_server_free(struct sio_server *server);
struct sio_stats *sio_server_stats(struct sio_server *server);
/* Registers sio_stats and eio_stats on /metrics. */
int sio_server_register_metrics(struct sio_server *server);

/* --- what authorize is told; valid during the call ---------------------------------------- */

const struct address *sio_handshake_address(const struct sio_handshake *handshake);
/* As eio_session_query and eio_session_header. */
bool sio_handshake_query(const struct sio_handshake *handshake, const char *name, char *buf,
                         size_t size);
const char *sio_handshake_header(const struct sio_handshake *handshake, const char *name);
/* The auth payload: always an object; empty for clients that sent none and for clients 2.x. */
const json_t *sio_handshake_auth(const struct sio_handshake *handshake);
int sio_handshake_protocol(const struct sio_handshake *handshake); /* Engine.IO's: 4 or 3 */
/* The id that the socket will have if it is let in. */
const char *sio_handshake_id(const struct sio_handshake *handshake);

/* --- sending ------------------------------------------------------------------------------ */

/* All of these: RC_OK; RC_BAD when the socket is disconnected; RC_FULL when the client reads
 * too slowly and is being closed for it; RC_NOMEM. Order is kept per socket. */

/* Emits `event` with one argument; NULL: with none. */
int sio_emit(struct sio_socket *socket, const char *event, json_t *payload);
/* With an array of arguments and attachments (bytes are copied). */
int sio_emit_args(struct sio_socket *socket, const char *event, json_t *args,
                  const struct span *attachments, size_t attachment_count);
/* One encoding for all of `sockets`, which are of one namespace. Those that cannot take it are
 * skipped. Returns how many took it. */
size_t sio_emit_many(struct sio_socket *const *sockets, size_t count, const char *event,
                     json_t *payload);
/* To every socket of the namespace but `except` (may be NULL). */
size_t sio_emit_all(struct sio_namespace *namespace, const struct sio_socket *except,
                    const char *event, json_t *payload);

/* Answers an event that came with an ack id, with one argument; harmless for SIO_NO_ACK. */
int sio_ack(struct sio_socket *socket, int64_t ack_id, json_t *payload);
int sio_ack_args(struct sio_socket *socket, int64_t ack_id, json_t *args,
                 const struct span *attachments, size_t attachment_count);

/* The client's answer, or NULL when it did not come in time or the socket went away. Called
 * exactly once for each sio_emit_with_ack that returned RC_OK. */
typedef void sio_ack_fn(void *arg, struct sio_socket *socket, const struct sio_event *answer);
/* RC_FULL also when SIO_ACKS_PENDING_MAX answers are awaited: then the socket lives on. */
int sio_emit_with_ack(struct sio_socket *socket, const char *event, json_t *payload,
                      usec_t timeout, sio_ack_fn *fn, void *arg);

/* Leaves the namespace: the client sees "io server disconnect" and does not come back by
 * itself. With `close` the whole connection ends, all its namespaces included. Calls
 * `disconnected` from inside. */
void sio_disconnect(struct sio_socket *socket, bool close);

/* --- a socket ----------------------------------------------------------------------------- */

const char *sio_id(const struct sio_socket *socket);
void *sio_user(const struct sio_socket *socket);
void sio_set_user(struct sio_socket *socket, void *user);
struct sio_namespace *sio_namespace_of(const struct sio_socket *socket);
const char *sio_namespace_name(const struct sio_namespace *namespace);
uint32_t sio_namespace_sockets(const struct sio_namespace *namespace);
const struct address *sio_address(const struct sio_socket *socket);
bool sio_query(const struct sio_socket *socket, const char *name, char *buf, size_t size);
int sio_protocol(const struct sio_socket *socket); /* Engine.IO's: 4 or 3 */
enum eio_transport sio_transport(const struct sio_socket *socket);
size_t sio_backlog(const struct sio_socket *socket); /* bytes not yet with the kernel */
bool sio_connected(const struct sio_socket *socket);

#endif
