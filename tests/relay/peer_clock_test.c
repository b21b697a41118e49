#include "relay/ntp.h"
#include "relay/peer_clock.h"
#include "tests/t.h"

static const usec_t T0 = SEC(1000);
/* The peer's clock shows years when ours shows seconds. */
#define THEIRS(t) ntp_from_usec(SEC(3900000000u) + (t))

static struct peer_clock clock_of_peer;

static void report(usec_t sent, usec_t delay)
{
    peer_clock_report(&clock_of_peer, THEIRS(sent), sent + delay);
}

static usec_t local(usec_t theirs)
{
    return peer_clock_to_local(&clock_of_peer, THEIRS(theirs));
}

static void the_first_report_sets_the_clock(void)
{
    peer_clock_init(&clock_of_peer);
    T_OK(!clock_of_peer.known);
    report(T0, MSEC(40));
    T_OK(clock_of_peer.known);
    T_EQ(local(T0), T0 + MSEC(40));
    T_EQ(local(T0 + SEC(5)), T0 + SEC(5) + MSEC(40));
}

static void a_quicker_report_counts_at_once_and_a_slower_one_hardly(void)
{
    peer_clock_init(&clock_of_peer);
    report(T0, MSEC(40));
    report(T0 + SEC(1), MSEC(25));
    T_EQ(local(T0), T0 + MSEC(25));
    report(T0 + SEC(2), MSEC(400));
    T_OK(local(T0) > T0 + MSEC(25));
    T_OK(local(T0) <= T0 + MSEC(25) + 300);
}

static void a_clock_that_drifts_is_followed(void)
{
    peer_clock_init(&clock_of_peer);
    for (unsigned i = 0; i < 600; i++)
        report(T0 + SEC(1) * i, MSEC(30) + 100 * i); /* 100 ppm slow, ten minutes */
    T_OK(local(T0) >= T0 + MSEC(88));
    T_OK(local(T0) <= T0 + MSEC(91));
}

static void a_clock_that_is_set_starts_over(void)
{
    peer_clock_init(&clock_of_peer);
    report(T0, MSEC(30));
    peer_clock_report(&clock_of_peer, THEIRS(T0) - ((uint64_t)3600 << 32), T0 + SEC(1));
    T_EQ(peer_clock_to_local(&clock_of_peer, THEIRS(T0) - ((uint64_t)3600 << 32)), T0 + SEC(1));
}

static void no_time_is_before_zero(void)
{
    peer_clock_init(&clock_of_peer);
    report(T0, 0);
    T_EQ(peer_clock_to_local(&clock_of_peer, 0), 0);
}

static const struct t_case cases[] = {
    T_CASE(the_first_report_sets_the_clock),
    T_CASE(a_quicker_report_counts_at_once_and_a_slower_one_hardly),
    T_CASE(a_clock_that_drifts_is_followed),
    T_CASE(a_clock_that_is_set_starts_over),
    T_CASE(no_time_is_before_zero),
};
T_MAIN(cases)
