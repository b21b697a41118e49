/*
 * core/stream_sample.h - what the kernel knows of a TCP connection's way out (tcp(7),
 * TCP_INFO). Plain value: core/stream reads it, core/stream_leg decides by it.
 */
#ifndef CORE_STREAM_SAMPLE_H
#define CORE_STREAM_SAMPLE_H

#include "core/base.h"

struct stream_sample {
    uint64_t acked;         /* bytes that the other end has acknowledged, since the beginning */
    uint64_t delivery_rate; /* bit/s, the kernel's newest measurement; 0: none */
    uint32_t unsent;        /* bytes that the kernel was given and has not sent */
    uint32_t in_flight;     /* bytes sent and not acknowledged */
    usec_t rtt, rtt_min;    /* smoothed, and the least seen lately; 0: none */
    bool app_limited;       /* delivery_rate says what was sent, not what the path carries */
};

#endif
