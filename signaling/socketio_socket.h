/*
 * signaling/socketio_socket.h - one client in one namespace: what it is sent and the answers
 * that are awaited from it. The inner side of the sio_* functions that take a socket.
 *
 * Glue of socketio.c's kind: reads the loop's time for the timeout of an ack. One thread.
 * Owner: the server; a socket that left is freed by the server's reaper, never from inside a
 * handler.
 */
#ifndef SIGNALING_SOCKETIO_SOCKET_H
#define SIGNALING_SOCKETIO_SOCKET_H

#include "core/base.h"
#include "core/loop.h"
#include "core/timer.h"
#include "signaling/socketio.h"
#include "signaling/socketio_packet.h"

struct sio_pending; /* an ack that is awaited */

struct sio_namespace {
    struct sio_server *server;
    const struct sio_handlers *handlers; /* borrowed */
    void *arg;
    struct sio_namespace *next; /* of the server */
    struct sio_socket *sockets; /* by next_in_namespace */
    uint32_t socket_count;
    struct loop *loop;       /* borrowed */
    struct sio_stats *stats; /* the server's */
    size_t name_length;
    char name[];
};

struct sio_socket {
    struct sio_namespace *namespace;
    struct eio_session *session; /* good until it has left */
    struct sio_socket *next;     /* of its client; of the dead once it has left */
    struct sio_socket *next_in_namespace, **link_in_namespace;
    void *user;
    struct sio_pending *acks;
    uint32_t ack_count;
    int64_t next_ack_id;
    bool connected;
    char id[];
};

/* A socket with this id, in its namespace's list. NULL: no memory. */
struct sio_socket *sio_socket_create(struct sio_namespace *namespace,
                                     struct eio_session *session, const char *id);
/* Takes it out of the namespace, ends what it awaits, calls `disconnected`. The client has
 * taken it out of its own list. */
void sio_socket_leave(struct sio_socket *socket, const char *reason);
/* Only after sio_socket_leave. */
void sio_socket_free(struct sio_socket *socket);

/* Sends a packet of a type that carries no attachments to a session. Takes json over. */
int sio_send_packet(struct eio_session *session, struct span namespace, enum sio_type type,
                    json_t *json);

/* The name of a namespace as packets carry it. */
struct span sio_namespace_span(const struct sio_namespace *namespace);
/* Hands the client's answer to who awaits it; an id that nobody awaits is ignored. */
void sio_socket_answer(struct sio_socket *socket, const struct sio_event *answer);

#endif
