#include "turn/leg_queue.h"

#include <stdlib.h>
#include <string.h>

/* Stands before each message; copied out and in, for the memory has no alignment. */
struct record {
    usec_t since;
    uint32_t n;
    uint32_t kind; /* enum leg_kind */
};

/* Records lie one behind the other and none is cut. When the end is reached, what waits is
 * moved to the beginning: it is at most half of the memory, so that each byte is moved once on
 * the average. */
static size_t room(const struct leg_queue *queue)
{
    return 2 * (queue->limit + LEG_QUEUE_RESERVE);
}

void leg_queue_init(struct leg_queue *queue, size_t limit, usec_t age_limit)
{
    *queue = (struct leg_queue){
        .limit = limit ? limit : LEG_QUEUE_BYTES,
        .age_limit = age_limit ? age_limit : LEG_QUEUE_AGE,
    };
}

void leg_queue_clear(struct leg_queue *queue)
{
    free(queue->memory);
    queue->memory = NULL;
    queue->begin = queue->end = queue->bytes = 0;
}

static struct record front(const struct leg_queue *queue)
{
    struct record record;

    memcpy(&record, queue->memory + queue->begin, sizeof record);
    return record;
}

void leg_queue_pop(struct leg_queue *queue)
{
    const struct record record = front(queue);

    queue->begin += sizeof record + record.n;
    queue->bytes -= record.n;
    if (leg_queue_is_empty(queue))
        leg_queue_clear(queue);
}

static void drop_late(struct leg_queue *queue, usec_t now)
{
    while (!leg_queue_is_empty(queue)) {
        const struct record record = front(queue);

        if (record.kind != LEG_DATA || now - record.since <= queue->age_limit)
            return;
        queue->dropped_late++;
        leg_queue_pop(queue);
    }
}

static bool make_room(struct leg_queue *queue, size_t n)
{
    if (!queue->memory)
        queue->memory = malloc(room(queue));
    if (!queue->memory)
        return false;
    if (n <= room(queue) - queue->end)
        return true;
    memmove(queue->memory, queue->memory + queue->begin, queue->end - queue->begin);
    queue->end -= queue->begin;
    queue->begin = 0;
    return n <= room(queue) - queue->end;
}

static uint8_t *copy(uint8_t *p, struct span piece)
{
    if (piece.n > 0)
        memcpy(p, piece.p, piece.n);
    return p + piece.n;
}

int leg_queue_put(struct leg_queue *queue, const struct leg_message *message, usec_t now)
{
    const struct record record = {now, (uint32_t)leg_message_bytes(message), message->kind};
    const bool is_data = message->kind == LEG_DATA;
    const size_t limit = queue->limit + (is_data ? 0 : LEG_QUEUE_RESERVE);

    drop_late(queue, now);
    /* What a record costs counts, too: a flood of empty messages is one all the same. */
    const size_t used = queue->end - queue->begin, need = sizeof record + record.n;
    if (used + need > limit) {
        queue->dropped_full += is_data;
        return RC_FULL;
    }
    if (!make_room(queue, need))
        return RC_NOMEM;

    uint8_t *p = queue->memory + queue->end;
    memcpy(p, &record, sizeof record);
    p = copy(p + sizeof record, message->head);
    p = copy(p, message->data);
    memset(p, 0, message->tail);
    queue->end += need;
    queue->bytes += record.n;
    return RC_OK;
}

bool leg_queue_front(struct leg_queue *queue, usec_t now, struct span *message)
{
    drop_late(queue, now);
    if (leg_queue_is_empty(queue))
        return false;
    *message =
        (struct span){queue->memory + queue->begin + sizeof(struct record), front(queue).n};
    return true;
}

void leg_queue_drop_data(struct leg_queue *queue)
{
    size_t to = queue->begin, at = queue->begin;

    while (at < queue->end) {
        struct record record;

        memcpy(&record, queue->memory + at, sizeof record);
        const size_t n = sizeof record + record.n;
        if (record.kind == LEG_DATA) {
            queue->bytes -= record.n;
        } else {
            memmove(queue->memory + to, queue->memory + at, n);
            to += n;
        }
        at += n;
    }
    queue->end = to;
    if (leg_queue_is_empty(queue))
        leg_queue_clear(queue);
}

usec_t leg_queue_delay(const struct leg_queue *queue, usec_t now)
{
    return leg_queue_is_empty(queue) ? 0 : now - front(queue).since;
}
