#include "core/count_by_ip.h"

#include "core/table.h"

#include <stdlib.h>
#include <string.h>

#define KEY_LEN 9 /* family, and four or eight bytes of the address */

struct ip_entry {
    uint8_t key[KEY_LEN];
    uint32_t count;
    UT_hash_handle hh;
};

static void make_key(uint8_t key[static KEY_LEN], const struct address *address)
{
    memset(key, 0, KEY_LEN);
    if (address->sa.sa_family == AF_INET) {
        key[0] = 4;
        memcpy(key + 1, &address->v4.sin_addr, 4);
    } else {
        key[0] = 6;
        memcpy(key + 1, &address->v6.sin6_addr, 8);
    }
}

static struct ip_entry *find(const struct count_by_ip *table, const struct address *address)
{
    struct ip_entry *entry;
    uint8_t key[KEY_LEN];

    make_key(key, address);
    HASH_FIND(hh, table->entries, key, KEY_LEN, entry);
    return entry;
}

uint32_t count_by_ip_get(const struct count_by_ip *table, const struct address *address)
{
    const struct ip_entry *entry = find(table, address);

    return entry ? entry->count : 0;
}

int count_by_ip_add(struct count_by_ip *table, const struct address *address)
{
    struct ip_entry *entry = find(table, address);

    if (!entry) {
        entry = calloc(1, sizeof *entry);
        if (!entry)
            return RC_NOMEM;
        make_key(entry->key, address);
        HASH_ADD(hh, table->entries, key, KEY_LEN, entry);
    }
    entry->count++;
    return RC_OK;
}

void count_by_ip_remove(struct count_by_ip *table, const struct address *address)
{
    struct ip_entry *entry = find(table, address);

    if (!entry || --entry->count > 0)
        return;
    HASH_DEL(table->entries, entry);
    free(entry);
}
