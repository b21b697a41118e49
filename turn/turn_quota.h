/*
 * turn/turn_quota.h - how many allocations there are, of each user and in all, and what is
 * promised of the capacity (coturn's user-quota, total-quota, max-bps, bps-capacity).
 *
 * Sans-IO. Any thread: one lock, taken when an allocation begins and when it ends. Keyed by
 * user id and not by name: a user with many credentials is one. A user is remembered only while
 * an allocation of theirs lives.
 */
#ifndef TURN_TURN_QUOTA_H
#define TURN_TURN_QUOTA_H

#include "core/base.h"
#include "turn/turn_policy.h"

struct turn_quota;

struct turn_quota_limits {
    uint32_t user, total;       /* allocations; 0: no limit */
    uint64_t max_bps, capacity; /* bytes per second; 0: no limit */
};

int turn_quota_create(struct turn_quota **out, const struct turn_quota_limits *limits);
/* NULL is fine. Every grant must have been given back, or is forgotten. */
void turn_quota_free(struct turn_quota *quota);
/* What is granted already stays, even if it is more than the new limits. */
void turn_quota_set_limits(struct turn_quota *quota, const struct turn_quota_limits *limits);

/* As turn_policy_reserve. */
unsigned turn_quota_take(struct turn_quota *quota, const struct turn_user *user,
                         struct turn_grant *out);
void turn_quota_give(struct turn_quota *quota, struct turn_grant *grant);

/* Allocations, and bytes per second of the capacity, now. */
uint64_t turn_quota_allocations(struct turn_quota *quota);
uint64_t turn_quota_reserved(struct turn_quota *quota);
/* Users who are remembered; for tests. */
size_t turn_quota_users(struct turn_quota *quota);

#endif
