#include "signaling/chat.h"
#include "tests/t.h"

static enum refusal check(const char *text)
{
    return chat_check_text(text, strlen(text));
}

/* `count` times the same character. */
static enum refusal check_many(const char *character, size_t count)
{
    static char text[4096];
    const size_t n = strlen(character);

    for (size_t i = 0; i < count; i++)
        memcpy(text + i * n, character, n);
    return chat_check_text(text, count * n);
}

static void ordinary_text_passes(void)
{
    static const char *const texts[] = {
        "hello",
        " a ",
        "zwei €",
        "line\nand\ttab",
        "<b>bold</b>",
        "\"quoted\" & \\",
        "👩‍👩‍👧‍👦",
        "🇩🇪",
        "مرحبا",
        "日本語",
        "e\xcc\x81",
    };

    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        T_EQ(check(texts[i]), REFUSAL_NONE);
}

static void length_is_counted_in_code_points(void)
{
    static const char *const characters[] = {"a", "ä", "€", "😀"};

    for (size_t i = 0; i < ARRAY_LEN(characters); i++) {
        T_EQ(check_many(characters[i], 1), REFUSAL_NONE);
        T_EQ(check_many(characters[i], 500), REFUSAL_NONE);
        T_EQ(check_many(characters[i], 501), REFUSAL_CHAT_TOO_LONG);
    }
}

static void what_shows_nothing_is_empty(void)
{
    static const char *const texts[] = {
        "", " ", " \t\n ", "\u00a0", "\u3000\u2003", "\ufeff", "\u200b\u200d", "\u2028",
    };

    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        T_EQ(check(texts[i]), REFUSAL_CHAT_EMPTY);
}

static void control_characters_are_refused(void)
{
    for (char c = 1; c < 0x20; c++) {
        const char text[] = {'a', c, 'b', '\0'};
        T_EQ(check(text), c == '\t' || c == '\n' ? REFUSAL_NONE : REFUSAL_CHAT_BAD_TEXT);
    }
    T_EQ(check("a\x7f"), REFUSAL_CHAT_BAD_TEXT);
    T_EQ(check("a\xc2\x80"), REFUSAL_CHAT_BAD_TEXT); /* U+0080 and U+009F: C1 */
    T_EQ(check("a\xc2\x9f"), REFUSAL_CHAT_BAD_TEXT);
    T_EQ(chat_check_text("a\0b", 3), REFUSAL_CHAT_BAD_TEXT);
}

static void bad_utf8_is_refused(void)
{
    static const char *const texts[] = {
        "a\xff", "\xc3",           "\xe2\x82", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80",
        "\x80",  "ok\xf0\x9f\x98",
    };

    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        T_EQ(check(texts[i]), REFUSAL_CHAT_BAD_TEXT);
}

static void ids_are_short_printable_words(void)
{
    char longest[CHAT_ID_MAX + 2];

    memset(longest, 'x', sizeof longest);
    longest[CHAT_ID_MAX + 1] = '\0';
    T_OK(!chat_check_id(longest));
    longest[CHAT_ID_MAX] = '\0';
    T_OK(chat_check_id(longest));
    T_OK(chat_check_id("a"));
    T_OK(chat_check_id("1732-abc_{}"));
    T_OK(!chat_check_id(""));
    T_OK(!chat_check_id("a b"));
    T_OK(!chat_check_id("a\n"));
    T_OK(!chat_check_id("ä"));
}

static const struct t_case cases[] = {
    T_CASE(ordinary_text_passes),        T_CASE(length_is_counted_in_code_points),
    T_CASE(what_shows_nothing_is_empty), T_CASE(control_characters_are_refused),
    T_CASE(bad_utf8_is_refused),         T_CASE(ids_are_short_printable_words),
};

T_MAIN(cases)
