/*
 * relay/ice_tcp.h - the TCP port's share in ICE (RFC 6544, passive): a connection that begins
 * with a framed check goes to the worker whose session the check names, plain or in TLS.
 *
 * Glue: sockets. Control thread. Until a connection has named a live session by its USERNAME it
 * is the listener's, with the listener's deadline and limits; then it is counted here by its
 * address, and nothing of it stays on this thread. Media of a connection never crosses threads:
 * the descriptor is given away, and inside TLS the SSL with it.
 */
#ifndef RELAY_ICE_TCP_H
#define RELAY_ICE_TCP_H

#include "core/listener.h"

struct ice_tcp;
struct worker;

struct ice_tcp_options {
    uint32_t max_per_ip; /* connections of one address; 0: no limit */
    /* The worker that has the session with this ufrag of ours; NULL: there is none. */
    struct worker *(*find)(void *arg, const char *ufrag);
    void *arg;
};

/* RC_NOMEM. */
int ice_tcp_create(struct ice_tcp **out, const struct ice_tcp_options *options);
/* Once the workers have stopped, and before the listeners are closed. NULL is fine. */
void ice_tcp_free(struct ice_tcp *tcp);
void ice_tcp_set_limit(struct ice_tcp *tcp, uint32_t max_per_ip);

/* For the listeners; borrows `tcp`. */
struct listener_protocol ice_tcp_protocol(struct ice_tcp *tcp);
/* Connections that were given to workers and are not closed yet. */
uint32_t ice_tcp_connections(const struct ice_tcp *tcp);
/* A worker has closed the connection of this ticket. */
void ice_tcp_closed(struct ice_tcp *tcp, void *ticket);

#endif
