/*
 * RFC 8656 section 7.2: what an Allocate makes, and what it is refused for.
 */
#include "tests/t.h"
#include "tests/turn/turn_world_lib.h"

static struct turn_world w;
static struct tester alice;

static void open_world(void)
{
    turn_world_open(&w);
    tester_init(&alice, &w, "192.0.2.1:4000");
}

static void begin(void)
{
    turn_world_init(&w);
    open_world();
}

struct wish {
    uint8_t requested, additional; /* families; 0: absent */
    int even;                      /* 0: absent, 1: even, 2: and the next */
    const uint8_t *token;
    int lifetime; /* 0: absent */
    bool dont_fragment;
    uint8_t protocol; /* 0: UDP */
};

static int allocate_as(struct tester *client, struct wish wish)
{
    const uint8_t even = wish.even == 2 ? 0x80 : 0;
    struct tester_request request;
    struct stun_builder *b = &request.builder;

    if (!client->nonce[0])
        tester_learn_nonce(client);
    tester_begin(&request, client, STUN_ALLOCATE);
    stun_put_u32(b, STUN_ATTR_REQUESTED_TRANSPORT,
                 (uint32_t)(wish.protocol ? wish.protocol : 17) << 24);
    if (wish.requested)
        stun_put_u32(b, STUN_ATTR_REQUESTED_ADDRESS_FAMILY, (uint32_t)wish.requested << 24);
    if (wish.additional)
        stun_put_u32(b, STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY, (uint32_t)wish.additional << 24);
    if (wish.even)
        stun_put(b, STUN_ATTR_EVEN_PORT, &even, 1);
    if (wish.token)
        stun_put(b, STUN_ATTR_RESERVATION_TOKEN, wish.token, 8);
    if (wish.lifetime)
        stun_put_u32(b, STUN_ATTR_LIFETIME, (uint32_t)wish.lifetime);
    if (wish.dont_fragment)
        stun_put(b, STUN_ATTR_DONT_FRAGMENT, NULL, 0);
    return tester_exchange(&request);
}

/* The nth XOR-RELAYED-ADDRESS of the last answer, found by hand: the reader keeps the first. */
static bool relayed(unsigned nth, struct address *out)
{
    const uint8_t *p = turn_world_last(&w)->bytes;
    const size_t n = turn_world_last(&w)->n;

    for (size_t at = 20; at + 4 <= n; at += 4 + ((load_be16(p + at + 2) + 3u) & ~3u)) {
        if (load_be16(p + at) != STUN_ATTR_XOR_RELAYED_ADDRESS || nth-- > 0)
            continue;
        /* Alone in a message of its own. */
        uint8_t copy[64];
        struct stun_message m;
        const size_t len = 4u + load_be16(p + at + 2);
        memcpy(copy, p, 20);
        memcpy(copy + 20, p + at, len);
        store_be16(copy + 2, (uint16_t)len);
        return stun_read(&m, (struct span){copy, 20 + len}) == RC_OK &&
               stun_get_address(&m, STUN_HAS_XOR_RELAYED_ADDRESS, out) == RC_OK;
    }
    return false;
}

static bool relayed_is(unsigned nth, const char *text)
{
    const struct address expected = turn_address(text);
    struct address a;

    return relayed(nth, &a) && address_equal(&a, &expected);
}

static uint32_t lifetime_of_answer(void)
{
    struct stun_message m;

    T_OK(turn_world_answer(&w, &m));
    return stun_get_u32(&m, STUN_HAS_LIFETIME);
}

static void a_family_can_be_asked_for(void)
{
    begin();
    T_EQ(allocate_as(&alice, (struct wish){.requested = 2}), 0);
    T_OK(relayed_is(0, "[2001:db8:9::9]:50000"));
    T_OK(!relayed_is(1, "203.0.113.9:50000"));
    T_EQ(tester_permit(&alice, WORLD_PEER6), 0);
    T_EQ(tester_permit(&alice, WORLD_PEER), 443);
    turn_world_close(&w);
}

static void a_family_that_is_not_served_is_refused(void)
{
    begin();
    w.no_v6 = true;
    T_EQ(allocate_as(&alice, (struct wish){.requested = 2}), 440);
    T_EQ(allocate_as(&alice, (struct wish){.requested = 1}), 0);
    T_EQ(tester_refresh(&alice, 0), 0);
    w.no_v4 = true;
    T_EQ(allocate_as(&alice, (struct wish){0}), 440);
    turn_world_close(&w);
}

static void both_families_make_one_allocation_of_two_addresses(void)
{
    begin();
    T_EQ(allocate_as(&alice, (struct wish){.additional = 2}), 0);
    T_OK(relayed_is(0, "203.0.113.9:50000"));
    T_OK(relayed_is(1, "[2001:db8:9::9]:50001"));
    T_EQ(turn_server_allocations(w.server), 1);
    T_EQ(turn_policy_allocations(w.policy), 1);
    T_EQ(w.relays_open, 2);
    T_EQ(tester_permit(&alice, WORLD_PEER), 0);
    T_EQ(tester_permit(&alice, WORLD_PEER6), 0);
    tester_send(&alice, WORLD_PEER6, "six");
    T_EQ(w.peer.relay->family, AF_INET6);
    tester_send(&alice, WORLD_PEER, "four");
    T_EQ(w.peer.relay->family, AF_INET);
    turn_world_close(&w);
}

static void half_of_both_says_what_is_missing_and_why(void)
{
    struct stun_message m;

    begin();
    w.no_v6 = true;
    T_EQ(allocate_as(&alice, (struct wish){.additional = 2}), 0);
    T_OK(turn_world_answer(&w, &m));
    T_MEM(stun_get(&m, STUN_HAS_ADDRESS_ERROR_CODE).p, "\2\0\4\50", 4); /* IPv6: 440 */
    T_OK(relayed_is(0, "203.0.113.9:50000"));
    T_EQ(tester_refresh(&alice, 0), 0);
    w.no_v6 = false;
    w.no_v4 = true;
    T_EQ(allocate_as(&alice, (struct wish){.additional = 2}), 0);
    T_OK(turn_world_answer(&w, &m));
    T_MEM(stun_get(&m, STUN_HAS_ADDRESS_ERROR_CODE).p, "\1\0\4\50", 4); /* IPv4: 440 */
    T_EQ(tester_refresh(&alice, 0), 0);
    w.no_v4 = false;
    w.relay_limit = 1;
    T_EQ(allocate_as(&alice, (struct wish){.additional = 2}), 0);
    T_OK(turn_world_answer(&w, &m));
    T_MEM(stun_get(&m, STUN_HAS_ADDRESS_ERROR_CODE).p, "\2\0\5\10", 4); /* IPv6: 508 */
    T_EQ(tester_refresh(&alice, 0), 0);
    w.no_v4 = w.no_v6 = true;
    T_EQ(allocate_as(&alice, (struct wish){.additional = 2}), 440);
    turn_world_close(&w);
}

static void a_lifetime_is_between_the_default_and_the_most(void)
{
    static const struct {
        int asked;
        uint32_t granted;
    } rows[] = {{0, 600}, {1, 600}, {599, 600}, {601, 601}, {3600, 3600}, {3601, 3600}};

    begin();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        T_EQ(allocate_as(&alice, (struct wish){.lifetime = rows[i].asked}), 0);
        T_EQ(lifetime_of_answer(), rows[i].granted);
        turn_world_wait(&w, SEC(rows[i].granted) - 1);
        T_EQ(turn_server_allocations(w.server), 1);
        turn_world_wait(&w, 1);
        T_EQ(turn_server_allocations(w.server), 0);
        T_EQ(w.relays_open, 0);
        tester_learn_nonce(&alice);
    }
    turn_world_close(&w);
}

static void a_retransmission_gets_the_same_answer_and_no_second_allocation(void)
{
    uint8_t first[1024];

    begin();
    tester_learn_nonce(&alice);
    alice.keep_id = true;
    T_EQ(allocate_as(&alice, (struct wish){.even = 2}), 0);
    const size_t n = turn_world_last(&w)->n;
    memcpy(first, turn_world_last(&w)->bytes, n);
    T_EQ(allocate_as(&alice, (struct wish){.even = 2}), 0);
    T_EQ(turn_world_last(&w)->n, n);
    T_MEM(turn_world_last(&w)->bytes, first, n);
    T_EQ(turn_server_allocations(w.server), 1);
    T_EQ(w.relays_open, 2);
    alice.keep_id = false;
    tester_refresh(&alice, -1); /* another id from here on */
    T_EQ(allocate_as(&alice, (struct wish){.even = 2}), 437);
    turn_world_close(&w);
}

static void a_tuple_is_transport_and_both_addresses(void)
{
    struct tester other;

    begin();
    T_EQ(tester_allocate(&alice), 0);
    tester_init(&other, &w, "192.0.2.1:4001");
    T_EQ(tester_allocate(&other), 0);
    tester_init(&other, &w, "192.0.2.1:4000");
    other.tuple.local = turn_address("203.0.113.9:3479");
    T_EQ(tester_allocate(&other), 0);
    tester_init_stream(&other, &w, "192.0.2.1:4000", TURN_TCP, 1);
    T_EQ(tester_allocate(&other), 0);
    tester_init_stream(&other, &w, "192.0.2.1:4000", TURN_TLS, 1);
    T_EQ(tester_allocate(&other), 0);
    tester_init_stream(&other, &w, "192.0.2.1:4000", TURN_TCP, 2);
    T_EQ(tester_allocate(&other), 0);
    T_EQ(turn_server_allocations(w.server), 6);
    const struct turn_counters *counters = turn_server_counters(w.server);
    T_EQ(counter_get(&counters->turn_total_allocations[TURN_UDP]), 3);
    T_EQ(counter_get(&counters->turn_total_allocations[TURN_TCP]), 2);
    T_EQ(counter_get(&counters->turn_total_allocations[TURN_TLS]), 1);
    turn_world_close(&w);
}

static void an_even_port_is_even(void)
{
    struct tester other;

    begin();
    T_EQ(tester_allocate(&alice), 0); /* takes 50000 */
    tester_init(&other, &w, "192.0.2.1:4001");
    T_EQ(allocate_as(&other, (struct wish){.even = 1}), 0);
    T_OK(relayed_is(0, "203.0.113.9:50002"));
    turn_world_close(&w);
}

static void the_next_port_is_reserved_for_who_has_the_token(void)
{
    struct tester other;
    struct stun_message m;
    uint8_t token[8];

    begin();
    T_EQ(allocate_as(&alice, (struct wish){.even = 2}), 0);
    T_OK(turn_world_answer(&w, &m));
    T_EQ(stun_get(&m, STUN_HAS_RESERVATION_TOKEN).n, 8);
    memcpy(token, stun_get(&m, STUN_HAS_RESERVATION_TOKEN).p, 8);
    tester_init_stream(&other, &w, "192.0.2.9:1", TURN_TCP, 3); /* any 5-tuple will do */
    T_EQ(allocate_as(&other, (struct wish){.token = token}), 0);
    T_OK(relayed_is(0, "203.0.113.9:50001"));
    T_EQ(tester_relay(&other)->port, 50001);
    tester_init(&other, &w, "192.0.2.9:2");
    T_EQ(allocate_as(&other, (struct wish){.token = token}), 508); /* once */
    T_EQ(allocate_as(&other, (struct wish){.token = (const uint8_t *)"01234567"}), 508);
    turn_world_close(&w);
}

static void a_reservation_ends_after_thirty_seconds_and_its_port_is_free(void)
{
    struct tester other;
    struct stun_message m;
    uint8_t token[8];

    begin();
    w.relay_limit = 2;
    T_EQ(allocate_as(&alice, (struct wish){.even = 2}), 0);
    T_OK(turn_world_answer(&w, &m));
    memcpy(token, stun_get(&m, STUN_HAS_RESERVATION_TOKEN).p, 8);
    tester_init(&other, &w, "192.0.2.9:2");
    T_EQ(tester_allocate(&other), 508);
    turn_world_wait(&w, SEC(30));
    T_EQ(w.relays_open, 1);
    T_EQ(allocate_as(&other, (struct wish){.token = token}), 508);
    T_EQ(tester_allocate(&other), 0);
    turn_world_close(&w);
}

static void another_user_gets_nothing_for_the_token(void)
{
    struct tester bob;
    struct stun_message m;
    uint8_t token[8];

    begin();
    T_EQ(allocate_as(&alice, (struct wish){.even = 2}), 0);
    T_OK(turn_world_answer(&w, &m));
    memcpy(token, stun_get(&m, STUN_HAS_RESERVATION_TOKEN).p, 8);
    tester_init(&bob, &w, "192.0.2.9:2");
    bob.username = "bob";
    bob.password = "builder";
    T_EQ(allocate_as(&bob, (struct wish){.token = token}), 508);
    turn_world_close(&w);
}

static void ports_run_out_and_come_back(void)
{
    struct tester clients[5];

    begin();
    w.relay_limit = 4;
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 5; i++) {
            tester_init(&clients[i], &w, "192.0.2.1:1");
            address_set_port(&clients[i].tuple.remote, (uint16_t)(100 + i));
            T_EQ(tester_allocate(&clients[i]), i < 4 ? 0 : 508);
        }
        T_EQ(turn_policy_allocations(w.policy), 4); /* the refused one costs no quota */
        for (unsigned i = 0; i < 4; i++)
            T_EQ(tester_refresh(&clients[i], 0), 0);
        T_EQ(w.relays_open, 0);
    }
    turn_world_close(&w);
}

static void a_failure_of_the_kernel_is_ours(void)
{
    begin();
    w.relay_failure = RC_SYS;
    T_EQ(tester_allocate(&alice), 500);
    w.relay_failure = RC_NOMEM;
    T_EQ(tester_allocate(&alice), 500);
    w.relay_failure = 0;
    T_EQ(tester_allocate(&alice), 0);
    turn_world_close(&w);
}

static void a_user_has_a_quota_and_so_has_everybody(void)
{
    struct tester c;

    turn_world_init(&w);
    w.policy_options.user_quota = 2;
    w.policy_options.total_quota = 3;
    open_world();
    for (unsigned i = 0; i < 3; i++) {
        tester_init(&c, &w, "192.0.2.1:1");
        address_set_port(&c.tuple.remote, (uint16_t)(100 + i));
        T_EQ(tester_allocate(&c), i < 2 ? 0 : 486);
    }
    for (unsigned i = 0; i < 2; i++) {
        tester_init(&c, &w, "192.0.2.1:1");
        c.username = "bob";
        c.password = "builder";
        address_set_port(&c.tuple.remote, (uint16_t)(200 + i));
        T_EQ(tester_allocate(&c), i < 1 ? 0 : 486);
    }
    T_EQ(w.relays_open, 3);
    turn_world_close(&w);
}

static void a_thread_has_so_many_allocations(void)
{
    struct tester other;

    turn_world_init(&w);
    w.options.max_allocations = 1;
    open_world();
    T_EQ(tester_allocate(&alice), 0);
    tester_init(&other, &w, "192.0.2.1:4001");
    T_EQ(tester_allocate(&other), 508);
    T_EQ(tester_refresh(&alice, 0), 0);
    T_EQ(tester_allocate(&other), 0);
    turn_world_close(&w);
}

static void an_alternate_server_is_named_to_those_of_its_family(void)
{
    struct tester six;
    struct stun_message m;
    struct address a;

    turn_world_init(&w);
    w.options.alternate = turn_address("203.0.113.200:3478");
    open_world();
    alice.anonymous = true;
    T_EQ(tester_allocate(&alice), 401); /* strangers are not sent on */
    alice.anonymous = false;
    T_EQ(tester_allocate(&alice), 300);
    T_OK(turn_world_answer(&w, &m));
    T_EQ(stun_get_address(&m, STUN_HAS_ALTERNATE_SERVER, &a), RC_OK);
    T_OK(address_equal(&a, &w.options.alternate));
    T_OK(stun_has(&m, STUN_HAS_MESSAGE_INTEGRITY));
    T_EQ(turn_server_allocations(w.server), 0);
    tester_init(&six, &w, "[2001:db8::1]:4000");
    T_EQ(tester_allocate(&six), 0);
    turn_world_close(&w);
}

static void dont_fragment_is_known(void)
{
    begin();
    T_EQ(allocate_as(&alice, (struct wish){.dont_fragment = true}), 0);
    turn_world_close(&w);
}

static void a_message_of_another_transport_protocol_is_refused(void)
{
    begin();
    T_EQ(allocate_as(&alice, (struct wish){.protocol = 6}), 442);
    T_EQ(allocate_as(&alice, (struct wish){.protocol = 99}), 442);
    turn_world_close(&w);
}

static const struct t_case cases[] = {
    T_CASE(a_family_can_be_asked_for),
    T_CASE(a_family_that_is_not_served_is_refused),
    T_CASE(both_families_make_one_allocation_of_two_addresses),
    T_CASE(half_of_both_says_what_is_missing_and_why),
    T_CASE(a_lifetime_is_between_the_default_and_the_most),
    T_CASE(a_retransmission_gets_the_same_answer_and_no_second_allocation),
    T_CASE(a_tuple_is_transport_and_both_addresses),
    T_CASE(an_even_port_is_even),
    T_CASE(the_next_port_is_reserved_for_who_has_the_token),
    T_CASE(a_reservation_ends_after_thirty_seconds_and_its_port_is_free),
    T_CASE(another_user_gets_nothing_for_the_token),
    T_CASE(ports_run_out_and_come_back),
    T_CASE(a_failure_of_the_kernel_is_ours),
    T_CASE(a_user_has_a_quota_and_so_has_everybody),
    T_CASE(a_thread_has_so_many_allocations),
    T_CASE(an_alternate_server_is_named_to_those_of_its_family),
    T_CASE(dont_fragment_is_known),
    T_CASE(a_message_of_another_transport_protocol_is_refused),
};
T_MAIN(cases)
