#include "turn/channel.h"

#include "tests/t.h"
#include "tests/turn/turn_world_lib.h"

static const usec_t T0 = SEC(1000), LIFE = SEC(600);

static struct address peer_number(unsigned i)
{
    struct address a = turn_address(i % 2 ? "198.51.100.1" : "2001:db8::1");

    address_set_port(&a, (uint16_t)(1000 + i));
    return a;
}

static int bind_peer(struct channel_set *set, uint16_t number, unsigned peer, usec_t now)
{
    const struct address a = peer_number(peer);

    T_EQ(channel_refusal(set, number, &a, now), 0);
    return channel_bind(set, number, &a, TURN_PEER_RELAY, now + LIFE, now);
}

static unsigned refusal(const struct channel_set *set, uint16_t number, unsigned peer,
                        usec_t now)
{
    const struct address a = peer_number(peer);

    return channel_refusal(set, number, &a, now);
}

static uint16_t number_of(const struct channel_set *set, unsigned peer, usec_t now)
{
    const struct address a = peer_number(peer);
    const struct channel *channel = channel_of_peer(set, &a, now);

    return channel ? channel->number : 0;
}

static void a_channel_is_found_by_its_number_and_by_its_peer(void)
{
    struct channel_set set = {0};

    T_OK(!channel_find(&set, 0x4000, T0));
    T_EQ(bind_peer(&set, 0x4000, 1, T0), RC_OK);
    T_EQ(bind_peer(&set, 0x4FFF, 2, T0), RC_OK);
    const struct address first = peer_number(1);
    T_OK(address_equal(&channel_find(&set, 0x4000, T0)->peer, &first));
    T_EQ(number_of(&set, 2, T0), 0x4FFF);
    T_OK(!channel_find(&set, 0x4001, T0));
    T_EQ(number_of(&set, 3, T0), 0);
    channel_set_free(&set);
}

static void one_number_has_one_peer_and_one_peer_one_number(void)
{
    struct channel_set set = {0};

    T_EQ(bind_peer(&set, 0x4000, 1, T0), RC_OK);
    T_EQ(refusal(&set, 0x4000, 1, T0), 0);
    T_EQ(refusal(&set, 0x4000, 2, T0), 400);
    T_EQ(refusal(&set, 0x4001, 1, T0), 400);
    T_EQ(refusal(&set, 0x4001, 2, T0), 0);
    T_EQ(bind_peer(&set, 0x4001, 2, T0), RC_OK);
    T_EQ(refusal(&set, 0x4001, 1, T0), 400); /* each is bound, but not to the other */
    channel_set_free(&set);
}

static void it_ends_exactly_at_its_deadline_and_is_free_for_others_then(void)
{
    struct channel_set set = {0};

    T_EQ(bind_peer(&set, 0x4000, 1, T0), RC_OK);
    T_EQ(bind_peer(&set, 0x4001, 2, T0 + 10), RC_OK);
    T_OK(channel_find(&set, 0x4000, T0 + LIFE - 1));
    T_OK(!channel_find(&set, 0x4000, T0 + LIFE));
    T_EQ(number_of(&set, 1, T0 + LIFE), 0);
    T_EQ(bind_peer(&set, 0x4000, 3, T0 + LIFE), RC_OK);
    T_EQ(bind_peer(&set, 0x4002, 1, T0 + LIFE), RC_OK);
    T_EQ(number_of(&set, 3, T0 + LIFE), 0x4000);
    T_EQ(number_of(&set, 1, T0 + LIFE), 0x4002);
    T_EQ(number_of(&set, 2, T0 + LIFE), 0x4001);
    channel_set_free(&set);
}

static void binding_again_refreshes(void)
{
    struct channel_set set = {0};

    T_EQ(bind_peer(&set, 0x4000, 1, T0), RC_OK);
    T_EQ(bind_peer(&set, 0x4000, 1, T0 + LIFE - 1), RC_OK);
    T_EQ(set.count, 1);
    T_OK(channel_find(&set, 0x4000, T0 + LIFE + 1));
    channel_set_free(&set);
}

static void many_are_found_whatever_order_they_came_in(void)
{
    struct channel_set set = {0};

    for (unsigned i = 0; i < CHANNELS_MAX; i++) {
        const unsigned k = i * 101 % CHANNELS_MAX;
        T_EQ(bind_peer(&set, (uint16_t)(0x4000 + k), CHANNELS_MAX - k, T0 + i), RC_OK);
    }
    for (unsigned i = 0; i < CHANNELS_MAX; i++) {
        const struct address peer = peer_number(CHANNELS_MAX - i);
        T_EQ(number_of(&set, CHANNELS_MAX - i, T0), 0x4000 + i);
        T_OK(address_equal(&channel_find(&set, (uint16_t)(0x4000 + i), T0)->peer, &peer));
    }
    const struct address other = peer_number(CHANNELS_MAX + 1);
    T_EQ(channel_bind(&set, 0x4FFF, &other, TURN_PEER_RELAY, T0 + LIFE, T0), RC_FULL);
    T_EQ(channel_bind(&set, 0x4FFF, &other, TURN_PEER_RELAY, T0 + 2 * LIFE, T0 + LIFE), RC_OK);
    T_EQ(set.count, CHANNELS_MAX); /* the first one had died */
    channel_set_free(&set);
}

static void a_family_can_be_dropped(void)
{
    struct channel_set set = {0};

    for (unsigned i = 0; i < 10; i++)
        T_EQ(bind_peer(&set, (uint16_t)(0x4000 + i), i, T0), RC_OK);
    channel_drop_family(&set, AF_INET6);
    T_EQ(set.count, 5);
    for (unsigned i = 0; i < 10; i++)
        T_EQ(number_of(&set, i, T0), i % 2 ? 0x4000 + i : 0);
    channel_set_free(&set);
}

static const struct t_case cases[] = {
    T_CASE(a_channel_is_found_by_its_number_and_by_its_peer),
    T_CASE(one_number_has_one_peer_and_one_peer_one_number),
    T_CASE(it_ends_exactly_at_its_deadline_and_is_free_for_others_then),
    T_CASE(binding_again_refreshes),
    T_CASE(many_are_found_whatever_order_they_came_in),
    T_CASE(a_family_can_be_dropped),
};
T_MAIN(cases)
