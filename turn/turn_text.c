#include "turn/turn_text.h"

#include "core/utf8.h"

bool turn_text_ok(struct span text, size_t max)
{
    uint32_t c;

    if (text.n == 0 || text.n > max)
        return false;
    while (text.n > 0) {
        const size_t n = utf8_next(text, &c);

        if (n == 0 || c < 0x20 || (c >= 0x7f && c < 0xa0))
            return false;
        text = (struct span){text.p + n, text.n - n};
    }
    return true;
}
