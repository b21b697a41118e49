#include "relay/ice_streams.h"

#include "core/refusal.h"
#include "core/stream_pump.h"
#include "core/table.h"
#include "core/ward.h"
#include "relay/stream_address.h"
#include "relay/stream_frame.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

enum {
    BUFFER = 64 * 1024, /* of one read; shared */
    SLACK = 32,         /* readable behind the last datagram (core/udp_port.h) */
    BATCH = 64,
    READS_PER_WAKEUP = 4, /* so that one client cannot starve the others */
    REST_MAX = STREAM_FRAME_HEAD + STREAM_FRAME_MAX,
};

enum state {
    UNPROVEN, /* in the ward: no check with the right integrity yet */
    PROVEN,   /* a path of a peer */
    LEAVING,  /* to be closed at the end of this turn, after some last words */
    OVER,     /* to be closed at the end of this turn */
};

struct ice_stream {
    enum state state;
    uint32_t number;
    struct address address;
    struct ice_streams *streams; /* borrowed, the owner */
    struct stream stream;
    struct event *readable; /* owned */
    struct stream_leg *leg; /* owned */
    uint32_t lowat;
    void *ticket; /* borrowed */
    struct ward_entry unproven;
    bool answered; /* something was sent to it */
    bool queued;   /* in the list of those that have something to write */
    TAILQ_ENTRY(ice_stream) link;
    size_t rest_len; /* the beginning of a frame */
    uint8_t *rest;   /* owned, REST_MAX bytes; NULL before the first */
    UT_hash_handle hh;
};

struct ice_streams {
    struct loop *loop; /* borrowed */
    struct ice_streams_output output;
    struct ice_stream *all; /* by number */
    uint32_t last_number;
    TAILQ_HEAD(, ice_stream) writing;
    struct timer pace; /* for those whose path has to drain */
    struct ward unproven;
    bool reaping; /* deferred */
    struct ice_streams_stats stats;
    uint8_t buffer[BUFFER + SLACK];
};

static struct ice_stream *find(const struct ice_streams *streams, const struct address *a)
{
    const uint32_t number = stream_address_number(a);
    struct ice_stream *s = NULL;

    if (number)
        HASH_FIND(hh, streams->all, &number, sizeof number, s);
    return s;
}

static void set_state(struct ice_stream *s, enum state state)
{
    if (s->state == UNPROVEN && state != UNPROVEN)
        ward_remove(&s->streams->unproven, &s->unproven);
    s->state = state;
}

/* --- ends
 * -------------------------------------------------------------------------------------- */

/* Everything but what others know of it. */
static void destroy(struct ice_stream *s)
{
    struct ice_streams *streams = s->streams;

    HASH_DEL(streams->all, s);
    if (s->queued)
        TAILQ_REMOVE(&streams->writing, s, link);
    set_state(s, OVER);
    if (s->readable)
        event_free(s->readable);
    stream_close(&s->stream);
    stream_leg_free(s->leg);
    free(s->rest);
    free(s);
    counter_set(&streams->stats.open, HASH_COUNT(streams->all));
}

static void close_stream(struct ice_stream *s)
{
    const struct ice_streams_output *output = &s->streams->output;
    void *ticket = s->ticket;

    output->lost(output->arg, &s->address, loop_now(s->streams->loop));
    destroy(s);
    output->closed(output->arg, ticket);
}

/* Deferred: nobody who is on the call stack holds one any more. */
static void reap(void *arg)
{
    struct ice_streams *streams = arg;
    struct ice_stream *s, *next;
    const usec_t now = loop_now(streams->loop);

    streams->reaping = false;
    HASH_ITER(hh, streams->all, s, next)
    {
        if (s->state < LEAVING)
            continue;
        if (s->state == LEAVING)
            (void)stream_pump(&s->stream, s->leg, &s->lowat, now);
        close_stream(s);
    }
}

static void end(struct ice_stream *s, enum state state)
{
    struct ice_streams *streams = s->streams;

    if (s->state < LEAVING)
        event_del(s->readable);
    if (s->state < state)
        set_state(s, state);
    if (!streams->reaping)
        streams->reaping = loop_defer(streams->loop, reap, streams) == RC_OK;
}

void ice_streams_end(struct ice_streams *streams, const struct address *remote)
{
    struct ice_stream *s = find(streams, remote);

    if (s)
        end(s, LEAVING);
}

static void on_unproven(void *arg, struct ward_entry *entry)
{
    struct ice_stream *s =
        (struct ice_stream *)((char *)entry - offsetof(struct ice_stream, unproven));
    (void)arg;

    refuse(REFUSAL_REQUEST_TIMEOUT);
    end(s, OVER);
}

/* --- out
 * --------------------------------------------------------------------------------------- */

static void pump(struct ice_stream *s, usec_t now)
{
    switch (stream_pump(&s->stream, s->leg, &s->lowat, now)) {
    case STREAM_PUMP_DONE:
        s->queued = false;
        TAILQ_REMOVE(&s->streams->writing, s, link);
        break;
    case STREAM_PUMP_LATER:
        break;
    case STREAM_PUMP_BROKEN:
        s->queued = false;
        TAILQ_REMOVE(&s->streams->writing, s, link);
        end(s, OVER);
        break;
    }
}

static void pump_all(struct ice_streams *streams, usec_t now)
{
    for (struct ice_stream *s = TAILQ_FIRST(&streams->writing), *next; s; s = next) {
        next = TAILQ_NEXT(s, link);
        pump(s, now);
    }
    if (!TAILQ_EMPTY(&streams->writing) && !timer_is_set(&streams->pace))
        (void)timers_set(loop_timers(streams->loop), &streams->pace, now + STREAM_LEG_PACE);
}

static void on_pace(struct timer *timer, void *arg, usec_t now)
{
    (void)timer;
    pump_all(arg, now);
}

void ice_streams_send(struct ice_streams *streams, const struct address *to,
                      const uint8_t *data, size_t len)
{
    struct ice_stream *s = find(streams, to);
    uint8_t head[STREAM_FRAME_HEAD];
    const struct packet_parts parts = {{head, sizeof head}, {data, len}, 0};

    if (!s || s->state == OVER)
        return;
    store_be16(head, (uint16_t)len);
    if (stream_leg_put(s->leg, &parts, loop_now(streams->loop)) != RC_OK)
        return;
    counter_add(&streams->stats.packets_out, 1);
    s->answered = true;
    if (s->queued)
        return;
    s->queued = true;
    TAILQ_INSERT_TAIL(&streams->writing, s, link);
}

void ice_streams_flush(struct ice_streams *streams)
{
    if (!TAILQ_EMPTY(&streams->writing))
        pump_all(streams, loop_now(streams->loop));
}

struct stream_leg *ice_streams_leg(struct ice_streams *streams, const struct address *to)
{
    const struct ice_stream *s = find(streams, to);

    return s ? s->leg : NULL;
}

/* --- in
 * ---------------------------------------------------------------------------------------- */

static int keep_rest(struct ice_stream *s, struct span rest)
{
    if (rest.n && !s->rest)
        s->rest = malloc(REST_MAX);
    if (rest.n && !s->rest)
        return RC_NOMEM;
    if (rest.n)
        memcpy(s->rest, rest.p, rest.n);
    s->rest_len = rest.n;
    return RC_OK;
}

/* The packets among the first n bytes of the buffer; RC_BAD: the frames make no sense. */
static int take_packets(struct ice_stream *s, size_t n, usec_t now)
{
    struct ice_streams *streams = s->streams;
    const struct ice_streams_output *output = &streams->output;
    struct span rest = {streams->buffer, n}, packet;
    struct udp_datagram batch[BATCH];
    int rc = RC_OK;

    while (rc == RC_OK && s->state < LEAVING) {
        size_t count = 0;

        while (count < BATCH && (rc = stream_frame_next(&rest, &packet)) == RC_OK)
            batch[count++] = (struct udp_datagram){
                .data = streams->buffer + (packet.p - streams->buffer),
                .len = packet.n,
                .from = s->address,
            };
        counter_add(&streams->stats.packets_in, count);
        if (count)
            output->input(output->arg, batch, count, now);
    }
    if (rc == RC_BAD) {
        refuse(REFUSAL_STREAM_FRAME);
        return RC_BAD;
    }
    return keep_rest(s, rest);
}

/* Who has not proved to be a client of ours is not listened to: but a check with the right
 * integrity that was answered with an error may be followed by a better one. */
static void judge(struct ice_stream *s)
{
    const struct ice_streams_output *output = &s->streams->output;

    if (s->state != UNPROVEN)
        return;
    if (output->accepts(output->arg, &s->address))
        set_state(s, PROVEN);
    else if (!s->answered)
        end(s, OVER);
}

/* Reads what there is behind the rest of last time; false: there is no more for now, or it is
 * over. */
static bool read_once(struct ice_stream *s, usec_t now)
{
    struct ice_streams *streams = s->streams;
    size_t n = s->rest_len;
    unsigned wants;
    long got = 0;

    if (n)
        memcpy(streams->buffer, s->rest, n);
    while (n < BUFFER) {
        got = stream_read(&s->stream, streams->buffer + n, BUFFER - n, &wants);
        if (got <= 0)
            break;
        n += (size_t)got;
        if (!s->stream.tls)
            break; /* a poll will tell of more */
    }
    const bool over = got == 0 || got == RC_SYS;
    if (take_packets(s, n, now) != RC_OK || over)
        end(s, OVER);
    return n == BUFFER && s->state < LEAVING;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct ice_stream *s = arg;
    struct ice_streams *streams = s->streams;
    const usec_t now = loop_now(streams->loop);
    (void)fd;
    (void)what;

    loop_enter(streams->loop, "ice stream");
    for (int i = 0; read_once(s, now) && (i < READS_PER_WAKEUP || stream_pending(&s->stream));
         i++)
        continue;
    streams->output.idle(streams->output.arg, now);
    judge(s);
    loop_leave(streams->loop);
}

/* --- life
 * -------------------------------------------------------------------------------------- */

int ice_streams_create(struct ice_streams **out, struct loop *loop,
                       const struct ice_streams_output *output)
{
    struct ice_streams *streams = calloc(1, sizeof *streams);

    if (!streams)
        return RC_NOMEM;
    streams->loop = loop;
    streams->output = *output;
    TAILQ_INIT(&streams->writing);
    timer_init(&streams->pace, on_pace, streams);
    ward_init(&streams->unproven, loop_timers(loop), ICE_STREAM_PROOF_TIMEOUT, on_unproven,
              NULL);
    stream_legs_init(&streams->stats.legs);
    *out = streams;
    return RC_OK;
}

void ice_streams_close(struct ice_streams *streams)
{
    struct ice_stream *s, *next;

    HASH_ITER(hh, streams->all, s, next)
    {
        (void)stream_pump(&s->stream, s->leg, &s->lowat, loop_now(streams->loop));
        destroy(s);
    }
    timers_clear(loop_timers(streams->loop), &streams->pace);
    ward_stop(&streams->unproven);
}

void ice_streams_free(struct ice_streams *streams)
{
    free(streams);
}

struct ice_streams_stats *ice_streams_stats(struct ice_streams *streams)
{
    return &streams->stats;
}

static int begin(struct ice_stream *s)
{
    struct ice_streams *streams = s->streams;

    if (stream_leg_create(&s->leg, &streams->stats.legs) != RC_OK)
        return RC_NOMEM;
    s->readable =
        event_new(loop_base(streams->loop), s->stream.fd, EV_READ | EV_PERSIST, on_readable, s);
    return s->readable && event_add(s->readable, NULL) == 0 ? RC_OK : RC_NOMEM;
}

static void take_first(struct ice_stream *s, struct span first)
{
    struct ice_streams *streams = s->streams;
    const usec_t now = loop_now(streams->loop);

    memcpy(streams->buffer, first.p, first.n);
    if (take_packets(s, first.n, now) != RC_OK)
        end(s, OVER);
    streams->output.idle(streams->output.arg, now);
    judge(s);
    if (s->state < LEAVING && stream_pending(&s->stream))
        event_active(s->readable, EV_READ, 0);
}

int ice_streams_add(struct ice_streams *streams, const struct ice_stream_arrival *arrival)
{
    struct ice_stream *s = calloc(1, sizeof *s);

    if (!s || streams->last_number == STREAM_NUMBER_MAX || arrival->first.n > BUFFER) {
        struct stream stream = arrival->stream;

        stream_close(&stream);
        free(s);
        return s ? RC_FULL : RC_NOMEM;
    }
    s->streams = streams;
    s->number = ++streams->last_number;
    s->stream = arrival->stream;
    s->ticket = arrival->ticket;
    s->address = stream_address_make(&arrival->peer, s->number);
    HASH_ADD(hh, streams->all, number, sizeof s->number, s);
    ward_add(&streams->unproven, &s->unproven, loop_now(streams->loop));
    if (begin(s) != RC_OK) {
        destroy(s);
        return RC_NOMEM;
    }
    counter_add(&streams->stats.arrived, 1);
    counter_set(&streams->stats.open, HASH_COUNT(streams->all));
    take_first(s, arrival->first);
    return RC_OK;
}
