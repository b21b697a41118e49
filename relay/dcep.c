#include "relay/dcep.h"

#include "core/utf8.h"

#include <string.h>

/*
 * RFC 8832 section 5.1:
 *
 *  |  Message Type |  Channel Type |            Priority           |
 *  |                    Reliability Parameter                      |
 *  |         Label Length          |       Protocol Length         |
 *  |  Label ...                        Protocol ...                |
 */
enum {
    CHANNEL_RELIABLE = 0x00,
    CHANNEL_REXMIT = 0x01,
    CHANNEL_TIMED = 0x02,
    CHANNEL_UNORDERED = 0x80,
};

static int parse_channel_type(uint8_t type, uint32_t parameter, struct sctp_delivery *out)
{
    out->unordered = type & CHANNEL_UNORDERED;
    out->limit = parameter;
    switch (type & ~CHANNEL_UNORDERED) {
    case CHANNEL_RELIABLE:
        out->reliability = SCTP_DELIVER_ALL;
        out->limit = 0; /* "MUST be ignored by the receiver" */
        return RC_OK;
    case CHANNEL_REXMIT:
        out->reliability = SCTP_DELIVER_RETRANSMITS;
        return RC_OK;
    case CHANNEL_TIMED:
        out->reliability = SCTP_DELIVER_LIFETIME;
        return RC_OK;
    default:
        return RC_BAD;
    }
}

static uint8_t channel_type(const struct sctp_delivery *delivery)
{
    static const uint8_t types[] = {
        [SCTP_DELIVER_ALL] = CHANNEL_RELIABLE,
        [SCTP_DELIVER_RETRANSMITS] = CHANNEL_REXMIT,
        [SCTP_DELIVER_LIFETIME] = CHANNEL_TIMED,
    };
    const uint8_t type = types[delivery->reliability];

    return delivery->unordered ? (uint8_t)(type | CHANNEL_UNORDERED) : type;
}

static int parse_open(struct span bytes, struct dcep_open *out)
{
    if (bytes.n < DCEP_OPEN_LENGTH)
        return RC_BAD;

    const size_t label_len = load_be16(bytes.p + 8), protocol_len = load_be16(bytes.p + 10);
    if (bytes.n - DCEP_OPEN_LENGTH != label_len + protocol_len)
        return RC_BAD;

    struct dcep_open open = {
        .priority = load_be16(bytes.p + 2),
        .label = {bytes.p + DCEP_OPEN_LENGTH, label_len},
        .protocol = {bytes.p + DCEP_OPEN_LENGTH + label_len, protocol_len},
    };
    if (parse_channel_type(bytes.p[1], load_be32(bytes.p + 4), &open.delivery) != RC_OK)
        return RC_BAD;
    if (label_len > DCEP_NAME_MAX || protocol_len > DCEP_NAME_MAX)
        return RC_FULL;
    if (!utf8_valid(open.label) || !utf8_valid(open.protocol))
        return RC_BAD;
    *out = open;
    return RC_OK;
}

int dcep_parse(struct span bytes, struct dcep_message *out)
{
    struct dcep_message message = {.type = DCEP_ACK};

    if (bytes.n == 0)
        return RC_BAD;
    switch (bytes.p[0]) {
    case DCEP_ACK:
        if (bytes.n != DCEP_ACK_LENGTH)
            return RC_BAD;
        break;
    case DCEP_OPEN: {
        message.type = DCEP_OPEN;
        const int rc = parse_open(bytes, &message.open);
        if (rc != RC_OK)
            return rc;
        break;
    }
    default:
        return RC_BAD;
    }
    *out = message;
    return RC_OK;
}

size_t dcep_write_open(uint8_t *buf, size_t capacity, const struct dcep_open *open)
{
    const struct span label = open->label, protocol = open->protocol;
    const struct sctp_delivery *delivery = &open->delivery;

    if (label.n > DCEP_NAME_MAX || protocol.n > DCEP_NAME_MAX)
        return 0;
    const size_t length = DCEP_OPEN_LENGTH + label.n + protocol.n;
    if (length > capacity)
        return 0;

    buf[0] = DCEP_OPEN;
    buf[1] = channel_type(delivery);
    store_be16(buf + 2, open->priority);
    store_be32(buf + 4, delivery->reliability == SCTP_DELIVER_ALL ? 0 : delivery->limit);
    store_be16(buf + 8, (uint16_t)label.n);
    store_be16(buf + 10, (uint16_t)protocol.n);
    if (label.n)
        memcpy(buf + DCEP_OPEN_LENGTH, label.p, label.n);
    if (protocol.n)
        memcpy(buf + DCEP_OPEN_LENGTH + label.n, protocol.p, protocol.n);
    return length;
}

size_t dcep_write_ack(uint8_t *buf, size_t capacity)
{
    if (capacity < DCEP_ACK_LENGTH)
        return 0;
    buf[0] = DCEP_ACK;
    return DCEP_ACK_LENGTH;
}
