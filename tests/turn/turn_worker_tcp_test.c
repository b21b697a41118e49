/*
 * The server of a thread with its sockets, by the eyes of clients over TCP: RFC 6062 from the
 * Allocate to the last byte, over loopback.
 */
#include "turn/turn_worker.h"

#include "tests/t.h"
#include "turn/turn_policy.h"
#include "turn/turn_tcp.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <unistd.h>

#define REALM "example.org"

static struct {
    struct loop *loop;
    struct turn_auth *auth;
    struct turn_policy *policy;
    struct relay_addresses *addresses;
    struct turn_worker *worker;
    struct turn_tcp *tcp;
    struct listener *listener;
    struct listener_protocol protocol;
    int wall; /* a peer that listens */
    struct address wall_at;
} world;

/* --- the server --------------------------------------------------------------------------- */

static int on_input(void *arg, const struct turn_client *from, struct span message, usec_t now)
{
    return turn_worker_message(arg, from, message, now);
}

static void on_flush(void *arg, usec_t now)
{
    turn_worker_flush(arg, now);
}

static void on_gone(void *arg, const struct turn_client *client, usec_t now)
{
    turn_worker_gone(arg, client, now);
}

static bool has_allocation(void *arg, const struct turn_client *client)
{
    return turn_server_find_client(turn_worker_server(arg), client) != NULL;
}

static void to_client(void *arg, const struct turn_client *client, struct span head,
                      struct span data, size_t tail)
{
    turn_tcp_to_client(arg, client, head, data, tail);
}

static void close_client(void *arg, const struct turn_client *client)
{
    turn_tcp_close_client(arg, client);
}

static int detach(void *arg, const struct turn_client *client, turn_tcp_taker *taker,
                  void *taker_arg)
{
    return turn_tcp_detach(arg, client, taker, taker_arg);
}

static void open_streams(void)
{
    struct listener_options at = {.protocols = &world.protocol, .protocol_count = 1};
    const struct turn_tcp_options tcp = {
        .loop = world.loop,
        .user = {world.worker, on_input, on_flush, on_gone, has_allocation},
    };

    T_EQ(turn_tcp_create(&world.tcp, &tcp), RC_OK);
    turn_worker_set_stream(world.worker, &(struct turn_carrier){.arg = world.tcp,
                                                                .to_client = to_client,
                                                                .close = close_client,
                                                                .detach = detach});
    world.protocol = turn_tcp_protocol(world.tcp);
    T_EQ(address_parse(&at.at, "127.0.0.1"), RC_OK);
    T_EQ(listener_open(&world.listener, world.loop, &at), RC_OK);
}

static void open_wall(void)
{
    socklen_t len = sizeof world.wall_at;

    T_EQ(address_parse(&world.wall_at, "127.0.0.1"), RC_OK);
    world.wall = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    T_EQ(bind(world.wall, &world.wall_at.sa, address_len(&world.wall_at)), 0);
    T_EQ(listen(world.wall, 8), 0);
    T_EQ(getsockname(world.wall, &world.wall_at.sa, &len), 0);
}

static void begin_with(bool tcp_relay, uint64_t max_bps)
{
    static const char *const user[] = {"alice:wonder"};
    static const char *const allowed[] = {"127.0.0.1"};
    const struct turn_auth_options auth = {
        .realm = REALM, .user = user, .user_count = 1, .stale_nonce = 600};
    const struct turn_policy_options policy = {.allowed_peer_ip = allowed,
                                               .allowed_count = 1,
                                               .allow_loopback = true,
                                               .relay_ports = true,
                                               .max_bps = max_bps};
    struct turn_worker_options options = {.server = {.tcp_relay = tcp_relay}};
    char error[128];

    alarm(60); /* a case that hangs is a case that fails */
    memset(&world, 0, sizeof world);
    T_EQ(loop_create(&world.loop, "test", 16), RC_OK);
    T_EQ(turn_auth_create(&world.auth, &auth, error, sizeof error), RC_OK);
    T_EQ(turn_policy_create(&world.policy, &policy, error, sizeof error), RC_OK);
    T_EQ(relay_addresses_create(&world.addresses, &(struct relay_addresses_options){0}), RC_OK);
    options.loop = world.loop;
    options.addresses = world.addresses;
    options.server.auth = world.auth;
    options.server.policy = world.policy;
    T_EQ(turn_worker_create(&world.worker, &options), RC_OK);
    open_streams();
    open_wall();
}

static void begin(void)
{
    begin_with(true, 0);
}

static void nothing(void *arg)
{
    (void)arg;
}

/* Everything that can happen without waiting. */
static void settle(void)
{
    for (int i = 0; i < 20; i++) {
        loop_defer(world.loop, nothing, NULL); /* so that the turn does not wait */
        loop_turn(world.loop);
    }
}

static void finish(void)
{
    turn_worker_free(world.worker);
    turn_tcp_free(world.tcp);
    settle();
    T_EQ(turn_policy_allocations(world.policy), 0);
    listener_close(world.listener);
    relay_addresses_free(world.addresses);
    turn_policy_free(world.policy);
    turn_auth_free(world.auth);
    loop_free(world.loop);
    close(world.wall);
}

/* --- a client ----------------------------------------------------------------------------- */

struct client {
    int fd;
    char nonce[128];
    uint8_t in[2048]; /* what came, and was not looked at yet */
    size_t n;
    struct stun_message m; /* the last message, in `message` */
    uint8_t message[1024];
};

struct request {
    struct stun_builder b;
    uint8_t bytes[512];
};

static int dial(const struct address *to)
{
    const int fd = socket(to->sa.sa_family, SOCK_STREAM, 0), on = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    T_EQ(connect(fd, &to->sa, address_len(to)), 0);
    T_EQ(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static void start(struct request *r, enum stun_method method)
{
    stun_begin(&r->b, r->bytes, sizeof r->bytes, STUN_REQUEST, (uint16_t)method,
               (const uint8_t *)"abcdefghijkl");
}

static size_t seal(struct request *r, const struct client *client)
{
    struct stun_key key;

    stun_put(&r->b, STUN_ATTR_USERNAME, "alice", 5);
    stun_put(&r->b, STUN_ATTR_REALM, REALM, strlen(REALM));
    stun_put(&r->b, STUN_ATTR_NONCE, client->nonce, strlen(client->nonce));
    stun_key_long_term(&key, STUN_PASSWORD_MD5, SPAN_LITERAL("alice"), SPAN_LITERAL(REALM),
                       SPAN_LITERAL("wonder"));
    stun_put_integrity(&r->b, &key, STUN_INTEGRITY_SHA1);
    return stun_finish(&r->b, false);
}

static void say(int fd, const void *bytes, size_t n)
{
    T_EQ(send(fd, bytes, n, MSG_NOSIGNAL), (long long)n);
    settle();
}

/* The next message, and nothing of what comes behind it. */
static bool hear(struct client *client)
{
    size_t total;

    settle();
    const ssize_t n =
        recv(client->fd, client->in + client->n, sizeof client->in - client->n, 0);
    client->n += n > 0 ? (size_t)n : 0;
    if (stun_peek((struct span){client->in, client->n}, &total) != RC_OK || client->n < total)
        return false;
    memcpy(client->message, client->in, total);
    client->n -= total;
    memmove(client->in, client->in + total, client->n);
    return stun_read(&client->m, (struct span){client->message, total}) == RC_OK;
}

/* The error code of the answer, 0 for a success; -1: none came. */
static int ask(struct client *client, struct request *r)
{
    const size_t n = seal(r, client);

    say(client->fd, r->bytes, n);
    if (!hear(client))
        return -1;
    return client->m.class == STUN_SUCCESS ? 0 : (int)stun_get_error(&client->m);
}

static void learn_nonce(struct client *client)
{
    struct request r;

    start(&r, STUN_ALLOCATE);
    say(client->fd, r.bytes, stun_finish(&r.b, false));
    T_OK(hear(client));
    const struct span nonce = stun_get(&client->m, STUN_HAS_NONCE);
    T_OK(nonce.n > 0 && nonce.n < sizeof client->nonce);
    memcpy(client->nonce, nonce.p, nonce.n);
}

static void come(struct client *client)
{
    const struct address server = listener_address(world.listener);

    memset(client, 0, sizeof *client);
    client->fd = dial(&server);
    learn_nonce(client);
}

static int allocate(struct client *client, uint8_t protocol)
{
    struct request r;

    start(&r, STUN_ALLOCATE);
    stun_put_u32(&r.b, STUN_ATTR_REQUESTED_TRANSPORT, (uint32_t)protocol << 24);
    return ask(client, &r);
}

static struct address relayed(const struct client *client)
{
    struct address a;

    T_EQ(stun_get_address(&client->m, STUN_HAS_XOR_RELAYED_ADDRESS, &a), RC_OK);
    return a;
}

static int ask_about(struct client *client, enum stun_method method, const struct address *peer)
{
    struct request r;

    start(&r, method);
    stun_put_address(&r.b, STUN_ATTR_XOR_PEER_ADDRESS, peer);
    return ask(client, &r);
}

static int refresh(struct client *client, uint32_t lifetime)
{
    struct request r;

    start(&r, STUN_REFRESH);
    stun_put_u32(&r.b, STUN_ATTR_LIFETIME, lifetime);
    return ask(client, &r);
}

/* A data connection for `id`; `more` comes right behind its ConnectionBind. */
static int bind_to(struct client *data, uint32_t id, const char *more)
{
    struct request r;

    come(data);
    start(&r, STUN_CONNECTION_BIND);
    stun_put_u32(&r.b, STUN_ATTR_CONNECTION_ID, id);
    const size_t n = seal(&r, data);
    memcpy(r.bytes + n, more, strlen(more));
    say(data->fd, r.bytes, n + strlen(more));
    if (!hear(data))
        return -1;
    return data->m.class == STUN_SUCCESS ? 0 : (int)stun_get_error(&data->m);
}

static uint32_t connection_id(const struct client *client)
{
    return stun_get_u32(&client->m, STUN_HAS_CONNECTION_ID);
}

static void hears_bytes(int fd, const char *text)
{
    char in[256] = "";

    settle();
    T_OK(recv(fd, in, sizeof in - 1, 0) >= 0);
    T_STR(in, text);
}

static bool hung_up(int fd)
{
    char c;

    settle();
    const ssize_t n = recv(fd, &c, 1, 0);
    return n == 0 || (n < 0 && errno == ECONNRESET);
}

static int accept_at_wall(struct address *from)
{
    struct sockaddr_storage sa;
    socklen_t len = sizeof sa;

    settle();
    const int fd = accept4(world.wall, (struct sockaddr *)&sa, &len, SOCK_NONBLOCK);
    T_OK(fd >= 0);
    T_EQ(address_from_sockaddr(from, (struct sockaddr *)&sa, len), RC_OK);
    return fd;
}

/* --- connections to peers ----------------------------------------------------------------- */

static void a_client_reaches_a_peer_from_its_relayed_address(void)
{
    struct client alice, data;
    struct address from;

    begin();
    come(&alice);
    T_EQ(allocate(&alice, 6), 0);
    const struct address mine = relayed(&alice);
    T_EQ(ask_about(&alice, STUN_CONNECT, &world.wall_at), 0);
    const uint32_t id = connection_id(&alice);
    const int peer = accept_at_wall(&from);
    T_OK(address_equal(&from, &mine));
    say(peer, "before", 6);
    T_EQ(bind_to(&data, id, "behind"), 0);
    hears_bytes(peer, "behind");
    T_EQ(data.n, 6);
    T_MEM(data.in, "before", 6);
    say(data.fd, "\x40\x00\xff\xff", 3); /* no framing any more */
    hears_bytes(peer, "\x40");           /* up to the NUL */
    say(peer, "to alice", 8);
    hears_bytes(data.fd, "to alice");
    T_EQ(turn_tcp_connections(world.tcp), 1);
    T_EQ(ask_about(&alice, STUN_CONNECT, &world.wall_at), 446);
    close(data.fd);
    T_OK(hung_up(peer));
    close(peer);
    T_EQ(ask_about(&alice, STUN_CREATE_PERMISSION, &world.wall_at), 0); /* it goes on */
    close(alice.fd);
    finish();
}

static void a_peer_that_is_not_there_is_answered_447(void)
{
    struct client alice;

    begin();
    close(world.wall);
    world.wall = -1;
    come(&alice);
    T_EQ(allocate(&alice, 6), 0);
    T_EQ(ask_about(&alice, STUN_CONNECT, &world.wall_at), 447);
    close(alice.fd);
    finish();
}

static void a_client_that_hangs_up_at_once_has_still_said_what_it_said(void)
{
    struct client alice, data;
    struct address from;

    begin();
    come(&alice);
    T_EQ(allocate(&alice, 6), 0);
    T_EQ(ask_about(&alice, STUN_CONNECT, &world.wall_at), 0);
    const uint32_t id = connection_id(&alice);
    const int peer = accept_at_wall(&from);
    T_EQ(bind_to(&data, id, "hello and goodbye"), 0);
    shutdown(data.fd, SHUT_WR);
    hears_bytes(peer, "hello and goodbye");
    T_OK(hung_up(peer));
    close(peer);
    T_OK(hung_up(data.fd));
    T_EQ(counter_get(&relay_tcp_stats(turn_worker_tcp(world.worker))->connections), 0);
    T_EQ(ask_about(&alice, STUN_CONNECT, &world.wall_at), 0); /* there is none to it */
    close(data.fd);
    close(alice.fd);
    finish();
}

static void a_wrong_connection_id_leaves_the_connection_as_it_was(void)
{
    struct client alice, data;

    begin();
    come(&alice);
    T_EQ(allocate(&alice, 6), 0);
    T_EQ(ask_about(&alice, STUN_CONNECT, &world.wall_at), 0);
    const uint32_t id = connection_id(&alice);
    T_EQ(bind_to(&data, id ^ 1, ""), 400);
    T_EQ(turn_tcp_connections(world.tcp), 2);
    close(data.fd);
    T_EQ(bind_to(&data, id, ""), 0);
    close(data.fd);
    close(alice.fd);
    finish();
}

static void bytes_that_are_too_fast_take_their_time(void)
{
    static uint8_t bytes[150000];
    struct client alice, data;
    struct address from;
    size_t received = 0;

    begin_with(true, 100000); /* bytes a second, and one second's worth at once */
    come(&alice);
    T_EQ(allocate(&alice, 6), 0);
    T_EQ(ask_about(&alice, STUN_CONNECT, &world.wall_at), 0);
    const uint32_t id = connection_id(&alice);
    const int peer = accept_at_wall(&from);
    T_EQ(bind_to(&data, id, ""), 0);
    const usec_t since = loop_now(world.loop);
    size_t sent = 0;
    while (received < sizeof bytes) {
        ssize_t n = send(data.fd, bytes + sent, sizeof bytes - sent, MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
        settle();
        n = recv(peer, bytes, sizeof bytes, 0);
        received += n > 0 ? (size_t)n : 0;
    }
    T_OK(loop_now(world.loop) - since > MSEC(300)); /* the last read may be ahead of its time */
    T_OK(loop_now(world.loop) - since < SEC(10));
    close(peer);
    close(data.fd);
    close(alice.fd);
    finish();
}

/* --- connections from peers --------------------------------------------------------------- */

static void a_peer_with_a_permission_is_announced_and_bound(void)
{
    struct client alice, data;
    struct address from;

    begin();
    come(&alice);
    T_EQ(allocate(&alice, 6), 0);
    const struct address mine = relayed(&alice);
    T_EQ(ask_about(&alice, STUN_CREATE_PERMISSION, &world.wall_at), 0);
    const int peer = dial(&mine);
    T_OK(hear(&alice));
    T_EQ(alice.m.method, STUN_CONNECTION_ATTEMPT);
    T_EQ(alice.m.class, STUN_INDICATION);
    T_EQ(stun_get_peer(&alice.m, 0, &from), RC_OK);
    T_OK(address_equal_ip(&from, &world.wall_at));
    say(peer, "knock knock", 11);
    T_EQ(bind_to(&data, connection_id(&alice), "who is there"), 0);
    hears_bytes(peer, "who is there");
    T_EQ(data.n, 11);
    close(peer);
    T_OK(hung_up(data.fd));
    close(data.fd);
    close(alice.fd);
    finish();
}

static void a_peer_without_a_permission_is_hung_up_on(void)
{
    struct client alice;

    begin();
    come(&alice);
    T_EQ(allocate(&alice, 6), 0);
    const struct address mine = relayed(&alice);
    const int peer = dial(&mine);
    T_OK(hung_up(peer));
    T_OK(!hear(&alice));
    close(peer);
    close(alice.fd);
    finish();
}

/* --- the end ------------------------------------------------------------------------------ */

/* An allocation with a connection that is bound, and one that waits for its client. */
static void have_connections(struct client *alice, struct client *data, int peer[static 2],
                             struct address *mine)
{
    struct address from;

    come(alice);
    T_EQ(allocate(alice, 6), 0);
    *mine = relayed(alice);
    T_EQ(ask_about(alice, STUN_CONNECT, &world.wall_at), 0);
    const uint32_t id = connection_id(alice);
    peer[0] = accept_at_wall(&from);
    T_EQ(bind_to(data, id, ""), 0);
    T_EQ(ask_about(alice, STUN_CREATE_PERMISSION, &world.wall_at), 0);
    peer[1] = dial(mine);
    T_OK(hear(alice));
    T_EQ(counter_get(&relay_tcp_stats(turn_worker_tcp(world.worker))->connections), 2);
}

static void expect_all_closed(const struct client *data, const int peer[static 2],
                              const struct address *mine)
{
    const int fd = socket(AF_INET, SOCK_STREAM, 0);

    T_OK(hung_up(data->fd) && hung_up(peer[0]) && hung_up(peer[1]));
    T_EQ(connect(fd, &mine->sa, address_len(mine)), -1);
    T_EQ(errno, ECONNREFUSED);
    T_EQ(counter_get(&relay_tcp_stats(turn_worker_tcp(world.worker))->connections), 0);
    T_EQ(counter_get(&relay_tcp_stats(turn_worker_tcp(world.worker))->open), 0);
    close(fd);
    close(data->fd);
    close(peer[0]);
    close(peer[1]);
}

static void all_connections_end_with_a_refresh_of_zero(void)
{
    struct client alice, data;
    struct address mine;
    int peer[2];

    begin();
    have_connections(&alice, &data, peer, &mine);
    T_EQ(refresh(&alice, 0), 0);
    expect_all_closed(&data, peer, &mine);
    close(alice.fd);
    finish();
}

static void all_connections_end_with_the_control_connection(void)
{
    struct client alice, data;
    struct address mine;
    int peer[2];

    begin();
    have_connections(&alice, &data, peer, &mine);
    close(alice.fd);
    settle();
    expect_all_closed(&data, peer, &mine);
    finish();
}

static void all_connections_end_with_the_server(void)
{
    struct client alice, data;
    struct address mine;
    int peer[2];

    begin();
    have_connections(&alice, &data, peer, &mine);
    finish();
    const int fds[] = {alice.fd, data.fd, peer[0], peer[1]};
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        char c;
        T_OK(recv(fds[i], &c, 1, 0) <= 0);
        close(fds[i]);
    }
}

/* --- what is not served, and what is beside it -------------------------------------------- */

static void where_it_is_not_wanted_it_is_answered_442(void)
{
    struct client alice;

    begin_with(false, 0);
    come(&alice);
    T_EQ(allocate(&alice, 6), 442);
    T_EQ(allocate(&alice, 17), 0);
    T_OK(turn_worker_tcp(world.worker) == NULL);
    close(alice.fd);
    finish();
}

static void relays_of_udp_and_tcp_live_side_by_side(void)
{
    struct client alice, bob;

    begin();
    come(&alice);
    come(&bob);
    T_EQ(allocate(&alice, 17), 0);
    T_EQ(allocate(&bob, 6), 0);
    T_EQ(counter_get(&turn_worker_relay_stats(world.worker)->open), 1);
    T_EQ(counter_get(&relay_tcp_stats(turn_worker_tcp(world.worker))->open), 1);
    T_EQ(ask_about(&alice, STUN_CONNECT, &world.wall_at), 400);
    T_EQ(refresh(&alice, 0), 0);
    T_EQ(refresh(&bob, 0), 0);
    T_EQ(counter_get(&turn_worker_relay_stats(world.worker)->open), 0);
    T_EQ(counter_get(&relay_tcp_stats(turn_worker_tcp(world.worker))->open), 0);
    close(alice.fd);
    close(bob.fd);
    finish();
}

static const struct t_case cases[] = {
    T_CASE(a_client_reaches_a_peer_from_its_relayed_address),
    T_CASE(a_peer_that_is_not_there_is_answered_447),
    T_CASE(a_client_that_hangs_up_at_once_has_still_said_what_it_said),
    T_CASE(a_wrong_connection_id_leaves_the_connection_as_it_was),
    T_CASE(bytes_that_are_too_fast_take_their_time),
    T_CASE(a_peer_with_a_permission_is_announced_and_bound),
    T_CASE(a_peer_without_a_permission_is_hung_up_on),
    T_CASE(all_connections_end_with_a_refresh_of_zero),
    T_CASE(all_connections_end_with_the_control_connection),
    T_CASE(all_connections_end_with_the_server),
    T_CASE(where_it_is_not_wanted_it_is_answered_442),
    T_CASE(relays_of_udp_and_tcp_live_side_by_side),
};
T_MAIN(cases)
