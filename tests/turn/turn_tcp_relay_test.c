/*
 * RFC 6062: connections to peers and from them.
 */
#include "turn/turn_tcp_relay.h"

#include "tests/t.h"
#include "tests/turn/turn_world_lib.h"

static struct turn_world w;
static struct tester alice, data;

static int allocate_tcp(struct tester *client)
{
    struct tester_request request;

    if (!client->nonce[0])
        tester_learn_nonce(client);
    tester_begin(&request, client, STUN_ALLOCATE);
    stun_put_u32(&request.builder, STUN_ATTR_REQUESTED_TRANSPORT, 6u << 24);
    return tester_exchange(&request);
}

static void begin(void)
{
    turn_world_init(&w);
    w.options.tcp_relay = true;
    turn_world_open(&w);
    tester_init_stream(&alice, &w, "192.0.2.1:4000", TURN_TCP, 1);
    tester_init_stream(&data, &w, "192.0.2.1:4001", TURN_TCP, 2);
    T_EQ(allocate_tcp(&alice), 0);
    tester_learn_nonce(&data);
}

static int connect_to(struct tester *client, const char *peer)
{
    const struct address a = turn_address(peer);
    struct tester_request request;

    tester_begin(&request, client, STUN_CONNECT);
    stun_put_address(&request.builder, STUN_ATTR_XOR_PEER_ADDRESS, &a);
    return tester_exchange(&request);
}

static int bind_connection(struct tester *client, uint32_t id)
{
    struct tester_request request;

    tester_begin(&request, client, STUN_CONNECTION_BIND);
    stun_put_u32(&request.builder, STUN_ATTR_CONNECTION_ID, id);
    return tester_exchange(&request);
}

static unsigned answer_code(void)
{
    struct stun_message m;

    T_OK(turn_world_answer(&w, &m));
    return m.class == STUN_SUCCESS ? 0 : stun_get_error(&m);
}

static uint32_t connection_id(void)
{
    struct stun_message m;

    T_OK(turn_world_answer(&w, &m));
    return stun_get_u32(&m, STUN_HAS_CONNECTION_ID);
}

static void a_connect_is_answered_when_the_peer_is_there(void)
{
    struct stun_message m;

    begin();
    alice.fingerprint = true;
    T_EQ(connect_to(&alice, WORLD_PEER), -1);
    T_EQ(w.tcp_count, 1);
    turn_server_peer_connected(w.server, w.tcp[0].id, true, w.now);
    T_EQ(connection_id(), w.tcp[0].id);
    T_OK(turn_world_answer(&w, &m));
    T_EQ(m.method, STUN_CONNECT);
    T_OK(stun_has(&m, STUN_HAS_MESSAGE_INTEGRITY) && stun_has(&m, STUN_HAS_FINGERPRINT));
    T_EQ(bind_connection(&data, w.tcp[0].id), 0);
    T_OK(w.tcp[0].bound);
    T_EQ(w.tcp[0].data_connection.connection, 2);
    turn_world_wait(&w, SEC(60)); /* once bound there is no deadline */
    T_OK(!w.tcp[0].closed);
    turn_server_peer_closed(w.server, w.tcp[0].id, w.now);
    T_OK(!w.tcp[0].closed); /* the glue did */
    T_EQ(connect_to(&alice, WORLD_PEER), -1);
    turn_world_close(&w);
    T_OK(w.tcp[1].closed);
}

static void a_connect_that_fails_or_takes_too_long_is_answered_447(void)
{
    begin();
    T_EQ(connect_to(&alice, WORLD_PEER), -1);
    turn_server_peer_connected(w.server, w.tcp[0].id, false, w.now);
    T_EQ(answer_code(), 447);
    T_EQ(connect_to(&alice, WORLD_PEER), -1);
    turn_world_wait(&w, SEC(30) - 1);
    T_OK(!w.tcp[1].closed);
    turn_world_wait(&w, 1);
    T_EQ(answer_code(), 447);
    T_OK(w.tcp[1].closed);
    T_EQ(connect_to(&alice, WORLD_PEER), -1);
    turn_server_peer_closed(w.server, w.tcp[2].id, w.now);
    T_EQ(answer_code(), 447);
    w.connect_failure = RC_SYS;
    T_EQ(connect_to(&alice, WORLD_PEER), 447);
    w.connect_failure = RC_FULL;
    T_EQ(connect_to(&alice, WORLD_PEER), 508);
    w.connect_failure = 0;
    w.connect_at_once = true;
    T_EQ(connect_to(&alice, WORLD_PEER), 0);
    turn_world_close(&w);
}

static void a_second_connection_to_the_same_peer_is_refused(void)
{
    begin();
    T_EQ(connect_to(&alice, WORLD_PEER), -1);
    T_EQ(connect_to(&alice, WORLD_PEER), 446); /* still connecting */
    turn_server_peer_connected(w.server, w.tcp[0].id, true, w.now);
    T_EQ(connect_to(&alice, WORLD_PEER), 446);
    T_EQ(connect_to(&alice, "198.51.100.7:7001"), -1);
    T_EQ(bind_connection(&data, w.tcp[0].id), 0);
    T_EQ(connect_to(&alice, WORLD_PEER), 446);
    turn_server_peer_closed(w.server, w.tcp[0].id, w.now);
    T_EQ(connect_to(&alice, WORLD_PEER), -1);
    turn_world_close(&w);
}

static void a_bad_connect_is_refused(void)
{
    struct tester_request request;
    struct tester udp;

    begin();
    tester_begin(&request, &alice, STUN_CONNECT);
    T_EQ(tester_exchange(&request), 400);
    T_EQ(connect_to(&alice, "198.51.100.7"), 400); /* no port */
    T_EQ(connect_to(&alice, "10.0.0.1:80"), 403);
    T_EQ(connect_to(&alice, WORLD_MEDIA), 403);
    T_EQ(connect_to(&alice, WORLD_PEER6), 443);
    T_EQ(connect_to(&data, WORLD_PEER), 437);
    tester_init_stream(&udp, &w, "192.0.2.1:4002", TURN_TCP, 3);
    T_EQ(tester_allocate(&udp), 0);
    T_EQ(connect_to(&udp, WORLD_PEER), 400); /* an allocation of UDP */
    T_EQ(w.tcp_count, 0);
    turn_world_close(&w);
}

static void a_connection_waits_thirty_seconds_to_be_bound(void)
{
    begin();
    T_EQ(connect_to(&alice, WORLD_PEER), -1);
    turn_world_wait(&w, SEC(20));
    turn_server_peer_connected(w.server, w.tcp[0].id, true, w.now);
    turn_world_wait(&w, SEC(30) - 1);
    T_OK(!w.tcp[0].closed);
    const unsigned before = w.sent_count;
    turn_world_wait(&w, 1);
    T_OK(w.tcp[0].closed);
    T_EQ(w.sent_count, before);
    T_EQ(bind_connection(&data, w.tcp[0].id), 400);
    turn_world_close(&w);
}

static void a_bind_must_be_the_owners_on_a_stream_of_its_own_and_once(void)
{
    struct tester udp;

    begin();
    w.connect_at_once = true;
    T_EQ(connect_to(&alice, WORLD_PEER), 0);
    const uint32_t id = w.tcp[0].id;
    T_EQ(bind_connection(&data, id + 1), 400);
    T_EQ(bind_connection(&data, 0), 400);
    T_EQ(bind_connection(&alice, id), 400); /* the control connection */
    tester_init(&udp, &w, "192.0.2.1:4003");
    tester_learn_nonce(&udp);
    T_EQ(bind_connection(&udp, id), 400);
    data.username = "bob";
    data.password = "builder";
    T_EQ(bind_connection(&data, id), 441);
    data.username = "alice";
    T_EQ(bind_connection(&data, id), 401);
    data.password = "wonder";
    T_OK(!w.tcp[0].bound);
    T_EQ(bind_connection(&data, id), 0);
    T_EQ(bind_connection(&data, id), 400);
    turn_world_close(&w);
}

static void a_connect_that_is_not_there_yet_cannot_be_bound(void)
{
    begin();
    T_EQ(connect_to(&alice, WORLD_PEER), -1);
    T_EQ(bind_connection(&data, w.tcp[0].id), 400);
    turn_world_close(&w);
}

static void a_peer_that_connects_is_announced_if_it_may(void)
{
    const struct address peer = turn_address(WORLD_PEER);
    struct stun_message m;
    struct address from;

    begin();
    struct turn_allocation *a = turn_server_find_client(w.server, &alice.tuple);
    const unsigned before = w.sent_count;
    T_EQ(turn_server_peer_arrived(w.server, a, &peer, w.now), 0);
    T_EQ(w.sent_count, before);
    T_EQ(tester_permit(&alice, WORLD_PEER), 0);
    const uint32_t id = turn_server_peer_arrived(w.server, a, &peer, w.now);
    T_OK(id != 0);
    T_OK(turn_world_answer(&w, &m));
    T_EQ(m.class, STUN_INDICATION);
    T_EQ(m.method, STUN_CONNECTION_ATTEMPT);
    T_EQ(stun_get_u32(&m, STUN_HAS_CONNECTION_ID), id);
    T_EQ(stun_get_peer(&m, 0, &from), RC_OK);
    T_OK(address_equal(&from, &peer));
    w.tcp[0].id = id; /* the glue's own note of it */
    T_EQ(bind_connection(&data, id), 0);
    T_OK(w.tcp[0].bound);
    turn_world_close(&w);
    T_OK(w.tcp[0].closed);
}

static void an_announced_peer_waits_thirty_seconds(void)
{
    const struct address peer = turn_address(WORLD_PEER);

    begin();
    struct turn_allocation *a = turn_server_find_client(w.server, &alice.tuple);
    T_EQ(tester_permit(&alice, WORLD_PEER), 0);
    w.tcp[0].id = turn_server_peer_arrived(w.server, a, &peer, w.now);
    turn_world_wait(&w, SEC(30));
    T_OK(w.tcp[0].closed);
    turn_world_close(&w);
}

static void an_allocation_has_so_many_connections(void)
{
    uint32_t ids[TCP_RELAY_CONNECTIONS_MAX];
    struct address peer = turn_address(WORLD_PEER);

    begin();
    T_EQ(tester_permit(&alice, WORLD_PEER), 0);
    struct turn_allocation *a = turn_server_find_client(w.server, &alice.tuple);
    for (unsigned i = 0; i < TCP_RELAY_CONNECTIONS_MAX; i++) {
        address_set_port(&peer, (uint16_t)(100 + i));
        ids[i] = turn_server_peer_arrived(w.server, a, &peer, w.now);
        T_OK(ids[i] != 0);
    }
    address_set_port(&peer, 99);
    T_EQ(turn_server_peer_arrived(w.server, a, &peer, w.now), 0);
    T_EQ(connect_to(&alice, "198.51.100.7:9999"), 508);
    turn_server_peer_closed(w.server, ids[5], w.now);
    T_EQ(connect_to(&alice, "198.51.100.7:9999"), -1);
    for (unsigned i = 0; i < TCP_RELAY_CONNECTIONS_MAX; i++)
        turn_server_peer_closed(w.server, ids[i], w.now);
    turn_world_close(&w);
}

static void they_end_with_their_allocation(void)
{
    begin();
    w.connect_at_once = true;
    T_EQ(connect_to(&alice, WORLD_PEER), 0);
    T_EQ(connect_to(&alice, "198.51.100.7:7001"), 0);
    T_EQ(bind_connection(&data, w.tcp[0].id), 0);
    turn_server_client_gone(w.server, &alice.tuple, w.now);
    T_OK(w.tcp[0].closed && w.tcp[1].closed);
    T_EQ(turn_server_allocations(w.server), 0);
    turn_server_peer_closed(w.server, w.tcp[0].id, w.now); /* late news of it */
    turn_server_peer_connected(w.server, w.tcp[0].id, true, w.now);
    turn_world_close(&w);
}

static void it_may_be_all_that_is_served(void)
{
    turn_world_init(&w);
    w.options.tcp_relay = w.options.no_udp_relay = true;
    turn_world_open(&w);
    tester_init_stream(&alice, &w, "192.0.2.1:4000", TURN_TCP, 1);
    T_EQ(tester_allocate(&alice), 442);
    T_EQ(allocate_tcp(&alice), 0);
    turn_world_close(&w);
}

static void it_has_no_channels_and_no_indications(void)
{
    begin();
    T_EQ(tester_bind(&alice, 0x4000, WORLD_PEER), 400);
    T_EQ(tester_permit(&alice, WORLD_PEER), 0);
    tester_send(&alice, WORLD_PEER, "x");
    T_EQ(w.to_peer_count, 0);
    turn_world_close(&w);
}

static void bytes_that_are_carried_are_counted_and_held_to_the_rate(void)
{
    turn_world_init(&w);
    w.options.tcp_relay = true;
    w.policy_options.max_bps = 1000;
    turn_world_open(&w);
    const struct turn_counters *n = turn_server_counters(w.server);
    tester_init_stream(&alice, &w, "192.0.2.1:4000", TURN_TCP, 1);
    T_EQ(allocate_tcp(&alice), 0);
    w.connect_at_once = true;
    T_EQ(connect_to(&alice, WORLD_PEER), 0);
    const uint32_t id = w.tcp[0].id;
    const uint64_t from_client = counter_get(&n->turn_total_traffic_rcvb),
                   to_client = counter_get(&n->turn_total_traffic_sentb);

    T_EQ(turn_server_peer_carried(w.server, id, true, 1000, w.now), 0);
    T_EQ(turn_server_peer_carried(w.server, id, true, 1000, w.now), SEC(1) + 1);
    T_EQ(turn_server_peer_carried(w.server, id, false, 600, w.now), 0);
    T_EQ(counter_get(&n->turn_total_traffic_rcvb) - from_client, 2000);
    T_EQ(counter_get(&n->turn_total_traffic_peer_sentb), 2000);
    T_EQ(counter_get(&n->turn_total_traffic_sentb) - to_client, 600);
    T_EQ(counter_get(&n->turn_total_traffic_peer_rcvb), 600);
    T_EQ(turn_server_peer_carried(w.server, id + 1, true, 1000, w.now), 0);
    turn_world_close(&w);
}

static const struct t_case cases[] = {
    T_CASE(a_connect_is_answered_when_the_peer_is_there),
    T_CASE(a_connect_that_fails_or_takes_too_long_is_answered_447),
    T_CASE(a_second_connection_to_the_same_peer_is_refused),
    T_CASE(a_bad_connect_is_refused),
    T_CASE(a_connection_waits_thirty_seconds_to_be_bound),
    T_CASE(a_bind_must_be_the_owners_on_a_stream_of_its_own_and_once),
    T_CASE(a_connect_that_is_not_there_yet_cannot_be_bound),
    T_CASE(a_peer_that_connects_is_announced_if_it_may),
    T_CASE(an_announced_peer_waits_thirty_seconds),
    T_CASE(an_allocation_has_so_many_connections),
    T_CASE(they_end_with_their_allocation),
    T_CASE(it_may_be_all_that_is_served),
    T_CASE(it_has_no_channels_and_no_indications),
    T_CASE(bytes_that_are_carried_are_counted_and_held_to_the_rate),
};
T_MAIN(cases)
