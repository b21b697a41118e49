/*
 * The server as a whole: each error code by the shortest way to it, floods, and what an
 * allocation's life is from end to end.
 */
#include "tests/t.h"
#include "tests/turn/turn_world_lib.h"

#include <malloc.h>

static struct turn_world w;
static struct tester alice;

static void init(void)
{
    turn_world_init(&w);
    tester_init(&alice, &w, "192.0.2.1:4000");
}

static void begin(void)
{
    init();
    turn_world_open(&w);
}

static void begin_with_allocation(void)
{
    begin();
    T_EQ(tester_allocate(&alice), 0);
}

/* --- from end to end -------------------------------------------------------------------------
 */

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
    struct stun_message m;
    struct address from;

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

static void two_clients_of_this_server_reach_each_other_by_their_relays(void)
{
    struct tester bob;

    begin_with_allocation();
    tester_init(&bob, &w, "192.0.2.2:4000");
    bob.username = "bob";
    bob.password = "builder";
    T_EQ(tester_allocate(&bob), 0);
    T_EQ(tester_bind(&alice, 0x4000, "203.0.113.9:50001"), 0);
    T_EQ(tester_permit(&bob, "203.0.113.9:50000"), 0);
    tester_channel_send(&alice, 0x4000, "hello");
    T_EQ(w.peer.relay->port, 50000);
    const unsigned before = w.sent_count;
    tester_peer_sends(&bob, "203.0.113.9:50000", "hello");
    T_EQ(w.sent_count, before + 1);
    turn_world_close(&w);
}

/* --- a way to each code ----------------------------------------------------------------------
 */

static int code_300(void)
{
    init();
    w.options.alternate = turn_address("203.0.113.200:3478");
    turn_world_open(&w);
    return tester_allocate(&alice);
}

static int code_400(void)
{
    struct tester_request request;

    begin();
    tester_learn_nonce(&alice);
    tester_begin(&request, &alice, STUN_ALLOCATE); /* no REQUESTED-TRANSPORT */
    return tester_exchange(&request);
}

static int code_401(void)
{
    begin();
    alice.password = "wrong";
    return tester_allocate(&alice);
}

static int code_403(void)
{
    begin_with_allocation();
    return tester_permit(&alice, "127.0.0.1");
}

static int allocate_with(uint16_t type, uint32_t value)
{
    struct tester_request request;

    tester_learn_nonce(&alice);
    tester_begin(&request, &alice, STUN_ALLOCATE);
    if (type != STUN_ATTR_REQUESTED_TRANSPORT)
        stun_put_u32(&request.builder, STUN_ATTR_REQUESTED_TRANSPORT, 17u << 24);
    stun_put_u32(&request.builder, type, value);
    return tester_exchange(&request);
}

static int code_405(void)
{
    begin();
    return allocate_with(STUN_ATTR_MOBILITY_TICKET, 0);
}

static int code_420(void)
{
    begin();
    return allocate_with(0x7ffe, 0);
}

static int code_437(void)
{
    begin();
    return tester_refresh(&alice, -1);
}

static int code_438(void)
{
    begin();
    tester_learn_nonce(&alice);
    turn_world_wait(&w, SEC(3600));
    return tester_allocate(&alice);
}

static int code_440(void)
{
    begin();
    w.no_v6 = true;
    return allocate_with(STUN_ATTR_REQUESTED_ADDRESS_FAMILY, 2u << 24);
}

static int code_441(void)
{
    begin_with_allocation();
    alice.username = "bob";
    alice.password = "builder";
    return tester_refresh(&alice, -1);
}

static int code_442(void)
{
    begin();
    return allocate_with(STUN_ATTR_REQUESTED_TRANSPORT, 6u << 24);
}

static int code_443(void)
{
    begin_with_allocation();
    return tester_permit(&alice, WORLD_PEER6);
}

static int connect_twice(int failure)
{
    const struct address peer = turn_address(WORLD_PEER);
    struct tester_request request;
    int code = -1;

    init();
    w.options.tcp_relay = true;
    turn_world_open(&w);
    tester_init_stream(&alice, &w, "192.0.2.1:4000", TURN_TCP, 1);
    T_EQ(allocate_with(STUN_ATTR_REQUESTED_TRANSPORT, 6u << 24), 0);
    w.connect_failure = failure;
    for (int i = 0; i < 2; i++) {
        tester_begin(&request, &alice, STUN_CONNECT);
        stun_put_address(&request.builder, STUN_ATTR_XOR_PEER_ADDRESS, &peer);
        code = tester_exchange(&request);
    }
    return code;
}

static int code_446(void)
{
    return connect_twice(0);
}

static int code_447(void)
{
    return connect_twice(RC_SYS);
}

static int code_486(void)
{
    struct tester second;

    init();
    w.policy_options.user_quota = 1;
    turn_world_open(&w);
    T_EQ(tester_allocate(&alice), 0);
    tester_init(&second, &w, "192.0.2.1:4001");
    return tester_allocate(&second);
}

static int code_500(void)
{
    begin();
    w.relay_failure = RC_SYS;
    return tester_allocate(&alice);
}

static int code_508(void)
{
    begin();
    w.relay_failure = RC_FULL;
    return tester_allocate(&alice);
}

static const struct {
    int code;
    int (*way)(void);
} ways[] = {
    {300, code_300}, {400, code_400}, {401, code_401}, {403, code_403}, {405, code_405},
    {420, code_420}, {437, code_437}, {438, code_438}, {440, code_440}, {441, code_441},
    {442, code_442}, {443, code_443}, {446, code_446}, {447, code_447}, {486, code_486},
    {500, code_500}, {508, code_508},
};

/* 487 is the ICE agent's: a Binding request here is plain STUN, whatever roles it names. */
static void there_is_a_way_to_each_error_code(void)
{
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        struct stun_message m;

        T_EQ(ways[i].way(), ways[i].code);
        T_OK(turn_world_answer(&w, &m));
        T_EQ(m.class, STUN_ERROR);
        /* Section 9.2.4 of RFC 8489: what follows authentication is sealed, what failed it is
         * not. */
        T_EQ(stun_has(&m, STUN_HAS_MESSAGE_INTEGRITY),
             ways[i].code != 401 && ways[i].code != 438);
        turn_world_close(&w);
    }
}

/* --- order: which of two faults is told
 * -------------------------------------------------------- */

static void authentication_comes_before_everything(void)
{
    struct tester_request request;

    begin();
    alice.anonymous = true;
    tester_begin(&request, &alice, STUN_ALLOCATE); /* no transport, an unknown attribute */
    stun_put_u32(&request.builder, 0x7ffe, 0);
    T_EQ(tester_exchange(&request), 401);
    T_EQ(tester_refresh(&alice, 0), 401);
    T_EQ(tester_permit(&alice, "10.0.0.1"), 401);
    turn_world_close(&w);
}

static void unknown_attributes_come_before_the_allocation_and_that_before_the_content(void)
{
    struct tester_request request;

    begin();
    tester_learn_nonce(&alice);
    tester_begin(&request, &alice, STUN_CHANNEL_BIND);
    stun_put_u32(&request.builder, 0x7ffe, 0);
    T_EQ(tester_exchange(&request), 420);
    tester_begin(&request, &alice, STUN_CHANNEL_BIND);
    T_EQ(tester_exchange(&request), 437);
    T_EQ(tester_allocate(&alice), 0);
    tester_begin(&request, &alice, STUN_CHANNEL_BIND);
    T_EQ(tester_exchange(&request), 400);
    tester_begin(&request, &alice, STUN_ALLOCATE); /* in use, and without a transport */
    T_EQ(tester_exchange(&request), 437);
    turn_world_close(&w);
}

/* --- credentials with an end
 * ------------------------------------------------------------------- */

static const char *const secrets[] = {"new secret", "old secret"};

static void begin_with_secrets(bool strict)
{
    init();
    w.auth_options.secret = secrets;
    w.auth_options.secret_count = 2;
    w.auth_options.strict_expiry = strict;
    w.auth_options.stale_nonce = 0;
    turn_world_open(&w);
}

static void credentials_that_expire_do_not_end_what_they_began(void)
{
    struct tester second;

    begin_with_secrets(false);
    tester_use_secret(&alice, secrets[0], w.unix_now + 100, "carol");
    T_EQ(tester_allocate(&alice), 0);
    turn_world_wait(&w, SEC(200));
    T_EQ(tester_refresh(&alice, -1), 0);
    T_EQ(tester_permit(&alice, WORLD_PEER), 0);
    tester_init(&second, &w, "192.0.2.1:4001");
    tester_use_secret(&second, secrets[0], w.unix_now - 100, "carol");
    T_EQ(tester_allocate(&second), 401);
    turn_world_close(&w);
}

static void with_strict_expiry_they_do(void)
{
    begin_with_secrets(true);
    tester_use_secret(&alice, secrets[0], w.unix_now + 100, "carol");
    T_EQ(tester_allocate(&alice), 0);
    turn_world_wait(&w, SEC(200));
    T_EQ(tester_refresh(&alice, -1), 401);
    T_EQ(turn_server_allocations(w.server), 0);
    turn_world_close(&w);
}

static void a_secret_of_before_is_good_while_secrets_are_rotated(void)
{
    begin_with_secrets(false);
    tester_use_secret(&alice, secrets[1], w.unix_now + 100, "carol");
    T_EQ(tester_allocate(&alice), 0);
    T_EQ(tester_permit(&alice, WORLD_PEER), 0);
    tester_use_secret(&alice, "no secret of ours", w.unix_now + 100, "carol");
    T_EQ(tester_permit(&alice, WORLD_PEER), 401);
    turn_world_close(&w);
}

/* Section 5: the username of an allocation is "expiry:user", not the user. */
static void newer_credentials_of_the_same_user_are_others(void)
{
    begin_with_secrets(false);
    tester_use_secret(&alice, secrets[0], w.unix_now + 100, "carol");
    T_EQ(tester_allocate(&alice), 0);
    tester_use_secret(&alice, secrets[0], w.unix_now + 200, "carol");
    T_EQ(tester_refresh(&alice, -1), 441);
    turn_world_close(&w);
}

/* --- floods
 * ------------------------------------------------------------------------------------ */

enum { FLOOD = 100000 };

static void spoofed_requests_leave_memory_where_it_was(void)
{
    struct tester spoofed;

    begin_with_allocation();
    T_EQ(tester_bind(&alice, 0x4000, WORLD_PEER), 0);
    tester_init(&spoofed, &w, "10.0.0.0:1");
    strcpy(spoofed.nonce, alice.nonce);
    spoofed.password = "guess";
    w.quiet = true;
    const size_t before = mallinfo2().uordblks;
    for (uint32_t i = 0; i < FLOOD; i++) {
        spoofed.tuple.remote.v4.sin_addr.s_addr = htonl(0x0b000000u + i);
        spoofed.anonymous = i % 2;
        tester_allocate(&spoofed);
    }
    T_EQ(mallinfo2().uordblks, before);
    T_EQ(turn_server_allocations(w.server), 1);
    T_EQ(w.relays_open, 1);
    w.quiet = false;
    tester_channel_send(&alice, 0x4000, "undisturbed");
    T_EQ(w.to_peer_count, 1);
    T_EQ(tester_refresh(&alice, -1), 0);
    turn_world_close(&w);
}

static void a_flood_with_one_forged_source_is_hardly_answered(void)
{
    begin();
    alice.anonymous = true;
    for (uint32_t i = 0; i < FLOOD; i++)
        tester_allocate(&alice);
    T_EQ(w.sent_count, 100);
    turn_world_close(&w);
}

static const struct t_case cases[] = {
    T_CASE(an_allocation_has_a_relayed_address_and_a_lifetime),
    T_CASE(data_needs_a_permission_and_then_flows_both_ways),
    T_CASE(a_channel_carries_data_with_four_bytes_of_head),
    T_CASE(two_clients_of_this_server_reach_each_other_by_their_relays),
    T_CASE(there_is_a_way_to_each_error_code),
    T_CASE(authentication_comes_before_everything),
    T_CASE(unknown_attributes_come_before_the_allocation_and_that_before_the_content),
    T_CASE(credentials_that_expire_do_not_end_what_they_began),
    T_CASE(with_strict_expiry_they_do),
    T_CASE(a_secret_of_before_is_good_while_secrets_are_rotated),
    T_CASE(newer_credentials_of_the_same_user_are_others),
    T_CASE(spoofed_requests_leave_memory_where_it_was),
    T_CASE(a_flood_with_one_forged_source_is_hardly_answered),
};
T_MAIN(cases)
