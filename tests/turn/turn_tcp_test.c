#include "turn/turn_tcp.h"

#include "core/refusal.h"
#include "core/tls.h"
#include "tests/t.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <unistd.h>

/*
 * A server that has an allocation for everybody who sent an Allocate, answers it, echoes
 * ChannelData, answers Binding with `answer_bytes`, takes ConnectionBind for a peer's
 * connection and closes a client that sends Refresh.
 */
static struct {
    struct loop *loop;
    struct listener *listener;
    struct listener_protocol protocol;
    struct turn_tcp *tcp;
    struct turn_client last; /* who spoke or went last */
    size_t messages, gone, taken;
    size_t flushes;
    struct span kept[8]; /* messages since the last flush */
    uint32_t kept_sum[8];
    size_t kept_n;
    size_t answer_bytes;
    uint64_t allocated[64]; /* connections */
    size_t allocations;
    struct listener *taken_listener;
    struct bufferevent *taken_connection;
} server;

#define ID "abcdefghijkl"

static bool has_allocation(void *arg, const struct turn_client *client)
{
    (void)arg;
    for (size_t i = 0; i < server.allocations; i++)
        if (server.allocated[i] == client->connection)
            return true;
    return false;
}

static void on_taken(void *arg, struct listener *listener, struct bufferevent *connection)
{
    T_OK(arg == &server);
    server.taken++;
    server.taken_listener = listener;
    server.taken_connection = connection;
}

static void reply(const struct turn_client *to, const struct stun_message *m, size_t extra)
{
    static uint8_t bytes[65536];
    struct stun_builder b;

    stun_begin(&b, bytes, sizeof bytes, STUN_SUCCESS, m->method, m->id);
    if (extra > 0) {
        uint8_t *p = stun_reserve(&b, STUN_ATTR_SOFTWARE, extra);
        memset(p, 'x', extra);
    }
    turn_tcp_to_client(server.tcp, to, (struct span){bytes, stun_finish(&b, false)},
                       (struct span){NULL, 0}, 0);
}

static uint32_t sum(struct span bytes)
{
    uint32_t s = 0;

    for (size_t i = 0; i < bytes.n; i++)
        s = s * 31 + bytes.p[i];
    return s;
}

/* What was handed in is still there. */
static void on_flush(void *arg, usec_t now)
{
    (void)arg;
    (void)now;
    for (size_t i = 0; i < server.kept_n; i++)
        T_EQ(sum(server.kept[i]), server.kept_sum[i]);
    server.kept_n = 0;
    server.flushes++;
}

static int on_message(void *arg, const struct turn_client *from, struct span message,
                      usec_t now)
{
    struct stun_message m;
    uint16_t channel;
    struct span data;
    size_t total;

    T_OK(arg == &server);
    T_EQ(now, loop_now(server.loop));
    server.messages++;
    server.last = *from;
    if (server.kept_n < ARRAY_LEN(server.kept)) {
        server.kept[server.kept_n] = message;
        server.kept_sum[server.kept_n++] = sum(message);
    }
    if (stun_channel_read(message, true, &channel, &data, &total) == RC_OK) {
        T_EQ(total, message.n);
        turn_tcp_to_client(server.tcp, from, (struct span){message.p, 4}, data,
                           stun_padding(data.n));
        return RC_OK;
    }
    if (stun_read(&m, message) != RC_OK)
        return RC_BAD;
    if (m.method == STUN_ALLOCATE)
        server.allocated[server.allocations++] = from->connection;
    reply(from, &m, m.method == STUN_BINDING ? server.answer_bytes : 0);
    if (m.method == STUN_CONNECTION_BIND)
        T_EQ(turn_tcp_detach(server.tcp, from, on_taken, &server), RC_OK);
    if (m.method == STUN_REFRESH)
        turn_tcp_close_client(server.tcp, from);
    return RC_OK;
}

static void on_gone(void *arg, const struct turn_client *client, usec_t now)
{
    T_OK(arg == &server);
    T_EQ(now, loop_now(server.loop));
    server.gone++;
    server.last = *client;
}

static void open_server(struct turn_tcp_options options)
{
    struct listener_options at = {.protocols = &server.protocol, .protocol_count = 1};

    alarm(60); /* a case that hangs is a case that fails */
    memset(&server, 0, sizeof server);
    T_EQ(loop_create(&server.loop, "test", 16), RC_OK);
    options.loop = server.loop;
    options.user =
        (struct turn_tcp_user){&server, on_message, on_flush, on_gone, has_allocation, NULL};
    T_EQ(turn_tcp_create(&server.tcp, &options), RC_OK);
    server.protocol = turn_tcp_protocol(server.tcp);
    T_EQ(address_parse(&at.at, "127.0.0.1"), RC_OK);
    T_EQ(listener_open(&server.listener, server.loop, &at), RC_OK);
}

static void close_server(void)
{
    turn_tcp_free(server.tcp);
    listener_close(server.listener);
    loop_free(server.loop);
}

static void nothing(void *arg)
{
    (void)arg;
}

/* Everything that can happen without waiting. */
static void settle(void)
{
    for (int i = 0; i < 20; i++) {
        loop_defer(server.loop, nothing, NULL); /* so that the turn does not wait */
        loop_turn(server.loop);
    }
}

static int dial(void)
{
    const struct address to = listener_address(server.listener);
    const int fd = socket(to.sa.sa_family, SOCK_STREAM, 0), on = 1;

    T_OK(fd >= 0);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* arrives within the call */
    T_EQ(connect(fd, &to.sa, address_len(&to)), 0);
    T_EQ(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static void say(int fd, const void *bytes, size_t n)
{
    T_EQ(send(fd, bytes, n, MSG_NOSIGNAL), (long long)n);
    settle();
}

static size_t request(uint8_t *bytes, size_t size, enum stun_method method)
{
    struct stun_builder b;

    stun_begin(&b, bytes, size, STUN_REQUEST, (uint16_t)method, (const uint8_t *)ID);
    stun_put_u32(&b, STUN_ATTR_REQUESTED_TRANSPORT, 17u << 24);
    return stun_finish(&b, true);
}

static void ask(int fd, enum stun_method method)
{
    uint8_t bytes[128];

    say(fd, bytes, request(bytes, sizeof bytes, method));
}

/* The server answered with exactly this many bytes. */
static void hears(int fd, size_t n)
{
    uint8_t bytes[4096];

    settle();
    T_EQ(recv(fd, bytes, sizeof bytes, 0), (long long)n);
}

static bool hung_up(int fd)
{
    char c;
    const ssize_t n = recv(fd, &c, 1, MSG_DONTWAIT);

    return n == 0 || (n < 0 && errno == ECONNRESET);
}

static void a_request_is_answered_and_tells_who_asked(void)
{
    struct address me, you;
    socklen_t len = sizeof me;

    open_server((struct turn_tcp_options){0});
    const int fd = dial();
    ask(fd, STUN_BINDING);
    hears(fd, STUN_HEADER_BYTES);
    getsockname(fd, &me.sa, &len);
    you = listener_address(server.listener);
    T_EQ(server.last.transport, TURN_TCP);
    T_OK(server.last.connection > 0);
    T_OK(address_equal(&server.last.remote, &me));
    T_OK(address_equal(&server.last.local, &you));
    T_EQ(turn_tcp_connections(server.tcp), 1);
    T_EQ(counter_get(&turn_tcp_stats(server.tcp)->connections), 1);
    close(fd);
    settle();
    T_EQ(server.gone, 1);
    T_EQ(turn_tcp_connections(server.tcp), 0);
    T_EQ(listener_connections(server.listener), 0);
    close_server();
}

static void two_connections_never_have_one_number(void)
{
    open_server((struct turn_tcp_options){0});
    const int a = dial();
    ask(a, STUN_BINDING);
    const uint64_t first = server.last.connection;
    close(a);
    settle();
    const int b = dial();
    ask(b, STUN_BINDING);
    T_OK(server.last.connection != first);
    const struct turn_client stale = {.transport = TURN_TCP, .connection = first};
    turn_tcp_to_client(server.tcp, &stale, SPAN_LITERAL("lost"), (struct span){NULL, 0}, 0);
    turn_tcp_close_client(server.tcp, &stale);
    T_EQ(turn_tcp_detach(server.tcp, &stale, on_taken, &server), RC_BAD);
    T_EQ(turn_tcp_connections(server.tcp), 1);
    close(b);
    close_server();
}

static void messages_may_come_together_or_byte_by_byte(void)
{
    uint8_t bytes[256];

    open_server((struct turn_tcp_options){0});
    const int fd = dial();
    size_t n = request(bytes, sizeof bytes, STUN_ALLOCATE);
    memcpy(bytes + n,
           "\x40\x00\x00\x05"
           "hello\0\0\0"
           "\x40\x00\x00\x00",
           16);
    n += 16;
    say(fd, bytes, n);
    T_EQ(server.messages, 3);
    T_EQ(server.flushes, 1); /* together */
    hears(fd, STUN_HEADER_BYTES + 16);
    for (size_t i = 0; i < n; i++)
        say(fd, bytes + i, 1);
    T_EQ(server.messages, 6);
    hears(fd, STUN_HEADER_BYTES + 16);
    close(fd);
    close_server();
}

static void garbage_ends_the_connection(void)
{
    const uint64_t before = refusal_total(REFUSAL_STUN_MALFORMED);

    open_server((struct turn_tcp_options){0});
    const int fd = dial();
    ask(fd, STUN_BINDING);
    hears(fd, STUN_HEADER_BYTES);
    say(fd, "\xff", 1);
    T_OK(hung_up(fd));
    T_EQ(server.gone, 1);
    T_EQ(refusal_total(REFUSAL_STUN_MALFORMED) - before, 1);
    close(fd);
    close_server();
}

static void a_message_that_the_server_does_not_read_ends_the_connection(void)
{
    uint8_t bytes[128];

    open_server((struct turn_tcp_options){0});
    const int fd = dial();
    const size_t n = request(bytes, sizeof bytes, STUN_BINDING);
    bytes[n - 1] ^= 1; /* FINGERPRINT */
    say(fd, bytes, n);
    T_OK(hung_up(fd));
    T_EQ(server.gone, 1);
    close(fd);
    close_server();
}

static void without_an_allocation_messages_are_short(void)
{
    open_server((struct turn_tcp_options){0});
    const int stranger = dial(), client = dial();
    ask(stranger, STUN_BINDING);
    ask(client, STUN_ALLOCATE);
    say(stranger, "\x40\x00\x20\x00", 4);
    say(client, "\x40\x00\x20\x00", 4);
    T_EQ(turn_tcp_connections(server.tcp), 1);
    hears(stranger, STUN_HEADER_BYTES);
    T_OK(hung_up(stranger));
    close(stranger);
    close(client);
    close_server();
}

static void who_has_no_allocation_in_time_is_closed(void)
{
    const uint64_t before = refusal_total(REFUSAL_REQUEST_TIMEOUT);

    open_server((struct turn_tcp_options){.idle = MSEC(30)});
    const int stranger = dial(), client = dial();
    ask(stranger, STUN_BINDING);
    ask(client, STUN_ALLOCATE);
    while (turn_tcp_connections(server.tcp) > 1)
        loop_turn(server.loop);
    T_EQ(server.gone, 1);
    T_EQ(refusal_total(REFUSAL_REQUEST_TIMEOUT) - before, 1);
    const usec_t later = loop_now(server.loop) + MSEC(70); /* more than two such times */
    while (loop_now(server.loop) < later)
        loop_turn(server.loop);
    T_EQ(turn_tcp_connections(server.tcp), 1);
    server.allocations = 0; /* it ended */
    while (turn_tcp_connections(server.tcp) > 0)
        loop_turn(server.loop);
    close(stranger);
    close(client);
    close_server();
}

static void a_message_that_comes_too_slowly_ends_the_connection(void)
{
    const uint64_t before = refusal_total(REFUSAL_REQUEST_TIMEOUT);

    open_server((struct turn_tcp_options){.message_time = MSEC(30)});
    const int slow = dial(), good = dial();
    ask(slow, STUN_ALLOCATE);
    ask(good, STUN_ALLOCATE);
    const usec_t begun = loop_now(server.loop);
    size_t sent = 0;
    while (turn_tcp_connections(server.tcp) > 1 && sent < 200) {
        send(slow, sent == 0 ? "\x40" : "\0", 1, MSG_NOSIGNAL);
        say(good, "\x40\x00\x00\x00", 4);
        sent++;
        loop_turn(server.loop);
    }
    T_EQ(turn_tcp_connections(server.tcp), 1);
    T_OK(loop_now(server.loop) - begun < SEC(5));
    T_EQ(refusal_total(REFUSAL_REQUEST_TIMEOUT) - before, 1);
    T_EQ(server.gone, 1);
    close(slow);
    close(good);
    close_server();
}

static void each_source_has_so_many_connections_and_no_more(void)
{
    const uint64_t before = refusal_total(REFUSAL_IP_LIMIT);

    open_server((struct turn_tcp_options){.max_per_source = 2});
    const int a = dial(), b = dial(), c = dial();
    ask(a, STUN_BINDING);
    ask(b, STUN_BINDING);
    ask(c, STUN_BINDING);
    T_EQ(turn_tcp_connections(server.tcp), 2);
    T_EQ(refusal_total(REFUSAL_IP_LIMIT) - before, 1);
    T_OK(hung_up(c));
    close(a);
    settle();
    const int d = dial();
    ask(d, STUN_BINDING);
    T_EQ(turn_tcp_connections(server.tcp), 2);
    close(b);
    close(c);
    close(d);
    close_server();
}

static void there_are_so_many_connections_and_no_more(void)
{
    const uint64_t before = refusal_total(REFUSAL_CONNECTION_LIMIT);

    open_server((struct turn_tcp_options){.max_connections = 1});
    const int a = dial(), b = dial();
    ask(a, STUN_BINDING);
    ask(b, STUN_BINDING);
    T_EQ(turn_tcp_connections(server.tcp), 1);
    T_EQ(refusal_total(REFUSAL_CONNECTION_LIMIT) - before, 1);
    T_OK(hung_up(b));
    close(a);
    close(b);
    close_server();
}

static void the_server_closes_after_its_last_words(void)
{
    open_server((struct turn_tcp_options){0});
    const int fd = dial();
    ask(fd, STUN_REFRESH);
    T_EQ(turn_tcp_connections(server.tcp), 0);
    T_EQ(server.gone, 0); /* it knows */
    hears(fd, STUN_HEADER_BYTES);
    T_OK(hung_up(fd));
    close(fd);
    settle();
    T_EQ(listener_connections(server.listener), 0);
    close_server();
}

static void a_data_connection_is_handed_over_with_what_came_behind(void)
{
    uint8_t bytes[128];
    char rest[16];

    open_server((struct turn_tcp_options){0});
    const int fd = dial();
    const size_t n = request(bytes, sizeof bytes, STUN_CONNECTION_BIND);
    memcpy(bytes + n, "GET / anything", 14);
    say(fd, bytes, n + 14);
    T_EQ(server.messages, 1);
    T_EQ(server.taken, 1);
    T_EQ(server.gone, 0);
    T_EQ(turn_tcp_connections(server.tcp), 0);
    struct evbuffer *input = bufferevent_get_input(server.taken_connection);
    T_EQ(evbuffer_get_length(input), 14);
    T_EQ(evbuffer_copyout(input, rest, sizeof rest), 14);
    T_MEM(rest, "GET / anything", 14);
    listener_release(server.taken_listener, server.taken_connection);
    hears(fd, STUN_HEADER_BYTES); /* the reply was in its output */
    T_OK(hung_up(fd));
    close(fd);
    close_server();
}

static void a_connection_taken_between_messages_keeps_half_a_message(void)
{
    char rest[16];

    open_server((struct turn_tcp_options){0});
    const int fd = dial();
    ask(fd, STUN_BINDING);
    say(fd, "\x40\x00\x00", 3);
    T_EQ(turn_tcp_detach(server.tcp, &server.last, on_taken, &server), RC_OK);
    T_EQ(server.taken, 1); /* at once */
    struct evbuffer *input = bufferevent_get_input(server.taken_connection);
    T_EQ(evbuffer_copyout(input, rest, sizeof rest), 3);
    T_MEM(rest, "\x40\x00\x00", 3);
    listener_release(server.taken_listener, server.taken_connection);
    close(fd);
    close_server();
}

/* Sends ChannelData to a client that does not read, until some is dropped. */
static void flood(const struct turn_client *client)
{
    static const uint8_t data[1000];
    uint8_t head[STUN_CHANNEL_HEADER];
    struct counter *lost = &turn_tcp_stats(server.tcp)->out.legs.packets_overflow;

    stun_channel_write(head, 0x4000, sizeof data);
    for (int i = 0; i < 100000 && counter_get(lost) == 0; i++) {
        turn_tcp_to_client(server.tcp, client, (struct span){head, sizeof head},
                           (struct span){data, sizeof data}, 0);
        if (i % 16 == 0)
            settle();
    }
    T_OK(counter_get(lost) > 0);
}

static void data_for_a_client_that_does_not_read_is_dropped_and_replies_wait(void)
{
    static uint8_t bytes[1 << 16];
    size_t total = 0;

    open_server((struct turn_tcp_options){0});
    const int fd = dial();
    ask(fd, STUN_ALLOCATE);
    hears(fd, STUN_HEADER_BYTES);
    flood(&server.last);
    const struct turn_tcp_backlog backlog =
        turn_tcp_backlog(server.tcp, &server.last, loop_now(server.loop));
    T_OK(backlog.bytes > 16 * 1024 && backlog.bytes < 128 * 1024);
    ask(fd, STUN_BINDING);
    T_EQ(turn_tcp_connections(server.tcp), 1);
    for (;;) {
        const ssize_t n = recv(fd, bytes, sizeof bytes, 0);
        settle();
        if (n <= 0 && recv(fd, bytes, 1, MSG_PEEK) <= 0 &&
            turn_tcp_backlog(server.tcp, &server.last, loop_now(server.loop)).bytes == 0)
            break;
        total += n > 0 ? (size_t)n : 0;
    }
    T_EQ(total % 1004, STUN_HEADER_BYTES); /* whole messages, and the reply */
    close(fd);
    close_server();
}

static void a_client_that_asks_and_never_reads_is_closed(void)
{
    const uint64_t before = refusal_total(REFUSAL_SLOW_READER);

    open_server((struct turn_tcp_options){0});
    const int fd = dial();
    ask(fd, STUN_ALLOCATE);
    flood(&server.last);
    server.answer_bytes = 700;
    for (int i = 0; i < 1000 && server.gone == 0; i++)
        ask(fd, STUN_BINDING);
    T_EQ(server.gone, 1);
    T_EQ(refusal_total(REFUSAL_SLOW_READER) - before, 1);
    close(fd);
    close_server();
}

static void the_server_may_go_while_clients_are_there(void)
{
    open_server((struct turn_tcp_options){0});
    const int a = dial(), b = dial();
    ask(a, STUN_ALLOCATE);
    ask(b, STUN_ALLOCATE);
    say(b, "\x40", 1);
    turn_tcp_free(server.tcp);
    server.tcp = NULL;
    T_EQ(server.gone, 0);
    hears(a, STUN_HEADER_BYTES);
    T_OK(hung_up(a));
    close(a);
    close(b);
    settle();
    T_EQ(listener_connections(server.listener), 0);
    close_server();
}

static void inside_tls_it_is_the_same(void)
{
    char error[TLS_ERROR_MAX];
    uint8_t bytes[128];
    SSL_CTX *ours, *theirs = SSL_CTX_new(TLS_client_method());

    open_server((struct turn_tcp_options){0});
    T_EQ(tls_context_self_signed(&ours, NULL, 0, error), RC_OK);
    listener_set_tls(server.listener, ours);
    SSL_CTX_free(ours);
    const int fd = dial();
    SSL *ssl = SSL_new(theirs);
    T_OK(SSL_set_fd(ssl, fd));
    for (int i = 0; i < 100 && SSL_connect(ssl) != 1; i++)
        settle();
    const int n = (int)request(bytes, sizeof bytes, STUN_ALLOCATE);
    T_EQ(SSL_write(ssl, bytes, n), n);
    settle();
    T_EQ(server.messages, 1);
    T_EQ(server.last.transport, TURN_TLS);
    T_EQ(SSL_read(ssl, bytes, sizeof bytes), STUN_HEADER_BYTES);
    T_EQ(SSL_write(ssl, "\x40\x00\x00\x02hi\0\0", 8), 8);
    settle();
    T_EQ(SSL_read(ssl, bytes, sizeof bytes), 8);
    T_MEM(bytes, "\x40\x00\x00\x02hi\0\0", 8);
    SSL_free(ssl);
    SSL_CTX_free(theirs);
    close(fd);
    settle();
    T_EQ(server.gone, 1);
    close_server();
}

static const struct t_case cases[] = {
    T_CASE(a_request_is_answered_and_tells_who_asked),
    T_CASE(two_connections_never_have_one_number),
    T_CASE(messages_may_come_together_or_byte_by_byte),
    T_CASE(garbage_ends_the_connection),
    T_CASE(a_message_that_the_server_does_not_read_ends_the_connection),
    T_CASE(without_an_allocation_messages_are_short),
    T_CASE(who_has_no_allocation_in_time_is_closed),
    T_CASE(a_message_that_comes_too_slowly_ends_the_connection),
    T_CASE(each_source_has_so_many_connections_and_no_more),
    T_CASE(there_are_so_many_connections_and_no_more),
    T_CASE(the_server_closes_after_its_last_words),
    T_CASE(a_data_connection_is_handed_over_with_what_came_behind),
    T_CASE(a_connection_taken_between_messages_keeps_half_a_message),
    T_CASE(data_for_a_client_that_does_not_read_is_dropped_and_replies_wait),
    T_CASE(a_client_that_asks_and_never_reads_is_closed),
    T_CASE(the_server_may_go_while_clients_are_there),
    T_CASE(inside_tls_it_is_the_same),
};
T_MAIN(cases)
