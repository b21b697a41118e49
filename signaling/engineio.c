/*
 * signaling/engineio.c - Engine.IO's glue: HTTP requests and WebSockets in, sessions by their
 * id. What a session does with them is engineio_session.c's business.
 */
#include "signaling/engineio.h"

#include "core/loop.h"
#include "core/random.h"
#include "core/utf8.h"
#include "signaling/engineio_session.h"
#include "signaling/query.h"
#include "signaling/websocket.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    QUERY_KEPT_MAX = 4096,  /* bytes of a handshake's query; a longer one is refused */
    HEADER_KEPT_MAX = 1024, /* bytes of one kept header; a longer one is left out */
};

struct eio_server {
    struct eio_host host; /* first: a session's host is its server */
    struct loop *loop;    /* borrowed */
    const struct eio_handlers *handlers;
    void *arg;
    struct websockets *websockets; /* owned */
    struct eio_session *table;     /* all that are not gone, by sid */
    struct eio_session *dead;      /* gone, to be freed by `reaper` */
    struct timer reaper;
    bool stopping;
};

static struct eio_server *server_of(const struct eio_session *session)
{
    return (struct eio_server *)session->host;
}

static usec_t now_of(const struct eio_session *session)
{
    return loop_now(server_of(session)->loop);
}

/* --- the wire: what sessions do to their connections --- */

static void wire_respond(void *request, int status, const char *type, struct span body)
{
    static const struct http_field fields[] = {{"Cache-Control", "no-store"}, {NULL, NULL}};

    http_respond(request, status, type, fields, body);
}

static int wire_send(void *socket, bool binary, struct span frame)
{
    return websocket_send(socket, binary ? WEBSOCKET_BINARY : WEBSOCKET_TEXT, frame);
}

static uint16_t close_code(enum eio_close why)
{
    switch (why) {
    case EIO_CLOSE_SHUTDOWN:
    case EIO_CLOSE_PING_TIMEOUT:
        return WEBSOCKET_GOING_AWAY;
    case EIO_CLOSE_BAD_PACKET:
    case EIO_CLOSE_FLOOD:
    case EIO_CLOSE_OVERLAP:
        return WEBSOCKET_POLICY;
    default:
        return WEBSOCKET_NORMAL;
    }
}

static void wire_close(void *socket, enum eio_close why)
{
    websocket_detach(socket);
    if (why == EIO_CLOSE_SLOW_READER)
        websocket_abort(socket); /* it would not read our Close either */
    else
        websocket_close(socket, close_code(why));
}

static size_t wire_buffered(const void *socket)
{
    return websocket_buffered(socket);
}

static const struct eio_wire WIRE = {wire_respond, wire_send, wire_close, wire_buffered};

/* --- what comes from WebSockets --- */

static void on_socket_message(struct websocket *socket, void *arg, enum websocket_kind kind,
                              struct span message)
{
    struct eio_session *const session = arg;

    eio_session_frame(session, socket, kind == WEBSOCKET_BINARY, message, now_of(session));
}

static void on_socket_closed(struct websocket *socket, void *arg, uint16_t code,
                             enum refusal why)
{
    const bool slow = why == REFUSAL_SLOW_READER;
    (void)code;

    eio_session_socket_gone(arg, socket, slow ? EIO_CLOSE_SLOW_READER : EIO_CLOSE_TRANSPORT);
}

static const struct websocket_callbacks SOCKET_CALLBACKS = {
    .message = on_socket_message,
    .closed = on_socket_closed,
};

/* NULL: the request has been answered. */
static struct websocket *accept_socket(struct eio_server *server, struct http_request *request,
                                       struct eio_session *session)
{
    const struct websocket_options options = {
        .max_message = server->host.options.max_payload,
        .output_max = server->host.options.queue_bytes,
    };

    return websocket_accept(server->websockets, request, &options, &SOCKET_CALLBACKS, session);
}

/* --- sessions: birth and death --- */

static void free_session(struct eio_session *session)
{
    free(session->handshake);
    free(session);
}

static void on_reaper(struct timer *timer, void *arg, usec_t now)
{
    struct eio_server *const server = arg;
    (void)timer;
    (void)now;

    while (server->dead) {
        struct eio_session *const session = server->dead;
        server->dead = session->next_dead;
        free_session(session);
    }
}

/* The session may still be on the call stack: it is freed by a timer. */
static void on_gone(struct eio_session *session)
{
    struct eio_server *const server = server_of(session);

    HASH_DELETE(table, server->table, session);
    session->next_dead = server->dead;
    server->dead = session;
    (void)timers_set(server->host.timers, &server->reaper, 0); /* else with the next one */
}

static void on_message(struct eio_session *session, struct span data, bool binary)
{
    const struct eio_server *const server = server_of(session);

    server->handlers->message(server->arg, session, data, binary);
}

static void on_closed(struct eio_session *session, enum eio_close why)
{
    const struct eio_server *const server = server_of(session);

    server->handlers->closed(server->arg, session, why);
}

static void append(char **at, const char *text)
{
    const size_t n = strlen(text) + 1;

    memcpy(*at, text, n);
    *at += n;
}

static const char *kept_header(const struct http_request *request, const char *name)
{
    const char *const value = http_header(request, name);

    return value && strlen(value) <= HEADER_KEPT_MAX ? value : NULL;
}

/* "query\0name\0value\0name\0value\0\0" */
static char *keep_handshake(const struct eio_options *options,
                            const struct http_request *request)
{
    const char *const *const names = options->kept_headers;
    size_t n = strlen(request->query) + 2;

    for (size_t i = 0; names && names[i]; i++) {
        const char *const value = kept_header(request, names[i]);
        n += value ? strlen(names[i]) + strlen(value) + 2 : 0;
    }
    char *const kept = malloc(n);
    if (!kept)
        return NULL;

    char *at = kept;
    append(&at, request->query);
    for (size_t i = 0; names && names[i]; i++) {
        const char *const value = kept_header(request, names[i]);
        if (!value)
            continue;
        append(&at, names[i]);
        append(&at, value);
    }
    *at = '\0';
    return kept;
}

static struct eio_session *create_session(struct eio_server *server,
                                          const struct http_request *request, int protocol)
{
    struct eio_session *const session = calloc(1, sizeof *session);

    if (!session)
        return NULL;
    session->handshake = keep_handshake(&server->host.options, request);
    if (!session->handshake) {
        free(session);
        return NULL;
    }
    session->host = &server->host;
    session->protocol = (uint8_t)protocol;
    session->base64 = query_has(request->query, "b64");
    session->from = request->from;
    random_id(session->sid, EIO_SID_LENGTH);
    return session;
}

static struct eio_session *find_session(struct eio_server *server, const char *sid)
{
    struct eio_session *session = NULL;

    HASH_FIND(table, server->table, sid, strlen(sid), session);
    return session;
}

/* --- requests: deciding --- */

struct eio_request {
    enum eio_transport transport;
    bool transport_known;
    bool upgrade; /* asks for a WebSocket */
    bool jsonp;
    bool names_session;
    int protocol;                /* 4, 3, or 0 for anything else */
    struct eio_session *session; /* that it names, or NULL */
};

static struct eio_request read_request(struct eio_server *server,
                                       const struct http_request *request)
{
    char transport[16], version[4], sid[EIO_SID_LENGTH + 1];
    struct eio_request r = {.upgrade = websocket_wanted(request)};

    (void)query_get(request->query, "transport", transport, sizeof transport);
    (void)query_get(request->query, "EIO", version, sizeof version);
    const bool sid_fits = query_get(request->query, "sid", sid, sizeof sid) > 0;

    r.transport = strcmp(transport, "websocket") == 0 ? EIO_WEBSOCKET : EIO_POLLING;
    r.transport_known = r.transport == EIO_WEBSOCKET || strcmp(transport, "polling") == 0;
    r.jsonp = query_has(request->query, "j");
    r.names_session = query_has(request->query, "sid");
    r.protocol = strcmp(version, "4") == 0 ? 4 : strcmp(version, "3") == 0 ? 3 : 0;
    r.session = sid_fits ? find_session(server, sid) : NULL;
    return r;
}

/* The answers of the Node server; its codes are part of the protocol. */
static const struct eio_error {
    int status;
    enum refusal why;
    const char *body;
} ERROR_TRANSPORT = {400, REFUSAL_EIO_TRANSPORT_UNKNOWN,
                     "{\"code\":0,\"message\":\"Transport unknown\"}"},
  ERROR_SESSION = {400, REFUSAL_EIO_SESSION_UNKNOWN,
                   "{\"code\":1,\"message\":\"Session ID unknown\"}"},
  ERROR_METHOD = {400, REFUSAL_EIO_BAD_REQUEST,
                  "{\"code\":2,\"message\":\"Bad handshake method\"}"},
  ERROR_REQUEST = {400, REFUSAL_EIO_BAD_REQUEST, "{\"code\":3,\"message\":\"Bad request\"}"},
  ERROR_JSONP = {400, REFUSAL_EIO_BAD_REQUEST,
                 "{\"code\":3,\"message\":\"JSONP is not supported\"}"},
  ERROR_VERSION = {400, REFUSAL_EIO_VERSION,
                   "{\"code\":5,\"message\":\"Unsupported protocol version\"}"},
  ERROR_STOPPING = {503, REFUSAL_SHUTTING_DOWN, NULL},
  ERROR_FULL = {503, REFUSAL_SERVER_FULL, NULL};

/* NULL when the request may go on in the session that it names. */
static const struct eio_error *session_error(const struct eio_request *r, unsigned method)
{
    if (!r->session)
        return &ERROR_SESSION;
    if (r->transport == EIO_WEBSOCKET)
        return NULL; /* one too many is told so on the WebSocket */
    if (r->session->socket)
        return &ERROR_REQUEST; /* it has been upgraded: polls belong to nobody */
    return method == METHOD_GET || method == METHOD_POST ? NULL : &ERROR_REQUEST;
}

/* NULL when the request may open a session. */
static const struct eio_error *handshake_error(const struct eio_server *server,
                                               const struct eio_request *r,
                                               const struct http_request *request)
{
    const struct eio_options *const options = &server->host.options;

    if (request->method != METHOD_GET)
        return &ERROR_METHOD;
    if (r->protocol == 0 || (r->protocol == 3 && options->refuse_eio3))
        return &ERROR_VERSION;
    if (strlen(request->query) > QUERY_KEPT_MAX)
        return &ERROR_REQUEST;
    if (server->stopping)
        return &ERROR_STOPPING;
    return HASH_CNT(table, server->table) < options->max_sessions ? NULL : &ERROR_FULL;
}

static const struct eio_error *request_error(const struct eio_server *server,
                                             const struct eio_request *r,
                                             const struct http_request *request)
{
    if (!r->transport_known)
        return &ERROR_TRANSPORT;
    if (r->jsonp && r->transport == EIO_POLLING)
        return &ERROR_JSONP;
    if (r->upgrade != (r->transport == EIO_WEBSOCKET))
        return &ERROR_REQUEST;
    return r->names_session ? session_error(r, request->method)
                            : handshake_error(server, r, request);
}

/* --- requests: acting --- */

static void on_poll_gone(struct http_request *request, void *arg)
{
    (void)request;

    eio_session_poll_gone(arg);
}

static void poll(struct eio_session *session, struct http_request *request)
{
    eio_session_poll(session, request);
    if (session->poll == request)
        http_on_gone(request, on_poll_gone, session);
}

/* A session that was opened on a WebSocket, or is about to answer its first poll. */
static void start(struct eio_server *server, struct eio_session *session,
                  struct http_request *request, struct websocket *socket)
{
    if (eio_session_open(session, socket, loop_now(server->loop)) != RC_OK) {
        if (socket)
            wire_close(socket, EIO_CLOSE_SERVER);
        else
            http_refuse(request, 503, REFUSAL_SERVER_FULL);
        free_session(session);
        return;
    }
    HASH_ADD(table, server->table, sid, EIO_SID_LENGTH, session);
    server->handlers->opened(server->arg, session);
    if (!socket)
        poll(session, request);
    eio_session_uncork(session);
}

static void open_session(struct eio_server *server, const struct eio_request *r,
                         struct http_request *request)
{
    struct eio_session *const session = create_session(server, request, r->protocol);
    struct websocket *socket = NULL;

    if (!session) {
        http_refuse(request, 503, REFUSAL_SERVER_FULL);
        return;
    }
    if (r->transport == EIO_WEBSOCKET) {
        socket = accept_socket(server, request, session);
        if (!socket) {
            free_session(session);
            return;
        }
    }
    start(server, session, request, socket);
}

/* A session that has a WebSocket already, or a probe: as with the Node server, a further one is
 * accepted and closed at once. A refused handshake would look like a fault of the network. */
static void begin_upgrade(struct eio_server *server, struct eio_session *session,
                          struct http_request *request)
{
    const bool upgradable = eio_session_upgradable(session);
    struct websocket *const socket = accept_socket(server, request, session);

    if (!socket)
        return;
    if (!upgradable) {
        refuse(REFUSAL_EIO_BAD_REQUEST);
        wire_close(socket, EIO_CLOSE_OVERLAP);
    } else if (eio_session_probe(session, socket, loop_now(server->loop)) != RC_OK) {
        wire_close(socket, EIO_CLOSE_SERVER);
    }
}

static bool has_octets(const struct http_request *request)
{
    static const char octets[] = "application/octet-stream";
    const char *const type = http_header(request, "Content-Type");

    return type && strncasecmp(type, octets, sizeof octets - 1) == 0;
}

static void on_request(struct http_request *request, void *arg)
{
    struct eio_server *const server = arg;
    const struct eio_request r = read_request(server, request);
    const struct eio_error *const error = request_error(server, &r, request);

    if (error && !error->body) {
        http_refuse(request, error->status, error->why);
    } else if (error) {
        const struct span body = {(const uint8_t *)error->body, strlen(error->body)};
        http_refuse_with(request, error->status, error->why, NULL, body);
    } else if (!r.session) {
        open_session(server, &r, request);
    } else if (r.transport == EIO_WEBSOCKET) {
        begin_upgrade(server, r.session, request);
    } else if (request->method == METHOD_GET) {
        poll(r.session, request);
    } else {
        eio_session_post(r.session, request, request->body, has_octets(request),
                         loop_now(server->loop));
    }
}

/* --- the server --- */

int eio_server_create(struct eio_server **out, struct loop *loop,
                      const struct eio_options *options, const struct eio_handlers *handlers,
                      void *arg)
{
    struct eio_server *const server = calloc(1, sizeof *server);

    if (!server)
        return RC_NOMEM;
    server->host = (struct eio_host){
        .wire = &WIRE,
        .options = *options,
        .timers = loop_timers(loop),
        .message = on_message,
        .closed = on_closed,
        .gone = on_gone,
    };
    eio_options_complete(&server->host.options);
    server->loop = loop;
    server->handlers = handlers;
    server->arg = arg;
    timer_init(&server->reaper, on_reaper, server);
    if (websockets_create(&server->websockets, loop) != RC_OK) {
        free(server);
        return RC_NOMEM;
    }
    *out = server;
    return RC_OK;
}

struct http_route eio_server_route(struct eio_server *server)
{
    return (struct http_route){
        .path = server->host.options.path,
        .prefix = true,
        /* All of them: a wrong one is refused in Engine.IO's own words. */
        .methods =
            METHOD_GET | METHOD_HEAD | METHOD_POST | METHOD_PUT | METHOD_DELETE | METHOD_PATCH,
        .handle = on_request,
        .arg = server,
        .max_body = server->host.options.max_payload,
        .cors = server->host.options.cors,
    };
}

void eio_server_shutdown(struct eio_server *server)
{
    struct eio_session *session, *next;

    server->stopping = true;
    HASH_ITER(table, server->table, session, next)
    eio_session_close(session, EIO_CLOSE_SHUTDOWN);
}

uint32_t eio_server_sessions(const struct eio_server *server)
{
    return HASH_CNT(table, server->table);
}

void eio_server_free(struct eio_server *server)
{
    struct eio_session *session, *next;

    if (!server)
        return;
    server->stopping = true;
    HASH_ITER(table, server->table, session, next)
    eio_session_drop(session, EIO_CLOSE_SHUTDOWN);
    on_reaper(&server->reaper, server, 0);
    timers_clear(server->host.timers, &server->reaper);
    metrics_remove(server, sizeof *server);
    websockets_free(server->websockets);
    free(server);
}

struct eio_stats *eio_server_stats(struct eio_server *server)
{
    return &server->host.stats;
}

int eio_server_register_metrics(struct eio_server *server)
{
    struct eio_stats *const stats = &server->host.stats;
    const struct {
        const char *name, *help;
        enum metric_kind kind;
        struct counter *value;
    } rows[] = {
        {"meetopia_engineio_sessions", "open Engine.IO sessions", METRIC_GAUGE,
         &stats->sessions},
        {"meetopia_engineio_websockets", "open Engine.IO sessions on WebSocket", METRIC_GAUGE,
         &stats->websockets},
        {"meetopia_engineio_sessions_opened_total", "Engine.IO sessions opened", METRIC_COUNTER,
         &stats->opened},
        {"meetopia_engineio_upgrades_total", "sessions upgraded from polling to WebSocket",
         METRIC_COUNTER, &stats->upgraded},
        {"meetopia_engineio_packets_received_total", "Engine.IO packets received",
         METRIC_COUNTER, &stats->packets_in},
        {"meetopia_engineio_messages_sent_total", "Engine.IO messages sent", METRIC_COUNTER,
         &stats->packets_out},
        {"meetopia_engineio_received_bytes_total", "payload of messages received",
         METRIC_COUNTER, &stats->bytes_in},
        {"meetopia_engineio_sent_bytes_total", "payload of messages sent", METRIC_COUNTER,
         &stats->bytes_out},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const int rc = metrics_add(rows[i].name, "", rows[i].help, rows[i].kind, rows[i].value);
        if (rc != RC_OK)
            return rc;
    }
    return RC_OK;
}

void eio_session_close(struct eio_session *session, enum eio_close why)
{
    eio_session_end(session, why, now_of(session));
}

/* --- accessors that need the handshake --- */

bool eio_session_query(const struct eio_session *session, const char *name, char *buf,
                       size_t size)
{
    if (size > 0)
        buf[0] = '\0';
    if (!query_has(session->handshake, name))
        return false;
    const int n = query_get(session->handshake, name, buf, size);
    return n >= 0 && utf8_valid((struct span){(const uint8_t *)buf, (size_t)n});
}

const char *eio_session_header(const struct eio_session *session, const char *name)
{
    const char *at = session->handshake + strlen(session->handshake) + 1;

    while (*at) {
        const char *const value = at + strlen(at) + 1;
        if (strcmp(at, name) == 0)
            return value;
        at = value + strlen(value) + 1;
    }
    return NULL;
}
