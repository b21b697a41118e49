#include "turn/allocation.h"

#include "core/hash.h"
#include "turn/turn_state.h"

#include <stdlib.h>
#include <string.h>

/* --- finding -------------------------------------------------------------------------------
 */

static uint32_t client_hash(const struct turn_client *client)
{
    if (client->connection)
        return (uint32_t)hash_bytes(&client->connection, sizeof client->connection);
    return address_hash(&client->remote);
}

static bool same_client(const struct turn_client *a, const struct turn_client *b)
{
    if (a->transport != b->transport || a->connection != b->connection)
        return false;
    return a->connection ||
           (address_equal(&a->remote, &b->remote) && address_equal(&a->local, &b->local));
}

struct turn_allocation *allocation_of_client(struct turn_server *server,
                                             const struct turn_client *client)
{
    if (server->last && same_client(&server->last->client, client))
        return server->last;

    const uint32_t hash = client_hash(client);
    for (struct chain *at = chain_first(&server->by_client, hash); at; at = at->next) {
        struct turn_allocation *a = CHAIN_OWNER(at, struct turn_allocation, by_client);

        if (at->hash == hash && same_client(&a->client, client))
            return server->last = a;
    }
    return NULL;
}

static uint32_t number_hash(uint64_t number)
{
    return (uint32_t)number; /* counted, so nobody chooses it */
}

struct turn_allocation *allocation_of_number(const struct turn_server *server, uint64_t number)
{
    struct chain *at = chain_first(&server->by_number, number_hash(number));

    for (; at; at = at->next) {
        struct turn_allocation *a = CHAIN_OWNER(at, struct turn_allocation, by_number);

        if (a->number == number)
            return a;
    }
    return NULL;
}

struct turn_allocation *turn_server_find_relayed(const struct turn_server *server,
                                                 const struct address *relayed)
{
    const int side = turn_side_of(relayed->sa.sa_family);
    struct chain *at = chain_first(&server->by_relayed, address_hash(relayed));

    for (; at; at = at->next) {
        struct turn_side *found = CHAIN_OWNER(at, struct turn_side, by_relayed);

        if (address_equal(&found->address, relayed))
            return (struct turn_allocation *)(void *)((char *)(found - side) -
                                                      offsetof(struct turn_allocation, side));
    }
    return NULL;
}

/* --- a life ----------------------------------------------------------------------------------
 */

static void on_timer(struct timer *timer, void *arg, usec_t now)
{
    struct turn_allocation *a = arg;
    (void)timer;

    for (int i = 0; i < TURN_SIDES; i++) {
        if (!turn_side_is_open(&a->side[i]) || a->side[i].expires > now)
            continue;
        if (allocation_end_side(a, i, true))
            return;
    }
    (void)allocation_set_timer(a);
}

struct turn_allocation *allocation_create(struct turn_server *server,
                                          const struct turn_client *client)
{
    struct turn_allocation *a = calloc(1, sizeof *a);

    if (!a)
        return NULL;
    a->server = server;
    a->client = *client;
    a->number = server->next_number++;
    timer_init(&a->timer, on_timer, a);
    return a;
}

int allocation_set_timer(struct turn_allocation *a)
{
    usec_t due = USEC_NEVER;

    for (int i = 0; i < TURN_SIDES; i++) {
        if (turn_side_is_open(&a->side[i]) && a->side[i].expires < due)
            due = a->side[i].expires;
    }
    return timers_set(a->server->options.timers, &a->timer, due);
}

int allocation_publish(struct turn_allocation *a)
{
    struct turn_server *server = a->server;

    if (allocation_set_timer(a) != RC_OK ||
        chain_table_add(&server->by_client, &a->by_client, client_hash(&a->client)) != RC_OK)
        return RC_NOMEM;
    if (chain_table_add(&server->by_number, &a->by_number, number_hash(a->number)) != RC_OK) {
        chain_table_remove(&server->by_client, &a->by_client);
        return RC_NOMEM;
    }
    struct counter *gauge = &server->counters.turn_total_allocations[a->client.transport];
    counter_set(gauge, counter_get(gauge) + 1);
    counter_add(&server->counters.turn_total_sessions, 1);
    return RC_OK;
}

static void close_side(struct turn_allocation *a, struct turn_side *side)
{
    struct turn_server *server = a->server;

    if (!turn_side_is_open(side))
        return;
    chain_table_remove(&server->by_relayed, &side->by_relayed);
    if (side->relay)
        server->out.relay_close(server->out.arg, side->relay);
    *side = (struct turn_side){0};
}

void allocation_end(struct turn_allocation *a, bool hang_up)
{
    struct turn_server *server = a->server;

    if (server->last == a)
        server->last = NULL;
    if (a->by_number.linked) {
        struct counter *gauge = &server->counters.turn_total_allocations[a->client.transport];
        counter_set(gauge, counter_get(gauge) - 1);
    }
    tcp_relay_end_all(a);
    for (int i = 0; i < TURN_SIDES; i++)
        close_side(a, &a->side[i]);
    if (hang_up && a->by_client.linked && a->client.transport != TURN_UDP)
        server->out.client_close(server->out.arg, &a->client);
    timers_clear(server->options.timers, &a->timer);
    chain_table_remove(&server->by_client, &a->by_client);
    chain_table_remove(&server->by_number, &a->by_number);
    turn_policy_release(server->options.policy, &a->grant);
    permission_set_free(&a->permissions);
    channel_set_free(&a->channels);
    free(a->owner.capability);
    explicit_bzero(&a->owner.key, sizeof a->owner.key);
    free(a);
}

bool allocation_end_side(struct turn_allocation *a, int side, bool hang_up)
{
    if (!turn_side_is_open(&a->side[!side])) {
        allocation_end(a, hang_up);
        return true;
    }
    channel_drop_family(&a->channels, side == TURN_SIDE_V6 ? AF_INET6 : AF_INET);
    close_side(a, &a->side[side]);
    (void)allocation_set_timer(a);
    return false;
}

/* --- where the client is -------------------------------------------------------------------
 */

void allocation_detach(struct turn_allocation *a)
{
    if (a->server->last == a)
        a->server->last = NULL;
    chain_table_remove(&a->server->by_client, &a->by_client);
}

void allocation_move(struct turn_allocation *a, const struct turn_client *client)
{
    struct turn_server *server = a->server;
    struct counter *gauge = server->counters.turn_total_allocations;

    allocation_detach(a);
    counter_set(&gauge[a->client.transport], counter_get(&gauge[a->client.transport]) - 1);
    counter_set(&gauge[client->transport], counter_get(&gauge[client->transport]) + 1);
    a->client = *client;
    /* The table is there: it held this one before. */
    (void)chain_table_add(&server->by_client, &a->by_client, client_hash(client));
    counter_add(&server->counters.turn_moved_allocations, 1);
}

/* --- relayed addresses -----------------------------------------------------------------------
 */

/* A port that no relayed address of this family has, or 0. */
static uint16_t free_port(struct turn_server *server, struct address *address)
{
    const uint32_t first = server->options.synthetic_first,
                   last = server->options.synthetic_last;

    for (uint32_t tries = first; tries <= last; tries++) {
        const uint16_t port = server->next_port;

        server->next_port = port >= last ? (uint16_t)first : (uint16_t)(port + 1);
        address_set_port(address, port);
        if (!turn_server_find_relayed(server, address))
            return port;
    }
    return 0;
}

static int open_synthetic(struct turn_server *server, sa_family_t family, struct address *out)
{
    const struct address *base =
        family == AF_INET6 ? &server->options.synthetic_v6 : &server->options.synthetic_v4;

    if (base->sa.sa_family != family)
        return RC_BAD;
    *out = *base;
    return free_port(server, out) ? RC_OK : RC_FULL;
}

static int publish_side(struct turn_allocation *a, int i)
{
    struct turn_side *side = &a->side[i];
    const uint32_t hash = address_hash(&side->address);

    if (chain_table_add(&a->server->by_relayed, &side->by_relayed, hash) == RC_OK)
        return RC_OK;
    close_side(a, side);
    return RC_NOMEM;
}

int allocation_open_side(struct turn_allocation *a, int i, const struct turn_relay_wish *wish,
                         struct turn_relay **reserved)
{
    struct turn_server *server = a->server;
    struct turn_relay *relay = NULL;
    struct address address;
    int rc;

    if (server->options.relay_ports_none)
        rc = open_synthetic(server, wish->family, &address);
    else
        rc = server->out.relay_open(server->out.arg, a, wish, &relay, &address, reserved);
    if (rc != RC_OK)
        return rc;
    a->side[i].relay = relay;
    a->side[i].address = address;
    return publish_side(a, i);
}

int allocation_adopt(struct turn_allocation *a, struct turn_relay *relay)
{
    struct address address;

    a->server->out.relay_adopt(a->server->out.arg, relay, a, &address);
    const int i = turn_side_of(address.sa.sa_family);
    a->side[i].relay = relay;
    a->side[i].address = address;
    return publish_side(a, i);
}
