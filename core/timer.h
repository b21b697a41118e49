/*
 * core/timer.h - deadlines, tens of thousands of them (4-ary heap).
 *
 * Sans-IO: the owner of the set asks timers_next for when to wake up and calls timers_run then.
 * A timer is embedded in what it wakes; the set holds pointers. One thread.
 */
#ifndef CORE_TIMER_H
#define CORE_TIMER_H

#include "core/base.h"

struct timer;
typedef void timer_fn(struct timer *timer, void *arg, usec_t now);

struct timer {
    usec_t due;
    timer_fn *fn;
    void *arg;
    uint32_t index; /* place in the heap plus one; 0 while not set */
};

struct timers; /* opaque, owned by whoever created it */

int timers_create(struct timers **out);
void timers_free(struct timers *timers);

/* Before the first timers_set. */
void timer_init(struct timer *timer, timer_fn *fn, void *arg);
/* Sets or moves. RC_NOMEM only when the heap must grow and cannot: then it is not set. */
int timers_set(struct timers *timers, struct timer *timer, usec_t due);
/* Harmless when not set. Must be called before the timer's memory goes away. */
void timers_clear(struct timers *timers, struct timer *timer);
static inline bool timer_is_set(const struct timer *timer)
{
    return timer->index != 0;
}

/* When timers_run wants to be called; USEC_NEVER when empty. */
usec_t timers_next(const struct timers *timers);
/* Runs what is due, earliest first. A timer is unset before its fn runs; fn may set and clear
 * any timer, its own included. A timer set during the run for `now` or earlier is set for now +
 * 1: a run ends, and whoever sleeps until timers_next moves on. */
void timers_run(struct timers *timers, usec_t now);
size_t timers_count(const struct timers *timers);

#endif
