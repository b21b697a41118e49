#include "relay/ice.h"
#include "relay/stream_address.h"
#include "tests/relay/stun_builder_lib.h"
#include "tests/sim/ice_checker_lib.h"
#include "tests/t.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stun/usages/ice.h>

static const usec_t T0 = SEC(1000); /* the test owns time */
static const uint8_t ID[12] = "transaction1";
static const struct address NO_ADDRESS;

enum { HIGH = 2130706431, LOW = 1694498815 };

/* One session and the client that checks it. */
static struct ice_agent *agent;
static struct ice_session session;
static struct ice_output out;
static struct ice_checker checker;

static struct address address(const char *text)
{
    struct address a;

    T_EQ(address_parse(&a, text), RC_OK);
    return a;
}

static void begin(void)
{
    if (!agent)
        T_EQ(ice_agent_create(&agent), RC_OK);
    T_EQ(ice_session_init(&session, SPAN_LITERAL("abcd"),
                          SPAN_LITERAL("aaaaaaaaaaaaaaaaaaaaaa"), T0),
         RC_OK);
    ice_checker_init(&checker, session.local.ufrag, session.local.pwd, "abcd", 77);
}

static enum refusal input(struct span datagram, const char *from, usec_t now)
{
    const struct address source = address(from);
    uint8_t *exact = malloc(datagram.n ? datagram.n : 1); /* the sanitizer sees its end */

    if (datagram.n)
        memcpy(exact, datagram.p, datagram.n);
    const enum refusal why = ice_input(agent, &session, (struct span){exact, datagram.n},
                                       &source, &NO_ADDRESS, now, &out);
    free(exact);
    return why;
}

/* A check by the client; 0 or the error code of the answer. */
static int check(const char *from, uint32_t priority, bool nominate, usec_t now)
{
    uint8_t buf[1280];
    struct address mapped;
    const struct address source = address(from);
    const size_t n = ice_checker_request(&checker, priority, nominate, buf, sizeof buf);

    T_OK(n > 0);
    T_EQ(input((struct span){buf, n}, from, now), REFUSAL_NONE);
    T_OK(out.reply_len > 0);
    const int code =
        ice_checker_response(&checker, (struct span){out.reply, out.reply_len}, &mapped);
    if (code == 0)
        T_OK(address_equal(&mapped, &source));
    return code;
}

static bool selected_is(const char *text)
{
    const struct address wanted = address(text);

    return ice_selected(&session) && address_equal(&ice_selected(&session)->remote, &wanted);
}

static bool accepts(const char *text)
{
    const struct address a = address(text);

    return ice_accepts(&session, &a);
}

/* --- life of a session -----------------------------------------------------------------------
 */

static void the_first_check_selects_and_the_nomination_connects(void)
{
    begin();
    T_EQ(session.state, ICE_NEW);
    T_OK(!ice_selected(&session));

    T_EQ(check("192.0.2.1:4000", HIGH, false, T0), 0);
    T_EQ(session.state, ICE_CHECKING);
    T_EQ(out.events, ICE_EVENT_PATH | ICE_EVENT_ADDRESS_ADDED);
    T_OK(address_equal(&out.added, &ice_selected(&session)->remote));
    T_OK(selected_is("192.0.2.1:4000"));

    T_EQ(check("192.0.2.1:4000", HIGH, true, T0 + MSEC(50)), 0);
    T_EQ(session.state, ICE_CONNECTED);
    T_EQ(out.events, ICE_EVENT_CONNECTED);

    T_EQ(check("192.0.2.1:4000", HIGH, true, T0 + SEC(3)), 0);
    T_EQ(out.events, 0);
}

static void the_answer_is_byte_for_byte_what_the_rfc_wants(void)
{
    uint8_t buf[1280];
    struct stun_builder expected;

    begin();
    const size_t n = ice_checker_request(&checker, HIGH, true, buf, sizeof buf);
    T_EQ(input((struct span){buf, n}, "192.0.2.1:32853", T0), REFUSAL_NONE);

    stun_builder_begin(&expected, 0x0101, buf + 8);
    expected.pad = ' '; /* libnice's */
    stun_builder_append(&expected, 0x0020, "\x00\x01\xa1\x47\xe1\x12\xa6\x43", 8);
    stun_builder_append(&expected, 0x0006, checker.username, strlen(checker.username));
    stun_builder_integrity(&expected, session.local.pwd);
    stun_builder_fingerprint(&expected);
    T_EQ(out.reply_len, expected.n);
    T_MEM(out.reply, expected.bytes, expected.n);
}

static void a_client_that_never_checks_times_out(void)
{
    begin();
    T_EQ(ice_deadline(&session), T0 + ICE_CONNECT_TIMEOUT);
    ice_tick(&session, T0 + ICE_CONNECT_TIMEOUT - 1, &out);
    T_EQ(out.events, 0);
    ice_tick(&session, T0 + ICE_CONNECT_TIMEOUT, &out);
    T_EQ(out.events, ICE_EVENT_FAILED);
    T_EQ(session.state, ICE_FAILED);
    T_EQ(session.why, REFUSAL_ICE_TIMEOUT);
    T_EQ(ice_deadline(&session), USEC_NEVER);
}

static void a_client_that_never_nominates_times_out(void)
{
    begin();
    for (usec_t now = T0; now < T0 + SEC(30); now += SEC(2))
        T_EQ(check("192.0.2.1:4000", HIGH, false, now), 0);
    T_EQ(ice_deadline(&session), T0 + ICE_CONNECT_TIMEOUT);
    ice_tick(&session, T0 + ICE_CONNECT_TIMEOUT, &out);
    T_EQ(out.events, ICE_EVENT_FAILED | ICE_EVENT_ADDRESS_REMOVED);
    T_EQ(out.removed_count, 1);
    T_EQ(session.why, REFUSAL_ICE_TIMEOUT);
    T_OK(!accepts("192.0.2.1:4000"));
}

static void consent_expires_after_exactly_30_seconds(void)
{
    begin();
    T_EQ(check("192.0.2.1:4000", HIGH, true, T0), 0);
    T_EQ(check("192.0.2.1:4000", HIGH, true, T0 + SEC(2)), 0);
    T_EQ(ice_deadline(&session), T0 + SEC(32));

    ice_tick(&session, T0 + SEC(32) - 1, &out);
    T_EQ(out.events, 0);
    T_EQ(session.state, ICE_CONNECTED);

    const uint64_t before = refusal_total(REFUSAL_ICE_CONSENT_EXPIRED);
    ice_tick(&session, T0 + SEC(32), &out);
    T_EQ(session.state, ICE_FAILED);
    T_EQ(session.why, REFUSAL_ICE_CONSENT_EXPIRED);
    T_EQ(out.events, ICE_EVENT_FAILED | ICE_EVENT_ADDRESS_REMOVED);
    T_EQ(refusal_total(REFUSAL_ICE_CONSENT_EXPIRED), before + 1);
    T_OK(!ice_selected(&session));
}

static void authenticated_media_is_consent_too(void)
{
    const struct address client = address("192.0.2.1:4000");
    const struct address other = address("192.0.2.9:4000");

    begin();
    T_EQ(check("192.0.2.1:4000", HIGH, true, T0), 0);
    ice_alive(&session, &client, T0 + SEC(29));
    ice_alive(&session, &other, T0 + SEC(40)); /* of no path: nothing */
    T_EQ(ice_deadline(&session), T0 + SEC(59));
    ice_tick(&session, T0 + SEC(59) - 1, &out);
    T_EQ(session.state, ICE_CONNECTED);
    ice_tick(&session, T0 + SEC(59), &out);
    T_EQ(session.state, ICE_FAILED);
}

static void a_failed_session_answers_nobody_until_a_restart(void)
{
    uint8_t buf[1280];

    begin();
    ice_tick(&session, T0 + ICE_CONNECT_TIMEOUT, &out);
    size_t n = ice_checker_request(&checker, HIGH, true, buf, sizeof buf);
    T_EQ(input((struct span){buf, n}, "192.0.2.1:4000", T0 + SEC(31)),
         REFUSAL_STUN_UNKNOWN_USER);

    T_EQ(ice_session_restart(&session, SPAN_LITERAL("efgh"),
                             SPAN_LITERAL("bbbbbbbbbbbbbbbbbbbbbb"), T0 + SEC(40), &out),
         RC_OK);
    ice_checker_init(&checker, session.local.ufrag, session.local.pwd, "efgh", 77);
    T_EQ(check("192.0.2.1:4000", HIGH, true, T0 + SEC(41)), 0);
    T_EQ(session.state, ICE_CONNECTED);
    T_EQ(session.why, REFUSAL_NONE);
}

/* --- nomination ------------------------------------------------------------------------------
 */

static void a_client_that_roams_and_nominates_moves_the_path(void)
{
    begin();
    T_EQ(check("192.0.2.1:4000", HIGH, true, T0), 0);
    T_EQ(check("198.51.100.7:9", LOW, false, T0 + SEC(1)), 0); /* mobile, kept warm */
    T_EQ(out.events, ICE_EVENT_ADDRESS_ADDED);
    T_OK(selected_is("192.0.2.1:4000"));

    T_EQ(check("198.51.100.7:9", LOW, true, T0 + SEC(2)), 0); /* chosen on purpose: at once */
    T_EQ(out.events, ICE_EVENT_PATH);
    T_OK(selected_is("198.51.100.7:9"));
    T_OK(accepts("192.0.2.1:4000"));
}

static void a_client_whose_nat_maps_it_anew_is_followed_at_once(void)
{
    begin();
    T_EQ(check("192.0.2.1:4000", HIGH, true, T0), 0);
    T_EQ(check("192.0.2.1:5000", HIGH, true, T0 + SEC(1)), 0);
    T_EQ(out.events, ICE_EVENT_PATH | ICE_EVENT_ADDRESS_ADDED);
    T_OK(selected_is("192.0.2.1:5000"));
}

/* Somebody on the way overhears a check and sends it again, from an address of their choice. */
static void a_replayed_check_makes_no_path(void)
{
    uint8_t overheard[1280];

    begin();
    const struct span replay = {
        overheard, ice_checker_request(&checker, HIGH, true, overheard, sizeof overheard)};
    T_EQ(input(replay, "192.0.2.1:4000", T0), REFUSAL_NONE);
    T_EQ(input(replay, "203.0.113.66:9", T0 + 1), REFUSAL_STUN_REPLAY);
    T_EQ(out.events, 0);
    T_EQ(out.reply_len, 0);
    T_OK(selected_is("192.0.2.1:4000"));
    T_OK(!accepts("203.0.113.66:9"));

    for (unsigned i = 1; i < ICE_SEEN_MAX; i++) {
        T_EQ(check("192.0.2.1:4000", HIGH, true, T0 + SEC(2) * i), 0);
        T_EQ(input(replay, "203.0.113.66:9", T0 + SEC(2) * i + 1), REFUSAL_STUN_REPLAY);
    }
    T_OK(selected_is("192.0.2.1:4000"));
    T_EQ(input(replay, "192.0.2.1:4000", T0 + SEC(80)), REFUSAL_NONE); /* a retransmission */
}

static void a_copy_that_is_quicker_keeps_the_original_not_out(void)
{
    uint8_t overheard[1280];

    begin();
    T_EQ(check("192.0.2.1:4000", HIGH, true, T0), 0);
    const struct span original = {
        overheard, ice_checker_request(&checker, HIGH, true, overheard, sizeof overheard)};
    T_EQ(input(original, "203.0.113.66:9", T0 + SEC(2)), REFUSAL_NONE);
    T_OK(selected_is("203.0.113.66:9"));
    T_EQ(input(original, "192.0.2.1:4000", T0 + SEC(2) + 1), REFUSAL_NONE);
    T_OK(selected_is("192.0.2.1:4000"));
}

static void of_aggressive_nominations_the_highest_priority_wins(void)
{
    begin();
    T_EQ(check("198.51.100.7:9", LOW, true, T0), 0);
    T_OK(selected_is("198.51.100.7:9"));
    T_EQ(check("192.0.2.1:4000", HIGH, true, T0 + MSEC(20)), 0);
    T_OK(selected_is("192.0.2.1:4000"));
    for (usec_t now = T0 + MSEC(40); now < T0 + SEC(60); now += MSEC(2500)) {
        T_EQ(check("198.51.100.7:9", LOW, true, now), 0);
        T_EQ(out.events, 0);
        T_EQ(check("192.0.2.1:4000", HIGH, true, now + MSEC(20)), 0);
        T_EQ(out.events, 0);
    }
    T_OK(selected_is("192.0.2.1:4000"));
}

static void an_aggressive_client_that_lost_its_better_network_is_followed(void)
{
    begin();
    T_EQ(check("192.0.2.1:4000", HIGH, true, T0), 0);
    T_EQ(check("198.51.100.7:9", LOW, true, T0 + ICE_NOMINATION_HOLD - 1), 0);
    T_OK(selected_is("192.0.2.1:4000"));
    T_EQ(check("198.51.100.7:9", LOW, true, T0 + ICE_NOMINATION_HOLD), 0);
    T_OK(selected_is("198.51.100.7:9"));
    T_EQ(check("192.0.2.1:4000", HIGH, true, T0 + SEC(9)), 0); /* and back */
    T_OK(selected_is("192.0.2.1:4000"));
}

static void one_client_at_two_of_our_addresses_does_not_flap(void)
{
    const struct address remote = address("192.0.2.1:4000");
    struct address local[2] = {address("203.0.113.1"), address("203.0.113.2")};
    uint8_t buf[1280];
    unsigned moves = 0;

    begin();
    for (unsigned i = 0; i < 20; i++) {
        const size_t n = ice_checker_request(&checker, HIGH, true, buf, sizeof buf);

        T_EQ(ice_input(agent, &session, (struct span){buf, n}, &remote, &local[i % 2],
                       T0 + i * MSEC(500), &out),
             REFUSAL_NONE);
        moves += (out.events & ICE_EVENT_PATH) != 0;
        T_EQ((out.events & ICE_EVENT_ADDRESS_ADDED) != 0, i == 0); /* one remote address */
    }
    T_EQ(moves, 1);
    T_EQ(session.path_count, 2);
    T_OK(address_equal(&ice_selected(&session)->local, &local[0]));
}

static void a_silent_selected_path_gives_way_to_one_that_is_alive(void)
{
    begin();
    T_EQ(check("192.0.2.1:4000", HIGH, true, T0), 0);
    T_EQ(check("198.51.100.7:9", LOW, false, T0 + SEC(20)), 0);
    T_EQ(ice_deadline(&session), T0 + SEC(30));
    ice_tick(&session, T0 + SEC(30), &out);
    T_EQ(out.events, ICE_EVENT_PATH | ICE_EVENT_ADDRESS_REMOVED);
    T_EQ(session.state, ICE_CONNECTED);
    T_OK(selected_is("198.51.100.7:9"));
    T_OK(!accepts("192.0.2.1:4000"));
}

static void the_table_forgets_the_address_that_was_silent_longest(void)
{
    char from[32];

    begin();
    T_EQ(check("192.0.2.1:4000", HIGH, true, T0), 0);
    for (unsigned i = 1; i < 20; i++) {
        snprintf(from, sizeof from, "192.0.2.1:%u", 4000 + i);
        T_EQ(check(from, LOW, false, T0 + i * MSEC(10)), 0);
        T_OK(out.events & ICE_EVENT_ADDRESS_ADDED);
        T_EQ(out.removed_count, i < ICE_PATHS_MAX ? 0 : 1);
        if (out.removed_count)
            T_EQ(address_port(&out.removed[0]), 4000 + i - ICE_PATHS_MAX + 1);
    }
    T_EQ(session.path_count, ICE_PATHS_MAX);
    T_OK(selected_is("192.0.2.1:4000"));
    T_OK(accepts("192.0.2.1:4019"));
    T_OK(!accepts("192.0.2.1:4001"));
}

/* --- ICE restart -----------------------------------------------------------------------------
 */

static void restart(usec_t now)
{
    T_EQ(ice_session_restart(&session, SPAN_LITERAL("efgh"),
                             SPAN_LITERAL("bbbbbbbbbbbbbbbbbbbbbb"), now, &out),
         RC_OK);
}

static void a_restart_keeps_the_path_until_the_new_nomination(void)
{
    char old_ufrag[ICE_UFRAG_LEN + 1];

    begin();
    T_EQ(check("192.0.2.1:4000", HIGH, true, T0), 0);
    memcpy(old_ufrag, session.local.ufrag, sizeof old_ufrag);
    restart(T0 + SEC(1));
    T_OK(strcmp(session.local.ufrag, old_ufrag) != 0);
    T_STR(session.previous.ufrag, old_ufrag);
    T_EQ(session.state, ICE_CONNECTED);
    T_EQ(out.events, 0);

    /* the old credentials still give consent, and choose nothing any more */
    T_EQ(check("198.51.100.7:9", HIGH, true, T0 + SEC(2)), 0);
    T_OK(selected_is("192.0.2.1:4000"));

    ice_checker_init(&checker, session.local.ufrag, session.local.pwd, "efgh", 77);
    T_EQ(check("203.0.113.5:7", LOW, false, T0 + SEC(3)), 0);
    T_OK(selected_is("192.0.2.1:4000"));
    T_EQ(check("203.0.113.5:7", LOW, true, T0 + SEC(4)), 0);
    T_EQ(out.events, ICE_EVENT_PATH | ICE_EVENT_UFRAG_RETIRED);
    T_STR(out.retired_ufrag, old_ufrag);
    T_OK(selected_is("203.0.113.5:7"));
    T_STR(session.previous.ufrag, "");
}

static void old_credentials_are_refused_after_the_new_nomination(void)
{
    static struct ice_checker old;
    uint8_t buf[1280];

    begin();
    T_EQ(check("192.0.2.1:4000", HIGH, true, T0), 0);
    ice_checker_init(&old, session.local.ufrag, session.local.pwd, "abcd", 77);
    restart(T0 + SEC(1));
    ice_checker_init(&checker, session.local.ufrag, session.local.pwd, "efgh", 77);
    T_EQ(check("192.0.2.1:4000", HIGH, true, T0 + SEC(2)), 0);
    const size_t n = ice_checker_request(&old, HIGH, true, buf, sizeof buf);
    T_EQ(input((struct span){buf, n}, "192.0.2.1:4000", T0 + SEC(3)),
         REFUSAL_STUN_UNKNOWN_USER);
}

static void old_credentials_are_forgotten_after_a_while_or_another_restart(void)
{
    char first[ICE_UFRAG_LEN + 1], second[ICE_UFRAG_LEN + 1];
    const struct address client = address("192.0.2.1:4000");

    begin();
    T_EQ(check("192.0.2.1:4000", HIGH, true, T0), 0);
    memcpy(first, session.local.ufrag, sizeof first);
    restart(T0 + SEC(1));
    memcpy(second, session.local.ufrag, sizeof second);
    restart(T0 + SEC(2));
    T_EQ(out.events, ICE_EVENT_UFRAG_RETIRED);
    T_STR(out.retired_ufrag, first);

    ice_alive(&session, &client, T0 + SEC(20));
    T_EQ(ice_deadline(&session), T0 + SEC(32));
    ice_tick(&session, T0 + SEC(32), &out);
    T_EQ(out.events, ICE_EVENT_UFRAG_RETIRED);
    T_STR(out.retired_ufrag, second);
    T_EQ(session.state, ICE_CONNECTED);
}

/* What Chromium does when our answer takes longer than its gathering: it never uses the new
 * credentials of ours. */
static void a_client_that_restarts_with_our_old_credentials_is_followed_and_not_cut_off(void)
{
    char first[ICE_UFRAG_LEN + 1];

    begin();
    T_EQ(check("192.0.2.1:4000", HIGH, true, T0), 0);
    memcpy(first, session.local.ufrag, sizeof first);
    ice_checker_init(&checker, session.local.ufrag, session.local.pwd, "efgh", 77);
    T_EQ(check("192.0.2.1:5000", HIGH, false, T0 + SEC(1)), 0); /* before its offer came */
    restart(T0 + SEC(1));

    T_EQ(check("192.0.2.1:5000", HIGH, true, T0 + SEC(2)), 0);
    T_OK(selected_is("192.0.2.1:5000"));
    T_STR(session.previous.ufrag, first);
    for (usec_t now = T0 + SEC(4); now < T0 + SEC(200); now += SEC(2)) {
        ice_tick(&session, now, &out);
        T_OK(!(out.events & ICE_EVENT_UFRAG_RETIRED));
        T_EQ(check("192.0.2.1:5000", HIGH, true, now), 0);
        T_OK(selected_is("192.0.2.1:5000"));
    }
    T_OK(!accepts("192.0.2.1:4000"));

    /* The first nomination with the new ones ends it, and so does silence. */
    const struct ice_session used = session;
    ice_checker_init(&checker, session.local.ufrag, session.local.pwd, "efgh", 77);
    T_EQ(check("192.0.2.1:6000", HIGH, true, T0 + SEC(201)), 0);
    T_STR(out.retired_ufrag, first);

    session = used;
    ice_tick(&session, T0 + SEC(198) + ICE_CONSENT_TIMEOUT, &out);
    T_EQ(out.events & ICE_EVENT_UFRAG_RETIRED, ICE_EVENT_UFRAG_RETIRED);
    T_STR(out.retired_ufrag, first);
}

static void a_restart_with_bad_credentials_changes_nothing(void)
{
    begin();
    const struct ice_session before = session;
    T_EQ(ice_session_restart(&session, SPAN_LITERAL("abc"),
                             SPAN_LITERAL("bbbbbbbbbbbbbbbbbbbbbb"), T0, &out),
         RC_BAD);
    T_EQ(ice_session_restart(&session, SPAN_LITERAL("abcd"),
                             SPAN_LITERAL("bbbbbbbbbbbbbbbbbbbbb"), T0, &out),
         RC_BAD);
    T_EQ(ice_session_restart(&session, SPAN_LITERAL("ab d"),
                             SPAN_LITERAL("bbbbbbbbbbbbbbbbbbbbbb"), T0, &out),
         RC_BAD);
    T_MEM(&before, &session, sizeof session);
}

/* --- refusals --------------------------------------------------------------------------------
 */

/* A check of the session's, complete but for integrity and fingerprint. */
static void build_check(struct stun_builder *builder)
{
    char username[ICE_UFRAG_LEN + 6];

    snprintf(username, sizeof username, "%s:abcd", session.local.ufrag);
    stun_builder_begin(builder, STUN_BINDING_REQUEST, ID);
    stun_builder_append(builder, 0x0006, username, strlen(username));
    stun_builder_append32(builder, 0x0024, HIGH);
    stun_builder_append64(builder, 0x802a, 1);
    stun_builder_append(builder, 0x0025, NULL, 0);
}

static void expect_refused(const struct stun_builder *builder, enum refusal why)
{
    const uint64_t before = refusal_total(why);

    T_EQ(input(stun_builder_span(builder), "192.0.2.1:4000", T0), why);
    T_EQ(refusal_total(why), before + 1);
    T_EQ(out.reply_len, 0);
    T_EQ(out.events, 0);
    T_EQ(session.state, ICE_NEW);
    T_EQ(session.path_count, 0);
}

static void a_wrong_password_is_refused_without_an_answer(void)
{
    struct stun_builder builder;

    begin();
    build_check(&builder);
    stun_builder_integrity(&builder, "not the password at all!");
    stun_builder_fingerprint(&builder);
    expect_refused(&builder, REFUSAL_STUN_UNAUTHORIZED);
}

static void an_unknown_user_is_refused_without_an_answer(void)
{
    struct stun_builder builder;

    begin();
    stun_builder_begin(&builder, STUN_BINDING_REQUEST, ID);
    stun_builder_append(&builder, 0x0006, "nobody12:abcd", 13);
    stun_builder_integrity(&builder, session.local.pwd);
    stun_builder_fingerprint(&builder);
    expect_refused(&builder, REFUSAL_STUN_UNKNOWN_USER);
}

static void a_check_without_username_integrity_or_fingerprint_is_refused(void)
{
    struct stun_builder builder;

    begin();
    build_check(&builder);
    stun_builder_fingerprint(&builder);
    expect_refused(&builder, REFUSAL_STUN_UNAUTHORIZED);

    build_check(&builder);
    stun_builder_integrity(&builder, session.local.pwd);
    expect_refused(&builder, REFUSAL_STUN_MALFORMED);

    stun_builder_begin(&builder, STUN_BINDING_REQUEST, ID);
    stun_builder_integrity(&builder, session.local.pwd);
    stun_builder_fingerprint(&builder);
    expect_refused(&builder, REFUSAL_STUN_UNAUTHORIZED);
}

static void a_wrong_fingerprint_is_refused(void)
{
    struct stun_builder builder;

    begin();
    build_check(&builder);
    stun_builder_integrity(&builder, session.local.pwd);
    stun_builder_fingerprint(&builder);
    builder.bytes[builder.n - 1] ^= 1;
    expect_refused(&builder, REFUSAL_STUN_MALFORMED);
}

static void an_integrity_of_another_length_is_refused_before_the_engine_reads_it(void)
{
    static const uint8_t bytes[32];
    struct stun_builder builder;

    for (size_t n = 0; n <= sizeof bytes; n++) {
        if (n == 20)
            continue;
        begin();
        build_check(&builder);
        stun_builder_append(&builder, 0x0008, bytes, n);
        stun_builder_fingerprint(&builder);
        expect_refused(&builder, REFUSAL_STUN_MALFORMED);
    }
}

static void long_username(struct stun_builder *builder, char *username, size_t n)
{
    memset(username, 'x', n);
    memcpy(username, session.local.ufrag, ICE_UFRAG_LEN);
    username[ICE_UFRAG_LEN] = ':';
    stun_builder_begin(builder, STUN_BINDING_REQUEST, ID);
    stun_builder_append(builder, 0x0006, username, n);
    stun_builder_integrity(builder, session.local.pwd);
    stun_builder_fingerprint(builder);
}

static void the_longest_username_is_answered_and_a_longer_one_refused(void)
{
    char username[600];
    struct stun_builder builder;

    begin();
    long_username(&builder, username, STUN_USERNAME_MAX + 1);
    expect_refused(&builder, REFUSAL_STUN_MALFORMED);
    long_username(&builder, username, STUN_USERNAME_MAX);
    T_EQ(input(stun_builder_span(&builder), "192.0.2.1:4000", T0), REFUSAL_NONE);
    T_OK(out.reply_len > STUN_USERNAME_MAX);
}

/* The engine without our guards, with a reply buffer that seemed large enough. */
static void give_reply(StunAgent *stun, struct span datagram)
{
    StunMessage request, reply;
    StunDefaultValidaterData user[2] = {{0}};
    struct sockaddr_storage source = {0};
    struct address client = address("192.0.2.1:4000");
    uint8_t buf[320];
    size_t n = sizeof buf;
    bool control = false;

    user[0].username = (uint8_t *)(uintptr_t)(datagram.p + 24);
    user[0].username_len = load_be16(datagram.p + 22);
    user[0].password = (uint8_t *)session.local.pwd;
    user[0].password_len = ICE_PWD_LEN;
    memcpy(&source, &client.sa, address_len(&client));
    if (stun_agent_validate(stun, &request, datagram.p, datagram.n,
                            stun_agent_default_validater, user) == STUN_VALIDATION_SUCCESS)
        (void)stun_usage_ice_conncheck_create_reply(stun, &request, &reply, buf, &n, &source,
                                                    address_len(&client), &control, 0,
                                                    STUN_USAGE_ICE_COMPATIBILITY_RFC5245);
}

static bool engine_dies_over(struct span datagram)
{
    static const uint16_t known[] = {0x0006, 0x0008, 0x0024, 0x0025, 0};
    static StunAgent stun;
    int status = 0;

    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        fclose(stderr);
        stun_agent_init(&stun, known, STUN_COMPATIBILITY_RFC5389,
                        STUN_AGENT_USAGE_SHORT_TERM_CREDENTIALS |
                            STUN_AGENT_USAGE_USE_FINGERPRINT);
        give_reply(&stun, datagram);
        _exit(0);
    }
    T_EQ(waitpid(child, &status, 0), child);
    return !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void the_engine_alone_would_abort_over_a_long_username(void)
{
    char username[600];
    struct stun_builder builder;

    begin();
    long_username(&builder, username, 272); /* its answer fills 308 of 320 bytes */
    T_OK(engine_dies_over(stun_builder_span(&builder)));
    T_EQ(input(stun_builder_span(&builder), "192.0.2.1:4000", T0), REFUSAL_STUN_MALFORMED);
}

/* A copy that ends where readable memory does. */
static struct span at_the_edge(struct span bytes)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *map =
        mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    T_OK(map != MAP_FAILED && bytes.n <= page && mprotect(map + page, page, PROT_NONE) == 0);
    memcpy(map + page - bytes.n, bytes.p, bytes.n);
    return (struct span){map + page - bytes.n, bytes.n};
}

static void the_engine_alone_would_read_past_a_short_integrity(void)
{
    struct stun_builder builder;
    const struct address source = address("192.0.2.1:4000");

    begin();
    stun_builder_begin(&builder, STUN_BINDING_REQUEST, ID);
    stun_builder_append(&builder, 0x0006, session.local.ufrag, ICE_UFRAG_LEN);
    stun_builder_append(&builder, 0x0008, "abcd", 4);
    stun_builder_fingerprint(&builder);
    const struct span datagram = at_the_edge(stun_builder_span(&builder));
    T_OK(engine_dies_over(datagram));
    T_EQ(ice_input(agent, &session, datagram, &source, &NO_ADDRESS, T0, &out),
         REFUSAL_STUN_MALFORMED);
}

static void a_requester_outlives_200_unanswered_checks(void)
{
    uint8_t buf[1280];

    begin();
    for (int i = 0; i < 1000; i++)
        T_OK(ice_checker_request(&checker, HIGH, false, buf, sizeof buf) > 0);
    T_EQ(check("192.0.2.1:4000", HIGH, true, T0), 0);
}

static void an_unknown_required_attribute_is_answered_420_and_selects_nothing(void)
{
    struct stun_builder builder, expected;

    begin();
    build_check(&builder);
    stun_builder_append32(&builder, 0x7001, 0);
    stun_builder_integrity(&builder, session.local.pwd);
    stun_builder_fingerprint(&builder);
    T_EQ(input(stun_builder_span(&builder), "192.0.2.1:4000", T0), REFUSAL_NONE);
    T_EQ(load_be16(out.reply), 0x0111);
    T_EQ(session.path_count, 0);
    T_EQ(out.events, 0);

    stun_builder_begin(&expected, 0x0111, ID);
    expected.pad = ' ';
    stun_builder_append(&expected, 0x0009, "\x00\x00\x04\x14Unknown Attribute", 21);
    stun_builder_append(&expected, 0x000a, "\x70\x01", 2);
    stun_builder_integrity(&expected, session.local.pwd);
    stun_builder_fingerprint(&expected);
    T_EQ(out.reply_len, expected.n);
    T_MEM(out.reply, expected.bytes, expected.n);
}

static void hundreds_of_unknown_attributes_fit_the_answer(void)
{
    struct stun_builder builder;

    begin();
    build_check(&builder);
    for (uint16_t type = 0x7000; builder.n + 4 + 24 + 8 <= STUN_MESSAGE_MAX; type++)
        stun_builder_append(&builder, type, NULL, 0);
    stun_builder_integrity(&builder, session.local.pwd);
    stun_builder_fingerprint(&builder);
    T_EQ(input(stun_builder_span(&builder), "192.0.2.1:4000", T0), REFUSAL_NONE);
    T_OK(out.reply_len > 500 && out.reply_len <= ICE_REPLY_MAX);
}

static void a_client_that_thinks_itself_controlled_is_told_487(void)
{
    begin();
    checker.controlled = true;
    T_EQ(check("192.0.2.1:4000", HIGH, false, T0), 487);
    T_EQ(session.path_count, 0);
    checker.controlled = false; /* it gives way (RFC 8445 section 7.2.5.1) */
    T_EQ(check("192.0.2.1:4000", HIGH, true, T0), 0);
    T_EQ(session.state, ICE_CONNECTED);
}

static void a_controlled_client_with_tie_breaker_0_is_answered_and_we_stay_lite(void)
{
    begin();
    checker.controlled = true;
    checker.tie = 0;
    T_EQ(check("192.0.2.1:4000", HIGH, true, T0), 0);
    T_EQ(session.state, ICE_CONNECTED);
}

static void responses_and_indications_are_no_checks(void)
{
    static const uint16_t types[] = {0x0011, 0x0101, 0x0111, 0x0003};
    struct stun_builder builder;

    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        begin();
        build_check(&builder);
        store_be16(builder.bytes, types[i]);
        stun_builder_integrity(&builder, session.local.pwd);
        stun_builder_fingerprint(&builder);
        expect_refused(&builder, REFUSAL_STUN_MALFORMED);
    }
}

/* --- the lookup table's key ------------------------------------------------------------------
 */

static void the_ufrag_of_a_check_is_found_without_its_password(void)
{
    struct stun_builder builder;
    char ufrag[ICE_UFRAG_LEN + 1] = "";

    begin();
    build_check(&builder);
    T_EQ(ice_message_ufrag(stun_builder_span(&builder), ufrag), RC_OK);
    T_STR(ufrag, session.local.ufrag);
}

static void what_names_no_ufrag_of_ours_is_no_check(void)
{
    static const char *const names[] = {
        "abcd:efgh", "", ":", "12345678", "123456789:abcd", "1234567 :abcd", "1234567:89"};
    struct stun_builder builder;
    char ufrag[ICE_UFRAG_LEN + 1] = "untouch";

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        stun_builder_begin(&builder, STUN_BINDING_REQUEST, ID);
        stun_builder_append(&builder, 0x0006, names[i], strlen(names[i]));
        T_EQ(ice_message_ufrag(stun_builder_span(&builder), ufrag), RC_BAD);
    }
    stun_builder_begin(&builder, STUN_BINDING_REQUEST, ID);
    T_EQ(ice_message_ufrag(stun_builder_span(&builder), ufrag), RC_BAD);
    T_STR(ufrag, "untouch");
}

static void a_session_is_small(void)
{
    printf("# struct ice_session: %zu bytes\n", sizeof(struct ice_session));
    T_OK(sizeof(struct ice_session) <= 2200);
}

/* --- paths over TCP ---------------------------------------------------------------------------
 */

/* A check that came by TCP connection `number`. */
static void check_by_tcp(uint32_t number, bool nominate, usec_t now)
{
    const struct address peer = address("192.0.2.1:4000");
    const struct address source = stream_address_make(&peer, number);
    struct address mapped;
    uint8_t buf[1280];
    const size_t n = ice_checker_request(&checker, LOW, nominate, buf, sizeof buf);

    T_EQ(ice_input(agent, &session, (struct span){buf, n}, &source, &NO_ADDRESS, now, &out),
         REFUSAL_NONE);
    T_EQ(ice_checker_response(&checker, (struct span){out.reply, out.reply_len}, &mapped), 0);
    T_OK(address_equal(&mapped, &peer)); /* what the client is told is its address */
}

static uint32_t selected_number(void)
{
    return stream_address_number(&ice_selected(&session)->remote);
}

static void lose(uint32_t number)
{
    const struct address peer = address("192.0.2.1:4000");
    const struct address remote = stream_address_make(&peer, number);

    ice_lost(&session, &remote, &out);
}

static void tcp_and_udp_of_one_address_are_two_paths(void)
{
    begin();
    check_by_tcp(1, true, T0);
    T_EQ(session.path_count, 1);
    T_EQ(selected_number(), 1);
    T_EQ(check("192.0.2.1:4000", HIGH, true, T0 + MSEC(50)), 0);
    T_EQ(session.path_count, 2);
    T_OK(selected_is("192.0.2.1:4000")); /* UDP has the higher priority */
}

static void a_closed_connection_gives_way_to_another_path_at_once(void)
{
    begin();
    T_EQ(check("198.51.100.7:9", LOW, false, T0), 0);
    check_by_tcp(1, true, T0);
    T_EQ(selected_number(), 1);
    lose(1);
    T_EQ(out.events, ICE_EVENT_PATH | ICE_EVENT_ADDRESS_REMOVED);
    T_EQ(out.removed_count, 1);
    T_EQ(stream_address_number(&out.removed[0]), 1);
    T_OK(selected_is("198.51.100.7:9"));
    T_EQ(session.state, ICE_CONNECTED);
}

static void without_another_path_the_client_has_until_its_consent_ends_to_come_back(void)
{
    begin();
    check_by_tcp(1, true, T0);
    lose(1);
    T_EQ(out.events, 0);
    T_EQ(session.state, ICE_CONNECTED);
    ice_tick(&session, T0 + SEC(10), &out);
    T_EQ(out.events, 0);

    check_by_tcp(2, false, T0 + SEC(10));
    T_EQ(out.removed_count, 1);
    T_EQ(stream_address_number(&out.removed[0]), 1);
    T_EQ(selected_number(), 2);
    T_OK(out.events & ICE_EVENT_PATH && out.events & ICE_EVENT_ADDRESS_ADDED);
    T_EQ(session.path_count, 1);

    lose(2);
    ice_tick(&session, T0 + SEC(40), &out);
    T_EQ(session.state, ICE_FAILED);
    T_EQ(session.why, REFUSAL_ICE_CONSENT_EXPIRED);
    T_EQ(out.removed_count, 1);
}

static void the_end_of_a_connection_of_nobody_changes_nothing(void)
{
    begin();
    check_by_tcp(1, true, T0);
    lose(7);
    T_EQ(out.events, 0);
    T_EQ(selected_number(), 1);
}

static const struct t_case cases[] = {
    T_CASE(tcp_and_udp_of_one_address_are_two_paths),
    T_CASE(a_closed_connection_gives_way_to_another_path_at_once),
    T_CASE(without_another_path_the_client_has_until_its_consent_ends_to_come_back),
    T_CASE(the_end_of_a_connection_of_nobody_changes_nothing),
    T_CASE(the_first_check_selects_and_the_nomination_connects),
    T_CASE(the_answer_is_byte_for_byte_what_the_rfc_wants),
    T_CASE(a_client_that_never_checks_times_out),
    T_CASE(a_client_that_never_nominates_times_out),
    T_CASE(consent_expires_after_exactly_30_seconds),
    T_CASE(authenticated_media_is_consent_too),
    T_CASE(a_failed_session_answers_nobody_until_a_restart),
    T_CASE(a_client_that_roams_and_nominates_moves_the_path),
    T_CASE(a_client_whose_nat_maps_it_anew_is_followed_at_once),
    T_CASE(a_replayed_check_makes_no_path),
    T_CASE(a_copy_that_is_quicker_keeps_the_original_not_out),
    T_CASE(of_aggressive_nominations_the_highest_priority_wins),
    T_CASE(an_aggressive_client_that_lost_its_better_network_is_followed),
    T_CASE(one_client_at_two_of_our_addresses_does_not_flap),
    T_CASE(a_silent_selected_path_gives_way_to_one_that_is_alive),
    T_CASE(the_table_forgets_the_address_that_was_silent_longest),
    T_CASE(a_restart_keeps_the_path_until_the_new_nomination),
    T_CASE(old_credentials_are_refused_after_the_new_nomination),
    T_CASE(old_credentials_are_forgotten_after_a_while_or_another_restart),
    T_CASE(a_client_that_restarts_with_our_old_credentials_is_followed_and_not_cut_off),
    T_CASE(a_restart_with_bad_credentials_changes_nothing),
    T_CASE(a_wrong_password_is_refused_without_an_answer),
    T_CASE(an_unknown_user_is_refused_without_an_answer),
    T_CASE(a_check_without_username_integrity_or_fingerprint_is_refused),
    T_CASE(a_wrong_fingerprint_is_refused),
    T_CASE(an_integrity_of_another_length_is_refused_before_the_engine_reads_it),
    T_CASE(the_longest_username_is_answered_and_a_longer_one_refused),
    T_CASE(the_engine_alone_would_abort_over_a_long_username),
    T_CASE(the_engine_alone_would_read_past_a_short_integrity),
    T_CASE(a_requester_outlives_200_unanswered_checks),
    T_CASE(an_unknown_required_attribute_is_answered_420_and_selects_nothing),
    T_CASE(hundreds_of_unknown_attributes_fit_the_answer),
    T_CASE(a_client_that_thinks_itself_controlled_is_told_487),
    T_CASE(a_controlled_client_with_tie_breaker_0_is_answered_and_we_stay_lite),
    T_CASE(responses_and_indications_are_no_checks),
    T_CASE(the_ufrag_of_a_check_is_found_without_its_password),
    T_CASE(what_names_no_ufrag_of_ours_is_no_check),
    T_CASE(a_session_is_small),
};
T_MAIN(cases)
