#include "turn/turn_auth.h"

#include "core/random.h"
#include "turn/turn_capability.h"
#include "turn/turn_nonce.h"
#include "turn/turn_rest.h"
#include "turn/turn_revocation.h"
#include "turn/turn_text.h"
#include "turn/turn_users.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    NO_GUESS = UINT8_MAX, /* of a static user: there is no other secret to try */
};

/* What SIGHUP replaces. */
struct holdings {
    struct turn_users *users;                 /* owned */
    struct stun_key secret[TURN_SECRETS_MAX]; /* of the HMAC that makes passwords */
    size_t secret_count;
    char separator;
    bool strict_expiry;
};

struct turn_auth {
    char realm[TURN_REALM_MAX + 1]; /* fixed */
    struct stun_key nonce_key;      /* fixed */
    pthread_rwlock_t lock;          /* for holdings */
    struct holdings holdings;
    struct turn_revocations *revocations; /* owned; locks for itself */
    /* Of the holdings; asked without the lock. */
    _Atomic uint32_t stale_nonce;
    _Atomic unsigned features;
    _Atomic bool strict_expiry;
};

static struct span span_of(const char *text)
{
    return (struct span){(const uint8_t *)text, strlen(text)};
}

void turn_user_id(uint8_t out[static TURN_USER_ID], struct span user)
{
    uint8_t digest[STUN_SHA256_BYTES];

    stun_userhash(digest, user, (struct span){NULL, 0}); /* of no realm */
    memcpy(out, digest, TURN_USER_ID);
}

/* --- options --------------------------------------------------------------------------------
 */

static void holdings_clear(struct holdings *holdings)
{
    turn_users_free(holdings->users);
    explicit_bzero(holdings, sizeof *holdings);
}

static int read_secrets(struct holdings *out, const struct turn_auth_options *options,
                        char *error, size_t error_size)
{
    if (options->secret_count > TURN_SECRETS_MAX) {
        snprintf(error, error_size, "static-auth-secret: more than %d secrets",
                 TURN_SECRETS_MAX);
        return RC_BAD;
    }
    for (size_t i = 0; i < options->secret_count; i++) {
        const struct span secret = span_of(options->secret[i]);

        if (secret.n == 0 || secret.n > TURN_SECRET_MAX) {
            snprintf(error, error_size, "static-auth-secret: a secret is empty or too long");
            return RC_BAD;
        }
        stun_key_raw(&out->secret[i], secret.p, secret.n);
    }
    out->secret_count = options->secret_count;
    return RC_OK;
}

static int holdings_build(struct holdings *out, const char *realm,
                          const struct turn_auth_options *options, char *error,
                          size_t error_size)
{
    struct holdings holdings = {
        .separator = options->separator ? options->separator : ':',
        .strict_expiry = options->strict_expiry,
    };

    int rc = RC_OK;
    if (holdings.separator >= '0' && holdings.separator <= '9') {
        snprintf(error, error_size, "rest-api-separator: a digit cannot separate numbers");
        rc = RC_BAD;
    }
    if (rc == RC_OK)
        rc = read_secrets(&holdings, options, error, error_size);
    if (rc == RC_OK)
        rc = turn_users_build(&holdings.users, realm, options->user, options->user_count, error,
                              error_size);
    if (rc == RC_OK)
        *out = holdings;
    else
        holdings_clear(&holdings);
    return rc;
}

/* Section 9.2.5: a server that announces password algorithms must take each of them from
 * everybody; and the name of a time-limited credential cannot be told from its hash. */
static unsigned features_of(const struct holdings *holdings)
{
    unsigned features = 0;

    if (turn_users_all_have(holdings->users, STUN_PASSWORD_MD5) &&
        turn_users_all_have(holdings->users, STUN_PASSWORD_SHA256))
        features |= TURN_FEATURE_ALGORITHMS;
    if (holdings->secret_count == 0 && turn_users_count(holdings->users) > 0)
        features |= TURN_FEATURE_USERHASH;
    return features;
}

/* Exchanges the holdings; *holdings has the old ones afterwards. */
static void swap_holdings(struct turn_auth *auth, struct holdings *holdings,
                          uint32_t stale_nonce)
{
    pthread_rwlock_wrlock(&auth->lock);
    const struct holdings old = auth->holdings;
    auth->holdings = *holdings;
    pthread_rwlock_unlock(&auth->lock);
    atomic_store(&auth->features, features_of(holdings));
    atomic_store(&auth->stale_nonce, stale_nonce);
    atomic_store(&auth->strict_expiry, holdings->strict_expiry);
    *holdings = old;
}

/* --- the whole ------------------------------------------------------------------------------
 */

static void make_nonce_key(struct turn_auth *auth, const char *secret)
{
    uint8_t random[32];

    if (secret) {
        stun_key_raw(&auth->nonce_key, secret, strlen(secret));
        return;
    }
    random_bytes(random, sizeof random);
    stun_key_raw(&auth->nonce_key, random, sizeof random);
    explicit_bzero(random, sizeof random);
}

static int allocate(struct turn_auth **out)
{
    struct turn_auth *auth = calloc(1, sizeof *auth);

    if (!auth)
        return RC_NOMEM;
    if (pthread_rwlock_init(&auth->lock, NULL) != 0) {
        free(auth);
        return RC_NOMEM;
    }
    if (turn_revocations_create(&auth->revocations, TURN_REVOCATIONS_MAX) != RC_OK) {
        turn_auth_free(auth);
        return RC_NOMEM;
    }
    *out = auth;
    return RC_OK;
}

int turn_auth_create(struct turn_auth **out, const struct turn_auth_options *options,
                     char *error, size_t error_size)
{
    struct holdings holdings;
    struct turn_auth *auth;

    if (!options->realm || !turn_text_ok(span_of(options->realm), TURN_REALM_MAX)) {
        snprintf(error, error_size, "realm: it is empty, longer than %d bytes or no text",
                 TURN_REALM_MAX);
        return RC_BAD;
    }
    const int rc = holdings_build(&holdings, options->realm, options, error, error_size);
    if (rc != RC_OK)
        return rc;
    if (allocate(&auth) != RC_OK) {
        holdings_clear(&holdings);
        snprintf(error, error_size, "no memory");
        return RC_NOMEM;
    }
    memcpy(auth->realm, options->realm, strlen(options->realm) + 1);
    make_nonce_key(auth, options->nonce_secret);
    swap_holdings(auth, &holdings, options->stale_nonce);
    *out = auth;
    return RC_OK;
}

int turn_auth_reload(struct turn_auth *auth, const struct turn_auth_options *options,
                     char *error, size_t error_size)
{
    struct holdings holdings;

    const int rc = holdings_build(&holdings, auth->realm, options, error, error_size);
    if (rc != RC_OK)
        return rc;
    swap_holdings(auth, &holdings, options->stale_nonce);
    holdings_clear(&holdings);
    return RC_OK;
}

void turn_auth_free(struct turn_auth *auth)
{
    if (!auth)
        return;
    holdings_clear(&auth->holdings);
    turn_revocations_free(auth->revocations);
    pthread_rwlock_destroy(&auth->lock);
    explicit_bzero(auth, sizeof *auth);
    free(auth);
}

/* --- users ----------------------------------------------------------------------------------
 */

/* The key that a time-limited name has by one of the secrets. */
static void make_key(struct stun_key *out, const struct turn_auth *auth,
                     const struct stun_key *secret, struct span username,
                     enum stun_password_algorithm algorithm)
{
    char password[TURN_REST_PASSWORD_MAX];

    turn_rest_password(password, secret, username);
    stun_key_long_term(out, algorithm, username, span_of(auth->realm), span_of(password));
    explicit_bzero(password, sizeof password);
}

static int find_timed(const struct turn_auth *auth, struct span username,
                      enum stun_password_algorithm algorithm, int64_t unix_now,
                      struct turn_user *out)
{
    struct turn_user user = {0};
    struct turn_rest_name name;
    struct span id = username;

    if (auth->holdings.secret_count == 0 || !turn_text_ok(username, TURN_USERNAME_MAX) ||
        turn_rest_parse(&name, username, auth->holdings.separator) != RC_OK)
        return RC_BAD;
    if (name.userid.p && turn_capability_read(name.userid, &id, &user.capability) != RC_OK)
        return RC_BAD;
    const bool expired = unix_now >= name.expires;
    if (expired && auth->holdings.strict_expiry)
        return RC_BAD;
    turn_user_id(user.id, id);
    user.expires = name.expires;
    make_key(&user.key, auth, &auth->holdings.secret[0], username, algorithm);
    *out = user;
    explicit_bzero(&user.key, sizeof user.key);
    return expired ? RC_AGAIN : RC_OK;
}

static int find(const struct turn_auth *auth, struct span username, struct span userhash,
                enum stun_password_algorithm algorithm, int64_t unix_now, struct turn_user *out)
{
    struct turn_user user;

    if (turn_users_find(auth->holdings.users, username, userhash, algorithm, &user) == RC_OK) {
        user.guess = NO_GUESS;
        *out = user;
        explicit_bzero(&user.key, sizeof user.key);
        return RC_OK;
    }
    return username.p ? find_timed(auth, username, algorithm, unix_now, out) : RC_BAD;
}

int turn_auth_find(struct turn_auth *auth, struct span username, struct span userhash,
                   enum stun_password_algorithm algorithm, int64_t unix_now,
                   struct turn_user *out)
{
    struct turn_user user;

    pthread_rwlock_rdlock(&auth->lock);
    int rc = find(auth, username, userhash, algorithm, unix_now, &user);
    pthread_rwlock_unlock(&auth->lock);
    if (rc == RC_BAD)
        return RC_BAD;
    if (turn_revocations_contain(auth->revocations, user.id, unix_now))
        rc = RC_BAD;
    else
        *out = user;
    explicit_bzero(&user.key, sizeof user.key);
    return rc;
}

int turn_auth_find_next(struct turn_auth *auth, struct span username,
                        enum stun_password_algorithm algorithm, struct turn_user *user)
{
    int rc = RC_BAD;

    if (user->guess == NO_GUESS)
        return RC_BAD;
    pthread_rwlock_rdlock(&auth->lock);
    if (user->guess + 1u < auth->holdings.secret_count) {
        user->guess++;
        make_key(&user->key, auth, &auth->holdings.secret[user->guess], username, algorithm);
        rc = RC_OK;
    }
    pthread_rwlock_unlock(&auth->lock);
    return rc;
}

const char *turn_auth_realm(const struct turn_auth *auth)
{
    return auth->realm;
}

/* --- revocation -----------------------------------------------------------------------------
 */

int turn_auth_revoke(struct turn_auth *auth, const uint8_t id[static TURN_USER_ID],
                     int64_t until, int64_t unix_now)
{
    return turn_revocations_add(auth->revocations, id, until, unix_now);
}

void turn_auth_pardon(struct turn_auth *auth, const uint8_t id[static TURN_USER_ID])
{
    turn_revocations_remove(auth->revocations, id);
}

bool turn_auth_still_welcome(struct turn_auth *auth, const uint8_t id[static TURN_USER_ID],
                             int64_t expires, int64_t unix_now, uint64_t *seen)
{
    /* Read before the look: what is revoked in between is looked for the next time. */
    const uint64_t age = turn_revocations_age(auth->revocations);

    if (expires != 0 && unix_now >= expires &&
        atomic_load_explicit(&auth->strict_expiry, memory_order_relaxed))
        return false;
    if (age == *seen)
        return true;
    if (turn_revocations_contain(auth->revocations, id, unix_now))
        return false;
    *seen = age;
    return true;
}

/* --- nonces ---------------------------------------------------------------------------------
 */

unsigned turn_auth_features(const struct turn_auth *auth)
{
    return atomic_load_explicit(&auth->features, memory_order_relaxed);
}

size_t turn_nonce_make(const struct turn_auth *auth, const struct address *client,
                       int64_t unix_now, char out[static TURN_NONCE_MAX])
{
    return turn_nonce_write(out, &auth->nonce_key, turn_auth_features(auth), client, unix_now);
}

enum turn_nonce_verdict turn_nonce_check(const struct turn_auth *auth, struct span nonce,
                                         const struct address *client, int64_t unix_now)
{
    return turn_nonce_judge(nonce, &auth->nonce_key, turn_auth_features(auth),
                            atomic_load_explicit(&auth->stale_nonce, memory_order_relaxed),
                            client, unix_now);
}
