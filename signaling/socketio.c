/*
 * signaling/socketio.c - the Socket.IO server: clients (one for each Engine.IO session), what
 * their packets mean, and the namespaces that they may enter.
 */
#include "signaling/socketio.h"

#include "core/loop.h"
#include "core/random.h"
#include "signaling/socketio_assembly.h"
#include "signaling/socketio_socket.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    /* All attachments of all unfinished packets: what strangers can make us hold at most. */
    ASSEMBLY_TOTAL_MAX = 64 << 20,
    ID_MAX = SIO_NAMESPACE_NAME_MAX + 1 + EIO_SID_LENGTH + 1, /* "/custom#sid" and its NUL */
};

struct sio_server {
    struct eio_server *engine; /* owned */
    struct loop *loop;         /* borrowed */
    struct sio_namespace *namespaces;
    struct sio_socket *dead_sockets; /* by next; freed by `reaper`, as are */
    struct sio_client *dead_clients; /* by next_dead */
    struct timer reaper;
    usec_t connect_timeout;
    size_t max_attachment_bytes;
    size_t assembling; /* bytes held by unfinished packets */
    struct sio_stats stats;
};

/* An Engine.IO session as Socket.IO sees it. */
struct sio_client {
    struct sio_server *server;
    struct eio_session *session;
    struct sio_socket *sockets; /* owned, by next */
    uint32_t socket_count;
    struct sio_assembly *assembly; /* owned; a packet whose attachments are coming, or NULL */
    struct timer connect_timeout;  /* while it is in no namespace */
    bool closed;                   /* its session is: nothing may be started any more */
    struct sio_client *next_dead;
};

struct sio_handshake {
    const struct eio_session *session;
    const json_t *auth;
    const char *id;
};

/* --- leaving --- */

/* What is gone may still be on the call stack: a timer frees it. */
static void call_reaper(struct sio_server *server)
{
    (void)timers_set(loop_timers(server->loop), &server->reaper, 0); /* else with the next */
}

static void on_reaper(struct timer *timer, void *arg, usec_t now)
{
    struct sio_server *const server = arg;
    (void)timer;
    (void)now;

    while (server->dead_sockets) {
        struct sio_socket *const socket = server->dead_sockets;
        server->dead_sockets = socket->next;
        sio_socket_free(socket);
    }
    while (server->dead_clients) {
        struct sio_client *const client = server->dead_clients;
        server->dead_clients = client->next_dead;
        free(client);
    }
}

static void leave(struct sio_client *client, struct sio_socket *socket, const char *reason)
{
    struct sio_socket **link = &client->sockets;

    while (*link != socket)
        link = &(*link)->next;
    *link = socket->next;
    client->socket_count--;
    sio_socket_leave(socket, reason);
    socket->next = client->server->dead_sockets;
    client->server->dead_sockets = socket;
    call_reaper(client->server);
}

static void drop_assembly(struct sio_client *client)
{
    if (!client->assembly)
        return;
    client->server->assembling -= client->assembly->bytes;
    sio_assembly_free(client->assembly);
    client->assembly = NULL;
}

/* The client broke the protocol or a limit. */
static void end_for(struct sio_client *client, enum refusal why)
{
    refuse(why);
    eio_session_close(client->session, EIO_CLOSE_BAD_PACKET);
}

/* A client that is in no namespace may not stay for ever. */
static void await_connect(struct sio_client *client)
{
    struct sio_server *const server = client->server;

    if (client->sockets || client->closed)
        return;
    (void)timers_set(loop_timers(server->loop), &client->connect_timeout,
                     loop_now(server->loop) + server->connect_timeout);
}

static void on_connect_timeout(struct timer *timer, void *arg, usec_t now)
{
    const struct sio_client *const client = arg;
    (void)timer;
    (void)now;

    refuse(REFUSAL_SIO_CONNECT_TIMEOUT);
    eio_session_close(client->session, EIO_CLOSE_SERVER);
}

/* --- connecting --- */

static struct sio_namespace *find_namespace(const struct sio_server *server, struct span name)
{
    struct sio_namespace *namespace = server->namespaces;

    while (namespace &&
           (namespace->name_length != name.n || memcmp(namespace->name, name.p, name.n) != 0))
    namespace = namespace->next;
    return namespace;
}

static struct sio_socket *find_socket(const struct sio_client *client, struct span name)
{
    struct sio_socket *socket = client->sockets;

    while (socket && (socket->namespace->name_length != name.n ||
                      memcmp(socket->namespace->name, name.p, name.n) != 0))
        socket = socket->next;
    return socket;
}

/* CONNECT_ERROR: an object in revision 5, a bare string in revision 4. Takes data over. */
static void refuse_connect(struct sio_client *client, struct span name, const char *message,
                           json_t *data)
{
    json_t *json = json_string(message);

    if (eio_session_protocol(client->session) != 3) {
        json = json_pack("{s:o}", "message", json);
        if (data)
            json_object_set(json, "data", data);
    }
    json_decref(data);
    (void)sio_send_packet(client->session, name, SIO_CONNECT_ERROR, json);
}

/* Clients 2.x know a socket by its session's id, and expect the same from the server. */
static void write_id(char id[static ID_MAX], const struct eio_session *session,
                     const struct sio_namespace *namespace)
{
    if (eio_session_protocol(session) != 3)
        random_id(id, EIO_SID_LENGTH);
    else if (namespace->name_length == 1)
        snprintf(id, ID_MAX, "%s", eio_session_id(session));
    else
        snprintf(id, ID_MAX, "%s#%s", namespace->name, eio_session_id(session));
}

static enum refusal authorize(const struct sio_client *client,
                              const struct sio_namespace *namespace, const char *id,
                              const json_t *auth, void **user)
{
    json_t *const empty = auth ? NULL : json_object();
    const struct sio_handshake handshake = {client->session, auth ? auth : empty, id};
    enum refusal why = REFUSAL_NONE;

    if (namespace->handlers->authorize)
        why = namespace->handlers->authorize(namespace->arg, &handshake, user);
    json_decref(empty);
    return why;
}

static void welcome(struct sio_client *client, struct sio_socket *socket)
{
    const bool with_id = eio_session_protocol(client->session) != 3;
    struct sio_namespace *const namespace = socket->namespace;

    timers_clear(loop_timers(client->server->loop), &client->connect_timeout);
    (void)sio_send_packet(client->session, sio_namespace_span(namespace), SIO_CONNECT,
                          with_id ? json_pack("{s:s}", "sid", socket->id) : NULL);
    if (namespace->handlers->connected)
    namespace->handlers->connected(namespace->arg, socket);
}

static void connect_to(struct sio_client *client, struct span name, const json_t *auth)
{
    struct sio_namespace *const namespace = find_namespace(client->server, name);
    char id[ID_MAX];
    void *user = NULL;

    if (client->closed)
        return;
    if (!namespace || client->socket_count >= SIO_SOCKETS_PER_CLIENT) {
        refuse(REFUSAL_SIO_NAMESPACE);
        refuse_connect(client, name, "Invalid namespace", NULL);
        return;
    }
    write_id(id, client->session, namespace);
    const enum refusal why = authorize(client, namespace, id, auth, &user);
    if (why != REFUSAL_NONE) {
        refuse(why);
        refuse_connect(client, name, refusal_text(why),
                       json_pack("{s:s}", "code", refusal_code(why)));
        return;
    }

    struct sio_socket *const socket = sio_socket_create(namespace, client->session, id);
    if (!socket) {
        refuse(REFUSAL_SERVER_FULL);
        eio_session_close(client->session, EIO_CLOSE_SERVER);
        return;
    }
    socket->user = user;
    socket->next = client->sockets;
    client->sockets = socket;
    client->socket_count++;
    welcome(client, socket);
}

static void on_connect(struct sio_client *client, const struct sio_packet *packet)
{
    const bool revision4 = eio_session_protocol(client->session) == 3;

    if (find_socket(client, packet->namespace)) {
        if (!revision4) /* client 2.x may ask for "/", where it was put unasked */
            end_for(client, REFUSAL_SIO_BAD_PACKET);
        return;
    }
    connect_to(client, packet->namespace, revision4 ? NULL : packet->json);
}

/* --- packets --- */

static void on_event(struct sio_socket *socket, const struct sio_packet *packet,
                     const struct span *attachments)
{
    const struct sio_namespace *const namespace = socket->namespace;
    json_t *const name = json_incref(json_array_get(packet->json, 0));
    const struct sio_event event = {
        .name = json_string_value(name),
        .args = packet->json,
        .attachments = attachments,
        .attachment_count = packet->attachments,
        .ack_id = packet->ack_id,
    };

    json_array_remove(packet->json, 0);
    counter_add(&namespace->stats->events_in, 1);
    if (namespace->handlers->event)
    namespace->handlers->event(namespace->arg, socket, &event);
    json_decref(name);
}

static void on_answer(struct sio_socket *socket, const struct sio_packet *packet,
                      const struct span *attachments)
{
    const struct sio_event answer = {
        .args = packet->json,
        .attachments = attachments,
        .attachment_count = packet->attachments,
        .ack_id = packet->ack_id,
    };

    sio_socket_answer(socket, &answer);
}

/* A whole packet, attachments and all. */
static void on_packet(struct sio_client *client, const struct sio_packet *packet,
                      const struct span *attachments)
{
    struct sio_socket *const socket = find_socket(client, packet->namespace);

    if (packet->type == SIO_CONNECT) {
        on_connect(client, packet);
        return;
    }
    if (!socket) {
        refuse(REFUSAL_SIO_NAMESPACE); /* it may have been put out a moment ago */
        return;
    }
    switch (packet->type) {
    case SIO_DISCONNECT:
        leave(client, socket, "client namespace disconnect");
        await_connect(client);
        break;
    case SIO_EVENT:
    case SIO_BINARY_EVENT:
        on_event(socket, packet, attachments);
        break;
    default:
        on_answer(socket, packet, attachments);
        break;
    }
}

static void on_text(struct sio_client *client, struct span text)
{
    struct sio_packet packet;
    const int rc = client->assembly ? RC_BAD : sio_packet_parse(&packet, text);

    if (rc != RC_OK) {
        end_for(client,
                rc == RC_FULL ? REFUSAL_SIO_TOO_MANY_ATTACHMENTS : REFUSAL_SIO_BAD_PACKET);
        return;
    }
    if (packet.attachments == 0) {
        on_packet(client, &packet, NULL);
        json_decref(packet.json);
        return;
    }
    client->assembly = sio_assembly_create(&packet);
    if (!client->assembly)
        end_for(client, REFUSAL_SERVER_FULL);
}

/* RC_OK, or which limit the attachment is over. */
static int add_attachment(struct sio_client *client, struct span bytes)
{
    struct sio_server *const server = client->server;

    if (bytes.n > ASSEMBLY_TOTAL_MAX - server->assembling)
        return RC_NOMEM;
    const int rc = sio_assembly_add(client->assembly, bytes, server->max_attachment_bytes);
    if (rc == RC_OK)
        server->assembling += bytes.n;
    return rc;
}

static void on_binary(struct sio_client *client, struct span bytes)
{
    if (!client->assembly) {
        end_for(client, REFUSAL_SIO_BAD_PACKET);
        return;
    }
    const int rc = add_attachment(client, bytes);
    if (rc != RC_OK) {
        end_for(client, rc == RC_FULL ? REFUSAL_MESSAGE_TOO_LARGE : REFUSAL_SERVER_FULL);
        return;
    }
    counter_add(&client->server->stats.attachments_in, 1);
    if (!sio_assembly_complete(client->assembly))
        return;

    /* Handlers may end the session, and with it what is being assembled: take it out first. */
    struct sio_assembly *const whole = client->assembly;
    client->server->assembling -= whole->bytes;
    client->assembly = NULL;
    on_packet(client, &whole->packet, whole->attachment);
    sio_assembly_free(whole);
}

/* --- Engine.IO's side --- */

static void on_opened(void *arg, struct eio_session *session)
{
    struct sio_server *const server = arg;
    struct sio_client *const client = calloc(1, sizeof *client);

    if (!client) {
        refuse(REFUSAL_SERVER_FULL);
        eio_session_close(session, EIO_CLOSE_SERVER);
        return;
    }
    client->server = server;
    client->session = session;
    timer_init(&client->connect_timeout, on_connect_timeout, client);
    eio_session_set_user(session, client);
    await_connect(client);
    if (eio_session_protocol(session) == 3)
        connect_to(client, SPAN_LITERAL("/"), NULL); /* clients 2.x need not ask */
}

static void on_message(void *arg, struct eio_session *session, struct span data, bool binary)
{
    struct sio_client *const client = eio_session_user(session);
    (void)arg;

    if (binary)
        on_binary(client, data);
    else
        on_text(client, data);
}

static void on_closed(void *arg, struct eio_session *session, enum eio_close why)
{
    struct sio_client *const client = eio_session_user(session);
    (void)arg;

    if (!client)
        return;
    client->closed = true;
    while (client->sockets)
        leave(client, client->sockets, eio_close_text(why));
    timers_clear(loop_timers(client->server->loop), &client->connect_timeout);
    drop_assembly(client);
    client->next_dead = client->server->dead_clients;
    client->server->dead_clients = client;
    call_reaper(client->server);
}

/* --- the server --- */

static const struct eio_handlers ENGINE_HANDLERS = {
    .opened = on_opened,
    .message = on_message,
    .closed = on_closed,
};

int sio_server_create(struct sio_server **out, struct loop *loop,
                      const struct sio_options *options)
{
    struct eio_options engine = options->engine;
    struct sio_server *const server = calloc(1, sizeof *server);

    if (!server)
        return RC_NOMEM;
    if (!engine.path)
        engine.path = "/socket.io/";
    eio_options_complete(&engine);
    server->loop = loop;
    server->connect_timeout = options->connect_timeout ? options->connect_timeout : SEC(60);
    server->max_attachment_bytes = options->max_attachment_bytes
                                       ? options->max_attachment_bytes
                                       : (size_t)engine.max_payload * 2;
    timer_init(&server->reaper, on_reaper, server);
    if (eio_server_create(&server->engine, loop, &engine, &ENGINE_HANDLERS, server) != RC_OK) {
        free(server);
        return RC_NOMEM;
    }
    *out = server;
    return RC_OK;
}

struct http_route sio_server_route(struct sio_server *server)
{
    return eio_server_route(server->engine);
}

int sio_namespace_create(struct sio_namespace **out, struct sio_server *server,
                         const char *name, const struct sio_handlers *handlers, void *arg)
{
    const size_t n = strlen(name);
    struct sio_namespace *namespace;

    if (name[0] != '/' || strpbrk(name, ",?") || n > SIO_NAMESPACE_NAME_MAX)
        return RC_BAD;
    if (find_namespace(server, (struct span){(const uint8_t *)name, n}))
        return RC_BAD;
    namespace = calloc(1, sizeof *namespace + n + 1);
    if (!namespace)
        return RC_NOMEM;
    memcpy(namespace->name, name, n);
    namespace->name_length = n;
    namespace->server = server;
    namespace->handlers = handlers;
    namespace->arg = arg;
    namespace->loop = server->loop;
    namespace->stats = &server->stats;
    namespace->next = server->namespaces;
    server->namespaces = namespace;
    *out = namespace;
    return RC_OK;
}

void sio_server_shutdown(struct sio_server *server)
{
    eio_server_shutdown(server->engine);
}

uint32_t sio_server_sessions(const struct sio_server *server)
{
    return eio_server_sessions(server->engine);
}

void sio_server_free(struct sio_server *server)
{
    if (!server)
        return;
    eio_server_free(server->engine);
    on_reaper(&server->reaper, server, 0);
    timers_clear(loop_timers(server->loop), &server->reaper);
    while (server->namespaces) {
        struct sio_namespace *const namespace = server->namespaces;
        server->namespaces = namespace->next;
        free(namespace);
    }
    metrics_remove(server, sizeof *server);
    free(server);
}

struct sio_stats *sio_server_stats(struct sio_server *server)
{
    return &server->stats;
}

int sio_server_register_metrics(struct sio_server *server)
{
    struct sio_stats *const stats = &server->stats;
    const struct {
        const char *name, *help;
        enum metric_kind kind;
        struct counter *value;
    } rows[] = {
        {"meetopia_socketio_sockets", "clients in a Socket.IO namespace", METRIC_GAUGE,
         &stats->sockets},
        {"meetopia_socketio_connected_total", "clients let into a namespace", METRIC_COUNTER,
         &stats->connected},
        {"meetopia_socketio_events_received_total", "events received", METRIC_COUNTER,
         &stats->events_in},
        {"meetopia_socketio_events_sent_total", "events sent", METRIC_COUNTER,
         &stats->events_out},
        {"meetopia_socketio_acks_received_total", "acks received", METRIC_COUNTER,
         &stats->acks_in},
        {"meetopia_socketio_acks_sent_total", "acks sent", METRIC_COUNTER, &stats->acks_out},
        {"meetopia_socketio_attachments_received_total", "binary attachments received",
         METRIC_COUNTER, &stats->attachments_in},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const int rc = metrics_add(rows[i].name, "", rows[i].help, rows[i].kind, rows[i].value);
        if (rc != RC_OK)
            return rc;
    }
    return eio_server_register_metrics(server->engine);
}

/* --- disconnecting --- */

void sio_disconnect(struct sio_socket *socket, bool close)
{
    static const char reason[] = "server namespace disconnect";

    if (!socket->connected)
        return;
    struct sio_client *const client = eio_session_user(socket->session);
    if (!close) {
        (void)sio_send_packet(socket->session, sio_namespace_span(socket->namespace),
                              SIO_DISCONNECT, NULL);
        leave(client, socket, reason);
        await_connect(client);
        return;
    }
    struct eio_session *const session = client->session;
    while (client->sockets) {
        (void)sio_send_packet(session, sio_namespace_span(client->sockets->namespace),
                              SIO_DISCONNECT, NULL);
        leave(client, client->sockets, reason);
    }
    eio_session_close(session, EIO_CLOSE_SERVER);
}

/* --- what authorize is told --- */

const struct address *sio_handshake_address(const struct sio_handshake *handshake)
{
    return eio_session_address(handshake->session);
}

bool sio_handshake_query(const struct sio_handshake *handshake, const char *name, char *buf,
                         size_t size)
{
    return eio_session_query(handshake->session, name, buf, size);
}

const char *sio_handshake_header(const struct sio_handshake *handshake, const char *name)
{
    return eio_session_header(handshake->session, name);
}

const json_t *sio_handshake_auth(const struct sio_handshake *handshake)
{
    return handshake->auth;
}

int sio_handshake_protocol(const struct sio_handshake *handshake)
{
    return eio_session_protocol(handshake->session);
}

const char *sio_handshake_id(const struct sio_handshake *handshake)
{
    return handshake->id;
}
