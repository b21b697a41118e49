/*
 * turn/relay_pipe.h - the client's data connection and the peer's connection, made one (RFC
 * 6062 section 5.4): the bytes of either go to the other as they are, in order, none is lost.
 *
 * Glue: libevent, and OpenSSL where the client speaks TLS. One thread.
 *
 * Bounds: what waits for one side is at most RELAY_PIPE_BUFFER and what one read brings; then
 * the other side is not read, and the kernel tells it by its window; as much again may lie
 * unsent in the kernel. The user says how fast each way may go. A side that ends (FIN,
 * close_notify) is passed on, after what it said, and the other way stays open: for as long as
 * something goes that way every RELAY_PIPE_HALF_OPEN. A side that does not read, or is not
 * there any more, for RELAY_PIPE_PATIENCE ends both.
 */
#ifndef TURN_RELAY_PIPE_H
#define TURN_RELAY_PIPE_H

#include "core/listener.h"
#include "core/loop.h"

#define RELAY_PIPE_BUFFER (64 * 1024)
#define RELAY_PIPE_HALF_OPEN SEC(60)
#define RELAY_PIPE_PATIENCE SEC(120)

enum relay_pipe_way { RELAY_PIPE_FROM_CLIENT, RELAY_PIPE_FROM_PEER, RELAY_PIPE_WAYS };

struct relay_pipe;

struct relay_pipe_user {
    void *arg;
    /* So much has gone one way. Returns how long that way has to rest; 0: not at all. Must not
     * free the pipe. */
    usec_t (*carried)(void *arg, enum relay_pipe_way way, size_t bytes, usec_t now);
    /* Both sides have ended, or one broke. Free the pipe; nothing else is called. */
    void (*ended)(void *arg, usec_t now);
};

/* Takes both connections: the client's as turn_tcp_taker gets it, what is in its input and
 * output included, and the peer's descriptor. On failure they are closed. RC_NOMEM. What has
 * come already is carried before it returns, and `ended` is never called from inside. */
int relay_pipe_create(struct relay_pipe **out, struct loop *loop, struct listener *listener,
                      struct bufferevent *client, int peer_fd,
                      const struct relay_pipe_user *user);
/* Closes both. What waits for the client is still sent if it reads it (listener_release). */
void relay_pipe_free(struct relay_pipe *pipe);

/* What waits to go that way; for tests. */
size_t relay_pipe_waiting(const struct relay_pipe *pipe, enum relay_pipe_way way);

#endif
