/*
 * Peers that are this server's own media: their data stays in the process.
 */
#include "tests/t.h"
#include "tests/turn/turn_world_lib.h"
#include "turn/turn_rest.h"

static struct turn_world w;
static struct tester alice;

static void begin(void)
{
    turn_world_init(&w);
    turn_world_open(&w);
    tester_init(&alice, &w, "192.0.2.1:4000");
    T_EQ(tester_allocate(&alice), 0);
}

static void begin_without_ports(uint16_t first, uint16_t last)
{
    turn_world_init(&w);
    w.policy_options.relay_ports = false;
    w.options.relay_ports_none = true;
    w.options.tcp_relay = true;
    w.options.synthetic_v4 = turn_address(WORLD_RELAY_IP);
    w.options.synthetic_first = first;
    w.options.synthetic_last = last;
    turn_world_open(&w);
    tester_init(&alice, &w, "192.0.2.1:4000");
}

static void a_channel_to_our_media_asks_no_relay(void)
{
    const struct address media = turn_address(WORLD_MEDIA);

    begin();
    T_EQ(tester_bind(&alice, 0x4000, WORLD_MEDIA), 0);
    tester_channel_send(&alice, 0x4000, "hello");
    T_EQ(w.to_media_count, 1);
    T_EQ(w.to_peer_count, 0);
    T_MEM(w.peer.bytes, "hello", 5);
    T_OK(address_equal(&w.peer.peer, &media));
    const struct address relayed = turn_address("203.0.113.9:50000");
    T_OK(address_equal(&w.peer.relayed, &relayed));
    turn_world_close(&w);
}

static void what_the_media_says_comes_back_by_the_relayed_address(void)
{
    const struct address media = turn_address(WORLD_MEDIA);

    begin();
    T_EQ(tester_bind(&alice, 0x4000, WORLD_MEDIA), 0);
    tester_channel_send(&alice, 0x4000, "hello");
    struct turn_allocation *a = turn_server_find_relayed(w.server, &w.peer.relayed);
    T_OK(a != NULL);
    turn_server_from_peer(w.server, a, &media, SPAN_LITERAL("welcome"), w.now);
    T_MEM(turn_world_last(&w)->bytes, "\x40\x00\x00\x07welcome", 11);
    const struct address nobody = turn_address("203.0.113.9:50001");
    T_OK(turn_server_find_relayed(w.server, &nobody) == NULL);
    T_EQ(tester_refresh(&alice, 0), 0);
    T_OK(turn_server_find_relayed(w.server, &w.peer.relayed) == NULL);
    turn_world_close(&w);
}

static void indications_go_the_same_way(void)
{
    begin();
    T_EQ(tester_permit(&alice, WORLD_MEDIA), 0);
    tester_send(&alice, WORLD_MEDIA, "hello");
    T_EQ(w.to_media_count, 1);
    tester_peer_sends(&alice, WORLD_MEDIA, "welcome");
    struct stun_message m;
    T_OK(turn_world_answer(&w, &m));
    T_EQ(m.method, STUN_DATA);
    T_EQ(counter_get(&turn_server_counters(w.server)->turn_spliced_packets), 1);
    turn_world_close(&w);
}

static void other_ports_of_our_address_are_relays_or_nothing(void)
{
    begin();
    T_EQ(tester_permit(&alice, WORLD_MEDIA), 0);
    tester_send(&alice, "203.0.113.9:22", "ssh");
    T_EQ(w.to_media_count + w.to_peer_count, 0);
    tester_send(&alice, "203.0.113.9:50001", "another relayed address");
    T_EQ(w.to_media_count, 0);
    T_EQ(w.to_peer_count, 1);
    const unsigned before = w.sent_count;
    tester_peer_sends(&alice, "203.0.113.9:22", "ssh");
    T_EQ(w.sent_count, before);
    tester_peer_sends(&alice, "203.0.113.9:50001", "x");
    T_EQ(w.sent_count, before + 1);
    T_EQ(tester_bind(&alice, 0x4000, "203.0.113.9:22"), 403);
    T_EQ(tester_bind(&alice, 0x4000, "203.0.113.9:50001"), 0);
    turn_world_close(&w);
}

static void spliced_data_counts_for_the_rate(void)
{
    turn_world_init(&w);
    w.policy_options.max_bps = 1000;
    turn_world_open(&w);
    tester_init(&alice, &w, "192.0.2.1:4000");
    T_EQ(tester_allocate(&alice), 0);
    T_EQ(tester_bind(&alice, 0x4000, WORLD_MEDIA), 0);
    for (int i = 0; i < 100; i++)
        tester_channel_send(&alice, 0x4000, "twenty bytes of data");
    T_EQ(w.to_media_count, 50);
    turn_world_close(&w);
}

static void without_relay_ports_nothing_is_opened_and_only_media_is_a_peer(void)
{
    struct stun_message m;
    struct address relayed;

    begin_without_ports(0, 0);
    T_EQ(tester_allocate(&alice), 0);
    T_EQ(w.relays_open, 0);
    T_OK(turn_world_answer(&w, &m));
    T_EQ(stun_get_address(&m, STUN_HAS_XOR_RELAYED_ADDRESS, &relayed), RC_OK);
    T_OK(address_equal_ip(&relayed, &w.options.synthetic_v4));
    T_EQ(tester_permit(&alice, WORLD_PEER), 403);
    T_EQ(tester_bind(&alice, 0x4000, WORLD_PEER), 403);
    T_EQ(tester_bind(&alice, 0x4000, "203.0.113.9:50001"), 403);
    T_EQ(tester_bind(&alice, 0x4000, WORLD_MEDIA), 0);
    tester_channel_send(&alice, 0x4000, "hello");
    T_EQ(w.to_media_count, 1);
    T_OK(address_equal(&w.peer.relayed, &relayed));
    tester_peer_sends(&alice, WORLD_MEDIA, "welcome");
    T_MEM(turn_world_last(&w)->bytes, "\x40\x00\x00\x07welcome", 11);
    turn_world_close(&w);
}

static void synthetic_addresses_are_different_and_run_out(void)
{
    struct tester c[5];
    bool seen[4] = {false};

    begin_without_ports(2000, 2003);
    for (unsigned i = 0; i < 5; i++) {
        struct stun_message m;
        struct address relayed;

        tester_init(&c[i], &w, "192.0.2.1:1");
        address_set_port(&c[i].tuple.remote, (uint16_t)(100 + i));
        T_EQ(tester_allocate(&c[i]), i < 4 ? 0 : 508);
        if (i == 4)
            break;
        T_OK(turn_world_answer(&w, &m));
        T_EQ(stun_get_address(&m, STUN_HAS_XOR_RELAYED_ADDRESS, &relayed), RC_OK);
        T_OK(!seen[address_port(&relayed) - 2000]);
        seen[address_port(&relayed) - 2000] = true;
    }
    T_EQ(tester_refresh(&c[2], 0), 0);
    T_EQ(tester_allocate(&c[4]), 0);
    turn_world_close(&w);
}

static int allocate_with(uint16_t type, uint32_t value)
{
    struct tester_request request;

    if (!alice.nonce[0])
        tester_learn_nonce(&alice);
    tester_begin(&request, &alice, STUN_ALLOCATE);
    if (type != STUN_ATTR_REQUESTED_TRANSPORT)
        stun_put_u32(&request.builder, STUN_ATTR_REQUESTED_TRANSPORT, 17u << 24);
    if (type == STUN_ATTR_EVEN_PORT)
        stun_put(&request.builder, type, (const uint8_t[]){(uint8_t)value}, 1);
    else
        stun_put_u32(&request.builder, type, value);
    return tester_exchange(&request);
}

static void what_needs_a_port_is_refused_without_ports(void)
{
    struct stun_message m;
    struct address relayed;

    begin_without_ports(2001, 3000);
    T_EQ(allocate_with(STUN_ATTR_REQUESTED_ADDRESS_FAMILY, 2u << 24), 440);
    T_EQ(allocate_with(STUN_ATTR_EVEN_PORT, 0x80), 508);
    T_EQ(allocate_with(STUN_ATTR_REQUESTED_TRANSPORT, 6u << 24), 442);
    T_EQ(allocate_with(STUN_ATTR_EVEN_PORT, 0), 0);
    T_OK(turn_world_answer(&w, &m));
    T_EQ(stun_get_address(&m, STUN_HAS_XOR_RELAYED_ADDRESS, &relayed), RC_OK);
    T_EQ(address_port(&relayed) % 2, 0);
    turn_world_close(&w);
}

/* A capability of the user's: this server's media and nothing else. */
static void a_user_may_be_held_to_the_media(void)
{
    static const char secret[] = "secret";
    static const char *const secrets[] = {secret};
    const struct turn_capability only = {.sfu_only = true};
    struct turn_credential credential;

    turn_world_init(&w);
    w.auth_options.secret = secrets;
    w.auth_options.secret_count = 1;
    turn_world_open(&w);
    tester_init(&alice, &w, "192.0.2.1:4000");
    T_EQ(turn_rest_make(&credential, SPAN_LITERAL("secret"), ':', "carol", &only, 600,
                        w.unix_now),
         RC_OK);
    alice.username = credential.username;
    alice.password = credential.password;
    T_EQ(tester_allocate(&alice), 0);
    T_EQ(w.media_only, 1); /* no socket is opened for what can never be sent */
    T_EQ(tester_bind(&alice, 0x4001, WORLD_PEER), 403);
    T_EQ(tester_permit(&alice, WORLD_PEER), 403);
    T_EQ(tester_bind(&alice, 0x4000, WORLD_MEDIA), 0);
    tester_channel_send(&alice, 0x4000, "hello");
    T_EQ(w.to_media_count, 1);
    tester_send(&alice, "203.0.113.9:50001", "another relayed address");
    T_EQ(w.to_peer_count, 0);
    turn_world_close(&w);
}

static const struct t_case cases[] = {
    T_CASE(a_channel_to_our_media_asks_no_relay),
    T_CASE(what_the_media_says_comes_back_by_the_relayed_address),
    T_CASE(indications_go_the_same_way),
    T_CASE(other_ports_of_our_address_are_relays_or_nothing),
    T_CASE(spliced_data_counts_for_the_rate),
    T_CASE(a_user_may_be_held_to_the_media),
    T_CASE(without_relay_ports_nothing_is_opened_and_only_media_is_a_peer),
    T_CASE(synthetic_addresses_are_different_and_run_out),
    T_CASE(what_needs_a_port_is_refused_without_ports),
};
T_MAIN(cases)
