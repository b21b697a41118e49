/*
 * Fuzzes the packet ring as a structure: the input is a program of puts, ticks, clears and
 * passing time. A packet that is found is the last one put under its number, whole and young
 * enough; the newest put is always found; memory stays within its limits.
 */
#include "relay/packet_ring.h"

#include <stdlib.h>
#include <string.h>

#define MUST(cond) ((cond) ? (void)0 : abort())

#define RECENT 4 /* packets of any size that the smallest full ring still holds */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct packet_ring_options options = {
    .bytes_max = 20 * 1000, .packets_max = 64, .keep = MSEC(300)};

/* What was put last under each number. */
struct model {
    uint16_t len[65536];
    usec_t at[65536]; /* 0: never */
    uint8_t fill[65536];
    uint16_t latest[RECENT]; /* numbers put most recently, since the last clear */
    unsigned puts;
};

static void check(const struct packet_ring *ring, const struct model *model, uint16_t seq,
                  usec_t now)
{
    struct packet_ring_entry entry;

    if (!packet_ring_get(ring, seq, now, &entry))
        return;
    MUST(model->at[seq] == entry.arrived && entry.arrived + ring->options.keep > now);
    MUST(model->len[seq] == entry.packet.n);
    MUST(entry.packet.p[0] == model->fill[seq]);
    MUST(memcmp(entry.packet.p, entry.packet.p + 1, entry.packet.n - 1) == 0);
}

static void put(struct packet_ring *ring, struct model *model, uint16_t seq, size_t len,
                usec_t now)
{
    static uint8_t fill;
    uint8_t packet[PACKET_RING_PACKET_LEN_MAX];
    struct packet_ring_entry entry;

    memset(packet, ++fill, sizeof packet);
    const bool there = packet_ring_get(ring, seq, now, &entry);
    const int rc = packet_ring_put(ring, seq, (struct span){packet, len}, now);
    MUST(rc == RC_OK || rc == RC_BAD);
    if (len == 0 || there)
        MUST(rc == RC_BAD);
    if (rc != RC_OK)
        return;
    model->len[seq] = (uint16_t)len;
    model->at[seq] = now;
    model->fill[seq] = fill;
    model->latest[model->puts++ % RECENT] = seq;
    MUST(packet_ring_get(ring, seq, now, &entry));
    check(ring, model, seq, now);
}

/* The latest packets are there, but for those whose place a later one took. */
static void check_latest(const struct packet_ring *ring, const struct model *model, usec_t now)
{
    for (unsigned i = 0; i < RECENT && i < model->puts; i++) {
        const uint16_t seq = model->latest[(model->puts - 1 - i) % RECENT];
        struct packet_ring_entry entry;
        bool taken = model->at[seq] + ring->options.keep <= now;

        for (unsigned k = 0; k < i; k++) {
            const uint16_t later = model->latest[(model->puts - 1 - k) % RECENT];
            taken = taken || (later - seq) % (int)options.packets_max == 0;
        }
        MUST(taken || packet_ring_get(ring, seq, now, &entry));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct model *model = calloc(1, sizeof *model);
    struct packet_ring ring;
    usec_t now = SEC(1);
    uint16_t seq = 65500;

    MUST(model);
    packet_ring_init(&ring, &options);
    for (; size >= 3; data += 3, size -= 3) {
        const uint16_t value = load_be16(data + 1);

        switch (data[0] % 8) {
        case 0:
        case 1:
        case 2:
            put(&ring, model, seq++, value % (PACKET_RING_PACKET_LEN_MAX + 1), now);
            break;
        case 3: /* reordered, or lost and late */
            put(&ring, model, (uint16_t)(seq - data[1] % 100), 1 + data[2] * 4u, now);
            break;
        case 4: /* loss */
            seq = (uint16_t)(seq + data[1] % 80);
            break;
        case 5:
            now += value * (data[0] & 0x80 ? 10u : 1u);
            break;
        case 6:
            packet_ring_tick(&ring, now);
            break;
        default:
            model->puts = 0; /* what a shorter time forgets, a longer one does not bring back */
            if (data[1] == 0)
                packet_ring_clear(&ring);
            else
                packet_ring_set_keep(&ring, MSEC(1 + value % 1000u));
        }
        for (uint16_t i = 0; i < 130; i++)
            check(&ring, model, (uint16_t)(seq + 2 - i), now);
        check_latest(&ring, model, now);
        MUST(packet_ring_memory(&ring) <= options.bytes_max + 18 * options.packets_max);
        MUST(ring.count <= options.packets_max);
    }
    now += SEC(100);
    packet_ring_tick(&ring, now);
    packet_ring_tick(&ring, now);
    MUST(packet_ring_memory(&ring) == 0);
    packet_ring_free(&ring);
    free(model);
    return 0;
}
