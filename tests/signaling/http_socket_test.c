/*
 * HTTP and WebSocket over real sockets on loopback, plain and TLS, through the listener. Server
 * and client share one loop.
 */
#include "core/listener.h"
#include "core/tls.h"
#include "signaling/websocket.h"
#include "tests/signaling/web_lib.h"
#include "tests/t.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <unistd.h>

/* ---- a server and a client
 * ------------------------------------------------------------------- */

static struct loop *loop;
static struct http_server *http;
static struct listener *listener;
static struct websockets *all;
static SSL_CTX *server_context, *client_context;
static struct listener_protocol protocol;
static struct websocket *last;
static unsigned gone, closes;
static uint16_t close_code;
static bool by_tls;

static void answer(struct http_request *request, void *arg)
{
    (void)arg;
    by_tls = request->tls;
    http_respond(request, 200, "text/plain", NULL, SPAN_LITERAL("hello"));
}

static uint8_t megabytes[4000000];

static void answer_large(struct http_request *request, void *arg)
{
    (void)arg;
    http_respond(request, 200, "text/plain", NULL, (struct span){megabytes, sizeof megabytes});
}

static void count_gone(struct http_request *request, void *arg)
{
    (void)request;
    (void)arg;
    gone++;
}

static void hold(struct http_request *request, void *arg)
{
    (void)arg;
    http_on_gone(request, count_gone, NULL);
}

static void echo(struct websocket *ws, void *arg, enum websocket_kind kind, struct span message)
{
    (void)arg;
    websocket_send(ws, kind, message);
}

static void closed(struct websocket *ws, void *arg, uint16_t code, enum refusal why)
{
    (void)arg;
    (void)why;
    T_OK(ws == last);
    last = NULL;
    closes++;
    close_code = code;
}

static const struct websocket_callbacks callbacks = {echo, closed, NULL};

static void accept_websocket(struct http_request *request, void *arg)
{
    (void)arg;
    last = websocket_accept(all, request, NULL, &callbacks, NULL);
}

static const struct http_route routes[] = {
    {.path = "/hello", .methods = METHOD_GET | METHOD_POST, .handle = answer},
    {.path = "/large", .methods = METHOD_GET, .handle = answer_large},
    {.path = "/hold", .methods = METHOD_GET, .handle = hold},
    {.path = "/ws", .methods = METHOD_GET, .handle = accept_websocket},
};

static void set_up(void)
{
    const struct http_options options = {.routes = routes, .route_count = ARRAY_LEN(routes)};
    struct listener_options at = {.protocols = &protocol, .protocol_count = 1};
    char error[TLS_ERROR_MAX];

    T_EQ(loop_create(&loop, "test", 0), RC_OK);
    T_EQ(http_server_create(&http, loop, &options), RC_OK);
    T_EQ(websockets_create(&all, loop), RC_OK);
    T_EQ(tls_context_self_signed(&server_context, NULL, 0, error), RC_OK);
    client_context = SSL_CTX_new(TLS_client_method());
    protocol = http_server_protocol(http);
    T_EQ(address_parse(&at.at, "127.0.0.1"), RC_OK);
    T_EQ(listener_open(&listener, loop, &at), RC_OK);
    listener_set_tls(listener, server_context);
    last = NULL;
    gone = closes = 0;
}

static void tear_down(void)
{
    http_server_free(http);
    websockets_free(all);
    listener_close(listener);
    loop_free(loop);
    SSL_CTX_free(server_context);
    SSL_CTX_free(client_context);
}

struct client {
    struct bufferevent *bev;
    char text[8192]; /* the first bytes that came */
    size_t n;        /* all that came */
    bool ended;
};

static void client_read(struct bufferevent *bev, void *arg)
{
    struct client *client = arg;
    struct evbuffer *input = bufferevent_get_input(bev);
    const size_t n = evbuffer_get_length(input);

    if (client->n < sizeof client->text - 1)
        evbuffer_copyout(input, client->text + client->n, sizeof client->text - 1 - client->n);
    evbuffer_drain(input, n);
    client->n += n;
}

static void client_event(struct bufferevent *bev, short what, void *arg)
{
    struct client *client = arg;

    if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) {
        client_read(bev, arg);
        client->ended = true;
    }
}

static void dial(struct client *client, bool tls)
{
    const struct address to = listener_address(listener);
    struct sockaddr_in at = to.v4;

    *client = (struct client){0};
    client->bev =
        tls ? bufferevent_openssl_socket_new(loop_base(loop), -1, SSL_new(client_context),
                                             BUFFEREVENT_SSL_CONNECTING,
                                             BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS)
            : bufferevent_socket_new(loop_base(loop), -1, BEV_OPT_CLOSE_ON_FREE);
    bufferevent_setcb(client->bev, client_read, NULL, client_event, client);
    bufferevent_enable(client->bev, EV_READ | EV_WRITE);
    T_EQ(bufferevent_socket_connect(client->bev, (struct sockaddr *)&at, sizeof at), 0);
}

static void say(struct client *client, const char *text)
{
    bufferevent_write(client->bev, text, strlen(text));
}

/* Turns the loop until the condition holds; a test that waits for ever is ended by its runner.
 */
#define UNTIL(condition)                                                                       \
    while (!(condition))                                                                       \
    loop_turn(loop)

#define GET(path) "GET " path " HTTP/1.1\r\nHost: here\r\n\r\n"

static void hang_up(struct client *client)
{
    bufferevent_free(client->bev);
    UNTIL(listener_connections(listener) == 0);
}

static bool ends_with(const struct client *client, const char *text)
{
    const size_t n = strlen(text);

    return client->n >= n && client->n < sizeof client->text &&
           memcmp(client->text + client->n - n, text, n) == 0;
}

/* ---- the cases
 * ------------------------------------------------------------------------------- */

static void answers_over_both(bool tls)
{
    struct client client;
    set_up();

    dial(&client, tls);
    say(&client, GET("/hello"));
    UNTIL(ends_with(&client, "\r\n\r\nhello"));
    T_EQ(by_tls, tls);
    say(&client, GET("/hello"));
    UNTIL(client.n > 500 && ends_with(&client, "\r\n\r\nhello"));
    say(&client, "GET /hello HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n");
    UNTIL(client.ended);
    hang_up(&client);
    tear_down();
}

static void requests_are_answered_over_tcp(void)
{
    answers_over_both(false);
}

static void requests_are_answered_over_tls(void)
{
    answers_over_both(true);
}

static void large_answers_arrive_whole(bool tls)
{
    struct client client;
    set_up();

    dial(&client, tls);
    say(&client, "GET /large HTTP/1.0\r\n\r\n");
    UNTIL(client.ended);
    T_OK(client.n > sizeof megabytes);
    hang_up(&client);
    tear_down();
}

static void a_large_last_answer_arrives_whole_over_tcp(void)
{
    large_answers_arrive_whole(false);
}

static void a_large_last_answer_arrives_whole_over_tls(void)
{
    large_answers_arrive_whole(true);
}

static void a_client_that_breaks_off_is_noticed(bool tls)
{
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    struct client client;
    set_up();

    dial(&client, tls);
    say(&client, GET("/hello"));
    UNTIL(client.n > 0);
    say(&client, GET("/hold"));
    for (int i = 0; i < 20; i++) {
        const struct timeval soon = {0, 1000};
        event_base_loopexit(loop_base(loop), &soon);
        loop_turn(loop);
    }
    setsockopt(bufferevent_getfd(client.bev), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    hang_up(&client);
    T_EQ(gone, 1);

    dial(&client, tls); /* in the middle of an answer */
    say(&client, GET("/large"));
    UNTIL(client.n > 100000);
    const usec_t before = loop_now(loop);
    setsockopt(bufferevent_getfd(client.bev), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    hang_up(&client);
    T_OK(loop_now(loop) - before < HTTP_STALL_TIMEOUT / 2); /* not by its timeout */
    T_EQ(counter_get(&http_server_stats(http)->connections_open), 0);
    tear_down();
}

static void a_client_that_breaks_off_is_noticed_over_tcp(void)
{
    a_client_that_breaks_off_is_noticed(false);
}

static void a_client_that_breaks_off_is_noticed_over_tls(void)
{
    a_client_that_breaks_off_is_noticed(true);
}

static void a_refused_upload_still_hears_why(void)
{
    struct client client;
    set_up();

    dial(&client, false);
    say(&client, "POST /hello HTTP/1.1\r\nHost: here\r\nContent-Length: 4000000\r\n\r\n");
    bufferevent_write(client.bev, megabytes, sizeof megabytes);
    UNTIL(ends_with(&client, "}"));
    T_OK(strstr(client.text, "HTTP/1.1 413 "));
    T_OK(!client.ended);
    hang_up(&client);
    tear_down();
}

static void websocket_echoes(bool tls)
{
    static uint8_t frame[700020], payload[700000];
    struct client client;
    set_up();

    dial(&client, tls);
    say(&client,
        "GET /ws HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    UNTIL(ends_with(&client, "\r\n\r\n"));
    T_OK(strstr(client.text, "HTTP/1.1 101 "));
    const size_t head = client.n;

    bufferevent_write(client.bev, frame, web_frame(frame, 0x82, payload, sizeof payload));
    UNTIL(client.n == head + sizeof payload + 10);

    bufferevent_write(client.bev, frame, web_frame(frame, 0x88, "\x03\xe8", 2));
    UNTIL(client.ended);
    T_EQ(closes, 1);
    T_EQ(close_code, 1000);
    hang_up(&client);
    tear_down();
}

static void a_websocket_echoes_over_tcp(void)
{
    websocket_echoes(false);
}

static void a_websocket_echoes_over_tls(void)
{
    websocket_echoes(true);
}

static void a_websocket_that_breaks_off_is_closed_with_1006(void)
{
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};

    for (int tls = 0; tls < 2; tls++) {
        struct client client;

        set_up();
        dial(&client, tls);
        say(&client,
            "GET /ws HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
        UNTIL(client.n > 0);
        setsockopt(bufferevent_getfd(client.bev), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        bufferevent_free(client.bev);
        /* Sending into the broken connection calls nobody back from inside. */
        T_OK(last);
        for (int i = 0; i < 5 && last; i++) {
            websocket_send(last, WEBSOCKET_BINARY, (struct span){megabytes, 100000});
            T_EQ(closes, 0);
        }
        UNTIL(closes == 1);
        T_EQ(close_code, WEBSOCKET_ABNORMAL);
        UNTIL(listener_connections(listener) == 0);
        tear_down();
    }
}

static const struct t_case cases[] = {
    T_CASE(requests_are_answered_over_tcp),
    T_CASE(requests_are_answered_over_tls),
    T_CASE(a_large_last_answer_arrives_whole_over_tcp),
    T_CASE(a_large_last_answer_arrives_whole_over_tls),
    T_CASE(a_client_that_breaks_off_is_noticed_over_tcp),
    T_CASE(a_client_that_breaks_off_is_noticed_over_tls),
    T_CASE(a_refused_upload_still_hears_why),
    T_CASE(a_websocket_echoes_over_tcp),
    T_CASE(a_websocket_echoes_over_tls),
    T_CASE(a_websocket_that_breaks_off_is_closed_with_1006),
};
T_MAIN(cases)
