#include "turn/turn_worker.h"

#include "core/clock.h"
#include "core/metrics.h"
#include "core/refusal.h"
#include "turn/turn_relay.h"

#include <stdlib.h>

enum { DTLS_FIRST = 20, DTLS_LAST = 63 }; /* RFC 7983: first bytes of its records */

struct turn_worker {
    struct turn_worker_options options;
    struct turn_server *server;    /* owned */
    struct relay_sockets *sockets; /* owned; NULL: no relays */
    struct relay_tcp *tcp;         /* owned; NULL: none of RFC 6062 */
    const struct address *local;   /* where the message that is handled came in */
};

/* --- what the server wants ------------------------------------------------------------------
 */

static const struct turn_carrier *carrier_of(const struct turn_worker *worker,
                                             const struct turn_client *client)
{
    return client->transport == TURN_DTLS ? &worker->options.dtls : &worker->options.stream;
}

static void to_client(void *arg, const struct turn_client *client, struct span head,
                      struct span data, size_t tail)
{
    const struct turn_worker *worker = arg;
    const struct turn_wire *wire = &worker->options.wire;

    if (client->transport == TURN_UDP) {
        if (wire->send)
            wire->send(wire->arg, &client->remote, &client->local,
                       &(struct udp_parts){head, data, tail});
        return;
    }
    const struct turn_carrier *carrier = carrier_of(worker, client);
    if (carrier->to_client)
        carrier->to_client(carrier->arg, client, head, data, tail);
}

static void client_close(void *arg, const struct turn_client *client)
{
    const struct turn_carrier *carrier = carrier_of(arg, client);

    if (carrier->close)
        carrier->close(carrier->arg, client);
}

static void to_peer(void *arg, struct turn_relay *relay, const struct address *peer,
                    struct span data, unsigned flags)
{
    const struct turn_worker *worker = arg;

    relay_socket_send(worker->sockets, relay, peer, data, flags & TURN_SEND_DONT_FRAGMENT);
}

static void to_media(void *arg, struct turn_allocation *owner, const struct address *relayed,
                     const struct address *peer, struct span data)
{
    const struct turn_worker *worker = arg;
    const struct turn_media *media = &worker->options.media;
    (void)owner;

    if (media->send)
        media->send(media->arg, relayed, peer, data, loop_now(worker->options.loop));
}

static int relay_open(void *arg, struct turn_allocation *owner,
                      const struct turn_relay_wish *wish, struct turn_relay **relay,
                      struct address *relayed, struct turn_relay **reserved)
{
    struct turn_worker *worker = arg;

    if (wish->tcp)
        return worker->tcp ? relay_tcp_open(worker->tcp, wish->family, worker->local, owner,
                                            relay, relayed)
                           : RC_BAD;
    if (!worker->sockets)
        return RC_BAD;
    if (wish->media_only)
        return relay_socket_hold(worker->sockets, wish->family, wish->port != TURN_PORT_ANY,
                                 worker->local, owner, relay, relayed);
    return relay_socket_open(worker->sockets, wish->family, wish->port != TURN_PORT_ANY,
                             worker->local, owner, relay, relayed,
                             wish->port == TURN_PORT_EVEN_AND_NEXT ? reserved : NULL);
}

static void relay_adopt(void *arg, struct turn_relay *relay, struct turn_allocation *owner,
                        struct address *relayed)
{
    (void)arg;
    relay_socket_adopt(relay, owner);
    *relayed = relay_socket_told(relay);
}

static void relay_close(void *arg, struct turn_relay *relay)
{
    const struct turn_worker *worker = arg;

    if (relay->tcp)
        relay_tcp_close(worker->tcp, relay);
    else
        relay_socket_close(worker->sockets, relay);
}

/* --- connections with peers (RFC 6062)
 * -------------------------------------------------------- */

static int peer_connect(void *arg, struct turn_relay *relay, const struct address *peer,
                        uint32_t id)
{
    const struct turn_worker *worker = arg;

    return relay_tcp_connect(worker->tcp, relay, peer, id);
}

static void peer_close(void *arg, uint32_t id)
{
    const struct turn_worker *worker = arg;

    relay_tcp_hang_up(worker->tcp, id);
}

static void peer_bind(void *arg, uint32_t id, const struct turn_client *data_connection)
{
    struct turn_worker *worker = arg;
    const struct turn_carrier *stream = &worker->options.stream;
    struct relay_tcp_peer *peer = relay_tcp_expect(worker->tcp, id);

    if (peer && stream->detach &&
        stream->detach(stream->arg, data_connection, relay_tcp_take, peer) == RC_OK)
        return;
    relay_tcp_hang_up(worker->tcp, id);
    turn_server_peer_closed(worker->server, id, loop_now(worker->options.loop));
}

static void on_connected(void *arg, uint32_t id, bool ok, usec_t now)
{
    const struct turn_worker *worker = arg;

    turn_server_peer_connected(worker->server, id, ok, now);
}

static uint32_t on_arrived(void *arg, struct turn_allocation *owner, const struct address *peer,
                           usec_t now)
{
    const struct turn_worker *worker = arg;

    return turn_server_peer_arrived(worker->server, owner, peer, now);
}

static usec_t on_carried(void *arg, uint32_t id, enum relay_pipe_way way, size_t bytes,
                         usec_t now)
{
    const struct turn_worker *worker = arg;

    return turn_server_peer_carried(worker->server, id, way == RELAY_PIPE_FROM_CLIENT, bytes,
                                    now);
}

static void on_closed(void *arg, uint32_t id, usec_t now)
{
    const struct turn_worker *worker = arg;

    turn_server_peer_closed(worker->server, id, now);
}

/* --- what the relays tell
 * --------------------------------------------------------------------- */

static void on_datagram(void *arg, struct turn_allocation *owner, const struct address *peer,
                        struct span data, usec_t now)
{
    const struct turn_worker *worker = arg;

    turn_server_from_peer(worker->server, owner, peer, data, now);
}

static void on_icmp(void *arg, struct turn_allocation *owner, const struct address *peer,
                    uint8_t type, uint8_t code, uint32_t data, usec_t now)
{
    const struct turn_worker *worker = arg;

    turn_server_peer_icmp(worker->server, owner, peer, type, code, data, now);
}

static void flush_wire(const struct turn_worker *worker)
{
    if (worker->options.wire.flush)
        worker->options.wire.flush(worker->options.wire.arg);
}

static void on_flush(void *arg, usec_t now)
{
    (void)now;
    flush_wire(arg);
}

/* --- what comes in
 * ---------------------------------------------------------------------------- */

void turn_worker_flush(struct turn_worker *worker, usec_t now)
{
    if (worker->sockets)
        relay_sockets_flush(worker->sockets);
    if (worker->options.media.flush)
        worker->options.media.flush(worker->options.media.arg, now);
}

static bool is_dtls(const struct udp_datagram *datagram)
{
    return datagram->len > 0 && datagram->data[0] >= DTLS_FIRST &&
           datagram->data[0] <= DTLS_LAST;
}

static void take_dtls(struct turn_worker *worker, struct udp_datagram *datagram, usec_t now)
{
    const struct turn_carrier *dtls = &worker->options.dtls;

    if (dtls->input)
        dtls->input(dtls->arg, datagram, now);
    else
        refuse(REFUSAL_DATAGRAM_NO_PEER);
}

void turn_worker_input(struct turn_worker *worker, struct udp_datagram *batch, size_t count,
                       usec_t now)
{
    const int64_t unix_now = (int64_t)(clock_wall() / SEC(1));

    for (size_t i = 0; i < count; i++) {
        struct udp_datagram *datagram = &batch[i];

        if (is_dtls(datagram)) {
            take_dtls(worker, datagram, now);
            continue;
        }
        const struct turn_client client = {TURN_UDP, 0, datagram->from, datagram->local};
        worker->local = &client.local;
        if (turn_server_input(worker->server, &client,
                              (struct span){datagram->data, datagram->len}, now,
                              unix_now) != RC_OK)
            refuse(REFUSAL_DATAGRAM_UNKNOWN);
    }
    turn_worker_flush(worker, now);
}

int turn_worker_message(struct turn_worker *worker, const struct turn_client *from,
                        struct span message, usec_t now)
{
    const int64_t unix_now = (int64_t)(clock_wall() / SEC(1));

    worker->local = &from->local;
    return turn_server_input(worker->server, from, message, now, unix_now);
}

void turn_worker_gone(struct turn_worker *worker, const struct turn_client *client, usec_t now)
{
    turn_server_client_gone(worker->server, client, now);
}

bool turn_worker_from_media(struct turn_worker *worker, const struct address *relayed,
                            const struct address *peer, struct span data, usec_t now)
{
    struct turn_allocation *owner = turn_server_find_relayed(worker->server, relayed);

    if (owner)
        turn_server_from_peer(worker->server, owner, peer, data, now);
    return owner != NULL;
}

/* --- life
 * ---------------------------------------------------------------------------------------- */

static int make_sockets(struct turn_worker *worker)
{
    const struct turn_worker_options *options = &worker->options;
    const struct relay_sockets_options udp = {
        .loop = options->loop,
        .addresses = options->addresses,
        .events = {worker, on_datagram, on_icmp, on_flush},
        .buffer_bytes = options->relay_buffer_bytes,
    };
    const struct relay_tcp_options tcp = {
        .loop = options->loop,
        .addresses = options->addresses,
        .events = {worker, on_connected, on_arrived, on_carried, on_closed},
    };

    if (!options->addresses)
        return RC_OK;
    const int rc = relay_sockets_create(&worker->sockets, &udp);
    return rc == RC_OK && options->server.tcp_relay ? relay_tcp_create(&worker->tcp, &tcp) : rc;
}

static int make_server(struct turn_worker *worker)
{
    const struct turn_output output = {
        .arg = worker,
        .to_client = to_client,
        .to_peer = to_peer,
        .to_media = to_media,
        .relay_open = relay_open,
        .relay_adopt = relay_adopt,
        .relay_close = relay_close,
        .peer_connect = peer_connect,
        .peer_bind = peer_bind,
        .peer_close = peer_close,
        .client_close = client_close,
    };

    return turn_server_create(&worker->server, &worker->options.server, &output);
}

int turn_worker_create(struct turn_worker **out, const struct turn_worker_options *options)
{
    struct turn_worker *worker = calloc(1, sizeof *worker);

    if (!worker)
        return RC_NOMEM;
    worker->options = *options;
    worker->options.server.timers = loop_timers(options->loop);
    worker->options.server.relay_ports_none |= !options->addresses;
    int rc = make_sockets(worker);
    if (rc == RC_OK)
        rc = make_server(worker);
    if (rc != RC_OK) {
        turn_worker_free(worker);
        return rc;
    }
    *out = worker;
    return RC_OK;
}

void turn_worker_free(struct turn_worker *worker)
{
    if (!worker)
        return;
    if (worker->server)
        metrics_remove(turn_server_counters(worker->server), sizeof(struct turn_counters));
    if (worker->sockets)
        metrics_remove(relay_sockets_stats(worker->sockets),
                       sizeof(struct relay_sockets_stats));
    if (worker->tcp)
        metrics_remove(relay_tcp_stats(worker->tcp), sizeof(struct relay_tcp_stats));
    turn_server_free(worker->server);
    relay_sockets_free(worker->sockets);
    relay_tcp_free(worker->tcp);
    free(worker);
}

void turn_worker_set_stream(struct turn_worker *worker, const struct turn_carrier *stream)
{
    worker->options.stream = *stream;
}

void turn_worker_set_dtls(struct turn_worker *worker, const struct turn_carrier *dtls)
{
    worker->options.dtls = *dtls;
}

struct turn_server *turn_worker_server(struct turn_worker *worker)
{
    return worker->server;
}

struct relay_sockets_stats *turn_worker_relay_stats(struct turn_worker *worker)
{
    return worker->sockets ? relay_sockets_stats(worker->sockets) : NULL;
}

struct relay_tcp *turn_worker_tcp(struct turn_worker *worker)
{
    return worker->tcp;
}

/* --- numbers
 * ------------------------------------------------------------------------------------ */

static int register_relays(struct relay_sockets_stats *s)
{
    const struct metric_row rows[] = {
        {"turn_relay_sockets", "", "Open relayed addresses", METRIC_GAUGE, &s->open},
        {"turn_relay_direct_sockets", "", "Second sockets of busy ones, connected to their peer",
         METRIC_GAUGE, &s->direct},
        {"turn_relay_calls_total", "direction=\"in\"", "System calls on relay sockets",
         METRIC_COUNTER, &s->calls_in},
        {"turn_relay_calls_total", "direction=\"out\"", "System calls on relay sockets",
         METRIC_COUNTER, &s->calls_out},
        {"turn_relay_packets_total", "direction=\"in\"", "Datagrams of relay sockets",
         METRIC_COUNTER, &s->packets_in},
        {"turn_relay_packets_total", "direction=\"out\"", "Datagrams of relay sockets",
         METRIC_COUNTER, &s->packets_out},
        {"turn_relay_icmp_total", "", "ICMP errors about datagrams to peers", METRIC_COUNTER,
         &s->icmp},
        {"turn_relay_ports_exhausted_total", "", "Allocations for which no relay port was free",
         METRIC_COUNTER, &s->ports_exhausted},
        {"turn_relay_dropped_total", "why=\"oversize\"", "Datagrams lost at relay sockets",
         METRIC_COUNTER, &s->dropped_oversize},
        {"turn_relay_dropped_total", "why=\"full\"", "Datagrams lost at relay sockets",
         METRIC_COUNTER, &s->dropped_full},
        {"turn_relay_dropped_total", "why=\"send_error\"", "Datagrams lost at relay sockets",
         METRIC_COUNTER, &s->send_errors},
    };

    return metrics_add_rows(rows, ARRAY_LEN(rows));
}

static int register_tcp(struct relay_tcp_stats *s)
{
    const struct metric_row rows[] = {
        {"turn_tcp_relays", "", "Relayed addresses that listen for TCP (RFC 6062)",
         METRIC_GAUGE, &s->open},
        {"turn_tcp_peers", "", "TCP connections with peers", METRIC_GAUGE, &s->connections},
        {"turn_tcp_peers_total", "how=\"connected\"", "TCP connections to peers and from them",
         METRIC_COUNTER, &s->connects},
        {"turn_tcp_peers_total", "how=\"failed\"", "TCP connections to peers and from them",
         METRIC_COUNTER, &s->connects_failed},
        {"turn_tcp_peers_total", "how=\"accepted\"", "TCP connections to peers and from them",
         METRIC_COUNTER, &s->accepted},
        {"turn_tcp_peers_total", "how=\"refused\"", "TCP connections to peers and from them",
         METRIC_COUNTER, &s->accepted_refused},
        {"turn_relay_ports_exhausted_total", "", "Allocations for which no relay port was free",
         METRIC_COUNTER, &s->ports_exhausted},
    };

    return metrics_add_rows(rows, ARRAY_LEN(rows));
}

int turn_worker_register_metrics(struct turn_worker *worker, const char *realm)
{
    int rc = turn_counters_register(turn_server_counters(worker->server), realm);

    if (rc == RC_OK && worker->sockets)
        rc = register_relays(relay_sockets_stats(worker->sockets));
    if (rc == RC_OK && worker->tcp)
        rc = register_tcp(relay_tcp_stats(worker->tcp));
    return rc;
}
