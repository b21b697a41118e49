#include "relay/receive_stats.h"

#include "relay/ntp.h"

#include <string.h>

enum {
    LOST_MAX = 0x7fffff,
    LOST_MIN = -0x800000,
    JUMP_SECONDS = 5,       /* a transit that changed by more is another clock, not jitter */
    SR_REORDER_SECONDS = 10 /* an SR older by more is a clock that was set back */
};
#define SLOT_USEC MSEC(100)

void receive_stats_init(struct receive_stats *stats, uint32_t ssrc, uint32_t clock_rate)
{
    memset(stats, 0, sizeof *stats);
    stats->ssrc = ssrc;
    stats->clock_rate = clock_rate;
}

/* --- rates
 * ------------------------------------------------------------------------------------ */

/* Empties the slots between the last packet and now. */
static void rate_advance(struct receive_rate *rate, usec_t now)
{
    const uint64_t index = now / SLOT_USEC;

    if (index <= rate->slot_index)
        return;
    if (index - rate->slot_index >= RECEIVE_STATS_SLOTS) {
        memset(rate->bytes, 0, sizeof rate->bytes);
        memset(rate->packets, 0, sizeof rate->packets);
        rate->slot_index = index;
        return;
    }
    while (rate->slot_index < index) {
        rate->slot_index++;
        rate->bytes[rate->slot_index % RECEIVE_STATS_SLOTS] = 0;
        rate->packets[rate->slot_index % RECEIVE_STATS_SLOTS] = 0;
    }
}

static void rate_add(struct receive_rate *rate, size_t bytes, usec_t now)
{
    rate_advance(rate, now);

    const size_t slot = rate->slot_index % RECEIVE_STATS_SLOTS;
    rate->bytes[slot] += (uint32_t)bytes;
    if (rate->packets[slot] < UINT16_MAX)
        rate->packets[slot]++;
}

/* The time that the slots stand for: all of the older ones and a part of the newest. */
static usec_t rate_span(usec_t now)
{
    return SLOT_USEC * (RECEIVE_STATS_SLOTS - 1) + now % SLOT_USEC;
}

uint64_t receive_stats_bitrate(struct receive_stats *stats, usec_t now)
{
    uint64_t bytes = 0;

    rate_advance(&stats->rate, now);
    for (size_t i = 0; i < RECEIVE_STATS_SLOTS; i++)
        bytes += stats->rate.bytes[i];
    return bytes * 8 * SEC(1) / rate_span(now);
}

uint32_t receive_stats_packet_rate(struct receive_stats *stats, usec_t now)
{
    uint64_t packets = 0;

    rate_advance(&stats->rate, now);
    for (size_t i = 0; i < RECEIVE_STATS_SLOTS; i++)
        packets += stats->rate.packets[i];
    return (uint32_t)(packets * SEC(1) / rate_span(now));
}

/* --- sequence and jitter
 * ------------------------------------------------------------------------ */

static void start(struct receive_stats *stats, uint16_t seq)
{
    stats->started = true;
    stats->base_seq = seq;
    stats->max_seq = seq;
    stats->bad_seq = 0x10001; /* no sequence number is that */
    stats->cycles = 0;
    stats->received = 0;
    stats->expected_prior = stats->received_prior = 0;
    stats->has_transit = false;
}

/* RFC 3550, appendix A.1. There is no probation: the packet was authenticated. */
static enum receive_order order_of(struct receive_stats *stats, uint16_t seq)
{
    const uint16_t ahead = (uint16_t)(seq - stats->max_seq);

    if (!stats->started) {
        start(stats, seq);
        return RECEIVE_FIRST;
    }
    if (ahead > 0 && ahead < RECEIVE_STATS_MAX_DROPOUT) {
        if (seq < stats->max_seq)
            stats->cycles += 0x10000;
        stats->max_seq = seq;
        return ahead == 1 ? RECEIVE_NEXT : RECEIVE_GAP;
    }
    if (ahead == 0 || ahead > 0x10000 - RECEIVE_STATS_MAX_MISORDER)
        return RECEIVE_LATE;
    /* Two packets in a row far off: the sender started over without telling. */
    if (seq == stats->bad_seq) {
        start(stats, seq);
        stats->has_sr = false; /* its timestamps may have started over, too */
        return RECEIVE_FIRST;
    }
    stats->bad_seq = (uint16_t)(seq + 1);
    return RECEIVE_REFUSED;
}

/* RFC 3550, appendix A.8. Packets of one frame share a timestamp and leave one after the other:
 * only the first of them measures the path. */
static void measure_jitter(struct receive_stats *stats, uint32_t timestamp, usec_t now)
{
    const uint32_t arrival = (uint32_t)(now * stats->clock_rate / SEC(1));
    const uint32_t transit = arrival - timestamp;

    if (stats->has_transit && timestamp == stats->last_timestamp)
        return;
    if (stats->has_transit) {
        const int32_t change = (int32_t)(transit - stats->transit);
        const uint32_t d = change < 0 ? 0u - (uint32_t)change : (uint32_t)change;
        if (d < JUMP_SECONDS * stats->clock_rate)
            stats->jitter += d - ((stats->jitter + 8) >> 4);
    }
    stats->transit = transit;
    stats->has_transit = true;
    stats->last_timestamp = timestamp;
}

enum receive_order receive_stats_packet(struct receive_stats *stats, uint16_t seq,
                                        uint32_t timestamp, size_t bytes, usec_t now)
{
    const enum receive_order order = order_of(stats, seq);

    if (order == RECEIVE_REFUSED)
        return order;
    stats->received++;
    stats->bytes += bytes;
    rate_add(&stats->rate, bytes, now);
    if (order != RECEIVE_LATE)
        measure_jitter(stats, timestamp, now);
    return order;
}

uint32_t receive_stats_highest(const struct receive_stats *stats)
{
    return stats->cycles + stats->max_seq;
}

static uint32_t expected(const struct receive_stats *stats)
{
    return stats->started ? receive_stats_highest(stats) - stats->base_seq + 1 : 0;
}

int32_t receive_stats_lost(const struct receive_stats *stats)
{
    const int64_t lost = (int64_t)expected(stats) - (int64_t)stats->received;

    if (lost > LOST_MAX)
        return LOST_MAX;
    return lost < LOST_MIN ? LOST_MIN : (int32_t)lost;
}

usec_t receive_stats_jitter(const struct receive_stats *stats)
{
    return stats->clock_rate ? (usec_t)(stats->jitter >> 4) * SEC(1) / stats->clock_rate : 0;
}

/* --- reports
 * ----------------------------------------------------------------------------------- */

void receive_stats_sr(struct receive_stats *stats, const struct rtcp_sr *sr, usec_t now)
{
    const uint64_t behind = stats->sr_ntp - sr->ntp;

    if (stats->has_sr && behind < (uint64_t)SR_REORDER_SECONDS << 32)
        return; /* overtaken, or the same again */
    stats->has_sr = true;
    stats->sr_arrived = now;
    stats->sr_ntp = sr->ntp;
    stats->sr_timestamp = sr->timestamp;
}

/* RFC 3550, appendix A.3. */
static uint8_t fraction_lost(struct receive_stats *stats)
{
    const uint32_t expected_now = expected(stats), received_now = (uint32_t)stats->received;
    const uint32_t expected_interval = expected_now - stats->expected_prior;
    const int64_t lost_interval =
        (int64_t)expected_interval - (int64_t)(received_now - stats->received_prior);

    stats->expected_prior = expected_now;
    stats->received_prior = received_now;
    if (expected_interval == 0 || lost_interval <= 0)
        return 0;
    const int64_t fraction = (lost_interval << 8) / expected_interval;
    return fraction > UINT8_MAX ? UINT8_MAX : (uint8_t)fraction;
}

void receive_stats_report(struct receive_stats *stats, usec_t now,
                          struct rtcp_report_block *out)
{
    stats->fraction_lost = fraction_lost(stats);
    *out = (struct rtcp_report_block){
        .ssrc = stats->ssrc,
        .fraction_lost = stats->fraction_lost,
        .cumulative_lost = receive_stats_lost(stats),
        .highest_seq = receive_stats_highest(stats),
        .jitter = stats->jitter >> 4,
    };
    if (!stats->has_sr)
        return;
    const uint64_t since = ((now - stats->sr_arrived) << 16) / SEC(1);
    out->lsr = ntp_middle(stats->sr_ntp);
    out->dlsr = since > UINT32_MAX ? UINT32_MAX : (uint32_t)since;
}

bool receive_stats_ntp(const struct receive_stats *stats, uint32_t timestamp, uint64_t *out)
{
    if (!stats->has_sr || !stats->clock_rate)
        return false;

    const int64_t ticks = (int32_t)(timestamp - stats->sr_timestamp);
    *out = stats->sr_ntp + (uint64_t)(ticks * ((int64_t)1 << 32) / stats->clock_rate);
    return true;
}
