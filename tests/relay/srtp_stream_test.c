#include "relay/srtp_stream.h"
#include "tests/t.h"

#define ROC(n) ((uint64_t)(n) << 16)

/* clang-format off */
static const struct {
    const char *what;
    uint64_t highest;
    uint16_t seq;
    uint64_t index;
} estimates[] = {
    {"the next one",                          ROC(5) + 100,    101,   ROC(5) + 101},
    {"a late one",                            ROC(5) + 100,    50,    ROC(5) + 50},
    {"the same one",                          ROC(5) + 100,    100,   ROC(5) + 100},
    {"over the rollover",                     ROC(5) + 65535,  0,     ROC(6)},
    {"a late one from before the rollover",   ROC(6) + 3,      65530, ROC(5) + 65530},
    {"half a round ahead is ahead",           ROC(5),          32768, ROC(5) + 32768},
    {"one more is behind",                    ROC(5),          32769, ROC(4) + 32769},
    {"half a round behind is behind",         ROC(5) + 32768,  0,     ROC(5)},
    {"one more is ahead",                     ROC(5) + 32769,  0,     ROC(6)},
    {"there is nothing before counter 0",     3,               65530, 65530},
    {"the first of a stream",                 0,               40000, 40000},
    {"past the last index",                   SRTP_INDEX_MAX,  0,     SRTP_INDEX_MAX + 1},
};
/* clang-format on */

static void the_nearest_index_is_estimated(void)
{
    for (size_t i = 0; i < ARRAY_LEN(estimates); i++) {
        printf("#   %s\n", estimates[i].what);
        T_OK(srtp_index_estimate(estimates[i].highest, estimates[i].seq) == estimates[i].index);
    }
}

static void the_window_ends_where_it_says(void)
{
    struct srtp_stream stream = {0};

    srtp_stream_mark(&stream, 5000);
    T_OK(srtp_stream_is_fresh(&stream, 5001));
    T_OK(!srtp_stream_is_fresh(&stream, 5000));
    T_OK(srtp_stream_is_fresh(&stream, 4999));
    T_OK(srtp_stream_is_fresh(&stream, 5000 - SRTP_REPLAY_WINDOW + 1));
    T_OK(!srtp_stream_is_fresh(&stream, 5000 - SRTP_REPLAY_WINDOW));

    srtp_stream_mark_rtcp(&stream, 500);
    T_OK(srtp_stream_is_fresh_rtcp(&stream, 500 - SRTCP_REPLAY_WINDOW + 1));
    T_OK(!srtp_stream_is_fresh_rtcp(&stream, 500 - SRTCP_REPLAY_WINDOW));
}

/* Against the plain definition: an index is fresh if not seen and not too old. */
static void the_window_agrees_with_a_list_of_everything_seen(void)
{
    enum { SPACE = 20000 };
    static bool seen[SPACE];
    struct srtp_stream stream = {0};
    uint64_t highest = 0;
    uint32_t seed = 1;

    for (int i = 0; i < 40000; i++) {
        seed = seed * 1664525 + 1013904223;
        const uint64_t at =
            (uint64_t)i / 2 + (seed >> 8) % ((seed >> 3) % 64 == 0 ? 3000 : 100);
        const uint64_t index = at < SPACE ? at : SPACE - 1;
        const bool fresh =
            index > highest || (!seen[index] && highest - index < SRTP_REPLAY_WINDOW);

        T_EQ(srtp_stream_is_fresh(&stream, index), fresh);
        if (!fresh)
            continue;
        srtp_stream_mark(&stream, index);
        seen[index] = true;
        highest = index > highest ? index : highest;
        T_OK(stream.highest == highest);
    }
}

static void a_jump_over_the_whole_window_forgets_it(void)
{
    struct srtp_stream stream = {0};

    for (uint64_t i = 0; i < 2000; i++)
        srtp_stream_mark(&stream, i);
    srtp_stream_mark(&stream, ROC(9));
    for (uint64_t i = 1; i < SRTP_REPLAY_WINDOW; i++)
        T_OK(srtp_stream_is_fresh(&stream, ROC(9) - i));
}

static void the_table_grows_to_its_limit(void)
{
    struct srtp_stream_table table;

    T_EQ(srtp_stream_table_init(&table, 16), RC_OK);
    for (uint32_t i = 0; i < 16; i++)
        T_OK(srtp_stream_table_add(&table, 1000 + i));
    T_OK(!srtp_stream_table_add(&table, 7));
    for (uint32_t i = 0; i < 16; i++)
        T_EQ(srtp_stream_table_find(&table, 1000 + i)->ssrc, 1000 + i);
    T_OK(!srtp_stream_table_find(&table, 7));
    srtp_stream_table_free(&table);
}

static void the_stream_unused_for_longest_is_recycled(void)
{
    struct srtp_stream_table table;
    uint32_t old = 0;

    T_EQ(srtp_stream_table_init(&table, 4), RC_OK);
    for (uint32_t ssrc = 1; ssrc <= 4; ssrc++)
        srtp_stream_mark(srtp_stream_table_add(&table, ssrc), 99);
    srtp_stream_table_find(&table, 1)->used_at = ++table.tick;

    const struct srtp_stream *stream = srtp_stream_table_recycle(&table, 5, &old);
    T_EQ(old, 2);
    T_EQ(stream->ssrc, 5);
    T_OK(srtp_stream_is_fresh(stream, 99));
    T_OK(!srtp_stream_table_find(&table, 2));
    srtp_stream_table_free(&table);
}

static const struct t_case cases[] = {
    T_CASE(the_nearest_index_is_estimated),
    T_CASE(the_window_ends_where_it_says),
    T_CASE(the_window_agrees_with_a_list_of_everything_seen),
    T_CASE(a_jump_over_the_whole_window_forgets_it),
    T_CASE(the_table_grows_to_its_limit),
    T_CASE(the_stream_unused_for_longest_is_recycled),
};
T_MAIN(cases)
