/*
 * turn/chain_table.h - a hash table whose links lie inside what it holds: 16 bytes an entry and
 * a pointer per slot, no malloc for an insertion but when it doubles.
 *
 * Sans-IO, one thread. Hashes come from the caller, seeded (core/hash.h), because strangers
 * choose the keys. The entries belong to the caller and must be removed before they go away.
 */
#ifndef TURN_CHAIN_TABLE_H
#define TURN_CHAIN_TABLE_H

#include "core/base.h"

struct chain {
    struct chain *next;
    uint32_t hash;
    bool linked;
};

struct chain_table {
    struct chain **slot; /* owned; NULL before the first insertion */
    uint32_t mask, count;
};

/* The structure around a link. */
#define CHAIN_OWNER(link, type, member)                                                        \
    ((type *)(void *)((char *)(link)-offsetof(type, member)))

/* RC_NOMEM only for the very first entry; later a table that cannot grow gets slower. `link`
 * must not be linked. */
int chain_table_add(struct chain_table *table, struct chain *link, uint32_t hash);
/* Harmless when it is not linked. */
void chain_table_remove(struct chain_table *table, struct chain *link);
/* Frees the slots, not the entries. */
void chain_table_free(struct chain_table *table);

/* The first entry that may have this hash, then follow `next`: compare the keys. */
static inline struct chain *chain_first(const struct chain_table *table, uint32_t hash)
{
    return table->slot ? table->slot[hash & table->mask] : NULL;
}

#endif
