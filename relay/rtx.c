#include "relay/rtx.h"

#include "relay/rtp.h"

#include <string.h>

#define PADDING_BIT 0x20
#define MARKER_BIT 0x80

int rtx_encapsulate(struct span packet, const struct rtx_stream *stream, uint8_t *out,
                    size_t size)
{
    struct rtp_view view;

    if (rtp_parse(packet, &view) != RC_OK)
        return RC_BAD;
    const size_t head = packet.n - view.payload.n - view.padding;
    const size_t len = head + RTX_OVERHEAD + view.payload.n;
    if (len > size)
        return RC_FULL;

    memcpy(out, packet.p, head);
    out[0] &= (uint8_t)~PADDING_BIT;
    out[1] = (uint8_t)((out[1] & MARKER_BIT) | (stream->payload_type & 0x7f));
    store_be16(out + 2, stream->seq);
    store_be32(out + 8, stream->ssrc);
    store_be16(out + head, view.seq);
    if (view.payload.n > 0)
        memcpy(out + head + RTX_OVERHEAD, view.payload.p, view.payload.n);
    return (int)len;
}

int rtx_decapsulate(uint8_t *packet, size_t len, uint32_t media_ssrc,
                    uint8_t media_payload_type, struct span *out)
{
    struct rtp_view view;

    if (rtp_parse((struct span){packet, len}, &view) != RC_OK)
        return RC_BAD;
    if (view.payload.n == 0)
        return RC_AGAIN;
    if (view.payload.n < RTX_OVERHEAD)
        return RC_BAD;

    /* The header moves over the OSN, so that the payload can stay where it is. */
    const size_t head = len - view.payload.n - view.padding;
    const uint16_t seq = load_be16(view.payload.p);
    uint8_t *media = packet + RTX_OVERHEAD;
    memmove(media, packet, head);
    media[0] &= (uint8_t)~PADDING_BIT;
    media[1] = (uint8_t)((media[1] & MARKER_BIT) | (media_payload_type & 0x7f));
    store_be16(media + 2, seq);
    store_be32(media + 8, media_ssrc);
    *out = (struct span){media, len - RTX_OVERHEAD - view.padding};
    return RC_OK;
}
