#include "turn/stun_message.h"

#include <string.h>

_Static_assert(STUN_KNOWN_COUNT <= 64, "struct stun_message.has has a bit for each");

/* --- the table of attributes
 * ------------------------------------------------------------------ */

/* Every type that is understood is below 0x40 in its half, so that the low bits and the top one
 * are an index without holes that anybody could fall through. */
#define ROWS 128
#define ROW(type) (((type)&0x3f) | ((type) >> 9 & 0x40))
#define HAS_ROW(type) (((type)&0x7fc0) == 0)

static const struct row {
    uint8_t number; /* enum stun_known plus one; 0: not understood */
    uint16_t least, most;
} rows[ROWS] = {
#define X(name, type, least, most) [ROW(type)] = {STUN_HAS_##name + 1, least, most},
    STUN_ATTRIBUTES(X)
#undef X
};

#define X(name, type, least, most) _Static_assert(HAS_ROW(type), "outside of the table");
STUN_ATTRIBUTES(X)
#undef X

static const struct row *row_of(uint16_t type)
{
    const struct row *row = &rows[ROW(type)];

    return HAS_ROW(type) && row->number > 0 ? row : NULL;
}

/* --- reading
 * ---------------------------------------------------------------------------------- */

/*
 *  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |0 0|     STUN Message Type     |         Message Length        |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |                         Magic Cookie                          |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |                     Transaction ID (96 bits)                  |
 */
int stun_peek(struct span bytes, size_t *total)
{
    static const uint8_t cookie[] = {0x21, 0x12, 0xa4, 0x42};

    if (bytes.n == 0)
        return RC_AGAIN;
    if (bytes.p[0] >> 6 != 0)
        return RC_BAD;
    if (bytes.n < 4)
        return RC_AGAIN;

    const size_t whole = STUN_HEADER_BYTES + (size_t)load_be16(bytes.p + 2);
    if (whole % 4 != 0 || whole > STUN_BYTES_MAX)
        return RC_BAD;
    const size_t seen = bytes.n - 4 < sizeof cookie ? bytes.n - 4 : sizeof cookie;
    if (memcmp(bytes.p + 4, cookie, seen) != 0)
        return RC_BAD;
    if (bytes.n < STUN_HEADER_BYTES)
        return RC_AGAIN;
    *total = whole;
    return RC_OK;
}

#define BIT(which) (UINT64_C(1) << (which))
#define SEALS (BIT(STUN_HAS_MESSAGE_INTEGRITY) | BIT(STUN_HAS_MESSAGE_INTEGRITY_SHA256))

/* Sections 14.5 and 14.6: behind MESSAGE-INTEGRITY only MESSAGE-INTEGRITY-SHA256 and
 * FINGERPRINT count, behind MESSAGE-INTEGRITY-SHA256 only FINGERPRINT. */
static bool counts_behind_seal(const struct stun_message *m, uint16_t type)
{
    if (type == STUN_ATTR_FINGERPRINT)
        return true;
    return type == STUN_ATTR_MESSAGE_INTEGRITY_SHA256 &&
           !stun_has(m, STUN_HAS_MESSAGE_INTEGRITY_SHA256);
}

/* Section 14: types below 0x8000 must be understood by whoever answers. */
static void see_unknown(struct stun_message *m, uint16_t type)
{
    if (type >= 0x8000)
        return;
    for (unsigned i = 0; i < m->unknown_count; i++)
        if (m->unknown[i] == type)
            return;
    if (m->unknown_count < STUN_UNKNOWNS_MAX)
        m->unknown[m->unknown_count++] = type;
}

static void see_peer(struct stun_message *m, size_t at)
{
    if (m->peer_count < STUN_PEERS_MAX)
        m->peer_at[m->peer_count++] = (uint16_t)at;
    else
        m->too_many_peers = true;
}

/* What is right only with the whole message in view. */
static bool is_sound(const struct stun_message *m, uint16_t type, size_t at, size_t len)
{
    if (type == STUN_ATTR_MESSAGE_INTEGRITY_SHA256)
        return len % 4 == 0; /* section 14.6 */
    if (type != STUN_ATTR_FINGERPRINT)
        return true;
    /* Section 14.7: it is the last one. */
    return at + len == m->bytes.n &&
           load_be32(m->bytes.p + at) ==
               stun_fingerprint(m->bytes.p, at - STUN_ATTRIBUTE_HEADER);
}

static int see(struct stun_message *m, uint16_t type, size_t at, size_t len)
{
    const struct row *row = row_of(type);

    if ((m->has & SEALS) && !counts_behind_seal(m, type))
        return RC_OK;
    if (!row) {
        see_unknown(m, type);
        return RC_OK;
    }
    if (len < row->least || len > row->most || !is_sound(m, type, at, len))
        return RC_BAD;
    if (type == STUN_ATTR_XOR_PEER_ADDRESS)
        see_peer(m, at);

    const unsigned which = row->number - 1u;
    if (m->has & BIT(which))
        return RC_OK;
    m->has |= BIT(which);
    m->attribute[which].at = (uint16_t)at;
    m->attribute[which].len = (uint16_t)len;
    return RC_OK;
}

/* Section 5: the class's two bits lie between those of the method. */
static void read_type(struct stun_message *m, unsigned type)
{
    m->class = (enum stun_class)((type >> 7 & 2) | (type >> 4 & 1));
    m->method = (uint16_t)((type & 0xf) | (type >> 1 & 0x70) | (type >> 2 & 0xf80));
}

int stun_read(struct stun_message *out, struct span datagram)
{
    size_t total;

    if (stun_peek(datagram, &total) != RC_OK || total != datagram.n)
        return RC_BAD;

    /* The arrays stay as they are: only what the counts and `has` cover is ever read. */
    out->bytes = datagram;
    out->id = datagram.p + 8;
    out->has = 0;
    out->peer_count = out->unknown_count = 0;
    out->too_many_peers = false;
    read_type(out, load_be16(datagram.p));

    /* All steps are multiples of four, as the whole is, so an attribute's header is always
     * there. */
    for (size_t at = STUN_HEADER_BYTES; at < total;) {
        const uint16_t type = load_be16(datagram.p + at);
        const size_t len = load_be16(datagram.p + at + 2);

        at += STUN_ATTRIBUTE_HEADER;
        if (total - at < len + stun_padding(len))
            return RC_BAD;
        if (see(out, type, at, len) != RC_OK)
            return RC_BAD;
        at += len + stun_padding(len);
    }
    return RC_OK;
}

/* --- values
 * ----------------------------------------------------------------------------------- */

struct span stun_get(const struct stun_message *m, enum stun_known which)
{
    if (!stun_has(m, which))
        return (struct span){NULL, 0};
    return (struct span){m->bytes.p + m->attribute[which].at, m->attribute[which].len};
}

uint32_t stun_get_u32(const struct stun_message *m, enum stun_known which)
{
    const struct span value = stun_get(m, which);

    return value.n >= 4 ? load_be32(value.p) : 0;
}

/*
 * |0 0 0 0 0 0 0 0|    Family     |         X-Port                |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |                X-Address (32 or 128 bits)                     |
 *
 * Section 14.2: XORed with what stands in the header from the cookie on; the port with the
 * cookie's first half.
 */
static int read_address(struct address *out, struct span value, const uint8_t mask[static 16])
{
    struct address raw = {0};

    if (value.n == 8 && value.p[1] == 1) {
        const uint32_t ip = load_be32(value.p + 4) ^ load_be32(mask);
        raw.v4.sin_family = AF_INET;
        raw.v4.sin_addr.s_addr = htonl(ip);
    } else if (value.n == 20 && value.p[1] == 2) {
        raw.v6.sin6_family = AF_INET6;
        for (size_t i = 0; i < 16; i++)
            raw.v6.sin6_addr.s6_addr[i] = value.p[4 + i] ^ mask[i];
    } else {
        return RC_BAD;
    }
    address_set_port(&raw, load_be16(value.p + 2) ^ load_be16(mask));
    return address_from_sockaddr(out, &raw.sa, sizeof raw);
}

static const uint8_t *mask_of(const struct stun_message *m, enum stun_known which)
{
    static const uint8_t plain[16];

    switch (which) {
    case STUN_HAS_XOR_PEER_ADDRESS:
    case STUN_HAS_XOR_RELAYED_ADDRESS:
    case STUN_HAS_XOR_MAPPED_ADDRESS:
        return m->bytes.p + 4;
    default:
        return plain;
    }
}

int stun_get_address(const struct stun_message *m, enum stun_known which, struct address *out)
{
    return read_address(out, stun_get(m, which), mask_of(m, which));
}

int stun_get_peer(const struct stun_message *m, unsigned i, struct address *out)
{
    if (i >= m->peer_count)
        return RC_BAD;

    const uint8_t *p = m->bytes.p + m->peer_at[i];
    return read_address(out, (struct span){p, load_be16(p - 2)}, m->bytes.p + 4);
}

/* Section 14.8: class 3 to 6 in the low three bits of the third byte, number 0 to 99. */
unsigned stun_get_error(const struct stun_message *m)
{
    const struct span value = stun_get(m, STUN_HAS_ERROR_CODE);

    if (value.n < 4)
        return 0;
    const unsigned hundreds = value.p[2] & 7, number = value.p[3];
    return hundreds >= 3 && hundreds <= 6 && number <= 99 ? 100 * hundreds + number : 0;
}
