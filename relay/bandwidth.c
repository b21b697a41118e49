#include "relay/bandwidth.h"

#include <string.h>

enum {
    GROUP_USEC = 5000,     /* section 5.2: packets of one burst are one measurement */
    GROUP_TICKS = 20,      /* the same on the receiver's clock */
    GROUP_MAX_TICKS = 400, /* 100 ms: a burst has an end */
    JUMP_TICKS = 12000,    /* 3 s: the receiver's clock was set, or its machine slept */
    GAIN_GROUPS = 60,
    ACKED_SLOT_TICKS = 200, /* 50 ms */
    ACKED_SLOTS_LEAST = 3,  /* complete ones, for a rate */
    LOSS_PACKETS_LEAST = 20,
};

#define TICK_MS 0.25
#define SMOOTHING 0.9
#define TREND_GAIN 4.0
#define THRESHOLD_START 12.5
#define THRESHOLD_MIN 6.0
#define THRESHOLD_MAX 600.0
#define THRESHOLD_UP 0.0087
#define THRESHOLD_DOWN 0.039
#define THRESHOLD_SPIKE 15.0 /* what is further out does not move the threshold */
#define OVERUSE_MS 10.0

#define DECREASE 0.85
#define INCREASE_FIRST 0.30 /* per second, until the path has been full once */
#define INCREASE 0.08       /* per second, far from the known capacity */
#define INCREASE_LOSSY 0.04 /* per second, with loss that no queue explains */
#define GROWTH_MAX 1.5      /* of what arrives: what is not sent is not tested */
#define LOSS_HIGH 0.10
#define LOSS_RANDOM 0.06 /* up to here loss alone is no sign of congestion */
#define LOSS_LOW 0.02
#define LOSS_WINDOW MSEC(400)
#define LOSS_WINDOW_MAX SEC(3) /* for less than LOSS_PACKETS_LEAST */
#define SILENCE SEC(1)
#define SILENCE_FACTOR 0.7

static double seconds(usec_t t)
{
    return (double)t / 1e6;
}

static double magnitude(double v)
{
    return v < 0 ? -v : v;
}

static double clamp(double v, double low, double high)
{
    if (v < low)
        return low;
    return v > high ? high : v;
}

/* --- delay gradient, section 5
 * ---------------------------------------------------------------- */

static void trend_init(struct bandwidth_trend *t)
{
    memset(t, 0, sizeof *t);
    t->threshold = THRESHOLD_START;
}

/* The line through the points of the ring. */
static double trend_slope(const struct bandwidth_trend *t)
{
    double mean_x = 0, mean_y = 0, covariance = 0, variance = 0;

    for (size_t i = 0; i < BANDWIDTH_TREND_WINDOW; i++) {
        mean_x += t->x[i] / BANDWIDTH_TREND_WINDOW;
        mean_y += t->y[i] / BANDWIDTH_TREND_WINDOW;
    }
    for (size_t i = 0; i < BANDWIDTH_TREND_WINDOW; i++) {
        covariance += (t->x[i] - mean_x) * (t->y[i] - mean_y);
        variance += (t->x[i] - mean_x) * (t->x[i] - mean_x);
    }
    return variance > 0 ? covariance / variance : 0;
}

/* Section 5.5: the threshold follows the trend, slowly up and quickly down, so that jitter and
 * competing flows neither trip it for ever nor starve us. */
static void adapt_threshold(struct bandwidth_trend *t, double trend, double elapsed_ms)
{
    const double size = magnitude(trend);
    if (size > t->threshold + THRESHOLD_SPIKE)
        return;

    const double gain = size < t->threshold ? THRESHOLD_DOWN : THRESHOLD_UP;
    t->threshold += gain * (size - t->threshold) * clamp(elapsed_ms, 0, 100);
    t->threshold = clamp(t->threshold, THRESHOLD_MIN, THRESHOLD_MAX);
}

/* Section 5.6: over the threshold for a while, and not already falling. */
static void judge(struct bandwidth_trend *t, double slope, double sent_ms, double arrived_ms)
{
    const double trend = slope * TREND_GAIN * t->groups;

    if (trend > t->threshold) {
        t->over += t->overs == 0 ? sent_ms / 2 : sent_ms;
        t->overs++;
        if (t->over > OVERUSE_MS && t->overs > 1 && slope >= t->slope)
            t->usage = BANDWIDTH_OVERUSE;
    } else {
        t->over = 0;
        t->overs = 0;
        t->usage = trend < -t->threshold ? BANDWIDTH_UNDERUSE : BANDWIDTH_NORMAL;
    }
    t->slope = slope;
    adapt_threshold(t, trend, arrived_ms);
}

/* Two groups, one difference of one-way delay. */
static void trend_compare(struct bandwidth_trend *t)
{
    const struct bandwidth_group *a = &t->previous, *b = &t->current;
    const int32_t arrived_ticks = (int32_t)(b->last_arrival - a->last_arrival);
    const double arrived_ms = arrived_ticks * TICK_MS;
    const double sent_ms = (double)(b->last_sent - a->last_sent) / 1e3;

    if (arrived_ticks > JUMP_TICKS || arrived_ticks < -JUMP_TICKS) {
        trend_init(t);
        return;
    }
    if (arrived_ticks < 0)
        return; /* overtaken: says nothing about the queue */

    if (t->groups < GAIN_GROUPS)
        t->groups++;
    t->arrival += arrived_ms;
    t->delay += arrived_ms - sent_ms;
    t->smoothed = SMOOTHING * t->smoothed + (1 - SMOOTHING) * t->delay;
    t->x[t->points % BANDWIDTH_TREND_WINDOW] = t->arrival;
    t->y[t->points % BANDWIDTH_TREND_WINDOW] = t->smoothed;
    t->points++;
    judge(t, t->points < BANDWIDTH_TREND_WINDOW ? t->slope : trend_slope(t), sent_ms,
          arrived_ms);
}

/* Is the packet part of the group? Packets sent together are, and those that a link held up and
 * let go at once (section 5.2). */
static bool in_group(const struct bandwidth_group *group, usec_t sent, uint32_t arrival)
{
    if (sent - group->first_sent <= GROUP_USEC)
        return true;

    const int32_t arrived = (int32_t)(arrival - group->last_arrival);
    const double delay_ms = arrived * TICK_MS - (double)(sent - group->last_sent) / 1e3;
    return delay_ms < 0 && arrived <= GROUP_TICKS &&
           (int32_t)(arrival - group->first_arrival) < GROUP_MAX_TICKS;
}

static void trend_packet(struct bandwidth_trend *t, usec_t sent, uint32_t arrival)
{
    struct bandwidth_group *group = &t->current;

    if (group->open && sent < group->first_sent)
        return; /* reported late */
    if (group->open && in_group(group, sent, arrival)) {
        if (sent > group->last_sent)
            group->last_sent = sent;
        if ((int32_t)(arrival - group->last_arrival) > 0)
            group->last_arrival = arrival;
        return;
    }
    if (group->open && t->previous.open)
        trend_compare(t);
    if (group->open)
        t->previous = *group;
    *group = (struct bandwidth_group){
        .open = true,
        .first_sent = sent,
        .last_sent = sent,
        .first_arrival = arrival,
        .last_arrival = arrival,
    };
}

/* --- what arrived ----------------------------------------------------------------------------
 */

static void acked_packet(struct bandwidth_acked *a, uint16_t bytes, uint32_t arrival)
{
    if (!a->started) {
        a->started = true;
        a->slot_start = arrival;
    }

    const int32_t ahead = (int32_t)(arrival - a->slot_start);
    if (ahead >= ACKED_SLOT_TICKS * BANDWIDTH_ACKED_SLOTS || ahead < -JUMP_TICKS) {
        memset(a, 0, sizeof *a); /* silence for longer than we remember */
        a->started = true;
        a->slot_start = arrival;
    }
    while ((int32_t)(arrival - a->slot_start) >= ACKED_SLOT_TICKS) {
        a->slot_start += ACKED_SLOT_TICKS;
        a->slot = (a->slot + 1) % BANDWIDTH_ACKED_SLOTS;
        a->bytes[a->slot] = 0;
        if (a->full < BANDWIDTH_ACKED_SLOTS - 1)
            a->full++;
    }
    a->bytes[a->slot] += bytes;
}

/* Bit/s over the complete slots; 0: not known. */
static double acked_rate(const struct bandwidth_acked *a)
{
    double bytes = 0;

    if (a->full < ACKED_SLOTS_LEAST)
        return 0;
    for (uint32_t i = 1; i <= a->full; i++)
        bytes += a->bytes[(a->slot + BANDWIDTH_ACKED_SLOTS - i) % BANDWIDTH_ACKED_SLOTS];
    return bytes * 8 / (a->full * ACKED_SLOT_TICKS * TICK_MS / 1e3);
}

/* --- control
 * ----------------------------------------------------------------------------------- */

static double lower_of_both(const struct bandwidth *b)
{
    return b->delay_based < b->loss_based ? b->delay_based : b->loss_based;
}

/* Remembers what the full path carried: mean and relative deviation, over about 20 times. */
static void learn_capacity(struct bandwidth *b, double rate)
{
    if (b->capacity <= 0) {
        b->capacity = rate;
        b->deviation = 0.1;
        return;
    }
    const double error = magnitude(rate - b->capacity) / b->capacity;
    b->capacity += 0.05 * (rate - b->capacity);
    b->deviation = clamp(0.95 * b->deviation + 0.05 * error, 0.02, 0.2);
}

static bool near_capacity(const struct bandwidth *b, double rate)
{
    return b->capacity > 0 && magnitude(rate - b->capacity) <= 3 * b->deviation * b->capacity;
}

/* Section 5.7, decrease: once per round trip, to 85 % of what came through. */
static void decrease_by_delay(struct bandwidth *b, double acked, usec_t now)
{
    const bool waits = b->decreased && now - b->decreased < b->rtt + MSEC(100);

    if (acked <= 0 || (waits && acked > b->delay_based / 2))
        return;
    if (!near_capacity(b, acked))
        b->capacity = 0;
    learn_capacity(b, acked);
    /* The first time the path is full is the first time that anything is known of it. */
    if (!bandwidth_is_known(b) || DECREASE * acked < b->delay_based)
        b->delay_based = DECREASE * acked;
    b->decreased = now;
}

/* Section 5.7, increase. */
static void increase_by_delay(struct bandwidth *b, double acked, double elapsed)
{
    if (acked > b->capacity * (1 + 3 * b->deviation))
        b->capacity = 0; /* the path has become wider */
    if (b->capacity > 0 && near_capacity(b, acked)) {
        /* About one packet per response time. */
        const double response = seconds(b->rtt) + 0.1;
        b->delay_based += elapsed * clamp(9600 / response, 4000, 100000);
        return;
    }
    const bool ever_full = b->decreased || b->loss_decreased;
    b->delay_based *= 1 + elapsed * (ever_full ? INCREASE : INCREASE_FIRST);
}

/* Section 6, with room for loss that is the path's nature. `fresh`: the loss was measured since
 * the last call; one measurement is good for one decrease. */
static void control_by_loss(struct bandwidth *b, double elapsed, bool fresh, usec_t now)
{
    const double estimate = lower_of_both(b);

    if (b->loss > LOSS_HIGH) {
        if (!fresh)
            return;
        b->loss_based = estimate * (1 - b->loss / 2);
        b->loss_decreased = now;
    } else if (b->loss > LOSS_RANDOM) {
        b->loss_based = estimate;
    } else {
        b->loss_based *= 1 + elapsed * (b->loss > LOSS_LOW ? INCREASE_LOSSY : INCREASE);
    }
}

/* True when there is a new measurement. Packets of before a decrease are still on their way for
 * a round trip after it, so the window is never shorter than that. */
static bool close_loss_window(struct bandwidth *b, usec_t now)
{
    const usec_t age = now - b->window_start;

    if (b->window_packets == 0 || age < LOSS_WINDOW + b->rtt)
        return false;
    if (b->window_packets < LOSS_PACKETS_LEAST && age < LOSS_WINDOW_MAX)
        return false;
    /* Smoothed, but a rate that has just been lowered is judged by its own loss. */
    const double weight = b->loss_decreased && b->loss_decreased >= b->window_start ? 0.8 : 0.4;
    b->loss += weight * ((double)b->window_lost / b->window_packets - b->loss);
    b->window_packets = b->window_lost = 0;
    b->window_start = now;
    return true;
}

static void control(struct bandwidth *b, usec_t now)
{
    const double elapsed = b->feedback ? clamp(seconds(now - b->feedback), 0, 1) : 0;
    const double acked = acked_rate(&b->acked);
    const double before = lower_of_both(b);
    const double delay_before = b->delay_based, loss_before = b->loss_based;
    const double ceiling = GROWTH_MAX * acked + 10000;

    if (b->trend.usage == BANDWIDTH_OVERUSE)
        decrease_by_delay(b, acked, now);
    else if (b->trend.usage == BANDWIDTH_NORMAL)
        increase_by_delay(b, acked, elapsed);
    control_by_loss(b, elapsed, close_loss_window(b, now), now);

    /* What is not sent is not tested: no growth beyond it. Nor is little traffic a reason to
     * sink. */
    if (acked <= 0 || before >= ceiling) {
        if (b->delay_based > delay_before)
            b->delay_based = delay_before;
        if (b->loss_based > loss_before)
            b->loss_based = loss_before;
    }
    b->delay_based = clamp(b->delay_based, b->min, b->max);
    b->loss_based = clamp(b->loss_based, b->min, b->max);
}

/* --- interface
 * -------------------------------------------------------------------------------- */

void bandwidth_init(struct bandwidth *b, uint64_t min, uint64_t start, uint64_t max)
{
    memset(b, 0, sizeof *b);
    b->min = (double)min;
    b->max = (double)max;
    b->delay_based = (double)start;
    b->loss_based = (double)max;
    trend_init(&b->trend);
}

/* News of one packet. */
static void take_news(struct bandwidth *b, const struct sent_packet *packet,
                      const struct packet_result *result)
{
    if (packet->state == SENT_IN_FLIGHT)
        b->window_packets++;
    if (!result->received) {
        b->window_lost++;
        return;
    }
    if (packet->state == SENT_LOST && b->window_lost > 0)
        b->window_lost--; /* it was only late */
    acked_packet(&b->acked, packet->bytes, result->arrival);
    trend_packet(&b->trend, packet->sent, result->arrival);
}

void bandwidth_feedback(struct bandwidth *b, struct sent_packets *sent,
                        struct transport_feedback *feedback, usec_t now)
{
    struct packet_result result;
    struct sent_packet packet;
    usec_t newest = 0;

    while (transport_feedback_next(feedback, &result)) {
        if (!sent_packets_report(sent, &result, &packet))
            continue;
        take_news(b, &packet, &result);
        if (result.received && packet.sent > newest)
            newest = packet.sent;
    }
    if (newest) {
        const usec_t rtt = now > newest ? now - newest : 0;
        b->rtt = b->rtt ? (7 * b->rtt + rtt) / 8 : rtt;
    }
    control(b, now);
    b->feedback = now;
}

usec_t bandwidth_deadline(const struct bandwidth *b, const struct sent_packets *sent)
{
    if (!b->feedback || sent->unanswered_since == USEC_NEVER)
        return USEC_NEVER;
    return (b->sunk > sent->unanswered_since ? b->sunk : sent->unanswered_since) + SILENCE;
}

void bandwidth_tick(struct bandwidth *b, const struct sent_packets *sent, usec_t now)
{
    if (now < bandwidth_deadline(b, sent))
        return;
    b->sunk = now;
    b->delay_based = clamp(lower_of_both(b) * SILENCE_FACTOR, b->min, b->max);
}

bool bandwidth_is_known(const struct bandwidth *b)
{
    return b->decreased || b->loss_decreased || b->sunk;
}

uint64_t bandwidth_estimate(const struct bandwidth *b)
{
    return (uint64_t)lower_of_both(b);
}

uint64_t bandwidth_acked_rate(const struct bandwidth *b)
{
    return (uint64_t)acked_rate(&b->acked);
}

double bandwidth_loss(const struct bandwidth *b)
{
    return b->loss;
}

usec_t bandwidth_rtt(const struct bandwidth *b)
{
    return b->rtt;
}
