/*
 * bench/turn_traffic_lib.h - RTP-like packets through the allocations of a crowd: clients send
 * ChannelData, peers send plain datagrams, and either counts what reaches it.
 *
 * Real time, one thread, which never sleeps while its next packet is due within 200 us: it is
 * meant to have a core. Packets leave evenly spaced, one client after the other.
 */
#ifndef BENCH_TURN_TRAFFIC_LIB_H
#define BENCH_TURN_TRAFFIC_LIB_H

#include "bench/turn_crowd_lib.h"

#define TURN_RTT_MAX 100000 /* microseconds; longer ones count as that */
#define TURN_PACKET_MAX 1400
#define TURN_BURST_MAX 10

enum turn_direction { TURN_UP = 1, TURN_DOWN = 2, TURN_BOTH = 3 };

struct turn_traffic_options {
    uint16_t size; /* bytes of a packet without ChannelData's header, 64 to TURN_PACKET_MAX */
    unsigned
        burst;     /* packets that leave with one system call (UDP GSO), up to TURN_BURST_MAX */
    unsigned rate; /* packets per second, all clients and directions together */
    enum turn_direction direction;
    /* Peers answer each packet at once; send and receive times are kept. Only with TURN_UP. */
    bool echo;
};

/* Since turn_traffic_reset. */
struct turn_counts {
    uint64_t sent, received;        /* packets */
    uint64_t late;                  /* not sent, since this program did not keep up */
    uint32_t rtt[TURN_RTT_MAX + 1]; /* echo: histogram, microseconds */
    uint64_t rtts;
};

struct turn_traffic {
    struct turn_crowd *crowd; /* borrowed */
    struct turn_traffic_options options;
    uint64_t turn;  /* bursts sent so far */
    uint32_t round; /* resets so far: what arrives later than the next one does not count */
    struct turn_counts counts;
};

/* Every member of `crowd` has an allocation, a channel and a peer socket. Turns UDP GRO on in
 * the sockets, and timestamps if asked for. */
void turn_traffic_init(struct turn_traffic *traffic, struct turn_crowd *crowd,
                       const struct turn_traffic_options *options);
void turn_traffic_reset(struct turn_traffic *traffic);
/* Sends for that long, and then waits until all has come, 50 ms at most. */
void turn_traffic_run(struct turn_traffic *traffic, usec_t duration);

/* Of the round trips; microseconds. */
unsigned turn_counts_percentile(const struct turn_counts *counts, double share);

#endif
