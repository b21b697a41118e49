/*
 * relay/packet_ring.h - the latest plaintext RTP packets of one incoming track, by sequence
 * number: what a receiver's NACK is answered from, and the one copy of a packet that the relay
 * keeps.
 *
 * Sans-IO. Embedded in the incoming track; free it with the track. One worker. Memory follows
 * use: none until the first packet, then it grows (by a quarter, no more often than needed)
 * until it holds `keep` of media or reaches its limit, and packet_ring_tick gives memory back.
 * In between no malloc per packet. Packets lie in a ring of bytes in the order of arrival; an
 * index finds them by sequence number. All O(1), amortized over growth.
 */
#ifndef RELAY_PACKET_RING_H
#define RELAY_PACKET_RING_H

#include "core/base.h"

#define PACKET_RING_PACKETS_MAX 1024 /* and a power of two: over 1 s of 5 Mbit/s */
#define PACKET_RING_PACKET_LEN_MAX 2048

struct packet_ring_options {
    uint32_t bytes_max;   /* of packet memory; 18 more for each packet of the index */
    uint32_t packets_max; /* a power of two, at most PACKET_RING_PACKETS_MAX */
    usec_t keep;          /* older packets are not found any more */
};

/*
 * At 1 Mbit/s 300 ms are 40 kB. A packet lost on a path of that RTT is asked for and answered
 * once; raise `keep` with the receiver's RTT (three of them, at most a second) where it is
 * longer.
 */
#define PACKET_RING_VIDEO                                                                      \
    ((struct packet_ring_options){                                                             \
        .bytes_max = 128 * 1024, .packets_max = 512, .keep = MSEC(300)})

struct packet_ring_record;

struct packet_ring {
    struct packet_ring_options options;
    uint8_t *bytes;                    /* owned */
    struct packet_ring_record *record; /* owned; index_size of them, a ring too */
    uint16_t *index; /* owned; place in `record` plus one by seq & (index_size - 1), 0: none */
    uint32_t size, index_size;
    uint32_t first;     /* place of the oldest record */
    uint32_t tail, end; /* where the next packet goes, where the bytes wrap */
    uint32_t count;     /* records, those included that the index lost */
    uint32_t peak;      /* most bytes in use since the last tick */
    uint32_t need;      /* the same over the last ticks, forgotten slowly */
};

struct packet_ring_entry {
    struct span packet; /* valid until the next put, tick, clear or free */
    usec_t arrived;
};

/* Empty; no memory is taken. */
void packet_ring_init(struct packet_ring *ring, const struct packet_ring_options *options);
/* Harmless twice. The ring is empty and usable afterwards. */
void packet_ring_free(struct packet_ring *ring);

/* Copies a packet in. `now` must not go back. RC_OK; RC_BAD for a length of 0 or over the
 * limit, a sequence number that is there already, or one so old that a newer one holds its
 * place; RC_NOMEM when there is not even memory for the smallest ring. */
int packet_ring_put(struct packet_ring *ring, uint16_t seq, struct span packet, usec_t now);

/* A hint that packets will be put: where the next one goes, and what is looked at for it. */
void packet_ring_prefetch(const struct packet_ring *ring);

/* Finds a packet younger than `keep`. False when it is not (or no longer) here. */
bool packet_ring_get(const struct packet_ring *ring, uint16_t seq, usec_t now,
                     struct packet_ring_entry *out);

/* Forgets all packets and keeps the memory: the sender restarted its sequence. */
void packet_ring_clear(struct packet_ring *ring);
/* Changes how long packets are kept, e.g. with the receiver's RTT. */
void packet_ring_set_keep(struct packet_ring *ring, usec_t keep);
/* About once a second: forgets old packets, and gives back memory that was not needed for some
 * ticks: `keep` follows a measured RTT, and a ring that followed each swing of it would be
 * moved every other second. A silent track gives all of it back at once. */
void packet_ring_tick(struct packet_ring *ring, usec_t now);
/* Bytes of heap in use now. */
size_t packet_ring_memory(const struct packet_ring *ring);

#endif
