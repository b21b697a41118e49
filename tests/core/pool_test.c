#include "core/pool.h"
#include "tests/t.h"

struct thing {
    uint64_t a;
    char text[20];
};

static struct pool *open_pool(size_t size, uint32_t slab, uint32_t limit)
{
    struct pool *pool = NULL;

    T_EQ(pool_create(&pool, size, slab, limit), RC_OK);
    return pool;
}

static void objects_come_zeroed_the_second_time_too(void)
{
    struct pool *pool = open_pool(sizeof(struct thing), 4, 0);
    static const struct thing zero;

    for (int round = 0; round < 3; round++) {
        struct thing *thing = pool_take(pool);
        T_OK(thing != NULL);
        T_MEM(thing, &zero, sizeof zero);
        memset(thing, 0xff, sizeof *thing);
        pool_give(pool, thing);
    }
    pool_free(pool);
}

static void the_limit_holds_until_something_is_given_back(void)
{
    struct pool *pool = open_pool(1, 2, 5);
    void *taken[5];

    for (size_t i = 0; i < 5; i++)
        T_OK((taken[i] = pool_take(pool)) != NULL);
    T_EQ(pool_in_use(pool), 5);
    T_OK(pool_take(pool) == NULL);
    pool_give(pool, taken[2]);
    T_EQ(pool_in_use(pool), 4);
    T_OK(pool_take(pool) == taken[2]);
    pool_free(pool);
}

static void objects_are_aligned_and_apart(void)
{
    struct pool *pool = open_pool(17, 3, 0);
    char *taken[10];

    for (size_t i = 0; i < 10; i++) {
        taken[i] = pool_take(pool);
        T_EQ((uintptr_t)taken[i] % _Alignof(max_align_t), 0);
        memset(taken[i], (int)i, 17);
    }
    for (size_t i = 0; i < 10; i++)
        T_OK(taken[i][0] == (char)i && taken[i][16] == (char)i);
    pool_free(pool);
}

static void nonsense_is_refused(void)
{
    struct pool *pool = NULL;

    T_EQ(pool_create(&pool, 0, 1, 0), RC_BAD);
    T_EQ(pool_create(&pool, 8, 0, 0), RC_BAD);
    T_EQ(pool_create(&pool, SIZE_MAX / 4, 100, 0), RC_BAD);
    T_OK(pool == NULL);
    pool_free(NULL);
}

static const struct t_case cases[] = {
    T_CASE(objects_come_zeroed_the_second_time_too),
    T_CASE(the_limit_holds_until_something_is_given_back),
    T_CASE(objects_are_aligned_and_apart),
    T_CASE(nonsense_is_refused),
};
T_MAIN(cases)
