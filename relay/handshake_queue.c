#include "relay/handshake_queue.h"

void handshake_queue_init(struct handshake_queue *queue, uint32_t max)
{
    *queue = (struct handshake_queue){.max = max};
}

/* Who gives way at `now`; NULL: nobody. */
static struct handshake *overdue(const struct handshake_queue *queue, usec_t now)
{
    struct handshake *first = queue->first;

    return first && now - first->began >= HANDSHAKE_PATIENCE ? first : NULL;
}

int handshake_queue_add(struct handshake_queue *queue, struct handshake *handshake, usec_t now,
                        struct handshake **evicted)
{
    *evicted = NULL;
    if (queue->count >= queue->max) {
        *evicted = overdue(queue, now);
        if (!*evicted)
            return RC_FULL;
        handshake_queue_remove(queue, *evicted);
    }
    *handshake = (struct handshake){.previous = queue->last, .began = now, .queued = true};
    if (queue->last)
        queue->last->next = handshake;
    else
        queue->first = handshake;
    queue->last = handshake;
    queue->count++;
    return RC_OK;
}

void handshake_queue_remove(struct handshake_queue *queue, struct handshake *handshake)
{
    if (!handshake->queued)
        return;
    if (handshake->previous)
        handshake->previous->next = handshake->next;
    else
        queue->first = handshake->next;
    if (handshake->next)
        handshake->next->previous = handshake->previous;
    else
        queue->last = handshake->previous;
    *handshake = (struct handshake){.queued = false};
    queue->count--;
}
