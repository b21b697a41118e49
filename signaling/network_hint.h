/*
 * signaling/network_hint.h - what a client says of its network when it comes in.
 *
 * Only a hint, for as long as nothing was measured: what is missing or cannot be made sense of
 * is not known, and no reason to refuse anybody. Sans-IO.
 */
#ifndef SIGNALING_NETWORK_HINT_H
#define SIGNALING_NETWORK_HINT_H

#include "core/base.h"

#define NETWORK_HINT_MAX 512 /* bytes of each parameter */

/* The round trip in microseconds, 0 for unknown: from `latency` (ms), else from `network_info`,
 * JSON as the Network Information API has it (`rtt` in ms, else `effectiveType`). Both may be
 * "". At most a minute. */
uint32_t network_hint_rtt(const char *latency, const char *network_info);

#endif
