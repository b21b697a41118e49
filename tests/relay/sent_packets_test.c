#include "relay/sent_packets.h"
#include "tests/t.h"

static const usec_t T0 = SEC(1000);
static struct sent_packets sent;

static bool report(uint16_t seq, bool received, struct sent_packet *out)
{
    const struct packet_result result = {.seq = seq, .received = received};

    return sent_packets_report(&sent, &result, out);
}

static void a_packet_is_news_once(void)
{
    struct sent_packet packet;

    sent_packets_init(&sent);
    T_EQ(sent_packets_add(&sent, 1200, T0), 0);
    T_EQ(sent_packets_add(&sent, 100, T0 + 5), 1);
    T_EQ(sent.in_flight, 1300);
    T_OK(report(1, true, &packet));
    T_EQ(packet.bytes, 100);
    T_OK(packet.sent == T0 + 5);
    T_EQ(packet.state, SENT_IN_FLIGHT);
    T_EQ(sent.in_flight, 1200);
    T_OK(!report(1, true, &packet));
    T_OK(!report(1, false, &packet));
}

static void times_are_whole_over_a_wrap_of_their_low_bits(void)
{
    const usec_t wrap = (usec_t)7 << 32;
    struct sent_packet packet;

    sent_packets_init(&sent);
    sent_packets_add(&sent, 1200, wrap - 3);
    sent_packets_add(&sent, 1200, wrap + SEC(60));
    T_OK(report(0, true, &packet));
    T_OK(packet.sent == wrap - 3);
    T_OK(report(1, true, &packet));
    T_OK(packet.sent == wrap + SEC(60));
}

static void a_lost_packet_may_still_arrive(void)
{
    struct sent_packet packet;

    sent_packets_init(&sent);
    sent_packets_add(&sent, 1200, T0);
    T_OK(report(0, false, &packet));
    T_EQ(sent.in_flight, 0);
    T_OK(!report(0, false, &packet));
    T_OK(report(0, true, &packet));
    T_EQ(packet.state, SENT_LOST);
    T_OK(!report(0, true, &packet));
    T_EQ(sent.in_flight, 0);
}

static void what_was_never_sent_is_no_news(void)
{
    struct sent_packet packet;

    sent_packets_init(&sent);
    T_OK(!report(0, true, &packet));
    sent_packets_add(&sent, 1200, T0);
    T_OK(!report(SENT_PACKETS_MAX, true, &packet));
    T_OK(!report(7, true, &packet));
}

static void old_packets_are_forgotten(void)
{
    struct sent_packet packet;

    sent_packets_init(&sent);
    for (unsigned i = 0; i < 3 * 0x10000; i++)
        sent_packets_add(&sent, 1000, T0 + i);
    T_EQ(sent.in_flight, 1000 * SENT_PACKETS_MAX);
    T_OK(report((uint16_t)(sent.next - SENT_PACKETS_MAX), true, &packet));
    T_OK(!report((uint16_t)(sent.next - SENT_PACKETS_MAX - 1), true, &packet));
}

static void silence_is_counted_from_the_first_packet_without_an_answer(void)
{
    struct sent_packet packet;

    sent_packets_init(&sent);
    T_OK(sent.unanswered_since == USEC_NEVER);
    sent_packets_add(&sent, 1000, T0);
    sent_packets_add(&sent, 1000, T0 + 50);
    T_OK(sent.unanswered_since == T0);
    T_OK(report(0, true, &packet));
    T_OK(sent.unanswered_since == USEC_NEVER);
    sent_packets_add(&sent, 1000, T0 + 90);
    T_OK(sent.unanswered_since == T0 + 90);
}

static const struct t_case cases[] = {
    T_CASE(a_packet_is_news_once),
    T_CASE(times_are_whole_over_a_wrap_of_their_low_bits),
    T_CASE(a_lost_packet_may_still_arrive),
    T_CASE(what_was_never_sent_is_no_news),
    T_CASE(old_packets_are_forgotten),
    T_CASE(silence_is_counted_from_the_first_packet_without_an_answer),
};
T_MAIN(cases)
