/*
 * turn/turn_tcp_relay.h - connections between a TCP allocation and its peers (RFC 6062).
 *
 *      Connect ──► CONNECTING ──► WAITING ──► BOUND        peer_connect, then ConnectionBind
 *      a peer connects ─────────► WAITING ──► BOUND        ConnectionAttempt, then
 * ConnectionBind
 *
 * The first two end after 30 s. Sans-IO: bytes are the glue's. A connection is owned by its
 * allocation; one thread.
 */
#ifndef TURN_TURN_TCP_RELAY_H
#define TURN_TURN_TCP_RELAY_H

#include "turn/chain_table.h"
#include "turn/turn_server.h"

#define TCP_RELAY_TIMEOUT SEC(30) /* sections 5.2 and 5.3: at least 30 seconds */
#define TCP_RELAY_CONNECTIONS_MAX                                                              \
    64 /* of one allocation, each one or two sockets; beyond: 508 */

struct turn_request;

/* Of a server; zeroes: none. */
struct tcp_relays {
    struct chain_table by_id;
};

void tcp_relay_connect(struct turn_request *request);         /* section 5.2 */
void tcp_relay_connection_bind(struct turn_request *request); /* section 5.4 */
/* Whose a ConnectionBind with this CONNECTION-ID is about; NULL: unknown. */
struct turn_allocation *tcp_relay_allocation(const struct turn_server *server, uint32_t id);
/* Closes all that the allocation has. */
void tcp_relay_end_all(struct turn_allocation *allocation);

#endif
