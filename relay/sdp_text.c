#include "relay/sdp_text.h"

#include <string.h>
#include <strings.h>

static struct span drop(struct span text, size_t n)
{
    return (struct span){text.p + n, text.n - n};
}

bool sdp_text_line(struct span *rest, struct span *line)
{
    if (rest->n == 0)
        return false;

    const uint8_t *end = memchr(rest->p, '\n', rest->n);
    size_t n = end ? (size_t)(end - rest->p) : rest->n;
    const struct span tail = drop(*rest, end ? n + 1 : n);

    if (n > 0 && rest->p[n - 1] == '\r')
        n--;
    *line = (struct span){rest->p, n};
    *rest = tail;
    return true;
}

bool sdp_text_token(struct span *rest, struct span *token)
{
    size_t start = 0;
    while (start < rest->n && rest->p[start] == ' ')
        start++;

    size_t end = start;
    while (end < rest->n && rest->p[end] != ' ')
        end++;

    if (start == end)
        return false;
    *token = (struct span){rest->p + start, end - start};
    *rest = drop(*rest, end);
    return true;
}

void sdp_text_cut(struct span *rest, char separator, struct span *before)
{
    const uint8_t *at = rest->n ? memchr(rest->p, separator, rest->n) : NULL;
    const size_t n = at ? (size_t)(at - rest->p) : rest->n;

    *before = (struct span){rest->p, n};
    *rest = drop(*rest, at ? n + 1 : n);
}

bool sdp_text_equal(struct span a, struct span b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool sdp_text_is(struct span text, const char *word)
{
    return text.n == strlen(word) && (text.n == 0 || memcmp(text.p, word, text.n) == 0);
}

bool sdp_text_is_nocase(struct span text, const char *word)
{
    return text.n == strlen(word) &&
           (text.n == 0 || strncasecmp((const char *)text.p, word, text.n) == 0);
}

bool sdp_text_number(struct span text, uint64_t max, uint64_t *value)
{
    uint64_t v = 0;

    if (text.n == 0)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
        const unsigned digit = (unsigned)(text.p[i] - '0');
        if (digit > max || v > (max - digit) / 10)
            return false;
        v = v * 10 + digit;
    }
    *value = v;
    return true;
}

int sdp_text_hex(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool sdp_text_is_token(struct span text)
{
    if (!sdp_text_is_visible(text))
        return false;
    for (size_t i = 0; i < text.n; i++)
        if (strchr("\"(),/:;<=>?@[\\]", text.p[i]))
            return false;
    return true;
}

bool sdp_text_is_visible(struct span text)
{
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] <= 0x20 || text.p[i] >= 0x7f)
            return false;
    return text.n > 0;
}

bool sdp_text_copy(struct span text, char *buf, size_t size)
{
    if (text.n >= size) {
        if (size > 0)
            buf[0] = '\0';
        return false;
    }
    if (text.n > 0)
        memcpy(buf, text.p, text.n);
    buf[text.n] = '\0';
    return true;
}
