#include "core/listener.h"

#include "core/log.h"
#include "core/refusal.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

enum {
    BACKLOG_DEFAULT = 1024,
    CONNECTIONS_DEFAULT = 20000,
    ACCEPT_PER_TURN = 64,      /* so that a storm of connections cannot starve the loop */
    FIRST_READ = 4096,         /* bytes taken along when a connection is handed over */
    TLS_INPUT_MAX = 16 * 1024, /* decrypted bytes held before the protocol is recognised */
};

#define FIRST_BYTES_DEFAULT SEC(10)
#define RELEASE_DEFAULT SEC(2)
#define ACCEPT_PAUSE MSEC(200)
#define ACCEPT_LOG_INTERVAL SEC(10)

enum phase {
    PHASE_PEEK,    /* nothing recognised yet: no bufferevent */
    PHASE_TLS,     /* TLS handshake, then first bytes inside */
    PHASE_WRITING, /* released: output on its way */
    PHASE_DRAINING /* released: our side is shut down, theirs is awaited */
};

/* A connection that the listener has to look after: before it is handed over, or after it was
 * released. Those handed over have no such thing. */
struct tended {
    TAILQ_ENTRY(tended) link;
    struct listener *listener; /* borrowed */
    enum phase phase;
    bool tls;
    usec_t deadline;
    int fd;                         /* owned while there is no bufferevent */
    size_t peeked;                  /* bytes that the last look found */
    struct bufferevent *connection; /* owned, NULL in PHASE_PEEK */
    struct event *readable;         /* owned, PHASE_PEEK only */
    struct address from;
};

TAILQ_HEAD(tended_list, tended);

/* Connections with one patience in the order of their deadlines, and the timer of the first. */
struct ward {
    struct tended_list list;
    struct timer timer;
    usec_t patience;
};

struct listener {
    struct loop *loop;                         /* borrowed */
    const struct listener_protocol *protocols; /* borrowed */
    size_t protocol_count;
    SSL_CTX *tls; /* a reference of our own, or NULL */
    struct address bound;
    int fd;                   /* owned, -1 once stopped */
    struct event *acceptable; /* owned */
    struct timer resume;      /* ends a pause in accepting */
    usec_t log_next;
    struct ward waiting; /* PHASE_PEEK and PHASE_TLS */
    struct ward leaving; /* PHASE_WRITING and PHASE_DRAINING */
    uint32_t connections, max_connections;
    bool closed;
};

/* --- looking after connections ----------------------------------------------------------- */

static void ward_watch(struct listener *listener, struct ward *ward)
{
    const struct tended *first = TAILQ_FIRST(&ward->list);

    /* A timer for somebody who has left meanwhile finds out when it rings. */
    if (first && !timer_is_set(&ward->timer))
        timers_set(loop_timers(listener->loop), &ward->timer, first->deadline);
}

static void ward_add(struct listener *listener, struct ward *ward, struct tended *tended)
{
    tended->deadline = loop_now(listener->loop) + ward->patience;
    TAILQ_INSERT_TAIL(&ward->list, tended, link);
    ward_watch(listener, ward);
}

static struct ward *ward_of(struct tended *tended)
{
    return tended->phase <= PHASE_TLS ? &tended->listener->waiting : &tended->listener->leaving;
}

static void free_listener(struct listener *listener);

static void forget_connection(struct listener *listener)
{
    listener->connections--;
    if (listener->closed && listener->connections == 0)
        free_listener(listener);
}

/* Takes it off its list and frees it, but neither its descriptor nor its bufferevent. */
static void untend(struct tended *tended)
{
    TAILQ_REMOVE(&ward_of(tended)->list, tended, link);
    if (tended->readable)
        event_free(tended->readable);
    free(tended);
}

static void free_connection(struct bufferevent *connection)
{
    bufferevent_setcb(connection, NULL, NULL, NULL, NULL);
    bufferevent_free(connection);
}

static void drop(struct tended *tended)
{
    struct listener *listener = tended->listener;
    struct bufferevent *connection = tended->connection;
    const int fd = tended->fd;

    untend(tended);
    if (connection)
        free_connection(connection);
    else
        close(fd);
    forget_connection(listener);
}

static void refuse_and_drop(struct tended *tended, enum refusal why)
{
    refuse(why);
    drop(tended);
}

static void on_late(struct timer *timer, void *arg, usec_t now)
{
    struct listener *listener = arg;
    const bool waiting = timer == &listener->waiting.timer;
    struct ward *ward = waiting ? &listener->waiting : &listener->leaving;

    for (struct tended *t = TAILQ_FIRST(&ward->list); t && t->deadline <= now;
         t = TAILQ_FIRST(&ward->list)) {
        if (waiting)
            refuse_and_drop(t, t->phase == PHASE_TLS ? REFUSAL_TLS_FAILED
                                                     : REFUSAL_REQUEST_TIMEOUT);
        else
            drop(t);
    }
    ward_watch(listener, ward);
}

static void ward_init(struct listener *listener, struct ward *ward, usec_t patience)
{
    TAILQ_INIT(&ward->list);
    timer_init(&ward->timer, on_late, listener);
    ward->patience = patience;
}

static void ward_clear(struct listener *listener, struct ward *ward)
{
    timers_clear(loop_timers(listener->loop), &ward->timer);
    for (struct tended *t = TAILQ_FIRST(&ward->list); t; t = TAILQ_FIRST(&ward->list))
        drop(t);
}

/* --- recognising ------------------------------------------------------------------------- */

/* The protocol that takes these first bytes, or in `more` whether more of them could decide. */
static const struct listener_protocol *recognise(const struct listener *listener,
                                                 const uint8_t *first, size_t n, bool *more)
{
    *more = false;
    for (size_t i = 0; i < listener->protocol_count; i++) {
        const enum recognition r = listener->protocols[i].recognise(first, n);

        if (r == RECOGNISED_YES)
            return &listener->protocols[i];
        if (r == RECOGNISED_MORE && n < LISTENER_FIRST_BYTES)
            *more = true;
    }
    return NULL;
}

/* RFC 8446, 5.1: a handshake record (22) with a legacy version of 3.x. */
static enum recognition recognise_tls(const uint8_t *first, size_t n)
{
    if (first[0] != 0x16)
        return RECOGNISED_NO;
    if (n < 2)
        return RECOGNISED_MORE;
    return first[1] == 0x03 ? RECOGNISED_YES : RECOGNISED_NO;
}

/* From here on it is the protocol's. */
static void hand_over(struct tended *tended, const struct listener_protocol *protocol)
{
    struct listener *listener = tended->listener;
    struct bufferevent *connection = tended->connection;
    const struct address from = tended->from;
    const bool tls = tended->tls;

    bufferevent_setcb(connection, NULL, NULL, NULL, NULL);
    bufferevent_disable(connection, EV_READ | EV_WRITE);
    bufferevent_setwatermark(connection, EV_READ, 0, 0);
    untend(tended);

    bufferevent_incref(connection); /* accept may release it at once */
    protocol->accept(protocol->arg, listener, connection, &from, tls);
    if (bufferevent_get_enabled(connection) & EV_READ &&
        evbuffer_get_length(bufferevent_get_input(connection)) > 0)
        bufferevent_trigger(connection, EV_READ, 0);
    bufferevent_decref(connection);
}

/* --- TLS --------------------------------------------------------------------------------- */

static void on_tls_read(struct bufferevent *connection, void *arg)
{
    struct tended *tended = arg;
    struct listener *listener = tended->listener;
    uint8_t first[LISTENER_FIRST_BYTES];
    bool more;

    loop_enter(listener->loop, "listener tls");
    const ev_ssize_t n =
        evbuffer_copyout(bufferevent_get_input(connection), first, sizeof first);
    if (n > 0) {
        const struct listener_protocol *protocol = recognise(listener, first, (size_t)n, &more);
        if (protocol)
            hand_over(tended, protocol);
        else if (!more)
            refuse_and_drop(tended, REFUSAL_UNKNOWN_PROTOCOL);
    }
    loop_leave(listener->loop);
}

static void on_tls_event(struct bufferevent *connection, short what, void *arg)
{
    struct tended *tended = arg;
    (void)connection;

    if (what & BEV_EVENT_CONNECTED)
        return;
    ERR_clear_error();
    refuse_and_drop(tended, REFUSAL_TLS_FAILED);
}

static struct bufferevent *new_tls(struct listener *listener, int fd)
{
    SSL *ssl = SSL_new(listener->tls);
    if (!ssl)
        return NULL;
    /* Browsers close without a close_notify; idle connections must not hold 32 kB of buffers.
     */
    SSL_set_options(ssl, SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
    struct bufferevent *connection = bufferevent_openssl_socket_new(
        loop_base(listener->loop), fd, ssl, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
    if (!connection) {
        SSL_free(ssl);
        return NULL;
    }
    bufferevent_openssl_set_allow_dirty_shutdown(connection, 1);
    return connection;
}

static void start_tls(struct tended *tended)
{
    tended->connection = new_tls(tended->listener, tended->fd);
    if (!tended->connection) {
        ERR_clear_error();
        refuse_and_drop(tended, REFUSAL_TLS_FAILED);
        return;
    }
    tended->phase = PHASE_TLS;
    tended->tls = true;
    event_free(tended->readable);
    tended->readable = NULL;
    bufferevent_setwatermark(tended->connection, EV_READ, 0, TLS_INPUT_MAX);
    bufferevent_setcb(tended->connection, on_tls_read, NULL, on_tls_event, tended);
    bufferevent_enable(tended->connection, EV_READ | EV_WRITE);
}

/* --- first bytes ------------------------------------------------------------------------- */

/* A level-triggered poll would report bytes that we only look at for ever: ask to be woken when
 * there are more than these. */
static void wait_for_more(int fd, size_t than)
{
    const int least = (int)than + 1;

    setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &least, sizeof least);
}

/* A bufferevent with the first bytes in its input. */
static struct bufferevent *new_plain(struct listener *listener, int fd)
{
    struct bufferevent *connection =
        bufferevent_socket_new(loop_base(listener->loop), fd, BEV_OPT_CLOSE_ON_FREE);
    if (!connection)
        return NULL;

    struct evbuffer *input = bufferevent_get_input(connection);
    evbuffer_unfreeze(input, 0);
    evbuffer_read(input, fd, FIRST_READ);
    evbuffer_freeze(input, 0);
    return connection;
}

static void start_plain(struct tended *tended, const struct listener_protocol *protocol)
{
    event_free(tended->readable); /* before the bufferevent watches the same descriptor */
    tended->readable = NULL;
    tended->connection = new_plain(tended->listener, tended->fd);
    if (!tended->connection) {
        drop(tended);
        return;
    }
    hand_over(tended, protocol);
}

static void look(struct tended *tended)
{
    struct listener *listener = tended->listener;
    uint8_t first[LISTENER_FIRST_BYTES];
    bool more;

    const ssize_t n = recv(tended->fd, first, sizeof first, MSG_PEEK | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0 || (size_t)n == tended->peeked) {
        drop(tended); /* hung up: before a word, or in the middle of one */
        return;
    }
    const enum recognition tls =
        listener->tls ? recognise_tls(first, (size_t)n) : RECOGNISED_NO;
    const struct listener_protocol *protocol =
        tls == RECOGNISED_YES ? NULL : recognise(listener, first, (size_t)n, &more);

    if (tls != RECOGNISED_YES && !protocol && (more || tls == RECOGNISED_MORE)) {
        tended->peeked = (size_t)n;
        wait_for_more(tended->fd, (size_t)n);
        return;
    }
    if (tended->peeked)
        wait_for_more(tended->fd, 0);
    if (tls == RECOGNISED_YES)
        start_tls(tended);
    else if (protocol)
        start_plain(tended, protocol);
    else
        refuse_and_drop(tended, REFUSAL_UNKNOWN_PROTOCOL);
}

static void on_first_bytes(evutil_socket_t fd, short what, void *arg)
{
    struct tended *tended = arg;
    struct loop *loop = tended->listener->loop;
    (void)fd;
    (void)what;

    loop_enter(loop, "listener first bytes");
    look(tended);
    loop_leave(loop);
}

/* --- accepting --------------------------------------------------------------------------- */

static void greet(struct listener *listener, int fd, const struct address *from)
{
    struct tended *tended = calloc(1, sizeof *tended);
    if (!tended) {
        close(fd);
        return;
    }
    *tended =
        (struct tended){.listener = listener, .phase = PHASE_PEEK, .fd = fd, .from = *from};
    listener->connections++;
    ward_add(listener, &listener->waiting, tended);
    tended->readable =
        event_new(loop_base(listener->loop), fd, EV_READ | EV_PERSIST, on_first_bytes, tended);
    if (!tended->readable || event_add(tended->readable, NULL) < 0)
        drop(tended);
}

static void on_resume(struct timer *timer, void *arg, usec_t now)
{
    struct listener *listener = arg;
    (void)timer;
    (void)now;

    if (listener->acceptable)
        event_add(listener->acceptable, NULL);
}

/* Out of descriptors or memory: the connection stays in the backlog, and polling it would spin.
 */
static void pause_accepting(struct listener *listener, int error)
{
    const usec_t now = loop_now(listener->loop);

    event_del(listener->acceptable);
    timers_set(loop_timers(listener->loop), &listener->resume, now + ACCEPT_PAUSE);
    if (now < listener->log_next)
        return;
    listener->log_next = now + ACCEPT_LOG_INTERVAL;
    log_warn("listener", "cannot accept connections for now: %s (%u are open)", strerror(error),
             listener->connections);
}

/* False when there is nothing more to accept for now. */
static bool accept_one(struct listener *listener)
{
    struct sockaddr_storage sa;
    socklen_t len = sizeof sa;
    struct address from;

    const int fd =
        accept4(listener->fd, (struct sockaddr *)&sa, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            pause_accepting(listener, errno);
        /* The rest is about one connection that failed before we saw it (accept(2)). */
        return errno == ECONNABORTED || errno == EINTR || errno == EPROTO;
    }
    if (listener->connections >= listener->max_connections) {
        refuse(REFUSAL_CONNECTION_LIMIT);
        close(fd);
    } else if (address_from_sockaddr(&from, (struct sockaddr *)&sa, len) != RC_OK) {
        close(fd);
    } else {
        greet(listener, fd, &from);
    }
    return true;
}

static void on_acceptable(evutil_socket_t fd, short what, void *arg)
{
    struct listener *listener = arg;
    (void)fd;
    (void)what;

    loop_enter(listener->loop, "listener accept");
    for (int i = 0; i < ACCEPT_PER_TURN && accept_one(listener); i++)
        continue;
    loop_leave(listener->loop);
}

/* --- releasing --------------------------------------------------------------------------- */

static void on_leaving_event(struct bufferevent *connection, short what, void *arg)
{
    (void)connection;
    (void)what;
    ERR_clear_error();
    drop(arg); /* they hung up as well, or the connection broke */
}

static void on_leaving_read(struct bufferevent *connection, void *arg)
{
    struct evbuffer *input = bufferevent_get_input(connection);
    (void)arg;

    evbuffer_drain(input, evbuffer_get_length(input));
}

/* Everything is written. Closing now would reset the connection if they are still sending, and
 * could take our last words from them: shut our side down and let them hang up. */
static void drain(struct tended *tended)
{
    struct bufferevent *connection = tended->connection;
    SSL *ssl = bufferevent_openssl_get_ssl(connection);

    if (ssl && SSL_is_init_finished(ssl)) {
        SSL_shutdown(ssl);
        ERR_clear_error();
    }
    if (shutdown(bufferevent_getfd(connection), SHUT_WR) < 0) {
        drop(tended); /* it is gone already */
        return;
    }
    tended->phase = PHASE_DRAINING;
    bufferevent_setcb(connection, on_leaving_read, NULL, on_leaving_event, tended);
    bufferevent_disable(connection, EV_WRITE);
    bufferevent_enable(connection, EV_READ);
}

static void on_leaving_written(struct bufferevent *connection, void *arg)
{
    if (evbuffer_get_length(bufferevent_get_output(connection)) == 0)
        drain(arg);
}

void listener_release(struct listener *listener, struct bufferevent *connection)
{
    struct tended *tended = listener->closed ? NULL : calloc(1, sizeof *tended);
    const bool writing = evbuffer_get_length(bufferevent_get_output(connection)) > 0;

    bufferevent_setcb(connection, NULL, NULL, NULL, NULL);
    if (!tended) {
        bufferevent_free(connection);
        forget_connection(listener);
        return;
    }
    *tended = (struct tended){.listener = listener,
                              .phase = PHASE_WRITING,
                              .fd = bufferevent_getfd(connection),
                              .connection = connection};
    ward_add(listener, &listener->leaving, tended);
    bufferevent_set_timeouts(connection, NULL, NULL);
    bufferevent_setwatermark(connection, EV_READ, 0, 0);
    bufferevent_setwatermark(connection, EV_WRITE, 0, 0);
    if (!writing) {
        drain(tended);
        return;
    }
    bufferevent_setcb(connection, on_leaving_read, on_leaving_written, on_leaving_event,
                      tended);
    bufferevent_enable(connection, EV_READ | EV_WRITE);
}

/* --- opening and closing ----------------------------------------------------------------- */

static int open_socket(struct listener *listener, struct address at, int backlog)
{
    const int on = 1, off = 0;
    socklen_t len = sizeof at;

    int fd = socket(at.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 && errno == EAFNOSUPPORT && address_is_wildcard(&at)) {
        at.v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = at.v6.sin6_port};
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    }
    listener->fd = fd;
    if (fd < 0)
        return RC_SYS;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0)
        return RC_SYS;
    if (at.sa.sa_family == AF_INET6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, address_is_wildcard(&at) ? &off : &on,
                   sizeof on) < 0)
        return RC_SYS;
    /* Inherited by what is accepted. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (bind(fd, &at.sa, address_len(&at)) < 0 || listen(fd, backlog) < 0 ||
        getsockname(fd, &at.sa, &len) < 0)
        return RC_SYS;
    address_from_sockaddr(&listener->bound, &at.sa, len);
    return RC_OK;
}

static int build(struct listener *listener, const struct listener_options *options)
{
    const int rc = open_socket(listener, options->at,
                               options->backlog ? options->backlog : BACKLOG_DEFAULT);
    if (rc != RC_OK)
        return rc;
    listener->acceptable = event_new(loop_base(listener->loop), listener->fd,
                                     EV_READ | EV_PERSIST, on_acceptable, listener);
    if (!listener->acceptable || event_add(listener->acceptable, NULL) < 0)
        return RC_NOMEM;
    return RC_OK;
}

int listener_open(struct listener **out, struct loop *loop,
                  const struct listener_options *options)
{
    if (!address_len(&options->at))
        return RC_BAD;

    struct listener *listener = calloc(1, sizeof *listener);
    if (!listener)
        return RC_NOMEM;
    listener->loop = loop;
    listener->protocols = options->protocols;
    listener->protocol_count = options->protocol_count;
    listener->max_connections =
        options->max_connections ? options->max_connections : CONNECTIONS_DEFAULT;
    listener->fd = -1;
    ward_init(listener, &listener->waiting,
              options->first_bytes_timeout ? options->first_bytes_timeout
                                           : FIRST_BYTES_DEFAULT);
    ward_init(listener, &listener->leaving,
              options->release_timeout ? options->release_timeout : RELEASE_DEFAULT);
    timer_init(&listener->resume, on_resume, listener);

    const int rc = build(listener, options);
    if (rc != RC_OK) {
        listener_close(listener);
        return rc;
    }
    *out = listener;
    return RC_OK;
}

void listener_stop(struct listener *listener)
{
    timers_clear(loop_timers(listener->loop), &listener->resume);
    if (listener->acceptable)
        event_free(listener->acceptable);
    listener->acceptable = NULL;
    if (listener->fd >= 0)
        close(listener->fd);
    listener->fd = -1;
}

static void free_listener(struct listener *listener)
{
    SSL_CTX_free(listener->tls);
    free(listener);
}

void listener_close(struct listener *listener)
{
    const int saved = errno; /* RC_SYS promises the caller that errno survives */

    if (!listener)
        return;
    listener_stop(listener);
    ward_clear(listener, &listener->waiting);
    ward_clear(listener, &listener->leaving);
    listener->closed = true;
    if (listener->connections == 0)
        free_listener(listener);
    errno = saved;
}

void listener_set_tls(struct listener *listener, SSL_CTX *tls)
{
    if (tls)
        SSL_CTX_up_ref(tls);
    SSL_CTX_free(listener->tls);
    listener->tls = tls;
}

uint32_t listener_connections(const struct listener *listener)
{
    return listener->connections;
}

struct address listener_address(const struct listener *listener)
{
    return listener->bound;
}
