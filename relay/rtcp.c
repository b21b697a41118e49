#include "relay/rtcp.h"

#include <string.h>

enum {
    VERSION = 2,
    TYPE_FIRST = 192, /* RFC 5761, section 4: the types that RTCP may use beside RTP */
    TYPE_LAST = 223,
    SDES_END = 0,
    SDES_CNAME = 1,
    FEEDBACK_LEN = 8, /* two SSRCs in front of the FCI */
    SR_LEN = 24,      /* SSRC and sender information */
    REMB_MANTISSA_BITS = 18,
};

static const uint8_t REMB_ID[4] = {'R', 'E', 'M', 'B'};

static struct span skip(struct span s, size_t n)
{
    return (struct span){s.p + n, s.n - n};
}

/* --- reading -------------------------------------------------------------------------------
 */

static enum rtcp_kind kind_of_rtpfb(uint8_t format)
{
    switch (format) {
    case RTCP_RTPFB_NACK:
        return RTCP_NACK;
    case RTCP_RTPFB_TRANSPORT:
        return RTCP_TRANSPORT_FEEDBACK;
    default:
        return RTCP_OTHER;
    }
}

static enum rtcp_kind kind_of_psfb(uint8_t format, struct span body)
{
    switch (format) {
    case RTCP_PSFB_PLI:
        return RTCP_PLI;
    case RTCP_PSFB_FIR:
        return RTCP_FIR;
    case RTCP_PSFB_APPLICATION:
        if (body.n >= FEEDBACK_LEN + sizeof REMB_ID &&
            memcmp(body.p + FEEDBACK_LEN, REMB_ID, sizeof REMB_ID) == 0)
            return RTCP_REMB;
        return RTCP_OTHER;
    default:
        return RTCP_OTHER;
    }
}

static enum rtcp_kind kind_of(const struct rtcp_packet *packet)
{
    switch (packet->type) {
    case RTCP_TYPE_SR:
        return RTCP_SR;
    case RTCP_TYPE_RR:
        return RTCP_RR;
    case RTCP_TYPE_SDES:
        return RTCP_SDES;
    case RTCP_TYPE_BYE:
        return RTCP_BYE;
    case RTCP_TYPE_RTPFB:
        return kind_of_rtpfb(packet->count);
    case RTCP_TYPE_PSFB:
        return kind_of_psfb(packet->count, packet->body);
    default:
        return RTCP_OTHER;
    }
}

/*
 *  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |V=2|P|  count  |  packet type  |   length in words, less one   |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
bool rtcp_next(struct span *rest, struct rtcp_packet *out)
{
    if (rest->n < RTCP_HEADER_LEN || rest->p[0] >> 6 != VERSION)
        return false;
    if (rest->p[1] < TYPE_FIRST || rest->p[1] > TYPE_LAST)
        return false;

    const size_t len = 4u * load_be16(rest->p + 2);
    if (rest->n - RTCP_HEADER_LEN < len)
        return false;

    struct rtcp_packet packet = {
        .type = rest->p[1],
        .count = rest->p[0] & 0x1f,
        .body = {rest->p + RTCP_HEADER_LEN, len},
    };
    if (rest->p[0] & 0x20) {
        /* RFC 3550, section 6.4.1: the last byte counts the padding, itself included. */
        const uint8_t padding = len ? packet.body.p[len - 1] : 0;
        if (padding == 0 || padding > len)
            return false;
        packet.body.n -= padding;
    }
    packet.kind = kind_of(&packet);

    *rest = skip(*rest, RTCP_HEADER_LEN + len);
    *out = packet;
    return true;
}

int rtcp_validate(struct span datagram)
{
    struct rtcp_packet packet;

    if (datagram.n == 0)
        return RC_BAD;
    while (rtcp_next(&datagram, &packet))
        continue;
    return datagram.n == 0 ? RC_OK : RC_BAD;
}

int rtcp_parse_sr(const struct rtcp_packet *packet, struct rtcp_sr *out)
{
    const struct span body = packet->body;
    const size_t blocks = (size_t)packet->count * RTCP_REPORT_BLOCK_LEN;

    /* What lies behind the blocks is a profile's extension: ours has none, ignore it. */
    if (body.n < SR_LEN || body.n - SR_LEN < blocks)
        return RC_BAD;
    *out = (struct rtcp_sr){
        .ssrc = load_be32(body.p),
        .ntp = load_be64(body.p + 4),
        .timestamp = load_be32(body.p + 12),
        .packets = load_be32(body.p + 16),
        .octets = load_be32(body.p + 20),
        .blocks = {body.p + SR_LEN, blocks},
    };
    return RC_OK;
}

int rtcp_parse_rr(const struct rtcp_packet *packet, struct rtcp_rr *out)
{
    const struct span body = packet->body;
    const size_t blocks = (size_t)packet->count * RTCP_REPORT_BLOCK_LEN;

    if (body.n < 4 || body.n - 4 < blocks)
        return RC_BAD;
    *out = (struct rtcp_rr){.ssrc = load_be32(body.p), .blocks = {body.p + 4, blocks}};
    return RC_OK;
}

bool rtcp_next_block(struct span *blocks, struct rtcp_report_block *out)
{
    if (blocks->n < RTCP_REPORT_BLOCK_LEN)
        return false;

    const uint8_t *p = blocks->p;
    const uint32_t lost = load_be24(p + 5);
    *out = (struct rtcp_report_block){
        .ssrc = load_be32(p),
        .fraction_lost = p[4],
        .cumulative_lost = lost & 0x800000u ? (int32_t)lost - 0x1000000 : (int32_t)lost,
        .highest_seq = load_be32(p + 8),
        .jitter = load_be32(p + 12),
        .lsr = load_be32(p + 16),
        .dlsr = load_be32(p + 20),
    };
    *blocks = skip(*blocks, RTCP_REPORT_BLOCK_LEN);
    return true;
}

/* Takes one item off `items`. False at the end of the list or where it is malformed. */
static bool next_sdes_item(struct span *items, uint8_t *type, struct span *text)
{
    if (items->n < 2 || items->p[0] == SDES_END)
        return false;

    const size_t len = items->p[1];
    if (items->n - 2 < len)
        return false;
    *type = items->p[0];
    *text = (struct span){items->p + 2, len};
    *items = skip(*items, 2 + len);
    return true;
}

bool rtcp_next_sdes(struct span *chunks, struct rtcp_sdes_chunk *out)
{
    if (chunks->n < 4)
        return false;

    struct rtcp_sdes_chunk chunk = {.ssrc = load_be32(chunks->p)};
    struct span items = skip(*chunks, 4), text;
    uint8_t type;

    while (next_sdes_item(&items, &type, &text)) {
        if (type == SDES_CNAME)
            chunk.cname = text;
    }

    /* RFC 3550, section 6.5: a null byte ends the list, more of them fill the word. */
    if (items.n == 0 || items.p[0] != SDES_END)
        return false;
    const size_t used = (size_t)(items.p - chunks->p) + 1;
    const size_t chunk_len = (used + 3) & ~(size_t)3;
    if (chunk_len > chunks->n)
        return false;

    *chunks = skip(*chunks, chunk_len);
    *out = chunk;
    return true;
}

int rtcp_parse_bye(const struct rtcp_packet *packet, struct rtcp_bye *out)
{
    const size_t sources = 4u * packet->count;

    if (packet->body.n < sources)
        return RC_BAD;

    struct rtcp_bye bye = {.sources = {packet->body.p, sources}};
    const struct span rest = skip(packet->body, sources);
    if (rest.n > 0) {
        if (rest.n - 1 < rest.p[0])
            return RC_BAD;
        bye.reason = (struct span){rest.p + 1, rest.p[0]};
    }
    *out = bye;
    return RC_OK;
}

bool rtcp_next_ssrc(struct span *sources, uint32_t *out)
{
    if (sources->n < 4)
        return false;
    *out = load_be32(sources->p);
    *sources = skip(*sources, 4);
    return true;
}

int rtcp_parse_feedback(const struct rtcp_packet *packet, struct rtcp_feedback *out)
{
    const struct span body = packet->body;

    if (body.n < FEEDBACK_LEN)
        return RC_BAD;
    *out = (struct rtcp_feedback){
        .sender_ssrc = load_be32(body.p),
        .media_ssrc = load_be32(body.p + 4),
        .fci = {body.p + FEEDBACK_LEN, body.n - FEEDBACK_LEN},
    };
    return RC_OK;
}

size_t rtcp_nack_seqs(struct span fci, uint16_t *out, size_t max)
{
    size_t count = 0;

    for (; fci.n >= 4; fci = skip(fci, 4)) {
        uint16_t seq = load_be16(fci.p);
        /* PID itself, then BLP: its bit i stands for PID + i + 1. */
        uint32_t lost = 1u | (uint32_t)load_be16(fci.p + 2) << 1;

        for (; lost; lost >>= 1, seq++) {
            if (!(lost & 1))
                continue;
            if (count == max)
                return count;
            out[count++] = seq;
        }
    }
    return count;
}

/* RFC 5104, section 4.3.1.1: SSRC, sequence number, 24 reserved bits. */
bool rtcp_next_fir(struct span *fci, struct rtcp_fir *out)
{
    if (fci->n < 8)
        return false;
    *out = (struct rtcp_fir){.ssrc = load_be32(fci->p), .seq = fci->p[4]};
    *fci = skip(*fci, 8);
    return true;
}

/*
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |  Unique identifier 'R' 'E' 'M' 'B'                            |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |  Num SSRC     | BR Exp    |  BR Mantissa                      |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |   SSRC feedback ...                                           |
 */
int rtcp_parse_remb(const struct rtcp_packet *packet, struct rtcp_remb *out)
{
    struct rtcp_feedback feedback;

    if (rtcp_parse_feedback(packet, &feedback) != RC_OK || feedback.fci.n < 8)
        return RC_BAD;

    const uint8_t *p = feedback.fci.p;
    const size_t sources = 4u * p[4];
    const unsigned exponent = p[5] >> 2;
    const uint64_t mantissa = load_be24(p + 5) & 0x3ffffu;
    if (feedback.fci.n - 8 < sources)
        return RC_BAD;

    const bool fits = mantissa <= UINT64_MAX >> exponent;
    *out = (struct rtcp_remb){
        .sender_ssrc = feedback.sender_ssrc,
        .bitrate = fits ? mantissa << exponent : UINT64_MAX,
        .sources = {p + 8, sources},
    };
    return RC_OK;
}

/* --- writing -------------------------------------------------------------------------------
 */

void rtcp_writer_init(struct rtcp_writer *writer, uint8_t *buf, size_t max)
{
    *writer = (struct rtcp_writer){.buf = buf, .max = max};
}

uint8_t *rtcp_write_packet(struct rtcp_writer *writer, uint8_t count, uint8_t type,
                           size_t body_len)
{
    if (body_len > 4u * UINT16_MAX || writer->max - writer->len < RTCP_HEADER_LEN + body_len)
        return NULL;

    uint8_t *p = writer->buf + writer->len;
    p[0] = (uint8_t)(VERSION << 6 | count);
    p[1] = type;
    store_be16(p + 2, (uint16_t)(body_len / 4));
    writer->len += RTCP_HEADER_LEN + body_len;
    return p + RTCP_HEADER_LEN;
}

/* Header, both SSRCs and room for the FCI. */
static uint8_t *write_feedback(struct rtcp_writer *writer, uint8_t type, uint8_t format,
                               uint32_t sender_ssrc, uint32_t media_ssrc, size_t fci_len)
{
    uint8_t *p = rtcp_write_packet(writer, format, type, FEEDBACK_LEN + fci_len);
    if (!p)
        return NULL;
    store_be32(p, sender_ssrc);
    store_be32(p + 4, media_ssrc);
    return p + FEEDBACK_LEN;
}

static void write_blocks(uint8_t *p, const struct rtcp_report_block *blocks, size_t count)
{
    for (size_t i = 0; i < count; i++, p += RTCP_REPORT_BLOCK_LEN) {
        store_be32(p, blocks[i].ssrc);
        p[4] = blocks[i].fraction_lost;
        store_be24(p + 5, (uint32_t)blocks[i].cumulative_lost & 0xffffffu);
        store_be32(p + 8, blocks[i].highest_seq);
        store_be32(p + 12, blocks[i].jitter);
        store_be32(p + 16, blocks[i].lsr);
        store_be32(p + 20, blocks[i].dlsr);
    }
}

int rtcp_write_sr(struct rtcp_writer *writer, const struct rtcp_sr *sr,
                  const struct rtcp_report_block *blocks, size_t count)
{
    if (count > RTCP_BLOCKS_MAX)
        return RC_BAD;

    uint8_t *p = rtcp_write_packet(writer, (uint8_t)count, RTCP_TYPE_SR,
                                   SR_LEN + count * RTCP_REPORT_BLOCK_LEN);
    if (!p)
        return RC_FULL;
    store_be32(p, sr->ssrc);
    store_be64(p + 4, sr->ntp);
    store_be32(p + 12, sr->timestamp);
    store_be32(p + 16, sr->packets);
    store_be32(p + 20, sr->octets);
    write_blocks(p + SR_LEN, blocks, count);
    return RC_OK;
}

int rtcp_write_rr(struct rtcp_writer *writer, uint32_t sender_ssrc,
                  const struct rtcp_report_block *blocks, size_t count)
{
    if (count > RTCP_BLOCKS_MAX)
        return RC_BAD;

    uint8_t *p = rtcp_write_packet(writer, (uint8_t)count, RTCP_TYPE_RR,
                                   4 + count * RTCP_REPORT_BLOCK_LEN);
    if (!p)
        return RC_FULL;
    store_be32(p, sender_ssrc);
    write_blocks(p + 4, blocks, count);
    return RC_OK;
}

int rtcp_write_cname(struct rtcp_writer *writer, uint32_t ssrc, struct span cname)
{
    if (cname.n > RTCP_CNAME_MAX)
        return RC_BAD;

    /* SSRC, item header, text, and at least one null byte that ends the list. */
    const size_t used = 4 + 2 + cname.n;
    const size_t len = (used + 1 + 3) & ~(size_t)3;
    uint8_t *p = rtcp_write_packet(writer, 1, RTCP_TYPE_SDES, len);
    if (!p)
        return RC_FULL;
    store_be32(p, ssrc);
    p[4] = SDES_CNAME;
    p[5] = (uint8_t)cname.n;
    if (cname.n)
        memcpy(p + 6, cname.p, cname.n);
    memset(p + used, 0, len - used);
    return RC_OK;
}

int rtcp_write_bye(struct rtcp_writer *writer, const uint32_t *sources, size_t count)
{
    if (count > RTCP_BLOCKS_MAX)
        return RC_BAD;

    uint8_t *p = rtcp_write_packet(writer, (uint8_t)count, RTCP_TYPE_BYE, 4 * count);
    if (!p)
        return RC_FULL;
    for (size_t i = 0; i < count; i++)
        store_be32(p + 4 * i, sources[i]);
    return RC_OK;
}

int rtcp_write_pli(struct rtcp_writer *writer, uint32_t sender_ssrc, uint32_t media_ssrc)
{
    return write_feedback(writer, RTCP_TYPE_PSFB, RTCP_PSFB_PLI, sender_ssrc, media_ssrc, 0)
               ? RC_OK
               : RC_FULL;
}

int rtcp_write_fir(struct rtcp_writer *writer, uint32_t sender_ssrc, const struct rtcp_fir *fir)
{
    /* RFC 5104, section 4.3.1.2: the media source of the header is not used and shall be 0. */
    uint8_t *p = write_feedback(writer, RTCP_TYPE_PSFB, RTCP_PSFB_FIR, sender_ssrc, 0, 8);
    if (!p)
        return RC_FULL;
    store_be32(p, fir->ssrc);
    p[4] = fir->seq;
    store_be24(p + 5, 0);
    return RC_OK;
}

int rtcp_write_remb(struct rtcp_writer *writer, uint32_t sender_ssrc, uint64_t bitrate,
                    const uint32_t *sources, size_t count)
{
    if (count > UINT8_MAX)
        return RC_BAD;

    uint8_t *p = write_feedback(writer, RTCP_TYPE_PSFB, RTCP_PSFB_APPLICATION, sender_ssrc, 0,
                                8 + 4 * count);
    if (!p)
        return RC_FULL;

    uint32_t exponent = 0;
    for (; bitrate >> REMB_MANTISSA_BITS; bitrate >>= 1)
        exponent++;
    memcpy(p, REMB_ID, sizeof REMB_ID);
    p[4] = (uint8_t)count;
    store_be24(p + 5, exponent << REMB_MANTISSA_BITS | (uint32_t)bitrate);
    for (size_t i = 0; i < count; i++)
        store_be32(p + 8 + 4 * i, sources[i]);
    return RC_OK;
}

/* How many of `seqs` one PID and BLP name: the first and those at most 16 behind it. */
static size_t nack_group(const uint16_t *seqs, size_t count, uint16_t *mask)
{
    size_t n = 1;

    *mask = 0;
    for (; n < count; n++) {
        const uint16_t ahead = (uint16_t)(seqs[n] - seqs[0]);
        if (ahead > 16)
            break;
        if (ahead > 0)
            *mask = (uint16_t)(*mask | 1u << (ahead - 1));
    }
    return n;
}

size_t rtcp_write_nack(struct rtcp_writer *writer, uint32_t sender_ssrc, uint32_t media_ssrc,
                       const uint16_t *seqs, size_t count)
{
    uint16_t mask;
    size_t told = 0, groups = 0;
    const size_t room = writer->max - writer->len;
    const size_t fixed = RTCP_HEADER_LEN + FEEDBACK_LEN;
    const size_t groups_max = room < fixed ? 0 : (room - fixed) / 4;

    while (told < count && groups < groups_max) {
        told += nack_group(seqs + told, count - told, &mask);
        groups++;
    }
    if (told == 0)
        return 0;

    uint8_t *p = write_feedback(writer, RTCP_TYPE_RTPFB, RTCP_RTPFB_NACK, sender_ssrc,
                                media_ssrc, 4 * groups);
    if (!p)
        return 0;
    for (size_t done = 0; done < told; p += 4) {
        const uint16_t first = seqs[done];

        done += nack_group(seqs + done, told - done, &mask);
        store_be16(p, first);
        store_be16(p + 2, mask);
    }
    return told;
}
