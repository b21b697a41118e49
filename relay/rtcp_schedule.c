#include "relay/rtcp_schedule.h"

/* What is worth a REMB before its time. */
static bool falls_much(uint64_t told, uint64_t wanted)
{
    return wanted < told && told - wanted >= told / 100 * 3;
}

void rtcp_schedule_init(struct rtcp_schedule *schedule, uint32_t seed, usec_t now)
{
    const usec_t half = RTCP_REPORT_INTERVAL / 2;

    *schedule = (struct rtcp_schedule){.report_due = now + seed % half};
}

bool rtcp_schedule_take_report(struct rtcp_schedule *schedule, usec_t now)
{
    if (now < schedule->report_due)
        return false;
    schedule->report_due += RTCP_REPORT_INTERVAL;
    if (schedule->report_due <= now)
        schedule->report_due = now + RTCP_REPORT_INTERVAL;
    return true;
}

void rtcp_schedule_set_remb(struct rtcp_schedule *schedule, uint64_t bitrate)
{
    schedule->remb_wanted = bitrate;
}

static usec_t remb_due(const struct rtcp_schedule *schedule)
{
    if (schedule->remb_wanted == 0)
        return USEC_NEVER;
    if (schedule->remb_sent == 0)
        return 0;
    return schedule->remb_sent + (falls_much(schedule->remb_told, schedule->remb_wanted)
                                      ? RTCP_REMB_MIN_INTERVAL
                                      : RTCP_REMB_INTERVAL);
}

bool rtcp_schedule_take_remb(struct rtcp_schedule *schedule, usec_t now, uint64_t *bitrate)
{
    if (now < remb_due(schedule))
        return false;
    schedule->remb_sent = now;
    schedule->remb_told = schedule->remb_wanted;
    *bitrate = schedule->remb_wanted;
    return true;
}

usec_t rtcp_schedule_deadline(const struct rtcp_schedule *schedule)
{
    const usec_t remb = remb_due(schedule);

    return remb < schedule->report_due ? remb : schedule->report_due;
}
