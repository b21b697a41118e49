#include "relay/ntp.h"
#include "relay/receive_stats.h"
#include "tests/t.h"

#define VIDEO 90000
static const usec_t T0 = SEC(1000);
static struct receive_stats stats;

static void setup(void)
{
    receive_stats_init(&stats, 0xaabbccdd, VIDEO);
}

static enum receive_order packet(unsigned seq)
{
    return receive_stats_packet(&stats, (uint16_t)seq, 0, 1000, T0);
}

static struct rtcp_report_block report(usec_t now)
{
    struct rtcp_report_block block;

    receive_stats_report(&stats, now, &block);
    return block;
}

/* clang-format off */
static const struct {
    const char *what;
    unsigned before, seq;
    enum receive_order order;
    uint32_t highest;
} rows[] = {
    {"the next",                        100, 101, RECEIVE_NEXT, 101},
    {"one is missing",                  100, 102, RECEIVE_GAP, 102},
    {"the same again",                  100, 100, RECEIVE_LATE, 100},
    {"reordered",                       100, 98, RECEIVE_LATE, 100},
    {"over the wrap",                   65535, 0, RECEIVE_NEXT, 0x10000},
    {"over the wrap with a gap",        65530, 4, RECEIVE_GAP, 0x10004},
    {"late over the wrap",              2, 65535, RECEIVE_LATE, 2},
    {"as late as a packet may be",      1000, 901, RECEIVE_LATE, 1000},
    {"too late",                        1000, 900, RECEIVE_REFUSED, 1000},
    {"as far ahead as it may be",       100, 3099, RECEIVE_GAP, 3099},
    {"too far ahead",                   100, 3100, RECEIVE_REFUSED, 100},
};
/* clang-format on */

static void sequence_numbers_are_put_in_order(void)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        printf("#   %s\n", rows[i].what);
        setup();
        T_EQ(packet(rows[i].before), RECEIVE_FIRST);
        T_EQ(packet(rows[i].seq), rows[i].order);
        T_EQ(receive_stats_highest(&stats), rows[i].highest);
    }
}

static void two_far_off_in_a_row_are_a_restart(void)
{
    setup();
    packet(100);
    T_EQ(packet(20000), RECEIVE_REFUSED);
    T_EQ(packet(101), RECEIVE_NEXT);
    T_EQ(packet(30000), RECEIVE_REFUSED);
    T_EQ(packet(30001), RECEIVE_FIRST);
    T_EQ(packet(30002), RECEIVE_NEXT);
    T_EQ(receive_stats_lost(&stats), 0);
}

static void loss_is_told_since_the_last_report_and_in_all(void)
{
    setup();
    for (unsigned i = 0; i < 100; i++) {
        if (i % 4 != 1)
            packet(i);
    }
    struct rtcp_report_block block = report(T0);
    T_EQ(block.ssrc, 0xaabbccdd);
    T_EQ(block.fraction_lost, 64);
    T_EQ(block.cumulative_lost, 25);
    T_EQ(block.highest_seq, 99);
    for (unsigned i = 100; i < 200; i++)
        packet(i);
    block = report(T0 + SEC(1));
    T_EQ(block.fraction_lost, 0);
    T_EQ(block.cumulative_lost, 25);
    block = report(T0 + SEC(2));
    T_EQ(block.fraction_lost, 0);
}

static void duplicates_make_the_loss_negative(void)
{
    setup();
    packet(1);
    packet(1);
    packet(1);
    const struct rtcp_report_block block = report(T0);
    T_EQ(block.cumulative_lost, -2);
    T_EQ(block.fraction_lost, 0);
}

static void total_loss_between_two_packets_saturates_the_fraction(void)
{
    setup();
    packet(0);
    report(T0);
    packet(2999);
    T_EQ(report(T0).fraction_lost, 255);
}

static void cumulative_loss_stops_at_24_bits(void)
{
    setup();
    packet(0);
    /* 2999 numbers forward at a time, two wraps of 24 bits. */
    for (unsigned i = 1; i < 6000; i++)
        packet(i * 2999);
    T_EQ(receive_stats_lost(&stats), 0x7fffff);
    T_EQ(receive_stats_highest(&stats), 5999 * 2999);
}

static void even_arrivals_have_no_jitter(void)
{
    setup();
    for (unsigned i = 0; i < 100; i++)
        receive_stats_packet(&stats, (uint16_t)i, i * 3000, 1000, T0 + i * 33333 + i / 3);
    T_EQ(report(T0).jitter, 0);
}

/* Appendix A.8: with a constant difference of d the jitter tends to d. */
static void jitter_follows_uneven_arrivals(void)
{
    setup();
    for (unsigned i = 0; i < 400; i++)
        receive_stats_packet(&stats, (uint16_t)i, i * 2700, 1000,
                             T0 + MSEC(30) * i + (i % 2 ? MSEC(5) : 0));
    T_OK(report(T0).jitter > 420 && report(T0).jitter <= 450); /* 5 ms are 450 ticks */
    T_OK(receive_stats_jitter(&stats) > 4600 && receive_stats_jitter(&stats) <= 5000);
}

static void packets_of_one_frame_are_no_jitter(void)
{
    setup();
    for (unsigned i = 0; i < 300; i++)
        receive_stats_packet(&stats, (uint16_t)i, i / 10 * 2700, 1000,
                             T0 + MSEC(30) * (i / 10) + MSEC(1) * (i % 10));
    T_EQ(report(T0).jitter, 0);
}

static void a_jump_of_the_timestamp_is_no_jitter(void)
{
    setup();
    receive_stats_packet(&stats, 1, 1000, 1000, T0);
    receive_stats_packet(&stats, 2, 0x80000000, 1000, T0 + MSEC(33));
    T_EQ(report(T0).jitter, 0);
}

static void the_last_sender_report_is_referred_to(void)
{
    const struct rtcp_sr sr = {
        .ssrc = 0xaabbccdd, .ntp = 0x1122334455667788, .timestamp = 5000};
    struct rtcp_sr older = sr;

    setup();
    packet(1);
    T_EQ(report(T0).lsr, 0);
    T_EQ(report(T0).dlsr, 0);
    receive_stats_sr(&stats, &sr, T0);
    T_EQ(report(T0 + MSEC(1500)).lsr, 0x33445566);
    T_EQ(report(T0 + MSEC(1500)).dlsr, 0x18000);

    older.ntp -= (uint64_t)2 << 32;
    receive_stats_sr(&stats, &older, T0 + SEC(1));
    T_EQ(report(T0 + SEC(2)).lsr, 0x33445566);
    older.ntp -= (uint64_t)3600 << 32; /* the clock was set back by an hour */
    receive_stats_sr(&stats, &older, T0 + SEC(1));
    T_EQ(report(T0 + SEC(2)).dlsr, 0x10000);
    T_EQ(report(T0 + SEC(100000)).dlsr, UINT32_MAX);
}

static void a_timestamp_has_an_ntp_time(void)
{
    const struct rtcp_sr sr = {.ntp = (uint64_t)100 << 32, .timestamp = 0xffffff00};
    uint64_t ntp;

    setup();
    T_OK(!receive_stats_ntp(&stats, 0, &ntp));
    receive_stats_sr(&stats, &sr, T0);
    T_OK(receive_stats_ntp(&stats, 0xffffff00 + VIDEO * 3 / 2, &ntp));
    T_OK(ntp == ((uint64_t)101 << 32 | 0x80000000));
    T_OK(receive_stats_ntp(&stats, 0xffffff00 - VIDEO, &ntp));
    T_OK(ntp == (uint64_t)99 << 32);
}

static void rates_are_those_of_the_last_second(void)
{
    setup();
    for (unsigned i = 0; i < 100; i++)
        receive_stats_packet(&stats, (uint16_t)i, i * 900, 1250, T0 + MSEC(10) * i);
    T_OK(receive_stats_bitrate(&stats, T0 + MSEC(999)) > 980000);
    T_OK(receive_stats_bitrate(&stats, T0 + MSEC(999)) < 1020000);
    T_OK(receive_stats_packet_rate(&stats, T0 + MSEC(999)) >= 98);
    T_OK(receive_stats_packet_rate(&stats, T0 + MSEC(999)) <= 102);
    T_OK(receive_stats_bitrate(&stats, T0 + MSEC(1500)) < 560000);
    T_EQ(receive_stats_bitrate(&stats, T0 + SEC(2)), 0);
    T_EQ(receive_stats_packet_rate(&stats, T0 + SEC(100)), 0);
}

static const struct t_case cases[] = {
    T_CASE(sequence_numbers_are_put_in_order),
    T_CASE(two_far_off_in_a_row_are_a_restart),
    T_CASE(loss_is_told_since_the_last_report_and_in_all),
    T_CASE(duplicates_make_the_loss_negative),
    T_CASE(total_loss_between_two_packets_saturates_the_fraction),
    T_CASE(cumulative_loss_stops_at_24_bits),
    T_CASE(even_arrivals_have_no_jitter),
    T_CASE(jitter_follows_uneven_arrivals),
    T_CASE(packets_of_one_frame_are_no_jitter),
    T_CASE(a_jump_of_the_timestamp_is_no_jitter),
    T_CASE(the_last_sender_report_is_referred_to),
    T_CASE(a_timestamp_has_an_ntp_time),
    T_CASE(rates_are_those_of_the_last_second),
};
T_MAIN(cases)
