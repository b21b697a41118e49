/*
 * relay/data_link.h - data channels of two linked clients, paired one with another (RFC 8831,
 * RFC 8832).
 *
 * Sans-IO: messages and stream resets of an association in; messages and resets out. An end is
 * one client's set of channels and lives as long as its association; a link joins two ends for
 * as long as the two people are matched. Owned by relay/data_hub.h; one thread.
 *
 * - A channel that a client opens (DCEP) is acknowledged at once and is that client's own: it
 *   stays open from partner to partner. For each partner it is paired with an own channel of
 * the partner of the same label and protocol, or else opened towards the partner as a mirror,
 * with the same label, protocol, delivery and priority.
 * - Of a pair with a mirror in it, closing one closes the other. Two own channels close alone.
 *   When the link ends, the mirrors are closed.
 * - When OPENs cross (the partner opens the same label and protocol before it has acknowledged
 *   the mirror), the two own channels are paired and the mirror is closed.
 * - A message on a stream that no OPEN announced belongs to a channel that the two pages agreed
 *   on themselves: it goes out on the same stream id if that is free there, reliably, ordered
 * as it came. Nobody is told when the link ends. Mirrors take ids from the top, to stay clear.
 * - Messages keep their type (PPID). Without a partner, or with one who has no data channel,
 * they are dropped and counted. While a partner's association is still on its way, or the
 * partner is slow, the sender waits.
 */
#ifndef RELAY_DATA_LINK_H
#define RELAY_DATA_LINK_H

#include "core/base.h"
#include "core/metrics.h"
#include "relay/sctp_message.h"

#define DATA_CHANNELS_MAX 16 /* per end, mirrors included; more are refused (CHANNEL_LIMIT) */

struct data_end; /* opaque; 1.3 kB, and the names of its channels */

/* What one thread's links have counted. */
struct data_link_stats {
    struct counter channels;        /* gauge */
    struct counter opened;          /* by clients */
    struct counter messages, bytes; /* that were passed on */
    struct counter unlinked;        /* messages dropped: no partner, or no channel there */
};

struct data_end_output {
    void *arg;
    /* RC_OK; RC_AGAIN: the client is slow, data_end_flush is called when it may be less so;
     * RC_FULL: too large for this client; RC_BAD: cannot be sent. The data is borrowed. */
    int (*send)(void *arg, const struct sctp_message *message);
    /* RC_OK, RC_AGAIN as above, RC_BAD. data_end_reset_done follows. */
    int (*reset)(void *arg, uint16_t stream);
    /* A message of this end that was answered RC_AGAIN may be tried again. */
    void (*wake)(void *arg);
};

/* `dtls_client`: our role, by which stream ids are shared out (RFC 8832 section 6). RC_NOMEM.
 */
int data_end_create(struct data_end **out, const struct data_end_output *output,
                    struct data_link_stats *stats, bool dtls_client);
/* Parts it first. NULL is fine. */
void data_end_free(struct data_end *end);

/* The association is up, with `streams` of them (SCTP_STREAMS at most); all channels of an
 * earlier one are gone. */
void data_end_up(struct data_end *end, unsigned streams);
/* It is gone for good: mirrors at the partner are closed. */
void data_end_down(struct data_end *end);

/* A message came. False: it must wait, give it again after `wake`. */
bool data_end_message(struct data_end *end, const struct sctp_message *message);
/* A message came that is over our limit: its channel is closed. */
void data_end_too_large(struct data_end *end, uint16_t stream);
/* The client has reset its half of a stream. */
void data_end_reset(struct data_end *end, uint16_t stream);
/* Our half is reset. */
void data_end_reset_done(struct data_end *end, uint16_t stream);
/* There may be room again towards this client: sends what has waited, wakes the partner. */
void data_end_flush(struct data_end *end);

/* Parts each from whom it was joined with. */
void data_link_join(struct data_end *a, struct data_end *b);
void data_link_part(struct data_end *end);
/* NULL: nobody. */
struct data_end *data_link_partner(const struct data_end *end);

unsigned data_end_channel_count(const struct data_end *end);

#endif
