#include "signaling/matcher.h"

#include <string.h>

void matcher_init(struct matcher *matcher)
{
    memset(matcher, 0, sizeof *matcher);
}

void matcher_add(struct matcher *matcher, struct match_ticket *ticket, usec_t now)
{
    if (ticket->waiting)
        return;
    ticket->waiting = true;
    ticket->since = now;
    ticket->next = NULL;
    ticket->prev = matcher->last;
    if (matcher->last)
        matcher->last->next = ticket;
    else
        matcher->first = ticket;
    matcher->last = ticket;
    matcher->waiting++;
}

void matcher_remove(struct matcher *matcher, struct match_ticket *ticket)
{
    if (!ticket->waiting)
        return;
    ticket->waiting = false;
    if (ticket->prev)
        ticket->prev->next = ticket->next;
    else
        matcher->first = ticket->next;
    if (ticket->next)
        ticket->next->prev = ticket->prev;
    else
        matcher->last = ticket->prev;
    matcher->waiting--;
}

static bool avoids(const struct match_ticket *a, const struct match_ticket *b, usec_t now)
{
    if (a->left == b->user && now < a->left_at + MATCH_COOL_DOWN)
        return true;
    for (uint32_t i = 0; i < a->avoid_count; i++)
        if (a->avoid[i] == b->user)
            return true;
    return false;
}

static bool fit(const struct match_ticket *a, const struct match_ticket *b, usec_t now)
{
    return a != b && a->kind == b->kind && a->user != b->user && !avoids(a, b, now) &&
           !avoids(b, a, now);
}

static void note_wait(struct matcher *matcher, const struct match_ticket *ticket, usec_t now)
{
    const usec_t wait = now > ticket->since ? now - ticket->since : 0;

    matcher->mean_wait = (7 * matcher->mean_wait + wait) / 8;
}

static void commit(struct matcher *matcher, struct match_ticket *a, struct match_ticket *b,
                   usec_t now)
{
    note_wait(matcher, a, now);
    note_wait(matcher, b, now);
    matcher_remove(matcher, a);
    matcher_remove(matcher, b);
    matcher->matches++;
}

struct match_ticket *matcher_find(struct matcher *matcher, struct match_ticket *ticket,
                                  usec_t now)
{
    if (!ticket->waiting)
        return NULL;
    for (struct match_ticket *other = matcher->first; other; other = other->next) {
        if (!fit(ticket, other, now))
            continue;
        commit(matcher, ticket, other, now);
        return other;
    }
    return NULL;
}

bool matcher_next_pair(struct matcher *matcher, usec_t now, struct match_ticket **a,
                       struct match_ticket **b)
{
    for (struct match_ticket *ticket = matcher->first; ticket; ticket = ticket->next) {
        struct match_ticket *other = matcher_find(matcher, ticket, now);

        if (other) {
            *a = ticket;
            *b = other;
            return true;
        }
    }
    return false;
}

uint32_t matcher_position(const struct matcher *matcher, const struct match_ticket *ticket)
{
    uint32_t position = 1;

    for (const struct match_ticket *t = matcher->first; t && t != ticket; t = t->next)
        position += t->kind == ticket->kind;
    return position;
}

usec_t matcher_estimate(const struct matcher *matcher)
{
    return matcher->mean_wait;
}
