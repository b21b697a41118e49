#include "turn/channel_data.h"

/*
 *  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |         Channel Number        |            Length             |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |                       Application Data                        |
 */
int stun_channel_read(struct span bytes, bool padded, uint16_t *channel, struct span *data,
                      size_t *total)
{
    const int more = padded ? RC_AGAIN : RC_BAD;

    if (bytes.n == 0)
        return more;
    /* Section 12: the range is 0x4000 to 0x4FFF, so one byte is enough to see it. */
    if (bytes.p[0] >> 4 != STUN_CHANNEL_FIRST >> 12)
        return RC_BAD;
    if (bytes.n < STUN_CHANNEL_HEADER)
        return more;

    const size_t n = load_be16(bytes.p + 2);
    const size_t whole = STUN_CHANNEL_HEADER + n + (padded ? stun_padding(n) : 0);
    if (bytes.n < whole)
        return more;

    *channel = load_be16(bytes.p);
    *data = (struct span){bytes.p + STUN_CHANNEL_HEADER, n};
    *total = whole;
    return RC_OK;
}
