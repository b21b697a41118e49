#include "signaling/match_word.h"
#include "tests/t.h"

static void equal_words_are_equal_without_case_and_spaces_around(void)
{
    T_EQ(match_word_id("Chess"), match_word_id("  cHESS\t"));
    T_EQ(match_word_id("rock music"), match_word_id("Rock Music"));
    T_EQ(match_word_id("größe"), match_word_id("größe"));
    T_OK(match_word_id("rock music") != match_word_id("rockmusic"));
}

static void different_words_differ(void)
{
    uint16_t id[100];
    int same = 0;

    for (int i = 0; i < 100; i++) {
        char word[20];
        snprintf(word, sizeof word, "word %d", i);
        id[i] = match_word_id(word);
        T_OK(id[i] != 0 && id[i] != UINT16_MAX);
        for (int k = 0; k < i; k++)
            same += id[k] == id[i];
    }
    T_OK(same <=
         3); /* the key is another one each time; more is one run in a hundred million */
}

static void nothing_is_nothing(void)
{
    T_EQ(match_word_id(""), 0);
    T_EQ(match_word_id(" \t\n"), 0);
    T_EQ(match_language_id("-"), 0);
    T_EQ(match_region_id(""), 0);
    T_EQ(match_area_id(""), 0);
}

static void only_so_much_of_a_word_counts(void)
{
    char a[200], b[200];

    memset(a, 'x', sizeof a);
    memset(b, 'x', sizeof b);
    a[199] = b[199] = '\0';
    b[MATCH_WORD_MAX] = 'y';
    T_EQ(match_word_id(a), match_word_id(b));
    b[MATCH_WORD_MAX - 1] = 'y';
    T_OK(match_word_id(a) != match_word_id(b));
}

static void a_language_is_the_first_part_of_its_tag(void)
{
    T_EQ(match_language_id("de-AT"), match_language_id("DE"));
    T_EQ(match_language_id("pt_BR"), match_language_id("pt-PT"));
    T_OK(match_language_id("de") != match_language_id("en"));
}

static void an_area_is_the_first_part_of_its_regions(void)
{
    T_EQ(match_area_id("eu-west"), match_area_id("EU-north"));
    T_EQ(match_area_id("eu"), match_area_id("eu_central"));
    T_OK(match_region_id("eu-west") != match_region_id("eu-north"));
    T_EQ(match_region_id("EU-West"), match_region_id("eu-west"));
    T_OK(match_area_id("eu-west") != match_area_id("us-west"));
}

static const struct t_case cases[] = {
    T_CASE(equal_words_are_equal_without_case_and_spaces_around),
    T_CASE(different_words_differ),
    T_CASE(nothing_is_nothing),
    T_CASE(only_so_much_of_a_word_counts),
    T_CASE(a_language_is_the_first_part_of_its_tag),
    T_CASE(an_area_is_the_first_part_of_its_regions),
};

T_MAIN(cases)
