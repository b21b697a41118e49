#include "relay/transport_feedback.h"

#include <string.h>

enum {
    TICK_USEC = 250,
    TICKS_PER_BASE = 256, /* 64 ms, the unit of the base time */
    FIXED_LEN = 16,       /* two SSRCs, base, count, time, message count */
    RUN_MAX = 0x1fff,     /* 13 bits */
    ONE_BIT_SYMBOLS = 14,
    TWO_BIT_SYMBOLS = 7,
    EARLY =
        TRANSPORT_FEEDBACK_WINDOW / 2, /* waiting packets that do not wait for the interval */
};

/* Section 3.1.1. */
enum symbol {
    SYMBOL_MISSING = 0,
    SYMBOL_SMALL = 1, /* delta of one byte: 0 to 63.75 ms */
    SYMBOL_LARGE = 2, /* delta of two bytes, signed */
    SYMBOL_RESERVED = 3,
};

/* --- what arrived ----------------------------------------------------------------------------
 */

static size_t slot_of(uint64_t seq)
{
    return seq % TRANSPORT_FEEDBACK_WINDOW;
}

static bool is_received(const struct arrival_log *log, uint64_t seq)
{
    const size_t slot = slot_of(seq);

    return log->received[slot / 8] >> (slot % 8) & 1;
}

static void set_received(struct arrival_log *log, uint64_t seq, uint32_t ticks)
{
    const size_t slot = slot_of(seq);

    log->received[slot / 8] = (uint8_t)(log->received[slot / 8] | 1u << (slot % 8));
    log->arrival[slot] = ticks;
}

/* Makes `seq` the newest. What falls out of the window unreported is never reported. */
static void advance(struct arrival_log *log, uint64_t seq)
{
    if (seq - log->highest >= TRANSPORT_FEEDBACK_WINDOW) {
        memset(log->received, 0, sizeof log->received);
    } else {
        for (uint64_t s = log->highest + 1; s <= seq; s++) {
            const size_t slot = slot_of(s);
            log->received[slot / 8] = (uint8_t)(log->received[slot / 8] & ~(1u << (slot % 8)));
        }
    }
    log->highest = seq;
    if (seq - log->next >= TRANSPORT_FEEDBACK_WINDOW && seq > log->next)
        log->next = seq - TRANSPORT_FEEDBACK_WINDOW + 1;
}

void arrival_log_init(struct arrival_log *log)
{
    memset(log, 0, sizeof *log);
    log->due = USEC_NEVER;
}

void arrival_log_packet(struct arrival_log *log, uint16_t seq, usec_t arrived)
{
    if (!log->started) {
        log->started = true;
        /* Room below for packets that were overtaken by the first. */
        log->highest = 0x10000u + seq;
        log->next = log->highest;
    }

    const int64_t ahead = (int16_t)(uint16_t)(seq - (uint16_t)log->highest);
    const uint64_t unwrapped = log->highest + (uint64_t)ahead;

    if (ahead > 0)
        advance(log, unwrapped);
    else if (-ahead >= TRANSPORT_FEEDBACK_WINDOW || is_received(log, unwrapped))
        return; /* too late to tell, or a duplicate */
    if (unwrapped < log->next)
        log->next = unwrapped;
    set_received(log, unwrapped, (uint32_t)(arrived / TICK_USEC));

    if (!log->pending) {
        const bool recent = arrived - log->reported < TRANSPORT_FEEDBACK_INTERVAL;
        log->due = (recent ? log->reported : arrived) + TRANSPORT_FEEDBACK_INTERVAL;
        log->pending = true;
    }
    if (log->highest - log->next >= EARLY && log->due > arrived)
        log->due = arrived;
}

usec_t arrival_log_deadline(const struct arrival_log *log)
{
    return log->pending ? log->due : USEC_NEVER;
}

/* --- writing ---------------------------------------------------------------------------------
 */

/* One message before it has a place. */
struct draft {
    uint32_t base; /* in units of 64 ms */
    size_t count;
    size_t deltas_len;
    bool any; /* is a received packet among them? */
    uint8_t symbol[TRANSPORT_FEEDBACK_WINDOW];
    uint8_t deltas[2 * TRANSPORT_FEEDBACK_WINDOW];
};

/* An upper bound: no chunk but the last says less than seven symbols. */
static size_t chunks_bound(size_t symbols)
{
    return 2 * ((symbols + TWO_BIT_SYMBOLS - 1) / TWO_BIT_SYMBOLS);
}

/* Adds the symbol for a packet. False when a delta or the message would be too large. */
static bool draft_add(struct draft *draft, const struct arrival_log *log, uint64_t seq,
                      uint32_t *clock, size_t room)
{
    enum symbol symbol = SYMBOL_MISSING;
    int32_t delta = 0;

    if (is_received(log, seq)) {
        const uint32_t arrival = log->arrival[slot_of(seq)];
        if (!draft->any) {
            draft->base = arrival / TICKS_PER_BASE;
            *clock = draft->base * TICKS_PER_BASE;
        }
        delta = (int32_t)(arrival - *clock);
        if (delta < INT16_MIN || delta > INT16_MAX)
            return false;
        symbol = delta >= 0 && delta <= UINT8_MAX ? SYMBOL_SMALL : SYMBOL_LARGE;
    }

    if (chunks_bound(draft->count + 1) + draft->deltas_len + symbol > room)
        return false;
    draft->symbol[draft->count++] = (uint8_t)symbol;
    if (symbol == SYMBOL_MISSING)
        return true;
    if (symbol == SYMBOL_SMALL)
        draft->deltas[draft->deltas_len] = (uint8_t)delta;
    else
        store_be16(draft->deltas + draft->deltas_len, (uint16_t)delta);
    draft->deltas_len += symbol;
    *clock += (uint32_t)delta;
    draft->any = true;
    return true;
}

static size_t run_length(const uint8_t *symbol, size_t count)
{
    size_t n = 1;

    while (n < count && n < RUN_MAX && symbol[n] == symbol[0])
        n++;
    return n;
}

/* How many of the next symbols a one-bit vector can say. */
static size_t one_bit_length(const uint8_t *symbol, size_t count)
{
    size_t n = 0;

    while (n < count && n < ONE_BIT_SYMBOLS && symbol[n] != SYMBOL_LARGE)
        n++;
    return n;
}

static uint16_t vector_chunk(const uint8_t *symbol, size_t count, unsigned bits)
{
    uint32_t chunk = bits == 1 ? 2 : 3; /* 1: vector; then the symbol size */

    for (size_t i = 0; i < 14u / bits; i++)
        chunk = chunk << bits | (i < count ? symbol[i] : 0u);
    return (uint16_t)chunk;
}

/*
 * Run:    |0| S |  run length: 13 bits    |
 * Vector: |1|0| 14 symbols of one bit     |
 *         |1|1| 7 symbols of two bits     |
 */
static size_t write_chunks(uint8_t *p, const uint8_t *symbol, size_t count)
{
    const uint8_t *const start = p;

    while (count > 0) {
        const size_t run = run_length(symbol, count);
        const size_t one_bit = one_bit_length(symbol, count);
        const bool one_bit_fits = one_bit == ONE_BIT_SYMBOLS || one_bit == count;
        const size_t vector = one_bit_fits ? ONE_BIT_SYMBOLS : TWO_BIT_SYMBOLS;
        size_t said;

        if (run >= vector || run == count) {
            said = run;
            store_be16(p, (uint16_t)((unsigned)symbol[0] << 13 | run));
        } else {
            said = vector < count ? vector : count;
            store_be16(p, vector_chunk(symbol, said, one_bit_fits ? 1 : 2));
        }
        p += 2;
        symbol += said;
        count -= said;
    }
    return (size_t)(p - start);
}

/*
 *  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |      base sequence number     |      packet status count      |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |                 reference time                | fb pkt. count |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |          packet chunks ...    |    deltas ...   | padding     |
 */
static bool draft_write(const struct draft *draft, struct rtcp_writer *writer,
                        uint32_t sender_ssrc, uint32_t media_ssrc, uint16_t base_seq,
                        uint8_t message_count)
{
    uint8_t chunks[2 * (TRANSPORT_FEEDBACK_WINDOW / TWO_BIT_SYMBOLS + 1)];
    const size_t chunks_len = write_chunks(chunks, draft->symbol, draft->count);
    const size_t used = FIXED_LEN + chunks_len + draft->deltas_len;
    const size_t padding = (4 - used % 4) % 4;

    uint8_t *p =
        rtcp_write_packet(writer, RTCP_RTPFB_TRANSPORT, RTCP_TYPE_RTPFB, used + padding);
    if (!p)
        return false;
    store_be32(p, sender_ssrc);
    store_be32(p + 4, media_ssrc);
    store_be16(p + 8, base_seq);
    store_be16(p + 10, (uint16_t)draft->count);
    store_be24(p + 12, draft->base & 0xffffffu);
    p[15] = message_count;
    memcpy(p + FIXED_LEN, chunks, chunks_len);
    memcpy(p + FIXED_LEN + chunks_len, draft->deltas, draft->deltas_len);
    if (padding) {
        uint8_t *header = p - RTCP_HEADER_LEN;
        header[0] |= 0x20;
        memset(p + used, 0, padding);
        p[used + padding - 1] = (uint8_t)padding;
    }
    return true;
}

bool arrival_log_write(struct arrival_log *log, struct rtcp_writer *writer,
                       uint32_t sender_ssrc, uint32_t media_ssrc, usec_t now)
{
    struct draft draft;
    uint32_t clock = 0;
    const size_t left = (writer->max - writer->len) & ~(size_t)3;

    if (!log->pending || left < TRANSPORT_FEEDBACK_ROOM)
        return false;

    const size_t room = left - RTCP_HEADER_LEN - FIXED_LEN;
    uint64_t seq = log->next;
    draft.any = false;
    draft.base = 0;
    draft.count = draft.deltas_len = 0;
    while (seq <= log->highest && draft_add(&draft, log, seq, &clock, room))
        seq++;
    if (!draft.any ||
        !draft_write(&draft, writer, sender_ssrc, media_ssrc, (uint16_t)log->next, log->count))
        return false;

    log->count++;
    log->next = seq;
    log->reported = now;
    log->pending = seq <= log->highest;
    return true;
}

/* --- reading ---------------------------------------------------------------------------------
 */

/* The next symbol, or -1 when there are no more chunks or a run is of length 0. */
static int next_symbol(struct transport_feedback *f)
{
    if (f->run == 0) {
        if (f->chunks.n < 2)
            return -1;
        f->chunk = load_be16(f->chunks.p);
        f->chunks = (struct span){f->chunks.p + 2, f->chunks.n - 2};
        if (!(f->chunk & 0x8000))
            f->run = f->chunk & RUN_MAX;
        else
            f->run = f->chunk & 0x4000 ? TWO_BIT_SYMBOLS : ONE_BIT_SYMBOLS;
        if (f->run == 0)
            return -1;
    }
    f->run--;
    if (!(f->chunk & 0x8000))
        return f->chunk >> 13 & 3;
    if (f->chunk & 0x4000)
        return f->chunk >> (2 * f->run) & 3;
    return f->chunk >> f->run & 1;
}

int transport_feedback_parse(const struct rtcp_packet *packet, struct transport_feedback *out)
{
    const struct span body = packet->body;

    if (body.n < FIXED_LEN)
        return RC_BAD;

    const struct transport_feedback f = {
        .sender_ssrc = load_be32(body.p),
        .media_ssrc = load_be32(body.p + 4),
        .base_seq = load_be16(body.p + 8),
        .status_count = load_be16(body.p + 10),
        .base = load_be24(body.p + 12) * TICKS_PER_BASE,
        .count = body.p[15],
        .chunks = {body.p + FIXED_LEN, body.n - FIXED_LEN},
        .clock = load_be24(body.p + 12) * TICKS_PER_BASE,
    };
    if (f.status_count == 0 || f.status_count > TRANSPORT_FEEDBACK_STATUS_MAX)
        return RC_BAD;

    /* Where the chunks end is known only when they are read. */
    struct transport_feedback walk = f;
    size_t deltas_len = 0;
    for (unsigned i = 0; i < f.status_count; i++) {
        const int symbol = next_symbol(&walk);
        if (symbol < 0 || symbol == SYMBOL_RESERVED)
            return RC_BAD;
        deltas_len += (size_t)symbol;
    }
    if (walk.chunks.n < deltas_len)
        return RC_BAD;

    *out = f;
    out->deltas = (struct span){walk.chunks.p, deltas_len};
    return RC_OK;
}

bool transport_feedback_next(struct transport_feedback *f, struct packet_result *out)
{
    if (f->told == f->status_count)
        return false;

    const int symbol = next_symbol(f);
    *out = (struct packet_result){.seq = (uint16_t)(f->base_seq + f->told)};
    f->told++;
    if (symbol <= SYMBOL_MISSING)
        return true;

    const int32_t delta =
        symbol == SYMBOL_SMALL ? f->deltas.p[0] : (int16_t)load_be16(f->deltas.p);
    f->deltas = (struct span){f->deltas.p + symbol, f->deltas.n - (size_t)symbol};
    f->clock += (uint32_t)delta;
    out->received = true;
    out->arrival = f->clock;
    return true;
}
