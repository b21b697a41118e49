#include "relay/sent_history.h"
#include "tests/t.h"

static const usec_t T0 = SEC(1000);
static const usec_t RTT = MSEC(40);

static struct sent_history empty(void)
{
    struct sent_history history;

    sent_history_init(&history, 256);
    return history;
}

static int add(struct sent_history *history, uint16_t seq, usec_t now)
{
    const struct sent_history_entry entry = {
        .seq = seq, .in_seq = (uint16_t)(seq + 1000), .epoch = 3, .abs_send_time = 0x123456};
    return sent_history_add(history, &entry, now);
}

static int resend(struct sent_history *history, uint16_t seq, usec_t now)
{
    struct sent_history_entry out = {0};
    const int rc = sent_history_resend(history, seq, RTT, now, &out);

    T_EQ(out.in_seq, rc == RC_OK ? (uint16_t)(seq + 1000) : 0);
    T_EQ(out.abs_send_time, rc == RC_OK ? 0x123456 : 0);
    return rc;
}

static void an_entry_is_sixteen_bytes(void)
{
    T_EQ(sizeof(struct sent_history_entry), 16);
}

static void what_was_never_sent_is_unknown(void)
{
    struct sent_history history = empty();

    T_EQ(resend(&history, 0, T0), RC_BAD);
    T_EQ(sent_history_memory(&history), 0);
    T_EQ(add(&history, 64, T0), RC_OK);
    T_EQ(resend(&history, 0, T0), RC_BAD);
    T_EQ(resend(&history, 64, T0), RC_OK);
    sent_history_free(&history);
    sent_history_free(&history);
}

static void a_packet_is_repeated_once_per_round_trip(void)
{
    struct sent_history history = empty();

    add(&history, 7, T0);
    T_EQ(resend(&history, 7, T0 + MSEC(20)), RC_OK); /* before the RTT that we believe in */
    T_EQ(resend(&history, 7, T0 + MSEC(20) + MSEC(30) - 1), RC_AGAIN);
    T_EQ(resend(&history, 7, T0 + MSEC(20) + MSEC(30)), RC_OK);
    sent_history_free(&history);
}

static void an_unknown_round_trip_still_spaces_answers(void)
{
    struct sent_history history = empty();
    struct sent_history_entry out;

    add(&history, 7, T0);
    T_EQ(sent_history_resend(&history, 7, 0, T0, &out), RC_OK);
    T_EQ(sent_history_resend(&history, 7, 0, T0, &out), RC_AGAIN);
    T_EQ(sent_history_resend(&history, 7, 0, T0 + SENT_HISTORY_SPACING_MIN, &out), RC_OK);
    sent_history_free(&history);
}

static void a_packet_is_not_repeated_for_ever(void)
{
    struct sent_history history = empty();
    usec_t now = T0;

    add(&history, 7, now);
    for (int i = 0; i < SENT_HISTORY_RETRANSMITS; i++)
        T_EQ(resend(&history, 7, now += RTT), RC_OK);
    T_EQ(resend(&history, 7, now + RTT), RC_FULL);
    sent_history_free(&history);
}

static void old_packets_are_not_repeated(void)
{
    struct sent_history history = empty();

    add(&history, 7, T0);
    add(&history, 8, T0);
    T_EQ(resend(&history, 7, T0 + SENT_HISTORY_KEEP - 1000), RC_OK);
    T_EQ(resend(&history, 8, T0 + SENT_HISTORY_KEEP), RC_BAD);
    sent_history_free(&history);
}

static void memory_follows_use(void)
{
    struct sent_history history = empty();

    for (uint16_t seq = 65500; seq != 40; seq++) /* over the wrap */
        T_EQ(add(&history, seq, T0), RC_OK);
    T_EQ(sent_history_memory(&history), 128 * 16);
    T_EQ(resend(&history, 65500, T0), RC_OK);
    for (uint16_t seq = 40; seq != 1000; seq++)
        T_EQ(add(&history, seq, T0), RC_OK);
    T_EQ(sent_history_memory(&history), 256 * 16);
    T_EQ(resend(&history, 744, T0), RC_OK);
    T_EQ(resend(&history, 743, T0), RC_BAD);
    T_EQ(add(&history, 743, T0), RC_BAD);

    sent_history_tick(&history, T0 + SENT_HISTORY_KEEP);
    T_EQ(sent_history_memory(&history), 256 * 16);
    sent_history_tick(&history, T0 + 2 * SENT_HISTORY_KEEP);
    T_EQ(sent_history_memory(&history), 0);
    T_EQ(add(&history, 1000, T0), RC_OK);
    sent_history_free(&history);
}

static void slow_streams_stay_small(void)
{
    struct sent_history history = empty();
    usec_t now = T0;

    for (uint16_t seq = 0; seq < 5000; seq++, now += MSEC(20))
        T_EQ(add(&history, seq, now), RC_OK);
    T_EQ(sent_history_memory(&history), 64 * 16);
    sent_history_free(&history);
}

static const struct t_case cases[] = {
    T_CASE(an_entry_is_sixteen_bytes),
    T_CASE(what_was_never_sent_is_unknown),
    T_CASE(a_packet_is_repeated_once_per_round_trip),
    T_CASE(an_unknown_round_trip_still_spaces_answers),
    T_CASE(a_packet_is_not_repeated_for_ever),
    T_CASE(old_packets_are_not_repeated),
    T_CASE(memory_follows_use),
    T_CASE(slow_streams_stay_small),
};
T_MAIN(cases)
