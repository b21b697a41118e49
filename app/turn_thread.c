#include "app/turn_thread.h"

#include "core/log.h"
#include "core/metrics.h"

#include <stdlib.h>

struct turn_thread {
    struct turn_thread_options options;
    struct turn_worker *turn; /* owned */
    struct splice_end *end;   /* of the splice, which owns it */
    struct turn_dtls *dtls;   /* owned; NULL: none */
    struct turn_tcp *tcp;     /* owned; NULL: a worker */
};

/* --- clients by UDP, on a worker -------------------------------------------------------------
 */

static void wire_send(void *arg, const struct address *to, const struct address *local,
                      const struct udp_parts *parts)
{
    const struct turn_thread *thread = arg;

    worker_send(thread->options.media, to, local, parts);
}

static void wire_flush(void *arg)
{
    const struct turn_thread *thread = arg;

    worker_flush(thread->options.media);
}

static bool is_dtls(const struct udp_datagram *datagram)
{
    return datagram->len > 0 && datagram->data[0] >= 20 && datagram->data[0] <= 63;
}

static size_t keep_dtls(struct udp_datagram *batch, size_t count)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++)
        if (is_dtls(&batch[i]))
            batch[kept++] = batch[i];
    return kept;
}

static void guest_input(void *arg, struct udp_datagram *batch, size_t count, usec_t now)
{
    const struct turn_thread *thread = arg;

    if (thread->options.no_udp)
        count = keep_dtls(batch, count);
    turn_worker_input(thread->turn, batch, count, now);
}

static void guest_idle(void *arg, usec_t now)
{
    const struct turn_thread *thread = arg;

    splice_end_flush(thread->end, now);
}

static bool guest_take(void *arg, const struct address *to, const struct address *local,
                       struct span data, usec_t now)
{
    const struct turn_thread *thread = arg;

    return splice_end_take(thread->end, to, local, data, now);
}

static void guest_leg(void *arg, const struct address *to, struct relay_leg *out)
{
    const struct turn_thread *thread = arg;

    splice_end_leg(thread->end, to, out);
}

static void guest_close(void *arg)
{
    turn_thread_free(arg);
}

struct media_guest turn_thread_guest(struct turn_thread *thread)
{
    return (struct media_guest){thread, guest_input, guest_idle, guest_take,
                                guest_close, guest_leg};
}

/* --- clients of sessions: DTLS, TCP, TLS
 * ------------------------------------------------------- */

static int session_message(void *arg, const struct turn_client *from, struct span message,
                           usec_t now)
{
    const struct turn_thread *thread = arg;

    return turn_worker_message(thread->turn, from, message, now);
}

static void session_flush(void *arg, usec_t now)
{
    const struct turn_thread *thread = arg;

    turn_worker_flush(thread->turn, now);
}

static void session_gone(void *arg, const struct turn_client *client, usec_t now)
{
    const struct turn_thread *thread = arg;

    turn_worker_gone(thread->turn, client, now);
}

static bool session_has_allocation(void *arg, const struct turn_client *client)
{
    const struct turn_thread *thread = arg;

    return turn_server_find_client(turn_worker_server(thread->turn), client) != NULL;
}

static void session_leg(void *arg, const struct turn_client *client,
                        const struct turn_leg_report *report)
{
    const struct turn_thread *thread = arg;
    const struct turn_allocation *allocation =
        turn_server_find_client(turn_worker_server(thread->turn), client);
    const struct relay_leg leg = {
        .path = client->transport == TURN_TLS ? RELAY_PATH_TURN_TLS : RELAY_PATH_TURN_TCP,
        .elsewhere = true,
        .full = report->full,
        .cap = report->cap,
    };
    struct address relayed[2];
    const size_t count = allocation ? turn_allocation_relayed(allocation, relayed) : 0;

    for (size_t i = 0; i < count; i++)
        splice_end_report(thread->end, &relayed[i], &leg);
}

static void dtls_send(void *arg, const struct address *remote, const struct address *local,
                      struct span bytes)
{
    /* As a head it is copied. */
    wire_send(arg, remote, local, &(struct udp_parts){.head = bytes});
}

static void dtls_to_client(void *arg, const struct turn_client *client, struct span head,
                           struct span data, size_t tail)
{
    const struct turn_thread *thread = arg;

    turn_dtls_to_client(thread->dtls, client, head, data, tail);
}

static void dtls_close(void *arg, const struct turn_client *client)
{
    const struct turn_thread *thread = arg;

    turn_dtls_close_client(thread->dtls, client, loop_now(thread->options.loop));
}

static void dtls_input(void *arg, struct udp_datagram *datagram, usec_t now)
{
    const struct turn_thread *thread = arg;

    turn_dtls_input(thread->dtls, &datagram->from, &datagram->local,
                    (struct span){datagram->data, datagram->len}, now);
}

static void tcp_to_client(void *arg, const struct turn_client *client, struct span head,
                          struct span data, size_t tail)
{
    const struct turn_thread *thread = arg;

    turn_tcp_to_client(thread->tcp, client, head, data, tail);
}

static void tcp_close(void *arg, const struct turn_client *client)
{
    const struct turn_thread *thread = arg;

    turn_tcp_close_client(thread->tcp, client);
}

static int tcp_detach(void *arg, const struct turn_client *client, turn_tcp_taker *taker,
                      void *taker_arg)
{
    const struct turn_thread *thread = arg;

    return turn_tcp_detach(thread->tcp, client, taker, taker_arg);
}

static void accept_stream(void *arg, struct listener *listener, struct bufferevent *connection,
                          const struct address *from, bool tls)
{
    const struct turn_thread *thread = arg;
    const struct listener_protocol protocol = turn_tcp_protocol(thread->tcp);

    if (tls ? thread->options.no_tls : thread->options.no_tcp)
        listener_release(listener, connection);
    else
        protocol.accept(protocol.arg, listener, connection, from, tls);
}

uint32_t turn_thread_streams(const struct turn_thread *thread)
{
    return thread->tcp ? turn_tcp_connections(thread->tcp) : 0;
}

struct listener_protocol turn_thread_protocol(struct turn_thread *thread)
{
    struct listener_protocol protocol = turn_tcp_protocol(thread->tcp);

    protocol.accept = accept_stream;
    protocol.arg = thread;
    return protocol;
}

/* --- life
 * --------------------------------------------------------------------------------------- */

static int make_dtls(struct turn_thread *thread, SSL_CTX *tls)
{
    const struct turn_dtls_options options = {
        .timers = loop_timers(thread->options.loop),
        .user = {thread, dtls_send, session_message, session_flush, session_gone,
                 session_has_allocation},
    };

    const int rc =
        turn_dtls_create(&thread->dtls, &options, tls, loop_now(thread->options.loop));
    if (rc == RC_OK)
        turn_worker_set_dtls(thread->turn, &(struct turn_carrier){.arg = thread,
                                                                  .to_client = dtls_to_client,
                                                                  .close = dtls_close,
                                                                  .input = dtls_input});
    return rc;
}

static int make_tcp(struct turn_thread *thread)
{
    const struct turn_tcp_options options = {
        .loop = thread->options.loop,
        .user = {thread, session_message, session_flush, session_gone, session_has_allocation,
                 session_leg},
    };

    const int rc = turn_tcp_create(&thread->tcp, &options);
    if (rc == RC_OK)
        turn_worker_set_stream(thread->turn, &(struct turn_carrier){.arg = thread,
                                                                    .to_client = tcp_to_client,
                                                                    .close = tcp_close,
                                                                    .detach = tcp_detach});
    return rc;
}

static int make_worker(struct turn_thread *thread)
{
    const struct turn_thread_options *o = &thread->options;
    struct turn_worker_options options = {
        .loop = o->loop,
        .server = o->server,
        .addresses = o->addresses,
        .relay_buffer_bytes = o->relay_buffer_bytes,
        .media = splice_end_media(thread->end),
    };

    if (o->media)
        options.wire = (struct turn_wire){thread, wire_send, wire_flush};
    const int rc = turn_worker_create(&thread->turn, &options);
    if (rc == RC_OK)
        splice_end_serve(thread->end, thread->turn);
    return rc;
}

int turn_thread_create(struct turn_thread **out, const struct turn_thread_options *options)
{
    struct turn_thread *thread = calloc(1, sizeof *thread);

    if (!thread)
        return RC_NOMEM;
    thread->options = *options;
    int rc = splice_end_open(&thread->end, options->splice, options->index, options->loop,
                             options->media);
    if (rc == RC_OK)
        rc = make_worker(thread);
    if (rc == RC_OK && !options->media)
        rc = make_tcp(thread);
    if (rc == RC_OK && options->media && options->tls)
        rc = make_dtls(thread, options->tls);
    if (rc != RC_OK) {
        turn_thread_free(thread);
        return rc;
    }
    thread->options.tls = NULL;
    *out = thread;
    return RC_OK;
}

void turn_thread_free(struct turn_thread *thread)
{
    if (!thread)
        return;
    splice_end_close(thread->end);
    if (thread->tcp)
        metrics_remove(turn_tcp_stats(thread->tcp), sizeof(struct turn_tcp_stats));
    if (thread->dtls)
        metrics_remove(turn_dtls_stats(thread->dtls), sizeof(struct turn_dtls_stats));
    turn_worker_free(thread->turn); /* says goodbye through the two */
    turn_tcp_free(thread->tcp);
    turn_dtls_free(thread->dtls);
    free(thread);
}

void turn_thread_set_tls(struct turn_thread *thread, SSL_CTX *tls)
{
    if (thread->dtls && turn_dtls_certificate(thread->dtls, tls) != RC_OK)
        log_error("turn", "DTLS keeps its old certificate: the new one is of no use");
}

void turn_thread_end_user(struct turn_thread *thread, const uint8_t user[static TURN_USER_ID])
{
    (void)turn_server_end_user(turn_worker_server(thread->turn), user);
}

/* --- numbers
 * ------------------------------------------------------------------------------------ */

static int register_tcp(struct turn_tcp_stats *s)
{
    const struct metric_row rows[] = {
        {"turn_stream_connections", "", "TURN clients over TCP and TLS", METRIC_GAUGE,
         &s->connections},
        {"turn_stream_accepted_total", "", "Connections of such clients since the start",
         METRIC_COUNTER, &s->accepted},
        {"turn_stream_messages_total", "", "Messages to such clients", METRIC_COUNTER,
         &s->out.messages},
        {"turn_stream_bytes_total", "", "Bytes of such messages", METRIC_COUNTER,
         &s->out.bytes},
        {"meetopia_leg_frames_dropped_total", "",
         "frames of pictures that a TCP leg had no room for", METRIC_COUNTER,
         &s->out.legs.frames_dropped},
        {"meetopia_leg_full_total", "",
         "times that a TCP leg became too slow for its pictures", METRIC_COUNTER,
         &s->out.legs.gates_shut},
        {"meetopia_leg_packets_dropped_total", "why=\"stale\"",
         "packets that a TCP leg did not get rid of", METRIC_COUNTER,
         &s->out.legs.packets_stale},
        {"meetopia_leg_packets_dropped_total", "why=\"overflow\"",
         "packets that a TCP leg did not get rid of", METRIC_COUNTER,
         &s->out.legs.packets_overflow},
    };

    const int rc =
        metrics_add_histogram("meetopia_leg_queue_seconds", "",
                              "what a picture has to wait in front of a TCP leg",
                              &s->out.legs.queue);
    if (rc != RC_OK)
        return rc;
    return metrics_add_rows(rows, ARRAY_LEN(rows));
}

static int register_dtls(struct turn_dtls_stats *s)
{
    const struct metric_row rows[] = {
        {"turn_dtls_sessions", "", "DTLS sessions of TURN clients", METRIC_GAUGE, &s->sessions},
        {"turn_dtls_half_open", "", "Those that still shake hands", METRIC_GAUGE,
         &s->half_open},
        {"turn_dtls_handshakes_total", "",
         "DTLS handshakes of TURN clients that were completed", METRIC_COUNTER, &s->handshakes},
        {"turn_dtls_hellos_total", "", "ClientHello messages that were answered by a cookie",
         METRIC_COUNTER, &s->hellos},
        {"turn_dtls_dropped_total", "why=\"oversize\"",
         "Relayed messages that are too long for one DTLS record", METRIC_COUNTER,
         &s->dropped_oversize},
    };
    return metrics_add_rows(rows, ARRAY_LEN(rows));
}

int turn_thread_register_metrics(struct turn_thread *thread, const char *realm)
{
    int rc = turn_worker_register_metrics(thread->turn, realm);

    if (rc == RC_OK && thread->tcp)
        rc = register_tcp(turn_tcp_stats(thread->tcp));
    if (rc == RC_OK && thread->dtls)
        rc = register_dtls(turn_dtls_stats(thread->dtls));
    return rc;
}
