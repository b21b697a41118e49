#include "turn/turn_policy.h"

#include "turn/turn_quota.h"
#include "turn/turn_ranges.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MIN_PORT = 49152, /* RFC 8656 section 7.2: the dynamic range */
    MAX_PORT = 65535,
};

/* What SIGHUP replaces. */
struct rules {
    struct turn_ranges allowed, denied; /* owned */
    bool allow_loopback;
    usec_t lifetime_default, lifetime_max;
};

struct guarded {
    pthread_rwlock_t lock; /* for all below */
    struct rules rules;
};

/* An address of this machine, and what the rules say of it: asked per packet, so kept outside
 * the lock. */
struct own {
    struct address ip;
    _Atomic uint8_t verdict; /* enum turn_peer */
};

struct turn_policy {
    /* Fixed. */
    struct address media[TURN_POLICY_ADDRESSES_MAX];
    struct own own[2 * TURN_POLICY_ADDRESSES_MAX]; /* the IPs of media among them */
    size_t media_count, own_count;
    bool relay_ports;
    uint16_t min_port, max_port;

    struct turn_quota *quota; /* owned */
    struct guarded *guarded;  /* owned */
};

/* --- options ----------------------------------------------------------------------------- */

static void rules_clear(struct rules *rules)
{
    turn_ranges_clear(&rules->allowed);
    turn_ranges_clear(&rules->denied);
}

static int build_list(struct turn_ranges *out, const char *name, const char *const *text,
                      size_t count, char *error, size_t error_size)
{
    size_t bad = 0;

    if (count > TURN_POLICY_RANGES_MAX) {
        snprintf(error, error_size, "%s: more than %d ranges", name, TURN_POLICY_RANGES_MAX);
        return RC_BAD;
    }
    const int rc = turn_ranges_build(out, text, count, &bad);
    if (rc == RC_BAD)
        snprintf(error, error_size, "%s: \"%s\" is no IP address, range a-b or network", name,
                 text[bad]);
    else if (rc == RC_NOMEM)
        snprintf(error, error_size, "no memory");
    return rc;
}

static int rules_build(struct rules *out, const struct turn_policy_options *options,
                       char *error, size_t error_size)
{
    struct rules rules = {
        .allow_loopback = options->allow_loopback,
        .lifetime_default = options->lifetime_default ? options->lifetime_default : SEC(600),
        .lifetime_max = options->lifetime_max ? options->lifetime_max : SEC(3600),
    };

    if (rules.lifetime_default > rules.lifetime_max)
        rules.lifetime_default = rules.lifetime_max;
    int rc = build_list(&rules.allowed, "allowed-peer-ip", options->allowed_peer_ip,
                        options->allowed_count, error, error_size);
    if (rc == RC_OK)
        rc = build_list(&rules.denied, "denied-peer-ip", options->denied_peer_ip,
                        options->denied_count, error, error_size);
    if (rc == RC_OK)
        *out = rules;
    else
        rules_clear(&rules);
    return rc;
}

static struct turn_quota_limits limits_of(const struct turn_policy_options *options)
{
    return (struct turn_quota_limits){
        .user = options->user_quota,
        .total = options->total_quota,
        .max_bps = options->max_bps,
        .capacity = options->bps_capacity,
    };
}

/* --- peers: one form of an address ---------------------------------------------------------
 */

static const struct own *find_own(const struct turn_policy *policy, const struct address *a)
{
    for (size_t i = 0; i < policy->own_count; i++) {
        if (address_equal_ip(&policy->own[i].ip, a))
            return &policy->own[i];
    }
    return NULL;
}

static bool is_media(const struct turn_policy *policy, const struct address *a)
{
    for (size_t i = 0; i < policy->media_count; i++) {
        if (address_equal(&policy->media[i], a))
            return true;
    }
    return false;
}

static bool has_media(const struct turn_policy *policy, const struct address *a)
{
    for (size_t i = 0; i < policy->media_count; i++) {
        if (address_equal_ip(&policy->media[i], a))
            return true;
    }
    return false;
}

static bool is_nat64(const struct address *a)
{
    static const uint8_t prefix[12] = {0x00, 0x64, 0xff, 0x9b};

    return a->sa.sa_family == AF_INET6 && memcmp(&a->v6.sin6_addr, prefix, sizeof prefix) == 0;
}

/* Steps 2 to 6 of the header for one form. */
static enum turn_peer judge_form(const struct rules *rules, const struct address *a, bool own)
{
    const unsigned class = address_classify(a);
    const unsigned never = ADDRESS_UNSPECIFIED | ADDRESS_BROADCAST | ADDRESS_MULTICAST;

    if (class & never)
        return TURN_PEER_DENIED;
    if (class & ADDRESS_LOOPBACK && !rules->allow_loopback)
        return TURN_PEER_DENIED;
    if (turn_ranges_contain(&rules->allowed, a))
        return TURN_PEER_RELAY;
    if (turn_ranges_contain(&rules->denied, a))
        return TURN_PEER_DENIED;
    if (class & ADDRESS_LOOPBACK)
        return TURN_PEER_RELAY;
    if (own)
        return TURN_PEER_BY_PORT;
    if (class == 0 || (class == ADDRESS_RESERVED && is_nat64(a)))
        return TURN_PEER_RELAY;
    return TURN_PEER_DENIED;
}

/* --- peers: forms that lead to an IPv4 address ----------------------------------------------
 */

static void make_v4(struct address *out, const uint8_t ip[static 4], uint8_t mask)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    uint8_t plain[4];

    for (size_t i = 0; i < sizeof plain; i++)
        plain[i] = ip[i] ^ mask;
    memcpy(&v4.sin_addr, plain, sizeof plain);
    (void)address_from_sockaddr(out, (const struct sockaddr *)&v4, sizeof v4);
}

/* The IPv4 address that a packet to `a` may end up at, if `a` is of a kind that has one. */
static bool embedded_v4(const struct address *a, struct address *out)
{
    static const uint8_t local_nat64[6] = {0x00, 0x64, 0xff, 0x9b, 0x00, 0x01};
    static const uint8_t zeros[12];

    if (a->sa.sa_family != AF_INET6)
        return false;
    const uint8_t *ip = a->v6.sin6_addr.s6_addr;
    if (is_nat64(a) || memcmp(ip, local_nat64, sizeof local_nat64) == 0) /* RFC 6052, 8215 */
        make_v4(out, ip + 12, 0);
    else if (ip[0] == 0x20 && ip[1] == 0x02) /* 6to4, RFC 3056 */
        make_v4(out, ip + 2, 0);
    else if (load_be32(ip) == 0x20010000) /* Teredo, RFC 4380: the client's address inverted */
        make_v4(out, ip + 12, 0xff);
    else if (memcmp(ip, zeros, sizeof zeros) == 0 &&
             load_be32(ip + 12) > 1) /* RFC 4291 2.5.5.1 */
        make_v4(out, ip + 12, 0);
    else
        return false;
    return true;
}

/* Under the lock. */
static enum turn_peer judge_rules(const struct turn_policy *policy, const struct rules *rules,
                                  const struct address *peer)
{
    struct address inner;

    const enum turn_peer verdict = judge_form(rules, peer, find_own(policy, peer) != NULL);
    if (verdict != TURN_PEER_DENIED && embedded_v4(peer, &inner) &&
        judge_form(rules, &inner, find_own(policy, &inner) != NULL) != TURN_PEER_RELAY)
        return TURN_PEER_DENIED;
    return verdict;
}

static enum turn_peer judge(const struct turn_policy *policy, const struct address *peer)
{
    const struct own *own = find_own(policy, peer);

    if (own)
        return (enum turn_peer)atomic_load_explicit(&own->verdict, memory_order_relaxed);
    pthread_rwlock_rdlock(&policy->guarded->lock);
    const enum turn_peer verdict = judge_rules(policy, &policy->guarded->rules, peer);
    pthread_rwlock_unlock(&policy->guarded->lock);
    return verdict;
}

/* --- peers: one user ------------------------------------------------------------------------
 */

static bool capable(const struct turn_capability *capability, const struct address *peer)
{
    if (!capability || capability->net_count == 0)
        return true;
    for (unsigned i = 0; i < capability->net_count; i++) {
        if (address_net_contains(&capability->net[i], peer))
            return true;
    }
    return false;
}

static bool sfu_only(const struct turn_policy *policy, const struct turn_capability *capability)
{
    return !policy->relay_ports || (capability && capability->sfu_only);
}

enum turn_peer turn_policy_permission(const struct turn_policy *policy,
                                      const struct turn_capability *capability,
                                      const struct address *peer)
{
    if (!capable(capability, peer))
        return TURN_PEER_DENIED;
    if (has_media(policy, peer))
        return TURN_PEER_BY_PORT;
    return sfu_only(policy, capability) ? TURN_PEER_DENIED : judge(policy, peer);
}

enum turn_peer turn_policy_peer(const struct turn_policy *policy,
                                const struct turn_capability *capability,
                                const struct address *peer)
{
    const uint16_t port = address_port(peer);

    if (port == 0 || !capable(capability, peer))
        return TURN_PEER_DENIED;
    if (is_media(policy, peer))
        return TURN_PEER_SFU;
    if (sfu_only(policy, capability))
        return TURN_PEER_DENIED;
    const enum turn_peer verdict = judge(policy, peer);
    if (verdict != TURN_PEER_BY_PORT)
        return verdict;
    return port >= policy->min_port && port <= policy->max_port ? TURN_PEER_RELAY
                                                                : TURN_PEER_DENIED;
}

/* --- the whole --------------------------------------------------------------------------- */

static void add_own(struct turn_policy *policy, const struct address *a)
{
    if (!find_own(policy, a))
        policy->own[policy->own_count++].ip = *a;
}

static int copy_fixed(struct turn_policy *policy, const struct turn_policy_options *options,
                      char *error, size_t error_size)
{
    if (options->media_count > TURN_POLICY_ADDRESSES_MAX ||
        options->own_count > TURN_POLICY_ADDRESSES_MAX) {
        snprintf(error, error_size, "more than %d addresses of our own",
                 TURN_POLICY_ADDRESSES_MAX);
        return RC_BAD;
    }
    for (size_t i = 0; i < options->media_count; i++) {
        policy->media[i] = options->media[i];
        add_own(policy, &options->media[i]);
    }
    for (size_t i = 0; i < options->own_count; i++)
        add_own(policy, &options->own[i]);
    policy->media_count = options->media_count;
    policy->relay_ports = options->relay_ports;
    policy->min_port = options->min_port ? options->min_port : MIN_PORT;
    policy->max_port = options->max_port ? options->max_port : MAX_PORT;
    return RC_OK;
}

/* Exchanges the rules; `rules` has the old ones afterwards. */
static void swap_rules(struct turn_policy *policy, struct rules *rules)
{
    pthread_rwlock_wrlock(&policy->guarded->lock);
    const struct rules old = policy->guarded->rules;
    policy->guarded->rules = *rules;
    for (size_t i = 0; i < policy->own_count; i++)
        atomic_store_explicit(&policy->own[i].verdict,
                              (uint8_t)judge_rules(policy, rules, &policy->own[i].ip),
                              memory_order_relaxed);
    pthread_rwlock_unlock(&policy->guarded->lock);
    *rules = old;
}

static int guarded_create(struct guarded **out)
{
    struct guarded *guarded = calloc(1, sizeof *guarded);

    if (!guarded)
        return RC_NOMEM;
    if (pthread_rwlock_init(&guarded->lock, NULL) != 0) {
        free(guarded);
        return RC_NOMEM;
    }
    *out = guarded;
    return RC_OK;
}

int turn_policy_create(struct turn_policy **out, const struct turn_policy_options *options,
                       char *error, size_t error_size)
{
    const struct turn_quota_limits limits = limits_of(options);
    struct turn_policy *policy = calloc(1, sizeof *policy);
    struct rules rules = {0};

    if (!policy || guarded_create(&policy->guarded) != RC_OK ||
        turn_quota_create(&policy->quota, &limits) != RC_OK) {
        turn_policy_free(policy);
        snprintf(error, error_size, "no memory");
        return RC_NOMEM;
    }
    int rc = copy_fixed(policy, options, error, error_size);
    if (rc == RC_OK)
        rc = rules_build(&rules, options, error, error_size);
    if (rc != RC_OK) {
        turn_policy_free(policy);
        return rc;
    }
    swap_rules(policy, &rules);
    *out = policy;
    return RC_OK;
}

int turn_policy_reload(struct turn_policy *policy, const struct turn_policy_options *options,
                       char *error, size_t error_size)
{
    const struct turn_quota_limits limits = limits_of(options);
    struct rules rules;

    const int rc = rules_build(&rules, options, error, error_size);
    if (rc != RC_OK)
        return rc;
    swap_rules(policy, &rules);
    rules_clear(&rules);
    turn_quota_set_limits(policy->quota, &limits);
    return RC_OK;
}

void turn_policy_free(struct turn_policy *policy)
{
    if (!policy)
        return;
    turn_quota_free(policy->quota);
    if (policy->guarded) {
        rules_clear(&policy->guarded->rules);
        pthread_rwlock_destroy(&policy->guarded->lock);
        free(policy->guarded);
    }
    free(policy);
}

/* --- quotas and lifetimes -------------------------------------------------------------------
 */

unsigned turn_policy_reserve(struct turn_policy *policy, const struct turn_user *user,
                             struct turn_grant *out)
{
    return turn_quota_take(policy->quota, user, out);
}

void turn_policy_release(struct turn_policy *policy, struct turn_grant *grant)
{
    turn_quota_give(policy->quota, grant);
}

uint64_t turn_policy_allocations(const struct turn_policy *policy)
{
    return turn_quota_allocations(policy->quota);
}

uint64_t turn_policy_reserved(const struct turn_policy *policy)
{
    return turn_quota_reserved(policy->quota);
}

usec_t turn_policy_lifetime(const struct turn_policy *policy, bool asked, uint32_t seconds)
{
    pthread_rwlock_rdlock(&policy->guarded->lock);
    const usec_t least = policy->guarded->rules.lifetime_default;
    const usec_t most = policy->guarded->rules.lifetime_max;
    pthread_rwlock_unlock(&policy->guarded->lock);
    if (!asked || SEC(seconds) < least)
        return least;
    return SEC(seconds) < most ? SEC(seconds) : most;
}
