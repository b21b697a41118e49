/*
 * turn/relay_sender.h - the way out of a set of relays: gathers packets to peers for all of
 * them, and hands each relay's to the kernel in one call, neighbours of one size to one peer as
 * one UDP GSO message. The inside of turn/relay_socket.h.
 *
 * Glue: sockets. Embedded in its set; belongs to its thread. No malloc.
 */
#ifndef TURN_RELAY_SENDER_H
#define TURN_RELAY_SENDER_H

#include "turn/turn_relay.h"

#include <sys/socket.h>

enum { RELAY_SEND_MESSAGES = 64, RELAY_SEND_CONTROL = 24 };

struct relay_packet {
    struct address to;
    const uint8_t *data; /* borrowed */
    uint16_t len, next;  /* next: of the same relay */
    bool dont_fragment;
};

struct relay_sender {
    struct relay_sockets_stats *stats; /* borrowed */
    struct relay_receiver *receiver;   /* borrowed; NULL: no second sockets for busy relays */
    relay_sendmmsg_fn *sendmmsg;
    bool gso;
    struct turn_relay *dirty;
    uint16_t count;
    struct relay_packet packet[RELAY_PENDING];

    /* Messages of the relay that is being sent, and the socket that they leave by. */
    struct turn_relay *way;
    unsigned messages, pieces;
    struct mmsghdr out[RELAY_SEND_MESSAGES];
    _Alignas(8) uint8_t control[RELAY_SEND_MESSAGES][RELAY_SEND_CONTROL];
    struct iovec piece[RELAY_PENDING];
};

struct relay_receiver;

void relay_sender_init(struct relay_sender *sender, const struct relay_sockets_options *options,
                       struct relay_sockets_stats *stats, struct relay_receiver *receiver);

/* As relay_socket_send and relay_sockets_flush. */
void relay_sender_send(struct relay_sender *sender, struct turn_relay *relay,
                       const struct address *peer, struct span data, bool dont_fragment);
void relay_sender_flush(struct relay_sender *sender);
/* The relay is going away: sends what is gathered for it. */
void relay_sender_finish(struct relay_sender *sender, struct turn_relay *relay);

#endif
