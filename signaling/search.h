/*
 * signaling/search.h - what a client looks for: the payload of find-match and its kin.
 *
 * Sans-IO: JSON in, values out, nothing is kept. Control thread.
 */
#ifndef SIGNALING_SEARCH_H
#define SIGNALING_SEARCH_H

#include "core/refusal.h"
#include "signaling/alias.h"
#include "signaling/match.h"

#include <jansson.h>

#define SEARCH_PROFILE_MAX 1024 /* bytes of JSON; kept as long as the user */
#define SEARCH_WORDS_MAX 32 /* interests, languages; how many of them count: match_score.h */

struct search {
    enum match_kind kind;
    uint16_t interest[MATCH_INTERESTS_MAX]; /* as in struct match_card, without doubles */
    uint16_t language[MATCH_LANGUAGES_MAX];
    uint8_t wishes;
    uint64_t avoid[MATCH_AVOID_MAX]; /* people */
    uint32_t avoid_count;
    json_t *profile; /* borrowed from the payload, or NULL */
};

/* `payload` may be NULL. `met` has the names that avoidPeers may use; others are ignored.
 * REFUSAL_BAD_PAYLOAD: *out is not to be used. */
enum refusal search_read(const json_t *payload, const struct alias_book *met,
                         struct search *out);
/* A profile as it may stand in a payload: missing, or a small object. *out is borrowed, NULL
 * when there is none. */
bool search_read_profile(json_t *profile, json_t **out);

#endif
