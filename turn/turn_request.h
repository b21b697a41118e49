/*
 * turn/turn_request.h - what TURN requests ask for, read out of their attributes, and every
 * reason to refuse them that lies in the message alone (RFC 8656 sections 7.2, 8.2, 10.2, 12.2;
 * RFC 6062 section 5).
 *
 * Pure functions: 0 with *out written, or the error code of the refusal. Any thread. What
 * depends on the state of the server (437, 441, 486, 508 …) is decided where that state is.
 */
#ifndef TURN_TURN_REQUEST_H
#define TURN_TURN_REQUEST_H

#include "turn/stun_message.h"
#include "turn/turn_server.h"

/* Transports of REQUESTED-TRANSPORT are protocol numbers. */
enum { TURN_PROTOCOL_TCP = 6, TURN_PROTOCOL_UDP = 17 };

struct turn_allocate {
    bool tcp;
    sa_family_t family; /* of the (first) relayed address */
    bool dual;          /* an IPv6 one, too, behind the IPv4 one */
    enum turn_port_wish port;
    uint64_t reservation; /* RESERVATION-TOKEN; 0: none */
    bool has_reservation;
    bool has_lifetime;
    uint32_t lifetime; /* seconds */
    bool mobile;       /* asks for a ticket */
};

struct turn_refresh {
    bool has_lifetime;
    uint32_t lifetime;
    sa_family_t family; /* AF_UNSPEC: all of the allocation */
    struct span ticket; /* p NULL: none */
};

struct turn_channel_bind {
    uint16_t number;
    struct address peer;
};

/* 400, 440, 442. `tcp_relay`: RFC 6062 is served. */
unsigned turn_read_allocate(struct turn_allocate *out, const struct stun_message *m,
                            enum turn_transport transport, bool tcp_relay);
/* 440. */
unsigned turn_read_refresh(struct turn_refresh *out, const struct stun_message *m);
/* All of XOR-PEER-ADDRESS, at least one. 400. */
unsigned turn_read_peers(struct address peers[static STUN_PEERS_MAX], size_t *count,
                         const struct stun_message *m);
/* 400. */
unsigned turn_read_channel_bind(struct turn_channel_bind *out, const struct stun_message *m);
/* Connect: its one XOR-PEER-ADDRESS. 400. */
unsigned turn_read_connect(struct address *peer, const struct stun_message *m);

#endif
