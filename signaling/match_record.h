/*
 * signaling/match_record.h - the last matches and why they were made, for whoever asks.
 *
 * A ring: of older ones nothing is kept. Sans-IO, one thread.
 */
#ifndef SIGNALING_MATCH_RECORD_H
#define SIGNALING_MATCH_RECORD_H

#include "signaling/match_score.h"

#include <jansson.h>

#define MATCH_ID_LEN 16
#define MATCH_RECORDS_MAX 1024 /* 80 bytes each */

struct match_record {
    char id[MATCH_ID_LEN + 1];
    enum match_kind kind;
    struct match_parts parts;
    usec_t waited[2];
    usec_t at; /* wall clock */
};

struct match_records {
    struct match_record *record; /* owned */
    uint32_t count, next;
};

int match_records_init(struct match_records *records); /* RC_NOMEM */
void match_records_free(struct match_records *records);
void match_records_note(struct match_records *records, const struct match_record *record);
/* The match with that id, NULL when it is not among the last; valid until the next note. Looks
 * at all of them: for people who ask, not for every event. */
const struct match_record *match_records_find(const struct match_records *records,
                                              const char *id);
/* {matchId, type, score, parts: {…}, waited: [ms, ms], timestamp}. New reference, NULL without
 * memory. */
json_t *match_record_json(const struct match_record *record);

#endif
