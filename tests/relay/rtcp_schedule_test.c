#include "relay/rtcp_schedule.h"
#include "tests/t.h"

static const usec_t T0 = SEC(1000);
static struct rtcp_schedule schedule;

static bool remb_at(usec_t now, uint64_t wanted_bitrate)
{
    uint64_t bitrate = 0;

    if (!rtcp_schedule_take_remb(&schedule, now, &bitrate))
        return false;
    T_EQ(bitrate, wanted_bitrate);
    return true;
}

static void reports_are_a_second_apart(void)
{
    rtcp_schedule_init(&schedule, 100000, T0);
    T_OK(rtcp_schedule_deadline(&schedule) == T0 + MSEC(100));
    T_OK(!rtcp_schedule_take_report(&schedule, T0 + MSEC(99)));
    T_OK(rtcp_schedule_take_report(&schedule, T0 + MSEC(103)));
    T_OK(rtcp_schedule_deadline(&schedule) == T0 + MSEC(1100)); /* it does not drift */
}

static void peers_do_not_fall_into_step(void)
{
    rtcp_schedule_init(&schedule, 0xffffffff, T0);
    T_OK(rtcp_schedule_deadline(&schedule) < T0 + MSEC(500));
    const usec_t other = rtcp_schedule_deadline(&schedule);
    rtcp_schedule_init(&schedule, 0x12345678, T0);
    T_OK(rtcp_schedule_deadline(&schedule) != other);
}

static void missed_reports_are_not_made_up(void)
{
    rtcp_schedule_init(&schedule, 0, T0);
    T_OK(rtcp_schedule_take_report(&schedule, T0 + SEC(10)));
    T_OK(!rtcp_schedule_take_report(&schedule, T0 + SEC(10) + MSEC(999)));
    T_OK(rtcp_schedule_take_report(&schedule, T0 + SEC(11)));
}

static void without_a_cap_there_is_no_remb(void)
{
    rtcp_schedule_init(&schedule, 0, T0);
    T_OK(!remb_at(T0, 0));
    rtcp_schedule_set_remb(&schedule, 1000000);
    T_OK(remb_at(T0, 1000000));
    rtcp_schedule_set_remb(&schedule, 0);
    T_OK(!remb_at(T0 + SEC(5), 0));
}

static void a_cap_is_repeated_every_second(void)
{
    rtcp_schedule_init(&schedule, 0, T0);
    rtcp_schedule_set_remb(&schedule, 1000000);
    T_OK(remb_at(T0, 1000000));
    T_OK(!remb_at(T0 + MSEC(999), 0));
    T_OK(remb_at(T0 + SEC(1), 1000000));
}

static void a_rise_waits_and_a_fall_does_not(void)
{
    rtcp_schedule_init(&schedule, 0, T0);
    rtcp_schedule_take_report(&schedule, T0);
    rtcp_schedule_set_remb(&schedule, 1000000);
    T_OK(remb_at(T0, 1000000));
    rtcp_schedule_set_remb(&schedule, 2000000);
    T_OK(!remb_at(T0 + MSEC(500), 0));
    rtcp_schedule_set_remb(&schedule, 970001);
    T_OK(!remb_at(T0 + MSEC(500), 0));
    rtcp_schedule_set_remb(&schedule, 970000);
    T_OK(rtcp_schedule_deadline(&schedule) == T0 + MSEC(100));
    T_OK(!remb_at(T0 + MSEC(99), 0));
    T_OK(remb_at(T0 + MSEC(500), 970000));
    rtcp_schedule_set_remb(&schedule, 500000);
    T_OK(!remb_at(T0 + MSEC(599), 0));
    T_OK(remb_at(T0 + MSEC(600), 500000));
}

static const struct t_case cases[] = {
    T_CASE(reports_are_a_second_apart),     T_CASE(peers_do_not_fall_into_step),
    T_CASE(missed_reports_are_not_made_up), T_CASE(without_a_cap_there_is_no_remb),
    T_CASE(a_cap_is_repeated_every_second), T_CASE(a_rise_waits_and_a_fall_does_not),
};
T_MAIN(cases)
