/*
 * signaling/pair.h - two users who talk to each other.
 *
 * Both halves or none: a pair is made and ended for both at once. Making and announcing are two
 * steps, so that whoever asked can have its ack first. Sans-IO. Control thread.
 */
#ifndef SIGNALING_PAIR_H
#define SIGNALING_PAIR_H

#include "signaling/user.h"

/* Joins two who wait, for a match of so many points, and links their media before anybody is
 * told: the first packets find their way. Tells nobody. RC_NOMEM: nothing has changed. */
int pair_make(struct user *a, struct user *b, int score);
/* Tells both: connection-status, then match-found or user-found. */
void pair_announce(struct user *user);
/* Ends the pair of a user who has a partner: both are USER_CONNECTED then, and will not meet
 * again for the cool-down of the matching. The partner is told `reason` (docs/protocol.md has
 * the list); `user` is not. */
void pair_part(struct user *user, const char *reason, usec_t now);
/* Tells `user` that the one it calls `alias` is gone. */
void pair_tell_gone(struct user *user, const char *alias, const char *reason);

/* {peerId, matchId, …} as match-found carries it, for the side of one who has a partner. New
 * reference, NULL without memory. */
json_t *pair_data(const struct user *user);

#endif
