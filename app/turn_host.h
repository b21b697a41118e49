/*
 * app/turn_host.h - the STUN and TURN server of the process: one turn_worker as the guest of
 * each media worker, one on the control thread for streams, and what they share: users, policy,
 * relay addresses, the splice.
 *
 * Control thread, but for what the guests do on theirs.
 */
#ifndef APP_TURN_HOST_H
#define APP_TURN_HOST_H

#include "core/listener.h"
#include "core/loop.h"
#include "relay/relay.h"
#include "turn/relay_addresses.h"
#include "turn/turn_auth.h"
#include "turn/turn_policy.h"
#include "turn/turn_server.h"

#define TURN_HOST_ERROR_MAX 256

/* Everything is borrowed for the call, but for server.software. */
struct turn_host_options {
    struct turn_auth_options auth;     /* realm NULL: STUN alone */
    struct turn_policy_options policy; /* media, own, relay_ports and ports are filled in */
    struct turn_server_options server; /* auth, policy, timers, synthetic and worker, too */
    struct relay_addresses_options relays;
    bool relay_ports_none;                /* this server's media alone can be reached */
    bool no_udp, no_dtls, no_tcp, no_tls; /* of clients */
    int relay_buffer_bytes;
    /* As relay_start gets them: the media's ports, and the addresses of both. */
    const struct relay_options *media;
};

struct turn_host;

/* Before relay_start. RC_BAD with a sentence in `error`: users, lists or ports that make no
 * sense; RC_NOMEM. */
int turn_host_create(struct turn_host **out, const struct turn_host_options *options,
                     struct loop *control, char error[static TURN_HOST_ERROR_MAX]);
/* For relay_options.guest; the host is its argument. */
media_guest_fn turn_host_guest;
/* Users, lists, quotas and lifetimes anew (SIGHUP). RC_BAD or RC_NOMEM with `error`: nothing
 * has changed, or the users alone. */
int turn_host_reload(struct turn_host *host, const struct turn_host_options *options,
                     char error[static TURN_HOST_ERROR_MAX]);
/* After relay_start: clients over TCP and TLS. RC_NOMEM, RC_SYS. */
int turn_host_start_streams(struct turn_host *host);
/* For the listeners' tables. */
struct listener_protocol turn_host_protocol(struct turn_host *host);
/* For DTLS: what the certificate is, now and after a reload. */
void turn_host_set_tls(struct turn_host *host, SSL_CTX *tls);

/* The credentials of a user (turn_user_id) find nobody from now on, until `until` (Unix
 * seconds; 0: for good), and what was allocated with them ends on every thread. RC_BAD: there
 * are no users; RC_FULL, RC_NOMEM: of turn_auth_revoke, or a thread could not be told. */
int turn_host_revoke(struct turn_host *host, const uint8_t user[static TURN_USER_ID],
                     int64_t until);

/* Of all threads, now. */
uint64_t turn_host_allocations(const struct turn_host *host);

/* Clients over streams end. Before relay_stop. */
void turn_host_stop_streams(struct turn_host *host);
/* Connections of clients over TCP and TLS. */
uint32_t turn_host_streams(const struct turn_host *host);
/* After relay_stop. NULL is fine. */
void turn_host_free(struct turn_host *host);

#endif
