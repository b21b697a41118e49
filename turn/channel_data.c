#include "turn/channel_data.h"

/*
 *  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |         Channel Number        |            Length             |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |                       Application Data                        |
 */
int stun_channel_peek(struct span bytes, size_t *total)
{
    if (bytes.n == 0)
        return RC_AGAIN;
    /* 0x4000 to 0x7FFF: one byte is enough to see it. */
    if (bytes.p[0] >> 6 != STUN_CHANNEL_FIRST >> 14)
        return RC_BAD;
    if (bytes.n < STUN_CHANNEL_HEADER)
        return RC_AGAIN;

    const size_t n = load_be16(bytes.p + 2);
    *total = STUN_CHANNEL_HEADER + n + stun_padding(n);
    return RC_OK;
}

int stun_channel_read(struct span bytes, bool padded, uint16_t *channel, struct span *data,
                      size_t *total)
{
    const int more = padded ? RC_AGAIN : RC_BAD;
    size_t whole;

    const int rc = stun_channel_peek(bytes, &whole);
    if (rc != RC_OK)
        return rc == RC_AGAIN ? more : rc;
    const size_t n = load_be16(bytes.p + 2);
    if (!padded)
        whole = STUN_CHANNEL_HEADER + n;
    if (bytes.n < whole)
        return more;

    *channel = load_be16(bytes.p);
    *data = (struct span){bytes.p + STUN_CHANNEL_HEADER, n};
    *total = whole;
    return RC_OK;
}
