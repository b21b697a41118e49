#include "core/proxy_protocol.h"

#include <string.h>

static const uint8_t signature[12] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
                                      0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};

enum {
    VERSION_2 = 0x20,
    COMMAND_LOCAL = 0,
    COMMAND_PROXY = 1,
    FAMILY_UNSPEC = 0,
    FAMILY_INET = 1,
    FAMILY_INET6 = 2,
    FAMILY_UNIX = 3,
    TRANSPORT_UNSPEC = 0,
    TRANSPORT_STREAM = 1,
    INET_LEN = 12,
    INET6_LEN = 36,
    UNIX_LEN = 216,
    TLV_CRC32C = 0x03, /* section 2.2.3 */
};

/* RFC 3720, appendix B.4: Castagnoli. A header is read once a connection: no table. */
static uint32_t crc32c(uint32_t crc, uint8_t byte)
{
    crc ^= byte;
    for (int i = 0; i < 8; i++)
        crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    return crc;
}

/* Section 2.2.3: over the whole header, the checksum's own four bytes taken for zero. */
static bool checksum_is_right(struct span header, struct span value)
{
    const size_t at = (size_t)(value.p - header.p);
    uint32_t crc = ~0u;

    if (value.n != 4)
        return false;
    for (size_t i = 0; i < header.n; i++)
        crc = crc32c(crc, i >= at && i < at + 4 ? 0 : header.p[i]);
    return ~crc == load_be32(value.p);
}

/* type, length (16 bits), value: those that we do not know are skipped. */
static bool extensions_are_good(struct span header, struct span rest)
{
    while (rest.n > 0) {
        if (rest.n < 3)
            return false;
        const struct span value = {rest.p + 3, load_be16(rest.p + 1)};

        if (rest.n - 3 < value.n)
            return false;
        if (rest.p[0] == TLV_CRC32C && !checksum_is_right(header, value))
            return false;
        rest = (struct span){value.p + value.n, rest.n - 3 - value.n};
    }
    return true;
}

/* Through the kernel's form: a v4-mapped address becomes v4. */
static void read_inet(struct address *out, const uint8_t *ip, const uint8_t *port)
{
    struct sockaddr_in in = {.sin_family = AF_INET};

    memcpy(&in.sin_addr, ip, 4);
    memcpy(&in.sin_port, port, 2);
    (void)address_from_sockaddr(out, (const struct sockaddr *)&in, sizeof in);
}

static void read_inet6(struct address *out, const uint8_t *ip, const uint8_t *port)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

    memcpy(&in6.sin6_addr, ip, 16);
    memcpy(&in6.sin6_port, port, 2);
    (void)address_from_sockaddr(out, (const struct sockaddr *)&in6, sizeof in6);
}

/* Source address, destination address, source port, destination port. Returns how many bytes
 * they take, or RC_BAD. */
static int read_addresses(struct proxy_header *out, uint8_t family, struct span body)
{
    switch (family) {
    case FAMILY_INET:
        if (body.n < INET_LEN)
            return RC_BAD;
        read_inet(&out->from, body.p, body.p + 8);
        read_inet(&out->to, body.p + 4, body.p + 10);
        out->has_client = true;
        return INET_LEN;
    case FAMILY_INET6:
        if (body.n < INET6_LEN)
            return RC_BAD;
        read_inet6(&out->from, body.p, body.p + 32);
        read_inet6(&out->to, body.p + 16, body.p + 34);
        out->has_client = true;
        return INET6_LEN;
    case FAMILY_UNIX:
        return body.n < UNIX_LEN ? RC_BAD : UNIX_LEN;
    default:
        return RC_BAD;
    }
}

static int read_body(struct proxy_header *out, struct span header, uint8_t command,
                     uint8_t protocol)
{
    const uint8_t family = protocol >> 4, transport = protocol & 0x0f;
    const struct span body = {header.p + PROXY_PROTOCOL_FIXED, header.n - PROXY_PROTOCOL_FIXED};
    int used = 0;

    /* Section 2.2: what follows LOCAL, and the addresses of UNSPEC, is to be passed over. */
    if (command == COMMAND_LOCAL || family == FAMILY_UNSPEC)
        return RC_OK;
    if (transport != TRANSPORT_STREAM && transport != TRANSPORT_UNSPEC)
        return RC_BAD;
    used = read_addresses(out, family, body);
    if (used < 0)
        return used;
    const struct span rest = {body.p + used, body.n - (size_t)used};
    return extensions_are_good(header, rest) ? RC_OK : RC_BAD;
}

/*
 *  0       12        13        14      16
 * +---------+---------+---------+-------+-----------+------------+
 * |signature|ver, cmd |fam, prot| length| addresses | extensions |
 * +---------+---------+---------+-------+-----------+------------+
 */
int proxy_protocol_parse(struct span bytes, struct proxy_header *out, size_t *need)
{
    struct proxy_header header = {0};
    const size_t seen = bytes.n < sizeof signature ? bytes.n : sizeof signature;

    if (memcmp(bytes.p, signature, seen) != 0)
        return RC_BAD;
    if (bytes.n < PROXY_PROTOCOL_FIXED) {
        *need = PROXY_PROTOCOL_FIXED;
        return RC_AGAIN;
    }
    const uint8_t command = bytes.p[12] & 0x0f;
    header.len = PROXY_PROTOCOL_FIXED + (size_t)load_be16(bytes.p + 14);
    if ((bytes.p[12] & 0xf0) != VERSION_2 || command > COMMAND_PROXY ||
        header.len > PROXY_PROTOCOL_MAX)
        return RC_BAD;
    if (bytes.n < header.len) {
        *need = header.len;
        return RC_AGAIN;
    }
    if (read_body(&header, (struct span){bytes.p, header.len}, command, bytes.p[13]) != RC_OK)
        return RC_BAD;
    *out = header;
    return RC_OK;
}
