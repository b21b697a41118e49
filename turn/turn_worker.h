/*
 * turn/turn_worker.h - the STUN and TURN server of one thread with its sockets: joins
 * turn/turn_server (which knows none) to the relays of the thread and to the ways by which
 * clients come.
 *
 * Glue: the relays' sockets, the wall clock. Belongs to the thread of its loop. What it does
 * not own is behind four pairs of functions: the UDP port of clients, streams, DTLS, and this
 * server's own media. Batches come in, and what they cause leaves in batches: nothing is copied
 * between.
 */
#ifndef TURN_TURN_WORKER_H
#define TURN_TURN_WORKER_H

#include "core/loop.h"
#include "core/udp_port.h"
#include "turn/relay_socket.h"
#include "turn/relay_tcp.h"
#include "turn/turn_server.h"
#include "turn/turn_tcp.h"

/* The UDP port that clients are answered by: as udp_port_send_parts and udp_port_flush. */
struct turn_wire {
    void *arg;
    void (*send)(void *arg, const struct address *to, const struct address *local,
                 const struct udp_parts *parts);
    void (*flush)(void *arg);
};

/* Clients of other transports, by their connection numbers: turn/turn_tcp.h, turn/turn_dtls.h.
 */
struct turn_carrier {
    void *arg;
    /* As in struct turn_output; `data` is borrowed for the call alone. */
    void (*to_client)(void *arg, const struct turn_client *client, struct span head,
                      struct span data, size_t tail);
    void (*close)(void *arg, const struct turn_client *client);
    /* DTLS: a datagram that begins like one of its records. It gives messages to
     * turn_worker_message from inside this. NULL for streams. */
    void (*input)(void *arg, struct udp_datagram *datagram, usec_t now);
    /* Streams: turn_tcp_detach, for the data connections of RFC 6062. NULL: there are none. */
    int (*detach)(void *arg, const struct turn_client *client, turn_tcp_taker *taker,
                  void *taker_arg);
};

/* The splice: `data` for this server's media at `peer`, as if `relayed` had sent it. Borrowed
 * until flush, which comes at the end of the batch and may call turn_worker_from_media. */
struct turn_media {
    void *arg;
    void (*send)(void *arg, const struct address *relayed, const struct address *peer,
                 struct span data, usec_t now);
    void (*flush)(void *arg, usec_t now);
};

struct turn_worker_options {
    struct loop *loop;                 /* borrowed */
    struct turn_server_options server; /* timers are the loop's */
    struct relay_addresses *addresses; /* borrowed; NULL: no relays (relay_ports_none) */
    int relay_buffer_bytes;            /* SO_RCVBUF of relays; 0: the system's */
    struct turn_wire wire;             /* send NULL: no UDP clients on this thread */
    struct turn_carrier stream, dtls;  /* to_client NULL: none; may be set later */
    struct turn_media media;           /* send NULL: none */
};

struct turn_worker;

/* RC_NOMEM, RC_SYS. */
int turn_worker_create(struct turn_worker **out, const struct turn_worker_options *options);
/* Ends every allocation. On the loop's thread, or when that does not run. NULL is fine. */
void turn_worker_free(struct turn_worker *worker);

void turn_worker_set_stream(struct turn_worker *worker, const struct turn_carrier *stream);
void turn_worker_set_dtls(struct turn_worker *worker, const struct turn_carrier *dtls);

/* Datagrams of the UDP port, each with where it came in (IP and port). What they send to peers
 * and to media has left when this returns; answers to clients leave with the wire's next flush.
 */
void turn_worker_input(struct turn_worker *worker, struct udp_datagram *batch, size_t count,
                       usec_t now);
/* One whole message of a stream or DTLS session, valid until turn_worker_flush: as
 * turn_server_input. */
int turn_worker_message(struct turn_worker *worker, const struct turn_client *from,
                        struct span message, usec_t now);
/* What still points into what came in leaves: to peers, and to media. */
void turn_worker_flush(struct turn_worker *worker, usec_t now);
/* A stream or DTLS session has ended. */
void turn_worker_gone(struct turn_worker *worker, const struct turn_client *client, usec_t now);
/* What the media sends to the relayed address of a spliced client, from `peer`. False: nobody
 * has it. `data` is borrowed until the wire's next flush. */
bool turn_worker_from_media(struct turn_worker *worker, const struct address *relayed,
                            const struct address *peer, struct span data, usec_t now);

struct turn_server *turn_worker_server(struct turn_worker *worker);
/* NULL: there are no relays. */
struct relay_sockets_stats *turn_worker_relay_stats(struct turn_worker *worker);
struct relay_tcp *
turn_worker_tcp(struct turn_worker *worker); /* NULL: RFC 6062 is not served */

/* All of this thread's numbers; `realm` as for turn_counters_register. RC_NOMEM. */
int turn_worker_register_metrics(struct turn_worker *worker, const char *realm);

#endif
