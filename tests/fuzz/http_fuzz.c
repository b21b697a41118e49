/*
 * Fuzzes an HTTP connection as a client sees it: bytes into one end of a bufferevent pair, the
 * real connection code at the other, a WebSocket behind one of its routes. The first byte says
 * how the rest is cut into pieces. Requests and messages must be the same however that is.
 */
#include "signaling/websocket.h"
#include "tests/signaling/web_lib.h"

#include "core/log.h"
#include "core/utf8.h"

#include <event2/bufferevent.h>
#include <stdlib.h>
#include <string.h>

#define MUST(cond) ((cond) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct web web;
static struct websockets *all;
static uint64_t trace; /* of what handlers were given */
static struct http_request *held;

static void note(const void *bytes, size_t n)
{
    const uint8_t *p = bytes;

    for (size_t i = 0; i < n; i++)
        trace = (trace ^ p[i]) * 0x100000001b3u;
    trace = (trace ^ 0x100) * 0x100000001b3u;
}

static void check_request(const struct http_request *request)
{
    MUST(request->path[0] == '/' || strcmp(request->path, "*") == 0);
    MUST(request->body.n <= 1000);
    for (const char *c = request->path; *c; c++)
        MUST((uint8_t)*c >= 0x20 && *c != 0x7f);
    note(request->method_name, strlen(request->method_name));
    note(request->path, strlen(request->path));
    note(request->query, strlen(request->query));
    note(request->body.p, request->body.n);
}

static void answer(struct http_request *request, void *arg)
{
    char value[32];
    const int n = http_query(request, "a", value, sizeof value);
    (void)arg;

    check_request(request);
    MUST(n < (int)sizeof value && strlen(value) == (size_t)(n < 0 ? 0 : n));
    http_respond(request, 200, "text/plain", NULL, request->body);
}

static void gone(struct http_request *request, void *arg)
{
    (void)arg;
    MUST(request == held);
    held = NULL;
}

static void hold(struct http_request *request, void *arg)
{
    (void)arg;
    check_request(request);
    MUST(!held);
    held = request;
    http_on_gone(request, gone, NULL);
}

static void message(struct websocket *ws, void *arg, enum websocket_kind kind, struct span text)
{
    (void)arg;
    MUST(text.n <= 5000);
    MUST(kind == WEBSOCKET_BINARY || utf8_valid(text));
    note(text.p, text.n);
    websocket_send(ws, kind, text);
}

static void closed(struct websocket *ws, void *arg, uint16_t code, enum refusal why)
{
    (void)ws;
    (void)arg;
    (void)code;
    (void)why;
}

static const struct websocket_callbacks callbacks = {message, closed, NULL};

static void accept_websocket(struct http_request *request, void *arg)
{
    const struct websocket_options options = {.max_message = 5000, .output_max = 100000};
    (void)arg;

    check_request(request);
    websocket_accept(all, request, &options, &callbacks, NULL);
}

static void set_up(void)
{
    static const char *const origins[] = {"https://*.example.org"};
    static struct http_route routes[] = {
        {.path = "/",
         .prefix = true,
         .methods = METHOD_GET | METHOD_POST,
         .handle = answer,
         .max_body = 1000},
        {.path = "/hold", .methods = METHOD_GET, .handle = hold},
        {.path = "/ws", .methods = METHOD_GET, .handle = accept_websocket},
    };
    const struct http_options options = {.routes = routes, .route_count = ARRAY_LEN(routes)};
    static struct cors *cors;

    log_set_level(LOG_LEVEL_ERROR);
    if (cors_create(&cors, origins, 1, NULL) != RC_OK)
        abort();
    routes[0].cors = cors;
    web_open(&web, &options);
    if (websockets_create(&all, web.loop) != RC_OK)
        abort();
}

/* What one client's bytes, in pieces of that size, come to. */
static uint64_t run(const uint8_t *data, size_t size, size_t piece)
{
    struct web_client *client = web_connect(&web);

    trace = 0xcbf29ce484222325u;
    for (size_t at = 0; at < size; at += piece)
        web_send(client, data + at, size - at < piece ? size - at : piece);
    for (int i = 0; i < 3 && held; i++) {
        struct http_request *request = held;
        held = NULL;
        http_respond(request, 200, NULL, NULL, (struct span){0});
        web_settle(&web);
    }
    MUST(client->n == 0 || strncmp(client->text, "HTTP/1.1 ", 9) == 0);
    web_free(client);
    MUST(!held);
    return trace;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!web.loop)
        set_up();
    if (size < 2 || size > 20000)
        return 0;

    const size_t piece = size / 64 + data[0] % 32 + 1;
    const uint64_t whole = run(data + 1, size - 1, size);
    MUST(run(data + 1, size - 1, piece) == whole);
    web_pass(&web, SEC(1000)); /* whatever lingers is gone by then */
    web_pass(&web, SEC(1000));
    MUST(counter_get(&http_server_stats(web.server)->connections_open) == 0);
    MUST(websockets_count(all) == 0);
    return 0;
}
