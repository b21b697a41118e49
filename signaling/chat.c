#include "signaling/chat.h"

#include "core/utf8.h"

/* Unicode's White_Space, and the characters without width: a message of them shows nothing. */
static bool is_blank(uint32_t c)
{
    static const uint32_t blanks[] = {' ',    '\t',   '\n',   0xa0,   0xad,   0x1680, 0x180e,
                                      0x2028, 0x2029, 0x202f, 0x205f, 0x2060, 0x3000, 0xfeff};

    if (c >= 0x2000 && c <= 0x200f)
        return true;
    for (size_t i = 0; i < ARRAY_LEN(blanks); i++)
        if (c == blanks[i])
            return true;
    return false;
}

/* Unicode's Cc (C0, DEL, C1), but for what a person types into a message. */
static bool is_control(uint32_t c)
{
    return (c < 0x20 && c != '\t' && c != '\n') || (c >= 0x7f && c < 0xa0);
}

enum refusal chat_check_text(const char *text, size_t n)
{
    struct span rest = {(const uint8_t *)text, n};
    size_t count = 0;
    bool blank = true;

    while (rest.n > 0) {
        uint32_t c;
        const size_t length = utf8_next(rest, &c);

        if (length == 0 || is_control(c))
            return REFUSAL_CHAT_BAD_TEXT;
        if (++count > CHAT_TEXT_MAX)
            return REFUSAL_CHAT_TOO_LONG;
        blank = blank && is_blank(c);
        rest = (struct span){rest.p + length, rest.n - length};
    }
    return blank ? REFUSAL_CHAT_EMPTY : REFUSAL_NONE;
}

bool chat_check_id(const char *id)
{
    size_t n = 0;

    for (; id[n]; n++)
        if (n == CHAT_ID_MAX || id[n] < 0x21 || id[n] > 0x7e)
            return false;
    return n > 0;
}
