/*
 * turn/turn_rest.h - time-limited credentials (draft-uberti-behave-turn-rest): their names, and
 * the passwords that whoever has the secret makes of them.
 *
 *     username = EXPIRY [ ":" USERID ]        decimal Unix seconds
 *     password = base64(HMAC-SHA1(secret, username))
 *
 * Sans-IO, any thread.
 */
#ifndef TURN_TURN_REST_H
#define TURN_TURN_REST_H

#include "core/base.h"
#include "turn/turn_auth.h"

#define TURN_REST_PASSWORD_MAX 29 /* base64 of 20 bytes, and a NUL */

struct turn_rest_name {
    int64_t expires;    /* above 0 */
    struct span userid; /* p is NULL: EXPIRY alone */
};

/* RC_BAD: no such name: EXPIRY is not 1 to 18 digits or is 0, or nothing follows the separator.
 */
int turn_rest_parse(struct turn_rest_name *out, struct span username, char separator);

/* `secret` is stun_key_raw's of the secret. */
void turn_rest_password(char out[static TURN_REST_PASSWORD_MAX], const struct stun_key *secret,
                        struct span username);

/* A credential to hand out. Wipe it with explicit_bzero. */
struct turn_credential {
    char username[TURN_USERNAME_MAX];
    char password[TURN_REST_PASSWORD_MAX];
    int64_t expires; /* Unix seconds */
};

/* For `ttl` seconds from unix_now on. `userid` has no capability in it; `capability` may be
 * NULL. RC_BAD: a userid that is empty or no text, a ttl of 0; RC_FULL: the username would be
 * too long. */
int turn_rest_make(struct turn_credential *out, struct span secret, char separator,
                   const char *userid, const struct turn_capability *capability, uint32_t ttl,
                   int64_t unix_now);

#endif
