/*
 * turn/turn_mobility.h - mobility tickets (RFC 8016): what lets a client take its allocation
 * with it to another address.
 *
 *      0      1            9          13                 29
 *      +------+------------+----------+------------------+
 *      |worker| allocation | sequence | HMAC, 16 bytes   |
 *      +------+------------+----------+------------------+
 *
 * Unforgeable under a key of this thread's, and good for one allocation only; of little use
 * when overheard, because the request must authenticate as well. Nothing in it says who the
 * client is. Each answer that
 * carries one carries the next; the one before it stays good, because that answer may be lost.
 *
 * Sans-IO, any thread.
 */
#ifndef TURN_TURN_MOBILITY_H
#define TURN_TURN_MOBILITY_H

#include "core/base.h"

#define TURN_TICKET_BYTES 29

struct turn_ticket_key {
    uint8_t bytes[32];
};

struct turn_ticket {
    uint8_t worker;      /* thread that has the allocation */
    uint64_t allocation; /* its number there */
    uint32_t sequence;
};

void turn_ticket_key_make(struct turn_ticket_key *out);
void turn_ticket_write(uint8_t out[static TURN_TICKET_BYTES], const struct turn_ticket_key *key,
                       const struct turn_ticket *ticket);
/* RC_BAD: not ours, or tampered with. */
int turn_ticket_read(struct turn_ticket *out, const struct turn_ticket_key *key,
                     struct span bytes);

#endif
