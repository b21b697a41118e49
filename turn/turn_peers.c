/*
 * turn/turn_peers.c - CreatePermission and ChannelBind (RFC 8656 sections 10 and 12).
 */
#include "turn/turn_handlers.h"
#include "turn/turn_request.h"

/* May this allocation talk to it at all? 443, 403 or 0 with *how. */
static unsigned permission_refusal(const struct turn_request *r, const struct address *peer,
                                   enum turn_peer *how)
{
    const struct turn_allocation *a = r->allocation;

    if (!turn_side_is_open(&a->side[turn_side_of(peer->sa.sa_family)]))
        return 443;
    *how = turn_policy_permission(r->server->options.policy, a->owner.capability, peer);
    return *how == TURN_PEER_DENIED ? 403 : 0;
}

/* Whole or not at all: the checks come first, then the room, then all of them. */
void turn_create_permission(struct turn_request *r)
{
    struct turn_allocation *a = r->allocation;
    struct address peers[STUN_PEERS_MAX];
    enum turn_peer how[STUN_PEERS_MAX];
    size_t count = 0;
    unsigned code = turn_read_peers(peers, &count, r->message);

    for (size_t i = 0; code == 0 && i < count; i++)
        code = permission_refusal(r, &peers[i], &how[i]);
    if (code == 0 && permission_reserve(&a->permissions, count, r->now) != RC_OK)
        code = 508;
    if (code != 0) {
        turn_refuse(r, code);
        return;
    }
    const usec_t expires = r->now + r->server->options.permission_lifetime;
    for (size_t i = 0; i < count; i++)
        permission_grant(&a->permissions, &peers[i], how[i], expires);
    turn_accept(r);
}

static unsigned channel_bind_refusal(const struct turn_request *r,
                                     const struct turn_channel_bind *wish, enum turn_peer *how)
{
    const struct turn_allocation *a = r->allocation;

    /* RFC 6062 section 5: a TCP allocation has no channels. */
    if (a->tcp || address_port(&wish->peer) == 0)
        return 400;
    const unsigned code = channel_refusal(&a->channels, wish->number, &wish->peer, r->now);
    if (code != 0)
        return code;
    if (!turn_side_is_open(&a->side[turn_side_of(wish->peer.sa.sa_family)]))
        return 443;
    *how = turn_policy_peer(r->server->options.policy, a->owner.capability, &wish->peer);
    return *how == TURN_PEER_DENIED ? 403 : 0;
}

static unsigned bind_channel(struct turn_request *r, const struct turn_channel_bind *wish,
                             enum turn_peer how)
{
    struct turn_allocation *a = r->allocation;
    const struct turn_server_options *options = &r->server->options;
    enum turn_peer permission =
        turn_policy_permission(options->policy, a->owner.capability, &wish->peer);

    /* This port of an address whose others are not allowed. */
    if (permission == TURN_PEER_DENIED)
        permission = TURN_PEER_BY_PORT;
    if (permission_reserve(&a->permissions, 1, r->now) != RC_OK ||
        channel_bind(&a->channels, wish->number, &wish->peer, how,
                     r->now + options->channel_lifetime, r->now) != RC_OK)
        return 508;
    permission_grant(&a->permissions, &wish->peer, permission,
                     r->now + options->permission_lifetime);
    return 0;
}

void turn_channel_bind(struct turn_request *r)
{
    struct turn_channel_bind wish;
    enum turn_peer how;
    unsigned code = turn_read_channel_bind(&wish, r->message);

    if (code == 0)
        code = channel_bind_refusal(r, &wish, &how);
    if (code == 0)
        code = bind_channel(r, &wish, how);
    if (code != 0)
        turn_refuse(r, code);
    else
        turn_accept(r);
}
