#include "signaling/chat.h"

#include "core/utf8.h"

static bool is_space(uint32_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == 0xa0 || c == 0x3000 || c == 0xfeff ||
           (c >= 0x2000 && c <= 0x200b);
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
        blank = blank && is_space(c);
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
