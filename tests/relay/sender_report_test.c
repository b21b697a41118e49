#include "relay/ntp.h"
#include "relay/sender_report.h"
#include "tests/t.h"

#define VIDEO 90000
#define AUDIO 48000
static const usec_t T0 = SEC(1000);

static struct rtcp_sr make(const struct sender_report *report, uint32_t offset, usec_t now)
{
    struct rtcp_sr sr;

    T_OK(sender_report_make(report, offset, now, &sr));
    return sr;
}

/* The time, by the report, at which a media timestamp was captured. */
static double capture_time(const struct rtcp_sr *sr, uint32_t timestamp, uint32_t rate)
{
    return (double)ntp_to_usec(sr->ntp) / 1e6 +
           (int32_t)(timestamp - sr->timestamp) / (double)rate;
}

static void nothing_is_reported_before_something_was_sent(void)
{
    struct sender_report report;
    struct rtcp_sr sr;

    sender_report_init(&report, 7, VIDEO);
    T_OK(!sender_report_make(&report, 0, T0, &sr));
}

static void packets_and_octets_are_counted(void)
{
    struct sender_report report;

    sender_report_init(&report, 7, VIDEO);
    sender_report_packet(&report, 3000, 1000, T0);
    sender_report_packet(&report, 3000, 500, T0);
    const struct rtcp_sr sr = make(&report, 0, T0);
    T_EQ(sr.ssrc, 7);
    T_EQ(sr.packets, 2);
    T_EQ(sr.octets, 1500);
}

static void without_the_sources_report_the_last_packet_counts(void)
{
    struct sender_report report;

    sender_report_init(&report, 7, VIDEO);
    sender_report_packet(&report, 3000, 1000, T0);
    sender_report_packet(&report, 0, 1000, T0 + MSEC(5)); /* a late one */
    const struct rtcp_sr sr = make(&report, 0, T0 + MSEC(100));
    T_EQ(sr.timestamp, 3000 + 9000);
    T_OK(ntp_to_usec(sr.ntp) == T0 + MSEC(100));
}

/* A source whose sound and picture of one instant carry its NTP time X must leave us with one
 * and the same time of ours, however different their own reports' delays were. */
static void lip_sync_is_the_sources_own(void)
{
    const uint64_t theirs = (uint64_t)3900000000u << 32;
    struct peer_clock clock;
    struct sender_report audio, video;

    peer_clock_init(&clock);
    sender_report_init(&audio, 1, AUDIO);
    sender_report_init(&video, 2, VIDEO);
    /* Captured at their time 0: audio timestamp 5000, video timestamp 70000. */
    peer_clock_report(&clock, theirs, T0 + MSEC(30));
    sender_report_source(&audio, &clock, theirs, 5000);
    /* The video's report, a second later, was held up by 200 ms. */
    peer_clock_report(&clock, theirs + ((uint64_t)1 << 32), T0 + SEC(1) + MSEC(230));
    sender_report_source(&video, &clock, theirs + ((uint64_t)1 << 32), 70000 + VIDEO);
    sender_report_packet(&audio, 5000, 100, T0);
    sender_report_packet(&video, 70000, 100, T0);

    const struct rtcp_sr a = make(&audio, 111, T0 + SEC(3)), v = make(&video, 999, T0 + SEC(4));
    const double apart =
        capture_time(&a, 5000 + 111, AUDIO) - capture_time(&v, 70000 + 999, VIDEO);
    T_OK(apart < 0.001 && apart > -0.001);
}

static void a_new_source_keeps_the_ntp_time_going(void)
{
    struct sender_report report;
    struct peer_clock alice, bob;

    peer_clock_init(&alice);
    peer_clock_init(&bob);
    sender_report_init(&report, 7, VIDEO);
    sender_report_packet(&report, 1000, 100, T0);
    peer_clock_report(&alice, (uint64_t)5000 << 32, T0);
    sender_report_source(&report, &alice, (uint64_t)5000 << 32, 1000);
    const struct rtcp_sr before = make(&report, 0, T0 + SEC(1));
    T_EQ(before.timestamp, 1000 + VIDEO);

    /* Bob's clock is years behind, his timestamps are far away; the rewriter moves them so that
     * the stream goes on. */
    sender_report_new_source(&report);
    sender_report_packet(&report, 1000 + 2 * VIDEO, 100, T0 + SEC(2));
    const struct rtcp_sr between = make(&report, 0, T0 + SEC(2));
    T_EQ(between.timestamp, 1000 + 2 * VIDEO);
    peer_clock_report(&bob, (uint64_t)3 << 32, T0 + SEC(3));
    sender_report_source(&report, &bob, (uint64_t)3 << 32, 0x80000000);
    const struct rtcp_sr after = make(&report, 1000 + 3 * VIDEO - 0x80000000, T0 + SEC(4));
    T_EQ(after.timestamp, 1000 + 4 * VIDEO);
    T_OK(before.ntp < between.ntp && between.ntp < after.ntp);
    T_EQ(after.packets, 2);
}

static void the_round_trip_is_told_by_a_report_block(void)
{
    struct rtcp_report_block block = {
        .lsr = ntp_middle(ntp_from_usec(T0)), .dlsr = 0x8000, /* half a second */
    };
    usec_t rtt = 0;

    T_EQ(sender_report_rtt(&block, T0 + MSEC(580), &rtt), RC_OK);
    T_OK(rtt > MSEC(79) && rtt < MSEC(81));
    T_EQ(sender_report_rtt(&block, T0 + MSEC(400), &rtt), RC_BAD); /* negative */
    T_EQ(sender_report_rtt(&block, T0 + SEC(20), &rtt), RC_BAD);
    block.lsr = 0;
    T_EQ(sender_report_rtt(&block, T0, &rtt), RC_AGAIN);
}

static const struct t_case cases[] = {
    T_CASE(nothing_is_reported_before_something_was_sent),
    T_CASE(packets_and_octets_are_counted),
    T_CASE(without_the_sources_report_the_last_packet_counts),
    T_CASE(lip_sync_is_the_sources_own),
    T_CASE(a_new_source_keeps_the_ntp_time_going),
    T_CASE(the_round_trip_is_told_by_a_report_block),
};
T_MAIN(cases)
