#include "relay/nack_generator.h"
#include "tests/t.h"

static const usec_t T0 = SEC(1000);
#define RTT MSEC(50)

static struct nack_generator nack;
static uint16_t asked[256];

static void setup(enum media_kind kind)
{
    nack_generator_init(&nack, kind);
    nack_generator_packet(&nack, 65534, T0);
}

static size_t poll_at(usec_t now)
{
    return nack_generator_poll(&nack, now, RTT, asked, ARRAY_LEN(asked));
}

static void nothing_missing_asks_nothing(void)
{
    setup(MEDIA_VIDEO);
    nack_generator_packet(&nack, 65535, T0);
    nack_generator_packet(&nack, 0, T0);
    T_EQ(poll_at(T0), 0);
    T_OK(nack_generator_deadline(&nack) == USEC_NEVER);
}

static void a_gap_is_asked_for_at_once(void)
{
    setup(MEDIA_VIDEO);
    nack_generator_packet(&nack, 2, T0);
    T_OK(nack_generator_deadline(&nack) == T0);
    T_EQ(poll_at(T0), 3);
    T_EQ(asked[0], 65535);
    T_EQ(asked[1], 0);
    T_EQ(asked[2], 1);
    T_EQ(poll_at(T0), 0);
}

static void it_is_asked_for_again_after_a_round_trip(void)
{
    setup(MEDIA_VIDEO);
    nack_generator_packet(&nack, 0, T0);
    T_EQ(poll_at(T0), 1);
    T_OK(nack_generator_deadline(&nack) == T0 + RTT);
    T_EQ(poll_at(T0 + RTT - 1), 0);
    T_EQ(poll_at(T0 + RTT), 1);
    T_EQ(asked[0], 65535);
}

static void a_short_round_trip_is_no_reason_to_flood(void)
{
    setup(MEDIA_VIDEO);
    nack_generator_packet(&nack, 0, T0);
    T_EQ(nack_generator_poll(&nack, T0, 10, asked, 256), 1);
    T_OK(nack_generator_deadline(&nack) == T0 + MSEC(20));
}

static void what_came_late_is_not_asked_for(void)
{
    setup(MEDIA_VIDEO);
    nack_generator_packet(&nack, 2, T0);
    T_OK(nack_generator_packet(&nack, 0, T0));
    T_OK(!nack_generator_packet(&nack, 0, T0)); /* a duplicate */
    T_EQ(poll_at(T0), 2);
    T_EQ(asked[0], 65535);
    T_EQ(asked[1], 1);
    T_OK(nack_generator_packet(&nack, 65535, T0));
    T_OK(nack_generator_packet(&nack, 1, T0));
    T_EQ(nack.recovered, 3);
    T_OK(nack_generator_deadline(&nack) == USEC_NEVER);
}

static size_t ask_until_given_up(enum media_kind kind, usec_t *end)
{
    size_t requests = 0;
    usec_t now = T0;

    setup(kind);
    nack_generator_packet(&nack, 0, T0);
    while (nack_generator_deadline(&nack) != USEC_NEVER) {
        T_OK(nack_generator_deadline(&nack) > now || now == T0);
        now = nack_generator_deadline(&nack);
        requests += poll_at(now);
    }
    T_EQ(nack.given_up, 1);
    *end = now;
    return requests;
}

static void video_is_given_up_after_ten_tries_and_needs_a_key_frame(void)
{
    usec_t end;

    T_EQ(ask_until_given_up(MEDIA_VIDEO, &end), 10);
    T_OK(end == T0 + 10 * RTT);
    T_OK(nack_generator_take_key_frame_needed(&nack));
    T_OK(!nack_generator_take_key_frame_needed(&nack));
}

static void audio_is_given_up_after_three_tries_and_needs_nothing(void)
{
    usec_t end;

    T_EQ(ask_until_given_up(MEDIA_AUDIO, &end), 3);
    T_OK(end == T0 + 3 * RTT);
    T_OK(!nack_generator_take_key_frame_needed(&nack));
}

static void what_is_too_old_is_given_up(void)
{
    setup(MEDIA_VIDEO);
    nack_generator_packet(&nack, 0, T0);
    T_EQ(nack_generator_poll(&nack, T0, MSEC(900), asked, 256), 1);
    T_EQ(nack_generator_poll(&nack, T0 + MSEC(900), MSEC(900), asked, 256), 1);
    T_OK(nack_generator_deadline(&nack) == T0 + SEC(1));
    T_EQ(poll_at(T0 + SEC(1)), 0);
    T_OK(nack_generator_take_key_frame_needed(&nack));
}

static void a_hole_too_large_for_video_asks_for_a_key_frame_only(void)
{
    setup(MEDIA_VIDEO);
    nack_generator_packet(&nack, NACK_LIST_MAX - 1, T0); /* 65535 and 0 to 126: 128 */
    T_EQ(poll_at(T0), NACK_LIST_MAX);
    T_OK(!nack_generator_take_key_frame_needed(&nack));
    nack_generator_packet(&nack, NACK_LIST_MAX + 1, T0);
    T_EQ(poll_at(T0 + RTT), 0);
    T_OK(nack_generator_take_key_frame_needed(&nack));
    nack_generator_packet(&nack, NACK_LIST_MAX + 3, T0 + RTT);
    T_EQ(poll_at(T0 + RTT), 1); /* and goes on as before */
}

static void a_hole_too_large_for_audio_asks_for_the_newest(void)
{
    setup(MEDIA_AUDIO);
    nack_generator_packet(&nack, 100, T0);
    T_EQ(poll_at(T0), 32);
    T_EQ(asked[0], 68);
    T_EQ(asked[31], 99);
    nack_generator_packet(&nack, 102, T0);
    T_EQ(poll_at(T0), 1);
    T_EQ(nack.missing[0].seq, 69);
    T_EQ(nack.count, 32);
    nack_generator_packet(&nack, 30000, T0);
    T_EQ(poll_at(T0), 32);
    T_EQ(asked[31], 29999);
    T_OK(!nack_generator_take_key_frame_needed(&nack));
}

static void a_key_frame_ends_the_search_for_what_was_before(void)
{
    setup(MEDIA_VIDEO);
    nack_generator_packet(&nack, 10, T0);
    nack_generator_packet(&nack, 12, T0);
    nack_generator_key_frame(&nack, 11); /* its first packet is itself missing */
    T_EQ(poll_at(T0), 1);
    T_EQ(asked[0], 11);
    nack_generator_key_frame(&nack, 12);
    T_OK(nack_generator_deadline(&nack) == USEC_NEVER);
    T_EQ(nack.given_up, 0);
}

static void the_caller_may_take_a_few_at_a_time(void)
{
    setup(MEDIA_VIDEO);
    nack_generator_packet(&nack, 5, T0);
    T_EQ(nack_generator_poll(&nack, T0, RTT, asked, 4), 4);
    T_OK(nack_generator_deadline(&nack) <= T0);
    T_EQ(nack_generator_poll(&nack, T0, RTT, asked, 4), 2);
    T_EQ(asked[1], 4);
    T_OK(nack_generator_deadline(&nack) == T0 + RTT);
}

static void a_restart_forgets_everything(void)
{
    setup(MEDIA_VIDEO);
    nack_generator_packet(&nack, 50, T0);
    nack_generator_reset(&nack);
    T_OK(nack_generator_deadline(&nack) == USEC_NEVER);
    nack_generator_packet(&nack, 40000, T0);
    T_EQ(poll_at(T0), 0);
}

static void a_stream_of_100000_packets_with_loss_is_recovered(void)
{
    size_t requests = 0;
    uint32_t random = 1;

    setup(MEDIA_VIDEO);
    for (unsigned i = 1; i < 100000; i++) {
        const usec_t now = T0 + i * MSEC(2);
        random = random * 1664525 + 1013904223;
        if (random >> 24 < 13) /* 5 % */
            continue;
        nack_generator_packet(&nack, (uint16_t)(65534 + i), now);
        const size_t n = poll_at(now);
        requests += n;
        for (size_t k = 0; k < n; k++) {
            random = random * 1664525 + 1013904223;
            if (random >> 24 >= 13)
                T_OK(nack_generator_packet(&nack, asked[k], now));
        }
    }
    T_EQ(nack.given_up, 0);
    T_OK(!nack_generator_take_key_frame_needed(&nack));
    T_OK(requests > 4500 && requests < 6000);
}

static const struct t_case cases[] = {
    T_CASE(nothing_missing_asks_nothing),
    T_CASE(a_gap_is_asked_for_at_once),
    T_CASE(it_is_asked_for_again_after_a_round_trip),
    T_CASE(a_short_round_trip_is_no_reason_to_flood),
    T_CASE(what_came_late_is_not_asked_for),
    T_CASE(video_is_given_up_after_ten_tries_and_needs_a_key_frame),
    T_CASE(audio_is_given_up_after_three_tries_and_needs_nothing),
    T_CASE(what_is_too_old_is_given_up),
    T_CASE(a_hole_too_large_for_video_asks_for_a_key_frame_only),
    T_CASE(a_hole_too_large_for_audio_asks_for_the_newest),
    T_CASE(a_key_frame_ends_the_search_for_what_was_before),
    T_CASE(the_caller_may_take_a_few_at_a_time),
    T_CASE(a_restart_forgets_everything),
    T_CASE(a_stream_of_100000_packets_with_loss_is_recovered),
};
T_MAIN(cases)
