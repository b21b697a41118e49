/*
 * turn/turn_dtls.h - the clients of TURN over DTLS (RFC 7350, RFC 6347) on a shared UDP port.
 *
 * Sans-IO in style: a datagram in, datagrams and messages out by callback; timers are
 * core/timer's, time is told. (One impurity: OpenSSL's retransmission timer reads the wall
 * clock; a clock that jumps delays a retransmission and nothing more.) One thread.
 *
 * An address that has not proved to be one costs nothing but an answer shorter than what it
 * sent (turn/turn_hello.h). One that has gets a session: 55 kB (bench/turn_parts_bench), nearly
 * all of it OpenSSL's. So sessions are bounded, those half open more closely, and each
 * source's of both; one without an allocation ends after a while.
 */
#ifndef TURN_TURN_DTLS_H
#define TURN_TURN_DTLS_H

#include "core/address.h"
#include "core/base.h"
#include "core/metrics.h"
#include "core/timer.h"
#include "turn/turn_server.h"

#include <openssl/ssl.h>

#define TURN_DTLS_SESSIONS 2000
#define TURN_DTLS_HALF_OPEN 128
#define TURN_DTLS_PER_SOURCE 32
#define TURN_DTLS_HALF_OPEN_PER_SOURCE 16 /* so that no source has all that may be half open   \
                                           */
#define TURN_DTLS_IDLE SEC(30)
#define TURN_DTLS_HANDSHAKE_TIME SEC(15)
#define TURN_DTLS_TIMER_FIRST MSEC(250) /* doubled with each retransmission up to … */
#define TURN_DTLS_TIMER_MAX SEC(4)
#define TURN_DTLS_MTU 1200 /* of a handshake's datagrams; relayed data is as long as it is */
#define TURN_DTLS_RECORD_MAX 2048
#define TURN_DTLS_MESSAGE_MAX 1984 /* with what DTLS adds, what core/udp_port.h sends */

/* The world around it. Each may call anything here but turn_dtls_free. */
struct turn_dtls_user {
    void *arg;
    /* One datagram; `bytes` are valid for the call only. */
    void (*send)(void *arg, const struct address *remote, const struct address *local,
                 struct span bytes);
    /* One whole message, valid until `flush` (or, without one, for the call):
     * turn_server_input. What it returns does not matter: a datagram that is no message is
     * dropped. */
    int (*input)(void *arg, const struct turn_client *from, struct span message, usec_t now);
    /* What `input` was given goes away: send what still points at it. NULL is fine. */
    void (*flush)(void *arg, usec_t now);
    /* The session ended by itself: turn_server_client_gone. Not called after
     * turn_dtls_close_client. */
    void (*gone)(void *arg, const struct turn_client *client, usec_t now);
    /* turn_server_find_client: those that have one may stay. */
    bool (*has_allocation)(void *arg, const struct turn_client *client);
};

struct turn_dtls_options {
    struct timers *timers; /* borrowed */
    struct turn_dtls_user user;
    uint32_t max_sessions, max_half_open, max_per_source; /* 0: the defaults above */
    uint32_t max_half_open_per_source;                    /* 0: the default above */
    usec_t idle, handshake_time;                          /* 0: the defaults above */
};

/* Written by the owner's thread; register them where they are. */
struct turn_dtls_stats {
    struct counter sessions, half_open; /* gauges; sessions has those half open, too */
    struct counter hellos;              /* ClientHello that were answered by a cookie */
    struct counter handshakes;          /* completed */
    struct counter dropped_oversize;    /* messages to clients, over TURN_DTLS_MESSAGE_MAX */
};

struct turn_dtls;

/* Certificate, chain and key are those of `tls`, a server's context (core/tls.h):
 * turn_dtls_certificate. RC_NOMEM; RC_BAD: it has none, or OpenSSL does not want them. */
int turn_dtls_create(struct turn_dtls **out, const struct turn_dtls_options *options,
                     SSL_CTX *tls, usec_t now);
/* Ends all sessions, without a word to anybody. NULL is fine. */
void turn_dtls_free(struct turn_dtls *dtls);

/* From the next handshake on; sessions keep what they began with. When it fails, what was goes
 * on. */
int turn_dtls_certificate(struct turn_dtls *dtls, SSL_CTX *tls);

/* A datagram whose first byte is 20 to 63 (RFC 7983). `local` must be spelled the same way for
 * every datagram of a client. */
void turn_dtls_input(struct turn_dtls *dtls, const struct address *remote,
                     const struct address *local, struct span datagram, usec_t now);
/* Is there a session of this client? For who shares the port with other DTLS. */
bool turn_dtls_knows(const struct turn_dtls *dtls, const struct address *remote,
                     const struct address *local);

/* turn_output.to_client: head, data and `tail` zeroes leave as one record. Nothing happens when
 * the session is not there any more, is not connected, or the message is over
 * TURN_DTLS_MESSAGE_MAX (counted). */
void turn_dtls_to_client(struct turn_dtls *dtls, const struct turn_client *client,
                         struct span head, struct span data, size_t tail);
/* turn_output.client_close: with a close_notify. */
void turn_dtls_close_client(struct turn_dtls *dtls, const struct turn_client *client,
                            usec_t now);

uint32_t turn_dtls_sessions(const struct turn_dtls *dtls);
struct turn_dtls_stats *turn_dtls_stats(struct turn_dtls *dtls);

#endif
