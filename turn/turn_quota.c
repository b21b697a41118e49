#include "turn/turn_quota.h"

#include "core/refusal.h"
#include "core/table.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct member {
    uint8_t id[TURN_USER_ID];
    uint32_t allocations;
    UT_hash_handle hh;
};

struct turn_quota {
    pthread_mutex_t lock;
    struct turn_quota_limits limits;
    struct member *members; /* owned; each has at least one allocation */
    uint64_t allocations;
    uint64_t reserved;
};

static uint64_t least(uint64_t a, uint64_t b) /* 0 is no limit */
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

static struct turn_quota_limits tamed(const struct turn_quota_limits *limits)
{
    struct turn_quota_limits l = *limits;

    l.max_bps = l.max_bps > TURN_BPS_MAX ? TURN_BPS_MAX : l.max_bps;
    l.capacity = l.capacity > TURN_BPS_MAX ? TURN_BPS_MAX : l.capacity;
    return l;
}

int turn_quota_create(struct turn_quota **out, const struct turn_quota_limits *limits)
{
    struct turn_quota *quota = calloc(1, sizeof *quota);

    if (!quota)
        return RC_NOMEM;
    if (pthread_mutex_init(&quota->lock, NULL) != 0) {
        free(quota);
        return RC_NOMEM;
    }
    quota->limits = tamed(limits);
    *out = quota;
    return RC_OK;
}

void turn_quota_free(struct turn_quota *quota)
{
    struct member *member, *next;

    if (!quota)
        return;
    HASH_ITER(hh, quota->members, member, next)
    {
        HASH_DEL(quota->members, member);
        free(member);
    }
    pthread_mutex_destroy(&quota->lock);
    free(quota);
}

void turn_quota_set_limits(struct turn_quota *quota, const struct turn_quota_limits *limits)
{
    pthread_mutex_lock(&quota->lock);
    quota->limits = tamed(limits);
    pthread_mutex_unlock(&quota->lock);
}

/* --- taking ------------------------------------------------------------------------------ */

/* The rate that one more allocation gets. RC_FULL: none is left. Without a rate of its own an
 * allocation takes nothing of the capacity, as in coturn: what is unlimited cannot be promised.
 */
static int decide_rate(const struct turn_quota *quota, const struct turn_user *user,
                       struct turn_grant *grant)
{
    const uint64_t capacity = quota->limits.capacity;
    uint64_t rate = least(quota->limits.max_bps, user->capability.max_bytes_second);

    rate = rate > TURN_BPS_MAX ? TURN_BPS_MAX : rate;
    if (capacity != 0 && rate != 0) {
        const uint64_t left = capacity > quota->reserved ? capacity - quota->reserved : 0;

        if (left == 0)
            return RC_FULL;
        rate = left < rate ? left : rate;
        grant->reserved = rate;
    }
    grant->bytes_second = rate;
    return RC_OK;
}

static enum refusal decide(const struct turn_quota *quota, const struct member *member,
                           const struct turn_user *user, struct turn_grant *grant)
{
    const uint64_t limit = least(quota->limits.user, user->capability.max_allocations);

    if (quota->limits.total != 0 && quota->allocations >= quota->limits.total)
        return REFUSAL_TURN_TOTAL_QUOTA;
    if (limit != 0 && member && member->allocations >= limit)
        return REFUSAL_TURN_USER_QUOTA;
    if (decide_rate(quota, user, grant) != RC_OK)
        return REFUSAL_TURN_CAPACITY;
    return REFUSAL_NONE;
}

static struct member *add_member(struct turn_quota *quota,
                                 const uint8_t id[static TURN_USER_ID])
{
    struct member *member = calloc(1, sizeof *member);

    if (!member)
        return NULL;
    memcpy(member->id, id, TURN_USER_ID);
    HASH_ADD(hh, quota->members, id, TURN_USER_ID, member);
    return member;
}

static unsigned take(struct turn_quota *quota, const struct turn_user *user,
                     struct turn_grant *grant)
{
    struct member *member;

    HASH_FIND(hh, quota->members, user->id, TURN_USER_ID, member);
    const enum refusal why = decide(quota, member, user, grant);
    if (why != REFUSAL_NONE) {
        refuse(why);
        return 486;
    }
    if (!member)
        member = add_member(quota, user->id);
    if (!member)
        return 508;
    member->allocations++;
    quota->allocations++;
    quota->reserved += grant->reserved;
    return 0;
}

unsigned turn_quota_take(struct turn_quota *quota, const struct turn_user *user,
                         struct turn_grant *out)
{
    struct turn_grant grant = {.held = true};

    memcpy(grant.user, user->id, TURN_USER_ID);
    pthread_mutex_lock(&quota->lock);
    const unsigned error = take(quota, user, &grant);
    pthread_mutex_unlock(&quota->lock);
    if (error == 0)
        *out = grant;
    return error;
}

void turn_quota_give(struct turn_quota *quota, struct turn_grant *grant)
{
    struct member *member;

    if (!grant->held)
        return;
    pthread_mutex_lock(&quota->lock);
    HASH_FIND(hh, quota->members, grant->user, TURN_USER_ID, member);
    if (member && --member->allocations == 0) {
        HASH_DEL(quota->members, member);
        free(member);
    }
    quota->allocations--;
    quota->reserved -= grant->reserved;
    pthread_mutex_unlock(&quota->lock);
    grant->held = false;
}

/* --- numbers ----------------------------------------------------------------------------- */

static uint64_t read_locked(struct turn_quota *quota, const uint64_t *number)
{
    pthread_mutex_lock(&quota->lock);
    const uint64_t value = *number;
    pthread_mutex_unlock(&quota->lock);
    return value;
}

uint64_t turn_quota_allocations(struct turn_quota *quota)
{
    return read_locked(quota, &quota->allocations);
}

uint64_t turn_quota_reserved(struct turn_quota *quota)
{
    return read_locked(quota, &quota->reserved);
}

size_t turn_quota_users(struct turn_quota *quota)
{
    pthread_mutex_lock(&quota->lock);
    const size_t count = HASH_COUNT(quota->members);
    pthread_mutex_unlock(&quota->lock);
    return count;
}
