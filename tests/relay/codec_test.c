#include "relay/codec.h"
#include "tests/t.h"

static struct span text(const char *s)
{
    return (struct span){(const uint8_t *)s, strlen(s)};
}

/* clang-format off */
static const struct {
    const char *what;
    enum media_kind media;
    const char *name;
    uint32_t clock_rate;
    unsigned channels;
    const char *fmtp;
    enum codec_id id;
} offers[] = {
    {"Opus", MEDIA_AUDIO, "opus", 48000, 2, "minptime=10;useinbandfec=1", CODEC_OPUS},
    {"names don't mind case", MEDIA_AUDIO, "OPUS", 48000, 2, "", CODEC_OPUS},
    {"Opus has two channels", MEDIA_AUDIO, "opus", 48000, 1, "", CODEC_NONE},
    {"Opus runs at 48 kHz", MEDIA_AUDIO, "opus", 16000, 2, "", CODEC_NONE},
    {"multiopus", MEDIA_AUDIO, "multiopus", 48000, 6, "", CODEC_NONE},
    {"a prefix is not a name", MEDIA_AUDIO, "opu", 48000, 2, "", CODEC_NONE},
    {"RED of Opus", MEDIA_AUDIO, "red", 48000, 2, "111/111", CODEC_RED},
    {"RED of video", MEDIA_VIDEO, "red", 90000, 1, "", CODEC_NONE},
    {"PCMU", MEDIA_AUDIO, "PCMU", 8000, 1, "", CODEC_NONE},
    {"VP8", MEDIA_VIDEO, "VP8", 90000, 1, "", CODEC_VP8},
    {"VP8 as audio", MEDIA_AUDIO, "VP8", 90000, 1, "", CODEC_NONE},
    {"H264 constrained baseline", MEDIA_VIDEO, "H264", 90000, 1,
     "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f", CODEC_H264},
    {"H264 with spaces", MEDIA_VIDEO, "H264", 90000, 1,
     "packetization-mode = 1; profile-level-id = 42E01F", CODEC_H264},
    {"H264 baseline", MEDIA_VIDEO, "H264", 90000, 1,
     "packetization-mode=1;profile-level-id=42001f", CODEC_H264},
    {"H264 single NAL unit mode", MEDIA_VIDEO, "H264", 90000, 1,
     "packetization-mode=0;profile-level-id=42e01f", CODEC_NONE},
    {"H264 mode 0 by omission", MEDIA_VIDEO, "H264", 90000, 1,
     "profile-level-id=42e01f", CODEC_NONE},
    {"H264 high", MEDIA_VIDEO, "H264", 90000, 1,
     "packetization-mode=1;profile-level-id=64001f", CODEC_NONE},
    {"H264 main", MEDIA_VIDEO, "H264", 90000, 1,
     "packetization-mode=1;profile-level-id=4d001f", CODEC_NONE},
    {"H264 main that is baseline too", MEDIA_VIDEO, "H264", 90000, 1,
     "packetization-mode=1;profile-level-id=4de01f", CODEC_H264},
    {"H264 with a broken profile", MEDIA_VIDEO, "H264", 90000, 1,
     "packetization-mode=1;profile-level-id=42e01z", CODEC_NONE},
    {"H264 with a short profile", MEDIA_VIDEO, "H264", 90000, 1,
     "packetization-mode=1;profile-level-id=42e0", CODEC_NONE},
    {"VP9 without profile", MEDIA_VIDEO, "VP9", 90000, 1, "", CODEC_VP9},
    {"VP9 profile 0", MEDIA_VIDEO, "VP9", 90000, 1, "profile-id=0", CODEC_VP9},
    {"VP9 profile 2", MEDIA_VIDEO, "VP9", 90000, 1, "profile-id=2", CODEC_NONE},
    {"AV1", MEDIA_VIDEO, "AV1", 90000, 1, "level-idx=5;profile=0;tier=0", CODEC_AV1},
    {"AV1 profile 1", MEDIA_VIDEO, "AV1", 90000, 1, "level-idx=5;profile=1;tier=0", CODEC_NONE},
    {"RTX", MEDIA_VIDEO, "rtx", 90000, 1, "apt=96", CODEC_RTX},
    {"RTX of audio", MEDIA_AUDIO, "rtx", 48000, 2, "apt=111", CODEC_NONE},
    {"ULPFEC", MEDIA_VIDEO, "ulpfec", 90000, 1, "", CODEC_NONE},
};
/* clang-format on */

static void matches_what_browsers_offer(void)
{
    for (size_t i = 0; i < ARRAY_LEN(offers); i++) {
        printf("#   %s\n", offers[i].what);
        T_EQ(codec_match(offers[i].media, text(offers[i].name), offers[i].clock_rate,
                         offers[i].channels, text(offers[i].fmtp)),
             offers[i].id);
    }
}

static void every_codec_has_a_row(void)
{
    for (enum codec_id id = CODEC_NONE + 1; id < CODEC_COUNT; id++) {
        const struct codec *codec = codec_get(id);

        T_OK(codec);
        T_EQ(codec->id, id);
        T_EQ(codec_by_name(text(codec->name)), id);
    }
    T_OK(!codec_get(CODEC_NONE));
    T_OK(!codec_get(CODEC_COUNT));
    T_EQ(codec_by_name(text("theora")), CODEC_NONE);
}

static void feedback_names_go_both_ways(void)
{
    for (unsigned i = 0; i < FEEDBACK_COUNT; i++) {
        T_OK(codec_feedback_name(1u << i));
        T_EQ(codec_feedback_by_name(text(codec_feedback_name(1u << i))), 1u << i);
    }
    T_OK(!codec_feedback_name(0));
    T_OK(!codec_feedback_name(FEEDBACK_NACK | FEEDBACK_NACK_PLI));
    T_EQ(codec_feedback_by_name(text("nack rpsi")), 0);
    T_EQ(codec_feedback_by_name(text(" nack pli ")), FEEDBACK_NACK_PLI);
}

static void finds_format_parameters(void)
{
    const struct span fmtp = text("a=1; flag ;B=two;empty=");
    struct span value;

    T_OK(codec_fmtp(fmtp, "a", &value));
    T_OK(value.n == 1 && value.p[0] == '1');
    T_OK(codec_fmtp(fmtp, "b", &value));
    T_EQ(value.n, 3);
    T_OK(codec_fmtp(fmtp, "flag", &value));
    T_EQ(value.n, 0);
    T_OK(codec_fmtp(fmtp, "empty", &value));
    T_EQ(value.n, 0);
    T_OK(!codec_fmtp(fmtp, "two", &value));
    T_OK(!codec_fmtp(text(""), "a", &value));
}

static const struct t_case cases[] = {
    T_CASE(matches_what_browsers_offer),
    T_CASE(every_codec_has_a_row),
    T_CASE(feedback_names_go_both_ways),
    T_CASE(finds_format_parameters),
};
T_MAIN(cases)
