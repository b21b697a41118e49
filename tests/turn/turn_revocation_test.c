#include "tests/t.h"
#include "turn/turn_revocation.h"

static const int64_t NOW = 1700000000;

static struct turn_revocations *make(size_t limit)
{
    struct turn_revocations *revocations;

    T_EQ(turn_revocations_create(&revocations, limit), RC_OK);
    return revocations;
}

static const uint8_t *id_of(uint32_t number)
{
    static _Thread_local uint8_t id[TURN_USER_ID];

    store_be32(id, number);
    return id;
}

static void a_user_is_revoked_until_their_credentials_have_expired(void)
{
    struct turn_revocations *r = make(10);

    T_OK(!turn_revocations_contain(r, id_of(1), NOW));
    T_EQ(turn_revocations_age(r), 0);
    T_EQ(turn_revocations_add(r, id_of(1), NOW + 10, NOW), RC_OK);
    T_EQ(turn_revocations_age(r), 1);
    T_OK(turn_revocations_contain(r, id_of(1), NOW));
    T_OK(turn_revocations_contain(r, id_of(1), NOW + 9));
    T_OK(!turn_revocations_contain(r, id_of(1), NOW + 10));
    T_OK(!turn_revocations_contain(r, id_of(2), NOW));
    turn_revocations_free(r);
}

static void a_second_time_extends_and_never_shortens(void)
{
    struct turn_revocations *r = make(10);

    T_EQ(turn_revocations_add(r, id_of(1), NOW + 10, NOW), RC_OK);
    T_EQ(turn_revocations_add(r, id_of(1), NOW + 5, NOW), RC_OK);
    T_OK(turn_revocations_contain(r, id_of(1), NOW + 9));
    T_EQ(turn_revocations_add(r, id_of(1), NOW + 20, NOW), RC_OK);
    T_OK(turn_revocations_contain(r, id_of(1), NOW + 19));
    T_EQ(turn_revocations_add(r, id_of(1), 0, NOW), RC_OK);
    T_EQ(turn_revocations_add(r, id_of(1), NOW + 30, NOW), RC_OK);
    T_OK(turn_revocations_contain(r, id_of(1), INT64_MAX));
    T_EQ(turn_revocations_count(r), 1);
    turn_revocations_remove(r, id_of(1));
    T_OK(!turn_revocations_contain(r, id_of(1), NOW));
    turn_revocations_remove(r, id_of(1));
    turn_revocations_free(r);
}

static void what_has_expired_already_is_not_remembered(void)
{
    struct turn_revocations *r = make(10);

    T_EQ(turn_revocations_add(r, id_of(1), NOW, NOW), RC_OK);
    T_EQ(turn_revocations_add(r, id_of(1), -1, NOW), RC_OK);
    T_EQ(turn_revocations_count(r), 0);
    T_EQ(turn_revocations_age(r), 0);
    turn_revocations_free(r);
}

static void memory_is_bounded_by_who_is_still_revoked(void)
{
    struct turn_revocations *r = make(1000);

    for (uint32_t i = 0; i < 100000; i++) /* ten a second, each for ten seconds */
        T_EQ(turn_revocations_add(r, id_of(i), NOW + i / 10 + 10, NOW + i / 10), RC_OK);
    T_OK(turn_revocations_count(r) <= 250);
    turn_revocations_free(r);
}

static void a_full_list_says_so_and_forgets_nobody(void)
{
    struct turn_revocations *r = make(100);

    for (uint32_t i = 0; i < 100; i++)
        T_EQ(turn_revocations_add(r, id_of(i), i == 50 ? NOW + 5 : 0, NOW), RC_OK);
    T_EQ(turn_revocations_add(r, id_of(100), 0, NOW), RC_FULL);
    T_OK(!turn_revocations_contain(r, id_of(100), NOW));
    T_OK(turn_revocations_contain(r, id_of(0), NOW));
    T_EQ(turn_revocations_add(r, id_of(0), 0, NOW), RC_OK);       /* it is there already */
    T_EQ(turn_revocations_add(r, id_of(100), 0, NOW + 5), RC_OK); /* in the place of 50 */
    T_EQ(turn_revocations_add(r, id_of(101), 0, NOW + 5), RC_FULL);
    turn_revocations_free(r);
    turn_revocations_free(NULL);
}

static const struct t_case cases[] = {
    T_CASE(a_user_is_revoked_until_their_credentials_have_expired),
    T_CASE(a_second_time_extends_and_never_shortens),
    T_CASE(what_has_expired_already_is_not_remembered),
    T_CASE(memory_is_bounded_by_who_is_still_revoked),
    T_CASE(a_full_list_says_so_and_forgets_nobody),
};
T_MAIN(cases)
