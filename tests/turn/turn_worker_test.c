/* The TURN server of one thread with real sockets on the loopback. The test's thread is the
 * server's: what a client sends is there when the loop turns. */
#include "turn/turn_worker.h"

#include "bench/turn_dialog_lib.h"
#include "core/clock.h"
#include "tests/t.h"
#include "turn/turn_policy.h"

#include <errno.h>
#include <unistd.h>

enum { CHANNEL = 0x4001, PATIENCE_SECONDS = 10 };

static struct {
    struct loop *loop;
    struct udp_port *port;
    struct turn_auth *auth;
    struct turn_policy *policy;
    struct relay_addresses *addresses;
    struct turn_worker *worker;
    struct address server;
    /* what the media was sent, and what a stream was */
    unsigned media_count, media_flushes, stream_count, dtls_count, closes;
    struct address relayed, media_peer;
    uint8_t last[2048];
    size_t last_len;
} live;

struct client {
    struct turn_account account;
    struct turn_dialog dialog;
    int fd;
};

static struct address at(const char *text)
{
    struct address a;

    T_EQ(address_parse(&a, text), RC_OK);
    return a;
}

/* --- the server
 * ---------------------------------------------------------------------------------- */

static void on_receive(void *arg, struct udp_datagram *batch, size_t count, usec_t now)
{
    (void)arg;
    for (size_t i = 0; i < count; i++)
        batch[i].local = live.server;
    turn_worker_input(live.worker, batch, count, now);
}

static void wire_send(void *arg, const struct address *to, const struct address *local,
                      const struct udp_parts *parts)
{
    (void)arg;
    T_OK(address_equal(local, &live.server));
    udp_port_send_parts(live.port, to, local, parts);
}

static void wire_flush(void *arg)
{
    (void)arg;
    udp_port_flush(live.port);
}

static void keep(struct span head, struct span data, size_t tail)
{
    live.last_len = head.n + data.n + tail;
    T_OK(live.last_len <= sizeof live.last);
    memcpy(live.last, head.p, head.n);
    if (data.n)
        memcpy(live.last + head.n, data.p, data.n);
    memset(live.last + head.n + data.n, 0, tail);
}

static void media_send(void *arg, const struct address *relayed, const struct address *peer,
                       struct span data, usec_t now)
{
    (void)arg;
    (void)now;
    live.media_count++;
    live.relayed = *relayed;
    live.media_peer = *peer;
    keep((struct span){live.last, 0}, data, 0);
}

static void media_flush(void *arg, usec_t now)
{
    (void)arg;
    (void)now;
    live.media_flushes++;
}

static void stream_to_client(void *arg, const struct turn_client *client, struct span head,
                             struct span data, size_t tail)
{
    (void)arg;
    T_EQ(client->connection, 7);
    live.stream_count++;
    keep(head, data, tail);
}

static void stream_close(void *arg, const struct turn_client *client)
{
    (void)arg;
    T_EQ(client->connection, 7);
    live.closes++;
}

static void dtls_input(void *arg, struct udp_datagram *datagram, usec_t now)
{
    (void)arg;
    (void)now;
    T_EQ(datagram->data[0], 22);
    live.dtls_count++;
}

#define MEDIA "127.0.0.1:3478"

static void make_shared(uint16_t min_port, uint16_t max_port)
{
    static const char *const users[] = {"alice:wonder"}, *const allowed[] = {"127.0.0.0/8"};
    const struct address media = at(MEDIA);
    const struct turn_auth_options auth = {
        .realm = "test", .user = users, .user_count = 1, .stale_nonce = 600};
    const struct turn_policy_options policy = {.allowed_peer_ip = allowed,
                                               .allowed_count = 1,
                                               .allow_loopback = true,
                                               .media = &media,
                                               .media_count = 1,
                                               .relay_ports = true};
    char error[256];

    T_EQ(turn_auth_create(&live.auth, &auth, error, sizeof error), RC_OK);
    T_EQ(turn_policy_create(&live.policy, &policy, error, sizeof error), RC_OK);
    T_EQ(relay_addresses_create(
             &live.addresses,
             &(struct relay_addresses_options){.min_port = min_port, .max_port = max_port}),
         RC_OK);
}

static void open_live(uint16_t min_port, uint16_t max_port)
{
    struct udp_port_options port = {.at = at("127.0.0.1")};

    memset(&live, 0, sizeof live);
    make_shared(min_port, max_port);
    T_EQ(loop_create(&live.loop, "test", 16), RC_OK);
    T_EQ(udp_port_open(&live.port, live.loop, &port, on_receive, NULL, NULL), RC_OK);
    live.server = udp_port_address(live.port);
    const struct turn_worker_options options = {
        .loop = live.loop,
        .server = {.auth = live.auth, .policy = live.policy},
        .addresses = live.addresses,
        .wire = {NULL, wire_send, wire_flush},
        .stream = {NULL, stream_to_client, stream_close, NULL},
        .dtls = {NULL, stream_to_client, stream_close, dtls_input},
        .media = {NULL, media_send, media_flush},
    };
    T_EQ(turn_worker_create(&live.worker, &options), RC_OK);
}

static void close_live(void)
{
    turn_worker_free(live.worker);
    udp_port_close(live.port);
    relay_addresses_free(live.addresses);
    turn_policy_free(live.policy);
    turn_auth_free(live.auth);
    loop_free(live.loop);
}

/* --- clients and peers
 * ------------------------------------------------------------------------------ */

static int open_socket(struct address *out)
{
    const struct address any = at("127.0.0.1");
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    socklen_t len = sizeof *out;

    T_OK(fd >= 0);
    T_EQ(bind(fd, &any.sa, address_len(&any)), 0);
    if (out)
        T_EQ(getsockname(fd, &out->sa, &len), 0);
    return fd;
}

static void open_client(struct client *client)
{
    memset(client, 0, sizeof *client);
    client->account = (struct turn_account){.name = "alice", .password = "wonder"};
    client->dialog = (struct turn_dialog){.account = &client->account, .channel = CHANNEL};
    client->fd = open_socket(NULL);
    T_EQ(connect(client->fd, &live.server.sa, address_len(&live.server)), 0);
}

static void client_sends(const struct client *client, const void *data, size_t n)
{
    T_EQ(send(client->fd, data, n, 0), n);
}

/* Turns the loop until something is there. */
static size_t receive(int fd, uint8_t out[static 2048], struct address *from)
{
    const usec_t end = clock_now() + SEC(PATIENCE_SECONDS);
    ssize_t n;

    for (;;) {
        socklen_t len = sizeof *from;

        n = recvfrom(fd, out, 2048, 0, from ? &from->sa : NULL, from ? &len : NULL);
        if (n >= 0 || clock_now() > end)
            break;
        loop_turn(live.loop);
    }
    T_OK(n >= 0);
    return (size_t)n;
}

static void expect_nothing(int fd)
{
    uint8_t out[2048];

    T_EQ(recv(fd, out, sizeof out, 0), -1);
    T_EQ(errno, EAGAIN);
}

/* 0 or the error's code. */
static unsigned ask(struct client *client, enum turn_ask what, const struct address *peer)
{
    uint8_t request[TURN_ASK_MAX], reply[2048];
    enum turn_verdict verdict;
    unsigned code;

    client_sends(client, request, turn_dialog_ask(&client->dialog, what, peer, request));
    const size_t n = receive(client->fd, reply, NULL);
    verdict = turn_dialog_answer(&client->dialog, (struct span){reply, n}, &code);
    T_OK(verdict == TURN_GRANTED || code != 0);
    return verdict == TURN_GRANTED ? 0 : code;
}

static void allocate(struct client *client)
{
    open_client(client);
    T_EQ(ask(client, TURN_ASK_NONCE, NULL), 0);
    T_EQ(ask(client, TURN_ASK_ALLOCATION, NULL), 0);
}

static size_t channel_data(uint8_t out[static 2048], const char *text)
{
    const size_t n = strlen(text);

    store_be16(out, CHANNEL);
    store_be16(out + 2, (uint16_t)n);
    memcpy(out + 4, text, n);
    return 4 + n;
}

static size_t send_indication(uint8_t out[static 2048], const struct address *peer,
                              const char *text)
{
    static const uint8_t id[STUN_ID_BYTES] = "indication";
    struct stun_builder b;

    stun_begin(&b, out, 2048, STUN_INDICATION, STUN_SEND, id);
    stun_put_address(&b, STUN_ATTR_XOR_PEER_ADDRESS, peer);
    stun_put(&b, STUN_ATTR_DATA, text, strlen(text));
    return stun_finish(&b, false);
}

static struct client alice;
static int peer_fd;
static struct address peer;

static void open_all(void)
{
    open_live(0, 0);
    allocate(&alice);
    peer_fd = open_socket(&peer);
}

static void close_all(void)
{
    close(alice.fd);
    close(peer_fd);
    close_live();
}

static void peer_sends(const char *text)
{
    T_EQ(sendto(peer_fd, text, strlen(text), 0, &alice.dialog.relayed.sa,
                address_len(&alice.dialog.relayed)),
         strlen(text));
}

static void expect_at_peer(const char *text)
{
    struct address from;
    uint8_t in[2048];

    T_EQ(receive(peer_fd, in, &from), strlen(text));
    T_MEM(in, text, strlen(text));
    T_OK(address_equal(&from, &alice.dialog.relayed));
}

/* --- data
 * --------------------------------------------------------------------------------------------
 */

static void a_channel_carries_data_both_ways(void)
{
    static const char *const texts[] = {"hello", "", "four", "a longer one, of odd length"};
    uint8_t bytes[2048];

    open_all();
    T_EQ(ask(&alice, TURN_ASK_CHANNEL, &peer), 0);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        const size_t n = channel_data(bytes, texts[i]);

        client_sends(&alice, bytes, n);
        expect_at_peer(texts[i]);
        peer_sends(texts[i]);
        T_EQ(receive(alice.fd, bytes, NULL), n); /* no padding in a datagram */
        T_EQ(load_be16(bytes), CHANNEL);
        T_EQ(load_be16(bytes + 2), n - 4);
        T_MEM(bytes + 4, texts[i], n - 4);
    }
    close_all();
}

static void indications_carry_data_both_ways(void)
{
    static const char *const texts[] = {"hello", "four", "five!", "sixsix", "sevenss"};
    struct stun_message m;
    struct address from;
    uint8_t bytes[2048];

    open_all();
    T_EQ(ask(&alice, TURN_ASK_PERMISSION, &peer), 0);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        client_sends(&alice, bytes, send_indication(bytes, &peer, texts[i]));
        expect_at_peer(texts[i]);
        peer_sends(texts[i]);
        const size_t n = receive(alice.fd, bytes, NULL);
        T_EQ(stun_read(&m, (struct span){bytes, n}), RC_OK);
        T_EQ(m.class, STUN_INDICATION);
        T_EQ(m.method, STUN_DATA);
        T_EQ(stun_get_peer(&m, 0, &from), RC_OK);
        T_OK(address_equal(&from, &peer));
        T_EQ(stun_get(&m, STUN_HAS_DATA).n, strlen(texts[i]));
        T_MEM(stun_get(&m, STUN_HAS_DATA).p, texts[i], strlen(texts[i]));
    }
    close_all();
}

static void without_a_permission_nothing_passes(void)
{
    uint8_t bytes[2048];

    open_all();
    client_sends(&alice, bytes, send_indication(bytes, &peer, "hello"));
    client_sends(&alice, bytes, channel_data(bytes, "hello"));
    peer_sends("hello");
    while (counter_get(&turn_server_counters(turn_worker_server(live.worker))
                            ->turn_no_permission_packets) < 3)
        loop_turn(live.loop);
    expect_nothing(alice.fd);
    expect_nothing(peer_fd);
    close_all();
}

static void bursts_leave_by_one_call_each_way(void)
{
    enum { COUNT = 5 };
    struct relay_sockets_stats *relays;
    struct udp_port_stats *clients;
    uint8_t bytes[2048];

    open_all();
    relays = turn_worker_relay_stats(live.worker);
    clients = udp_port_stats(live.port);
    T_EQ(ask(&alice, TURN_ASK_CHANNEL, &peer), 0);
    for (int i = 0; i < COUNT; i++)
        client_sends(&alice, bytes, channel_data(bytes, "as long as the others"));
    for (int i = 0; i < COUNT; i++)
        expect_at_peer("as long as the others");
    T_EQ(counter_get(&relays->packets_out), COUNT);
    T_EQ(counter_get(&relays->gso_messages), 1);
    T_EQ(counter_get(&relays->calls_out), 1);

    /* A peer's burst that is read in one turn or two; the first read takes one message. */
    const uint64_t calls = counter_get(&clients->calls_out);
    for (int i = 0; i < COUNT; i++)
        peer_sends("as long as the others");
    for (int i = 0; i < COUNT; i++)
        T_EQ(receive(alice.fd, bytes, NULL), 4 + 21);
    T_OK(counter_get(&clients->calls_out) - calls <= 3);
    close_all();
}

static void a_peer_that_cannot_be_reached_is_told_by_icmp(void)
{
    struct stun_message m;
    struct address from;
    uint8_t bytes[2048];

    open_all();
    T_EQ(ask(&alice, TURN_ASK_CHANNEL, &peer), 0);
    close(peer_fd);
    client_sends(&alice, bytes, channel_data(bytes, "anybody there?"));
    const size_t n = receive(alice.fd, bytes, NULL);
    T_EQ(stun_read(&m, (struct span){bytes, n}), RC_OK);
    T_EQ(m.method, STUN_DATA);
    T_OK(stun_has(&m, STUN_HAS_ICMP));
    T_OK(!stun_has(&m, STUN_HAS_DATA));
    T_EQ(load_be16(stun_get(&m, STUN_HAS_ICMP).p + 2), 3 << 9 | 3); /* port unreachable */
    T_EQ(stun_get_peer(&m, 0, &from), RC_OK);
    T_OK(address_equal(&from, &peer));

    /* Nobody else's traffic is disturbed. */
    struct address other;
    peer_fd = open_socket(&other);
    T_EQ(ask(&alice, TURN_ASK_PERMISSION, &other), 0);
    client_sends(&alice, bytes, channel_data(bytes, "anybody there?"));
    client_sends(&alice, bytes, send_indication(bytes, &other, "and there?"));
    expect_at_peer("and there?");
    close_all();
}

/* --- ports
 * -------------------------------------------------------------------------------------------
 */

/* Ports that nobody has now; whoever takes one before the server does fails this test. */
static uint16_t find_free_ports(uint16_t count)
{
    for (uint16_t first = 21000; first < 60000; first = (uint16_t)(first + count)) {
        struct address a = at("127.0.0.1");
        int fd[8];
        bool all = true;

        for (uint16_t i = 0; i < count; i++) {
            fd[i] = socket(AF_INET, SOCK_DGRAM, 0);
            address_set_port(&a, (uint16_t)(first + i));
            all = bind(fd[i], &a.sa, address_len(&a)) == 0 && all;
        }
        for (uint16_t i = 0; i < count; i++)
            close(fd[i]);
        if (all)
            return first;
    }
    return 0;
}

static void ports_that_ran_out_are_there_again_after_a_refresh_of_zero(void)
{
    enum { PORTS = 4 };
    const uint16_t first = find_free_ports(PORTS);
    struct client client[PORTS], late;

    open_live(first, (uint16_t)(first + PORTS - 1));
    for (int i = 0; i < PORTS; i++)
        allocate(&client[i]);
    open_client(&late);
    T_EQ(ask(&late, TURN_ASK_NONCE, NULL), 0);
    T_EQ(ask(&late, TURN_ASK_ALLOCATION, NULL), 508);
    T_EQ(counter_get(&turn_worker_relay_stats(live.worker)->ports_exhausted), 1);
    T_EQ(ask(&client[2], TURN_ASK_END, NULL), 0);
    T_EQ(ask(&late, TURN_ASK_ALLOCATION, NULL), 0);
    T_OK(address_equal(&late.dialog.relayed, &client[2].dialog.relayed));
    T_EQ(turn_server_allocations(turn_worker_server(live.worker)), PORTS);
    for (int i = 0; i < PORTS; i++)
        close(client[i].fd);
    close(late.fd);
    close_live();
}

static void a_closed_allocation_gives_its_socket_back(void)
{
    uint8_t bytes[2048];

    open_all();
    T_EQ(ask(&alice, TURN_ASK_CHANNEL, &peer), 0);
    client_sends(&alice, bytes, channel_data(bytes, "last words"));
    T_EQ(ask(&alice, TURN_ASK_END, NULL), 0); /* both in one batch, perhaps */
    expect_at_peer("last words");
    T_EQ(counter_get(&turn_worker_relay_stats(live.worker)->open), 0);
    client_sends(&alice, bytes, channel_data(bytes, "too late"));
    loop_turn(live.loop);
    expect_nothing(peer_fd);
    close_all();
}

/* --- media, streams, DTLS
 * ------------------------------------------------------------------------------ */

static void data_for_our_own_media_goes_there_and_comes_back(void)
{
    const struct address media = at(MEDIA), nobody = at("127.0.0.1:1");
    uint8_t bytes[2048];

    open_all();
    T_EQ(ask(&alice, TURN_ASK_CHANNEL, &media), 0);
    client_sends(&alice, bytes, channel_data(bytes, "offer"));
    while (live.media_count == 0)
        loop_turn(live.loop);
    T_EQ(live.last_len, 5);
    T_MEM(live.last, "offer", 5);
    T_OK(address_equal(&live.relayed, &alice.dialog.relayed));
    T_OK(address_equal(&live.media_peer, &media));
    T_OK(live.media_flushes > 0);
    T_EQ(counter_get(&turn_worker_relay_stats(live.worker)->calls_out), 0);

    const struct span answer = SPAN_LITERAL("answer");
    T_OK(turn_worker_from_media(live.worker, &live.relayed, &media, answer, clock_now()));
    T_OK(!turn_worker_from_media(live.worker, &nobody, &media, answer, clock_now()));
    udp_port_flush(live.port);
    T_EQ(receive(alice.fd, bytes, NULL), 4 + 6);
    T_EQ(load_be16(bytes), CHANNEL);
    T_MEM(bytes + 4, "answer", 6);
    close_all();
}

static void a_stream_has_its_own_way_out(void)
{
    const struct turn_client client = {TURN_TCP, 7, at("127.0.0.1:9999"), live.server};
    struct turn_account account = {.name = "alice", .password = "wonder"};
    struct turn_dialog dialog = {.account = &account, .channel = CHANNEL};
    static const enum turn_ask asks[] = {TURN_ASK_NONCE, TURN_ASK_ALLOCATION, TURN_ASK_CHANNEL};
    uint8_t bytes[2048];
    unsigned code;

    open_live(0, 0);
    peer_fd = open_socket(&peer);
    for (size_t i = 0; i < ARRAY_LEN(asks); i++) {
        const size_t n = turn_dialog_ask(&dialog, asks[i], &peer, bytes);

        T_EQ(turn_worker_message(live.worker, &client, (struct span){bytes, n}, clock_now()),
             RC_OK);
        T_EQ(live.stream_count, i + 1);
        T_EQ(turn_dialog_answer(&dialog, (struct span){live.last, live.last_len}, &code),
             TURN_GRANTED);
    }
    alice.dialog.relayed = dialog.relayed;
    const size_t n = channel_data(bytes, "hello");
    memset(bytes + n, 0, 3);
    T_EQ(turn_worker_message(live.worker, &client, (struct span){bytes, n + 3}, clock_now()),
         RC_OK);
    expect_nothing(peer_fd);
    turn_worker_flush(live.worker, clock_now());
    expect_at_peer("hello");
    peer_sends("hello");
    while (live.stream_count < 4)
        loop_turn(live.loop);
    T_EQ(live.last_len, 4 + 8); /* padded */
    T_MEM(live.last + 4, "hello\0\0\0", 8);
    T_EQ(turn_worker_message(live.worker, &client, SPAN_LITERAL("\x80 is no message"),
                             clock_now()),
         RC_BAD);
    turn_worker_gone(live.worker, &client, clock_now());
    T_EQ(turn_server_allocations(turn_worker_server(live.worker)), 0);
    T_EQ(live.closes, 0); /* it knows */
    close(peer_fd);
    close_live();
}

static void dtls_goes_to_who_speaks_it(void)
{
    static const uint8_t record[] = {22, 0xfe, 0xfd, 0};
    struct client client;

    open_live(0, 0);
    open_client(&client);
    client_sends(&client, record, sizeof record);
    while (live.dtls_count == 0)
        loop_turn(live.loop);
    T_EQ(ask(&client, TURN_ASK_NONCE, NULL), 0);
    close(client.fd);
    close_live();
}

static const struct t_case cases[] = {
    T_CASE(a_channel_carries_data_both_ways),
    T_CASE(indications_carry_data_both_ways),
    T_CASE(without_a_permission_nothing_passes),
    T_CASE(bursts_leave_by_one_call_each_way),
    T_CASE(a_peer_that_cannot_be_reached_is_told_by_icmp),
    T_CASE(ports_that_ran_out_are_there_again_after_a_refresh_of_zero),
    T_CASE(a_closed_allocation_gives_its_socket_back),
    T_CASE(data_for_our_own_media_goes_there_and_comes_back),
    T_CASE(a_stream_has_its_own_way_out),
    T_CASE(dtls_goes_to_who_speaks_it),
};
T_MAIN(cases)
