#include "relay/silence.h"
#include "tests/t.h"

static const usec_t T0 = SEC(1000);
static const struct silence_packet LOUD = {.has_level = true, .level = 30, .payload_size = 80};
static const struct silence_packet QUIET = {.has_level = true, .level = 90, .payload_size = 80};
static const struct silence_packet BETWEEN = {
    .has_level = true, .level = 55, .payload_size = 80};
static const struct silence_packet LARGE = {.payload_size = 80};
static const struct silence_packet DTX = {.payload_size = 1};

/* Packets of 20 ms from *now for as long as `duration`; the last event that is one. */
static enum silence_event feed(struct silence *silence, const struct silence_packet *packet,
                               usec_t duration, usec_t *now)
{
    enum silence_event last = SILENCE_NOTHING;

    for (const usec_t end = *now + duration; *now < end; *now += MSEC(20)) {
        const enum silence_event event = silence_input(silence, packet, *now);
        if (event != SILENCE_NOTHING)
            last = event;
    }
    return last;
}

static struct silence speaking(const struct silence_packet *packet, usec_t *now)
{
    struct silence silence;

    silence_init(&silence);
    T_EQ(feed(&silence, packet, MSEC(200), now), SILENCE_SPEAKING);
    return silence;
}

static void speech_is_noticed_after_a_moment(void)
{
    struct silence silence;

    silence_init(&silence);
    T_EQ(silence_deadline(&silence), USEC_NEVER);
    T_EQ(silence_input(&silence, &LOUD, T0), SILENCE_NOTHING);
    T_EQ(silence_input(&silence, &LOUD, T0 + SILENCE_SPEAK_AFTER - 1), SILENCE_NOTHING);
    T_EQ(silence_input(&silence, &LOUD, T0 + SILENCE_SPEAK_AFTER), SILENCE_SPEAKING);
    T_EQ(silence_input(&silence, &LOUD, T0 + SILENCE_SPEAK_AFTER + 1), SILENCE_NOTHING);
}

static void clicks_are_not_speech(void)
{
    struct silence silence;
    usec_t now = T0;

    silence_init(&silence);
    for (int i = 0; i < 20; i++) {
        T_EQ(feed(&silence, &LOUD, MSEC(40), &now), SILENCE_NOTHING);
        T_EQ(feed(&silence, &QUIET, MSEC(240), &now), SILENCE_NOTHING);
    }
}

static void a_breath_is_not_silence(void)
{
    usec_t now = T0;
    struct silence silence = speaking(&LOUD, &now);

    for (int i = 0; i < 10; i++) {
        T_EQ(feed(&silence, &QUIET, MSEC(1500), &now), SILENCE_NOTHING);
        T_EQ(feed(&silence, &LOUD, MSEC(20), &now), SILENCE_NOTHING);
    }
    T_EQ(feed(&silence, &QUIET, MSEC(2100), &now), SILENCE_SILENT);
    T_OK(!silence.speaking);
}

static void levels_between_change_nothing(void)
{
    usec_t now = T0;
    struct silence silence = speaking(&LOUD, &now);

    T_EQ(feed(&silence, &BETWEEN, SEC(5), &now), SILENCE_NOTHING);
    T_OK(silence.speaking);
    T_EQ(feed(&silence, &QUIET, SEC(3), &now), SILENCE_SILENT);
    T_EQ(feed(&silence, &BETWEEN, SEC(5), &now), SILENCE_NOTHING);
    T_OK(!silence.speaking);
}

static void without_levels_small_packets_are_silence(void)
{
    usec_t now = T0;
    struct silence silence = speaking(&LARGE, &now);

    T_EQ(feed(&silence, &DTX, MSEC(2100), &now), SILENCE_SILENT);
    /* Comfort noise: one larger packet every 400 ms. */
    for (int i = 0; i < 10; i++, now += MSEC(400))
        T_EQ(silence_input(&silence, &LARGE, now), SILENCE_NOTHING);
    T_EQ(feed(&silence, &LARGE, MSEC(200), &now), SILENCE_SPEAKING);
}

static void large_packets_do_not_outvote_levels(void)
{
    struct silence silence;
    usec_t now = T0;

    silence_init(&silence);
    T_EQ(feed(&silence, &QUIET, MSEC(100), &now), SILENCE_NOTHING);
    T_EQ(feed(&silence, &LARGE, SEC(1), &now), SILENCE_NOTHING);
}

static void no_packets_are_silence_exactly_at_the_deadline(void)
{
    usec_t now = T0;
    struct silence silence = speaking(&LOUD, &now);
    const usec_t due = silence_deadline(&silence);

    T_EQ(due, now - MSEC(20) + SILENCE_SILENT_AFTER);
    T_EQ(silence_tick(&silence, due - 1), SILENCE_NOTHING);
    T_EQ(silence_tick(&silence, due), SILENCE_SILENT);
    T_EQ(silence_tick(&silence, due + 1), SILENCE_NOTHING);
    T_EQ(silence_deadline(&silence), USEC_NEVER);
}

static const struct t_case cases[] = {
    T_CASE(speech_is_noticed_after_a_moment),
    T_CASE(clicks_are_not_speech),
    T_CASE(a_breath_is_not_silence),
    T_CASE(levels_between_change_nothing),
    T_CASE(without_levels_small_packets_are_silence),
    T_CASE(large_packets_do_not_outvote_levels),
    T_CASE(no_packets_are_silence_exactly_at_the_deadline),
};
T_MAIN(cases)
