/*
 * turn/turn_server.h - the STUN and TURN server of one thread as a state machine (RFC 8656,
 * 8489, 6062, 8016, 5780): datagrams, stream messages and `now` in; datagrams, relay orders and
 * timers out.
 *
 * Sans-IO: sockets are behind struct turn_output. One thread; what threads share (users,
 * quotas) is behind turn_auth and turn_quota. No state is made for a request that does not
 * authenticate. Nothing is allocated per packet.
 */
#ifndef TURN_TURN_SERVER_H
#define TURN_TURN_SERVER_H

#include "core/address.h"
#include "core/base.h"
#include "core/metrics.h"
#include "core/timer.h"
#include "turn/stun_message.h"
#include "turn/turn_auth.h"

struct turn_server;
struct turn_allocation; /* opaque; owned by the server */
struct turn_policy;     /* turn/turn_policy.h: which peers, how many allocations, how fast */

enum turn_transport { TURN_UDP, TURN_TCP, TURN_TLS, TURN_DTLS };

/* Who speaks: RFC 8656's 5-tuple. A stream or DTLS session is told apart by `connection`, a
 * number that its owner never gives twice; 0 for plain UDP, where the two addresses are the
 * identity. */
struct turn_client {
    enum turn_transport transport;
    uint64_t connection;
    struct address remote, local;
};

/* A relay transport address, opened by the glue: opaque to the server. */
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
};

enum turn_send_flags { TURN_SEND_DONT_FRAGMENT = 1 };

/* The world outside. Data is borrowed for the call, but for to_client and to_peer with data
 * inside a buffer that the glue handed in: the glue knows how long it lives (until its flush).
 */
struct turn_output {
    void *arg;
    /* head and data are one message (head may be empty; 4 bytes of ChannelData, or a whole STUN
     * message up to DATA's value; `tail` zero bytes of padding follow on). */
    void (*to_client)(void *arg, const struct turn_client *client, struct span head,
                      struct span data, size_t tail);
    void (*to_peer)(void *arg, struct turn_relay *relay, const struct address *peer,
                    struct span data, unsigned flags);
    /* RC_OK with *relay and *relayed (the address that the peer sees: external-ip applied);
     * RC_FULL: no port is free; RC_BAD: this family is not served. `owner` comes back in
     * turn_server_from_peer. */
    int (*relay_open)(void *arg, struct turn_allocation *owner,
                      const struct turn_relay_wish *wish, struct turn_relay **relay,
                      struct address *relayed, struct turn_relay **reserved);
    /* A reserved relay gets its owner. */
    void (*relay_adopt)(void *arg, struct turn_relay *relay, struct turn_allocation *owner,
                        struct address *relayed);
    void (*relay_close)(void *arg, struct turn_relay *relay);
    /* RFC 6062: begins a connection to a peer; turn_server_peer_connected follows with `id`. */
    int (*peer_connect)(void *arg, struct turn_relay *relay, const struct address *peer,
                        uint32_t id);
    /* The client's data connection and the peer's are one from now on; the glue carries the
     * bytes. */
    void (*peer_bind)(void *arg, uint32_t id, const struct turn_client *data_connection);
    void (*peer_close)(void *arg, uint32_t id);
    /* A stream that must be closed: its allocation is gone, or it spoke nonsense. */
    void (*client_close)(void *arg, const struct turn_client *client);
};

struct turn_server_options {
    struct turn_auth *auth;     /* borrowed; NULL: STUN alone, Allocate is refused */
    struct turn_policy *policy; /* borrowed */
    struct timers *timers;      /* borrowed, of the same thread */
    const char *software;       /* SOFTWARE; NULL: none */
    bool mobility;              /* RFC 8016 */
    bool stun_only, secure_stun;
    bool check_origin_consent;
    usec_t lifetime_default, lifetime_max;        /* 0: 600 s, 3600 s */
    usec_t permission_lifetime, channel_lifetime; /* 0: 300 s, 600 s */
    uint32_t max_allocations;                     /* of this thread; 0: 100000 */
    struct address alternate; /* 300 to everybody when set (ALTERNATE-SERVER) */
    struct address other; /* RFC 5780's second address; AF_UNSPEC: CHANGE-REQUEST is unknown */
};

/* RC_NOMEM. */
int turn_server_create(struct turn_server **out, const struct turn_server_options *options,
                       const struct turn_output *output);
/* Ends every allocation. NULL is fine. */
void turn_server_free(struct turn_server *server);

/* One datagram, or one whole message of a stream (stun_peek and stun_channel_read frame it):
 * STUN, or ChannelData. `unix_now` is the calendar's time in seconds, for credentials and
 * nonces. RC_BAD: of no protocol of ours: on a stream, close it. */
int turn_server_input(struct turn_server *server, const struct turn_client *from,
                      struct span message, usec_t now, int64_t unix_now);
/* What came to a relay socket. At least TURN_HEADROOM bytes before `data` may be written when
 * the glue says so; the server never does: it sends a head of its own. */
void turn_server_from_peer(struct turn_server *server, struct turn_allocation *allocation,
                           const struct address *peer, struct span data, usec_t now);
/* An ICMP error about a datagram to `peer` (RFC 8656 section 11.5). */
void turn_server_peer_icmp(struct turn_server *server, struct turn_allocation *allocation,
                           const struct address *peer, uint8_t type, uint8_t code,
                           uint32_t data, usec_t now);
/* A stream or DTLS session ended: its allocations end with it, but for mobile ones (RFC 8016),
 * which wait for their lifetime. */
void turn_server_client_gone(struct turn_server *server, const struct turn_client *client,
                             usec_t now);
/* RFC 6062: the connection ordered by peer_connect is there, or `ok` is false. */
void turn_server_peer_connected(struct turn_server *server, uint32_t id, bool ok, usec_t now);
/* A peer connected to a relay; the server gives it an id and tells the client, or says 0: close
 * it. */
uint32_t turn_server_peer_arrived(struct turn_server *server,
                                  struct turn_allocation *allocation,
                                  const struct address *peer, usec_t now);
void turn_server_peer_closed(struct turn_server *server, uint32_t id, usec_t now);

/* Ends what a revoked user has; called on each thread after turn_auth_revoke. Returns how many.
 */
unsigned turn_server_end_user(struct turn_server *server,
                              const uint8_t user[static TURN_USER_ID]);

uint32_t turn_server_allocations(const struct turn_server *server);

#endif
