/*
 * signaling/waiting_room.h - the users who look for a partner, and the matcher between them.
 *
 * Joins users to tickets of signaling/match.h: what is known of a user becomes a card, a match
 * becomes a pair, the matcher's deadline becomes a timer. Belongs to the lobby. Sans-IO.
 * Control thread.
 */
#ifndef SIGNALING_WAITING_ROOM_H
#define SIGNALING_WAITING_ROOM_H

#include "core/metrics.h"
#include "core/timer.h"
#include "signaling/match.h"
#include "signaling/match_record.h"
#include "signaling/search.h"

struct user;

/* What the room keeps of one user; from the first search on, as long as the user. */
struct seeker {
    struct match_ticket ticket;
    struct user *user; /* borrowed */
    uint64_t *avoid;   /* owned; what the ticket points to */
};

struct waiting_room {
    struct match *match; /* owned */
    struct match_records records;
    uint64_t optimal;      /* matches so far */
    struct timers *timers; /* borrowed */
    struct timer next_look;
    struct histogram score, wait; /* of each match; of each person matched */
};

/* RC_NOMEM; RC_BAD for options that cannot be. On failure there is nothing to close. */
int waiting_room_open(struct waiting_room *room, struct timers *timers,
                      const struct match_options *options);
/* Nobody may wait any more. */
void waiting_room_close(struct waiting_room *room);
/* Of a user who is about to be freed and does not wait. */
void seeker_free(struct seeker *seeker);

/* Takes what the user looks for; one who waits keeps the place, unless it is another kind now.
 * RC_NOMEM: nothing has changed. */
int waiting_room_seek(struct waiting_room *room, struct user *user, const struct search *search,
                      usec_t now);
/* A USER_CONNECTED who has sought begins to wait: USER_WAITING. `first`: before everybody who
 * was not put first too. RC_NOMEM: does not wait. */
int waiting_room_enter(struct waiting_room *room, struct user *user, bool first, usec_t now);
/* Waits no more: USER_CONNECTED. For those who wait. */
void waiting_room_leave(struct waiting_room *room, struct user *user);
/* What is known of the user's network, or whether its media is proved, has changed. Harmless
 * for those who do not wait. */
void waiting_room_update(struct waiting_room *room, struct user *user);
/* The user was heard of. */
void waiting_room_heard(struct waiting_room *room, struct user *user, usec_t now);
/* Somebody for one who waits: true: the two are a pair, and pair_announce has to follow. */
bool waiting_room_find(struct waiting_room *room, struct user *user, usec_t now);

uint32_t waiting_room_count(const struct waiting_room *room);

#endif
