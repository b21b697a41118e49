#include "turn/relay_pipe.h"

#include "core/tls.h"
#include "tests/t.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <fcntl.h>
#include <malloc.h>
#include <netinet/tcp.h>
#include <unistd.h>

enum { MUCH = 8 << 20, READ_MOST = 16 * 1024 };

/* A pipe between a client of a listener, whose first word is "BIND", and a socket pair. */
static struct {
    struct loop *loop;
    struct listener *listener;
    struct listener_protocol protocol;
    struct relay_pipe *pipe;
    int client, peer, theirs; /* theirs: the pipe's end of the peer's pair */
    SSL *ssl;                 /* the client's, where it speaks TLS */
    unsigned ended;
    size_t carried[RELAY_PIPE_WAYS];
    usec_t rest; /* what the user answers to bytes of the client */
    bool reply;  /* something waits for the client already */
} scene;

static enum recognition recognise(const uint8_t *first, size_t n)
{
    if (memcmp(first, "BIND", n < 4 ? n : 4) != 0)
        return RECOGNISED_NO;
    return n < 4 ? RECOGNISED_MORE : RECOGNISED_YES;
}

static usec_t on_carried(void *arg, enum relay_pipe_way way, size_t bytes, usec_t now)
{
    T_OK(arg == &scene);
    T_EQ(now, loop_now(scene.loop));
    scene.carried[way] += bytes;
    return way == RELAY_PIPE_FROM_CLIENT ? scene.rest : 0;
}

static void on_ended(void *arg, usec_t now)
{
    T_OK(arg == &scene);
    (void)now;
    scene.ended++;
    relay_pipe_free(scene.pipe);
    scene.pipe = NULL;
}

static void on_accept(void *arg, struct listener *listener, struct bufferevent *connection,
                      const struct address *from, bool tls)
{
    const struct relay_pipe_user user = {&scene, on_carried, on_ended};
    (void)arg;
    (void)from;
    (void)tls;

    evbuffer_drain(bufferevent_get_input(connection), 4);
    if (scene.reply)
        bufferevent_write(connection, "reply", 5);
    T_EQ(relay_pipe_create(&scene.pipe, scene.loop, listener, connection, scene.theirs, &user),
         RC_OK);
}

static void nothing(void *arg)
{
    (void)arg;
}

/* Everything that can happen without waiting. */
static void settle(void)
{
    for (int i = 0; i < 20; i++) {
        loop_defer(scene.loop, nothing, NULL); /* so that the turn does not wait */
        loop_turn(scene.loop);
    }
}

static int dial(void)
{
    const struct address to = listener_address(scene.listener);
    const int fd = socket(to.sa.sa_family, SOCK_STREAM, 0), on = 1, small = 65536;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    T_EQ(connect(fd, &to.sa, address_len(&to)), 0);
    T_EQ(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static void begin(const char *first)
{
    struct listener_options at = {.protocols = &scene.protocol, .protocol_count = 1};
    int ends[2];

    alarm(60); /* a case that hangs is a case that fails */
    T_EQ(loop_create(&scene.loop, "test", 16), RC_OK);
    scene.protocol =
        (struct listener_protocol){.name = "pipe", .recognise = recognise, .accept = on_accept};
    T_EQ(address_parse(&at.at, "127.0.0.1"), RC_OK);
    T_EQ(listener_open(&scene.listener, scene.loop, &at), RC_OK);
    T_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    scene.theirs = ends[0];
    scene.peer = ends[1];
    scene.client = dial();
    if (!first)
        return;
    T_EQ(send(scene.client, first, strlen(first), MSG_NOSIGNAL), (long long)strlen(first));
    settle();
    T_OK(scene.pipe != NULL);
}

static void finish(void)
{
    if (scene.pipe)
        relay_pipe_free(scene.pipe);
    if (scene.ssl)
        SSL_free(scene.ssl);
    close(scene.client);
    close(scene.peer);
    settle();
    T_EQ(listener_connections(scene.listener), 0);
    listener_close(scene.listener);
    loop_free(scene.loop);
    memset(&scene, 0, sizeof scene);
}

static void say(int fd, const char *text)
{
    T_EQ(send(fd, text, strlen(text), MSG_NOSIGNAL), (long long)strlen(text));
    settle();
}

static void hears(int fd, const char *text)
{
    char in[256] = "";

    settle();
    T_OK(recv(fd, in, sizeof in - 1, 0) >= 0);
    T_STR(in, text);
}

static bool hears_the_end(int fd)
{
    char c;

    settle();
    return recv(fd, &c, 1, 0) == 0;
}

static bool hears_nothing(int fd)
{
    char c;

    settle();
    return recv(fd, &c, 1, 0) < 0 && errno == EAGAIN;
}

/* --- bytes -------------------------------------------------------------------------------- */

static void what_one_side_says_the_other_hears(void)
{
    begin("BIND");
    say(scene.client, "to the peer");
    hears(scene.peer, "to the peer");
    say(scene.peer, "to the client");
    hears(scene.client, "to the client");
    T_EQ(scene.carried[RELAY_PIPE_FROM_CLIENT], 11);
    T_EQ(scene.carried[RELAY_PIPE_FROM_PEER], 13);
    finish();
}

static void what_came_before_it_was_made_goes_first(void)
{
    begin(NULL);
    scene.reply = true;
    T_EQ(send(scene.peer, "early", 5, 0), 5);
    T_EQ(send(scene.client, "BINDtoo early", 13, 0), 13);
    hears(scene.peer, "too early");
    hears(scene.client, "replyearly");
    say(scene.client, ", then more");
    hears(scene.peer, ", then more");
    finish();
}

/* As much as the whole way takes, then all of it is read again. */
static void fill_and_drain(int from, int to, enum relay_pipe_way way)
{
    static uint8_t out[MUCH], in[MUCH];
    size_t sent = 0, received = 0;
    ssize_t n;

    for (size_t i = 0; i < MUCH; i++)
        out[i] = (uint8_t)(i * 2654435761u >> 24);
    for (int idle = 0; idle < 3; idle++) {
        while ((n = send(from, out + sent, MUCH - sent, MSG_NOSIGNAL)) > 0) {
            sent += (size_t)n;
            idle = 0;
        }
        settle();
        T_OK(relay_pipe_waiting(scene.pipe, way) < RELAY_PIPE_BUFFER + READ_MOST);
    }
    T_OK(sent > RELAY_PIPE_BUFFER && sent < MUCH);
    T_OK(relay_pipe_waiting(scene.pipe, way) >= RELAY_PIPE_BUFFER);
    while (received < MUCH) {
        n = recv(to, in + received, MUCH - received, 0);
        received += n > 0 ? (size_t)n : 0;
        n = send(from, out + sent, MUCH - sent, MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
        settle();
        T_OK(relay_pipe_waiting(scene.pipe, way) < RELAY_PIPE_BUFFER + READ_MOST);
    }
    T_MEM(in, out, MUCH);
    T_EQ(scene.carried[way], MUCH);
}

static void a_peer_that_does_not_read_stops_its_client_and_loses_nothing(void)
{
    begin("BIND");
    fill_and_drain(scene.client, scene.peer, RELAY_PIPE_FROM_CLIENT);
    finish();
}

static void a_client_that_does_not_read_stops_its_peer_and_loses_nothing(void)
{
    begin("BIND");
    fill_and_drain(scene.peer, scene.client, RELAY_PIPE_FROM_PEER);
    finish();
}

/* libevent gives each read a buffer of its own, of a kilobyte at least. */
static void single_bytes_that_wait_take_the_room_of_bytes(void)
{
    enum { BYTES = 20000 };
    const int small = 2048;

    begin("BIND");
    setsockopt(scene.theirs, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    const size_t before = mallinfo2().uordblks;
    for (int i = 0; i < BYTES; i++) {
        T_EQ(send(scene.client, "x", 1, MSG_NOSIGNAL), 1);
        loop_defer(scene.loop, nothing, NULL);
        loop_turn(scene.loop);
    }
    T_OK(relay_pipe_waiting(scene.pipe, RELAY_PIPE_FROM_CLIENT) > BYTES / 2);
    T_OK(mallinfo2().uordblks - before < 4 * BYTES);
    finish();
}

static void who_is_too_fast_rests_and_the_other_way_does_not(void)
{
    begin("BIND");
    scene.rest = MSEC(30);
    say(scene.client, "first");
    const usec_t since = loop_now(scene.loop);
    scene.rest = 0;
    say(scene.client, "second");
    say(scene.peer, "meanwhile");
    hears(scene.client, "meanwhile");
    hears(scene.peer, "first");
    while (scene.carried[RELAY_PIPE_FROM_CLIENT] < 11)
        loop_turn(scene.loop);
    T_OK(loop_now(scene.loop) - since >= MSEC(25));
    hears(scene.peer, "second");
    finish();
}

/* --- ends --------------------------------------------------------------------------------- */

static void the_clients_end_is_told_and_the_peer_may_go_on(void)
{
    begin("BIND");
    say(scene.client, "last words");
    shutdown(scene.client, SHUT_WR);
    hears(scene.peer, "last words");
    T_OK(hears_the_end(scene.peer));
    say(scene.peer, "an answer");
    hears(scene.client, "an answer");
    T_EQ(scene.ended, 0);
    shutdown(scene.peer, SHUT_WR);
    T_OK(hears_the_end(scene.client));
    T_EQ(scene.ended, 1);
    finish();
}

static void the_peers_end_is_told_and_the_client_may_go_on(void)
{
    begin("BIND");
    shutdown(scene.peer, SHUT_WR);
    T_OK(hears_the_end(scene.client));
    say(scene.client, "still there");
    hears(scene.peer, "still there");
    T_EQ(scene.ended, 0);
    shutdown(scene.client, SHUT_WR);
    T_OK(hears_the_end(scene.peer));
    T_EQ(scene.ended, 1);
    finish();
}

static void the_end_comes_behind_what_waits(void)
{
    static uint8_t bytes[MUCH];
    size_t received = 0;

    begin("BIND");
    const ssize_t sent = send(scene.client, bytes, sizeof bytes, MSG_NOSIGNAL);
    T_OK(sent > RELAY_PIPE_BUFFER);
    shutdown(scene.client, SHUT_WR);
    for (ssize_t n = 1; n != 0;) {
        settle();
        n = recv(scene.peer, bytes, sizeof bytes, 0);
        received += n > 0 ? (size_t)n : 0;
    }
    T_EQ(received, sent);
    finish();
}

static void with_one_way_closed_the_other_may_not_be_silent_for_ever(void)
{
    begin("BIND");
    shutdown(scene.client, SHUT_WR);
    T_OK(hears_the_end(scene.peer));
    const usec_t now = loop_now(scene.loop);
    timers_run(loop_timers(scene.loop), now + RELAY_PIPE_HALF_OPEN / 2);
    T_EQ(scene.ended, 0);
    timers_run(loop_timers(scene.loop), now + RELAY_PIPE_HALF_OPEN + SEC(1));
    T_EQ(scene.ended, 1);
    T_OK(hears_the_end(scene.client));
    finish();
}

static void a_word_in_time_keeps_the_other_way_open(void)
{
    begin("BIND");
    shutdown(scene.client, SHUT_WR);
    T_OK(hears_the_end(scene.peer));
    const usec_t then = loop_now(scene.loop);
    while (loop_now(scene.loop) <= then)
        settle();
    say(scene.peer, "wait");
    hears(scene.client, "wait");
    timers_run(loop_timers(scene.loop), then + RELAY_PIPE_HALF_OPEN);
    T_EQ(scene.ended, 0);
    timers_run(loop_timers(scene.loop), then + RELAY_PIPE_HALF_OPEN + SEC(60));
    T_EQ(scene.ended, 1);
    finish();
}

static void a_client_that_breaks_off_ends_both(void)
{
    const struct linger none = {.l_onoff = 1};

    begin("BIND");
    setsockopt(scene.client, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    close(scene.client);
    settle();
    T_EQ(scene.ended, 1);
    T_OK(hears_the_end(scene.peer));
    scene.client = -1;
    finish();
}

static void what_a_peer_said_before_it_broke_off_is_heard(void)
{
    begin("BIND");
    say(scene.client, "unread, so the end is no good one");
    T_EQ(send(scene.peer, "farewell", 8, 0), 8);
    close(scene.peer);
    settle();
    T_EQ(scene.ended, 1);
    hears(scene.client, "farewell");
    T_OK(hears_the_end(scene.client));
    scene.peer = -1;
    finish();
}

static void a_pipe_that_is_freed_closes_both(void)
{
    begin("BIND");
    relay_pipe_free(scene.pipe);
    scene.pipe = NULL;
    T_OK(hears_the_end(scene.peer));
    T_OK(hears_the_end(scene.client));
    T_EQ(scene.ended, 0);
    finish();
}

static void the_kernel_finds_dead_ends_and_keeps_little_unsent(void)
{
    int value = 0;
    socklen_t len = sizeof value;

    begin(NULL);
    /* A peer that is TCP, to look at its options. */
    close(scene.theirs);
    scene.theirs = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    const int fd = scene.theirs;
    T_EQ(send(scene.client, "BIND", 4, 0), 4);
    while (!scene.pipe && !scene.ended)
        loop_turn(scene.loop);
    T_EQ(getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &value, &len), 0);
    T_EQ(value, RELAY_PIPE_PATIENCE / MSEC(1));
    T_EQ(getsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &value, &len), 0);
    T_EQ(value, RELAY_PIPE_BUFFER);
    finish();
}

/* --- TLS ---------------------------------------------------------------------------------- */

static void begin_tls(void)
{
    SSL_CTX *server, *context = SSL_CTX_new(TLS_client_method());
    char error[TLS_ERROR_MAX];

    begin(NULL);
    T_EQ(tls_context_self_signed(&server, NULL, 0, error), RC_OK);
    listener_set_tls(scene.listener, server);
    SSL_CTX_free(server);
    scene.ssl = SSL_new(context);
    SSL_CTX_free(context);
    SSL_set_fd(scene.ssl, scene.client);
    while (SSL_connect(scene.ssl) != 1)
        settle();
    T_EQ(SSL_write(scene.ssl, "BIND", 4), 4);
    settle();
    T_OK(scene.pipe != NULL);
}

static void says_in_tls(const char *text)
{
    T_EQ(SSL_write(scene.ssl, text, (int)strlen(text)), (long long)strlen(text));
    settle();
}

static void hears_in_tls(const char *text)
{
    char in[256] = "";

    settle();
    T_OK(SSL_read(scene.ssl, in, sizeof in - 1) > 0);
    T_STR(in, text);
}

static void a_client_may_speak_tls(void)
{
    begin_tls();
    says_in_tls("in secret");
    hears(scene.peer, "in secret");
    say(scene.peer, "in the open");
    hears_in_tls("in the open");
    finish();
}

static void an_end_in_tls_is_told_and_the_other_way_goes_on(void)
{
    begin_tls();
    says_in_tls("last words");
    T_OK(SSL_shutdown(scene.ssl) >= 0);
    hears(scene.peer, "last words");
    T_OK(hears_the_end(scene.peer));
    say(scene.peer, "an answer");
    hears_in_tls("an answer");
    shutdown(scene.peer, SHUT_WR);
    settle();
    char c;
    T_OK(SSL_read(scene.ssl, &c, 1) <= 0);
    T_EQ(SSL_get_shutdown(scene.ssl) & SSL_RECEIVED_SHUTDOWN, SSL_RECEIVED_SHUTDOWN);
    T_EQ(scene.ended, 1);
    finish();
}

static void a_peers_end_is_told_in_tls_and_the_client_may_go_on(void)
{
    char c;

    begin_tls();
    shutdown(scene.peer, SHUT_WR);
    settle();
    T_OK(SSL_read(scene.ssl, &c, 1) <= 0);
    T_EQ(SSL_get_error(scene.ssl, 0), SSL_ERROR_ZERO_RETURN);
    says_in_tls("still there");
    hears(scene.peer, "still there");
    T_OK(SSL_shutdown(scene.ssl) >= 0);
    T_OK(hears_the_end(scene.peer));
    T_EQ(scene.ended, 1);
    finish();
}

static void much_goes_through_tls_without_waiting_for_more(void)
{
    static uint8_t out[300000], in[300000];
    size_t sent = 0, received = 0;

    begin_tls();
    SSL_set_mode(scene.ssl, SSL_MODE_ENABLE_PARTIAL_WRITE);
    for (size_t i = 0; i < sizeof out; i++)
        out[i] = (uint8_t)(i * 2654435761u >> 24);
    while (received < sizeof in) {
        if (sent < sizeof out) {
            const int n = SSL_write(scene.ssl, out + sent, (int)(sizeof out - sent));
            sent += n > 0 ? (size_t)n : 0;
        }
        settle();
        const ssize_t n = recv(scene.peer, in + received, 5000, 0);
        received += n > 0 ? (size_t)n : 0;
    }
    T_MEM(in, out, sizeof out);
    T_OK(hears_nothing(scene.peer));
    finish();
}

static const struct t_case cases[] = {
    T_CASE(what_one_side_says_the_other_hears),
    T_CASE(what_came_before_it_was_made_goes_first),
    T_CASE(a_peer_that_does_not_read_stops_its_client_and_loses_nothing),
    T_CASE(a_client_that_does_not_read_stops_its_peer_and_loses_nothing),
    T_CASE(single_bytes_that_wait_take_the_room_of_bytes),
    T_CASE(who_is_too_fast_rests_and_the_other_way_does_not),
    T_CASE(the_clients_end_is_told_and_the_peer_may_go_on),
    T_CASE(the_peers_end_is_told_and_the_client_may_go_on),
    T_CASE(the_end_comes_behind_what_waits),
    T_CASE(with_one_way_closed_the_other_may_not_be_silent_for_ever),
    T_CASE(a_word_in_time_keeps_the_other_way_open),
    T_CASE(a_client_that_breaks_off_ends_both),
    T_CASE(what_a_peer_said_before_it_broke_off_is_heard),
    T_CASE(a_pipe_that_is_freed_closes_both),
    T_CASE(the_kernel_finds_dead_ends_and_keeps_little_unsent),
    T_CASE(a_client_may_speak_tls),
    T_CASE(an_end_in_tls_is_told_and_the_other_way_goes_on),
    T_CASE(a_peers_end_is_told_in_tls_and_the_client_may_go_on),
    T_CASE(much_goes_through_tls_without_waiting_for_more),
};
T_MAIN(cases)
