#include "tests/t.h"
#include "tests/turn/turn_world_lib.h"

static struct turn_world w;
static struct tester alice;

static void begin(void)
{
    turn_world_init(&w);
    turn_world_open(&w);
    tester_init(&alice, &w, "192.0.2.1:4000");
}

static void begin_with_allocation(void)
{
    begin();
    T_EQ(tester_allocate(&alice), 0);
}

static void an_allocation_has_a_relayed_address_and_a_lifetime(void)
{
    struct stun_message m;
    struct address a;

    begin_with_allocation();
    T_OK(turn_world_answer(&w, &m));
    T_EQ(stun_get_address(&m, STUN_HAS_XOR_RELAYED_ADDRESS, &a), RC_OK);
    const struct address relayed = turn_address("203.0.113.9:50000");
    T_OK(address_equal(&a, &relayed));
    T_EQ(stun_get_address(&m, STUN_HAS_XOR_MAPPED_ADDRESS, &a), RC_OK);
    T_OK(address_equal(&a, &alice.tuple.remote));
    T_EQ(stun_get_u32(&m, STUN_HAS_LIFETIME), 600);
    T_OK(stun_has(&m, STUN_HAS_MESSAGE_INTEGRITY));
    T_OK(stun_has(&m, STUN_HAS_SOFTWARE));
    turn_world_close(&w);
}

static void data_needs_a_permission_and_then_flows_both_ways(void)
{
    begin_with_allocation();
    tester_send(&alice, WORLD_PEER, "too early");
    T_EQ(w.to_peer_count, 0);
    T_EQ(tester_permit(&alice, "198.51.100.7"), 0);
    tester_send(&alice, WORLD_PEER, "hello");
    T_EQ(w.to_peer_count, 1);
    T_EQ(w.peer.n, 5);
    T_MEM(w.peer.bytes, "hello", 5);

    const unsigned before = w.sent_count;
    tester_peer_sends(&alice, WORLD_PEER, "welcome");
    T_EQ(w.sent_count, before + 1);
    struct stun_message m;
    struct address from;
    T_OK(turn_world_answer(&w, &m));
    T_EQ(m.class, STUN_INDICATION);
    T_EQ(m.method, STUN_DATA);
    T_EQ(stun_get_peer(&m, 0, &from), RC_OK);
    const struct address peer = turn_address(WORLD_PEER);
    T_OK(address_equal(&from, &peer));
    T_EQ(stun_get(&m, STUN_HAS_DATA).n, 7);
    T_MEM(stun_get(&m, STUN_HAS_DATA).p, "welcome", 7);
    turn_world_close(&w);
}

static void a_channel_carries_data_with_four_bytes_of_head(void)
{
    begin_with_allocation();
    T_EQ(tester_bind(&alice, 0x4001, WORLD_PEER), 0);
    tester_channel_send(&alice, 0x4001, "hello");
    T_EQ(w.to_peer_count, 1);
    T_MEM(w.peer.bytes, "hello", 5);
    tester_peer_sends(&alice, WORLD_PEER, "welcome");
    T_EQ(turn_world_last(&w)->n, 11);
    T_EQ(turn_world_last(&w)->head, 4);
    T_MEM(turn_world_last(&w)->bytes, "\x40\x01\x00\x07welcome", 11);
    turn_world_close(&w);
}

static const struct t_case cases[] = {
    T_CASE(an_allocation_has_a_relayed_address_and_a_lifetime),
    T_CASE(data_needs_a_permission_and_then_flows_both_ways),
    T_CASE(a_channel_carries_data_with_four_bytes_of_head),
};
T_MAIN(cases)
