/*
 * turn/turn_data.c - data on its way through an allocation (RFC 8656 sections 11 and 12): no
 * copy, no malloc, no clock. Nothing of it refreshes anything.
 */
#include "turn/turn_handlers.h"

/* --- from the client -----------------------------------------------------------------------
 */

static void count_to_peer(struct turn_counters *counters, size_t bytes)
{
    counter_add(&counters->turn_packet_processed, 1);
    counter_add(&counters->turn_total_traffic_peer_sentp, 1);
    counter_add(&counters->turn_total_traffic_peer_sentb, bytes);
}

static void pass_to_peer(struct turn_allocation *a, const struct address *peer,
                         enum turn_peer how, struct span data, unsigned flags, usec_t now)
{
    struct turn_server *server = a->server;
    const struct turn_side *side = &a->side[turn_side_of(peer->sa.sa_family)];

    if (!turn_side_is_open(side) || (how != TURN_PEER_SFU && !side->relay)) {
        turn_dropped(server);
        return;
    }
    if (!turn_meter_pass(&a->from_client, a->grant.bytes_second, data.n, now)) {
        counter_add(&server->counters.turn_rate_limited_packets, 1);
        turn_dropped(server);
        return;
    }
    count_to_peer(&server->counters, data.n);
    if (how != TURN_PEER_SFU) {
        server->out.to_peer(server->out.arg, side->relay, peer, data, flags);
        return;
    }
    counter_add(&server->counters.turn_spliced_packets, 1);
    server->out.to_media(server->out.arg, a, &side->address, peer, data);
}

static void not_permitted(struct turn_server *server)
{
    counter_add(&server->counters.turn_no_permission_packets, 1);
    turn_dropped(server);
}

void turn_channel_data(struct turn_server *server, const struct turn_client *from,
                       struct span message, usec_t now)
{
    struct turn_allocation *a = allocation_of_client(server, from);
    struct span data;
    uint16_t number;
    size_t total;

    if (!a || stun_channel_read(message, turn_is_stream(from->transport), &number, &data,
                                &total) != RC_OK) {
        turn_dropped(server);
        return;
    }
    const struct channel *channel = channel_find(&a->channels, number, now);
    /* Section 12 leaves it open whether a channel needs a permission to send; without one the
     * peer could no longer say that it does not want this. */
    if (!channel || !permission_find(&a->permissions, &channel->peer, now)) {
        not_permitted(server);
        return;
    }
    pass_to_peer(a, &channel->peer, (enum turn_peer)channel->how, data, 0, now);
}

/* How data travels under a permission; DENIED without one. */
static enum turn_peer way_of(const struct turn_allocation *a, const struct address *peer,
                             usec_t now)
{
    const struct permission *permission = permission_find(&a->permissions, peer, now);

    if (!permission)
        return TURN_PEER_DENIED;
    if (permission->how == TURN_PEER_RELAY)
        return TURN_PEER_RELAY;
    /* An address of ours: some ports are media, some are relays, the rest is nobody's business.
     */
    return turn_policy_peer(a->server->options.policy, a->owner.capability, peer);
}

void turn_send(struct turn_server *server, const struct turn_client *from,
               const struct stun_message *m, usec_t now)
{
    struct turn_allocation *a = allocation_of_client(server, from);
    struct address peer;

    /* Section 11.2: what is wrong with an indication is discarded without a word. */
    if (!a || a->tcp || m->unknown_count > 0 || !stun_has(m, STUN_HAS_DATA) ||
        m->peer_count != 1 || stun_get_peer(m, 0, &peer) != RC_OK || address_port(&peer) == 0) {
        turn_dropped(server);
        return;
    }
    const enum turn_peer how = way_of(a, &peer, now);
    if (how == TURN_PEER_DENIED) {
        not_permitted(server);
        return;
    }
    pass_to_peer(a, &peer, how, stun_get(m, STUN_HAS_DATA),
                 stun_has(m, STUN_HAS_DONT_FRAGMENT) ? TURN_SEND_DONT_FRAGMENT : 0, now);
}

/* --- to the client -------------------------------------------------------------------------
 */

static void pass_to_client(struct turn_allocation *a, struct span head, struct span data,
                           size_t tail)
{
    struct turn_server *server = a->server;

    counter_add(&server->counters.turn_packet_processed, 1);
    counter_add(&server->counters.turn_total_traffic_sentp, 1);
    counter_add(&server->counters.turn_total_traffic_sentb, head.n + data.n + tail);
    server->out.to_client(server->out.arg, &a->client, head, data, tail);
}

/* RFC 8489 section 6: an indication's transaction id must not be guessable only where somebody
 * waits for an answer, and nobody does: unlike the ones before is enough. */
static void indication_begin(struct turn_server *server, struct stun_builder *b,
                             uint8_t *buffer, size_t capacity, enum stun_method method)
{
    uint64_t x = server->indications += 0x9e3779b97f4a7c15u;
    uint8_t id[STUN_ID_BYTES];

    store_be32(id, (uint32_t)(x >> 17));
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    store_be64(id + 4, x ^ x >> 27);
    stun_begin(b, buffer, capacity, STUN_INDICATION, method, id);
}

static void send_data_indication(struct turn_allocation *a, const struct address *peer,
                                 struct span data)
{
    uint8_t head[TURN_HEADROOM];
    struct stun_builder b;
    size_t tail;

    indication_begin(a->server, &b, head, sizeof head, STUN_DATA);
    stun_put_address(&b, STUN_ATTR_XOR_PEER_ADDRESS, peer);
    const size_t n = stun_finish_data(&b, data.n, &tail);
    if (n == 0) {
        turn_dropped(a->server);
        return;
    }
    pass_to_client(a, (struct span){head, n}, data, tail);
}

static void send_channel_data(struct turn_allocation *a, uint16_t number, struct span data)
{
    uint8_t head[STUN_CHANNEL_HEADER];

    if (data.n > STUN_CHANNEL_DATA_MAX) {
        turn_dropped(a->server);
        return;
    }
    stun_channel_write(head, number, data.n);
    /* Section 12.5: padded on a stream, where the next message must find its place. */
    pass_to_client(a, (struct span){head, sizeof head}, data,
                   turn_is_stream(a->client.transport) ? stun_padding(data.n) : 0);
}

void turn_server_from_peer(struct turn_server *server, struct turn_allocation *a,
                           const struct address *peer, struct span data, usec_t now)
{
    counter_add(&server->counters.turn_total_traffic_peer_rcvp, 1);
    counter_add(&server->counters.turn_total_traffic_peer_rcvb, data.n);
    if (!permission_find(&a->permissions, peer, now)) {
        not_permitted(server);
        return;
    }
    if (!a->by_client.linked) { /* mobile, and between two addresses */
        turn_dropped(server);
        return;
    }
    const struct channel *channel = channel_of_peer(&a->channels, peer, now);
    if (!channel && way_of(a, peer, now) == TURN_PEER_DENIED) {
        not_permitted(server);
        return;
    }
    if (!turn_meter_pass(&a->from_peers, a->grant.bytes_second, data.n, now)) {
        counter_add(&server->counters.turn_rate_limited_packets, 1);
        turn_dropped(server);
        return;
    }
    if (channel)
        send_channel_data(a, channel->number, data);
    else
        send_data_indication(a, peer, data);
}

/* Section 11.5: which kinds are passed on. */
static bool is_icmp_of_interest(const struct address *peer, uint8_t type)
{
    if (peer->sa.sa_family == AF_INET6)
        return type >= 1 && type <= 3;
    return type == 3 || type == 11;
}

void turn_server_peer_icmp(struct turn_server *server, struct turn_allocation *a,
                           const struct address *peer, uint8_t type, uint8_t code,
                           uint32_t data, usec_t now)
{
    uint8_t buffer[64], value[8];
    struct stun_builder b;

    if (!a->by_client.linked || !is_icmp_of_interest(peer, type) ||
        !permission_find(&a->permissions, peer, now)) {
        turn_dropped(server);
        return;
    }
    /* Section 18.13: 16 bits reserved, 7 of type, 9 of code, 32 of data. */
    const bool has_mtu = peer->sa.sa_family == AF_INET6 ? type == 2 : type == 3 && code == 4;

    store_be16(value, 0);
    store_be16(value + 2, (uint16_t)(type << 9 | code));
    store_be32(value + 4, has_mtu ? data : 0);
    indication_begin(server, &b, buffer, sizeof buffer, STUN_DATA);
    stun_put_address(&b, STUN_ATTR_XOR_PEER_ADDRESS, peer);
    stun_put(&b, STUN_ATTR_ICMP, value, sizeof value);
    pass_to_client(a, (struct span){buffer, stun_finish(&b, false)}, (struct span){0}, 0);
}
