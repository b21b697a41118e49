#include "signaling/engineio_session.h"

#include "core/base64.h"
#include "core/refusal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    OPEN_PACKET_MAX = 256,
    SCRATCH_ON_STACK = 2048, /* larger base64 takes a malloc */
};

#define TIMER_SLACK MSEC(20) /* a timer that fires later than that was held up */

/* A WebSocket that may become the transport. */
struct eio_probe {
    struct eio_session *session;
    void *socket;
    bool probed; /* "2probe" was answered: polls are ended, "5" is awaited */
    struct timer timeout;
};

static const char TEXT_TYPE[] = "text/plain; charset=UTF-8";
static const char OCTETS_TYPE[] = "application/octet-stream";
static const char JSON_TYPE[] = "application/json";
static const char BAD_REQUEST[] = "{\"code\":3,\"message\":\"Bad request\"}";

const char *eio_close_text(enum eio_close why)
{
    switch (why) {
    case EIO_CLOSE_CLIENT:
    case EIO_CLOSE_TRANSPORT:
        return "transport close";
    case EIO_CLOSE_PING_TIMEOUT:
        return "ping timeout";
    case EIO_CLOSE_BAD_PACKET:
        return "parse error";
    case EIO_CLOSE_OVERLAP:
        return "transport error";
    case EIO_CLOSE_SLOW_READER:
        return "slow reader";
    case EIO_CLOSE_FLOOD:
        return "flood";
    case EIO_CLOSE_SERVER:
        return "forced close";
    case EIO_CLOSE_SHUTDOWN:
        return "server shutting down";
    }
    return "closed";
}

void eio_options_complete(struct eio_options *options)
{
    const struct eio_options initial = {
        .path = "/engine.io/",
        .ping_interval = SEC(25),
        .ping_timeout = SEC(120),
        .upgrade_timeout = SEC(30),
        .max_payload = 1000000,
        .queue_messages = 1000,
        .queue_bytes = 4u << 20,
        .packets_per_second = 2000,
        .max_sessions = 20000,
    };

#define COMPLETE(member) options->member = options->member ? options->member : initial.member
    COMPLETE(path);
    COMPLETE(ping_interval);
    COMPLETE(ping_timeout);
    COMPLETE(upgrade_timeout);
    COMPLETE(max_payload);
    COMPLETE(queue_messages);
    COMPLETE(queue_bytes);
    COMPLETE(packets_per_second);
    COMPLETE(max_sessions);
#undef COMPLETE
}

static struct eio_format format_of(const struct eio_session *session)
{
    return (struct eio_format){session->protocol, session->base64};
}

static void set_timer(struct eio_session *session, usec_t due)
{
    /* Without memory for the timer the session would live for ever: let its next send end it.
     */
    if (timers_set(session->host->timers, &session->timer, due) != RC_OK)
        session->doomed = true;
}

/* --- ending --- */

static void set_state(struct eio_session *session, enum eio_state state)
{
    assert(state > session->state); /* there is no way back */
    session->state = state;
}

static void forget_probe(struct eio_session *session)
{
    timers_clear(session->host->timers, &session->probe->timeout);
    free(session->probe);
    session->probe = NULL;
}

static void close_probe(struct eio_session *session, enum eio_close why)
{
    if (!session->probe)
        return;
    session->host->wire->close(session->probe->socket, why);
    forget_probe(session);
}

static void finish(struct eio_session *session)
{
    set_state(session, EIO_CLOSED);
    close_probe(session, EIO_CLOSE_SERVER);
    timers_clear(session->host->timers, &session->timer);
    eio_queue_clear(&session->queue);
    session->host->gone(session);
}

/* Answers the poll that waits with everything in the queue. */
static void answer_poll(struct eio_session *session)
{
    void *const poll = session->poll;
    size_t n = 0;
    bool octets = false;
    uint8_t *const body = eio_queue_payload(&session->queue, format_of(session), &n, &octets);

    session->poll = NULL;
    if (!body) {
        session->host->wire->respond(poll, 503, NULL, (struct span){NULL, 0});
        return;
    }
    eio_queue_clear(&session->queue);
    session->host->wire->respond(poll, 200, octets ? OCTETS_TYPE : TEXT_TYPE,
                                 (struct span){body, n});
    free(body);
}

/* The last packet of all: no limit applies. */
static void queue_last(struct eio_session *session, enum eio_type type)
{
    (void)eio_queue_push(&session->queue, eio_message_control(type), UINT32_MAX, SIZE_MAX);
}

/* Did we end it in good order, so that the client should get all that was sent before? */
static bool lingers(enum eio_close why)
{
    return why == EIO_CLOSE_SERVER || why == EIO_CLOSE_SHUTDOWN;
}

/* Tells a polling client that it is over. True when it has been told; else the next poll will.
 * What was sent before goes in a payload of its own: clients act on a close packet before the
 * messages beside it. */
static bool tell_poll(struct eio_session *session, enum eio_close why)
{
    if (!session->poll)
        return false;
    if (lingers(why) && session->queue.count > 0) {
        answer_poll(session);
        return false;
    }
    /* Who said close itself is not told again. */
    queue_last(session, why == EIO_CLOSE_CLIENT ? EIO_PACKET_NOOP : EIO_PACKET_CLOSE);
    answer_poll(session);
    return true;
}

/* Has the client stopped polling, to send its upgrade packet next? Then it listens on the probe
 * only, and would never learn of the end if that were just closed. */
static bool between_transports(const struct eio_session *session)
{
    return session->probe && session->probe->probed && !session->poll;
}

/* Ends the session as far as it can be ended now; then tells the owner. linger_until: how long
 * a client that is not polling just now may still fetch its last packets; 0: it may not. */
static void end(struct eio_session *session, enum eio_close why, usec_t linger_until)
{
    struct eio_host *const host = session->host;
    bool finished = true;

    if (session->state != EIO_OPEN)
        return;
    set_state(session, EIO_CLOSING);
    if (linger_until == 0 || !between_transports(session))
        close_probe(session, why);
    timers_clear(host->timers, &session->timer);
    counter_set(&host->stats.sessions, counter_get(&host->stats.sessions) - 1);

    if (session->socket) {
        counter_set(&host->stats.websockets, counter_get(&host->stats.websockets) - 1);
        host->wire->close(session->socket, why);
        session->socket = NULL;
    } else if (!tell_poll(session, why) && linger_until > 0) {
        finished = timers_set(host->timers, &session->timer, linger_until) != RC_OK;
    }
    host->closed(session, why);
    if (finished)
        finish(session);
}

void eio_session_drop(struct eio_session *session, enum eio_close why)
{
    if (session->state == EIO_OPEN)
        end(session, why, 0);
    else if (session->state == EIO_CLOSING)
        finish(session);
}

void eio_session_socket_gone(struct eio_session *session, void *socket, enum eio_close why)
{
    if (session->probe && session->probe->socket == socket) {
        forget_probe(session);
        return;
    }
    if (session->socket != socket)
        return;
    session->socket = NULL;
    counter_set(&session->host->stats.websockets,
                counter_get(&session->host->stats.websockets) - 1);
    end(session, why, 0);
}

/* --- sending --- */

/* One of our limits was hit. Not closed here: the caller is in the middle of something. */
static int doom(struct eio_session *session)
{
    if (!session->doomed) {
        session->doomed = true;
        refuse(REFUSAL_SLOW_READER);
        set_timer(session, 0);
    }
    return RC_FULL;
}

static int send_frame(struct eio_session *session, void *socket, struct eio_raw packet)
{
    const struct eio_format format = format_of(session);
    const bool binary = eio_frame_is_binary(format, packet);
    const size_t need = binary ? 0 : eio_frame_scratch(packet);
    uint8_t small[SCRATCH_ON_STACK];
    uint8_t *const scratch = need > sizeof small ? malloc(need) : small;

    if (!scratch)
        return RC_NOMEM;
    const int rc =
        session->host->wire->send(socket, binary, eio_frame(format, packet, scratch));
    if (scratch != small)
        free(scratch);
    return rc == RC_AGAIN ? RC_BAD : rc;
}

/* Gives the poll that waits what there is. */
static void flush(struct eio_session *session)
{
    if (!session->poll || session->corked)
        return;
    if (session->queue.count > 0)
        answer_poll(session);
}

static int deliver(struct eio_session *session, struct eio_message *message)
{
    const struct eio_options *const options = &session->host->options;

    if (session->socket)
        return send_frame(session, session->socket, eio_message_raw(message));
    const int rc =
        eio_queue_push(&session->queue, message, options->queue_messages, options->queue_bytes);
    if (rc == RC_FULL)
        return doom(session);
    if (rc == RC_OK)
        flush(session);
    return rc;
}

int eio_session_send(struct eio_session *session, struct eio_message *message)
{
    if (session->state != EIO_OPEN || session->doomed)
        return RC_BAD;
    counter_add(&session->host->stats.packets_out, 1);
    counter_add(&session->host->stats.bytes_out, eio_message_raw(message).bytes.n - 1);
    return deliver(session, message);
}

void eio_session_uncork(struct eio_session *session)
{
    session->corked = false;
    if (session->state == EIO_OPEN)
        flush(session);
}

void eio_session_end(struct eio_session *session, enum eio_close why, usec_t now)
{
    session->corked = false;
    end(session, why, now + EIO_LINGER);
}

/* --- time --- */

static void on_timer(struct timer *timer, void *arg, usec_t now)
{
    struct eio_session *const session = arg;
    const struct eio_options *const options = &session->host->options;

    if (session->state == EIO_CLOSING) {
        finish(session);
    } else if (session->doomed) {
        end(session, EIO_CLOSE_SLOW_READER, 0);
    } else if (session->protocol == 3 || session->awaiting_pong) {
        refuse(REFUSAL_EIO_PING_TIMEOUT);
        end(session, EIO_CLOSE_PING_TIMEOUT, 0);
    } else {
        session->awaiting_pong = true;
        /* What timers round up does not add up; but a loop that was held up blames no client.
         */
        const bool on_time = timer->due <= now && now - timer->due < TIMER_SLACK;
        set_timer(session, (on_time ? timer->due : now) + options->ping_timeout);
        (void)deliver(session, eio_message_control(EIO_PACKET_PING));
    }
}

static void restart_heartbeat(struct eio_session *session, usec_t now)
{
    const struct eio_options *const options = &session->host->options;

    session->awaiting_pong = false;
    if (!session->doomed)
        set_timer(session, now + options->ping_interval +
                               (session->protocol == 3 ? options->ping_timeout : 0));
}

/* --- opening --- */

static struct eio_message *open_packet(const struct eio_session *session, bool websocket)
{
    const struct eio_options *const options = &session->host->options;
    char json[OPEN_PACKET_MAX];

    const int n =
        snprintf(json, sizeof json,
                 "{\"sid\":\"%s\",\"upgrades\":[%s],\"pingInterval\":%llu,"
                 "\"pingTimeout\":%llu,\"maxPayload\":%u}",
                 session->sid, websocket ? "" : "\"websocket\"",
                 (unsigned long long)(options->ping_interval / MSEC(1)),
                 (unsigned long long)(options->ping_timeout / MSEC(1)), options->max_payload);
    assert(n > 0 && n < OPEN_PACKET_MAX);
    struct eio_message *const message = eio_message_create_type(EIO_PACKET_OPEN, (size_t)n);
    if (message)
        memcpy(eio_message_data(message), json, (size_t)n);
    return message;
}

int eio_session_open(struct eio_session *session, void *socket, usec_t now)
{
    struct eio_host *const host = session->host;
    struct eio_message *const message = open_packet(session, socket != NULL);

    if (!message)
        return RC_NOMEM;
    session->socket = socket;
    session->corked = true;
    session->rate_since = now;
    timer_init(&session->timer, on_timer, session);
    const int rc = deliver(session, message);
    eio_message_release(message);
    if (rc != RC_OK) {
        eio_queue_clear(&session->queue);
        return RC_NOMEM;
    }

    counter_set(&host->stats.sessions, counter_get(&host->stats.sessions) + 1);
    if (socket)
        counter_set(&host->stats.websockets, counter_get(&host->stats.websockets) + 1);
    counter_add(&host->stats.opened, 1);
    restart_heartbeat(session, now);
    return RC_OK;
}

/* --- packets from the client --- */

/* Ends the session for what it sent: RC_BAD, a malformed packet; RC_FULL, too many packets. */
static void end_for(struct eio_session *session, int rc)
{
    if (session->state != EIO_OPEN)
        return;
    refuse(rc == RC_FULL ? REFUSAL_RATE_LIMIT : REFUSAL_EIO_BAD_PACKET);
    end(session, rc == RC_FULL ? EIO_CLOSE_FLOOD : EIO_CLOSE_BAD_PACKET, 0);
}

static bool floods(struct eio_session *session, usec_t now)
{
    if (now - session->rate_since >= SEC(1)) {
        session->rate_since = now;
        session->rate_count = 0;
    }
    return ++session->rate_count > session->host->options.packets_per_second;
}

static int on_message(struct eio_session *session, struct eio_packet *packet)
{
    uint8_t small[SCRATCH_ON_STACK];
    uint8_t *scratch = small;
    int rc = RC_OK;

    if (packet->base64) {
        const size_t need = base64_decoded_max(packet->data.n);
        if (need > sizeof small)
            scratch = malloc(need);
        rc = scratch ? eio_packet_decode(packet, scratch) : RC_BAD;
    }
    if (rc == RC_OK) {
        counter_add(&session->host->stats.bytes_in, packet->data.n);
        session->host->message(session, packet->data, packet->binary);
    }
    if (scratch != small)
        free(scratch);
    return rc;
}

/* RC_OK, also when the packet ended the session in good order; else what end_for wants to know.
 */
static int on_packet(struct eio_session *session, struct eio_packet *packet, usec_t now)
{
    counter_add(&session->host->stats.packets_in, 1);
    if (floods(session, now))
        return RC_FULL;

    switch (packet->type) {
    case EIO_PACKET_MESSAGE:
        return on_message(session, packet);
    case EIO_PACKET_PING: /* revision 3: the client's; revision 4: the wrong way */
        if (session->protocol != 3)
            return RC_BAD;
        restart_heartbeat(session, now);
        (void)deliver(session, eio_message_control(EIO_PACKET_PONG));
        return RC_OK;
    case EIO_PACKET_PONG:
        if (session->protocol == 3)
            return RC_BAD;
        restart_heartbeat(session, now);
        return RC_OK;
    case EIO_PACKET_CLOSE:
        end(session, EIO_CLOSE_CLIENT, 0);
        return RC_OK;
    case EIO_PACKET_NOOP:
        return RC_OK;
    case EIO_PACKET_OPEN:
    case EIO_PACKET_UPGRADE:
        break;
    }
    return RC_BAD;
}

/* --- polling --- */

static void refuse_request(struct eio_session *session, void *request)
{
    session->host->wire->respond(request, 400, JSON_TYPE, SPAN_LITERAL(BAD_REQUEST));
}

void eio_session_poll(struct eio_session *session, void *request)
{
    if (session->state == EIO_CLOSED || session->socket || session->poll) {
        refuse(REFUSAL_EIO_BAD_REQUEST);
        refuse_request(session, request);
        if (session->poll)
            end(session, EIO_CLOSE_OVERLAP, 0);
        return;
    }
    session->poll = request;
    if (session->state == EIO_CLOSING) {
        if (tell_poll(session, EIO_CLOSE_SERVER))
            finish(session);
        return;
    }
    /* A client that probes must not wait for a poll that nothing ends. */
    if (session->probe && session->probe->probed && session->queue.count == 0)
        queue_last(session, EIO_PACKET_NOOP);
    flush(session);
}

void eio_session_poll_gone(struct eio_session *session)
{
    session->poll = NULL;
    end(session, EIO_CLOSE_TRANSPORT, 0);
}

/* RC_OK, or what is wrong with it. Packets before the wrong one have been handled. */
static int on_payload(struct eio_session *session, struct span body, bool octets, usec_t now)
{
    struct eio_payload payload = {body, session->protocol, octets};
    struct eio_packet packet;
    int rc = RC_OK;

    if (body.n == 0 || (octets && session->protocol != 3))
        return RC_BAD;
    while (rc == RC_OK && session->state == EIO_OPEN) {
        rc = eio_payload_next(&payload, &packet);
        if (rc == RC_OK)
            rc = on_packet(session, &packet, now);
    }
    return rc == RC_AGAIN ? RC_OK : rc;
}

void eio_session_post(struct eio_session *session, void *request, struct span body, bool octets,
                      usec_t now)
{
    if (session->socket || session->state == EIO_CLOSED) {
        refuse(REFUSAL_EIO_BAD_REQUEST);
        refuse_request(session, request);
        return;
    }
    session->corked = true; /* so that the answers to one POST come as one payload */
    const int rc = on_payload(session, body, octets, now);
    session->corked = false;

    if (rc != RC_OK) {
        refuse_request(session, request);
        end_for(session, rc);
        return;
    }
    session->host->wire->respond(request, 200, TEXT_TYPE, SPAN_LITERAL("ok"));
    if (session->state == EIO_OPEN)
        flush(session);
}

/* --- WebSocket --- */

static void on_upgrade_timeout(struct timer *timer, void *arg, usec_t now)
{
    struct eio_probe *const probe = arg;
    (void)timer;
    (void)now;

    close_probe(probe->session, EIO_CLOSE_TRANSPORT);
}

bool eio_session_upgradable(const struct eio_session *session)
{
    return session->state == EIO_OPEN && !session->socket && !session->probe;
}

int eio_session_probe(struct eio_session *session, void *socket, usec_t now)
{
    struct eio_host *const host = session->host;
    struct eio_probe *const probe = calloc(1, sizeof *probe);

    if (!probe)
        return RC_NOMEM;
    probe->session = session;
    probe->socket = socket;
    timer_init(&probe->timeout, on_upgrade_timeout, probe);
    if (timers_set(host->timers, &probe->timeout, now + host->options.upgrade_timeout) !=
        RC_OK) {
        free(probe);
        return RC_NOMEM;
    }
    session->probe = probe;
    return RC_OK;
}

/* A socket that refuses a packet closes itself. */
static void send_queue(struct eio_session *session, void *socket)
{
    for (uint32_t i = 0; i < session->queue.count; i++) {
        if (send_frame(session, socket, eio_message_raw(session->queue.item[i])) != RC_OK)
            break;
    }
    eio_queue_clear(&session->queue);
}

/* The upgrade of a session that we have ended meanwhile: its last packets, then no more. */
static void upgrade_to_close(struct eio_session *session)
{
    send_queue(session, session->probe->socket);
    finish(session);
}

/* The probe becomes the transport; what waits goes out on it, in order. */
static void upgrade(struct eio_session *session)
{
    struct eio_host *const host = session->host;

    if (session->poll) {
        if (session->queue.count == 0)
            queue_last(session, EIO_PACKET_NOOP);
        answer_poll(session);
    }
    session->socket = session->probe->socket;
    forget_probe(session);
    counter_add(&host->stats.upgraded, 1);
    counter_set(&host->stats.websockets, counter_get(&host->stats.websockets) + 1);

    send_queue(session, session->socket);
}

static void on_probe_packet(struct eio_session *session, const struct eio_packet *packet)
{
    struct eio_probe *const probe = session->probe;
    const struct span probe_data = SPAN_LITERAL("probe");

    if (packet->type == EIO_PACKET_PING && packet->data.n == probe_data.n &&
        memcmp(packet->data.p, probe_data.p, probe_data.n) == 0) {
        const struct eio_raw answer = {false, SPAN_LITERAL("3probe")};
        (void)send_frame(session, probe->socket, answer);
        probe->probed = true;
        if (session->poll && session->queue.count == 0)
            queue_last(session, EIO_PACKET_NOOP);
        flush(session);
    } else if (packet->type == EIO_PACKET_UPGRADE && probe->probed) {
        if (session->state == EIO_OPEN)
            upgrade(session);
        else
            upgrade_to_close(session);
    } else {
        refuse(REFUSAL_EIO_BAD_PACKET);
        close_probe(session, EIO_CLOSE_BAD_PACKET); /* the session goes on polling */
    }
}

void eio_session_frame(struct eio_session *session, void *socket, bool binary, struct span data,
                       usec_t now)
{
    const bool is_probe = session->probe && session->probe->socket == socket;
    struct eio_packet packet;

    if (!is_probe && (session->state != EIO_OPEN || socket != session->socket))
        return;
    const int rc = binary ? eio_packet_parse_binary(&packet, session->protocol, data)
                          : eio_packet_parse_text(&packet, session->protocol, data);
    if (is_probe) {
        if (rc != RC_OK)
            packet = (struct eio_packet){.type = EIO_PACKET_NOOP}; /* as wrong as any other */
        on_probe_packet(session, &packet);
        return;
    }
    const int verdict = rc == RC_OK ? on_packet(session, &packet, now) : RC_BAD;
    if (verdict != RC_OK)
        end_for(session, verdict);
}

/* --- accessors --- */

const char *eio_session_id(const struct eio_session *session)
{
    return session->sid;
}

int eio_session_protocol(const struct eio_session *session)
{
    return session->protocol;
}

enum eio_transport eio_session_transport(const struct eio_session *session)
{
    return session->socket ? EIO_WEBSOCKET : EIO_POLLING;
}

const struct address *eio_session_address(const struct eio_session *session)
{
    return &session->from;
}

size_t eio_session_backlog(const struct eio_session *session)
{
    const size_t buffered =
        session->socket ? session->host->wire->buffered(session->socket) : 0;
    return session->queue.bytes + buffered;
}

void *eio_session_user(const struct eio_session *session)
{
    return session->user;
}

void eio_session_set_user(struct eio_session *session, void *user)
{
    session->user = user;
}
