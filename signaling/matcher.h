/*
 * signaling/matcher.h - who meets whom.
 *
 * Sans-IO: no clock, no socket. This one is first come, first served among those who fit; the
 * interface is what a scoring matcher needs as well, so that it can take its place.
 *
 * The queue is a list that is walked, and it stays short whoever comes: those of one kind who
 * wait are people of whom no two fit, each pair of them takes an entry in somebody's list of
 * avoided people, and a list has at most MATCH_AVOID_MAX + 1. So at most 2 * (MATCH_AVOID_MAX +
 * 1) + 1 = 131 wait for one kind, strangers who conspire included; mostly it is one.
 *
 * A ticket is embedded in the user; the matcher holds pointers to those that wait. One thread.
 */
#ifndef SIGNALING_MATCHER_H
#define SIGNALING_MATCHER_H

#include "core/base.h"

enum match_kind { MATCH_VIDEO, MATCH_TEXT };

/* Nobody is matched again with the one that they have just left, for so long. */
#define MATCH_COOL_DOWN SEC(3)
#define MATCH_AVOID_MAX 64

struct match_ticket {
    uint64_t user;
    enum match_kind kind;
    usec_t since;  /* when the waiting began */
    uint64_t left; /* the partner before, 0: none */
    usec_t left_at;
    uint64_t *avoid; /* owned by the user; people not to be matched with */
    uint32_t avoid_count;
    bool waiting; /* private, as are */
    struct match_ticket *next, *prev;
};

struct matcher {
    struct match_ticket *first, *last; /* waiting, oldest first */
    uint32_t waiting;
    /* For estimates: a moving mean of how long the matched had waited. */
    usec_t mean_wait;
    uint64_t matches;
};

void matcher_init(struct matcher *matcher);
/* Puts a ticket at the end of the queue. Harmless when it waits already. */
void matcher_add(struct matcher *matcher, struct match_ticket *ticket, usec_t now);
/* Takes it out; harmless when it does not wait. */
void matcher_remove(struct matcher *matcher, struct match_ticket *ticket);

/* Somebody for `ticket`, who waits: both are taken out of the queue, both halves or none. NULL:
 * nobody fits yet. */
struct match_ticket *matcher_find(struct matcher *matcher, struct match_ticket *ticket,
                                  usec_t now);
/* A pair among all that wait, taken out of the queue: for when time alone makes people fit.
 * False: none. */
bool matcher_next_pair(struct matcher *matcher, usec_t now, struct match_ticket **a,
                       struct match_ticket **b);

/* 1 for the one who is next. */
uint32_t matcher_position(const struct matcher *matcher, const struct match_ticket *ticket);
/* From the waits of those matched lately. */
usec_t matcher_estimate(const struct matcher *matcher);

#endif
