#include "signaling/match_word.h"

#include "core/hash.h"

#include <string.h>

struct word {
    char text[MATCH_WORD_MAX];
    size_t n;
};

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Without case, without spaces around it, and only up to the first of `ends`. */
static struct word normalize(const char *text, const char *ends)
{
    struct word word = {.n = 0};

    while (is_space(*text))
        text++;
    for (; *text && !strchr(ends, *text) && word.n < MATCH_WORD_MAX; text++)
        word.text[word.n++] = *text >= 'A' && *text <= 'Z' ? (char)(*text - 'A' + 'a') : *text;
    while (word.n > 0 && is_space(word.text[word.n - 1]))
        word.n--;
    return word;
}

/* 1…`most`; 0 for nothing. */
static uint64_t id_of(const struct word *word, uint64_t most)
{
    return word->n > 0 ? hash_bytes(word->text, word->n) % most + 1 : 0;
}

uint16_t match_word_id(const char *text)
{
    const struct word word = normalize(text, "");

    return (uint16_t)id_of(&word, UINT16_MAX - 1);
}

uint16_t match_language_id(const char *tag)
{
    const struct word word = normalize(tag, "-_");

    return (uint16_t)id_of(&word, UINT16_MAX - 1);
}

uint32_t match_region_id(const char *region)
{
    const struct word word = normalize(region, "");

    return (uint32_t)id_of(&word, UINT32_MAX - 1);
}

uint32_t match_area_id(const char *region)
{
    const struct word word = normalize(region, "-_");

    return (uint32_t)id_of(&word, UINT32_MAX - 1);
}
