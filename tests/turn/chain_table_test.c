#include "turn/chain_table.h"

#include "tests/t.h"

struct item {
    uint32_t key;
    struct chain chain;
};

static struct item items[5000];

static struct item *find(const struct chain_table *table, uint32_t key, uint32_t hash)
{
    for (struct chain *at = chain_first(table, hash); at; at = at->next) {
        struct item *item = CHAIN_OWNER(at, struct item, chain);

        if (item->key == key)
            return item;
    }
    return NULL;
}

static void fill(struct chain_table *table, uint32_t (*hash)(uint32_t))
{
    for (uint32_t i = 0; i < ARRAY_LEN(items); i++) {
        items[i] = (struct item){.key = i};
        T_EQ(chain_table_add(table, &items[i].chain, hash(i)), RC_OK);
    }
}

static uint32_t spread(uint32_t key)
{
    return key * 2654435761u;
}

static uint32_t same(uint32_t key)
{
    return key & 0;
}

static void each_entry_is_found_while_the_table_grows(void)
{
    struct chain_table table = {0};

    T_OK(chain_first(&table, 7) == NULL);
    fill(&table, spread);
    T_EQ(table.count, ARRAY_LEN(items));
    T_OK(table.mask >= ARRAY_LEN(items) / 2);
    for (uint32_t i = 0; i < ARRAY_LEN(items); i++)
        T_OK(find(&table, i, spread(i)) == &items[i]);
    chain_table_free(&table);
}

static void what_is_removed_is_gone_and_the_rest_stays(void)
{
    struct chain_table table = {0};

    fill(&table, spread);
    for (uint32_t i = 0; i < ARRAY_LEN(items); i += 2)
        chain_table_remove(&table, &items[i].chain);
    chain_table_remove(&table, &items[0].chain); /* again: harmless */
    T_EQ(table.count, ARRAY_LEN(items) / 2);
    for (uint32_t i = 0; i < ARRAY_LEN(items); i++)
        T_EQ(find(&table, i, spread(i)) != NULL, i % 2);
    chain_table_free(&table);
}

static void equal_hashes_share_a_chain(void)
{
    struct chain_table table = {0};

    fill(&table, same);
    T_OK(find(&table, 17, 0) == &items[17]);
    chain_table_remove(&table, &items[17].chain);
    T_OK(find(&table, 17, 0) == NULL);
    T_OK(find(&table, 16, 0) && find(&table, 18, 0));
    chain_table_free(&table);
}

static const struct t_case cases[] = {
    T_CASE(each_entry_is_found_while_the_table_grows),
    T_CASE(what_is_removed_is_gone_and_the_rest_stays),
    T_CASE(equal_hashes_share_a_chain),
};
T_MAIN(cases)
