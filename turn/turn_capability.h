/*
 * turn/turn_capability.h - what a time-limited credential's own name says that its user may do.
 *
 * Sans-IO, any thread.
 *
 *     USERID = NAME [ "~cap=" base64url(LIST) ]          base64url without padding
 *     LIST   = ITEM *( ";" ITEM )                        each key once, in any order
 *     ITEM   = "p=" ( "sfu" / NET *( "," NET ) )         peers: this server's media alone, or
 * at most TURN_CAPABILITY_NETS networks / "b=" NUMBER                               bit/s of
 * each allocation, each way / "n=" NUMBER                               allocations at one time
 *     NUMBER = decimal, not 0, no leading 0
 *
 * NAME is not empty and has no "~cap=" in it; the HMAC of the credential covers all of it, so
 * only whoever knows the secret grants. A capability narrows what the server allows and never
 * widens it. A suffix that does not read as above makes the credential useless: a restriction
 * that is not understood must not be dropped.
 */
#ifndef TURN_TURN_CAPABILITY_H
#define TURN_TURN_CAPABILITY_H

#include "core/base.h"
#include "turn/turn_auth.h"

#define TURN_CAPABILITY_LIST_MAX 320   /* bytes of LIST */
#define TURN_CAPABILITY_SUFFIX_MAX 440 /* of "~cap=…" and its NUL */

/* Splits a userid. Without a suffix *out is zeroed and *name is all of it. RC_BAD: a suffix
 * that does not read, or no name before it. */
int turn_capability_read(struct span userid, struct span *name, struct turn_capability *out);

/* The suffix for `capability`, "" when it restricts nothing, with its NUL. RC_FULL: the list
 * would be too long (eight IPv6 networks can be). */
int turn_capability_write(char out[static TURN_CAPABILITY_SUFFIX_MAX],
                          const struct turn_capability *capability);

#endif
