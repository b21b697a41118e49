/*
 * turn/turn_stream.h - cuts a byte stream into the messages of TURN: STUN, and ChannelData
 * padded to four (RFC 8656 sections 12.5 and 3.1, RFC 8489 section 6.2.2).
 *
 * Sans-IO, one thread. Plain value to embed; zeroes are a new stream. A message that lies whole
 * in what arrived is handed out where it lies; the beginning of one is copied and waits for the
 * rest, in memory that grows with the bytes that came and not with the length that they claim.
 */
#ifndef TURN_TURN_STREAM_H
#define TURN_TURN_STREAM_H

#include "core/base.h"

#define TURN_STREAM_MESSAGE_MAX 65540 /* ChannelData of 65535 bytes, padded */

struct turn_stream {
    uint8_t *partial; /* owned; NULL when nothing waits */
    size_t have, capacity;
    bool taken;  /* what is in partial was handed out by the last call */
    bool broken; /* nothing that follows can be told apart */
};

/*
 * The next message. *bytes is what arrived and moves past what was taken; call it until it says
 * something else than RC_OK.
 *
 * RC_OK: *message, valid until the next call and as long as *bytes' memory. RC_AGAIN: all of
 * *bytes was taken, and there is no further message. RC_BAD: no message begins like that, or it
 * would be longer than `limit`; so it stays. RC_NOMEM: so it stays, too.
 */
int turn_stream_next(struct turn_stream *stream, size_t limit, struct span *bytes,
                     struct span *message);

/* Does the beginning of a message wait for its rest? */
static inline bool turn_stream_is_partial(const struct turn_stream *stream)
{
    return stream->have > 0 && !stream->taken;
}

/* Frees what waits; then it is a new stream. */
void turn_stream_clear(struct turn_stream *stream);

#endif
