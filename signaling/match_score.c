#include "signaling/match_score.h"

#include <string.h>

/* Same region, a language in common, one interest in common, two good paths: 100. */
const struct match_weights match_weights_default = {
    .quality = 20,
    .quality_alike = 10,
    .quality_unknown = 75,
    .path_cost =
        {
            [MEDIA_PATH_UDP] = 0,
            [MEDIA_PATH_TURN_UDP] = 5, /* a detour */
            [MEDIA_PATH_TCP] = 20,     /* a lost packet holds up those behind it */
            [MEDIA_PATH_TURN_TCP] = 25,
            [MEDIA_PATH_TURN_TLS] = 25,
        },
    .region = 25,
    .area = 15,
    .region_unknown = 10,
    .language = 25,
    .language_unknown = 12,
    .interest = {0, 12, 18, 22},
    .interest_unknown = 6,
    .fresh = 10,
    .fresh_full = SEC(30), /* a client that only waits is heard of with each pong, every 25 s */
    .fresh_end = SEC(120),
    .waiting = 8,
    .waiting_full = SEC(8),
    .met = -30,
    .met_end = SEC(600),
    .wish = -20,
    .optimal = 100,
};

/* --- the path ----------------------------------------------------------------------------- */

struct point {
    float at, quality;
};

/* Where signaling/quality.h calls a path fair it has 75, where it calls it poor 45. */
static const struct point by_rtt[] = {
    {0, 100}, {MSEC(50), 97}, {MSEC(200), 75}, {MSEC(500), 45}, {MSEC(1000), 0}};
static const struct point by_loss[] = {{0, 100}, {0.03f, 75}, {0.10f, 45}, {0.30f, 0}};

/* Linear between the points, level after the last. */
static float interpolate(const struct point *point, size_t count, float at)
{
    for (size_t i = 1; i < count; i++) {
        const struct point *from = &point[i - 1], *to = &point[i];

        if (at < to->at)
            return from->quality +
                   (to->quality - from->quality) * (at - from->at) / (to->at - from->at);
    }
    return point[count - 1].quality;
}

uint8_t match_quality(const struct match_weights *weights, uint32_t rtt, float loss,
                      enum media_path path)
{
    const float delayed = interpolate(by_rtt, ARRAY_LEN(by_rtt), (float)rtt);
    const float lossy = interpolate(by_loss, ARRAY_LEN(by_loss), loss > 0 ? loss : 0);
    const float left = (delayed < lossy ? delayed : lossy) - (float)weights->path_cost[path];

    return left > 0 ? (uint8_t)left : 0;
}

/* --- sets of words ------------------------------------------------------------------------ */

_Static_assert(sizeof(struct match_card) == 64, "a card is a cache line");

/* A search spends most of its time here: eight words at a time, as the compiler knows to do it
 * for the machine. */
typedef uint16_t words8 __attribute__((vector_size(16)));

static int common_interests(const struct match_card *a, const struct match_card *b)
{
    words8 own, other, hit = {0};
    uint64_t half[2];

    memcpy(&own, a->interest, sizeof own);
    memcpy(&other, b->interest, sizeof other);
    for (size_t i = 0; i < MATCH_INTERESTS_MAX; i++)
        hit |= (words8)(own == other[i]);
    hit &= (words8)(own != 0);
    memcpy(half, &hit, sizeof half);
    /* A hit is a lane of ones: one of each is kept, and the product's top lane is their sum. */
    const uint64_t ones = 0x0001000100010001u;
    return (int)(((half[0] & ones) + (half[1] & ones)) * ones >> 48);
}

/* Is a 16-bit lane of it zero? (The usual trick for a null in a word.) */
static bool has_zero_lane(uint64_t x)
{
    return (x - 0x0001000100010001u) & ~x & 0x8000800080008000u;
}

static bool common_language(const struct match_card *a, const struct match_card *b)
{
    uint64_t own;

    memcpy(&own, a->language, sizeof own);
    for (size_t i = 0; i < MATCH_LANGUAGES_MAX && b->language[i]; i++)
        if (has_zero_lane(own ^ b->language[i] * 0x0001000100010001u))
            return true;
    return false;
}

/* --- the parts ---------------------------------------------------------------------------- */

static int quality_of(const struct match_weights *w, const struct match_card *card)
{
    return card->quality == MATCH_QUALITY_UNKNOWN ? w->quality_unknown : card->quality;
}

static int quality_part(const struct match_weights *w, const struct match_card *a,
                        const struct match_card *b)
{
    if (a->kind == MATCH_TEXT) /* a line of text comes over any path */
        return w->quality + w->quality_alike;

    const int x = quality_of(w, a), y = quality_of(w, b);
    const int worse = x < y ? x : y, apart = x < y ? y - x : x - y;

    return w->quality * worse / MATCH_QUALITY_BEST +
           (apart < 50 ? w->quality_alike * (50 - apart) / 50 : 0);
}

static int region_part(const struct match_weights *w, const struct match_card *a,
                       const struct match_card *b)
{
    if (!a->region || !b->region)
        return w->region_unknown;
    if (a->region == b->region)
        return w->region;
    return a->area == b->area ? w->area : 0;
}

static int language_part(const struct match_weights *w, const struct match_card *a,
                         const struct match_card *b)
{
    if (!a->language[0] || !b->language[0])
        return w->language_unknown;
    return common_language(a, b) ? w->language : 0;
}

static int interest_part(const struct match_weights *w, const struct match_card *a,
                         const struct match_card *b)
{
    if (!a->interest[0] || !b->interest[0])
        return w->interest_unknown;

    const int common = common_interests(a, b);
    return w->interest[common < 3 ? common : 3];
}

static usec_t since(usec_t then, usec_t now)
{
    return now > then ? now - then : 0;
}

/* `points` while `age` is at most `full`, then less and less, nothing from `end` on. */
static int fade(int points, usec_t age, usec_t full, usec_t end)
{
    if (age <= full)
        return points;
    if (age >= end)
        return 0;
    return (int)(points * (int64_t)(end - age) / (int64_t)(end - full));
}

static int fresh_part(const struct match_weights *w, const struct match_card *a,
                      const struct match_card *b, usec_t now)
{
    const usec_t longer = since(a->heard < b->heard ? a->heard : b->heard, now);

    return fade(w->fresh, longer, w->fresh_full, w->fresh_end);
}

static int waiting_part(const struct match_weights *w, const struct match_card *a,
                        const struct match_card *b, usec_t now)
{
    const usec_t longer = since(a->since < b->since ? a->since : b->since, now);

    if (longer >= w->waiting_full)
        return w->waiting;
    return (int)((usec_t)w->waiting * longer / w->waiting_full);
}

/* How many wishes of the two are not met, as points. */
static int wish_part(const struct match_weights *w, const struct match_card *a,
                     const struct match_card *b)
{
    int unmet = 0;

    if (!(a->wishes | b->wishes))
        return 0;
    if (!a->region || a->region != b->region)
        unmet += (a->wishes & MATCH_WISH_REGION) != 0;
    if (!b->region || a->region != b->region)
        unmet += (b->wishes & MATCH_WISH_REGION) != 0;
    if (!common_language(a, b)) {
        unmet += (a->wishes & MATCH_WISH_LANGUAGE) != 0;
        unmet += (b->wishes & MATCH_WISH_LANGUAGE) != 0;
    }
    return w->wish * unmet;
}

/* --- the sum ------------------------------------------------------------------------------ */

struct match_parts match_score(const struct match_weights *w, const struct match_card *a,
                               const struct match_card *b, usec_t met_at, usec_t now)
{
    struct match_parts p = {
        .quality = (int16_t)quality_part(w, a, b),
        .region = (int16_t)region_part(w, a, b),
        .language = (int16_t)language_part(w, a, b),
        .interest = (int16_t)interest_part(w, a, b),
        .fresh = (int16_t)fresh_part(w, a, b, now),
        .waiting = (int16_t)waiting_part(w, a, b, now),
        .met = (int16_t)(met_at ? fade(w->met, since(met_at, now), 0, w->met_end) : 0),
        .wish = (int16_t)wish_part(w, a, b),
    };
    const int sum =
        p.quality + p.region + p.language + p.interest + p.fresh + p.waiting + p.met + p.wish;

    p.total = (int16_t)(sum > 0 ? sum : 0);
    return p;
}

int match_score_total(const struct match_weights *w, const struct match_card *a,
                      const struct match_card *b, usec_t now)
{
    return match_score(w, a, b, 0, now).total;
}

int match_score_best(const struct match_weights *w, const struct match_card *card)
{
    struct match_card equal = *card;

    equal.since = equal.heard = 0;
    return match_score_total(w, &equal, &equal, 0);
}
