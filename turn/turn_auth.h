/*
 * turn/turn_auth.h - who may use the TURN server: static users, time-limited credentials, what
 * each is allowed, nonces, and revocation (RFC 8489 section 9.2;
 * draft-uberti-behave-turn-rest).
 *
 * One for the process, shared by every thread; each function locks for itself where it must.
 * Makes no state for a request that does not authenticate. Sans-IO: time is told, as Unix
 * seconds here, because credentials carry calendar time.
 *
 * The names of users:
 *   static:        the NAME of "user=NAME:PASSWORD"
 *   time-limited:  EXPIRY:USERID, or EXPIRY alone; EXPIRY is decimal Unix seconds, ':' is
 *                  rest-api-separator; the password is base64(HMAC-SHA1(secret, username))
 * and a USERID may carry a capability (turn/turn_capability.h), which the HMAC covers with it.
 *
 * Strings (RFC 8489 section 9.2 wants RFC 8265's OpaqueString): invalid UTF-8 and control
 * characters are refused. Not done: NFC, and mapping of non-ASCII spaces. Clients send names
 * that they have prepared, so only a configured password that is not in that form fails to fit.
 */
#ifndef TURN_TURN_AUTH_H
#define TURN_TURN_AUTH_H

#include "core/address.h"
#include "core/base.h"
#include "turn/stun_message.h"

struct turn_auth;

#define TURN_USERNAME_MAX 512 /* bytes; RFC 8489 section 14.3 allows 508 */
#define TURN_REALM_MAX 128    /* bytes */
#define TURN_SECRETS_MAX 8    /* REST secrets at once, for rotation */
#define TURN_SECRET_MAX 512   /* bytes */
#define TURN_NONCE_MAX 64     /* text of ours */
#define TURN_USER_ID 16
#define TURN_CAPABILITY_NETS 8

/* What one user may do; zeroes: what everyone may. */
struct turn_capability {
    uint32_t max_allocations;  /* 0: the server's quota */
    uint64_t max_bytes_second; /* 0: the server's; each way, of one allocation */
    bool sfu_only;             /* peers: this server's media alone */
    uint8_t net_count;         /* 0: any peer that the policy allows */
    struct address_net net[TURN_CAPABILITY_NETS];
};

/* A user who was found, as a request needs it. Plain value. Whether they are who they say, the
 * message's integrity tells. */
struct turn_user {
    struct stun_key key;      /* for this request's password algorithm */
    uint8_t id[TURN_USER_ID]; /* turn_user_id: for quotas and revocation */
    uint8_t guess;            /* of several secrets: which one the key is of */
    int64_t expires;          /* Unix seconds; 0: never */
    struct turn_capability capability;
};

/* Everything is borrowed for the call. */
struct turn_auth_options {
    const char *realm; /* fixed for the life of the auth; required */
    /* "NAME:PASSWORD", or "NAME:0xKEY" where KEY is the hex digest of NAME:REALM:PASSWORD, by
     * MD5 (32 digits; such a user cannot use SHA-256) or by SHA-256 (64; cannot use MD5). */
    const char *const *user;
    const char *const *secret; /* static-auth-secret; the first one is handed out with */
    size_t user_count, secret_count;
    char separator;       /* rest-api-separator; 0: ':' */
    bool strict_expiry;   /* turn_auth_still_welcome and turn_auth_find judge expiry always */
    uint32_t stale_nonce; /* seconds that a nonce is good for; 0: without end */
    const char *nonce_secret; /* that servers share; NULL: of this process. Fixed. */
};

#define TURN_USERS_MAX 100000

/* RC_BAD: a user, secret or realm that cannot be; `error` says which, never a password.
 * RC_NOMEM. */
int turn_auth_create(struct turn_auth **out, const struct turn_auth_options *options,
                     char *error, size_t error_size);
/* For SIGHUP: replaces users, secrets, separator, expiry and the life of nonces. On failure
 * nothing changes. Revocations stay. */
int turn_auth_reload(struct turn_auth *auth, const struct turn_auth_options *options,
                     char *error, size_t error_size);
/* NULL is fine. */
void turn_auth_free(struct turn_auth *auth);

/* --- users ------------------------------------------------------------------------------- */

/* `username` or, when its p is NULL, `userhash` (static users only). Writes *out on RC_OK and
 * RC_AGAIN. RC_OK. RC_AGAIN: a time-limited credential that has expired: it begins nothing
 * (Allocate: 401), but is good for what an allocation that is there asks for. With
 * strict-expiry RC_BAD. RC_BAD: no such user, revoked, a capability that does not parse, no key
 * for `algorithm`. */
int turn_auth_find(struct turn_auth *auth, struct span username, struct span userhash,
                   enum stun_password_algorithm algorithm, int64_t unix_now,
                   struct turn_user *out);
/* While secrets are rotated the key may be of any of them: when the integrity does not fit, ask
 * for the next, until RC_BAD: there is none. `user` is what turn_auth_find wrote; only its key
 * and guess change. */
int turn_auth_find_next(struct turn_auth *auth, struct span username,
                        enum stun_password_algorithm algorithm, struct turn_user *user);

/* What stands for a user in quotas and revocations: a hash of the name of a static user, of the
 * USERID without its capability, or of the whole name where that is EXPIRY alone. */
void turn_user_id(uint8_t out[static TURN_USER_ID], struct span user);

const char *turn_auth_realm(const struct turn_auth *auth);

/* --- revocation --------------------------------------------------------------------------- */

#define TURN_REVOCATIONS_MAX 65536

/* From now on the user's credentials find nobody; then end their allocations
 * (turn_server_end_user on each thread). Forgotten at `until` (Unix seconds), which is when the
 * last credential that was handed out expires; 0: never forgotten. RC_FULL:
 * TURN_REVOCATIONS_MAX others are remembered. */
int turn_auth_revoke(struct turn_auth *auth, const uint8_t id[static TURN_USER_ID],
                     int64_t until, int64_t unix_now);
/* Takes it back. */
void turn_auth_pardon(struct turn_auth *auth, const uint8_t id[static TURN_USER_ID]);
/* Of a user who has an allocation: is it not revoked, nor (strict-expiry) expired, by now?
 * Lock-free unless something was revoked since `*seen`, which belongs to the caller and starts
 * at 0. */
bool turn_auth_still_welcome(struct turn_auth *auth, const uint8_t id[static TURN_USER_ID],
                             int64_t expires, int64_t unix_now, uint64_t *seen);

/* --- nonces ------------------------------------------------------------------------------- */

enum turn_nonce_verdict { TURN_NONCE_OK, TURN_NONCE_STALE, TURN_NONCE_FOREIGN };

/* Which features the nonces announce (section 9.2). A 401 or 438 carries PASSWORD-ALGORITHMS if
 * and only if the first is among them: it is not while a user has a bare MD5 key. Userhashes
 * are understood when there are static users alone. */
enum turn_feature { TURN_FEATURE_ALGORITHMS = 1, TURN_FEATURE_USERHASH = 2 };
unsigned turn_auth_features(const struct turn_auth *auth);

/* Stateless: the time and an HMAC over it and the client's IP address, behind the nonce cookie
 * of section 9.2 ("obMatJos2", and the security feature bits). Text with its NUL; returns its
 * length. */
size_t turn_nonce_make(const struct turn_auth *auth, const struct address *client,
                       int64_t unix_now, char out[static TURN_NONCE_MAX]);
/* STALE: made by us for this address, but too old, or with other features than we have now. */
enum turn_nonce_verdict turn_nonce_check(const struct turn_auth *auth, struct span nonce,
                                         const struct address *client, int64_t unix_now);

#endif
