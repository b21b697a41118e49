/*
 * signaling/quality.h - how good a client's path is, in one word and as the `quality` event
 * says it.
 *
 * Sans-IO, plain values. Control thread.
 */
#ifndef SIGNALING_QUALITY_H
#define SIGNALING_QUALITY_H

#include "core/base.h"
#include "signaling/media_service.h"

#include <jansson.h>

enum quality { QUALITY_UNKNOWN, QUALITY_GOOD, QUALITY_FAIR, QUALITY_POOR, QUALITY_COUNT };

/* From here on a path is fair, or poor. ITU-T G.114 calls 150 ms one way good and 400 ms the
 * most that one can talk with; loss is what video shows by eye. */
#define QUALITY_RTT_FAIR MSEC(200)
#define QUALITY_RTT_POOR MSEC(500)
#define QUALITY_LOSS_FAIR 0.03f
#define QUALITY_LOSS_POOR 0.10f

/* Of everybody who is here; kept by the lobby, shown on /status. */
struct quality_summary {
    uint32_t users[QUALITY_COUNT]; /* by their last report */
    usec_t mean_rtt;               /* moving mean over reports; 0: none measured */
};

enum quality quality_of(const struct media_quality *report);
/* "good", "fair", "poor"; "good" for QUALITY_UNKNOWN: nothing speaks against it yet. */
const char *quality_name(enum quality quality);
/* "udp", "tcp", "turn-udp", "turn-tcp", "turn-tls". */
const char *media_path_name(enum media_path path);
/* The payload of `quality`. New reference, NULL without memory. */
json_t *quality_json(const struct media_quality *report);
/* Takes a report into the mean. */
void quality_note_rtt(struct quality_summary *summary, const struct media_quality *report);

#endif
