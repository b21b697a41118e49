/*
 * relay/data_channel.h - one data channel of one client (RFC 8831, RFC 8832): what it is and
 * how far it is, without the ways of its messages (relay/data_link.h).
 *
 * Sans-IO. A visible value inside relay/data_link.c's table; one thread.
 */
#ifndef RELAY_DATA_CHANNEL_H
#define RELAY_DATA_CHANNEL_H

#include "core/base.h"
#include "relay/dcep.h"

enum data_channel_origin {
    DATA_CHANNEL_NONE,   /* the place is free */
    DATA_CHANNEL_OWN,    /* the client opened it */
    DATA_CHANNEL_MIRROR, /* we did, for a channel of the partner */
    DATA_CHANNEL_AGREED, /* nobody did: the two pages know of it */
};

enum data_channel_state {
    DATA_CHANNEL_OPENING, /* a mirror that is not acknowledged yet */
    DATA_CHANNEL_OPEN,
    DATA_CHANNEL_CLOSING, /* our half is being reset */
};

/* What is still to be sent once there is room; in this order. */
enum data_channel_debt {
    DATA_CHANNEL_OWES_ACK = 1,
    DATA_CHANNEL_OWES_OPEN = 2,
    DATA_CHANNEL_OWES_RESET = 4,
};

struct data_channel {
    enum data_channel_origin origin;
    enum data_channel_state state;
    unsigned debts; /* mask of enum data_channel_debt */
    uint16_t stream;
    uint16_t priority;
    struct sctp_delivery delivery;
    bool theirs_reset, ours_reset;
    bool left; /* its pair was closed from the other side: not for this partner again */
    uint16_t label_len, protocol_len;
    uint8_t *names;            /* owned: label, then protocol; NULL when both are empty */
    struct data_channel *twin; /* borrowed: where its messages go, at the partner; or NULL */
};

/* In a free place. */
void data_channel_init(struct data_channel *channel, enum data_channel_origin origin,
                       uint16_t stream);
/* The place is free again. */
void data_channel_clear(struct data_channel *channel);

/* Copies names, delivery and priority. RC_NOMEM. */
int data_channel_describe(struct data_channel *channel, const struct dcep_open *open);
/* The OPEN that describes it; its names are borrowed from the channel. */
struct dcep_open data_channel_open(const struct data_channel *channel);
/* Same label and same protocol? */
bool data_channel_same_name(const struct data_channel *a, const struct data_channel *b);
/* A client's own, open, and looking for a twin. */
bool data_channel_is_single(const struct data_channel *channel);

/* Does the PPID exist, and does the data fit it (UTF-8, one byte for the empty ones)? */
bool data_channel_carries(const struct sctp_message *message);

#endif
