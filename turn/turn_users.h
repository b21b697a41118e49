/*
 * turn/turn_users.h - static users of long-term credentials: "user=NAME:PASSWORD" and
 * "user=NAME:0xKEY" (RFC 8489 section 9.2.2).
 *
 * Sans-IO. Built once and then only read; any thread may read. Passwords are not kept: what is,
 * is the key of each algorithm with its HMAC states, so that a request hashes nothing but
 * itself.
 */
#ifndef TURN_TURN_USERS_H
#define TURN_TURN_USERS_H

#include "core/base.h"
#include "turn/turn_auth.h"

struct turn_users;

/* The same name twice: the last one counts, as in coturn. RC_BAD with a sentence that has no
 * password in it; RC_NOMEM. */
int turn_users_build(struct turn_users **out, const char *realm, const char *const *user,
                     size_t count, char *error, size_t error_size);
/* Wipes the keys. NULL is fine. */
void turn_users_free(struct turn_users *users);

/* By `username` or, when its p is NULL, by `userhash`. Writes key, id and guess of *out.
 * RC_BAD: nobody, or no key for this algorithm. */
int turn_users_find(const struct turn_users *users, struct span username, struct span userhash,
                    enum stun_password_algorithm algorithm, struct turn_user *out);

size_t turn_users_count(const struct turn_users *users);
/* Has everybody a key for it? */
bool turn_users_all_have(const struct turn_users *users,
                         enum stun_password_algorithm algorithm);

#endif
