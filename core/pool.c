#include "core/pool.h"

#include <stdlib.h>
#include <string.h>

/* Under AddressSanitizer an object that was given back is poisoned, as malloc's would be. */
#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define POOL_POISONS 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(POOL_POISONS)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

struct slot {
    struct slot *next;
};

struct slab {
    struct slab *next;
    max_align_t objects[];
};

struct pool {
    struct slab *slabs; /* owned */
    struct slot *free;  /* inside the slabs */
    uint8_t *fresh;     /* never used objects of the newest slab, inside the slabs */
    uint32_t fresh_count;
    size_t object_size; /* rounded up to alignment */
    uint32_t slab_objects;
    uint32_t limit, in_use;
};

int pool_create(struct pool **out, size_t object_size, uint32_t slab, uint32_t limit)
{
    const size_t align = sizeof(max_align_t);

    if (object_size == 0 || object_size > SIZE_MAX / 2 || slab == 0)
        return RC_BAD;
    const size_t rounded = (object_size + align - 1) / align * align;
    if (rounded > (SIZE_MAX / 2 - sizeof(struct slab)) / slab)
        return RC_BAD;

    struct pool *pool = calloc(1, sizeof *pool);
    if (!pool)
        return RC_NOMEM;
    pool->object_size = rounded;
    pool->slab_objects = slab;
    pool->limit = limit;
    *out = pool;
    return RC_OK;
}

void pool_free(struct pool *pool)
{
    if (!pool)
        return;
    for (struct slab *slab = pool->slabs; slab;) {
        struct slab *next = slab->next;

        ASAN_UNPOISON_MEMORY_REGION(slab->objects, pool->object_size * pool->slab_objects);
        free(slab);
        slab = next;
    }
    free(pool);
}

static bool grow(struct pool *pool)
{
    struct slab *slab = malloc(sizeof *slab + pool->object_size * pool->slab_objects);

    if (!slab)
        return false;
    slab->next = pool->slabs;
    pool->slabs = slab;
    pool->fresh = (uint8_t *)slab->objects;
    pool->fresh_count = pool->slab_objects;
    ASAN_POISON_MEMORY_REGION(slab->objects, pool->object_size * pool->slab_objects);
    return true;
}

/* Objects are handed out from the untouched end of a slab only when none was given back: pages
 * that were never needed stay untouched. */
void *pool_take(struct pool *pool)
{
    void *object;

    if (pool->limit && pool->in_use == pool->limit)
        return NULL;
    if (!pool->free && !pool->fresh_count && !grow(pool))
        return NULL;

    if (pool->free) {
        object = pool->free;
        ASAN_UNPOISON_MEMORY_REGION(object, pool->object_size);
        pool->free = pool->free->next;
    } else {
        object = pool->fresh;
        ASAN_UNPOISON_MEMORY_REGION(object, pool->object_size);
        pool->fresh += pool->object_size;
        pool->fresh_count--;
    }
    pool->in_use++;
    memset(object, 0, pool->object_size);
    return object;
}

void pool_give(struct pool *pool, void *object)
{
    struct slot *slot = object;

    if (!slot)
        return;
    slot->next = pool->free;
    pool->free = slot;
    pool->in_use--;
    ASAN_POISON_MEMORY_REGION(object, pool->object_size);
}

uint32_t pool_in_use(const struct pool *pool)
{
    return pool->in_use;
}
