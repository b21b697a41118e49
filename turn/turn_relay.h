/*
 * turn/turn_relay.h - one socket of a set of relays. The inside of turn/relay_socket.h, for
 * turn/relay_receiver.c and turn/relay_sender.c; and the head of a relay of turn/relay_tcp.h,
 * which uses what every relay has: for turn/turn_worker.c, which keeps both, to tell them
 * apart.
 */
#ifndef TURN_TURN_RELAY_H
#define TURN_TURN_RELAY_H

#include "turn/relay_socket.h"

#include <event2/event_struct.h>

struct turn_relay {
    int fd; /* owned; -1: closed, and freed when its handler returns, or held without one */
    sa_family_t family;
    uint16_t port;
    bool tcp;                /* one of turn/relay_tcp.h */
    bool dont_fragment;      /* what the socket is set to now */
    in_port_t too_long_port; /* of whom the kernel last refused a datagram for its length */
    uint16_t first, last, gathered;      /* packets that wait in the sender, if it is dirty */
    usec_t read_at;                      /* when it was last read */
    const struct relay_address *address; /* borrowed */
    struct turn_allocation *owner;       /* borrowed; NULL: reserved */
    struct relay_direct *direct;         /* owned; NULL: none */
    struct address last_to;              /* who was sent to last, not by `direct` */
    uint16_t streak; /* packets in a row to them, up to RELAY_DIRECT_AFTER */
    bool never_direct;
    struct turn_relay *dirty_next, **dirty_at; /* at: NULL while nothing is gathered for it */
    struct turn_relay *next, **at;             /* all of the set */
    struct relay_receiver *receiver;           /* borrowed */
    struct event readable;
};

_Static_assert(sizeof(struct turn_relay) <= 320, "every allocation has one");

#endif
