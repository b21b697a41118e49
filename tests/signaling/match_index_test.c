#include "bench/match_population_lib.h"
#include "signaling/match_index.h"
#include "tests/t.h"

static struct match_index *open_index(void)
{
    struct match_index *index = NULL;

    T_EQ(match_index_create(&index), RC_OK);
    return index;
}

static struct match_card card(uint32_t region, uint16_t first, uint16_t second, uint8_t quality)
{
    return (struct match_card){
        .region = region, .language = {first, second}, .quality = quality};
}

static uint32_t add(struct match_index *index, const struct match_card *one)
{
    uint32_t slot = UINT32_MAX;

    T_EQ(match_index_add(index, one, &slot), RC_OK);
    T_MEM(match_index_card(index, slot), one, sizeof *one);
    return slot;
}

static bool gathers(struct match_index *index, const struct match_card *one,
                    enum match_reach reach, uint32_t slot)
{
    uint32_t slots[MATCH_NEAR_MAX];
    const uint32_t n = match_index_gather(index, one, reach, slots);

    T_OK(n <= MATCH_NEAR_MAX);
    for (uint32_t i = 0; i < n; i++)
        if (slots[i] == slot)
            return true;
    return false;
}

static void near_are_those_of_the_region_with_a_common_language(void)
{
    static const struct {
        struct match_card other;
        bool near, far;
    } rows[] = {
        {{.region = 1, .language = {7}, .quality = 90}, true, true},
        {{.region = 1, .language = {8, 9}, .quality = 10}, true, true}, /* any quality */
        {{.region = 1, .language = {9}, .quality = 90}, false, true},
        {{.region = 1, .quality = 90}, false, true},
        {{.region = 2, .language = {8}, .quality = 90}, false, true},
        {{.region = 2, .language = {9}, .quality = 90}, false, true},
        {{.region = 1, .language = {7}, .quality = 90, .kind = MATCH_TEXT}, false, false},
    };
    const struct match_card own = card(1, 7, 8, 90);

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct match_index *index = open_index();
        const uint32_t slot = add(index, &rows[i].other);
        T_EQ(gathers(index, &own, MATCH_NEAR, slot), rows[i].near);
        T_EQ(gathers(index, &own, MATCH_FAR, slot), rows[i].far);
        T_EQ(gathers(index, &own, MATCH_ANYBODY, slot), rows[i].far);
        match_index_free(index);
    }
}

static void the_removed_are_not_found_and_their_slots_are_used_again(void)
{
    struct match_index *index = open_index();
    const struct match_card one = card(1, 7, 0, 90);
    const uint32_t a = add(index, &one), b = add(index, &one), c = add(index, &one);

    T_EQ(match_index_count(index, MATCH_VIDEO), 3);
    match_index_remove(index, b);
    T_OK(!gathers(index, &one, MATCH_ANYBODY, b));
    T_OK(gathers(index, &one, MATCH_NEAR, a) && gathers(index, &one, MATCH_NEAR, c));
    T_EQ(add(index, &one), b);
    match_index_remove(index, a);
    match_index_remove(index, b);
    match_index_remove(index, c);
    T_EQ(match_index_count(index, MATCH_VIDEO), 0);
    T_OK(!gathers(index, &one, MATCH_ANYBODY, a));
    match_index_free(index);
}

static void a_search_is_bounded_however_many_there_are(void)
{
    struct match_index *index = open_index();
    const struct match_card one = card(1, 7, 8, 90);
    uint32_t slots[MATCH_NEAR_MAX];

    for (int i = 0; i < 5000; i++)
        (void)add(index, &one);
    T_OK(match_index_gather(index, &one, MATCH_NEAR, slots) <= MATCH_NEAR_MAX);
    T_OK(match_index_gather(index, &one, MATCH_FAR, slots) <= MATCH_FAR_MAX);
    T_EQ(match_index_gather(index, &one, MATCH_ANYBODY, slots), MATCH_NEAR_MAX);
    match_index_free(index);
}

static void repeated_searches_come_across_everybody(void)
{
    static bool seen[5000];
    struct match_index *index = open_index();
    const struct match_card one = card(1, 7, 0, 90);
    uint32_t slots[MATCH_NEAR_MAX];

    memset(seen, 0, sizeof seen);
    for (int i = 0; i < 5000; i++)
        (void)add(index, &one);
    for (int i = 0; i < 20 * 5000 / MATCH_NEAR_MAX; i++) {
        const uint32_t n = match_index_gather(index, &one, MATCH_ANYBODY, slots);
        for (uint32_t k = 0; k < n; k++)
            seen[slots[k]] = true;
    }
    for (int i = 0; i < 5000; i++)
        T_OK(seen[i]);
    match_index_free(index);
}

/* Beside an array that is simply kept. */
static void everybody_is_found_whoever_comes_and_goes(void)
{
    enum { PEOPLE = 150 };
    static struct match_card people[PEOPLE];
    static uint32_t slot[PEOPLE];
    static bool inside[PEOPLE];
    struct match_index *index = open_index();
    struct chance chance = {7};
    uint32_t count[MATCH_KIND_COUNT] = {0};

    memset(inside, 0, sizeof inside);
    for (int step = 0; step < 30000; step++) {
        const uint32_t i = chance_below(&chance, PEOPLE);

        if (inside[i]) {
            T_MEM(match_index_card(index, slot[i]), &people[i], sizeof people[i]);
            match_index_remove(index, slot[i]);
            count[people[i].kind]--;
        } else {
            population_person(&chance, &people[i]);
            slot[i] = add(index, &people[i]);
            count[people[i].kind]++;
        }
        inside[i] = !inside[i];
        const uint32_t other = chance_below(&chance, PEOPLE);
        if (inside[i] && inside[other])
            T_EQ(gathers(index, &people[i], MATCH_ANYBODY, slot[other]),
                 people[i].kind == people[other].kind);
        T_EQ(match_index_count(index, MATCH_VIDEO), count[MATCH_VIDEO]);
        T_EQ(match_index_count(index, MATCH_TEXT), count[MATCH_TEXT]);
    }
    for (uint32_t i = 0; i < PEOPLE; i++)
        if (inside[i])
            match_index_remove(index, slot[i]);
    T_EQ(match_index_count(index, MATCH_VIDEO) + match_index_count(index, MATCH_TEXT), 0);
    match_index_free(index);
}

static const struct t_case cases[] = {
    T_CASE(near_are_those_of_the_region_with_a_common_language),
    T_CASE(the_removed_are_not_found_and_their_slots_are_used_again),
    T_CASE(a_search_is_bounded_however_many_there_are),
    T_CASE(repeated_searches_come_across_everybody),
    T_CASE(everybody_is_found_whoever_comes_and_goes),
};

T_MAIN(cases)
