#include "signaling/quality.h"

enum quality quality_of(const struct media_quality *report)
{
    const float loss =
        report->up_loss > report->down_loss ? report->up_loss : report->down_loss;

    if (report->rtt >= QUALITY_RTT_POOR || loss >= QUALITY_LOSS_POOR)
        return QUALITY_POOR;
    if (report->rtt >= QUALITY_RTT_FAIR || loss >= QUALITY_LOSS_FAIR)
        return QUALITY_FAIR;
    return QUALITY_GOOD;
}

const char *media_path_name(enum media_path path)
{
    static const char *const names[MEDIA_PATH_COUNT] = {
        [MEDIA_PATH_UDP] = "udp",           [MEDIA_PATH_TCP] = "tcp",
        [MEDIA_PATH_TURN_UDP] = "turn-udp", [MEDIA_PATH_TURN_TCP] = "turn-tcp",
        [MEDIA_PATH_TURN_TLS] = "turn-tls",
    };
    return names[path];
}

const char *quality_name(enum quality quality)
{
    static const char *const names[QUALITY_COUNT] = {
        [QUALITY_UNKNOWN] = "good",
        [QUALITY_GOOD] = "good",
        [QUALITY_FAIR] = "fair",
        [QUALITY_POOR] = "poor",
    };
    return names[quality];
}

static double milliseconds(uint32_t usec)
{
    return (double)usec / 1000;
}

json_t *quality_json(const struct media_quality *report)
{
    const double rtt = milliseconds(report->rtt);
    json_t *up =
        json_pack("{s:f, s:f, s:f, s:I}", "rtt", rtt, "loss", (double)report->up_loss, "jitter",
                  milliseconds(report->up_jitter), "bitrate", (json_int_t)report->up_bitrate);
    json_t *down = json_pack(
        "{s:f, s:f, s:f, s:I, s:I}", "rtt", rtt, "loss", (double)report->down_loss, "jitter",
        milliseconds(report->down_jitter), "bitrate", (json_int_t)report->down_bitrate,
        "estimate", (json_int_t)report->down_estimate);

    /* "o" takes both over, also when it fails and when one is NULL. */
    return json_pack("{s:o, s:o, s:s, s:s}", "up", up, "down", down, "networkQuality",
                     quality_name(quality_of(report)), "path", media_path_name(report->path));
}

void quality_note_rtt(struct quality_summary *summary, const struct media_quality *report)
{
    if (report->rtt == 0)
        return;
    summary->mean_rtt =
        summary->mean_rtt ? (15 * summary->mean_rtt + report->rtt) / 16 : report->rtt;
}
