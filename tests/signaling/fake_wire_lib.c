#include "tests/signaling/fake_wire.h"

#include <stdlib.h>
#include <string.h>

#define MUST(cond) ((cond) ? (void)0 : abort())

static struct fake *fake_of(struct eio_session *session)
{
    return (struct fake *)(void *)((char *)session - offsetof(struct fake, session));
}

/* Keeps what fits. */
static void append(char *log, size_t *n, struct span bytes, const char *end)
{
    const size_t end_n = strlen(end);

    if (*n + bytes.n + end_n >= FAKE_TEXT_MAX)
        return;
    if (bytes.n > 0)
        memcpy(log + *n, bytes.p, bytes.n);
    *n += bytes.n;
    memcpy(log + *n, end, end_n + 1);
    *n += end_n;
}

static void respond(void *handle, int status, const char *type, struct span body)
{
    struct fake_request *const request = handle;

    MUST(request->status == 0); /* nobody is answered twice */
    request->status = status;
    strncpy(request->type, type ? type : "", sizeof request->type - 1);
    append(request->body, &request->n, body, "");
}

static int send_frame(void *handle, bool binary, struct span frame)
{
    struct fake_socket *const socket = handle;
    (void)binary;

    MUST(!socket->closed); /* who was let go is not written to */
    if (socket->refuses)
        return RC_FULL;
    append(socket->sent, &socket->n, frame, "|");
    return RC_OK;
}

static void close_socket(void *handle, enum eio_close why)
{
    struct fake_socket *const socket = handle;

    MUST(!socket->closed);
    socket->closed = true;
    socket->why = why;
}

static size_t buffered(const void *handle)
{
    const struct fake_socket *const socket = handle;

    return socket->n;
}

static const struct eio_wire WIRE = {respond, send_frame, close_socket, buffered};

static void on_message(struct eio_session *session, struct span data, bool binary)
{
    struct fake *const fake = fake_of(session);

    append(fake->messages, &fake->n, data, "|");
    if (fake->echo) {
        struct eio_message *const message = eio_message_create(binary, data.n);
        MUST(message);
        memcpy(eio_message_data(message), data.p, data.n);
        (void)eio_session_send(session, message);
        eio_message_release(message);
    }
    if (fake->on_message)
        fake->on_message(fake);
}

static void on_closed(struct eio_session *session, enum eio_close why)
{
    struct fake *const fake = fake_of(session);

    fake->closed++;
    fake->why = why;
}

static void on_gone(struct eio_session *session)
{
    fake_of(session)->gone++;
}

void fake_open(struct fake *fake, int protocol, struct fake_socket *socket)
{
    struct timers *timers = NULL;
    const struct eio_host host = {
        .wire = &WIRE,
        .options = fake->host.options,
        .message = on_message,
        .closed = on_closed,
        .gone = on_gone,
    };

    fake->host = host;
    eio_options_complete(&fake->host.options);
    MUST(timers_create(&timers) == RC_OK);
    fake->host.timers = timers;
    fake->now = SEC(1000);
    fake->session = (struct eio_session){.host = &fake->host, .protocol = (uint8_t)protocol};
    memcpy(fake->session.sid, "ABCDEFGHIJKLMNOPQRST", sizeof fake->session.sid);
    MUST(eio_session_open(&fake->session, socket, fake->now) == RC_OK);
    eio_session_uncork(&fake->session);
}

void fake_pass(struct fake *fake, usec_t time)
{
    fake->now += time;
    timers_run(fake->host.timers, fake->now);
}

void fake_check(const struct fake *fake)
{
    const struct eio_session *const session = &fake->session;
    const bool open = session->state == EIO_OPEN;

    MUST(fake->closed == (open ? 0 : 1));
    MUST(fake->gone == (session->state == EIO_CLOSED ? 1 : 0));
    MUST(counter_get(&fake->host.stats.sessions) == (open ? 1 : 0));
    MUST(counter_get(&fake->host.stats.websockets) == (session->socket ? 1 : 0));
    MUST(open || (!session->socket && !session->poll));
    MUST(session->state != EIO_CLOSED || !session->probe);
    MUST(session->state != EIO_CLOSED || timers_count(fake->host.timers) == 0);
    MUST(!open || timer_is_set(&session->timer));
    MUST(session->queue.count <= fake->host.options.queue_messages + 2);
    MUST(session->queue.bytes <= fake->host.options.queue_bytes + 2u);
}

void fake_close(struct fake *fake)
{
    fake_check(fake);
    eio_session_drop(&fake->session, EIO_CLOSE_SHUTDOWN);
    fake_check(fake);
    timers_free(fake->host.timers);
}

void fake_get(struct fake *fake, struct fake_request *request)
{
    *request = (struct fake_request){0};
    eio_session_poll(&fake->session, request);
}

void fake_post(struct fake *fake, struct fake_request *request, const char *body)
{
    const struct span bytes = {(const uint8_t *)body, strlen(body)};

    *request = (struct fake_request){0};
    eio_session_post(&fake->session, request, bytes, false, fake->now);
    MUST(request->status != 0); /* a post is answered at once */
}

void fake_text(struct fake *fake, struct fake_socket *socket, const char *text)
{
    const struct span bytes = {(const uint8_t *)text, strlen(text)};

    eio_session_frame(&fake->session, socket, false, bytes, fake->now);
}

int fake_send(struct fake *fake, const char *text)
{
    struct eio_message *const message = eio_message_create(false, strlen(text));

    MUST(message);
    memcpy(eio_message_data(message), text, strlen(text));
    const int rc = eio_session_send(&fake->session, message);
    eio_message_release(message);
    return rc;
}
