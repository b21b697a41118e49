/*
 * bench/match_bench.c - the matching alone: what a match costs by how many wait, and how good
 * matches are beside what was possible. bench/README.md says how to read it.
 *
 * match_bench [speed | quality [SECONDS [ARRIVALS_PER_SECOND]]]; without an argument: both.
 */
#include "bench/match_population_lib.h"
#include "bench/pairing_bound_lib.h"
#include "signaling/match.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SEED 0x9e3779b97f4a7c15

static void *get(size_t n, size_t size)
{
    void *memory = calloc(n, size);

    if (!memory) {
        fprintf(stderr, "match_bench: no memory\n");
        exit(EXIT_FAILURE);
    }
    return memory;
}

static struct match *new_match(const struct match_options *options)
{
    struct match *match;

    if (match_create(&match, options) != RC_OK) {
        fprintf(stderr, "match_bench: the matcher cannot be made\n");
        exit(EXIT_FAILURE);
    }
    return match;
}

static void enter(struct match *match, struct match_ticket *ticket, usec_t now)
{
    if (match_add(match, ticket, now) != RC_OK) {
        fprintf(stderr, "match_bench: no memory\n");
        exit(EXIT_FAILURE);
    }
}

/* The processor's time of this program: what else the machine does doesn't count. */
static usec_t cpu_time(void)
{
    struct timespec time;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return SEC(time.tv_sec) + (usec_t)time.tv_nsec / 1000;
}

/* --- speed ---------------------------------------------------------------------------------
 */

#define BATCH 1000 /* between two looks at the time */

/* Two come for each two that go. */
struct flow {
    struct match *match;
    struct match_ticket *ticket; /* of all people */
    struct match_ticket *away[2];
    uint32_t people;
    struct chance chance;
    usec_t now;
    uint64_t points;
};

/* All but the last two wait. */
static void flow_open(struct flow *flow, uint32_t waiting)
{
    const struct match_options options = match_options_default();

    *flow = (struct flow){.match = new_match(&options), .people = waiting + 2};
    flow->ticket = get(flow->people, sizeof *flow->ticket);
    flow->chance.state = SEED;
    flow->now = SEC(1000);
    for (uint32_t i = 0; i < flow->people; i++) {
        struct match_ticket *ticket = &flow->ticket[i];

        ticket->user = i + 1;
        ticket->proven = true;
        population_person(&flow->chance, &ticket->card);
        if (i < waiting)
            enter(flow->match, ticket, flow->now);
        else
            flow->away[i - waiting] = ticket;
    }
}

static void flow_close(struct flow *flow)
{
    for (uint32_t i = 0; i < flow->people; i++)
        match_remove(flow->match, &flow->ticket[i]);
    match_free(flow->match);
    free(flow->ticket);
}

/* Two come, the first looks, two go: as many wait as before. A first one who holds out for
 * better stays, and somebody else looks. */
static void flow_match(struct flow *flow)
{
    struct match_ticket *who = flow->away[0];
    struct match_found found;

    enter(flow->match, flow->away[0], flow->now);
    enter(flow->match, flow->away[1], flow->now);
    while (!match_find(flow->match, who, flow->now, &found))
        who = &flow->ticket[chance_below(&flow->chance, flow->people)];
    match_commit(flow->match, &found, flow->now);
    flow->away[0] = found.a;
    flow->away[1] = found.b;
    flow->points += (uint64_t)found.parts.total;
    flow->now += 10;
}

static void flow_search(struct flow *flow)
{
    struct match_found found;

    (void)match_find(flow->match, &flow->ticket[chance_below(&flow->chance, flow->people)],
                     flow->now, &found);
}

/* Microseconds that one takes. */
static double cost_of(void (*step)(struct flow *flow), struct flow *flow, uint64_t *count)
{
    const usec_t start = cpu_time();
    usec_t spent;

    *count = 0;
    do {
        for (int i = 0; i < BATCH; i++)
            step(flow);
        *count += BATCH;
        spent = cpu_time() - start;
    } while (spent < SEC(1));
    return (double)spent / (double)*count;
}

static void print_speed(void)
{
    static const uint32_t sizes[] = {1000, 10000, 100000};

    printf("== cost of a match: two come, one of them looks, two go\n");
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct flow flow;
        uint64_t matches, searches;

        flow_open(&flow, sizes[i]);
        const double match = cost_of(flow_match, &flow, &matches);
        const double search = cost_of(flow_search, &flow, &searches);
        printf("%6u waiting: %5.2f us, %7.0f matches/s on one core, mean score %.1f; "
               "a search alone %.2f us\n",
               sizes[i], match, 1e6 / match, (double)flow.points / (double)matches, search);
        flow_close(&flow);
    }
}

/* --- quality -------------------------------------------------------------------------------
 */

#define DRAIN SEC(20) /* after the last arrival */

struct person {
    struct match_ticket ticket;
    usec_t arrived;
    usec_t waited;
    usec_t estimate; /* what it was told when it began to wait; 0: was matched at once */
    struct person *partner;
};

struct crowd {
    struct person *person;
    uint32_t count;
    usec_t start, end;
};

static void gather_crowd(struct crowd *crowd, usec_t duration, double rate)
{
    struct chance chance = {SEED};
    const double expected = rate * (double)duration / 1e6;
    const uint32_t most = (uint32_t)(expected * 1.2) + 1000;

    crowd->person = get(most, sizeof *crowd->person);
    crowd->start = SEC(1000);
    crowd->end = crowd->start + duration;
    crowd->count = 0;
    for (usec_t now = crowd->start; crowd->count < most; crowd->count++) {
        struct person *person = &crowd->person[crowd->count];

        now += chance_interval(&chance, rate);
        if (now >= crowd->end)
            break;
        person->arrived = now;
        person->ticket.user = crowd->count + 1;
        person->ticket.proven = true;
        population_person(&chance, &person->ticket.card);
    }
}

static struct person *person_of(struct match_ticket *ticket)
{
    return (struct person *)(void *)((char *)ticket - offsetof(struct person, ticket));
}

/* What two bring for themselves: without the points for waiting, and both just heard of. */
static int worth(const struct person *a, const struct person *b)
{
    struct match_card x = a->ticket.card, y = b->ticket.card;

    x.since = y.since = x.heard = y.heard = 0;
    return match_score_total(&match_weights_default, &x, &y, 0);
}

static void marry(struct person *a, struct person *b, usec_t now)
{
    a->partner = b;
    b->partner = a;
    a->waited = now - a->arrived;
    b->waited = now - b->arrived;
}

static void run_due(struct match *match, usec_t until)
{
    usec_t now;

    while ((now = match_deadline(match)) <= until) {
        uint32_t looks = MATCH_LOOKS_MAX;
        struct match_found found;

        while (match_next(match, now, &looks, &found)) {
            match_commit(match, &found, now);
            marry(person_of(found.a), person_of(found.b), now);
        }
    }
}

static void run_match(const struct crowd *crowd, const struct match_options *options)
{
    struct match *match = new_match(options);

    for (uint32_t i = 0; i < crowd->count; i++) {
        struct person *person = &crowd->person[i];
        struct match_found found;

        run_due(match, person->arrived);
        enter(match, &person->ticket, person->arrived);
        if (match_find(match, &person->ticket, person->arrived, &found)) {
            match_commit(match, &found, person->arrived);
            marry(person, person_of(found.b), person->arrived);
        } else {
            person->estimate = match_estimate(match, &person->ticket, person->arrived);
        }
    }
    run_due(match, crowd->end + DRAIN);
    for (uint32_t i = 0; i < crowd->count; i++)
        match_remove(match, &crowd->person[i].ticket);
    match_free(match);
}

/* Whoever comes meets whoever waits. */
static void run_first_come(const struct crowd *crowd)
{
    struct person *waiting[MATCH_KIND_COUNT] = {NULL};

    for (uint32_t i = 0; i < crowd->count; i++) {
        struct person *person = &crowd->person[i], **other = &waiting[person->ticket.card.kind];

        if (*other)
            marry(person, *other, person->arrived);
        *other = *other ? NULL : person;
    }
}

static void forget_partners(const struct crowd *crowd)
{
    for (uint32_t i = 0; i < crowd->count; i++) {
        struct person *person = &crowd->person[i];

        person->partner = NULL;
        person->waited = person->estimate = 0;
    }
}

static int compare(const void *a, const void *b)
{
    const usec_t x = *(const usec_t *)a, y = *(const usec_t *)b;

    return x < y ? -1 : x > y;
}

static double seconds(usec_t time)
{
    return (double)time / 1e6;
}

static double print_quality(const char *name, const struct crowd *crowd)
{
    usec_t *wait = get(crowd->count, sizeof *wait);
    uint32_t matched = 0, optimal = 0;
    double points = 0;

    for (uint32_t i = 0; i < crowd->count; i++) {
        const struct person *person = &crowd->person[i];
        if (!person->partner)
            continue;
        const int score = worth(person, person->partner);
        points += score;
        optimal += score >= match_weights_default.optimal;
        wait[matched++] = person->waited;
    }
    qsort(wait, matched, sizeof *wait, compare);
    printf("%-26s mean score %5.1f, %4.1f %% at 100 and above; waiting p50 %.2f s, p95 %.2f s, "
           "longest %.2f s; %u of %u not matched\n",
           name, points / matched, 100.0 * optimal / matched, seconds(wait[matched / 2]),
           seconds(wait[matched * 95 / 100]), seconds(wait[matched - 1]),
           crowd->count - matched, crowd->count);
    free(wait);
    return points / crowd->count; /* who is not matched has nothing */
}

/* How true the estimates were that those who had to wait were told. */
static void print_estimates(const struct crowd *crowd)
{
    double told = 0, was = 0;
    uint32_t n = 0;

    for (uint32_t i = 0; i < crowd->count; i++) {
        const struct person *person = &crowd->person[i];
        if (!person->partner || person->estimate == 0)
            continue;
        told += seconds(person->estimate);
        was += seconds(person->waited);
        n++;
    }
    if (n > 0)
        printf("%-26s %u had to wait: told %.2f s in the mean, waited %.2f s\n", "", n,
               told / n, was / n);
}

/* --- what was possible ---------------------------------------------------------------------
 */

/* Of the people of one kind, in the order of their arrival; those pairs are possible who come
 * within `window` of each other. */
static struct pairing_bound bound_of_kind(const struct crowd *crowd, enum match_kind kind,
                                          usec_t window)
{
    const struct person **person = get(crowd->count, sizeof(void *));
    uint32_t n = 0;

    for (uint32_t i = 0; i < crowd->count; i++)
        if (crowd->person[i].ticket.card.kind == kind)
            person[n++] = &crowd->person[i];
    uint8_t *weight = get((size_t)n * n + 1, 1);
    uint32_t *from = get(n + 1, sizeof *from), *to = get(n + 1, sizeof *to);
    for (uint32_t i = 0, low = 0, high = 0; i < n; i++) {
        while (person[low]->arrived + window < person[i]->arrived)
            low++;
        while (high < n && person[high]->arrived <= person[i]->arrived + window)
            high++;
        from[i] = low;
        to[i] = high;
        for (uint32_t j = low; j < i; j++)
            weight[(size_t)i * n + j] = weight[(size_t)j * n + i] =
                (uint8_t)worth(person[i], person[j]);
    }
    const struct pairing pairing = {n, weight, from, to,
                                    (uint8_t)match_weights_default.optimal};
    const struct pairing_bound bound = pairing_bound(&pairing);
    free(person);
    free(weight);
    free(from);
    free(to);
    return bound;
}

static void print_bound(const char *name, const struct crowd *crowd, usec_t window, double ours)
{
    double upper = 0, lower = 0, good = 0;

    for (int kind = 0; kind < MATCH_KIND_COUNT; kind++) {
        const struct pairing_bound bound = bound_of_kind(crowd, (enum match_kind)kind, window);

        upper += 2 * bound.upper / crowd->count;
        lower += 2 * (double)bound.lower / crowd->count;
        good += 200.0 * bound.good / crowd->count;
    }
    printf("%-26s mean score %5.1f, %4.1f %% at 100 and above (one that exists); none is above "
           "%.1f, ours is %.1f %% of that\n",
           name, lower, good, upper, 100 * ours / upper);
}

static void print_all_quality(double duration, double rate)
{
    const struct match_options options = match_options_default();
    struct crowd crowd;

    gather_crowd(&crowd, (usec_t)(duration * 1e6), rate);
    printf("== quality: %u people in %.0f s (Poisson, %.0f/s)\n", crowd.count, duration, rate);
    run_first_come(&crowd);
    (void)print_quality("first come, first served", &crowd);
    forget_partners(&crowd);
    run_match(&crowd, &options);
    const double ours = print_quality("ours", &crowd);
    print_estimates(&crowd);
    print_bound("best within 3 s", &crowd, SEC(3), ours);
    print_bound("best within 10 s", &crowd, SEC(10), ours);
    print_bound("best of all, however long", &crowd, SEC(1000000), ours);
    free(crowd.person);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";

    if (strcmp(what, "quality") != 0)
        print_speed();
    if (strcmp(what, "speed") != 0)
        print_all_quality(argc > 2 ? atof(argv[2]) : 60, argc > 3 ? atof(argv[3]) : 50);
    return 0;
}
