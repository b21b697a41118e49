/*
 * signaling/match.h - who meets whom.
 *
 * Everybody who waits demands a share of the best that somebody like them could get; the share
 * falls along a curve as they wait, and at its end anybody will do: nobody waits alone while
 * somebody who fits waits too. Nor does anybody hold out when hardly anyone comes: demands are
 * scaled down with the number of people who may be hoped for. A newcomer looks at a bounded
 * number of likely partners (match_index) and is matched with the best one where the score
 * (match_score) is what the two demand; those who wait look again as their demands fall.
 *
 * Whoever does not fit is never proposed: another kind, oneself, somebody whom either avoids or
 * has blocked, the one that one has just left, and for video people whose media path is not
 * proved.
 *
 * A match is proposed (match_find, match_next), and nothing has changed until the owner commits
 * it: both halves or none.
 *
 * Sans-IO: no clock, no socket; match_deadline says when match_next wants to be called. A
 * ticket belongs to its person and outlives one wait; between match_add and match_commit or
 * match_remove the matcher holds pointers to it. One thread.
 */
#ifndef SIGNALING_MATCH_H
#define SIGNALING_MATCH_H

#include "signaling/match_curve.h"
#include "signaling/match_score.h"

#define MATCH_AVOID_MAX 64 /* of one search; each is looked at for each likely partner */
#define MATCH_MET_MAX 8    /* partners before that are remembered */
/* Searches in one turn, so that the loop is not held for long; the rest follows at once. */
#define MATCH_LOOKS_MAX 1000
/* What is told of a wait is never more, and this where nothing is known. */
#define MATCH_ESTIMATE_MAX SEC(600)
#define MATCH_ESTIMATE_UNKNOWN SEC(30)

struct match_options {
    struct match_weights weights;
    struct match_curve curve;
    /* Newcomers of the kind to be expected until the end of the curve: with so many or more
     * the curve holds as it is, with fewer demands are lower in proportion. 0: it always holds.
     */
    uint32_t hope;
    /* Nobody is matched again with the one that they have just left, for so long. */
    usec_t cool_down;
};

/* What holds unless it is configured. */
struct match_options match_options_default(void);

struct match_meeting {
    uint64_t user;
    usec_t at; /* when the two parted */
};

/* One person's. Zeroed, then filled in by the owner; what is private is the matcher's. */
struct match_ticket {
    uint64_t user; /* never 0 */
    /* What is known of the person. Tell match_update of changes; the kind must not change while
     * it waits. `since`, `ticket`, `best` and `content` are set here. */
    struct match_card card;
    const uint64_t *avoid;   /* borrowed; people not to be matched with, at present */
    const uint64_t *blocked; /* borrowed; and for good */
    uint32_t avoid_count, blocked_count;
    bool
        proven; /* the media path is; nobody is offered for video before. Not needed for text */

    struct match_meeting met[MATCH_MET_MAX]; /* private: a ring of partners before */
    uint32_t met_next;                       /* private, as are all that follow */
    bool waiting, first, indexed;
    uint32_t slot;   /* in the index, while indexed */
    uint32_t number; /* in the line */
    usec_t look_at;  /* when to look again */
    uint32_t gap;    /* the list that it is in */
    struct match_ticket *prev, *next;
};

/* Two who should meet. */
struct match_found {
    struct match_ticket *a, *b;
    struct match_parts parts;
    usec_t waited_a, waited_b;
};

struct match;

/* `options` is copied. RC_NOMEM; RC_BAD for a curve that is none. */
int match_create(struct match **out, const struct match_options *options);
/* The copy. */
const struct match_options *match_options(const struct match *match);
/* Nobody may wait any more. NULL is fine. */
void match_free(struct match *match);

/* Begins to wait, at the end of the line. Harmless when it waits already. RC_NOMEM: it does not
 * wait. */
int match_add(struct match *match, struct match_ticket *ticket, usec_t now);
/* The same before everybody who was not put there likewise, and with no demands: for one whose
 * partner was lost by no fault of theirs. */
int match_add_first(struct match *match, struct match_ticket *ticket, usec_t now);
/* Waits no more; harmless when it does not. */
void match_remove(struct match *match, struct match_ticket *ticket);
/* The card, `proven` or the lists have changed: what others see of it changes too, and the
 * place in the line stays. Harmless when it does not wait. */
void match_update(struct match *match, struct match_ticket *ticket);
/* Was heard of at `now`. Cheap; whether it waits or not. */
void match_heard(struct match *match, struct match_ticket *ticket, usec_t now);

/* The best partner for one who waits, if there is one that is good enough for both. */
bool match_find(struct match *match, struct match_ticket *ticket, usec_t now,
                struct match_found *found);
/* The next two whom time has made good enough for each other. *looks is how many more people
 * may be looked at; begin with MATCH_LOOKS_MAX, and call again with what is left until it says
 * false. */
bool match_next(struct match *match, usec_t now, uint32_t *looks, struct match_found *found);
/* When match_next wants to be called; may have passed. USEC_NEVER while nobody can be matched.
 */
usec_t match_deadline(const struct match *match);
/* Takes both out of the queue. `found` is of the last match_find or match_next, and nothing has
 * happened since. */
void match_commit(struct match *match, const struct match_found *found, usec_t now);
/* Two who were matched have parted: remembered on both tickets. */
void match_parted(struct match_ticket *a, struct match_ticket *b, usec_t now);

/* Who wait, by kind; the unproven too. */
uint32_t match_waiting(const struct match *match, enum match_kind kind);
/* 1 for the one who is next; among those of the kind. */
uint32_t match_position(const struct match *match, const struct match_ticket *ticket);
/* How long one at this place will wait, from how often people are matched, or come, of late. */
usec_t match_estimate(const struct match *match, const struct match_ticket *ticket, usec_t now);
/* Points that it demands at `now`. */
int match_demand(const struct match *match, const struct match_ticket *ticket, usec_t now);

#endif
