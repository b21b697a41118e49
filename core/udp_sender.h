/*
 * core/udp_sender.h - the way out of a UDP port: gathers packets into messages, hands them to
 * the kernel, and keeps what a full socket does not take. The inside of core/udp_port.h.
 *
 * Glue: a socket, libevent and the loop's clock. Embedded in its port; belongs to its thread.
 */
#ifndef CORE_UDP_SENDER_H
#define CORE_UDP_SENDER_H

#include "core/udp_port.h"

#include <sys/socket.h>

enum {
    CONTROL_OUT = 64,   /* pktinfo 40, UDP_SEGMENT 24 */
    SEND_MESSAGES = 64, /* of one sendmmsg call */
    SEND_PIECES = 1024, /* of one sendmmsg call, all segments together */
    PACKET_PIECES = 3,  /* of one packet: head, data, tail */
    SEND_HEADS = 16384, /* bytes of heads that are copied for one sendmmsg call */
};

/* One message that is being gathered: `count` packets in the `pieces` iovecs from piece[first]
 * on, all of segment_len bytes but for the last. Where a packet ends follows from its length.
 */
struct send_slot {
    struct address to; /* in the form that the socket wants */
    struct address local;
    uint32_t first, pieces, count;
    size_t segment_len, bytes;
    bool closed; /* the last packet was shorter: nothing may follow it */
    _Alignas(8) uint8_t control[CONTROL_OUT];
};

struct queued_packet;

struct udp_sender {
    struct loop *loop;            /* borrowed */
    struct udp_port_stats *stats; /* borrowed */
    udp_sendmmsg_fn *sendmmsg;
    struct event *writable; /* owned, added only while something is queued */
    int fd;                 /* borrowed from the port */
    sa_family_t family;
    bool wildcard, gso;

    size_t message_count, piece_count, head_bytes;
    struct mmsghdr out[SEND_MESSAGES];
    struct send_slot out_slots[SEND_MESSAGES];
    struct iovec piece[SEND_PIECES];
    uint8_t heads[SEND_HEADS];

    struct queued_packet *queue; /* owned: mmap, a ring of UDP_PORT_QUEUE */
    uint32_t queue_head, queue_count;
};

/* `at` is what fd is bound to. RC_NOMEM: close it all the same. */
int udp_sender_open(struct udp_sender *sender, struct loop *loop, int fd,
                    const struct address *at, const struct udp_port_options *options,
                    struct udp_port_stats *stats);
/* Takes a zeroed one. */
void udp_sender_close(struct udp_sender *sender);

/* As udp_port_send, udp_port_send_parts and udp_port_flush. */
void udp_sender_send(struct udp_sender *sender, const struct address *to,
                     const struct address *local, const uint8_t *data, size_t len);
void udp_sender_send_parts(struct udp_sender *sender, const struct address *to,
                           const struct address *local, const struct udp_parts *parts);
void udp_sender_flush(struct udp_sender *sender);

/* Zero pages that cost nothing until they are touched; NULL without memory. */
void *udp_map_pages(size_t size);

#endif
