#include "signaling/match_record.h"
#include "tests/t.h"

static struct match_record record(int number)
{
    struct match_record r = {.kind = MATCH_TEXT,
                             .parts = {.quality = 30,
                                       .region = 25,
                                       .language = 12,
                                       .interest = 6,
                                       .fresh = 10,
                                       .waiting = 2,
                                       .met = -7,
                                       .wish = -20,
                                       .total = 58},
                             .waited = {MSEC(1500), 0},
                             .at = SEC(1700000000)};

    snprintf(r.id, sizeof r.id, "match-%d", number);
    return r;
}

static void the_last_matches_are_found_by_their_id(void)
{
    struct match_records records;

    T_EQ(match_records_init(&records), RC_OK);
    T_OK(!match_records_find(&records, "match-0"));
    T_OK(!match_records_find(&records, ""));
    for (int i = 0; i < MATCH_RECORDS_MAX + 10; i++) {
        const struct match_record r = record(i);
        match_records_note(&records, &r);
        T_STR(match_records_find(&records, r.id)->id, r.id);
    }
    T_OK(!match_records_find(&records, "match-9"));
    T_OK(match_records_find(&records, "match-10"));
    T_EQ(records.count, MATCH_RECORDS_MAX);
    match_records_free(&records);
}

static void a_match_is_explained_by_the_parts_of_its_score(void)
{
    const struct match_record r = record(3);
    json_t *json = match_record_json(&r);
    char *text = json_dumps(json, JSON_COMPACT);

    T_STR(text,
          "{\"matchId\":\"match-3\",\"type\":\"text\",\"score\":58,\"parts\":{\"quality\":30,"
          "\"region\":25,\"languages\":12,\"interests\":6,\"freshness\":10,\"waiting\":2,"
          "\"metBefore\":-7,\"wishes\":-20},\"waited\":[1500,0],\"timestamp\":1700000000000}");
    free(text);
    json_decref(json);
}

static const struct t_case cases[] = {
    T_CASE(the_last_matches_are_found_by_their_id),
    T_CASE(a_match_is_explained_by_the_parts_of_its_score),
};

T_MAIN(cases)
