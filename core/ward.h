/*
 * core/ward.h - things that have the same patience, in the order of their deadlines, with one
 * timer for the first of them.
 *
 * Sans-IO. An entry is embedded in what waits; the ward holds pointers and allocates nothing.
 * One thread.
 */
#ifndef CORE_WARD_H
#define CORE_WARD_H

#include "core/base.h"
#include "core/timer.h"

#include <sys/queue.h>

struct ward_entry {
    TAILQ_ENTRY(ward_entry) link;
    usec_t deadline;
};

struct ward {
    TAILQ_HEAD(, ward_entry) list;
    struct timers *timers; /* borrowed */
    struct timer timer;
    usec_t patience;
    void (*late)(void *arg, struct ward_entry *entry);
    void *arg;
};

/* `late` is called with each entry whose deadline has passed, and has to remove it. */
void ward_init(struct ward *ward, struct timers *timers, usec_t patience,
               void (*late)(void *arg, struct ward_entry *entry), void *arg);
/* Its deadline is `now` and the patience. `now` never goes back. */
void ward_add(struct ward *ward, struct ward_entry *entry, usec_t now);
void ward_remove(struct ward *ward, struct ward_entry *entry);
/* The one that waits longest; NULL when nobody does. */
struct ward_entry *ward_first(const struct ward *ward);
/* The timer is forgotten; entries are the owner's. */
void ward_stop(struct ward *ward);

#endif
