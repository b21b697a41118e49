/*
 * core/backlog.h - messages from one loop to another that must arrive although the mailbox of
 * the other may be full: they wait here, in order, and are tried again every few milliseconds.
 *
 * Glue: uses the timers of the loop that it belongs to. All functions: that loop's thread only.
 * One backlog for each pair of loops and direction; what others post to the same mailbox is in
 * no order with it.
 */
#ifndef CORE_BACKLOG_H
#define CORE_BACKLOG_H

#include "core/loop.h"

struct backlog;

#define BACKLOG_RETRY MSEC(5)
/* Messages that wait; a loop that is behind by these and its whole mailbox does not live. */
#define BACKLOG_MAX_DEFAULT 65536

/* Both loops are borrowed. max 0: BACKLOG_MAX_DEFAULT. RC_NOMEM. */
int backlog_create(struct backlog **out, struct loop *own, struct loop *to, uint32_t max);
/* Discards what waits. NULL is fine. */
void backlog_free(struct backlog *backlog);

/* For what must not get lost: an end, a link. RC_OK: it will be delivered, after all that was
 * posted here before. RC_FULL, RC_NOMEM: not taken, the payload still belongs to the caller. */
int backlog_post(struct backlog *backlog, const struct loop_message *message);
/* For what the caller can refuse or do without: RC_FULL whenever it would have to wait. */
int backlog_offer(struct backlog *backlog, const struct loop_message *message);

size_t backlog_waiting(const struct backlog *backlog);

#endif
