#include "turn/turn_challenge.h"

#include "core/hash.h"

#include <string.h>

/* PASSWORD-ALGORITHMS as challenges carry it, the better one first (RFC 8489 section 14.11). */
static const uint8_t our_algorithms[] = {0, STUN_PASSWORD_SHA256, 0, 0,
                                         0, STUN_PASSWORD_MD5,    0, 0};

static bool within_limit(struct turn_request *r)
{
    struct turn_server *server = r->server;
    struct turn_counters *counters = &server->counters;

    counter_add(&counters->turn_unauthenticated_401_requests, 1);
    if (!turn_limiter_source(&server->limiter, &r->from->remote,
                             server->options.unauthorized_rate, r->now)) {
        counter_add(&counters->turn_unauthenticated_401_dropped_responses, 1);
        turn_dropped(server);
        return false;
    }
    counter_add(&counters->turn_unauthenticated_401_responses, 1);
    return true;
}

void turn_refuse_stranger(struct turn_request *r, unsigned code)
{
    if (within_limit(r))
        turn_refuse(r, code);
}

/* 401 or 438, with what the next request needs. No integrity: who has no valid nonce or no
 * right key could not check it (section 9.2.4). */
static void challenge(struct turn_request *r, unsigned code)
{
    const struct turn_auth *auth = r->server->options.auth;
    const char *realm = turn_auth_realm(auth);
    struct turn_reply reply;
    char nonce[TURN_NONCE_MAX];

    if (!within_limit(r))
        return;
    const size_t n = turn_nonce_make(auth, &r->from->remote, r->unix_now, nonce);
    reply_begin(&reply, &r->form, STUN_ERROR);
    stun_put_error(&reply.builder, code);
    stun_put(&reply.builder, STUN_ATTR_REALM, realm, strlen(realm));
    stun_put(&reply.builder, STUN_ATTR_NONCE, nonce, n);
    if (turn_auth_features(auth) & TURN_FEATURE_ALGORITHMS)
        stun_put(&reply.builder, STUN_ATTR_PASSWORD_ALGORITHMS, our_algorithms,
                 sizeof our_algorithms);
    reply_send(&reply, r->server, &r->form, NULL, r->from);
}

/* Did the challenge that this nonce came with carry PASSWORD-ALGORITHMS? A nonce that is not
 * ours is found out later. */
static bool were_offered(const struct turn_auth *auth, struct span nonce)
{
    static const char cookie[] = "obMatJos2";

    return turn_auth_features(auth) & TURN_FEATURE_ALGORITHMS && nonce.n >= sizeof cookie - 1 &&
           memcmp(nonce.p, cookie, sizeof cookie - 1) == 0;
}

/* Against bidding down (section 9.2.4): whoever took the algorithms out of our challenge, or
 * changed them, is found out here, because the nonce says that they were in it and the client's
 * integrity covers what it saw. 0 or 400. */
static unsigned read_algorithm(const struct turn_auth *auth, const struct stun_message *m,
                               enum stun_password_algorithm *out)
{
    const struct span all = stun_get(m, STUN_HAS_PASSWORD_ALGORITHMS);
    const struct span one = stun_get(m, STUN_HAS_PASSWORD_ALGORITHM);

    *out = STUN_PASSWORD_MD5;
    if (!were_offered(auth, stun_get(m, STUN_HAS_NONCE)) || (!all.p && !one.p))
        return 0;
    if (!all.p || !one.p || all.n != sizeof our_algorithms ||
        memcmp(all.p, our_algorithms, all.n) != 0)
        return 400;
    if (one.n != 4 || load_be16(one.p + 2) != 0)
        return 400;
    const unsigned chosen = load_be16(one.p);
    if (chosen != STUN_PASSWORD_MD5 && chosen != STUN_PASSWORD_SHA256)
        return 400;
    *out = (enum stun_password_algorithm)chosen;
    return 0;
}

/* USERNAME or USERHASH as a number. */
static uint64_t name_hash(const struct stun_message *m)
{
    const struct span name = stun_get(m, STUN_HAS_USERNAME);
    const struct span hash = stun_get(m, STUN_HAS_USERHASH);

    return name.p ? hash_bytes(name.p, name.n) : ~hash_bytes(hash.p, hash.n);
}

/* The allocation's key where the request is its owner's; else whatever the user has.
 * Credentials that have expired begin nothing, but what they began goes on. */
static bool find_key(struct turn_request *r)
{
    const struct turn_owner *owner = r->allocation ? &r->allocation->owner : NULL;
    const struct stun_message *m = r->message;

    if (owner && owner->name == name_hash(m) && owner->algorithm == r->algorithm) {
        r->key = owner->key;
        return true;
    }
    const int rc =
        turn_auth_find(r->server->options.auth, stun_get(m, STUN_HAS_USERNAME),
                       stun_get(m, STUN_HAS_USERHASH), r->algorithm, r->unix_now, &r->user);
    if (rc != RC_OK && (rc != RC_AGAIN || !r->allocation))
        return false;
    r->has_user = true;
    r->key = r->user.key;
    return true;
}

/* Revoked, or expired where that counts for every request? */
static bool still_welcome(struct turn_request *r)
{
    struct turn_allocation *a = r->allocation;

    return r->has_user ||
           turn_auth_still_welcome(r->server->options.auth, a->grant.user, a->owner.expires,
                                   r->unix_now, &a->owner.revocations_seen);
}

static bool integrity_holds(struct turn_request *r)
{
    const struct stun_message *m = r->message;
    const bool sha256 = stun_has(m, STUN_HAS_MESSAGE_INTEGRITY_SHA256);

    /* Truncated digests (section 14.6) are for usages that say so; TURN does not. */
    if (sha256 && stun_get(m, STUN_HAS_MESSAGE_INTEGRITY_SHA256).n != 32)
        return false;
    r->form.integrity = sha256 ? STUN_INTEGRITY_SHA256 : STUN_INTEGRITY_SHA1;
    while (!stun_verify(m, &r->key, r->form.integrity)) {
        if (!r->has_user ||
            turn_auth_find_next(r->server->options.auth, stun_get(m, STUN_HAS_USERNAME),
                                r->algorithm, &r->user) != RC_OK)
            return false;
        r->key = r->user.key;
    }
    return true;
}

bool turn_authenticate(struct turn_request *r)
{
    const struct stun_message *m = r->message;

    /* The order is section 9.2.4's. */
    if (!stun_has(m, STUN_HAS_MESSAGE_INTEGRITY) &&
        !stun_has(m, STUN_HAS_MESSAGE_INTEGRITY_SHA256)) {
        challenge(r, 401);
        return false;
    }
    if ((!stun_has(m, STUN_HAS_USERNAME) && !stun_has(m, STUN_HAS_USERHASH)) ||
        !stun_has(m, STUN_HAS_REALM) || !stun_has(m, STUN_HAS_NONCE) ||
        read_algorithm(r->server->options.auth, m, &r->algorithm) != 0) {
        turn_refuse_stranger(r, 400);
        return false;
    }
    if (!find_key(r) || !integrity_holds(r)) {
        challenge(r, 401);
        return false;
    }
    if (turn_nonce_check(r->server->options.auth, stun_get(m, STUN_HAS_NONCE), &r->from->remote,
                         r->unix_now) != TURN_NONCE_OK) {
        challenge(r, 438);
        return false;
    }
    if (!still_welcome(r)) { /* then what they have ends here */
        challenge(r, 401);
        allocation_end(r->allocation, true);
        r->allocation = NULL;
        return false;
    }
    r->form.sealed = true;
    return true;
}

bool turn_is_owner(struct turn_request *r)
{
    struct turn_allocation *a = r->allocation;

    if (!r->has_user)
        return true;
    /* The name "expiry:user" is the same where both parts are. */
    if (memcmp(a->grant.user, r->user.id, TURN_USER_ID) != 0 ||
        a->owner.expires != r->user.expires)
        return false;
    a->owner.key = r->key;
    a->owner.algorithm = r->algorithm;
    a->owner.name = name_hash(r->message);
    return true;
}
