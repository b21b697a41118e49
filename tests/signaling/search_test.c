#include "signaling/match_word.h"
#include "signaling/search.h"
#include "tests/t.h"

static struct search search;

static enum refusal read(const char *text)
{
    static struct alias_book nobody;
    json_t *payload = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;

    T_OK(!text || payload);
    const enum refusal why = search_read(payload, &nobody, &search);
    search.profile = NULL; /* borrowed from what goes away now */
    json_decref(payload);
    return why;
}

static void without_wishes_one_looks_for_anybody_with_video(void)
{
    static const char *const rows[] = {
        NULL, "{}", "{\"type\":\"video\"}",
        "{\"type\":null,\"interests\":null,\"avoidPeers\":null}",
        "{\"interests\":[],\"languages\":[],\"avoidPeers\":[],\"preferences\":7}"};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        T_EQ(read(rows[i]), REFUSAL_NONE);
        T_EQ(search.kind, MATCH_VIDEO);
        T_EQ(search.interest[0] + search.language[0], 0);
        T_EQ(search.avoid_count, 0);
        T_EQ(search.wishes, 0);
    }
}

static void words_become_ids_without_gaps_and_doubles(void)
{
    T_EQ(read("{\"interests\":[\"Chess\",\"\",\"chess \",\"go\"],"
              "\"languages\":[\"de-AT\",\"de\",\"en\"],\"type\":\"text\"}"),
         REFUSAL_NONE);
    T_EQ(search.kind, MATCH_TEXT);
    T_EQ(search.interest[0], match_word_id("chess"));
    T_EQ(search.interest[1], match_word_id("go"));
    T_EQ(search.interest[2], 0);
    T_EQ(search.language[0], match_language_id("de"));
    T_EQ(search.language[1], match_language_id("en"));
    T_EQ(search.language[2], 0);
}

static void more_words_than_count_are_no_fault(void)
{
    json_t *payload = json_object(), *list = json_array();
    static struct alias_book nobody;

    for (int i = 0; i < SEARCH_WORDS_MAX; i++) {
        char word[16];
        snprintf(word, sizeof word, "%c%c", 'a' + i / 10, 'a' + i % 10);
        json_array_append_new(list, json_string(word));
    }
    json_object_set(payload, "languages", list);
    json_object_set_new(payload, "interests", list);
    T_EQ(search_read(payload, &nobody, &search), REFUSAL_NONE);
    T_OK(search.interest[MATCH_INTERESTS_MAX - 1]);
    T_OK(search.language[MATCH_LANGUAGES_MAX - 1]);
    json_array_set_new(
        list, 0,
        json_string("a word with one byte more than a word may have in a list of words"));
    T_EQ(search_read(payload, &nobody, &search), REFUSAL_BAD_PAYLOAD);
    json_array_remove(list, 0);
    T_EQ(search_read(payload, &nobody, &search), REFUSAL_NONE);
    json_array_append_new(list, json_string("one more"));
    T_EQ(search_read(payload, &nobody, &search), REFUSAL_NONE);
    json_array_append_new(list, json_string("one too many"));
    T_EQ(search_read(payload, &nobody, &search), REFUSAL_BAD_PAYLOAD);
    json_decref(payload);
}

static void names_that_were_given_become_people(void)
{
    struct alias_book met = {0};
    const char *alias = alias_make(&met, '!', 42);
    json_t *payload = json_pack("{s:[s, s]}", "avoidPeers", alias, "!nobody");

    T_EQ(search_read(payload, &met, &search), REFUSAL_NONE);
    T_EQ(search.avoid_count, 1);
    T_EQ(search.avoid[0], 42);
    json_decref(payload);
    alias_book_free(&met);
}

static void preferences_that_are_known_are_wishes(void)
{
    static const struct {
        const char *text;
        uint8_t wishes;
    } rows[] = {
        {"{\"preferences\":{\"sameRegion\":true}}", MATCH_WISH_REGION},
        {"{\"preferences\":{\"sameLanguage\":true},\"languages\":[\"de\"]}",
         MATCH_WISH_LANGUAGE},
        {"{\"preferences\":{\"sameLanguage\":true}}", 0}, /* the same as which? */
        {"{\"preferences\":{\"sameRegion\":1,\"ageRange\":[18,99]}}", 0},
        {"{\"preferences\":[\"sameRegion\"]}", 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        T_EQ(read(rows[i].text), REFUSAL_NONE);
        T_EQ(search.wishes, rows[i].wishes);
    }
}

static void what_is_malformed_is_refused(void)
{
    static const char *const rows[] = {
        "[]",
        "\"video\"",
        "{\"type\":\"audio\"}",
        "{\"type\":7}",
        "{\"interests\":\"chess\"}",
        "{\"interests\":[7]}",
        "{\"languages\":{}}",
        "{\"avoidPeers\":7}",
        "{\"avoidPeers\":[{}]}",
        "{\"profile\":\"me\"}",
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        T_EQ(read(rows[i]), REFUSAL_BAD_PAYLOAD);
}

static void a_profile_is_a_small_object(void)
{
    json_t *profile = json_object(), *found;
    char long_text[SEARCH_PROFILE_MAX];

    T_OK(search_read_profile(NULL, &found) && !found);
    T_OK(search_read_profile(profile, &found) && found == profile);
    memset(long_text, 'x', sizeof long_text);
    json_object_set_new(profile, "name", json_stringn(long_text, sizeof long_text));
    T_OK(!search_read_profile(profile, &found));
    json_decref(profile);
}

static const struct t_case cases[] = {
    T_CASE(without_wishes_one_looks_for_anybody_with_video),
    T_CASE(words_become_ids_without_gaps_and_doubles),
    T_CASE(more_words_than_count_are_no_fault),
    T_CASE(names_that_were_given_become_people),
    T_CASE(preferences_that_are_known_are_wishes),
    T_CASE(what_is_malformed_is_refused),
    T_CASE(a_profile_is_a_small_object),
};

T_MAIN(cases)
