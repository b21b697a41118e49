/*
 * turn/turn_ranges.h - a set of IP address ranges, for allowed-peer-ip and denied-peer-ip.
 *
 * Sans-IO. Built once and then only read: sorted, merged, searched by halves, so a list of a
 * whole country costs no more than one line. IPv6 is compared as a 128-bit number. Any thread
 * may read.
 */
#ifndef TURN_TURN_RANGES_H
#define TURN_TURN_RANGES_H

#include "core/address.h"
#include "core/base.h"

/* One range, both ends included. */
struct turn_range {
    uint8_t family; /* AF_INET, AF_INET6; AF_UNSPEC: nothing */
    uint8_t first[16], last[16];
};

struct turn_ranges {
    struct turn_range *range; /* owned */
    size_t count;
};

/* "192.0.2.1", "192.0.2.0-192.0.2.255", "192.0.2.0/24", and the same of IPv6. RC_BAD for
 * anything else: two families, the end before the start, a port, a scope. The v4-mapped form
 * means the IPv4 addresses, except that all of it (::ffff:0.0.0.0-::ffff:255.255.255.255) means
 * nothing: coturn's operators write it against mapped addresses that pass their IPv4 rules,
 * which cannot happen here, and do not want to deny all of IPv4. */
int turn_range_parse(struct turn_range *out, const char *text);

/* RC_BAD: *bad is the index of the first text that does not parse. RC_NOMEM. */
int turn_ranges_build(struct turn_ranges *out, const char *const *text, size_t count,
                      size_t *bad);
void turn_ranges_clear(struct turn_ranges *ranges);
bool turn_ranges_contain(const struct turn_ranges *ranges, const struct address *a);

#endif
