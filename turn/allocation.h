/*
 * turn/allocation.h - an allocation (RFC 8656 section 6): whose it is, the relayed transport
 * addresses that it has, to whom it may talk, and until when.
 *
 * Internal to turn/; sans-IO; one thread. Owned by its server's tables; ends by its timer, by a
 * Refresh of 0, with its stream, or with its user.
 */
#ifndef TURN_ALLOCATION_H
#define TURN_ALLOCATION_H

#include "turn/chain_table.h"
#include "turn/channel.h"
#include "turn/permission.h"
#include "turn/turn_server.h"

/* One relayed transport address; a dual allocation has two, each with a time of its own. */
struct turn_side {
    struct turn_relay *relay; /* borrowed of the glue until relay_close; NULL: synthetic */
    struct address address;   /* AF_UNSPEC: there is no such side */
    usec_t expires;
    struct chain by_relayed;
};

enum { TURN_SIDE_V4, TURN_SIDE_V6, TURN_SIDES };

/* Who may use it: what its Allocate was authenticated with. Kept because a time-limited
 * credential is judged when the allocation is made, not while it lives. */
struct turn_owner {
    struct stun_key key;
    enum stun_password_algorithm algorithm;
    uint64_t name;                      /* hash of the USERNAME or USERHASH as it was sent */
    int64_t expires;                    /* Unix seconds; 0: never */
    uint64_t revocations_seen;          /* turn_auth_still_welcome's */
    struct turn_capability *capability; /* owned; NULL: what everyone may */
};

struct turn_allocation {
    struct turn_server *server; /* borrowed */
    struct turn_client client;
    struct chain by_client; /* not linked: a mobile one whose stream is gone */
    struct chain by_number;
    uint64_t number; /* of this server's; hashed for by_number */
    struct timer timer;
    struct turn_side side[TURN_SIDES];
    struct permission_set permissions;
    struct channel_set channels;
    struct turn_grant grant; /* grant.user is whose it is */
    struct turn_meter from_client, from_peers;
    struct turn_owner owner;
    struct tcp_connection *connections; /* owned list: turn/turn_tcp_relay.h */
    uint64_t reservation;               /* the token that its Allocate got; 0: none */
    uint32_t ticket;                    /* sequence number of the newest mobility ticket */
    uint16_t partial_error;             /* ADDRESS-ERROR-CODE of its Allocate; 0: none */
    uint16_t connection_count;
    uint8_t allocate_id[STUN_ID_BYTES]; /* a retransmission is answered like the first */
    bool mobile, tcp;
};

/* An unlinked one for `client`, without addresses. NULL: no memory. */
struct turn_allocation *allocation_create(struct turn_server *server,
                                          const struct turn_client *client);
/* Into the server's tables. RC_NOMEM: then it is in none. */
int allocation_publish(struct turn_allocation *allocation);
/* Takes it apart, in whatever state it is: relays and peer connections are closed, the grant is
 * given back. With `hang_up` a client's stream is closed, too. Frees it. */
void allocation_end(struct turn_allocation *allocation, bool hang_up);
/* Closes one relayed address; ends the allocation when it was the last (then true). */
bool allocation_end_side(struct turn_allocation *allocation, int side, bool hang_up);
/* Sets the timer to the earliest deadline of the sides. RC_NOMEM only for the first time. */
int allocation_set_timer(struct turn_allocation *allocation);
/* From now on `client` is who speaks for it. */
void allocation_move(struct turn_allocation *allocation, const struct turn_client *client);
/* The client's stream is gone; it stays for whoever comes with its ticket. */
void allocation_detach(struct turn_allocation *allocation);

/* Opens the relayed address of `side`, real or synthetic. RC_OK, or relay_open's. */
int allocation_open_side(struct turn_allocation *allocation, int side,
                         const struct turn_relay_wish *wish, struct turn_relay **reserved);
/* A relay that was reserved becomes its only side. */
int allocation_adopt(struct turn_allocation *allocation, struct turn_relay *relay);

struct turn_allocation *allocation_of_client(struct turn_server *server,
                                             const struct turn_client *client);
struct turn_allocation *allocation_of_number(const struct turn_server *server, uint64_t number);

static inline int turn_side_of(sa_family_t family)
{
    return family == AF_INET6 ? TURN_SIDE_V6 : TURN_SIDE_V4;
}

static inline bool turn_side_is_open(const struct turn_side *side)
{
    return side->address.sa.sa_family != AF_UNSPEC;
}

static inline bool turn_is_stream(enum turn_transport transport)
{
    return transport == TURN_TCP || transport == TURN_TLS;
}

#endif
