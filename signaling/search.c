#include "signaling/search.h"

#include "signaling/match_word.h"

#include <string.h>

static bool is_missing(const json_t *json)
{
    return !json || json_is_null(json);
}

static bool read_kind(const json_t *type, enum match_kind *out)
{
    *out = MATCH_VIDEO;
    if (is_missing(type))
        return true;
    if (!json_is_string(type))
        return false;
    if (strcmp(json_string_value(type), "text") == 0)
        *out = MATCH_TEXT;
    return *out == MATCH_TEXT || strcmp(json_string_value(type), "video") == 0;
}

/* --- words ---------------------------------------------------------------------------------
 */

/* Ids without gaps and doubles. What there is no room for is left out. */
static void add_id(uint16_t *ids, size_t max, uint16_t id)
{
    if (id == 0)
        return;
    for (size_t i = 0; i < max; i++) {
        if (ids[i] == id)
            return;
        if (ids[i] == 0) {
            ids[i] = id;
            return;
        }
    }
}

/* Missing, or an array of so many short strings. */
static bool read_words(const json_t *list, uint16_t (*id_of)(const char *), uint16_t *ids,
                       size_t max)
{
    size_t i;
    json_t *word;

    if (is_missing(list))
        return true;
    if (!json_is_array(list) || json_array_size(list) > SEARCH_WORDS_MAX)
        return false;
    json_array_foreach(list, i, word)
    {
        if (!json_is_string(word) || json_string_length(word) > MATCH_WORD_MAX)
            return false;
        add_id(ids, max, id_of(json_string_value(word)));
    }
    return true;
}

/* --- people --------------------------------------------------------------------------------
 */

/* Names that this user was given become people; those that it was not are ignored. */
static bool read_avoid(const json_t *list, const struct alias_book *met, struct search *out)
{
    size_t i;
    json_t *alias;

    if (is_missing(list))
        return true;
    if (!json_is_array(list) || json_array_size(list) > MATCH_AVOID_MAX)
        return false;
    json_array_foreach(list, i, alias)
    {
        if (!json_is_string(alias))
            return false;
        const uint64_t user = alias_find(met, json_string_value(alias));
        if (user)
            out->avoid[out->avoid_count++] = user;
    }
    return true;
}

/* --- the rest ------------------------------------------------------------------------------
 */

static void read_wish(const json_t *preferences, const char *name, uint8_t wish,
                      struct search *out)
{
    if (json_is_true(json_object_get(preferences, name)))
        out->wishes |= wish;
}

/* Deployed clients say all kinds of things here: what is not known is ignored. A wish for the
 * same language as nobody knows which is none. */
static void read_preferences(const json_t *preferences, struct search *out)
{
    read_wish(preferences, "sameRegion", MATCH_WISH_REGION, out);
    if (out->language[0])
        read_wish(preferences, "sameLanguage", MATCH_WISH_LANGUAGE, out);
}

bool search_read_profile(json_t *profile, json_t **out)
{
    *out = json_is_object(profile) ? profile : NULL;
    if (!*out)
        return is_missing(profile);
    return json_dumpb(profile, NULL, 0, JSON_COMPACT) <= SEARCH_PROFILE_MAX;
}

enum refusal search_read(const json_t *payload, const struct alias_book *met,
                         struct search *out)
{
    memset(out, 0, sizeof *out);
    if ((payload && !json_is_object(payload)) ||
        !read_kind(json_object_get(payload, "type"), &out->kind) ||
        !read_words(json_object_get(payload, "interests"), match_word_id, out->interest,
                    MATCH_INTERESTS_MAX) ||
        !read_words(json_object_get(payload, "languages"), match_language_id, out->language,
                    MATCH_LANGUAGES_MAX) ||
        !read_avoid(json_object_get(payload, "avoidPeers"), met, out) ||
        !search_read_profile(json_object_get(payload, "profile"), &out->profile))
        return REFUSAL_BAD_PAYLOAD;
    read_preferences(json_object_get(payload, "preferences"), out);
    return REFUSAL_NONE;
}
