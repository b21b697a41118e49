/*
 * turn/leg_queue.h - what a stream client is still to be sent: whole messages, in order, each
 * with the time at which it came.
 *
 * Sans-IO, one thread. Plain value to embed; memory is allocated with the first message that
 * has to wait and freed when none does, so that a leg without congestion holds none. Bounded in
 * bytes and in time: relayed data that waited too long is thrown away whole, because a receiver
 * that has to play it out has given up on it, and everything behind it would come as late.
 */
#ifndef TURN_LEG_QUEUE_H
#define TURN_LEG_QUEUE_H

#include "core/base.h"

#define LEG_QUEUE_BYTES (64 * 1024)   /* default: 100 ms at 5 Mbit/s */
#define LEG_QUEUE_AGE MSEC(100)       /* default */
#define LEG_QUEUE_RESERVE (16 * 1024) /* on top, for replies: data cannot crowd them out */

enum leg_kind {
    LEG_REPLY, /* what the protocol needs: never dropped */
    LEG_DATA,  /* what a peer sent: as good as a datagram */
};

/* One message in up to three pieces, any of them empty. */
struct leg_message {
    enum leg_kind kind;
    struct span head, data;
    size_t tail; /* zero bytes behind them, 0 to 3 */
};

static inline size_t leg_message_bytes(const struct leg_message *message)
{
    return message->head.n + message->data.n + message->tail;
}

struct leg_queue {
    uint8_t *memory;   /* owned; NULL while nothing waits */
    size_t begin, end; /* records in it */
    size_t bytes;      /* of the messages that wait, nothing else */
    size_t limit;      /* of those of kind LEG_DATA put in */
    usec_t age_limit;
    uint64_t dropped_full, dropped_late; /* messages of kind LEG_DATA */
};

/* 0, 0: the defaults. */
void leg_queue_init(struct leg_queue *queue, size_t limit, usec_t age_limit);
/* Drops everything. */
void leg_queue_clear(struct leg_queue *queue);

/* Copies it to the end. RC_FULL: over the limit; data is then counted in dropped_full, a reply
 * means that the client reads nothing. RC_NOMEM. */
int leg_queue_put(struct leg_queue *queue, const struct leg_message *message, usec_t now);
/* The oldest that is still worth sending; drops and counts data in front of it that is too old.
 * False: nothing waits. *message is valid until the queue is touched again. */
bool leg_queue_front(struct leg_queue *queue, usec_t now, struct span *message);
/* Takes away what leg_queue_front said. */
void leg_queue_pop(struct leg_queue *queue);
/* Drops all data and keeps the replies. */
void leg_queue_drop_data(struct leg_queue *queue);

/* How long the oldest has waited; 0 when nothing does. */
usec_t leg_queue_delay(const struct leg_queue *queue, usec_t now);

static inline bool leg_queue_is_empty(const struct leg_queue *queue)
{
    return queue->begin == queue->end;
}

#endif
