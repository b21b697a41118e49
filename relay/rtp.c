#include "relay/rtp.h"

enum datagram_kind datagram_classify(struct span datagram)
{
    if (datagram.n == 0)
        return DATAGRAM_UNKNOWN;

    const uint8_t first = datagram.p[0];
    if (first <= 3)
        return DATAGRAM_STUN;
    if (first >= 20 && first <= 63)
        return DATAGRAM_DTLS;
    if (first >= 64 && first <= 127) /* RFC 8656: up to 79; RFC 5766: 127 */
        return DATAGRAM_CHANNEL_DATA;
    if (first < 128 || first > 191 || datagram.n < 2)
        return DATAGRAM_UNKNOWN;

    /* RFC 5761, section 4: RTP doesn't use payload types 64-95, so that with its marker bit set
     * or not it never looks like an RTCP packet type. */
    return datagram.p[1] >= 192 && datagram.p[1] <= 223 ? DATAGRAM_RTCP : DATAGRAM_RTP;
}

/*
 *  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |V=2|P|X|  CC   |M|     PT      |       sequence number         |
 * |                           timestamp                           |
 * |           synchronization source (SSRC) identifier            |
 * |            contributing source (CSRC) identifiers …           |
 */
int rtp_parse(struct span packet, struct rtp_view *out)
{
    if (packet.n < RTP_HEADER_LEN || packet.p[0] >> 6 != RTP_VERSION)
        return RC_BAD;

    const bool padded = packet.p[0] & 0x20;
    const bool extended = packet.p[0] & 0x10;
    const size_t csrc_len = 4u * (packet.p[0] & 0x0f);

    if (packet.n - RTP_HEADER_LEN < csrc_len)
        return RC_BAD;

    struct rtp_view view = {
        .marker = packet.p[1] & 0x80,
        .payload_type = packet.p[1] & 0x7f,
        .csrc_count = packet.p[0] & 0x0f,
        .seq = load_be16(packet.p + 2),
        .timestamp = load_be32(packet.p + 4),
        .ssrc = load_be32(packet.p + 8),
    };
    struct span rest = {packet.p + RTP_HEADER_LEN + csrc_len,
                        packet.n - RTP_HEADER_LEN - csrc_len};

    if (extended) {
        if (rest.n < RTP_EXTENSION_HEADER_LEN)
            return RC_BAD;
        const size_t len = 4u * load_be16(rest.p + 2);
        if (rest.n - RTP_EXTENSION_HEADER_LEN < len)
            return RC_BAD;
        view.extension_profile = load_be16(rest.p);
        view.extension = (struct span){rest.p + RTP_EXTENSION_HEADER_LEN, len};
        rest = (struct span){rest.p + RTP_EXTENSION_HEADER_LEN + len,
                             rest.n - RTP_EXTENSION_HEADER_LEN - len};
    }

    if (padded) {
        /* The last byte counts the padding, itself included: zero is as wrong as too many. */
        view.padding = rest.n ? rest.p[rest.n - 1] : 0;
        if (view.padding == 0 || view.padding > rest.n)
            return RC_BAD;
        rest.n -= view.padding;
    }

    view.payload = rest;
    *out = view;
    return RC_OK;
}

size_t rtp_write_header(uint8_t out[static RTP_HEADER_LEN], const struct rtp_header *header)
{
    out[0] = (uint8_t)(RTP_VERSION << 6 | (header->extended ? 0x10 : 0));
    out[1] = (uint8_t)((header->marker ? 0x80 : 0) | (header->payload_type & 0x7f));
    store_be16(out + 2, header->seq);
    store_be32(out + 4, header->timestamp);
    store_be32(out + 8, header->ssrc);
    return RTP_HEADER_LEN;
}
