#include "signaling/match_record.h"

#include <stdlib.h>
#include <string.h>

int match_records_init(struct match_records *records)
{
    records->count = records->next = 0;
    records->record = calloc(MATCH_RECORDS_MAX, sizeof *records->record);
    return records->record ? RC_OK : RC_NOMEM;
}

void match_records_free(struct match_records *records)
{
    free(records->record);
    records->record = NULL;
}

void match_records_note(struct match_records *records, const struct match_record *record)
{
    records->record[records->next] = *record;
    records->next = (records->next + 1) % MATCH_RECORDS_MAX;
    if (records->count < MATCH_RECORDS_MAX)
        records->count++;
}

const struct match_record *match_records_find(const struct match_records *records,
                                              const char *id)
{
    for (uint32_t i = 0; i < records->count; i++)
        if (strcmp(records->record[i].id, id) == 0)
            return &records->record[i];
    return NULL;
}

json_t *match_record_json(const struct match_record *record)
{
    const struct match_parts *p = &record->parts;
    json_t *parts =
        json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i}", "quality", p->quality, "region",
                  p->region, "languages", p->language, "interests", p->interest, "freshness",
                  p->fresh, "waiting", p->waiting, "metBefore", p->met, "wishes", p->wish);

    /* "o" takes it over, also when it is NULL. */
    return json_pack("{s:s, s:s, s:i, s:o, s:[I, I], s:I}", "matchId", record->id, "type",
                     record->kind == MATCH_TEXT ? "text" : "video", "score", p->total, "parts",
                     parts, "waited", (json_int_t)(record->waited[0] / 1000),
                     (json_int_t)(record->waited[1] / 1000), "timestamp",
                     (json_int_t)(record->at / 1000));
}
