#include "turn/turn_request.h"

static sa_family_t family_of(uint8_t value)
{
    return value == 1 ? AF_INET : value == 2 ? AF_INET6 : AF_UNSPEC;
}

static uint8_t first_byte(const struct stun_message *m, enum stun_known which)
{
    return stun_get(m, which).p[0];
}

/* RFC 6062 section 5.1: only over TCP, and with nothing that is about UDP ports. */
static unsigned tcp_refusal(const struct stun_message *m, enum turn_transport transport)
{
    if (transport != TURN_TCP && transport != TURN_TLS)
        return 400;
    if (stun_has(m, STUN_HAS_DONT_FRAGMENT) || stun_has(m, STUN_HAS_EVEN_PORT) ||
        stun_has(m, STUN_HAS_RESERVATION_TOKEN))
        return 400;
    return 0;
}

/* RFC 8656 section 7.2, step 3. */
static unsigned read_transport(struct turn_allocate *out, const struct stun_message *m,
                               enum turn_transport transport, bool tcp_relay)
{
    if (!stun_has(m, STUN_HAS_REQUESTED_TRANSPORT))
        return 400;
    const uint8_t protocol = first_byte(m, STUN_HAS_REQUESTED_TRANSPORT);
    out->tcp = protocol == TURN_PROTOCOL_TCP;
    if (protocol == TURN_PROTOCOL_UDP)
        return 0;
    return out->tcp && tcp_relay ? tcp_refusal(m, transport) : 442;
}

/* Steps 5 to 9. */
static unsigned read_families(struct turn_allocate *out, const struct stun_message *m)
{
    const bool requested = stun_has(m, STUN_HAS_REQUESTED_ADDRESS_FAMILY);
    const bool additional = stun_has(m, STUN_HAS_ADDITIONAL_ADDRESS_FAMILY);

    out->family = AF_INET;
    if (out->has_reservation && (requested || additional))
        return 400;
    if (requested && additional)
        return 400;
    if (requested) {
        out->family = family_of(first_byte(m, STUN_HAS_REQUESTED_ADDRESS_FAMILY));
        return out->family == AF_UNSPEC ? 440 : 0;
    }
    if (!additional)
        return 0;
    /* Step 9 names IPv4 as a bad request; a family that does not exist is no better. */
    if (family_of(first_byte(m, STUN_HAS_ADDITIONAL_ADDRESS_FAMILY)) != AF_INET6)
        return 400;
    out->dual = true;
    return 0;
}

static unsigned read_port(struct turn_allocate *out, const struct stun_message *m)
{
    out->has_reservation = stun_has(m, STUN_HAS_RESERVATION_TOKEN);
    if (out->has_reservation)
        out->reservation = load_be64(stun_get(m, STUN_HAS_RESERVATION_TOKEN).p);
    if (!stun_has(m, STUN_HAS_EVEN_PORT))
        return 0;
    if (out->has_reservation)
        return 400;
    out->port =
        first_byte(m, STUN_HAS_EVEN_PORT) & 0x80 ? TURN_PORT_EVEN_AND_NEXT : TURN_PORT_EVEN;
    if (out->port == TURN_PORT_EVEN_AND_NEXT && stun_has(m, STUN_HAS_ADDITIONAL_ADDRESS_FAMILY))
        return 400;
    return 0;
}

unsigned turn_read_allocate(struct turn_allocate *out, const struct stun_message *m,
                            enum turn_transport transport, bool tcp_relay)
{
    struct turn_allocate a = {.port = TURN_PORT_ANY};
    unsigned code = read_transport(&a, m, transport, tcp_relay);

    if (code == 0)
        code = read_port(&a, m);
    if (code == 0)
        code = read_families(&a, m);
    if (code != 0)
        return code;
    a.has_lifetime = stun_has(m, STUN_HAS_LIFETIME);
    a.lifetime = stun_get_u32(m, STUN_HAS_LIFETIME);
    a.mobile = stun_has(m, STUN_HAS_MOBILITY_TICKET);
    *out = a;
    return 0;
}

unsigned turn_read_refresh(struct turn_refresh *out, const struct stun_message *m)
{
    struct turn_refresh r = {.ticket = stun_get(m, STUN_HAS_MOBILITY_TICKET)};

    if (stun_has(m, STUN_HAS_REQUESTED_ADDRESS_FAMILY)) {
        r.family = family_of(first_byte(m, STUN_HAS_REQUESTED_ADDRESS_FAMILY));
        if (r.family == AF_UNSPEC)
            return 440;
    }
    r.has_lifetime = stun_has(m, STUN_HAS_LIFETIME);
    r.lifetime = stun_get_u32(m, STUN_HAS_LIFETIME);
    *out = r;
    return 0;
}

unsigned turn_read_peers(struct address peers[static STUN_PEERS_MAX], size_t *count,
                         const struct stun_message *m)
{
    if (m->peer_count == 0 || m->too_many_peers)
        return 400;
    for (unsigned i = 0; i < m->peer_count; i++) {
        if (stun_get_peer(m, i, &peers[i]) != RC_OK)
            return 400;
    }
    *count = m->peer_count;
    return 0;
}

unsigned turn_read_channel_bind(struct turn_channel_bind *out, const struct stun_message *m)
{
    struct turn_channel_bind bind;

    if (!stun_has(m, STUN_HAS_CHANNEL_NUMBER) || m->peer_count != 1 ||
        stun_get_peer(m, 0, &bind.peer) != RC_OK)
        return 400;
    bind.number = (uint16_t)(stun_get_u32(m, STUN_HAS_CHANNEL_NUMBER) >> 16);
    if (bind.number < STUN_CHANNEL_FIRST || bind.number > STUN_CHANNEL_LAST)
        return 400;
    *out = bind;
    return 0;
}

unsigned turn_read_connect(struct address *peer, const struct stun_message *m)
{
    return m->peer_count == 1 && stun_get_peer(m, 0, peer) == RC_OK ? 0 : 400;
}
