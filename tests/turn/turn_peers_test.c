/*
 * RFC 8656 sections 9, 10 and 12.2: who may be let in, and for how long.
 */
#include "tests/t.h"
#include "tests/turn/turn_world_lib.h"
#include "turn/channel.h"
#include "turn/permission.h"

static struct turn_world w;
static struct tester alice;

static void begin(void)
{
    turn_world_init(&w);
    turn_world_open(&w);
    tester_init(&alice, &w, "192.0.2.1:4000");
    T_EQ(tester_allocate(&alice), 0);
}

/* Keeps the allocation and the nonce while time passes. */
static void live_on(usec_t time)
{
    turn_world_wait(&w, time);
    tester_learn_nonce(&alice);
    T_EQ(tester_refresh(&alice, 3600), 0);
}

static void a_permission_lasts_five_minutes_and_data_does_not_prolong_it(void)
{
    begin();
    T_EQ(tester_permit(&alice, "198.51.100.7:1"), 0); /* the port does not matter */
    live_on(SEC(299));
    tester_send(&alice, WORLD_PEER, "x");
    tester_peer_sends(&alice, WORLD_PEER, "x");
    T_EQ(w.to_peer_count, 1);
    live_on(SEC(1));
    const unsigned before = w.sent_count;
    tester_send(&alice, WORLD_PEER, "x");
    tester_peer_sends(&alice, WORLD_PEER, "x");
    T_EQ(w.to_peer_count, 1);
    T_EQ(w.sent_count, before);
    T_EQ(tester_permit(&alice, WORLD_PEER), 0);
    tester_send(&alice, WORLD_PEER, "x");
    T_EQ(w.to_peer_count, 2);
    turn_world_close(&w);
}

static void a_channel_lasts_ten_minutes_and_its_permission_five(void)
{
    begin();
    T_EQ(tester_bind(&alice, 0x4000, WORLD_PEER), 0);
    live_on(SEC(299));
    tester_channel_send(&alice, 0x4000, "x");
    T_EQ(w.to_peer_count, 1);
    live_on(SEC(1));
    tester_channel_send(&alice, 0x4000, "x"); /* no permission, though the channel is there */
    T_EQ(w.to_peer_count, 1);
    T_EQ(tester_permit(&alice, WORLD_PEER), 0);
    tester_channel_send(&alice, 0x4000, "x");
    T_EQ(w.to_peer_count, 2);
    live_on(SEC(299));
    T_EQ(tester_permit(&alice, WORLD_PEER), 0);
    tester_channel_send(&alice, 0x4000, "x");
    T_EQ(w.to_peer_count, 3);
    live_on(SEC(1)); /* ten minutes */
    tester_channel_send(&alice, 0x4000, "x");
    T_EQ(w.to_peer_count, 3);
    tester_peer_sends(&alice, WORLD_PEER, "x"); /* comes as an indication then */
    T_EQ(turn_world_last(&w)->bytes[0], 0);
    turn_world_close(&w);
}

static void binding_again_refreshes_channel_and_permission(void)
{
    begin();
    for (int i = 0; i < 10; i++) {
        T_EQ(tester_bind(&alice, 0x4000, WORLD_PEER), 0);
        live_on(SEC(250));
        tester_channel_send(&alice, 0x4000, "x");
    }
    T_EQ(w.to_peer_count, 10);
    turn_world_close(&w);
}

static void a_channel_and_a_peer_belong_together(void)
{
    begin();
    T_EQ(tester_bind(&alice, 0x4000, WORLD_PEER), 0);
    T_EQ(tester_bind(&alice, 0x4000, "198.51.100.7:7001"), 400);
    T_EQ(tester_bind(&alice, 0x4001, WORLD_PEER), 400);
    T_EQ(tester_bind(&alice, 0x4001, "198.51.100.7:7001"), 0);
    T_EQ(tester_bind(&alice, 0x3fff, "198.51.100.7:7002"), 400);
    T_EQ(tester_bind(&alice, 0x8000, "198.51.100.7:7002"), 400);
    T_EQ(tester_bind(&alice, 0x7fff, "198.51.100.7:7002"), 0);
    T_EQ(tester_bind(&alice, 0x4002, "198.51.100.7:0"), 400);
    turn_world_close(&w);
}

static void each_forbidden_peer_is_refused(void)
{
    static const char *const peers[] = {
        "10.1.2.3:80",
        "127.0.0.1:80",
        "169.254.169.254:80",
        "192.168.1.1:80",
        "100.64.0.1:80",
        "0.0.0.0:80",
        "224.0.0.1:80",
        "255.255.255.255:80",
        "203.0.113.9:22" /* ours, and neither media nor a relay port */,
    };

    begin();
    for (size_t i = 0; i < ARRAY_LEN(peers); i++) {
        T_EQ(tester_bind(&alice, 0x4000, peers[i]), 403);
        if (i + 1 < ARRAY_LEN(peers))
            T_EQ(tester_permit(&alice, peers[i]), 403);
        tester_send(&alice, peers[i], "x");
    }
    T_EQ(w.to_peer_count, 0);
    T_EQ(w.to_media_count, 0);
    turn_world_close(&w);
}

static void the_other_family_is_refused(void)
{
    begin();
    T_EQ(tester_permit(&alice, WORLD_PEER6), 443);
    T_EQ(tester_bind(&alice, 0x4000, WORLD_PEER6), 443);
    tester_send(&alice, WORLD_PEER6, "x");
    T_EQ(w.to_peer_count, 0);
    turn_world_close(&w);
}

static int permit(const char *const *peers, size_t count)
{
    struct tester_request request;

    tester_begin(&request, &alice, STUN_CREATE_PERMISSION);
    for (size_t i = 0; i < count; i++) {
        const struct address a = turn_address(peers[i]);
        stun_put_address(&request.builder, STUN_ATTR_XOR_PEER_ADDRESS, &a);
    }
    return tester_exchange(&request);
}

static void many_are_let_in_together_or_none_is(void)
{
    static const char *const good[] = {"198.51.100.1", "198.51.100.2", "198.51.100.3"};
    static const char *const one_bad[] = {"198.51.100.4", "198.51.100.5", "10.0.0.1"};
    static const char *const mixed[] = {"198.51.100.4", "2001:db8:7::1"};

    begin();
    T_EQ(permit(good, 0), 400);
    T_EQ(permit(good, 3), 0);
    tester_send(&alice, "198.51.100.2:9", "x");
    tester_send(&alice, "198.51.100.3:9", "x");
    T_EQ(w.to_peer_count, 2);
    T_EQ(permit(one_bad, 3), 403);
    T_EQ(permit(mixed, 2), 443);
    tester_send(&alice, "198.51.100.4:9", "x");
    tester_send(&alice, "198.51.100.5:9", "x");
    T_EQ(w.to_peer_count, 2);
    turn_world_close(&w);
}

static void there_are_limits_and_room_again_later(void)
{
    begin();
    w.options.unauthorized_rate = 1000;
    for (unsigned i = 0; i <= CHANNELS_MAX; i++) {
        char peer[32];
        snprintf(peer, sizeof peer, "198.51.100.7:%u", 1000 + i);
        T_EQ(tester_bind(&alice, (uint16_t)(0x4000 + i), peer), i < CHANNELS_MAX ? 0 : 508);
    }
    live_on(SEC(599));
    live_on(SEC(1));
    T_EQ(tester_bind(&alice, 0x4fff, "198.51.100.7:1"), 0);
    for (unsigned i = 0; i < PERMISSIONS_MAX; i++) {
        char peer[32];
        snprintf(peer, sizeof peer, "198.51.100.%u", i % 256);
        T_EQ(tester_permit(&alice, peer), 0);
    }
    turn_world_close(&w);
}

static void a_flood_of_permissions_stops_at_the_limit(void)
{
    static const char *const any[] = {"0.0.0.0/0"};
    struct tester many;
    unsigned granted = 0;

    turn_world_init(&w);
    w.policy_options.allowed_peer_ip = any;
    w.policy_options.allowed_count = 1;
    turn_world_open(&w);
    tester_init(&many, &w, "192.0.2.1:4000");
    T_EQ(tester_allocate(&many), 0);
    for (unsigned i = 0; i < 1000; i++) {
        char peer[32];
        snprintf(peer, sizeof peer, "198.%u.%u.1", i / 256, i % 256);
        const int code = tester_permit(&many, peer);
        T_OK(code == 0 || code == 508);
        granted += code == 0;
    }
    T_EQ(granted, PERMISSIONS_MAX);
    turn_world_close(&w);
}

static void requests_without_an_allocation_are_mismatched(void)
{
    begin();
    T_EQ(tester_refresh(&alice, 0), 0);
    T_EQ(tester_permit(&alice, WORLD_PEER), 437);
    T_EQ(tester_bind(&alice, 0x4000, WORLD_PEER), 437);
    T_EQ(tester_refresh(&alice, -1), 437);
    tester_send(&alice, WORLD_PEER, "x");
    tester_channel_send(&alice, 0x4000, "x");
    T_EQ(w.to_peer_count, 0);
    turn_world_close(&w);
}

static const struct t_case cases[] = {
    T_CASE(a_permission_lasts_five_minutes_and_data_does_not_prolong_it),
    T_CASE(a_channel_lasts_ten_minutes_and_its_permission_five),
    T_CASE(binding_again_refreshes_channel_and_permission),
    T_CASE(a_channel_and_a_peer_belong_together),
    T_CASE(each_forbidden_peer_is_refused),
    T_CASE(the_other_family_is_refused),
    T_CASE(many_are_let_in_together_or_none_is),
    T_CASE(there_are_limits_and_room_again_later),
    T_CASE(a_flood_of_permissions_stops_at_the_limit),
    T_CASE(requests_without_an_allocation_are_mismatched),
};
T_MAIN(cases)
