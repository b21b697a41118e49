#include "signaling/http.h"

#include "tests/signaling/web_lib.h"
#include "tests/t.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>

/* ---- a server
 * ---------------------------------------------------------------------------------- */

static struct web web;
static struct http_request *held; /* by the route /hold, NULL once gone */
static unsigned gone, released, calls;
static struct cors *cors;
static char seen[256];

static void answer_hello(struct http_request *request, void *arg)
{
    (void)arg;
    calls++;
    http_respond(request, 200, "text/plain", NULL, SPAN_LITERAL("hello"));
}

/* Tells what the handler was given. */
static void answer_mirror(struct http_request *request, void *arg)
{
    char text[256], from[ADDRESS_TEXT_MAX];
    (void)arg;

    calls++;
    snprintf(text, sizeof text, "%s %s ? %s from %s%s: %.*s", request->method_name,
             request->path, request->query, address_format(&request->from, from, sizeof from),
             request->tls ? " by TLS" : "", (int)request->body.n,
             request->body.n ? (const char *)request->body.p : "");
    snprintf(seen, sizeof seen, "%s", text);
    http_respond(request, 200, "text/plain", NULL,
                 (struct span){(uint8_t *)text, strlen(text)});
}

static void on_gone(struct http_request *request, void *arg)
{
    T_OK(request == held && arg == &web);
    T_STR(request->path, "/hold");
    held = NULL;
    gone++;
}

static void hold(struct http_request *request, void *arg)
{
    (void)arg;
    held = request;
    http_on_gone(request, on_gone, &web);
}

static void release(const void *body, size_t n, void *arg)
{
    (void)body;
    (void)n;
    T_OK(arg == &web);
    released++;
}

static uint8_t large[2000000];

static void answer_large(struct http_request *request, void *arg)
{
    (void)arg;
    http_respond_borrowed(request, 200, "application/octet-stream", NULL,
                          (struct span){large, sizeof large}, release, &web);
}

static void answer_split(struct http_request *request, void *arg)
{
    static const struct http_field fields[] = {{"Location", "/a\r\nSet-Cookie: x=y"},
                                               {NULL, NULL}};
    (void)arg;

    http_respond(request, 302, NULL, fields, (struct span){0});
}

static void refuse_it(struct http_request *request, void *arg)
{
    (void)arg;
    http_refuse(request, 401, REFUSAL_UNAUTHORIZED);
}

static struct http_route routes[] = {
    {.path = "/hello", .methods = METHOD_GET, .handle = answer_hello},
    {.path = "/mirror", .methods = METHOD_GET | METHOD_POST, .handle = answer_mirror},
    {.path = "/small", .methods = METHOD_POST, .handle = answer_mirror, .max_body = 10},
    {.path = "/hold", .methods = METHOD_GET, .handle = hold},
    {.path = "/large", .methods = METHOD_GET, .handle = answer_large},
    {.path = "/split", .methods = METHOD_GET, .handle = answer_split},
    {.path = "/refused", .methods = METHOD_GET, .handle = refuse_it},
    {.path = "/cors", .methods = METHOD_GET | METHOD_POST, .handle = answer_hello},
    {.path = "/page/",
     .prefix = true,
     .methods = METHOD_GET,
     .handle = answer_mirror,
     .content_policy = "default-src 'self'",
     .frame_options = "SAMEORIGIN"},
    {.path = "/page/deep/",
     .prefix = true,
     .methods = METHOD_GET,
     .handle = answer_hello,
     .frame_options = ""},
};

static void set_up(void)
{
    static const char *const origins[] = {"https://app.example.org"};
    static struct address_net proxies[1];
    const struct http_options options = {.routes = routes,
                                         .route_count = ARRAY_LEN(routes),
                                         .trusted_proxies = proxies,
                                         .trusted_proxy_count = 1};

    T_EQ(address_net_parse(&proxies[0], "10.0.0.0/8"), RC_OK);
    T_EQ(cors_create(&cors, origins, 1, NULL), RC_OK);
    for (size_t i = 0; i < ARRAY_LEN(routes); i++)
        routes[i].cors = strcmp(routes[i].path, "/cors") == 0 ? cors : NULL;
    web_open(&web, &options);
    held = NULL;
    gone = released = calls = 0;
}

static void tear_down(void)
{
    web_close(&web);
    cors_free(cors);
}

/* The connection's whole talk: says it, and gives back what came. Has to be freed. */
static struct web_client *talk(const char *text)
{
    struct web_client *client = web_connect(&web);

    web_say(client, text);
    return client;
}

static bool begins(const struct web_client *client, const char *text)
{
    return strncmp(client->text, text, strlen(text)) == 0;
}

static bool ends(const struct web_client *client, const char *text)
{
    const size_t n = strlen(text);

    return client->n >= n && strcmp(client->text + client->n - n, text) == 0;
}

static bool has(const struct web_client *client, const char *text)
{
    return strstr(client->text, text) != NULL;
}

static unsigned count(const struct web_client *client, const char *text)
{
    unsigned found = 0;

    for (const char *at = client->text; (at = strstr(at, text)); at++)
        found++;
    return found;
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: here\r\n\r\n"

/* ---- answers
 * ----------------------------------------------------------------------------------- */

static void a_request_is_answered_and_the_connection_kept(void)
{
    set_up();
    struct web_client *client = talk(GET("/hello"));

    T_OK(begins(client, "HTTP/1.1 200 OK\r\n"));
    T_OK(has(client, "\r\nContent-Length: 5\r\n"));
    T_OK(has(client, "\r\nContent-Type: text/plain\r\n"));
    T_OK(has(client, "\r\nConnection: keep-alive\r\n"));
    T_OK(has(client, "\r\nDate: ") && has(client, " GMT\r\n"));
    T_OK(has(client, "\r\nX-Content-Type-Options: nosniff\r\n"));
    T_OK(has(client, "\r\nX-Frame-Options: DENY\r\n"));
    T_OK(has(client, "\r\nReferrer-Policy: no-referrer\r\n"));
    T_OK(has(client, "\r\nContent-Security-Policy: default-src 'none'"));
    T_OK(!has(client, "\r\nServer:") && !has(client, "Access-Control"));
    T_OK(ends(client, "\r\n\r\nhello"));
    web_take(client, client->n);
    web_say(client, "\r\n" GET("/hello")); /* an empty line before a request is skipped */
    T_OK(begins(client, "HTTP/1.1 200 OK\r\n"));
    T_EQ(calls, 2);
    T_OK(!client->ended);
    T_EQ(counter_get(&http_server_stats(web.server)->requests), 2);
    T_EQ(counter_get(&http_server_stats(web.server)->responses[2]), 2);
    T_EQ(counter_get(&http_server_stats(web.server)->connections_open), 1);
    web_free(client);
    T_EQ(counter_get(&http_server_stats(web.server)->connections_open), 0);
    tear_down();
}

static void head_gets_the_length_and_no_body(void)
{
    set_up();
    struct web_client *client = talk("HEAD /hello HTTP/1.1\r\nHost: here\r\n\r\n");

    T_OK(has(client, "\r\nContent-Length: 5\r\n"));
    T_OK(ends(client, "\r\n\r\n"));
    web_free(client);
    client = talk("HEAD /large HTTP/1.1\r\nHost: here\r\n\r\n");
    T_OK(has(client, "\r\nContent-Length: 2000000\r\n"));
    T_OK(ends(client, "\r\n\r\n"));
    T_EQ(released, 1);
    web_free(client);
    tear_down();
}

static void bytes_one_at_a_time_are_the_same_request(void)
{
    static const char text[] =
        "POST /mirror?a=b HTTP/1.1\r\nHost: here\r\n"
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    set_up();
    struct web_client *client = web_connect(&web);

    for (size_t i = 0; i + 1 < sizeof text; i++) {
        T_EQ(calls, 0);
        web_send(client, text + i, 1);
    }
    T_OK(ends(client, "\r\n\r\nPOST /mirror ? a=b from 192.0.2.1:4000: abcde"));
    web_free(client);
    tear_down();
}

static void closes_when_the_client_wants_it_or_speaks_http_1_0(void)
{
    set_up();
    struct web_client *client =
        talk("GET /hello HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n");

    T_OK(has(client, "\r\nConnection: close\r\n") && ends(client, "hello"));
    T_OK(client->ended);
    web_free(client);
    client = talk("GET /hello HTTP/1.0\r\n\r\n");
    T_OK(has(client, "\r\nConnection: close\r\n") && client->ended);
    web_free(client);
    client = talk("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    T_OK(has(client, "\r\nConnection: keep-alive\r\n") && !client->ended);
    web_free(client);
    tear_down();
}

static void an_answer_before_a_half_closed_client_still_arrives(void)
{
    set_up();
    struct web_client *client = web_connect(&web);

    bufferevent_write(client->bev, GET("/hello"), sizeof GET("/hello") - 1);
    web_hang_up(client);
    T_OK(ends(client, "hello"));
    web_free(client);
    tear_down();
}

static void the_longest_prefix_wins_and_sets_its_policies(void)
{
    set_up();
    struct web_client *client = talk(GET("/page/x"));

    T_OK(ends(client, "GET /page/x ?  from 192.0.2.1:4000: "));
    T_OK(has(client, "\r\nContent-Security-Policy: default-src 'self'\r\n"));
    T_OK(has(client, "\r\nX-Frame-Options: SAMEORIGIN\r\n"));
    web_take(client, client->n);
    web_say(client, GET("/page/deep/x"));
    T_OK(ends(client, "hello"));
    T_OK(!has(client, "X-Frame-Options"));
    web_free(client);
    tear_down();
}

static void a_line_end_in_a_field_is_a_500_and_no_second_answer(void)
{
    set_up();
    struct web_client *client = talk(GET("/split"));

    T_OK(begins(client, "HTTP/1.1 500 "));
    T_OK(!has(client, "Set-Cookie"));
    web_free(client);
    tear_down();
}

/* ---- refusals
 * ---------------------------------------------------------------------------------- */

/* clang-format off */
static const struct {
    const char *what, *text, *status;
    enum refusal why;
} refused[] = {
    {"an unknown path",       GET("/nothing"), "404", REFUSAL_NOT_FOUND},
    {"a prefix cut short",    GET("/page"), "404", REFUSAL_NOT_FOUND},
    {"more than the path",    GET("/hello/"), "404", REFUSAL_NOT_FOUND},
    {"a method not allowed",  "DELETE /hello HTTP/1.1\r\nHost: here\r\n\r\n", "405", REFUSAL_METHOD_NOT_ALLOWED},
    {"a handler's refusal",   GET("/refused"), "401", REFUSAL_UNAUTHORIZED},
    {"a malformed head",      "GET / HTTP/1.1\r\nHost : here\r\n\r\n", "400", REFUSAL_BAD_HTTP},
    {"length and chunked",    "POST /mirror HTTP/1.1\r\nHost: here\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400", REFUSAL_BAD_HTTP},
    {"bad chunking",          "POST /mirror HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "400", REFUSAL_BAD_HTTP},
    {"a body too large",      "POST /small HTTP/1.1\r\nHost: here\r\nContent-Length: 11\r\n\r\n", "413", REFUSAL_BODY_TOO_LARGE},
    {"an enormous body",      "POST /mirror HTTP/1.1\r\nHost: here\r\nContent-Length: 9999999999999\r\n\r\n", "413", REFUSAL_BODY_TOO_LARGE},
    {"chunks too large",      "POST /small HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n5\r\nghijk\r\n0\r\n\r\n", "413", REFUSAL_BODY_TOO_LARGE},
    {"a foreign origin",      "GET /cors HTTP/1.1\r\nHost: here\r\nOrigin: https://evil.example\r\n\r\n", "403", REFUSAL_ORIGIN_REFUSED},
    {"two origins",           "GET /cors HTTP/1.1\r\nHost: here\r\nOrigin: https://app.example.org\r\nOrigin: https://app.example.org\r\n\r\n", "403", REFUSAL_ORIGIN_REFUSED},
    {"a foreign preflight",   "OPTIONS /cors HTTP/1.1\r\nHost: here\r\nOrigin: https://evil.example\r\nAccess-Control-Request-Method: GET\r\n\r\n", "403", REFUSAL_ORIGIN_REFUSED},
};
/* clang-format on */

static void every_refusal_has_its_status_code_and_counter(void)
{
    set_up();
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        const uint64_t before = refusal_total(refused[i].why);
        char body[256];

        printf("#   %s\n", refused[i].what);
        struct web_client *client = talk(refused[i].text);
        T_OK(begins(client, "HTTP/1.1 "));
        T_MEM(client->text + 9, refused[i].status, 3);
        snprintf(body, sizeof body, "\r\n\r\n{\"code\":\"%s\",\"message\":\"%s\"}",
                 refusal_code(refused[i].why), refusal_text(refused[i].why));
        T_OK(ends(client, body));
        T_EQ(refusal_total(refused[i].why), before + 1);
        T_EQ(count(client, "HTTP/1.1 "), 1);
        web_free(client);
    }
    T_EQ(calls, 0);
    tear_down();
}

static void a_refused_method_is_told_what_is_allowed(void)
{
    set_up();
    struct web_client *client = talk("PUT /mirror HTTP/1.1\r\nHost: here\r\n\r\n");

    T_OK(has(client, "\r\nAllow: GET, HEAD, POST\r\n"));
    T_OK(!client->ended); /* nothing was left unread: it may go on */
    web_free(client);
    tear_down();
}

static void after_a_refused_body_nothing_else_is_read_as_a_request(void)
{
    set_up();
    struct web_client *client = talk("POST /nothing HTTP/1.1\r\nHost: here\r\n"
                                     "Content-Length: 60\r\n\r\n" GET("/hello"));

    T_OK(begins(client, "HTTP/1.1 404 "));
    T_OK(has(client, "\r\nConnection: close\r\n"));
    web_say(client, GET("/hello"));
    T_EQ(calls, 0);
    T_EQ(count(client, "HTTP/1.1 "), 1);
    T_OK(!client->ended); /* lingers, so that the answer is not lost to a reset */
    web_pass(&web, HTTP_LINGER_TIMEOUT);
    T_OK(client->ended);
    web_free(client);
    tear_down();
}

static void a_head_that_never_ends_is_refused_by_its_size(void)
{
    char line[101];
    const uint64_t before = refusal_total(REFUSAL_HEADER_TOO_LARGE);
    set_up();
    struct web_client *client = talk("GET /hello HTTP/1.1\r\nX: ");

    memset(line, 'a', 100);
    line[100] = '\0';
    for (int i = 0; i < 163 && client->n == 0; i++)
        web_say(client, line);
    T_EQ(client->n, 0);
    web_say(client, line);
    T_OK(begins(client, "HTTP/1.1 431 "));
    T_EQ(refusal_total(REFUSAL_HEADER_TOO_LARGE), before + 1);
    web_free(client);
    tear_down();
}

/* ---- deadlines
 * --------------------------------------------------------------------------------- */

static void a_slow_head_is_ended_whatever_trickles_in(void)
{
    const uint64_t before = refusal_total(REFUSAL_REQUEST_TIMEOUT);
    set_up();
    struct web_client *client = talk("GET /hello HTTP/1.1\r\n");

    web_pass(&web, HTTP_HEAD_TIMEOUT - SEC(1));
    T_EQ(client->n, 0);
    web_say(client, "X: y\r\n"); /* wins no time */
    web_pass(&web, HTTP_HEAD_TIMEOUT + SEC(1));
    T_OK(begins(client, "HTTP/1.1 408 "));
    T_EQ(refusal_total(REFUSAL_REQUEST_TIMEOUT), before + 1);
    web_pass(&web, HTTP_HEAD_TIMEOUT + SEC(10));
    T_OK(client->ended);
    web_free(client);
    tear_down();
}

static void a_slow_body_is_ended_whatever_trickles_in(void)
{
    set_up();
    struct web_client *client =
        talk("POST /mirror HTTP/1.1\r\nHost: here\r\nContent-Length: 5\r\n\r\na");

    web_pass(&web, HTTP_BODY_TIMEOUT - SEC(1));
    T_EQ(client->n, 0);
    web_say(client, "b");
    web_pass(&web, HTTP_BODY_TIMEOUT + SEC(1));
    T_OK(begins(client, "HTTP/1.1 408 "));
    T_EQ(calls, 0);
    web_free(client);
    tear_down();
}

static void an_idle_connection_is_closed_without_a_word(void)
{
    set_up();
    struct web_client *client = talk(GET("/hello"));
    const size_t n = client->n;

    web_pass(&web, HTTP_IDLE_TIMEOUT - SEC(1));
    T_OK(!client->ended);
    web_pass(&web, HTTP_IDLE_TIMEOUT + SEC(1));
    T_OK(client->ended);
    T_EQ(client->n, n);
    web_free(client);
    tear_down();
}

static void a_client_that_reads_nothing_is_cut_off(void)
{
    const uint64_t before = refusal_total(REFUSAL_SLOW_READER);
    set_up();
    struct web_client *client = web_connect(&web);

    web_read(client, false);
    web_say(client, GET("/large"));
    T_EQ(released, 0);
    web_pass(&web, HTTP_STALL_TIMEOUT + SEC(1));
    T_OK(client->ended);
    T_EQ(released, 1);
    T_EQ(refusal_total(REFUSAL_SLOW_READER), before + 1);
    web_free(client);
    tear_down();
}

static void a_large_answer_arrives_whole(void)
{
    set_up();
    struct web_client *client = talk(GET("/large"));

    for (int i = 0; i < 100; i++)
        web_settle(&web);
    T_OK(client->n > sizeof large);
    T_EQ(released, 1);
    web_free(client);
    tear_down();
}

/* ---- requests that are kept
 * ------------------------------------------------------------------- */

static void a_kept_request_is_answered_later(void)
{
    set_up();
    struct web_client *client = talk(GET("/hold"));

    T_OK(held);
    web_pass(&web, SEC(10000)); /* no deadline ends it */
    T_EQ(client->n, 0);
    http_respond(held, 200, "text/plain", NULL, SPAN_LITERAL("at last"));
    web_settle(&web);
    T_OK(ends(client, "at last"));
    T_EQ(gone, 0);
    web_say(client, GET("/hello"));
    T_OK(ends(client, "hello"));
    web_free(client);
    T_EQ(gone, 0);
    tear_down();
}

static void the_owner_of_a_kept_request_learns_that_its_client_left(void)
{
    set_up();
    struct web_client *client = talk(GET("/hold"));

    web_hang_up(client);
    T_EQ(gone, 1);
    T_OK(!held);
    T_OK(client->ended);
    web_free(client);

    client = talk(GET("/hold")); /* and that the server is going away */
    http_server_free(web.server);
    web.server = NULL;
    T_EQ(gone, 2);
    web_free(client);
    tear_down();
}

static void pipelined_requests_are_answered_in_order(void)
{
    set_up();
    struct web_client *client = talk(GET("/hold") GET("/hello") GET("/hello"));

    T_EQ(calls, 0);
    http_respond(held, 200, "text/plain", NULL, SPAN_LITERAL("first"));
    T_EQ(calls, 0); /* no handler is called from inside http_respond */
    web_settle(&web);
    T_EQ(calls, 2);
    T_EQ(count(client, "HTTP/1.1 200"), 3);
    T_OK(strstr(client->text, "first") < strstr(client->text, "hello"));
    web_free(client);
    tear_down();
}

static void a_pipeliner_that_does_not_read_makes_no_endless_queue(void)
{
    set_up();
    struct web_client *client = web_connect(&web);

    web_read(client, false);
    for (int i = 0; i < 3000; i++)
        bufferevent_write(client->bev, GET("/hello"), sizeof GET("/hello") - 1);
    web_settle(&web);
    T_OK(calls > 100);
    T_OK(calls < 400); /* 64 kB of answers */
    web_read(client, true);
    for (int i = 0; i < 100; i++)
        web_settle(&web);
    T_EQ(calls, 3000);
    T_EQ(count(client, "HTTP/1.1 200"), 3000);
    web_free(client);
    tear_down();
}

/* ---- bodies
 * ------------------------------------------------------------------------------------ */

static void bodies_up_to_the_limit_are_whole(void)
{
    set_up();
    struct web_client *client =
        talk("POST /small HTTP/1.1\r\nHost: here\r\nContent-Length: 10\r\n\r\n0123456789");

    T_OK(ends(client, ": 0123456789"));
    web_take(client, client->n);
    web_say(client, "POST /small HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "4;x=y\r\n0123\r\n6\r\n456789\r\n0\r\nTrailer: x\r\n\r\n");
    T_OK(ends(client, ": 0123456789"));
    web_free(client);
    tear_down();
}

static void a_body_of_a_million_bytes_comes_through(void)
{
    static char body[HTTP_BODY_MAX];
    set_up();
    struct web_client *client =
        talk("POST /mirror HTTP/1.1\r\nHost: here\r\nContent-Length: 1000000\r\n\r\n");

    memset(body, 'x', sizeof body);
    bufferevent_write(client->bev, body, sizeof body);
    for (int i = 0; i < 100 && calls == 0; i++)
        web_settle(&web);
    T_EQ(calls, 1);
    T_OK(begins(client, "HTTP/1.1 200 "));
    web_free(client);
    tear_down();
}

static void leave_to_continue_is_given_when_asked_for(void)
{
    set_up();
    struct web_client *client =
        talk("POST /mirror HTTP/1.1\r\nHost: here\r\nContent-Length: 2\r\n"
             "Expect: 100-continue\r\n\r\n");

    T_STR(client->text, "HTTP/1.1 100 Continue\r\n\r\n");
    web_say(client, "hi");
    T_OK(ends(client, ": hi"));
    web_take(client, client->n);
    web_say(client, "POST /small HTTP/1.1\r\nHost: here\r\nContent-Length: 20\r\n"
                    "Expect: 100-continue\r\n\r\n");
    T_OK(begins(client, "HTTP/1.1 413 "));
    web_free(client);
    tear_down();
}

/* ---- origins and proxies
 * ------------------------------------------------------------------------ */

static void an_allowed_origin_is_echoed_with_credentials(void)
{
    set_up();
    struct web_client *client =
        talk("GET /cors HTTP/1.1\r\nHost: here\r\nOrigin: https://app.example.org\r\n\r\n");

    T_OK(begins(client, "HTTP/1.1 200 "));
    T_OK(has(client, "\r\nAccess-Control-Allow-Origin: https://app.example.org\r\n"));
    T_OK(has(client, "\r\nAccess-Control-Allow-Credentials: true\r\n"));
    T_OK(has(client, "\r\nVary: Origin\r\n"));
    web_take(client, client->n);
    web_say(client, GET("/cors"));
    T_OK(begins(client, "HTTP/1.1 200 "));
    T_OK(!has(client, "Access-Control"));
    T_OK(has(client, "\r\nVary: Origin\r\n"));
    web_free(client);
    tear_down();
}

static void a_preflight_is_answered_by_the_server(void)
{
    set_up();
    struct web_client *client =
        talk("OPTIONS /cors HTTP/1.1\r\nHost: here\r\nOrigin: https://app.example.org\r\n"
             "Access-Control-Request-Method: POST\r\n"
             "Access-Control-Request-Headers: content-type,x-y\r\n\r\n");

    T_OK(begins(client, "HTTP/1.1 204 No Content\r\n"));
    T_OK(has(client, "\r\nAccess-Control-Allow-Methods: GET, HEAD, POST, OPTIONS\r\n"));
    T_OK(has(client, "\r\nAccess-Control-Allow-Headers: content-type,x-y\r\n"));
    T_OK(has(client, "\r\nAccess-Control-Allow-Origin: https://app.example.org\r\n"));
    T_OK(!has(client, "Content-Length"));
    T_EQ(calls, 0);
    web_free(client);
    tear_down();
}

static void a_trusted_proxy_tells_the_client(void)
{
    set_up();
    struct web_client *client = web_connect_from(&web, "10.1.2.3:555");

    web_say(client, "GET /mirror HTTP/1.1\r\nHost: here\r\nX-Forwarded-For: 203.0.113.9\r\n"
                    "X-Forwarded-Proto: https\r\n\r\n");
    T_OK(strstr(seen, " from 203.0.113.9"));
    T_OK(strstr(seen, " by TLS"));
    web_free(client);
    client = web_connect_from(&web, "198.51.100.7:555");
    web_say(client,
            "GET /mirror HTTP/1.1\r\nHost: here\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n");
    T_OK(strstr(seen, " from 198.51.100.7:555"));
    web_free(client);
    tear_down();
}

/* ---- draining, recognition
 * ---------------------------------------------------------------------- */

static void draining_ends_idle_connections_and_answers_the_others(void)
{
    set_up();
    struct web_client *idle = talk(GET("/hello"));
    struct web_client *busy = talk(GET("/hold"));

    http_server_drain(web.server);
    web_settle(&web);
    T_OK(idle->ended);
    T_OK(!busy->ended);
    http_respond(held, 200, "text/plain", NULL, SPAN_LITERAL("bye"));
    web_settle(&web);
    T_OK(has(busy, "\r\nConnection: close\r\n") && ends(busy, "bye"));
    T_OK(busy->ended);
    web_free(idle);
    web_free(busy);
    tear_down();
}

static void the_counters_are_on_the_metrics_page(void)
{
    set_up();
    T_EQ(http_server_register_metrics(web.server), RC_OK);
    struct web_client *client = talk(GET("/hello"));
    char *page = metrics_write();

    T_OK(strstr(page, "\nmeetopia_http_requests_total 1\n"));
    T_OK(strstr(page, "\nmeetopia_http_responses_total{class=\"2xx\"} 1\n"));
    T_OK(strstr(page, "\nmeetopia_http_connections 1\n"));
    free(page);
    web_free(client);
    tear_down();
    page = metrics_write();
    T_OK(!page || !strstr(page, "meetopia_http_requests_total"));
    free(page);
}

static void the_first_bytes_are_recognised(void)
{
    static const struct {
        const char *bytes;
        enum recognition what;
    } rows[] = {
        {"", RECOGNISED_MORE},           {"G", RECOGNISED_MORE},
        {"GET", RECOGNISED_MORE},        {"GET ", RECOGNISED_YES},
        {"GET / H", RECOGNISED_YES},     {"POST ", RECOGNISED_YES},
        {"OPTIONS ", RECOGNISED_YES},    {"P", RECOGNISED_MORE},
        {"PX", RECOGNISED_NO},           {"get ", RECOGNISED_NO},
        {"\x16\x03\x01", RECOGNISED_NO}, {"\r\n", RECOGNISED_NO},
        {"\x01\x01", RECOGNISED_NO},
    };
    set_up();
    const struct listener_protocol protocol = http_server_protocol(web.server);

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        T_EQ(protocol.recognise((const uint8_t *)rows[i].bytes, strlen(rows[i].bytes)),
             rows[i].what);
    tear_down();
}

static const struct t_case cases[] = {
    T_CASE(a_request_is_answered_and_the_connection_kept),
    T_CASE(head_gets_the_length_and_no_body),
    T_CASE(bytes_one_at_a_time_are_the_same_request),
    T_CASE(closes_when_the_client_wants_it_or_speaks_http_1_0),
    T_CASE(an_answer_before_a_half_closed_client_still_arrives),
    T_CASE(the_longest_prefix_wins_and_sets_its_policies),
    T_CASE(a_line_end_in_a_field_is_a_500_and_no_second_answer),
    T_CASE(every_refusal_has_its_status_code_and_counter),
    T_CASE(a_refused_method_is_told_what_is_allowed),
    T_CASE(after_a_refused_body_nothing_else_is_read_as_a_request),
    T_CASE(a_head_that_never_ends_is_refused_by_its_size),
    T_CASE(a_slow_head_is_ended_whatever_trickles_in),
    T_CASE(a_slow_body_is_ended_whatever_trickles_in),
    T_CASE(an_idle_connection_is_closed_without_a_word),
    T_CASE(a_client_that_reads_nothing_is_cut_off),
    T_CASE(a_large_answer_arrives_whole),
    T_CASE(a_kept_request_is_answered_later),
    T_CASE(the_owner_of_a_kept_request_learns_that_its_client_left),
    T_CASE(pipelined_requests_are_answered_in_order),
    T_CASE(a_pipeliner_that_does_not_read_makes_no_endless_queue),
    T_CASE(bodies_up_to_the_limit_are_whole),
    T_CASE(a_body_of_a_million_bytes_comes_through),
    T_CASE(leave_to_continue_is_given_when_asked_for),
    T_CASE(an_allowed_origin_is_echoed_with_credentials),
    T_CASE(a_preflight_is_answered_by_the_server),
    T_CASE(a_trusted_proxy_tells_the_client),
    T_CASE(draining_ends_idle_connections_and_answers_the_others),
    T_CASE(the_counters_are_on_the_metrics_page),
    T_CASE(the_first_bytes_are_recognised),
};
T_MAIN(cases)
