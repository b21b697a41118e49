#include "turn/turn_tcp_connection.h"

#include "turn/turn_recognise.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <openssl/err.h>
#include <stdlib.h>

/* --- the end
 * ---------------------------------------------------------------------------------- */

/* Replies go to the bufferevent, which is somebody else's from here on. */
static void stop(struct turn_tcp_connection *connection)
{
    struct turn_tcp *tcp = connection->tcp;

    bufferevent_setcb(connection->bev, NULL, NULL, NULL, NULL);
    timers_clear(loop_timers(tcp->options.loop), &connection->timer);
    turn_leg_flush(&connection->leg, turn_tcp_now(tcp));
    turn_leg_close(&connection->leg);
}

/* The beginning of a message may have been set aside: it is the taker's, too. */
static void hand_to_taker(struct turn_tcp_connection *connection)
{
    const struct turn_stream *stream = &connection->stream;

    if (turn_stream_is_partial(stream))
        evbuffer_prepend(bufferevent_get_input(connection->bev), stream->partial, stream->have);
    bufferevent_disable(connection->bev, EV_READ | EV_WRITE);
    connection->taker(connection->taker_arg, connection->listener, connection->bev);
}

/* Does what `ending` says, unless a handler is on the stack: that calls this when it is done.
 */
static void settle(struct turn_tcp_connection *connection)
{
    struct turn_tcp *tcp = connection->tcp;

    if (connection->busy || connection->ending == TURN_TCP_STAYS)
        return;
    stop(connection);
    if (connection->ending == TURN_TCP_DETACHED)
        hand_to_taker(connection);
    else
        listener_release(connection->listener, connection->bev);
    turn_stream_clear(&connection->stream);
    const struct turn_client client = connection->client;
    const bool broken = connection->ending == TURN_TCP_BROKEN;
    turn_tcp_forget(connection);
    if (broken)
        tcp->options.user.gone(tcp->options.user.arg, &client, turn_tcp_now(tcp));
}

void turn_tcp_connection_end(struct turn_tcp_connection *connection,
                             enum turn_tcp_ending ending)
{
    if (connection->ending == TURN_TCP_STAYS)
        connection->ending = ending;
    settle(connection);
}

/* REFUSAL_NONE: it is nobody's fault. */
static void break_off(struct turn_tcp_connection *connection, enum refusal why)
{
    refuse(why);
    turn_tcp_connection_end(connection, TURN_TCP_BROKEN);
}

/* --- deadlines
 * -------------------------------------------------------------------------------- */

/* A timer that rings too early finds out; it is moved only to ring earlier. */
static void arm(struct turn_tcp_connection *connection)
{
    struct timer *timer = &connection->timer;
    const usec_t due = connection->message_at < connection->idle_at ? connection->message_at
                                                                    : connection->idle_at;

    if (!timer_is_set(timer) || timer->due > due)
        (void)timers_set(loop_timers(connection->tcp->options.loop), timer, due);
}

void turn_tcp_connection_end_soon(struct turn_tcp_connection *connection)
{
    if (connection->ending == TURN_TCP_STAYS)
        connection->ending = TURN_TCP_BROKEN;
    connection->idle_at = 0;
    arm(connection);
}

static bool ask_for_allocation(struct turn_tcp_connection *connection)
{
    const struct turn_tcp_user *user = &connection->tcp->options.user;

    connection->allocated = user->has_allocation(user->arg, &connection->client);
    return connection->allocated;
}

static void on_timer(struct timer *timer, void *arg, usec_t now)
{
    struct turn_tcp_connection *connection = arg;
    (void)timer;

    if (connection->ending != TURN_TCP_STAYS) {
        settle(connection);
        return;
    }
    if (now >= connection->message_at) {
        break_off(connection, REFUSAL_REQUEST_TIMEOUT);
        return;
    }
    if (now >= connection->idle_at) {
        if (!ask_for_allocation(connection)) {
            break_off(connection, REFUSAL_REQUEST_TIMEOUT);
            return;
        }
        connection->idle_at = now + connection->tcp->options.idle;
    }
    arm(connection);
}

/* A message that has begun must be there in time, however slowly its bytes come. */
static void watch_message(struct turn_tcp_connection *connection, usec_t now)
{
    if (!turn_stream_is_partial(&connection->stream) || connection->message_at != USEC_NEVER)
        return;
    connection->message_at = now + connection->tcp->options.message_time;
    arm(connection);
}

/* --- in
 * --------------------------------------------------------------------------------------- */

/* Nobody without an allocation has a reason to send much at once. */
static size_t message_limit(struct turn_tcp_connection *connection)
{
    return connection->allocated || ask_for_allocation(connection)
               ? TURN_STREAM_MESSAGE_MAX
               : TURN_FIRST_MESSAGE_MAX + STUN_HEADER_BYTES;
}

static void flush(struct turn_tcp_connection *connection, usec_t now)
{
    const struct turn_tcp_user *user = &connection->tcp->options.user;

    if (user->flush)
        user->flush(user->arg, now);
}

/* One piece of what arrived; moves *bytes past what was taken. */
static void read_piece(struct turn_tcp_connection *connection, struct span *bytes, usec_t now)
{
    const struct turn_tcp_user *user = &connection->tcp->options.user;
    bool set_aside = turn_stream_is_partial(&connection->stream);
    int rc = RC_OK;

    while (rc == RC_OK && connection->ending == TURN_TCP_STAYS) {
        struct span message;

        rc = turn_stream_next(&connection->stream, message_limit(connection), bytes, &message);
        if (rc != RC_OK)
            break;
        connection->message_at = USEC_NEVER;
        rc = user->input(user->arg, &connection->client, message, now);
        if (set_aside) /* the first message lies in the stream's memory, the others in the piece
                        */
            flush(connection, now);
        set_aside = false;
    }
    if (connection->ending != TURN_TCP_STAYS)
        return;
    if (rc == RC_BAD)
        break_off(connection, REFUSAL_STUN_MALFORMED);
    else if (rc == RC_NOMEM)
        break_off(connection, REFUSAL_SERVER_FULL);
}

static void on_read(struct bufferevent *bev, void *arg)
{
    struct turn_tcp_connection *connection = arg;
    struct loop *loop = connection->tcp->options.loop;
    struct evbuffer *input = bufferevent_get_input(bev);
    struct evbuffer_iovec piece;
    const usec_t now = loop_now(loop);

    loop_enter(loop, "turn tcp read");
    connection->busy = true;
    while (connection->ending == TURN_TCP_STAYS &&
           evbuffer_peek(input, -1, NULL, &piece, 1) > 0 && piece.iov_len > 0) {
        struct span bytes = {piece.iov_base, piece.iov_len};

        read_piece(connection, &bytes, now);
        flush(connection, now);
        evbuffer_drain(input, piece.iov_len - bytes.n);
    }
    watch_message(connection, now);
    connection->busy = false;
    settle(connection);
    loop_leave(loop);
}

static void on_written(struct bufferevent *bev, void *arg)
{
    struct turn_tcp_connection *connection = arg;
    (void)bev;

    turn_leg_drained(&connection->leg, turn_tcp_now(connection->tcp));
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    struct turn_tcp_connection *connection = arg;
    struct loop *loop = connection->tcp->options.loop;
    (void)bev;
    (void)what; /* the end, or an error; nothing else is asked for */

    loop_enter(loop, "turn tcp end");
    ERR_clear_error();
    break_off(connection, REFUSAL_NONE);
    loop_leave(loop);
}

static void on_leg(void *arg, const struct turn_leg_report *report)
{
    struct turn_tcp_connection *connection = arg;
    const struct turn_tcp_user *user = &connection->tcp->options.user;

    if (user->leg && connection->allocated)
        user->leg(user->arg, &connection->client, report);
}

void turn_tcp_connection_start(struct turn_tcp_connection *connection)
{
    const struct turn_tcp_options *options = &connection->tcp->options;

    connection->message_at = USEC_NEVER;
    connection->idle_at = loop_now(options->loop) + options->idle;
    timer_init(&connection->timer, on_timer, connection);
    turn_leg_open(&connection->leg, connection->bev, options->loop,
                  &connection->tcp->stats.out);
    connection->leg.changed = on_leg;
    connection->leg.arg = connection;
    arm(connection);
    bufferevent_setcb(connection->bev, on_read, on_written, on_event, connection);
    bufferevent_enable(connection->bev, EV_READ | EV_WRITE);
}
