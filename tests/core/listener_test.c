#include "core/listener.h"

#include "core/refusal.h"
#include "core/stream.h"
#include "core/tls.h"
#include "tests/t.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/resource.h>
#include <unistd.h>

/* A port that speaks ALFA, which echoes, BETA, which is released with a long answer, and TAKE,
 * which takes the connection away. */

enum { HELD_MAX = 16, ANSWER = 3 << 20 };

static struct {
    struct loop *loop;
    struct listener *listener;
    struct bufferevent *held[HELD_MAX]; /* handed over and not released yet */
    size_t helds, alfas, betas, looks;
    bool tls, nodelay, release_at_once;
    struct address from;
    struct stream taken;
    char first[32]; /* what was read of it before */
} port;

static enum recognition recognise_word(const char *word, const uint8_t *first, size_t n)
{
    port.looks++;
    if (memcmp(first, word, n < 4 ? n : 4) != 0)
        return RECOGNISED_NO;
    return n < 4 ? RECOGNISED_MORE : RECOGNISED_YES;
}

static enum recognition recognise_alfa(const uint8_t *first, size_t n)
{
    return recognise_word("ALFA", first, n);
}

static enum recognition recognise_beta(const uint8_t *first, size_t n)
{
    return recognise_word("BETA", first, n);
}

static enum recognition recognise_take(const uint8_t *first, size_t n)
{
    return recognise_word("TAKE", first, n);
}

static void on_alfa_read(struct bufferevent *connection, void *arg)
{
    (void)arg;
    bufferevent_write_buffer(connection, bufferevent_get_input(connection));
}

static void release_held(size_t i)
{
    listener_release(port.listener, port.held[i]);
    port.held[i] = NULL;
}

static void on_alfa_event(struct bufferevent *connection, short what, void *arg)
{
    (void)what;
    (void)arg;
    for (size_t i = 0; i < port.helds; i++) {
        if (port.held[i] == connection)
            release_held(i);
    }
}

static void accept_alfa(void *arg, struct listener *listener, struct bufferevent *connection,
                        const struct address *from, bool tls)
{
    int on = 0;
    socklen_t len = sizeof on;
    (void)arg;

    getsockopt(bufferevent_getfd(connection), IPPROTO_TCP, TCP_NODELAY, &on, &len);
    port.nodelay = on != 0;
    port.tls = tls;
    port.from = *from;
    port.alfas++;
    if (port.release_at_once) {
        listener_release(listener, connection);
        return;
    }
    port.held[port.helds++] = connection;
    bufferevent_setcb(connection, on_alfa_read, NULL, on_alfa_event, NULL);
    bufferevent_enable(connection, EV_READ | EV_WRITE);
}

static void accept_beta(void *arg, struct listener *listener, struct bufferevent *connection,
                        const struct address *from, bool tls)
{
    static char answer[ANSWER];
    (void)arg;
    (void)from;
    (void)tls;

    port.betas++;
    bufferevent_write(connection, answer, sizeof answer);
    listener_release(listener, connection);
}

static void take(void *arg, struct listener *listener, const struct stream *stream,
                 const struct address *from, struct span first)
{
    (void)arg;
    (void)listener;

    port.taken = *stream;
    port.from = *from;
    T_OK(first.n < sizeof port.first);
    memcpy(port.first, first.p, first.n);
}

static const struct listener_protocol protocols[] = {
    {"alfa", recognise_alfa, accept_alfa, NULL, NULL},
    {"beta", recognise_beta, accept_beta, NULL, NULL},
    {"take", recognise_take, NULL, NULL, take},
};

static void open_port(struct listener_options options)
{
    alarm(60); /* a case that hangs is a case that fails */
    memset(&port, 0, sizeof port);
    T_EQ(loop_create(&port.loop, "test", 16), RC_OK);
    if (!address_len(&options.at))
        T_EQ(address_parse(&options.at, "127.0.0.1"), RC_OK);
    options.protocols = protocols;
    options.protocol_count = ARRAY_LEN(protocols);
    T_EQ(listener_open(&port.listener, port.loop, &options), RC_OK);
}

static void close_port(void)
{
    for (size_t i = 0; i < port.helds; i++) {
        if (port.held[i])
            release_held(i);
    }
    listener_close(port.listener);
    loop_free(port.loop);
}

static void nothing(void *arg)
{
    (void)arg;
}

/* Everything that can happen without waiting. */
static void settle(void)
{
    for (int i = 0; i < 20; i++) {
        loop_defer(port.loop, nothing, NULL); /* so that the turn does not wait */
        loop_turn(port.loop);
    }
}

static int dial(void)
{
    const struct address to = listener_address(port.listener);
    const int fd = socket(to.sa.sa_family, SOCK_STREAM, 0), on = 1;

    T_OK(fd >= 0);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* arrives within the call */
    T_EQ(connect(fd, &to.sa, address_len(&to)), 0);
    T_EQ(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    T_EQ(send(fd, text, strlen(text), MSG_NOSIGNAL), (long long)strlen(text));
    settle();
}

/* The server has hung up: end of file or a reset. */
static bool hung_up(int fd)
{
    char c;
    const ssize_t n = recv(fd, &c, 1, MSG_DONTWAIT);

    return n == 0 || (n < 0 && errno == ECONNRESET);
}

static void the_first_bytes_choose_the_protocol(void)
{
    open_port((struct listener_options){0});
    const int a = dial(), b = dial();
    char echo[16];

    settle();
    T_EQ(listener_connections(port.listener), 2);
    say(a, "ALFA one");
    say(b, "BETA");
    T_EQ(port.alfas, 1);
    T_EQ(port.betas, 1);
    T_OK(!port.tls);
    T_OK(port.nodelay);
    struct address me;
    socklen_t len = sizeof me;
    getsockname(a, &me.sa, &len);
    T_OK(address_equal(&port.from, &me));
    T_EQ(recv(a, echo, sizeof echo, 0), 8); /* the first bytes were in the input */
    T_MEM(echo, "ALFA one", 8);
    say(a, "two");
    T_EQ(recv(a, echo, sizeof echo, 0), 3);
    close(a);
    close(b);
    settle();
    T_EQ(listener_connections(port.listener), 0);
    close_port();
}

static void bytes_may_come_one_by_one_and_nobody_spins_meanwhile(void)
{
    open_port((struct listener_options){0});
    const int fd = dial();

    say(fd, "A");
    const size_t looks = port.looks;
    settle();
    T_EQ(port.looks, looks); /* one byte lies there and wakes nobody */
    say(fd, "L");
    say(fd, "F");
    T_EQ(port.alfas, 0);
    say(fd, "A");
    T_EQ(port.alfas, 1);
    say(fd, "x"); /* a single byte wakes it again */
    char echo[16];
    T_EQ(recv(fd, echo, sizeof echo, 0), 5);
    close(fd);
    close_port();
}

static void unknown_first_bytes_end_the_connection(void)
{
    const uint64_t before = refusal_total(REFUSAL_UNKNOWN_PROTOCOL);

    open_port((struct listener_options){0});
    const int a = dial(), b = dial();
    say(a, "GAMMA");
    say(b, "AL"); /* may still become something */
    T_OK(hung_up(a));
    T_OK(!hung_up(b));
    say(b, "L");
    T_OK(hung_up(b));
    T_EQ(refusal_total(REFUSAL_UNKNOWN_PROTOCOL) - before, 2);
    T_EQ(listener_connections(port.listener), 0);
    close(a);
    close(b);
    close_port();
}

static void who_hangs_up_in_the_middle_of_a_word_is_forgotten(void)
{
    open_port((struct listener_options){0});
    const int a = dial(), b = dial();

    say(a, "AL");
    shutdown(a, SHUT_WR);
    shutdown(b, SHUT_WR);
    settle();
    T_EQ(listener_connections(port.listener), 0);
    close(a);
    close(b);
    close_port();
}

static void who_says_nothing_is_closed_at_the_deadline(void)
{
    const uint64_t before = refusal_total(REFUSAL_REQUEST_TIMEOUT);

    open_port((struct listener_options){.first_bytes_timeout = MSEC(20)});
    const int silent = dial(), slow = dial(), good = dial();
    say(slow, "ALF");
    say(good, "ALFA");
    while (listener_connections(port.listener) > 1)
        loop_turn(port.loop);
    T_OK(hung_up(silent));
    T_OK(hung_up(slow));
    say(good, "still here");
    T_EQ(port.alfas, 1);
    T_EQ(listener_connections(port.listener), 1);
    T_EQ(refusal_total(REFUSAL_REQUEST_TIMEOUT) - before, 2);
    close(silent);
    close(slow);
    close(good);
    close_port();
}

static void connections_beyond_the_limit_are_closed_and_counted(void)
{
    const uint64_t before = refusal_total(REFUSAL_CONNECTION_LIMIT);

    open_port((struct listener_options){.max_connections = 2});
    const int a = dial(), b = dial();
    settle();
    const int c = dial();
    settle();
    T_OK(hung_up(c));
    T_EQ(refusal_total(REFUSAL_CONNECTION_LIMIT) - before, 1);
    close(a);
    settle();
    const int d = dial();
    say(d, "ALFA");
    T_EQ(port.alfas, 1);
    close(b);
    close(c);
    close(d);
    close_port();
}

static void without_descriptors_accepting_pauses_and_goes_on_later(void)
{
    static int taken[4096];
    size_t count = 0;
    struct rlimit old, low;

    open_port((struct listener_options){0});
    const int fd = dial();
    T_EQ(getrlimit(RLIMIT_NOFILE, &old), 0);
    low = old;
    low.rlim_cur = 256;
    T_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
    while (count < ARRAY_LEN(taken) && (taken[count] = dup(fd)) >= 0)
        count++;
    settle();
    T_EQ(listener_connections(port.listener), 0);
    const uint64_t turns = counter_get(&loop_stats(port.loop)->turns);

    while (count > 0)
        close(taken[--count]);
    setrlimit(RLIMIT_NOFILE, &old);
    while (listener_connections(port.listener) == 0)
        loop_turn(port.loop);
    T_OK(counter_get(&loop_stats(port.loop)->turns) - turns < 10); /* it slept meanwhile */
    say(fd, "ALFA");
    T_EQ(port.alfas, 1);
    close(fd);
    close_port();
}

/* --- releasing --------------------------------------------------------------------------- */

static void a_released_connection_is_written_out_first(void)
{
    open_port((struct listener_options){0});
    const int fd = dial();
    static char buf[65536];
    size_t total = 0;

    say(fd, "BETA and more that nobody reads");
    for (ssize_t n = 1; n != 0;) {
        n = recv(fd, buf, sizeof buf, MSG_DONTWAIT);
        if (n > 0)
            total += (size_t)n;
        else if (n < 0)
            T_EQ(errno, EAGAIN); /* and never a reset */
        settle();
    }
    T_EQ(total, ANSWER);
    T_EQ(listener_connections(port.listener), 1); /* waits for us to hang up */
    close(fd);
    settle();
    T_EQ(listener_connections(port.listener), 0);
    close_port();
}

static void a_reader_that_never_reads_is_closed_in_the_end(void)
{
    open_port((struct listener_options){.release_timeout = MSEC(250)});
    const int fd = dial();

    say(fd, "BETA");
    T_EQ(listener_connections(port.listener), 1);
    while (listener_connections(port.listener) > 0)
        loop_turn(port.loop);
    close(fd);
    close_port();
}

static void a_connection_may_be_released_inside_accept(void)
{
    open_port((struct listener_options){0});
    const int fd = dial();

    port.release_at_once = true;
    say(fd, "ALFA and unread bytes");
    T_OK(hung_up(fd));
    close(fd);
    settle();
    T_EQ(listener_connections(port.listener), 0);
    close_port();
}

static void connections_outlive_the_listener(void)
{
    open_port((struct listener_options){0});
    const int fd = dial();

    say(fd, "ALFA");
    const int waiting = dial();
    settle();
    listener_close(port.listener);
    settle(); /* libevent closes descriptors at the end of its turn */
    T_OK(hung_up(waiting));
    char echo[16];
    T_EQ(recv(fd, echo, sizeof echo, 0), 4);
    say(fd, "x");
    T_EQ(recv(fd, echo, sizeof echo, 0), 1);
    release_held(0); /* the last one frees the listener */
    settle();
    T_OK(hung_up(fd));
    close(fd);
    close(waiting);
    loop_free(port.loop);
}

static void a_stopped_listener_keeps_its_connections_and_frees_its_port(void)
{
    open_port((struct listener_options){0});
    const int fd = dial();

    say(fd, "ALFA");
    const struct address at = listener_address(port.listener);
    listener_stop(port.listener);
    const int late = socket(AF_INET, SOCK_STREAM, 0);
    T_EQ(connect(late, &at.sa, address_len(&at)), -1);
    T_EQ(errno, ECONNREFUSED);
    say(fd, "x");
    char echo[16];
    T_EQ(recv(fd, echo, sizeof echo, 0), 5);
    close(late);
    close(fd);
    close_port();
}

static void a_port_in_use_is_an_error_with_its_errno(void)
{
    struct listener *second = NULL;

    open_port((struct listener_options){0});
    const struct listener_options options = {.at = listener_address(port.listener)};
    T_EQ(listener_open(&second, port.loop, &options), RC_SYS);
    T_EQ(errno, EADDRINUSE);
    T_OK(second == NULL);
    close_port();
}

static void the_wildcard_hears_v4(void)
{
    struct listener_options options = {0};

    T_EQ(address_parse(&options.at, "*"), RC_OK);
    open_port(options);
    struct address to, any = listener_address(port.listener);
    T_EQ(address_parse(&to, "127.0.0.1"), RC_OK);
    address_set_port(&to, address_port(&any));
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    T_EQ(connect(fd, &to.sa, address_len(&to)), 0);
    say(fd, "ALFA");
    T_EQ(port.alfas, 1);
    T_EQ(port.from.sa.sa_family, AF_INET);
    close(fd);
    close_port();
}

/* --- TLS --------------------------------------------------------------------------------- */

static void open_tls_port(struct listener_options options)
{
    char error[TLS_ERROR_MAX];
    SSL_CTX *context;

    open_port(options);
    T_EQ(tls_context_self_signed(&context, NULL, 0, error), RC_OK);
    listener_set_tls(port.listener, context);
    SSL_CTX_free(context); /* the listener has its own reference */
}

static SSL *dial_tls(SSL_CTX *client, int fd)
{
    SSL *ssl = SSL_new(client);

    T_OK(ssl && SSL_set_fd(ssl, fd) == 1);
    SSL_set_connect_state(ssl);
    while (SSL_do_handshake(ssl) != 1)
        settle();
    return ssl;
}

static void tls_and_plain_share_the_port(void)
{
    open_tls_port((struct listener_options){0});
    SSL_CTX *client = SSL_CTX_new(TLS_client_method());
    const int fd = dial(), plain = dial();
    SSL *ssl = dial_tls(client, fd);
    char echo[64];

    T_EQ(SSL_write(ssl, "AL", 2), 2);
    settle();
    T_EQ(port.alfas, 0);
    T_EQ(SSL_write(ssl, "FA secret", 9), 9);
    settle();
    T_EQ(port.alfas, 1);
    T_OK(port.tls);
    T_EQ(SSL_read(ssl, echo, sizeof echo), 11);
    T_MEM(echo, "ALFA secret", 11);

    say(plain, "ALFA");
    T_EQ(port.alfas, 2);
    T_OK(!port.tls);

    /* Released: a close_notify, then the end. */
    release_held(0);
    settle();
    T_EQ(SSL_read(ssl, echo, sizeof echo), 0);
    T_OK(SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN);
    close(fd);
    settle();
    T_EQ(listener_connections(port.listener), 1);
    SSL_free(ssl);
    SSL_CTX_free(client);
    close(plain);
    close_port();
}

static void a_long_answer_inside_tls_is_written_out(void)
{
    open_tls_port((struct listener_options){0});
    SSL_CTX *client = SSL_CTX_new(TLS_client_method());
    const int fd = dial();
    SSL *ssl = dial_tls(client, fd);
    static char buf[65536];
    size_t total = 0;

    T_EQ(SSL_write(ssl, "BETA", 4), 4);
    while (!(SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN)) {
        const int n = SSL_read(ssl, buf, sizeof buf);
        if (n > 0)
            total += (size_t)n;
        settle();
    }
    T_EQ(total, ANSWER);
    SSL_free(ssl);
    SSL_CTX_free(client);
    close(fd);
    settle();
    T_EQ(listener_connections(port.listener), 0);
    close_port();
}

static void a_broken_handshake_is_refused_and_counted(void)
{
    const uint64_t before = refusal_total(REFUSAL_TLS_FAILED);

    open_tls_port((struct listener_options){0});
    const int a = dial(), b = dial();
    T_EQ(send(a, "\x16\x03\x01\x00\x05nonsense", 13, 0), 13);
    say(b, "\x16\x03");
    close(b); /* in the middle of its hello */
    settle();
    T_EQ(listener_connections(port.listener), 0);
    T_EQ(refusal_total(REFUSAL_TLS_FAILED) - before, 2);
    close(a);
    close_port();
}

static void a_handshake_that_stops_is_closed_at_the_deadline(void)
{
    const uint64_t before = refusal_total(REFUSAL_TLS_FAILED);

    open_tls_port((struct listener_options){.first_bytes_timeout = MSEC(20)});
    const int fd = dial();
    say(fd, "\x16\x03\x01");
    T_EQ(listener_connections(port.listener), 1);
    while (listener_connections(port.listener) > 0)
        loop_turn(port.loop);
    T_EQ(refusal_total(REFUSAL_TLS_FAILED) - before, 1);
    close(fd);
    close_port();
}

static void unknown_bytes_inside_tls_end_the_connection(void)
{
    const uint64_t before = refusal_total(REFUSAL_UNKNOWN_PROTOCOL);

    open_tls_port((struct listener_options){0});
    SSL_CTX *client = SSL_CTX_new(TLS_client_method());
    const int fd = dial();
    SSL *ssl = dial_tls(client, fd);
    T_EQ(SSL_write(ssl, "\x16\x03\x01", 3), 3); /* nor TLS within TLS */
    settle();
    T_EQ(refusal_total(REFUSAL_UNKNOWN_PROTOCOL) - before, 1);
    T_EQ(listener_connections(port.listener), 0);
    SSL_free(ssl);
    SSL_CTX_free(client);
    close(fd);
    close_port();
}

static void without_a_context_a_client_hello_is_an_unknown_protocol(void)
{
    const uint64_t before = refusal_total(REFUSAL_UNKNOWN_PROTOCOL);

    open_tls_port((struct listener_options){0});
    listener_set_tls(port.listener, NULL);
    const int fd = dial();
    say(fd, "\x16\x03\x01");
    T_EQ(refusal_total(REFUSAL_UNKNOWN_PROTOCOL) - before, 1);
    close(fd);
    close_port();
}

static bool same_certificate(SSL *a, SSL *b)
{
    X509 *first = SSL_get1_peer_certificate(a), *second = SSL_get1_peer_certificate(b);

    T_OK(first && second);
    const bool same = X509_cmp(first, second) == 0;
    X509_free(first);
    X509_free(second);
    return same;
}

static void a_new_certificate_is_for_newcomers_and_who_is_there_goes_on(void)
{
    char error[TLS_ERROR_MAX], echo[32];
    SSL_CTX *fresh, *client = SSL_CTX_new(TLS_client_method());

    open_tls_port((struct listener_options){0});
    const int a = dial(), half = dial(), b = dial();
    SSL *running = dial_tls(client, a);
    T_EQ(SSL_write(running, "ALFA", 4), 4);
    settle();
    say(half, "\x16\x03"); /* has not begun its handshake */

    T_EQ(tls_context_self_signed(&fresh, NULL, 0, error), RC_OK);
    listener_set_tls(port.listener, fresh);
    SSL_CTX_free(fresh);

    SSL *newcomer = dial_tls(client, b);
    T_OK(!same_certificate(running, newcomer));
    T_EQ(SSL_read(running, echo, sizeof echo), 4);
    for (int i = 0; i < 3; i++) {
        T_EQ(SSL_write(running, "on and on", 9), 9);
        settle();
        T_EQ(SSL_read(running, echo, sizeof echo), 9);
    }
    T_EQ(listener_connections(port.listener), 3);
    SSL_free(running);
    SSL_free(newcomer);
    SSL_CTX_free(client);
    close(a);
    close(half);
    close(b);
    close_port();
}

/* --- taking ------------------------------------------------------------------------------- */

static void a_taken_connection_has_its_first_bytes_apart_and_counts_until_forgotten(void)
{
    uint8_t bytes[32];
    unsigned wants;

    open_port((struct listener_options){0});
    const int fd = dial();
    say(fd, "TAKE it");
    T_STR(port.first, "TAKE it");
    T_OK(!port.taken.tls);
    T_EQ(stream_read(&port.taken, bytes, sizeof bytes, &wants), RC_AGAIN);
    T_EQ(wants, STREAM_WANTS_READ);
    say(fd, "more");
    T_EQ(stream_read(&port.taken, bytes, sizeof bytes, &wants), 4);
    T_EQ(stream_write(&port.taken, (const uint8_t *)"answer", 6, &wants), 6);
    T_EQ(recv(fd, bytes, sizeof bytes, 0), 6);
    T_EQ(listener_connections(port.listener), 1);
    stream_close(&port.taken);
    T_OK(hung_up(fd));
    listener_forget(port.listener);
    T_EQ(listener_connections(port.listener), 0);
    close(fd);
    close_port();
}

static void a_connection_is_taken_out_of_the_loop_inside_tls_too(void)
{
    SSL_CTX *client = SSL_CTX_new(TLS_client_method());
    struct stream_sample sample;
    uint8_t bytes[32];
    unsigned wants;

    open_tls_port((struct listener_options){0});
    const int fd = dial();
    SSL *ssl = dial_tls(client, fd);
    T_EQ(SSL_write(ssl, "TA", 2), 2);
    settle();
    T_EQ(SSL_write(ssl, "KE", 2), 2);
    T_EQ(SSL_write(ssl, "more", 4), 4);
    settle();
    T_STR(port.first, "TAKE");
    T_OK(port.taken.tls);
    T_EQ(stream_read(&port.taken, bytes, sizeof bytes, &wants), 4);
    T_MEM(bytes, "more", 4);
    T_EQ(stream_read(&port.taken, bytes, sizeof bytes, &wants), RC_AGAIN);
    T_EQ(stream_write(&port.taken, (const uint8_t *)"answer", 6, &wants), 6);
    T_EQ(SSL_read(ssl, bytes, sizeof bytes), 6);
    T_EQ(stream_sample(&port.taken, &sample), RC_OK);
    T_OK(sample.acked > 6 && sample.unsent == 0);
    stream_close(&port.taken);
    T_EQ(SSL_read(ssl, bytes, sizeof bytes), 0);
    T_OK(SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN);
    listener_forget(port.listener);
    SSL_free(ssl);
    SSL_CTX_free(client);
    close(fd);
    close_port();
}

/* --- behind a proxy ----------------------------------------------------------------------- */

#define PROXY_V2 "\r\n\r\n\0\r\nQUIT\n"
#define PROXY_FROM PROXY_V2 "\x21\x11\0\x0c\xc0\x00\x02\x07\x7f\0\0\1\x12\x34\x01\xbb"
#define SAY(fd, literal) say_bytes(fd, literal, sizeof(literal) - 1)

static struct address_net loopback;

static struct listener_options behind_proxies(const char *net)
{
    T_EQ(address_net_parse(&loopback, net), RC_OK);
    return (struct listener_options){.proxies = &loopback, .proxy_count = 1};
}

static void say_bytes(int fd, const char *bytes, size_t n)
{
    T_EQ(send(fd, bytes, n, MSG_NOSIGNAL), (long long)n);
    settle();
}

static void expect_from(const char *text)
{
    char buf[ADDRESS_TEXT_MAX];

    T_STR(address_format(&port.from, buf, sizeof buf), text);
}

static void a_proxy_says_who_is_behind_it(void)
{
    char echo[32];

    open_port(behind_proxies("127.0.0.0/8"));
    const int fd = dial();
    SAY(fd, PROXY_FROM "ALFA one");
    T_EQ(port.alfas, 1);
    expect_from("192.0.2.7:4660");
    T_EQ(recv(fd, echo, sizeof echo, 0), 8); /* nothing of the header is left */
    T_MEM(echo, "ALFA one", 8);
    close(fd);
    close_port();
}

static void a_header_may_come_byte_by_byte(void)
{
    open_port(behind_proxies("127.0.0.1"));
    const int fd = dial();

    for (size_t i = 0; i < sizeof PROXY_FROM - 1; i++)
        say_bytes(fd, PROXY_FROM + i, 1);
    T_EQ(port.looks, 0);
    for (size_t i = 0; i < 4; i++)
        say_bytes(fd, "ALFA" + i, 1);
    T_EQ(port.alfas, 1);
    expect_from("192.0.2.7:4660");
    close(fd);
    close_port();
}

static void the_header_stands_in_front_of_tls(void)
{
    SSL_CTX *client = SSL_CTX_new(TLS_client_method());

    open_tls_port(behind_proxies("127.0.0.1"));
    const int fd = dial();
    SAY(fd, PROXY_FROM);
    SSL *ssl = dial_tls(client, fd);
    T_EQ(SSL_write(ssl, "ALFA", 4), 4);
    settle();
    T_EQ(port.alfas, 1);
    T_OK(port.tls);
    expect_from("192.0.2.7:4660");
    SSL_free(ssl);
    SSL_CTX_free(client);
    close(fd);
    close_port();
}

static void a_health_check_of_the_proxy_is_the_proxy_itself(void)
{
    struct address me;
    socklen_t len = sizeof me;

    open_port(behind_proxies("127.0.0.1"));
    const int fd = dial();
    SAY(fd, PROXY_V2 "\x20\x00\0\0ALFA");
    T_EQ(port.alfas, 1);
    getsockname(fd, &me.sa, &len);
    T_OK(address_equal(&port.from, &me));
    close(fd);
    close_port();
}

static void a_proxy_without_a_header_or_with_a_broken_one_is_refused(void)
{
    static const struct {
        const char *bytes;
        size_t n;
    } rows[] = {
        {"ALFA", 4},
        {"\x16\x03\x01", 3},
        {"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", 36},
        {PROXY_V2 "\x21\x11\xff\xff", 16},
        {PROXY_V2 "\x21\x11\0\x04\xc0\0\2\7", 20},
        {PROXY_V2 "\x11\x11\0\0", 16},
    };
    const uint64_t before = refusal_total(REFUSAL_PROXY_HEADER);

    open_port(behind_proxies("127.0.0.1"));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const int fd = dial();
        say_bytes(fd, rows[i].bytes, rows[i].n);
        T_OK(hung_up(fd));
        close(fd);
    }
    T_EQ(refusal_total(REFUSAL_PROXY_HEADER) - before, ARRAY_LEN(rows));
    T_EQ(listener_connections(port.listener), 0);
    T_EQ(port.alfas, 0);
    close_port();
}

static void nobody_else_may_say_whose_a_connection_is(void)
{
    const uint64_t before = refusal_total(REFUSAL_UNKNOWN_PROTOCOL);

    open_port(behind_proxies("192.0.2.0/24"));
    const int fd = dial();
    SAY(fd, PROXY_FROM "ALFA");
    T_OK(hung_up(fd));
    T_EQ(refusal_total(REFUSAL_UNKNOWN_PROTOCOL) - before, 1);
    const int plain = dial();
    say(plain, "ALFA");
    T_EQ(port.alfas, 1);
    close(fd);
    close(plain);
    close_port();
}

static void where_only_proxies_may_connect_nobody_else_does(void)
{
    struct listener_options options = behind_proxies("192.0.2.0/24");

    options.proxies_only = true;
    open_port(options);
    const int fd = dial();
    settle();
    T_OK(hung_up(fd));
    T_EQ(listener_connections(port.listener), 0);
    close(fd);
    close_port();

    options = behind_proxies("127.0.0.1");
    options.proxies_only = true;
    open_port(options);
    const int proxy = dial();
    SAY(proxy, PROXY_FROM "ALFA");
    T_EQ(port.alfas, 1);
    close(proxy);
    close_port();
}

static void a_proxy_that_stops_in_its_header_is_closed_at_the_deadline(void)
{
    struct listener_options options = behind_proxies("127.0.0.1");

    options.first_bytes_timeout = MSEC(20);
    open_port(options);
    const int fd = dial();
    SAY(fd, PROXY_V2 "\x21\x11\x04\x00");
    while (listener_connections(port.listener) > 0)
        loop_turn(port.loop);
    T_OK(hung_up(fd));
    close(fd);
    close_port();
}

static const struct t_case cases[] = {
    T_CASE(the_first_bytes_choose_the_protocol),
    T_CASE(bytes_may_come_one_by_one_and_nobody_spins_meanwhile),
    T_CASE(unknown_first_bytes_end_the_connection),
    T_CASE(who_hangs_up_in_the_middle_of_a_word_is_forgotten),
    T_CASE(who_says_nothing_is_closed_at_the_deadline),
    T_CASE(connections_beyond_the_limit_are_closed_and_counted),
    T_CASE(without_descriptors_accepting_pauses_and_goes_on_later),
    T_CASE(a_released_connection_is_written_out_first),
    T_CASE(a_reader_that_never_reads_is_closed_in_the_end),
    T_CASE(a_connection_may_be_released_inside_accept),
    T_CASE(connections_outlive_the_listener),
    T_CASE(a_stopped_listener_keeps_its_connections_and_frees_its_port),
    T_CASE(a_port_in_use_is_an_error_with_its_errno),
    T_CASE(the_wildcard_hears_v4),
    T_CASE(tls_and_plain_share_the_port),
    T_CASE(a_long_answer_inside_tls_is_written_out),
    T_CASE(a_broken_handshake_is_refused_and_counted),
    T_CASE(a_handshake_that_stops_is_closed_at_the_deadline),
    T_CASE(unknown_bytes_inside_tls_end_the_connection),
    T_CASE(without_a_context_a_client_hello_is_an_unknown_protocol),
    T_CASE(a_new_certificate_is_for_newcomers_and_who_is_there_goes_on),
    T_CASE(a_taken_connection_has_its_first_bytes_apart_and_counts_until_forgotten),
    T_CASE(a_connection_is_taken_out_of_the_loop_inside_tls_too),
    T_CASE(a_proxy_says_who_is_behind_it),
    T_CASE(a_header_may_come_byte_by_byte),
    T_CASE(the_header_stands_in_front_of_tls),
    T_CASE(a_health_check_of_the_proxy_is_the_proxy_itself),
    T_CASE(a_proxy_without_a_header_or_with_a_broken_one_is_refused),
    T_CASE(nobody_else_may_say_whose_a_connection_is),
    T_CASE(where_only_proxies_may_connect_nobody_else_does),
    T_CASE(a_proxy_that_stops_in_its_header_is_closed_at_the_deadline),
};
T_MAIN(cases)
