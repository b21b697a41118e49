#include "signaling/utf16.h"

#include "core/utf8.h"

size_t utf16_length(struct span text)
{
    size_t units = 0;

    for (size_t i = 0; i < text.n; i++) {
        const bool continuation = (text.p[i] & 0xc0) == 0x80;
        if (!continuation)
            units += text.p[i] >= 0xf0 ? 2 : 1;
    }
    return units;
}

int utf16_prefix(struct span text, size_t units, size_t *bytes)
{
    size_t at = 0;
    uint32_t character;

    while (units > 0) {
        const size_t len = utf8_next((struct span){text.p + at, text.n - at}, &character);
        const size_t width = len == 4 ? 2 : 1;
        if (len == 0 || width > units)
            return RC_BAD;
        units -= width;
        at += len;
    }
    *bytes = at;
    return RC_OK;
}
