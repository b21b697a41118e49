#include "relay/rtp_extension.h"
#include "tests/t.h"

#define TWO_BYTE RTP_EXTENSION_TWO_BYTE
#define ONE_BYTE RTP_EXTENSION_ONE_BYTE

static struct rtp_view view_of(uint16_t profile, const char *words, size_t n)
{
    return (struct rtp_view){.extension_profile = profile,
                             .extension = {(const uint8_t *)words, n}};
}
#define VIEW(profile, words) view_of((profile), (words), sizeof(words) - 1)

/* clang-format off */
static const struct {
    const char *what;
    uint16_t profile;
    struct span words;
    const char *elements; /* "id:length …" */
} walks[] = {
    {"nothing", 0, SPAN_LITERAL(""), ""},
    {"one element", ONE_BYTE, SPAN_LITERAL("\x10" "a\0\0"), "1:1 "},
    {"two elements with padding between", ONE_BYTE,
     SPAN_LITERAL("\x10" "a\0\0\x21" "bc\0"), "1:1 2:2 "},
    {"sixteen bytes", ONE_BYTE, SPAN_LITERAL("\xef" "0123456789abcdef" "\0\0\0"), "14:16 "},
    {"id 15 ends the walk", ONE_BYTE, SPAN_LITERAL("\x10" "a\xf0" "b\x10" "c\0\0"), "1:1 "},
    {"id 0 with data is skipped", ONE_BYTE, SPAN_LITERAL("\x01" "ab\x10" "c\0\0\0"), "1:1 "},
    {"a length past the end ends the walk", ONE_BYTE, SPAN_LITERAL("\x10" "a\x2f" "b"), "1:1 "},
    {"two-byte form", TWO_BYTE, SPAN_LITERAL("\x01\x01" "a\x20\x00\x00\x00\x00"), "1:1 32:0 "},
    {"appbits don't matter", TWO_BYTE | 7, SPAN_LITERAL("\x0f\x02" "ab"), "15:2 "},
    {"two-byte form cut in its head", TWO_BYTE, SPAN_LITERAL("\x01\x01" "a\x05"), "1:1 "},
    {"two-byte length past the end", TWO_BYTE, SPAN_LITERAL("\x01\x09" "ab"), ""},
    {"a profile of somebody else", 0x1234, SPAN_LITERAL("\x10" "a\0\0"), ""},
};
/* clang-format on */

static void walks_both_forms(void)
{
    for (size_t i = 0; i < ARRAY_LEN(walks); i++) {
        const struct rtp_view view = {.extension_profile = walks[i].profile,
                                      .extension = walks[i].words};
        struct rtp_extension_iterator it;
        struct rtp_extension element;
        char seen[64] = "";

        printf("#   %s\n", walks[i].what);
        rtp_extension_begin(&it, &view);
        while (rtp_extension_next(&it, &element)) {
            const size_t n = strlen(seen);
            snprintf(seen + n, sizeof seen - n, "%u:%zu ", element.id, element.data.n);
        }
        T_STR(seen, walks[i].elements);
        T_OK(!rtp_extension_next(&it, &element));
    }
}

static void every_kind_has_a_row(void)
{
    for (enum rtp_extension_kind kind = 1; kind < RTP_EXTENSION_COUNT; kind++) {
        const struct rtp_extension_info *info = rtp_extension_info(kind);

        T_OK(info && info->kind == kind);
        T_EQ(rtp_extension_by_uri((struct span){(const uint8_t *)info->uri, strlen(info->uri)}),
             kind);
    }
    T_OK(!rtp_extension_info(RTP_EXTENSION_NONE));
    T_OK(!rtp_extension_info(RTP_EXTENSION_COUNT));
    T_EQ(rtp_extension_by_uri(SPAN_LITERAL("urn:3gpp:video-orientation6")), RTP_EXTENSION_NONE);
}

static void a_map_refuses_what_is_ambiguous(void)
{
    struct rtp_extension_map map = {0};

    T_EQ(rtp_extension_map_set(&map, 4, RTP_EXTENSION_MID), RC_OK);
    T_EQ(rtp_extension_map_set(&map, 4, RTP_EXTENSION_MID), RC_OK);
    T_EQ(rtp_extension_map_set(&map, 4, RTP_EXTENSION_TOFFSET), RC_BAD);
    T_EQ(rtp_extension_map_set(&map, 5, RTP_EXTENSION_MID), RC_BAD);
    T_EQ(rtp_extension_map_set(&map, 0, RTP_EXTENSION_TOFFSET), RC_BAD);
    T_EQ(rtp_extension_map_set(&map, 15, RTP_EXTENSION_TOFFSET), RC_BAD);
    T_EQ(rtp_extension_map_set(&map, 256, RTP_EXTENSION_TOFFSET), RC_BAD);
    T_EQ(rtp_extension_map_set(&map, 6, RTP_EXTENSION_NONE), RC_BAD);
    T_EQ(rtp_extension_map_set(&map, 255, RTP_EXTENSION_TOFFSET), RC_OK);
}

struct pair {
    struct rtp_extension_map from, to;
};

/* The sender: MID 1, audio level 2, orientation 3, toffset 4, dependency descriptor 5. */
static struct pair usual(void)
{
    struct pair pair = {0};

    rtp_extension_map_set(&pair.from, 1, RTP_EXTENSION_MID);
    rtp_extension_map_set(&pair.from, 2, RTP_EXTENSION_AUDIO_LEVEL);
    rtp_extension_map_set(&pair.from, 3, RTP_EXTENSION_VIDEO_ORIENTATION);
    rtp_extension_map_set(&pair.from, 4, RTP_EXTENSION_TOFFSET);
    rtp_extension_map_set(&pair.from, 5, RTP_EXTENSION_DEPENDENCY_DESCRIPTOR);
    rtp_extension_map_set(&pair.to, 10, RTP_EXTENSION_MID);
    rtp_extension_map_set(&pair.to, 11, RTP_EXTENSION_AUDIO_LEVEL);
    rtp_extension_map_set(&pair.to, 4, RTP_EXTENSION_TOFFSET);
    rtp_extension_map_set(&pair.to, 12, RTP_EXTENSION_ABS_SEND_TIME);
    rtp_extension_map_set(&pair.to, 13, RTP_EXTENSION_TRANSPORT_WIDE_CC);
    return pair;
}

static void passes_translates_and_drops(void)
{
    const struct pair pair = usual();
    const struct rtp_extension_fresh nothing = {0};
    /* The sender's MID and toffset stay here; the receiver doesn't know orientation. */
    const struct rtp_view view = VIEW(ONE_BYTE, "\x10"
                                                "0\x20\x8f\x30\x01\x42\x00\x00\x01\0\0");
    uint8_t out[64];

    T_EQ(rtp_extension_rewrite(&view, &pair.from, &pair.to, &nothing, out, sizeof out), 8);
    T_MEM(out, "\xbe\xde\x00\x01\xb0\x8f\x00\x00", 8);
}

static void writes_our_own_values(void)
{
    const struct pair pair = usual();
    const struct rtp_extension_fresh fresh = {.mid = SPAN_LITERAL("v1"),
                                              .has_abs_send_time = true,
                                              .abs_send_time = 0x123456,
                                              .has_transport_sequence = true,
                                              .transport_sequence = 0xabcd};
    const struct rtp_view view = {0};
    uint8_t out[64];

    T_EQ(rtp_extension_rewrite(&view, &pair.from, &pair.to, &fresh, out, sizeof out), 16);
    T_MEM(out,
          "\xbe\xde\x00\x03\xa1"
          "v1\xc2\x12\x34\x56\xd1\xab\xcd\0\0",
          16);
}

static void nothing_to_write_is_no_block(void)
{
    const struct pair pair = usual();
    const struct rtp_extension_fresh nothing = {0};
    const struct rtp_view view = VIEW(ONE_BYTE, "\x30\x01\0\0");
    uint8_t out[64];

    T_EQ(rtp_extension_rewrite(&view, &pair.from, &pair.to, &nothing, out, sizeof out), 0);
}

static void large_ids_and_values_take_the_two_byte_form(void)
{
    struct pair pair = usual();
    const struct rtp_extension_fresh nothing = {0};
    const struct rtp_view small = VIEW(ONE_BYTE, "\x20\x8f\0\0");
    const struct rtp_view large = VIEW(TWO_BYTE, "\x05\x12"
                                                 "0123456789abcdefgh"
                                                 "\0\0\0\0");
    uint8_t out[64];

    pair.to = (struct rtp_extension_map){0};
    rtp_extension_map_set(&pair.to, 16, RTP_EXTENSION_AUDIO_LEVEL);
    rtp_extension_map_set(&pair.to, 3, RTP_EXTENSION_DEPENDENCY_DESCRIPTOR);
    T_EQ(rtp_extension_rewrite(&small, &pair.from, &pair.to, &nothing, out, sizeof out), 8);
    T_MEM(out, "\x10\x00\x00\x01\x10\x01\x8f\x00", 8);

    T_EQ(rtp_extension_rewrite(&large, &pair.from, &pair.to, &nothing, out, sizeof out), 24);
    T_MEM(out,
          "\x10\x00\x00\x05\x03\x12"
          "0123456789abcdefgh",
          24);
}

static void a_frame_number_is_replaced(void)
{
    struct pair pair = usual();
    const struct rtp_extension_fresh fresh = {.has_frame_number = true, .frame_number = 0x1234};
    const struct rtp_view view = VIEW(ONE_BYTE, "\x53\xc0\x00\x07\x55\0\0\0");
    uint8_t out[64];
    uint16_t number;
    struct span data;

    T_OK(rtp_extension_find(&view, &pair.from, RTP_EXTENSION_DEPENDENCY_DESCRIPTOR, &data));
    T_OK(rtp_extension_read_frame_number(data, &number));
    T_EQ(number, 7);
    rtp_extension_map_set(&pair.to, 5, RTP_EXTENSION_DEPENDENCY_DESCRIPTOR);
    T_EQ(rtp_extension_rewrite(&view, &pair.from, &pair.to, &fresh, out, sizeof out), 12);
    T_MEM(out + 4, "\x53\xc0\x12\x34\x55\0\0\0", 8);
    T_OK(view.extension.p[3] == 7); /* the packet in the ring is not ours to change */
}

static void repeated_elements_pass_once(void)
{
    const struct pair pair = usual();
    const struct rtp_extension_fresh nothing = {0};
    const struct rtp_view view = VIEW(ONE_BYTE, "\x20\x01\x20\x02\x20\x03\x20\x04");
    uint8_t out[64];

    T_EQ(rtp_extension_rewrite(&view, &pair.from, &pair.to, &nothing, out, sizeof out), 8);
    T_EQ(out[5], 1);
}

static void no_room_is_a_refusal(void)
{
    const struct pair pair = usual();
    const struct rtp_extension_fresh fresh = {.has_abs_send_time = true};
    const struct rtp_view view = {0};
    uint8_t out[8];

    T_EQ(rtp_extension_rewrite(&view, &pair.from, &pair.to, &fresh, out, 7), RC_FULL);
    T_EQ(rtp_extension_rewrite(&view, &pair.from, &pair.to, &fresh, out, 8), 8);
}

static void typed_readers_check_lengths(void)
{
    const struct span bytes = SPAN_LITERAL("\x8a\xbc\xde");
    uint32_t time;
    uint16_t seq;
    uint8_t level;
    bool voice;

    T_OK(rtp_extension_read_abs_send_time(bytes, &time));
    T_EQ(time, 0x8abcde);
    T_OK(!rtp_extension_read_abs_send_time((struct span){bytes.p, 2}, &time));
    T_OK(rtp_extension_read_transport_sequence((struct span){bytes.p, 2}, &seq));
    T_EQ(seq, 0x8abc);
    T_OK(!rtp_extension_read_transport_sequence(bytes, &seq));
    T_OK(rtp_extension_read_audio_level((struct span){bytes.p, 1}, &level, &voice));
    T_EQ(level, 10);
    T_OK(voice);
    T_OK(!rtp_extension_read_audio_level((struct span){bytes.p, 0}, &level, &voice));
}

static void send_time_is_six_eighteen_seconds(void)
{
    T_EQ(rtp_abs_send_time(SEC(1)), 1 << 18);
    T_EQ(rtp_abs_send_time(SEC(64)), 0);
    T_EQ(rtp_abs_send_time(SEC(64) * 1000000 + MSEC(500)), 1 << 17);
    T_EQ(rtp_abs_send_time(SEC(64) - 1), 0xffffff);
}

static const struct t_case cases[] = {
    T_CASE(walks_both_forms),
    T_CASE(every_kind_has_a_row),
    T_CASE(a_map_refuses_what_is_ambiguous),
    T_CASE(passes_translates_and_drops),
    T_CASE(writes_our_own_values),
    T_CASE(nothing_to_write_is_no_block),
    T_CASE(large_ids_and_values_take_the_two_byte_form),
    T_CASE(a_frame_number_is_replaced),
    T_CASE(repeated_elements_pass_once),
    T_CASE(no_room_is_a_refusal),
    T_CASE(typed_readers_check_lengths),
    T_CASE(send_time_is_six_eighteen_seconds),
};
T_MAIN(cases)
