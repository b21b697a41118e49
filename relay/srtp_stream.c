#include "relay/srtp_stream.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 4 /* audio, video, their RTX or the SSRC that only sends RTCP */

int srtp_stream_table_init(struct srtp_stream_table *table, uint32_t limit)
{
    *table = (struct srtp_stream_table){.capacity = FIRST_CAPACITY, .limit = limit};
    table->slot = calloc(table->capacity, sizeof *table->slot);
    return table->slot ? RC_OK : RC_NOMEM;
}

void srtp_stream_table_free(struct srtp_stream_table *table)
{
    free(table->slot);
    *table = (struct srtp_stream_table){0};
}

struct srtp_stream *srtp_stream_table_find(struct srtp_stream_table *table, uint32_t ssrc)
{
    if (table->last < table->count && table->slot[table->last].ssrc == ssrc)
        return &table->slot[table->last];
    for (uint32_t i = 0; i < table->count; i++) {
        if (table->slot[i].ssrc == ssrc) {
            table->last = i;
            return &table->slot[i];
        }
    }
    return NULL;
}

static bool grow(struct srtp_stream_table *table)
{
    const uint32_t twice = table->capacity * 2;
    const uint32_t capacity = twice < table->limit ? twice : table->limit;

    if (capacity <= table->capacity)
        return false;
    struct srtp_stream *slot = realloc(table->slot, capacity * sizeof *slot);
    if (!slot)
        return false;
    table->slot = slot;
    table->capacity = capacity;
    return true;
}

struct srtp_stream *srtp_stream_table_add(struct srtp_stream_table *table, uint32_t ssrc)
{
    if (table->count == table->capacity && !grow(table))
        return NULL;
    struct srtp_stream *stream = &table->slot[table->count++];
    *stream = (struct srtp_stream){.ssrc = ssrc, .used_at = ++table->tick};
    return stream;
}

struct srtp_stream *srtp_stream_table_recycle(struct srtp_stream_table *table, uint32_t ssrc,
                                              uint32_t *old)
{
    struct srtp_stream *oldest = &table->slot[0];

    for (uint32_t i = 1; i < table->count; i++) {
        if (table->slot[i].used_at < oldest->used_at)
            oldest = &table->slot[i];
    }
    *old = oldest->ssrc;
    *oldest = (struct srtp_stream){.ssrc = ssrc, .used_at = ++table->tick};
    return oldest;
}

uint64_t srtp_index_estimate(uint64_t highest, uint16_t seq)
{
    uint64_t index = (highest & ~UINT64_C(0xffff)) | seq;

    if (index + 0x8000 < highest)
        index += 0x10000;
    else if (index > highest + 0x8000 && index >= 0x10000)
        index -= 0x10000;
    return index;
}

/* --- replay window: bit `index` lives in word index / 64 modulo the ring
 * ------------------------- */

static bool window_is_fresh(const uint64_t *ring, size_t words, uint64_t highest,
                            uint64_t index)
{
    if (index > highest)
        return true;
    if (highest - index >= (words - 1) * 64)
        return false;
    return !(ring[index / 64 % words] >> index % 64 & 1);
}

/* Returns the highest index from now on. */
static uint64_t window_mark(uint64_t *ring, size_t words, uint64_t highest, uint64_t index)
{
    if (index > highest) {
        const uint64_t passed = index / 64 - highest / 64;
        for (uint64_t i = 1; i <= passed && i <= words; i++)
            ring[(highest / 64 + i) % words] = 0;
        highest = index;
    }
    ring[index / 64 % words] |= UINT64_C(1) << index % 64;
    return highest;
}

bool srtp_stream_is_fresh(const struct srtp_stream *stream, uint64_t index)
{
    return window_is_fresh(stream->window, ARRAY_LEN(stream->window), stream->highest, index);
}

bool srtp_stream_is_fresh_rtcp(const struct srtp_stream *stream, uint32_t index)
{
    return window_is_fresh(stream->rtcp_window, ARRAY_LEN(stream->rtcp_window),
                           stream->rtcp_highest, index);
}

void srtp_stream_mark(struct srtp_stream *stream, uint64_t index)
{
    stream->highest =
        window_mark(stream->window, ARRAY_LEN(stream->window), stream->highest, index);
}

void srtp_stream_mark_rtcp(struct srtp_stream *stream, uint32_t index)
{
    stream->rtcp_highest = (uint32_t)window_mark(
        stream->rtcp_window, ARRAY_LEN(stream->rtcp_window), stream->rtcp_highest, index);
}
