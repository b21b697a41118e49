/*
 * app/turn_discovery.h - the two addresses and two ports of NAT behaviour discovery (RFC 5780
 * section 6): which of those that are listened on.
 *
 * Pure.
 */
#ifndef APP_TURN_DISCOVERY_H
#define APP_TURN_DISCOVERY_H

#include "relay/relay.h"

/* The first two IPs of one family in media->listen; the first with media->port, the second with
 * `alt_port`. 0 for that is the port behind media->port, or behind those of the workers where
 * it is theirs. RC_BAD: there are no two, or no port is known before it is open. */
int turn_discovery_choose(struct address *primary, struct address *other,
                          const struct relay_options *media, uint16_t alt_port);

#endif
