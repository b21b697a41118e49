#include "signaling/match_score.h"
#include "tests/t.h"

#define NOW SEC(1000)
#define W (&match_weights_default)

/* Somebody of whom everything is known and good, as fresh as can be. */
static struct match_card somebody(void)
{
    return (struct match_card){
        .interest = {11, 12, 13},
        .language = {21, 22},
        .since = NOW,
        .heard = NOW,
        .region = 5,
        .area = 1,
        .quality = MATCH_QUALITY_BEST,
    };
}

static struct match_card nobody_knows(void)
{
    return (struct match_card){.since = NOW, .heard = NOW, .quality = MATCH_QUALITY_UNKNOWN};
}

static struct match_parts score(const struct match_card *a, const struct match_card *b)
{
    const struct match_parts there = match_score(W, a, b, 0, NOW);
    const struct match_parts back = match_score(W, b, a, 0, NOW);

    T_MEM(&there, &back, sizeof there);
    T_EQ(there.total, match_score_total(W, a, b, NOW));
    return there;
}

/* --- the sum ------------------------------------------------------------------------------ */

static void two_who_share_everything_are_an_optimal_match(void)
{
    const struct match_card a = somebody();
    const struct match_parts p = score(&a, &a);

    T_EQ(p.quality, W->quality + W->quality_alike);
    T_EQ(p.region, W->region);
    T_EQ(p.language, W->language);
    T_EQ(p.interest, W->interest[3]);
    T_EQ(p.fresh, W->fresh);
    T_EQ(p.waiting + p.met + p.wish, 0);
    T_EQ(p.total, p.quality + p.region + p.language + p.interest + p.fresh);
    T_OK(p.total >= W->optimal);
    T_EQ(match_score_best(W, &a), p.total);
}

static void region_language_one_interest_and_good_paths_are_just_optimal(void)
{
    struct match_card a = somebody(), b = somebody();

    memset(b.interest, 0, sizeof b.interest);
    b.interest[0] = 12;
    b.interest[1] = 99;
    T_OK(score(&a, &b).total >= W->optimal);
    b.interest[0] = 98;
    T_OK(score(&a, &b).total < W->optimal);
}

static void a_sum_below_nothing_is_nothing(void)
{
    struct match_card a = somebody(), b = somebody();

    a.wishes = b.wishes = MATCH_WISH_REGION | MATCH_WISH_LANGUAGE;
    b.region = 6;
    b.area = 2;
    b.language[0] = 29;
    b.language[1] = 0;
    b.quality = 0;
    b.heard = 0;
    memset(b.interest, 0, sizeof b.interest);
    b.interest[0] = 98;
    const struct match_parts p = score(&a, &b);
    T_EQ(p.wish, 4 * W->wish);
    T_EQ(p.total, 0);
}

static void strangers_are_equals_for_each_other(void)
{
    const struct match_card a = nobody_knows();
    const struct match_parts p = score(&a, &a);

    T_EQ(p.total, W->quality * W->quality_unknown / 100 + W->quality_alike + W->region_unknown +
                      W->language_unknown + W->interest_unknown + W->fresh);
    T_EQ(match_score_best(W, &a), p.total);
}

/* --- region, language, interests ---------------------------------------------------------- */

static void regions_count_by_how_near_they_are(void)
{
    static const struct {
        uint32_t region_a, area_a, region_b, area_b;
        int16_t points;
    } rows[] = {
        {5, 1, 5, 1, 25}, {5, 1, 6, 1, 15}, {5, 1, 7, 2, 0},
        {0, 0, 5, 1, 10}, {5, 1, 0, 0, 10}, {0, 0, 0, 0, 10},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct match_card a = somebody(), b = somebody();
        a.region = rows[i].region_a;
        a.area = rows[i].area_a;
        b.region = rows[i].region_b;
        b.area = rows[i].area_b;
        T_EQ(score(&a, &b).region, rows[i].points);
    }
}

static void one_common_language_is_as_good_as_four(void)
{
    static const struct {
        uint16_t a[MATCH_LANGUAGES_MAX], b[MATCH_LANGUAGES_MAX];
        int16_t points;
    } rows[] = {
        {{1}, {1}, 25},
        {{1}, {2}, 0},
        {{1, 2, 3, 4}, {9, 8, 7, 4}, 25},
        {{1, 2, 3, 4}, {1, 2, 3, 4}, 25},
        {{1, 2, 3, 4}, {5, 6, 7, 8}, 0},
        {{1}, {2, 3, 4, 1}, 25},
        {{0x0100}, {0x0001}, 0},
        {{0xffff}, {0xffff}, 25},
        {{0x8000}, {0x7fff, 0x8001}, 0},
        {{1}, {0}, 12},
        {{0}, {0}, 12},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct match_card a = somebody(), b = somebody();
        memcpy(a.language, rows[i].a, sizeof a.language);
        memcpy(b.language, rows[i].b, sizeof b.language);
        T_EQ(score(&a, &b).language, rows[i].points);
    }
}

static void interests_count_by_how_many_are_in_common(void)
{
    static const struct {
        uint16_t a[MATCH_INTERESTS_MAX], b[MATCH_INTERESTS_MAX];
        int16_t points;
    } rows[] = {
        {{1}, {2}, 0},
        {{1}, {1}, 12},
        {{1, 2}, {2, 1}, 18},
        {{1, 2, 3}, {9, 3, 8, 2, 7, 1}, 22},
        {{1, 2, 3, 4, 5, 6, 7, 8}, {8, 7, 6, 5, 4, 3, 2, 1}, 22},
        {{1, 2, 3, 4, 5, 6, 7, 8}, {11, 12, 13, 14, 15, 16, 17, 8}, 12},
        {{0xffff, 0x8000}, {0x8000, 0xffff}, 18},
        {{1}, {0}, 6},
        {{0}, {1}, 6},
        {{0}, {0}, 6},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct match_card a = somebody(), b = somebody();
        memcpy(a.interest, rows[i].a, sizeof a.interest);
        memcpy(b.interest, rows[i].b, sizeof b.interest);
        T_EQ(score(&a, &b).interest, rows[i].points);
    }
}

static void a_wish_costs_when_it_is_not_met(void)
{
    struct match_card a = somebody(), b = somebody();

    a.wishes = MATCH_WISH_REGION | MATCH_WISH_LANGUAGE;
    T_EQ(score(&a, &b).wish, 0);
    b.region = 0;
    T_EQ(score(&a, &b).wish, W->wish);
    b.wishes = MATCH_WISH_LANGUAGE;
    memset(b.language, 0, sizeof b.language);
    T_EQ(score(&a, &b).wish, 3 * W->wish);
}

/* --- the path ----------------------------------------------------------------------------- */

static void the_quality_of_a_path_follows_delay_loss_and_kind(void)
{
    static const struct {
        uint32_t rtt_ms;
        float loss;
        enum media_path path;
        uint8_t quality;
    } rows[] = {
        {0, 0, MEDIA_PATH_UDP, 100},     {50, 0, MEDIA_PATH_UDP, 97},
        {200, 0, MEDIA_PATH_UDP, 75},    {500, 0, MEDIA_PATH_UDP, 45},
        {1000, 0, MEDIA_PATH_UDP, 0},    {60000, 0, MEDIA_PATH_UDP, 0},
        {0, 0.03f, MEDIA_PATH_UDP, 75},  {0, 0.10f, MEDIA_PATH_UDP, 45},
        {0, 1, MEDIA_PATH_UDP, 0},       {200, 0.10f, MEDIA_PATH_UDP, 45},
        {0, 0, MEDIA_PATH_TURN_UDP, 95}, {0, 0, MEDIA_PATH_TCP, 80},
        {0, 0, MEDIA_PATH_TURN_TLS, 75}, {1000, 1, MEDIA_PATH_TURN_TCP, 0},
        {0, -1, MEDIA_PATH_UDP, 100},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        T_EQ(match_quality(W, rows[i].rtt_ms * 1000, rows[i].loss, rows[i].path),
             rows[i].quality);
}

static void the_worse_path_counts_and_equal_ones_go_together(void)
{
    static const struct {
        uint8_t a, b;
        int16_t points;
    } rows[] = {
        {100, 100, 30},
        {0, 0, 10},
        {50, 50, 20},
        {100, 75, 20},
        {100, 50, 10},
        {100, 0, 0},
        {MATCH_QUALITY_UNKNOWN, MATCH_QUALITY_UNKNOWN, 25},
        {MATCH_QUALITY_UNKNOWN, 75, 25},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct match_card a = somebody(), b = somebody();
        a.quality = rows[i].a;
        b.quality = rows[i].b;
        T_EQ(score(&a, &b).quality, rows[i].points);
    }
}

static void text_needs_no_good_path(void)
{
    struct match_card a = somebody(), b = somebody();

    a.kind = b.kind = MATCH_TEXT;
    a.quality = 0;
    T_EQ(score(&a, &b).quality, W->quality + W->quality_alike);
}

/* --- time --------------------------------------------------------------------------------- */

static void who_was_not_heard_of_for_long_is_worth_less(void)
{
    static const struct {
        usec_t ago;
        int16_t points;
    } rows[] = {{0, 10}, {SEC(30), 10}, {SEC(75), 5}, {SEC(120), 0}, {SEC(999), 0}};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct match_card a = somebody(), b = somebody();
        b.heard = NOW - rows[i].ago;
        T_EQ(score(&a, &b).fresh, rows[i].points);
    }
}

static void who_waited_longer_is_worth_more(void)
{
    static const struct {
        usec_t ago;
        int16_t points;
    } rows[] = {{0, 0}, {SEC(1), 1}, {SEC(4), 4}, {SEC(8), 8}, {SEC(900), 8}};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct match_card a = somebody(), b = somebody();
        b.since = NOW - rows[i].ago;
        T_EQ(score(&a, &b).waiting, rows[i].points);
    }
}

static void two_who_have_just_met_are_worth_less_for_ten_minutes(void)
{
    const struct match_card a = somebody();

    T_EQ(match_score(W, &a, &a, NOW, NOW).met, W->met);
    T_EQ(match_score(W, &a, &a, NOW - SEC(300), NOW).met, W->met / 2);
    T_EQ(match_score(W, &a, &a, NOW - SEC(600), NOW).met, 0);
    T_EQ(match_score(W, &a, &a, 0, NOW).met, 0);
}

static void a_clock_that_steps_back_changes_no_points(void)
{
    struct match_card a = somebody();

    a.since = a.heard = NOW + SEC(50);
    const struct match_parts p = score(&a, &a);
    T_EQ(p.fresh, W->fresh);
    T_EQ(p.waiting, 0);
    T_EQ(match_score(W, &a, &a, NOW + SEC(5), NOW).met, W->met);
}

static const struct t_case cases[] = {
    T_CASE(two_who_share_everything_are_an_optimal_match),
    T_CASE(region_language_one_interest_and_good_paths_are_just_optimal),
    T_CASE(a_sum_below_nothing_is_nothing),
    T_CASE(strangers_are_equals_for_each_other),
    T_CASE(regions_count_by_how_near_they_are),
    T_CASE(one_common_language_is_as_good_as_four),
    T_CASE(interests_count_by_how_many_are_in_common),
    T_CASE(a_wish_costs_when_it_is_not_met),
    T_CASE(the_quality_of_a_path_follows_delay_loss_and_kind),
    T_CASE(the_worse_path_counts_and_equal_ones_go_together),
    T_CASE(text_needs_no_good_path),
    T_CASE(who_was_not_heard_of_for_long_is_worth_less),
    T_CASE(who_waited_longer_is_worth_more),
    T_CASE(two_who_have_just_met_are_worth_less_for_ten_minutes),
    T_CASE(a_clock_that_steps_back_changes_no_points),
};

T_MAIN(cases)
