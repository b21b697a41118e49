#include "core/stream_leg.h"

#include "core/leg_rate.h"
#include "core/rtp_glance.h"

#include <stdlib.h>
#include <string.h>

enum {
    CONTROL_LIMIT = 64 * 1024, /* of control, sound and data */
    DATA_LIMIT = 48 * 1024,
    PICTURE_LIMIT = 192 * 1024,
    UNSENT_MIN = 2800, /* what the kernel may hold unsent, at least: two segments */
    UNSENT_MAX = 64 * 1024,
    WINDOW_START = 6000, /* bytes in flight while nothing is known of the path */
};

#define UNSENT_TIME MSEC(15)  /* of the rate: three times as long as the pump sleeps */
#define WINDOW_SLACK MSEC(40) /* what may stand in the network's queue */
#define QUEUED MSEC(25) /* a round trip so much longer than the shortest: no more for now */
#define LARGE_FADES SEC(2)
#define REOPEN_CALM SEC(5) /* a gate that shuts again so soon stays shut for longer */
#define REOPEN_FIRST MSEC(250)
#define REOPEN_MAX SEC(1) /* a picture now and then is better than none */

enum tag { TAG_CONTROL, TAG_SOUND, TAG_DATA, TAG_PICTURE };

struct gate {
    bool shut;
    usec_t opened;  /* last; 0: never shut */
    usec_t reopens; /* not before */
    usec_t penalty; /* how long it stays shut next */
    /* Frames, for the allowance of large ones. */
    size_t frame_bytes; /* of the one that comes in */
    double frame_mean;
    usec_t large, large_at; /* allowance, and when it was given */
};

struct stream_leg {
    struct stream_legs *legs; /* borrowed */
    struct packet_fifo control, picture;
    struct rtp_streams streams;
    struct leg_rate rate;
    struct stream_sample sample;
    size_t put;      /* bytes since the last sample */
    uint64_t proved; /* bytes that the path carried without a queue */
    struct gate gate;
    bool carries_data, hurry;
    bool letting;  /* put's own gate: the frame that comes in was let in */
    uint32_t asks; /* SSRCs whose owner asks the gate: mask of places in `asking` */
    uint32_t asking[8];
    uint8_t *left; /* owned: the rest of a write that was not taken whole; NULL: none */
    size_t left_len;
    struct span out; /* of the write under way */
};

void stream_legs_init(struct stream_legs *legs)
{
    static const uint64_t bounds[] = {MSEC(1),   MSEC(5),   MSEC(10),  MSEC(20),
                                      MSEC(50),  MSEC(100), MSEC(150), MSEC(200),
                                      MSEC(300), MSEC(500), SEC(1),    SEC(2)};

    memset(legs, 0, sizeof *legs);
    histogram_init(&legs->queue, bounds, ARRAY_LEN(bounds), 1e-6);
}

int stream_leg_create(struct stream_leg **out, struct stream_legs *legs)
{
    struct stream_leg *leg = calloc(1, sizeof *leg);

    if (!leg)
        return RC_NOMEM;
    leg->legs = legs;
    packet_fifo_init(&leg->control, CONTROL_LIMIT);
    packet_fifo_init(&leg->picture, PICTURE_LIMIT);
    *out = leg;
    return RC_OK;
}

void stream_leg_free(struct stream_leg *leg)
{
    if (!leg)
        return;
    packet_fifo_clear(&leg->control);
    packet_fifo_clear(&leg->picture);
    free(leg->left);
    free(leg);
}

/* --- how long things wait -------------------------------------------------------------------
 */

static usec_t drain_time(const struct stream_leg *leg, size_t bytes)
{
    const uint64_t rate = leg_rate_drained(&leg->rate);

    return rate ? bytes * 8 * SEC(1) / rate : 0;
}

static size_t waiting(const struct stream_leg *leg)
{
    return leg->left_len + leg->control.bytes + leg->picture.bytes;
}

static usec_t age_of_first(const struct packet_fifo *fifo, usec_t now)
{
    struct packet_item item;

    return packet_fifo_first(fifo, &item) ? now - item.note.when : 0;
}

/* By the rate; and while that is not known, by how long the oldest has waited already. */
usec_t stream_leg_delay(const struct stream_leg *leg, usec_t now)
{
    const struct stream_sample *s = &leg->sample;
    const usec_t age = age_of_first(&leg->picture, now);
    usec_t delay = drain_time(leg, waiting(leg) + s->unsent);
    const usec_t under_way = drain_time(leg, s->in_flight);

    if (under_way > s->rtt_min)
        delay += under_way - s->rtt_min;
    return delay > age ? delay : age;
}

/* --- the gate -------------------------------------------------------------------------------
 */

static usec_t allowance(const struct gate *gate, usec_t now)
{
    const usec_t age = now - gate->large_at;

    return age < LARGE_FADES ? gate->large * (LARGE_FADES - age) / LARGE_FADES : 0;
}

/* The frame before this one is complete: was it a large one? The first that comes through an
 * opened gate is a key frame, or should be. */
static void close_frame(struct stream_leg *leg, usec_t now)
{
    struct gate *gate = &leg->gate;
    const double bytes = (double)gate->frame_bytes;

    if (gate->frame_bytes == 0)
        return;
    if (gate->frame_mean == 0 || bytes > 2.5 * gate->frame_mean) {
        usec_t large = drain_time(leg, gate->frame_bytes) + allowance(gate, now);

        gate->large = large < STREAM_LEG_LARGE ? large : STREAM_LEG_LARGE;
        gate->large_at = now;
    }
    gate->frame_mean = gate->frame_mean == 0 ? bytes : gate->frame_mean * 0.9 + bytes * 0.1;
    gate->frame_bytes = 0;
}

static void shut(struct stream_leg *leg, usec_t now)
{
    struct gate *gate = &leg->gate;

    if (gate->shut)
        return;
    const bool again = gate->opened && now - gate->opened < REOPEN_CALM;
    gate->penalty = !again ? 0 : !gate->penalty ? REOPEN_FIRST : 2 * gate->penalty;
    if (gate->penalty > REOPEN_MAX)
        gate->penalty = REOPEN_MAX;
    gate->shut = true;
    gate->reopens = now + gate->penalty;
    counter_add(&leg->legs->gates_shut, 1);
}

bool stream_leg_has_room(const struct stream_leg *leg, usec_t now)
{
    const struct gate *gate = &leg->gate;
    const usec_t delay = stream_leg_delay(leg, now);

    return gate->shut ? delay < STREAM_LEG_CLEAR && now >= gate->reopens
                      : delay <= STREAM_LEG_LIMIT + allowance(gate, now);
}

bool stream_leg_admits(struct stream_leg *leg, usec_t now)
{
    struct gate *gate = &leg->gate;

    close_frame(leg, now);
    const bool room = stream_leg_has_room(leg, now);
    if (gate->shut && room) {
        gate->shut = false;
        gate->opened = now;
        gate->frame_mean = 0;
    } else if (!room) {
        shut(leg, now);
    }
    if (gate->shut)
        counter_add(&leg->legs->frames_dropped, 1);
    return !gate->shut;
}

/* --- in -------------------------------------------------------------------------------------
 */

static bool owner_asks(const struct stream_leg *leg, uint32_t ssrc)
{
    for (size_t i = 0; i < ARRAY_LEN(leg->asking); i++)
        if (leg->asks & 1u << i && leg->asking[i] == ssrc)
            return true;
    return false;
}

static void note_asks(struct stream_leg *leg, uint32_t ssrc)
{
    size_t i = 0;

    while (i < ARRAY_LEN(leg->asking) - 1 && leg->asks & 1u << i)
        i++;
    leg->asks |= 1u << i;
    leg->asking[i] = ssrc;
}

void stream_leg_know(struct stream_leg *leg, uint32_t ssrc, enum stream_leg_kind kind)
{
    rtp_streams_know(&leg->streams, ssrc, kind != STREAM_LEG_SOUND);
    if (kind == STREAM_LEG_ADMITTED && !owner_asks(leg, ssrc))
        note_asks(leg, ssrc);
}

static void drop_stale_sound(struct stream_leg *leg, usec_t now);

static int put(struct stream_leg *leg, struct packet_fifo *fifo,
               const struct packet_parts *parts, enum tag tag, usec_t now)
{
    const struct packet_note note = {.when = now, .tag = tag};
    const size_t len = parts->head.n + parts->data.n + parts->tail;
    int rc = RC_FULL;

    /* Data cannot crowd out what must arrive. */
    if (tag != TAG_DATA || leg->control.bytes + len <= DATA_LIMIT)
        rc = packet_fifo_put(fifo, parts, &note);
    if (rc == RC_OK)
        leg->put += len;
    else
        counter_add(&leg->legs->packets_overflow, 1);
    return rc;
}

void stream_leg_carries_data(struct stream_leg *leg)
{
    leg->carries_data = true;
}

int stream_leg_put_reply(struct stream_leg *leg, const struct packet_parts *parts, usec_t now)
{
    drop_stale_sound(leg, now);
    return put(leg, &leg->control, parts, TAG_CONTROL, now);
}

int stream_leg_put(struct stream_leg *leg, const struct packet_parts *parts, usec_t now)
{
    struct rtp_glance glance;
    bool fresh;

    if (!rtp_glance(parts->data, &glance))
        return put(leg, &leg->control, parts, leg->carries_data ? TAG_DATA : TAG_CONTROL, now);
    const struct rtp_stream *stream =
        rtp_streams_look(&leg->streams, &glance, parts->data.n, &fresh);
    if (!stream->picture)
        return put(leg, &leg->control, parts, TAG_SOUND, now);

    if (owner_asks(leg, glance.ssrc))
        leg->letting = true;
    else if (fresh)
        leg->letting = stream_leg_admits(leg, now);
    if (!leg->letting)
        return RC_FULL;
    leg->gate.frame_bytes += parts->data.n;
    return put(leg, &leg->picture, parts, TAG_PICTURE, now);
}

/* --- out ------------------------------------------------------------------------------------
 */

void stream_leg_sample(struct stream_leg *leg, const struct stream_sample *sample, usec_t now)
{
    if (sample->rtt <= sample->rtt_min + QUEUED && sample->acked > leg->sample.acked)
        leg->proved += sample->acked - leg->sample.acked;
    leg->sample = *sample;
    const usec_t delay = stream_leg_delay(leg, now);
    leg_rate_sample(&leg->rate, sample, waiting(leg) > leg->put, delay, now);
    leg->put = 0;
    histogram_observe(&leg->legs->queue, delay);
}

uint32_t stream_leg_unsent_max(const struct stream_leg *leg)
{
    const uint64_t bytes = leg_rate_drained(&leg->rate) * UNSENT_TIME / SEC(8);

    return bytes < UNSENT_MIN ? UNSENT_MIN : bytes > UNSENT_MAX ? UNSENT_MAX : (uint32_t)bytes;
}

/* What the network holds beyond what it carries is a queue, too, and no place to overtake. */
static size_t window_left(const struct stream_leg *leg)
{
    const struct stream_sample *s = &leg->sample;
    const uint64_t rate = leg_rate_drained(&leg->rate);

    uint64_t window = WINDOW_START + leg->proved; /* as slow start, with less to start with */

    if (rate && s->rtt_min)
        window = rate * (s->rtt_min + WINDOW_SLACK) / SEC(8) + UNSENT_MIN;
    const uint64_t used = (uint64_t)s->in_flight + s->unsent;
    return used < window ? (size_t)(window - used) : 0;
}

static size_t budget(const struct stream_leg *leg)
{
    if (leg->hurry)
        return SIZE_MAX;
    const uint32_t most = stream_leg_unsent_max(leg), unsent = leg->sample.unsent;
    const size_t left = unsent < most ? most - unsent : 0, window = window_left(leg);

    return left < window ? left : window;
}

/* After a stall: sound that nobody wants to hear any more, and data. Control is never too late.
 */
static void drop_stale_sound(struct stream_leg *leg, usec_t now)
{
    struct packet_item item;

    while (packet_fifo_first(&leg->control, &item) && item.note.tag != TAG_CONTROL &&
           (leg->hurry || now - item.note.when > STREAM_LEG_STALE_SOUND)) {
        packet_fifo_pop(&leg->control);
        counter_add(&leg->legs->packets_stale, 1);
    }
}

/* All of it: what is behind depends on what is before. */
static void drop_stale_picture(struct stream_leg *leg, usec_t now)
{
    if (age_of_first(&leg->picture, now) <= STREAM_LEG_STALE_PICTURE)
        return;
    counter_add(&leg->legs->packets_stale, leg->picture.count);
    packet_fifo_clear(&leg->picture);
    leg->gate.frame_bytes = 0;
    shut(leg, now);
}

/* Whole packets, as long as they begin within `most` bytes and fit: how much there is then. */
static size_t take_from(struct stream_leg *leg, struct packet_fifo *fifo, size_t n, size_t most)
{
    struct stream_legs *legs = leg->legs;
    struct packet_item item;

    while (n < most && packet_fifo_first(fifo, &item) && sizeof legs->out - n >= item.bytes.n) {
        memcpy(legs->out + n, item.bytes.p, item.bytes.n);
        n += item.bytes.n;
        packet_fifo_pop(fifo);
    }
    return n;
}

static struct span fill(struct stream_leg *leg, usec_t now)
{
    const size_t most = budget(leg);
    size_t n = 0;

    if (most > 0) {
        drop_stale_sound(leg, now);
        drop_stale_picture(leg, now);
        n = take_from(leg, &leg->control, 0, most);
    }
    if (leg->control.count == 0)
        n = take_from(leg, &leg->picture, n, most);
    return (struct span){leg->legs->out, n};
}

/* What was refused is offered again, budget or not: TLS has it encrypted already. */
struct span stream_leg_next(struct stream_leg *leg, usec_t now)
{
    leg->out = leg->left ? (struct span){leg->left, leg->left_len} : fill(leg, now);
    return leg->out;
}

int stream_leg_took(struct stream_leg *leg, size_t n)
{
    const struct span rest = {leg->out.p + n, leg->out.n - n};

    leg->sample.unsent += (uint32_t)n; /* until the next sample says better */
    if (leg->left && rest.n)
        memmove(leg->left, rest.p, rest.n);
    if (!leg->left && rest.n) {
        leg->left = malloc(rest.n);
        if (!leg->left)
            return RC_NOMEM;
        memcpy(leg->left, rest.p, rest.n);
    }
    leg->left_len = rest.n;
    if (rest.n == 0) {
        free(leg->left);
        leg->left = NULL;
    }
    return RC_OK;
}

bool stream_leg_is_shut(const struct stream_leg *leg)
{
    return leg->gate.shut;
}

bool stream_leg_waits(const struct stream_leg *leg)
{
    return waiting(leg) > 0;
}

size_t stream_leg_bytes(const struct stream_leg *leg)
{
    return waiting(leg);
}

void stream_leg_hurry(struct stream_leg *leg)
{
    leg->hurry = true;
    packet_fifo_clear(&leg->picture);
}

uint64_t stream_leg_cap(const struct stream_leg *leg)
{
    return leg_rate_cap(&leg->rate);
}
