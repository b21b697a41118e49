/*
 * core/listener.h - a TCP port that finds out what a connection speaks by its first bytes.
 *
 * Glue: sockets, libevent, OpenSSL. Belongs to the thread of its loop. A connection that says
 * nothing recognisable within first_bytes_timeout is closed. When a TLS context is set, a TLS
 * ClientHello is answered on the same port and the protocol is recognised again inside.
 */
#ifndef CORE_LISTENER_H
#define CORE_LISTENER_H

#include "core/address.h"
#include "core/base.h"
#include "core/loop.h"

#include <openssl/ssl.h>

struct bufferevent;
struct listener;

enum recognition { RECOGNISED_NO, RECOGNISED_MORE, RECOGNISED_YES };

/* A protocol that this port speaks. `accept` owns the bufferevent (no callbacks set, disabled,
 * first bytes still in its input) and must free it with listener_release. */
struct listener_protocol {
    const char *name;
    enum recognition (*recognise)(const uint8_t *first, size_t n);
    void (*accept)(void *arg, struct listener *listener, struct bufferevent *connection,
                   const struct address *from, bool tls);
    void *arg;
};

struct listener_options {
    struct address at;
    int backlog;                   /* 0: 1024 */
    uint32_t max_connections;      /* 0: 20000; beyond it a connection is closed and counted */
    usec_t first_bytes_timeout;    /* 0: 10 s, TLS handshake included */
    const struct listener_protocol *protocols; /* borrowed, outlives the listener */
    size_t protocol_count;
};

int listener_open(struct listener **out, struct loop *loop, const struct listener_options *options);
/* Stops accepting; connections that were handed over live on. */
void listener_stop(struct listener *listener);
void listener_close(struct listener *listener);

/* Takes a reference; NULL: no TLS. New connections use it at once, running ones keep theirs. */
void listener_set_tls(struct listener *listener, SSL_CTX *tls);

/* Ends a connection that was handed over, after its output is written or 2 s have passed. */
void listener_release(struct listener *listener, struct bufferevent *connection);
uint32_t listener_connections(const struct listener *listener);
struct address listener_address(const struct listener *listener);

#endif
