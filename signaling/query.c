#include "signaling/query.h"

#include <string.h>

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int percent_decode(char *out, const char *text, size_t n, bool plus_is_space)
{
    size_t length = 0;

    for (size_t i = 0; i < n; i++) {
        char c = text[i];

        if (c == '%') {
            if (n - i < 3 || hex(text[i + 1]) < 0 || hex(text[i + 2]) < 0)
                return RC_BAD;
            c = (char)(hex(text[i + 1]) << 4 | hex(text[i + 2]));
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        if (c == '\0')
            return RC_BAD;
        out[length++] = c;
    }
    return (int)length;
}

/* Decodes one character of text at *i and moves on. 0: the escape is broken or means NUL. */
static char next_char(struct span text, size_t *i)
{
    const size_t n = text.p[*i] == '%' ? 3 : 1;
    char piece[3];

    if (text.n - *i < n || percent_decode(piece, (const char *)text.p + *i, n, true) != 1)
        return '\0';
    *i += n;
    return piece[0];
}

/* Does the encoded text spell `name`? Compared decoded, so that "%73id" is "sid". */
static bool spells(struct span text, const char *name)
{
    size_t i = 0;

    while (i < text.n) {
        const char c = next_char(text, &i);

        if (c == '\0' || c != *name++)
            return false;
    }
    return *name == '\0';
}

/* The encoded value of the first parameter of that name; false when there is none. */
static bool find(const char *query, const char *name, struct span *value)
{
    while (*query) {
        const size_t n = strcspn(query, "&");
        const char *equals = memchr(query, '=', n);
        const size_t name_n = equals ? (size_t)(equals - query) : n;

        if (spells((struct span){(const uint8_t *)query, name_n}, name)) {
            const size_t skip = equals ? name_n + 1 : n;

            *value = (struct span){(const uint8_t *)query + skip, n - skip};
            return true;
        }
        query += n + (query[n] == '&');
    }
    return false;
}

bool query_has(const char *query, const char *name)
{
    struct span value;

    return find(query, name, &value);
}

/* Decodes text into buf, NUL-terminated; the length, RC_BAD or RC_FULL. */
static int decode(struct span text, char *buf, size_t size)
{
    size_t length = 0;

    for (size_t i = 0; i < text.n;) {
        const char c = next_char(text, &i);

        if (c == '\0')
            return RC_BAD;
        if (length + 1 >= size)
            return RC_FULL;
        buf[length++] = c;
    }
    buf[length] = '\0';
    return (int)length;
}

int query_get(const char *query, const char *name, char *buf, size_t size)
{
    struct span value;

    buf[0] = '\0';
    if (!find(query, name, &value))
        return 0;
    const int length = decode(value, buf, size);
    if (length < 0)
        buf[0] = '\0';
    return length;
}
