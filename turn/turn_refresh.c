/*
 * turn/turn_refresh.c - the Refresh request (RFC 8656 section 8), and the move of an allocation
 * to another client address (RFC 8016).
 *
 * The move takes effect with the request: it has authenticated, with a nonce that only somebody
 * who receives at the new address can have.
 */
#include "turn/turn_challenge.h"
#include "turn/turn_handlers.h"
#include "turn/turn_request.h"

void turn_put_ticket(struct stun_builder *b, const struct turn_allocation *a)
{
    const struct turn_server *server = a->server;
    const struct turn_ticket ticket = {server->options.worker, a->number, a->ticket};
    uint8_t *value = stun_reserve(b, STUN_ATTR_MOBILITY_TICKET, TURN_TICKET_BYTES);

    if (value)
        turn_ticket_write(value, &server->ticket_key, &ticket);
}

/* The newest, or the one before it: the answer with the newest may have been lost. */
static bool is_current(const struct turn_allocation *a, uint32_t sequence)
{
    return sequence == a->ticket || sequence + 1 == a->ticket;
}

struct turn_allocation *turn_allocation_of_ticket(struct turn_server *server, struct span bytes,
                                                  unsigned *code)
{
    struct turn_ticket ticket;

    *code = 405;
    if (!server->options.mobility)
        return NULL;
    *code = 400;
    if (turn_ticket_read(&ticket, &server->ticket_key, bytes) != RC_OK)
        return NULL;
    *code = 437;
    struct turn_allocation *a = allocation_of_number(server, ticket.allocation);
    return a && a->mobile && is_current(a, ticket.sequence) ? a : NULL;
}

/* Which ticket the answer carries: the next one when the client shows the newest; else the
 * newest again, so that a retransmission is answered alike. */
static void renew_ticket(struct turn_allocation *a, struct span shown)
{
    struct turn_ticket ticket;

    if (turn_ticket_read(&ticket, &a->server->ticket_key, shown) == RC_OK &&
        ticket.allocation == a->number && ticket.sequence == a->ticket)
        a->ticket++;
}

/* An empty one asks for what there is; one that was tampered with gets nothing. */
static bool is_sound_ticket(const struct turn_allocation *a, struct span bytes)
{
    struct turn_ticket ticket;

    return bytes.n == 0 || (turn_ticket_read(&ticket, &a->server->ticket_key, bytes) == RC_OK &&
                            ticket.allocation == a->number && is_current(a, ticket.sequence));
}

static unsigned refusal(const struct turn_request *r, const struct turn_refresh *wish)
{
    const struct turn_allocation *a = r->allocation;

    if (wish->family != AF_UNSPEC && !turn_side_is_open(&a->side[turn_side_of(wish->family)]))
        return 443;
    if (!wish->ticket.p)
        return 0;
    if (!r->server->options.mobility || !a->mobile)
        return 405;
    return is_sound_ticket(a, wish->ticket) ? 0 : 400;
}

static void reply(struct turn_request *r, const struct turn_refresh *wish, usec_t lifetime)
{
    struct turn_reply reply;

    reply_begin(&reply, &r->form, STUN_SUCCESS);
    stun_put_u32(&reply.builder, STUN_ATTR_LIFETIME, (uint32_t)(lifetime / SEC(1)));
    if (lifetime != 0 && wish->ticket.p)
        turn_put_ticket(&reply.builder, r->allocation);
    reply_send(&reply, r->server, &r->form, &r->key, r->from);
}

/* LIFETIME 0: all of it, or one address of two (section 8.1). */
static void end(struct turn_request *r, const struct turn_refresh *wish)
{
    struct turn_allocation *a = r->allocation;

    reply(r, wish, 0);
    if (wish->family == AF_UNSPEC)
        allocation_end(a, !r->by_tuple);
    else
        (void)allocation_end_side(a, turn_side_of(wish->family), !r->by_tuple);
    r->allocation = NULL;
}

static void extend(struct turn_request *r, const struct turn_refresh *wish, usec_t lifetime)
{
    struct turn_allocation *a = r->allocation;

    for (int i = 0; i < TURN_SIDES; i++) {
        if (wish->family == AF_UNSPEC || i == turn_side_of(wish->family))
            a->side[i].expires = r->now + lifetime;
    }
    (void)allocation_set_timer(a);
}

/* The client speaks from here on; whatever it came from is closed. */
static void move(struct turn_request *r)
{
    struct turn_allocation *a = r->allocation;
    const struct turn_client before = a->client;
    const bool linked = a->by_client.linked;

    allocation_move(a, r->from);
    if (linked && before.transport != TURN_UDP)
        r->server->out.client_close(r->server->out.arg, &before);
}

void turn_refresh(struct turn_request *r)
{
    struct turn_refresh wish;
    unsigned code = turn_read_refresh(&wish, r->message);

    if (code == 0)
        code = refusal(r, &wish);
    if (code != 0) {
        turn_refuse(r, code);
        return;
    }
    if (wish.has_lifetime && wish.lifetime == 0) {
        end(r, &wish);
        return;
    }
    const usec_t lifetime =
        turn_policy_lifetime(r->server->options.policy, wish.has_lifetime, wish.lifetime);
    if (!r->by_tuple)
        move(r);
    if (wish.ticket.p)
        renew_ticket(r->allocation, wish.ticket);
    extend(r, &wish, lifetime);
    reply(r, &wish, lifetime);
}
