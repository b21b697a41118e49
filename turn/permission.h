/*
 * turn/permission.h - which peers an allocation may talk to (RFC 8656 section 9).
 *
 * A permission is an IP address with a deadline, and how data to it travels. The set is an
 * array sorted by address, looked up by bisection; the dead are swept out when somebody is let
 * in, so that the packet path never writes.
 *
 * Sans-IO; the owner of the set is its allocation; one thread.
 */
#ifndef TURN_PERMISSION_H
#define TURN_PERMISSION_H

#include "core/address.h"
#include "core/base.h"
#include "turn/turn_policy.h"

/* Of one allocation; beyond it a request is answered 508. An ICE agent has one for each
 * candidate of its peer's: tens, not hundreds. */
#define PERMISSIONS_MAX 256

struct permission {
    uint8_t ip[16]; /* v4 as v4-mapped v6 */
    usec_t expires; /* first instant at which it no longer holds */
    enum turn_peer how;
};

/* Zeroes: empty. */
struct permission_set {
    struct permission *list; /* owned, sorted by ip */
    uint16_t count, capacity;
};

/* Makes room for `more` new ones, so that as many permission_grant cannot fail: a request with
 * many peers is granted whole or not at all. RC_FULL, RC_NOMEM. */
int permission_reserve(struct permission_set *set, size_t more, usec_t now);
/* Installs or refreshes the permission for peer's IP; room was reserved. */
void permission_grant(struct permission_set *set, const struct address *peer,
                      enum turn_peer how, usec_t expires);
/* NULL: none that holds at `now`. The port does not matter. Until the set changes. */
const struct permission *permission_find(const struct permission_set *set,
                                         const struct address *peer, usec_t now);
/* Frees the array; the set is empty again. */
void permission_set_free(struct permission_set *set);

#endif
