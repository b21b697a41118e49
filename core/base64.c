#include "core/base64.h"

static const char PLAIN[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char URL[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Without padding. */
static size_t encode(char *out, struct span in, const char alphabet[static 65])
{
    char *const start = out;

    for (; in.n >= 3; in = (struct span){in.p + 3, in.n - 3}) {
        const uint32_t v = load_be24(in.p);
        *out++ = alphabet[v >> 18];
        *out++ = alphabet[v >> 12 & 63];
        *out++ = alphabet[v >> 6 & 63];
        *out++ = alphabet[v & 63];
    }
    if (in.n > 0) {
        const uint32_t v = (uint32_t)in.p[0] << 16 | (in.n > 1 ? (uint32_t)in.p[1] << 8 : 0);
        *out++ = alphabet[v >> 18];
        *out++ = alphabet[v >> 12 & 63];
        if (in.n > 1)
            *out++ = alphabet[v >> 6 & 63];
    }
    return (size_t)(out - start);
}

size_t base64_encode(char *out, struct span in)
{
    size_t n = encode(out, in, PLAIN);

    while (n % 4 != 0)
        out[n++] = '=';
    return n;
}

size_t base64url_encode(char *out, struct span in)
{
    return encode(out, in, URL);
}

/* 0 to 63, or -1. The last two characters of the alphabet are named. */
static int sextet(uint8_t c, char c62, char c63)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == c62 ? 62 : c == c63 ? 63 : -1;
}

/* Without padding. *rest: the bits behind the last byte. */
static int decode(uint8_t *out, struct span in, const char last[static 2], size_t *length,
                  uint32_t *rest)
{
    size_t written = 0;
    uint32_t bits = 0;

    if (in.n % 4 == 1)
        return RC_BAD;
    for (size_t i = 0; i < in.n; i++) {
        const int six = sextet(in.p[i], last[0], last[1]);
        if (six < 0)
            return RC_BAD;
        bits = bits << 6 | (uint32_t)six;
        if (i % 4 != 0)
            out[written++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
    }
    *rest = bits & (in.n % 4 == 2 ? 0xf : in.n % 4 == 3 ? 0x3 : 0);
    *length = written;
    return RC_OK;
}

int base64_decode(uint8_t *out, struct span in, size_t *length)
{
    size_t n = in.n;
    uint32_t rest;

    /* Section 3.2: padding only fills the last group of four. */
    for (int padding = 0; in.n % 4 == 0 && n > 0 && padding < 2 && in.p[n - 1] == '=';
         padding++)
        n--;
    return decode(out, (struct span){in.p, n}, "+/", length, &rest);
}

int base64url_decode(uint8_t *out, struct span in, size_t *length)
{
    size_t n;
    uint32_t rest;

    if (decode(out, in, "-_", &n, &rest) != RC_OK || rest != 0)
        return RC_BAD;
    *length = n;
    return RC_OK;
}
