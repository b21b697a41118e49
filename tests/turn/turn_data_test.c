/*
 * RFC 8656 sections 11 and 12: data through an allocation, byte by byte.
 */
#include "tests/t.h"
#include "tests/turn/turn_world_lib.h"

static struct turn_world w;
static struct tester alice;

static void begin(void)
{
    turn_world_init(&w);
    turn_world_open(&w);
    tester_init(&alice, &w, "192.0.2.1:4000");
    T_EQ(tester_allocate(&alice), 0);
    T_EQ(tester_permit(&alice, WORLD_PEER), 0);
}

/* clang-format off */
static const struct {
    const char *what;
    size_t n;
    const char *bytes;
    bool udp, stream; /* is it passed on? */
    size_t data;
} messages[] = {
    {"two bytes",                   6, "\x40\x01\x00\x02" "hi", true, false, 2},
    {"two bytes, padded",           8, "\x40\x01\x00\x02" "hi\0\0", true, true, 2},
    {"no bytes at all",             4, "\x40\x01\x00\x00", true, true, 0},
    {"more behind than padding",   10, "\x40\x01\x00\x02" "hi\0\0\0\0", true, true, 2},
    {"one byte is missing",         7, "\x40\x01\x00\x04" "hi\0", false, false, 0},
    {"a length of 65535",           8, "\x40\x01\xff\xff" "hi\0\0", false, false, 0},
    {"the length is cut off",       3, "\x40\x01\x00", false, false, 0},
    {"the number is cut off",       1, "\x40", false, false, 0},
    {"a channel that is not bound", 8, "\x40\x02\x00\x02" "hi\0\0", false, false, 0},
    {"a number of RFC 5766",        8, "\x50\x01\x00\x02" "hi\0\0", false, false, 0},
    {"a number of nobody",          8, "\x7f\xff\x00\x02" "hi\0\0", false, false, 0},
};
/* clang-format on */

static void each_channel_data(const char *address, enum turn_transport transport, bool stream)
{
    struct tester client;

    turn_world_init(&w);
    turn_world_open(&w);
    tester_init_stream(&client, &w, address, transport, transport == TURN_UDP ? 0 : 1);
    T_EQ(tester_allocate(&client), 0);
    T_EQ(tester_bind(&client, 0x4001, WORLD_PEER), 0);
    for (size_t i = 0; i < ARRAY_LEN(messages); i++) {
        const bool passes = stream ? messages[i].stream : messages[i].udp;
        const unsigned before = w.to_peer_count;
        uint8_t *exact = malloc(messages[i].n); /* the sanitizer sees what is read beyond */

        memcpy(exact, messages[i].bytes, messages[i].n);
        w.peer.n = 0;
        tester_input(&client, (struct span){exact, messages[i].n});
        if (w.to_peer_count - before != passes)
            printf("# %s\n", messages[i].what);
        T_EQ(w.to_peer_count - before, passes);
        T_EQ(w.peer.n, messages[i].data * passes);
        if (passes)
            T_OK(w.peer.data == exact + 4); /* not copied */
        free(exact);
    }
    turn_world_close(&w);
}

static void each_channel_data_in_a_datagram(void)
{
    each_channel_data("192.0.2.1:4000", TURN_UDP, false);
    each_channel_data("[2001:db8::1]:4000", TURN_DTLS, false);
}

static void each_channel_data_on_a_stream(void)
{
    each_channel_data("192.0.2.1:4000", TURN_TCP, true);
    each_channel_data("192.0.2.1:4000", TURN_TLS, true);
}

static void data_to_a_stream_is_padded_and_to_a_datagram_not(void)
{
    struct tester tcp;

    begin();
    T_EQ(tester_bind(&alice, 0x4001, WORLD_PEER), 0);
    tester_peer_sends(&alice, WORLD_PEER, "12345");
    T_EQ(turn_world_last(&w)->n, 9);
    T_EQ(turn_world_last(&w)->tail, 0);
    tester_init_stream(&tcp, &w, "192.0.2.1:4000", TURN_TCP, 1);
    T_EQ(tester_allocate(&tcp), 0);
    T_EQ(tester_bind(&tcp, 0x4001, WORLD_PEER), 0);
    tester_peer_sends(&tcp, WORLD_PEER, "12345");
    T_EQ(turn_world_last(&w)->n, 12);
    T_EQ(turn_world_last(&w)->tail, 3);
    T_MEM(turn_world_last(&w)->bytes,
          "\x40\x01\x00\x05"
          "12345\0\0\0",
          12);
    turn_world_close(&w);
}

static void a_data_indication_fits_the_headroom(void)
{
    struct tester six;
    struct tester_request request;

    begin();
    tester_peer_sends(&alice, WORLD_PEER, "12345");
    T_EQ(turn_world_last(&w)->head, 36);
    T_EQ(turn_world_last(&w)->tail, 3);
    tester_init(&six, &w, "192.0.2.2:4000");
    tester_learn_nonce(&six);
    tester_begin(&request, &six, STUN_ALLOCATE);
    stun_put_u32(&request.builder, STUN_ATTR_REQUESTED_TRANSPORT, 17u << 24);
    stun_put_u32(&request.builder, STUN_ATTR_REQUESTED_ADDRESS_FAMILY, 2u << 24);
    T_EQ(tester_exchange(&request), 0);
    T_EQ(tester_permit(&six, WORLD_PEER6), 0);
    tester_peer_sends(&six, WORLD_PEER6, "");
    T_EQ(turn_world_last(&w)->head, TURN_HEADROOM);
    struct stun_message m;
    T_OK(turn_world_answer(&w, &m));
    T_OK(stun_has(&m, STUN_HAS_DATA));
    T_EQ(stun_get(&m, STUN_HAS_DATA).n, 0);
    turn_world_close(&w);
}

static void indications_have_ids_of_their_own(void)
{
    uint8_t first[12];

    begin();
    tester_peer_sends(&alice, WORLD_PEER, "x");
    memcpy(first, turn_world_last(&w)->bytes + 8, 12);
    tester_peer_sends(&alice, WORLD_PEER, "x");
    T_OK(memcmp(first, turn_world_last(&w)->bytes + 8, 12) != 0);
    turn_world_close(&w);
}

static void only_the_peers_address_may_answer(void)
{
    begin();
    const unsigned before = w.sent_count;
    tester_peer_sends(&alice, "198.51.100.8:7000", "x");
    T_EQ(w.sent_count, before);
    tester_peer_sends(&alice, "198.51.100.7:1", "x"); /* any port of it (section 9) */
    T_EQ(w.sent_count, before + 1);
    turn_world_close(&w);
}

static void dont_fragment_is_passed_on(void)
{
    const struct address peer = turn_address(WORLD_PEER);
    uint8_t buffer[256];
    struct stun_builder b;

    begin();
    stun_begin(&b, buffer, sizeof buffer, STUN_INDICATION, STUN_SEND, alice.id);
    stun_put_address(&b, STUN_ATTR_XOR_PEER_ADDRESS, &peer);
    stun_put(&b, STUN_ATTR_DONT_FRAGMENT, NULL, 0);
    stun_put(&b, STUN_ATTR_DATA, "x", 1);
    tester_input(&alice, (struct span){buffer, stun_finish(&b, false)});
    T_EQ(w.to_peer_count, 1);
    T_EQ(w.peer.flags, TURN_SEND_DONT_FRAGMENT);
    tester_send(&alice, WORLD_PEER, "x");
    T_EQ(w.peer.flags, 0);
    turn_world_close(&w);
}

enum { NO_PEER = 1, NO_DATA = 2, TWO_PEERS = 4, UNKNOWN = 8, PORT_ZERO = 16 };

static void send_with(unsigned faults)
{
    const struct address peer = turn_address(faults & PORT_ZERO ? "198.51.100.7" : WORLD_PEER);
    uint8_t buffer[256];
    struct stun_builder b;

    stun_begin(&b, buffer, sizeof buffer, STUN_INDICATION, STUN_SEND, alice.id);
    for (int i = 0; !(faults & NO_PEER) && i < (faults & TWO_PEERS ? 2 : 1); i++)
        stun_put_address(&b, STUN_ATTR_XOR_PEER_ADDRESS, &peer);
    if (faults & UNKNOWN)
        stun_put_u32(&b, 0x7ffe, 0);
    if (!(faults & NO_DATA))
        stun_put(&b, STUN_ATTR_DATA, "x", 1);
    tester_input(&alice, (struct span){buffer, stun_finish(&b, false)});
}

static void a_bad_send_indication_is_dropped_without_a_word(void)
{
    begin();
    const unsigned before = w.sent_count;
    for (unsigned faults = 1; faults < 32; faults++)
        send_with(faults);
    T_EQ(w.to_peer_count, 0);
    send_with(0);
    T_EQ(w.to_peer_count, 1);
    T_EQ(w.sent_count, before);
    turn_world_close(&w);
}

static void no_indication_and_no_answer_is_answered(void)
{
    static const struct {
        enum stun_class class;
        uint16_t method;
    } rows[] = {
        {STUN_INDICATION, STUN_BINDING},
        {STUN_INDICATION, STUN_ALLOCATE},
        {STUN_INDICATION, STUN_REFRESH},
        {STUN_INDICATION, STUN_DATA},
        {STUN_INDICATION, STUN_CONNECT},
        {STUN_SUCCESS, STUN_BINDING},
        {STUN_ERROR, STUN_ALLOCATE},
        {STUN_REQUEST, STUN_SEND},
        {STUN_REQUEST, STUN_DATA},
        {STUN_REQUEST, 0x0fff},
        {STUN_REQUEST, STUN_CONNECTION_ATTEMPT},
    };
    uint8_t buffer[64];
    struct stun_builder b;

    begin();
    const unsigned before = w.sent_count;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        stun_begin(&b, buffer, sizeof buffer, rows[i].class, rows[i].method, alice.id);
        T_EQ(tester_input(&alice, (struct span){buffer, stun_finish(&b, false)}), RC_OK);
    }
    T_EQ(w.sent_count, before);
    T_EQ(tester_input(&alice, SPAN_LITERAL("\x80SSH-2.0-OpenSSH\r\n")), RC_BAD);
    T_EQ(tester_input(&alice, (struct span){buffer, 0}), RC_BAD);
    T_EQ(tester_input(&alice, (struct span){buffer, 19}), RC_BAD);
    T_EQ(w.sent_count, before);
    turn_world_close(&w);
}

static void an_icmp_error_is_told_with_its_kind(void)
{
    struct stun_message m;
    struct address from;
    const struct address peer = turn_address(WORLD_PEER);

    begin();
    struct turn_allocation *a = turn_server_find_client(w.server, &alice.tuple);
    turn_server_peer_icmp(w.server, a, &peer, 3, 3, 77, w.now);
    T_OK(turn_world_answer(&w, &m));
    T_EQ(m.class, STUN_INDICATION);
    T_EQ(m.method, STUN_DATA);
    T_OK(!stun_has(&m, STUN_HAS_DATA));
    T_EQ(stun_get_peer(&m, 0, &from), RC_OK);
    T_OK(address_equal(&from, &peer));
    T_MEM(stun_get(&m, STUN_HAS_ICMP).p, "\0\0\6\3\0\0\0\0", 8); /* type 3 in 7 bits, code 3 */
    turn_server_peer_icmp(w.server, a, &peer, 3, 4, 1400, w.now);
    T_OK(turn_world_answer(&w, &m));
    T_MEM(stun_get(&m, STUN_HAS_ICMP).p, "\0\0\6\4\0\0\5\x78", 8); /* the MTU */
    turn_world_close(&w);
}

static void other_icmp_and_that_of_strangers_is_not_told(void)
{
    const struct address peer = turn_address(WORLD_PEER),
                         other = turn_address("198.51.100.9:1");

    begin();
    struct turn_allocation *a = turn_server_find_client(w.server, &alice.tuple);
    const unsigned before = w.sent_count;
    turn_server_peer_icmp(w.server, a, &peer, 0, 0, 0, w.now);  /* echo reply */
    turn_server_peer_icmp(w.server, a, &peer, 5, 0, 0, w.now);  /* redirect */
    turn_server_peer_icmp(w.server, a, &other, 3, 3, 0, w.now); /* no permission */
    T_EQ(w.sent_count, before);
    turn_server_peer_icmp(w.server, a, &peer, 11, 0, 0, w.now);
    T_EQ(w.sent_count, before + 1);
    turn_world_close(&w);
}

static void an_allocation_has_a_rate_each_way(void)
{
    turn_world_init(&w);
    w.policy_options.max_bps = 1000;
    turn_world_open(&w);
    tester_init(&alice, &w, "192.0.2.1:4000");
    T_EQ(tester_allocate(&alice), 0);
    T_EQ(tester_bind(&alice, 0x4000, WORLD_PEER), 0);
    const unsigned before = w.sent_count;
    for (int i = 0; i < 100; i++) {
        tester_channel_send(&alice, 0x4000, "twenty bytes of data");
        tester_peer_sends(&alice, WORLD_PEER, "twenty bytes of data");
    }
    T_EQ(w.to_peer_count, 50);
    T_EQ(w.sent_count - before, 50);
    turn_world_wait(&w, MSEC(500));
    for (int i = 0; i < 100; i++)
        tester_channel_send(&alice, 0x4000, "twenty bytes of data");
    T_EQ(w.to_peer_count, 75);
    T_EQ(counter_get(&turn_server_counters(w.server)->turn_rate_limited_packets), 175);
    turn_world_close(&w);
}

static void everything_is_counted(void)
{
    begin();
    struct turn_counters *c = turn_server_counters(w.server);
    const uint64_t rcvp = counter_get(&c->turn_total_traffic_rcvp);
    const uint64_t sentb = counter_get(&c->turn_total_traffic_sentb);
    T_EQ(tester_bind(&alice, 0x4000, WORLD_PEER), 0);
    const size_t answer = turn_world_last(&w)->n;
    tester_channel_send(&alice, 0x4000, "hello");
    tester_peer_sends(&alice, WORLD_PEER, "welcome");
    T_EQ(counter_get(&c->turn_total_traffic_rcvp), rcvp + 2);
    T_EQ(counter_get(&c->turn_total_traffic_peer_sentp), 1);
    T_EQ(counter_get(&c->turn_total_traffic_peer_sentb), 5);
    T_EQ(counter_get(&c->turn_total_traffic_peer_rcvb), 7);
    T_EQ(counter_get(&c->turn_total_traffic_sentb), sentb + answer + 11);
    tester_peer_sends(&alice, "198.51.100.99:1", "x");
    T_EQ(counter_get(&c->turn_no_permission_packets), 1);
    T_EQ(counter_get(&c->turn_packet_dropped), 1);
    turn_world_close(&w);
}

static void icmpv6_has_kinds_of_its_own(void)
{
    const struct address peer = turn_address(WORLD_PEER6);
    struct tester_request request;
    struct stun_message m;

    begin();
    T_EQ(tester_refresh(&alice, 0), 0);
    tester_begin(&request, &alice, STUN_ALLOCATE);
    stun_put_u32(&request.builder, STUN_ATTR_REQUESTED_TRANSPORT, 17u << 24);
    stun_put_u32(&request.builder, STUN_ATTR_REQUESTED_ADDRESS_FAMILY, 2u << 24);
    T_EQ(tester_exchange(&request), 0);
    T_EQ(tester_permit(&alice, WORLD_PEER6), 0);
    struct turn_allocation *a = turn_server_find_client(w.server, &alice.tuple);
    const unsigned before = w.sent_count;
    turn_server_peer_icmp(w.server, a, &peer, 11, 0, 0, w.now);
    turn_server_peer_icmp(w.server, a, &peer, 129, 0, 0, w.now);
    T_EQ(w.sent_count, before);
    turn_server_peer_icmp(w.server, a, &peer, 2, 0, 1280, w.now); /* packet too big */
    T_OK(turn_world_answer(&w, &m));
    T_MEM(stun_get(&m, STUN_HAS_ICMP).p, "\0\0\4\0\0\0\5\0", 8);
    turn_world_close(&w);
}

static void what_is_too_long_for_a_message_is_dropped(void)
{
    static uint8_t data[65536];
    const struct address peer = turn_address(WORLD_PEER);

    begin();
    struct turn_allocation *a = turn_server_find_client(w.server, &alice.tuple);
    const unsigned before = w.sent_count;
    turn_server_from_peer(w.server, a, &peer, (struct span){data, sizeof data}, w.now);
    T_EQ(tester_bind(&alice, 0x4000, WORLD_PEER), 0);
    turn_server_from_peer(w.server, a, &peer, (struct span){data, sizeof data}, w.now);
    T_EQ(w.sent_count, before + 1);
    turn_world_close(&w);
}

static const struct t_case cases[] = {
    T_CASE(each_channel_data_in_a_datagram),
    T_CASE(each_channel_data_on_a_stream),
    T_CASE(data_to_a_stream_is_padded_and_to_a_datagram_not),
    T_CASE(a_data_indication_fits_the_headroom),
    T_CASE(indications_have_ids_of_their_own),
    T_CASE(only_the_peers_address_may_answer),
    T_CASE(dont_fragment_is_passed_on),
    T_CASE(a_bad_send_indication_is_dropped_without_a_word),
    T_CASE(no_indication_and_no_answer_is_answered),
    T_CASE(an_icmp_error_is_told_with_its_kind),
    T_CASE(other_icmp_and_that_of_strangers_is_not_told),
    T_CASE(icmpv6_has_kinds_of_its_own),
    T_CASE(what_is_too_long_for_a_message_is_dropped),
    T_CASE(an_allocation_has_a_rate_each_way),
    T_CASE(everything_is_counted),
};
T_MAIN(cases)
