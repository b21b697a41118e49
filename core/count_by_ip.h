/*
 * core/count_by_ip.h - how many of something each address has: users, connections.
 *
 * An entry lives while its address has any. What counts as one address: an IPv4 address, and of
 * IPv6 the /64 that a household or a machine is given whole. Sans-IO; one thread; plain value,
 * owned by whoever counts.
 */
#ifndef CORE_COUNT_BY_IP_H
#define CORE_COUNT_BY_IP_H

#include "core/address.h"
#include "core/base.h"

struct ip_entry;

struct count_by_ip {
    struct ip_entry *entries; /* private; zero is empty */
};

uint32_t count_by_ip_get(const struct count_by_ip *table, const struct address *address);
/* One more; RC_NOMEM. */
int count_by_ip_add(struct count_by_ip *table, const struct address *address);
/* One less; of an address that has one. */
void count_by_ip_remove(struct count_by_ip *table, const struct address *address);

#endif
