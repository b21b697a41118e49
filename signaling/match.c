#include "signaling/match.h"

#include "signaling/match_index.h"
#include "signaling/match_line.h"
#include "signaling/match_rate.h"

#include <stdlib.h>
#include <string.h>

struct match_options match_options_default(void)
{
    return (struct match_options){
        .weights = match_weights_default,
        .curve = match_curve_default,
        .hope = 16,
        .cool_down = SEC(3),
    };
}

/* Those who wait look again after so long: often while their demands fall, seldom after. */
static const usec_t gaps[] = {MSEC(250), MSEC(500), MSEC(1000), MSEC(2000)};

/* Everybody in one list waits for the same gap, so who entered first is due first. */
struct look_list {
    struct match_ticket *first, *last;
};

/* Of one kind. */
struct pool {
    struct match_line front, line; /* who was put first, and the others */
    struct look_list list[ARRAY_LEN(gaps)];
    struct match_rate arrived; /* newcomers */
    struct match_rate at_once; /* those of them who were matched without waiting */
    struct match_rate served;  /* people who were matched after some waiting */
};

struct match {
    struct match_options options;
    usec_t curve_end;
    struct match_index *index; /* owned */
    struct pool pool[MATCH_KIND_COUNT];
};

static usec_t waited(const struct match_card *card, usec_t now)
{
    return now > card->since ? now - card->since : 0;
}

/* --- life ----------------------------------------------------------------------------------
 */

int match_create(struct match **out, const struct match_options *options)
{
    if (!match_curve_valid(&options->curve))
        return RC_BAD;
    struct match *match = calloc(1, sizeof *match);
    if (!match)
        return RC_NOMEM;
    if (match_index_create(&match->index) != RC_OK) {
        free(match);
        return RC_NOMEM;
    }
    match->options = *options;
    match->curve_end = match_curve_end(&options->curve);
    *out = match;
    return RC_OK;
}

void match_free(struct match *match)
{
    if (!match)
        return;
    for (size_t i = 0; i < MATCH_KIND_COUNT; i++) {
        match_line_free(&match->pool[i].front);
        match_line_free(&match->pool[i].line);
    }
    match_index_free(match->index);
    free(match);
}

/* --- when to look again --------------------------------------------------------------------
 */

static void list_push(struct pool *pool, struct match_ticket *ticket, uint32_t gap, usec_t now)
{
    struct look_list *list = &pool->list[gap];

    ticket->gap = gap;
    ticket->look_at = now + gaps[gap];
    ticket->next = NULL;
    ticket->prev = list->last;
    if (list->last)
        list->last->next = ticket;
    else
        list->first = ticket;
    list->last = ticket;
}

static void list_remove(struct pool *pool, struct match_ticket *ticket)
{
    struct look_list *list = &pool->list[ticket->gap];

    if (ticket->prev)
        ticket->prev->next = ticket->next;
    else
        list->first = ticket->next;
    if (ticket->next)
        ticket->next->prev = ticket->prev;
    else
        list->last = ticket->prev;
}

static uint32_t gap_after(const struct match *match, usec_t wait)
{
    const usec_t end = match->curve_end;

    if (wait < end / 4)
        return 0;
    if (wait < end)
        return 1;
    return wait < 4 * end ? 2 : 3;
}

/* Who is due first of those who can be matched at all; NULL. */
static struct match_ticket *next_due(const struct match *match)
{
    struct match_ticket *due = NULL;

    for (size_t kind = 0; kind < MATCH_KIND_COUNT; kind++) {
        if (match_index_count(match->index, (enum match_kind)kind) < 2)
            continue;
        for (size_t i = 0; i < ARRAY_LEN(gaps); i++) {
            struct match_ticket *first = match->pool[kind].list[i].first;
            if (first && (!due || first->look_at < due->look_at))
                due = first;
        }
    }
    return due;
}

usec_t match_deadline(const struct match *match)
{
    const struct match_ticket *due = next_due(match);

    return due ? due->look_at : USEC_NEVER;
}

/* --- coming and going ----------------------------------------------------------------------
 */

const struct match_options *match_options(const struct match *match)
{
    return &match->options;
}

static struct pool *pool_of(struct match *match, const struct match_ticket *ticket)
{
    return &match->pool[ticket->card.kind];
}

static void leave_index(struct match *match, struct match_ticket *ticket)
{
    if (ticket->indexed)
        match_index_remove(match->index, ticket->slot);
    ticket->indexed = false;
}

/* Without memory it is not found for now, and tries again whenever it looks for somebody. */
static void enter_index(struct match *match, struct match_ticket *ticket)
{
    if (ticket->indexed || (ticket->card.kind == MATCH_VIDEO && !ticket->proven))
        return;
    ticket->card.ticket = ticket;
    ticket->card.best = (int16_t)match_score_best(&match->options.weights, &ticket->card);
    ticket->indexed = match_index_add(match->index, &ticket->card, &ticket->slot) == RC_OK;
}

static int add(struct match *match, struct match_ticket *ticket, bool first, usec_t now)
{
    struct pool *pool = pool_of(match, ticket);

    if (ticket->waiting)
        return RC_OK;
    if (match_line_enter(first ? &pool->front : &pool->line, &ticket->number) != RC_OK)
        return RC_NOMEM;
    ticket->waiting = true;
    ticket->first = first;
    ticket->card.since = ticket->card.heard = now;
    ticket->card.content = first;
    enter_index(match, ticket);
    list_push(pool, ticket, 0, now);
    match_rate_note(&pool->arrived, 1, now);
    return RC_OK;
}

int match_add(struct match *match, struct match_ticket *ticket, usec_t now)
{
    return add(match, ticket, false, now);
}

int match_add_first(struct match *match, struct match_ticket *ticket, usec_t now)
{
    return add(match, ticket, true, now);
}

void match_remove(struct match *match, struct match_ticket *ticket)
{
    if (!ticket->waiting)
        return;

    struct pool *pool = pool_of(match, ticket);
    leave_index(match, ticket);
    list_remove(pool, ticket);
    match_line_leave(ticket->first ? &pool->front : &pool->line, &ticket->number);
    ticket->waiting = false;
}

void match_update(struct match *match, struct match_ticket *ticket)
{
    if (!ticket->waiting)
        return;
    leave_index(match, ticket);
    enter_index(match, ticket);
}

void match_heard(struct match *match, struct match_ticket *ticket, usec_t now)
{
    ticket->card.heard = now;
    if (ticket->indexed)
        match_index_card(match->index, ticket->slot)->heard = now;
}

/* --- who fits ------------------------------------------------------------------------------
 */

static bool lists(const uint64_t *list, uint32_t count, uint64_t user)
{
    for (uint32_t i = 0; i < count; i++)
        if (list[i] == user)
            return true;
    return false;
}

/* When the two parted, if that is remembered; 0. */
static usec_t met_at(const struct match_ticket *a, const struct match_ticket *b)
{
    usec_t at = 0;

    for (size_t i = 0; i < MATCH_MET_MAX; i++)
        if (a->met[i].user == b->user && a->met[i].at > at)
            at = a->met[i].at;
    return at;
}

static bool excludes(const struct match_ticket *a, const struct match_ticket *b)
{
    return lists(a->avoid, a->avoid_count, b->user) ||
           lists(a->blocked, a->blocked_count, b->user);
}

static bool fit(const struct match *match, const struct match_ticket *a,
                const struct match_ticket *b, usec_t parted, usec_t now)
{
    if (a->user == b->user || excludes(a, b) || excludes(b, a))
        return false;
    return !parted || now >= parted + match->options.cool_down;
}

void match_parted(struct match_ticket *a, struct match_ticket *b, usec_t now)
{
    a->met[a->met_next++ % MATCH_MET_MAX] = (struct match_meeting){b->user, now};
    b->met[b->met_next++ % MATCH_MET_MAX] = (struct match_meeting){a->user, now};
}

/* --- what is demanded ----------------------------------------------------------------------
 */

#define HOPE_FULL 256

/* 0…HOPE_FULL: by how many newcomers are to be expected until the end of the curve. */
static uint32_t hope_of(const struct match *match, uint32_t kind, usec_t now)
{
    const uint64_t rate = match_rate_get(&match->pool[kind].arrived, now);
    const uint64_t expected = HOPE_FULL * rate * match->curve_end / SEC(1000);

    if (expected >= (uint64_t)HOPE_FULL * match->options.hope)
        return HOPE_FULL;
    return (uint32_t)(expected / match->options.hope);
}

static int demand_of(const struct match *match, const struct match_card *card, uint32_t hope,
                     usec_t now)
{
    const uint32_t share =
        card->content ? 0 : match_curve_share(&match->options.curve, waited(card, now));
    const int demand = (int)((uint32_t)card->best * share * hope / (100 * HOPE_FULL));

    return demand < match->options.weights.optimal ? demand : match->options.weights.optimal;
}

int match_demand(const struct match *match, const struct match_ticket *ticket, usec_t now)
{
    return demand_of(match, &ticket->card, hope_of(match, ticket->card.kind, now), now);
}

/* --- searching -----------------------------------------------------------------------------
 */

/* One person's search. */
struct search {
    struct match *match;
    struct match_ticket *ticket;
    struct match_card card; /* a copy, which the compiler may keep at hand */
    usec_t now;
    uint32_t hope;
    int demand; /* the searcher's */
    struct match_ticket *best;
    struct match_parts parts; /* of the best */
};

/* What the two demand together: the mean, but nothing once either would take anybody. */
static int demand_of_both(const struct search *search, const struct match_card *other)
{
    const int theirs = demand_of(search->match, other, search->hope, search->now);

    if (search->demand == 0 || theirs == 0)
        return 0;
    return (search->demand + theirs + 1) / 2;
}

static void consider(struct search *search, const struct match_card *other)
{
    const struct match_weights *weights = &search->match->options.weights;
    struct match_ticket *ticket = other->ticket;
    const int limit = search->best ? search->parts.total + 1 : 0;

    if (ticket == search->ticket)
        return;
    const int score = match_score_total(weights, &search->card, other, search->now);
    if (score < limit || score < demand_of_both(search, other))
        return;
    /* Good enough by the cards; the tickets are looked at now, because that is rarer. */
    const usec_t parted = met_at(search->ticket, ticket);
    if (!fit(search->match, search->ticket, ticket, parted, search->now))
        return;
    const struct match_parts parts =
        match_score(weights, &search->card, other, parted, search->now);
    if (parts.total < limit || parts.total < demand_of_both(search, other))
        return;
    search->best = ticket;
    search->parts = parts;
}

static void look_among(struct search *search, enum match_reach reach)
{
    uint32_t slot[MATCH_NEAR_MAX];
    struct match_index *index = search->match->index;
    const uint32_t n = match_index_gather(index, &search->card, reach, slot);

    for (uint32_t i = 0; i < n; i++)
        consider(search, match_index_card(index, slot[i]));
}

static bool is_settled(const struct search *search)
{
    return search->best && search->parts.total >= search->match->options.weights.optimal;
}

bool match_find(struct match *match, struct match_ticket *ticket, usec_t now,
                struct match_found *found)
{
    if (!ticket->waiting)
        return false;
    enter_index(match, ticket);
    if (!ticket->indexed || match_index_count(match->index, ticket->card.kind) < 2)
        return false;

    struct search search = {.match = match, .ticket = ticket, .card = ticket->card, .now = now};
    search.hope = hope_of(match, ticket->card.kind, now);
    search.demand = demand_of(match, &search.card, search.hope, now);
    look_among(&search, MATCH_NEAR);
    if (!is_settled(&search))
        look_among(&search, MATCH_FAR);
    if (!search.best && search.demand == 0)
        look_among(&search, MATCH_ANYBODY);
    if (!search.best)
        return false;
    *found = (struct match_found){
        .a = ticket,
        .b = search.best,
        .parts = search.parts,
        .waited_a = waited(&ticket->card, now),
        .waited_b = waited(&search.best->card, now),
    };
    return true;
}

bool match_next(struct match *match, usec_t now, uint32_t *looks, struct match_found *found)
{
    while (*looks > 0) {
        struct match_ticket *ticket = next_due(match);

        if (!ticket || ticket->look_at > now)
            return false;
        --*looks;
        list_remove(pool_of(match, ticket), ticket);
        list_push(pool_of(match, ticket), ticket, gap_after(match, waited(&ticket->card, now)),
                  now);
        if (match_find(match, ticket, now, found))
            return true;
    }
    return false;
}

static void take_out(struct match *match, struct match_ticket *ticket, usec_t now)
{
    struct pool *pool = pool_of(match, ticket);

    match_rate_note(now > ticket->card.since ? &pool->served : &pool->at_once, 1, now);
    match_remove(match, ticket);
}

void match_commit(struct match *match, const struct match_found *found, usec_t now)
{
    take_out(match, found->a, now);
    take_out(match, found->b, now);
}

/* --- looking -------------------------------------------------------------------------------
 */

uint32_t match_waiting(const struct match *match, enum match_kind kind)
{
    return match->pool[kind].front.count + match->pool[kind].line.count;
}

uint32_t match_position(const struct match *match, const struct match_ticket *ticket)
{
    const struct pool *pool = &match->pool[ticket->card.kind];

    if (!ticket->waiting)
        return 0;
    if (ticket->first)
        return match_line_before(&pool->front, &ticket->number) + 1;
    return pool->front.count + match_line_before(&pool->line, &ticket->number) + 1;
}

/* How many who wait are served in 1000 s: as many as were of late, or as begin to wait where
 * that is more, because of a service that has just begun few are served yet. */
static uint64_t service_rate(const struct pool *pool, usec_t now)
{
    const uint64_t served = match_rate_get(&pool->served, now);
    const uint64_t arrived = match_rate_get(&pool->arrived, now);
    const uint64_t at_once = match_rate_get(&pool->at_once, now);
    const uint64_t stay = arrived > at_once ? arrived - at_once : 0;

    return served > stay ? served : stay;
}

usec_t match_estimate(const struct match *match, const struct match_ticket *ticket, usec_t now)
{
    const enum match_kind kind = (enum match_kind)ticket->card.kind;
    const struct pool *pool = &match->pool[kind];
    usec_t estimate;

    /* Whoever is alone waits for the next who comes; the others, by Little's law, as long as it
     * takes to serve those before them. */
    if (match_waiting(match, kind) <= 1) {
        estimate = match_rate_interval(&pool->arrived, now);
    } else {
        const uint64_t rate = service_rate(pool, now);
        estimate = rate ? match_position(match, ticket) * SEC(1000) / rate : 0;
    }
    if (estimate == 0)
        return MATCH_ESTIMATE_UNKNOWN;
    return estimate < MATCH_ESTIMATE_MAX ? estimate : MATCH_ESTIMATE_MAX;
}
