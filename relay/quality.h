/*
 * relay/quality.h - what one client's path measured, as a worker reports it every 5 seconds.
 *
 * Plain value, any thread.
 */
#ifndef RELAY_QUALITY_H
#define RELAY_QUALITY_H

#include "core/base.h"

struct stream_leg;

/* By what a client is reached: PROTOCOL's `path`. */
enum relay_path {
    RELAY_PATH_UDP,
    RELAY_PATH_TCP, /* ICE over TCP, in TLS or not */
    RELAY_PATH_TURN_UDP,
    RELAY_PATH_TURN_TCP,
    RELAY_PATH_TURN_TLS,
};

/* What carries packets to an address: datagrams, a stream of this thread, or a stream of
 * another, of which it is said from time to time how it is doing. */
struct relay_leg {
    enum relay_path path;
    struct stream_leg *stream; /* borrowed until it is said to be gone; NULL: the others */
    bool elsewhere;
    bool full;    /* elsewhere: no picture gets through for now */
    uint64_t cap; /* elsewhere: bit/s that may be sent; 0: no limit is known */
};

/* Of the last 5 s. Times in microseconds, ratios 0..1, bitrates in bit/s. up: client to us. */
struct relay_quality {
    uint32_t rtt;
    float up_loss, down_loss;
    uint32_t up_jitter, down_jitter;
    uint64_t up_bitrate, down_bitrate, down_estimate;
    enum relay_path path;
};

#endif
