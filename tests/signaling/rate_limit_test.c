#include "signaling/rate_limit.h"
#include "tests/t.h"

static unsigned take_all(struct rate_limit *limit, uint32_t per_second, usec_t now)
{
    unsigned taken = 0;

    while (rate_limit_take(limit, per_second, now))
        taken++;
    return taken;
}

static void a_fresh_bucket_holds_a_second_of_events(void)
{
    static const uint32_t rates[] = {1, 2, 10, 100, 1000, 100000};

    for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
        struct rate_limit limit = {0};
        T_EQ(take_all(&limit, rates[i], SEC(5)), rates[i]);
        T_EQ(take_all(&limit, rates[i], SEC(5)), 0);
    }
}

static void it_fills_again_with_time(void)
{
    struct rate_limit limit = {0};
    usec_t now = SEC(5);

    T_EQ(take_all(&limit, 10, now), 10);
    T_OK(!rate_limit_take(&limit, 10, now + MSEC(99)));
    T_EQ(take_all(&limit, 10, now += MSEC(100)), 1);
    T_EQ(take_all(&limit, 10, now += MSEC(250)), 2);
    T_EQ(take_all(&limit, 10, now += SEC(3600)), 10); /* and never above its size */
}

static void the_rate_holds_in_the_long_run(void)
{
    struct rate_limit limit = {0};
    unsigned taken = 0;

    for (usec_t now = SEC(1); now < SEC(11); now += 100)
        taken += rate_limit_take(&limit, 100, now);
    T_OK(taken >= 1090 && taken <= 1101); /* the first second's worth was saved up */
}

static void what_is_refused_costs_nothing(void)
{
    struct rate_limit limit = {0};

    take_all(&limit, 10, SEC(5));
    for (int i = 0; i < 10000; i++)
        T_OK(!rate_limit_take(&limit, 10, SEC(5)));
    T_OK(rate_limit_take(&limit, 10, SEC(5) + MSEC(100)));
}

static void the_rate_may_change_while_running(void)
{
    struct rate_limit limit = {0};

    T_EQ(take_all(&limit, 10, SEC(5)), 10);
    T_EQ(take_all(&limit, 1000, SEC(5)), 0); /* the second that was used up stays used up */
    T_EQ(take_all(&limit, 1000, SEC(6)), 1000);
}

static const struct t_case cases[] = {
    T_CASE(a_fresh_bucket_holds_a_second_of_events), T_CASE(it_fills_again_with_time),
    T_CASE(the_rate_holds_in_the_long_run),          T_CASE(what_is_refused_costs_nothing),
    T_CASE(the_rate_may_change_while_running),
};

T_MAIN(cases)
