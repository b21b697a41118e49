/*
 * relay/ice_streams.h - the TCP connections of one worker's peers: packets out of their frames
 * and into them (RFC 4571), each connection with a leg that does not lag (core/stream_leg.h).
 *
 * Glue: sockets, libevent, OpenSSL, the worker's loop and thread. A connection comes with its
 * first message, which named a session of this worker; it stays as long as it is a path of that
 * session's peer (RFC 6544, section 7). It is known by a number that is never given twice,
 * inside an address (relay/stream_address.h).
 */
#ifndef RELAY_ICE_STREAMS_H
#define RELAY_ICE_STREAMS_H

#include "core/loop.h"
#include "core/metrics.h"
#include "core/stream.h"
#include "core/stream_leg.h"
#include "core/udp_port.h"

/* To prove itself by a check with the right integrity. */
#define ICE_STREAM_PROOF_TIMEOUT SEC(5)

struct ice_streams;

/* A connection that was taken off the listener. */
struct ice_stream_arrival {
    struct stream stream;
    struct address peer; /* the client's */
    struct span first;   /* bytes that were read: its first check, framed */
    void *ticket;        /* the giver's, handed back when the connection is closed */
};

struct ice_streams_output {
    void *arg;
    /* As a UDP port's receive function; 32 readable bytes behind each. */
    void (*input)(void *arg, struct udp_datagram *batch, size_t count, usec_t now);
    /* After the last input of a wakeup. */
    void (*idle)(void *arg, usec_t now);
    /* Is it a path of a peer? */
    bool (*accepts)(void *arg, const struct address *from);
    /* Closed: it is no path any more, and its leg is gone when this returns. */
    void (*lost)(void *arg, const struct address *remote, usec_t now);
    void (*closed)(void *arg, void *ticket);
};

struct ice_streams_stats {
    struct counter open; /* gauge */
    struct counter arrived;
    struct counter packets_in, packets_out;
    struct stream_legs legs;
};

/* RC_NOMEM. */
int ice_streams_create(struct ice_streams **out, struct loop *loop,
                       const struct ice_streams_output *output);
/* Writes what can be written at once and closes all, without `lost` and `closed`. Nothing may
 * be asked of it any more. */
void ice_streams_close(struct ice_streams *streams);
/* Once its loop is freed, which still runs what was deferred. NULL is fine. */
void ice_streams_free(struct ice_streams *streams);
struct ice_streams_stats *ice_streams_stats(struct ice_streams *streams);

/* Owns the connection, also when it fails (RC_NOMEM, RC_FULL: the numbers are used up): it is
 * then closed, and the ticket is not handed back. */
int ice_streams_add(struct ice_streams *streams, const struct ice_stream_arrival *arrival);

/* A packet to one of these addresses; lost when that is closed. Copied. Leaves with the flush.
 */
void ice_streams_send(struct ice_streams *streams, const struct address *to,
                      const uint8_t *data, size_t len);
void ice_streams_flush(struct ice_streams *streams);
/* It is no path any more: closed at the end of this turn. */
void ice_streams_end(struct ice_streams *streams, const struct address *remote);
/* NULL: closed. */
struct stream_leg *ice_streams_leg(struct ice_streams *streams, const struct address *to);

#endif
