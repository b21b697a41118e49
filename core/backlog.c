#include "core/backlog.h"

#include <stdlib.h>

struct waiting {
    struct waiting *next;
    struct loop_message message;
};

struct backlog {
    struct loop *own, *to; /* borrowed */
    struct timer retry;
    struct waiting *first, **last; /* owned */
    size_t count, max;
};

static void set_retry(struct backlog *backlog)
{
    if (timer_is_set(&backlog->retry))
        return;
    (void)timers_set(loop_timers(backlog->own), &backlog->retry,
                     loop_now(backlog->own) + BACKLOG_RETRY);
}

/* Posts as many as the mailbox takes. */
static void drain(struct backlog *backlog)
{
    while (backlog->first) {
        struct waiting *waiting = backlog->first;

        if (loop_post(backlog->to, &waiting->message) != RC_OK)
            return;
        backlog->first = waiting->next;
        backlog->count--;
        free(waiting);
    }
    backlog->last = &backlog->first;
}

static void on_retry(struct timer *timer, void *arg, usec_t now)
{
    struct backlog *backlog = arg;
    (void)timer;
    (void)now;

    drain(backlog);
    if (backlog->first)
        set_retry(backlog);
}

static int keep(struct backlog *backlog, const struct loop_message *message)
{
    if (backlog->count == backlog->max)
        return RC_FULL;
    struct waiting *waiting = malloc(sizeof *waiting);
    if (!waiting)
        return RC_NOMEM;
    *waiting = (struct waiting){.message = *message};
    *backlog->last = waiting;
    backlog->last = &waiting->next;
    backlog->count++;
    set_retry(backlog);
    return RC_OK;
}

int backlog_post(struct backlog *backlog, const struct loop_message *message)
{
    drain(backlog);
    if (!backlog->first && loop_post(backlog->to, message) == RC_OK)
        return RC_OK;
    return keep(backlog, message);
}

int backlog_offer(struct backlog *backlog, const struct loop_message *message)
{
    drain(backlog);
    return backlog->first ? RC_FULL : loop_post(backlog->to, message);
}

size_t backlog_waiting(const struct backlog *backlog)
{
    return backlog->count;
}

int backlog_create(struct backlog **out, struct loop *own, struct loop *to, uint32_t max)
{
    struct backlog *backlog = calloc(1, sizeof *backlog);
    if (!backlog)
        return RC_NOMEM;
    backlog->own = own;
    backlog->to = to;
    backlog->max = max ? max : BACKLOG_MAX_DEFAULT;
    backlog->last = &backlog->first;
    timer_init(&backlog->retry, on_retry, backlog);
    *out = backlog;
    return RC_OK;
}

void backlog_free(struct backlog *backlog)
{
    if (!backlog)
        return;
    timers_clear(loop_timers(backlog->own), &backlog->retry);
    for (struct waiting *waiting = backlog->first, *next; waiting; waiting = next) {
        next = waiting->next;
        if (waiting->message.discard)
            waiting->message.discard(waiting->message.payload);
        free(waiting);
    }
    free(backlog);
}
