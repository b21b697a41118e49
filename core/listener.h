/*
 * core/listener.h - a TCP port that finds out what a connection speaks by its first bytes.
 *
 * Glue: sockets, libevent, OpenSSL. Belongs to the thread of its loop. A connection that says
 * nothing recognisable within first_bytes_timeout is closed. When a TLS context is set, a TLS
 * ClientHello is answered on the same port and the protocol is recognised again inside.
 * Connections from the listed proxies begin with a PROXY protocol header, before TLS or
 * anything else; from others such a header is an unknown protocol.
 *
 * Until it is understood (core/greeter.h) a connection costs a descriptor and about 300 bytes.
 * Afterwards the listener holds nothing for it but its number. When the process runs out of
 * descriptors, accepting pauses until one is free again.
 */
#ifndef CORE_LISTENER_H
#define CORE_LISTENER_H

#include "core/address.h"
#include "core/base.h"
#include "core/loop.h"

#include <openssl/ssl.h>

struct bufferevent;
struct listener;
struct stream;

/* What recognise gets to see at most: a protocol may want a whole message before it takes a
 * connection. The longest of them is an ICE check of 1280 bytes behind its length. */
#define LISTENER_FIRST_BYTES 1312

enum recognition { RECOGNISED_NO, RECOGNISED_MORE, RECOGNISED_YES };

/* A protocol that this port speaks; the first of the table that says yes gets the connection.
 *
 * recognise sees the first n bytes, 1 to LISTENER_FIRST_BYTES; pure.
 *
 * accept owns the bufferevent (no callbacks set, disabled, first bytes still in its input) and
 * ends it with listener_release, now or later. It sets its callbacks and enables reading; when
 * it returns and there are bytes in the input, the read callback runs by itself.
 *
 * take, where there is one, is called in place of accept: it owns the connection without any
 * event loop around it, so that it can be given to another thread. `first` are bytes that have
 * been read off it, valid for the call. The connection counts until listener_forget, which
 * follows once it is closed. */
struct listener_protocol {
    const char *name;
    enum recognition (*recognise)(const uint8_t *first, size_t n);
    void (*accept)(void *arg, struct listener *listener, struct bufferevent *connection,
                   const struct address *from, bool tls);
    void *arg;
    void (*take)(void *arg, struct listener *listener, const struct stream *stream,
                 const struct address *from, struct span first);
};

struct listener_options {
    struct address at;        /* "*" is dual stack, or IPv4 where the kernel has nothing else */
    int backlog;              /* 0: 1024 */
    uint32_t max_connections; /* 0: 20000; beyond it a connection is closed and counted */
    usec_t first_bytes_timeout;                /* 0: 10 s, TLS handshake included */
    usec_t release_timeout;                    /* 0: 2 s */
    const struct listener_protocol *protocols; /* borrowed, outlives the listener */
    size_t protocol_count;
    const struct address_net *proxies; /* who must send a PROXY header; borrowed likewise */
    size_t proxy_count;
    bool proxies_only; /* nobody else may connect */
};

/* RC_SYS (errno: EADDRINUSE, EACCES…), RC_NOMEM; RC_BAD when options->at is no address. */
int listener_open(struct listener **out, struct loop *loop,
                  const struct listener_options *options);
/* Stops accepting and closes the port; connections that were handed over live on, those that
 * have not said anything yet may still do so. */
void listener_stop(struct listener *listener);
/* The same, and drops those that were not handed over yet and those that are being released.
 * The memory stays until the last connection that was handed over is released. NULL is fine.
 * Not inside accept: loop_defer it. */
void listener_close(struct listener *listener);

/* Takes a reference; NULL: no TLS. New connections use it at once, running ones keep theirs. */
void listener_set_tls(struct listener *listener, SSL_CTX *tls);

/* Ends a connection that was handed over: its callbacks are removed, what is in its output is
 * written, the other side may read it and hang up; after release_timeout it is closed anyway.
 * The bufferevent must not be used any more. Fine inside its own callbacks. */
void listener_release(struct listener *listener, struct bufferevent *connection);
/* A connection that was taken is closed. Own thread only. */
void listener_forget(struct listener *listener);
/* All of them, from accept to close. */
uint32_t listener_connections(const struct listener *listener);
struct address listener_address(const struct listener *listener);

#endif
