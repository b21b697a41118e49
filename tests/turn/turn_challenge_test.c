/*
 * RFC 8489 section 9.2.4: who is believed, and what the others are told.
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
}

static void a_stranger_is_told_realm_nonce_and_algorithms(void)
{
    struct stun_message m;

    begin();
    alice.anonymous = true;
    T_EQ(tester_allocate(&alice), 401);
    T_OK(turn_world_answer(&w, &m));
    T_EQ(stun_get(&m, STUN_HAS_REALM).n, strlen(WORLD_REALM));
    T_MEM(stun_get(&m, STUN_HAS_NONCE).p, "obMatJos2", 9);
    T_MEM(stun_get(&m, STUN_HAS_PASSWORD_ALGORITHMS).p, "\0\2\0\0\0\1\0\0", 8);
    T_OK(!stun_has(&m, STUN_HAS_MESSAGE_INTEGRITY));
    T_OK(!stun_has(&m, STUN_HAS_USERNAME));
    T_OK(turn_world_last(&w)->n <= 160); /* what a forged source would be sent */
    turn_world_close(&w);
}

/* Each way to be oneself. */
static void each_algorithm_with_each_integrity_is_answered_in_kind(void)
{
    begin();
    for (int algorithm = 0; algorithm <= STUN_PASSWORD_SHA256; algorithm++) {
        for (int sha256 = 0; sha256 < 2; sha256++) {
            struct stun_message m;

            alice.algorithm = (enum stun_password_algorithm)algorithm;
            alice.integrity = sha256 ? STUN_INTEGRITY_SHA256 : STUN_INTEGRITY_SHA1;
            address_set_port(&alice.tuple.remote, (uint16_t)(4000 + algorithm * 2 + sha256));
            T_EQ(tester_allocate(&alice), 0);
            T_OK(turn_world_answer(&w, &m));
            T_EQ(stun_has(&m, STUN_HAS_MESSAGE_INTEGRITY_SHA256), sha256);
            T_EQ(stun_has(&m, STUN_HAS_MESSAGE_INTEGRITY), !sha256);
            T_EQ(tester_permit(&alice, WORLD_PEER), 0);
        }
    }
    T_EQ(turn_server_allocations(w.server), 6);
    turn_world_close(&w);
}

static void the_answer_is_sealed_with_the_users_key(void)
{
    struct stun_message m;
    struct stun_key key;

    begin();
    T_EQ(tester_allocate(&alice), 0);
    T_OK(turn_world_answer(&w, &m));
    stun_key_long_term(&key, STUN_PASSWORD_MD5, SPAN_LITERAL("alice"),
                       SPAN_LITERAL(WORLD_REALM), SPAN_LITERAL("wonder"));
    T_OK(stun_verify(&m, &key, STUN_INTEGRITY_SHA1));
    T_EQ(tester_permit(&alice, "10.0.0.1"), 403);
    T_OK(turn_world_answer(&w, &m));
    T_OK(stun_verify(&m, &key, STUN_INTEGRITY_SHA1)); /* errors, too */
    turn_world_close(&w);
}

static void a_userhash_stands_for_a_name(void)
{
    begin();
    alice.userhash = true;
    alice.algorithm = STUN_PASSWORD_SHA256;
    T_EQ(tester_allocate(&alice), 0);
    T_EQ(tester_permit(&alice, WORLD_PEER), 0);
    alice.userhash = false; /* the same user by name */
    T_EQ(tester_permit(&alice, WORLD_PEER), 0);
    alice.username = "nobody";
    alice.userhash = true;
    T_EQ(tester_permit(&alice, WORLD_PEER), 401);
    turn_world_close(&w);
}

static void a_wrong_name_or_password_is_not_told_apart(void)
{
    begin();
    alice.password = "wrong";
    T_EQ(tester_allocate(&alice), 401);
    const size_t n = turn_world_last(&w)->n;
    alice.username = "alien";
    T_EQ(tester_allocate(&alice), 401);
    T_EQ(turn_world_last(&w)->n, n);
    T_EQ(turn_server_allocations(w.server), 0);
    turn_world_close(&w);
}

static void a_nonce_gets_stale_and_belongs_to_an_address(void)
{
    struct tester moved;

    begin();
    T_EQ(tester_allocate(&alice), 0);
    turn_world_wait(&w, SEC(599));
    T_EQ(tester_refresh(&alice, -1), 0);
    turn_world_wait(&w, SEC(2));
    T_EQ(tester_refresh(&alice, -1), 438);
    tester_learn_nonce(&alice);
    T_EQ(tester_refresh(&alice, -1), 0);
    tester_init(&moved, &w, "192.0.2.2:4000");
    strcpy(moved.nonce, alice.nonce);
    T_EQ(tester_allocate(&moved), 438);
    strcpy(moved.nonce, "obMatJos2AAADmade up");
    T_EQ(tester_allocate(&moved), 438);
    strcpy(moved.nonce, "x");
    T_EQ(tester_allocate(&moved), 438);
    turn_world_close(&w);
}

/* A stale nonce that is also unauthenticated is 401: 438 would say that the user exists. */
static void a_wrong_password_with_a_stale_nonce_is_unauthorized(void)
{
    begin();
    tester_learn_nonce(&alice);
    turn_world_wait(&w, SEC(700));
    alice.password = "wrong";
    T_EQ(tester_allocate(&alice), 401);
    turn_world_close(&w);
}

static void bidding_down_is_found_out(void)
{
    static const uint8_t md5_only[] = {0, 1, 0, 0};
    static const uint8_t turned_round[] = {0, 1, 0, 0, 0, 2, 0, 0};

    begin();
    tester_learn_nonce(&alice);
    alice.algorithm = STUN_PASSWORD_MD5;
    alice.algorithms = md5_only;
    alice.algorithms_n = sizeof md5_only;
    T_EQ(tester_allocate(&alice), 400);
    alice.algorithms = turned_round;
    alice.algorithms_n = sizeof turned_round;
    T_EQ(tester_allocate(&alice), 400);
    alice.algorithms = NULL;
    alice.no_algorithms = true; /* PASSWORD-ALGORITHM alone */
    T_EQ(tester_allocate(&alice), 400);
    alice.no_algorithms = false;
    alice.algorithm = (enum stun_password_algorithm)3; /* none of ours */
    T_EQ(tester_allocate(&alice), 400);
    alice.algorithm = STUN_PASSWORD_SHA256;
    T_EQ(tester_allocate(&alice), 0);
    turn_world_close(&w);
}

/* Builds an Allocate with the attributes named, sealed by alice's key. */
static int partial(bool name, bool realm, bool nonce)
{
    struct tester_request request;
    struct stun_key key;
    struct stun_builder *b = &request.builder;
    const bool anonymous = alice.anonymous;

    tester_begin(&request, &alice, STUN_ALLOCATE);
    stun_put_u32(b, STUN_ATTR_REQUESTED_TRANSPORT, 17u << 24);
    if (name)
        stun_put(b, STUN_ATTR_USERNAME, "alice", 5);
    if (realm)
        stun_put(b, STUN_ATTR_REALM, WORLD_REALM, strlen(WORLD_REALM));
    if (nonce)
        stun_put(b, STUN_ATTR_NONCE, alice.nonce, strlen(alice.nonce));
    stun_key_long_term(&key, STUN_PASSWORD_MD5, SPAN_LITERAL("alice"),
                       SPAN_LITERAL(WORLD_REALM), SPAN_LITERAL("wonder"));
    stun_put_integrity(b, &key, STUN_INTEGRITY_SHA1);
    alice.anonymous = true; /* it is all there already */
    const int code = tester_exchange(&request);
    alice.anonymous = anonymous;
    return code;
}

static void integrity_without_name_realm_or_nonce_is_a_bad_request(void)
{
    begin();
    tester_learn_nonce(&alice);
    T_EQ(partial(false, true, true), 400);
    T_EQ(partial(true, false, true), 400);
    T_EQ(partial(true, true, false), 400);
    T_EQ(partial(true, true, true), 0);
    turn_world_close(&w);
}

static void no_bit_of_a_sealed_request_can_be_changed(void)
{
    struct tester_request request;

    begin();
    w.options.unauthorized_rate = 100000;
    turn_world_close(&w);
    turn_world_open(&w);
    tester_learn_nonce(&alice);
    tester_begin(&request, &alice, STUN_ALLOCATE);
    stun_put_u32(&request.builder, STUN_ATTR_REQUESTED_TRANSPORT, 17u << 24);
    const size_t n = tester_seal(&request);
    for (size_t bit = 0; bit < 8 * n; bit++) {
        request.buffer[bit / 8] ^= (uint8_t)(1 << bit % 8);
        tester_input(&alice, (struct span){request.buffer, n});
        T_EQ(turn_server_allocations(w.server), 0);
        request.buffer[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    tester_input(&alice, (struct span){request.buffer, n});
    T_EQ(turn_server_allocations(w.server), 1);
    turn_world_close(&w);
}

static void a_truncated_sha256_is_not_believed(void)
{
    struct tester_request request;

    begin();
    alice.integrity = STUN_INTEGRITY_SHA256;
    tester_learn_nonce(&alice);
    tester_begin(&request, &alice, STUN_ALLOCATE);
    stun_put_u32(&request.builder, STUN_ATTR_REQUESTED_TRANSPORT, 17u << 24);
    const size_t n = tester_seal(&request);
    /* 16 of the 32 bytes: with lengths to match it is a well-formed message. The digest does
     * not cover the length that it has now, so it could not be right in any case; a right one
     * is refused by its length. */
    store_be16(request.buffer + 2, (uint16_t)(n - 20 - 16));
    store_be16(request.buffer + n - 34, 16);
    tester_input(&alice, (struct span){request.buffer, n - 16});
    struct stun_message m;
    T_OK(turn_world_answer(&w, &m));
    T_EQ(stun_get_error(&m), 401);
    T_EQ(turn_server_allocations(w.server), 0);
    turn_world_close(&w);
}

static void strangers_are_answered_so_many_times_a_second(void)
{
    struct tester other;

    turn_world_init(&w);
    w.options.unauthorized_rate = 10;
    turn_world_open(&w);
    tester_init(&alice, &w, "192.0.2.1:4000");
    alice.anonymous = true;
    for (int i = 0; i < 100; i++)
        T_EQ(tester_allocate(&alice), i < 10 ? 401 : -1);
    address_set_port(&alice.tuple.remote, 5000); /* another port is no other source */
    T_EQ(tester_allocate(&alice), -1);
    tester_init(&other, &w, "192.0.2.2:4000");
    other.anonymous = true;
    T_EQ(tester_allocate(&other), 401);
    turn_world_wait(&w, SEC(1));
    T_EQ(tester_allocate(&alice), 401);
    const struct turn_counters *counters = turn_server_counters(w.server);
    T_EQ(counter_get(&counters->turn_unauthenticated_401_requests), 103);
    T_EQ(counter_get(&counters->turn_unauthenticated_401_responses), 12);
    T_EQ(counter_get(&counters->turn_unauthenticated_401_dropped_responses), 91);
    turn_world_close(&w);
}

static void another_user_cannot_use_ones_allocation(void)
{
    begin();
    T_EQ(tester_allocate(&alice), 0);
    alice.username = "bob";
    alice.password = "builder";
    T_EQ(tester_permit(&alice, WORLD_PEER), 441);
    T_EQ(tester_bind(&alice, 0x4000, WORLD_PEER), 441);
    T_EQ(tester_refresh(&alice, 0), 441);
    T_EQ(tester_allocate(&alice), 437);
    alice.username = "alice";
    alice.password = "wonder";
    T_EQ(tester_permit(&alice, WORLD_PEER), 0);
    turn_world_close(&w);
}

static void what_a_revoked_user_has_ends_at_the_next_request_or_when_told(void)
{
    struct tester second;
    uint8_t id[TURN_USER_ID];

    begin();
    T_EQ(tester_allocate(&alice), 0);
    tester_init(&second, &w, "192.0.2.1:4001");
    T_EQ(tester_allocate(&second), 0);
    turn_user_id(id, SPAN_LITERAL("alice"));
    T_EQ(turn_auth_revoke(w.auth, id, 0, w.unix_now), RC_OK);
    T_EQ(tester_permit(&alice, WORLD_PEER), 401);
    T_EQ(turn_server_allocations(w.server), 1);
    T_EQ(turn_server_end_user(w.server, id), 1);
    T_EQ(turn_server_allocations(w.server), 0);
    T_EQ(w.relays_open, 0);
    T_EQ(tester_allocate(&alice), 401);
    turn_world_close(&w);
}

/* A client that crashed comes back to the same 5-tuple after its password was changed. */
static void a_new_password_is_as_good_as_the_old_one_of_an_allocation(void)
{
    static const char *const changed[] = {"alice:changed", "bob:builder"};
    char error[128];

    begin();
    T_EQ(tester_allocate(&alice), 0);
    w.auth_options.user = changed;
    T_EQ(turn_auth_reload(w.auth, &w.auth_options, error, sizeof error), RC_OK);
    T_EQ(tester_permit(&alice, WORLD_PEER), 0);
    alice.password = "changed";
    T_EQ(tester_allocate(&alice), 437);
    T_EQ(tester_refresh(&alice, -1), 0);
    alice.password = "neither";
    T_EQ(tester_refresh(&alice, -1), 401);
    turn_world_close(&w);
}

static void unknown_attributes_are_named_to_those_who_authenticated(void)
{
    struct tester_request request;
    struct stun_message m;

    begin();
    tester_learn_nonce(&alice);
    tester_begin(&request, &alice, STUN_ALLOCATE);
    stun_put_u32(&request.builder, STUN_ATTR_REQUESTED_TRANSPORT, 17u << 24);
    stun_put_u32(&request.builder, 0x7ffe, 0);
    stun_put_u32(&request.builder, 0xfffe, 0); /* comprehension-optional */
    T_EQ(tester_exchange(&request), 420);
    T_OK(turn_world_answer(&w, &m));
    T_EQ(stun_get(&m, STUN_HAS_UNKNOWN_ATTRIBUTES).n, 2);
    T_MEM(stun_get(&m, STUN_HAS_UNKNOWN_ATTRIBUTES).p, "\x7f\xfe", 2);
    T_OK(stun_has(&m, STUN_HAS_MESSAGE_INTEGRITY));

    alice.anonymous = true;
    tester_begin(&request, &alice, STUN_ALLOCATE);
    stun_put_u32(&request.builder, 0x7ffe, 0);
    T_EQ(tester_exchange(&request), 401);
    turn_world_close(&w);
}

/* RFC 7635 is not served. */
static void an_access_token_is_unknown(void)
{
    enum { ACCESS_TOKEN = 0x001b };
    struct tester_request request;
    struct stun_message m;

    begin();
    tester_learn_nonce(&alice);
    tester_begin(&request, &alice, STUN_ALLOCATE);
    stun_put_u32(&request.builder, STUN_ATTR_REQUESTED_TRANSPORT, 17u << 24);
    stun_put_u32(&request.builder, ACCESS_TOKEN, 0);
    T_EQ(tester_exchange(&request), 420);
    T_OK(turn_world_answer(&w, &m));
    T_MEM(stun_get(&m, STUN_HAS_UNKNOWN_ATTRIBUTES).p, "\x00\x1b", 2);
    T_EQ(w.relays_open, 0);
    turn_world_close(&w);
}

static void fingerprint_is_answered_with_fingerprint(void)
{
    struct stun_message m;

    begin();
    T_EQ(tester_allocate(&alice), 0);
    T_OK(turn_world_answer(&w, &m));
    T_OK(!stun_has(&m, STUN_HAS_FINGERPRINT));
    alice.fingerprint = true;
    T_EQ(tester_refresh(&alice, -1), 0);
    T_OK(turn_world_answer(&w, &m));
    T_OK(stun_has(&m, STUN_HAS_FINGERPRINT));
    turn_world_close(&w);
}

static const struct t_case cases[] = {
    T_CASE(a_stranger_is_told_realm_nonce_and_algorithms),
    T_CASE(each_algorithm_with_each_integrity_is_answered_in_kind),
    T_CASE(the_answer_is_sealed_with_the_users_key),
    T_CASE(a_userhash_stands_for_a_name),
    T_CASE(a_wrong_name_or_password_is_not_told_apart),
    T_CASE(a_nonce_gets_stale_and_belongs_to_an_address),
    T_CASE(a_wrong_password_with_a_stale_nonce_is_unauthorized),
    T_CASE(bidding_down_is_found_out),
    T_CASE(integrity_without_name_realm_or_nonce_is_a_bad_request),
    T_CASE(no_bit_of_a_sealed_request_can_be_changed),
    T_CASE(a_truncated_sha256_is_not_believed),
    T_CASE(strangers_are_answered_so_many_times_a_second),
    T_CASE(another_user_cannot_use_ones_allocation),
    T_CASE(what_a_revoked_user_has_ends_at_the_next_request_or_when_told),
    T_CASE(a_new_password_is_as_good_as_the_old_one_of_an_allocation),
    T_CASE(unknown_attributes_are_named_to_those_who_authenticated),
    T_CASE(an_access_token_is_unknown),
    T_CASE(fingerprint_is_answered_with_fingerprint),
};
T_MAIN(cases)
