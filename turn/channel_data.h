/*
 * turn/channel_data.h - the four bytes in front of data on a channel (RFC 8656 section 12.4).
 *
 * Sans-IO, any thread.
 */
#ifndef TURN_CHANNEL_DATA_H
#define TURN_CHANNEL_DATA_H

#include "core/base.h"

#define STUN_CHANNEL_HEADER 4
/* RFC 8656 section 12 ends at 0x4FFF. Clients of RFC 5766, coturn's tools among them, choose up
 * to 0x7FFF, and no other protocol of this port begins like that: they are served, too. */
#define STUN_CHANNEL_FIRST 0x4000
#define STUN_CHANNEL_LAST 0x7FFF
#define STUN_CHANNEL_DATA_MAX 65535

/* How long is the message of a stream that begins with these bytes? *total with padding
 * (section 12.5), also when it is not all there. RC_AGAIN: fewer than four bytes, and they do
 * not contradict a channel number. RC_BAD: no channel number of the range. */
int stun_channel_peek(struct span bytes, size_t *total);

/* One message at the start of `bytes`. RC_BAD: no channel number of the range, or, when not
 * `padded` (datagrams), a length beyond the end. RC_AGAIN, when `padded` (streams): not all
 * there. *total: bytes that it takes, with padding when `padded` (section 12.5); what a
 * datagram has behind it is ignored. */
int stun_channel_read(struct span bytes, bool padded, uint16_t *channel, struct span *data,
                      size_t *total);

static inline void stun_channel_write(uint8_t out[static STUN_CHANNEL_HEADER], uint16_t channel,
                                      size_t n)
{
    store_be16(out, channel);
    store_be16(out + 2, (uint16_t)n);
}

/* Zero bytes behind `n` bytes of data on a stream. */
static inline size_t stun_padding(size_t n)
{
    return -n & 3;
}

#endif
