/*
 * turn/turn_counters.h - what a thread of the STUN/TURN server counts, under coturn's metric
 * names, so that its dashboards go on working; but live, not at the end of a session.
 *
 * One writer thread; the registry reads. "rcv" and "sent" are this server's view, of clients;
 * those with "peer" of peers.
 */
#ifndef TURN_TURN_COUNTERS_H
#define TURN_TURN_COUNTERS_H

#include "core/metrics.h"

enum turn_transport { TURN_UDP, TURN_TCP, TURN_TLS, TURN_DTLS };
enum { TURN_TRANSPORTS = 4 };

/* X(field and metric, help) */
#define TURN_COUNTERS(X)                                                                       \
    X(turn_total_traffic_rcvp, "Messages received from TURN clients")                          \
    X(turn_total_traffic_rcvb, "Bytes received from TURN clients")                             \
    X(turn_total_traffic_sentp, "Messages sent to TURN clients")                               \
    X(turn_total_traffic_sentb, "Bytes sent to TURN clients")                                  \
    X(turn_total_traffic_peer_rcvp, "Datagrams received from peers")                           \
    X(turn_total_traffic_peer_rcvb, "Bytes received from peers")                               \
    X(turn_total_traffic_peer_sentp, "Datagrams sent to peers")                                \
    X(turn_total_traffic_peer_sentb, "Bytes sent to peers")                                    \
    X(turn_total_sessions, "Allocations made since the start")                                 \
    X(turn_packet_processed, "Messages and datagrams that were handled")                       \
    X(turn_packet_dropped, "Messages and datagrams that were dropped")                         \
    X(turn_unauthenticated_401_requests, "Requests that did not authenticate")                 \
    X(turn_unauthenticated_401_responses, "Answers to such requests")                          \
    X(turn_unauthenticated_401_dropped_responses,                                              \
      "Answers to such requests that the limit kept")                                          \
    X(stun_binding_request, "Binding requests")                                                \
    X(stun_binding_response, "Binding success responses")                                      \
    X(stun_binding_error, "Binding error responses")                                           \
    X(turn_spliced_packets, "Datagrams of clients handed to this server's media in process")   \
    X(turn_rate_limited_packets, "Datagrams dropped because an allocation is over its rate")   \
    X(turn_no_permission_packets, "Datagrams dropped for want of a permission or a channel")   \
    X(turn_moved_allocations, "Allocations that moved to another client address")

struct turn_counters {
#define X(name, help) struct counter name;
    TURN_COUNTERS(X)
#undef X
    struct counter turn_total_allocations[TURN_TRANSPORTS]; /* gauge, by transport */
    char realm_label[160]; /* of turn_traffic_*: turn_counters_register */
};

/* Registers them all; turn_traffic_* with `realm` as their label are the same numbers.
 * RC_NOMEM. */
int turn_counters_register(struct turn_counters *counters, const char *realm);

#endif
