#include "signaling/utf16.h"
#include "tests/t.h"

static void counts_as_javascript_does(void)
{
    T_EQ(utf16_length(SPAN_LITERAL("")), 0);
    T_EQ(utf16_length(SPAN_LITERAL("abc")), 3);
    T_EQ(utf16_length(SPAN_LITERAL("\xe2\x82\xac")), 1); /* a euro sign */
    T_EQ(utf16_length(SPAN_LITERAL("a\xf0\x9f\x98\x80"
                                   "b")),
         4); /* a surrogate pair */
}

static void prefix_finds_the_bytes(void)
{
    const struct span text = SPAN_LITERAL("a\xe2\x82\xac\xf0\x9f\x98\x80z");
    size_t n = 0;

    T_EQ(utf16_prefix(text, 0, &n), RC_OK);
    T_EQ(n, 0);
    T_EQ(utf16_prefix(text, 2, &n), RC_OK);
    T_EQ(n, 4);
    T_EQ(utf16_prefix(text, 4, &n), RC_OK);
    T_EQ(n, 8);
    T_EQ(utf16_prefix(text, 5, &n), RC_OK);
    T_EQ(n, 9);
}

static void prefix_refuses_what_is_short_malformed_or_cut(void)
{
    size_t n = 77;

    T_EQ(utf16_prefix(SPAN_LITERAL("ab"), 3, &n), RC_BAD);
    T_EQ(utf16_prefix(SPAN_LITERAL("\xf0\x9f\x98\x80"), 1, &n), RC_BAD);
    T_EQ(utf16_prefix(SPAN_LITERAL("a\xff"), 2, &n), RC_BAD);
    T_EQ(utf16_prefix(SPAN_LITERAL("\xe2\x82"), 1, &n), RC_BAD);
    T_EQ(n, 77);
}

static const struct t_case cases[] = {
    T_CASE(counts_as_javascript_does),
    T_CASE(prefix_finds_the_bytes),
    T_CASE(prefix_refuses_what_is_short_malformed_or_cut),
};
T_MAIN(cases)
