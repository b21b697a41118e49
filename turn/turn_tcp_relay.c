#include "turn/turn_tcp_relay.h"

#include "core/random.h"
#include "turn/turn_reply.h"
#include "turn/turn_request.h"

#include <stdlib.h>

enum tcp_state { TCP_CONNECTING, TCP_WAITING, TCP_BOUND };

struct tcp_connection {
    struct tcp_connection *next; /* of the allocation's */
    struct chain by_id;
    struct turn_allocation *allocation; /* borrowed: it owns this */
    struct timer timer;
    uint32_t id; /* CONNECTION-ID; random, because it is half a secret */
    enum tcp_state state;
    struct address peer;
    struct reply_form form; /* of the Connect that waits for its answer */
};

static struct tcp_connection *find(const struct turn_server *server, uint32_t id)
{
    struct chain *at = chain_first(&server->tcp.by_id, id);

    for (; at; at = at->next) {
        struct tcp_connection *c = CHAIN_OWNER(at, struct tcp_connection, by_id);

        if (c->id == id)
            return c;
    }
    return NULL;
}

struct turn_allocation *tcp_relay_allocation(const struct turn_server *server, uint32_t id)
{
    const struct tcp_connection *c = find(server, id);

    return c ? c->allocation : NULL;
}

static void forget(struct tcp_connection *c)
{
    struct turn_allocation *a = c->allocation;
    struct tcp_connection **at = &a->connections;

    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    a->connection_count--;
    chain_table_remove(&a->server->tcp.by_id, &c->by_id);
    timers_clear(a->server->options.timers, &c->timer);
    free(c);
}

static void close_peer(struct tcp_connection *c)
{
    const struct turn_output *out = &c->allocation->server->out;

    out->peer_close(out->arg, c->id);
    forget(c);
}

/* Answers the Connect that began this. */
static void answer(const struct tcp_connection *c, unsigned code)
{
    struct turn_allocation *a = c->allocation;
    struct turn_reply reply;

    reply_begin(&reply, &c->form, code ? STUN_ERROR : STUN_SUCCESS);
    if (code)
        stun_put_error(&reply.builder, code);
    else
        stun_put_u32(&reply.builder, STUN_ATTR_CONNECTION_ID, c->id);
    reply_send(&reply, a->server, &c->form, &a->owner.key, &a->client);
}

static void on_timer(struct timer *timer, void *arg, usec_t now)
{
    struct tcp_connection *c = arg;
    (void)timer;
    (void)now;

    if (c->state == TCP_CONNECTING)
        answer(c, 447);
    close_peer(c);
}

static uint32_t unused_id(const struct turn_server *server)
{
    uint32_t id;

    do {
        id = random_u32();
    } while (id == 0 || find(server, id));
    return id;
}

static struct tcp_connection *create(struct turn_allocation *a, const struct address *peer,
                                     enum tcp_state state, usec_t now)
{
    struct turn_server *server = a->server;
    struct tcp_connection *c = NULL;

    if (a->connection_count < TCP_RELAY_CONNECTIONS_MAX)
        c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    timer_init(&c->timer, on_timer, c);
    c->allocation = a;
    c->peer = *peer;
    c->state = state;
    c->id = unused_id(server);
    if (timers_set(server->options.timers, &c->timer, now + TCP_RELAY_TIMEOUT) != RC_OK) {
        free(c);
        return NULL;
    }
    if (chain_table_add(&server->tcp.by_id, &c->by_id, c->id) != RC_OK) {
        timers_clear(server->options.timers, &c->timer);
        free(c);
        return NULL;
    }
    c->next = a->connections;
    a->connections = c;
    a->connection_count++;
    return c;
}

static bool has_connection_to(const struct turn_allocation *a, const struct address *peer)
{
    const struct tcp_connection *c = a->connections;

    while (c && !address_equal(&c->peer, peer))
        c = c->next;
    return c != NULL;
}

/* --- Connect
 * ----------------------------------------------------------------------------------- */

static unsigned connect_refusal(const struct turn_request *r, struct address *peer)
{
    const struct turn_allocation *a = r->allocation;
    const unsigned code = turn_read_connect(peer, r->message);

    if (code != 0 || !a->tcp || address_port(peer) == 0)
        return 400;
    if (!turn_side_is_open(&a->side[turn_side_of(peer->sa.sa_family)]))
        return 443;
    if (turn_policy_peer(r->server->options.policy, a->owner.capability, peer) !=
        TURN_PEER_RELAY)
        return 403; /* the media behind the splice speaks no TCP */
    return has_connection_to(a, peer) ? 446 : 0;
}

void tcp_relay_connect(struct turn_request *r)
{
    struct turn_server *server = r->server;
    struct turn_allocation *a = r->allocation;
    struct address peer;
    unsigned code = connect_refusal(r, &peer);
    struct tcp_connection *c = code ? NULL : create(a, &peer, TCP_CONNECTING, r->now);

    if (!c) {
        turn_refuse(r, code ? code : 508);
        return;
    }
    c->form = r->form;
    const uint32_t id = c->id;
    struct turn_relay *relay = a->side[turn_side_of(peer.sa.sa_family)].relay;
    const int rc = server->out.peer_connect(server->out.arg, relay, &peer, id);
    if (rc == RC_OK)
        return; /* answered when it is there, or was within the call */
    forget(c);
    turn_refuse(r, rc == RC_FULL ? 508 : 447);
}

void turn_server_peer_connected(struct turn_server *server, uint32_t id, bool ok, usec_t now)
{
    struct tcp_connection *c = find(server, id);

    if (!c || c->state != TCP_CONNECTING)
        return;
    answer(c, ok ? 0 : 447);
    if (!ok) {
        forget(c);
        return;
    }
    c->state = TCP_WAITING;
    (void)timers_set(server->options.timers, &c->timer, now + TCP_RELAY_TIMEOUT);
}

/* --- a peer connects -------------------------------------------------------------------------
 */

static void send_attempt(const struct tcp_connection *c)
{
    struct turn_allocation *a = c->allocation;
    struct reply_form form = {.method = STUN_CONNECTION_ATTEMPT};
    struct turn_reply reply;

    random_bytes(form.id, sizeof form.id);
    reply_begin(&reply, &form, STUN_INDICATION);
    stun_put_u32(&reply.builder, STUN_ATTR_CONNECTION_ID, c->id);
    stun_put_address(&reply.builder, STUN_ATTR_XOR_PEER_ADDRESS, &c->peer);
    reply_send(&reply, a->server, &form, NULL, &a->client);
}

uint32_t turn_server_peer_arrived(struct turn_server *server, struct turn_allocation *a,
                                  const struct address *peer, usec_t now)
{
    struct tcp_connection *c = NULL;

    /* Section 5.3: without a permission it is closed at once. */
    if (a->tcp && a->by_client.linked && permission_find(&a->permissions, peer, now))
        c = create(a, peer, TCP_WAITING, now);
    if (!c) {
        turn_dropped(server);
        return 0;
    }
    send_attempt(c);
    return c->id;
}

/* --- ConnectionBind --------------------------------------------------------------------------
 */

void tcp_relay_connection_bind(struct turn_request *r)
{
    struct turn_server *server = r->server;
    struct tcp_connection *c = find(server, stun_get_u32(r->message, STUN_HAS_CONNECTION_ID));

    /* Section 5.4: on a connection of its own, once. */
    if (!c || c->state != TCP_WAITING || r->by_tuple || !turn_is_stream(r->from->transport)) {
        turn_refuse(r, 400);
        return;
    }
    c->state = TCP_BOUND;
    timers_clear(server->options.timers, &c->timer);
    turn_accept(r);
    server->out.peer_bind(server->out.arg, c->id, r->from);
}

/* --- bytes -----------------------------------------------------------------------------------
 */

usec_t turn_server_peer_carried(struct turn_server *server, uint32_t id, bool from_client,
                                size_t bytes, usec_t now)
{
    const struct tcp_connection *c = find(server, id);
    struct turn_counters *counters = &server->counters;

    if (!c)
        return 0;
    struct turn_allocation *a = c->allocation;
    counter_add(&counters->turn_packet_processed, 1);
    if (from_client) {
        counter_add(&counters->turn_total_traffic_rcvp, 1);
        counter_add(&counters->turn_total_traffic_rcvb, bytes);
        counter_add(&counters->turn_total_traffic_peer_sentp, 1);
        counter_add(&counters->turn_total_traffic_peer_sentb, bytes);
    } else {
        counter_add(&counters->turn_total_traffic_peer_rcvp, 1);
        counter_add(&counters->turn_total_traffic_peer_rcvb, bytes);
        counter_add(&counters->turn_total_traffic_sentp, 1);
        counter_add(&counters->turn_total_traffic_sentb, bytes);
    }
    return turn_meter_charge(from_client ? &a->from_client : &a->from_peers,
                             a->grant.bytes_second, bytes, now);
}

/* --- the end ---------------------------------------------------------------------------------
 */

void turn_server_peer_closed(struct turn_server *server, uint32_t id, usec_t now)
{
    struct tcp_connection *c = find(server, id);
    (void)now;

    if (!c)
        return;
    if (c->state == TCP_CONNECTING)
        answer(c, 447);
    forget(c);
}

void tcp_relay_end_all(struct turn_allocation *a)
{
    while (a->connections)
        close_peer(a->connections);
}
