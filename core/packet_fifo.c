#include "core/packet_fifo.h"

#include <stdlib.h>
#include <string.h>

/* In front of each packet. */
struct record {
    size_t len;
    struct packet_note note;
};

void packet_fifo_init(struct packet_fifo *fifo, size_t limit)
{
    *fifo = (struct packet_fifo){.limit = limit};
}

void packet_fifo_clear(struct packet_fifo *fifo)
{
    const size_t limit = fifo->limit;

    free(fifo->buffer);
    packet_fifo_init(fifo, limit);
}

static size_t aligned(size_t n)
{
    return (n + 7) & ~(size_t)7;
}

/* Room for `need` bytes at the end: by moving what waits to the front, or into a larger buffer.
 */
static int make_room(struct packet_fifo *fifo, size_t need)
{
    const size_t used = fifo->end - fifo->start;
    size_t size = fifo->size ? fifo->size : PACKET_FIFO_SMALL;

    if (fifo->size - fifo->end >= need)
        return RC_OK;
    if (used + need > fifo->limit)
        return RC_FULL;
    while (size < (used + need) / 2 * 3) /* or a full one would be moved for each packet */
        size *= 2;
    uint8_t *buffer = fifo->buffer;
    if (size != fifo->size) {
        buffer = malloc(size);
        if (!buffer)
            return RC_NOMEM;
    }
    if (used)
        memmove(buffer, fifo->buffer + fifo->start, used);
    if (buffer != fifo->buffer)
        free(fifo->buffer);
    fifo->buffer = buffer;
    fifo->size = size;
    fifo->start = 0;
    fifo->end = used;
    return RC_OK;
}

static uint8_t *append(uint8_t *at, struct span part)
{
    if (part.n)
        memcpy(at, part.p, part.n);
    return at + part.n;
}

int packet_fifo_put(struct packet_fifo *fifo, const struct packet_parts *parts,
                    const struct packet_note *note)
{
    const struct record record = {parts->head.n + parts->data.n + parts->tail, *note};
    const size_t need = aligned(sizeof record + record.len);

    if (fifo->end - fifo->start + need > fifo->limit)
        return RC_FULL;
    const int rc = make_room(fifo, need);
    if (rc != RC_OK)
        return rc;
    uint8_t *at = fifo->buffer + fifo->end;
    memcpy(at, &record, sizeof record);
    at = append(at + sizeof record, parts->head);
    at = append(at, parts->data);
    memset(at, 0, parts->tail);
    fifo->end += need;
    fifo->count++;
    fifo->bytes += record.len;
    return RC_OK;
}

bool packet_fifo_first(const struct packet_fifo *fifo, struct packet_item *out)
{
    struct record record;

    if (fifo->count == 0)
        return false;
    memcpy(&record, fifo->buffer + fifo->start, sizeof record);
    *out = (struct packet_item){
        .bytes = {fifo->buffer + fifo->start + sizeof record, record.len},
        .note = record.note,
    };
    return true;
}

void packet_fifo_pop(struct packet_fifo *fifo)
{
    struct record record;

    memcpy(&record, fifo->buffer + fifo->start, sizeof record);
    fifo->start += aligned(sizeof record + record.len);
    fifo->count--;
    fifo->bytes -= record.len;
    if (fifo->count)
        return;
    fifo->start = fifo->end = 0;
    if (fifo->size > PACKET_FIFO_KEPT)
        packet_fifo_clear(fifo);
}
