#include "core/listener.h"

#include "core/greeter.h"
#include "core/log.h"
#include "core/refusal.h"
#include "core/stream.h"
#include "core/ward.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    BACKLOG_DEFAULT = 1024,
    CONNECTIONS_DEFAULT = 20000,
    ACCEPT_PER_TURN = 64, /* so that a storm of connections cannot starve the loop */
    FIRST_READ = 4096,    /* bytes taken along when a connection is handed over */
};

#define FIRST_BYTES_DEFAULT SEC(10)
#define RELEASE_DEFAULT SEC(2)
#define ACCEPT_PAUSE MSEC(200)
#define ACCEPT_LOG_INTERVAL SEC(10)

/* A connection that was released: its output is on its way, or our side is shut down and theirs
 * is awaited. Before that, it is the greeter's, then its protocol's. */
struct leaving {
    struct ward_entry entry;
    struct listener *listener;      /* borrowed */
    struct bufferevent *connection; /* owned */
};

struct listener {
    struct loop *loop; /* borrowed */
    struct greeter *greeter;
    struct address bound;
    int fd;                   /* owned, -1 once stopped */
    struct event *acceptable; /* owned */
    struct timer resume;      /* ends a pause in accepting */
    usec_t log_next;
    struct ward leaving;
    uint32_t connections, max_connections;
    bool closed;
};

static void free_listener(struct listener *listener);

void listener_forget(struct listener *listener)
{
    listener->connections--;
    if (listener->closed && listener->connections == 0)
        free_listener(listener);
}

/* --- handing over ------------------------------------------------------------------------ */

/* What the kernel has for it goes into the input. */
static struct bufferevent *new_plain(struct listener *listener, int fd)
{
    struct bufferevent *connection =
        bufferevent_socket_new(loop_base(listener->loop), fd, BEV_OPT_CLOSE_ON_FREE);
    if (!connection) {
        close(fd);
        return NULL;
    }
    struct evbuffer *input = bufferevent_get_input(connection);
    evbuffer_unfreeze(input, 0);
    evbuffer_read(input, fd, FIRST_READ);
    evbuffer_freeze(input, 0);
    return connection;
}

/* What was read and what OpenSSL has decrypted goes into the input: a poll knows of neither. */
static struct bufferevent *new_tls(struct listener *listener, struct stream stream,
                                   struct span first)
{
    struct bufferevent *connection =
        bufferevent_openssl_socket_new(loop_base(listener->loop), stream.fd, stream.tls,
                                       BUFFEREVENT_SSL_OPEN, BEV_OPT_CLOSE_ON_FREE);
    if (!connection) { /* which has freed the SSL, but not closed */
        close(stream.fd);
        return NULL;
    }
    bufferevent_openssl_set_allow_dirty_shutdown(connection, 1);
    struct evbuffer *input = bufferevent_get_input(connection);
    evbuffer_add(input, first.p, first.n);
    while (stream_pending(&stream) > 0) {
        uint8_t bytes[FIRST_READ];
        unsigned wants;
        const long n = stream_read(&stream, bytes, sizeof bytes, &wants);
        if (n <= 0)
            break; /* the bufferevent will see it, too */
        evbuffer_add(input, bytes, (size_t)n);
    }
    return connection;
}

static void accept_greeted(struct listener *listener, const struct greeting *greeting)
{
    const struct listener_protocol *protocol = greeting->protocol;
    const bool tls = greeting->stream.tls != NULL;
    struct bufferevent *connection = tls ? new_tls(listener, greeting->stream, greeting->first)
                                         : new_plain(listener, greeting->stream.fd);

    if (!connection) {
        listener_forget(listener);
        return;
    }
    bufferevent_disable(connection, EV_READ | EV_WRITE);
    bufferevent_incref(connection); /* accept may release it at once */
    protocol->accept(protocol->arg, listener, connection, &greeting->from, tls);
    if (bufferevent_get_enabled(connection) & EV_READ &&
        evbuffer_get_length(bufferevent_get_input(connection)) > 0)
        bufferevent_trigger(connection, EV_READ, 0);
    bufferevent_decref(connection);
}

/* Outside TLS the first bytes were only looked at: they are read now. */
static void take_greeted(struct listener *listener, const struct greeting *greeting)
{
    const struct listener_protocol *protocol = greeting->protocol;
    uint8_t first[LISTENER_FIRST_BYTES];
    struct span read = greeting->first;

    if (!greeting->stream.tls) {
        const ssize_t n = recv(greeting->stream.fd, first, greeting->first.n, MSG_DONTWAIT);
        read = (struct span){first, n > 0 ? (size_t)n : 0};
    }
    protocol->take(protocol->arg, listener, &greeting->stream, &greeting->from, read);
}

static void on_understood(void *arg, const struct greeting *greeting)
{
    if (greeting->protocol->take)
        take_greeted(arg, greeting);
    else
        accept_greeted(arg, greeting);
}

static void on_lost(void *arg)
{
    listener_forget(arg);
}

/* --- accepting --------------------------------------------------------------------------- */

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
        listener->connections++;
        greeter_add(listener->greeter, fd, &from);
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

static void end(struct leaving *leaving)
{
    struct listener *listener = leaving->listener;

    ward_remove(&listener->leaving, &leaving->entry);
    bufferevent_setcb(leaving->connection, NULL, NULL, NULL, NULL);
    bufferevent_free(leaving->connection);
    free(leaving);
    listener_forget(listener);
}

static void on_late(void *arg, struct ward_entry *entry)
{
    (void)arg;
    end((struct leaving *)((char *)entry - offsetof(struct leaving, entry)));
}

static void on_leaving_event(struct bufferevent *connection, short what, void *arg)
{
    (void)connection;
    (void)what;
    ERR_clear_error();
    end(arg); /* they hung up as well, or the connection broke */
}

static void on_leaving_read(struct bufferevent *connection, void *arg)
{
    struct evbuffer *input = bufferevent_get_input(connection);
    (void)arg;

    evbuffer_drain(input, evbuffer_get_length(input));
}

/* Everything is written. Closing now would reset the connection if they are still sending, and
 * could take our last words from them: shut our side down and let them hang up. */
static void drain(struct leaving *leaving)
{
    struct bufferevent *connection = leaving->connection;
    SSL *ssl = bufferevent_openssl_get_ssl(connection);

    if (ssl && SSL_is_init_finished(ssl)) {
        SSL_shutdown(ssl);
        ERR_clear_error();
    }
    if (shutdown(bufferevent_getfd(connection), SHUT_WR) < 0) {
        end(leaving); /* it is gone already */
        return;
    }
    bufferevent_setcb(connection, on_leaving_read, NULL, on_leaving_event, leaving);
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
    struct leaving *leaving = listener->closed ? NULL : calloc(1, sizeof *leaving);
    const bool writing = evbuffer_get_length(bufferevent_get_output(connection)) > 0;

    bufferevent_setcb(connection, NULL, NULL, NULL, NULL);
    if (!leaving) {
        bufferevent_free(connection);
        listener_forget(listener);
        return;
    }
    leaving->listener = listener;
    leaving->connection = connection;
    ward_add(&listener->leaving, &leaving->entry, loop_now(listener->loop));
    bufferevent_set_timeouts(connection, NULL, NULL);
    bufferevent_setwatermark(connection, EV_READ, 0, 0);
    bufferevent_setwatermark(connection, EV_WRITE, 0, 0);
    if (!writing) {
        drain(leaving);
        return;
    }
    bufferevent_setcb(connection, on_leaving_read, on_leaving_written, on_leaving_event,
                      leaving);
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
    const struct greeter_options greeter = {
        .patience =
            options->first_bytes_timeout ? options->first_bytes_timeout : FIRST_BYTES_DEFAULT,
        .protocols = options->protocols,
        .protocol_count = options->protocol_count,
        .proxies = options->proxies,
        .proxy_count = options->proxy_count,
        .proxies_only = options->proxies_only,
        .understood = on_understood,
        .lost = on_lost,
        .arg = listener,
    };
    int rc = greeter_create(&listener->greeter, listener->loop, &greeter);

    if (rc == RC_OK)
        rc = open_socket(listener, options->at,
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
    listener->max_connections =
        options->max_connections ? options->max_connections : CONNECTIONS_DEFAULT;
    listener->fd = -1;
    ward_init(&listener->leaving, loop_timers(loop),
              options->release_timeout ? options->release_timeout : RELEASE_DEFAULT, on_late,
              NULL);
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
    ward_stop(&listener->leaving);
    free(listener);
}

static void close_leaving(struct listener *listener)
{
    struct ward_entry *entry;

    while ((entry = ward_first(&listener->leaving)))
        on_late(NULL, entry);
}

void listener_close(struct listener *listener)
{
    const int saved = errno; /* RC_SYS promises the caller that errno survives */

    if (!listener)
        return;
    listener_stop(listener);
    if (listener->greeter)
        listener->connections -= greeter_count(listener->greeter);
    greeter_free(listener->greeter);
    listener->greeter = NULL;
    close_leaving(listener);
    listener->closed = true;
    if (listener->connections == 0)
        free_listener(listener);
    errno = saved;
}

void listener_set_tls(struct listener *listener, SSL_CTX *tls)
{
    greeter_set_tls(listener->greeter, tls);
}

uint32_t listener_connections(const struct listener *listener)
{
    return listener->connections;
}

struct address listener_address(const struct listener *listener)
{
    return listener->bound;
}
