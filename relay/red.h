/*
 * relay/red.h - redundant audio (RFC 2198): reading the blocks, and the primary alone for a
 * receiver without RED. Sans-IO, any thread.
 */
#ifndef RELAY_RED_H
#define RELAY_RED_H

#include "core/base.h"

/* Browsers send one or two redundant blocks; more than this in a packet is refused. */
#define RED_BLOCKS_MAX 8

struct red_block {
    uint8_t payload_type;
    uint16_t timestamp_offset; /* ticks before the packet's timestamp; 0 for the primary */
    struct span data;
};

/* Reads the payload of a RED packet: *count blocks, oldest first, the last one is the primary.
 * RC_BAD when the headers or lengths don't fit the payload, RC_FULL for too many blocks. */
int red_parse(struct span payload, struct red_block blocks[static RED_BLOCKS_MAX],
              size_t *count);

/* The primary alone. RC_BAD and RC_FULL as above, *out is then untouched. */
int red_primary(struct span payload, struct red_block *out);

#endif
