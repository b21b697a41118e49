#include "relay/stream_frame.h"

#include "relay/stun.h"

#include <string.h>

int stream_frame_next(struct span *rest, struct span *packet)
{
    for (;;) {
        if (rest->n < STREAM_FRAME_HEAD)
            return RC_AGAIN;
        const size_t len = load_be16(rest->p);
        if (len > STREAM_FRAME_MAX)
            return RC_BAD;
        if (rest->n - STREAM_FRAME_HEAD < len)
            return RC_AGAIN;
        *packet = (struct span){rest->p + STREAM_FRAME_HEAD, len};
        *rest = (struct span){packet->p + len, rest->n - STREAM_FRAME_HEAD - len};
        if (len)
            return RC_OK;
    }
}

/*
 *  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |            LENGTH             |0 0|  type: Binding request    |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |          LENGTH - 20          |   magic cookie, first half    |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |   magic cookie, second half   |
 */
enum recognition stream_frame_recognise(const uint8_t *first, size_t n)
{
    uint8_t expected[10];

    if (n < 2)
        return first[0] <= STUN_MESSAGE_MAX >> 8 ? RECOGNISED_MORE : RECOGNISED_NO;
    const size_t len = load_be16(first);
    if (len < STUN_HEADER_LEN || len > STUN_MESSAGE_MAX || len % 4 != 0)
        return RECOGNISED_NO;
    store_be16(expected, (uint16_t)len);
    store_be16(expected + 2, STUN_BINDING_REQUEST);
    store_be16(expected + 4, (uint16_t)(len - STUN_HEADER_LEN));
    store_be32(expected + 6, STUN_COOKIE);
    if (memcmp(first, expected, n < sizeof expected ? n : sizeof expected) != 0)
        return RECOGNISED_NO;
    return n >= STREAM_FRAME_HEAD + len ? RECOGNISED_YES : RECOGNISED_MORE;
}
