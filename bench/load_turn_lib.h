/*
 * bench/load_turn_lib.h - a channel of a TURN server for the synthetic users of load_users_lib,
 * which speak libnice's STUN and may not see ours.
 */
#ifndef BENCH_LOAD_TURN_LIB_H
#define BENCH_LOAD_TURN_LIB_H

#include "core/address.h"

struct load_turn; /* what the users of one TURN server have in common */

/* `user` and `password` are borrowed. NULL without memory. */
struct load_turn *load_turn_create(const char *user, const char *password);
void load_turn_free(struct load_turn *turn); /* NULL is fine */

/* Allocates on `fd`, which is connected to the server, and binds `channel` to `peer`. Waits for
 * each reply, a second at most. RC_SYS: none came; RC_BAD: a refusal. */
int load_turn_open(struct load_turn *turn, int fd, uint16_t channel,
                   const struct address *peer);

#endif
