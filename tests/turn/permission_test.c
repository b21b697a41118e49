#include "turn/permission.h"

#include "tests/t.h"
#include "tests/turn/turn_world_lib.h"

static const usec_t T0 = SEC(1000), LIFE = SEC(300);

static struct address peer_number(unsigned i)
{
    char text[32];

    snprintf(text, sizeof text, i % 3 ? "198.51.%u.%u" : "2001:db8::%x:%x", i / 256, i % 256);
    return turn_address(text);
}

static void grant(struct permission_set *set, const struct address *peer, usec_t now)
{
    T_EQ(permission_reserve(set, 1, now), RC_OK);
    permission_grant(set, peer, TURN_PEER_RELAY, now + LIFE);
}

static void a_stranger_has_none(void)
{
    struct permission_set set = {0};
    const struct address alice = turn_address("192.0.2.1"),
                         mallory = turn_address("192.0.2.66");

    T_OK(!permission_find(&set, &alice, T0));
    grant(&set, &alice, T0);
    T_OK(permission_find(&set, &alice, T0));
    T_OK(!permission_find(&set, &mallory, T0));
    permission_set_free(&set);
}

static void the_port_does_not_matter(void)
{
    struct permission_set set = {0};
    const struct address one = turn_address("192.0.2.1:1"), two = turn_address("192.0.2.1:2");

    grant(&set, &one, T0);
    T_OK(permission_find(&set, &two, T0));
    grant(&set, &two, T0);
    T_EQ(set.count, 1);
    permission_set_free(&set);
}

static void it_ends_exactly_at_its_deadline_unless_refreshed(void)
{
    struct permission_set set = {0};
    const struct address peer = turn_address("2001:db8::1");

    grant(&set, &peer, T0);
    T_OK(permission_find(&set, &peer, T0 + LIFE - 1));
    T_OK(!permission_find(&set, &peer, T0 + LIFE));
    grant(&set, &peer, T0 + LIFE - 1);
    T_OK(permission_find(&set, &peer, T0 + LIFE));
    T_OK(!permission_find(&set, &peer, T0 + 2 * LIFE - 1));
    permission_set_free(&set);
}

static void many_are_found_whatever_order_they_came_in(void)
{
    struct permission_set set = {0};

    for (unsigned i = 0; i < PERMISSIONS_MAX; i++) {
        const struct address peer = peer_number(i * 97 % PERMISSIONS_MAX);
        grant(&set, &peer, T0);
    }
    T_EQ(set.count, PERMISSIONS_MAX);
    for (unsigned i = 0; i < PERMISSIONS_MAX; i++) {
        const struct address peer = peer_number(i);
        T_OK(permission_find(&set, &peer, T0));
    }
    const struct address other = peer_number(PERMISSIONS_MAX + 1);
    T_OK(!permission_find(&set, &other, T0));
    permission_set_free(&set);
}

static void a_full_set_takes_none_until_some_have_died(void)
{
    struct permission_set set = {0};

    for (unsigned i = 0; i < PERMISSIONS_MAX; i++) {
        const struct address peer = peer_number(i);
        grant(&set, &peer, T0 + i);
    }
    T_EQ(permission_reserve(&set, 1, T0 + LIFE - 1), RC_FULL);
    T_EQ(permission_reserve(&set, 1, T0 + LIFE), RC_OK);
    T_EQ(permission_reserve(&set, 2, T0 + LIFE), RC_FULL);
    T_EQ(permission_reserve(&set, PERMISSIONS_MAX + 1, T0 + 10 * LIFE), RC_FULL);
    T_EQ(permission_reserve(&set, PERMISSIONS_MAX, T0 + 10 * LIFE), RC_OK);
    T_EQ(set.count, 0);
    permission_set_free(&set);
}

static const struct t_case cases[] = {
    T_CASE(a_stranger_has_none),
    T_CASE(the_port_does_not_matter),
    T_CASE(it_ends_exactly_at_its_deadline_unless_refreshed),
    T_CASE(many_are_found_whatever_order_they_came_in),
    T_CASE(a_full_set_takes_none_until_some_have_died),
};
T_MAIN(cases)
