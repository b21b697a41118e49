#include "relay/worker.h"

#include "core/backlog.h"
#include "core/log.h"
#include "relay/stream_address.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CHUNK_BYTES 65536 /* of what is handed to another worker in one message */
/* That wait at one worker, 16 MB: what is behind by more loses media, and memory stays bounded.
 */
#define CHUNKS_WAITING_MAX 256

/* What goes to one other worker since the last flush: records, one after the other. */
struct chunk {
    size_t len;
    uint8_t bytes[CHUNK_BYTES];
};

struct chunk_record {
    uint64_t to;
    size_t len; /* of the bytes behind the record; the next one is aligned behind them */
    struct media_remote what;
};

#define WORKER_SLICE 100000 /* nanoseconds, the least that the kernel takes */
#define WORKER_NICE (-10)
#define TIMER_SLACK 1000 /* nanoseconds; the kernel's 50 000 are for batteries */
/* Under load. What a packet waits for it is half of that, far below what a jitter buffer sees. */
#define WORKER_PACE 400

enum { INLETS_MAX = (1 + RELAY_GUEST_PORTS_MAX) * RELAY_ADDRESSES_MAX };

/* A datagram's way in: which socket it came through is what its answer must leave by. */
struct inlet {
    struct worker *worker;
    struct udp_port *port;    /* owned */
    struct address at, bound; /* with the real port; with port 0, as datagrams of media name it */
};

struct worker {
    char name[16];
    struct chunk *chunk[RELAY_WORKERS_MAX]; /* owned; NULL: nothing to hand over */
    _Atomic unsigned chunks_waiting;        /* that others have handed over to us */
    struct counter chunks_lost;             /* that we could not hand over */
    struct loop *loop;
    struct backlog *commands; /* owned, of the control thread */
    struct backlog *events;   /* owned, of ours */
    struct inlet inlet[INLETS_MAX]; /* the media's, then the guest's own */
    size_t media_inlets, inlets;
    struct media_guest guest; /* input NULL: none */
    struct srtp_engine *srtp;
    struct media *media;
    struct ice_streams *streams; /* owned */
    struct worker_options options;
    pthread_t thread;
    bool running;
};


/* --- to other workers
 * ------------------------------------------------------------------------------- */

static size_t aligned(size_t n)
{
    const size_t unit = _Alignof(struct chunk_record);

    return (n + unit - 1) / unit * unit;
}

static void deliver_chunk(void *target, void *payload, usec_t now)
{
    struct worker *worker = target;
    struct chunk *chunk = payload;

    atomic_fetch_sub_explicit(&worker->chunks_waiting, 1, memory_order_relaxed);
    for (size_t at = 0; at < chunk->len;) {
        struct chunk_record record;

        memcpy(&record, chunk->bytes + at, sizeof record);
        at += sizeof record;
        record.what.bytes = (struct span){chunk->bytes + at, record.len};
        media_remote_input(worker->media, record.to, &record.what, now);
        at = aligned(at + record.len);
    }
    free(chunk);
}

static int try_chunk(struct worker *other, struct chunk *chunk)
{
    const struct loop_message message = {deliver_chunk, free, other, chunk};

    if (atomic_fetch_add_explicit(&other->chunks_waiting, 1, memory_order_relaxed) <
            CHUNKS_WAITING_MAX &&
        loop_post(other->loop, &message) == RC_OK)
        return RC_OK;
    atomic_fetch_sub_explicit(&other->chunks_waiting, 1, memory_order_relaxed);
    return RC_FULL;
}

static void post_chunk(struct worker *worker, unsigned index)
{
    struct worker *other = worker->options.other(worker->options.arg, index);
    struct chunk *chunk = worker->chunk[index];

    worker->chunk[index] = NULL;
    if (other && try_chunk(other, chunk) == RC_OK)
        return;
    counter_add(&worker->chunks_lost, 1);
    free(chunk);
}

static void hand_over(void *arg, unsigned index, uint64_t to, const struct media_remote *what)
{
    struct worker *worker = arg;
    const struct chunk_record record = {to, what->bytes.n, *what};
    const size_t need = aligned(sizeof record + record.len);

    if (index >= RELAY_WORKERS_MAX || need > CHUNK_BYTES)
        return;
    if (worker->chunk[index] && CHUNK_BYTES - worker->chunk[index]->len < need)
        post_chunk(worker, index);
    if (!worker->chunk[index]) {
        worker->chunk[index] = malloc(sizeof **worker->chunk);
        if (!worker->chunk[index])
            return;
        worker->chunk[index]->len = 0;
    }
    uint8_t *at = worker->chunk[index]->bytes + worker->chunk[index]->len;
    memcpy(at, &record, sizeof record);
    if (record.len)
        memcpy(at + sizeof record, what->bytes.p, record.len);
    worker->chunk[index]->len += need;
}

static void flush_chunks(struct worker *worker)
{
    for (unsigned i = 0; i < RELAY_WORKERS_MAX; i++)
        if (worker->chunk[i])
            post_chunk(worker, i);
}

/* --- the sockets -------------------------------------------------------------------------------- */

static void on_receive(void *arg, struct udp_datagram *batch, size_t count, usec_t now)
{
    const struct inlet *inlet = arg;
    struct worker *worker = inlet->worker;

    if (worker->media_inlets > 1)
        for (size_t i = 0; i < count; i++)
            batch[i].local = inlet->bound;
    media_input(worker->media, batch, count, now);
}

static struct udp_port *port_for(const struct worker *worker, const struct address *local)
{
    if (worker->media_inlets > 1)
        for (size_t i = 0; i < worker->media_inlets; i++)
            if (address_equal_ip(&worker->inlet[i].bound, local))
                return worker->inlet[i].port;
    return worker->inlet[0].port;
}

static void send_packet(void *arg, const struct address *to, const struct address *local,
                        const uint8_t *data, size_t len)
{
    const struct worker *worker = arg;
    const struct media_guest *guest = &worker->guest;

    if (stream_address_number(to)) {
        ice_streams_send(worker->streams, to, data, len);
        return;
    }
    if (guest->take && guest->take(guest->arg, to, local, (struct span){data, len},
                                   loop_now(worker->loop)))
        return;
    udp_port_send(port_for(worker, local), to, worker->media_inlets > 1 ? NULL : local, data,
                  len);
}

static void flush_inlets(const struct worker *worker)
{
    for (size_t i = 0; i < worker->inlets; i++)
        udp_port_flush(worker->inlet[i].port);
}

static void flush_ports(void *arg)
{
    const struct worker *worker = arg;

    flush_inlets(worker);
    ice_streams_flush(worker->streams);
}

static void flush_all(struct worker *worker, usec_t now)
{
    media_flush(worker->media, now);
    if (worker->guest.idle)
        worker->guest.idle(worker->guest.arg, now);
    flush_chunks(worker);
    flush_inlets(worker); /* what came in by one may be answered by another */
}

static void on_idle(void *arg, usec_t now)
{
    const struct inlet *inlet = arg;

    flush_all(inlet->worker, now);
}

static void flush_later(void *arg)
{
    struct worker *worker = arg;

    if (worker->media) /* else asked for by its last words */
        flush_all(worker, loop_now(worker->loop));
}

static void wake(void *arg)
{
    struct worker *worker = arg;

    if (loop_defer(worker->loop, flush_later, worker) != RC_OK)
        flush_later(worker);
}

static int open_inlet(struct worker *worker, const struct address *at, udp_receive_fn *receive)
{
    struct inlet *inlet = &worker->inlet[worker->inlets];
    const struct udp_port_options options = {
        .at = *at,
        .buffer_bytes = worker->options.buffer_bytes,
    };

    inlet->worker = worker;
    const int rc =
        udp_port_open(&inlet->port, worker->loop, &options, receive, on_idle, inlet);
    if (rc != RC_OK)
        return rc;
    inlet->at = udp_port_address(inlet->port);
    inlet->bound = inlet->at;
    address_set_port(&inlet->bound, 0);
    worker->inlets++;
    return RC_OK;
}

/* --- TCP connections ----------------------------------------------------------------------------------- */

/* Nothing of it is for the guest: it has connections of its own. */
static void on_stream_input(void *arg, struct udp_datagram *batch, size_t count, usec_t now)
{
    struct worker *worker = arg;

    media_splice(worker->media, batch, count, now);
}

static void on_stream_idle(void *arg, usec_t now)
{
    flush_all(arg, now);
}

static bool stream_is_path(void *arg, const struct address *from)
{
    const struct worker *worker = arg;

    return media_accepts(worker->media, from);
}

static void on_stream_lost(void *arg, const struct address *remote, usec_t now)
{
    struct worker *worker = arg;

    media_stream_lost(worker->media, remote, now);
}

static void end_stream(void *arg, const struct address *remote)
{
    struct worker *worker = arg;

    ice_streams_end(worker->streams, remote);
}

static void find_leg(void *arg, const struct address *to, struct relay_leg *out)
{
    const struct worker *worker = arg;

    if (stream_address_number(to))
        *out = (struct relay_leg){.path = RELAY_PATH_TCP,
                                   .stream = ice_streams_leg(worker->streams, to)};
    else if (worker->guest.leg)
        worker->guest.leg(worker->guest.arg, to, out);
}

void worker_leg_gone(struct worker *worker, const struct address *to)
{
    if (worker->media) /* else it says its last words */
        media_leg_gone(worker->media, to);
}

void worker_leg_report(struct worker *worker, const struct address *to,
                       const struct relay_leg *leg)
{
    if (worker->media)
        media_leg_report(worker->media, to, leg);
}

/* On the control thread. */
static void deliver_stream_closed(void *target, void *payload, usec_t now)
{
    const struct worker *worker = target;
    (void)now;

    worker->options.stream_closed(worker->options.arg, payload);
}

static void keep(void *payload)
{
    (void)payload; /* a ticket is the giver's */
}

static void on_stream_closed(void *arg, void *ticket)
{
    struct worker *worker = arg;
    const struct loop_message message = {deliver_stream_closed, keep, worker, ticket};

    (void)backlog_post(worker->events, &message);
}

static int make_streams(struct worker *worker)
{
    const struct ice_streams_output output = {
        .arg = worker,
        .input = on_stream_input,
        .idle = on_stream_idle,
        .accepts = stream_is_path,
        .lost = on_stream_lost,
        .closed = on_stream_closed,
    };
    return ice_streams_create(&worker->streams, worker->loop, &output);
}

struct stream_message {
    struct ice_stream_arrival arrival;
    uint8_t first[];
};

static void deliver_stream(void *target, void *payload, usec_t now)
{
    struct worker *worker = target;
    struct stream_message *m = payload;
    void *ticket = m->arrival.ticket;
    (void)now;

    if (ice_streams_add(worker->streams, &m->arrival) != RC_OK)
        on_stream_closed(worker, ticket);
    free(m);
}

/* The worker ended before it was delivered. */
static void discard_stream(void *payload)
{
    struct stream_message *m = payload;

    stream_close(&m->arrival.stream);
    free(m);
}

int worker_take(struct worker *worker, const struct ice_stream_arrival *arrival)
{
    struct stream_message *m = malloc(sizeof *m + arrival->first.n);
    const struct loop_message message = {deliver_stream, discard_stream, worker, m};

    if (!m)
        return RC_NOMEM;
    m->arrival = *arrival;
    memcpy(m->first, arrival->first.p, arrival->first.n);
    m->arrival.first.p = m->first;
    const int rc = backlog_offer(worker->commands, &message);
    if (rc != RC_OK)
        free(m);
    return rc;
}

/* --- the guest ------------------------------------------------------------------------------------- */

/* Where a datagram came in, with the port. */
static void name_local(const struct inlet *inlet, struct udp_datagram *datagram)
{
    if (address_len(&datagram->local))
        address_set_port(&datagram->local, address_port(&inlet->at));
    else
        datagram->local = inlet->at;
}

/* What the media does not know: all of its sockets have one port. */
static void on_guest_datagrams(void *arg, struct udp_datagram *batch, size_t count, usec_t now)
{
    struct worker *worker = arg;

    for (size_t i = 0; i < count; i++)
        name_local(&worker->inlet[0], &batch[i]);
    worker->guest.input(worker->guest.arg, batch, count, now);
}

/* On a socket of the guest's own. */
static void on_guest_receive(void *arg, struct udp_datagram *batch, size_t count, usec_t now)
{
    const struct inlet *inlet = arg;

    for (size_t i = 0; i < count; i++)
        name_local(inlet, &batch[i]);
    inlet->worker->guest.input(inlet->worker->guest.arg, batch, count, now);
}

static bool is_inlet(const struct inlet *inlet, const struct address *local)
{
    return address_port(&inlet->at) == address_port(local) &&
           (address_is_wildcard(&inlet->at) || address_equal_ip(&inlet->at, local));
}

void worker_send(struct worker *worker, const struct address *to, const struct address *local,
                 const struct udp_parts *parts)
{
    size_t i = 0;

    while (i < worker->inlets && !is_inlet(&worker->inlet[i], local))
        i++;
    if (i < worker->inlets)
        udp_port_send_parts(worker->inlet[i].port, to, local, parts);
}

void worker_flush(struct worker *worker)
{
    flush_ports(worker);
}

void worker_splice(struct worker *worker, struct udp_datagram *batch, size_t count, usec_t now)
{
    media_splice(worker->media, batch, count, now);
}

struct loop *worker_loop(struct worker *worker)
{
    return worker->loop;
}

uint16_t worker_port(const struct worker *worker)
{
    return address_port(&worker->inlet[0].at);
}

static void close_guest(struct worker *worker)
{
    if (worker->guest.close)
        worker->guest.close(worker->guest.arg);
    worker->guest = (struct media_guest){.arg = NULL};
}

/* --- metrics ----------------------------------------------------------------------------------------- */

static void register_metrics(struct worker *worker)
{
    struct media_stats *m = media_stats(worker->media);
    const struct {
        const char *name, *labels, *help;
        enum metric_kind kind;
        struct counter *value;
    } rows[] = {
        {"meetopia_peers", "", "peer connections", METRIC_GAUGE, &m->peers},
        {"meetopia_dtls_handshakes", "", "half-open DTLS handshakes", METRIC_GAUGE, &m->handshakes},
        {"meetopia_peers_connected_total", "", "peer connections that agreed on keys", METRIC_COUNTER, &m->peers_connected},
        {"meetopia_datagrams_in_total", "kind=\"rtp\"", "datagrams received", METRIC_COUNTER, &m->rtp_in},
        {"meetopia_datagrams_in_total", "kind=\"rtcp\"", "datagrams received", METRIC_COUNTER, &m->rtcp_in},
        {"meetopia_datagrams_in_total", "kind=\"stun\"", "datagrams received", METRIC_COUNTER, &m->stun_in},
        {"meetopia_datagrams_in_total", "kind=\"dtls\"", "datagrams received", METRIC_COUNTER, &m->dtls_in},
        {"meetopia_datagrams_in_total", "kind=\"channel_data\"", "datagrams received", METRIC_COUNTER, &m->channel_data_in},
        {"meetopia_rtp_forwarded_total", "", "RTP packets given to a partner's track", METRIC_COUNTER, &m->rtp_forwarded},
        {"meetopia_rtp_unlinked_total", "", "RTP packets of clients without a partner", METRIC_COUNTER, &m->unlinked},
        {"meetopia_rtp_codec_mismatch_total", "", "RTP packets that the partner cannot decode", METRIC_COUNTER, &m->codec_mismatch},
        {"meetopia_rtp_retransmitted_total", "", "RTP packets sent again by RTX", METRIC_COUNTER, &m->retransmitted},
        {"meetopia_rtp_recovered_total", "", "RTP packets that RTX brought back", METRIC_COUNTER, &m->recovered},
        {"meetopia_nack_asked_total", "", "RTP packets asked of senders again", METRIC_COUNTER, &m->nack_asked},
        {"meetopia_key_frames_asked_total", "", "key frames asked of senders", METRIC_COUNTER, &m->pli_asked},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        (void)metrics_add(rows[i].name, rows[i].labels, rows[i].help, rows[i].kind,
                          rows[i].value);
    (void)metrics_add("meetopia_handover_lost_total", "",
                      "messages to another media thread that was too far behind", METRIC_COUNTER,
                      &worker->chunks_lost);

    struct ice_streams_stats *s = ice_streams_stats(worker->streams);
    const struct {
        const char *name, *labels, *help;
        enum metric_kind kind;
        struct counter *value;
    } legs[] = {
        {"meetopia_ice_tcp_connections", "", "TCP connections that are paths of peers", METRIC_GAUGE, &s->open},
        {"meetopia_ice_tcp_connections_total", "", "TCP connections that named a session", METRIC_COUNTER, &s->arrived},
        {"meetopia_ice_tcp_packets_total", "direction=\"in\"", "packets over TCP", METRIC_COUNTER, &s->packets_in},
        {"meetopia_ice_tcp_packets_total", "direction=\"out\"", "packets over TCP", METRIC_COUNTER, &s->packets_out},
        {"meetopia_leg_frames_dropped_total", "", "frames of pictures that a TCP leg had no room for", METRIC_COUNTER, &s->legs.frames_dropped},
        {"meetopia_leg_full_total", "", "times that a TCP leg became too slow for its pictures", METRIC_COUNTER, &s->legs.gates_shut},
        {"meetopia_leg_packets_dropped_total", "why=\"stale\"", "packets that a TCP leg did not get rid of", METRIC_COUNTER, &s->legs.packets_stale},
        {"meetopia_leg_packets_dropped_total", "why=\"overflow\"", "packets that a TCP leg did not get rid of", METRIC_COUNTER, &s->legs.packets_overflow},
    };
    for (size_t i = 0; i < ARRAY_LEN(legs); i++)
        (void)metrics_add(legs[i].name, legs[i].labels, legs[i].help, legs[i].kind,
                          legs[i].value);
    (void)metrics_add_histogram("meetopia_leg_queue_seconds", "",
                                "what a picture has to wait in front of a TCP leg", &s->legs.queue);

    for (size_t i = 0; i < worker->inlets; i++) {
        struct udp_port_stats *u = udp_port_stats(worker->inlet[i].port);

        (void)metrics_add("meetopia_udp_packets_in_total", "", "UDP packets received", METRIC_COUNTER, &u->packets_in);
        (void)metrics_add("meetopia_udp_packets_out_total", "", "UDP packets sent", METRIC_COUNTER, &u->packets_out);
        (void)metrics_add("meetopia_udp_bytes_in_total", "", "UDP payload received", METRIC_COUNTER, &u->bytes_in);
        (void)metrics_add("meetopia_udp_bytes_out_total", "", "UDP payload sent", METRIC_COUNTER, &u->bytes_out);
        (void)metrics_add("meetopia_udp_calls_total", "direction=\"in\"", "system calls", METRIC_COUNTER, &u->calls_in);
        (void)metrics_add("meetopia_udp_calls_total", "direction=\"out\"", "system calls", METRIC_COUNTER, &u->calls_out);
        (void)metrics_add("meetopia_udp_dropped_total", "why=\"kernel\"", "UDP packets lost in this machine", METRIC_COUNTER, &u->dropped_kernel);
        (void)metrics_add("meetopia_udp_dropped_total", "why=\"oversize\"", "UDP packets lost in this machine", METRIC_COUNTER, &u->dropped_oversize);
        (void)metrics_add("meetopia_udp_dropped_total", "why=\"queue_full\"", "UDP packets lost in this machine", METRIC_COUNTER, &u->dropped_queue_full);
        (void)metrics_add("meetopia_udp_dropped_total", "why=\"late\"", "UDP packets lost in this machine", METRIC_COUNTER, &u->dropped_queue_late);
        (void)metrics_add("meetopia_udp_dropped_total", "why=\"send_error\"", "UDP packets lost in this machine", METRIC_COUNTER, &u->send_errors);
    }
}

static void forget_metrics(struct worker *worker)
{
    if (worker->media)
        metrics_remove(media_stats(worker->media), sizeof(struct media_stats));
    if (worker->streams)
        metrics_remove(ice_streams_stats(worker->streams), sizeof(struct ice_streams_stats));
    metrics_remove(&worker->chunks_lost, sizeof worker->chunks_lost);
    for (size_t i = 0; i < worker->inlets; i++)
        metrics_remove(udp_port_stats(worker->inlet[i].port), sizeof(struct udp_port_stats));
}

/* --- events --------------------------------------------------------------------------------------------- */

struct event_message {
    uint64_t peer;
    struct media_event event;
};

/* On the control thread. */
static void deliver_event(void *target, void *payload, usec_t now)
{
    const struct worker *worker = target;
    const struct event_message m = *(struct event_message *)payload;
    (void)now;

    free(payload);
    worker->options.event(worker->options.arg, m.peer, &m.event);
}

static void on_event(void *arg, uint64_t peer, const struct media_event *event)
{
    struct worker *worker = arg;
    struct event_message *m = malloc(sizeof *m);
    const struct loop_message message = {deliver_event, free, worker, m};

    if (!m)
        return;
    *m = (struct event_message){peer, *event};
    const int rc = event->kind == MEDIA_EVENT_QUALITY ? backlog_offer(worker->events, &message)
                                                      : backlog_post(worker->events, &message);
    if (rc != RC_OK)
        free(m);
}

/* --- life ---------------------------------------------------------------------------------------------- */

static void on_data(void *arg, uint64_t peer, struct span packet)
{
    struct worker *worker = arg;

    worker->options.data(worker->options.arg, peer, packet);
}

/* A worker works for microseconds at a time and is waited for: on a busy machine it should run at
 * once. Short slices say so to the scheduler (Linux 6.12 and later; others ignore it), and need no
 * privilege; a better priority is taken where it is granted. */
static void ask_for_low_latency(void)
{
    struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime, deadline, period;
    } attributes = {.size = sizeof attributes, .nice = WORKER_NICE, .runtime = WORKER_SLICE};

    (void)prctl(PR_SET_TIMERSLACK, TIMER_SLACK);
    if (sched_getscheduler(0) != SCHED_OTHER) /* whoever started us has said how to run */
        return;
    if (syscall(SYS_sched_setattr, 0, &attributes, 0) == 0)
        return;
    attributes.nice = 0;
    (void)syscall(SYS_sched_setattr, 0, &attributes, 0);
}

static void *thread_main(void *arg)
{
    struct worker *worker = arg;

    pthread_setname_np(pthread_self(), worker->name);
    ask_for_low_latency();
    loop_set_pace(worker->loop, WORKER_PACE);
    loop_run(worker->loop);
    media_free(worker->media); /* says goodbye to every peer, on this thread's crypto */
    worker->media = NULL;
    close_guest(worker); /* by whom some of the goodbyes go */
    ice_streams_close(worker->streams);
    return NULL;
}

/* Frees a worker whose thread does not run. */
static void destroy(struct worker *worker)
{
    const int saved = errno;

    forget_metrics(worker);
    media_free(worker->media);
    close_guest(worker);
    if (worker->streams)
        ice_streams_close(worker->streams);
    for (size_t i = 0; i < worker->inlets; i++)
        udp_port_close(worker->inlet[i].port);
    srtp_engine_free(worker->srtp);
    backlog_free(worker->commands);
    backlog_free(worker->events);
    loop_forget(worker->options.control, worker);
    loop_free(worker->loop);
    ice_streams_free(worker->streams);
    for (unsigned i = 0; i < RELAY_WORKERS_MAX; i++)
        free(worker->chunk[i]);
    free(worker);
    errno = saved;
}

static int start_thread(struct worker *worker)
{
    sigset_t all, before;

    sigfillset(&all); /* signals are the control thread's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int error = pthread_create(&worker->thread, NULL, thread_main, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error) {
        errno = error;
        return RC_SYS;
    }
    worker->running = true;
    return RC_OK;
}

static int make_media(struct worker *worker)
{
    const struct worker_options *options = &worker->options;
    struct media_options media = options->media;
    const struct media_output output = {
        .arg = worker,
        .sink = {worker, send_packet, flush_ports},
        .wake = wake,
        .event = on_event,
        .data = options->data ? on_data : NULL,
        .remote = options->other ? hand_over : NULL,
        .leg = find_leg,
        .stream_end = end_stream,
        .guest = options->guest ? on_guest_datagrams : NULL,
    };

    const int rc = srtp_engine_create(&worker->srtp, options->srtp_engine);
    if (rc != RC_OK)
        return rc;
    media.srtp = worker->srtp;
    media.timers = loop_timers(worker->loop);
    return media_create(&worker->media, &media, &output);
}

static int open_ports(struct worker *worker, struct address *failed)
{
    const struct worker_options *o = &worker->options;
    const size_t also = o->guest ? o->also_count : 0;
    int rc = RC_OK;

    for (size_t i = 0; rc == RC_OK && i < o->listen_count; i++) {
        *failed = o->listen[i];
        rc = open_inlet(worker, failed, on_receive);
    }
    worker->media_inlets = worker->inlets;
    for (size_t i = 0; rc == RC_OK && i < also; i++) {
        *failed = o->also[i];
        rc = open_inlet(worker, failed, on_guest_receive);
    }
    return rc;
}

static int make_guest(struct worker *worker)
{
    const struct worker_options *o = &worker->options;

    return o->guest ? o->guest(o->guest_arg, o->index, worker, &worker->guest) : RC_OK;
}

int worker_start(struct worker **out, const struct worker_options *options,
                 struct address *failed)
{
    struct worker *worker = calloc(1, sizeof *worker);

    *failed = (struct address){0};
    if (!worker)
        return RC_NOMEM;
    worker->options = *options;
    snprintf(worker->name, sizeof worker->name, "worker%u", options->index);

    int rc = loop_create(&worker->loop, worker->name, options->mailbox_capacity);
    if (rc == RC_OK)
        rc = backlog_create(&worker->commands, options->control, worker->loop, 0);
    if (rc == RC_OK)
        rc = backlog_create(&worker->events, worker->loop, options->control, 0);
    if (rc == RC_OK)
        rc = make_streams(worker);
    if (rc == RC_OK)
        rc = make_media(worker);
    if (rc == RC_OK)
        rc = open_ports(worker, failed);
    if (rc == RC_OK) {
        *failed = (struct address){0};
        rc = make_guest(worker);
    }
    if (rc == RC_OK) {
        register_metrics(worker);
        rc = start_thread(worker);
    }
    if (rc != RC_OK) {
        destroy(worker);
        return rc;
    }
    *out = worker;
    return RC_OK;
}

void worker_stop(struct worker *worker)
{
    forget_metrics(worker);
    if (!worker->running)
        return;
    loop_stop(worker->loop);
    pthread_join(worker->thread, NULL);
    worker->running = false;
}

void worker_free(struct worker *worker)
{
    if (!worker)
        return;
    worker_stop(worker);
    destroy(worker);
}

/* --- messages -------------------------------------------------------------------------------------------- */

struct update_message {
    uint64_t peer;
    struct sdp_negotiated negotiated;
    bool restart;
    struct ice_credentials credentials;
};

struct pair_message {
    uint64_t a, b;
    unsigned other; /* the worker of b, where it is not this one */
};

struct data_message {
    uint64_t peer;
    size_t len;
    uint8_t bytes[];
};

static void *copy_of(const void *what, size_t size)
{
    void *copy = malloc(size);

    if (copy)
        memcpy(copy, what, size);
    return copy;
}

typedef int post_fn(struct backlog *backlog, const struct loop_message *message);

static int command(struct worker *worker, post_fn *post,
                   void (*deliver)(void *, void *, usec_t), void *payload)
{
    const struct loop_message message = {deliver, free, worker, payload};

    if (!payload)
        return RC_NOMEM;
    const int rc = post(worker->commands, &message);
    if (rc != RC_OK)
        free(payload);
    return rc;
}

static void deliver_open(void *target, void *payload, usec_t now)
{
    struct worker *worker = target;
    struct media_peer_options *options = payload;
    const struct media_event failed = {.kind = MEDIA_EVENT_FAILED, .why = REFUSAL_PEER_LIMIT};

    if (media_peer_open(worker->media, options, now) != RC_OK) {
        refuse(failed.why);
        on_event(worker, options->id, &failed);
    }
    explicit_bzero(options, sizeof *options);
    free(options);
}

static void deliver_update(void *target, void *payload, usec_t now)
{
    struct worker *worker = target;
    struct update_message *m = payload;

    (void)media_peer_update(worker->media, m->peer, &m->negotiated,
                            m->restart ? &m->credentials : NULL, now);
    explicit_bzero(m, sizeof *m);
    free(m);
}

static void deliver_close(void *target, void *payload, usec_t now)
{
    struct worker *worker = target;
    struct pair_message *m = payload;

    media_peer_close(worker->media, m->a, now);
    free(m);
}

static void deliver_link(void *target, void *payload, usec_t now)
{
    struct worker *worker = target;
    struct pair_message *m = payload;

    media_link(worker->media, m->a, m->b, now);
    free(m);
}

static void deliver_unlink(void *target, void *payload, usec_t now)
{
    struct worker *worker = target;
    struct pair_message *m = payload;

    media_unlink(worker->media, m->a, m->b, now);
    free(m);
}

static void deliver_link_remote(void *target, void *payload, usec_t now)
{
    struct worker *worker = target;
    struct pair_message *m = payload;

    media_link_remote(worker->media, m->a, m->other, m->b, now);
    free(m);
}

static void deliver_unlink_remote(void *target, void *payload, usec_t now)
{
    struct worker *worker = target;
    struct pair_message *m = payload;

    media_unlink_remote(worker->media, m->a, m->b, now);
    free(m);
}

static void deliver_data(void *target, void *payload, usec_t now)
{
    struct worker *worker = target;
    struct data_message *m = payload;

    media_peer_send_data(worker->media, m->peer, (struct span){m->bytes, m->len}, now);
    free(m);
}

int worker_open(struct worker *worker, const struct media_peer_options *peer)
{
    return command(worker, backlog_offer, deliver_open, copy_of(peer, sizeof *peer));
}

int worker_update(struct worker *worker, uint64_t peer, const struct sdp_negotiated *negotiated,
                  const struct ice_credentials *restart)
{
    struct update_message *m = malloc(sizeof *m);

    if (m) {
        m->peer = peer;
        m->negotiated = *negotiated;
        m->restart = restart != NULL;
        if (restart)
            m->credentials = *restart;
    }
    return command(worker, backlog_offer, deliver_update, m);
}

int worker_close(struct worker *worker, uint64_t peer)
{
    const struct pair_message m = {.a = peer};
    return command(worker, backlog_post, deliver_close, copy_of(&m, sizeof m));
}

int worker_link(struct worker *worker, uint64_t a, uint64_t b)
{
    const struct pair_message m = {.a = a, .b = b};
    return command(worker, backlog_post, deliver_link, copy_of(&m, sizeof m));
}

int worker_unlink(struct worker *worker, uint64_t a, uint64_t b)
{
    const struct pair_message m = {.a = a, .b = b};
    return command(worker, backlog_post, deliver_unlink, copy_of(&m, sizeof m));
}

int worker_link_remote(struct worker *worker, uint64_t peer, unsigned other, uint64_t partner)
{
    const struct pair_message m = {peer, partner, other};
    return command(worker, backlog_post, deliver_link_remote, copy_of(&m, sizeof m));
}

int worker_unlink_remote(struct worker *worker, uint64_t peer, uint64_t partner)
{
    const struct pair_message m = {.a = peer, .b = partner};
    return command(worker, backlog_post, deliver_unlink_remote, copy_of(&m, sizeof m));
}

int worker_send_data(struct worker *worker, uint64_t peer, struct span packet)
{
    struct data_message *m = malloc(sizeof *m + packet.n);
    const struct loop_message message = {deliver_data, free, worker, m};

    if (!m)
        return RC_NOMEM;
    m->peer = peer;
    m->len = packet.n;
    memcpy(m->bytes, packet.p, packet.n);
    const int rc = loop_post(worker->loop, &message);
    if (rc != RC_OK)
        free(m);
    return rc;
}
