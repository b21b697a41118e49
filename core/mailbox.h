/*
 * core/mailbox.h - bounded queue of messages from any thread to one thread (Vyukov's array
 * queue: each cell carries the turn at which it may be written and read, so nobody takes a
 * lock).
 *
 * The queue alone: who reads must be woken by other means (core/loop.h).
 */
#ifndef CORE_MAILBOX_H
#define CORE_MAILBOX_H

#include "core/base.h"

/* A letter. deliver runs on the loop's thread and owns the payload from then on. discard (may
 * be NULL) frees a payload that is never delivered. */
struct loop_message {
    void (*deliver)(void *target, void *payload, usec_t now);
    void (*discard)(void *payload);
    void *target;
    void *payload;
};

struct mailbox;

/* Capacity is rounded up to a power of two, at least 2. RC_NOMEM; RC_BAD over 2^24. */
int mailbox_create(struct mailbox **out, uint32_t capacity);
/* Discards what is inside. No thread may be posting any more. NULL is fine. */
void mailbox_free(struct mailbox *mailbox);

/* Any thread. RC_FULL: not taken. */
int mailbox_put(struct mailbox *mailbox, const struct loop_message *message);
/* The reading thread. False when empty, or when the next message is still being written. */
bool mailbox_take(struct mailbox *mailbox, struct loop_message *out);

/* The reading thread: discards what waits for `target` and leaves messages without a deliver in
 * its place. Nobody may be posting to that target any more. */
void mailbox_forget(struct mailbox *mailbox, const void *target);

/* Any thread: how many messages were ever begun to be put. */
uint64_t mailbox_put_count(const struct mailbox *mailbox);
/* The reading thread: how many were taken. */
uint64_t mailbox_taken_count(const struct mailbox *mailbox);

#endif
