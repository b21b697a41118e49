#include "turn/turn_revocation.h"

#include "core/table.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { SWEEP_FIRST = 64 }; /* entries before the first look for expired ones */

struct entry {
    uint8_t id[TURN_USER_ID];
    int64_t until; /* 0: for ever */
    UT_hash_handle hh;
};

struct turn_revocations {
    pthread_mutex_t lock;
    struct entry *entries; /* owned */
    size_t limit, sweep_at;
    _Atomic uint64_t age;
};

int turn_revocations_create(struct turn_revocations **out, size_t limit)
{
    struct turn_revocations *revocations = calloc(1, sizeof *revocations);

    if (!revocations)
        return RC_NOMEM;
    if (pthread_mutex_init(&revocations->lock, NULL) != 0) {
        free(revocations);
        return RC_NOMEM;
    }
    revocations->limit = limit;
    revocations->sweep_at = SWEEP_FIRST;
    *out = revocations;
    return RC_OK;
}

static void drop(struct turn_revocations *revocations, struct entry *entry)
{
    HASH_DEL(revocations->entries, entry);
    free(entry);
}

void turn_revocations_free(struct turn_revocations *revocations)
{
    if (!revocations)
        return;
    while (revocations->entries)
        drop(revocations, revocations->entries);
    pthread_mutex_destroy(&revocations->lock);
    free(revocations);
}

static bool holds(const struct entry *entry, int64_t unix_now)
{
    return entry->until == 0 || unix_now < entry->until;
}

/* Each time the table has doubled: the cost of an entry is a constant. */
static void sweep(struct turn_revocations *revocations, int64_t unix_now)
{
    struct entry *entry, *next;

    HASH_ITER(hh, revocations->entries, entry, next)
    {
        if (!holds(entry, unix_now))
            drop(revocations, entry);
    }
    const size_t count = HASH_COUNT(revocations->entries);
    revocations->sweep_at = count < SWEEP_FIRST / 2 ? SWEEP_FIRST : 2 * count;
}

static int add(struct turn_revocations *revocations, const uint8_t id[static TURN_USER_ID],
               int64_t until, int64_t unix_now)
{
    struct entry *entry;

    HASH_FIND(hh, revocations->entries, id, TURN_USER_ID, entry);
    if (entry) {
        if (until == 0 || (entry->until != 0 && until > entry->until))
            entry->until = until;
        return RC_OK;
    }
    if (HASH_COUNT(revocations->entries) >= revocations->sweep_at ||
        HASH_COUNT(revocations->entries) >= revocations->limit)
        sweep(revocations, unix_now);
    if (HASH_COUNT(revocations->entries) >= revocations->limit)
        return RC_FULL;
    entry = calloc(1, sizeof *entry);
    if (!entry)
        return RC_NOMEM;
    memcpy(entry->id, id, TURN_USER_ID);
    entry->until = until;
    HASH_ADD(hh, revocations->entries, id, TURN_USER_ID, entry);
    return RC_OK;
}

int turn_revocations_add(struct turn_revocations *revocations,
                         const uint8_t id[static TURN_USER_ID], int64_t until, int64_t unix_now)
{
    if (until < 0 || (until != 0 && until <= unix_now))
        return RC_OK; /* what it is about has expired */
    pthread_mutex_lock(&revocations->lock);
    const int rc = add(revocations, id, until, unix_now);
    if (rc == RC_OK)
        atomic_fetch_add_explicit(&revocations->age, 1, memory_order_release);
    pthread_mutex_unlock(&revocations->lock);
    return rc;
}

void turn_revocations_remove(struct turn_revocations *revocations,
                             const uint8_t id[static TURN_USER_ID])
{
    struct entry *entry;

    pthread_mutex_lock(&revocations->lock);
    HASH_FIND(hh, revocations->entries, id, TURN_USER_ID, entry);
    if (entry)
        drop(revocations, entry);
    pthread_mutex_unlock(&revocations->lock);
}

bool turn_revocations_contain(struct turn_revocations *revocations,
                              const uint8_t id[static TURN_USER_ID], int64_t unix_now)
{
    struct entry *entry;

    if (turn_revocations_age(revocations) == 0)
        return false;
    pthread_mutex_lock(&revocations->lock);
    HASH_FIND(hh, revocations->entries, id, TURN_USER_ID, entry);
    const bool found = entry && holds(entry, unix_now);
    pthread_mutex_unlock(&revocations->lock);
    return found;
}

uint64_t turn_revocations_age(const struct turn_revocations *revocations)
{
    return atomic_load_explicit(&revocations->age, memory_order_acquire);
}

size_t turn_revocations_count(struct turn_revocations *revocations)
{
    pthread_mutex_lock(&revocations->lock);
    const size_t count = HASH_COUNT(revocations->entries);
    pthread_mutex_unlock(&revocations->lock);
    return count;
}
