/*
 * turn/turn_allocate.c - the Allocate request (RFC 8656 section 7.2).
 */
#include "turn/turn_challenge.h"
#include "turn/turn_handlers.h"
#include "turn/turn_request.h"

#include <stdlib.h>
#include <string.h>

/* Section 18.12: the family that is missing, and why. No reason phrase. */
static void put_partial_error(struct stun_builder *b, const struct turn_allocation *a)
{
    const uint8_t family = turn_side_is_open(&a->side[TURN_SIDE_V4]) ? 2 : 1;
    const uint8_t value[4] = {family, 0, (uint8_t)(a->partial_error / 100),
                              (uint8_t)(a->partial_error % 100)};

    stun_put(b, STUN_ATTR_ADDRESS_ERROR_CODE, value, sizeof value);
}

static uint32_t seconds_left(const struct turn_allocation *a, usec_t now)
{
    usec_t latest = now;

    for (int i = 0; i < TURN_SIDES; i++) {
        if (turn_side_is_open(&a->side[i]) && a->side[i].expires > latest)
            latest = a->side[i].expires;
    }
    return (uint32_t)((latest - now + SEC(1) / 2) / SEC(1));
}

static void reply_success(struct turn_request *r)
{
    const struct turn_allocation *a = r->allocation;
    struct turn_reply reply;
    struct stun_builder *b = &reply.builder;
    uint8_t token[8];

    reply_begin(&reply, &r->form, STUN_SUCCESS);
    for (int i = 0; i < TURN_SIDES; i++) {
        if (turn_side_is_open(&a->side[i]))
            stun_put_address(b, STUN_ATTR_XOR_RELAYED_ADDRESS, &a->side[i].address);
    }
    stun_put_address(b, STUN_ATTR_XOR_MAPPED_ADDRESS, &r->from->remote);
    stun_put_u32(b, STUN_ATTR_LIFETIME, seconds_left(a, r->now));
    if (a->reservation) {
        store_be64(token, a->reservation);
        stun_put(b, STUN_ATTR_RESERVATION_TOKEN, token, sizeof token);
    }
    if (a->partial_error)
        put_partial_error(b, a);
    if (a->mobile)
        turn_put_ticket(b, a);
    reply_send(&reply, r->server, &r->form, &r->key, r->from);
}

static bool is_redirected(const struct turn_request *r)
{
    const struct address *alternate = &r->server->options.alternate;

    /* RFC 8489 section 14.15: of the same family as the request's source. */
    return alternate->sa.sa_family != AF_UNSPEC &&
           alternate->sa.sa_family == r->from->remote.sa.sa_family;
}

/* What the message and the server's state have against it. */
static unsigned refusal(const struct turn_request *r, struct turn_allocate *wish)
{
    const struct turn_server *server = r->server;
    const struct turn_server_options *options = &server->options;

    if (is_redirected(r))
        return 300;
    if (r->allocation)
        return 437;
    const unsigned code = turn_read_allocate(wish, r->message, r->from->transport,
                                             options->tcp_relay && !options->relay_ports_none);
    if (code != 0)
        return code;
    if (!wish->tcp && options->no_udp_relay)
        return 442;
    if (wish->mobile && !options->mobility)
        return 405;
    if (turn_server_allocations(server) >= options->max_allocations)
        return 508;
    if (wish->has_reservation &&
        !reservation_exists(&server->reservations, wish->reservation, r->user.id))
        return 508;
    if (wish->port == TURN_PORT_EVEN_AND_NEXT && options->relay_ports_none)
        return 508;
    return 0;
}

static unsigned code_of(int rc)
{
    return rc == RC_OK ? 0 : rc == RC_BAD ? 440 : rc == RC_FULL ? 508 : 500;
}

static unsigned keep_reserved(struct turn_request *r, struct turn_allocation *a,
                              struct turn_relay *reserved)
{
    struct turn_server *server = r->server;
    const int rc =
        reservation_keep(&server->reservations, reserved, r->user.id, r->now, &a->reservation);

    if (rc != RC_OK)
        server->out.relay_close(server->out.arg, reserved);
    return rc == RC_OK ? 0 : 508;
}

/* Section 7.2, step 9: an allocation of two addresses is content with one. */
static unsigned open_both(struct turn_allocation *a, struct turn_relay_wish *wish)
{
    wish->family = AF_INET;
    const unsigned v4 = code_of(allocation_open_side(a, TURN_SIDE_V4, wish, NULL));
    wish->family = AF_INET6;
    const unsigned v6 = code_of(allocation_open_side(a, TURN_SIDE_V6, wish, NULL));

    if (v4 != 0 && v6 != 0)
        return v4 == v6 ? v4 : 508;
    const unsigned partial = v4 ? v4 : v6;
    a->partial_error = (uint16_t)(partial == 500 ? 508 : partial);
    return 0;
}

static unsigned open_addresses(struct turn_request *r, struct turn_allocation *a,
                               const struct turn_allocate *asked)
{
    struct turn_relay_wish wish = {
        .family = asked->family,
        .tcp = asked->tcp,
        .port = asked->port,
        .media_only = r->user.capability.sfu_only && !asked->tcp &&
                      asked->port != TURN_PORT_EVEN_AND_NEXT,
    };
    struct turn_relay *reserved = NULL;

    if (asked->has_reservation) {
        struct turn_relay *relay =
            reservation_take(&r->server->reservations, asked->reservation, r->user.id);
        return relay ? code_of(allocation_adopt(a, relay)) : 508;
    }
    if (asked->dual)
        return open_both(a, &wish);
    const unsigned code =
        code_of(allocation_open_side(a, turn_side_of(asked->family), &wish, &reserved));
    if (code != 0 || asked->port != TURN_PORT_EVEN_AND_NEXT)
        return code;
    return reserved ? keep_reserved(r, a, reserved) : 508;
}

/* Who it belongs to. False: no memory. */
static bool set_owner(struct turn_allocation *a, struct turn_request *r)
{
    const struct turn_capability *capability = &r->user.capability;

    a->owner.expires = r->user.expires;
    if (capability->sfu_only || capability->net_count > 0) {
        a->owner.capability = malloc(sizeof *capability);
        if (!a->owner.capability)
            return false;
        *a->owner.capability = *capability;
    }
    r->allocation = a;
    return turn_is_owner(r);
}

static unsigned build(struct turn_request *r, struct turn_allocation *a,
                      const struct turn_allocate *asked)
{
    struct turn_policy *policy = r->server->options.policy;
    unsigned code = turn_policy_reserve(policy, &r->user, &a->grant);

    if (code != 0)
        return code;
    memcpy(a->grant.user, r->user.id, TURN_USER_ID);
    if (!set_owner(a, r))
        return 500;
    code = open_addresses(r, a, asked);
    if (code != 0)
        return code;
    const usec_t lifetime = turn_policy_lifetime(policy, asked->has_lifetime, asked->lifetime);
    for (int i = 0; i < TURN_SIDES; i++)
        a->side[i].expires = r->now + lifetime;
    a->tcp = asked->tcp;
    a->mobile = asked->mobile && !asked->tcp;
    memcpy(a->allocate_id, r->message->id, STUN_ID_BYTES);
    return allocation_publish(a) == RC_OK ? 0 : 500;
}

/* RFC 8489 section 6.3.1: a request that was answered already is answered alike. */
static bool is_retransmission(struct turn_request *r)
{
    return r->allocation && turn_is_owner(r) &&
           memcmp(r->allocation->allocate_id, r->message->id, STUN_ID_BYTES) == 0;
}

void turn_allocate(struct turn_request *r)
{
    struct turn_allocate wish = {0};

    if (is_retransmission(r)) {
        reply_success(r);
        return;
    }
    unsigned code = refusal(r, &wish);
    if (code != 0) {
        turn_refuse(r, code);
        return;
    }
    struct turn_allocation *a = allocation_create(r->server, r->from);
    code = a ? build(r, a, &wish) : 500;
    if (code != 0) {
        if (a)
            allocation_end(a, false);
        r->allocation = NULL;
        turn_refuse(r, code);
        return;
    }
    reply_success(r);
}
