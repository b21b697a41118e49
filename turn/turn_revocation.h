/*
 * turn/turn_revocation.h - users whose credentials are void before they expire.
 *
 * Sans-IO. Any thread; one lock, and none at all while nothing was revoked. Bounded: an entry
 * goes when the last credential that it is about has expired.
 */
#ifndef TURN_TURN_REVOCATION_H
#define TURN_TURN_REVOCATION_H

#include "core/base.h"
#include "turn/turn_auth.h"

struct turn_revocations;

int turn_revocations_create(struct turn_revocations **out, size_t limit);
/* NULL is fine. */
void turn_revocations_free(struct turn_revocations *revocations);

/* As turn_auth_revoke. A second time for the same user extends, and never shortens. */
int turn_revocations_add(struct turn_revocations *revocations,
                         const uint8_t id[static TURN_USER_ID], int64_t until,
                         int64_t unix_now);
void turn_revocations_remove(struct turn_revocations *revocations,
                             const uint8_t id[static TURN_USER_ID]);
bool turn_revocations_contain(struct turn_revocations *revocations,
                              const uint8_t id[static TURN_USER_ID], int64_t unix_now);
/* Grows with each add; 0 before the first. Lock-free. */
uint64_t turn_revocations_age(const struct turn_revocations *revocations);
/* Entries; for tests and metrics. */
size_t turn_revocations_count(struct turn_revocations *revocations);

#endif
