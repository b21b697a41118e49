/*
 * relay/local_candidates.h - what this server offers as ICE candidates: the UDP port of a
 * worker and the TCP ports of the process, at each address that clients can reach.
 *
 * Glue: may read the machine's addresses. Plain value; control thread.
 */
#ifndef RELAY_LOCAL_CANDIDATES_H
#define RELAY_LOCAL_CANDIDATES_H

#include "relay/candidate.h"
#include "relay/relay.h"

/* Each is a connection that a client opens at once: no more of them over TCP, whatever the
 * number of addresses and ports. The first port is offered at every address before the second.
 */
#define LOCAL_CANDIDATES_TCP_MAX 8
#define LOCAL_CANDIDATES_MAX (RELAY_ADDRESSES_MAX + LOCAL_CANDIDATES_TCP_MAX)

struct local_candidates {
    const struct relay_options *options; /* borrowed */
    uint16_t tcp[RELAY_TCP_PORTS_MAX];
    size_t tcp_count;
    struct address found[RELAY_ADDRESSES_MAX]; /* this machine's, where none are configured */
    size_t found_count;
    usec_t found_at; /* 0: never */
};

void local_candidates_init(struct local_candidates *local, const struct relay_options *options);
/* More than RELAY_TCP_PORTS_MAX are left out. */
void local_candidates_set_tcp(struct local_candidates *local, const uint16_t *ports,
                              size_t count);

/* In order of preference: how many there are. */
size_t local_candidates_make(struct local_candidates *local, uint16_t udp_port, usec_t now,
                             struct candidate out[static LOCAL_CANDIDATES_MAX]);

#endif
