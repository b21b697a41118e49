/*
 * app/turn_thread.h - the share of one thread in the STUN and TURN server: its clients by UDP
 * and DTLS as the guest of a media worker, or by TCP and TLS on the control thread.
 *
 * Made on the control thread before its own runs; used and closed on its own.
 */
#ifndef APP_TURN_THREAD_H
#define APP_TURN_THREAD_H

#include "app/turn_splice.h"
#include "core/listener.h"
#include "relay/guest.h"
#include "turn/turn_dtls.h"
#include "turn/turn_tcp.h"
#include "turn/turn_worker.h"

struct turn_thread;

struct turn_thread_options {
    unsigned index; /* of the worker; the number of workers is the control thread's */
    struct loop *loop;
    struct worker *media;              /* NULL: the control thread */
    struct turn_splice *splice;        /* borrowed */
    struct relay_addresses *addresses; /* borrowed; NULL: no relays */
    struct turn_server_options server; /* for this thread */
    int relay_buffer_bytes;
    SSL_CTX *tls;                /* for DTLS; borrowed for the call; NULL: none */
    bool no_udp, no_tcp, no_tls; /* of clients */
};

/* RC_NOMEM, RC_SYS. */
int turn_thread_create(struct turn_thread **out, const struct turn_thread_options *options);
/* Ends its clients, on its thread or when that does not run. Not before the last message to it
 * has been discarded. NULL is fine. */
void turn_thread_free(struct turn_thread *thread);

/* A worker's. */
struct media_guest turn_thread_guest(struct turn_thread *thread);
/* The control thread's. */
struct listener_protocol turn_thread_protocol(struct turn_thread *thread);
uint32_t turn_thread_streams(const struct turn_thread *thread);

/* On its thread. */
void turn_thread_set_tls(struct turn_thread *thread, SSL_CTX *tls);
/* Ends what a user has who was revoked. */
void turn_thread_end_user(struct turn_thread *thread, const uint8_t user[static TURN_USER_ID]);

/* RC_NOMEM. */
int turn_thread_register_metrics(struct turn_thread *thread, const char *realm);

#endif
