#include "turn/turn_tcp.h"

#include "turn/turn_recognise.h"
#include "turn/turn_tcp_connection.h"

#include <event2/bufferevent.h>
#include <stdlib.h>
#include <sys/socket.h>

/* --- the table
 * -------------------------------------------------------------------------------- */

static struct turn_tcp_connection *find(const struct turn_tcp *tcp,
                                        const struct turn_client *client)
{
    struct turn_tcp_connection *connection;

    HASH_FIND(hh, tcp->connections, &client->connection, sizeof client->connection, connection);
    return connection;
}

static void publish(struct turn_tcp_connection *connection)
{
    struct turn_tcp *tcp = connection->tcp;

    HASH_ADD(hh, tcp->connections, client.connection, sizeof connection->client.connection,
             connection);
    counter_set(&tcp->stats.connections, HASH_COUNT(tcp->connections));
    counter_add(&tcp->stats.accepted, 1);
}

void turn_tcp_forget(struct turn_tcp_connection *connection)
{
    struct turn_tcp *tcp = connection->tcp;

    HASH_DEL(tcp->connections, connection);
    counter_set(&tcp->stats.connections, HASH_COUNT(tcp->connections));
    count_by_ip_remove(&tcp->sources, &connection->client.remote);
    free(connection);
}

/* --- the listener's side
 * ---------------------------------------------------------------------- */

/* REFUSAL_NONE: it may come, and is counted. */
static enum refusal admit(struct turn_tcp *tcp, const struct address *from)
{
    if (HASH_COUNT(tcp->connections) >= tcp->options.max_connections)
        return REFUSAL_CONNECTION_LIMIT;
    if (count_by_ip_get(&tcp->sources, from) >= tcp->options.max_per_source)
        return REFUSAL_IP_LIMIT;
    return count_by_ip_add(&tcp->sources, from) == RC_OK ? REFUSAL_NONE : REFUSAL_SERVER_FULL;
}

static struct address local_address(struct bufferevent *bev)
{
    struct sockaddr_storage sa;
    socklen_t len = sizeof sa;
    struct address local = {0};

    if (getsockname(bufferevent_getfd(bev), (struct sockaddr *)&sa, &len) == 0)
        (void)address_from_sockaddr(&local, (struct sockaddr *)&sa, len);
    return local;
}

static void on_accept(void *arg, struct listener *listener, struct bufferevent *bev,
                      const struct address *from, bool tls)
{
    struct turn_tcp *tcp = arg;
    struct turn_tcp_connection *connection = calloc(1, sizeof *connection);
    const enum refusal why = connection ? admit(tcp, from) : REFUSAL_SERVER_FULL;

    if (why != REFUSAL_NONE) {
        refuse(why);
        free(connection);
        listener_release(listener, bev);
        return;
    }
    connection->tcp = tcp;
    connection->listener = listener;
    connection->bev = bev;
    connection->client = (struct turn_client){.transport = tls ? TURN_TLS : TURN_TCP,
                                              .connection = ++tcp->next_number,
                                              .remote = *from,
                                              .local = local_address(bev)};
    publish(connection);
    turn_tcp_connection_start(connection);
}

struct listener_protocol turn_tcp_protocol(struct turn_tcp *tcp)
{
    return (struct listener_protocol){
        .name = "turn", .recognise = turn_recognise, .accept = on_accept, .arg = tcp};
}

/* --- the server's side
 * ------------------------------------------------------------------------ */

static enum leg_kind kind_of(struct span head, struct span data)
{
    const bool is_channel_data = head.n > 0 && head.p[0] >> 6 == 1;

    return data.n > 0 || is_channel_data ? LEG_DATA : LEG_REPLY;
}

void turn_tcp_to_client(struct turn_tcp *tcp, const struct turn_client *client,
                        struct span head, struct span data, size_t tail)
{
    struct turn_tcp_connection *connection = find(tcp, client);
    const struct leg_message message = {kind_of(head, data), head, data, tail};

    if (!connection || connection->ending != TURN_TCP_STAYS)
        return;
    if (turn_leg_send(&connection->leg, &message, turn_tcp_now(tcp)) != RC_FULL)
        return;
    refuse(REFUSAL_SLOW_READER);
    turn_tcp_connection_end_soon(connection);
}

void turn_tcp_close_client(struct turn_tcp *tcp, const struct turn_client *client)
{
    struct turn_tcp_connection *connection = find(tcp, client);

    if (connection)
        turn_tcp_connection_end(connection, TURN_TCP_CLOSED);
}

int turn_tcp_detach(struct turn_tcp *tcp, const struct turn_client *client,
                    turn_tcp_taker *taker, void *arg)
{
    struct turn_tcp_connection *connection = find(tcp, client);

    if (!connection || connection->ending != TURN_TCP_STAYS)
        return RC_BAD;
    connection->taker = taker;
    connection->taker_arg = arg;
    turn_tcp_connection_end(connection, TURN_TCP_DETACHED);
    return RC_OK;
}

struct turn_tcp_backlog turn_tcp_backlog(const struct turn_tcp *tcp,
                                         const struct turn_client *client, usec_t now)
{
    const struct turn_tcp_connection *connection = find(tcp, client);

    if (!connection)
        return (struct turn_tcp_backlog){0};
    return (struct turn_tcp_backlog){turn_leg_bytes(&connection->leg),
                                     turn_leg_delay(&connection->leg, now)};
}

/* --- all of them
 * ------------------------------------------------------------------------------ */

int turn_tcp_create(struct turn_tcp **out, const struct turn_tcp_options *options)
{
    struct turn_tcp *tcp = calloc(1, sizeof *tcp);
    if (!tcp)
        return RC_NOMEM;

    tcp->options = *options;
    turn_leg_stats_init(&tcp->stats.out);
    if (!tcp->options.max_connections)
        tcp->options.max_connections = TURN_TCP_CONNECTIONS;
    if (!tcp->options.max_per_source)
        tcp->options.max_per_source = TURN_TCP_PER_SOURCE;
    if (!tcp->options.idle)
        tcp->options.idle = TURN_TCP_IDLE;
    if (!tcp->options.message_time)
        tcp->options.message_time = TURN_TCP_MESSAGE_TIME;
    *out = tcp;
    return RC_OK;
}

void turn_tcp_free(struct turn_tcp *tcp)
{
    struct turn_tcp_connection *connection, *next;

    if (!tcp)
        return;
    HASH_ITER(hh, tcp->connections, connection, next)
    {
        connection->ending = TURN_TCP_CLOSED; /* whatever it was: nobody is told any more */
        turn_tcp_connection_end(connection, TURN_TCP_CLOSED);
    }
    free(tcp);
}

uint32_t turn_tcp_connections(const struct turn_tcp *tcp)
{
    return HASH_COUNT(tcp->connections);
}

struct turn_tcp_stats *turn_tcp_stats(struct turn_tcp *tcp)
{
    return &tcp->stats;
}
