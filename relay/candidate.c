#include "relay/candidate.h"

#include "relay/sdp_text.h"

#include <stdio.h>
#include <string.h>

static const char *const type_names[] = {
    [CANDIDATE_HOST] = "host",
    [CANDIDATE_SERVER_REFLEXIVE] = "srflx",
    [CANDIDATE_PEER_REFLEXIVE] = "prflx",
    [CANDIDATE_RELAYED] = "relay",
};

/* RFC 6544, section 4.5; UDP has none. */
static const char *const tcptype_names[] = {
    [CANDIDATE_TCP_ACTIVE] = "active",
    [CANDIDATE_TCP_PASSIVE] = "passive",
    [CANDIDATE_TCP_SO] = "so",
};

/* RFC 8445, section 5.1.2.2: recommended type preferences. */
enum { TYPE_PREFERENCE_HOST = 126 };
/* RFC 6544, section 4.2, of host candidates. */
enum { DIRECTION_PREFERENCE_PASSIVE = 4 };

static void strip_prefix(struct span *text, const char *prefix)
{
    const size_t n = strlen(prefix);

    if (text->n >= n && memcmp(text->p, prefix, n) == 0)
        *text = (struct span){text->p + n, text->n - n};
}

static struct span strip_line_end(struct span text)
{
    while (text.n > 0 && (text.p[text.n - 1] == '\n' || text.p[text.n - 1] == '\r'))
        text.n--;
    return text;
}

static bool is_ice_char(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '+' || c == '/';
}

static bool parse_foundation(struct span text, char out[static CANDIDATE_FOUNDATION_MAX + 1])
{
    for (size_t i = 0; i < text.n; i++)
        if (!is_ice_char(text.p[i]))
            return false;
    return text.n > 0 && sdp_text_copy(text, out, CANDIDATE_FOUNDATION_MAX + 1);
}

/* connection-address may be a name (RFC 8839, section 5.1), which only an agent that sends
 * checks would resolve: it is accepted and stays AF_UNSPEC. */
static bool parse_address(struct span host, struct span port_text, struct address *out)
{
    struct address address = {0};
    char text[256];
    uint64_t port;

    if (!sdp_text_is_visible(host) || !sdp_text_copy(host, text, sizeof text) ||
        !sdp_text_number(port_text, UINT16_MAX, &port))
        return false;

    /* A bare "*" or "[v6]:port" is a form of our own settings, not of a candidate. */
    const bool numeric = strspn(text, "0123456789abcdefABCDEF.:") == host.n;
    if (numeric && address_parse(&address, text) == RC_OK) {
        if (address_port(&address) != 0)
            return false;
        address_set_port(&address, (uint16_t)port);
    } else if (memchr(host.p, ':', host.n) || !sdp_text_is_token(host)) {
        return false;
    }
    *out = address;
    return true;
}

static bool parse_type(struct span text, enum candidate_type *out)
{
    *out = CANDIDATE_OTHER_TYPE;
    for (size_t i = 0; i < ARRAY_LEN(type_names); i++)
        if (sdp_text_is(text, type_names[i]))
            *out = (enum candidate_type)i;
    return sdp_text_is_token(text);
}

static bool parse_transport(struct span text, enum candidate_transport *out)
{
    *out = CANDIDATE_OTHER_TRANSPORT;
    if (sdp_text_is_nocase(text, "udp"))
        *out = CANDIDATE_UDP;
    if (sdp_text_is_nocase(text, "tcp"))
        *out = CANDIDATE_TCP_ACTIVE; /* until tcptype says which */
    return sdp_text_is_token(text);
}

static bool parse_tcptype(struct span text, enum candidate_transport *out)
{
    for (size_t i = 0; i < ARRAY_LEN(tcptype_names); i++) {
        if (tcptype_names[i] && sdp_text_is(text, tcptype_names[i])) {
            *out = (enum candidate_transport)i;
            return true;
        }
    }
    return false;
}

/* [raddr] [rport] *(extension-name extension-value): pairs, of which we know three. */
static bool parse_extensions(struct span rest, struct candidate *c)
{
    const bool tcp = c->transport == CANDIDATE_TCP_ACTIVE;
    struct span name, value, related = {0};
    bool has_tcptype = false;

    while (sdp_text_token(&rest, &name)) {
        if (!sdp_text_token(&rest, &value))
            return false;
        if (sdp_text_is(name, "raddr")) {
            related = value;
        } else if (sdp_text_is(name, "rport") && related.n > 0) {
            if (!parse_address(related, value, &c->related))
                return false;
        } else if (sdp_text_is(name, "tcptype") && tcp) {
            if (!parse_tcptype(value, &c->transport))
                return false;
            has_tcptype = true;
        }
    }
    return has_tcptype || !tcp;
}

static bool parse_fields(struct span rest, struct candidate *c)
{
    struct span foundation, component, transport, priority, host, port, typ, type;
    uint64_t number;

    if (!sdp_text_token(&rest, &foundation) || !sdp_text_token(&rest, &component) ||
        !sdp_text_token(&rest, &transport) || !sdp_text_token(&rest, &priority) ||
        !sdp_text_token(&rest, &host) || !sdp_text_token(&rest, &port) ||
        !sdp_text_token(&rest, &typ) || !sdp_text_token(&rest, &type))
        return false;

    /* Section 5.1: component 1 to 256, priority 1 to 2^31 - 1 (browsers go up to 2^32 - 1). */
    if (!parse_foundation(foundation, c->foundation) ||
        !sdp_text_number(component, 256, &number) || number == 0)
        return false;
    c->component = (uint16_t)number;
    if (!sdp_text_number(priority, UINT32_MAX, &number))
        return false;
    c->priority = (uint32_t)number;

    return parse_transport(transport, &c->transport) &&
           parse_address(host, port, &c->address) && sdp_text_is(typ, "typ") &&
           parse_type(type, &c->type) && parse_extensions(rest, c);
}

int candidate_parse(const char *text, size_t n, struct candidate *out)
{
    struct candidate c = {.transport = CANDIDATE_UDP};

    if (n > CANDIDATE_TEXT_MAX)
        return RC_FULL;
    if (n == 0)
        return RC_BAD;

    struct span rest = strip_line_end((struct span){(const uint8_t *)text, n});
    strip_prefix(&rest, "a=");
    strip_prefix(&rest, "candidate:");
    for (size_t i = 0; i < rest.n; i++)
        if (rest.p[i] < 0x20)
            return RC_BAD;
    if (!parse_fields(rest, &c))
        return RC_BAD;
    *out = c;
    return RC_OK;
}

bool candidate_is_end(const char *text, size_t n)
{
    if (n == 0)
        return true;

    struct span rest = strip_line_end((struct span){(const uint8_t *)text, n});
    strip_prefix(&rest, "a=");
    return rest.n == 0 || sdp_text_is(rest, "end-of-candidates");
}

void candidate_make_host(struct candidate *out, enum candidate_transport transport,
                         const struct address *address, unsigned index)
{
    /* RFC 6544, section 4.2: on a multihomed or dual-stack host UDP goes before TCP, whose local
     * preference begins with that of its direction. */
    const bool udp = transport == CANDIDATE_UDP;
    const uint32_t type_preference = udp ? TYPE_PREFERENCE_HOST : TYPE_PREFERENCE_HOST - 36;
    const uint32_t direction = udp ? 0 : DIRECTION_PREFERENCE_PASSIVE << 13;
    const uint32_t most = udp ? UINT16_MAX : (1 << 13) - 1;
    const uint32_t local_preference = direction | (index < most ? most - index : 0);

    *out = (struct candidate){
        .component = 1,
        .transport = transport,
        .priority = type_preference << 24 | local_preference << 8 | (256 - 1),
        .address = *address,
        .type = CANDIDATE_HOST,
    };
    snprintf(out->foundation, sizeof out->foundation, "%u", index + 1);
}

int candidate_format(const struct candidate *candidate, char *buf, size_t size)
{
    const bool tcp = candidate->transport != CANDIDATE_UDP;
    char host[ADDRESS_TEXT_MAX], related[ADDRESS_TEXT_MAX + 32] = "";

    if (candidate->type == CANDIDATE_OTHER_TYPE ||
        candidate->transport == CANDIDATE_OTHER_TRANSPORT)
        return RC_BAD;
    if (address_len(&candidate->related) > 0) {
        char ip[ADDRESS_TEXT_MAX];
        snprintf(related, sizeof related, " raddr %s rport %u",
                 address_format_ip(&candidate->related, ip, sizeof ip),
                 address_port(&candidate->related));
    }
    const int n =
        snprintf(buf, size, "candidate:%s %u %s %u %s %u typ %s%s%s%s", candidate->foundation,
                 candidate->component, tcp ? "tcp" : "udp", candidate->priority,
                 address_format_ip(&candidate->address, host, sizeof host),
                 address_port(&candidate->address), type_names[candidate->type], related,
                 tcp ? " tcptype " : "", tcp ? tcptype_names[candidate->transport] : "");
    return n < 0 || (size_t)n >= size ? RC_FULL : n;
}
