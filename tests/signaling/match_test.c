#include "bench/match_population_lib.h"
#include "signaling/match.h"
#include "tests/t.h"

#define NOW SEC(1000)

static struct match *m;
static struct match_options options;

static void open_match(void)
{
    options = match_options_default();
    T_EQ(match_create(&m, &options), RC_OK);
}

/* A matcher in front of which demands are not lowered because hardly anyone comes. */
static void open_strict_match(void)
{
    options = match_options_default();
    options.hope = 0;
    T_EQ(match_create(&m, &options), RC_OK);
}

/* One who says nothing of themselves. */
static struct match_ticket ticket(uint64_t user, enum match_kind kind)
{
    return (struct match_ticket){
        .user = user,
        .card = {.kind = (uint8_t)kind, .quality = MATCH_QUALITY_UNKNOWN},
        .proven = true,
    };
}

/* One who says a lot; `what` equal: an optimal match, else a poor one. */
static struct match_ticket particular(uint64_t user, uint16_t what)
{
    struct match_ticket t = ticket(user, MATCH_VIDEO);

    t.card.region = t.card.area = what;
    t.card.language[0] = t.card.interest[0] = what;
    t.card.quality = 90;
    return t;
}

static bool find(struct match_ticket *who, usec_t now, struct match_found *found)
{
    const bool is_found = match_find(m, who, now, found);

    T_OK(!is_found || (found->a == who && found->b != who && found->b->waiting));
    return is_found;
}

/* Finds and commits; NULL. */
static struct match_ticket *meet(struct match_ticket *who, usec_t now)
{
    struct match_found found;

    if (!find(who, now, &found))
        return NULL;
    match_commit(m, &found, now);
    T_OK(!found.a->waiting && !found.b->waiting);
    return found.b;
}

static void add(struct match_ticket *who, usec_t now)
{
    T_EQ(match_add(m, who, now), RC_OK);
    T_OK(who->waiting);
}

/* Runs everything that is due until then; true once somebody is proposed. */
static bool pass(usec_t until, usec_t *at, struct match_found *found)
{
    while ((*at = match_deadline(m)) <= until) {
        uint32_t looks = MATCH_LOOKS_MAX;
        if (match_next(m, *at, &looks, found))
            return true;
    }
    return false;
}

/* --- meeting ------------------------------------------------------------------------------ */

static void two_strangers_who_are_there_meet_at_once(void)
{
    struct match_ticket a = ticket(1, MATCH_VIDEO), b = ticket(2, MATCH_VIDEO);

    open_match();
    add(&a, NOW);
    T_OK(!meet(&a, NOW));
    add(&b, NOW);
    T_OK(meet(&b, NOW) == &a);
    T_EQ(match_waiting(m, MATCH_VIDEO), 0);
    match_free(m);
}

static void strangers_meet_at_once_in_a_crowd_too(void)
{
    struct match_ticket a = ticket(1, MATCH_VIDEO), b = ticket(2, MATCH_VIDEO);

    open_strict_match();
    add(&a, NOW);
    add(&b, NOW);
    T_OK(meet(&b, NOW) == &a); /* neither could hope for more */
    match_free(m);
}

static void a_proposal_changes_nothing_until_it_is_committed(void)
{
    struct match_ticket a = ticket(1, MATCH_VIDEO), b = ticket(2, MATCH_VIDEO);
    struct match_found found;

    open_match();
    add(&a, NOW);
    add(&b, NOW);
    for (int i = 0; i < 3; i++) {
        T_OK(find(&b, NOW, &found));
        T_OK(found.b == &a);
        T_EQ(match_waiting(m, MATCH_VIDEO), 2);
    }
    match_remove(m, &a); /* disappears between the halves */
    T_OK(!find(&b, NOW, &found));
    T_OK(b.waiting);
    match_remove(m, &b);
    match_free(m);
}

static void the_parts_of_the_score_come_with_the_match(void)
{
    struct match_ticket a = particular(1, 7), b = particular(2, 7);
    struct match_found found;

    open_match();
    add(&a, NOW);
    add(&b, NOW + SEC(2));
    T_OK(find(&b, NOW + SEC(2), &found));
    T_EQ(found.waited_a, 0);
    T_EQ(found.waited_b, SEC(2));
    T_EQ(found.parts.region, options.weights.region);
    T_EQ(found.parts.language, options.weights.language);
    T_EQ(found.parts.interest, options.weights.interest[1]);
    T_EQ(found.parts.waiting, 2);
    T_OK(found.parts.total >= options.weights.optimal);
    match_commit(m, &found, NOW + SEC(2));
    match_free(m);
}

static void the_best_of_those_who_wait_is_taken(void)
{
    struct match_ticket t[6];

    open_strict_match();
    for (uint16_t i = 0; i < 5; i++) {
        t[i] = particular(i + 1u, i + 1);
        add(&t[i], NOW);
        T_OK(!meet(&t[i], NOW));
    }
    t[5] = particular(9, 3);
    add(&t[5], NOW);
    T_OK(meet(&t[5], NOW) == &t[2]);
    for (int i = 0; i < 5; i++)
        match_remove(m, &t[i]);
    match_free(m);
}

/* --- who does not meet -------------------------------------------------------------------- */

static void text_and_video_do_not_meet(void)
{
    struct match_ticket a = ticket(1, MATCH_VIDEO), b = ticket(2, MATCH_TEXT),
                        c = ticket(3, MATCH_TEXT);

    open_match();
    add(&a, NOW);
    add(&b, NOW);
    T_OK(!meet(&b, NOW + SEC(60)));
    T_EQ(match_position(m, &b), 1); /* among those who look for the same */
    add(&c, NOW);
    T_OK(meet(&c, NOW) == &b);
    match_remove(m, &a);
    match_free(m);
}

static void whoever_either_side_avoids_or_has_blocked_is_not_met(void)
{
    const uint64_t list[] = {7, 1};

    for (int row = 0; row < 4; row++) {
        struct match_ticket a = ticket(1, MATCH_VIDEO), b = ticket(2, MATCH_VIDEO);

        open_match();
        const bool blocks = row & 1;
        *(blocks ? &b.blocked : &b.avoid) = list;
        *(blocks ? &b.blocked_count : &b.avoid_count) = 2;
        struct match_ticket *first = row & 2 ? &a : &b, *second = row & 2 ? &b : &a;
        add(first, NOW);
        add(second, NOW);
        T_OK(!meet(second, NOW + SEC(60)));
        T_OK(!meet(first, NOW + SEC(60)));
        *(blocks ? &b.blocked_count : &b.avoid_count) = 1;
        match_update(m, &b);
        T_OK(meet(second, NOW + SEC(60)) == first);
        match_free(m);
    }
}

static void one_whom_all_but_one_have_blocked_meets_that_one(void)
{
    enum { PEOPLE = 600 };
    static struct match_ticket t[PEOPLE];
    static uint64_t all[PEOPLE + 1];
    struct match_ticket outcast = particular(1000, 7);
    struct match_found found;
    usec_t at;

    open_match();
    all[PEOPLE] = outcast.user;
    for (uint64_t i = 0; i < PEOPLE; i++) {
        t[i] = ticket(i + 1, MATCH_VIDEO);
        t[i].blocked = all;
        t[i].blocked_count = PEOPLE + (i != 333);
        all[i] = i + 1;
    }
    for (int i = 0; i < PEOPLE; i++)
        add(&t[i], NOW);
    add(&outcast, NOW);
    T_OK(pass(NOW + SEC(20), &at, &found));
    T_OK(found.a == &outcast || found.b == &outcast);
    T_OK(found.a == &t[333] || found.b == &t[333]);
    match_remove(m, &outcast);
    for (int i = 0; i < PEOPLE; i++)
        match_remove(m, &t[i]);
    match_free(m);
}

static void nobody_meets_themselves(void)
{
    struct match_ticket a = ticket(1, MATCH_VIDEO), twin = ticket(1, MATCH_VIDEO);

    open_match();
    add(&a, NOW);
    T_OK(!meet(&a, NOW + SEC(60)));
    add(&twin, NOW);
    T_OK(!meet(&a, NOW + SEC(60)));
    match_remove(m, &a);
    match_remove(m, &twin);
    match_free(m);
}

static void who_was_just_left_is_met_again_after_the_cool_down_only(void)
{
    struct match_ticket a = ticket(1, MATCH_VIDEO), b = ticket(2, MATCH_VIDEO);
    struct match_found found;
    usec_t at;

    open_match();
    match_parted(&a, &b, NOW);
    add(&a, NOW);
    add(&b, NOW);
    T_OK(!meet(&b, NOW));
    T_OK(!pass(NOW + options.cool_down - 1, &at, &found));
    T_OK(pass(NOW + options.cool_down + MSEC(500), &at, &found));
    T_OK((found.a == &a && found.b == &b) || (found.a == &b && found.b == &a));
    T_OK(found.parts.met < 0);
    match_commit(m, &found, at);
    match_free(m);
}

static void somebody_new_is_preferred_to_one_met_lately(void)
{
    struct match_ticket a = particular(1, 7), b = particular(2, 7), c = particular(3, 7);

    open_match();
    match_parted(&a, &b, NOW - SEC(60));
    add(&b, NOW);
    add(&c, NOW);
    add(&a, NOW);
    T_OK(meet(&a, NOW) == &c);
    match_remove(m, &b);
    match_free(m);
}

static void without_a_proven_path_nobody_is_offered_for_video(void)
{
    struct match_ticket a = ticket(1, MATCH_VIDEO), b = ticket(2, MATCH_VIDEO);

    open_match();
    a.proven = false;
    add(&a, NOW);
    add(&b, NOW);
    T_OK(!meet(&a, NOW + SEC(60)));
    T_OK(!meet(&b, NOW + SEC(60)));
    T_EQ(match_waiting(m, MATCH_VIDEO), 2);
    T_EQ(match_position(m, &a), 1); /* the place is kept */
    T_EQ(match_deadline(m), USEC_NEVER);
    a.proven = true;
    match_update(m, &a);
    T_OK(meet(&a, NOW + SEC(60)) == &b);
    match_free(m);
}

static void text_needs_no_path(void)
{
    struct match_ticket a = ticket(1, MATCH_TEXT), b = ticket(2, MATCH_TEXT);

    open_match();
    a.proven = b.proven = false;
    add(&a, NOW);
    add(&b, NOW);
    T_OK(meet(&b, NOW) == &a);
    match_free(m);
}

static void a_path_that_is_lost_while_waiting_takes_one_out_of_the_offer(void)
{
    struct match_ticket a = ticket(1, MATCH_VIDEO), b = ticket(2, MATCH_VIDEO);

    open_match();
    add(&a, NOW);
    a.proven = false;
    match_update(m, &a);
    add(&b, NOW);
    T_OK(!meet(&b, NOW));
    match_remove(m, &a);
    match_remove(m, &b);
    match_free(m);
}

/* --- demands and time --------------------------------------------------------------------- */

static void demands_fall_along_the_curve(void)
{
    struct match_ticket a = particular(1, 7);

    open_strict_match();
    add(&a, NOW);
    const int best = a.card.best;
    T_EQ(best, 100);
    T_EQ(match_demand(m, &a, NOW), 95);
    T_EQ(match_demand(m, &a, NOW + SEC(2)), 85);
    T_EQ(match_demand(m, &a, NOW + SEC(3)), 60);
    T_EQ(match_demand(m, &a, NOW + SEC(4)), 0);
    match_remove(m, &a);
    match_free(m);
}

static void nobody_demands_more_than_an_optimal_match(void)
{
    struct match_ticket a = particular(1, 7);

    open_strict_match();
    a.card.interest[1] = 8;
    a.card.interest[2] = 9;
    add(&a, NOW);
    T_OK(a.card.best > 105);
    T_EQ(match_demand(m, &a, NOW), 100);
    match_remove(m, &a);
    match_free(m);
}

static void demands_are_small_when_hardly_anyone_comes(void)
{
    struct match_ticket a = particular(1, 7), other[100];

    open_match();
    add(&a, NOW);
    T_OK(match_demand(m, &a, NOW) <= 12);
    for (uint64_t i = 0; i < 100; i++) { /* 50 a second */
        other[i] = ticket(100 + i, MATCH_VIDEO);
        add(&other[i], NOW + i * MSEC(20));
        match_remove(m, &other[i]);
    }
    match_remove(m, &a);
    add(&a, NOW + SEC(2));
    T_EQ(match_demand(m, &a, NOW + SEC(2)), 95);
    match_remove(m, &a);
    match_free(m);
}

static void two_who_hold_out_for_better_meet_by_the_end_of_the_curve(void)
{
    struct match_ticket a = particular(1, 7), b = particular(2, 8);
    const usec_t end = match_curve_end(&match_curve_default);
    struct match_found found;
    usec_t at;

    open_strict_match();
    add(&a, NOW);
    add(&b, NOW);
    T_OK(!meet(&b, NOW));
    T_OK(pass(NOW + end + MSEC(500), &at, &found));
    T_OK(at >= NOW + SEC(2)); /* they did hold out */
    match_commit(m, &found, at);
    match_free(m);
}

static void one_whose_demands_are_gone_takes_anybody_however_fresh(void)
{
    struct match_ticket a = particular(1, 7), b = particular(2, 8);

    open_strict_match();
    add(&a, NOW);
    add(&b, NOW + SEC(5));
    T_OK(meet(&b, NOW + SEC(5)) == &a);
    match_free(m);
}

static void nobody_is_looked_at_while_nobody_could_be_matched(void)
{
    struct match_ticket a = ticket(1, MATCH_VIDEO), b = ticket(2, MATCH_TEXT);

    open_match();
    T_EQ(match_deadline(m), USEC_NEVER);
    add(&a, NOW);
    add(&b, NOW);
    T_EQ(match_deadline(m), USEC_NEVER);
    match_remove(m, &a);
    match_remove(m, &b);
    match_free(m);
}

static void those_who_cannot_meet_look_seldom_after_a_while(void)
{
    const uint64_t avoided = 1;
    struct match_ticket a = ticket(1, MATCH_VIDEO), b = ticket(2, MATCH_VIDEO);
    uint32_t turns = 0;

    open_match();
    b.avoid = &avoided;
    b.avoid_count = 1;
    add(&a, NOW);
    add(&b, NOW);
    for (usec_t at; (at = match_deadline(m)) < NOW + SEC(600); turns++) {
        struct match_found found;
        uint32_t looks = MATCH_LOOKS_MAX;
        T_OK(!match_next(m, at, &looks, &found));
        T_OK(match_deadline(m) > at);
    }
    T_OK(turns < 700);
    match_remove(m, &a);
    match_remove(m, &b);
    match_free(m);
}

static void a_turn_ends_after_so_many_looks_and_the_next_goes_on(void)
{
    enum { PEOPLE = 50 };
    struct match_ticket t[PEOPLE];
    struct match_found found;
    uint32_t turns = 0;

    open_strict_match();
    for (uint16_t i = 0; i < PEOPLE; i++) {
        t[i] = particular(i + 1u, i + 1);
        add(&t[i], NOW);
    }
    while (match_deadline(m) <= NOW + MSEC(300)) {
        uint32_t looks = 7;
        T_OK(!match_next(m, NOW + MSEC(300), &looks, &found));
        turns++;
    }
    T_EQ(turns, (PEOPLE + 6) / 7);
    for (int i = 0; i < PEOPLE; i++)
        match_remove(m, &t[i]);
    match_free(m);
}

static void being_heard_of_keeps_one_fresh(void)
{
    struct match_ticket a = ticket(1, MATCH_VIDEO), b = ticket(2, MATCH_VIDEO);
    struct match_found found;

    open_match();
    add(&a, NOW);
    add(&b, NOW + SEC(90));
    T_OK(find(&b, NOW + SEC(90), &found));
    T_OK(found.parts.fresh < options.weights.fresh);
    match_heard(m, &a, NOW + SEC(89));
    T_OK(find(&b, NOW + SEC(90), &found));
    T_EQ(found.parts.fresh, options.weights.fresh);
    match_commit(m, &found, NOW + SEC(90));
    match_heard(m, &a, NOW + SEC(91)); /* harmless */
    match_free(m);
}

/* --- the queue ---------------------------------------------------------------------------- */

static void adding_and_removing_twice_is_harmless(void)
{
    struct match_ticket t[3];

    open_match();
    for (uint64_t i = 0; i < 3; i++) {
        t[i] = ticket(i + 1, MATCH_VIDEO);
        add(&t[i], NOW);
        add(&t[i], NOW + 50);
    }
    T_EQ(match_waiting(m, MATCH_VIDEO), 3);
    T_EQ(t[0].card.since, NOW);
    match_remove(m, &t[1]);
    match_remove(m, &t[1]);
    T_EQ(match_waiting(m, MATCH_VIDEO), 2);
    T_EQ(match_position(m, &t[2]), 2);
    T_EQ(match_position(m, &t[1]), 0);
    T_OK(!meet(&t[1], NOW)); /* who does not wait finds nobody */
    match_remove(m, &t[0]);
    match_remove(m, &t[2]);
    T_EQ(match_waiting(m, MATCH_VIDEO), 0);
    match_free(m);
}

static void one_put_first_is_before_the_others_and_has_no_demands(void)
{
    struct match_ticket a = particular(1, 7), b = particular(2, 8), c = particular(3, 9);

    open_strict_match();
    add(&a, NOW);
    T_EQ(match_add_first(m, &b, NOW), RC_OK);
    T_EQ(match_add_first(m, &c, NOW), RC_OK);
    T_EQ(match_position(m, &b), 1);
    T_EQ(match_position(m, &c), 2);
    T_EQ(match_position(m, &a), 3);
    T_EQ(match_demand(m, &b, NOW), 0);
    T_OK(meet(&b, NOW) != NULL);
    match_remove(m, &a);
    match_remove(m, &c);
    add(&b, NOW); /* the next time is like everybody's */
    T_OK(match_demand(m, &b, NOW) > 0);
    match_remove(m, &b);
    match_free(m);
}

static void changes_while_waiting_are_seen_and_keep_the_place(void)
{
    struct match_ticket a = particular(1, 7), b = particular(2, 8), c = particular(3, 9);

    open_strict_match();
    add(&a, NOW);
    add(&b, NOW);
    add(&c, NOW);
    T_OK(!meet(&c, NOW));
    a.card.region = a.card.area = 9;
    a.card.language[0] = a.card.interest[0] = 9;
    match_update(m, &a);
    T_EQ(match_position(m, &a), 1);
    T_OK(meet(&c, NOW) == &a);
    match_remove(m, &b);
    match_free(m);
}

static void the_estimate_for_one_alone_is_when_somebody_comes(void)
{
    struct match_ticket a = ticket(1, MATCH_VIDEO), other[40];

    open_match();
    T_EQ(match_estimate(m, &a, NOW), MATCH_ESTIMATE_UNKNOWN);
    for (uint64_t i = 0; i < 40; i++) { /* one every four seconds */
        other[i] = ticket(10 + i, MATCH_VIDEO);
        add(&other[i], NOW + i * SEC(4));
        match_remove(m, &other[i]);
    }
    add(&a, NOW + SEC(160));
    const usec_t estimate = match_estimate(m, &a, NOW + SEC(160));
    T_EQ(estimate, SEC(4));
    match_remove(m, &a);
    match_free(m);
}

static void the_estimate_in_a_queue_follows_who_are_served(void)
{
    static struct match_ticket t[2000];
    struct chance chance = {9};
    double told = 0, waited = 0;
    uint32_t n = 0;
    usec_t now = NOW;

    open_match();
    for (uint32_t i = 0; i < ARRAY_LEN(t); i++) { /* 50 a second */
        struct match_found found;
        now += chance_interval(&chance, 50);
        for (usec_t at; pass(now, &at, &found);) {
            waited += (double)(found.waited_a + found.waited_b);
            match_commit(m, &found, at);
        }
        t[i] = ticket(i + 1, MATCH_VIDEO);
        population_person(&chance, &t[i].card);
        t[i].card.kind = MATCH_VIDEO;
        add(&t[i], now);
        if (find(&t[i], now, &found)) {
            waited += (double)found.waited_b;
            match_commit(m, &found, now);
        } else {
            told += (double)match_estimate(m, &t[i], now);
            n++;
        }
    }
    printf("# told %.2f s in the mean, waited %.2f s\n", told / n / 1e6, waited / n / 1e6);
    T_OK(told > 0.7 * waited && told < 1.4 * waited);
    for (uint32_t i = 0; i < ARRAY_LEN(t); i++)
        match_remove(m, &t[i]);
    match_free(m);
}

/* --- configuration ------------------------------------------------------------------------ */

static void a_curve_that_is_none_is_refused(void)
{
    options = match_options_default();
    options.curve.count = 0;
    m = NULL;
    T_EQ(match_create(&m, &options), RC_BAD);
    T_OK(!m);
    match_free(NULL);
}

static const struct t_case cases[] = {
    T_CASE(two_strangers_who_are_there_meet_at_once),
    T_CASE(strangers_meet_at_once_in_a_crowd_too),
    T_CASE(a_proposal_changes_nothing_until_it_is_committed),
    T_CASE(the_parts_of_the_score_come_with_the_match),
    T_CASE(the_best_of_those_who_wait_is_taken),
    T_CASE(text_and_video_do_not_meet),
    T_CASE(whoever_either_side_avoids_or_has_blocked_is_not_met),
    T_CASE(one_whom_all_but_one_have_blocked_meets_that_one),
    T_CASE(nobody_meets_themselves),
    T_CASE(who_was_just_left_is_met_again_after_the_cool_down_only),
    T_CASE(somebody_new_is_preferred_to_one_met_lately),
    T_CASE(without_a_proven_path_nobody_is_offered_for_video),
    T_CASE(text_needs_no_path),
    T_CASE(a_path_that_is_lost_while_waiting_takes_one_out_of_the_offer),
    T_CASE(demands_fall_along_the_curve),
    T_CASE(nobody_demands_more_than_an_optimal_match),
    T_CASE(demands_are_small_when_hardly_anyone_comes),
    T_CASE(two_who_hold_out_for_better_meet_by_the_end_of_the_curve),
    T_CASE(one_whose_demands_are_gone_takes_anybody_however_fresh),
    T_CASE(nobody_is_looked_at_while_nobody_could_be_matched),
    T_CASE(those_who_cannot_meet_look_seldom_after_a_while),
    T_CASE(a_turn_ends_after_so_many_looks_and_the_next_goes_on),
    T_CASE(being_heard_of_keeps_one_fresh),
    T_CASE(adding_and_removing_twice_is_harmless),
    T_CASE(one_put_first_is_before_the_others_and_has_no_demands),
    T_CASE(changes_while_waiting_are_seen_and_keep_the_place),
    T_CASE(the_estimate_for_one_alone_is_when_somebody_comes),
    T_CASE(the_estimate_in_a_queue_follows_who_are_served),
    T_CASE(a_curve_that_is_none_is_refused),
};

T_MAIN(cases)
