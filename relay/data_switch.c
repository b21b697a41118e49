#include "relay/data_switch.h"

#include "core/table.h"
#include "relay/sctp_association.h"

#include <stdlib.h>
#include <sys/queue.h>

struct entry {
    struct data_switch *sw; /* borrowed, the owner */
    struct data_switch_peer peer;
    struct data_end *end; /* owned */
    struct sctp_association
        *association; /* owned; NULL before the first packet, and when over */
    bool over;        /* it has ended; there is no second one */
    bool woken;       /* in the switch's list */
    TAILQ_ENTRY(entry) next_woken;
    UT_hash_handle hh;
};

TAILQ_HEAD(entry_list, entry);

struct data_switch {
    struct data_switch_output output;
    struct sctp_stack *stack; /* owned */
    usec_t tick_due;          /* USEC_NEVER: nothing to do */
    struct entry *entries;    /* owned, by id */
    struct entry_list woken;
    struct data_switch_stats stats;
};

static struct entry *find(struct data_switch *sw, uint64_t id)
{
    struct entry *entry;

    HASH_FIND(hh, sw->entries, &id, sizeof id, entry);
    return entry;
}

/* --- what an end wants -------------------------------------------------------------------- */

static int on_send(void *arg, const struct sctp_message *message)
{
    struct entry *entry = arg;

    return entry->association ? sctp_association_send(entry->association, message) : RC_BAD;
}

static int on_reset(void *arg, uint16_t stream)
{
    struct entry *entry = arg;

    return entry->association ? sctp_association_reset(entry->association, stream) : RC_BAD;
}

/* Only noted: the entry itself may be on the call stack. */
static void on_wake(void *arg)
{
    struct entry *entry = arg;

    if (entry->woken)
        return;
    entry->woken = true;
    TAILQ_INSERT_TAIL(&entry->sw->woken, entry, next_woken);
}

/* --- associations ------------------------------------------------------------------------- */

static void count_associations(struct data_switch *sw, int change)
{
    struct counter *gauge = &sw->stats.associations;

    counter_set(gauge, counter_get(gauge) + (uint64_t)(int64_t)change);
}

static int open_association(struct entry *entry, usec_t now)
{
    struct data_switch *sw = entry->sw;
    const struct sdp_negotiated_data *data = &entry->peer.data;
    const struct sctp_association_options options = {
        .id = entry->peer.id,
        .local_port = data->local_sctp_port,
        .remote_port = data->remote_sctp_port,
        .max_message_in = data->local_max_message_size,
        .max_message_out = data->max_message_size,
        .user = entry,
    };

    if (sw->tick_due == USEC_NEVER) {
        sctp_stack_tick(sw->stack, now); /* the time that nobody waited for */
        sw->tick_due = now + SCTP_TICK;
    }
    const int rc = sctp_association_open(&entry->association, sw->stack, &options);
    if (rc == RC_OK)
        count_associations(sw, 1);
    return rc;
}

static void close_association(struct entry *entry)
{
    if (!entry->association)
        return;
    sctp_association_close(entry->association);
    entry->association = NULL;
    count_associations(entry->sw, -1);
}

static void end_association(struct entry *entry)
{
    entry->over = true;
    counter_add(&entry->sw->stats.ended, 1);
    data_end_down(entry->end);
    close_association(entry);
}

/* For each stream of the mask. */
static void for_streams(struct data_end *end, uint64_t streams,
                        void (*fn)(struct data_end *end, uint16_t stream))
{
    for (uint16_t i = 0; i < SCTP_STREAMS; i++)
        if (streams & UINT64_C(1) << i)
            fn(end, i);
}

/* False: the event stays, for later. */
static bool take_event(struct entry *entry, const struct sctp_association_event *event)
{
    struct data_end *end = entry->end;

    switch (event->kind) {
    case SCTP_EVENT_UP:
        counter_add(&entry->sw->stats.established, 1);
        data_end_up(end, event->stream_count);
        return true;
    case SCTP_EVENT_MESSAGE:
        return data_end_message(end, &event->message);
    case SCTP_EVENT_TOO_LARGE:
        data_end_too_large(end, event->message.stream);
        return true;
    case SCTP_EVENT_RESET:
        for_streams(end, event->streams, data_end_reset);
        return true;
    case SCTP_EVENT_RESET_DONE:
        for_streams(end, event->streams, data_end_reset_done);
        return true;
    case SCTP_EVENT_DOWN:
        end_association(entry);
        return true;
    }
    return true;
}

static void pump(struct entry *entry)
{
    struct sctp_association_event event;

    while (entry->association && sctp_association_peek(entry->association, &event)) {
        if (!take_event(entry, &event))
            break;
        if (entry->association) /* it may have been its last event */
            sctp_association_pop(entry->association);
    }
    if (!entry->over)
        data_end_flush(entry->end);
}

static void pump_woken(struct data_switch *sw)
{
    struct entry *entry;

    while ((entry = TAILQ_FIRST(&sw->woken))) {
        TAILQ_REMOVE(&sw->woken, entry, next_woken);
        entry->woken = false;
        pump(entry);
    }
}

static void pump_all(struct data_switch *sw)
{
    struct sctp_association *association;

    pump_woken(sw);
    while ((association = sctp_stack_next_ready(sw->stack))) {
        pump(sctp_association_user(association));
        pump_woken(sw);
    }
}

/* --- packets and time --------------------------------------------------------------------- */

/* From inside usrsctp. */
static void on_packet(void *arg, uint64_t id, struct span packet)
{
    struct data_switch *sw = arg;
    const struct entry *entry = find(sw, id);

    if (!entry)
        return;
    counter_add(&sw->stats.packets_out, 1);
    sw->output.packet(sw->output.arg, entry->peer.worker, id, packet);
}

void data_switch_input(struct data_switch *sw, uint64_t peer, struct span packet, usec_t now)
{
    struct entry *entry = find(sw, peer);

    counter_add(&sw->stats.packets_in, 1);
    if (!entry || entry->over)
        return;
    if (!entry->association && open_association(entry, now) != RC_OK)
        return;
    (void)sctp_association_input(entry->association, packet);
    pump(entry);
    pump_all(sw);
}

usec_t data_switch_deadline(const struct data_switch *sw)
{
    return sw->tick_due;
}

void data_switch_tick(struct data_switch *sw, usec_t now)
{
    sctp_stack_tick(sw->stack, now);
    pump_all(sw);
    sw->tick_due = counter_get(&sw->stats.associations) ? now + SCTP_TICK : USEC_NEVER;
}

/* --- peers -------------------------------------------------------------------------------- */

int data_switch_open(struct data_switch *sw, const struct data_switch_peer *peer)
{
    if (find(sw, peer->id))
        return RC_BAD;
    struct entry *entry = calloc(1, sizeof *entry);
    if (!entry)
        return RC_NOMEM;
    const struct data_end_output output = {entry, on_send, on_reset, on_wake};

    entry->sw = sw;
    entry->peer = *peer;
    if (data_end_create(&entry->end, &output, &sw->stats.link, peer->dtls_client) != RC_OK) {
        free(entry);
        return RC_NOMEM;
    }
    HASH_ADD(hh, sw->entries, peer.id, sizeof entry->peer.id, entry);
    counter_set(&sw->stats.peers, HASH_COUNT(sw->entries));
    return RC_OK;
}

static void free_entry(struct entry *entry)
{
    struct data_switch *sw = entry->sw;

    data_end_free(entry->end); /* closes what it had at the partner */
    close_association(entry);  /* the client is told while its worker is still known */
    if (entry->woken)
        TAILQ_REMOVE(&sw->woken, entry, next_woken);
    HASH_DEL(sw->entries, entry);
    counter_set(&sw->stats.peers, HASH_COUNT(sw->entries));
    free(entry);
}

void data_switch_close(struct data_switch *sw, uint64_t peer)
{
    struct entry *entry = find(sw, peer);

    if (!entry)
        return;
    free_entry(entry);
    pump_all(sw);
}

void data_switch_link(struct data_switch *sw, uint64_t a, uint64_t b)
{
    struct entry *first = find(sw, a), *second = find(sw, b);

    if (!first || !second)
        return;
    data_link_join(first->end, second->end);
    pump_all(sw);
}

void data_switch_unlink(struct data_switch *sw, uint64_t a, uint64_t b)
{
    struct entry *first = find(sw, a), *second = find(sw, b);

    if (!first || !second || data_link_partner(first->end) != second->end)
        return;
    data_link_part(first->end);
    pump_all(sw);
}

/* --- life --------------------------------------------------------------------------------- */

int data_switch_create(struct data_switch **out, const struct data_switch_output *output)
{
    struct data_switch *sw = calloc(1, sizeof *sw);
    if (!sw)
        return RC_NOMEM;
    sw->output = *output;
    sw->tick_due = USEC_NEVER;
    TAILQ_INIT(&sw->woken);

    const int rc = sctp_stack_create(&sw->stack, &(struct sctp_output){sw, on_packet});
    if (rc != RC_OK) {
        free(sw);
        return rc;
    }
    *out = sw;
    return RC_OK;
}

void data_switch_free(struct data_switch *sw)
{
    struct entry *entry, *next;

    if (!sw)
        return;
    HASH_ITER(hh, sw->entries, entry, next)
    {
        free_entry(entry);
    }
    sctp_stack_free(sw->stack);
    free(sw);
}

struct data_switch_stats *data_switch_stats(struct data_switch *sw)
{
    return &sw->stats;
}
