/*
 * turn/tcp_pipe.h - the client's data connection and the peer's connection, made one (RFC 6062
 * section 5.4): the bytes of either go to the other as they are, in order, none is lost.
 *
 * Glue: libevent, and OpenSSL where the client speaks TLS. One thread.
 *
 * Bounds: what waits for one side is at most TCP_PIPE_BUFFER and what one read brings; then the
 * other side is not read, and the kernel tells it by its window. The user says how fast each
 * way may go. A side that ends (FIN, close_notify) is passed on, after what it said, and the
 * other way stays open: for as long as something goes that way every TCP_PIPE_HALF_OPEN. A side
 * that does not read, or is not there any more, for TCP_PIPE_PATIENCE ends both.
 */
#ifndef TURN_TCP_PIPE_H
#define TURN_TCP_PIPE_H

#include "core/listener.h"
#include "core/loop.h"

#define TCP_PIPE_BUFFER (64 * 1024)
#define TCP_PIPE_HALF_OPEN SEC(60)
#define TCP_PIPE_PATIENCE SEC(120)

enum tcp_pipe_way { TCP_PIPE_FROM_CLIENT, TCP_PIPE_FROM_PEER, TCP_PIPE_WAYS };

struct tcp_pipe;

struct tcp_pipe_user {
    void *arg;
    /* So much has gone one way. Returns how long that way has to rest; 0: not at all. Must not
     * free the pipe. */
    usec_t (*carried)(void *arg, enum tcp_pipe_way way, size_t bytes, usec_t now);
    /* Both sides have ended, or one broke. Free the pipe; nothing else is called. */
    void (*ended)(void *arg, usec_t now);
};

/* Takes both connections: the client's as turn_tcp_taker gets it, what is in its input and
 * output included, and the peer's descriptor. On failure they are closed. RC_NOMEM. What has
 * come already is carried before it returns, and `ended` is never called from inside. */
int tcp_pipe_create(struct tcp_pipe **out, struct loop *loop, struct listener *listener,
                    struct bufferevent *client, int peer_fd, const struct tcp_pipe_user *user);
/* Closes both. What waits for the client is still sent if it reads it (listener_release). */
void tcp_pipe_free(struct tcp_pipe *pipe);

/* What waits to go that way; for tests. */
size_t tcp_pipe_waiting(const struct tcp_pipe *pipe, enum tcp_pipe_way way);

#endif
