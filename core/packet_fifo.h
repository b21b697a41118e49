/*
 * core/packet_fifo.h - packets that wait, first in, first out, in one piece of memory.
 *
 * Sans-IO. Grows by doubling up to a limit, and gives a large buffer back when it runs empty:
 * no allocation per packet. Plain value to embed; zero is empty with a limit of nothing.
 */
#ifndef CORE_PACKET_FIFO_H
#define CORE_PACKET_FIFO_H

#include "core/base.h"

#define PACKET_FIFO_SMALL 2048 /* to begin with */
#define PACKET_FIFO_KEPT 32768 /* no more than that is kept while empty */

struct packet_fifo {
    uint8_t *buffer; /* owned */
    size_t size, start, end, limit;
    size_t count, bytes; /* packets that wait, and what they hold */
};

/* What a packet is made of, one behind the other. */
struct packet_parts {
    struct span head, data;
    size_t tail; /* zero bytes */
};

struct packet_note {
    usec_t when;  /* it came in */
    uint32_t tag; /* the owner's */
};

struct packet_item {
    struct span bytes; /* valid until the next put or pop */
    struct packet_note note;
};

/* `limit`: bytes of all packets that wait, and 24 for each. */
void packet_fifo_init(struct packet_fifo *fifo, size_t limit);
void packet_fifo_clear(struct packet_fifo *fifo);

/* RC_FULL: over the limit; RC_NOMEM. */
int packet_fifo_put(struct packet_fifo *fifo, const struct packet_parts *parts,
                    const struct packet_note *note);
/* The oldest; false: empty. */
bool packet_fifo_first(const struct packet_fifo *fifo, struct packet_item *out);
void packet_fifo_pop(struct packet_fifo *fifo);

#endif
