#include "relay/sender_report.h"

#include "relay/ntp.h"

#define RTT_ABSURD (10u << 16) /* 10 s */

void sender_report_init(struct sender_report *report, uint32_t ssrc, uint32_t clock_rate)
{
    *report = (struct sender_report){.ssrc = ssrc, .clock_rate = clock_rate};
}

void sender_report_packet(struct sender_report *report, uint32_t timestamp, size_t payload,
                          usec_t now)
{
    report->packets++;
    report->octets += (uint32_t)payload;
    if (report->sent_any && (int32_t)(timestamp - report->last_timestamp) < 0)
        return; /* out of order: the newest is what a report is reckoned from */
    report->sent_any = true;
    report->last_timestamp = timestamp;
    report->last_sent = now;
}

void sender_report_source(struct sender_report *report, const struct peer_clock *clock,
                          uint64_t ntp, uint32_t timestamp)
{
    report->mapped = true;
    report->source_time = peer_clock_to_local(clock, ntp);
    report->source_timestamp = timestamp;
}

void sender_report_new_source(struct sender_report *report)
{
    report->mapped = false;
}

/* Ticks of the stream's clock from one time to another, either way round. */
static uint32_t ticks_between(const struct sender_report *report, usec_t from, usec_t to)
{
    const int64_t elapsed = (int64_t)(to - from);

    return (uint32_t)(elapsed * (int64_t)report->clock_rate / (int64_t)SEC(1));
}

bool sender_report_make(const struct sender_report *report, uint32_t timestamp_offset,
                        usec_t now, struct rtcp_sr *out)
{
    if (!report->sent_any)
        return false;

    uint32_t timestamp;
    if (report->mapped)
        timestamp = report->source_timestamp + timestamp_offset +
                    ticks_between(report, report->source_time, now);
    else
        timestamp = report->last_timestamp + ticks_between(report, report->last_sent, now);
    *out = (struct rtcp_sr){
        .ssrc = report->ssrc,
        .ntp = ntp_from_usec(now),
        .timestamp = timestamp,
        .packets = report->packets,
        .octets = report->octets,
    };
    return true;
}

int sender_report_rtt(const struct rtcp_report_block *block, usec_t now, usec_t *out)
{
    if (block->lsr == 0)
        return RC_AGAIN;

    const uint32_t rtt = ntp_middle(ntp_from_usec(now)) - block->lsr - block->dlsr;
    if (rtt > RTT_ABSURD)
        return RC_BAD; /* negative ones wrap to here as well */
    *out = ntp_short_to_usec(rtt);
    return RC_OK;
}
