/*
 * signaling/http.c - the server: which handler gets a request, and who may ask at all.
 */
#include "signaling/http.h"

#include "signaling/http_connection.h"
#include "signaling/query.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what a handler can ask of its request
 * ---------------------------------------------------- */

static const struct http_exchange *exchange_of(const struct http_request *request)
{
    return (const struct http_exchange *)request;
}

const char *http_header(const struct http_request *request, const char *name)
{
    return http_head_field(&exchange_of(request)->head, name, 0);
}

const char *http_header_nth(const struct http_request *request, const char *name, size_t n)
{
    return http_head_field(&exchange_of(request)->head, name, n);
}

int http_query(const struct http_request *request, const char *name, char *buf, size_t size)
{
    return query_get(request->query, name, buf, size);
}

bool http_query_has(const struct http_request *request, const char *name)
{
    return query_has(request->query, name);
}

void http_on_gone(struct http_request *request,
                  void (*gone)(struct http_request *request, void *arg), void *arg)
{
    struct http_exchange *exchange = (struct http_exchange *)request;

    exchange->gone = gone;
    exchange->gone_arg = arg;
}

/* ---- routes ---------------------------------------------------------------------------------
 */

static const struct http_route *find_route(const struct http_options *options, const char *path)
{
    const struct http_route *best = NULL;
    size_t best_n = 0;

    for (size_t i = 0; i < options->route_count; i++) {
        const struct http_route *route = &options->routes[i];
        const size_t n = strlen(route->path);

        if (!route->prefix && strcmp(route->path, path) == 0)
            return route;
        if (route->prefix && strncmp(route->path, path, n) == 0 && (!best || n > best_n)) {
            best = route;
            best_n = n;
        }
    }
    return best;
}

static bool allows(const struct http_route *route, unsigned method)
{
    if (method == METHOD_HEAD)
        return route->methods & (METHOD_HEAD | METHOD_GET);
    return route->methods & method;
}

/* "GET, HEAD, POST" */
static void list_methods(const struct http_route *route, char *buf, size_t size)
{
    static const struct {
        unsigned method;
        const char *name;
    } names[] = {
        {METHOD_GET, "GET"},         {METHOD_HEAD, "HEAD"},     {METHOD_POST, "POST"},
        {METHOD_PUT, "PUT"},         {METHOD_DELETE, "DELETE"}, {METHOD_PATCH, "PATCH"},
        {METHOD_OPTIONS, "OPTIONS"},
    };
    size_t n = 0;

    buf[0] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const bool own = names[i].method == METHOD_OPTIONS && route->cors;
        if (n < size && (own || allows(route, names[i].method)))
            n += (size_t)snprintf(buf + n, size - n, "%s%s", n ? ", " : "", names[i].name);
    }
}

static void refuse_method(struct http_exchange *exchange)
{
    char methods[80];
    const struct http_field fields[] = {{"Allow", methods}, {NULL, NULL}};

    list_methods(exchange->route, methods, sizeof methods);
    http_refuse_fields(&exchange->request, 405, REFUSAL_METHOD_NOT_ALLOWED, fields);
}

/* The browser's question before the request itself (Fetch standard, CORS preflight). */
static void answer_preflight(struct http_exchange *exchange)
{
    char methods[80];
    const char *headers = http_head_field(&exchange->head, "Access-Control-Request-Headers", 0);
    const struct http_field fields[] = {
        {"Access-Control-Allow-Methods", methods},
        {"Access-Control-Max-Age", "600"},
        {headers ? "Access-Control-Allow-Headers" : NULL, headers},
        {NULL, NULL},
    };

    list_methods(exchange->route, methods, sizeof methods);
    http_respond(&exchange->request, 204, NULL, fields, (struct span){0});
}

static bool is_preflight(const struct http_exchange *exchange)
{
    return exchange->cors_allowed && exchange->head.method == METHOD_OPTIONS &&
           http_head_field(&exchange->head, "Access-Control-Request-Method", 0);
}

/* May a page of this origin use the route? More than one Origin is none that we know. */
static bool check_origin(struct http_exchange *exchange)
{
    const struct http_head *head = &exchange->head;

    if (!exchange->route->cors)
        return true;
    if (http_head_field(head, "Origin", 1))
        return false;
    const enum cors_verdict verdict =
        cors_check(exchange->route->cors, http_head_field(head, "Origin", 0),
                   http_head_field(head, "Host", 0));
    exchange->cors_allowed = verdict == CORS_ALLOWED;
    return verdict != CORS_REFUSED;
}

bool http_route_request(struct http_server *server, struct http_exchange *exchange)
{
    struct http_request *request = &exchange->request;

    exchange->route = find_route(&server->options, request->path);
    if (!exchange->route) {
        http_refuse(request, 404, REFUSAL_NOT_FOUND);
        return false;
    }
    if (!check_origin(exchange)) {
        http_refuse(request, 403, REFUSAL_ORIGIN_REFUSED);
        return false;
    }
    if (is_preflight(exchange)) {
        answer_preflight(exchange);
        return false;
    }
    if (!allows(exchange->route, request->method)) {
        refuse_method(exchange);
        return false;
    }
    const size_t limit = exchange->route->max_body ? exchange->route->max_body : HTTP_BODY_MAX;
    if (exchange->head.content_length > limit) {
        http_refuse(request, 413, REFUSAL_BODY_TOO_LARGE);
        return false;
    }
    return true;
}

/* ---- the server
 * ------------------------------------------------------------------------------ */

int http_server_create(struct http_server **out, struct loop *loop,
                       const struct http_options *options)
{
    struct http_server *server = calloc(1, sizeof *server);

    if (!server)
        return RC_NOMEM;
    server->loop = loop;
    server->options = *options;
    server->date_second = -1;
    LIST_INIT(&server->connections);
    server->scratch = evbuffer_new();
    if (!server->scratch) {
        free(server);
        return RC_NOMEM;
    }
    *out = server;
    return RC_OK;
}

void http_server_free(struct http_server *server)
{
    struct http_connection *connection;

    if (!server)
        return;
    while ((connection = LIST_FIRST(&server->connections)))
        http_connection_close(connection);
    metrics_remove(server, sizeof *server);
    evbuffer_free(server->scratch);
    free(server);
}

void http_server_drain(struct http_server *server)
{
    struct http_connection *connection = LIST_FIRST(&server->connections);

    server->draining = true;
    while (connection) {
        struct http_connection *next = LIST_NEXT(connection, link);

        connection->close = true;
        if (connection->phase == HTTP_IDLE)
            http_connection_close(connection);
        connection = next;
    }
}

struct http_stats *http_server_stats(struct http_server *server)
{
    return &server->stats;
}

int http_server_register_metrics(struct http_server *server)
{
    static const char *const labels[] = {
        NULL,           "class=\"1xx\"", "class=\"2xx\"", "class=\"3xx\"", "class=\"4xx\"",
        "class=\"5xx\""};
    struct http_stats *stats = &server->stats;
    int rc =
        metrics_add("meetopia_http_requests_total", "",
                    "HTTP requests, malformed ones included", METRIC_COUNTER, &stats->requests);

    for (size_t i = 2; rc == RC_OK && i < ARRAY_LEN(labels); i++)
        rc = metrics_add("meetopia_http_responses_total", labels[i], "HTTP answers by status",
                         METRIC_COUNTER, &stats->responses[i]);
    if (rc == RC_OK)
        rc = metrics_add("meetopia_http_connections", "",
                         "HTTP connections, WebSockets left out", METRIC_GAUGE,
                         &stats->connections_open);
    if (rc == RC_OK)
        rc = metrics_add("meetopia_http_upgrades_total", "",
                         "connections that became WebSockets", METRIC_COUNTER,
                         &stats->take_overs);
    return rc;
}

/* ---- the listener's side
 * ---------------------------------------------------------------------- */

static enum recognition recognise(const uint8_t *first, size_t n)
{
    static const char *const methods[] = {"GET ",    "POST ",  "HEAD ",    "OPTIONS ", "PUT ",
                                          "DELETE ", "PATCH ", "CONNECT ", "TRACE "};
    bool more = false;

    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        const size_t length = strlen(methods[i]);
        const size_t shared = n < length ? n : length;

        if (memcmp(first, methods[i], shared) != 0)
            continue;
        if (shared == length)
            return RECOGNISED_YES;
        more = true;
    }
    return more ? RECOGNISED_MORE : RECOGNISED_NO;
}

static void accept_connection(void *arg, struct listener *listener,
                              struct bufferevent *connection, const struct address *from,
                              bool tls)
{
    http_server_accept(arg, listener, connection, from, tls);
}

struct listener_protocol http_server_protocol(struct http_server *server)
{
    return (struct listener_protocol){
        .name = "http", .recognise = recognise, .accept = accept_connection, .arg = server};
}

void http_server_accept(struct http_server *server, struct listener *listener,
                        struct bufferevent *connection, const struct address *from, bool tls)
{
    if (!http_connection_open(server, listener, connection, from, tls)) {
        refuse(REFUSAL_CONNECTION_LIMIT);
        http_connection_release(listener, connection);
    }
}
