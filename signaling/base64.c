#include "signaling/base64.h"

static const char ALPHABET[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t base64_encode(char *out, struct span in)
{
    char *const start = out;

    for (; in.n >= 3; in = (struct span){in.p + 3, in.n - 3}) {
        const uint32_t v = load_be24(in.p);
        *out++ = ALPHABET[v >> 18];
        *out++ = ALPHABET[v >> 12 & 63];
        *out++ = ALPHABET[v >> 6 & 63];
        *out++ = ALPHABET[v & 63];
    }
    if (in.n > 0) {
        const uint32_t v = (uint32_t)in.p[0] << 16 | (in.n > 1 ? (uint32_t)in.p[1] << 8 : 0);
        *out++ = ALPHABET[v >> 18];
        *out++ = ALPHABET[v >> 12 & 63];
        *out++ = in.n > 1 ? ALPHABET[v >> 6 & 63] : '=';
        *out++ = '=';
    }
    return (size_t)(out - start);
}

/* 0 to 63, or -1. */
static int sextet(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int base64_decode(uint8_t *out, struct span in, size_t *length)
{
    size_t n = in.n, written = 0;
    uint32_t bits = 0;

    /* Section 3.2: padding only fills the last group of four. */
    for (int padding = 0; in.n % 4 == 0 && n > 0 && padding < 2 && in.p[n - 1] == '=';
         padding++)
        n--;
    if (n % 4 == 1)
        return RC_BAD;

    for (size_t i = 0; i < n; i++) {
        const int six = sextet(in.p[i]);
        if (six < 0)
            return RC_BAD;
        bits = bits << 6 | (uint32_t)six;
        if (i % 4 != 0)
            out[written++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
    }
    *length = written;
    return RC_OK;
}
