#include "turn/chain_table.h"

#include <stdlib.h>

enum { FIRST_SLOTS = 64 };

static void put(struct chain_table *table, struct chain *link)
{
    struct chain **slot = &table->slot[link->hash & table->mask];

    link->next = *slot;
    *slot = link;
}

/* Twice as many slots, or the first ones. */
static bool grow(struct chain_table *table)
{
    const uint32_t old = table->slot ? table->mask + 1 : 0;
    const uint32_t slots = old ? old * 2 : FIRST_SLOTS;
    struct chain **before = table->slot;
    struct chain **after = slots > old ? calloc(slots, sizeof *after) : NULL;

    if (!after)
        return false;
    table->slot = after;
    table->mask = slots - 1;
    for (uint32_t i = 0; i < old; i++) {
        for (struct chain *link = before[i], *next; link; link = next) {
            next = link->next;
            put(table, link);
        }
    }
    free(before);
    return true;
}

int chain_table_add(struct chain_table *table, struct chain *link, uint32_t hash)
{
    if ((!table->slot || table->count > table->mask) && !grow(table) && !table->slot)
        return RC_NOMEM;
    link->hash = hash;
    link->linked = true;
    put(table, link);
    table->count++;
    return RC_OK;
}

void chain_table_remove(struct chain_table *table, struct chain *link)
{
    if (!link->linked)
        return;

    struct chain **at = &table->slot[link->hash & table->mask];
    while (*at != link)
        at = &(*at)->next;
    *at = link->next;
    link->next = NULL;
    link->linked = false;
    table->count--;
}

void chain_table_free(struct chain_table *table)
{
    free(table->slot);
    *table = (struct chain_table){0};
}
