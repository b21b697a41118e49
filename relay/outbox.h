/*
 * relay/outbox.h - what leaves a worker: packets are gathered, protected in one batch, grouped by
 * destination (so that equal-sized neighbours become one UDP GSO message) and handed over.
 *
 * Sans-IO: where they go is a pair of functions. One worker. No malloc after creation. A packet is
 * built in place: reserve, write, commit.
 */
#ifndef RELAY_OUTBOX_H
#define RELAY_OUTBOX_H

#include "core/address.h"
#include "core/base.h"
#include "core/metrics.h"
#include "relay/srtp.h"

#define OUTBOX_SLOTS 256 /* packets of one batch; a full one is flushed at once */
#define OUTBOX_PACKET_MAX 2048
#define OUTBOX_NONE UINT16_MAX

/* Where a peer's packets go. Embedded in the peer. */
struct outbox_route {
    struct srtp_context *srtp; /* borrowed; NULL: no RTP can be sent yet */
    struct address remote;     /* AF_UNSPEC: nowhere yet, packets are dropped */
    struct address local;
    uint64_t batch; /* private: which batch `last` belongs to */
    uint16_t last;
};

enum outbox_kind { OUTBOX_RTP, OUTBOX_RTCP, OUTBOX_RAW };

/* The world outside. Data is borrowed until flush returns. */
struct outbox_sink {
    void *arg;
    void (*send)(void *arg, const struct address *to, const struct address *local,
                 const uint8_t *data, size_t len);
    void (*flush)(void *arg);
};

struct outbox;

int outbox_create(struct outbox **out, struct srtp_engine *engine,
                  const struct outbox_sink *sink);
void outbox_free(struct outbox *outbox);

/* OUTBOX_PACKET_MAX + SRTP_OVERHEAD_MAX writable bytes, valid until commit or the next reserve. */
uint8_t *outbox_reserve(struct outbox *outbox);
/* Sends what was written there. The route must live until the next flush. */
void outbox_commit(struct outbox *outbox, struct outbox_route *route, enum outbox_kind kind,
                   size_t len);
/* An unprotected datagram to an address that may be nobody's route. Copied. */
void outbox_send_raw(struct outbox *outbox, const struct address *to,
                     const struct address *local, struct span data);
/* Protects and hands over everything. */
void outbox_flush(struct outbox *outbox);

#endif
