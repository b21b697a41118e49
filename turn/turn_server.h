/*
 * turn/turn_server.h - the STUN and TURN server of one thread as a state machine (RFC 8656,
 * 8489, 6062, 8016, 5780): datagrams, stream messages and `now` in; datagrams, relay orders and
 * timers out.
 *
 * Sans-IO: sockets are behind struct turn_output. One thread; what threads share (users,
 * quotas) is behind turn_auth and turn_policy. No state is made for a request that does not
 * authenticate, and what is answered to it is counted per source (turn/turn_limiter.h). Nothing
 * is allocated per packet, no clock is read.
 *
 * 487 (Role Conflict) is not among the codes of this server: it is an ICE agent's answer, and
 * Binding requests of an ICE session never get here. Whoever classifies datagrams asks the ICE
 * sessions first.
 */
#ifndef TURN_TURN_SERVER_H
#define TURN_TURN_SERVER_H

#include "core/address.h"
#include "core/base.h"
#include "core/timer.h"
#include "turn/stun_message.h"
#include "turn/turn_auth.h"
#include "turn/turn_counters.h"

struct turn_server;
struct turn_allocation; /* opaque; owned by the server */
struct turn_policy;     /* turn/turn_policy.h: which peers, how many allocations, how fast */

/* Who speaks: RFC 8656's 5-tuple. A stream or DTLS session is told apart by `connection`, a
 * number that its owner never gives twice within a transport; 0 for plain UDP, where the two
 * addresses are the identity. `local` must be spelled the same way for every datagram of a
 * client. */
struct turn_client {
    enum turn_transport transport;
    uint64_t connection;
    struct address remote, local;
};

/* A relayed transport address that is open, the glue's: opaque to the server. */
struct turn_relay;

enum turn_port_wish {
    TURN_PORT_ANY,
    TURN_PORT_EVEN,          /* EVEN-PORT with R 0 */
    TURN_PORT_EVEN_AND_NEXT, /* R 1: the next one is opened as well and kept as `reserved` */
};

struct turn_relay_wish {
    sa_family_t family;
    bool tcp; /* RFC 6062 */
    enum turn_port_wish port;
    /* The user may reach this server's media alone: no datagram will come or go by the relay, only
     * its address must be nobody else's. */
    bool media_only;
};

enum turn_send_flags { TURN_SEND_DONT_FRAGMENT = 1 };

/* Longest head that precedes peer data on its way to a client: a Data indication up to DATA's
 * value, from an IPv6 peer. ChannelData has 4. */
#define TURN_HEADROOM 48

/* The world outside. Every span is borrowed for the call, but for `data` of to_client, to_peer
 * and to_media: that lies inside the buffer that the glue handed in, and the glue knows how
 * long it lives (until its flush). `head` never does: at most TURN_HEADROOM bytes to copy. No
 * function may call back into the server, but peer_connect, peer_bind and to_media (see there).
 */
struct turn_output {
    void *arg;
    /* head and data are one message (head: 4 bytes of ChannelData, or a STUN message up to
     * DATA's value), `tail` zero bytes of padding follow on. A reply has no data and any length
     * of head. */
    void (*to_client)(void *arg, const struct turn_client *client, struct span head,
                      struct span data, size_t tail);
    void (*to_peer)(void *arg, struct turn_relay *relay, const struct address *peer,
                    struct span data, unsigned flags);
    /* The splice: `peer` is an address of this server's own media (the policy says so,
     * TURN_PEER_SFU), and `relayed` is what the client is known by there. No relay is asked,
     * none need exist. What the media answers to `relayed` comes back through
     * turn_server_from_peer with `peer` as its source, the allocation found by
     * turn_server_find_relayed; that may happen inside this call. */
    void (*to_media)(void *arg, struct turn_allocation *owner, const struct address *relayed,
                     const struct address *peer, struct span data);
    /* RC_OK with *relay and *relayed (the address that the peer sees: external-ip applied), and
     * *reserved when the wish was for two; RC_FULL: no port is free; RC_BAD: this family is not
     * served; RC_NOMEM, RC_SYS. `owner` comes back in turn_server_from_peer. Never called with
     * relay_ports_none. */
    int (*relay_open)(void *arg, struct turn_allocation *owner,
                      const struct turn_relay_wish *wish, struct turn_relay **relay,
                      struct address *relayed, struct turn_relay **reserved);
    /* A reserved relay gets its owner; *relayed as above. */
    void (*relay_adopt)(void *arg, struct turn_relay *relay, struct turn_allocation *owner,
                        struct address *relayed);
    /* Once for each relay and each reserved one. Connections of it were closed before
     * (peer_close). */
    void (*relay_close)(void *arg, struct turn_relay *relay);
    /* RFC 6062: begins a connection to a peer from the relayed address. RC_OK:
     * turn_server_peer_connected follows with `id`, inside this call or later; else it cannot
     * even be tried. */
    int (*peer_connect)(void *arg, struct turn_relay *relay, const struct address *peer,
                        uint32_t id);
    /* The client's data connection and the peer's are one from now on; the glue carries the
     * bytes, those that came from the peer before included, and closes both when both have
     * ended or one broke (then turn_server_peer_closed, inside this call where the data
     * connection is gone already). */
    void (*peer_bind)(void *arg, uint32_t id, const struct turn_client *data_connection);
    /* Closes the peer's connection, and the client's data connection if there is one. */
    void (*peer_close)(void *arg, uint32_t id);
    /* A stream or DTLS session must be closed: its allocation is gone. Not called for UDP. */
    void (*client_close)(void *arg, const struct turn_client *client);
};

struct turn_server_options {
    struct turn_auth *auth;     /* borrowed; NULL: STUN alone */
    struct turn_policy *policy; /* borrowed; needed where auth is */
    struct timers *timers;      /* borrowed, of the same thread */
    const char *software;       /* SOFTWARE of Allocate and Refresh; borrowed; NULL: none */
    bool stun_only;             /* TURN requests are answered 403 */
    bool no_stun;               /* Binding requests are dropped */
    bool fingerprint;           /* FINGERPRINT in every answer, not where it was asked alone */
    bool secure_stun;           /* Binding requests must authenticate, too */
    bool mobility;              /* RFC 8016 */
    bool tcp_relay;             /* RFC 6062; else REQUESTED-TRANSPORT TCP is answered 442 */
    bool no_udp_relay;          /* REQUESTED-TRANSPORT UDP is answered 442 */
    usec_t permission_lifetime, channel_lifetime; /* 0: 300 s, 600 s */
    uint32_t max_allocations;                     /* of this thread; 0: 100000 */
    uint32_t unauthorized_rate; /* answers per second and source to requests that do not
                                   authenticate; 0: 100 */
    uint32_t binding_rate;      /* Binding responses per second of this thread; 0: 50000 */
    struct address alternate;   /* 300 to everybody of its family when set (ALTERNATE-SERVER) */
    /* RFC 5780, both or none: the first IP and port, and the second IP and port, as the sockets
     * have them. What comes in at one of the four combinations may be answered from any: then
     * to_client's client->local says which. Elsewhere CHANGE-REQUEST is an unknown attribute.
     * Behind a NAT clients know the two IPs as `named` (port 0; AF_UNSPEC: the same). */
    struct address primary, other;
    struct address primary_named, other_named;
    /* relay-ports = none: relay_open is never called and only this server's media is a peer
     * (403). The relayed address is `synthetic` of the family (AF_UNSPEC: 440) with a port of
     * [synthetic_first, synthetic_last] that no other allocation of this thread has: give each
     * thread ports of its own. */
    bool relay_ports_none;
    struct address synthetic_v4, synthetic_v6;
    uint16_t synthetic_first, synthetic_last; /* 0, 0: 1024 to 65535 */
    uint8_t
        worker; /* this thread's number, in the clear in mobility tickets: turn_ticket_worker */
};

/* RC_NOMEM. */
int turn_server_create(struct turn_server **out, const struct turn_server_options *options,
                       const struct turn_output *output);
/* Ends every allocation (relays are closed, and clients' connections). NULL is fine. */
void turn_server_free(struct turn_server *server);

/* One datagram, or one whole message of a stream (stun_peek and stun_channel_read frame it):
 * STUN, or ChannelData. `unix_now` is the calendar's time in seconds, for credentials and
 * nonces. RC_BAD: of no protocol of ours: on a stream, close it; datagrams are dropped and
 * counted. */
int turn_server_input(struct turn_server *server, const struct turn_client *from,
                      struct span message, usec_t now, int64_t unix_now);
/* What came to a relay socket, or from this server's media to a relayed address. `data` is
 * handed on to to_client as it is. */
void turn_server_from_peer(struct turn_server *server, struct turn_allocation *allocation,
                           const struct address *peer, struct span data, usec_t now);
/* An ICMP error about a datagram to `peer` (RFC 8656 section 11.5). `data` is the MTU of the
 * next hop where the error tells it, and does not matter elsewhere. */
void turn_server_peer_icmp(struct turn_server *server, struct turn_allocation *allocation,
                           const struct address *peer, uint8_t type, uint8_t code,
                           uint32_t data, usec_t now);
/* Whose relayed address is it? NULL: nobody's. Valid until the allocation ends: ask for each
 * batch. */
struct turn_allocation *turn_server_find_relayed(const struct turn_server *server,
                                                 const struct address *relayed);
/* Whose allocation, for logs and glue that keeps something beside it. NULL where there is none.
 */
struct turn_allocation *turn_server_find_client(const struct turn_server *server,
                                                const struct turn_client *client);
const struct turn_client *turn_allocation_client(const struct turn_allocation *allocation);
/* Its relayed addresses: how many. */
size_t turn_allocation_relayed(const struct turn_allocation *allocation, struct address out[static 2]);

/* A stream or DTLS session ended: its allocation ends with it, but for a mobile one (RFC 8016),
 * which waits for its lifetime. For a client's data connection (RFC 6062) use
 * turn_server_peer_closed. */
void turn_server_client_gone(struct turn_server *server, const struct turn_client *client,
                             usec_t now);
/* RFC 6062: the connection ordered by peer_connect is there, or `ok` is false (it is gone,
 * then). */
void turn_server_peer_connected(struct turn_server *server, uint32_t id, bool ok, usec_t now);
/* A peer connected to a relay; the server gives it an id and tells the client, or says 0: close
 * it. */
uint32_t turn_server_peer_arrived(struct turn_server *server,
                                  struct turn_allocation *allocation,
                                  const struct address *peer, usec_t now);
/* Bytes were carried from one side of a peer connection to the other: counted. Returns how long
 * the glue must wait before it reads more of that side, for the rate of the allocation. */
usec_t turn_server_peer_carried(struct turn_server *server, uint32_t id, bool from_client,
                                size_t bytes, usec_t now);
/* Either side of a peer connection closed, and the glue has closed the other one. */
void turn_server_peer_closed(struct turn_server *server, uint32_t id, usec_t now);

/* Ends what a revoked user has; called on each thread after turn_auth_revoke. Returns how many.
 */
unsigned turn_server_end_user(struct turn_server *server,
                              const uint8_t user[static TURN_USER_ID]);

uint32_t turn_server_allocations(const struct turn_server *server);
/* Lives in the server: metrics_remove before it goes. */
struct turn_counters *turn_server_counters(struct turn_server *server);

/* A Refresh that names a mobility ticket of another thread: that thread's number, for the glue,
 * which hands the datagram (and those that follow from the same client) to it. -1: no such
 * message. */
int turn_ticket_worker(struct span message);

#endif
