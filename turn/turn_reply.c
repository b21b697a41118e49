#include "turn/turn_reply.h"

#include <string.h>

static bool wants_software(uint16_t method)
{
    return method == STUN_ALLOCATE || method == STUN_REFRESH; /* RFC 8656 section 5 */
}

void reply_begin(struct turn_reply *reply, const struct reply_form *form, enum stun_class class)
{
    stun_begin(&reply->builder, reply->buffer, sizeof reply->buffer, class, form->method,
               form->id);
}

void reply_send(struct turn_reply *reply, struct turn_server *server,
                const struct reply_form *form, const struct stun_key *key,
                const struct turn_client *to)
{
    struct stun_builder *b = &reply->builder;
    const char *software = server->options.software;

    if (form->sealed && software && wants_software(form->method))
        stun_put(b, STUN_ATTR_SOFTWARE, software, strlen(software));
    if (form->sealed)
        stun_put_integrity(b, key, form->integrity);
    const size_t n = stun_finish(b, form->fingerprint);
    if (n == 0)
        return;
    counter_add(&server->counters.turn_total_traffic_sentp, 1);
    counter_add(&server->counters.turn_total_traffic_sentb, n);
    server->out.to_client(server->out.arg, to, (struct span){b->p, n}, (struct span){0}, 0);
}

void turn_accept(const struct turn_request *r)
{
    struct turn_reply reply;

    reply_begin(&reply, &r->form, STUN_SUCCESS);
    reply_send(&reply, r->server, &r->form, &r->key, r->from);
}

static void put_unknown(struct stun_builder *b, const struct stun_message *m)
{
    uint8_t list[2 * STUN_UNKNOWNS_MAX];

    for (unsigned i = 0; i < m->unknown_count; i++)
        store_be16(list + 2 * i, m->unknown[i]);
    stun_put(b, STUN_ATTR_UNKNOWN_ATTRIBUTES, list, 2u * m->unknown_count);
}

void turn_refuse(const struct turn_request *r, unsigned code)
{
    struct turn_reply reply;
    struct stun_builder *b = &reply.builder;

    reply_begin(&reply, &r->form, STUN_ERROR);
    stun_put_error(b, code);
    if (code == 420)
        put_unknown(b, r->message);
    if (code == 300)
        stun_put_address(b, STUN_ATTR_ALTERNATE_SERVER, &r->server->options.alternate);
    reply_send(&reply, r->server, &r->form, &r->key, r->from);
}
