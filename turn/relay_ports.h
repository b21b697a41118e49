/*
 * turn/relay_ports.h - the port numbers of relayed transport addresses (RFC 8656 section 7.2):
 * which of one IP address are free, single ones, even ones, and pairs for EVEN-PORT.
 *
 * Sans-IO: numbers only; who binds them is turn/relay_socket. One for each relay address,
 * shared by every thread: each call locks for itself. The choice is random and cannot be
 * predicted, so that nobody off the path guesses where a relay is (section 21.1.4). Every call
 * takes constant time.
 */
#ifndef TURN_RELAY_PORTS_H
#define TURN_RELAY_PORTS_H

#include "core/base.h"

#define RELAY_PORT_FIRST 49152 /* min-port and max-port, when they are not set */
#define RELAY_PORT_LAST 65535

struct relay_ports;

/* Ports from `first` to `last`, both included. RC_BAD: first is 0 or behind last; RC_NOMEM. */
int relay_ports_create(struct relay_ports **out, uint16_t first, uint16_t last);
void relay_ports_free(struct relay_ports *ports); /* NULL is fine */

enum relay_ports_wish {
    RELAY_PORTS_ANY,
    RELAY_PORTS_EVEN,
    RELAY_PORTS_PAIR, /* an even one and the one above: both are taken */
};

/* The port, the lower of a pair; 0: none is free that would do. */
uint16_t relay_ports_take(struct relay_ports *ports, enum relay_ports_wish wish);
/* Gives back one port; the two of a pair come back one by one. */
void relay_ports_give(struct relay_ports *ports, uint16_t port);

/* What binds a port: RC_OK; RC_AGAIN: another program has it; RC_SYS or RC_NOMEM: no port would
 * do. */
typedef int relay_ports_bind_fn(void *arg, uint16_t port);
/* Takes ports, none twice, until one can be bound. RC_OK; RC_FULL: none is free, or a dozen
 * were another program's; else what `bind` said. Takes nothing unless RC_OK; errno is bind's.
 */
int relay_ports_bind(struct relay_ports *ports, enum relay_ports_wish wish,
                     relay_ports_bind_fn *bind, void *arg);

/* How many are free. */
uint32_t relay_ports_left(struct relay_ports *ports);

#endif
