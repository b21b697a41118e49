#include "core/utf8.h"
#include "tests/t.h"

/* clang-format off */
static const struct {
    const char *what;
    struct span text;
    int64_t count;
} rows[] = {
    {"nothing",                          SPAN_LITERAL(""), 0},
    {"ASCII with a NUL",                 SPAN_LITERAL("a\0b"), 3},
    {"two, three and four bytes",        SPAN_LITERAL("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"), 3},
    {"the last character, U+10FFFF",     SPAN_LITERAL("\xf4\x8f\xbf\xbf"), 1},
    {"beyond it",                        SPAN_LITERAL("\xf4\x90\x80\x80"), RC_BAD},
    {"the first of two bytes, U+0080",   SPAN_LITERAL("\xc2\x80"), 1},
    {"an overlong slash",                SPAN_LITERAL("\xc0\xaf"), RC_BAD},
    {"an overlong three",                SPAN_LITERAL("\xe0\x9f\xbf"), RC_BAD},
    {"an overlong four",                 SPAN_LITERAL("\xf0\x8f\xbf\xbf"), RC_BAD},
    {"before the surrogates",            SPAN_LITERAL("\xed\x9f\xbf"), 1},
    {"a surrogate",                      SPAN_LITERAL("\xed\xa0\x80"), RC_BAD},
    {"the last surrogate",               SPAN_LITERAL("\xed\xbf\xbf"), RC_BAD},
    {"behind the surrogates",            SPAN_LITERAL("\xee\x80\x80"), 1},
    {"a tail alone",                     SPAN_LITERAL("a\x80"), RC_BAD},
    {"cut off after one of two",         SPAN_LITERAL("\xc3"), RC_BAD},
    {"cut off after three of four",      SPAN_LITERAL("\xf0\x9f\x98"), RC_BAD},
    {"a head where a tail belongs",      SPAN_LITERAL("\xe2\x82\xc3"), RC_BAD},
    {"a byte of no character",           SPAN_LITERAL("\xff"), RC_BAD},
    {"five bytes",                       SPAN_LITERAL("\xf8\x88\x80\x80\x80"), RC_BAD},
};
/* clang-format on */

static void every_row(void)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        printf("    %s\n", rows[i].what);
        T_EQ(utf8_count(rows[i].text), rows[i].count);
        T_EQ(utf8_valid(rows[i].text), rows[i].count >= 0);
    }
}

static size_t encode(uint32_t c, uint8_t out[static 4])
{
    if (c < 0x80) {
        out[0] = (uint8_t)c;
        return 1;
    }
    const size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, c >>= 6)
        out[i] = (uint8_t)(0x80 | (c & 0x3f));
    out[0] = (uint8_t)((0xf00u >> n) | c);
    return n;
}

static void every_character_comes_back(void)
{
    uint8_t bytes[4];

    for (uint32_t c = 0; c <= 0x10ffff; c++) {
        uint32_t back = ~c;
        const size_t n = encode(c, bytes);
        const size_t len = utf8_next((struct span){bytes, n}, &back);
        if (c >= 0xd800 && c <= 0xdfff) {
            T_EQ(len, 0);
            continue;
        }
        T_EQ(len, n);
        T_EQ(back, c);
    }
}

static const struct t_case cases[] = {T_CASE(every_row), T_CASE(every_character_comes_back)};
T_MAIN(cases)
