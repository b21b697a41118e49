/*
 * A small stand-in for turn/turn_auth.c: static users alone.
 */
#include "core/hash.h"
#include "turn/turn_auth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct turn_auth {
    struct turn_auth_options options;
    uint8_t revoked[TURN_USER_ID];
    bool any_revoked;
};

int turn_auth_create(struct turn_auth **out, const struct turn_auth_options *options,
                     char *error, size_t error_size)
{
    (void)error;
    (void)error_size;
    *out = calloc(1, sizeof **out);
    (*out)->options = *options;
    return RC_OK;
}

void turn_auth_free(struct turn_auth *auth)
{
    free(auth);
}

void turn_user_id(uint8_t out[static TURN_USER_ID], struct span user)
{
    const uint64_t hash = hash_bytes(user.p, user.n);
    memset(out, 7, TURN_USER_ID);
    memcpy(out, &hash, sizeof hash);
}

static bool fits(struct span username, struct span userhash, struct span name,
                 const char *realm)
{
    uint8_t hash[32];

    if (username.p)
        return username.n == name.n && memcmp(username.p, name.p, name.n) == 0;
    stun_userhash(hash, name, (struct span){(const uint8_t *)realm, strlen(realm)});
    return memcmp(hash, userhash.p, 32) == 0;
}

int turn_auth_find(struct turn_auth *auth, struct span username, struct span userhash,
                   enum stun_password_algorithm algorithm, int64_t unix_now,
                   struct turn_user *out)
{
    const char *realm = auth->options.realm;
    (void)unix_now;

    for (size_t i = 0; i < auth->options.user_count; i++) {
        const char *user = auth->options.user[i], *colon = strchr(user, ':');
        const struct span name = {(const uint8_t *)user, (size_t)(colon - user)};

        if (!fits(username, userhash, name, realm))
            continue;
        memset(out, 0, sizeof *out);
        turn_user_id(out->id, name);
        if (auth->any_revoked && memcmp(out->id, auth->revoked, TURN_USER_ID) == 0)
            return RC_BAD;
        stun_key_long_term(&out->key, algorithm, name,
                           (struct span){(const uint8_t *)realm, strlen(realm)},
                           (struct span){(const uint8_t *)colon + 1, strlen(colon + 1)});
        return RC_OK;
    }
    return RC_BAD;
}

int turn_auth_find_next(struct turn_auth *auth, struct span username,
                        enum stun_password_algorithm algorithm, struct turn_user *user)
{
    (void)auth;
    (void)username;
    (void)algorithm;
    (void)user;
    return RC_BAD;
}

const char *turn_auth_realm(const struct turn_auth *auth)
{
    return auth->options.realm;
}

int turn_auth_revoke(struct turn_auth *auth, const uint8_t id[static TURN_USER_ID],
                     int64_t until, int64_t unix_now)
{
    (void)until;
    (void)unix_now;
    memcpy(auth->revoked, id, TURN_USER_ID);
    auth->any_revoked = true;
    return RC_OK;
}

bool turn_auth_still_welcome(struct turn_auth *auth, const uint8_t id[static TURN_USER_ID],
                             int64_t expires, int64_t unix_now, uint64_t *seen)
{
    (void)expires;
    (void)unix_now;
    (void)seen;
    return !auth->any_revoked || memcmp(auth->revoked, id, TURN_USER_ID) != 0;
}

unsigned turn_auth_features(const struct turn_auth *auth)
{
    (void)auth;
    return TURN_FEATURE_ALGORITHMS | TURN_FEATURE_USERHASH;
}

static uint64_t mark(const struct address *client)
{
    struct address ip = *client;

    address_set_port(&ip, 0);
    return address_hash(&ip);
}

size_t turn_nonce_make(const struct turn_auth *auth, const struct address *client,
                       int64_t unix_now, char out[static TURN_NONCE_MAX])
{
    (void)auth;
    return (size_t)snprintf(out, TURN_NONCE_MAX, "obMatJos2AAAD%llx.%lld",
                            (unsigned long long)mark(client), (long long)unix_now);
}

enum turn_nonce_verdict turn_nonce_check(const struct turn_auth *auth, struct span nonce,
                                         const struct address *client, int64_t unix_now)
{
    char text[TURN_NONCE_MAX];
    unsigned long long who;
    long long when;

    if (nonce.n >= sizeof text)
        return TURN_NONCE_FOREIGN;
    memcpy(text, nonce.p, nonce.n);
    text[nonce.n] = '\0';
    if (sscanf(text, "obMatJos2AAAD%llx.%lld", &who, &when) != 2 || who != mark(client))
        return TURN_NONCE_FOREIGN;
    return unix_now - when > auth->options.stale_nonce ? TURN_NONCE_STALE : TURN_NONCE_OK;
}
