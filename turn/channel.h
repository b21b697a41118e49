/*
 * turn/channel.h - channel bindings of an allocation (RFC 8656 section 12).
 *
 * A binding is a number and a peer's transport address, one to one, with a deadline; looked up
 * by number for what the client sends and by address for what the peer sends. The set is an
 * array sorted by number and a second order by address. The dead are swept out when a channel
 * is bound, so that the packet path never writes.
 *
 * Sans-IO; the owner of the set is its allocation; one thread.
 */
#ifndef TURN_CHANNEL_H
#define TURN_CHANNEL_H

#include "core/address.h"
#include "core/base.h"
#include "turn/turn_policy.h"

/* Of one allocation; beyond it a request is answered 508. See PERMISSIONS_MAX. */
#define CHANNELS_MAX 256

struct channel {
    struct address peer;
    uint16_t number; /* STUN_CHANNEL_FIRST to STUN_CHANNEL_LAST */
    uint8_t how;     /* enum turn_peer: RELAY or SFU */
    usec_t expires;  /* first instant at which it no longer holds */
};

/* Zeroes: empty. */
struct channel_set {
    struct channel *list; /* owned, sorted by number */
    uint16_t *by_peer;    /* owned, places in list, sorted by address */
    uint16_t count, capacity;
};

/* Section 12.2: may `number` be bound to `peer`? 0, or 400: the number has another peer, or the
 * peer another number. Pure. */
unsigned channel_refusal(const struct channel_set *set, uint16_t number,
                         const struct address *peer, usec_t now);
/* Binds or refreshes what channel_refusal had nothing against. RC_FULL, RC_NOMEM. */
int channel_bind(struct channel_set *set, uint16_t number, const struct address *peer,
                 enum turn_peer how, usec_t expires, usec_t now);
/* NULL: none that holds at `now`. Until the set changes. */
const struct channel *channel_find(const struct channel_set *set, uint16_t number, usec_t now);
const struct channel *channel_of_peer(const struct channel_set *set, const struct address *peer,
                                      usec_t now);
/* Forgets those whose peer is of `family`: a relayed address of a dual allocation is gone. */
void channel_drop_family(struct channel_set *set, sa_family_t family);
/* Frees the arrays; the set is empty again. */
void channel_set_free(struct channel_set *set);

#endif
