#include "turn/relay_tcp_peer.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- the table ---------------------------------------------------------------------------- */

static void count(struct relay_tcp *set)
{
    counter_set(&set->stats.connections, HASH_COUNT(set->peers));
}

static struct relay_tcp_peer *find(const struct relay_tcp *set, uint32_t id)
{
    struct relay_tcp_peer *peer;

    HASH_FIND(hh, set->peers, &id, sizeof id, peer);
    return peer && peer->state != RELAY_TCP_DROPPED ? peer : NULL;
}

void relay_tcp_peer_publish(struct relay_tcp_peer *peer, uint32_t id)
{
    struct relay_tcp *set = peer->set;

    peer->id = id;
    HASH_ADD(hh, set->peers, id, sizeof peer->id, peer);
    count(set);
}

static struct relay_tcp_peer *create(struct relay_tcp *set, enum relay_tcp_state state, int fd)
{
    struct relay_tcp_peer *peer = calloc(1, sizeof *peer);

    if (!peer)
        return NULL;
    peer->set = set;
    peer->state = state;
    peer->fd = fd;
    return peer;
}

static void close_fd(struct relay_tcp_peer *peer)
{
    if (peer->connecting)
        event_free(peer->connecting);
    peer->connecting = NULL;
    if (peer->fd >= 0)
        close(peer->fd);
    peer->fd = -1;
}

void relay_tcp_peer_free(struct relay_tcp_peer *peer)
{
    struct relay_tcp *set = peer->set;

    close_fd(peer);
    if (peer->pipe)
        relay_pipe_free(peer->pipe);
    if (peer->id)
        HASH_DEL(set->peers, peer);
    count(set);
    free(peer);
}

void relay_tcp_hang_up(struct relay_tcp *set, uint32_t id)
{
    struct relay_tcp_peer *peer = find(set, id);

    if (!peer)
        return;
    if (peer->state != RELAY_TCP_EXPECTING) {
        relay_tcp_peer_free(peer);
        return;
    }
    close_fd(peer);
    peer->state = RELAY_TCP_DROPPED;
}

/* --- its beginning ------------------------------------------------------------------------ */

struct relay_tcp_peer *relay_tcp_peer_accepted(struct relay_tcp *set, int fd)
{
    struct relay_tcp_peer *peer = create(set, RELAY_TCP_WAITING, fd);

    if (!peer)
        close(fd);
    return peer;
}

static bool is_connected(int fd)
{
    int error = 0;
    socklen_t len = sizeof error;

    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error == 0;
}

static void on_connecting(evutil_socket_t fd, short what, void *arg)
{
    struct relay_tcp_peer *peer = arg;
    struct relay_tcp *set = peer->set;
    const struct relay_tcp_events *events = &set->options.events;
    struct loop *loop = set->options.loop;
    const uint32_t id = peer->id;
    const bool ok = is_connected(fd);
    (void)what;

    loop_enter(loop, "relay tcp connect");
    event_free(peer->connecting);
    peer->connecting = NULL;
    peer->state = RELAY_TCP_WAITING;
    if (!ok) {
        counter_add(&set->stats.connects_failed, 1);
        relay_tcp_peer_free(peer);
    }
    events->connected(events->arg, id, ok, loop_now(loop));
    loop_leave(loop);
}

int relay_tcp_peer_connect(struct relay_tcp *set, int fd, const struct address *to, uint32_t id)
{
    struct relay_tcp_peer *peer = create(set, RELAY_TCP_CONNECTING, fd);
    struct event_base *base = loop_base(set->options.loop);
    int rc = RC_NOMEM;

    if (!peer)
        return RC_NOMEM;
    peer->connecting = event_new(base, fd, EV_WRITE, on_connecting, peer);
    if (peer->connecting) {
        rc = RC_SYS;
        if ((connect(fd, &to->sa, address_len(to)) == 0 || errno == EINPROGRESS) &&
            event_add(peer->connecting, NULL) == 0)
            rc = RC_OK;
    }
    if (rc == RC_OK) {
        relay_tcp_peer_publish(peer, id);
        return RC_OK;
    }
    if (peer->connecting)
        event_free(peer->connecting);
    free(peer);
    return rc;
}

/* --- its client --------------------------------------------------------------------------- */

struct relay_tcp_peer *relay_tcp_expect(struct relay_tcp *set, uint32_t id)
{
    struct relay_tcp_peer *peer = find(set, id);

    if (!peer || peer->state != RELAY_TCP_WAITING)
        return NULL;
    peer->state = RELAY_TCP_EXPECTING;
    return peer;
}

static usec_t on_carried(void *arg, enum relay_pipe_way way, size_t bytes, usec_t now)
{
    const struct relay_tcp_peer *peer = arg;
    const struct relay_tcp_events *events = &peer->set->options.events;

    return events->carried(events->arg, peer->id, way, bytes, now);
}

static void give_up(struct relay_tcp_peer *peer, usec_t now)
{
    const struct relay_tcp_events *events = &peer->set->options.events;
    const uint32_t id = peer->id;

    relay_tcp_peer_free(peer);
    events->closed(events->arg, id, now);
}

static void on_ended(void *arg, usec_t now)
{
    give_up(arg, now);
}

void relay_tcp_take(void *arg, struct listener *listener, struct bufferevent *client)
{
    struct relay_tcp_peer *peer = arg;
    struct loop *loop = peer->set->options.loop;
    const struct relay_pipe_user user = {peer, on_carried, on_ended};
    const int fd = peer->fd;

    if (peer->state == RELAY_TCP_DROPPED) {
        listener_release(listener, client);
        relay_tcp_peer_free(peer);
        return;
    }
    peer->fd = -1;
    peer->state = RELAY_TCP_BOUND;
    if (relay_pipe_create(&peer->pipe, loop, listener, client, fd, &user) != RC_OK)
        give_up(peer, loop_now(loop));
}
