/*
 * relay/rtx.h - the retransmission payload format (RFC 4588, section 4): a packet of the media
 * stream within one of the RTX stream, its sequence number before the payload.
 *
 * Sans-IO, any thread. Works on whole plaintext RTP packets.
 */
#ifndef RELAY_RTX_H
#define RELAY_RTX_H

#include "core/base.h"

#define RTX_OVERHEAD 2 /* bytes: the original sequence number, OSN */

/* The stream that an RTX packet belongs to, on its way out. */
struct rtx_stream {
    uint32_t ssrc;
    uint8_t payload_type;
    uint16_t seq;
};

/* Wraps the RTP packet `packet` into `out`; timestamp, marker, CSRCs and header extensions are
 * its own, padding is left out. Returns the length, RC_BAD when it is not RTP, RC_FULL when it
 * does not fit in `size`. `out` must not overlap `packet`. */
int rtx_encapsulate(struct span packet, const struct rtx_stream *stream, uint8_t *out,
                    size_t size);

/* Unwraps in place: *out lies in the same bytes, two further on. RC_AGAIN: nothing inside, a
 * packet of padding that probes the path. RC_BAD: not RTP, or one byte of payload. On failure
 * the bytes are untouched. */
int rtx_decapsulate(uint8_t *packet, size_t len, uint32_t media_ssrc,
                    uint8_t media_payload_type, struct span *out);

#endif
