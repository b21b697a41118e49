/*
 * relay/dcep.h - codec of the Data Channel Establishment Protocol (RFC 8832 section 5).
 *
 * Sans-IO, no malloc, any thread.
 */
#ifndef RELAY_DCEP_H
#define RELAY_DCEP_H

#include "core/base.h"
#include "relay/sctp_message.h"

enum dcep_type { DCEP_ACK = 0x02, DCEP_OPEN = 0x03 };

#define DCEP_OPEN_LENGTH 12 /* without label and protocol */
#define DCEP_ACK_LENGTH 1
#define DCEP_NAME_MAX                                                                          \
    256 /* bytes of a label, and of a protocol: our limit, the field is 16 bit */
#define DCEP_MESSAGE_MAX (DCEP_OPEN_LENGTH + 2 * DCEP_NAME_MAX)

struct dcep_open {
    struct sctp_delivery delivery;
    uint16_t priority;           /* 128, 256, 512, 1024 are the four of the W3C */
    struct span label, protocol; /* UTF-8; of a parsed message: inside its bytes */
};

struct dcep_message {
    enum dcep_type type;
    struct dcep_open open; /* of a DCEP_OPEN */
};

/* RC_BAD: unknown type or channel type, lengths that do not add up, names that are not UTF-8;
 * RC_FULL: a name over DCEP_NAME_MAX. *out is written on success only. */
int dcep_parse(struct span bytes, struct dcep_message *out);

/* Bytes written; 0: `capacity` is too small, or a name is over DCEP_NAME_MAX. */
size_t dcep_write_open(uint8_t *buf, size_t capacity, const struct dcep_open *open);
size_t dcep_write_ack(uint8_t *buf, size_t capacity);

#endif
