#include "signaling/quality.h"
#include "tests/t.h"

static enum quality of(uint32_t rtt_ms, float up_loss, float down_loss)
{
    const struct media_quality report = {
        .rtt = rtt_ms * 1000, .up_loss = up_loss, .down_loss = down_loss};

    return quality_of(&report);
}

static void the_worse_of_delay_and_loss_counts(void)
{
    T_EQ(of(0, 0, 0), QUALITY_GOOD);
    T_EQ(of(199, 0.029f, 0), QUALITY_GOOD);
    T_EQ(of(200, 0, 0), QUALITY_FAIR);
    T_EQ(of(0, 0.03f, 0), QUALITY_FAIR);
    T_EQ(of(0, 0, 0.03f), QUALITY_FAIR);
    T_EQ(of(499, 0.09f, 0.09f), QUALITY_FAIR);
    T_EQ(of(500, 0, 0), QUALITY_POOR);
    T_EQ(of(0, 0, 0.1f), QUALITY_POOR);
}

static void nothing_known_is_nothing_bad(void)
{
    T_STR(quality_name(QUALITY_UNKNOWN), "good");
    T_STR(quality_name(QUALITY_FAIR), "fair");
    T_STR(quality_name(QUALITY_POOR), "poor");
}

static void the_event_has_milliseconds_and_bits(void)
{
    const struct media_quality report = {.rtt = 40500,
                                         .up_loss = 0.25f,
                                         .up_jitter = 3000,
                                         .up_bitrate = 1000000,
                                         .down_bitrate = 2000000,
                                         .down_estimate = 3000000};
    json_t *json = quality_json(&report);
    const json_t *up = json_object_get(json, "up"), *down = json_object_get(json, "down");

    T_OK(json_number_value(json_object_get(up, "rtt")) == 40.5);
    T_OK(json_number_value(json_object_get(up, "loss")) == 0.25);
    T_OK(json_number_value(json_object_get(up, "jitter")) == 3);
    T_EQ(json_integer_value(json_object_get(up, "bitrate")), 1000000);
    T_EQ(json_integer_value(json_object_get(down, "bitrate")), 2000000);
    T_EQ(json_integer_value(json_object_get(down, "estimate")), 3000000);
    T_STR(json_string_value(json_object_get(json, "networkQuality")), "poor");
    json_decref(json);
}

static void the_mean_follows_what_is_measured(void)
{
    struct quality_summary summary = {0};

    quality_note_rtt(&summary, &(struct media_quality){.rtt = 0}); /* nothing measured */
    T_EQ(summary.mean_rtt, 0);
    quality_note_rtt(&summary, &(struct media_quality){.rtt = 50000});
    T_EQ(summary.mean_rtt, 50000);
    for (int i = 0; i < 200; i++)
        quality_note_rtt(&summary, &(struct media_quality){.rtt = 80000});
    T_OK(summary.mean_rtt > 79900 && summary.mean_rtt <= 80000);
}

static const struct t_case cases[] = {
    T_CASE(the_worse_of_delay_and_loss_counts),
    T_CASE(nothing_known_is_nothing_bad),
    T_CASE(the_event_has_milliseconds_and_bits),
    T_CASE(the_mean_follows_what_is_measured),
};

T_MAIN(cases)
