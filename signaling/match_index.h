/*
 * signaling/match_index.h - those who wait, in buckets, so that a search looks at a bounded
 * number of likely partners however many there are.
 *
 * Everybody stands in several buckets: of kind, region, language and grade of quality, once for
 * each language; of kind and language; of kind and region; and of kind alone. A search takes so
 * many from each of those that fit, all if they are no more, else some from anywhere in it, so
 * that everybody is come across in the end.
 *
 * Cards are copied in and numbered by slots; a slot is valid until it is removed. Sans-IO. One
 * thread.
 */
#ifndef SIGNALING_MATCH_INDEX_H
#define SIGNALING_MATCH_INDEX_H

#include "signaling/match_score.h"

/* How many a search looks at, at most, in each of its steps. */
#define MATCH_NEAR_MAX 160 /* the same region, a common language */
#define MATCH_FAR_MAX 144  /* whoever else */

enum match_reach {
    MATCH_NEAR,
    MATCH_FAR,
    MATCH_ANYBODY /* for those who would take anybody: as many as fit into the answer */
};

struct match_index;

int match_index_create(struct match_index **out); /* RC_NOMEM */
void match_index_free(struct match_index *index); /* NULL is fine */

/* RC_NOMEM: not in it, and nothing has changed. */
int match_index_add(struct match_index *index, const struct match_card *card, uint32_t *slot);
void match_index_remove(struct match_index *index, uint32_t slot);
/* The card in a slot, valid until the next add. Only `since` and `heard` may be changed in
 * place; for anything else remove it and add the new one. */
struct match_card *match_index_card(struct match_index *index, uint32_t slot);
uint32_t match_index_count(const struct match_index *index, enum match_kind kind);

/* Slots of people whom the owner of `card` may like, `card` itself possibly among them, some
 * twice; returns how many. */
uint32_t match_index_gather(struct match_index *index, const struct match_card *card,
                            enum match_reach reach, uint32_t slots[static MATCH_NEAR_MAX]);

#endif
