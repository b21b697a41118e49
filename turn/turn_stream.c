#include "turn/turn_stream.h"

#include "turn/channel_data.h"
#include "turn/stun_message.h"

#include <stdlib.h>
#include <string.h>

enum { PARTIAL_FIRST = 256 /* bytes, first allocation */ };

static bool is_stun(uint8_t first)
{
    return first >> 6 == 0;
}

/* As stun_peek, of either kind of message. */
static int peek(struct span bytes, size_t limit, size_t *total)
{
    if (bytes.n == 0)
        return RC_AGAIN;
    const int rc =
        is_stun(bytes.p[0]) ? stun_peek(bytes, total) : stun_channel_peek(bytes, total);
    return rc == RC_OK && *total > limit ? RC_BAD : rc;
}

static int fail(struct turn_stream *stream, int rc)
{
    turn_stream_clear(stream);
    stream->broken = true;
    return rc;
}

static void advance(struct span *bytes, size_t n)
{
    bytes->p += n;
    bytes->n -= n;
}

/* Moves up to `n` of *bytes behind what is there. */
static int append(struct turn_stream *stream, struct span *bytes, size_t n)
{
    if (n > bytes->n)
        n = bytes->n;
    if (n > stream->capacity - stream->have) {
        size_t capacity = stream->capacity ? stream->capacity : PARTIAL_FIRST;
        while (capacity - stream->have < n)
            capacity *= 2;
        uint8_t *partial = realloc(stream->partial, capacity);
        if (!partial)
            return RC_NOMEM;
        stream->partial = partial;
        stream->capacity = capacity;
    }
    memcpy(stream->partial + stream->have, bytes->p, n);
    stream->have += n;
    advance(bytes, n);
    return RC_OK;
}

/* The beginning is in `partial`: looks at it, takes as much as is missing of header or message,
 * and looks again. */
static int complete(struct turn_stream *stream, size_t limit, struct span *bytes,
                    struct span *message)
{
    for (;;) {
        size_t goal;
        int rc = peek((struct span){stream->partial, stream->have}, limit, &goal);

        if (rc == RC_BAD)
            return fail(stream, rc);
        if (rc == RC_OK && stream->have == goal) {
            *message = (struct span){stream->partial, goal};
            stream->taken = true;
            return RC_OK;
        }
        if (bytes->n == 0)
            return RC_AGAIN;
        if (rc == RC_AGAIN)
            goal = is_stun(stream->partial[0]) ? STUN_HEADER_BYTES : STUN_CHANNEL_HEADER;
        rc = append(stream, bytes, goal - stream->have);
        if (rc != RC_OK)
            return fail(stream, rc);
    }
}

int turn_stream_next(struct turn_stream *stream, size_t limit, struct span *bytes,
                     struct span *message)
{
    size_t total;

    if (stream->broken)
        return RC_BAD;
    if (stream->taken)
        turn_stream_clear(stream);
    if (stream->have > 0)
        return complete(stream, limit, bytes, message);

    int rc = peek(*bytes, limit, &total);
    if (rc == RC_OK && total <= bytes->n) {
        *message = (struct span){bytes->p, total};
        advance(bytes, total);
        return RC_OK;
    }
    if (rc != RC_BAD && bytes->n > 0)
        rc = append(stream, bytes, bytes->n);
    if (rc == RC_BAD || rc == RC_NOMEM)
        return fail(stream, rc);
    return RC_AGAIN;
}

void turn_stream_clear(struct turn_stream *stream)
{
    free(stream->partial);
    *stream = (struct turn_stream){.broken = stream->broken};
}
