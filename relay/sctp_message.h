/*
 * relay/sctp_message.h - one message of a data channel as SCTP carries it (RFC 8831
 * section 6.6), and how it is to be delivered (RFC 8832 section 5.1).
 *
 * Plain values, no code.
 */
#ifndef RELAY_SCTP_MESSAGE_H
#define RELAY_SCTP_MESSAGE_H

#include "core/base.h"

/* RFC 8831 section 8. An empty message is one byte that does not count; the partial forms are
 * deprecated and passed on as they are. */
enum sctp_ppid {
    SCTP_PPID_DCEP = 50,
    SCTP_PPID_STRING = 51,
    SCTP_PPID_BINARY_PARTIAL = 52,
    SCTP_PPID_BINARY = 53,
    SCTP_PPID_STRING_PARTIAL = 54,
    SCTP_PPID_STRING_EMPTY = 56,
    SCTP_PPID_BINARY_EMPTY = 57,
};

enum sctp_reliability {
    SCTP_DELIVER_ALL,         /* until it arrives */
    SCTP_DELIVER_RETRANSMITS, /* at most `limit` retransmissions */
    SCTP_DELIVER_LIFETIME,    /* for `limit` milliseconds */
};

struct sctp_delivery {
    bool unordered;
    enum sctp_reliability reliability;
    uint32_t limit; /* 0 when everything is to arrive */
};

/* Whole: never a part of one. */
struct sctp_message {
    uint16_t stream;
    uint32_t ppid;
    struct sctp_delivery delivery; /* of one that came in: `unordered` alone is known */
    struct span data;              /* borrowed; at least one byte */
};

#endif
