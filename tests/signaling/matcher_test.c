#include "signaling/matcher.h"
#include "tests/t.h"

#define NOW SEC(100)

static struct match_ticket ticket(uint64_t user, enum match_kind kind)
{
    return (struct match_ticket){.user = user, .kind = kind};
}

static void two_who_wait_meet_and_leave_the_queue(void)
{
    struct matcher m;
    struct match_ticket a = ticket(1, MATCH_VIDEO), b = ticket(2, MATCH_VIDEO);

    matcher_init(&m);
    matcher_add(&m, &a, NOW);
    T_OK(!matcher_find(&m, &a, NOW));
    matcher_add(&m, &b, NOW + 1);
    T_OK(matcher_find(&m, &b, NOW + 1) == &a);
    T_EQ(m.waiting, 0);
    T_EQ(m.matches, 1);
    T_OK(!a.waiting && !b.waiting && !m.first && !m.last);
}

static void who_came_first_is_served_first(void)
{
    struct matcher m;
    struct match_ticket t[4];

    matcher_init(&m);
    for (uint64_t i = 0; i < 3; i++) {
        t[i] = ticket(i + 1, MATCH_VIDEO);
        matcher_add(&m, &t[i], NOW + i);
    }
    t[3] = ticket(9, MATCH_VIDEO);
    matcher_add(&m, &t[3], NOW + 10);
    T_OK(matcher_find(&m, &t[3], NOW + 10) == &t[0]);
    T_EQ(matcher_position(&m, &t[1]), 1);
    T_EQ(matcher_position(&m, &t[2]), 2);
}

static void text_and_video_do_not_meet(void)
{
    struct matcher m;
    struct match_ticket a = ticket(1, MATCH_VIDEO), b = ticket(2, MATCH_TEXT),
                        c = ticket(3, MATCH_TEXT);

    matcher_init(&m);
    matcher_add(&m, &a, NOW);
    matcher_add(&m, &b, NOW);
    T_OK(!matcher_find(&m, &b, NOW));
    T_EQ(matcher_position(&m, &b), 1); /* among those who look for the same */
    matcher_add(&m, &c, NOW);
    T_OK(matcher_find(&m, &c, NOW) == &b);
}

static void one_avoided_by_either_side_is_not_met(void)
{
    struct matcher m;
    uint64_t list[] = {7, 1};
    struct match_ticket a = ticket(1, MATCH_VIDEO), b = ticket(2, MATCH_VIDEO);

    matcher_init(&m);
    b.avoid = list;
    b.avoid_count = 2;
    matcher_add(&m, &a, NOW);
    matcher_add(&m, &b, NOW);
    T_OK(!matcher_find(&m, &b, NOW));
    T_OK(!matcher_find(&m, &a, NOW));
    b.avoid_count = 1;
    T_OK(matcher_find(&m, &a, NOW) == &b);
}

static void who_was_just_left_is_met_again_after_the_cool_down_only(void)
{
    struct matcher m;
    struct match_ticket a = ticket(1, MATCH_VIDEO), b = ticket(2, MATCH_VIDEO), *x, *y;

    matcher_init(&m);
    a.left = 2;
    a.left_at = NOW;
    matcher_add(&m, &a, NOW);
    matcher_add(&m, &b, NOW);
    T_OK(!matcher_find(&m, &b, NOW));
    T_OK(!matcher_next_pair(&m, NOW + MATCH_COOL_DOWN - 1, &x, &y));
    T_OK(matcher_next_pair(&m, NOW + MATCH_COOL_DOWN, &x, &y));
    T_OK((x == &a && y == &b) || (x == &b && y == &a));
    T_OK(!matcher_next_pair(&m, NOW + MATCH_COOL_DOWN, &x, &y));
}

static void nobody_meets_themselves(void)
{
    struct matcher m;
    struct match_ticket a = ticket(1, MATCH_VIDEO), twin = ticket(1, MATCH_VIDEO);

    matcher_init(&m);
    matcher_add(&m, &a, NOW);
    T_OK(!matcher_find(&m, &a, NOW));
    matcher_add(&m, &twin, NOW);
    T_OK(!matcher_find(&m, &a, NOW));
}

static void adding_and_removing_twice_is_harmless(void)
{
    struct matcher m;
    struct match_ticket t[3];

    matcher_init(&m);
    for (uint64_t i = 0; i < 3; i++) {
        t[i] = ticket(i + 1, MATCH_VIDEO);
        matcher_add(&m, &t[i], NOW);
        matcher_add(&m, &t[i], NOW + 50);
    }
    T_EQ(m.waiting, 3);
    T_EQ(t[0].since, NOW);
    matcher_remove(&m, &t[1]);
    matcher_remove(&m, &t[1]);
    T_EQ(m.waiting, 2);
    T_OK(t[0].next == &t[2] && t[2].prev == &t[0]);
    T_OK(!matcher_find(&m, &t[1], NOW)); /* who does not wait finds nobody */
    matcher_remove(&m, &t[0]);
    matcher_remove(&m, &t[2]);
    T_OK(!m.first && !m.last && m.waiting == 0);
}

static void the_estimate_follows_the_waits_of_the_matched(void)
{
    struct matcher m;

    matcher_init(&m);
    T_EQ(matcher_estimate(&m), 0);
    for (uint64_t i = 0; i < 40; i++) {
        struct match_ticket a = ticket(2 * i + 1, MATCH_VIDEO),
                            b = ticket(2 * i + 2, MATCH_VIDEO);
        matcher_add(&m, &a, NOW);
        matcher_add(&m, &b, NOW);
        T_OK(matcher_find(&m, &b, NOW + SEC(4)));
    }
    T_OK(matcher_estimate(&m) > SEC(4) - MSEC(100) && matcher_estimate(&m) <= SEC(4));
}

static const struct t_case cases[] = {
    T_CASE(two_who_wait_meet_and_leave_the_queue),
    T_CASE(who_came_first_is_served_first),
    T_CASE(text_and_video_do_not_meet),
    T_CASE(one_avoided_by_either_side_is_not_met),
    T_CASE(who_was_just_left_is_met_again_after_the_cool_down_only),
    T_CASE(nobody_meets_themselves),
    T_CASE(adding_and_removing_twice_is_harmless),
    T_CASE(the_estimate_follows_the_waits_of_the_matched),
};

T_MAIN(cases)
