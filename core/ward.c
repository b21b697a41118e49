#include "core/ward.h"

/* A timer for somebody who has left meanwhile finds out when it rings. */
static void watch(struct ward *ward)
{
    const struct ward_entry *first = TAILQ_FIRST(&ward->list);

    if (first && !timer_is_set(&ward->timer))
        (void)timers_set(ward->timers, &ward->timer, first->deadline);
}

static void on_timer(struct timer *timer, void *arg, usec_t now)
{
    struct ward *ward = arg;
    (void)timer;

    for (struct ward_entry *e = TAILQ_FIRST(&ward->list); e && e->deadline <= now;
         e = TAILQ_FIRST(&ward->list))
        ward->late(ward->arg, e);
    watch(ward);
}

void ward_init(struct ward *ward, struct timers *timers, usec_t patience,
               void (*late)(void *arg, struct ward_entry *entry), void *arg)
{
    TAILQ_INIT(&ward->list);
    ward->timers = timers;
    ward->patience = patience;
    ward->late = late;
    ward->arg = arg;
    timer_init(&ward->timer, on_timer, ward);
}

void ward_add(struct ward *ward, struct ward_entry *entry, usec_t now)
{
    entry->deadline = now + ward->patience;
    TAILQ_INSERT_TAIL(&ward->list, entry, link);
    watch(ward);
}

void ward_remove(struct ward *ward, struct ward_entry *entry)
{
    TAILQ_REMOVE(&ward->list, entry, link);
}

struct ward_entry *ward_first(const struct ward *ward)
{
    return TAILQ_FIRST(&ward->list);
}

void ward_stop(struct ward *ward)
{
    timers_clear(ward->timers, &ward->timer);
}
