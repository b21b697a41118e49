/*
 * turn/turn_dtls_session.h - one DTLS client: an SSL over memory, its timers, its end.
 *
 * Internal to turn/turn_dtls.c, which owns the table. One thread.
 */
#ifndef TURN_TURN_DTLS_SESSION_H
#define TURN_TURN_DTLS_SESSION_H

#include "core/count_by_ip.h"
#include "core/refusal.h"
#include "core/table.h"
#include "turn/turn_dtls.h"
#include "turn/turn_hello.h"

#define TURN_DTLS_KEY 46 /* both addresses, family, port, IP and scope of each */

enum turn_dtls_ending {
    TURN_DTLS_STAYS,
    TURN_DTLS_CLOSED, /* the server wants it */
    TURN_DTLS_BROKEN, /* by the client, or by time: the server is told */
};

struct turn_dtls_session {
    UT_hash_handle hh; /* in turn_dtls.sessions, by key */
    uint8_t key[TURN_DTLS_KEY];
    struct turn_dtls *dtls; /* borrowed */
    struct turn_client client;
    SSL *ssl;                          /* owned */
    struct span in;                    /* the datagram that OpenSSL is to read; borrowed */
    uint8_t cookie[TURN_COOKIE_BYTES]; /* of the ClientHello that it began with */
    struct timer timer;
    usec_t deadline; /* of the handshake, then when somebody without an allocation has to go */
    usec_t retransmit; /* OpenSSL's timer on our clock; USEC_NEVER */
    bool connected;
    bool busy; /* a handler of ours is on the stack */
    enum turn_dtls_ending ending;
};

struct turn_dtls {
    struct turn_dtls_options options;   /* defaults filled in */
    SSL_CTX *context;                   /* owned */
    BIO_METHOD *method;                 /* owned */
    BIO_ADDR *nobody;                   /* owned; OpenSSL wants to write an address somewhere */
    struct turn_dtls_session *sessions; /* owned */
    uint32_t half_open;
    uint64_t next_number;
    struct count_by_ip sources, half_open_sources;
    struct turn_cookie_jar jar;
    struct turn_dtls_stats stats;
    uint8_t plain[2048]; /* the message that is being handled, or that is being made */
};

/* The table's part, in turn/turn_dtls.c: it is not half open any more; takes it out and frees
 * it.
 */
void turn_dtls_connected(struct turn_dtls_session *session);
void turn_dtls_forget(struct turn_dtls_session *session);

BIO_METHOD *turn_dtls_bio_method(void);
/* Called by OpenSSL with the session of SSL_get_app_data: is it the cookie that we checked? */
int turn_dtls_cookie_again(SSL *ssl, const unsigned char *cookie, unsigned n);

/* `session` has its client, cookie and place in the table. Begins with the ClientHello that
 * brought the cookie. RC_BAD: OpenSSL does not want it; RC_NOMEM. It is the caller's to forget
 * then. */
int turn_dtls_session_start(struct turn_dtls_session *session, struct span hello, usec_t now);
void turn_dtls_session_input(struct turn_dtls_session *session, struct span datagram,
                             usec_t now);
void turn_dtls_session_send(struct turn_dtls_session *session, struct span message);
/* The first reason counts. Frees the session at once, or when its handler returns. */
void turn_dtls_session_end(struct turn_dtls_session *session, enum turn_dtls_ending ending,
                           usec_t now);

#endif
