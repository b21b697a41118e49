/*
 * tests/tools/socketio_echo.c - the Engine.IO and Socket.IO servers alone, as the protocols'
 * published test suites want them:
 *
 *   socketio_echo [PORT [PING_INTERVAL [PING_TIMEOUT]]]
 *
 * on the loopback addresses and port 3000 unless told; 0: a free one, which is printed. Pings after 300 ms
 * and waits 200 ms for the answer unless told.
 *
 * Engine.IO at /engine.io/ echoes every message. Socket.IO at /socket.io/ has the namespaces /
 * and /custom: on connection it emits `auth` with the handshake's auth payload, `message` comes
 * back as `message-back`, `message-with-ack` as an ack. For this project's own tests there is
 * more: /private lets in who knows the word, and a few events make the server do what it can do
 * (see EVENTS below). SIGTERM shuts down the way the real server does.
 */
#include "core/listener.h"
#include "core/loop.h"
#include "signaling/cors.h"
#include "signaling/engineio.h"
#include "signaling/http.h"
#include "signaling/socketio.h"

#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct echo {
    struct loop *loop;
    struct cors *cors;
    struct eio_server *engine;
    struct sio_server *server;
    struct sio_namespace *main, *custom, *private;
    struct http_server *http;
    struct listener *listener;
    struct listener *listener_v6; /* what "localhost" may mean too; NULL without IPv6 */
    struct http_route routes[2];
    struct listener_protocol protocol;
    struct event *signals[2];
    struct timer until_empty;
    int turns;            /* of until_empty */
    char last_reason[64]; /* why the last socket left */
};

static void fail(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

/* --- Engine.IO --- */

static void engine_opened(void *arg, struct eio_session *session)
{
    (void)arg;
    (void)session;
}

static void engine_message(void *arg, struct eio_session *session, struct span data,
                           bool binary)
{
    struct eio_message *const message = eio_message_create(binary, data.n);
    (void)arg;

    if (!message)
        return;
    if (data.n > 0)
        memcpy(eio_message_data(message), data.p, data.n);
    (void)eio_session_send(session, message);
    eio_message_release(message);
}

static void engine_closed(void *arg, struct eio_session *session, enum eio_close why)
{
    (void)arg;
    (void)session;
    (void)why;
}

static const struct eio_handlers ENGINE_HANDLERS = {engine_opened, engine_message,
                                                    engine_closed};

/* --- Socket.IO --- */

/*
 * `auth` is sent a moment after the CONNECT packet: a reader that looks at one message per read of
 * its socket, as the published suites do, would lose the second of two that come in one read.
 */
#define GREETING_DELAY MSEC(5)

struct greeting {
    struct timer timer;
    struct sio_socket *socket;
    json_t *auth; /* owned */
};

static void greet(struct timer *timer, void *arg, usec_t now)
{
    struct greeting *const greeting = arg;
    (void)timer;
    (void)now;

    (void)sio_emit(greeting->socket, "auth", json_incref(greeting->auth));
}

static enum refusal let_in(void *arg, const struct sio_handshake *handshake, void **user)
{
    struct greeting *const greeting = calloc(1, sizeof *greeting);
    (void)arg;

    if (!greeting)
        return REFUSAL_SERVER_FULL;
    timer_init(&greeting->timer, greet, greeting);
    greeting->auth = json_deep_copy(sio_handshake_auth(handshake));
    *user = greeting;
    return REFUSAL_NONE;
}

static enum refusal ask_for_the_word(void *arg, const struct sio_handshake *handshake,
                                     void **user)
{
    const json_t *const word = json_object_get(sio_handshake_auth(handshake), "word");

    if (!json_is_string(word) || strcmp(json_string_value(word), "sesame") != 0)
        return REFUSAL_UNAUTHORIZED;
    return let_in(arg, handshake, user);
}

static void connected(void *arg, struct sio_socket *socket)
{
    struct echo *const echo = arg;
    struct greeting *const greeting = sio_user(socket);

    greeting->socket = socket;
    (void)timers_set(loop_timers(echo->loop), &greeting->timer,
                     loop_now(echo->loop) + GREETING_DELAY);
}

static void disconnected(void *arg, struct sio_socket *socket, const char *reason)
{
    struct echo *const echo = arg;
    struct greeting *const greeting = sio_user(socket);

    timers_clear(loop_timers(echo->loop), &greeting->timer);
    json_decref(greeting->auth);
    free(greeting);
    snprintf(echo->last_reason, sizeof echo->last_reason, "%s", reason);
}

static void on_message(struct echo *echo, struct sio_socket *socket,
                       const struct sio_event *event)
{
    (void)echo;

    (void)sio_emit_args(socket, "message-back", json_incref(event->args), event->attachments,
                        event->attachment_count);
}

static void on_message_with_ack(struct echo *echo, struct sio_socket *socket,
                                const struct sio_event *event)
{
    (void)echo;

    (void)sio_ack_args(socket, event->ack_id, json_incref(event->args), event->attachments,
                       event->attachment_count);
}

static void on_answer(void *arg, struct sio_socket *socket, const struct sio_event *answer)
{
    (void)arg;

    (void)sio_emit_args(socket, "answered", answer ? json_incref(answer->args) : NULL,
                        answer ? answer->attachments : NULL,
                        answer ? answer->attachment_count : 0);
}

/* ask: emits `question` with an ack and tells what came back in `answered`. */
static void on_ask(struct echo *echo, struct sio_socket *socket, const struct sio_event *event)
{
    (void)sio_emit_with_ack(socket, "question", json_incref(json_array_get(event->args, 0)),
                            MSEC(300), on_answer, echo);
}

/* all: emits `to-all` to everybody in the namespace but who asks. */
static void on_all(struct echo *echo, struct sio_socket *socket, const struct sio_event *event)
{
    const size_t n = sio_emit_all(sio_namespace_of(socket), socket, "to-all",
                                  json_incref(json_array_get(event->args, 0)));
    (void)echo;

    (void)sio_ack(socket, event->ack_id, json_integer((json_int_t)n));
}

static void on_info(struct echo *echo, struct sio_socket *socket, const struct sio_event *event)
{
    const bool websocket = sio_transport(socket) == EIO_WEBSOCKET;
    char query[64], address[ADDRESS_TEXT_MAX];

    if (!sio_query(socket, "who", query, sizeof query))
        query[0] = '\0';
    address_format_ip(sio_address(socket), address, sizeof address);
    (void)sio_ack(socket, event->ack_id,
                  json_pack("{s:s, s:i, s:s, s:s, s:s, s:s}", "id", sio_id(socket), "protocol",
                            sio_protocol(socket), "transport",
                            websocket ? "websocket" : "polling", "address", address, "who",
                            query, "lastReason", echo->last_reason));
}

static void on_leave(struct echo *echo, struct sio_socket *socket,
                     const struct sio_event *event)
{
    (void)echo;
    (void)event;

    sio_disconnect(socket, false);
}

static void on_kick(struct echo *echo, struct sio_socket *socket, const struct sio_event *event)
{
    (void)echo;
    (void)event;

    sio_disconnect(socket, true);
}

/* burst: emits `drop` n times, with 1000 bytes each, without waiting for anybody. */
static void on_burst(struct echo *echo, struct sio_socket *socket,
                     const struct sio_event *event)
{
    const json_int_t n = json_integer_value(json_array_get(event->args, 0));
    char text[1001];
    (void)echo;

    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    for (json_int_t i = 0; i < n && i < 1000000; i++) {
        if (sio_emit(socket, "drop", json_string(text)) != RC_OK)
            return;
    }
}

static const struct {
    const char *name;
    void (*handle)(struct echo *echo, struct sio_socket *socket, const struct sio_event *event);
} EVENTS[] = {
    {"message", on_message}, {"message-with-ack", on_message_with_ack},
    {"ask", on_ask},         {"all", on_all},
    {"info", on_info},       {"leave", on_leave},
    {"kick", on_kick},       {"burst", on_burst},
};

static void on_event(void *arg, struct sio_socket *socket, const struct sio_event *event)
{
    for (size_t i = 0; i < ARRAY_LEN(EVENTS); i++) {
        if (strcmp(event->name, EVENTS[i].name) == 0) {
            EVENTS[i].handle(arg, socket, event);
            return;
        }
    }
}

static const struct sio_handlers OPEN_HANDLERS = {let_in, connected, on_event, disconnected};
static const struct sio_handlers PRIVATE_HANDLERS = {ask_for_the_word, connected, on_event,
                                                     disconnected};

/* --- the server --- */

static void stop_when_empty(struct timer *timer, void *arg, usec_t now)
{
    struct echo *const echo = arg;
    const uint32_t sessions =
        sio_server_sessions(echo->server) + eio_server_sessions(echo->engine);

    if (sessions > 0 && ++echo->turns < 20)
        (void)timers_set(loop_timers(echo->loop), timer, now + MSEC(50));
    else
        loop_stop(echo->loop);
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
    struct echo *const echo = arg;
    (void)number;
    (void)what;

    loop_enter(echo->loop, "signal");
    listener_stop(echo->listener);
    if (echo->listener_v6)
        listener_stop(echo->listener_v6);
    eio_server_shutdown(echo->engine);
    sio_server_shutdown(echo->server);
    http_server_drain(echo->http);
    (void)timers_set(loop_timers(echo->loop), &echo->until_empty,
                     loop_now(echo->loop) + MSEC(50));
    loop_leave(echo->loop);
}

static void create_servers(struct echo *echo, usec_t ping_interval, usec_t ping_timeout)
{
    static const char *const anybody[] = {"*"};
    struct eio_options options = {
        .ping_interval = ping_interval,
        .ping_timeout = ping_timeout,
        .max_payload = 1000000,
    };

    if (cors_create(&echo->cors, anybody, 1, NULL) != RC_OK)
        fail("cors");
    options.cors = echo->cors;
    const struct sio_options socket_options = {.engine = options, .connect_timeout = SEC(1)};
    if (eio_server_create(&echo->engine, echo->loop, &options, &ENGINE_HANDLERS, echo) !=
            RC_OK ||
        sio_server_create(&echo->server, echo->loop, &socket_options) != RC_OK ||
        sio_namespace_create(&echo->main, echo->server, "/", &OPEN_HANDLERS, echo) != RC_OK ||
        sio_namespace_create(&echo->custom, echo->server, "/custom", &OPEN_HANDLERS, echo) !=
            RC_OK ||
        sio_namespace_create(&echo->private, echo->server, "/private", &PRIVATE_HANDLERS,
                             echo) != RC_OK)
        fail("servers");
    echo->routes[0] = eio_server_route(echo->engine);
    echo->routes[1] = sio_server_route(echo->server);
}

static void listen_on(struct echo *echo, uint16_t port)
{
    const struct http_options options = {.routes = echo->routes,
                                         .route_count = ARRAY_LEN(echo->routes)};
    struct listener_options at = {.protocols = &echo->protocol, .protocol_count = 1};
    char text[ADDRESS_TEXT_MAX];

    if (http_server_create(&echo->http, echo->loop, &options) != RC_OK)
        fail("http");
    echo->protocol = http_server_protocol(echo->http);
    if (address_parse(&at.at, "127.0.0.1") != RC_OK)
        fail("address");
    address_set_port(&at.at, port);
    if (listener_open(&echo->listener, echo->loop, &at) != RC_OK)
        fail("listen");
    const struct address bound = listener_address(echo->listener);
    if (address_parse(&at.at, "::1") != RC_OK)
        fail("address");
    address_set_port(&at.at, address_port(&bound));
    if (listener_open(&echo->listener_v6, echo->loop, &at) != RC_OK)
        echo->listener_v6 = NULL;
    printf("listening on %s\n", address_format(&bound, text, sizeof text));
    fflush(stdout);
}

static void catch_signals(struct echo *echo)
{
    static const int numbers[] = {SIGTERM, SIGINT};

    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        echo->signals[i] = evsignal_new(loop_base(echo->loop), numbers[i], on_signal, echo);
        if (!echo->signals[i] || event_add(echo->signals[i], NULL) != 0)
            fail("signal");
    }
    timer_init(&echo->until_empty, stop_when_empty, echo);
}

static void free_all(struct echo *echo)
{
    timers_clear(loop_timers(echo->loop), &echo->until_empty);
    listener_close(echo->listener);
    if (echo->listener_v6)
        listener_close(echo->listener_v6);
    http_server_free(echo->http);
    sio_server_free(echo->server);
    eio_server_free(echo->engine);
    cors_free(echo->cors);
    for (size_t i = 0; i < ARRAY_LEN(echo->signals); i++)
        event_free(echo->signals[i]);
    loop_free(echo->loop);
}

/* Argument number i, or `initial` when it is not there; ends the program unless it is a number
 * of min to max. */
static long argument(int argc, char **argv, int i, long initial, long min, long max)
{
    char *end = NULL;

    if (i >= argc)
        return initial;
    const long value = strtol(argv[i], &end, 10);
    if (end == argv[i] || *end != '\0' || value < min || value > max) {
        fprintf(stderr, "usage: %s [PORT [PING_INTERVAL [PING_TIMEOUT]]]\n", argv[0]);
        exit(EXIT_FAILURE);
    }
    return value;
}

int main(int argc, char **argv)
{
    const uint16_t port = (uint16_t)argument(argc, argv, 1, 3000, 0, 65535);
    const long interval = argument(argc, argv, 2, 300, 1, 3600000);
    const long timeout = argument(argc, argv, 3, 200, 1, 3600000);
    struct echo echo = {0};

    if (loop_create(&echo.loop, "control", LOOP_MAILBOX_DEFAULT) != RC_OK)
        fail("loop");
    catch_signals(&echo);
    create_servers(&echo, MSEC(interval), MSEC(timeout));
    listen_on(&echo, port);
    loop_run(echo.loop);
    free_all(&echo);
    return EXIT_SUCCESS;
}
