/*
 * turn/turn_binding.c - the Binding request of STUN (RFC 8489 section 6.3), and which of four
 * addresses the answer leaves from (NAT behaviour discovery, RFC 5780).
 *
 * Checks of ICE sessions never get here, so USERNAME, PRIORITY and the ICE roles say nothing,
 * and 487 is never an answer.
 */
#include "turn/turn_challenge.h"
#include "turn/turn_handlers.h"

#include <string.h>

enum { CHANGE_IP = 4, CHANGE_PORT = 2 }; /* of CHANGE-REQUEST, RFC 5780 section 7.2 */

/* Section 7.6: as long as a usual MTU, so that it comes in fragments. Never longer than what
 * was asked with: nothing is amplified. */
enum { PADDING_MAX = 1500, ANSWER_MAX = PADDING_MAX + 300 };

/* Did it come in at one of the four combinations of two IPs and two ports? */
static bool discovers(const struct turn_request *r)
{
    const struct address *first = &r->server->options.primary,
                         *second = &r->server->options.other, *at = &r->from->local;

    return r->from->transport == TURN_UDP && second->sa.sa_family != AF_UNSPEC &&
           (address_equal_ip(at, first) || address_equal_ip(at, second)) &&
           (address_port(at) == address_port(first) ||
            address_port(at) == address_port(second));
}

/* Of the four combinations: the one that has not the IP (with `ip`),
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

/* What clients call one of the four. */
static struct address name_of(const struct turn_server_options *options,
                              const struct address *at)
{
    const struct address *named =
        address_equal_ip(at, &options->other) ? &options->other_named : &options->primary_named;
    struct address name = named->sa.sa_family == AF_UNSPEC ? *at : *named;

    address_set_port(&name, address_port(at));
    return name;
}

/* Is what it asks for something that we know? RFC 5780's attributes are unknown where it is not
 * set up. */
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

    if (discovers(r))
        return copy->unknown_count == 0;
    for (size_t i = 0; i < ARRAY_LEN(optional); i++) {
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

static void put_padding(struct stun_builder *b, size_t n)
{
    uint8_t *p = stun_reserve(b, STUN_ATTR_PADDING, n < PADDING_MAX ? n : PADDING_MAX);

    if (p)
        memset(p, 0, n < PADDING_MAX ? n : PADDING_MAX);
}

/* RFC 5780 section 6.1: what it adds, and where the answer leaves from and goes to. */
static void answer_as_asked(struct turn_request *r, struct stun_builder *b,
                            struct turn_client *to)
{
    const struct turn_server_options *options = &r->server->options;
    const struct stun_message *m = r->message;
    const uint32_t flags = stun_get_u32(m, STUN_HAS_CHANGE_REQUEST);
    const struct address other = change(options, &to->local, true, true);

    to->local = change(options, &to->local, flags & CHANGE_IP, flags & CHANGE_PORT);
    const struct address origin_name = name_of(options, &to->local),
                         other_name = name_of(options, &other);
    stun_put_address(b, STUN_ATTR_RESPONSE_ORIGIN, &origin_name);
    stun_put_address(b, STUN_ATTR_OTHER_ADDRESS, &other_name);
    if (stun_has(m, STUN_HAS_RESPONSE_PORT))
        address_set_port(&to->remote, load_be16(stun_get(m, STUN_HAS_RESPONSE_PORT).p));
    if (stun_has(m, STUN_HAS_PADDING))
        put_padding(b, stun_get(m, STUN_HAS_PADDING).n);
}

static void answer(struct turn_request *r)
{
    struct turn_client to = *r->from;
    struct turn_reply reply;
    struct stun_builder *b = &reply.builder;
    uint8_t bytes[ANSWER_MAX];

    stun_begin(b, bytes, sizeof bytes, STUN_SUCCESS, r->form.method, r->form.id);
    stun_put_address(b, STUN_ATTR_XOR_MAPPED_ADDRESS, &r->from->remote);
    if (discovers(r))
        answer_as_asked(r, b, &to);
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
    /* The two exclude each other: a large answer would go to where nobody asked. */
    if (stun_has(r->message, STUN_HAS_RESPONSE_PORT) &&
        stun_has(r->message, STUN_HAS_PADDING)) {
        answer_error(r, 400);
        return;
    }
    if (!turn_limiter_budget(&server->limiter, server->options.binding_rate, r->now)) {
        turn_dropped(server);
        return;
    }
    answer(r);
}
