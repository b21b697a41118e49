/*
 * Fuzzes SRTP as a conversation: the input is a script of packets that are sent, changed,
 * repeated and delivered. What must hold: both engines write the same bytes; a receiver that
 * takes whole batches with one engine and a receiver that takes packet by packet with the other
 * refuse the same packets and read the same bytes in the others; nothing changed gets through.
 */
#include "relay/srtp.h"

#include <stdlib.h>
#include <string.h>

#define MUST(cond) ((cond) ? (void)0 : abort())

enum { ROOM = 512, BATCH_MAX = 80, STEP = 8 /* bytes of script a packet */ };

/* One way from a sender to a receiver with one engine. */
struct side {
    struct srtp_engine *engine;
    struct srtp_context *out, *in;
};

struct wire {
    uint8_t data[ROOM];
    size_t len;
    bool genuine; /* as it was sent; repeating it does not change that */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct side side_open(struct srtp_engine *engine,
                             const struct srtp_profile_info *profile)
{
    static const uint8_t key[SRTP_KEY_MAX] = {1}, salt[SRTP_SALT_MAX] = {2};
    const struct span k = {key, profile->key_len}, s = {salt, profile->salt_len};
    struct side side = {.engine = engine};

    MUST(srtp_context_create(&side.out, engine, profile->profile, SRTP_OUTBOUND, k, s) ==
         RC_OK);
    MUST(srtp_context_create(&side.in, engine, profile->profile, SRTP_INBOUND, k, s) == RC_OK);
    return side;
}

static void side_close(struct side *side)
{
    srtp_context_free(side->out);
    srtp_context_free(side->in);
}

static struct srtp_packet packet_of(struct srtp_context *context, struct wire *wire)
{
    return (struct srtp_packet){
        .context = context, .data = wire->data, .len = wire->len, .capacity = ROOM};
}

/* script: kind, SSRC, sequence number (2), first byte, change (2), length. */
static void compose(struct wire *wire, const uint8_t *script, bool rtcp)
{
    memset(wire, 0, sizeof *wire);
    for (size_t i = 0; i < ROOM; i++)
        wire->data[i] = (uint8_t)(i * 7);
    wire->data[0] = script[4];
    memcpy(wire->data + 2, script + 2, 2);
    memset(wire->data + (rtcp ? 4 : 8), 0, 4);
    wire->data[rtcp ? 7 : 11] = script[1] % 24;
    if (!rtcp && script[0] & 0x40)
        store_be16(wire->data + 14 + 4 * (script[4] & 15), script[5] % 8);
    wire->len = script[7];
}

/* Sends through both; false when both refuse. */
static bool send_packet(struct side *a, struct side *b, struct wire *wire, bool rtcp)
{
    struct wire other = *wire;
    struct srtp_packet x = packet_of(a->out, wire), y = packet_of(b->out, &other);

    (rtcp ? srtp_engine_protect_rtcp : srtp_engine_protect)(a->engine, &x, 1);
    (rtcp ? srtp_engine_protect_rtcp : srtp_engine_protect)(b->engine, &y, 1);
    MUST(x.refusal == y.refusal);
    if (x.refusal != REFUSAL_NONE)
        return false;
    MUST(x.len == y.len && x.len <= wire->len + SRTP_OVERHEAD_MAX);
    MUST(memcmp(wire->data, other.data, ROOM) == 0);
    wire->len = x.len;
    wire->genuine = true;
    return true;
}

static void change(struct wire *wire, const uint8_t *script)
{
    const size_t at = load_be16(script + 5) % (wire->len ? wire->len : 1);

    wire->data[at] ^= (uint8_t)(1 + script[2] % 255);
    wire->genuine = false;
}

/* Delivers the batch to a as one, to b one by one. */
static void deliver(struct side *a, struct side *b, struct wire *batch, size_t n, bool rtcp)
{
    static struct wire other[BATCH_MAX];
    struct srtp_packet packets[BATCH_MAX];

    memcpy(other, batch, n * sizeof *batch);
    for (size_t i = 0; i < n; i++)
        packets[i] = packet_of(a->in, &batch[i]);
    (rtcp ? srtp_engine_unprotect_rtcp : srtp_engine_unprotect)(a->engine, packets, n);
    for (size_t i = 0; i < n; i++) {
        struct srtp_packet packet = packet_of(b->in, &other[i]);

        (rtcp ? srtp_engine_unprotect_rtcp : srtp_engine_unprotect)(b->engine, &packet, 1);
        MUST(packet.refusal == packets[i].refusal);
        MUST(packet.len == packets[i].len);
        if (packet.refusal != REFUSAL_NONE)
            continue;
        MUST(batch[i].genuine);
        MUST(memcmp(batch[i].data, other[i].data, packet.len) == 0);
    }
}

static void converse(struct side *a, struct side *b, const uint8_t *data, size_t size,
                     bool rtcp)
{
    static struct wire batch[BATCH_MAX];
    size_t n = 0;

    for (; size >= STEP; data += STEP, size -= STEP) {
        struct wire *wire = &batch[n];

        switch (data[0] & 3) {
        case 0: /* anything at all */
            compose(wire, data, rtcp);
            break;
        case 1: /* again */
            if (n == 0)
                continue;
            *wire = batch[data[1] % n];
            break;
        default:
            compose(wire, data, rtcp);
            if (!send_packet(a, b, wire, rtcp))
                continue;
            break;
        }
        if (data[0] & 4 && wire->genuine) /* a second change could undo the first */
            change(wire, data);
        n++;
        if (n == BATCH_MAX || data[0] & 8) {
            deliver(a, b, batch, n, rtcp);
            n = 0;
        }
    }
    deliver(a, b, batch, n, rtcp);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct srtp_engine *fast, *portable;

    if (!fast) {
        MUST(srtp_engine_create(&fast, SRTP_ENGINE_AUTO) == RC_OK);
        MUST(srtp_engine_create(&portable, SRTP_ENGINE_LIBSRTP) == RC_OK);
    }
    if (size < 1)
        return 0;

    const struct srtp_profile_info *profile = &srtp_profiles[data[0] % SRTP_PROFILE_COUNT];
    const bool rtcp = data[0] & 0x80, swap = data[0] & 0x40;
    struct side a = side_open(swap ? portable : fast, profile);
    struct side b = side_open(swap ? fast : portable, profile);

    converse(&a, &b, data + 1, size - 1, rtcp);
    side_close(&a);
    side_close(&b);
    return 0;
}
