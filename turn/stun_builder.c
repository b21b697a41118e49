#include "turn/stun_builder.h"

#include "turn/channel_data.h"

#include <string.h>

/* --- space
 * ------------------------------------------------------------------------------------ */

static uint8_t *grow(struct stun_builder *b, size_t n)
{
    if (b->overflow || n > b->capacity - b->len) {
        b->overflow = true;
        return NULL;
    }
    uint8_t *p = b->p + b->len;
    b->len += n;
    return p;
}

static void set_length(struct stun_builder *b, size_t whole)
{
    store_be16(b->p + 2, (uint16_t)(whole - STUN_HEADER_BYTES));
}

/* Section 5: the class's two bits lie between those of the method. */
static uint16_t type_of(enum stun_class class, unsigned method)
{
    const unsigned c = class;

    return (uint16_t)((method & 0xf) | (method & 0x70) << 1 | (method & 0xf80) << 2 |
                      (c & 1) << 4 | (c & 2) << 7);
}

void stun_begin(struct stun_builder *b, uint8_t *buffer, size_t capacity, enum stun_class class,
                uint16_t method, const uint8_t id[static STUN_ID_BYTES])
{
    *b = (struct stun_builder){
        .p = buffer,
        .capacity = capacity < STUN_BYTES_MAX ? capacity : STUN_BYTES_MAX,
    };
    uint8_t *p = grow(b, STUN_HEADER_BYTES);
    if (!p)
        return;
    store_be16(p, type_of(class, method));
    store_be16(p + 2, 0);
    store_be32(p + 4, STUN_MAGIC);
    memcpy(p + 8, id, STUN_ID_BYTES);
}

uint8_t *stun_reserve(struct stun_builder *b, uint16_t type, size_t n)
{
    if (n > UINT16_MAX) {
        b->overflow = true;
        return NULL;
    }
    uint8_t *p = grow(b, STUN_ATTRIBUTE_HEADER + n + stun_padding(n));
    if (!p)
        return NULL;
    store_be16(p, type);
    store_be16(p + 2, (uint16_t)n);
    memset(p + STUN_ATTRIBUTE_HEADER + n, 0, stun_padding(n));
    return p + STUN_ATTRIBUTE_HEADER;
}

/* --- values
 * ----------------------------------------------------------------------------------- */

void stun_put(struct stun_builder *b, uint16_t type, const void *value, size_t n)
{
    uint8_t *p = stun_reserve(b, type, n);

    if (p && n > 0)
        memcpy(p, value, n);
}

void stun_put_u32(struct stun_builder *b, uint16_t type, uint32_t value)
{
    uint8_t *p = stun_reserve(b, type, 4);

    if (p)
        store_be32(p, value);
}

static bool is_xored(uint16_t type)
{
    return type == STUN_ATTR_XOR_PEER_ADDRESS || type == STUN_ATTR_XOR_RELAYED_ADDRESS ||
           type == STUN_ATTR_XOR_MAPPED_ADDRESS;
}

/* Section 14.2: v4 is XORed with the cookie, v6 with cookie and transaction id; the port with
 * the cookie's first half. */
void stun_put_address(struct stun_builder *b, uint16_t type, const struct address *address)
{
    static const uint8_t plain[16];
    const bool v6 = address->sa.sa_family == AF_INET6;
    const uint8_t *ip =
        v6 ? address->v6.sin6_addr.s6_addr : (const uint8_t *)&address->v4.sin_addr;
    const size_t n = v6 ? 16 : 4;

    if (!v6 && address->sa.sa_family != AF_INET) {
        b->overflow = true;
        return;
    }
    uint8_t *p = stun_reserve(b, type, 4 + n);
    if (!p)
        return;
    const uint8_t *mask = is_xored(type) ? b->p + 4 : plain;
    p[0] = 0;
    p[1] = v6 ? 2 : 1;
    store_be16(p + 2, address_port(address) ^ load_be16(mask));
    for (size_t i = 0; i < n; i++)
        p[4 + i] = ip[i] ^ mask[i];
}

const char *stun_error_reason(unsigned code)
{
    switch (code) {
    case 300:
        return "Try Alternate";
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthenticated";
    case 403:
        return "Forbidden";
    case 405:
        return "Mobility Forbidden";
    case 420:
        return "Unknown Attribute";
    case 437:
        return "Allocation Mismatch";
    case 438:
        return "Stale Nonce";
    case 440:
        return "Address Family not Supported";
    case 441:
        return "Wrong Credentials";
    case 442:
        return "Unsupported Transport Protocol";
    case 443:
        return "Peer Address Family Mismatch";
    case 446:
        return "Connection Already Exists";
    case 447:
        return "Connection Timeout or Failure";
    case 486:
        return "Allocation Quota Reached";
    case 487:
        return "Role Conflict";
    case 500:
        return "Server Error";
    case 508:
        return "Insufficient Capacity";
    default:
        return "";
    }
}

void stun_put_error(struct stun_builder *b, unsigned code)
{
    const char *reason = stun_error_reason(code);
    const size_t n = strlen(reason);
    uint8_t *p = stun_reserve(b, STUN_ATTR_ERROR_CODE, 4 + n);

    if (!p)
        return;
    store_be16(p, 0);
    p[2] = (uint8_t)(code / 100);
    p[3] = (uint8_t)(code % 100);
    memcpy(p + 4, reason, n);
}

void stun_put_integrity(struct stun_builder *b, const struct stun_key *key,
                        enum stun_integrity which)
{
    const bool sha1 = which == STUN_INTEGRITY_SHA1;
    const size_t before = b->len;
    const size_t n = sha1 ? STUN_SHA1_BYTES : STUN_SHA256_BYTES;
    uint8_t mac[STUN_SHA256_BYTES];
    uint8_t *p = stun_reserve(
        b, sha1 ? STUN_ATTR_MESSAGE_INTEGRITY : STUN_ATTR_MESSAGE_INTEGRITY_SHA256, n);

    if (!p)
        return;
    stun_mac(mac, key, which, b->p, before, n);
    memcpy(p, mac, n);
}

/* --- the end
 * ---------------------------------------------------------------------------------- */

size_t stun_finish(struct stun_builder *b, bool fingerprint)
{
    const size_t before = b->len;
    uint8_t *p = fingerprint ? stun_reserve(b, STUN_ATTR_FINGERPRINT, 4) : NULL;

    if (b->overflow)
        return 0;
    set_length(b, b->len);
    if (p)
        store_be32(p, stun_fingerprint(b->p, before));
    return b->len;
}

size_t stun_finish_data(struct stun_builder *b, size_t n, size_t *tail)
{
    uint8_t *p = grow(b, STUN_ATTRIBUTE_HEADER);

    if (!p || n > STUN_BYTES_MAX - b->len)
        return 0;
    store_be16(p, STUN_ATTR_DATA);
    store_be16(p + 2, (uint16_t)n);
    *tail = stun_padding(n);
    set_length(b, b->len + n + *tail);
    return b->len;
}
