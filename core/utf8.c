#include "core/utf8.h"

static bool is_tail(uint8_t byte)
{
    return (byte & 0xc0) == 0x80;
}

size_t utf8_next(struct span text, uint32_t *out)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};

    if (text.n == 0)
        return 0;

    const uint8_t first = text.p[0];
    if (first < 0x80) {
        *out = first;
        return 1;
    }
    const size_t len = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || text.n < len)
        return 0;

    uint32_t c = first & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if (!is_tail(text.p[i]))
            return 0;
        c = c << 6 | (text.p[i] & 0x3f);
    }
    if (c < smallest[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return 0;
    *out = c;
    return len;
}

int64_t utf8_count(struct span text)
{
    int64_t count = 0;
    uint32_t c;

    while (text.n > 0) {
        const size_t len = utf8_next(text, &c);

        if (len == 0)
            return RC_BAD;
        text.p += len;
        text.n -= len;
        count++;
    }
    return count;
}

bool utf8_valid(struct span text)
{
    return utf8_count(text) >= 0;
}
