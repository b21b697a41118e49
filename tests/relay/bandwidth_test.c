/*
 * Sender, bottleneck and receiver in virtual time: a source that sends what the estimate
 * allows, in frames, through a link with a rate, a queue, loss and jitter, to a receiver that
 * answers with real feedback messages.
 */
#include "relay/bandwidth.h"
#include "tests/t.h"

#define FRAME MSEC(33)
#define STEP MSEC(1)
#define PACKET 1200u
#define FLIGHT_MAX 4096u

/* What may be changed while it runs. */
struct link {
    double capacity; /* bit/s */
    usec_t delay;    /* each way */
    usec_t queue;    /* longest wait; what would wait longer is dropped */
    double loss;     /* ratio, at random */
    usec_t jitter;   /* 0 to this much more for each packet, at random */
    bool reorders;   /* or do late packets hold up those behind them? */
    double cross;    /* bit/s of somebody else's constant traffic */
    bool policer;    /* drops what exceeds the rate, but delays nothing */
    bool dead;
};

struct flying {
    bool used;
    uint16_t seq;
    usec_t arrives;
};

static struct {
    struct link link;
    double source_max; /* bit/s: more is not sent whatever the estimate */
    usec_t now, next_frame, free_at, last_arrival, report_arrives, next_cross;
    double debt; /* bits that the source may send */
    uint64_t random;
    struct sent_packets sent;
    struct bandwidth estimate;
    struct arrival_log arrivals;
    struct flying flying[FLIGHT_MAX];
    uint8_t report[1200];
    size_t report_len;
    /* Since sim_measure: */
    usec_t since;
    double estimate_sum, steps, delivered, sent_packets, dropped, wait_sum, waits;
    usec_t wait_max;
} sim;

static double random_ratio(void)
{
    sim.random ^= sim.random << 13;
    sim.random ^= sim.random >> 7;
    sim.random ^= sim.random << 17;
    return (double)(sim.random >> 11) / (double)(1ull << 53);
}

static void sim_measure(void)
{
    sim.since = sim.now;
    sim.estimate_sum = sim.steps = sim.delivered = sim.sent_packets = 0;
    sim.dropped = sim.wait_sum = sim.waits = 0;
    sim.wait_max = 0;
}

static void sim_start(const struct link *link, double source_max)
{
    memset(&sim, 0, sizeof sim);
    sim.link = *link;
    sim.source_max = source_max;
    sim.now = SEC(100);
    sim.next_frame = sim.next_cross = sim.now;
    sim.report_arrives = USEC_NEVER;
    sim.random = 0x9e3779b97f4a7c15u;
    sent_packets_init(&sim.sent);
    arrival_log_init(&sim.arrivals);
    bandwidth_init(&sim.estimate, 50000, 1000000, 20000000);
    sim_measure();
}

/* Puts `bytes` into the queue. False: no room. */
static bool enqueue(size_t bytes, usec_t *leaves)
{
    const usec_t start = sim.free_at > sim.now ? sim.free_at : sim.now;

    if (start - sim.now > sim.link.queue)
        return false;
    sim.free_at = start + (usec_t)((double)bytes * 8e6 / sim.link.capacity);
    *leaves = sim.link.policer ? sim.now : sim.free_at;
    return true;
}

static void fly(uint16_t seq, usec_t arrives)
{
    for (size_t i = 0; i < FLIGHT_MAX; i++) {
        if (!sim.flying[i].used) {
            sim.flying[i] = (struct flying){true, seq, arrives};
            return;
        }
    }
    T_OK(!"room in the air");
}

static void send_packet(void)
{
    const uint16_t seq = sent_packets_add(&sim.sent, PACKET, sim.now);
    usec_t leaves;

    sim.sent_packets++;
    if (sim.link.dead || !enqueue(PACKET, &leaves)) {
        sim.dropped++;
        return;
    }
    sim.wait_sum += (double)(leaves - sim.now);
    sim.waits++;
    if (leaves - sim.now > sim.wait_max)
        sim.wait_max = leaves - sim.now;
    if (random_ratio() < sim.link.loss)
        return;
    usec_t arrives =
        leaves + sim.link.delay + (usec_t)(random_ratio() * (double)sim.link.jitter);
    if (!sim.link.reorders && arrives < sim.last_arrival)
        arrives = sim.last_arrival;
    sim.last_arrival = arrives;
    fly(seq, arrives);
}

static void run_source(void)
{
    double rate = (double)bandwidth_estimate(&sim.estimate);

    for (; sim.next_cross <= sim.now; sim.next_cross += MSEC(10)) {
        usec_t leaves;
        if (sim.link.cross > 0)
            (void)enqueue((size_t)(sim.link.cross / 800), &leaves);
    }
    if (sim.now < sim.next_frame)
        return;
    sim.next_frame += FRAME;
    if (rate > sim.source_max)
        rate = sim.source_max;
    sim.debt += rate * (double)FRAME / 1e6;
    for (; sim.debt >= PACKET * 8; sim.debt -= PACKET * 8)
        send_packet();
}

/* In order of arrival. */
static void run_receiver(void)
{
    for (;;) {
        struct flying *first = NULL;

        for (size_t i = 0; i < FLIGHT_MAX; i++) {
            struct flying *f = &sim.flying[i];
            if (f->used && f->arrives <= sim.now && (!first || f->arrives < first->arrives))
                first = f;
        }
        if (!first)
            break;
        arrival_log_packet(&sim.arrivals, first->seq, first->arrives);
        sim.delivered++;
        first->used = false;
    }

    struct rtcp_writer writer;
    if (sim.now < arrival_log_deadline(&sim.arrivals) || sim.report_arrives != USEC_NEVER)
        return;
    rtcp_writer_init(&writer, sim.report, sizeof sim.report);
    while (arrival_log_write(&sim.arrivals, &writer, 1, 2, sim.now))
        continue;
    sim.report_len = writer.len;
    sim.report_arrives = sim.now + sim.link.delay;
}

static void run_feedback(void)
{
    struct span rest = {sim.report, sim.report_len};
    struct rtcp_packet packet;

    if (sim.now < sim.report_arrives)
        return;
    sim.report_arrives = USEC_NEVER;
    if (sim.link.dead)
        return;
    while (rtcp_next(&rest, &packet)) {
        struct transport_feedback feedback;

        T_EQ(transport_feedback_parse(&packet, &feedback), RC_OK);
        bandwidth_feedback(&sim.estimate, &sim.sent, &feedback, sim.now);
    }
}

static void sim_run(usec_t duration)
{
    const usec_t end = sim.now + duration;

    for (; sim.now < end; sim.now += STEP) {
        run_source();
        run_receiver();
        run_feedback();
        if (sim.now >= bandwidth_deadline(&sim.estimate, &sim.sent))
            bandwidth_tick(&sim.estimate, &sim.sent, sim.now);
        sim.estimate_sum += (double)bandwidth_estimate(&sim.estimate);
        sim.steps++;
    }
}

static double mean_estimate(void)
{
    return sim.estimate_sum / sim.steps;
}
static double delivered_rate(void)
{
    return sim.delivered * PACKET * 8 / ((double)(sim.now - sim.since) / 1e6);
}
static double mean_wait_ms(void)
{
    return sim.waits > 0 ? sim.wait_sum / sim.waits / 1e3 : 0;
}
static void show(const char *what)
{
    printf("#   %-34s estimate %5.0f kbit/s, delivered %5.0f, wait %3.0f ms (max %3.0f), "
           "dropped %4.1f %%\n",
           what, mean_estimate() / 1e3, delivered_rate() / 1e3, mean_wait_ms(),
           (double)sim.wait_max / 1e3, 100 * sim.dropped / sim.sent_packets);
}

#define LINK(rate)                                                                             \
    {                                                                                          \
        .capacity = (rate), .delay = MSEC(25), .queue = MSEC(300)                              \
    }

static void a_constant_link_is_filled_without_a_standing_queue(void)
{
    static const double capacity[] = {300e3, 1e6, 2e6, 5e6};

    for (size_t i = 0; i < ARRAY_LEN(capacity); i++) {
        const struct link link = LINK(capacity[i]);

        sim_start(&link, 20e6);
        sim_run(SEC(30));
        sim_measure();
        sim_run(SEC(60));
        show("steady");
        T_OK(delivered_rate() > 0.75 * capacity[i]);
        T_OK(mean_estimate() < 1.1 * capacity[i]);
        T_OK(mean_wait_ms() < 100);
        T_OK(sim.dropped < 0.02 * sim.sent_packets);
    }
}

static void a_wide_link_is_opened_within_seconds(void)
{
    const struct link link = LINK(20e6);

    sim_start(&link, 2.5e6);
    sim_run(SEC(6));
    T_OK(bandwidth_estimate(&sim.estimate) > 2500000);
    sim_run(SEC(60));
    T_OK(bandwidth_estimate(&sim.estimate) > 2500000);
    T_OK(bandwidth_estimate(&sim.estimate) < 2 * 2500000); /* what is not sent is not tested */
}

static void a_drop_of_capacity_is_followed_in_two_seconds(void)
{
    const struct link link = LINK(3e6);

    sim_start(&link, 20e6);
    sim_run(SEC(40));
    sim.link.capacity = 1e6;
    sim_run(SEC(2));
    T_OK(bandwidth_estimate(&sim.estimate) < 1100000);
    sim_run(SEC(3));
    sim_measure();
    sim_run(SEC(30));
    show("after 3 to 1 Mbit/s");
    T_OK(mean_wait_ms() < 100);
    T_OK(delivered_rate() > 0.7e6);
}

static void a_rise_of_capacity_is_found(void)
{
    const struct link link = LINK(1e6);

    sim_start(&link, 20e6);
    sim_run(SEC(40));
    sim.link.capacity = 4e6;
    sim_run(SEC(40));
    sim_measure();
    sim_run(SEC(20));
    show("after 1 to 4 Mbit/s");
    T_OK(delivered_rate() > 2.5e6);
}

static void random_loss_of_five_percent_is_not_congestion(void)
{
    struct link link = LINK(20e6);

    link.loss = 0.05;
    sim_start(&link, 2.5e6);
    sim_run(SEC(20));
    sim_measure();
    sim_run(SEC(120));
    show("5 % loss, wide link");
    T_OK(mean_estimate() > 2.4e6);
    T_OK(delivered_rate() > 0.9 * 0.95 * 2.5e6);

    link.capacity = 2e6;
    sim_start(&link, 20e6);
    sim_run(SEC(30));
    sim_measure();
    sim_run(SEC(120));
    show("5 % loss, 2 Mbit/s");
    T_OK(delivered_rate() > 0.65 * 2e6);
    T_OK(mean_wait_ms() < 100);
}

static void heavy_loss_is_congestion(void)
{
    struct link link = LINK(20e6);

    sim_start(&link, 2.5e6);
    sim_run(SEC(10));
    sim.link.loss = 0.3;
    sim_run(SEC(10));
    T_OK(bandwidth_estimate(&sim.estimate) < 1000000);
    T_OK(bandwidth_loss(&sim.estimate) > 0.2);
    sim.link.loss = 0;
    sim_run(SEC(60));
    T_OK(bandwidth_estimate(&sim.estimate) > 2000000);
}

static void a_policer_that_only_drops_is_respected(void)
{
    struct link link = LINK(2e6);

    link.policer = true;
    link.queue = MSEC(40);
    sim_start(&link, 20e6);
    sim_run(SEC(30));
    sim_measure();
    sim_run(SEC(60));
    show("policer at 2 Mbit/s");
    T_OK(delivered_rate() > 0.7 * 2e6);
    T_OK(sim.dropped < 0.1 * sim.sent_packets);
}

static void a_short_queue_is_respected(void)
{
    struct link link = LINK(2e6);

    link.queue = MSEC(40);
    sim_start(&link, 20e6);
    sim_run(SEC(30));
    sim_measure();
    sim_run(SEC(60));
    show("40 ms of queue at 2 Mbit/s");
    T_OK(delivered_rate() > 0.7 * 2e6);
    T_OK(sim.dropped < 0.1 * sim.sent_packets);
}

static void jitter_is_not_congestion(void)
{
    static const struct {
        usec_t jitter;
        bool reorders;
    } row[] = {{MSEC(10), false}, {MSEC(30), false}, {MSEC(10), true}, {MSEC(30), true}};

    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        struct link link = LINK(20e6);

        link.jitter = row[i].jitter;
        link.reorders = row[i].reorders;
        sim_start(&link, 2.5e6);
        sim_run(SEC(20));
        sim_measure();
        sim_run(SEC(60));
        show(row[i].reorders ? "jitter that reorders" : "jitter");
        T_OK(delivered_rate() > 0.8 * 2.5e6);
    }
}

static void somebody_elses_traffic_is_given_room(void)
{
    const struct link link = LINK(3e6);

    sim_start(&link, 20e6);
    sim_run(SEC(40));
    sim.link.cross = 1e6;
    sim_run(SEC(5));
    sim_measure();
    sim_run(SEC(60));
    show("1 of 3 Mbit/s is taken");
    T_OK(delivered_rate() > 0.65 * 2e6);
    T_OK(mean_estimate() < 2.2e6);
    T_OK(mean_wait_ms() < 120);
}

static void little_traffic_does_not_lower_the_estimate(void)
{
    const struct link link = LINK(5e6);

    sim_start(&link, 40e3);
    sim_run(SEC(60));
    T_EQ(bandwidth_estimate(&sim.estimate), 1000000);
}

static void a_path_that_goes_silent_sinks_and_comes_back(void)
{
    const struct link link = LINK(3e6);

    sim_start(&link, 2e6);
    sim_run(SEC(20));
    const uint64_t before = bandwidth_estimate(&sim.estimate);
    sim.link.dead = true;
    sim_run(SEC(5));
    T_OK(bandwidth_estimate(&sim.estimate) < before / 2);
    T_OK(bandwidth_estimate(&sim.estimate) > 50000);
    sim.link.dead = false;
    sim_run(SEC(40));
    T_OK(bandwidth_estimate(&sim.estimate) > 1500000);
}

static void silence_of_the_source_is_no_silence_of_the_path(void)
{
    const struct link link = LINK(3e6);

    sim_start(&link, 2e6);
    sim_run(SEC(20));
    const uint64_t before = bandwidth_estimate(&sim.estimate);
    sim.source_max = 0;
    sim_run(SEC(60));
    T_OK(bandwidth_estimate(&sim.estimate) >= before);
    T_OK(bandwidth_deadline(&sim.estimate, &sim.sent) == USEC_NEVER);
}

static void the_estimate_stays_within_its_bounds(void)
{
    const struct link link = LINK(30e3);

    sim_start(&link, 20e6);
    for (int i = 0; i < 60; i++) {
        sim_run(SEC(1));
        T_OK(bandwidth_estimate(&sim.estimate) >= 50000);
        T_OK(bandwidth_estimate(&sim.estimate) <= 20000000);
    }
    T_OK(bandwidth_estimate(&sim.estimate) < 120000);
}

static void without_feedback_nothing_is_known(void)
{
    struct bandwidth b;

    bandwidth_init(&b, 50000, 300000, 2000000);
    sent_packets_init(&sim.sent);
    sent_packets_add(&sim.sent, 1200, SEC(1));
    T_OK(!bandwidth_is_known(&b));
    T_EQ(bandwidth_estimate(&b), 300000);
    T_OK(bandwidth_deadline(&b, &sim.sent) == USEC_NEVER);
    bandwidth_tick(&b, &sim.sent, SEC(100));
    T_EQ(bandwidth_estimate(&b), 300000);
}

static void a_path_is_known_once_it_was_full(void)
{
    const struct link wide = LINK(5e6), narrow = LINK(800e3);

    sim_start(&wide, 900e3);
    sim_run(SEC(5));
    T_OK(!bandwidth_is_known(&sim.estimate)); /* never full: nothing to hold anybody to */

    sim_start(&narrow, 20e6);
    sim_run(SEC(3));
    T_OK(bandwidth_is_known(&sim.estimate));
    T_OK(bandwidth_estimate(&sim.estimate) < 900000);
}

static const struct t_case cases[] = {
    T_CASE(a_constant_link_is_filled_without_a_standing_queue),
    T_CASE(a_wide_link_is_opened_within_seconds),
    T_CASE(a_drop_of_capacity_is_followed_in_two_seconds),
    T_CASE(a_rise_of_capacity_is_found),
    T_CASE(random_loss_of_five_percent_is_not_congestion),
    T_CASE(heavy_loss_is_congestion),
    T_CASE(a_policer_that_only_drops_is_respected),
    T_CASE(a_short_queue_is_respected),
    T_CASE(jitter_is_not_congestion),
    T_CASE(somebody_elses_traffic_is_given_room),
    T_CASE(little_traffic_does_not_lower_the_estimate),
    T_CASE(a_path_that_goes_silent_sinks_and_comes_back),
    T_CASE(silence_of_the_source_is_no_silence_of_the_path),
    T_CASE(the_estimate_stays_within_its_bounds),
    T_CASE(without_feedback_nothing_is_known),
    T_CASE(a_path_is_known_once_it_was_full),
};
T_MAIN(cases)
