/*
 * A million things that may happen to sixty people who look for partners, by chance, beside a
 * plain account of who waits, who is with whom and who may not meet whom. Checked: a pair is of
 * two who wait, fit and are not with anybody; both leave the queue, or neither; places are
 * those of the order in which people came; nobody is lost; and nobody is left waiting beyond
 * the curve while somebody who fits waits too.
 */
#include "bench/match_population_lib.h"
#include "signaling/match.h"
#include "tests/t.h"

#define PEOPLE 60
#define EVENTS 1000000
#define AVOIDED_MAX 55
#define SLACK (SEC(2) + 1) /* how seldom people look again at most */

enum state { AWAY, WAITING, TOGETHER };

struct person {
    struct match_ticket ticket;
    enum state state;
    usec_t since;     /* when the waiting began */
    bool first;       /* was put first */
    uint64_t arrival; /* rising with each wait that begins */
    uint64_t avoided[AVOIDED_MAX], blocked[AVOIDED_MAX];
    struct person *partner;
    usec_t parted[PEOPLE]; /* from whom, when; 0: never */
};

static struct person people[PEOPLE];
static usec_t fit_since[PEOPLE][PEOPLE]; /* since when the two could be matched; USEC_NEVER */
static struct chance chance;
static struct match *m;
static struct match_options options;
static usec_t now;
static uint64_t arrivals, matches, total_score;
static uint32_t avoided_max; /* how many somebody avoids, or has blocked, at most */

static uint32_t index_of(const struct person *person)
{
    return (uint32_t)(person - people);
}

/* --- the account -------------------------------------------------------------------------- */

static bool names(const uint64_t *list, uint32_t count, const struct person *who)
{
    for (uint32_t i = 0; i < count; i++)
        if (list[i] == who->ticket.user)
            return true;
    return false;
}

static bool refuses(const struct person *a, const struct person *b)
{
    return names(a->avoided, a->ticket.avoid_count, b) ||
           names(a->blocked, a->ticket.blocked_count, b);
}

static bool offered(const struct person *a)
{
    return a->state == WAITING && (a->ticket.proven || a->ticket.card.kind == MATCH_TEXT);
}

static bool fit(const struct person *a, const struct person *b)
{
    return a != b && offered(a) && offered(b) && a->ticket.card.kind == b->ticket.card.kind &&
           !refuses(a, b) && !refuses(b, a);
}

/* Something about this one has changed. */
static void note_change(const struct person *person)
{
    const uint32_t i = index_of(person);

    for (uint32_t j = 0; j < PEOPLE; j++) {
        usec_t *since = &fit_since[i][j];

        if (!fit(person, &people[j]))
            *since = USEC_NEVER;
        else if (*since == USEC_NEVER)
            *since = now;
        fit_since[j][i] = *since;
    }
}

/* From when on the two may not both be waiting. */
static usec_t limit(const struct person *a, const struct person *b)
{
    const usec_t parted = a->parted[index_of(b)];
    usec_t from = fit_since[index_of(a)][index_of(b)];
    usec_t content_a = a->first ? 0 : a->since + match_curve_end(&options.curve);
    usec_t content_b = b->first ? 0 : b->since + match_curve_end(&options.curve);

    if (parted && from < parted + options.cool_down)
        from = parted + options.cool_down;
    if (from < (content_a < content_b ? content_a : content_b))
        from = content_a < content_b ? content_a : content_b;
    return from + SLACK;
}

/* --- the checks --------------------------------------------------------------------------- */

static void check_nobody_left_waiting(void)
{
    for (uint32_t i = 0; i < PEOPLE; i++)
        for (uint32_t j = 0; j < i; j++)
            if (fit_since[i][j] != USEC_NEVER)
                T_OK(now <= limit(&people[i], &people[j]));
}

static bool is_before(const struct person *a, const struct person *b)
{
    if (a->first != b->first)
        return a->first;
    return a->arrival < b->arrival;
}

static void check_places(void)
{
    uint32_t waiting[MATCH_KIND_COUNT] = {0};

    for (uint32_t i = 0; i < PEOPLE; i++) {
        const struct person *a = &people[i];
        uint32_t before = 0;

        T_EQ(a->ticket.waiting, a->state == WAITING);
        T_EQ(a->partner != NULL, a->state == TOGETHER);
        T_OK(!a->partner || (a->partner != a && a->partner->partner == a));
        if (a->state != WAITING)
            continue;
        waiting[a->ticket.card.kind]++;
        for (uint32_t j = 0; j < PEOPLE; j++)
            before += people[j].state == WAITING &&
                      people[j].ticket.card.kind == a->ticket.card.kind &&
                      is_before(&people[j], a);
        T_EQ(match_position(m, &a->ticket), before + 1);
    }
    for (int kind = 0; kind < MATCH_KIND_COUNT; kind++)
        T_EQ(match_waiting(m, (enum match_kind)kind), waiting[kind]);
}

static struct person *person_of(struct match_ticket *ticket)
{
    return (struct person *)(void *)((char *)ticket - offsetof(struct person, ticket));
}

static void check_and_commit(const struct match_found *found)
{
    struct person *a = person_of(found->a), *b = person_of(found->b);
    const usec_t parted = a->parted[index_of(b)];

    T_OK(fit(a, b));
    T_OK(!parted || now >= parted + options.cool_down);
    T_EQ(parted, b->parted[index_of(a)]);
    T_EQ(found->waited_a, now - a->since);
    T_EQ(found->waited_b, now - b->since);
    T_OK(found->parts.total >= 0 && found->parts.total < 150);
    if (chance_below(&chance, 50) == 0) /* the owner could not make the pair: both wait on */
        return;
    match_commit(m, found, now);
    a->state = b->state = TOGETHER;
    a->partner = b;
    b->partner = a;
    matches++;
    total_score += (uint64_t)found->parts.total;
    note_change(a);
    note_change(b);
}

/* --- what happens ------------------------------------------------------------------------- */

static void choose_list(uint64_t *list, uint32_t *count)
{
    *count = chance_below(&chance, 3) ? 0 : chance_below(&chance, avoided_max + 1);
    for (uint32_t i = 0; i < *count; i++)
        list[i] = 1 + chance_below(&chance, PEOPLE);
}

static void choose_wishes(struct person *person)
{
    struct match_ticket *ticket = &person->ticket;
    const struct match_card before = ticket->card;

    population_person(&chance, &ticket->card);
    ticket->card.since = before.since;
    ticket->card.heard = before.heard;
    ticket->card.content = before.content;
    ticket->card.wishes = chance_below(&chance, 5) ? 0 : (uint8_t)chance_below(&chance, 4);
    if (ticket->waiting)
        ticket->card.kind = before.kind;
    ticket->avoid = person->avoided;
    ticket->blocked = person->blocked;
    choose_list(person->avoided, &ticket->avoid_count);
    choose_list(person->blocked, &ticket->blocked_count);
    ticket->proven = chance_below(&chance, 5) > 0;
}

static void look(struct person *person)
{
    struct match_found found;

    if (match_find(m, &person->ticket, now, &found)) {
        T_OK(person_of(found.a) == person);
        check_and_commit(&found);
    }
}

static void begin(struct person *person)
{
    choose_wishes(person);
    person->state = WAITING;
    person->since = now;
    person->arrival = ++arrivals;
    person->first = chance_below(&chance, 20) == 0;
    if (person->first)
        T_EQ(match_add_first(m, &person->ticket, now), RC_OK);
    else
        T_EQ(match_add(m, &person->ticket, now), RC_OK);
    note_change(person);
    look(person);
}

static void change(struct person *person)
{
    if (chance_below(&chance, 2))
        choose_wishes(person);
    else
        person->ticket.proven = !person->ticket.proven;
    match_update(m, &person->ticket);
    note_change(person);
    look(person);
}

static void cancel(struct person *person)
{
    match_remove(m, &person->ticket);
    person->state = AWAY;
    note_change(person);
}

static void part(struct person *person)
{
    struct person *partner = person->partner;

    match_parted(&person->ticket, &partner->ticket, now);
    person->parted[index_of(partner)] = partner->parted[index_of(person)] = now;
    person->partner = partner->partner = NULL;
    person->state = partner->state = AWAY;
}

static void pass_time(usec_t time)
{
    const usec_t end = now + time;

    while (match_deadline(m) <= end) {
        struct match_found found;
        uint32_t looks = 1 + chance_below(&chance, 5);

        if (match_deadline(m) > now)
            now = match_deadline(m);
        check_nobody_left_waiting();
        while (match_next(m, now, &looks, &found))
            check_and_commit(&found);
    }
    now = end;
    check_nobody_left_waiting();
}

static void something_happens(void)
{
    struct person *person = &people[chance_below(&chance, PEOPLE)];
    const uint32_t what = chance_below(&chance, 100);

    if (what < 10)
        pass_time(MSEC(chance_below(&chance, 300)));
    else if (what < 15)
        match_heard(m, &person->ticket, now);
    else if (person->state == AWAY)
        begin(person);
    else if (person->state == WAITING)
        what < 60 ? change(person) : cancel(person);
    else if (what < 40)
        part(person);
}

static void run(uint64_t seed, int events, uint32_t hope, uint32_t avoided)
{
    memset(people, 0, sizeof people);
    chance.state = seed;
    now = SEC(1000);
    arrivals = matches = total_score = 0;
    avoided_max = avoided;
    options = match_options_default();
    options.hope = hope;
    T_EQ(match_create(&m, &options), RC_OK);
    for (uint32_t i = 0; i < PEOPLE; i++) {
        people[i].ticket.user = i + 1;
        for (uint32_t j = 0; j < PEOPLE; j++)
            fit_since[i][j] = USEC_NEVER;
    }
    for (int i = 0; i < events; i++) {
        something_happens();
        if (i % 16 == 0)
            check_places();
    }
    check_places();
    for (uint32_t i = 0; i < PEOPLE; i++)
        match_remove(m, &people[i].ticket);
    T_EQ(match_waiting(m, MATCH_VIDEO) + match_waiting(m, MATCH_TEXT), 0);
    T_EQ(match_deadline(m), USEC_NEVER);
    match_free(m);
    printf("# %llu waits, %llu matches, mean score %.1f, %.0f s\n",
           (unsigned long long)arrivals, (unsigned long long)matches,
           (double)total_score / (double)matches, (double)(now - SEC(1000)) / 1e6);
    T_OK(matches > (uint64_t)events / 40);
}

static void the_rules_hold_through_a_million_events(void)
{
    run(0x9e3779b97f4a7c15, EVENTS / 3, 16, 8);
    run(0x2545f4914f6cdd1d, EVENTS / 3, 0, 8);
    run(0xbf58476d1ce4e5b9, EVENTS - 2 * (EVENTS / 3), 0, AVOIDED_MAX);
}

static const struct t_case cases[] = {
    T_CASE(the_rules_hold_through_a_million_events),
};

T_MAIN(cases)
