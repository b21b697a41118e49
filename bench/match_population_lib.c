#include "bench/match_population_lib.h"

#include <math.h>
#include <string.h>

/* --- chance (xorshift64*) ------------------------------------------------------------------
 */

static uint64_t next(struct chance *chance)
{
    chance->state ^= chance->state >> 12;
    chance->state ^= chance->state << 25;
    chance->state ^= chance->state >> 27;
    return chance->state * 0x2545f4914f6cdd1d;
}

uint32_t chance_below(struct chance *chance, uint32_t n)
{
    return (uint32_t)((next(chance) >> 32) * n >> 32);
}

double chance_unit(struct chance *chance)
{
    return (double)(next(chance) >> 11) * 0x1p-53;
}

usec_t chance_interval(struct chance *chance, double rate)
{
    return (usec_t)(-log(1 - chance_unit(chance)) / rate * 1e6);
}

/* --- where people are ----------------------------------------------------------------------
 */

enum { EN = 1, FR, DE, ES, PT, IT, HI, ZH, JA, RU };

static const struct region {
    uint32_t area;
    double share;      /* of all people */
    double rtt;        /* median, in ms */
    uint16_t speak[3]; /* each as the first language of some */
    double spoken[3];  /* the share of each */
} regions[] = {
    {0, 0.10, 90, {EN, ES, HI}, {0.6, 0.2, 0.2}}, /* region not known */
    {1, 0.16, 35, {EN, FR, ES}, {0.5, 0.4, 0.1}},
    {1, 0.13, 40, {DE, EN, FR}, {0.7, 0.2, 0.1}},
    {1, 0.09, 50, {ES, IT, EN}, {0.5, 0.4, 0.1}},
    {2, 0.17, 45, {EN, ES, FR}, {0.8, 0.15, 0.05}},
    {2, 0.10, 60, {EN, ES, ZH}, {0.7, 0.2, 0.1}},
    {3, 0.10, 120, {PT, ES, EN}, {0.7, 0.25, 0.05}},
    {4, 0.09, 140, {HI, EN, ZH}, {0.6, 0.35, 0.05}},
    {4, 0.06, 150, {ZH, JA, EN}, {0.5, 0.4, 0.1}},
};

static const struct region *pick_region(struct chance *chance, uint32_t *id)
{
    double left = chance_unit(chance);

    for (*id = 0; *id < ARRAY_LEN(regions) - 1; ++*id) {
        left -= regions[*id].share;
        if (left < 0)
            break;
    }
    return &regions[*id];
}

/* --- what they say of themselves -----------------------------------------------------------
 */

/* Adds a word that is not there yet. */
static void add_word(uint16_t *words, size_t max, uint16_t word)
{
    for (size_t i = 0; i < max; i++) {
        if (words[i] == word)
            return;
        if (words[i] == 0) {
            words[i] = word;
            return;
        }
    }
}

static void pick_languages(struct chance *chance, const struct region *region,
                           struct match_card *card)
{
    double left = chance_unit(chance);
    size_t first = 0;

    if (chance_below(chance, 100) < 15) /* names none */
        return;
    while (first < 2 && (left -= region->spoken[first]) >= 0)
        first++;
    add_word(card->language, MATCH_LANGUAGES_MAX, region->speak[first]);
    if (chance_below(chance, 100) < 40) /* English as a second one */
        add_word(card->language, MATCH_LANGUAGES_MAX, EN);
    if (chance_below(chance, 100) < 10)
        add_word(card->language, MATCH_LANGUAGES_MAX, (uint16_t)(1 + chance_below(chance, RU)));
}

/* One of 60 words, the n-th as often as 1/n (Zipf). */
static uint16_t pick_interest(struct chance *chance)
{
    double left = chance_unit(chance) * 4.6798; /* the sum of 1/n to 60 */
    uint16_t n = 1;

    while (n < 60 && (left -= 1.0 / n) >= 0)
        n++;
    return n;
}

static void pick_interests(struct chance *chance, struct match_card *card)
{
    if (chance_below(chance, 100) < 20) /* names none */
        return;
    for (uint32_t n = 1 + chance_below(chance, 6); n > 0; n--)
        add_word(card->interest, MATCH_INTERESTS_MAX, pick_interest(chance));
}

/* --- their network -------------------------------------------------------------------------
 */

static float pick_loss(struct chance *chance)
{
    const double unit = chance_unit(chance);
    const uint32_t how = chance_below(chance, 100);

    return (float)(how < 70   ? 0.005 * unit
                   : how < 90 ? 0.005 + 0.025 * unit
                              : 0.03 + 0.09 * unit);
}

static enum media_path pick_path(struct chance *chance)
{
    const uint32_t how = chance_below(chance, 100);

    return how < 88   ? MEDIA_PATH_UDP
           : how < 92 ? MEDIA_PATH_TURN_UDP
           : how < 96 ? MEDIA_PATH_TCP
                      : MEDIA_PATH_TURN_TLS;
}

/* Standard normal, near enough: twelve uniform ones. */
static double pick_normal(struct chance *chance)
{
    double sum = -6;

    for (int i = 0; i < 12; i++)
        sum += chance_unit(chance);
    return sum;
}

static void pick_quality(struct chance *chance, const struct region *region,
                         struct match_card *card)
{
    const double rtt = region->rtt * exp(0.5 * pick_normal(chance));

    card->quality = match_quality(&match_weights_default, (uint32_t)(rtt * 1000),
                                  pick_loss(chance), pick_path(chance));
    if (chance_below(chance, 100) < 5) /* not measured */
        card->quality = MATCH_QUALITY_UNKNOWN;
}

void population_person(struct chance *chance, struct match_card *card)
{
    memset(card, 0, sizeof *card);
    const struct region *region = pick_region(chance, &card->region);
    card->area = region->area;
    card->kind = chance_below(chance, 100) < 20 ? MATCH_TEXT : MATCH_VIDEO;
    pick_languages(chance, region, card);
    pick_interests(chance, card);
    pick_quality(chance, region, card);
}
