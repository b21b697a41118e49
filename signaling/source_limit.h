/*
 * signaling/source_limit.h - so many answers a second for each address, without a memory of
 * addresses.
 *
 * A fixed array of token buckets; an address has the one that its keyed hash says, so strangers
 * can neither fill it nor choose whom they share one with. What counts as one address: an IPv4
 * address, and of IPv6 the /64 that a household or a machine is given whole. Sans-IO, plain
 * value of 32 kB; one thread.
 */
#ifndef SIGNALING_SOURCE_LIMIT_H
#define SIGNALING_SOURCE_LIMIT_H

#include "core/address.h"
#include "core/base.h"
#include "signaling/rate_limit.h"

#define SOURCE_LIMIT_BUCKETS 4096
#define SOURCE_KEY_BYTES 9

struct source_limit {
    struct rate_limit bucket[SOURCE_LIMIT_BUCKETS]; /* zeroes: all full */
};

/* May one more of `per_second` be answered to that address? */
bool source_limit_take(struct source_limit *limit, const struct address *from,
                       uint32_t per_second, usec_t now);

/* Family, and four or eight bytes of the address. */
void source_key(uint8_t out[static SOURCE_KEY_BYTES], const struct address *address);

#endif
