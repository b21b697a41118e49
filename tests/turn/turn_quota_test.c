#include "tests/t.h"
#include "core/refusal.h"
#include "turn/turn_quota.h"

#include <pthread.h>

static struct turn_user user_of(uint8_t id)
{
    struct turn_user user = {.id = {id}};

    return user;
}

static struct turn_quota *make(struct turn_quota_limits limits)
{
    struct turn_quota *quota;

    T_EQ(turn_quota_create(&quota, &limits), RC_OK);
    return quota;
}

static void a_user_has_so_many_allocations_and_gets_them_back(void)
{
    struct turn_quota *quota = make((struct turn_quota_limits){.user = 2});
    const struct turn_user ann = user_of(1), bob = user_of(2);
    struct turn_grant a, b, c = {0}, d;
    const uint64_t before = refusal_total(REFUSAL_TURN_USER_QUOTA);

    T_EQ(turn_quota_take(quota, &ann, &a), 0);
    T_EQ(turn_quota_take(quota, &ann, &b), 0);
    T_MEM(a.user, ann.id, TURN_USER_ID);
    T_EQ(turn_quota_take(quota, &ann, &c), 486);
    T_OK(!c.held);
    T_EQ(refusal_total(REFUSAL_TURN_USER_QUOTA) - before, 1);
    T_EQ(turn_quota_take(quota, &bob, &d), 0);
    T_EQ(turn_quota_allocations(quota), 3);
    turn_quota_give(quota, &a);
    turn_quota_give(quota, &a); /* once is enough */
    T_EQ(turn_quota_allocations(quota), 2);
    T_EQ(turn_quota_take(quota, &ann, &c), 0);
    turn_quota_give(quota, &b);
    turn_quota_give(quota, &c);
    turn_quota_give(quota, &d);
    T_EQ(turn_quota_allocations(quota), 0);
    T_EQ(turn_quota_users(quota), 0); /* nobody is remembered */
    turn_quota_free(quota);
}

static void all_users_together_have_a_limit(void)
{
    struct turn_quota *quota = make((struct turn_quota_limits){.total = 3});
    struct turn_grant grant[4] = {0};

    for (uint8_t i = 0; i < 3; i++) {
        const struct turn_user user = user_of(i);
        T_EQ(turn_quota_take(quota, &user, &grant[i]), 0);
    }
    const struct turn_user late = user_of(9);
    T_EQ(turn_quota_take(quota, &late, &grant[3]), 486);
    T_EQ(turn_quota_users(quota), 3); /* a refused one leaves nothing */
    turn_quota_give(quota, &grant[1]);
    T_EQ(turn_quota_take(quota, &late, &grant[3]), 0);
    turn_quota_free(quota);
}

static void a_capability_may_allow_fewer_but_not_more(void)
{
    struct turn_quota *quota = make((struct turn_quota_limits){.user = 2});
    struct turn_user few = user_of(1), many = user_of(2);
    struct turn_grant grant;

    few.capability.max_allocations = 1;
    many.capability.max_allocations = 5;
    T_EQ(turn_quota_take(quota, &few, &grant), 0);
    T_EQ(turn_quota_take(quota, &few, &grant), 486);
    T_EQ(turn_quota_take(quota, &many, &grant), 0);
    T_EQ(turn_quota_take(quota, &many, &grant), 0);
    T_EQ(turn_quota_take(quota, &many, &grant), 486);
    turn_quota_free(quota);
}

/* clang-format off */
static const struct {
    uint64_t max_bps, capacity, capability;
    uint64_t rates[4]; /* of four allocations one after another; 1: refused */
} rates[] = {
    {0,    0,    0,   {0, 0, 0, 0}},
    {1000, 0,    0,   {1000, 1000, 1000, 1000}},
    {1000, 0,    300, {300, 300, 300, 300}},
    {1000, 0,    3000, {1000, 1000, 1000, 1000}},
    {0,    0,    300, {300, 300, 300, 300}},
    {1000, 2500, 0,   {1000, 1000, 500, 1}}, /* the third gets what is left */
    {1000, 2000, 0,   {1000, 1000, 1, 1}},
    {1000, 2500, 900, {900, 900, 700, 1}},
    {0,    2500, 0,   {0, 0, 0, 0}},         /* as in coturn: capacity counts what max-bps promises */
    {UINT64_MAX, UINT64_MAX, 0, {TURN_BPS_MAX, 1, 1, 1}},
};
/* clang-format on */

static void rates_come_out_of_the_capacity_and_go_back(void)
{
    for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
        struct turn_quota *quota = make((struct turn_quota_limits){
            .max_bps = rates[i].max_bps, .capacity = rates[i].capacity});
        struct turn_user user = user_of(1);
        struct turn_grant grant[4] = {0};

        user.capability.max_bytes_second = rates[i].capability;
        for (size_t j = 0; j < 4; j++) {
            const bool refused = rates[i].rates[j] == 1;
            T_EQ(turn_quota_take(quota, &user, &grant[j]), refused ? 486 : 0);
            T_EQ(grant[j].bytes_second, refused ? 0 : rates[i].rates[j]);
        }
        for (size_t j = 0; j < 4; j++)
            turn_quota_give(quota, &grant[j]);
        T_EQ(turn_quota_reserved(quota), 0);
        T_EQ(turn_quota_allocations(quota), 0);
        turn_quota_free(quota);
    }
}

static void new_limits_hold_for_new_allocations(void)
{
    struct turn_quota *quota =
        make((struct turn_quota_limits){.max_bps = 1000, .capacity = 5000});
    const struct turn_user user = user_of(1);
    struct turn_grant a, b, c;

    T_EQ(turn_quota_take(quota, &user, &a), 0);
    T_EQ(turn_quota_take(quota, &user, &b), 0);
    turn_quota_set_limits(quota, &(struct turn_quota_limits){.user = 2, .capacity = 100});
    T_EQ(turn_quota_take(quota, &user, &c), 486);
    turn_quota_give(quota, &a);
    T_EQ(turn_quota_reserved(quota), 1000);
    T_EQ(turn_quota_take(quota, &user, &c), 0);
    T_EQ(c.bytes_second, 0);
    turn_quota_give(quota, &b);
    turn_quota_give(quota, &c);
    T_EQ(turn_quota_reserved(quota), 0);
    turn_quota_free(quota);
}

static struct turn_quota *shared;

static void *take_and_give(void *arg)
{
    const struct turn_user user = user_of(*(const uint8_t *)arg % 2);

    for (int i = 0; i < 2000; i++) {
        struct turn_grant grant = {0};

        (void)turn_quota_take(shared, &user, &grant);
        if (i % 100 == 0)
            turn_quota_set_limits(shared, &(struct turn_quota_limits){.user = 3, .total = 3});
        turn_quota_give(shared, &grant);
    }
    return NULL;
}

static void threads_may_take_and_give_at_once(void)
{
    uint8_t number[4] = {0, 1, 2, 3};
    pthread_t thread[4];

    shared = make((struct turn_quota_limits){.user = 2, .total = 3});
    for (size_t i = 0; i < ARRAY_LEN(thread); i++)
        T_EQ(pthread_create(&thread[i], NULL, take_and_give, &number[i]), 0);
    for (size_t i = 0; i < ARRAY_LEN(thread); i++)
        pthread_join(thread[i], NULL);
    T_EQ(turn_quota_allocations(shared), 0);
    T_EQ(turn_quota_users(shared), 0);
    turn_quota_free(shared);
}

/* --- turn_meter ------------------------------------------------------------------------------
 */

/* Bytes that get through in `seconds` when packets of `size` come every `interval`. */
static uint64_t pass(uint64_t rate, size_t size, usec_t interval, usec_t seconds)
{
    struct turn_meter meter = {0};
    uint64_t bytes = 0;

    for (usec_t now = SEC(100); now < SEC(100) + seconds; now += interval) {
        if (turn_meter_pass(&meter, rate, size, now))
            bytes += size;
    }
    return bytes;
}

static void a_meter_lets_through_its_rate_and_one_second_more(void)
{
    T_EQ(pass(0, 1000, MSEC(1), SEC(10)), 10000000);
    T_EQ(pass(100000, 1000, MSEC(1), SEC(10)),
         1000000 + 99000);                               /* 99.9 packets deep at the end */
    T_EQ(pass(100000, 1000, MSEC(20), SEC(10)), 500000); /* half the rate: everything */
    T_EQ(pass(100000, 1000, MSEC(10), SEC(10)), 1000000);
    T_EQ(pass(TURN_BPS_MAX, 65535, 1, MSEC(1)), 65535000);
}

static void a_packet_larger_than_a_second_passes_when_the_bucket_is_full(void)
{
    struct turn_meter meter = {0};

    T_OK(turn_meter_pass(&meter, 100, 1000, SEC(1)));
    T_OK(!turn_meter_pass(&meter, 100, 1, SEC(1)));
    T_OK(!turn_meter_pass(&meter, 100, 1, SEC(9)));
    T_OK(turn_meter_pass(&meter, 100, 1, SEC(11)));
    T_OK(!turn_meter_pass(&meter, 100, 1000, SEC(11)));
    T_OK(turn_meter_pass(&meter, 100, 1000, SEC(11) + USEC_NEVER / 4));
}

static void a_clock_that_stands_or_goes_back_gives_nothing(void)
{
    struct turn_meter meter = {0};

    T_OK(turn_meter_pass(&meter, 100, 100, SEC(5)));
    T_OK(!turn_meter_pass(&meter, 100, 100, SEC(5)));
    T_OK(!turn_meter_pass(&meter, 100, 100, SEC(4)));
    T_OK(!turn_meter_pass(&meter, 100, 100, SEC(5)));
    T_OK(turn_meter_pass(&meter, 100, 100, SEC(6)));
}

static void a_stream_waits_for_as_long_as_it_was_too_fast(void)
{
    struct turn_meter meter = {0};
    usec_t now = SEC(100);

    T_EQ(turn_meter_charge(&meter, 0, 1 << 20, now), 0);
    T_EQ(turn_meter_charge(&meter, 1000, 1000, now), 0); /* a second's worth at once */
    T_EQ(turn_meter_charge(&meter, 1000, 500, now), MSEC(500) + 1);
    T_EQ(turn_meter_charge(&meter, 1000, 500, now + MSEC(250)), MSEC(750) + 1);
    T_EQ(turn_meter_charge(&meter, 1000, 1, now + SEC(10)), 0);
    T_EQ(turn_meter_charge(&meter, TURN_BPS_MAX, 1 << 20, now + SEC(10)), 0);
}

static void a_stream_that_obeys_has_its_rate(void)
{
    struct turn_meter meter = {0};
    usec_t now = SEC(100);
    uint64_t bytes = 0;

    while (now < SEC(200)) {
        bytes += 16384;
        now += turn_meter_charge(&meter, 10000, 16384, now);
    }
    T_OK(bytes >= 1000000 && bytes <= 1000000 + 10000 + 2 * 16384);
}

static const struct t_case cases[] = {
    T_CASE(a_user_has_so_many_allocations_and_gets_them_back),
    T_CASE(all_users_together_have_a_limit),
    T_CASE(a_capability_may_allow_fewer_but_not_more),
    T_CASE(rates_come_out_of_the_capacity_and_go_back),
    T_CASE(new_limits_hold_for_new_allocations),
    T_CASE(threads_may_take_and_give_at_once),
    T_CASE(a_meter_lets_through_its_rate_and_one_second_more),
    T_CASE(a_packet_larger_than_a_second_passes_when_the_bucket_is_full),
    T_CASE(a_clock_that_stands_or_goes_back_gives_nothing),
    T_CASE(a_stream_waits_for_as_long_as_it_was_too_fast),
    T_CASE(a_stream_that_obeys_has_its_rate),
};
T_MAIN(cases)
