/*
 * turn/relay_receiver.h - the way in of a set of relays: their datagrams and their ICMP errors.
 * The inside of turn/relay_socket.h.
 *
 * Glue: sockets, libevent. Embedded in its set; belongs to its thread. No malloc per packet.
 */
#ifndef TURN_RELAY_RECEIVER_H
#define TURN_RELAY_RECEIVER_H

#include "turn/turn_relay.h"

#include <sys/socket.h>

enum {
    RELAY_SLOTS = 64, /* messages that are lent between two flushes */
    RELAY_RECEIVE_CONTROL = 64,
};

struct relay_receiver {
    struct loop *loop;                 /* borrowed */
    struct relay_sockets_stats *stats; /* borrowed */
    struct relay_socket_events events;
    struct event *flush; /* owned: runs behind the relays that are ready with it */
    bool flush_due, gro;
    struct turn_relay *dead; /* owned: closed inside its own handler */
    bool in_handler;

    uint8_t *slots; /* owned: mmap, touched only as far as datagrams reach */
    size_t slot_size;
    unsigned slots_used; /* since the last flush */
    struct mmsghdr in[RELAY_BURST];
    struct iovec piece[RELAY_BURST];
    struct address from[RELAY_BURST];
    _Alignas(8) uint8_t control[RELAY_BURST][RELAY_RECEIVE_CONTROL];
};

/* RC_NOMEM, RC_SYS: close it all the same. */
int relay_receiver_open(struct relay_receiver *receiver,
                        const struct relay_sockets_options *options,
                        struct relay_sockets_stats *stats);
/* There is no relay any more. Takes one that was zeroed. */
void relay_receiver_close(struct relay_receiver *receiver);

/* The relay's socket is open. RC_NOMEM. */
int relay_receiver_add(struct relay_receiver *receiver, struct turn_relay *relay);
/* Closes its socket, and frees it as soon as nobody looks at it any more. */
void relay_receiver_remove(struct relay_receiver *receiver, struct turn_relay *relay);

#endif
