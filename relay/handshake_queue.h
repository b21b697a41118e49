/*
 * relay/handshake_queue.h - the DTLS handshakes that are half open, oldest first, and how many
 * there may be: each costs 65 kB and half a millisecond of processor.
 *
 * When all places are taken, one that has taken longer than HANDSHAKE_PATIENCE gives way:
 * whoever opens handshakes and never ends them keeps nobody out for longer than that.
 *
 * Sans-IO, no malloc: entries are embedded in what they stand for. One thread.
 */
#ifndef RELAY_HANDSHAKE_QUEUE_H
#define RELAY_HANDSHAKE_QUEUE_H

#include "core/base.h"

/* Two round trips and a few retransmissions on a bad path. */
#define HANDSHAKE_PATIENCE SEC(3)

struct handshake {
    struct handshake *next, *previous; /* borrowed */
    usec_t began;
    bool queued;
};

struct handshake_queue {
    struct handshake *first, *last; /* borrowed; NULL: empty */
    uint32_t count, max;
};

void handshake_queue_init(struct handshake_queue *queue, uint32_t max);
/* Queues one that is not queued. RC_FULL: there is no place. RC_OK with *evicted set: that one
 * had to go and is not queued any more, so its owner ends it. */
int handshake_queue_add(struct handshake_queue *queue, struct handshake *handshake, usec_t now,
                        struct handshake **evicted);
/* It is over, either way. Harmless for one that is not queued. */
void handshake_queue_remove(struct handshake_queue *queue, struct handshake *handshake);

#endif
