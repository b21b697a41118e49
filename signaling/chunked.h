/*
 * signaling/chunked.h - decodes a chunked request body (RFC 9112 section 7.1).
 *
 * Sans-IO plain value, nothing to free. Strict: CRLF and nothing else ends a line, sizes have
 * at most 8 hex digits; extensions and trailer fields are read over, within a limit.
 */
#ifndef SIGNALING_CHUNKED_H
#define SIGNALING_CHUNKED_H

#include "core/base.h"

#define CHUNKED_OVERHEAD_MAX 16384 /* bytes of extensions and trailers of a whole body */

enum chunked_state {
    CHUNKED_SIZE,
    CHUNKED_SIZE_DIGITS,
    CHUNKED_EXTENSION,
    CHUNKED_SIZE_LF,
    CHUNKED_DATA,
    CHUNKED_DATA_CR,
    CHUNKED_DATA_LF,
    CHUNKED_TRAILER_START,
    CHUNKED_TRAILER,
    CHUNKED_TRAILER_LF,
    CHUNKED_LAST_LF,
    CHUNKED_DONE,
};

struct chunked {
    enum chunked_state state; /* CHUNKED_SIZE: the start */
    uint8_t digits;
    uint32_t left; /* of the chunk at hand */
    uint32_t overhead;
};

static inline bool chunked_done(const struct chunked *c)
{
    return c->state == CHUNKED_DONE;
}

/* Reads from `in` up to and including the next piece of data; *data is that piece (n = 0: none
 * in here), a part of `in`. Returns how many bytes of `in` were used: 0 when done or in.n is 0.
 * Call again with the rest until it is used up or chunked_done. RC_BAD: malformed. */
int chunked_input(struct chunked *c, struct span in, struct span *data);

#endif
