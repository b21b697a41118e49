/*
 * core/loop.h - one thread's event loop: libevent, timers, and a mailbox for other threads.
 *
 * Glue: knows libevent and the clock. A loop belongs to the thread that runs it; only loop_post
 * and loop_stop may be called by others. The mailbox is a bounded multi-producer queue woken by an
 * eventfd. A handler that holds the loop for over 10 ms is counted and logged with its name.
 */
#ifndef CORE_LOOP_H
#define CORE_LOOP_H

#include "core/base.h"
#include "core/timer.h"

struct event_base;
struct loop;

#define LOOP_MAILBOX_DEFAULT 16384 /* messages; a worker behind by more is overloaded */

/* `name` (static) is for logs and metrics: "control", "worker0". Memory must be kept. */
int loop_create(struct loop **out, const char *name, uint32_t mailbox_capacity);
void loop_free(struct loop *loop); /* discards what is in the mailbox; NULL is fine */

/* Runs on the calling thread until loop_stop. */
void loop_run(struct loop *loop);
/* Any thread. Messages posted before it are delivered first. */
void loop_stop(struct loop *loop);

struct event_base *loop_base(struct loop *loop);
struct timers *loop_timers(struct loop *loop);
/* Time of this wakeup: read once per turn of the loop. */
usec_t loop_now(const struct loop *loop);
const char *loop_name(const struct loop *loop);

/* A letter. deliver runs on the loop's thread and owns the payload from then on. discard (may be
 * NULL) frees a payload that is never delivered. */
struct loop_message {
    void (*deliver)(void *target, void *payload, usec_t now);
    void (*discard)(void *payload);
    void *target;
    void *payload;
};

/* Any thread. RC_FULL: not taken, the payload still belongs to the caller. In order per sender. */
int loop_post(struct loop *loop, const struct loop_message *message);

/* Runs fn(arg) at the end of this turn, in order: for freeing what is on the call stack. Own
 * thread only. Never fails before 1024 entries; RC_NOMEM otherwise. */
int loop_defer(struct loop *loop, void (*fn)(void *arg), void *arg);

/* Brackets a handler that libevent calls directly, for the stall count. Own thread only. enter
 * also refreshes loop_now when this is the first handler of the turn. */
void loop_enter(struct loop *loop, const char *handler_name);
void loop_leave(struct loop *loop);

#endif
