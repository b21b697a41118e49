/*
 * turn/relay_addresses.h - the IP addresses of this machine that relayed transport addresses
 * are made of, what peers see of each (external-ip), and which ports of each are free.
 *
 * Shared by all threads; locks for itself. Entries come and never go, so a pointer to one stays
 * good.
 */
#ifndef TURN_RELAY_ADDRESSES_H
#define TURN_RELAY_ADDRESSES_H

#include "core/address.h"
#include "turn/relay_ports.h"

#define RELAY_ADDRESSES_LIMIT 64 /* relay IPs of one process; a machine has fewer */

struct relay_addresses;

/* Behind a 1:1 NAT: peers reach `private` at `public`. A private half of AF_UNSPEC stands for
 * every address of that family that has no pair of its own (coturn's external-ip). Port 0. */
struct relay_external {
    struct address public, private;
};

struct relay_addresses_options {
    const struct address
        *relay_ip; /* to use these alone; none: what clients name the server by */
    size_t relay_ip_count;
    const struct relay_external *external;
    size_t external_count;
    uint16_t min_port, max_port; /* both 0: RELAY_PORT_FIRST, RELAY_PORT_LAST */
};

struct relay_address {
    struct address bind, told; /* port 0; the same without a NAT */
    struct relay_ports *ports; /* owned */
};

/* The options are copied. RC_BAD: no such range of ports, or too many addresses; RC_NOMEM. */
int relay_addresses_create(struct relay_addresses **out,
                           const struct relay_addresses_options *options);
void relay_addresses_free(struct relay_addresses *addresses); /* NULL is fine */

/* Where to open a relay of this family for a client that came in at `local`: that IP itself
 * where it may be and is of the family, as coturn does; else the first that there is. With no
 * relay-ip the machine's own are looked up at the first need. NULL: none of the family. */
const struct relay_address *relay_addresses_choose(struct relay_addresses *addresses,
                                                   sa_family_t family,
                                                   const struct address *local);

/* What peers would see of an IP of ours. */
struct address relay_addresses_told(const struct relay_addresses *addresses,
                                    const struct address *ip);

#endif
