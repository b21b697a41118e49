/*
 * turn/turn_auth.h - who may use the TURN server: static users, time-limited credentials, what each
 * is allowed, nonces, and revocation (RFC 8489 section 9.2; draft-uberti-behave-turn-rest).
 *
 * One for the process, shared by every thread; each function locks for itself where it must. Makes no
 * state for a request that does not authenticate. Sans-IO: time is told, as Unix seconds here, because
 * credentials carry calendar time.
 */
#ifndef TURN_TURN_AUTH_H
#define TURN_TURN_AUTH_H

#include "core/address.h"
#include "core/base.h"
#include "turn/stun_message.h"

struct turn_auth;

#define TURN_USERNAME_MAX 512  /* bytes; RFC 8489 section 14.3 allows 508 */
#define TURN_SECRETS_MAX 8     /* REST secrets at once, for rotation */
#define TURN_NONCE_MAX 64      /* text of ours */
#define TURN_USER_ID 16
#define TURN_CAPABILITY_NETS 8

/* What one user may do; zeroes: what everyone may. */
struct turn_capability {
    uint32_t max_allocations;    /* 0: the server's quota */
    uint64_t max_bytes_second;   /* 0: the server's; each way, of one allocation */
    bool sfu_only;               /* peers: this server's media alone */
    uint8_t net_count;           /* 0: any peer that the policy allows */
    struct address_net net[TURN_CAPABILITY_NETS];
};

/* A user who authenticated, as a request needs it. Plain value. */
struct turn_user {
    struct stun_key key;            /* for this request's password algorithm */
    uint8_t id[TURN_USER_ID];       /* for quotas and revocation: a hash of the user id, the part of a
                                     * time-limited name behind "expiry:", the name of a static user */
    int64_t expires;                /* Unix seconds; 0: never */
    struct turn_capability capability;
};

enum turn_nonce_verdict { TURN_NONCE_OK, TURN_NONCE_STALE, TURN_NONCE_FOREIGN };

/* RC_BAD: no such user, expired, revoked, a capability that does not parse. `username` or, when its p
 * is NULL, `userhash` (static users only). */
int turn_auth_find(struct turn_auth *auth, struct span username, struct span userhash,
                   enum stun_password_algorithm algorithm, int64_t unix_now,
                   struct turn_user *out);
/* Of a user who has an allocation: is it revoked, or (strict-expiry) expired, by now? Lock-free unless
 * something was revoked since `*seen`, which belongs to the caller and starts at 0. */
bool turn_auth_still_welcome(struct turn_auth *auth, const uint8_t id[static TURN_USER_ID],
                             int64_t expires, int64_t unix_now, uint64_t *seen);

const char *turn_auth_realm(const struct turn_auth *auth);

/* Stateless: the time and an HMAC over it and the client's IP address, behind the nonce cookie of RFC 8489
 * section 9.2 ("obMatJos2", and the security feature bits). Text with its NUL; returns its length. */
size_t turn_nonce_make(const struct turn_auth *auth, const struct address *client,
                       int64_t unix_now, char out[static TURN_NONCE_MAX]);
enum turn_nonce_verdict turn_nonce_check(const struct turn_auth *auth, struct span nonce,
                                         const struct address *client, int64_t unix_now);

#endif
