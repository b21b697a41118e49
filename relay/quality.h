/*
 * relay/quality.h - what one client's path measured, as a worker reports it every 5 seconds.
 *
 * Plain value, any thread.
 */
#ifndef RELAY_QUALITY_H
#define RELAY_QUALITY_H

#include "core/base.h"

/* Of the last 5 s. Times in microseconds, ratios 0..1, bitrates in bit/s. up: client to us. */
struct relay_quality {
    uint32_t rtt;
    float up_loss, down_loss;
    uint32_t up_jitter, down_jitter;
    uint64_t up_bitrate, down_bitrate, down_estimate;
};

#endif
