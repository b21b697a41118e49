#include "core/base64.h"
#include "tests/t.h"

static const struct {
    const char *plain, *encoded;
} rows[] = {
    /* RFC 4648, section 10 */
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
};

static struct span of(const char *text)
{
    return (struct span){(const uint8_t *)text, strlen(text)};
}

static void encodes_the_vectors_of_the_rfc(void)
{
    char out[32];

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const size_t n = base64_encode(out, of(rows[i].plain));
        T_EQ(n, strlen(rows[i].encoded));
        T_EQ(n, base64_encoded_length(strlen(rows[i].plain)));
        T_MEM(out, rows[i].encoded, n);
    }
}

static void decodes_the_vectors_of_the_rfc(void)
{
    uint8_t out[32];
    size_t n;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        T_EQ(base64_decode(out, of(rows[i].encoded), &n), RC_OK);
        T_EQ(n, strlen(rows[i].plain));
        T_MEM(out, rows[i].plain, n);
    }
}

static void decodes_without_padding(void)
{
    uint8_t out[32];
    size_t n;

    T_EQ(base64_decode(out, of("Zm9vYg"), &n), RC_OK);
    T_EQ(n, 4);
    T_MEM(out, "foob", 4);
}

static void refuses_what_no_bytes_become(void)
{
    static const char *const bad[] = {
        "Z",    "Zm9vY",  "Zm 9v", "Zm9v=", "====", "Zg==Zg==", "Z===",      "Zm9-",
        "Zm9_", "Zm9v\n", "=",     "Zg=",   "Z=g=", "Zm9v====", "\xc3\xa4Zm"};
    uint8_t out[32];
    size_t n = 77;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        printf("    %s\n", bad[i]);
        T_EQ(base64_decode(out, of(bad[i]), &n), RC_BAD);
        T_EQ(n, 77);
    }
}

static void every_byte_survives_both_ways(void)
{
    uint8_t bytes[256], back[400];
    char text[400];
    size_t n;

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(255 - i);
    const size_t length = base64_encode(text, (struct span){bytes, sizeof bytes});
    T_EQ(base64_decode(back, (struct span){(const uint8_t *)text, length}, &n), RC_OK);
    T_EQ(n, sizeof bytes);
    T_MEM(back, bytes, n);
}

static void base64url_has_one_text_for_each_string_of_bytes(void)
{
    static const char *const bad[] = {"Zg==", "Zh", "Zm9", "Z", "Zm+v", "Zm/v", "Zm9v=", "Zg "};
    static const struct {
        const char *bytes, *text;
    } good[] = {
        {"", ""}, {"f", "Zg"}, {"fo", "Zm8"}, {"foo", "Zm9v"}, {"\xfb\xff\xfe", "-__-"}};
    uint8_t out[32];
    char text[32];
    size_t n = 77;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        printf("    %s\n", bad[i]);
        T_EQ(base64url_decode(out, of(bad[i]), &n), RC_BAD);
        T_EQ(n, 77);
    }
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        const size_t bytes = strlen(good[i].bytes), characters = strlen(good[i].text);
        T_EQ(base64url_encoded_length(bytes), characters);
        T_EQ(base64url_encode(text, of(good[i].bytes)), characters);
        T_MEM(text, good[i].text, characters);
        T_EQ(base64url_decode(out, of(good[i].text), &n), RC_OK);
        T_EQ(n, bytes);
        T_MEM(out, good[i].bytes, n);
    }
}

static const struct t_case cases[] = {
    T_CASE(encodes_the_vectors_of_the_rfc),
    T_CASE(decodes_the_vectors_of_the_rfc),
    T_CASE(decodes_without_padding),
    T_CASE(refuses_what_no_bytes_become),
    T_CASE(every_byte_survives_both_ways),
    T_CASE(base64url_has_one_text_for_each_string_of_bytes),
};
T_MAIN(cases)
