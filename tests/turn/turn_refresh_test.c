/*
 * RFC 8656 section 8: how long an allocation lives. RFC 8016: how it moves.
 */
#include "tests/t.h"
#include "tests/turn/turn_world_lib.h"

static struct turn_world w;
static struct tester alice, moved;
static uint8_t ticket[64];
static size_t ticket_n;

static void begin(void)
{
    turn_world_init(&w);
    w.options.mobility = true;
    turn_world_open(&w);
    tester_init(&alice, &w, "192.0.2.1:4000");
    tester_init(&moved, &w, "198.18.0.1:9999");
}

static uint32_t lifetime_of_answer(void)
{
    struct stun_message m;

    T_OK(turn_world_answer(&w, &m));
    return stun_get_u32(&m, STUN_HAS_LIFETIME);
}

static void a_refresh_sets_the_time_anew(void)
{
    begin();
    T_EQ(tester_allocate(&alice), 0);
    turn_world_wait(&w, SEC(500));
    T_EQ(tester_refresh(&alice, -1), 0);
    T_EQ(lifetime_of_answer(), 600);
    turn_world_wait(&w, SEC(600) - 1);
    T_EQ(turn_server_allocations(w.server), 1);
    turn_world_wait(&w, 1);
    T_EQ(turn_server_allocations(w.server), 0);
    turn_world_close(&w);
}

static void lifetimes_are_bounded_as_in_allocate(void)
{
    begin();
    T_EQ(tester_allocate(&alice), 0);
    T_EQ(tester_refresh(&alice, 1), 0);
    T_EQ(lifetime_of_answer(), 600);
    T_EQ(tester_refresh(&alice, 1000000), 0);
    T_EQ(lifetime_of_answer(), 3600);
    turn_world_wait(&w, SEC(3600) - 1);
    T_EQ(turn_server_allocations(w.server), 1);
    turn_world_wait(&w, 1);
    T_EQ(turn_server_allocations(w.server), 0);
    turn_world_close(&w);
}

static void zero_deletes(void)
{
    begin();
    T_EQ(tester_allocate(&alice), 0);
    T_EQ(tester_refresh(&alice, 0), 0);
    T_EQ(lifetime_of_answer(), 0);
    T_EQ(turn_server_allocations(w.server), 0);
    T_EQ(w.relays_open, 0);
    T_EQ(tester_refresh(&alice, 0), 437); /* which the client takes for done (section 8.3) */
    T_EQ(tester_permit(&alice, WORLD_PEER), 437);
    T_EQ(tester_allocate(&alice), 0); /* the 5-tuple is free */
    turn_world_close(&w);
}

static int refresh_family(uint8_t family, int lifetime)
{
    struct tester_request request;

    tester_begin(&request, &alice, STUN_REFRESH);
    stun_put_u32(&request.builder, STUN_ATTR_REQUESTED_ADDRESS_FAMILY, (uint32_t)family << 24);
    if (lifetime >= 0)
        stun_put_u32(&request.builder, STUN_ATTR_LIFETIME, (uint32_t)lifetime);
    return tester_exchange(&request);
}

static void allocate_both(void)
{
    struct tester_request request;

    tester_learn_nonce(&alice);
    tester_begin(&request, &alice, STUN_ALLOCATE);
    stun_put_u32(&request.builder, STUN_ATTR_REQUESTED_TRANSPORT, 17u << 24);
    stun_put_u32(&request.builder, STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY, 2u << 24);
    T_EQ(tester_exchange(&request), 0);
}

static void one_address_of_two_can_be_given_back(void)
{
    begin();
    allocate_both();
    T_EQ(tester_bind(&alice, 0x4000, WORLD_PEER), 0);
    T_EQ(tester_bind(&alice, 0x4001, WORLD_PEER6), 0);
    T_EQ(refresh_family(2, 0), 0);
    T_EQ(w.relays_open, 1);
    T_EQ(refresh_family(2, -1), 443);
    T_EQ(refresh_family(3, -1), 440);
    tester_channel_send(&alice, 0x4001, "six");
    tester_send(&alice, WORLD_PEER6, "six");
    T_EQ(w.to_peer_count, 0);
    T_EQ(tester_permit(&alice, WORLD_PEER6), 443);
    tester_channel_send(&alice, 0x4000, "four");
    T_EQ(w.to_peer_count, 1);
    T_EQ(refresh_family(1, 0), 0); /* the last one */
    T_EQ(turn_server_allocations(w.server), 0);
    turn_world_close(&w);
}

static void each_address_of_two_has_a_time_of_its_own(void)
{
    begin();
    allocate_both();
    turn_world_wait(&w, SEC(300));
    T_EQ(refresh_family(1, -1), 0);
    turn_world_wait(&w, SEC(300));
    T_EQ(w.relays_open, 1);
    T_EQ(turn_server_allocations(w.server), 1);
    turn_world_wait(&w, SEC(300));
    T_EQ(turn_server_allocations(w.server), 0);
    turn_world_close(&w);
}

static void a_stream_is_closed_when_its_allocation_expires_but_not_when_it_is_deleted(void)
{
    struct tester tcp;

    begin();
    tester_init_stream(&tcp, &w, "192.0.2.7:4000", TURN_TLS, 77);
    T_EQ(tester_allocate(&tcp), 0);
    T_EQ(tester_refresh(&tcp, 0), 0);
    T_EQ(w.client_closes, 0);
    T_EQ(tester_allocate(&tcp), 0);
    turn_world_wait(&w, SEC(600));
    T_EQ(w.client_closes, 1);
    T_EQ(w.closed_client.connection, 77);
    T_EQ(turn_server_allocations(w.server), 0);
    turn_world_close(&w);
}

static void an_allocation_ends_with_its_stream(void)
{
    struct tester tcp;

    begin();
    tester_init_stream(&tcp, &w, "192.0.2.7:4000", TURN_TCP, 77);
    T_EQ(tester_allocate(&tcp), 0);
    turn_server_client_gone(w.server, &tcp.tuple, w.now);
    T_EQ(turn_server_allocations(w.server), 0);
    T_EQ(w.relays_open, 0);
    T_EQ(w.client_closes, 0); /* it is closed already */
    turn_server_client_gone(w.server, &tcp.tuple, w.now);
    turn_world_close(&w);
}

/* --- mobility
 * ---------------------------------------------------------------------------------- */

static void keep_ticket(void)
{
    struct stun_message m;

    T_OK(turn_world_answer(&w, &m));
    const struct span t = stun_get(&m, STUN_HAS_MOBILITY_TICKET);
    T_OK(t.n > 0 && t.n <= sizeof ticket);
    memcpy(ticket, t.p, t.n);
    ticket_n = t.n;
}

static int allocate_mobile(struct tester *client)
{
    struct tester_request request;

    if (!client->nonce[0])
        tester_learn_nonce(client);
    tester_begin(&request, client, STUN_ALLOCATE);
    stun_put_u32(&request.builder, STUN_ATTR_REQUESTED_TRANSPORT, 17u << 24);
    stun_put(&request.builder, STUN_ATTR_MOBILITY_TICKET, NULL, 0);
    return tester_exchange(&request);
}

/* A Refresh that shows `ticket`; with the first nonce if there is none yet. */
static int show_ticket(struct tester *client, int lifetime)
{
    struct tester_request request;

    if (!client->nonce[0])
        tester_learn_nonce(client);
    tester_begin(&request, client, STUN_REFRESH);
    stun_put(&request.builder, STUN_ATTR_MOBILITY_TICKET, ticket, ticket_n);
    if (lifetime >= 0)
        stun_put_u32(&request.builder, STUN_ATTR_LIFETIME, (uint32_t)lifetime);
    return tester_exchange(&request);
}

static void begin_mobile(void)
{
    begin();
    T_EQ(allocate_mobile(&alice), 0);
    keep_ticket();
    T_EQ(tester_bind(&alice, 0x4000, WORLD_PEER), 0);
}

static bool arrives_at(const struct tester *client)
{
    const struct turn_allocation *a = turn_server_find_client(w.server, &client->tuple);
    const struct address from = turn_address(WORLD_PEER);
    const unsigned before = w.sent_count;

    if (!a)
        return false;
    turn_server_from_peer(w.server, w.relay[0].owner, &from, SPAN_LITERAL("data"), w.now);
    return w.sent_count == before + 1 &&
           address_equal(&turn_world_last(&w)->to.remote, &client->tuple.remote) &&
           turn_world_last(&w)->to.connection == client->tuple.connection;
}

static void no_ticket_is_given_to_who_does_not_ask(void)
{
    struct stun_message m;

    begin();
    T_EQ(tester_allocate(&alice), 0);
    T_OK(turn_world_answer(&w, &m));
    T_OK(!stun_has(&m, STUN_HAS_MOBILITY_TICKET));
    T_EQ(show_ticket(&alice, -1), 405); /* not a mobile one */
    turn_world_close(&w);
}

static void mobility_is_forbidden_where_it_is_off(void)
{
    begin();
    w.options.mobility = false;
    turn_world_close(&w);
    turn_world_open(&w);
    T_EQ(allocate_mobile(&alice), 405);
    T_EQ(tester_allocate(&alice), 0);
    T_EQ(show_ticket(&alice, -1), 405);
    T_EQ(show_ticket(&moved, -1), 405);
    turn_world_close(&w);
}

static void an_allocation_moves_with_its_permissions_and_channels(void)
{
    begin_mobile();
    T_EQ(tester_refresh(&moved, -1), 437);
    T_EQ(show_ticket(&moved, -1), 0);
    keep_ticket();
    T_EQ(turn_server_allocations(w.server), 1);
    T_OK(arrives_at(&moved));
    tester_channel_send(&moved, 0x4000, "hello");
    T_EQ(w.to_peer_count, 1);
    tester_channel_send(&alice, 0x4000, "hello"); /* from where it was */
    T_EQ(w.to_peer_count, 1);
    T_EQ(tester_permit(&alice, WORLD_PEER), 437);
    T_EQ(counter_get(&turn_server_counters(w.server)->turn_moved_allocations), 1);
    turn_world_close(&w);
}

static void the_first_request_from_a_new_address_learns_a_nonce_of_its_own(void)
{
    begin_mobile();
    strcpy(moved.nonce, alice.nonce);
    T_EQ(show_ticket(&moved, -1),
         438); /* a ticket and the answers of another address do not do */
    T_OK(arrives_at(&alice));
    tester_learn_nonce(&moved);
    T_EQ(show_ticket(&moved, -1), 0);
    turn_world_close(&w);
}

static void a_retransmitted_move_is_answered_alike(void)
{
    uint8_t first[512];

    begin_mobile();
    tester_learn_nonce(&moved);
    moved.keep_id = true;
    T_EQ(show_ticket(&moved, -1), 0);
    const size_t n = turn_world_last(&w)->n;
    memcpy(first, turn_world_last(&w)->bytes, n);
    T_EQ(show_ticket(&moved, -1), 0);
    T_EQ(turn_world_last(&w)->n, n);
    T_MEM(turn_world_last(&w)->bytes, first, n);
    turn_world_close(&w);
}

static void the_ticket_before_is_good_when_the_answer_was_lost(void)
{
    struct tester third;
    uint8_t old[64];

    begin_mobile();
    T_EQ(show_ticket(&moved, -1), 0); /* whose answer is lost */
    tester_init(&third, &w, "198.18.0.2:1");
    T_EQ(show_ticket(&third, -1), 0);
    memcpy(old, ticket, ticket_n);
    keep_ticket();
    T_OK(arrives_at(&third));
    T_EQ(show_ticket(&third, -1), 0);
    keep_ticket();
    memcpy(ticket, old, ticket_n); /* two behind */
    T_EQ(show_ticket(&moved, -1), 437);
    T_EQ(show_ticket(&third, -1), 400);
    turn_world_close(&w);
}

static void a_ticket_does_not_open_for_another_user_or_when_forged(void)
{
    begin_mobile();
    moved.username = "bob";
    moved.password = "builder";
    T_EQ(show_ticket(&moved, -1), 441);
    T_OK(arrives_at(&alice));
    moved.username = "alice";
    T_EQ(show_ticket(&moved, -1), 401);
    moved.password = "wonder";
    ticket[5] ^= 1;
    T_EQ(show_ticket(&moved, -1), 400);
    T_EQ(show_ticket(&alice, -1), 400);
    ticket_n = 3;
    T_EQ(show_ticket(&moved, -1), 400);
    T_OK(arrives_at(&alice));
    turn_world_close(&w);
}

static void a_ticket_of_one_allocation_does_not_move_another(void)
{
    uint8_t first[64];

    begin_mobile();
    memcpy(first, ticket, ticket_n);
    T_EQ(allocate_mobile(&moved), 0);
    keep_ticket();
    memcpy(ticket, first, ticket_n);
    T_EQ(show_ticket(&moved, -1), 400); /* has one of its own */
    T_EQ(turn_server_allocations(w.server), 2);
    turn_world_close(&w);
}

static void a_mobile_allocation_waits_when_its_stream_is_gone(void)
{
    struct tester tls;

    begin();
    tester_init_stream(&tls, &w, "192.0.2.7:4000", TURN_TLS, 5);
    T_EQ(allocate_mobile(&tls), 0);
    keep_ticket();
    T_EQ(tester_bind(&tls, 0x4000, WORLD_PEER), 0);
    turn_server_client_gone(w.server, &tls.tuple, w.now);
    T_EQ(turn_server_allocations(w.server), 1);
    const unsigned before = w.sent_count;
    const struct address from = turn_address(WORLD_PEER);
    turn_server_from_peer(w.server, w.relay[0].owner, &from, SPAN_LITERAL("data"), w.now);
    T_EQ(w.sent_count, before); /* to nobody */

    turn_world_wait(&w, SEC(10));
    T_EQ(show_ticket(&moved, -1), 0); /* from TLS to UDP */
    T_OK(arrives_at(&moved));
    T_EQ(w.client_closes, 0);
    const struct turn_counters *counters = turn_server_counters(w.server);
    T_EQ(counter_get(&counters->turn_total_allocations[TURN_TLS]), 0);
    T_EQ(counter_get(&counters->turn_total_allocations[TURN_UDP]), 1);
    turn_world_close(&w);
}

static void it_does_not_wait_longer_than_its_lifetime(void)
{
    struct tester tls;

    begin();
    tester_init_stream(&tls, &w, "192.0.2.7:4000", TURN_TLS, 5);
    T_EQ(allocate_mobile(&tls), 0);
    keep_ticket();
    turn_server_client_gone(w.server, &tls.tuple, w.now);
    turn_world_wait(&w, SEC(600));
    T_EQ(turn_server_allocations(w.server), 0);
    T_EQ(w.client_closes, 0);
    T_EQ(show_ticket(&moved, -1), 437);
    turn_world_close(&w);
}

static void a_move_closes_the_stream_that_it_came_from(void)
{
    struct tester tls, next;

    begin();
    tester_init_stream(&tls, &w, "192.0.2.7:4000", TURN_TLS, 5);
    tester_init_stream(&next, &w, "192.0.2.8:4000", TURN_TLS, 6);
    T_EQ(allocate_mobile(&tls), 0);
    keep_ticket();
    T_EQ(tester_bind(&tls, 0x4000, WORLD_PEER), 0);
    T_EQ(show_ticket(&next, -1), 0);
    T_EQ(w.client_closes, 1);
    T_EQ(w.closed_client.connection, 5);
    turn_server_client_gone(w.server, &tls.tuple, w.now);
    T_OK(arrives_at(&next));
    turn_world_close(&w);
}

static void a_ticket_deletes_from_a_new_address_too(void)
{
    begin_mobile();
    T_EQ(show_ticket(&moved, 0), 0);
    T_EQ(turn_server_allocations(w.server), 0);
    turn_world_close(&w);
}

static const struct t_case cases[] = {
    T_CASE(a_refresh_sets_the_time_anew),
    T_CASE(lifetimes_are_bounded_as_in_allocate),
    T_CASE(zero_deletes),
    T_CASE(one_address_of_two_can_be_given_back),
    T_CASE(each_address_of_two_has_a_time_of_its_own),
    T_CASE(a_stream_is_closed_when_its_allocation_expires_but_not_when_it_is_deleted),
    T_CASE(an_allocation_ends_with_its_stream),
    T_CASE(no_ticket_is_given_to_who_does_not_ask),
    T_CASE(mobility_is_forbidden_where_it_is_off),
    T_CASE(an_allocation_moves_with_its_permissions_and_channels),
    T_CASE(the_first_request_from_a_new_address_learns_a_nonce_of_its_own),
    T_CASE(a_retransmitted_move_is_answered_alike),
    T_CASE(the_ticket_before_is_good_when_the_answer_was_lost),
    T_CASE(a_ticket_does_not_open_for_another_user_or_when_forged),
    T_CASE(a_ticket_of_one_allocation_does_not_move_another),
    T_CASE(a_mobile_allocation_waits_when_its_stream_is_gone),
    T_CASE(it_does_not_wait_longer_than_its_lifetime),
    T_CASE(a_move_closes_the_stream_that_it_came_from),
    T_CASE(a_ticket_deletes_from_a_new_address_too),
};
T_MAIN(cases)
