/*
 * Fuzzes turn_recognise(): an answer stays whatever follows, what is recognised can be framed
 * as a STUN message, and nothing that begins like HTTP, TLS or an ICE check in a frame of RFC
 * 4571 is.
 */
#include "turn/turn_recognise.h"

#include "turn/stun_message.h"

#include <stdlib.h>
#include <string.h>

#define MUST(cond) ((cond) ? (void)0 : abort()) /* active in every build, unlike assert */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool begins_like_a_frame_around_a_check(const uint8_t *p, size_t n)
{
    return n >= 10 && p[2] == 0 && p[3] == 1 && load_be32(p + 6) == STUN_MAGIC;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const size_t n = size < LISTENER_FIRST_BYTES ? size : LISTENER_FIRST_BYTES;
    enum recognition is = RECOGNISED_MORE;
    size_t total = 0;

    for (size_t i = 1; i <= n; i++) {
        uint8_t exact[LISTENER_FIRST_BYTES];
        const enum recognition before = is;

        memcpy(exact, data, i);
        is = turn_recognise(exact, i);
        MUST(before == RECOGNISED_MORE || is == before);
    }
    if (is != RECOGNISED_YES)
        return 0;
    const int rc = stun_peek((struct span){data, n}, &total);
    MUST(rc == RC_OK || (rc == RC_AGAIN && n < STUN_HEADER_BYTES));
    MUST(rc != RC_OK || total <= TURN_FIRST_MESSAGE_MAX + STUN_HEADER_BYTES);
    MUST(data[0] == 0 && !begins_like_a_frame_around_a_check(data, n));
    return 0;
}
