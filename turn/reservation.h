/*
 * turn/reservation.h - relayed addresses that wait for their allocation: the odd port behind an
 * EVEN-PORT with R set, by its RESERVATION-TOKEN (RFC 8656 section 7.2).
 *
 * Sans-IO; one thread; a token is known to the thread that gave it.
 */
#ifndef TURN_RESERVATION_H
#define TURN_RESERVATION_H

#include "core/base.h"
#include "core/timer.h"
#include "turn/turn_auth.h"
#include "turn/turn_server.h"

#define RESERVATION_LIFETIME SEC(30) /* "at least 30 seconds" */
#define RESERVATIONS_MAX 1024 /* of a thread: ports that nobody uses yet; beyond it 508 */

struct reservation;

struct reservations {
    struct reservation *list;      /* owned, newest first */
    struct timers *timers;         /* borrowed */
    const struct turn_output *out; /* borrowed */
    uint32_t count;
};

void reservations_init(struct reservations *set, struct timers *timers,
                       const struct turn_output *out);
/* Keeps `relay` for `user` and gives its token, never 0. On RC_FULL or RC_NOMEM the relay stays
 * the caller's. */
int reservation_keep(struct reservations *set, struct turn_relay *relay,
                     const uint8_t user[static TURN_USER_ID], usec_t now, uint64_t *token);
/* Is there one that `user` may take? Tokens are unguessable, but another user's is of no use.
 */
bool reservation_exists(const struct reservations *set, uint64_t token,
                        const uint8_t user[static TURN_USER_ID]);
/* Takes it; the relay is the caller's. NULL where reservation_exists says no. */
struct turn_relay *reservation_take(struct reservations *set, uint64_t token,
                                    const uint8_t user[static TURN_USER_ID]);
/* Closes what `user` has kept. */
void reservations_end_user(struct reservations *set, const uint8_t user[static TURN_USER_ID]);
/* Closes them all. */
void reservations_free(struct reservations *set);

#endif
