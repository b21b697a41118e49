#include "turn/turn_recognise.h"

#include "turn/stun_attribute.h"

#include <string.h>

enum {
    CLASS_BIT = 0x10, /* of the low byte; the other class bit lies in the high one */
    SEEN_ENOUGH = 8,  /* type, length, cookie */
};

enum recognition turn_recognise(const uint8_t *first, size_t n)
{
    static const uint8_t cookie[] = {0x21, 0x12, 0xa4, 0x42};
    const size_t seen = n < 4 ? 0 : n < SEEN_ENOUGH ? n - 4 : sizeof cookie;

    if (n >= 1 && first[0] != 0)
        return RECOGNISED_NO;
    if (n >= 2 && (first[1] & CLASS_BIT))
        return RECOGNISED_NO;
    if (n >= 3 && first[2] >= TURN_FIRST_MESSAGE_MAX >> 8)
        return RECOGNISED_NO;
    if (n >= 4 && first[3] % 4 != 0)
        return RECOGNISED_NO;
    if (seen > 0 && memcmp(first + 4, cookie, seen) != 0)
        return RECOGNISED_NO;
    return n < SEEN_ENOUGH ? RECOGNISED_MORE : RECOGNISED_YES;
}
