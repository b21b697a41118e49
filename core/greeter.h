/*
 * core/greeter.h - TCP connections that have not said yet what they speak: the header of a
 * proxy in front of them, a TLS handshake, the first bytes.
 *
 * Glue: sockets, libevent, OpenSSL. The listener's; belongs to the thread of its loop.
 *
 * Outside TLS the first bytes are looked at where they lie, in the kernel's buffer (MSG_PEEK):
 * a connection costs a descriptor and about 300 bytes. Inside TLS they have to be read to be
 * seen.
 */
#ifndef CORE_GREETER_H
#define CORE_GREETER_H

#include "core/address.h"
#include "core/listener.h"
#include "core/loop.h"
#include "core/stream.h"

struct greeter;

/* A connection that is understood. */
struct greeting {
    const struct listener_protocol *protocol;
    struct stream stream; /* the receiver's from now on */
    struct address from;  /* the client, as its proxy has it where there is one */
    struct span
        first; /* what was recognised: with TLS it has been read, else it is still there */
};

struct greeter_options {
    usec_t patience;                           /* from accept to the end of the first bytes */
    const struct listener_protocol *protocols; /* borrowed */
    size_t protocol_count;
    const struct address_net *proxies; /* borrowed: who must send a PROXY header */
    size_t proxy_count;
    bool proxies_only;
    void (*understood)(void *arg, const struct greeting *greeting);
    void (*lost)(void *arg); /* a connection ended here; counted where it was its fault */
    void *arg;
};

int greeter_create(struct greeter **out, struct loop *loop,
                   const struct greeter_options *options);
/* Closes everybody, without `lost`. NULL is fine. */
void greeter_free(struct greeter *greeter);

/* Takes a reference; NULL: no TLS. For those who have not begun their handshake. */
void greeter_set_tls(struct greeter *greeter, SSL_CTX *tls);
/* Owns the descriptor from now on. */
void greeter_add(struct greeter *greeter, int fd, const struct address *from);
/* How many have not been understood yet. */
uint32_t greeter_count(const struct greeter *greeter);

#endif
