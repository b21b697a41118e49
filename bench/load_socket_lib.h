/*
 * bench/load_socket_lib.h - a Socket.IO client over WebSocket, as small as can be: text frames,
 * the root namespace, no acks. One TCP connection.
 *
 * Opening blocks (the server answers at once); from then on load_socket_read, when readable.
 */
#ifndef BENCH_LOAD_SOCKET_LIB_H
#define BENCH_LOAD_SOCKET_LIB_H

#include "core/address.h"

#include <jansson.h>

/* An event of the server's: its name and first argument (borrowed; may be NULL). */
typedef void load_socket_event_fn(void *arg, const char *name, const json_t *payload);

struct load_socket {
    int fd;
    char *buf; /* owned: what has come and is not a whole frame yet */
    size_t len, capacity;
    load_socket_event_fn *event;
    void *arg;
};

/* Connects, upgrades and joins the root namespace. RC_SYS: refused or reset. */
int load_socket_open(struct load_socket *s, const struct address *server,
                     load_socket_event_fn *event, void *arg);
void load_socket_close(struct load_socket *s);
/* Takes the payload. */
void load_socket_emit(struct load_socket *s, const char *name, json_t *payload);
/* Handles all that has come. False: the connection is over. */
bool load_socket_read(struct load_socket *s);

#endif
