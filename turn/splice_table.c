#include "turn/splice_table.h"

#include "core/table.h"

#include <stdlib.h>
#include <string.h>

enum {
    IPS_MAX = 4
}; /* relay IPs that are compared before anything is hashed; a server has one or two */

/* An address as a key: every byte counts and is set (core/address.h zeroes the rest). */
struct entry {
    struct address relayed;
    unsigned origin;
    usec_t heard;
    UT_hash_handle hh;
};

struct splice_table {
    struct entry *entries;
    struct entry *last; /* borrowed: found before this one; or NULL */
    struct address ip[IPS_MAX];
    size_t ip_count; /* over IPS_MAX: they are not all here, look at all */
};

int splice_table_create(struct splice_table **out)
{
    struct splice_table *table = calloc(1, sizeof *table);

    if (!table)
        return RC_NOMEM;
    *out = table;
    return RC_OK;
}

static void drop(struct splice_table *table, struct entry *entry)
{
    if (table->last == entry)
        table->last = NULL;
    HASH_DEL(table->entries, entry);
    free(entry);
    if (!table->entries)
        table->ip_count = 0;
}

void splice_table_free(struct splice_table *table)
{
    struct entry *entry, *next;

    if (!table)
        return;
    HASH_ITER(hh, table->entries, entry, next) drop(table, entry);
    free(table);
}

static bool knows_ip(const struct splice_table *table, const struct address *a)
{
    for (size_t i = 0; i < table->ip_count && i < IPS_MAX; i++)
        if (address_equal_ip(&table->ip[i], a))
            return true;
    return table->ip_count > IPS_MAX;
}

static void note_ip(struct splice_table *table, const struct address *a)
{
    if (knows_ip(table, a))
        return;
    if (table->ip_count < IPS_MAX)
        table->ip[table->ip_count] = *a;
    table->ip_count++;
}

static struct entry *look_up(const struct splice_table *table, const struct address *a)
{
    struct entry *entry;

    HASH_FIND(hh, table->entries, a, sizeof *a, entry);
    return entry;
}

static struct entry *find(struct splice_table *table, const struct address *a)
{
    if (table->last && address_equal(&table->last->relayed, a))
        return table->last;
    struct entry *entry = look_up(table, a);
    if (entry)
        table->last = entry;
    return entry;
}

int splice_table_note(struct splice_table *table, const struct address *relayed,
                      unsigned origin, usec_t now)
{
    struct entry *entry = find(table, relayed);

    if (!entry) {
        if (HASH_COUNT(table->entries) >= SPLICE_MAX)
            return RC_FULL;
        entry = calloc(1, sizeof *entry);
        if (!entry)
            return RC_NOMEM;
        entry->relayed = *relayed;
        HASH_ADD(hh, table->entries, relayed, sizeof entry->relayed, entry);
        note_ip(table, relayed);
    }
    entry->origin = origin;
    entry->heard = now;
    return RC_OK;
}

int splice_table_find(struct splice_table *table, const struct address *to)
{
    if (!table->entries || !knows_ip(table, to))
        return -1;
    const struct entry *entry = find(table, to);
    return entry ? (int)entry->origin : -1;
}

void splice_table_forget(struct splice_table *table, const struct address *relayed)
{
    struct entry *entry = look_up(table, relayed);

    if (entry)
        drop(table, entry);
}

void splice_table_sweep(struct splice_table *table, usec_t now)
{
    struct entry *entry, *next;

    HASH_ITER(hh, table->entries, entry, next)
    {
        if (now - entry->heard > SPLICE_SILENCE)
            drop(table, entry);
    }
}

size_t splice_table_count(const struct splice_table *table)
{
    return HASH_COUNT(table->entries);
}
