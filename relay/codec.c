#include "relay/codec.h"

#include <string.h>
#include <strings.h>

#define VIDEO_FEEDBACK                                                                         \
    (FEEDBACK_NACK | FEEDBACK_NACK_PLI | FEEDBACK_CCM_FIR | FEEDBACK_GOOG_REMB |               \
     FEEDBACK_TRANSPORT_CC)
#define AUDIO_FEEDBACK (FEEDBACK_NACK | FEEDBACK_TRANSPORT_CC)

/* clang-format off */
static const struct codec codecs[] = {
    {CODEC_OPUS, "opus", MEDIA_AUDIO, 48000, 2, AUDIO_FEEDBACK, true},
    {CODEC_RED,  "red",  MEDIA_AUDIO, 48000, 2, AUDIO_FEEDBACK, false},
    {CODEC_VP8,  "VP8",  MEDIA_VIDEO, 90000, 0, VIDEO_FEEDBACK, true},
    {CODEC_H264, "H264", MEDIA_VIDEO, 90000, 0, VIDEO_FEEDBACK, true},
    {CODEC_VP9,  "VP9",  MEDIA_VIDEO, 90000, 0, VIDEO_FEEDBACK, true},
    {CODEC_AV1,  "AV1",  MEDIA_VIDEO, 90000, 0, VIDEO_FEEDBACK, true},
    {CODEC_RTX,  "rtx",  MEDIA_VIDEO, 90000, 0, 0,              false},
};

static const struct {
    unsigned bit;
    const char *name;
} feedbacks[FEEDBACK_COUNT] = {
    {FEEDBACK_NACK,         "nack"},
    {FEEDBACK_NACK_PLI,     "nack pli"},
    {FEEDBACK_CCM_FIR,      "ccm fir"},
    {FEEDBACK_GOOG_REMB,    "goog-remb"},
    {FEEDBACK_TRANSPORT_CC, "transport-cc"},
};
/* clang-format on */

static bool equals(struct span text, const char *word)
{
    return text.n == strlen(word) && strncasecmp((const char *)text.p, word, text.n) == 0;
}

static struct span trim(struct span text)
{
    while (text.n > 0 && (text.p[0] == ' ' || text.p[0] == '\t'))
        text = (struct span){text.p + 1, text.n - 1};
    while (text.n > 0 && (text.p[text.n - 1] == ' ' || text.p[text.n - 1] == '\t'))
        text.n--;
    return text;
}

/* Cuts `text` at the first `mark`: what is before it is returned, what is behind it stays. */
static struct span cut(struct span *text, char mark)
{
    const uint8_t *at = text->n ? memchr(text->p, mark, text->n) : NULL;
    if (!at) {
        const struct span all = *text;
        text->n = 0;
        return all;
    }
    const struct span before = {text->p, (size_t)(at - text->p)};
    *text = (struct span){at + 1, text->n - before.n - 1};
    return before;
}

const struct codec *codec_get(enum codec_id id)
{
    for (size_t i = 0; i < ARRAY_LEN(codecs); i++) {
        if (codecs[i].id == id)
            return &codecs[i];
    }
    return NULL;
}

enum codec_id codec_by_name(struct span name)
{
    for (size_t i = 0; i < ARRAY_LEN(codecs); i++) {
        if (equals(name, codecs[i].name))
            return codecs[i].id;
    }
    return CODEC_NONE;
}

bool codec_fmtp(struct span fmtp, const char *key, struct span *value)
{
    while (fmtp.n > 0) {
        struct span parameter = cut(&fmtp, ';');
        const struct span name = trim(cut(&parameter, '='));

        if (equals(name, key)) {
            *value = trim(parameter);
            return true;
        }
    }
    return false;
}

/* Absent, or zero. */
static bool profile_zero(struct span fmtp, const char *key)
{
    struct span value;
    return !codec_fmtp(fmtp, key, &value) || equals(value, "0");
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
        return (c | 0x20) - 'a' + 10;
    return -1;
}

/*
 * RFC 6184, section 8.1: profile-level-id is profile_idc, profile-iop, level_idc in
 * hexadecimal, 420010 when absent. Baseline and Constrained Baseline are profile 42; 4d and 58
 * are Constrained Baseline too when constraint_set0 (and for 58, set1) says that a baseline
 * decoder can do it.
 */
static bool h264_profile(struct span fmtp)
{
    struct span value;
    unsigned id = 0;

    if (!codec_fmtp(fmtp, "profile-level-id", &value))
        return true;
    if (value.n != 6)
        return false;
    for (size_t i = 0; i < value.n; i++) {
        const int digit = hex_digit(value.p[i]);
        if (digit < 0)
            return false;
        id = id << 4 | (unsigned)digit;
    }

    const unsigned profile = id >> 16, constraints = id >> 8 & 0xff;
    if (profile == 0x42)
        return true;
    if (profile == 0x4d)
        return constraints & 0x80;
    return profile == 0x58 && (constraints & 0xc0) == 0xc0;
}

static bool h264_accepts(struct span fmtp)
{
    struct span mode;
    return codec_fmtp(fmtp, "packetization-mode", &mode) && equals(mode, "1") &&
           h264_profile(fmtp);
}

static bool accepts(enum codec_id id, struct span fmtp)
{
    switch (id) {
    case CODEC_H264:
        return h264_accepts(fmtp);
    case CODEC_VP9:
        return profile_zero(fmtp, "profile-id");
    case CODEC_AV1:
        return profile_zero(fmtp, "profile");
    default:
        return true;
    }
}

enum codec_id codec_match(enum media_kind media, struct span name, uint32_t clock_rate,
                          unsigned channels, struct span fmtp)
{
    for (size_t i = 0; i < ARRAY_LEN(codecs); i++) {
        const struct codec *codec = &codecs[i];

        if (codec->media != media || codec->clock_rate != clock_rate)
            continue;
        if (!equals(name, codec->name) || (codec->channels ? codec->channels : 1) != channels)
            continue;
        return accepts(codec->id, fmtp) ? codec->id : CODEC_NONE;
    }
    return CODEC_NONE;
}

unsigned codec_feedback_by_name(struct span text)
{
    const struct span word = trim(text);

    for (size_t i = 0; i < FEEDBACK_COUNT; i++) {
        if (equals(word, feedbacks[i].name))
            return feedbacks[i].bit;
    }
    return 0;
}

const char *codec_feedback_name(unsigned bit)
{
    for (size_t i = 0; i < FEEDBACK_COUNT; i++) {
        if (feedbacks[i].bit == bit)
            return feedbacks[i].name;
    }
    return NULL;
}
