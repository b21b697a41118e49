#include "signaling/socketio_socket.h"

#include <stdlib.h>
#include <string.h>

enum { SCRATCH_ON_STACK = 4096 }; /* a longer packet is written twice */

/* --- encoding --- */

/* A packet and its attachments, ready to be sent to any number of sessions. */
struct encoded {
    struct eio_message *part[1 + SIO_ATTACHMENTS_MAX];
    size_t count;
};

static void release(struct encoded *encoded)
{
    for (size_t i = 0; i < encoded->count; i++)
        eio_message_release(encoded->part[i]);
}

static struct eio_message *encode_packet(const struct sio_packet *packet)
{
    uint8_t scratch[SCRATCH_ON_STACK];
    const size_t n = sio_packet_write(packet, scratch, sizeof scratch);
    struct eio_message *const message = n > 0 ? eio_message_create(false, n) : NULL;

    if (!message)
        return NULL;
    if (n <= sizeof scratch)
        memcpy(eio_message_data(message), scratch, n);
    else
        (void)sio_packet_write(packet, eio_message_data(message), n);
    return message;
}

/* Takes packet->json over. RC_NOMEM, or RC_BAD when there are more attachments than may be. */
static int encode(struct encoded *out, const struct sio_packet *packet,
                  const struct span *attachments)
{
    struct encoded encoded = {.count = 0};
    int rc = RC_BAD;

    if (packet->attachments > SIO_ATTACHMENTS_MAX)
        goto fail;
    rc = RC_NOMEM;
    encoded.part[0] = encode_packet(packet);
    if (!encoded.part[0])
        goto fail;
    encoded.count = 1;
    for (size_t i = 0; i < packet->attachments; i++) {
        struct eio_message *const message = eio_message_create(true, attachments[i].n);
        if (!message)
            goto fail;
        if (attachments[i].n > 0)
            memcpy(eio_message_data(message), attachments[i].p, attachments[i].n);
        encoded.part[encoded.count++] = message;
    }
    json_decref(packet->json);
    *out = encoded;
    return RC_OK;

fail:
    json_decref(packet->json);
    release(&encoded);
    return rc;
}

static int send_encoded(struct eio_session *session, const struct encoded *encoded)
{
    int rc = RC_OK;

    for (size_t i = 0; i < encoded->count && rc == RC_OK; i++)
        rc = eio_session_send(session, encoded->part[i]);
    return rc;
}

/* [name, args...]; takes args over. NULL: no memory, or a name that no event may have. */
static json_t *event_array(const char *name, json_t *args)
{
    json_t *const array = sio_event_reserved(name) ? NULL : json_array();

    if (!array || json_array_append_new(array, json_string(name)) != 0 ||
        (args && json_array_extend(array, args) != 0)) {
        json_decref(array);
        json_decref(args);
        return NULL;
    }
    json_decref(args);
    return array;
}

/* [payload] or []; takes payload over. NULL: no memory. */
static json_t *one_argument(json_t *payload)
{
    json_t *const array = json_array();

    if (!array) {
        json_decref(payload);
        return NULL;
    }
    if (payload && json_array_append_new(array, payload) != 0) {
        json_decref(array);
        return NULL;
    }
    return array;
}

struct span sio_namespace_span(const struct sio_namespace *namespace)
{
    return (struct span){(const uint8_t *)namespace->name, namespace->name_length};
}

int sio_send_packet(struct eio_session *session, struct span namespace, enum sio_type type,
                    json_t *json)
{
    const struct sio_packet packet = {
        .type = type, .namespace = namespace, .ack_id = SIO_NO_ACK, .json = json};
    struct encoded encoded;

    int rc = encode(&encoded, &packet, NULL);
    if (rc != RC_OK)
        return rc;
    rc = send_encoded(session, &encoded);
    release(&encoded);
    return rc;
}

/* --- events --- */

/* Encodes an event for the namespace. args: array or NULL, taken over. */
static int encode_event(struct encoded *out, const struct sio_namespace *namespace,
                        const char *event, json_t *args, const struct span *attachments,
                        size_t attachment_count, int64_t ack_id)
{
    json_t *const array = event_array(event, args);

    if (!array)
        return sio_event_reserved(event) ? RC_BAD : RC_NOMEM;
    const struct sio_packet packet = {
        .type = attachment_count > 0 ? SIO_BINARY_EVENT : SIO_EVENT,
        .attachments = (uint32_t)attachment_count,
        .namespace = sio_namespace_span(namespace),
        .ack_id = ack_id,
        .json = array,
    };
    return encode(out, &packet, attachments);
}

static int emit(struct sio_socket *socket, const char *event, json_t *args,
                const struct span *attachments, size_t attachment_count, int64_t ack_id)
{
    struct encoded encoded;

    if (!socket->connected) {
        json_decref(args);
        return RC_BAD;
    }
    int rc = encode_event(&encoded, socket->namespace, event, args, attachments,
                          attachment_count, ack_id);
    if (rc != RC_OK)
        return rc;
    rc = send_encoded(socket->session, &encoded);
    release(&encoded);
    if (rc == RC_OK)
        counter_add(&socket->namespace->stats->events_out, 1);
    return rc;
}

int sio_emit_args(struct sio_socket *socket, const char *event, json_t *args,
                  const struct span *attachments, size_t attachment_count)
{
    return emit(socket, event, args, attachments, attachment_count, SIO_NO_ACK);
}

int sio_emit(struct sio_socket *socket, const char *event, json_t *payload)
{
    json_t *const args = one_argument(payload);

    return args ? emit(socket, event, args, NULL, 0, SIO_NO_ACK) : RC_NOMEM;
}

static bool send_shared(struct sio_socket *socket, const struct encoded *encoded)
{
    if (!socket->connected || send_encoded(socket->session, encoded) != RC_OK)
        return false;
    counter_add(&socket->namespace->stats->events_out, 1);
    return true;
}

size_t sio_emit_many(struct sio_socket *const *sockets, size_t count, const char *event,
                     json_t *payload)
{
    struct encoded encoded;
    json_t *const args = one_argument(payload);
    size_t took = 0;

    if (count == 0 || !args) {
        json_decref(args);
        return 0;
    }
    if (encode_event(&encoded, sockets[0]->namespace, event, args, NULL, 0, SIO_NO_ACK) !=
        RC_OK)
        return 0;
    for (size_t i = 0; i < count; i++)
        took += send_shared(sockets[i], &encoded) ? 1 : 0;
    release(&encoded);
    return took;
}

size_t sio_emit_all(struct sio_namespace *namespace, const struct sio_socket *except,
                    const char *event, json_t *payload)
{
    struct encoded encoded;
    json_t *const args = one_argument(payload);
    size_t took = 0;

    if (!args || encode_event(&encoded, namespace, event, args, NULL, 0, SIO_NO_ACK) != RC_OK)
        return 0;
    for (struct sio_socket *socket = namespace->sockets; socket;
         socket = socket->next_in_namespace) {
        if (socket != except)
            took += send_shared(socket, &encoded) ? 1 : 0;
    }
    release(&encoded);
    return took;
}

/* --- acks that we give --- */

int sio_ack_args(struct sio_socket *socket, int64_t ack_id, json_t *args,
                 const struct span *attachments, size_t attachment_count)
{
    struct encoded encoded;

    if (ack_id == SIO_NO_ACK || !socket->connected) {
        json_decref(args);
        return ack_id == SIO_NO_ACK ? RC_OK : RC_BAD;
    }
    const struct sio_packet packet = {
        .type = attachment_count > 0 ? SIO_BINARY_ACK : SIO_ACK,
        .attachments = (uint32_t)attachment_count,
        .namespace = sio_namespace_span(socket->namespace),
        .ack_id = ack_id,
        .json = args,
    };
    int rc = encode(&encoded, &packet, attachments);
    if (rc != RC_OK)
        return rc;
    rc = send_encoded(socket->session, &encoded);
    release(&encoded);
    if (rc == RC_OK)
        counter_add(&socket->namespace->stats->acks_out, 1);
    return rc;
}

int sio_ack(struct sio_socket *socket, int64_t ack_id, json_t *payload)
{
    json_t *const args = one_argument(payload);

    return args ? sio_ack_args(socket, ack_id, args, NULL, 0) : RC_NOMEM;
}

/* --- acks that we await --- */

struct sio_pending {
    struct sio_socket *socket;
    struct sio_pending *next;
    int64_t id;
    sio_ack_fn *fn;
    void *arg;
    struct timer timeout;
};

static struct timers *timers_of(const struct sio_socket *socket)
{
    return loop_timers(socket->namespace->loop);
}

/* Unlinked first, so that fn may emit, disconnect and do what else it likes. */
static void settle(struct sio_pending **link, const struct sio_event *answer)
{
    struct sio_pending *const pending = *link;
    struct sio_socket *const socket = pending->socket;
    sio_ack_fn *const fn = pending->fn;
    void *const arg = pending->arg;

    *link = pending->next;
    socket->ack_count--;
    timers_clear(timers_of(socket), &pending->timeout);
    free(pending);
    fn(arg, socket, answer);
}

static struct sio_pending **find_pending(struct sio_socket *socket, int64_t id)
{
    struct sio_pending **link = &socket->acks;

    while (*link && (*link)->id != id)
        link = &(*link)->next;
    return *link ? link : NULL;
}

static void on_ack_timeout(struct timer *timer, void *arg, usec_t now)
{
    const struct sio_pending *const pending = arg;
    (void)timer;
    (void)now;

    settle(find_pending(pending->socket, pending->id), NULL);
}

void sio_socket_answer(struct sio_socket *socket, const struct sio_event *answer)
{
    struct sio_pending **const link = find_pending(socket, answer->ack_id);

    if (!link)
        return;
    counter_add(&socket->namespace->stats->acks_in, 1);
    settle(link, answer);
}

int sio_emit_with_ack(struct sio_socket *socket, const char *event, json_t *payload,
                      usec_t timeout, sio_ack_fn *fn, void *arg)
{
    json_t *const args = one_argument(payload);
    struct sio_pending *const pending = malloc(sizeof *pending);
    int rc = RC_NOMEM;

    if (!args || !pending)
        goto fail;
    rc = RC_FULL;
    if (socket->ack_count >= SIO_ACKS_PENDING_MAX)
        goto fail;

    *pending = (struct sio_pending){.socket = socket,
                                    .next = socket->acks,
                                    .id = socket->next_ack_id,
                                    .fn = fn,
                                    .arg = arg};
    timer_init(&pending->timeout, on_ack_timeout, pending);
    rc = timers_set(timers_of(socket), &pending->timeout,
                    loop_now(socket->namespace->loop) + timeout);
    if (rc != RC_OK)
        goto fail;
    rc = emit(socket, event, args, NULL, 0, pending->id);
    if (rc != RC_OK) {
        timers_clear(timers_of(socket), &pending->timeout);
        free(pending);
        return rc;
    }
    socket->acks = pending;
    socket->ack_count++;
    socket->next_ack_id++;
    return RC_OK;

fail:
    json_decref(args);
    free(pending);
    return rc;
}

/* --- life --- */

struct sio_socket *sio_socket_create(struct sio_namespace *namespace,
                                     struct eio_session *session, const char *id)
{
    const size_t n = strlen(id) + 1;
    struct sio_socket *const socket = calloc(1, sizeof *socket + n);

    if (!socket)
        return NULL;
    memcpy(socket->id, id, n);
    socket->namespace = namespace;
    socket->session = session;
    socket->connected = true;
    socket->next_in_namespace = namespace->sockets;
    socket->link_in_namespace = &namespace->sockets;
    if (namespace->sockets)
    namespace->sockets->link_in_namespace = &socket->next_in_namespace;
    namespace->sockets = socket;
    namespace->socket_count++;
    counter_set(&namespace->stats->sockets, counter_get(&namespace->stats->sockets) + 1);
    counter_add(&namespace->stats->connected, 1);
    return socket;
}

void sio_socket_leave(struct sio_socket *socket, const char *reason)
{
    struct sio_namespace *const namespace = socket->namespace;

    socket->connected = false;
    *socket->link_in_namespace = socket->next_in_namespace;
    if (socket->next_in_namespace)
        socket->next_in_namespace->link_in_namespace = socket->link_in_namespace;
    namespace->socket_count--;
    counter_set(&namespace->stats->sockets, counter_get(&namespace->stats->sockets) - 1);

    while (socket->acks)
        settle(&socket->acks, NULL);
    if (namespace->handlers->disconnected)
    namespace->handlers->disconnected(namespace->arg, socket, reason);
    socket->session = NULL;
}

void sio_socket_free(struct sio_socket *socket)
{
    free(socket);
}

/* --- accessors --- */

const char *sio_id(const struct sio_socket *socket)
{
    return socket->id;
}

void *sio_user(const struct sio_socket *socket)
{
    return socket->user;
}

void sio_set_user(struct sio_socket *socket, void *user)
{
    socket->user = user;
}

bool sio_connected(const struct sio_socket *socket)
{
    return socket->connected;
}

const struct address *sio_address(const struct sio_socket *socket)
{
    return eio_session_address(socket->session);
}

bool sio_query(const struct sio_socket *socket, const char *name, char *buf, size_t size)
{
    return eio_session_query(socket->session, name, buf, size);
}

int sio_protocol(const struct sio_socket *socket)
{
    return eio_session_protocol(socket->session);
}

enum eio_transport sio_transport(const struct sio_socket *socket)
{
    return eio_session_transport(socket->session);
}

size_t sio_backlog(const struct sio_socket *socket)
{
    return eio_session_backlog(socket->session);
}

struct sio_namespace *sio_namespace_of(const struct sio_socket *socket)
{
    return socket->namespace;
}

const char *sio_namespace_name(const struct sio_namespace *namespace)
{
    return namespace->name;
}

uint32_t sio_namespace_sockets(const struct sio_namespace *namespace)
{
    return namespace->socket_count;
}
