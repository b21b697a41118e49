#include "core/leg_rate.h"

#include "tests/t.h"

static struct {
    struct leg_rate rate;
    struct stream_sample sample;
    usec_t now;
} w;

static void begin(void)
{
    memset(&w, 0, sizeof w);
    w.now = SEC(1);
    w.sample = (struct stream_sample){.rtt = MSEC(40), .rtt_min = MSEC(40)};
}

/* A connection that acknowledges so much, sampled every 5 ms. */
static void run(usec_t duration, uint64_t bitrate, bool waited, usec_t delay)
{
    for (const usec_t until = w.now + duration; w.now < until;) {
        w.now += MSEC(5);
        w.sample.acked += bitrate / 8 / 200;
        leg_rate_sample(&w.rate, &w.sample, waited, delay, w.now);
    }
}

static bool about(uint64_t value, uint64_t wanted)
{
    return value > wanted * 95 / 100 && value < wanted * 105 / 100;
}

static void a_connection_that_is_never_full_has_no_rate(void)
{
    begin();
    run(SEC(10), 300000, false, 0);
    T_EQ(leg_rate_drained(&w.rate), 0);
    T_EQ(leg_rate_cap(&w.rate), 0);
}

static void what_drains_while_something_waits_is_the_rate(void)
{
    begin();
    run(MSEC(90), 800000, true, MSEC(10));
    T_EQ(leg_rate_drained(&w.rate), 0); /* too short to tell */
    run(MSEC(200), 800000, true, MSEC(10));
    T_OK(about(leg_rate_drained(&w.rate), 800000));
    run(SEC(5), 50000, false, 0); /* little is sent meanwhile: no sign of a slow path */
    T_OK(about(leg_rate_drained(&w.rate), 800000));
    run(SEC(2), 400000, true, MSEC(10));
    T_OK(about(leg_rate_drained(&w.rate), 400000));
}

static void unsent_bytes_and_a_queue_in_the_network_are_signs_too(void)
{
    begin();
    w.sample.unsent = 5000;
    run(MSEC(300), 600000, false, 0);
    T_OK(about(leg_rate_drained(&w.rate), 600000));

    begin();
    w.sample.in_flight = 5000;
    run(MSEC(300), 600000, false, 0);
    T_EQ(leg_rate_drained(&w.rate), 0);
    w.sample.rtt = MSEC(90);
    w.sample.in_flight = 1500; /* a packet that happens to be under way */
    run(MSEC(300), 50000, false, 0);
    T_EQ(leg_rate_drained(&w.rate), 0);
    w.sample.in_flight = 9000;
    run(MSEC(300), 600000, false, 0);
    T_OK(about(leg_rate_drained(&w.rate), 600000));
}

static void the_cap_falls_below_the_rate_when_a_queue_stands_and_not_for_a_burst(void)
{
    begin();
    run(SEC(1), 1000000, true, MSEC(20));
    T_EQ(leg_rate_cap(&w.rate), 0);
    run(MSEC(50), 1000000, true, MSEC(80));
    run(MSEC(50), 1000000, true, MSEC(20));
    T_EQ(leg_rate_cap(&w.rate), 0);
    run(MSEC(100), 1000000, true, MSEC(80));
    T_OK(about(leg_rate_cap(&w.rate), 850000));
}

static void the_cap_grows_while_no_queue_stands_with_what_is_sent(void)
{
    begin();
    run(MSEC(500), 1000000, true, MSEC(80));
    run(MSEC(400), 850000, false, 0);
    T_OK(about(leg_rate_cap(&w.rate), 850000));
    run(SEC(3), 850000, false, 0);
    const uint64_t grown = leg_rate_cap(&w.rate);
    T_OK(grown > 1000000 && grown < 1600000);
    run(SEC(60), 850000, false, 0); /* nobody has tried more than that */
    T_OK(leg_rate_cap(&w.rate) < 1500000);
    run(SEC(60), 19000000, false, 0);
    T_EQ(leg_rate_cap(&w.rate), 0);
}

static void who_sends_little_proves_little(void)
{
    begin();
    run(MSEC(500), 1000000, true, MSEC(80));
    run(SEC(60), 50000, false, 0);
    T_OK(about(leg_rate_cap(&w.rate), 850000));
}

static void a_stall_is_not_taken_for_a_rate(void)
{
    begin();
    run(SEC(1), 1000000, true, MSEC(20));
    run(SEC(3), 0, true, SEC(3));
    T_OK(leg_rate_drained(&w.rate) > 400000);
    run(SEC(1), 1000000, true, MSEC(80));
    T_OK(about(leg_rate_drained(&w.rate), 1000000));
    T_OK(leg_rate_cap(&w.rate) > 600000);
}

static void several_samples_of_one_instant_count_once(void)
{
    begin();
    for (int i = 0; i < 200; i++) {
        w.now += MSEC(5);
        w.sample.acked += 500;
        for (int k = 0; k < 3; k++)
            leg_rate_sample(&w.rate, &w.sample, true, MSEC(10), w.now);
    }
    T_OK(about(leg_rate_drained(&w.rate), 800000));
}

static const struct t_case cases[] = {
    T_CASE(a_connection_that_is_never_full_has_no_rate),
    T_CASE(what_drains_while_something_waits_is_the_rate),
    T_CASE(unsent_bytes_and_a_queue_in_the_network_are_signs_too),
    T_CASE(the_cap_falls_below_the_rate_when_a_queue_stands_and_not_for_a_burst),
    T_CASE(the_cap_grows_while_no_queue_stands_with_what_is_sent),
    T_CASE(who_sends_little_proves_little),
    T_CASE(a_stall_is_not_taken_for_a_rate),
    T_CASE(several_samples_of_one_instant_count_once),
};
T_MAIN(cases)
