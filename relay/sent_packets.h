/*
 * relay/sent_packets.h - what we sent to one peer, by transport-wide sequence number, until it
 * is known what became of it.
 *
 * Sans-IO, no malloc: a ring, 4 kB per peer. Owned by the peer's worker.
 */
#ifndef RELAY_SENT_PACKETS_H
#define RELAY_SENT_PACKETS_H

#include "core/base.h"
#include "relay/transport_feedback.h"

/* A second of 500 packets/s. Older packets are forgotten: feedback about them is ignored. */
#define SENT_PACKETS_MAX 512

enum sent_state { SENT_NONE = 0, SENT_IN_FLIGHT, SENT_LOST };

/* What is told of a packet. */
struct sent_packet {
    usec_t sent;
    uint16_t seq;
    uint16_t bytes;
    uint8_t state; /* enum sent_state before this news */
};

/* What is kept of it. */
struct sent_slot {
    uint32_t sent; /* low bits: no packet here is an hour older than `newest` */
    uint16_t seq;
    uint16_t bytes : 14;
    uint16_t state : 2;
};

struct sent_packets {
    uint16_t next;
    usec_t newest;           /* when the last packet was sent */
    uint32_t in_flight;      /* bytes of which nothing is known yet */
    usec_t unanswered_since; /* first packet after the last news; USEC_NEVER: none */
    struct sent_slot slot[SENT_PACKETS_MAX];
};

void sent_packets_init(struct sent_packets *sent);
/* A hint that packets will be added. */
void sent_packets_prefetch(const struct sent_packets *sent);
/* Remembers a packet of `bytes` (UDP payload) and returns the number to stamp on it. */
uint16_t sent_packets_add(struct sent_packets *sent, size_t bytes, usec_t now);
/* Is there news in `result`? True when the packet is one of ours and was in flight, or was
 * called lost and has arrived after all; *out is the packet, in the state that it had. Each
 * packet is news at most twice. */
bool sent_packets_report(struct sent_packets *sent, const struct packet_result *result,
                         struct sent_packet *out);

#endif
