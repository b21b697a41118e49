/*
 * core/loop.h - one thread's event loop: libevent, timers, and a mailbox for other threads.
 *
 * Glue: knows libevent and the clock. A loop belongs to the thread that runs it; only loop_post
 * and loop_stop may be called by others. The mailbox is a bounded multi-producer queue woken by
 * an eventfd. A handler that holds the loop for over 10 ms is counted and logged with its name.
 *
 * One turn: libevent's events and the mailbox, then the timers that are due, then what was
 * deferred. libevent is used without its locks: touch a base from its own thread only.
 */
#ifndef CORE_LOOP_H
#define CORE_LOOP_H

#include "core/base.h"
#include "core/mailbox.h" /* struct loop_message */
#include "core/metrics.h"
#include "core/timer.h"

struct event_base;
struct loop;

#define LOOP_MAILBOX_DEFAULT 16384 /* messages; a worker behind by more is overloaded */

/* `name` is for logs and metrics: "control", "worker0"; it is borrowed and outlives the loop.
 * The capacity is rounded up to a power of two; 0: LOOP_MAILBOX_DEFAULT. SIGPIPE is ignored in
 * the whole process from then on: a peer that hangs up is an EPIPE. RC_NOMEM, RC_SYS. */
int loop_create(struct loop **out, const char *name, uint32_t mailbox_capacity);
/* Runs what is deferred, discards what is in the mailbox; NULL is fine. Timers that are still
 * set are forgotten. Events of libevent must have been freed. */
void loop_free(struct loop *loop);

/* Runs on the calling thread until loop_stop; may be run again afterwards. */
void loop_run(struct loop *loop);
/* One turn: waits until something happens and handles it. */
void loop_turn(struct loop *loop);
/* Any thread. Messages posted before it are delivered first. A loop that is not running stops
 * as soon as it is run. */
void loop_stop(struct loop *loop);

/* Under load (a fifth of a processor and more), turns begin no closer than `interval` (under a
 * second) to each other, so that each finds more to do at once: what waking up costs is divided by
 * more packets. 0, the default: never. Own thread only. */
void loop_set_pace(struct loop *loop, usec_t interval);
/* Is it doing so now? Then what a handler leaves for the next turn waits. Own thread only. */
bool loop_keeps_pace(const struct loop *loop);
struct event_base *loop_base(struct loop *loop);
struct timers *loop_timers(struct loop *loop);
/* Time of this wakeup: read once per turn, when it is first asked for. Own thread only. */
usec_t loop_now(struct loop *loop);
const char *loop_name(const struct loop *loop);

/* Any thread. RC_FULL: not taken, the payload still belongs to the caller. In order per sender.
 */
int loop_post(struct loop *loop, const struct loop_message *message);
/* Own thread only: `target` goes away. What waits for it is discarded; nobody may be posting to
 * it any more. */
void loop_forget(struct loop *loop, const void *target);

/* Runs fn(arg) at the end of this turn, in order: for freeing what is on the call stack. What
 * fn defers runs in the same turn. Own thread only. Never fails before 1024 entries; RC_NOMEM
 * otherwise. */
int loop_defer(struct loop *loop, void (*fn)(void *arg), void *arg);

/* Brackets a handler that libevent calls directly, for the stall count; may be nested, the
 * outermost counts. `handler_name` is static. Own thread only. */
void loop_enter(struct loop *loop, const char *handler_name);
void loop_leave(struct loop *loop);

#define LOOP_STALL MSEC(10)

/* Written by the loop's thread, but for mailbox_full; register them where they are. */
struct loop_stats {
    struct counter turns;
    struct counter busy_usec;    /* from the first handler of each turn to its end */
    struct counter messages;     /* delivered */
    struct counter mailbox_full; /* posts refused; written by those who post */
    struct counter stalls;       /* handlers that took longer than LOOP_STALL */
};
struct loop_stats *loop_stats(struct loop *loop);

#endif
