/*
 * signaling/users_by_ip.h - how many users each address has.
 *
 * An entry lives while its address has users. What counts as one address: an IPv4 address, and
 * of IPv6 the /64 that a household or a machine is given whole. Sans-IO; one thread; owned by
 * the lobby.
 */
#ifndef SIGNALING_USERS_BY_IP_H
#define SIGNALING_USERS_BY_IP_H

#include "core/address.h"
#include "core/base.h"

struct ip_entry;

struct users_by_ip {
    struct ip_entry *entries; /* private; zero is empty */
};

uint32_t users_by_ip_count(const struct users_by_ip *table, const struct address *address);
/* One more; RC_NOMEM. */
int users_by_ip_add(struct users_by_ip *table, const struct address *address);
/* One less; of an address that has one. */
void users_by_ip_remove(struct users_by_ip *table, const struct address *address);

#endif
