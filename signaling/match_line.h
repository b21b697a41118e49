/*
 * signaling/match_line.h - a queue that knows everybody's place in it, wherever people leave
 * it.
 *
 * Places are numbered as people come; a Fenwick tree over the numbers counts who is left before
 * one. Entering, leaving and asking cost O(log n); now and then everybody is numbered anew,
 * which spread over those who came since is O(1). Sans-IO. One thread.
 */
#ifndef SIGNALING_MATCH_LINE_H
#define SIGNALING_MATCH_LINE_H

#include "core/base.h"

struct match_line {
    uint32_t *tree;    /* owned; partial sums, 1-based */
    uint32_t **holder; /* owned; where the number of who stands there is kept, NULL: left */
    uint32_t capacity, next, count;
};

void match_line_free(struct match_line *line); /* harmless for a zeroed one */
/* Puts somebody at the end; *number is theirs to keep, and is changed from here when everybody
 * is numbered anew. RC_NOMEM: not in the line. */
int match_line_enter(struct match_line *line, uint32_t *number);
void match_line_leave(struct match_line *line, const uint32_t *number);
/* How many stand before. */
uint32_t match_line_before(const struct match_line *line, const uint32_t *number);

#endif
