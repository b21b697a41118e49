#include "turn/turn_limiter.h"

#include "tests/t.h"
#include "tests/turn/turn_world_lib.h"

static struct turn_limiter limiter;

static unsigned passed(const char *source, uint32_t rate, usec_t now, unsigned tries)
{
    const struct address a = turn_address(source);
    unsigned count = 0;

    while (tries-- > 0)
        count += turn_limiter_source(&limiter, &a, rate, now);
    return count;
}

static void a_source_has_so_many_in_each_second(void)
{
    limiter = (struct turn_limiter){0};
    T_EQ(passed("192.0.2.1:1", 10, SEC(5), 100), 10);
    T_EQ(passed("192.0.2.1:2", 10, SEC(5) + 999999, 100), 0);
    T_EQ(passed("192.0.2.1:1", 10, SEC(6), 100), 10);
}

static void others_are_not_disturbed(void)
{
    limiter = (struct turn_limiter){0};
    T_EQ(passed("192.0.2.1", 10, SEC(5), 100), 10);
    T_EQ(passed("192.0.2.2", 10, SEC(5), 100), 10);
}

static void an_ipv6_network_counts_as_one_source(void)
{
    limiter = (struct turn_limiter){0};
    T_EQ(passed("2001:db8::1", 10, SEC(5), 100), 10);
    T_EQ(passed("2001:db8::2", 10, SEC(5), 100), 0);
    T_EQ(passed("2001:db8:0:1::1", 10, SEC(5), 100), 10);
}

static void a_newcomer_is_answered_in_the_middle_of_a_flood_from_everywhere(void)
{
    limiter = (struct turn_limiter){0};
    for (unsigned i = 0; i < 100000; i++) {
        struct address a = turn_address("10.0.0.0");
        a.v4.sin_addr.s_addr |= htonl(i);
        turn_limiter_source(&limiter, &a, 10, SEC(5));
    }
    T_OK(passed("192.0.2.1", 10, SEC(5), 1) == 1);
}

static void the_budget_has_a_burst_of_one_second_and_then_its_rate(void)
{
    unsigned first = 0, later = 0;

    limiter = (struct turn_limiter){0};
    for (unsigned i = 0; i < 5000; i++)
        first += turn_limiter_budget(&limiter, 1000, SEC(5));
    T_EQ(first, 1000);
    for (unsigned i = 0; i < 5000; i++)
        later += turn_limiter_budget(&limiter, 1000, SEC(5) + MSEC(100));
    T_EQ(later, 100);
}

static const struct t_case cases[] = {
    T_CASE(a_source_has_so_many_in_each_second),
    T_CASE(others_are_not_disturbed),
    T_CASE(an_ipv6_network_counts_as_one_source),
    T_CASE(a_newcomer_is_answered_in_the_middle_of_a_flood_from_everywhere),
    T_CASE(the_budget_has_a_burst_of_one_second_and_then_its_rate),
};
T_MAIN(cases)
