#include "signaling/match_rate.h"
#include "tests/t.h"

#define START SEC(1000)

static void nothing_has_no_rate(void)
{
    const struct match_rate rate = {0};

    T_EQ(match_rate_get(&rate, START), 0);
}

static void a_steady_rate_is_found_soon_and_kept(void)
{
    struct match_rate rate = {0};

    for (usec_t t = 0; t < SEC(60); t += MSEC(20)) {
        match_rate_note(&rate, 1, START + t);
        if (t < SEC(2))
            continue;
        const uint64_t found = match_rate_get(&rate, START + t);
        T_OK(found >= 49000 && found <= 51000);
    }
}

static void a_burst_at_the_very_start_is_no_flood(void)
{
    struct match_rate rate = {0};

    match_rate_note(&rate, 2, START);
    T_EQ(match_rate_get(&rate, START), 1000); /* as if it had taken two seconds */
}

static void what_stops_is_forgotten(void)
{
    struct match_rate rate = {0};

    for (usec_t t = 0; t < SEC(20); t += MSEC(100))
        match_rate_note(&rate, 1, START + t);
    uint64_t before = match_rate_get(&rate, START + SEC(20));
    for (usec_t t = SEC(20); t <= SEC(45); t += MSEC(500)) {
        const uint64_t now = match_rate_get(&rate, START + t);
        T_OK(now <= before);
        before = now;
    }
    T_EQ(before, 0);
}

static void a_clock_that_steps_back_does_no_harm(void)
{
    struct match_rate rate = {0};

    match_rate_note(&rate, 10, START);
    match_rate_note(&rate, 10, START - SEC(500));
    T_EQ(match_rate_get(&rate, START - SEC(500)), 10000);
}

static void what_is_rarer_than_the_window_has_an_interval(void)
{
    struct match_rate rate = {0};

    T_EQ(match_rate_interval(&rate, START), 0);
    match_rate_note(&rate, 1, START);
    T_EQ(match_rate_interval(&rate, START + SEC(50)), 0); /* of one, nobody knows */
    for (usec_t t = SEC(60); t <= SEC(3600); t += SEC(60))
        match_rate_note(&rate, 1, START + t);
    T_EQ(match_rate_interval(&rate, START + SEC(3600)), SEC(60));
    T_EQ(match_rate_interval(&rate, START + SEC(3800)), SEC(200)); /* and none has come since */
    match_rate_note(&rate, 1, START + SEC(3600) + SEC(140));
    T_EQ(match_rate_interval(&rate, START + SEC(3740)), SEC(70)); /* one in eight of the new */
}

static const struct t_case cases[] = {
    T_CASE(nothing_has_no_rate),
    T_CASE(a_steady_rate_is_found_soon_and_kept),
    T_CASE(a_burst_at_the_very_start_is_no_flood),
    T_CASE(what_stops_is_forgotten),
    T_CASE(a_clock_that_steps_back_does_no_harm),
    T_CASE(what_is_rarer_than_the_window_has_an_interval),
};

T_MAIN(cases)
