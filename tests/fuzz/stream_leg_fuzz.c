/*
 * Fuzzes stream_leg: packets of any kind, samples that say anything, writes that are taken in
 * any part. What comes out is whole messages, each once, in order within its kind; nothing
 * waits without bound; no number overflows.
 *
 * Each step is four bytes: what to do, and three to do it with.
 */
#include "core/stream_leg.h"

#include <stdlib.h>
#include <string.h>

#define MUST(cond) ((cond) ? (void)0 : abort()) /* active in every build, unlike assert */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
    struct stream_legs legs;
    struct stream_leg *leg;
    struct stream_sample sample;
    usec_t now;
    uint32_t next[4]; /* number of the next message, by kind */
    uint32_t seen[4]; /* of the last one that came out, plus one */
    uint8_t parse[4096];
    size_t parsed;
    size_t waiting; /* put and not come out, at most */
} w;

/* A message is its length, its kind and its number, inside an RTP packet or not. */
static void put(uint8_t kind, uint8_t a, uint8_t b)
{
    uint8_t head[2], bytes[1300] = {0};
    const size_t len = 20u + a * 4u + (b & 3u);
    const struct packet_parts parts = {{head, 2}, {bytes, len}, b >> 6};

    store_be16(head, (uint16_t)(len + (b >> 6)));
    if (kind) { /* sound, picture, picture whose owner asks */
        bytes[0] = 0x80;
        bytes[1] = (uint8_t)(kind == 1 ? 111 : 96 | (b & 0x80));
        store_be32(bytes + 4, kind == 1 ? w.next[1] * 960 : w.next[kind] / 3 * 3000);
        store_be32(bytes + 8, kind);
    }
    bytes[12] = kind;
    store_be32(bytes + 13, w.next[kind]++);
    if (stream_leg_put(w.leg, &parts, w.now) == RC_OK)
        w.waiting += len + 2 + (b >> 6);
}

static void see(const uint8_t *bytes)
{
    const uint8_t kind = bytes[12];
    const uint32_t number = load_be32(bytes + 13);

    MUST(kind < 4 && number < w.next[kind] && number >= w.seen[kind]);
    w.seen[kind] = number + 1;
}

static void come_out(const uint8_t *bytes, size_t n)
{
    while (n > 0) {
        const size_t part = n < sizeof w.parse - w.parsed ? n : sizeof w.parse - w.parsed;

        memcpy(w.parse + w.parsed, bytes, part);
        w.parsed += part;
        bytes += part;
        n -= part;
        for (size_t len; w.parsed >= 2 && (len = load_be16(w.parse)) + 2u <= w.parsed;) {
            MUST(len >= 20 && len < 1300);
            see(w.parse + 2);
            w.parsed -= len + 2;
            memmove(w.parse, w.parse + len + 2, w.parsed);
        }
        MUST(w.parsed < sizeof w.parse);
    }
}

static void write_out(uint8_t a, uint8_t b)
{
    const struct span bytes = stream_leg_next(w.leg, w.now);
    const size_t taken = bytes.n * (a & 15u) / 15;
    (void)b;

    MUST(bytes.n <= STREAM_LEG_CHUNK);
    if (bytes.n == 0)
        return;
    come_out(bytes.p, taken);
    MUST(stream_leg_took(w.leg, taken) == RC_OK);
}

static void sample(uint8_t a, uint8_t b, uint8_t c)
{
    w.sample.acked += c & 1 ? a * 256u + b : 0;
    w.sample.unsent = c & 2 ? a * 100u : 0;
    w.sample.in_flight = c & 4 ? b * 500u : 0;
    w.sample.rtt_min = c & 8 ? MSEC(1) * b : 0;
    w.sample.rtt = w.sample.rtt_min + (c & 16 ? MSEC(4) * a : 0);
    if (c == 255)
        w.sample.acked = UINT64_MAX / 16;
    stream_leg_sample(w.leg, &w.sample, w.now);
}

static void step(const uint8_t *s)
{
    switch (s[0] % 8) {
    case 0:
    case 1:
    case 2:
    case 3:
        put(s[0] % 4, s[1], s[2]);
        break;
    case 4:
        sample(s[1], s[2], s[3]);
        break;
    case 5:
        write_out(s[1], s[2]);
        break;
    case 6:
        w.now += (usec_t)s[1] * s[2] * (s[3] & 1 ? 100 : 1);
        break;
    case 7:
        (void)stream_leg_admits(w.leg, w.now);
        break;
    }
    MUST(stream_leg_unsent_max(w.leg) >= 1000 && stream_leg_unsent_max(w.leg) <= 65536);
    MUST(stream_leg_delay(w.leg, w.now) <= w.now + SEC(1000));
    MUST(stream_leg_cap(w.leg) <= UINT64_C(1) << 50);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    memset(&w, 0, sizeof w);
    w.now = SEC(1);
    stream_legs_init(&w.legs);
    MUST(stream_leg_create(&w.leg, &w.legs) == RC_OK);
    stream_leg_know(w.leg, 3, STREAM_LEG_ADMITTED);
    for (size_t i = 0; i + 4 <= size; i += 4)
        step(data + i);
    stream_leg_free(w.leg);
    return 0;
}
