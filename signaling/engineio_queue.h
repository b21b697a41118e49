/*
 * signaling/engineio_queue.h - Engine.IO packets that are ready to go, counted references, and
 * the queue in which they wait for a poll.
 *
 * Sans-IO. One thread. A packet for many sessions is encoded once. A queue is a plain value,
 * embedded in its session, without memory while it is empty.
 */
#ifndef SIGNALING_ENGINEIO_QUEUE_H
#define SIGNALING_ENGINEIO_QUEUE_H

#include "core/base.h"
#include "signaling/engineio.h"
#include "signaling/engineio_packet.h"

/* struct eio_message is declared in engineio.h, where its functions for everybody stand. */

/* A text packet of any type with room for n bytes behind its type digit. NULL: no memory. */
struct eio_message *eio_message_create_type(enum eio_type type, size_t n);
/* A packet without data, shared by all: reference counts do not apply. */
struct eio_message *eio_message_control(enum eio_type type);
struct eio_message *eio_message_retain(struct eio_message *message); /* returns it */
struct eio_raw eio_message_raw(const struct eio_message *message);

struct eio_queue {
    struct eio_message **item; /* owned references, oldest first */
    uint32_t count, capacity;
    size_t bytes; /* of all packets together */
};

/* Appends with a reference of its own. RC_FULL: it would be more than `max_messages` or
 * `max_bytes`; RC_NOMEM. */
int eio_queue_push(struct eio_queue *queue, struct eio_message *message, uint32_t max_messages,
                   size_t max_bytes);
/* Drops what is in it and gives the memory back. */
void eio_queue_clear(struct eio_queue *queue);

/* All packets as one payload, in memory that the caller frees; NULL: none left. The queue stays
 * as it is. */
uint8_t *eio_queue_payload(const struct eio_queue *queue, struct eio_format format, size_t *n,
                           bool *octets);

#endif
