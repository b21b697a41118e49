#include "relay/packet_ring.h"

#include <stdlib.h>
#include <string.h>

#define SIZE_MIN 4096u
#define INDEX_MIN 32u
#define ALIGN 8u

/* In front of each packet in the ring of bytes. Records never wrap: the bytes between `end` and
 * `size` are unused while the ring is wrapped. */
struct record {
    usec_t arrived;
    uint16_t seq;
    uint16_t len;
    uint32_t total; /* with this header, aligned */
};

static uint32_t record_total(size_t len)
{
    return (uint32_t)(sizeof(struct record) + len + ALIGN - 1) & ~(ALIGN - 1);
}

static struct record *record_at(const struct packet_ring *ring, uint32_t offset)
{
    return (struct record *)(void *)(ring->bytes + offset); /* offsets are multiples of ALIGN */
}

static uint32_t *slot_of(const struct packet_ring *ring, uint16_t seq)
{
    return &ring->index[seq & (ring->index_size - 1)];
}

/* With records, tail == head means full. */
static bool wrapped(const struct packet_ring *ring)
{
    return ring->count > 0 && ring->tail <= ring->head;
}

static uint32_t used(const struct packet_ring *ring)
{
    if (ring->count == 0)
        return 0;
    return wrapped(ring) ? ring->end - ring->head + ring->tail : ring->tail - ring->head;
}

static void rewind_empty(struct packet_ring *ring)
{
    ring->head = ring->tail = 0;
    ring->end = ring->size;
}

static uint32_t following(const struct packet_ring *ring, uint32_t offset)
{
    const uint32_t after = offset + record_at(ring, offset)->total;
    return after == ring->end ? 0 : after;
}

static void pop(struct packet_ring *ring)
{
    const struct record *oldest = record_at(ring, ring->head);
    uint32_t *slot = slot_of(ring, oldest->seq);

    if (*slot == ring->head + 1)
        *slot = 0;
    ring->head = following(ring, ring->head);
    if (--ring->count == 0)
        rewind_empty(ring);
    else if (!wrapped(ring))
        ring->end = ring->size;
}

static void pop_expired(struct packet_ring *ring, usec_t now)
{
    while (ring->count > 0 && record_at(ring, ring->head)->arrived + ring->options.keep <= now)
        pop(ring);
}

/* Finds where `total` bytes can lie; true when there is room, with the tail moved there. */
static bool make_place(struct packet_ring *ring, uint32_t total)
{
    if (wrapped(ring))
        return ring->head - ring->tail >= total;
    if (ring->size - ring->tail >= total)
        return true;
    if (ring->count == 0 || ring->head < total)
        return false;
    ring->end = ring->tail;
    ring->tail = 0;
    return true;
}

/* Moves everything to memory of another size. All records must fit. On failure nothing changed.
 */
static int resize(struct packet_ring *ring, uint32_t size, uint32_t index_size)
{
    uint8_t *bytes = malloc(size);
    uint32_t *index = calloc(index_size, sizeof *index);

    if (!bytes || !index) {
        free(bytes);
        free(index);
        return RC_NOMEM;
    }

    struct packet_ring moved = *ring;
    moved.bytes = bytes;
    moved.index = index;
    moved.size = moved.end = size;
    moved.index_size = index_size;
    moved.head = moved.tail = 0;
    for (uint32_t i = 0, from = ring->head; i < ring->count; i++) {
        const struct record *record = record_at(ring, from);

        memcpy(bytes + moved.tail, record, record->total);
        if (*slot_of(ring, record->seq) == from + 1)
            *slot_of(&moved, record->seq) = moved.tail + 1;
        moved.tail += record->total;
        from = following(ring, from);
    }
    /* Exactly full: the next record goes to the front, as in any other ring. */
    if (ring->count > 0 && moved.tail == size)
        moved.tail = 0;
    free(ring->bytes);
    free(ring->index);
    *ring = moved;
    return RC_OK;
}

static uint32_t clamp(uint32_t value, uint32_t low, uint32_t high)
{
    if (value < low)
        value = low;
    return value < high ? value : high;
}

/* Grows by a quarter towards the limit; false at the limit or without memory. */
static bool grow_bytes(struct packet_ring *ring, uint32_t total)
{
    const uint32_t limit = ring->options.bytes_max & ~(ALIGN - 1);
    const uint32_t wanted = (ring->size + ring->size / 4 + total) & ~(ALIGN - 1);
    const uint32_t size = clamp(wanted, SIZE_MIN, limit);

    return size > ring->size &&
           resize(ring, size, ring->index_size ? ring->index_size : INDEX_MIN) == RC_OK;
}

static bool grow_index(struct packet_ring *ring)
{
    return ring->index_size < ring->options.packets_max &&
           resize(ring, ring->size, 2 * ring->index_size) == RC_OK;
}

/* Makes room in the bytes: by growth while the oldest record is still wanted, else by dropping.
 */
static int make_room(struct packet_ring *ring, uint32_t total)
{
    while (!make_place(ring, total)) {
        if (grow_bytes(ring, total))
            continue;
        if (ring->count == 0)
            return RC_NOMEM;
        pop(ring);
    }
    return RC_OK;
}

/* Makes room in the index. RC_BAD when the packet is there or a newer one holds its place. */
static int make_slot(struct packet_ring *ring, uint16_t seq)
{
    while (ring->count >= ring->index_size && grow_index(ring))
        continue;
    while (ring->count >= ring->index_size)
        pop(ring);

    for (;;) {
        const uint32_t taken = *slot_of(ring, seq);
        if (taken == 0)
            return RC_OK;
        const uint16_t other = record_at(ring, taken - 1)->seq;
        if (other == seq)
            return RC_BAD;
        if (!grow_index(ring))
            return seq16_after(other, seq) ? RC_BAD : RC_OK;
    }
}

void packet_ring_init(struct packet_ring *ring, const struct packet_ring_options *options)
{
    uint32_t packets = INDEX_MIN;

    *ring = (struct packet_ring){.options = *options};
    while (2 * packets <= options->packets_max && packets < PACKET_RING_PACKETS_MAX)
        packets *= 2;
    ring->options.packets_max = packets;
    if (ring->options.bytes_max < SIZE_MIN)
        ring->options.bytes_max = SIZE_MIN;
}

void packet_ring_free(struct packet_ring *ring)
{
    free(ring->bytes);
    free(ring->index);
    *ring = (struct packet_ring){.options = ring->options};
}

int packet_ring_put(struct packet_ring *ring, uint16_t seq, struct span packet, usec_t now)
{
    if (packet.n == 0 || packet.n > PACKET_RING_PACKET_LEN_MAX)
        return RC_BAD;
    const uint32_t total = record_total(packet.n);

    pop_expired(ring, now);
    if (ring->index_size > 0) {
        const int rc = make_slot(ring, seq);
        if (rc != RC_OK)
            return rc;
    }
    if (make_room(ring, total) != RC_OK)
        return RC_NOMEM;

    const struct record record = {now, seq, (uint16_t)packet.n, total};
    memcpy(ring->bytes + ring->tail, &record, sizeof record);
    memcpy(ring->bytes + ring->tail + sizeof record, packet.p, packet.n);
    *slot_of(ring, seq) = ring->tail + 1;
    ring->count++;
    ring->tail += total;
    if (ring->tail == ring->size) {
        ring->end = ring->size;
        ring->tail = 0;
    }
    if (used(ring) > ring->peak)
        ring->peak = used(ring);
    return RC_OK;
}

bool packet_ring_get(const struct packet_ring *ring, uint16_t seq, usec_t now,
                     struct packet_ring_entry *out)
{
    if (ring->count == 0)
        return false;
    const uint32_t taken = *slot_of(ring, seq);
    if (taken == 0)
        return false;
    const struct record *record = record_at(ring, taken - 1);
    if (record->seq != seq || record->arrived + ring->options.keep <= now)
        return false;

    out->packet = (struct span){ring->bytes + taken - 1 + sizeof *record, record->len};
    out->arrived = record->arrived;
    return true;
}

void packet_ring_clear(struct packet_ring *ring)
{
    ring->count = 0;
    rewind_empty(ring);
    if (ring->index)
        memset(ring->index, 0, ring->index_size * sizeof *ring->index);
}

void packet_ring_set_keep(struct packet_ring *ring, usec_t keep)
{
    ring->options.keep = keep;
}

void packet_ring_tick(struct packet_ring *ring, usec_t now)
{
    pop_expired(ring, now);

    const uint32_t spare = ring->peak / 8 + (uint32_t)sizeof(struct record);
    const uint32_t needed = clamp(ring->peak + spare, SIZE_MIN, ring->size) & ~(ALIGN - 1);
    if (ring->count == 0 && ring->peak == 0)
        packet_ring_free(ring);
    else if (needed < ring->size - ring->size / 4)
        (void)resize(ring, needed,
                     ring->index_size); /* no memory: it stays as large as it is */
    ring->peak = used(ring);
}

size_t packet_ring_memory(const struct packet_ring *ring)
{
    return ring->size + ring->index_size * sizeof *ring->index;
}
