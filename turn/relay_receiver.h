/*
 * turn/relay_receiver.h - the way in of a set of relays: which of them have something, their
 * datagrams and their ICMP errors. The inside of turn/relay_socket.h.
 *
 * Glue: sockets, libevent. Embedded in its set; belongs to its thread. No malloc per packet.
 */
#ifndef TURN_RELAY_RECEIVER_H
#define TURN_RELAY_RECEIVER_H

#include "turn/turn_relay.h"

#include <sys/epoll.h>
#include <sys/socket.h>

enum {
    RELAY_SLOTS = 64, /* messages that are lent between two flushes */
    RELAY_READY = 64, /* relays of one round */
    RELAY_RECEIVE_CONTROL = 64,
};

struct relay_receiver {
    struct loop *loop;                 /* borrowed */
    struct relay_sockets_stats *stats; /* borrowed */
    struct relay_socket_events events;
    struct event *readable; /* owned, on epoll_fd */
    int epoll_fd;           /* owned: level-triggered, every relay of the set */
    bool gro;
    uint32_t round;
    struct turn_relay *dead; /* owned: closed in this round */
    bool in_round;

    uint8_t *slots; /* owned: mmap, touched only as far as datagrams reach */
    size_t slot_size;
    unsigned slots_used; /* since the last flush */
    struct epoll_event ready[RELAY_READY];
    struct mmsghdr in[RELAY_BURST];
    struct iovec piece[RELAY_BURST];
    struct address from[RELAY_BURST];
    _Alignas(8) uint8_t control[RELAY_BURST][RELAY_RECEIVE_CONTROL];
};

/* RC_NOMEM, RC_SYS: close it all the same. */
int relay_receiver_open(struct relay_receiver *receiver,
                        const struct relay_sockets_options *options,
                        struct relay_sockets_stats *stats);
/* No relay is added any more. Takes one that was zeroed, with epoll_fd -1. */
void relay_receiver_close(struct relay_receiver *receiver);

/* RC_SYS. The relay's socket is open and is forgotten by closing it. */
int relay_receiver_add(struct relay_receiver *receiver, struct turn_relay *relay);
/* Frees a relay whose socket is closed, as soon as nobody looks at it any more. */
void relay_receiver_bury(struct relay_receiver *receiver, struct turn_relay *relay);

#endif
