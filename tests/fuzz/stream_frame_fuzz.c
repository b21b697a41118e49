/*
 * Fuzzes stream_frame_next() and stream_frame_recognise(): packets lie inside what was given
 * and do not depend on how it came in pieces; recognition never takes a word back, and never
 * takes what another protocol of the port would.
 */
#include "relay/stream_frame.h"

#include "relay/stun.h"

#include <stdlib.h>
#include <string.h>

#define MUST(cond) ((cond) ? (void)0 : abort()) /* active in every build, unlike assert */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* How many packets, the bytes in them, and what came of the last call. */
struct result {
    size_t packets, bytes, rest;
    int rc;
};

static struct result take_all(struct span rest)
{
    struct result r = {.rc = RC_OK};
    struct span packet;

    for (;;) {
        const struct span before = rest;

        r.rc = stream_frame_next(&rest, &packet);
        if (r.rc != RC_OK)
            break;
        MUST(packet.n > 0 && packet.n <= STREAM_FRAME_MAX);
        MUST(packet.p >= before.p + STREAM_FRAME_HEAD &&
             packet.p + packet.n <= before.p + before.n);
        MUST(rest.p == packet.p + packet.n && rest.n < before.n);
        r.packets++;
        r.bytes += packet.n;
    }
    r.rest = rest.n;
    return r;
}

/* The same bytes, the rest of each piece in front of the next, as a reader has them. */
static void in_pieces(const uint8_t *data, size_t size, struct result whole)
{
    uint8_t *buffer = malloc(size + 1);
    size_t have = 0, packets = 0, bytes = 0, step = 1 + (size ? data[0] % 7u : 0);

    MUST(buffer);
    for (size_t at = 0; at < size; at += step) {
        const size_t n = size - at < step ? size - at : step;

        memcpy(buffer + have, data + at, n);
        have += n;
        const struct result r = take_all((struct span){buffer, have});
        packets += r.packets;
        bytes += r.bytes;
        if (r.rc == RC_BAD) {
            MUST(whole.rc == RC_BAD);
            break;
        }
        memmove(buffer, buffer + have - r.rest, r.rest);
        have = r.rest;
        MUST(have < STREAM_FRAME_HEAD + STREAM_FRAME_MAX);
    }
    MUST(packets == whole.packets && bytes == whole.bytes);
    free(buffer);
}

static void recognise(const uint8_t *data, size_t size)
{
    enum recognition last = RECOGNISED_MORE;

    for (size_t n = 1; n <= size && n <= LISTENER_FIRST_BYTES; n++) {
        const enum recognition r = stream_frame_recognise(data, n);

        MUST(last == RECOGNISED_MORE || r == last);
        last = r;
    }
    if (last == RECOGNISED_NO)
        return;
    MUST(data[0] != 0x16 && (data[0] < 'A' || data[0] > 'Z') && data[0] >> 6 == 0);
    if (size >= 8) /* STUN without a frame */
        MUST(load_be32(data + 4) != STUN_COOKIE || load_be16(data + 2) % 4 != 0);
    if (last == RECOGNISED_YES) {
        struct span rest = {data, size}, packet;

        MUST(stream_frame_next(&rest, &packet) == RC_OK);
        MUST(load_be16(packet.p) == STUN_BINDING_REQUEST);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    uint8_t *exact = malloc(size); /* the sanitizer sees the first byte past the end */
    MUST(exact);
    memcpy(exact, data, size);
    const struct result whole = take_all((struct span){exact, size});
    in_pieces(exact, size, whole);
    recognise(exact, size);
    free(exact);
    return 0;
}
