/*
 * turn/relay_direct.h - a second socket of a busy relay, at the same port and connected to the
 * one peer that it talks to: for a connected socket the kernel keeps the route and does not
 * look it up for each packet (turn_path_bench: 0.3 of 4.8 us from client to peer).
 *
 * The relay's first socket goes on receiving from everybody else: to connect that one would cut
 * off peers that have a permission and have not spoken yet, or whose NAT gives them another
 * port. The kernel gives the connected one its peer's datagrams, and what it gives to the wrong
 * one while it is being opened names its sender all the same.
 *
 * Glue: sockets. The inside of turn/relay_socket.h; belongs to its thread.
 */
#ifndef TURN_RELAY_DIRECT_H
#define TURN_RELAY_DIRECT_H

#include "turn/relay_receiver.h"
#include "turn/turn_relay.h"

/* Packets in a row to one peer. To open one costs as much as 50 packets gain by it: who sends
 * that many once has lost little by the waiting, and little by the opening. */
#define RELAY_DIRECT_AFTER 64
#define RELAY_DIRECT_UNUSED 256 /* packets to others since it was used: it goes */

struct relay_direct {
    struct turn_relay socket; /* first: it is freed as one */
    struct address peer;
    unsigned unused;
};

/* By which socket datagrams to `peer` leave: the relay itself, or its connected one. */
static inline struct turn_relay *relay_direct_way(struct turn_relay *relay,
                                                  const struct address *peer)
{
    return relay->direct && address_equal(&relay->direct->peer, peer) ? &relay->direct->socket
                                                                      : relay;
}
/* `packets` go to `peer` by `way`. */
void relay_direct_count(struct turn_relay *relay, const struct turn_relay *way,
                        const struct address *peer, unsigned packets);
/* Between two batches: opens one, or closes it, if that is due. A system that refuses one is
 * not asked again for this relay. */
void relay_direct_adjust(struct turn_relay *relay, struct relay_receiver *receiver);
/* The relay is going away. */
void relay_direct_close(struct turn_relay *relay, struct relay_receiver *receiver);

#endif
