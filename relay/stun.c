#include "relay/stun.h"

#include <string.h>
#include <zlib.h>

enum {
    ATTRIBUTE_HEADER_LEN = 4,
    INTEGRITY_LEN = 20, /* HMAC-SHA1 */
    FINGERPRINT_LEN = 4,
    FINGERPRINT_XOR = 0x5354554e, /* section 14.7 */
};

enum attribute {
    USERNAME = 0x0006,
    MESSAGE_INTEGRITY = 0x0008,
    ERROR_CODE = 0x0009,
    UNKNOWN_ATTRIBUTES = 0x000a,
    XOR_MAPPED_ADDRESS = 0x0020,
    PRIORITY = 0x0024,
    USE_CANDIDATE = 0x0025,
    FINGERPRINT = 0x8028,
};

enum message_type {
    BINDING_INDICATION = 0x0011,
    BINDING_SUCCESS = 0x0101,
    BINDING_ERROR = 0x0111,
};

/* Section 14: types below 0x8000 must be understood by whoever answers. */
static bool must_know(uint16_t type)
{
    switch (type) {
    case USERNAME:
    case MESSAGE_INTEGRITY:
    case ERROR_CODE:
    case UNKNOWN_ATTRIBUTES:
    case XOR_MAPPED_ADDRESS:
    case PRIORITY:
    case USE_CANDIDATE:
        return false;
    default:
        return type < 0x8000;
    }
}

/* Over everything before the FINGERPRINT attribute, which the header's length already covers.
 */
static uint32_t fingerprint_of(const uint8_t *message, size_t n)
{
    return (uint32_t)crc32(0, message, (uInt)n) ^ (uint32_t)FINGERPRINT_XOR;
}

static int see_username(struct stun_view *view, struct span value)
{
    if (view->username.p || value.n > STUN_USERNAME_MAX)
        return RC_BAD;
    view->username = value;
    return RC_OK;
}

static void see_other(struct stun_view *view, uint16_t type)
{
    if (must_know(type) && view->unknown_count < STUN_UNKNOWN_MAX)
        view->unknown[view->unknown_count++] = type;
}

/* `before`: how many bytes of the message come before this attribute. */
static int see_fingerprint(struct stun_view *view, struct span datagram, size_t before,
                           struct span value)
{
    if (value.n != FINGERPRINT_LEN)
        return RC_BAD;
    if (before + ATTRIBUTE_HEADER_LEN + FINGERPRINT_LEN != datagram.n)
        return RC_BAD; /* section 14.7: it must be the last attribute */
    if (load_be32(value.p) != fingerprint_of(datagram.p, before))
        return RC_BAD;
    view->has_fingerprint = true;
    return RC_OK;
}

static int see_attribute(struct stun_view *view, struct span datagram, size_t before,
                         uint16_t type, struct span value)
{
    if (type == FINGERPRINT)
        return see_fingerprint(view, datagram, before, value);
    if (type == MESSAGE_INTEGRITY && value.n != INTEGRITY_LEN)
        return RC_BAD; /* wherever it stands: the engine takes 20 bytes for granted */
    if (view->has_integrity)
        return RC_OK; /* section 14.5: what follows it is not protected, so it does not count */

    switch (type) {
    case MESSAGE_INTEGRITY:
        view->has_integrity = true;
        return RC_OK;
    case USERNAME:
        return see_username(view, value);
    default:
        see_other(view, type);
        return RC_OK;
    }
}

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
static bool header_is_stun(struct span datagram)
{
    if (datagram.n < STUN_HEADER_LEN || datagram.n > STUN_MESSAGE_MAX || datagram.n % 4 != 0)
        return false;
    if (datagram.p[0] >> 6 != 0 || load_be32(datagram.p + 4) != STUN_COOKIE)
        return false;
    return load_be16(datagram.p + 2) == datagram.n - STUN_HEADER_LEN;
}

int stun_scan(struct span datagram, struct stun_view *out)
{
    if (!header_is_stun(datagram))
        return RC_BAD;

    struct stun_view view = {.type = load_be16(datagram.p), .id = datagram.p + 8};
    struct span rest = {datagram.p + STUN_HEADER_LEN, datagram.n - STUN_HEADER_LEN};

    while (rest.n > 0) {
        if (rest.n < ATTRIBUTE_HEADER_LEN)
            return RC_BAD;
        const struct span value = {rest.p + ATTRIBUTE_HEADER_LEN, load_be16(rest.p + 2)};
        const size_t padded = (value.n + 3) & ~(size_t)3;

        if (rest.n - ATTRIBUTE_HEADER_LEN < padded)
            return RC_BAD;
        if (see_attribute(&view, datagram, datagram.n - rest.n, load_be16(rest.p), value) < 0)
            return RC_BAD;
        rest.p += ATTRIBUTE_HEADER_LEN + padded;
        rest.n -= ATTRIBUTE_HEADER_LEN + padded;
    }
    *out = view;
    return RC_OK;
}

/* --- the answer to a plain Binding request --------------------------------------------------
 */

static bool budget_take(struct stun_budget *budget, usec_t now)
{
    const usec_t cost = SEC(1) / STUN_REPLIES_PER_SECOND;
    const usec_t full_at = budget->full_at > now ? budget->full_at : now;

    if (full_at + cost - now > SEC(1))
        return false;
    budget->full_at = full_at + cost;
    return true;
}

static uint8_t *begin_attribute(uint8_t *p, enum attribute type, size_t n)
{
    store_be16(p, (uint16_t)type);
    store_be16(p + 2, (uint16_t)n);
    return p + ATTRIBUTE_HEADER_LEN;
}

/* Section 14.2: v4 is XORed with the cookie, v6 with cookie and transaction id; the port with
 * the cookie's first half. `mask` is where both lie in the request's header. */
static uint8_t *append_mapped_address(uint8_t *p, const struct address *from,
                                      const uint8_t *mask)
{
    const bool v6 = from->sa.sa_family == AF_INET6;
    const size_t n = v6 ? 16 : 4;
    const uint8_t *ip = v6 ? from->v6.sin6_addr.s6_addr : (const uint8_t *)&from->v4.sin_addr;

    p = begin_attribute(p, XOR_MAPPED_ADDRESS, 4 + n);
    *p++ = 0;
    *p++ = v6 ? 2 : 1;
    store_be16(p, (uint16_t)(address_port(from) ^ STUN_COOKIE >> 16));
    p += 2;
    for (size_t i = 0; i < n; i++)
        *p++ = ip[i] ^ mask[i];
    return p;
}

/* Section 14.8, with an empty reason phrase: nobody reads it, and the answer stays short. */
static uint8_t *append_unknown(uint8_t *p, const struct stun_view *view)
{
    p = begin_attribute(p, ERROR_CODE, 4);
    store_be32(p, 4 << 8 | 20);
    p = begin_attribute(p + 4, UNKNOWN_ATTRIBUTES, 2u * view->unknown_count);
    for (unsigned i = 0; i < view->unknown_count; i++, p += 2)
        store_be16(p, view->unknown[i]);
    if (view->unknown_count % 2) {
        store_be16(p, 0);
        p += 2;
    }
    return p;
}

static size_t write_reply(const struct stun_view *view, const struct address *from,
                          uint8_t reply[static STUN_BINDING_REPLY_MAX])
{
    const uint8_t *mask = view->id - 4; /* the cookie is before it */
    uint8_t *p = reply + STUN_HEADER_LEN;

    memcpy(reply + 4, mask, 16);
    p = view->unknown_count ? append_unknown(p, view) : append_mapped_address(p, from, mask);

    const size_t before = (size_t)(p - reply);
    store_be16(reply, view->unknown_count ? BINDING_ERROR : BINDING_SUCCESS);
    store_be16(reply + 2,
               (uint16_t)(before + ATTRIBUTE_HEADER_LEN + FINGERPRINT_LEN - STUN_HEADER_LEN));
    p = begin_attribute(p, FINGERPRINT, FINGERPRINT_LEN);
    store_be32(p, fingerprint_of(reply, before));
    return before + ATTRIBUTE_HEADER_LEN + FINGERPRINT_LEN;
}

enum refusal stun_binding_reply(struct stun_budget *budget, struct span datagram,
                                const struct address *from, usec_t now,
                                uint8_t reply[static STUN_BINDING_REPLY_MAX], size_t *len)
{
    struct stun_view view;

    *len = 0;
    if (stun_scan(datagram, &view) < 0)
        return refuse(REFUSAL_STUN_MALFORMED);
    if (view.type == BINDING_INDICATION)
        return REFUSAL_NONE;
    if (view.type != STUN_BINDING_REQUEST)
        return refuse(REFUSAL_STUN_MALFORMED);
    if (view.username.p || view.has_integrity)
        return refuse(REFUSAL_STUN_UNKNOWN_USER);
    if (!budget_take(budget, now))
        return refuse(REFUSAL_STUN_RATE_LIMIT);
    *len = write_reply(&view, from, reply);
    return REFUSAL_NONE;
}
