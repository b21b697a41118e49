/*
 * turn/turn_binding.c - the Binding request of STUN (RFC 8489 section 6.3), and which of four
 * addresses the answer leaves from (NAT behaviour discovery, RFC 5780).
 *
 * Checks of ICE sessions never get here, so USERNAME, PRIORITY and the ICE roles say nothing,
 * and 487 is never an answer.
 */
#include "turn/turn_challenge.h"
#include "turn/turn_handlers.h"

enum { CHANGE_IP = 4, CHANGE_PORT = 2 }; /* of CHANGE-REQUEST, RFC 5780 section 7.2 */

static bool discovers(const struct turn_request *r)
{
    return r->server->options.other.sa.sa_family != AF_UNSPEC && r->from->transport == TURN_UDP;
}

/* Of the four combinations of two IPs and two ports: the one that has not the IP (with `ip`),
 * not the port (with `port`) of `at`. */
static struct address change(const struct turn_server_options *options,
                             const struct address *at, bool ip, bool port)
{
    const struct address *first = &options->primary, *second = &options->other;
    const bool at_second_ip = address_equal_ip(at, second);
    const bool at_second_port = address_port(at) == address_port(second);
    struct address to = at_second_ip != ip ? *second : *first;

    address_set_port(&to, address_port(at_second_port != port ? second : first));
    return to;
}

/* Is what it asks for something that we know? RFC 5780's attributes are unknown where it is not
 * set up, and PADDING always: it makes of a small request a large answer. */
static bool is_understood(struct turn_request *r, struct stun_message *copy)
{
    static const struct {
        enum stun_known known;
        uint16_t type;
    } optional[] = {
        {STUN_HAS_CHANGE_REQUEST, STUN_ATTR_CHANGE_REQUEST},
        {STUN_HAS_RESPONSE_PORT, STUN_ATTR_RESPONSE_PORT},
        {STUN_HAS_PADDING, STUN_ATTR_PADDING},
    };
    const size_t first = discovers(r) ? 2 : 0;

    for (size_t i = first; i < ARRAY_LEN(optional); i++) {
        if (stun_has(copy, optional[i].known) && copy->unknown_count < STUN_UNKNOWNS_MAX)
            copy->unknown[copy->unknown_count++] = optional[i].type;
    }
    return copy->unknown_count == 0;
}

static void answer_error(struct turn_request *r, unsigned code)
{
    counter_add(&r->server->counters.stun_binding_error, 1);
    turn_refuse_stranger(r, code);
}

static void answer(struct turn_request *r)
{
    const struct turn_server_options *options = &r->server->options;
    const struct stun_message *m = r->message;
    struct turn_client to = *r->from;
    struct turn_reply reply;

    reply_begin(&reply, &r->form, STUN_SUCCESS);
    stun_put_address(&reply.builder, STUN_ATTR_XOR_MAPPED_ADDRESS, &r->from->remote);
    if (discovers(r)) {
        const uint32_t flags = stun_get_u32(m, STUN_HAS_CHANGE_REQUEST);
        const struct address there = change(options, &to.local, true, true);

        to.local = change(options, &to.local, flags & CHANGE_IP, flags & CHANGE_PORT);
        stun_put_address(&reply.builder, STUN_ATTR_RESPONSE_ORIGIN, &to.local);
        stun_put_address(&reply.builder, STUN_ATTR_OTHER_ADDRESS, &there);
        if (stun_has(m, STUN_HAS_RESPONSE_PORT))
            address_set_port(&to.remote, load_be16(stun_get(m, STUN_HAS_RESPONSE_PORT).p));
    }
    counter_add(&r->server->counters.stun_binding_response, 1);
    reply_send(&reply, r->server, &r->form, &r->key, &to);
}

void turn_binding(struct turn_request *r)
{
    struct turn_server *server = r->server;
    struct stun_message copy = *r->message;

    counter_add(&server->counters.stun_binding_request, 1);
    if (server->options.secure_stun && !turn_authenticate(r))
        return;
    if (!is_understood(r, &copy)) {
        r->message = &copy;
        answer_error(r, 420);
        return;
    }
    if (!turn_limiter_budget(&server->limiter, server->options.binding_rate, r->now)) {
        turn_dropped(server);
        return;
    }
    answer(r);
}
