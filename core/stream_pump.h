/*
 * core/stream_pump.h - writes what a leg has for its connection: core/stream_leg on
 * core/stream.
 *
 * Glue: asks the kernel how the connection is doing before each write. No event loop: whoever
 * is told STREAM_PUMP_LATER calls again after STREAM_LEG_PACE, with one timer for all of its
 * legs. Waiting for the socket to become writable would not do: what is waited for is mostly
 * that the network drains.
 */
#ifndef CORE_STREAM_PUMP_H
#define CORE_STREAM_PUMP_H

#include "core/stream.h"
#include "core/stream_leg.h"

enum stream_pump_result {
    STREAM_PUMP_DONE,  /* everything is written */
    STREAM_PUMP_LATER, /* the rest has to wait */
    STREAM_PUMP_BROKEN /* close it */
};

/* `lowat`: the owner's memory of what the kernel was told; 0 at first. */
enum stream_pump_result stream_pump(struct stream *stream, struct stream_leg *leg,
                                    uint32_t *lowat, usec_t now);

#endif
