/*
 * turn/turn_policy.h - what an authenticated user may do: which peers, how many allocations,
 * how fast, how long (RFC 8656 sections 7.2, 9, 21.2 and 21.4; the names and meanings of
 * coturn's options).
 *
 * Sans-IO. One for the process, shared by every thread; each function locks for itself where it
 * must. Nothing here is asked before a request has authenticated, and what is counted is
 * counted per allocation, so strangers make no state.
 *
 * Peers are decided in this order; the first that speaks wins:
 *   1. This server's own media address (options.media): TURN_PEER_SFU.
 *   2. Never, whatever the lists say: unspecified, broadcast, multicast; loopback unless
 *      allow_loopback.
 *   3. allowed-peer-ip: yes.
 *   4. denied-peer-ip: no.
 *   5. This server's own addresses (options.own): only the relay ports, so that two clients
 *      reach each other through their relayed addresses, and no other service of the machine.
 *   6. Private, link-local, CGNAT, ULA, reserved: no. Everything else: yes.
 * An IPv6 address that leads to an IPv4 one (NAT64, 6to4, Teredo, IPv4-compatible) must be
 * allowed in both forms; v4-mapped ones are the IPv4 address (core/address.h). NAT64's
 * well-known prefix (64:ff9b::/96) itself is not held against a public address inside it.
 */
#ifndef TURN_TURN_POLICY_H
#define TURN_TURN_POLICY_H

#include "core/address.h"
#include "core/base.h"
#include "turn/turn_auth.h"

struct turn_policy;

/* Everything is borrowed for the call. */
struct turn_policy_options {
    /* "10.0.0.0-10.255.255.255", "10.0.0.0/8", "2001:db8::1" */
    const char *const *allowed_peer_ip, *const *denied_peer_ip;
    size_t allowed_count, denied_count;
    bool allow_loopback;

    /* Fixed for the life of the policy. */
    const struct address *media; /* IP and port: where this process's media (ICE) listens, as a
                                  * client names it (external-ip) and as the machine does */
    const struct address *own;   /* IP: this machine's and external-ip's */
    size_t media_count, own_count;
    bool relay_ports;            /* false (relay-ports = none): no peer but options.media */
    uint16_t min_port, max_port; /* of relayed addresses; 0: 49152, 65535 */

    uint32_t user_quota, total_quota; /* allocations; 0: no limit */
    uint64_t max_bps, bps_capacity; /* bytes per second, each way, as in coturn; 0: no limit */
    usec_t lifetime_default, lifetime_max; /* 0: 600 s, 3600 s */
};

#define TURN_POLICY_ADDRESSES_MAX 64 /* media, and own */
#define TURN_POLICY_RANGES_MAX 65536 /* in each list */

/* RC_BAD: a range that does not parse, too many; `error` says which. RC_NOMEM. */
int turn_policy_create(struct turn_policy **out, const struct turn_policy_options *options,
                       char *error, size_t error_size);
/* For SIGHUP: lists, loopback, quotas, rates and lifetimes are replaced, the rest of `options`
 * is not looked at. On failure (as above) nothing changes. Permissions and allocations that are
 * there stay as they were granted. */
int turn_policy_reload(struct turn_policy *policy, const struct turn_policy_options *options,
                       char *error, size_t error_size);
/* NULL is fine. */
void turn_policy_free(struct turn_policy *policy);

/* --- peers ------------------------------------------------------------------------------- */

enum turn_peer {
    TURN_PEER_DENIED,  /* 403 */
    TURN_PEER_RELAY,   /* through the relayed address */
    TURN_PEER_SFU,     /* this server's own media: splice */
    TURN_PEER_BY_PORT, /* only from turn_policy_permission */
};

/* For CreatePermission and Send: `peer` by IP alone (section 9: the port is ignored). RELAY:
 * every port of it. BY_PORT: an address of ours; ask turn_policy_peer for each address that
 * data goes to or a channel is bound to. `capability` may be NULL. */
enum turn_peer turn_policy_permission(const struct turn_policy *policy,
                                      const struct turn_capability *capability,
                                      const struct address *peer);
/* For ChannelBind, Connect, and data under a BY_PORT permission: never BY_PORT. Lock-free for
 * addresses of ours. */
enum turn_peer turn_policy_peer(const struct turn_policy *policy,
                                const struct turn_capability *capability,
                                const struct address *peer);

/* --- quotas ------------------------------------------------------------------------------ */

/* What one allocation holds; embed it. Zeroes: nothing. */
struct turn_grant {
    uint8_t user[TURN_USER_ID]; /* also the allocation's own note of whose it is */
    uint64_t bytes_second;      /* for turn_meter_pass, each way; 0: no limit */
    uint64_t reserved;          /* of bps_capacity */
    bool held;
};

/* Takes one allocation and its share of the rate: the smallest of max-bps, the user's
 * capability and what is left of bps-capacity (coturn: a session gets less when less is left).
 * Returns 0 or the STUN error code, counted in core/refusal.h: 486 for a quota or no rate left,
 * 508 without memory. An allocation of two addresses (ADDITIONAL-ADDRESS-FAMILY) is one. */
unsigned turn_policy_reserve(struct turn_policy *policy, const struct turn_user *user,
                             struct turn_grant *out);
/* Gives back, once; on a grant that holds nothing it does nothing. */
void turn_policy_release(struct turn_policy *policy, struct turn_grant *grant);

/* Allocations of all threads now; for metrics. */
uint64_t turn_policy_allocations(const struct turn_policy *policy);
uint64_t turn_policy_reserved(const struct turn_policy *policy); /* bytes per second */

#define TURN_BPS_MAX 1000000000000u /* a larger limit is held to be this one */

/* --- rates ------------------------------------------------------------------------------- */

/* A token bucket of one second's depth, one for each way: coturn lets through what fits into a
 * second, too. Zeroes: a full bucket. Plain value; one thread. */
struct turn_meter {
    usec_t last;
    uint64_t spent; /* byte-microseconds that the bucket lacks */
};

static inline void turn_meter_refill(struct turn_meter *meter, uint64_t bytes_second,
                                     usec_t now)
{
    const usec_t elapsed = now > meter->last ? now - meter->last : 0;

    if (elapsed == 0)
        return;
    meter->last = now;
    meter->spent =
        elapsed > meter->spent / bytes_second ? 0 : meter->spent - elapsed * bytes_second;
}

/* May `bytes` more pass? Then they are counted. False: drop the packet. A packet larger than a
 * second's worth passes when the bucket is full. `bytes_second` is at most TURN_BPS_MAX. */
static inline bool turn_meter_pass(struct turn_meter *meter, uint64_t bytes_second,
                                   size_t bytes, usec_t now)
{
    const uint64_t second = bytes_second * SEC(1), more = (uint64_t)bytes * SEC(1);

    if (bytes_second == 0)
        return true;
    turn_meter_refill(meter, bytes_second, now);
    if (meter->spent > 0 && (meter->spent > second || more > second - meter->spent))
        return false;
    meter->spent += more;
    return true;
}

/* For streams, of which nothing may be dropped: `bytes` have passed, at most 2^20. Returns how
 * long to wait before more do; 0 while the bucket is not empty. */
static inline usec_t turn_meter_charge(struct turn_meter *meter, uint64_t bytes_second,
                                       size_t bytes, usec_t now)
{
    const uint64_t second = bytes_second * SEC(1);

    if (bytes_second == 0)
        return 0;
    turn_meter_refill(meter, bytes_second, now);
    meter->spent += (uint64_t)bytes * SEC(1);
    return meter->spent > second ? (meter->spent - second) / bytes_second + 1 : 0;
}

/* --- lifetimes --------------------------------------------------------------------------- */

/* Section 7.2: what is granted for LIFETIME `seconds` in an Allocate, or in a Refresh that is
 * not 0 (`asked` false: the attribute is absent). Never shorter than the default, never longer
 * than max-allocate-lifetime. */
usec_t turn_policy_lifetime(const struct turn_policy *policy, bool asked, uint32_t seconds);

#endif
