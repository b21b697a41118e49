/*
 * STUN: RFC 8489 section 6.3, and the behaviour discovery of RFC 5780.
 */
#include "tests/t.h"
#include "tests/turn/turn_world_lib.h"

static struct turn_world w;
static struct tester someone;

static void begin_with(bool discovery)
{
    turn_world_init(&w);
    if (discovery) {
        w.options.primary = turn_address("203.0.113.9:3478");
        w.options.other = turn_address("203.0.113.10:3479");
    }
    turn_world_open(&w);
    tester_init(&someone, &w, "192.0.2.1:4000");
    someone.anonymous = true;
}

static int ask(uint16_t type, uint32_t value)
{
    struct tester_request request;

    tester_begin(&request, &someone, STUN_BINDING);
    if (type == STUN_ATTR_PADDING)
        stun_put(&request.builder, type, (uint8_t[512]){0}, 512);
    else if (type)
        stun_put_u32(&request.builder, type, value);
    return tester_exchange(&request);
}

static bool answer_has(enum stun_known which, const char *text)
{
    const struct address expected = turn_address(text);
    struct stun_message m;
    struct address a;

    return turn_world_answer(&w, &m) && stun_get_address(&m, which, &a) == RC_OK &&
           address_equal(&a, &expected);
}

static void a_client_learns_its_address(void)
{
    begin_with(false);
    T_EQ(ask(0, 0), 0);
    T_OK(answer_has(STUN_HAS_XOR_MAPPED_ADDRESS, "192.0.2.1:4000"));
    T_OK(turn_world_last(&w)->n <= 20 + 12); /* no longer than it must be */
    someone.tuple.remote = turn_address("[2001:db8::1]:4000");
    T_EQ(ask(0, 0), 0);
    T_OK(answer_has(STUN_HAS_XOR_MAPPED_ADDRESS, "[2001:db8::1]:4000"));
    const struct turn_counters *c = turn_server_counters(w.server);
    T_EQ(counter_get(&c->stun_binding_request), 2);
    T_EQ(counter_get(&c->stun_binding_response), 2);
    turn_world_close(&w);
}

static void what_ice_puts_in_is_no_obstacle(void)
{
    begin_with(false);
    T_EQ(ask(STUN_ATTR_PRIORITY, 1), 0);
    T_EQ(ask(STUN_ATTR_USERNAME, 0x61626364), 0);
    turn_world_close(&w);
}

static void unknown_attributes_are_named(void)
{
    struct stun_message m;

    begin_with(false);
    T_EQ(ask(0x7ffe, 0), 420);
    T_OK(turn_world_answer(&w, &m));
    T_MEM(stun_get(&m, STUN_HAS_UNKNOWN_ATTRIBUTES).p, "\x7f\xfe", 2);
    T_EQ(ask(STUN_ATTR_CHANGE_REQUEST, 6), 420); /* RFC 5780 is not set up */
    T_OK(turn_world_answer(&w, &m));
    T_MEM(stun_get(&m, STUN_HAS_UNKNOWN_ATTRIBUTES).p, "\x00\x03", 2);
    T_EQ(ask(STUN_ATTR_PADDING, 0), 420);
    T_EQ(ask(STUN_ATTR_RESPONSE_PORT, 5000u << 16), 420);
    T_EQ(counter_get(&turn_server_counters(w.server)->stun_binding_error), 4);
    turn_world_close(&w);
}

static void answers_are_bounded(void)
{
    unsigned answered = 0;

    turn_world_init(&w);
    w.options.binding_rate = 1000;
    turn_world_open(&w);
    tester_init(&someone, &w, "192.0.2.1:4000");
    someone.anonymous = true;
    for (unsigned i = 0; i < 5000; i++)
        answered += ask(0, 0) == 0;
    T_EQ(answered, 1000);
    turn_world_wait(&w, SEC(1));
    T_EQ(ask(0, 0), 0);
    turn_world_close(&w);
}

static void stun_can_be_for_users_alone(void)
{
    struct stun_message m;

    turn_world_init(&w);
    w.options.secure_stun = true;
    turn_world_open(&w);
    tester_init(&someone, &w, "192.0.2.1:4000");
    someone.anonymous = true;
    T_EQ(ask(0, 0), 401);
    tester_learn_nonce(&someone);
    someone.anonymous = false;
    T_EQ(ask(0, 0), 0);
    T_OK(turn_world_answer(&w, &m));
    T_OK(stun_has(&m, STUN_HAS_MESSAGE_INTEGRITY));
    turn_world_close(&w);
}

static void turn_can_be_off(void)
{
    turn_world_init(&w);
    w.options.stun_only = true;
    turn_world_open(&w);
    tester_init(&someone, &w, "192.0.2.1:4000");
    someone.anonymous = true;
    T_EQ(ask(0, 0), 0);
    T_EQ(tester_allocate(&someone), 403);
    T_EQ(tester_refresh(&someone, -1), 403);
    turn_world_close(&w);
}

static void without_users_there_is_stun_alone(void)
{
    struct turn_server *server;
    struct turn_server_options options;

    begin_with(false);
    options = w.options;
    options.auth = NULL;
    options.policy = NULL;
    options.secure_stun = true; /* of no meaning */
    turn_server_free(w.server);
    T_EQ(turn_server_create(&server, &options, turn_world_output(&w)), RC_OK);
    w.server = server;
    T_EQ(ask(0, 0), 0);
    T_EQ(tester_allocate(&someone), 403);
    turn_server_free(NULL);
    turn_world_close(&w);
}

/* --- RFC 5780 --------------------------------------------------------------------------------
 */

static void the_answer_leaves_from_where_it_was_asked_to(void)
{
    static const struct {
        const char *local;
        uint32_t change;
        const char *from, *other;
    } rows[] = {
        {"203.0.113.9:3478", 0, "203.0.113.9:3478", "203.0.113.10:3479"},
        {"203.0.113.9:3478", 2, "203.0.113.9:3479", "203.0.113.10:3479"},
        {"203.0.113.9:3478", 4, "203.0.113.10:3478", "203.0.113.10:3479"},
        {"203.0.113.9:3478", 6, "203.0.113.10:3479", "203.0.113.10:3479"},
        {"203.0.113.10:3479", 6, "203.0.113.9:3478", "203.0.113.9:3478"},
        {"203.0.113.10:3478", 2, "203.0.113.10:3479", "203.0.113.9:3479"},
        {"203.0.113.9:3479", 4, "203.0.113.10:3479", "203.0.113.10:3478"},
    };

    begin_with(true);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct address from = turn_address(rows[i].from);

        someone.tuple.local = turn_address(rows[i].local);
        T_EQ(ask(rows[i].change ? STUN_ATTR_CHANGE_REQUEST : 0, rows[i].change), 0);
        T_OK(answer_has(STUN_HAS_RESPONSE_ORIGIN, rows[i].from));
        T_OK(answer_has(STUN_HAS_OTHER_ADDRESS, rows[i].other));
        T_OK(address_equal(&turn_world_last(&w)->to.local, &from));
    }
    turn_world_close(&w);
}

static void the_answer_can_go_to_another_port_of_the_same_address(void)
{
    const struct address to = turn_address("192.0.2.1:5555");

    begin_with(true);
    T_EQ(ask(STUN_ATTR_RESPONSE_PORT, 5555u << 16), 0);
    T_OK(address_equal(&turn_world_last(&w)->to.remote, &to));
    T_OK(answer_has(STUN_HAS_XOR_MAPPED_ADDRESS, "192.0.2.1:4000"));
    turn_world_close(&w);
}

static void an_answer_is_padded_as_its_request_was(void)
{
    struct tester_request request;
    struct stun_message m;

    begin_with(true);
    T_EQ(ask(STUN_ATTR_PADDING, 0), 0);
    T_OK(turn_world_answer(&w, &m));
    T_EQ(stun_get(&m, STUN_HAS_PADDING).n, 512);
    tester_begin(&request, &someone, STUN_BINDING);
    stun_put(&request.builder, STUN_ATTR_PADDING, (uint8_t[1900]){0}, 1900);
    T_EQ(tester_exchange(&request), 0);
    T_OK(turn_world_answer(&w, &m));
    T_EQ(stun_get(&m, STUN_HAS_PADDING).n, 1500);
    tester_begin(&request, &someone, STUN_BINDING);
    stun_put(&request.builder, STUN_ATTR_PADDING, (uint8_t[100]){0}, 100);
    stun_put_u32(&request.builder, STUN_ATTR_RESPONSE_PORT, 5555u << 16);
    T_EQ(tester_exchange(&request), 400);
    turn_world_close(&w);
}

static void what_comes_in_elsewhere_is_answered_from_there(void)
{
    static const char *const elsewhere[] = {"203.0.113.9:5349", "203.0.113.11:3478",
                                            "[2001:db8::9]:3478"};

    begin_with(true);
    for (size_t i = 0; i < ARRAY_LEN(elsewhere); i++) {
        struct stun_message m;

        someone.tuple.local = turn_address(elsewhere[i]);
        T_EQ(ask(0, 0), 0);
        T_OK(address_equal(&turn_world_last(&w)->to.local, &someone.tuple.local));
        T_OK(turn_world_answer(&w, &m));
        T_OK(!stun_has(&m, STUN_HAS_OTHER_ADDRESS));
        T_EQ(ask(STUN_ATTR_CHANGE_REQUEST, 6), 420);
    }
    turn_world_close(&w);
}

static void behind_a_nat_the_outer_addresses_are_named(void)
{
    const struct address from = turn_address("203.0.113.10:3478");

    turn_world_init(&w);
    w.options.primary = turn_address("203.0.113.9:3478");
    w.options.other = turn_address("203.0.113.10:3479");
    w.options.primary_named = turn_address("198.51.100.1");
    w.options.other_named = turn_address("198.51.100.2");
    turn_world_open(&w);
    tester_init(&someone, &w, "192.0.2.1:4000");
    someone.anonymous = true;
    T_EQ(ask(STUN_ATTR_CHANGE_REQUEST, 4), 0);
    T_OK(answer_has(STUN_HAS_RESPONSE_ORIGIN, "198.51.100.2:3478"));
    T_OK(answer_has(STUN_HAS_OTHER_ADDRESS, "198.51.100.2:3479"));
    T_OK(address_equal(&turn_world_last(&w)->to.local, &from));
    turn_world_close(&w);
}

static void a_stream_has_one_address(void)
{
    begin_with(true);
    tester_init_stream(&someone, &w, "192.0.2.1:4000", TURN_TCP, 1);
    someone.anonymous = true;
    T_EQ(ask(STUN_ATTR_CHANGE_REQUEST, 6), 420);
    T_EQ(ask(0, 0), 0);
    turn_world_close(&w);
}

static void stun_can_be_off(void)
{
    turn_world_init(&w);
    w.options.no_stun = true;
    turn_world_open(&w);
    tester_init(&someone, &w, "192.0.2.1:4000");
    someone.anonymous = true;
    T_EQ(ask(0, 0), -1);
    someone.anonymous = false;
    T_EQ(tester_allocate(&someone), 0);
    T_EQ(ask(0, 0), -1);
    turn_world_close(&w);
}

static void answers_can_have_a_fingerprint_unasked(void)
{
    struct stun_message m;

    for (int wanted = 0; wanted < 2; wanted++) {
        turn_world_init(&w);
        w.options.fingerprint = wanted;
        turn_world_open(&w);
        tester_init(&someone, &w, "192.0.2.1:4000");
        someone.anonymous = true;
        T_EQ(ask(0, 0), 0);
        T_OK(turn_world_answer(&w, &m));
        T_EQ(stun_has(&m, STUN_HAS_FINGERPRINT), wanted);
        turn_world_close(&w);
    }
}

static const struct t_case cases[] = {
    T_CASE(a_client_learns_its_address),
    T_CASE(what_ice_puts_in_is_no_obstacle),
    T_CASE(unknown_attributes_are_named),
    T_CASE(answers_are_bounded),
    T_CASE(stun_can_be_for_users_alone),
    T_CASE(turn_can_be_off),
    T_CASE(stun_can_be_off),
    T_CASE(answers_can_have_a_fingerprint_unasked),
    T_CASE(without_users_there_is_stun_alone),
    T_CASE(the_answer_leaves_from_where_it_was_asked_to),
    T_CASE(the_answer_can_go_to_another_port_of_the_same_address),
    T_CASE(an_answer_is_padded_as_its_request_was),
    T_CASE(what_comes_in_elsewhere_is_answered_from_there),
    T_CASE(behind_a_nat_the_outer_addresses_are_named),
    T_CASE(a_stream_has_one_address),
};
T_MAIN(cases)
