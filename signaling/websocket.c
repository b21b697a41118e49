/*
 * signaling/websocket.c - a WebSocket on its bufferevent: handshake, sending, closing.
 *
 * What arrives is understood by websocket_reader; this file acts on it. `closed` is always
 * called from the loop: what ends inside a function of the owner is put off to the timer.
 */
#include "signaling/websocket.h"

#include "signaling/websocket_handshake.h"
#include "signaling/websocket_reader.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

enum websocket_phase {
    PHASE_OPEN,
    PHASE_CLOSING, /* our Close is sent, the client's is awaited */
    PHASE_FLUSH,   /* nothing more is read; written out, then closed */
    PHASE_LINGER,  /* the client broke the protocol: read over the rest so that it sees why */
    PHASE_CUT,     /* to be ended by the timer, which is due */
};

struct websocket {
    LIST_ENTRY(websocket) link;
    struct websockets *all;                      /* borrowed */
    struct bufferevent *bev;                     /* owned */
    struct listener *listener;                   /* borrowed, may be NULL */
    const struct websocket_callbacks *callbacks; /* borrowed; NULL: nobody wants to know */
    void *arg;
    struct timer timer;
    struct websocket_reader reader;
    size_t output_max;
    struct address from;
    enum websocket_phase phase;
    uint16_t code;
    uint16_t why; /* enum refusal */
    bool busy;    /* inside on_read or a write: ending is put off */
    bool discard; /* what is unwritten is not worth waiting for */
};

LIST_HEAD(websocket_list, websocket);

struct websockets {
    struct loop *loop; /* borrowed */
    struct websocket_shop shop;
    struct websocket_list list;
    size_t count;
};

static struct evbuffer *output_of(const struct websocket *ws)
{
    return bufferevent_get_output(ws->bev);
}

static void set_timer(struct websocket *ws, usec_t after)
{
    const usec_t now = loop_now(ws->all->loop);

    (void)timers_set(loop_timers(ws->all->loop), &ws->timer, now + after);
}

static void clear_timer(struct websocket *ws)
{
    timers_clear(loop_timers(ws->all->loop), &ws->timer);
}

/* The edges that exist: OPEN → CLOSING, FLUSH, LINGER; CLOSING → FLUSH, LINGER; any → CUT. */
static void set_phase(struct websocket *ws, enum websocket_phase phase)
{
    ws->phase = phase;
    switch (phase) {
    case PHASE_OPEN:
        break;
    case PHASE_CLOSING:
    case PHASE_FLUSH:
        set_timer(ws, WEBSOCKET_CLOSE_TIMEOUT);
        break;
    case PHASE_LINGER:
        set_timer(ws, HTTP_LINGER_TIMEOUT);
        break;
    case PHASE_CUT:
        set_timer(ws, 0);
        break;
    }
}

/* Tells the owner, once. */
static void report(struct websocket *ws)
{
    const struct websocket_callbacks *callbacks = ws->callbacks;

    ws->callbacks = NULL;
    if (callbacks)
        callbacks->closed(ws, ws->arg, ws->code, (enum refusal)ws->why);
}

static void destroy(struct websocket *ws)
{
    report(ws);
    clear_timer(ws);
    LIST_REMOVE(ws, link);
    ws->all->count--;
    bufferevent_setcb(ws->bev, NULL, NULL, NULL, NULL);
    if (ws->discard)
        evbuffer_drain(output_of(ws), evbuffer_get_length(output_of(ws)));
    http_connection_release(ws->listener, ws->bev);
    websocket_reader_clear(&ws->reader);
    free(ws);
}

static void cut(struct websocket *ws, uint16_t code, enum refusal why)
{
    if (ws->phase == PHASE_OPEN) {
        ws->code = code;
        ws->why = (uint16_t)why;
    }
    set_phase(ws, PHASE_CUT);
}

/* ---- sending
 * --------------------------------------------------------------------------------- */

/*
 * RFC 6455 section 5.2, unmasked as a server sends:
 *
 *   |FIN|RSV1..3|opcode|  |0|length 7|  | 16 or 64 bits of length, if 126 or 127 |
 */
static size_t frame_header(uint8_t *out, uint8_t first, size_t n)
{
    out[0] = first;
    if (n <= 125) {
        out[1] = (uint8_t)n;
        return 2;
    }
    if (n <= 65535) {
        out[1] = 126;
        store_be16(out + 2, (uint16_t)n);
        return 4;
    }
    out[1] = 127;
    store_be64(out + 2, n);
    return 10;
}

enum { FIN = 0x80, RSV1 = 0x40, OPCODE_CLOSE = 8, OPCODE_PONG = 10, HEADER_MAX = 10 };

/* One frame into the output, in one piece. RC_FULL cuts the connection off. */
static int write_frame(struct websocket *ws, uint8_t first, struct span payload)
{
    struct evbuffer *output = output_of(ws);
    struct evbuffer_iovec room;

    if (evbuffer_get_length(output) + payload.n + HEADER_MAX > ws->output_max) {
        refuse(REFUSAL_SLOW_READER);
        ws->discard = true;
        cut(ws, WEBSOCKET_POLICY, REFUSAL_SLOW_READER);
        return RC_FULL;
    }
    if (evbuffer_reserve_space(output, (ev_ssize_t)(payload.n + HEADER_MAX), &room, 1) != 1)
        return RC_NOMEM;
    const size_t header_n = frame_header(room.iov_base, first, payload.n);
    if (payload.n > 0)
        memcpy((uint8_t *)room.iov_base + header_n, payload.p, payload.n);
    room.iov_len = header_n + payload.n;

    /* A TLS connection may find out here that it is broken: on_event then only takes a note. */
    const bool busy = ws->busy;
    ws->busy = true;
    evbuffer_commit_space(output, &room, 1);
    ws->busy = busy;
    return RC_OK;
}

int websocket_send(struct websocket *ws, enum websocket_kind kind, struct span message)
{
    uint8_t first = (uint8_t)(FIN | kind);

    if (ws->phase != PHASE_OPEN)
        return RC_AGAIN;
    if (ws->reader.deflate && message.n > WEBSOCKET_COMPRESS_OVER &&
        message_deflate(ws->all->shop.codec, message, &message) == RC_OK)
        first |= RSV1;
    return write_frame(ws, first, message);
}

/* code 1005 and 1006 mean that there is none to send. */
static void send_close(struct websocket *ws, uint16_t code)
{
    uint8_t payload[2];
    const bool none = code == WEBSOCKET_NO_STATUS || code == WEBSOCKET_ABNORMAL;

    store_be16(payload, code);
    write_frame(ws, FIN | OPCODE_CLOSE, (struct span){payload, none ? 0 : sizeof payload});
}

/* ---- closing
 * --------------------------------------------------------------------------------- */

void websocket_close(struct websocket *ws, uint16_t code)
{
    if (ws->phase != PHASE_OPEN)
        return;
    ws->code = code;
    send_close(ws, code);
    if (ws->phase == PHASE_OPEN)
        set_phase(ws, PHASE_CLOSING);
}

void websocket_abort(struct websocket *ws)
{
    if (ws->phase == PHASE_OPEN || ws->phase == PHASE_CLOSING)
        cut(ws, WEBSOCKET_ABNORMAL, REFUSAL_NONE);
}

void websocket_detach(struct websocket *ws)
{
    ws->callbacks = NULL;
}

/* The client broke a rule: say which, once (RFC 6455 section 7.1.7). */
static void fail(struct websocket *ws, uint16_t code, enum refusal why)
{
    refuse(why);
    if (ws->phase == PHASE_OPEN) {
        ws->code = code;
        ws->why = (uint16_t)why;
        send_close(ws, code);
    }
    if (ws->phase != PHASE_CUT)
        set_phase(ws, PHASE_LINGER);
}

/* ---- what arrives
 * ------------------------------------------------------------------------------ */

static void on_close_frame(struct websocket *ws, uint16_t code)
{
    if (ws->phase == PHASE_OPEN) {
        ws->code = code;
        send_close(ws, code);
    }
    if (ws->phase == PHASE_CUT)
        return;
    set_phase(ws, PHASE_FLUSH);
    if (evbuffer_get_length(output_of(ws)) == 0)
        set_timer(ws, 0); /* nothing to write, so nothing will tell that it is written */
}

static void act_on(struct websocket *ws, const struct websocket_event *event)
{
    switch (event->kind) {
    case WEBSOCKET_EVENT_TEXT:
    case WEBSOCKET_EVENT_BINARY:
        clear_timer(ws); /* on_read sets it anew if the next message has begun */
        if (ws->phase == PHASE_CLOSING)
            set_timer(ws, WEBSOCKET_CLOSE_TIMEOUT);
        else if (ws->callbacks)
            ws->callbacks->message(ws, ws->arg, (enum websocket_kind)event->kind,
                                   event->payload);
        break;
    case WEBSOCKET_EVENT_PING:
        if (ws->phase == PHASE_OPEN)
            write_frame(ws, FIN | OPCODE_PONG, event->payload);
        break;
    case WEBSOCKET_EVENT_PONG:
        break;
    case WEBSOCKET_EVENT_CLOSE:
        on_close_frame(ws, event->code);
        break;
    case WEBSOCKET_EVENT_FAILED:
        fail(ws, event->code, event->why);
        break;
    }
}

static bool reads(const struct websocket *ws)
{
    return ws->phase == PHASE_OPEN || ws->phase == PHASE_CLOSING;
}

static void read_piece(struct websocket *ws, struct span in)
{
    struct websocket_event event;

    while (reads(ws) &&
           websocket_reader_next(&ws->all->shop, &ws->reader, &in, &event) == RC_OK)
        act_on(ws, &event);
}

/* A message that has begun has to end in time. */
static void watch_message(struct websocket *ws)
{
    if (ws->phase != PHASE_OPEN)
        return;
    if (!websocket_reader_busy(&ws->reader))
        clear_timer(ws);
    else if (!timer_is_set(&ws->timer))
        set_timer(ws, WEBSOCKET_MESSAGE_TIMEOUT);
}

static void on_read(struct bufferevent *bev, void *arg)
{
    struct websocket *ws = arg;
    struct evbuffer *input = bufferevent_get_input(bev);
    struct evbuffer_iovec piece;

    loop_enter(ws->all->loop, "websocket read");
    ws->busy = true;
    while (evbuffer_peek(input, -1, NULL, &piece, 1) > 0) {
        read_piece(ws, (struct span){piece.iov_base, piece.iov_len});
        evbuffer_drain(input, piece.iov_len);
    }
    watch_message(ws);
    ws->busy = false;
    if (ws->phase == PHASE_FLUSH || ws->phase == PHASE_LINGER)
        report(ws);
    loop_leave(ws->all->loop);
}

static void on_written(struct bufferevent *bev, void *arg)
{
    struct websocket *ws = arg;
    struct loop *loop = ws->all->loop;
    (void)bev;

    if (ws->busy)
        return;
    loop_enter(loop, "websocket written");
    if (ws->phase == PHASE_FLUSH)
        destroy(ws);
    else if (ws->phase == PHASE_OPEN && ws->callbacks && ws->callbacks->drained)
        ws->callbacks->drained(ws, ws->arg);
    loop_leave(loop);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    struct websocket *ws = arg;
    struct loop *loop = ws->all->loop;
    (void)bev;

    if (what & BEV_EVENT_CONNECTED)
        return;
    loop_enter(loop, "websocket event");
    if (ws->phase == PHASE_OPEN)
        ws->code = WEBSOCKET_ABNORMAL;
    if (ws->busy)
        set_phase(ws, PHASE_CUT);
    else
        destroy(ws);
    loop_leave(loop);
}

static void on_timer(struct timer *timer, void *arg, usec_t now)
{
    struct websocket *ws = arg;
    (void)timer;
    (void)now;

    if (ws->phase == PHASE_OPEN) {
        fail(ws, WEBSOCKET_POLICY, REFUSAL_REQUEST_TIMEOUT);
        report(ws);
        return;
    }
    /* Whoever did not answer our Close or read it in time is not waited for any longer. */
    if (ws->phase != PHASE_CUT)
        ws->discard = true;
    destroy(ws);
}

/* ---- opening
 * --------------------------------------------------------------------------------- */

bool websocket_wanted(const struct http_request *request)
{
    const char *upgrade = http_header(request, "Upgrade");
    const char *connection = http_header(request, "Connection");

    return upgrade && connection && http_list_has(upgrade, "websocket") &&
           http_list_has(connection, "upgrade");
}

/* RFC 6455 section 4.2.1. 0, or the status that refuses the handshake. */
static int check_handshake(const struct http_request *request)
{
    const char *key = http_header(request, "Sec-WebSocket-Key");
    const char *version = http_header(request, "Sec-WebSocket-Version");

    if (!websocket_wanted(request) || request->method != METHOD_GET)
        return 400;
    if (!version || strcmp(version, "13") != 0)
        return 426;
    if (!key || http_header_nth(request, "Sec-WebSocket-Key", 1) || !websocket_key_valid(key))
        return 400;
    return 0;
}

/* The answer to the first offer of permessage-deflate that we can take, or NULL. */
static const char *negotiate(const struct http_request *request)
{
    const char *answer = NULL, *offers;

    for (size_t i = 0; !answer; i++) {
        offers = http_header_nth(request, "Sec-WebSocket-Extensions", i);
        if (!offers)
            break;
        answer = deflate_negotiate(offers);
    }
    return answer;
}

static void write_handshake(struct websocket *ws, const char *accept, const char *extensions,
                            const struct http_field *fields)
{
    struct evbuffer *answer = evbuffer_new();

    if (!answer) {
        cut(ws, WEBSOCKET_ABNORMAL, REFUSAL_NONE);
        return;
    }
    evbuffer_add_printf(answer,
                        "HTTP/1.1 101 Switching Protocols\r\n"
                        "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Accept: %s\r\n",
                        accept);
    if (extensions)
        evbuffer_add_printf(answer, "Sec-WebSocket-Extensions: %s\r\n", extensions);
    for (; fields && fields->name; fields++)
        evbuffer_add_printf(answer, "%s: %s\r\n", fields->name, fields->value);
    evbuffer_add(answer, "\r\n", 2);
    ws->busy = true;
    bufferevent_write_buffer(ws->bev, answer);
    ws->busy = false;
    evbuffer_free(answer);
}

static void start(struct websocket *ws, const struct http_connection_parts *parts)
{
    ws->bev = parts->connection;
    ws->listener = parts->listener;
    ws->from = parts->from;
    timer_init(&ws->timer, on_timer, ws);
    LIST_INSERT_HEAD(&ws->all->list, ws, link);
    ws->all->count++;
    bufferevent_setcb(ws->bev, on_read, on_written, on_event, ws);
    bufferevent_enable(ws->bev, EV_READ | EV_WRITE);
    /* The client may have sent frames already. */
    if (evbuffer_get_length(bufferevent_get_input(ws->bev)) > 0)
        bufferevent_trigger(ws->bev, EV_READ,
                            BEV_TRIG_IGNORE_WATERMARKS | BEV_TRIG_DEFER_CALLBACKS);
}

static void refuse_handshake(struct http_request *request, int status)
{
    static const struct http_field version[] = {
        {"Sec-WebSocket-Version", "13"}, {"Upgrade", "websocket"}, {NULL, NULL}};

    http_refuse_fields(request, status, REFUSAL_BAD_WEBSOCKET, status == 426 ? version : NULL);
}

struct websocket *websocket_accept(struct websockets *all, struct http_request *request,
                                   const struct websocket_options *options,
                                   const struct websocket_callbacks *callbacks, void *arg)
{
    static const struct websocket_options initial;
    const int status = check_handshake(request);
    struct http_connection_parts parts;
    char accept[WEBSOCKET_ACCEPT_MAX];

    if (!options)
        options = &initial;
    if (status != 0) {
        refuse_handshake(request, status);
        return NULL;
    }
    struct websocket *ws = calloc(1, sizeof *ws);
    if (!ws || !http_fields_clean(options->fields)) {
        free(ws);
        http_refuse(request, 503, REFUSAL_SERVER_FULL);
        return NULL;
    }
    const char *extensions = options->no_compression ? NULL : negotiate(request);
    websocket_key_accept(http_header(request, "Sec-WebSocket-Key"), accept);
    http_take_over(request, &parts);

    ws->all = all;
    ws->callbacks = callbacks;
    ws->arg = arg;
    ws->output_max = options->output_max ? options->output_max : WEBSOCKET_OUTPUT_MAX;
    websocket_reader_init(&ws->reader,
                          options->max_message ? options->max_message : WEBSOCKET_MESSAGE_MAX,
                          extensions != NULL);
    start(ws, &parts);
    write_handshake(ws, accept, extensions, options->fields);
    return ws;
}

/* ---- all of them
 * ------------------------------------------------------------------------------ */

int websockets_create(struct websockets **out, struct loop *loop)
{
    struct websockets *all = calloc(1, sizeof *all);

    if (!all)
        return RC_NOMEM;
    all->loop = loop;
    LIST_INIT(&all->list);
    if (websocket_shop_open(&all->shop) != RC_OK) {
        free(all);
        return RC_NOMEM;
    }
    *out = all;
    return RC_OK;
}

void websockets_free(struct websockets *all)
{
    struct websocket *ws;

    if (!all)
        return;
    while ((ws = LIST_FIRST(&all->list))) {
        if (ws->phase == PHASE_OPEN)
            ws->code = WEBSOCKET_GOING_AWAY;
        destroy(ws);
    }
    websocket_shop_close(&all->shop);
    free(all);
}

size_t websockets_count(const struct websockets *all)
{
    return all->count;
}

void *websocket_arg(const struct websocket *ws)
{
    return ws->arg;
}

void websocket_set_arg(struct websocket *ws, void *arg)
{
    ws->arg = arg;
}

size_t websocket_buffered(const struct websocket *ws)
{
    return evbuffer_get_length(output_of(ws));
}

struct address websocket_from(const struct websocket *ws)
{
    return ws->from;
}
