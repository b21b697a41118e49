#include "turn/turn_server.h"

#include "core/random.h"
#include "turn/turn_challenge.h"
#include "turn/turn_handlers.h"

#include <stdlib.h>
#include <string.h>

/* --- requests ------------------------------------------------------------------------------
 */

struct handler {
    uint16_t method;
    bool needs_allocation;
    void (*handle)(struct turn_request *request);
};

static const struct handler handlers[] = {
    {STUN_ALLOCATE, false, turn_allocate},
    {STUN_REFRESH, true, turn_refresh},
    {STUN_CREATE_PERMISSION, true, turn_create_permission},
    {STUN_CHANNEL_BIND, true, turn_channel_bind},
    {STUN_CONNECT, true, tcp_relay_connect},
    {STUN_CONNECTION_BIND, true, tcp_relay_connection_bind},
};

static const struct handler *handler_of(uint16_t method)
{
    for (size_t i = 0; i < ARRAY_LEN(handlers); i++) {
        if (handlers[i].method == method)
            return &handlers[i];
    }
    return NULL;
}

/* Whose request it is. The code is for one that turns out to be nobody's. */
static unsigned find_allocation(struct turn_request *r)
{
    const struct stun_message *m = r->message;
    unsigned code = 437;

    r->allocation = allocation_of_client(r->server, r->from);
    r->by_tuple = r->allocation != NULL;
    if (r->by_tuple)
        return code;
    if (m->method == STUN_REFRESH && stun_has(m, STUN_HAS_MOBILITY_TICKET))
        r->allocation =
            turn_allocation_of_ticket(r->server, stun_get(m, STUN_HAS_MOBILITY_TICKET), &code);
    if (m->method == STUN_CONNECTION_BIND) {
        r->allocation =
            tcp_relay_allocation(r->server, stun_get_u32(m, STUN_HAS_CONNECTION_ID));
        code = 400; /* RFC 6062 section 5.4 */
    }
    return code;
}

static void authenticated(struct turn_request *r, const struct handler *handler, unsigned code)
{
    if (r->message->unknown_count > 0)
        turn_refuse(r, 420);
    else if (handler->needs_allocation && !r->allocation)
        turn_refuse(r, code);
    else if (handler->needs_allocation && !turn_is_owner(r))
        turn_refuse(r, 441);
    else
        handler->handle(r);
}

static void on_request(struct turn_request *r)
{
    const struct turn_server_options *options = &r->server->options;
    const struct handler *handler = handler_of(r->message->method);

    if (r->message->method == STUN_BINDING && !options->no_stun) {
        turn_binding(r);
        return;
    }
    if (!handler) { /* RFC 8489 section 6.3: of a method that is not known */
        turn_dropped(r->server);
        return;
    }
    if (!options->auth || options->stun_only) {
        turn_refuse_stranger(r, 403);
        return;
    }
    const unsigned code = find_allocation(r);
    if (turn_authenticate(r))
        authenticated(r, handler, code);
    explicit_bzero(&r->key, sizeof r->key);
    explicit_bzero(&r->user.key, sizeof r->user.key);
}

static void stun_input(struct turn_server *server, const struct turn_client *from,
                       const struct stun_message *m, usec_t now, int64_t unix_now)
{
    if (m->class == STUN_INDICATION && m->method == STUN_SEND) {
        turn_send(server, from, m, now);
        return;
    }
    if (m->class != STUN_REQUEST) { /* a keepalive, or an answer to nothing that we asked */
        turn_dropped(server);
        return;
    }

    struct turn_request r;
    memset(&r, 0,
           offsetof(struct turn_request, user)); /* the rest is written before it is read */
    r.server = server;
    r.from = from;
    r.message = m;
    r.now = now;
    r.unix_now = unix_now;
    r.form.method = m->method;
    r.form.fingerprint = server->options.fingerprint || stun_has(m, STUN_HAS_FINGERPRINT);
    memcpy(r.form.id, m->id, STUN_ID_BYTES);
    counter_add(&server->counters.turn_packet_processed, 1);
    on_request(&r);
}

int turn_server_input(struct turn_server *server, const struct turn_client *from,
                      struct span message, usec_t now, int64_t unix_now)
{
    struct stun_message m;

    counter_add(&server->counters.turn_total_traffic_rcvp, 1);
    counter_add(&server->counters.turn_total_traffic_rcvb, message.n);
    if (message.n > 0 && message.p[0] >> 6 == STUN_CHANNEL_FIRST >> 14) {
        turn_channel_data(server, from, message, now);
        return RC_OK;
    }
    if (stun_read(&m, message) != RC_OK) {
        turn_dropped(server);
        return RC_BAD;
    }
    stun_input(server, from, &m, now, unix_now);
    return RC_OK;
}

/* --- a life ----------------------------------------------------------------------------------
 */

static void fill_in_defaults(struct turn_server_options *o)
{
    if (!o->auth)
        o->secure_stun = false; /* there is nobody to be */
    if (!o->permission_lifetime)
        o->permission_lifetime = SEC(300); /* RFC 8656 section 9 */
    if (!o->channel_lifetime)
        o->channel_lifetime = SEC(600); /* section 12 */
    if (!o->max_allocations)
        o->max_allocations = 100000;
    if (!o->unauthorized_rate)
        o->unauthorized_rate = 100;
    if (!o->binding_rate)
        o->binding_rate = 50000;
    if (!o->synthetic_first)
        o->synthetic_first = 1024;
    if (!o->synthetic_last)
        o->synthetic_last = UINT16_MAX;
}

int turn_server_create(struct turn_server **out, const struct turn_server_options *options,
                       const struct turn_output *output)
{
    struct turn_server *server = calloc(1, sizeof *server);

    if (!server)
        return RC_NOMEM;
    server->options = *options;
    server->out = *output;
    fill_in_defaults(&server->options);
    server->next_port = server->options.synthetic_first;
    server->next_number = 1;
    server->indications = random_u64();
    turn_ticket_key_make(&server->ticket_key);
    reservations_init(&server->reservations, options->timers, &server->out);
    *out = server;
    return RC_OK;
}

/* Ends those of one user, or all. */
static unsigned end_those(struct turn_server *server, const uint8_t *user)
{
    const struct chain_table *all = &server->by_number;
    unsigned ended = 0;

    for (uint32_t i = 0; all->slot && i <= all->mask; i++) {
        for (struct chain *at = all->slot[i], *next; at; at = next) {
            struct turn_allocation *a = CHAIN_OWNER(at, struct turn_allocation, by_number);

            next = at->next;
            if (user && memcmp(a->grant.user, user, TURN_USER_ID) != 0)
                continue;
            allocation_end(a, true);
            ended++;
        }
    }
    return ended;
}

void turn_server_free(struct turn_server *server)
{
    if (!server)
        return;
    (void)end_those(server, NULL);
    reservations_free(&server->reservations);
    chain_table_free(&server->by_client);
    chain_table_free(&server->by_relayed);
    chain_table_free(&server->by_number);
    chain_table_free(&server->tcp.by_id);
    explicit_bzero(&server->ticket_key, sizeof server->ticket_key);
    free(server);
}

unsigned turn_server_end_user(struct turn_server *server,
                              const uint8_t user[static TURN_USER_ID])
{
    reservations_end_user(&server->reservations, user);
    return end_those(server, user);
}

void turn_server_client_gone(struct turn_server *server, const struct turn_client *client,
                             usec_t now)
{
    struct turn_allocation *a = allocation_of_client(server, client);
    (void)now;

    if (!a)
        return;
    if (a->mobile)
        allocation_detach(a);
    else
        allocation_end(a, false);
}

struct turn_allocation *turn_server_find_client(const struct turn_server *server,
                                                const struct turn_client *client)
{
    return allocation_of_client((struct turn_server *)(uintptr_t)server, client);
}

const struct turn_client *turn_allocation_client(const struct turn_allocation *allocation)
{
    return &allocation->client;
}

size_t turn_allocation_relayed(const struct turn_allocation *allocation,
                               struct address out[static 2])
{
    size_t count = 0;

    for (int i = 0; i < TURN_SIDES; i++)
        if (address_len(&allocation->side[i].address))
            out[count++] = allocation->side[i].address;
    return count;
}

uint32_t turn_server_allocations(const struct turn_server *server)
{
    return server->by_number.count;
}

struct turn_counters *turn_server_counters(struct turn_server *server)
{
    return &server->counters;
}
