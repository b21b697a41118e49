#include "signaling/message_codec.h"

#include "core/random.h"
#include "tests/t.h"

static struct message_codec *codec;

static void set_up(void)
{
    T_EQ(message_codec_create(&codec), RC_OK);
}

static void what_is_deflated_inflates_to_the_same(void)
{
    static const size_t lengths[] = {100, 1025, 16384, 65536, 999999};
    static uint8_t text[1000000];
    struct span small, large;

    set_up();
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (uint8_t)((size_t) "abcdefgh"[i % 8] + i / 5000 % 3);
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        const struct span in = {text, lengths[i]};

        T_EQ(message_deflate(codec, in, &small), RC_OK);
        T_OK(small.n < in.n / 2);
        T_EQ(message_inflate(codec, small, in.n, &large), RC_OK);
        T_EQ(large.n, in.n);
        T_MEM(large.p, in.p, in.n);
        T_EQ(message_inflate(codec, small, in.n - 1, &large), RC_FULL);
    }
    message_codec_free(codec);
}

static void what_does_not_get_shorter_is_not_deflated(void)
{
    uint8_t noise[2000];
    struct span out;

    set_up();
    random_bytes(noise, sizeof noise);
    T_EQ(message_deflate(codec, (struct span){noise, sizeof noise}, &out), RC_AGAIN);
    T_EQ(message_deflate(codec, (struct span){noise, 1}, &out), RC_AGAIN);
    /* and leaves nothing behind */
    memset(noise, 'a', sizeof noise);
    T_EQ(message_deflate(codec, (struct span){noise, sizeof noise}, &out), RC_OK);
    T_EQ(message_inflate(codec, out, sizeof noise, &out), RC_OK);
    T_EQ(out.n, sizeof noise);
    message_codec_free(codec);
}

static void the_examples_of_the_rfc_are_read(void)
{
    /* RFC 7692 sections 7.2.3.1, 7.2.3.3, 7.2.3.4 and 7.2.3.5. */
    static const struct span examples[] = {
        SPAN_LITERAL("\xf2\x48\xcd\xc9\xc9\x07\x00"),
        SPAN_LITERAL("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"),
        SPAN_LITERAL("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"),
        SPAN_LITERAL("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"),
    };
    struct span out;

    set_up();
    for (size_t i = 0; i < ARRAY_LEN(examples); i++) {
        T_EQ(message_inflate(codec, examples[i], 100, &out), RC_OK);
        T_EQ(out.n, 5);
        T_MEM(out.p, "Hello", 5);
    }
    T_EQ(message_inflate(codec, SPAN_LITERAL(""), 100, &out), RC_OK);
    T_EQ(out.n, 0);
    T_EQ(message_inflate(codec, SPAN_LITERAL("\x00"), 100, &out), RC_OK);
    T_EQ(out.n, 0);
    message_codec_free(codec);
}

static void broken_data_leaves_nothing_behind(void)
{
    struct span out;

    set_up();
    T_EQ(message_inflate(codec, SPAN_LITERAL("\xff\xff\xff"), 100, &out), RC_BAD);
    T_EQ(message_inflate(codec, SPAN_LITERAL("\xf2\x48\xcd"), 100, &out), RC_BAD);
    T_EQ(message_inflate(codec, SPAN_LITERAL("\xf2\x48\xcd\xc9\xc9\x07\x00"), 100, &out),
         RC_OK);
    T_MEM(out.p, "Hello", 5);
    message_codec_free(codec);
}

#define ANSWER "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

/* clang-format off */
static const struct {
    const char *offers, *answer;
} rows[] = {
    {"permessage-deflate", ANSWER},
    {"permessage-deflate; client_max_window_bits", ANSWER},
    {"permessage-deflate; client_max_window_bits=10", ANSWER},
    {"permessage-deflate;client_max_window_bits=\"15\"", ANSWER},
    {"Permessage-Deflate ; Server_No_Context_Takeover", ANSWER},
    {"permessage-deflate; server_max_window_bits=15", ANSWER "; server_max_window_bits=15"},
    {"permessage-deflate; server_max_window_bits=10", NULL},
    {"permessage-deflate; server_max_window_bits=10, permessage-deflate", ANSWER},
    {"x-webkit-deflate-frame, permessage-deflate", ANSWER},
    {"x-webkit-deflate-frame", NULL},
    {"permessage-deflate; server_max_window_bits", NULL},
    {"permessage-deflate; server_max_window_bits=16", NULL},
    {"permessage-deflate; client_max_window_bits=7", NULL},
    {"permessage-deflate; client_max_window_bits=010", NULL},
    {"permessage-deflate; client_max_window_bits; client_max_window_bits", NULL},
    {"permessage-deflate; client_no_context_takeover=1", NULL},
    {"permessage-deflate; something_else", NULL},
    {"permessage-deflate=1", NULL},
    {"", NULL},
    {",,;", NULL},
};
/* clang-format on */

static void offers_are_answered(void)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *answer = deflate_negotiate(rows[i].offers);

        printf("#   %s\n", rows[i].offers);
        if (rows[i].answer)
            T_STR(answer, rows[i].answer);
        else
            T_OK(!answer);
    }
}

static const struct t_case cases[] = {
    T_CASE(what_is_deflated_inflates_to_the_same),
    T_CASE(what_does_not_get_shorter_is_not_deflated),
    T_CASE(the_examples_of_the_rfc_are_read),
    T_CASE(broken_data_leaves_nothing_behind),
    T_CASE(offers_are_answered),
};
T_MAIN(cases)
