/*
 * Fuzzes turn_stream: the same messages come out however the bytes are cut, none reaches over
 * what arrived, and together with what waits they are what arrived.
 *
 * The first byte says how long the pieces are, the second how long a message may be.
 */
#include "turn/turn_stream.h"

#include "turn/stun_message.h"

#include <stdlib.h>
#include <string.h>

#define MUST(cond) ((cond) ? (void)0 : abort()) /* active in every build, unlike assert */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_message(struct span message, struct span expected)
{
    size_t total;

    MUST(message.n % 4 == 0 && message.n <= expected.n);
    MUST(memcmp(message.p, expected.p, message.n) == 0);
    if (message.p[0] >> 6 == 0)
        MUST(stun_peek(message, &total) == RC_OK);
    else
        MUST(stun_channel_peek(message, &total) == RC_OK);
    MUST(total == message.n);
}

/* Returns how many bytes came out as messages; *broken how it ended. */
static size_t run(struct span all, size_t piece_max, size_t limit, bool *broken)
{
    struct turn_stream stream = {0};
    size_t out = 0, taken = 0;
    int rc = RC_AGAIN;

    for (size_t at = 0; at < all.n && rc == RC_AGAIN;) {
        const size_t n = piece_max < all.n - at ? piece_max : all.n - at;
        uint8_t *exact = malloc(n);
        struct span piece = {exact, n}, message;

        MUST(exact);
        memcpy(exact, all.p + at, n);
        while ((rc = turn_stream_next(&stream, limit, &piece, &message)) == RC_OK) {
            MUST(message.n <= limit);
            check_message(message, (struct span){all.p + out, all.n - out});
            out += message.n;
        }
        at += n;
        taken = at - piece.n;
        free(exact);
        MUST(rc == RC_BAD || (rc == RC_AGAIN && piece.n == 0));
        MUST(rc == RC_BAD || taken - out == stream.have);
        MUST(stream.capacity <= 2 * (stream.have + 256));
        MUST(rc == RC_BAD || turn_stream_is_partial(&stream) == (out < taken));
    }
    *broken = rc == RC_BAD;
    turn_stream_clear(&stream);
    return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool broken_whole, broken_cut;

    if (size < 2)
        return 0;
    const struct span all = {data + 2, size - 2};
    const size_t limit = data[1] < 255 ? 16u * data[1] : TURN_STREAM_MESSAGE_MAX;
    const size_t whole = run(all, all.n ? all.n : 1, limit, &broken_whole);
    const size_t cut = run(all, 1u + data[0], limit, &broken_cut);
    MUST(whole == cut && broken_whole == broken_cut);
    return 0;
}
