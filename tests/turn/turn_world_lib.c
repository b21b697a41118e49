#include "tests/turn/turn_world_lib.h"

#include "turn/turn_rest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Also for fuzz targets: there is no test to fail, and what is false here is false at once. */
#define MUST(cond) ((cond) ? (void)0 : fail(__LINE__, #cond))

static void fail(int line, const char *what)
{
    fprintf(stderr, "turn_world_lib.c:%d: %s\n", line, what);
    abort();
}

struct address turn_address(const char *text)
{
    struct address a;

    MUST(address_parse(&a, text) == RC_OK);
    return a;
}

/* --- what the server orders
 * -------------------------------------------------------------------- */

static void to_client(void *arg, const struct turn_client *client, struct span head,
                      struct span data, size_t tail)
{
    struct turn_world *world = arg;
    struct world_sent *sent = &world->sent[world->sent_count++ % WORLD_SENT];

    if (world->quiet)
        return;
    MUST(head.n + data.n + tail <= sizeof sent->bytes);
    sent->to = *client;
    memcpy(sent->bytes, head.p, head.n);
    if (data.n)
        memcpy(sent->bytes + head.n, data.p, data.n);
    memset(sent->bytes + head.n + data.n, 0, tail);
    sent->n = head.n + data.n + tail;
    sent->head = head.n;
    sent->tail = tail;
}

static void note_datagram(struct turn_world *world, const struct address *peer,
                          struct span data)
{
    struct world_datagram *d = &world->peer;

    MUST(data.n <= sizeof d->bytes);
    d->peer = *peer;
    d->n = data.n;
    d->data = data.p;
    if (data.n)
        memcpy(d->bytes, data.p, data.n);
}

static void to_peer(void *arg, struct turn_relay *relay, const struct address *peer,
                    struct span data, unsigned flags)
{
    struct turn_world *world = arg;

    MUST(relay && relay->open && relay->family == peer->sa.sa_family);
    world->to_peer_count++;
    note_datagram(world, peer, data);
    world->peer.relay = relay;
    world->peer.flags = flags;
    if (world->watch)
        world->watch(world, relay, peer);
}

static void to_media(void *arg, struct turn_allocation *owner, const struct address *relayed,
                     const struct address *peer, struct span data)
{
    struct turn_world *world = arg;

        world->to_media_count++;
    if (world->quiet)
        return;
    MUST(turn_server_find_relayed(world->server, relayed) == owner);
    note_datagram(world, peer, data);
    world->peer.relay = NULL;
    world->peer.relayed = *relayed;
    if (world->watch)
        world->watch(world,
                     world->options.relay_ports_none
                         ? NULL
                         : &world->relay[address_port(relayed) - WORLD_RELAY_PORT],
                     peer);
}

static void address_of(const struct turn_relay *relay, struct address *out)
{
    *out = turn_address(relay->family == AF_INET6 ? WORLD_RELAY_IP6 : WORLD_RELAY_IP);
    address_set_port(out, relay->port);
}

static struct turn_relay *take(struct turn_world *world, unsigned i, sa_family_t family,
                               bool tcp, struct turn_allocation *owner)
{
    const unsigned times = world->relay[i].times_opened + 1;

    world->relay[i] = (struct turn_relay){
        true, false, tcp, family, (uint16_t)(WORLD_RELAY_PORT + i), owner, times,
    };
    world->relays_open++;
    return &world->relay[i];
}

static int relay_open(void *arg, struct turn_allocation *owner,
                      const struct turn_relay_wish *wish, struct turn_relay **relay,
                      struct address *relayed, struct turn_relay **reserved)
{
    struct turn_world *world = arg;
    const bool even = wish->port != TURN_PORT_ANY, two = wish->port == TURN_PORT_EVEN_AND_NEXT;
    const unsigned limit = world->relay_limit ? world->relay_limit : WORLD_RELAYS;

    if (world->relay_failure)
        return world->relay_failure;
    if (wish->family == AF_INET6 ? world->no_v6 : world->no_v4)
        return RC_BAD;
    world->media_only += wish->media_only;
    for (unsigned i = 0; i < limit; i += even ? 2 : 1) {
        if (world->relay[i].open || (two && (i + 1 == limit || world->relay[i + 1].open)))
            continue;
        *relay = take(world, i, wish->family, wish->tcp, owner);
        address_of(*relay, relayed);
        if (two) {
            *reserved = take(world, i + 1, wish->family, wish->tcp, NULL);
            (*reserved)->reserved = true;
        }
        return RC_OK;
    }
    return RC_FULL;
}

static void relay_adopt(void *arg, struct turn_relay *relay, struct turn_allocation *owner,
                        struct address *relayed)
{
    (void)arg;
    MUST(relay->open && relay->reserved);
    relay->reserved = false;
    relay->owner = owner;
    address_of(relay, relayed);
}

static void relay_close(void *arg, struct turn_relay *relay)
{
    struct turn_world *world = arg;

    MUST(relay->open);
    relay->open = false;
    world->relays_open--;
}

static int peer_connect(void *arg, struct turn_relay *relay, const struct address *peer,
                        uint32_t id)
{
    struct turn_world *world = arg;

    MUST(relay && relay->tcp);
    if (world->connect_failure)
        return world->connect_failure;
    struct world_tcp *tcp = &world->tcp[world->tcp_count % ARRAY_LEN(world->tcp)];
    if (tcp->id && !tcp->closed)
        return RC_FULL; /* of the world's own notes */
    world->tcp_count++;
    *tcp = (struct world_tcp){.id = id, .peer = *peer};
    if (world->connect_at_once)
        turn_server_peer_connected(world->server, id, true, world->now);
    return RC_OK;
}

static struct world_tcp *tcp_of(struct turn_world *world, uint32_t id)
{
    for (size_t i = 0; i < ARRAY_LEN(world->tcp); i++) {
        if (world->tcp[i].id == id)
            return &world->tcp[i];
    }
    return NULL;
}

static void peer_bind(void *arg, uint32_t id, const struct turn_client *data_connection)
{
    struct world_tcp *tcp = tcp_of(arg, id);

    MUST(tcp && !tcp->bound && !tcp->closed);
    tcp->bound = true;
    tcp->data_connection = *data_connection;
}

static void peer_close(void *arg, uint32_t id)
{
    struct world_tcp *tcp = tcp_of(arg, id);

    MUST(tcp && !tcp->closed);
    tcp->closed = true;
}

static void client_close(void *arg, const struct turn_client *client)
{
    struct turn_world *world = arg;

    MUST(client->transport != TURN_UDP);
    world->client_closes++;
    world->closed_client = *client;
}

/* --- the world -------------------------------------------------------------------------------
 */

static const char *const users[] = {"alice:wonder", "bob:builder"};
static const char *const allowed[] = {"198.51.100.0/24", "2001:db8:7::/48"};
static struct address media[2], own[2];

void turn_world_init(struct turn_world *world)
{
    memset(world, 0, sizeof *world);
    media[0] = turn_address(WORLD_MEDIA);
    media[1] = turn_address(WORLD_MEDIA6);
    own[0] = turn_address(WORLD_RELAY_IP);
    own[1] = turn_address(WORLD_RELAY_IP6);
    world->auth_options = (struct turn_auth_options){
        .realm = WORLD_REALM, .user = users, .user_count = 2, .stale_nonce = 600};
    world->policy_options = (struct turn_policy_options){
        .allowed_peer_ip = allowed,
        .allowed_count = 2,
        .media = media,
        .media_count = 2,
        .own = own,
        .own_count = 2,
        .relay_ports = true,
    };
    world->options = (struct turn_server_options){.software = "test"};
    world->now = SEC(1000);
    world->unix_now = 1700000000;
}

const struct turn_output *turn_world_output(struct turn_world *world)
{
    static struct turn_output out;

    out = (struct turn_output){world,      to_client,   to_peer,     to_media,
                               relay_open, relay_adopt, relay_close, peer_connect,
                               peer_bind,  peer_close,  client_close};
    return &out;
}

void turn_world_open(struct turn_world *world)
{
    char error[128] = "";

    MUST(turn_auth_create(&world->auth, &world->auth_options, error, sizeof error) == RC_OK);
    MUST(turn_policy_create(&world->policy, &world->policy_options, error, sizeof error) ==
         RC_OK);
    MUST(timers_create(&world->timers) == RC_OK);
    world->options.auth = world->auth;
    world->options.policy = world->policy;
    world->options.timers = world->timers;
    MUST(turn_server_create(&world->server, &world->options, turn_world_output(world)) ==
         RC_OK);
}

void turn_world_close(struct turn_world *world)
{
    turn_server_free(world->server);
    MUST(world->relays_open == 0);
    MUST(timers_count(world->timers) == 0);
    MUST(turn_policy_allocations(world->policy) == 0);
    timers_free(world->timers);
    turn_policy_free(world->policy);
    turn_auth_free(world->auth);
}

void turn_world_wait(struct turn_world *world, usec_t time)
{
    const usec_t until = world->now + time;

    while (timers_next(world->timers) <= until) {
        if (timers_next(world->timers) > world->now) {
            world->unix_now += (int64_t)((timers_next(world->timers) - world->now) / SEC(1));
            world->now = timers_next(world->timers);
        }
        timers_run(world->timers, world->now);
    }
    world->unix_now += (int64_t)((until - world->now) / SEC(1));
    world->now = until;
}

const struct world_sent *turn_world_last(const struct turn_world *world)
{
    return world->sent_count ? &world->sent[(world->sent_count - 1) % WORLD_SENT] : NULL;
}

bool turn_world_answer(const struct turn_world *world, struct stun_message *out)
{
    const struct world_sent *last = turn_world_last(world);

    return last && stun_read(out, (struct span){last->bytes, last->n}) == RC_OK;
}

/* --- clients
 * ----------------------------------------------------------------------------------- */

void tester_init(struct tester *client, struct turn_world *world, const char *address)
{
    static uint64_t ids;

    *client = (struct tester){.world = world, .username = "alice", .password = "wonder"};
    client->tuple.transport = TURN_UDP;
    client->tuple.remote = turn_address(address);
    client->tuple.local = turn_address("203.0.113.9:3478");
    client->integrity = STUN_INTEGRITY_SHA1;
    store_be64(client->id, ++ids);
}

void tester_init_stream(struct tester *client, struct turn_world *world, const char *address,
                        enum turn_transport transport, uint64_t connection)
{
    tester_init(client, world, address);
    client->tuple.transport = transport;
    client->tuple.connection = connection;
}

void tester_begin(struct tester_request *request, struct tester *client,
                  enum stun_method method)
{
    request->client = client;
    stun_begin(&request->builder, request->buffer, sizeof request->buffer, STUN_REQUEST,
               (uint16_t)method, client->id);
}

static struct span text(const char *s)
{
    return (struct span){(const uint8_t *)s, strlen(s)};
}

static void put_text(struct stun_builder *b, uint16_t type, const char *s)
{
    stun_put(b, type, s, strlen(s));
}

static void put_algorithms(struct stun_builder *b, const struct tester *client)
{
    static const uint8_t offered[] = {0, 2, 0, 0, 0, 1, 0, 0};
    const uint8_t one[4] = {0, (uint8_t)client->algorithm};

    if (client->algorithms)
        stun_put(b, STUN_ATTR_PASSWORD_ALGORITHMS, client->algorithms, client->algorithms_n);
    else if (!client->no_algorithms)
        stun_put(b, STUN_ATTR_PASSWORD_ALGORITHMS, offered, sizeof offered);
    stun_put(b, STUN_ATTR_PASSWORD_ALGORITHM, one, sizeof one);
}

static void put_credentials(struct stun_builder *b, const struct tester *client)
{
    uint8_t hash[32];

    stun_userhash(hash, text(client->username), text(WORLD_REALM));
    if (client->userhash)
        stun_put(b, STUN_ATTR_USERHASH, hash, sizeof hash);
    else
        put_text(b, STUN_ATTR_USERNAME, client->username);
    put_text(b, STUN_ATTR_REALM, WORLD_REALM);
    put_text(b, STUN_ATTR_NONCE, client->nonce);
    if (client->algorithm)
        put_algorithms(b, client);
}

size_t tester_seal(struct tester_request *request)
{
    struct tester *client = request->client;
    struct stun_builder *b = &request->builder;
    struct stun_key key;

    if (!client->anonymous) {
        put_credentials(b, client);
        stun_key_long_term(&key, client->algorithm ? client->algorithm : STUN_PASSWORD_MD5,
                           text(client->username), text(WORLD_REALM), text(client->password));
        stun_put_integrity(b, &key, client->integrity);
    }
    if (!client->keep_id)
        store_be64(client->id + 4, load_be64(client->id + 4) + 1);
    return stun_finish(b, client->fingerprint);
}

int tester_input(struct tester *client, struct span bytes)
{
    struct turn_world *world = client->world;

    return turn_server_input(world->server, &client->tuple, bytes, world->now, world->unix_now);
}

int tester_exchange(struct tester_request *request)
{
    struct turn_world *world = request->client->world;
    const unsigned before = world->sent_count;
    const size_t n = tester_seal(request);
    struct stun_message m;

    MUST(n > 0);
    tester_input(request->client, (struct span){request->buffer, n});
    if (world->sent_count == before)
        return -1;
    if (!turn_world_answer(world, &m) || m.class == STUN_INDICATION)
        return -1;
    return m.class == STUN_SUCCESS ? 0 : (int)stun_get_error(&m);
}

void tester_learn_nonce(struct tester *client)
{
    const bool anonymous = client->anonymous;
    struct tester_request request;
    struct stun_message m;

    client->anonymous = true;
    tester_begin(&request, client, STUN_REFRESH);
    MUST(tester_exchange(&request) == 401);
    client->anonymous = anonymous;
    MUST(turn_world_answer(client->world, &m));
    const struct span nonce = stun_get(&m, STUN_HAS_NONCE);
    MUST(nonce.n > 0 && nonce.n < sizeof client->nonce);
    memcpy(client->nonce, nonce.p, nonce.n);
    client->nonce[nonce.n] = '\0';
}

static void begin(struct tester_request *request, struct tester *client,
                  enum stun_method method)
{
    if (!client->nonce[0] && !client->anonymous)
        tester_learn_nonce(client);
    tester_begin(request, client, method);
}

int tester_allocate(struct tester *client)
{
    struct tester_request request;

    begin(&request, client, STUN_ALLOCATE);
    stun_put_u32(&request.builder, STUN_ATTR_REQUESTED_TRANSPORT, 17u << 24);
    return tester_exchange(&request);
}

int tester_refresh(struct tester *client, int lifetime)
{
    struct tester_request request;

    begin(&request, client, STUN_REFRESH);
    if (lifetime >= 0)
        stun_put_u32(&request.builder, STUN_ATTR_LIFETIME, (uint32_t)lifetime);
    return tester_exchange(&request);
}

int tester_permit(struct tester *client, const char *peer)
{
    const struct address a = turn_address(peer);
    struct tester_request request;

    begin(&request, client, STUN_CREATE_PERMISSION);
    stun_put_address(&request.builder, STUN_ATTR_XOR_PEER_ADDRESS, &a);
    return tester_exchange(&request);
}

int tester_bind(struct tester *client, uint16_t channel, const char *peer)
{
    const struct address a = turn_address(peer);
    struct tester_request request;

    begin(&request, client, STUN_CHANNEL_BIND);
    stun_put_u32(&request.builder, STUN_ATTR_CHANNEL_NUMBER, (uint32_t)channel << 16);
    stun_put_address(&request.builder, STUN_ATTR_XOR_PEER_ADDRESS, &a);
    return tester_exchange(&request);
}

void tester_send(struct tester *client, const char *peer, const char *data)
{
    const struct address a = turn_address(peer);
    uint8_t buffer[2048];
    struct stun_builder b;

    stun_begin(&b, buffer, sizeof buffer, STUN_INDICATION, STUN_SEND, client->id);
    stun_put_address(&b, STUN_ATTR_XOR_PEER_ADDRESS, &a);
    put_text(&b, STUN_ATTR_DATA, data);
    const size_t n = stun_finish(&b, false);
    tester_input(client, (struct span){buffer, n});
}

void tester_channel_send(struct tester *client, uint16_t channel, const char *data)
{
    const size_t n = strlen(data), tail = client->tuple.transport == TURN_UDP ? 0 : -n & 3;
    uint8_t buffer[2048] = {0};

    stun_channel_write(buffer, channel, n);
    memcpy(buffer + STUN_CHANNEL_HEADER, data, n);
    tester_input(client, (struct span){buffer, STUN_CHANNEL_HEADER + n + tail});
}

void tester_use_secret(struct tester *client, const char *secret, int64_t expires,
                       const char *user)
{
    struct stun_key key;

    snprintf(client->name, sizeof client->name, "%lld:%s", (long long)expires, user);
    stun_key_raw(&key, secret, strlen(secret));
    turn_rest_password(client->secret_word, &key, text(client->name));
    client->username = client->name;
    client->password = client->secret_word;
}

struct turn_relay *tester_relay(const struct tester *client)
{
    struct turn_world *world = client->world;
    const struct turn_allocation *a = turn_server_find_client(world->server, &client->tuple);

    for (unsigned i = 0; a && i < WORLD_RELAYS; i++) {
        if (world->relay[i].open && world->relay[i].owner == a)
            return &world->relay[i];
    }
    return NULL;
}

void tester_peer_sends(struct tester *client, const char *peer, const char *data)
{
    struct turn_world *world = client->world;
    struct turn_allocation *a = turn_server_find_client(world->server, &client->tuple);
    const struct address from = turn_address(peer);

    MUST(a);
    turn_server_from_peer(world->server, a, &from, text(data), world->now);
}
