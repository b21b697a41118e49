/*
 * core/pool.h - fixed-size objects from slabs: no malloc after the first use, memory that stays
 * together. One thread. Objects come zeroed.
 */
#ifndef CORE_POOL_H
#define CORE_POOL_H

#include "core/base.h"

struct pool;

/* `limit` objects at most (0: no limit), `slab` of them allocated at a time. */
int pool_create(struct pool **out, size_t object_size, uint32_t slab, uint32_t limit);
/* Every object must have been given back, or is lost with the pool. NULL is fine. */
void pool_free(struct pool *pool);
void *pool_take(struct pool *pool); /* NULL: limit or no memory */
void pool_give(struct pool *pool, void *object);
uint32_t pool_in_use(const struct pool *pool);

#endif
