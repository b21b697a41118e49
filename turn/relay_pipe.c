#include "turn/relay_pipe.h"

#include "core/tcp_liveness.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    READ_MOST = 16 * 1024, /* bytes of one read */
    COPY_BELOW = 4096,     /* bytes: fewer are copied together */
    RESUME_AT = RELAY_PIPE_BUFFER / 2,
};

/* One way of the two. It is read while none of the four holds. */
struct flow {
    struct relay_pipe *pipe;       /* borrowed: it is in it */
    struct bufferevent *from, *to; /* the pipe's */
    struct timer rest;
    bool full;     /* as much waits as may */
    bool resting;  /* it was too fast */
    bool ended;    /* `from` has said its last */
    bool finished; /* and `to` was told */
};

struct relay_pipe {
    struct loop *loop;                 /* borrowed */
    struct listener *listener;         /* borrowed: the client's connection is counted there */
    struct bufferevent *client, *peer; /* owned */
    struct flow flow[RELAY_PIPE_WAYS];
    struct timer silence; /* set when one way has finished */
    usec_t silent_at;
    struct relay_pipe_user user;
};

/* --- the end ------------------------------------------------------------------------------ */

/* The last thing that a handler does. */
static void end(struct relay_pipe *pipe)
{
    pipe->user.ended(pipe->user.arg, loop_now(pipe->loop));
}

static void on_silence(struct timer *timer, void *arg, usec_t now)
{
    struct relay_pipe *pipe = arg;

    if (now < pipe->silent_at &&
        timers_set(loop_timers(pipe->loop), timer, pipe->silent_at) == RC_OK)
        return;
    end(pipe);
}

/* No more will come for this side. RFC 8446 section 6.1: with TLS it is told in TLS first. */
static void shut_down(struct bufferevent *to)
{
    SSL *ssl = bufferevent_openssl_get_ssl(to);

    if (ssl) {
        ERR_clear_error();
        (void)SSL_shutdown(ssl);
        ERR_clear_error();
    }
    (void)shutdown(bufferevent_getfd(to), SHUT_WR);
}

/* True: nothing goes either way any more. */
static bool finish(struct flow *flow)
{
    struct relay_pipe *pipe = flow->pipe;
    const usec_t now = loop_now(pipe->loop);

    if (!flow->ended || flow->finished ||
        evbuffer_get_length(bufferevent_get_output(flow->to)) > 0)
        return false;
    flow->finished = true;
    shut_down(flow->to);
    pipe->silent_at = now + RELAY_PIPE_HALF_OPEN;
    (void)timers_set(loop_timers(pipe->loop), &pipe->silence, pipe->silent_at);
    return pipe->flow[RELAY_PIPE_FROM_CLIENT].finished &&
           pipe->flow[RELAY_PIPE_FROM_PEER].finished;
}

/* --- carrying ----------------------------------------------------------------------------- */

static void read_or_not(struct flow *flow)
{
    if (flow->full || flow->resting || flow->ended)
        bufferevent_disable(flow->from, EV_READ);
    else
        bufferevent_enable(flow->from, EV_READ);
}

static void on_rested(struct timer *timer, void *arg, usec_t now)
{
    struct flow *flow = arg;
    (void)timer;
    (void)now;

    flow->resting = false;
    read_or_not(flow);
}

/* A buffer is handed on with all of its memory: one that holds little is copied, so that what
 * waits takes no more room than it has bytes. */
static void move(struct flow *flow, size_t n)
{
    struct evbuffer *in = bufferevent_get_input(flow->from);
    struct evbuffer_iovec piece;

    if (n >= COPY_BELOW) {
        (void)bufferevent_write_buffer(flow->to, in);
        return;
    }
    while (evbuffer_peek(in, -1, NULL, &piece, 1) > 0 && piece.iov_len > 0) {
        (void)bufferevent_write(flow->to, piece.iov_base, piece.iov_len);
        (void)evbuffer_drain(in, piece.iov_len);
    }
}

/* All that has come. */
static void carry(struct flow *flow)
{
    struct relay_pipe *pipe = flow->pipe;
    struct timers *timers = loop_timers(pipe->loop);
    const enum relay_pipe_way way = (enum relay_pipe_way)(flow - pipe->flow);
    const size_t n = evbuffer_get_length(bufferevent_get_input(flow->from));
    const usec_t now = loop_now(pipe->loop);

    if (n == 0)
        return;
    move(flow, n);
    pipe->silent_at = now + RELAY_PIPE_HALF_OPEN;
    flow->full = relay_pipe_waiting(pipe, way) >= RELAY_PIPE_BUFFER;
    const usec_t rest = pipe->user.carried(pipe->user.arg, way, n, now);
    if (rest > 0)
        flow->resting = timers_set(timers, &flow->rest, now + rest) == RC_OK;
    read_or_not(flow);
}

/* --- what libevent tells ------------------------------------------------------------------ */

static struct flow *flow_from(struct relay_pipe *pipe, const struct bufferevent *from)
{
    return &pipe->flow[from == pipe->client ? RELAY_PIPE_FROM_CLIENT : RELAY_PIPE_FROM_PEER];
}

static struct flow *flow_to(struct relay_pipe *pipe, const struct bufferevent *to)
{
    return &pipe->flow[to == pipe->peer ? RELAY_PIPE_FROM_CLIENT : RELAY_PIPE_FROM_PEER];
}

static void on_read(struct bufferevent *from, void *arg)
{
    struct relay_pipe *pipe = arg;
    struct loop *loop = pipe->loop;

    loop_enter(loop, "relay pipe read");
    carry(flow_from(pipe, from));
    loop_leave(loop);
}

static void on_written(struct bufferevent *to, void *arg)
{
    struct relay_pipe *pipe = arg;
    struct flow *flow = flow_to(pipe, to);
    struct loop *loop = pipe->loop;

    loop_enter(loop, "relay pipe written");
    if (flow->full) { /* and RESUME_AT wait, or fewer */
        flow->full = false;
        read_or_not(flow);
    }
    if (finish(flow))
        end(pipe);
    loop_leave(loop);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    struct relay_pipe *pipe = arg;
    struct flow *flow = flow_from(pipe, bev);
    struct loop *loop = pipe->loop;
    bool over = !(what & BEV_EVENT_EOF);

    loop_enter(loop, "relay pipe event");
    ERR_clear_error();
    if (!over) {
        carry(flow);
        flow->ended = true;
        read_or_not(flow);
        /* With TLS libevent stops both ways. */
        bufferevent_enable(bev, EV_WRITE);
        over = finish(flow);
    }
    if (over)
        end(pipe);
    loop_leave(loop);
}

/* --- life --------------------------------------------------------------------------------- */

static void join(struct relay_pipe *pipe, enum relay_pipe_way way, struct bufferevent *from,
                 struct bufferevent *to)
{
    struct flow *flow = &pipe->flow[way];

    flow->pipe = pipe;
    flow->from = from;
    flow->to = to;
    timer_init(&flow->rest, on_rested, flow);
}

static void start(struct relay_pipe *pipe, struct bufferevent *bev)
{
    const int on = 1, unsent = RELAY_PIPE_BUFFER, fd = bufferevent_getfd(bev);

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    /* The client's had another bound, for messages that must not be late. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
    tcp_liveness_set(fd, RELAY_PIPE_PATIENCE, true);
    bufferevent_set_max_single_read(bev, READ_MOST);
    bufferevent_setwatermark(bev, EV_WRITE, RESUME_AT, 0);
    bufferevent_setcb(bev, on_read, on_written, on_event, pipe);
    bufferevent_enable(bev, EV_READ | EV_WRITE);
}

int relay_pipe_create(struct relay_pipe **out, struct loop *loop, struct listener *listener,
                      struct bufferevent *client, int peer_fd,
                      const struct relay_pipe_user *user)
{
    struct relay_pipe *pipe = calloc(1, sizeof *pipe);
    struct bufferevent *peer =
        pipe ? bufferevent_socket_new(loop_base(loop), peer_fd, BEV_OPT_CLOSE_ON_FREE) : NULL;

    if (!peer) {
        listener_release(listener, client);
        close(peer_fd);
        free(pipe);
        return RC_NOMEM;
    }
    pipe->loop = loop;
    pipe->listener = listener;
    pipe->client = client;
    pipe->peer = peer;
    pipe->user = *user;
    timer_init(&pipe->silence, on_silence, pipe);
    join(pipe, RELAY_PIPE_FROM_CLIENT, client, peer);
    join(pipe, RELAY_PIPE_FROM_PEER, peer, client);
    start(pipe, peer);
    start(pipe, client);
    carry(&pipe->flow[RELAY_PIPE_FROM_CLIENT]);
    *out = pipe;
    return RC_OK;
}

void relay_pipe_free(struct relay_pipe *pipe)
{
    struct timers *timers = loop_timers(pipe->loop);

    timers_clear(timers, &pipe->silence);
    for (int i = 0; i < RELAY_PIPE_WAYS; i++)
        timers_clear(timers, &pipe->flow[i].rest);
    bufferevent_setcb(pipe->peer, NULL, NULL, NULL, NULL);
    bufferevent_free(pipe->peer);
    listener_release(pipe->listener, pipe->client);
    free(pipe);
}

size_t relay_pipe_waiting(const struct relay_pipe *pipe, enum relay_pipe_way way)
{
    return evbuffer_get_length(bufferevent_get_output(pipe->flow[way].to));
}
