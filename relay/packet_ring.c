#include "relay/packet_ring.h"

#include <stdlib.h>
#include <string.h>

#define SIZE_MIN 4096u
#define INDEX_MIN 32u
#define ALIGN 8u
#define FORGET_SHARE 8u      /* of what was needed, with each tick: half of it in five */
#define PREFETCH_BYTES 1280u /* a packet of video */

/* One packet. Records lie apart from the packets and side by side, since each put looks at the
 * oldest one too: in front of its packet it would be a cache miss for every packet of every
 * track. Packets never wrap: the bytes between `end` and `size` are unused while the ring is
 * wrapped. */
struct packet_ring_record {
    usec_t arrived;
    uint32_t offset;
    uint16_t len;
    uint16_t seq;
};

static uint32_t total_of(size_t len)
{
    return (uint32_t)(len + ALIGN - 1) & ~(ALIGN - 1);
}

/* The nth record from the oldest. */
static struct packet_ring_record *record_at(const struct packet_ring *ring, uint32_t n)
{
    return &ring->record[(ring->first + n) & (ring->index_size - 1)];
}

/* Its place in `record` plus one, 0: none. */
static uint16_t *slot_of(const struct packet_ring *ring, uint16_t seq)
{
    return &ring->index[seq & (ring->index_size - 1)];
}

static uint32_t head_of(const struct packet_ring *ring)
{
    return ring->count > 0 ? record_at(ring, 0)->offset : 0;
}

/* With records, tail == head means full. */
static bool wrapped(const struct packet_ring *ring)
{
    return ring->count > 0 && ring->tail <= head_of(ring);
}

static uint32_t used(const struct packet_ring *ring)
{
    if (ring->count == 0)
        return 0;
    return wrapped(ring) ? ring->end - head_of(ring) + ring->tail : ring->tail - head_of(ring);
}

static void rewind_empty(struct packet_ring *ring)
{
    ring->first = ring->tail = 0;
    ring->end = ring->size;
}

static void pop(struct packet_ring *ring)
{
    uint16_t *slot = slot_of(ring, record_at(ring, 0)->seq);

    if (*slot == ring->first + 1)
        *slot = 0;
    ring->first = (ring->first + 1) & (ring->index_size - 1);
    if (--ring->count == 0)
        rewind_empty(ring);
    else if (!wrapped(ring))
        ring->end = ring->size;
}

static void pop_expired(struct packet_ring *ring, usec_t now)
{
    while (ring->count > 0 && record_at(ring, 0)->arrived + ring->options.keep <= now)
        pop(ring);
}

/* Finds where `total` bytes can lie; true when there is room, with the tail moved there. */
static bool make_place(struct packet_ring *ring, uint32_t total)
{
    if (wrapped(ring))
        return head_of(ring) - ring->tail >= total;
    if (ring->size - ring->tail >= total)
        return true;
    if (ring->count == 0 || head_of(ring) < total)
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
    struct packet_ring_record *records = malloc(index_size * sizeof *records);
    uint16_t *index = calloc(index_size, sizeof *index);

    if (!bytes || !records || !index) {
        free(bytes);
        free(records);
        free(index);
        return RC_NOMEM;
    }

    struct packet_ring moved = *ring;
    moved.bytes = bytes;
    moved.record = records;
    moved.index = index;
    moved.size = moved.end = size;
    moved.index_size = index_size;
    moved.first = moved.tail = 0;
    for (uint32_t i = 0; i < ring->count; i++) {
        const struct packet_ring_record *from = record_at(ring, i);

        memcpy(bytes + moved.tail, ring->bytes + from->offset, from->len);
        records[i] = *from;
        records[i].offset = moved.tail;
        if (*slot_of(ring, from->seq) == from - ring->record + 1)
            *slot_of(&moved, from->seq) = (uint16_t)(i + 1);
        moved.tail += total_of(from->len);
    }
    /* Exactly full: the next record goes to the front, as in any other ring. */
    if (ring->count > 0 && moved.tail == size)
        moved.tail = 0;
    free(ring->bytes);
    free(ring->record);
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
    const uint16_t same =
        *slot_of(ring, seq); /* looked at before the oldest goes: it may be it */
    if (same && ring->record[same - 1].seq == seq)
        return RC_BAD;

    while (ring->count >= ring->index_size && grow_index(ring))
        continue;
    while (ring->count >= ring->index_size)
        pop(ring);

    for (;;) {
        const uint16_t taken = *slot_of(ring, seq);
        if (taken == 0)
            return RC_OK;
        const uint16_t other = ring->record[taken - 1].seq;
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
    free(ring->record);
    free(ring->index);
    *ring = (struct packet_ring){.options = ring->options};
}

int packet_ring_put(struct packet_ring *ring, uint16_t seq, struct span packet, usec_t now)
{
    if (packet.n == 0 || packet.n > PACKET_RING_PACKET_LEN_MAX)
        return RC_BAD;
    const uint32_t total = total_of(packet.n);

    pop_expired(ring, now);
    if (ring->index_size > 0) {
        const int rc = make_slot(ring, seq);
        if (rc != RC_OK)
            return rc;
    }
    if (make_room(ring, total) != RC_OK)
        return RC_NOMEM;

    struct packet_ring_record *record = record_at(ring, ring->count);
    *record = (struct packet_ring_record){now, ring->tail, (uint16_t)packet.n, seq};
    memcpy(ring->bytes + ring->tail, packet.p, packet.n);
    *slot_of(ring, seq) = (uint16_t)(record - ring->record + 1);
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

void packet_ring_prefetch(const struct packet_ring *ring)
{
    if (ring->index_size == 0)
        return;
    __builtin_prefetch(record_at(ring, 0));
    __builtin_prefetch(record_at(ring, ring->count), 1);
    for (uint32_t at = 0; at < PREFETCH_BYTES && ring->tail + at < ring->size; at += 64)
        __builtin_prefetch(ring->bytes + ring->tail + at, 1);
}

bool packet_ring_get(const struct packet_ring *ring, uint16_t seq, usec_t now,
                     struct packet_ring_entry *out)
{
    if (ring->count == 0)
        return false;
    const uint16_t taken = *slot_of(ring, seq);
    if (taken == 0)
        return false;
    const struct packet_ring_record *record = &ring->record[taken - 1];
    if (record->seq != seq || record->arrived + ring->options.keep <= now)
        return false;

    out->packet = (struct span){ring->bytes + record->offset, record->len};
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

    const uint32_t remembered = ring->need - ring->need / FORGET_SHARE;
    ring->need = ring->peak > remembered ? ring->peak : remembered;
    const uint32_t spare = ring->need / 8 + ALIGN;
    const uint32_t needed = clamp(ring->need + spare, SIZE_MIN, ring->size) & ~(ALIGN - 1);
    if (ring->count == 0 && ring->peak == 0)
        packet_ring_free(ring);
    else if (needed < ring->size - ring->size / 4)
        (void)resize(ring, needed,
                     ring->index_size); /* no memory: it stays as large as it is */
    ring->peak = used(ring);
}

size_t packet_ring_memory(const struct packet_ring *ring)
{
    return ring->size + ring->index_size * (sizeof *ring->record + sizeof *ring->index);
}
