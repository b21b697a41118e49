#include "relay/data_hub.h"

#include "core/backlog.h"
#include "core/refusal.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define QUEUED_SLOTS 4096 /* peers whose ids are that far apart share a limit */

struct data_hub {
    struct data_hub_options options;
    struct loop *loop;        /* owned */
    struct backlog *commands; /* owned, of the control thread */
    struct data_switch *sw;   /* owned, of the hub's thread */
    struct timer timer;
    pthread_t thread;
    bool running;
    _Atomic uint32_t queued[QUEUED_SLOTS]; /* packets posted and not delivered yet */
};

/* --- on the hub's thread ------------------------------------------------------------------ */

/* The switch wants to be woken at short, regular times or not at all. */
static void rearm(struct data_hub *hub)
{
    const usec_t due = data_switch_deadline(hub->sw);

    if (due != USEC_NEVER && !timer_is_set(&hub->timer))
        (void)timers_set(loop_timers(hub->loop), &hub->timer, due);
}

static void on_timer(struct timer *timer, void *arg, usec_t now)
{
    struct data_hub *hub = arg;
    (void)timer;

    data_switch_tick(hub->sw, now);
    rearm(hub);
}

static void *thread_main(void *arg)
{
    struct data_hub *hub = arg;

    pthread_setname_np(pthread_self(), "data");
    loop_run(hub->loop);
    return NULL;
}

/* --- what others post --------------------------------------------------------------------- */

struct pair_message {
    uint64_t a, b;
};

struct packet_message {
    struct data_hub *hub; /* borrowed */
    uint64_t peer;
    size_t n;
    uint8_t bytes[];
};

static int command(struct data_hub *hub, void (*deliver)(void *, void *, usec_t),
                   const void *what, size_t size)
{
    void *copy = malloc(size);
    const struct loop_message message = {deliver, free, hub, copy};

    if (!copy)
        return RC_NOMEM;
    memcpy(copy, what, size);
    const int rc = backlog_post(hub->commands, &message);
    if (rc != RC_OK)
        free(copy);
    return rc;
}

static void deliver_open(void *target, void *payload, usec_t now)
{
    struct data_hub *hub = target;
    (void)now;

    (void)data_switch_open(hub->sw, payload);
    free(payload);
}

static void deliver_close(void *target, void *payload, usec_t now)
{
    struct data_hub *hub = target;
    const struct pair_message *m = payload;
    (void)now;

    data_switch_close(hub->sw, m->a);
    free(payload);
}

static void deliver_link(void *target, void *payload, usec_t now)
{
    struct data_hub *hub = target;
    const struct pair_message *m = payload;
    (void)now;

    data_switch_link(hub->sw, m->a, m->b);
    free(payload);
}

static void deliver_unlink(void *target, void *payload, usec_t now)
{
    struct data_hub *hub = target;
    const struct pair_message *m = payload;
    (void)now;

    data_switch_unlink(hub->sw, m->a, m->b);
    free(payload);
}

int data_hub_open(struct data_hub *hub, const struct data_switch_peer *peer)
{
    return command(hub, deliver_open, peer, sizeof *peer);
}

int data_hub_close(struct data_hub *hub, uint64_t peer)
{
    const struct pair_message m = {.a = peer};
    return command(hub, deliver_close, &m, sizeof m);
}

int data_hub_link(struct data_hub *hub, uint64_t a, uint64_t b)
{
    const struct pair_message m = {a, b};
    return command(hub, deliver_link, &m, sizeof m);
}

int data_hub_unlink(struct data_hub *hub, uint64_t a, uint64_t b)
{
    const struct pair_message m = {a, b};
    return command(hub, deliver_unlink, &m, sizeof m);
}

static void unbook(struct data_hub *hub, uint64_t peer)
{
    atomic_fetch_sub_explicit(&hub->queued[peer % QUEUED_SLOTS], 1, memory_order_relaxed);
}

static bool book(struct data_hub *hub, uint64_t peer)
{
    _Atomic uint32_t *queued = &hub->queued[peer % QUEUED_SLOTS];

    if (atomic_fetch_add_explicit(queued, 1, memory_order_relaxed) < DATA_HUB_QUEUE_PER_PEER)
        return true;
    unbook(hub, peer);
    return false;
}

static void discard_packet(void *payload)
{
    struct packet_message *m = payload;

    unbook(m->hub, m->peer);
    free(m);
}

static void deliver_packet(void *target, void *payload, usec_t now)
{
    struct data_hub *hub = target;
    const struct packet_message *m = payload;

    data_switch_input(hub->sw, m->peer, (struct span){m->bytes, m->n}, now);
    rearm(hub);
    discard_packet(payload);
}

int data_hub_packet(struct data_hub *hub, uint64_t peer, struct span packet)
{
    if (!book(hub, peer)) {
        refuse(REFUSAL_DATA_OVERLOAD);
        return RC_FULL;
    }
    struct packet_message *m = malloc(sizeof *m + packet.n);
    if (!m) {
        unbook(hub, peer);
        return RC_NOMEM;
    }
    m->hub = hub;
    m->peer = peer;
    m->n = packet.n;
    if (packet.n)
        memcpy(m->bytes, packet.p, packet.n);

    const struct loop_message message = {deliver_packet, discard_packet, hub, m};
    const int rc = loop_post(hub->loop, &message);
    if (rc != RC_OK) {
        refuse(REFUSAL_DATA_OVERLOAD);
        discard_packet(m);
    }
    return rc;
}

/* --- life --------------------------------------------------------------------------------- */

static void register_metrics(struct data_switch_stats *s)
{
    const struct {
        const char *name, *labels, *help;
        enum metric_kind kind;
        struct counter *value;
    } rows[] = {
        {"meetopia_data_peers", "", "peer connections with a data channel section",
         METRIC_GAUGE, &s->peers},
        {"meetopia_sctp_associations", "", "SCTP associations", METRIC_GAUGE, &s->associations},
        {"meetopia_sctp_established_total", "", "SCTP associations that came up",
         METRIC_COUNTER, &s->established},
        {"meetopia_sctp_ended_total", "", "SCTP associations that ended before their peer",
         METRIC_COUNTER, &s->ended},
        {"meetopia_sctp_packets_total", "direction=\"in\"", "SCTP packets", METRIC_COUNTER,
         &s->packets_in},
        {"meetopia_sctp_packets_total", "direction=\"out\"", "SCTP packets", METRIC_COUNTER,
         &s->packets_out},
        {"meetopia_data_channels", "", "data channels, both sides of a pair counted",
         METRIC_GAUGE, &s->link.channels},
        {"meetopia_data_channels_opened_total", "", "data channels that clients opened",
         METRIC_COUNTER, &s->link.opened},
        {"meetopia_data_messages_total", "", "data channel messages passed on", METRIC_COUNTER,
         &s->link.messages},
        {"meetopia_data_bytes_total", "", "data channel bytes passed on", METRIC_COUNTER,
         &s->link.bytes},
        {"meetopia_data_unlinked_total", "", "data channel messages without a receiver",
         METRIC_COUNTER, &s->link.unlinked},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        (void)metrics_add(rows[i].name, rows[i].labels, rows[i].help, rows[i].kind,
                          rows[i].value);
}

/* Signals are the control thread's, for the hub's thread and for usrsctp's own alike. */
static int start_thread(struct data_hub *hub)
{
    const struct data_switch_output output = {hub->options.send, hub->options.arg};
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = data_switch_create(&hub->sw, &output);
    const int error = rc == RC_OK ? pthread_create(&hub->thread, NULL, thread_main, hub) : 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error) {
        errno = error;
        rc = RC_SYS;
    }
    hub->running = rc == RC_OK;
    return rc;
}

int data_hub_start(struct data_hub **out, const struct data_hub_options *options)
{
    struct data_hub *hub = calloc(1, sizeof *hub);
    if (!hub)
        return RC_NOMEM;
    hub->options = *options;
    timer_init(&hub->timer, on_timer, hub);

    int rc = loop_create(&hub->loop, "data", DATA_HUB_QUEUE);
    if (rc == RC_OK)
        rc = backlog_create(&hub->commands, options->control, hub->loop, 0);
    if (rc == RC_OK)
        rc = start_thread(hub);
    if (rc != RC_OK) {
        data_hub_free(hub);
        return rc;
    }
    register_metrics(data_switch_stats(hub->sw));
    *out = hub;
    return RC_OK;
}

void data_hub_free(struct data_hub *hub)
{
    const int saved = errno;

    if (!hub)
        return;
    if (hub->running) {
        metrics_remove(data_switch_stats(hub->sw), sizeof(struct data_switch_stats));
        loop_stop(hub->loop);
        pthread_join(hub->thread, NULL);
    }
    data_switch_free(hub->sw); /* its thread is gone: ours may take its place */
    backlog_free(hub->commands);
    loop_free(hub->loop); /* what was posted since is discarded */
    free(hub);
    errno = saved;
}

const struct data_switch_stats *data_hub_stats(const struct data_hub *hub)
{
    return data_switch_stats(hub->sw);
}
