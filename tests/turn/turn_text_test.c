#include "tests/t.h"
#include "turn/turn_text.h"

static void text_is_utf8_without_control_characters(void)
{
    static const struct {
        const char *text;
        size_t n;
        bool ok;
    } rows[] = {
        {"a", 1, true},
        {"ann b. <c> ~|\"", 14, true},
        {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 9, true},
        {"\xc2\xa0", 2, true}, /* a non-ASCII space is not mapped */
        {"", 0, false},
        {"a\0b", 3, false},
        {"a\n", 2, false},
        {"\x1f", 1, false},
        {"\x7f", 1, false},
        {"\xc2\x80", 2, false},
        {"\xc2\x9f", 2, false},
        {"\xff", 1, false},
        {"\xc3", 1, false},
        {"\xed\xa0\x80", 3, false},
        {"0123456789012345", 16, true},
        {"01234567890123456", 17, false},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        printf("#   row %zu\n", i);
        T_EQ(turn_text_ok((struct span){(const uint8_t *)rows[i].text, rows[i].n}, 16),
             rows[i].ok);
    }
}

static const struct t_case cases[] = {T_CASE(text_is_utf8_without_control_characters)};
T_MAIN(cases)
