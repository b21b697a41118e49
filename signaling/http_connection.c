/*
 * signaling/http_connection.c - one HTTP connection: reads requests, keeps deadlines, closes.
 *
 * Whatever calls a handler does so last: the connection may have been taken over when it
 * returns. http_connection_run holds `busy`, which puts off the freeing until the stack is
 * unwound.
 */
#include "signaling/http_connection.h"

#include "signaling/forwarded.h"

#include <stdlib.h>
#include <string.h>

enum {
    READ_AHEAD = 64 * 1024, /* bytes that may wait behind a request that is being answered */
    BODY_START = 4096,      /* first allocation for a body, whatever its length claims to be */
};

static void set_phase(struct http_connection *connection, enum http_phase phase)
{
    connection->phase = phase;
}

static usec_t option(usec_t set, usec_t initial)
{
    return set ? set : initial;
}

static size_t unwritten(const struct http_connection *connection)
{
    return evbuffer_get_length(bufferevent_get_output(connection->bev));
}

/* Sets the one timer to what the phase waits for. */
static void arm(struct http_connection *connection, usec_t now)
{
    const struct http_options *options = &connection->server->options;
    struct timers *timers = loop_timers(connection->server->loop);
    usec_t due = USEC_NEVER;

    switch (connection->phase) {
    case HTTP_IDLE:
    case HTTP_FLUSH:
        connection->unwritten = unwritten(connection);
        due = now + (connection->unwritten > 0
                         ? option(options->stall_timeout, HTTP_STALL_TIMEOUT)
                         : option(options->idle_timeout, HTTP_IDLE_TIMEOUT));
        break;
    case HTTP_HEAD_PHASE:
        due = connection->started + option(options->head_timeout, HTTP_HEAD_TIMEOUT);
        break;
    case HTTP_BODY:
        due = connection->started + option(options->body_timeout, HTTP_BODY_TIMEOUT);
        break;
    case HTTP_LINGER:
        due = connection->started + HTTP_LINGER_TIMEOUT;
        break;
    case HTTP_ANSWER:
    case HTTP_CLOSED:
        break;
    }
    if (connection->broken)
        due = now;
    if (due == USEC_NEVER)
        timers_clear(timers, &connection->timer);
    else
        (void)timers_set(timers, &connection->timer, due);
}

static void free_connection(struct http_connection *connection)
{
    http_exchange_free(connection->exchange);
    free(connection);
}

/* Takes the connection out of everything that could call it, all but its bufferevent. */
static void unlink_connection(struct http_connection *connection)
{
    struct counter *open = &connection->server->stats.connections_open;

    set_phase(connection, HTTP_CLOSED);
    timers_clear(loop_timers(connection->server->loop), &connection->timer);
    LIST_REMOVE(connection, link);
    counter_set(open, counter_get(open) - 1);
    bufferevent_setcb(connection->bev, NULL, NULL, NULL, NULL);
}

void http_connection_close(struct http_connection *connection)
{
    struct http_exchange *exchange = connection->exchange;
    struct bufferevent *bev = connection->bev;

    if (connection->phase == HTTP_ANSWER && exchange && exchange->gone)
        exchange->gone(&exchange->request, exchange->gone_arg);
    unlink_connection(connection);
    connection->bev = NULL;
    http_connection_release(connection->listener, bev);
    if (!connection->busy)
        free_connection(connection);
}

void http_exchange_free(struct http_exchange *exchange)
{
    if (!exchange)
        return;
    free(exchange->head_bytes);
    free(exchange->body);
    free(exchange);
}

/* ---- reading --------------------------------------------------------------------------------
 */

/* Hands the request to its handler, which may answer at once, later, or take the connection. */
static void hand_over(struct http_connection *connection)
{
    struct http_exchange *exchange = connection->exchange;

    set_phase(connection, HTTP_ANSWER);
    exchange->request.body = (struct span){exchange->body, exchange->body_n};
    arm(connection, loop_now(connection->server->loop));
    exchange->route->handle(&exchange->request, exchange->route->arg);
}

static void publish_request(struct http_exchange *exchange)
{
    struct http_connection *connection = exchange->connection;
    const struct http_options *options = &connection->server->options;
    const struct http_head *head = &exchange->head;
    const struct forwarded client =
        forwarded_resolve(head, &connection->from, connection->tls, options->trusted_proxies,
                          options->trusted_proxy_count);

    exchange->request = (struct http_request){
        .method = head->method,
        .method_name = head->method_name,
        .path = head->path,
        .query = head->query,
        .from = client.from,
        .tls = client.tls,
    };
}

/* A complete head lies in the first n bytes of the input. */
static bool take_head(struct http_connection *connection, size_t n)
{
    struct http_exchange *exchange = calloc(1, sizeof *exchange);
    uint8_t *bytes = malloc(n);
    enum refusal why;

    if (!exchange || !bytes) {
        free(exchange);
        free(bytes);
        http_answer_malformed(connection, 503, REFUSAL_SERVER_FULL);
        return false;
    }
    exchange->connection = connection;
    exchange->head_bytes = bytes;
    evbuffer_remove(bufferevent_get_input(connection->bev), bytes, n);
    counter_add(&connection->server->stats.requests, 1);

    const int status = http_head_parse(bytes, n, &exchange->head, &why);
    if (status != 0) {
        http_exchange_free(exchange);
        http_answer_malformed(connection, status, why);
        return false;
    }
    connection->exchange = exchange;
    connection->close = !exchange->head.keep_alive || connection->server->draining;
    publish_request(exchange);
    return true;
}

static bool has_body(const struct http_head *head)
{
    return head->chunked || head->content_length > 0;
}

/* RFC 9110 section 10.1.1: who waits for leave to send the body gets it. */
static void send_continue(struct http_connection *connection)
{
    const struct http_head *head = &connection->exchange->head;

    if (!head->http_1_0 && http_head_field(head, "Expect", 0) &&
        evbuffer_get_length(bufferevent_get_input(connection->bev)) == 0)
        bufferevent_write(connection->bev, "HTTP/1.1 100 Continue\r\n\r\n", 25);
}

/* RFC 9112 section 2.2: an empty line before a request is skipped. False: nothing else is there
 * yet, or half of one. */
static bool skip_empty_lines(struct evbuffer *input)
{
    for (;;) {
        char two[2];
        const ev_ssize_t n = evbuffer_copyout(input, two, sizeof two);

        if (n < 1 || (n == 1 && two[0] == '\r'))
            return false;
        if (n == 1 || two[0] != '\r' || two[1] != '\n')
            return true;
        evbuffer_drain(input, 2);
    }
}

/* Length of the head that the first `look` bytes begin with, or 0. It mostly lies in one piece:
 * the input is joined only when it does not. */
static size_t find_head(const struct http_connection *connection, struct evbuffer *input,
                        size_t look)
{
    const size_t first = evbuffer_get_contiguous_space(input);
    const size_t there = first < look ? first : look;
    size_t n = http_head_end((struct span){evbuffer_pullup(input, (ev_ssize_t)there), there},
                             connection->seen);
    if (n == 0 && there < look) {
        const uint8_t *bytes = evbuffer_pullup(input, (ev_ssize_t)look);
        n = bytes ? http_head_end((struct span){bytes, look}, connection->seen) : 0;
    }
    return n;
}

/* Reads a head if a whole one is there; true: go on with the next phase. */
static bool read_head(struct http_connection *connection)
{
    struct evbuffer *input = bufferevent_get_input(connection->bev);
    const usec_t now = loop_now(connection->server->loop);

    if (connection->phase == HTTP_IDLE) {
        if (!skip_empty_lines(input) || unwritten(connection) > HTTP_PIPELINE_MAX)
            return false;
        connection->started = now;
        connection->seen = 0;
        set_phase(connection, HTTP_HEAD_PHASE);
        arm(connection, now);
    }

    const size_t length = evbuffer_get_length(input);
    const size_t look = length < HTTP_HEAD_MAX ? length : HTTP_HEAD_MAX;
    const size_t n = find_head(connection, input, look);
    if (n == 0) {
        connection->seen = look;
        if (look == HTTP_HEAD_MAX)
            http_answer_malformed(connection, 431, REFUSAL_HEADER_TOO_LARGE);
        return false;
    }
    if (!take_head(connection, n) ||
        !http_route_request(connection->server, connection->exchange))
        return connection->phase == HTTP_IDLE;

    if (!has_body(&connection->exchange->head)) {
        hand_over(connection);
        return connection->phase == HTTP_IDLE;
    }
    connection->started = now;
    set_phase(connection, HTTP_BODY);
    arm(connection, now);
    send_continue(connection);
    return true;
}

/* Appends to the body; RC_FULL over the route's limit. */
static int append(struct http_exchange *exchange, struct span data)
{
    const size_t limit = exchange->route->max_body ? exchange->route->max_body : HTTP_BODY_MAX;

    if (data.n == 0)
        return RC_OK;
    if (data.n > limit - exchange->body_n)
        return RC_FULL;
    if (data.n > exchange->body_size - exchange->body_n) {
        size_t size = exchange->body_size ? exchange->body_size * 2 : BODY_START;
        while (size - exchange->body_n < data.n)
            size *= 2;
        uint8_t *body = realloc(exchange->body, size);
        if (!body)
            return RC_NOMEM;
        exchange->body = body;
        exchange->body_size = size;
    }
    memcpy(exchange->body + exchange->body_n, data.p, data.n);
    exchange->body_n += data.n;
    return RC_OK;
}

static bool body_complete(const struct http_exchange *exchange)
{
    if (exchange->head.chunked)
        return chunked_done(&exchange->chunked);
    return exchange->body_n == exchange->head.content_length;
}

/* Takes what belongs to the body from one piece of input; how much that was, or an error. */
static int take_body(struct http_exchange *exchange, struct span in)
{
    struct span data = in;
    int used;

    if (exchange->head.chunked) {
        used = chunked_input(&exchange->chunked, in, &data);
        if (used < 0)
            return used;
    } else {
        const uint64_t missing = exchange->head.content_length - exchange->body_n;

        if (data.n > missing)
            data.n = (size_t)missing;
        used = (int)data.n;
    }
    const int rc = append(exchange, data);
    return rc == RC_OK ? used : rc;
}

static bool read_body(struct http_connection *connection)
{
    struct evbuffer *input = bufferevent_get_input(connection->bev);
    struct http_exchange *exchange = connection->exchange;
    struct evbuffer_iovec piece;

    while (!body_complete(exchange) && evbuffer_peek(input, -1, NULL, &piece, 1) > 0) {
        const size_t n = piece.iov_len < INT32_MAX ? piece.iov_len : INT32_MAX;
        const int used = take_body(exchange, (struct span){piece.iov_base, n});

        if (used < 0) {
            const bool malformed = used == RC_BAD;
            const bool too_large = used == RC_FULL;
            http_answer_malformed(connection,
                                  malformed   ? 400
                                  : too_large ? 413
                                              : 503,
                                  malformed   ? REFUSAL_BAD_HTTP
                                  : too_large ? REFUSAL_BODY_TOO_LARGE
                                              : REFUSAL_SERVER_FULL);
            return false;
        }
        evbuffer_drain(input, (size_t)used);
    }
    if (!body_complete(exchange))
        return false;
    hand_over(connection);
    return connection->phase == HTTP_IDLE;
}

/* One step; true: there may be another. */
static bool step(struct http_connection *connection)
{
    switch (connection->phase) {
    case HTTP_IDLE:
    case HTTP_HEAD_PHASE:
        return read_head(connection);
    case HTTP_BODY:
        return read_body(connection);
    case HTTP_FLUSH:
    case HTTP_LINGER: {
        struct evbuffer *input = bufferevent_get_input(connection->bev);
        evbuffer_drain(input, evbuffer_get_length(input));
        return false;
    }
    case HTTP_ANSWER:
    case HTTP_CLOSED:
        break;
    }
    return false;
}

/* Stops reading while too much waits behind a request, and goes on afterwards. Not by
 * libevent's high watermark: that calls the read callback again and again until the input is
 * below it. */
static void limit_input(struct http_connection *connection)
{
    const bool full = evbuffer_get_length(bufferevent_get_input(connection->bev)) >= READ_AHEAD;

    if (full == connection->paused)
        return;
    connection->paused = full;
    if (full)
        bufferevent_disable(connection->bev, EV_READ);
    else
        bufferevent_enable(connection->bev, EV_READ);
}

static void run(struct http_connection *connection)
{
    connection->busy = true;
    while (step(connection))
        continue;
    connection->busy = false;
    if (connection->phase == HTTP_CLOSED)
        free_connection(connection);
    else
        limit_input(connection);
}

/* ---- events ---------------------------------------------------------------------------------
 */

static void on_read(struct bufferevent *bev, void *arg)
{
    struct http_connection *connection = arg;
    struct loop *loop = connection->server->loop;
    (void)bev;

    loop_enter(loop, "http read");
    run(connection);
    loop_leave(loop);
}

static void on_written(struct bufferevent *bev, void *arg)
{
    struct http_connection *connection = arg;
    struct loop *loop = connection->server->loop;
    (void)bev;

    if (connection->busy)
        return;
    loop_enter(loop, "http written");
    if (connection->phase == HTTP_FLUSH) {
        http_connection_close(connection);
    } else if (connection->phase == HTTP_IDLE) {
        arm(connection, loop_now(loop));
        run(connection);
    }
    loop_leave(loop);
}

/* The client's end. What was answered is still written if only its sending side is closed: over
 * TLS libevent reports a reset as an end, too, and writes no more after either. */
static void ended(struct http_connection *connection, bool half)
{
    const bool writing = connection->phase == HTTP_IDLE || connection->phase == HTTP_FLUSH;

    if (half && writing && unwritten(connection) > 0) {
        set_phase(connection, HTTP_FLUSH);
        arm(connection, loop_now(connection->server->loop));
        return;
    }
    http_connection_close(connection);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    struct http_connection *connection = arg;
    struct loop *loop = connection->server->loop;
    (void)bev;

    if (what & BEV_EVENT_CONNECTED)
        return;
    loop_enter(loop, "http event");
    if (connection->busy) {
        connection->broken = true;
        arm(connection, loop_now(loop));
    } else {
        ended(connection, (what & BEV_EVENT_EOF) && !connection->tls);
    }
    loop_leave(loop);
}

static void on_timer(struct timer *timer, void *arg, usec_t now)
{
    struct http_connection *connection = arg;
    (void)timer;

    if (connection->broken || connection->phase == HTTP_LINGER) {
        http_connection_close(connection);
        return;
    }
    if (connection->phase == HTTP_HEAD_PHASE || connection->phase == HTTP_BODY) {
        http_answer_malformed(connection, 408, REFUSAL_REQUEST_TIMEOUT);
        return;
    }
    const size_t left = unwritten(connection);
    if (left > 0 && left < connection->unwritten) {
        arm(connection, now);
        return;
    }
    if (left > 0)
        refuse(REFUSAL_SLOW_READER);
    /* Nothing may be left in the output, or releasing it would wait for the slow reader. */
    evbuffer_drain(bufferevent_get_output(connection->bev), left);
    http_connection_close(connection);
}

/* ---- beginning, middle and end
 * ---------------------------------------------------------------- */

struct http_connection *http_connection_open(struct http_server *server,
                                             struct listener *listener, struct bufferevent *bev,
                                             const struct address *from, bool tls)
{
    struct http_connection *connection = calloc(1, sizeof *connection);
    struct counter *open = &server->stats.connections_open;

    if (!connection)
        return NULL;
    connection->server = server;
    connection->listener = listener;
    connection->bev = bev;
    connection->from = *from;
    connection->tls = tls;
    connection->phase = HTTP_IDLE;
    timer_init(&connection->timer, on_timer, connection);
    LIST_INSERT_HEAD(&server->connections, connection, link);
    counter_set(open, counter_get(open) + 1);
    arm(connection, loop_now(server->loop));

    bufferevent_setcb(bev, on_read, on_written, on_event, connection);
    bufferevent_enable(bev, EV_READ | EV_WRITE);
    /* The first bytes are here already: nothing else would announce them. */
    bufferevent_trigger(bev, EV_READ, BEV_TRIG_IGNORE_WATERMARKS | BEV_TRIG_DEFER_CALLBACKS);
    return connection;
}

bool http_connection_unread(const struct http_connection *connection)
{
    if (connection->phase == HTTP_ANSWER)
        return false;
    return !connection->exchange || has_body(&connection->exchange->head);
}

void http_connection_answered(struct http_connection *connection)
{
    struct http_exchange *exchange = connection->exchange;
    const bool unread = http_connection_unread(connection);
    const usec_t now = loop_now(connection->server->loop);

    connection->exchange = NULL;
    http_exchange_free(exchange);
    connection->started = now;
    if (unread)
        set_phase(connection, HTTP_LINGER);
    else
        set_phase(connection, connection->close ? HTTP_FLUSH : HTTP_IDLE);
    arm(connection, now);
    /* On the next turn: what waits in the input, or the end of a connection that is written
     * out. */
    bufferevent_trigger(connection->bev, EV_READ | (unwritten(connection) ? 0 : EV_WRITE),
                        BEV_TRIG_IGNORE_WATERMARKS | BEV_TRIG_DEFER_CALLBACKS);
}

void http_take_over(struct http_request *request, struct http_connection_parts *out)
{
    struct http_connection *connection = ((struct http_exchange *)request)->connection;
    struct bufferevent *bev = connection->bev;

    *out = (struct http_connection_parts){
        .connection = bev,
        .listener = connection->listener,
        .loop = connection->server->loop,
        .from = request->from,
        .tls = request->tls,
    };
    counter_add(&connection->server->stats.take_overs, 1);
    unlink_connection(connection);
    connection->bev = NULL;
    bufferevent_disable(bev, EV_READ);
    if (!connection->busy)
        free_connection(connection);
}

void http_connection_release(struct listener *listener, struct bufferevent *connection)
{
    if (listener) {
        listener_release(listener, connection);
        return;
    }
    /* Does nothing for a socket; the other half of a pair gets what is left and the end. */
    bufferevent_flush(connection, EV_WRITE, BEV_FINISHED);
    bufferevent_free(connection);
}
