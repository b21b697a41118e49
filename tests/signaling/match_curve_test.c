#include "signaling/match_curve.h"
#include "tests/t.h"

static void the_share_falls_linearly_between_the_points(void)
{
    const struct match_curve curve = {{{0, 100}, {SEC(2), 60}, {SEC(4), 0}}, 3};
    static const struct {
        usec_t waited;
        uint32_t share;
    } rows[] = {
        {0, 100},        {SEC(1), 80}, {SEC(2), 60},   {SEC(3), 30},
        {SEC(4) - 1, 1}, {SEC(4), 0},  {SEC(1000), 0}, {USEC_NEVER, 0},
    };

    T_OK(match_curve_valid(&curve));
    T_EQ(match_curve_end(&curve), SEC(4));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        T_EQ(match_curve_share(&curve, rows[i].waited), rows[i].share);
}

static void at_the_last_point_everything_will_do_whatever_it_says(void)
{
    const struct match_curve curve = {{{0, 90}, {SEC(2), 90}}, 2};

    T_OK(match_curve_valid(&curve));
    T_EQ(match_curve_share(&curve, SEC(2) - 1), 90);
    T_EQ(match_curve_share(&curve, SEC(2)), 0);
}

static void one_point_demands_nothing_at_any_time(void)
{
    const struct match_curve curve = {{{0, 100}}, 1};

    T_OK(match_curve_valid(&curve));
    T_EQ(match_curve_share(&curve, 0), 0);
}

static void the_default_never_rises(void)
{
    uint32_t before = 100;

    T_OK(match_curve_valid(&match_curve_default));
    for (usec_t t = 0; t <= match_curve_end(&match_curve_default); t += MSEC(1)) {
        const uint32_t share = match_curve_share(&match_curve_default, t);
        T_OK(share <= before);
        before = share;
    }
    T_EQ(before, 0);
}

static void what_is_no_curve_is_refused(void)
{
    static const struct match_curve rows[] = {
        {{{0}}, 0},
        {{{0, 50}}, MATCH_CURVE_POINTS_MAX + 1},
        {{{1, 50}}, 1},                   /* begins late */
        {{{0, 101}}, 1},                  /* more than everything */
        {{{0, 50}, {0, 40}}, 2},          /* two values at once */
        {{{0, 50}, {2, 40}, {1, 30}}, 3}, /* goes back */
        {{{0, 50}, {1, 60}}, 2},          /* rises */
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        T_OK(!match_curve_valid(&rows[i]));
}

static const struct t_case cases[] = {
    T_CASE(the_share_falls_linearly_between_the_points),
    T_CASE(at_the_last_point_everything_will_do_whatever_it_says),
    T_CASE(one_point_demands_nothing_at_any_time),
    T_CASE(the_default_never_rises),
    T_CASE(what_is_no_curve_is_refused),
};

T_MAIN(cases)
