#include "turn/turn_leg.h"

#include "core/stream.h"
#include "core/tcp_liveness.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>

enum { WRITES_MAX = 64 };

#define REPORT_INTERVAL SEC(1)

void turn_leg_stats_init(struct turn_leg_stats *stats)
{
    *stats = (struct turn_leg_stats){.messages = {0}};
    stream_legs_init(&stats->legs);
}

static size_t held(const struct turn_leg *leg)
{
    return evbuffer_get_length(bufferevent_get_output(leg->bev));
}

static void wake_at(struct turn_leg *leg, usec_t due)
{
    (void)timers_set(loop_timers(leg->loop), &leg->timer, due);
}

/* --- what is told --------------------------------------------------------------------------
 */

static bool differs(uint64_t a, uint64_t b)
{
    return (a > b ? a - b : b - a) > b / 50;
}

static void report(struct turn_leg *leg, usec_t now)
{
    const struct turn_leg_report fresh = {
        .cap = stream_leg_cap(leg->leg),
        .full = !stream_leg_has_room(leg->leg, now),
    };

    if (!leg->changed)
        return;
    if (fresh.full == leg->reported.full && !differs(fresh.cap, leg->reported.cap) &&
        now - leg->reported_at < REPORT_INTERVAL)
        return;
    leg->reported = fresh;
    leg->reported_at = now;
    leg->changed(leg->arg, &fresh);
}

/* --- out ------------------------------------------------------------------------------------
 */

/* What the bufferevent holds counts as unsent: the kernel will have it next. */
static void look(struct turn_leg *leg, usec_t now)
{
    const struct stream stream = {.fd = bufferevent_getfd(leg->bev)};
    struct stream_sample sample = {0};

    (void)stream_sample(&stream, &sample); /* no TCP connection: what is held has to do */
    sample.unsent += (uint32_t)held(leg);
    stream_leg_sample(leg->leg, &sample, now);
    const uint32_t wanted = stream_leg_unsent_max(leg->leg);
    if (wanted < leg->lowat / 4 * 3 || wanted > leg->lowat / 4 * 5) {
        leg->lowat = wanted;
        stream_set_lowat(&stream, wanted);
    }
}

static void pump(struct turn_leg *leg, usec_t now)
{
    for (int i = 0; i < WRITES_MAX && stream_leg_waits(leg->leg); i++) {
        look(leg, now);
        const struct span bytes = stream_leg_next(leg->leg, now);
        if (bytes.n == 0)
            break;
        bufferevent_write(leg->bev, bytes.p, bytes.n);
        (void)stream_leg_took(leg->leg, bytes.n);
    }
    report(leg, now);
}

static void on_timer(struct timer *timer, void *arg, usec_t now)
{
    struct turn_leg *leg = arg;
    (void)timer;

    pump(leg, now);
    if (stream_leg_waits(leg->leg) || leg->reported.full)
        wake_at(leg, now + STREAM_LEG_PACE);
}

int turn_leg_send(struct turn_leg *leg, const struct leg_message *message, usec_t now)
{
    const struct packet_parts parts = {message->head, message->data, message->tail};

    if (!leg->leg)
        return RC_FULL;
    const int rc = message->kind == LEG_REPLY ? stream_leg_put_reply(leg->leg, &parts, now)
                                              : stream_leg_put(leg->leg, &parts, now);
    if (rc != RC_OK)
        return message->kind == LEG_REPLY ? RC_FULL : RC_AGAIN;
    counter_add(&leg->stats->messages, 1);
    counter_add(&leg->stats->bytes, parts.head.n + parts.data.n + parts.tail);
    if (!timer_is_set(&leg->timer))
        wake_at(leg, now);
    return RC_OK;
}

void turn_leg_drained(struct turn_leg *leg, usec_t now)
{
    if (leg->leg && stream_leg_waits(leg->leg))
        pump(leg, now);
}

void turn_leg_flush(struct turn_leg *leg, usec_t now)
{
    if (!leg->leg)
        return;
    stream_leg_hurry(leg->leg);
    while (stream_leg_waits(leg->leg)) {
        const struct span bytes = stream_leg_next(leg->leg, now);

        bufferevent_write(leg->bev, bytes.p, bytes.n);
        (void)stream_leg_took(leg->leg, bytes.n);
    }
}

size_t turn_leg_bytes(const struct turn_leg *leg)
{
    return held(leg) + (leg->leg ? stream_leg_bytes(leg->leg) : 0);
}

usec_t turn_leg_delay(const struct turn_leg *leg, usec_t now)
{
    return leg->leg ? stream_leg_delay(leg->leg, now) : 0;
}

/* --- life -----------------------------------------------------------------------------------
 */

void turn_leg_open(struct turn_leg *leg, struct bufferevent *bev, struct loop *loop,
                   struct turn_leg_stats *stats)
{
    const struct stream stream = {.fd = bufferevent_getfd(bev)};

    *leg = (struct turn_leg){.bev = bev, .stats = stats, .loop = loop};
    timer_init(&leg->timer, on_timer, leg);
    tcp_liveness_set(stream.fd, TURN_LEG_PATIENCE, false); /* idle ones end with their allocation */
    if (stream_leg_create(&leg->leg, &stats->legs) != RC_OK)
        return;
    stream_leg_carries_data(leg->leg);
    leg->lowat = stream_leg_unsent_max(leg->leg);
    stream_set_lowat(&stream, leg->lowat);
}

void turn_leg_close(struct turn_leg *leg)
{
    timers_clear(loop_timers(leg->loop), &leg->timer);
    stream_leg_free(leg->leg);
    leg->leg = NULL;
    leg->bev = NULL;
}
