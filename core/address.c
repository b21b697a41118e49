#include "core/address.h"

#include "core/hash.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(struct address) == 28, "tables hold many of these");

/* --- from and to the kernel -------------------------------------------------------------- */

static void set_v4(struct address *out, const uint8_t ip[static 4], in_port_t port)
{
    memset(out, 0, sizeof *out);
    out->v4.sin_family = AF_INET;
    out->v4.sin_port = port;
    memcpy(&out->v4.sin_addr, ip, 4);
}

/* A v4-mapped address becomes v4. Flow labels are dropped, and so is the scope where the
 * address has none of its own: two spellings of one address would not be equal. */
static void set_v6(struct address *out, const struct in6_addr *ip, in_port_t port,
                   uint32_t scope)
{
    if (IN6_IS_ADDR_V4MAPPED(ip)) {
        set_v4(out, ip->s6_addr + 12, port);
        return;
    }
    memset(out, 0, sizeof *out);
    out->v6.sin6_family = AF_INET6;
    out->v6.sin6_port = port;
    out->v6.sin6_addr = *ip;
    if (IN6_IS_ADDR_LINKLOCAL(ip) || IN6_IS_ADDR_MC_LINKLOCAL(ip))
        out->v6.sin6_scope_id = scope;
}

int address_from_sockaddr(struct address *out, const struct sockaddr *sa, socklen_t len)
{
    /* The caller's buffer need not be aligned or as long as its family promises. */
    struct address in = {0};

    memcpy(&in, sa, len < sizeof in ? len : sizeof in);
    if (in.sa.sa_family == AF_INET && len >= sizeof in.v4) {
        uint8_t ip[4];
        memcpy(ip, &in.v4.sin_addr, sizeof ip);
        set_v4(out, ip, in.v4.sin_port);
        return RC_OK;
    }
    if (in.sa.sa_family == AF_INET6 && len >= sizeof in.v6) {
        set_v6(out, &in.v6.sin6_addr, in.v6.sin6_port, in.v6.sin6_scope_id);
        return RC_OK;
    }
    return RC_BAD;
}

socklen_t address_len(const struct address *a)
{
    return a->sa.sa_family == AF_INET    ? sizeof a->v4
           : a->sa.sa_family == AF_INET6 ? sizeof a->v6
                                         : 0;
}

void address_to_v6(struct address *out, const struct address *a)
{
    if (a->sa.sa_family != AF_INET) {
        *out = *a;
        return;
    }
    struct address v6 = {.v6 = {.sin6_family = AF_INET6, .sin6_port = a->v4.sin_port}};
    v6.v6.sin6_addr.s6_addr[10] = v6.v6.sin6_addr.s6_addr[11] = 0xff;
    memcpy(v6.v6.sin6_addr.s6_addr + 12, &a->v4.sin_addr, 4);
    *out = v6;
}

/* --- text -------------------------------------------------------------------------------- */

/* All of `text` as a decimal number up to `max`, without sign or spaces. */
static bool parse_number(const char *text, uint32_t max, uint32_t *out)
{
    uint64_t v = 0;

    if (*text == '\0')
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return false;
        v = v * 10 + (uint64_t)(*text - '0');
        if (v > max)
            return false;
    }
    *out = (uint32_t)v;
    return true;
}

static bool parse_scope(const char *text, uint32_t *out)
{
    if (parse_number(text, UINT32_MAX, out))
        return *out != 0;
    if (*text == '\0' || strlen(text) >= IF_NAMESIZE)
        return false;
    *out = if_nametoindex(text);
    return *out != 0;
}

/* One IP, no port, no brackets; cuts the scope off `text`. */
static int parse_ip(struct address *out, char *text)
{
    struct in_addr v4;
    struct in6_addr v6;
    uint32_t scope = 0;

    if (inet_pton(AF_INET, text, &v4) == 1) {
        uint8_t ip[4];
        memcpy(ip, &v4, sizeof ip);
        set_v4(out, ip, 0);
        return RC_OK;
    }
    char *percent = strchr(text, '%');
    if (percent)
        *percent = '\0';
    if (inet_pton(AF_INET6, text, &v6) != 1)
        return RC_BAD;
    const bool scoped = IN6_IS_ADDR_LINKLOCAL(&v6) || IN6_IS_ADDR_MC_LINKLOCAL(&v6);
    if (percent && (!scoped || !parse_scope(percent + 1, &scope)))
        return RC_BAD;
    set_v6(out, &v6, 0, scope);
    return RC_OK;
}

/* Splits `text` into host and port (NULL when it names none). False when it is no such pair. */
static bool split_port(char *text, char **host, char **port)
{
    *host = text;
    *port = NULL;
    if (*text == '[') {
        char *end = strchr(text, ']');
        if (!end || (end[1] != '\0' && end[1] != ':'))
            return false;
        *host = text + 1;
        *port = end[1] == ':' ? end + 2 : NULL;
        *end = '\0';
        return strchr(*host, ':') != NULL; /* brackets are for v6 */
    }
    char *colon = strchr(text, ':');
    if (colon && !strchr(colon + 1, ':')) {
        *colon = '\0';
        *port = colon + 1;
    }
    return true;
}

int address_parse(struct address *out, const char *text)
{
    char copy[ADDRESS_TEXT_MAX], *host, *port_text;
    struct address a;
    uint32_t port = 0;

    if (strlen(text) >= sizeof copy)
        return RC_BAD;
    memcpy(copy, text, strlen(text) + 1);
    if (!split_port(copy, &host, &port_text))
        return RC_BAD;
    if (port_text && !parse_number(port_text, UINT16_MAX, &port))
        return RC_BAD;
    if (strcmp(host, "*") == 0)
        set_v6(&a, &in6addr_any, 0, 0);
    else if (parse_ip(&a, host) != RC_OK)
        return RC_BAD;
    address_set_port(&a, (uint16_t)port);
    *out = a;
    return RC_OK;
}

/* inet_ntop's result, or the scope appended to it. */
static void format_ip(const struct address *a, char out[static ADDRESS_TEXT_MAX])
{
    if (a->sa.sa_family == AF_INET) {
        inet_ntop(AF_INET, &a->v4.sin_addr, out, ADDRESS_TEXT_MAX);
    } else if (a->sa.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &a->v6.sin6_addr, out, ADDRESS_TEXT_MAX);
        const size_t n = strlen(out);
        if (a->v6.sin6_scope_id)
            snprintf(out + n, ADDRESS_TEXT_MAX - n, "%%%u", a->v6.sin6_scope_id);
    } else {
        memcpy(out, "none", sizeof "none");
    }
}

const char *address_format_ip(const struct address *a, char *buf, size_t size)
{
    char ip[ADDRESS_TEXT_MAX];

    format_ip(a, ip);
    snprintf(buf, size, "%s", ip);
    return buf;
}

const char *address_format(const struct address *a, char *buf, size_t size)
{
    char ip[ADDRESS_TEXT_MAX];
    const char *form = a->sa.sa_family == AF_INET6  ? "[%s]:%u"
                       : a->sa.sa_family == AF_INET ? "%s:%u"
                                                    : "%s";

    format_ip(a, ip);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(buf, size, form, ip, (unsigned)address_port(a));
#pragma GCC diagnostic pop
    return buf;
}

/* --- parts and comparison ---------------------------------------------------------------- */

uint16_t address_port(const struct address *a)
{
    return a->sa.sa_family == AF_INET    ? ntohs(a->v4.sin_port)
           : a->sa.sa_family == AF_INET6 ? ntohs(a->v6.sin6_port)
                                         : 0;
}

void address_set_port(struct address *a, uint16_t port)
{
    if (a->sa.sa_family == AF_INET)
        a->v4.sin_port = htons(port);
    else if (a->sa.sa_family == AF_INET6)
        a->v6.sin6_port = htons(port);
}

bool address_equal_ip(const struct address *a, const struct address *b)
{
    if (a->sa.sa_family != b->sa.sa_family)
        return false;
    if (a->sa.sa_family == AF_INET)
        return a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
    if (a->sa.sa_family == AF_INET6)
        return memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, 16) == 0 &&
               a->v6.sin6_scope_id == b->v6.sin6_scope_id;
    return true;
}

bool address_equal(const struct address *a, const struct address *b)
{
    return address_equal_ip(a, b) && address_port(a) == address_port(b);
}

uint32_t address_hash(const struct address *a)
{
    uint8_t key[22];
    size_t n = 0;

    if (a->sa.sa_family == AF_INET) {
        memcpy(key, &a->v4.sin_addr, 4);
        n = 4;
    } else if (a->sa.sa_family == AF_INET6) {
        memcpy(key, &a->v6.sin6_addr, 16);
        memcpy(key + 16, &a->v6.sin6_scope_id, 4);
        n = 20;
    }
    store_be16(key + n, address_port(a));
    return (uint32_t)hash_bytes(key, n + 2);
}

/* --- what an address means --------------------------------------------------------------- */

/* The first `bits` bits of two byte strings. */
static bool prefix_equal(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    const unsigned whole = bits / 8, rest = bits % 8;

    if (memcmp(a, b, whole) != 0)
        return false;
    return rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0;
}

struct meaning {
    uint8_t prefix[16];
    uint8_t bits;
    unsigned mask;
};

/* IANA's special-purpose registries (RFC 6890 and what came after). */
static const struct meaning v4_meanings[] = {
    {{0}, 8, ADDRESS_UNSPECIFIED},         {{10}, 8, ADDRESS_PRIVATE},
    {{100, 64}, 10, ADDRESS_CGNAT},        {{127}, 8, ADDRESS_LOOPBACK},
    {{169, 254}, 16, ADDRESS_LINK_LOCAL},  {{172, 16}, 12, ADDRESS_PRIVATE},
    {{192, 0, 0}, 24, ADDRESS_RESERVED},   {{192, 0, 2}, 24, ADDRESS_RESERVED},
    {{192, 88, 99}, 24, ADDRESS_RESERVED}, {{192, 168}, 16, ADDRESS_PRIVATE},
    {{198, 18}, 15, ADDRESS_RESERVED},     {{198, 51, 100}, 24, ADDRESS_RESERVED},
    {{203, 0, 113}, 24, ADDRESS_RESERVED}, {{224}, 4, ADDRESS_MULTICAST},
    {{240}, 4, ADDRESS_RESERVED},          {{255, 255, 255, 255}, 32, ADDRESS_BROADCAST},
};

static const struct meaning v6_meanings[] = {
    {{0}, 128, ADDRESS_UNSPECIFIED},
    {{[15] = 1}, 128, ADDRESS_LOOPBACK},
    {{0}, 96, ADDRESS_RESERVED},                      /* IPv4-compatible, with :: and ::1 */
    {{0x00, 0x64, 0xff, 0x9b}, 96, ADDRESS_RESERVED}, /* NAT64: leads to any IPv4 */
    {{0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}, 48, ADDRESS_RESERVED},
    {{0x01}, 64, ADDRESS_RESERVED},                   /* discard-only */
    {{0x20, 0x01}, 23, ADDRESS_RESERVED},             /* IETF protocols, Teredo */
    {{0x20, 0x01, 0x0d, 0xb8}, 32, ADDRESS_RESERVED}, /* documentation */
    {{0x20, 0x02}, 16, ADDRESS_RESERVED},             /* 6to4: leads to any IPv4 */
    {{0x3f, 0xff}, 20, ADDRESS_RESERVED},             /* documentation */
    {{0x5f}, 16, ADDRESS_RESERVED},                   /* segment routing */
    {{0xfc}, 7, ADDRESS_ULA},
    {{0xfe, 0x80}, 10, ADDRESS_LINK_LOCAL},
    {{0xfe, 0xc0}, 10, ADDRESS_RESERVED}, /* site-local, deprecated */
    {{0xff}, 8, ADDRESS_MULTICAST},
};

static unsigned lookup(const struct meaning *rows, size_t count, const uint8_t *ip)
{
    unsigned mask = 0;

    for (size_t i = 0; i < count; i++) {
        if (prefix_equal(rows[i].prefix, ip, rows[i].bits))
            mask |= rows[i].mask;
    }
    return mask;
}

static const uint8_t *ip_bytes(const struct address *a)
{
    return a->sa.sa_family == AF_INET ? (const uint8_t *)&a->v4.sin_addr
                                      : a->v6.sin6_addr.s6_addr;
}

unsigned address_classify(const struct address *a)
{
    switch (a->sa.sa_family) {
    case AF_INET:
        return lookup(v4_meanings, ARRAY_LEN(v4_meanings), ip_bytes(a));
    case AF_INET6:
        return lookup(v6_meanings, ARRAY_LEN(v6_meanings), ip_bytes(a));
    default:
        return ADDRESS_UNSPECIFIED;
    }
}

bool address_is_wildcard(const struct address *a)
{
    return a->sa.sa_family == AF_INET    ? a->v4.sin_addr.s_addr == INADDR_ANY
           : a->sa.sa_family == AF_INET6 ? IN6_IS_ADDR_UNSPECIFIED(&a->v6.sin6_addr)
                                         : false;
}

/* --- this machine ------------------------------------------------------------------------ */

static int add_once(struct address *out, int count, int max, const struct address *a)
{
    for (int i = 0; i < count; i++) {
        if (address_equal_ip(&out[i], a))
            return count;
    }
    if (count < max)
        out[count++] = *a;
    return count;
}

/* The addresses of interfaces that are up, either the ordinary or the inward-looking ones. */
static int pick(const struct ifaddrs *list, bool inward, struct address *out, int max)
{
    int count = 0;

    for (const struct ifaddrs *i = list; i; i = i->ifa_next) {
        struct address a;

        if (!i->ifa_addr || !(i->ifa_flags & IFF_UP))
            continue;
        const socklen_t len = i->ifa_addr->sa_family == AF_INET ? sizeof a.v4 : sizeof a.v6;
        if (address_from_sockaddr(&a, i->ifa_addr, len) != RC_OK)
            continue;
        const unsigned mask = address_classify(&a);
        if (((mask & (ADDRESS_LOOPBACK | ADDRESS_LINK_LOCAL)) != 0) == inward)
            count = add_once(out, count, max, &a);
    }
    return count;
}

int address_local(struct address *out, int max)
{
    struct ifaddrs *list;

    if (getifaddrs(&list) < 0)
        return RC_SYS;
    int count = pick(list, false, out, max);
    if (count == 0)
        count = pick(list, true, out, max);
    freeifaddrs(list);
    return count;
}

/* --- networks ---------------------------------------------------------------------------- */

static void clear_host_bits(uint8_t *ip, unsigned bits, unsigned total)
{
    for (unsigned bit = bits; bit < total; bit++)
        ip[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
}

int address_net_parse(struct address_net *out, const char *text)
{
    char copy[ADDRESS_TEXT_MAX];
    struct address base;
    uint32_t bits;

    if (strlen(text) >= sizeof copy)
        return RC_BAD;
    memcpy(copy, text, strlen(text) + 1);
    char *slash = strchr(copy, '/');
    if (slash)
        *slash++ = '\0';
    const bool mapped = strchr(copy, ':') != NULL;
    if (strchr(copy, '%') || parse_ip(&base, copy) != RC_OK)
        return RC_BAD;

    const bool v4 = base.sa.sa_family == AF_INET;
    const unsigned skipped = v4 && mapped ? 96 : 0; /* ::ffff:10.0.0.0/104 is 10.0.0.0/8 */
    const unsigned total = v4 ? 32 : 128;
    bits = total + skipped;
    if (slash && !parse_number(slash, total + skipped, &bits))
        return RC_BAD;
    if (bits < skipped)
        return RC_BAD;
    bits -= skipped;

    clear_host_bits(v4 ? (uint8_t *)&base.v4.sin_addr : base.v6.sin6_addr.s6_addr, bits, total);
    *out = (struct address_net){base, (uint8_t)bits};
    return RC_OK;
}

bool address_net_contains(const struct address_net *net, const struct address *a)
{
    if (!address_len(a) || a->sa.sa_family != net->base.sa.sa_family)
        return false;
    return prefix_equal(ip_bytes(&net->base), ip_bytes(a), net->bits);
}
