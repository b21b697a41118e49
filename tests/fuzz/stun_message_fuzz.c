/*
 * Fuzzes turn/stun_message and what belongs to it: nothing that was read lies outside, what was
 * read is written again and reads back alike, and a message that a builder made reads back as
 * it was put.
 *
 * The first byte: 0 the rest is a datagram; 1 the rest is type, transaction id and attributes,
 * which get a right header and FINGERPRINT, so that the checksum is no wall; 2 the rest says
 * what to build.
 */
#include "turn/stun_message.h"

#include <stdlib.h>
#include <string.h>

#define MUST(cond) ((cond) ? (void)0 : abort()) /* active in every build, unlike assert */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint16_t types[STUN_KNOWN_COUNT] = {
#define X(name, type, least, most) [STUN_HAS_##name] = type,
    STUN_ATTRIBUTES(X)
#undef X
};

static bool inside(struct span inner, struct span outer)
{
    if (inner.p < outer.p || inner.n > outer.n)
        return false;
    return (size_t)(inner.p - outer.p) <= outer.n - inner.n;
}

static bool same(struct span a, struct span b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static void check_values(const struct stun_message *m)
{
    struct address a;
    unsigned peers = 0;

    MUST(m->id == m->bytes.p + 8 && m->method < 0x1000);
    for (unsigned i = 0; i < STUN_KNOWN_COUNT; i++) {
        const struct span value = stun_get(m, (enum stun_known)i);

        MUST(!!value.p == stun_has(m, (enum stun_known)i));
        MUST(!value.p || inside(value, m->bytes));
        (void)stun_get_u32(m, (enum stun_known)i);
        if (stun_get_address(m, (enum stun_known)i, &a) == RC_OK)
            MUST(address_len(&a) > 0);
    }
    MUST(m->unknown_count <= STUN_UNKNOWNS_MAX && m->peer_count <= STUN_PEERS_MAX);
    for (unsigned i = 0; i < m->unknown_count; i++)
        MUST(m->unknown[i] < 0x8000);
    for (; peers < m->peer_count; peers++)
        (void)stun_get_peer(m, peers, &a);
    MUST(stun_get_peer(m, peers, &a) == RC_BAD);
    MUST(!!peers == stun_has(m, STUN_HAS_XOR_PEER_ADDRESS));
    const unsigned code = stun_get_error(m);
    MUST(code == 0 || (code >= 300 && code <= 699));
}

/* All first values, in the order of the table; integrity last, as it seals what is before it.
 */
static void write_again(const struct stun_message *m, const struct stun_key *key)
{
    static uint8_t bytes[STUN_BYTES_MAX];
    struct stun_builder b;
    struct stun_message again;

    stun_begin(&b, bytes, sizeof bytes, m->class, m->method, m->id);
    for (unsigned i = 0; i < STUN_KNOWN_COUNT; i++) {
        const struct span value = stun_get(m, (enum stun_known)i);

        if (value.p && i != STUN_HAS_MESSAGE_INTEGRITY &&
            i != STUN_HAS_MESSAGE_INTEGRITY_SHA256 && i != STUN_HAS_FINGERPRINT)
            stun_put(&b, types[i], value.p, value.n);
    }
    if (stun_has(m, STUN_HAS_MESSAGE_INTEGRITY))
        stun_put_integrity(&b, key, STUN_INTEGRITY_SHA1);
    if (stun_has(m, STUN_HAS_MESSAGE_INTEGRITY_SHA256))
        stun_put_integrity(&b, key, STUN_INTEGRITY_SHA256);
    const size_t n = stun_finish(&b, stun_has(m, STUN_HAS_FINGERPRINT));
    if (n == 0) { /* the digest may be longer than the one that was read */
        MUST(m->bytes.n > STUN_BYTES_MAX - 32);
        return;
    }

    MUST(stun_read(&again, (struct span){bytes, n}) == RC_OK);
    MUST(again.class == m->class && again.method == m->method && again.has == m->has);
    MUST(memcmp(again.id, m->id, STUN_ID_BYTES) == 0);
    for (unsigned i = 0; i < STUN_KNOWN_COUNT; i++)
        if (i != STUN_HAS_MESSAGE_INTEGRITY && i != STUN_HAS_MESSAGE_INTEGRITY_SHA256 &&
            i != STUN_HAS_FINGERPRINT)
            MUST(same(stun_get(&again, (enum stun_known)i), stun_get(m, (enum stun_known)i)));
    MUST(stun_verify(&again, key, STUN_INTEGRITY_SHA1) ==
         stun_has(m, STUN_HAS_MESSAGE_INTEGRITY));
    MUST(stun_verify(&again, key, STUN_INTEGRITY_SHA256) ==
         stun_has(m, STUN_HAS_MESSAGE_INTEGRITY_SHA256));
}

static void check_peek(struct span bytes, bool is_message)
{
    size_t total = 0;

    for (size_t n = 0; n < STUN_HEADER_BYTES && n < bytes.n; n++) {
        const int rc = stun_peek((struct span){bytes.p, n}, &total);
        MUST(rc == RC_AGAIN || (rc == RC_BAD && !is_message));
    }
    const int rc = stun_peek(bytes, &total);
    MUST(!is_message || (rc == RC_OK && total == bytes.n));
}

static void check_channel(struct span bytes)
{
    for (int padded = 0; padded < 2; padded++) {
        uint16_t channel = 0;
        struct span data;
        size_t total;

        if (stun_channel_read(bytes, padded, &channel, &data, &total) != RC_OK)
            continue;
        MUST(channel >= STUN_CHANNEL_FIRST && channel <= STUN_CHANNEL_LAST);
        MUST(inside(data, bytes) && total <= bytes.n);
        MUST(total == STUN_CHANNEL_HEADER + data.n + (padded ? stun_padding(data.n) : 0));
    }
}

static void check(struct span bytes, const struct stun_key *key)
{
    struct stun_message m;
    const bool reads = stun_read(&m, bytes) == RC_OK;

    check_peek(bytes, reads);
    check_channel(bytes);
    if (!reads)
        return;
    MUST(bytes.n >= STUN_HEADER_BYTES && bytes.n % 4 == 0);
    check_values(&m);
    (void)stun_verify(&m, key, STUN_INTEGRITY_SHA1);
    (void)stun_verify(&m, key, STUN_INTEGRITY_SHA256);
    write_again(&m, key);
}

static void check_repaired(const uint8_t *data, size_t size, const struct stun_key *key)
{
    if (size < 14 || size > 4096)
        return;
    const size_t attributes = (size - 14) & ~(size_t)3;
    const size_t before = STUN_HEADER_BYTES + attributes;
    uint8_t *bytes =
        malloc(before + 8); /* exact, so that the sanitizer sees the first byte past */

    MUST(bytes);
    memcpy(bytes, data, 2);
    bytes[0] &= 0x3f;
    store_be16(bytes + 2, (uint16_t)(attributes + 8));
    store_be32(bytes + 4, STUN_MAGIC);
    memcpy(bytes + 8, data + 2, STUN_ID_BYTES);
    memcpy(bytes + STUN_HEADER_BYTES, data + 14, attributes);
    store_be32(bytes + before, (uint32_t)STUN_ATTR_FINGERPRINT << 16 | 4);
    store_be32(bytes + before + 4, stun_fingerprint(bytes, before));
    check((struct span){bytes, before + 8}, key);
    free(bytes);
}

/* Per attribute: its type (two bytes) and length, then the value. */
static void check_built(const uint8_t *data, size_t size, const struct stun_key *key)
{
    if (size < 2 + STUN_ID_BYTES)
        return;
    const size_t capacity = 4u * data[0];
    uint8_t *bytes = malloc(capacity ? capacity : 1);
    struct stun_builder b;
    size_t want = STUN_HEADER_BYTES;

    MUST(bytes);
    stun_begin(&b, bytes, capacity, (enum stun_class)(data[1] & 3), data[1] >> 2, data + 2);
    data += 2 + STUN_ID_BYTES;
    size -= 2 + STUN_ID_BYTES;
    while (size >= 3 && size - 3 >= data[2]) {
        /* Only unknown types: any length is right for them. */
        const uint16_t type = load_be16(data) | 0x0040;

        stun_put(&b, type, data + 3, data[2]);
        want += STUN_ATTRIBUTE_HEADER + data[2] + stun_padding(data[2]);
        size -= 3u + data[2];
        data += 3 + data[2];
    }
    stun_put_integrity(&b, key, STUN_INTEGRITY_SHA256);
    want += STUN_ATTRIBUTE_HEADER + STUN_SHA256_BYTES;
    const size_t n = stun_finish(&b, false);
    MUST(n == (want <= capacity ? want : 0));
    if (n > 0) {
        struct stun_message m;

        MUST(stun_read(&m, (struct span){bytes, n}) == RC_OK);
        MUST(stun_verify(&m, key, STUN_INTEGRITY_SHA256));
        check((struct span){bytes, n}, key);
    }
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct stun_key key;

    if (size < 1)
        return 0;
    stun_key_raw(&key, "key", 3);
    switch (data[0] % 3) {
    case 0:
        check((struct span){data + 1, size - 1}, &key);
        break;
    case 1:
        check_repaired(data + 1, size - 1, &key);
        break;
    default:
        check_built(data + 1, size - 1, &key);
    }
    return 0;
}
