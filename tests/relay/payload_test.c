#include "relay/payload.h"
#include "tests/t.h"

enum { BAD = 1 << 0, KEY = 1 << 1, START = 1 << 2 };

/* clang-format off */
static const struct {
    const char *what;
    enum codec_id codec;
    struct span payload;
    unsigned flags;
    uint16_t width, height;
} rows[] = {
    {"Opus", CODEC_OPUS, SPAN_LITERAL("\x78"), KEY | START, 0, 0},
    {"nothing", CODEC_OPUS, SPAN_LITERAL(""), BAD, 0, 0},
    {"RTX is no payload format", CODEC_RTX, SPAN_LITERAL("\0\0\x78"), BAD, 0, 0},

    {"VP8 key frame, 640x480", CODEC_VP8,
     SPAN_LITERAL("\x10\x10\x02\x00\x9d\x01\x2a\x80\x02\xe0\x01"), KEY | START, 640, 480},
    {"VP8 key frame, scaled", CODEC_VP8,
     SPAN_LITERAL("\x10\x10\x02\x00\x9d\x01\x2a\x80\x42\xe0\x81"), KEY | START, 640, 480},
    {"VP8 key frame, a short first packet", CODEC_VP8,
     SPAN_LITERAL("\x10\x10\x02\x00"), KEY | START, 0, 0},
    {"VP8 key frame without start code", CODEC_VP8,
     SPAN_LITERAL("\x10\x10\x02\x00\x9d\x01\x2b\x80\x02\xe0\x01"), BAD, 0, 0},
    {"VP8 delta frame", CODEC_VP8, SPAN_LITERAL("\x10\x11\x02\x00"), START, 0, 0},
    {"VP8 later packet that looks like a key frame", CODEC_VP8,
     SPAN_LITERAL("\x00\x10\x02\x00"), 0, 0, 0},
    {"VP8 start of partition 1", CODEC_VP8, SPAN_LITERAL("\x11\x10\x02\x00"), 0, 0, 0},
    {"VP8 descriptor alone", CODEC_VP8, SPAN_LITERAL("\x10"), BAD, 0, 0},
    {"VP8 cut at the X byte", CODEC_VP8, SPAN_LITERAL("\x90"), BAD, 0, 0},
    {"VP8 cut at the picture id", CODEC_VP8, SPAN_LITERAL("\x90\x80"), BAD, 0, 0},
    {"VP8 cut in a long picture id", CODEC_VP8, SPAN_LITERAL("\x90\x80\x80"), BAD, 0, 0},
    {"VP8 cut at TL0PICIDX", CODEC_VP8, SPAN_LITERAL("\x90\x40"), BAD, 0, 0},
    {"VP8 cut at TID", CODEC_VP8, SPAN_LITERAL("\x90\x20"), BAD, 0, 0},
    {"VP8 descriptor with everything and no payload", CODEC_VP8,
     SPAN_LITERAL("\x90\xf0\x81\x02\x03\x40"), BAD, 0, 0},

    {"H264 SPS", CODEC_H264, SPAN_LITERAL("\x67\x42\xe0\x1f"), KEY | START, 0, 0},
    {"H264 PPS", CODEC_H264, SPAN_LITERAL("\x68\xce"), 0, 0, 0},
    {"H264 IDR without SPS", CODEC_H264, SPAN_LITERAL("\x65\x88"), 0, 0, 0},
    {"H264 slice", CODEC_H264, SPAN_LITERAL("\x41\x9a"), 0, 0, 0},
    {"H264 STAP-A of SPS and PPS", CODEC_H264,
     SPAN_LITERAL("\x78\x00\x02\x67\x42\x00\x02\x68\xce"), KEY | START, 0, 0},
    {"H264 STAP-A of PPS and SPS", CODEC_H264,
     SPAN_LITERAL("\x78\x00\x02\x68\xce\x00\x02\x67\x42"), KEY | START, 0, 0},
    {"H264 STAP-A of two slices", CODEC_H264,
     SPAN_LITERAL("\x78\x00\x02\x41\x9a\x00\x01\x41"), 0, 0, 0},
    {"H264 STAP-A with a size past the end", CODEC_H264,
     SPAN_LITERAL("\x78\x00\x09\x67\x42"), BAD, 0, 0},
    {"H264 STAP-A with a size of zero", CODEC_H264,
     SPAN_LITERAL("\x78\x00\x00\x67"), BAD, 0, 0},
    {"H264 STAP-A cut in a size", CODEC_H264, SPAN_LITERAL("\x78\x00\x01\x41\x00"), BAD, 0, 0},
    {"H264 empty STAP-A", CODEC_H264, SPAN_LITERAL("\x78"), BAD, 0, 0},
    {"H264 FU-A, start of an IDR", CODEC_H264, SPAN_LITERAL("\x7c\x85\x88"), 0, 0, 0},
    {"H264 FU-A, start of an SPS", CODEC_H264, SPAN_LITERAL("\x7c\x87\x42"), KEY | START, 0, 0},
    {"H264 FU-A, middle of an SPS", CODEC_H264, SPAN_LITERAL("\x7c\x07\x42"), 0, 0, 0},
    {"H264 FU-A, start and end in one", CODEC_H264, SPAN_LITERAL("\x7c\xc7\x42"), BAD, 0, 0},
    {"H264 FU-A, empty", CODEC_H264, SPAN_LITERAL("\x7c\x85"), BAD, 0, 0},
    {"H264 FU-B", CODEC_H264, SPAN_LITERAL("\x7d\x85\x00\x00\x88"), BAD, 0, 0},
    {"H264 NAL type 0", CODEC_H264, SPAN_LITERAL("\x60\x00"), BAD, 0, 0},

    {"VP9 key frame", CODEC_VP9, SPAN_LITERAL("\x88\x81\x02" "x"), KEY | START, 0, 0},
    {"VP9 predicted frame", CODEC_VP9, SPAN_LITERAL("\xc8\x81\x02" "x"), START, 0, 0},
    {"VP9 key frame, later packet", CODEC_VP9, SPAN_LITERAL("\x80\x81\x02" "x"), 0, 0, 0},
    {"VP9 key frame, spatial layer 1", CODEC_VP9,
     SPAN_LITERAL("\xa8\x81\x02\x02\x05" "x"), 0, 0, 0},
    {"VP9 key frame with its size", CODEC_VP9,
     SPAN_LITERAL("\x8a\x81\x02\x18\x02\x80\x01\xe0\x01\x04\x01" "x"), KEY | START, 640, 480},
    {"VP9 flexible mode with three references", CODEC_VP9,
     SPAN_LITERAL("\xd8\x01\x03\x05\x06" "x"), START, 0, 0},
    {"VP9 flexible mode with four references", CODEC_VP9,
     SPAN_LITERAL("\xd8\x01\x03\x05\x07\x08" "x"), BAD, 0, 0},
    {"VP9 cut in the picture id", CODEC_VP9, SPAN_LITERAL("\x88\x81"), BAD, 0, 0},
    {"VP9 cut in the structure", CODEC_VP9,
     SPAN_LITERAL("\x8a\x81\x02\x18\x02\x80\x01"), BAD, 0, 0},
    {"VP9 descriptor alone", CODEC_VP9, SPAN_LITERAL("\x88\x81\x02"), BAD, 0, 0},

    {"AV1 new sequence", CODEC_AV1, SPAN_LITERAL("\x18\x0a"), KEY | START, 0, 0},
    {"AV1 continued", CODEC_AV1, SPAN_LITERAL("\x90\x0a"), 0, 0, 0},
    {"AV1 new sequence that continues another", CODEC_AV1, SPAN_LITERAL("\x98\x0a"), BAD, 0, 0},
    {"AV1 header alone", CODEC_AV1, SPAN_LITERAL("\x18"), BAD, 0, 0},
};
/* clang-format on */

static void finds_key_frames_and_refuses_broken_payloads(void)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct payload_info info = {.width = 0xdead};

        printf("#   %s\n", rows[i].what);
        const int rc = payload_inspect(rows[i].codec, rows[i].payload, true, &info);
        T_EQ(rc, rows[i].flags & BAD ? RC_BAD : RC_OK);
        if (rc != RC_OK) {
            T_EQ(info.width, 0xdead);
            continue;
        }
        T_EQ(info.key_frame, !!(rows[i].flags & KEY));
        T_EQ(info.frame_start, !!(rows[i].flags & START));
        T_OK(info.frame_end);
        T_EQ(info.width, rows[i].width);
        T_EQ(info.height, rows[i].height);
    }
}

static void the_marker_ends_a_frame(void)
{
    const struct span vp8 = SPAN_LITERAL("\x10\x11\x02\x00");
    struct payload_info info;

    T_EQ(payload_inspect(CODEC_VP8, vp8, false, &info), RC_OK);
    T_OK(!info.frame_end);
    T_EQ(payload_inspect(CODEC_VP8, vp8, true, &info), RC_OK);
    T_OK(info.frame_end);
}

static void vp8_picture_numbers_are_rewritten_in_their_width(void)
{
    uint8_t wide[] = "\x90\xf0\x92\x34\x05\x80\x11";
    uint8_t narrow[] = "\x90\xc0\x12\x05\x11";
    struct payload_info info;

    T_EQ(payload_inspect(CODEC_VP8, (struct span){wide, 7}, false, &info), RC_OK);
    T_EQ(info.picture.id_bits, 15);
    T_EQ(info.picture.id, 0x1234);
    T_OK(info.picture.has_tl0);
    T_EQ(info.picture.tl0, 5);
    T_OK(info.has_temporal_id);
    T_EQ(info.temporal_id, 2);
    payload_write_picture(wide, &info.picture, 0x7fff, 9);
    T_MEM(wide, "\x90\xf0\xff\xff\x09\x80\x11", 7);

    T_EQ(payload_inspect(CODEC_VP8, (struct span){narrow, 5}, false, &info), RC_OK);
    T_EQ(info.picture.id_bits, 7);
    T_EQ(info.picture.id, 0x12);
    payload_write_picture(narrow, &info.picture, 0x7f, 9);
    T_MEM(narrow, "\x90\xc0\x7f\x09\x11", 5);
}

static void vp9_picture_numbers_are_rewritten_in_their_width(void)
{
    uint8_t bytes[] = "\xa8\x81\x02\x40\x05x";
    struct payload_info info;

    T_EQ(payload_inspect(CODEC_VP9, (struct span){bytes, 6}, false, &info), RC_OK);
    T_EQ(info.picture.id, 0x102);
    T_EQ(info.picture.tl0, 5);
    T_EQ(info.temporal_id, 2);
    payload_write_picture(bytes, &info.picture, 0x203, 6);
    T_MEM(bytes, "\xa8\x82\x03\x40\x06x", 6);
}

static void what_a_payload_lacks_is_not_written(void)
{
    uint8_t bytes[] = "\x10\x11\x02\x00";
    struct payload_info info;

    T_EQ(payload_inspect(CODEC_VP8, (struct span){bytes, 4}, false, &info), RC_OK);
    payload_write_picture(bytes, &info.picture, 0x7fff, 9);
    T_MEM(bytes, "\x10\x11\x02\x00", 4);
}

static const struct t_case cases[] = {
    T_CASE(finds_key_frames_and_refuses_broken_payloads),
    T_CASE(the_marker_ends_a_frame),
    T_CASE(vp8_picture_numbers_are_rewritten_in_their_width),
    T_CASE(vp9_picture_numbers_are_rewritten_in_their_width),
    T_CASE(what_a_payload_lacks_is_not_written),
};
T_MAIN(cases)
