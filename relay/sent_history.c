#include "relay/sent_history.h"

#include <stdlib.h>

#define SIZE_MIN 64u
#define KEEP_MS ((uint32_t)(SENT_HISTORY_KEEP / 1000))

/* Wraps after 49 days, which differences survive. Never 0, the mark of an empty entry. */
static uint32_t milliseconds(usec_t now)
{
    const uint32_t ms = (uint32_t)(now / 1000);
    return ms ? ms : 1;
}

static bool alive(const struct sent_history_entry *entry, uint32_t now_ms)
{
    return entry->sent_ms != 0 && now_ms - entry->sent_ms < KEEP_MS;
}

static struct sent_history_entry *entry_of(const struct sent_history *history, uint16_t seq)
{
    return &history->entry[seq & (history->size - 1)];
}

static int resize(struct sent_history *history, uint32_t size)
{
    struct sent_history_entry *entry = calloc(size, sizeof *entry);

    if (!entry)
        return RC_NOMEM;
    for (uint32_t i = 0; i < history->size; i++) {
        const struct sent_history_entry *old = &history->entry[i];
        if (old->sent_ms)
            entry[old->seq & (size - 1)] = *old;
    }
    free(history->entry);
    history->entry = entry;
    history->size = size;
    return RC_OK;
}

void sent_history_init(struct sent_history *history, uint32_t size_max)
{
    uint32_t size = SIZE_MIN;

    while (2 * size <= size_max && size < SENT_HISTORY_MAX)
        size *= 2;
    *history = (struct sent_history){.size_max = size};
}

void sent_history_free(struct sent_history *history)
{
    free(history->entry);
    *history = (struct sent_history){.size_max = history->size_max};
}

int sent_history_add(struct sent_history *history, const struct sent_history_entry *packet,
                     usec_t now)
{
    const uint32_t now_ms = milliseconds(now);

    if (history->size == 0 && resize(history, SIZE_MIN) != RC_OK)
        return RC_NOMEM;

    struct sent_history_entry *entry = entry_of(history, packet->seq);
    while (entry->seq != packet->seq && alive(entry, now_ms)) {
        if (history->size == history->size_max || resize(history, 2 * history->size) != RC_OK) {
            if (seq16_after(entry->seq, packet->seq))
                return RC_BAD;
            break;
        }
        entry = entry_of(history, packet->seq);
    }
    *entry = *packet;
    entry->retransmits = 0;
    entry->sent_ms = now_ms;
    history->last_added = now;
    return RC_OK;
}

void sent_history_prefetch(const struct sent_history *history, uint16_t seq)
{
    /* A frame's packets lie in two or three cache lines. */
    for (unsigned i = 0; history->size > 0 && i < 3; i++)
        __builtin_prefetch(entry_of(history, (uint16_t)(seq + 4 * i)), 1);
}

int sent_history_resend(struct sent_history *history, uint16_t seq, usec_t rtt, usec_t now,
                        struct sent_history_entry *out)
{
    const uint32_t now_ms = milliseconds(now);
    const usec_t wanted = rtt - rtt / 4;
    const usec_t spacing =
        wanted > SENT_HISTORY_SPACING_MIN ? wanted : SENT_HISTORY_SPACING_MIN;

    if (history->size == 0)
        return RC_BAD;
    struct sent_history_entry *entry = entry_of(history, seq);
    if (entry->seq != seq || !alive(entry, now_ms))
        return RC_BAD;
    if (entry->retransmits >= SENT_HISTORY_RETRANSMITS)
        return RC_FULL;
    if (entry->retransmits > 0 && MSEC(now_ms - entry->sent_ms) < spacing)
        return RC_AGAIN;

    entry->retransmits++;
    entry->sent_ms = now_ms;
    *out = *entry;
    return RC_OK;
}

bool sent_history_find(const struct sent_history *history, uint16_t seq, usec_t now,
                       struct sent_history_entry *out)
{
    if (history->size == 0)
        return false;
    const struct sent_history_entry *entry = entry_of(history, seq);
    if (entry->seq != seq || !alive(entry, milliseconds(now)))
        return false;
    *out = *entry;
    return true;
}

void sent_history_tick(struct sent_history *history, usec_t now)
{
    if (history->size > 0 && history->last_added + 2 * SENT_HISTORY_KEEP <= now)
        sent_history_free(history);
}

size_t sent_history_memory(const struct sent_history *history)
{
    return history->size * sizeof *history->entry;
}
