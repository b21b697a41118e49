/*
 * signaling/http_answer.c - puts an answer together and writes it.
 */
#include "signaling/http_connection.h"

#include "core/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define POLICY_NOTHING "default-src 'none'; frame-ancestors 'none'"

struct answer {
    int status;
    const char *type;                /* may be NULL */
    const struct http_field *fields; /* may be NULL */
    struct span body;
    http_release_fn *release; /* NULL: the body is copied */
    void *arg;
};

/* RFC 9110 section 5.6.7. Made anew once a second. */
static const char *date(struct http_server *server)
{
    const time_t second = (time_t)(clock_wall() / SEC(1));
    struct tm parts;

    if (second != server->date_second && gmtime_r(&second, &parts)) {
        strftime(server->date, sizeof server->date, "%a, %d %b %Y %H:%M:%S GMT", &parts);
        server->date_second = second;
    }
    return server->date;
}

/* RFC 9112 section 11.1: a value with a line end in it would be two fields, or a second answer.
 */
bool http_fields_clean(const struct http_field *fields)
{
    for (; fields && fields->name; fields++) {
        if (strpbrk(fields->name, "\r\n: ") || strpbrk(fields->value, "\r\n"))
            return false;
    }
    return true;
}

static bool has_length(int status)
{
    return status >= 200 && status != 204 && status != 304;
}

static void add_security(struct evbuffer *out, const struct http_route *route)
{
    const char *policy =
        route && route->content_policy ? route->content_policy : POLICY_NOTHING;
    const char *frame = route && route->frame_options ? route->frame_options : "DENY";

    evbuffer_add_printf(out,
                        "X-Content-Type-Options: nosniff\r\n"
                        "Referrer-Policy: no-referrer\r\n"
                        "Content-Security-Policy: %s\r\n",
                        policy);
    if (*frame)
        evbuffer_add_printf(out, "X-Frame-Options: %s\r\n", frame);
}

static void add_cors(struct evbuffer *out, const struct http_exchange *exchange)
{
    if (!exchange || !exchange->route || !exchange->route->cors)
        return;
    evbuffer_add_printf(out, "Vary: Origin\r\n");
    if (exchange->cors_allowed)
        evbuffer_add_printf(out,
                            "Access-Control-Allow-Origin: %s\r\n"
                            "Access-Control-Allow-Credentials: true\r\n",
                            http_head_field(&exchange->head, "Origin", 0));
}

static void add_head(struct evbuffer *out, struct http_connection *connection,
                     const struct answer *answer)
{
    const struct http_exchange *exchange = connection->exchange;

    evbuffer_add_printf(out, "HTTP/1.1 %d %s\r\nDate: %s\r\nConnection: %s\r\n", answer->status,
                        http_status_text(answer->status), date(connection->server),
                        connection->close ? "close" : "keep-alive");
    if (has_length(answer->status))
        evbuffer_add_printf(out, "Content-Length: %zu\r\n", answer->body.n);
    if (answer->type)
        evbuffer_add_printf(out, "Content-Type: %s\r\n", answer->type);
    add_security(out, exchange ? exchange->route : NULL);
    add_cors(out, exchange);
    for (const struct http_field *field = answer->fields; field && field->name; field++)
        evbuffer_add_printf(out, "%s: %s\r\n", field->name, field->value);
    evbuffer_add(out, "\r\n", 2);
}

/* Adds the body, or drops it where the method or the status wants none. */
static void add_body(struct evbuffer *out, const struct http_exchange *exchange,
                     const struct answer *answer)
{
    const struct span body = answer->body;
    const bool none = (exchange && exchange->head.method == METHOD_HEAD) ||
                      !has_length(answer->status) || body.n == 0;

    if (answer->release && (none || evbuffer_add_reference(out, body.p, body.n, answer->release,
                                                           answer->arg) != 0))
        answer->release(body.p, body.n, answer->arg);
    else if (!none && !answer->release)
        evbuffer_add(out, body.p, body.n);
}

/* Writes the answer and lets the connection go on. */
static void write_answer(struct http_connection *connection, const struct answer *answer)
{
    struct http_server *server = connection->server;
    const bool busy = connection->busy;

    if (http_connection_unread(connection) || server->draining)
        connection->close = true;
    counter_add(&server->stats.responses[answer->status / 100 % 6], 1);
    add_head(server->scratch, connection, answer);
    add_body(server->scratch, connection->exchange, answer);

    /* A TLS connection may find out here that it is broken. */
    connection->busy = true;
    bufferevent_write_buffer(connection->bev, server->scratch);
    connection->busy = busy;
    http_connection_answered(connection);
}

static void respond(struct http_request *request, const struct answer *answer)
{
    struct http_connection *connection = ((struct http_exchange *)request)->connection;

    if (http_fields_clean(answer->fields)) {
        write_answer(connection, answer);
        return;
    }
    if (answer->release)
        answer->release(answer->body.p, answer->body.n, answer->arg);
    const struct answer failure = {.status = 500};
    write_answer(connection, &failure);
}

void http_respond(struct http_request *request, int status, const char *type,
                  const struct http_field *fields, struct span body)
{
    const struct answer answer = {
        .status = status, .type = type, .fields = fields, .body = body};

    respond(request, &answer);
}

void http_respond_borrowed(struct http_request *request, int status, const char *type,
                           const struct http_field *fields, struct span body,
                           http_release_fn *release, void *arg)
{
    const struct answer answer = {.status = status,
                                  .type = type,
                                  .fields = fields,
                                  .body = body,
                                  .release = release,
                                  .arg = arg};

    respond(request, &answer);
}

/* ---- refusals -------------------------------------------------------------------------------
 */

#define REFUSAL_BODY_MAX 256

static struct span refusal_body(enum refusal why, char buf[static REFUSAL_BODY_MAX])
{
    const int n = snprintf(buf, REFUSAL_BODY_MAX, "{\"code\":\"%s\",\"message\":\"%s\"}",
                           refusal_code(why), refusal_text(why));
    return (struct span){(const uint8_t *)buf, (size_t)n};
}

void http_refuse_with(struct http_request *request, int status, enum refusal why,
                      const struct http_field *fields, struct span body)
{
    refuse(why);
    http_respond(request, status, HTTP_JSON, fields, body);
}

void http_refuse_fields(struct http_request *request, int status, enum refusal why,
                        const struct http_field *fields)
{
    char buf[REFUSAL_BODY_MAX];

    http_refuse_with(request, status, why, fields, refusal_body(why, buf));
}

void http_refuse(struct http_request *request, int status, enum refusal why)
{
    http_refuse_fields(request, status, why, NULL);
}

void http_answer_malformed(struct http_connection *connection, int status, enum refusal why)
{
    char buf[REFUSAL_BODY_MAX];
    const struct answer answer = {
        .status = status, .type = HTTP_JSON, .body = refusal_body(refuse(why), buf)};

    connection->close = true;
    write_answer(connection, &answer);
}
