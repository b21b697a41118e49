/*
 * relay/sent_history.h - which incoming packet left under which outgoing sequence number: turns
 * a receiver's NACK (RFC 4585, section 6.2.1) into a packet of the ring, and answers each at
 * most once per round trip.
 *
 * Sans-IO. Embedded in the outgoing track; free it with the track. One worker. 16 bytes per
 * sent packet; no memory until the first, then it doubles until it reaches back `keep` or its
 * limit. All O(1).
 */
#ifndef RELAY_SENT_HISTORY_H
#define RELAY_SENT_HISTORY_H

#include "core/base.h"

#define SENT_HISTORY_MAX 1024       /* entries, 16 kB */
#define SENT_HISTORY_KEEP SEC(1)    /* no receiver waits longer for a lost packet */
#define SENT_HISTORY_RETRANSMITS 10 /* of one packet, as browsers ask at most 10 times */
/* Two answers to one packet are at least this far apart, whatever RTT was measured. */
#define SENT_HISTORY_SPACING_MIN MSEC(5)

struct sent_history_entry {
    uint16_t seq;    /* outgoing */
    uint16_t in_seq; /* incoming, of the source that was current */
    uint8_t epoch;   /* rewriter.epoch when it was sent: in_seq means nothing in another */
    uint8_t retransmits;
    uint16_t transport_sequence; /* of the first sending */
    uint32_t abs_send_time;      /* likewise. A receiver without RTX must be sent the very same
                                    bytes again, or AES-GCM's nonce would protect two texts */
    uint32_t sent_ms;            /* last sending; set by this module, 0: empty entry */
};

struct sent_history {
    struct sent_history_entry *entry; /* owned; by seq & (size - 1) */
    uint32_t size;                    /* a power of two; 0 before the first packet */
    uint32_t size_max;
    usec_t last_added;
};

/* `size_max` is a power of two, at most SENT_HISTORY_MAX. No memory is taken. */
void sent_history_init(struct sent_history *history, uint32_t size_max);
void sent_history_free(struct sent_history *history); /* harmless twice */

/* Notes a packet that was sent now for the first time. RC_NOMEM: no memory at all; RC_BAD: so
 * old that a newer one holds its place. Then a NACK for it is not answered, nothing else. */
int sent_history_add(struct sent_history *history, const struct sent_history_entry *packet,
                     usec_t now);

/* A hint that packets from `seq` on will be added. */
void sent_history_prefetch(const struct sent_history *history, uint16_t seq);

/* May the packet `seq` be sent again? RC_OK: yes, it counts as sent now, *out tells which it
 * was. RC_BAD: unknown or too old. RC_AGAIN: repeated less than three quarters of `rtt` ago
 * (the receiver asks again after its own measurement of it, which jitters); the first
 * repetition is always in time, as its NACK has made the round trip. RC_FULL: repeated too
 * often. */
int sent_history_resend(struct sent_history *history, uint16_t seq, usec_t rtt, usec_t now,
                        struct sent_history_entry *out);

/* What was sent as `seq`, without counting it as sent again. False: unknown or too old. */
bool sent_history_find(const struct sent_history *history, uint16_t seq, usec_t now,
                       struct sent_history_entry *out);

/* About once a second: gives all memory back when nothing was sent for twice SENT_HISTORY_KEEP.
 */
void sent_history_tick(struct sent_history *history, usec_t now);
size_t sent_history_memory(const struct sent_history *history);

#endif
