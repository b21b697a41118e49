#include "turn/turn_leg.h"

#include "core/tcp_liveness.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

static size_t held(const struct turn_leg *leg)
{
    return evbuffer_get_length(bufferevent_get_output(leg->bev));
}

void turn_leg_open(struct turn_leg *leg, struct bufferevent *bev, struct turn_leg_stats *stats,
                   size_t limit, usec_t age)
{
    const int on = 1, unsent = TURN_LEG_NOTSENT;
    const int fd = bufferevent_getfd(bev);

    *leg = (struct turn_leg){.bev = bev, .stats = stats};
    leg_queue_init(&leg->queue, limit, age);
    /* Without them it is slower, not wrong. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
    tcp_liveness_set(fd, TURN_LEG_PATIENCE, false); /* idle ones end with their allocation */
}

void turn_leg_close(struct turn_leg *leg)
{
    leg_queue_clear(&leg->queue);
    leg->bev = NULL;
}

/* May `n` bytes go to the bufferevent? An empty one takes anything. What came in the same turn
 * of the loop goes along, since nobody has asked the kernel yet; what is left over from an
 * earlier turn is there because the kernel is full. */
static bool may_hand_over(const struct turn_leg *leg, size_t n, usec_t now)
{
    const size_t holds = held(leg);

    return holds == 0 || (leg->filled == now && holds + n <= TURN_LEG_FEED);
}

static void hand_over(struct turn_leg *leg, const struct span *pieces, size_t count, usec_t now)
{
    if (held(leg) == 0)
        leg->filled = now;
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].n > 0)
            bufferevent_write(leg->bev, pieces[i].p, pieces[i].n);
        counter_add(&leg->stats->bytes, pieces[i].n);
    }
    counter_add(&leg->stats->messages, 1);
}

static void count_drops(struct turn_leg *leg)
{
    counter_add(&leg->stats->dropped_full, leg->queue.dropped_full);
    counter_add(&leg->stats->dropped_late, leg->queue.dropped_late);
    leg->queue.dropped_full = leg->queue.dropped_late = 0;
}

/* What waits goes first, as far as it may. */
static void feed(struct turn_leg *leg, usec_t now)
{
    struct span message;

    while (leg_queue_front(&leg->queue, now, &message) && may_hand_over(leg, message.n, now)) {
        hand_over(leg, &message, 1, now);
        leg_queue_pop(&leg->queue);
    }
    count_drops(leg);
}

int turn_leg_send(struct turn_leg *leg, const struct leg_message *message, usec_t now)
{
    static const uint8_t zeroes[4];

    if (leg_queue_is_empty(&leg->queue) &&
        may_hand_over(leg, leg_message_bytes(message), now)) {
        const struct span pieces[] = {message->head, message->data, {zeroes, message->tail}};

        hand_over(leg, pieces, ARRAY_LEN(pieces), now);
        return RC_OK;
    }
    const int rc = leg_queue_put(&leg->queue, message, now);
    count_drops(leg);
    if (rc == RC_OK)
        return RC_OK;
    return message->kind == LEG_DATA ? RC_AGAIN : RC_FULL;
}

void turn_leg_drained(struct turn_leg *leg, usec_t now)
{
    feed(leg, now);
}

void turn_leg_flush(struct turn_leg *leg, usec_t now)
{
    struct span message;

    leg_queue_drop_data(&leg->queue);
    while (leg_queue_front(&leg->queue, now, &message)) {
        hand_over(leg, &message, 1, now);
        leg_queue_pop(&leg->queue);
    }
}

size_t turn_leg_bytes(const struct turn_leg *leg)
{
    return held(leg) + leg->queue.bytes;
}

usec_t turn_leg_delay(const struct turn_leg *leg, usec_t now)
{
    return held(leg) > 0 ? now - leg->filled : leg_queue_delay(&leg->queue, now);
}
