/*
 * tests/turn/dtls_client_lib.h - DTLS clients of OpenSSL's and a network of memory between them
 * and one turn_dtls, in virtual time.
 */
#ifndef TESTS_TURN_DTLS_CLIENT_LIB_H
#define TESTS_TURN_DTLS_CLIENT_LIB_H

#include "relay/datagram_bio.h"
#include "turn/turn_dtls.h"

#define DTLS_CLIENTS 16
#define DTLS_CLIENT_INBOX 64

struct dtls_client {
    SSL *ssl; /* owned; NULL: nobody is at this address */
    struct datagram_bio bio;
    struct address address;
    bool connected, closed;
    size_t received; /* messages */
    uint8_t last[2048];
    size_t last_n;
    struct {
        uint8_t bytes[2048];
        size_t n;
    } inbox[DTLS_CLIENT_INBOX];
    size_t inbox_n;
};

struct dtls_net {
    usec_t now;
    struct timers *timers;
    struct turn_dtls *dtls; /* the test's */
    struct address server;
    struct dtls_client client[DTLS_CLIENTS];
    SSL_CTX *context; /* of the clients */
    BIO_METHOD *method;
    /* Is the nth datagram in all lost? NULL: none is. */
    bool (*lost)(unsigned nth);
    unsigned sent;
    size_t strays; /* datagrams for addresses where nobody is */
    size_t stray_n;
    uint8_t stray[2048]; /* the last of them */
};

void dtls_net_open(struct dtls_net *net, usec_t now);
void dtls_net_close(struct dtls_net *net);
/* turn_dtls_user.send; `arg` is the net. */
void dtls_net_send(void *arg, const struct address *remote, const struct address *local,
                   struct span bytes);

/* A client at "192.0.2.`host`:`port`" that begins its handshake; whoever was in the slot is
 * gone. */
struct dtls_client *dtls_net_client(struct dtls_net *net, unsigned slot, unsigned host,
                                    unsigned port);
void dtls_client_say(struct dtls_net *net, struct dtls_client *client, struct span message);
/* Says close_notify. */
void dtls_client_leave(struct dtls_net *net, struct dtls_client *client);
/* A datagram from anywhere. */
void dtls_net_inject(struct dtls_net *net, const struct address *from, struct span bytes);
/* Everything that can happen until nothing is under way. */
void dtls_net_settle(struct dtls_net *net);
/* Lets time go by, timers included. */
void dtls_net_run(struct dtls_net *net, usec_t until);

#endif
