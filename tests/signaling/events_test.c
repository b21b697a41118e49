#include "signaling/user_media.h"
#include "tests/signaling/lobby_world_lib.h"
#include "tests/t.h"

static struct world w;

static struct client *join(void)
{
    return world_join(&w, "192.0.2.1", NULL);
}

static void two_meet(struct client **a, struct client **b)
{
    *a = join();
    *b = join();
    world_say(*a, "find-match", NULL);
    world_say(*b, "find-match", NULL);
    forget(*a);
    forget(*b);
}

static json_t *json(const char *text)
{
    json_error_t error;
    json_t *parsed = json_loads(text, JSON_DECODE_ANY, &error);

    T_OK(parsed);
    return parsed;
}

static bool acknowledged(const json_t *ack)
{
    return json_is_true(json_object_get(ack, "ok"));
}

/* --- refusals ----------------------------------------------------------------------------- */

static void what_is_refused_is_refused_by_ack_or_by_error_and_never_both(void)
{
    world_open(&w, 0, 1000);
    struct client *a = join();
    forget(a);
    world_say(a, "no-such-event", NULL);
    T_STR(text_of(heard(a, "error"), "code"), "unknown_event");
    T_STR(text_of(heard(a, "error"), "event"), "no-such-event");
    T_STR(text_of(heard(a, "error"), "message"), "this event is not known");
    forget(a);
    const json_t *ack = world_ask(a, "no-such-event", NULL);
    T_STR(text_of(ack, "code"), "unknown_event");
    T_STR(text_of(ack, "status"), "error");
    T_OK(json_is_false(json_object_get(ack, "ok")));
    T_EQ(json_array_size(a->heard), 0);
    world_close(&w);
}

static void malformed_payloads_are_refused_and_change_nothing(void)
{
    static const struct {
        const char *event, *payload, *code;
    } rows[] = {
        {"find-match", "1", "bad_payload"},
        {"find-match", "\"video\"", "bad_payload"},
        {"find-match", "[]", "bad_payload"},
        {"find-match", "{\"type\":\"audio\"}", "bad_payload"},
        {"find-match", "{\"type\":1}", "bad_payload"},
        {"find-match", "{\"avoidPeers\":\"x\"}", "bad_payload"},
        {"find-match", "{\"avoidPeers\":[1]}", "bad_payload"},
        {"find-match", "{\"interests\":{}}", "bad_payload"},
        {"find-match", "{\"interests\":[[]]}", "bad_payload"},
        {"find-match", "{\"languages\":[7]}", "bad_payload"},
        {"find-user", "{\"profile\":7}", "bad_payload"},
        {"offer", "null", "bad_payload"},
        {"offer", "{}", "bad_payload"},
        {"offer", "{\"type\":\"answer\",\"sdp\":\"v=0\"}", "bad_payload"},
        {"offer", "{\"type\":\"offer\",\"sdp\":7}", "bad_payload"},
        {"offer", "{\"type\":\"offer\",\"sdp\":\"refuse\"}", "sdp_no_codec"},
        {"call-user", "{}", "bad_payload"},
        {"call-user", "{\"to\":\"~x\",\"offer\":{\"sdp\":\"v=0\"}}", "no_partner"},
        {"call-user", "{\"to\":\"~x\",\"profile\":[]}", "bad_payload"},
        {"ice-candidate", "7", "bad_payload"},
        {"ice-candidate", "{\"candidate\":7}", "bad_payload"},
        {"ice-candidate", "{\"candidate\":{\"candidate\":{}}}", "bad_payload"},
        {"ice-candidate", "{\"candidate\":\"candidate:1\"}", "wrong_state"},
        {"ice-candidate", "null", "wrong_state"},
        {"chat-message", "null", "bad_payload"},
        {"chat-message", "\"hi\"", "bad_payload"},
        {"chat-message", "{\"text\":7}", "bad_payload"},
        {"chat-message", "{\"text\":\"\"}", "chat_empty"},
        {"chat-message", "{\"text\":\"a\\u0007\"}", "chat_bad_text"},
        {"chat-message", "{\"text\":\"hi\"}", "no_partner"},
        {"typing-start", "7", "bad_payload"},
        {"typing-start", "{}", "no_partner"},
        {"typing-stop", "null", "no_partner"},
        {"stream-state-change", "{}", "no_partner"},
        {"connection-status", "{}", "no_partner"},
        {"vibe-tap", "[]", "bad_payload"},
        {"mark-messages-read", "{}", "no_partner"},
        {"report-quality", "null", "bad_payload"},
        {"report-quality", "{\"latency\":\"7\"}", "bad_payload"},
        {"report-quality", "{\"latency\":-1}", "bad_payload"},
        {"report-quality", "{\"packetLoss\":1.5}", "bad_payload"},
        {"report-quality", "{\"bandwidth\":[]}", "bad_payload"},
        {"report-error", "\"x\"", "bad_payload"},
        {"restore-connection", "{}", "bad_payload"},
        {"restore-connection", "{\"peerId\":7}", "bad_payload"},
        {"request-turn-credentials", "null", "not_available"},
        {"reconnect-attempt", "{}", "not_available"},
        {"report-user", "{}", "not_available"},
    };

    world_open(&w, 0, 1000);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct client *a = join();
        const json_t *ack = world_ask(a, rows[i].event, json(rows[i].payload));
        T_STR(text_of(ack, "code"), rows[i].code);
        T_STR(text_of(ack, "event"), rows[i].event);
        T_EQ(a->user->state, USER_CONNECTED);
        T_OK(!a->user->media);
        world_check(&w);
        world_leave(a);
    }
    world_close(&w);
}

static void lists_have_a_limit(void)
{
    world_open(&w, 0, 1000);
    struct client *a = join();
    json_t *avoid = json_array(), *words = json_array();
    for (int i = 0; i <= MATCH_AVOID_MAX; i++)
        json_array_append_new(avoid, json_string("!nobody"));
    for (int i = 0; i <= 32; i++)
        json_array_append_new(words, json_string("chess"));
    T_STR(text_of(world_ask(a, "find-match", json_pack("{s:O}", "avoidPeers", avoid)), "code"),
          "bad_payload");
    T_STR(text_of(world_ask(a, "find-match", json_pack("{s:O}", "interests", words)), "code"),
          "bad_payload");
    json_array_remove(avoid, 0);
    json_array_remove(words, 0);
    T_STR(text_of(world_ask(a, "find-match",
                            json_pack("{s:o, s:o}", "avoidPeers", avoid, "interests", words)),
                  "status"),
          "waiting");
    T_EQ(a->user->seeker->ticket.avoid_count, 0); /* names that were never given mean nobody */
    world_close(&w);
}

/* --- matching ----------------------------------------------------------------------------- */

static void the_ack_of_a_search_comes_before_its_events(void)
{
    world_open(&w, 0, 1000);
    struct client *a = join(), *b = join();
    forget(a);
    const json_t *ack = world_ask(a, "find-match", json("{\"type\":\"video\"}"));
    T_STR(text_of(ack, "status"), "waiting");
    T_EQ(json_integer_value(json_object_get(ack, "position")), 1);
    T_EQ(json_integer_value(json_object_get(ack, "estimatedWaitTime")),
         MATCH_ESTIMATE_UNKNOWN / 1000);
    T_EQ(heard_at(a, "connection-status"), 0);
    T_EQ(heard_at(a, "waiting"), 1);

    ack = world_ask(b, "find-match", NULL);
    T_STR(text_of(ack, "status"), "matched");
    T_STR(text_of(json_object_get(ack, "matchData"), "peerId"), b->user->partner_alias);
    T_STR(text_of(heard(b, "match-found"), "peerId"), b->user->partner_alias);
    T_STR(text_of(heard(a, "match-found"), "peerId"), a->user->partner_alias);
    world_close(&w);
}

static void asking_again_keeps_the_place(void)
{
    world_open(&w, 0, 1000);
    struct client *a = join(), *b = join(), *c;
    two_meet(&a, &b);
    world_say(a, "leave-chat", NULL);
    world_say(a, "find-match", NULL);
    world_say(b, "find-match", NULL); /* both wait: they have just left each other */
    T_EQ(json_integer_value(json_object_get(world_ask(a, "find-match", NULL), "position")), 1);
    T_EQ(json_integer_value(json_object_get(world_ask(b, "find-match", NULL), "position")), 2);
    c = join();
    world_say(c, "find-match", NULL);
    T_OK(c->user->partner == a->user);
    world_close(&w);
}

static void a_refused_search_changes_nothing(void)
{
    struct client *a, *b;

    world_open(&w, 0, 1000);
    two_meet(&a, &b);
    const char *met = a->user->partner_alias;
    world_say(a, "find-match", json_pack("{s:[s]}", "avoidPeers", met));
    T_EQ(a->user->seeker->ticket.avoid_count, 1);
    world_say(a, "find-match", json("{\"avoidPeers\":[7]}"));
    T_EQ(a->user->seeker->ticket.avoid_count, 1);
    T_EQ(a->user->state, USER_WAITING);
    world_say(a, "find-match", NULL);
    T_EQ(a->user->seeker->ticket.avoid_count, 0);
    world_close(&w);
}

static void what_is_refused_while_matched_parts_nobody(void)
{
    struct client *a, *b;

    world_open(&w, 0, 1000);
    two_meet(&a, &b);
    T_STR(text_of(world_ask(a, "find-match", json("{\"type\":7}")), "code"), "bad_payload");
    T_STR(text_of(world_ask(a, "no-such-event", NULL), "code"), "unknown_event");
    T_STR(text_of(world_ask(a, "chat-message", json("{\"text\":\"\"}")), "code"), "chat_empty");
    T_OK(a->user->partner == b->user);
    T_EQ(json_array_size(b->heard), 0);
    world_check(&w);
    world_close(&w);
}

static void whom_one_avoids_one_does_not_meet_even_later(void)
{
    struct client *a, *b;

    world_open(&w, 0, 1000);
    two_meet(&a, &b);
    world_say(a, "find-match", json_pack("{s:[s]}", "avoidPeers", a->user->partner_alias));
    world_say(b, "find-match", NULL);
    world_pass(&w, SEC(60));
    T_EQ(a->user->state, USER_WAITING);
    T_EQ(b->user->state, USER_WAITING);
    world_close(&w);
}

static void text_meets_text(void)
{
    world_open(&w, 0, 1000);
    struct client *a = join(), *b = join(), *c = join();
    world_say(a, "find-match", json("{\"type\":\"video\"}"));
    world_say(b, "find-match", json("{\"type\":\"text\"}"));
    T_EQ(b->user->state, USER_WAITING);
    world_say(c, "find-match", json("{\"type\":\"text\"}"));
    T_OK(c->user->partner == b->user);
    world_close(&w);
}

static void the_second_vocabulary_meets_the_first(void)
{
    world_open(&w, 0, 1000);
    struct client *a = join(), *b = join();
    world_say(a, "find-match", NULL);
    world_say(b, "find-user", json("{\"profile\":{\"name\":\"Bo\"}}"));
    const json_t *found = heard(b, "user-found");
    T_EQ(text_of(found, "partnerId")[0], '~');
    T_OK(!json_object_get(found, "profile")); /* a showed none */
    T_OK(heard(a, "match-found"));
    world_say(b, "find-next-user", NULL);
    struct client *c = join();
    world_say(c, "find-user", NULL);
    T_STR(text_of(json_object_get(heard(c, "user-found"), "profile"), "name"), "Bo");
    world_close(&w);
}

static void cancelling_is_acknowledged_in_every_state(void)
{
    static const char *const events[] = {"cancel-match", "leave-chat", "peer-left"};

    world_open(&w, 0, 1000);
    for (size_t i = 0; i < ARRAY_LEN(events); i++) {
        struct client *a = join();
        T_OK(acknowledged(world_ask(a, events[i], NULL)));
        world_say(a, "find-match", NULL);
        T_OK(acknowledged(world_ask(a, events[i], NULL)));
        T_EQ(a->user->state, USER_CONNECTED);
        struct client *b = join();
        world_say(a, "find-match", NULL);
        world_say(b, "find-match", NULL);
        T_OK(acknowledged(world_ask(a, events[i], NULL)));
        T_EQ(b->user->state, USER_CONNECTED);
        world_check(&w);
        world_leave(a);
        world_leave(b);
    }
    world_close(&w);
}

/* --- media -------------------------------------------------------------------------------- */

static void an_offer_is_answered_by_ack_and_event(void)
{
    world_open(&w, 0, 1000);
    struct client *a = join();
    const json_t *ack = world_ask(a, "offer", offer_of("v=0"));
    T_STR(text_of(ack, "type"), "answer");
    T_STR(text_of(ack, "sdp"), "v=0 the answer");
    T_STR(text_of(heard(a, "answer"), "sdp"), "v=0 the answer");
    T_OK(!strcmp(text_of(world_ask(a, "offer", json("{\"sdp\":\"v=0\"}")), "type"), "answer"));
    world_close(&w);
}

static void a_refused_offer_leaves_the_running_connection_alone(void)
{
    struct client *a, *b;

    world_open(&w, 0, 1000);
    two_meet(&a, &b);
    world_say(a, "offer", offer_of("a"));
    world_say(b, "offer", offer_of("b"));
    T_STR(text_of(world_ask(a, "offer", offer_of("refuse")), "code"), "sdp_no_codec");
    T_OK(a->user->linked);
    world_check(&w);
    world_close(&w);
}

static void offers_have_a_rate_limit_of_their_own(void)
{
    world_open(&w, 0, 1000);
    struct client *a = join();
    for (int i = 0; i < 10; i++)
        T_STR(text_of(world_ask(a, "offer", offer_of("v=0")), "type"), "answer");
    T_STR(text_of(world_ask(a, "offer", offer_of("v=0")), "code"), "rate_limit");
    world_pass(&w, MSEC(100));
    T_STR(text_of(world_ask(a, "offer", offer_of("v=0")), "type"), "answer");
    world_close(&w);
}

static void candidates_come_in_every_form(void)
{
    static const char *const forms[] = {
        "null",
        "{\"candidate\":\"candidate:1 1 udp 1 192.0.2.1 9 typ host\",\"sdpMid\":\"0\"}",
        "{\"candidate\":\"\"}",
        "{\"candidate\":null}",
        "{\"candidate\":{\"candidate\":\"candidate:1\"},\"to\":\"~x\"}",
        "{\"candidate\":{\"candidate\":null}}",
        "\"candidate:1\"",
    };

    world_open(&w, 0, 1000);
    struct client *a = join();
    world_say(a, "offer", offer_of("v=0"));
    for (size_t i = 0; i < ARRAY_LEN(forms); i++)
        T_OK(acknowledged(world_ask(a, "ice-candidate", json(forms[i]))));
    T_EQ(w.candidates, ARRAY_LEN(forms));
    T_OK(acknowledged(world_ask(a, "ice-candidate", NULL)));
    T_STR(text_of(world_ask(a, "ice-candidate", json("{\"candidate\":\"bad\"}")), "code"),
          "candidate_malformed");
    world_close(&w);
}

static void call_user_wants_the_partner_by_name(void)
{
    world_open(&w, 0, 1000);
    struct client *a = join(), *b = join();
    world_say(a, "find-user", NULL);
    world_say(b, "find-user", NULL);
    const char *partner = a->user->partner_alias;
    const json_t *ack = world_ask(
        a, "call-user",
        json_pack("{s:{s:s}, s:s}", "offer", "sdp", "v=0", "to", b->user->partner_alias));
    T_STR(text_of(ack, "code"), "no_partner");
    ack = world_ask(a, "call-user",
                    json_pack("{s:{s:s, s:s}, s:s, s:{s:s}}", "offer", "type", "offer", "sdp",
                              "v=0", "to", partner, "profile", "name", "Ann"));
    T_OK(json_is_true(json_object_get(ack, "ok")));
    const json_t *made = heard(a, "answer-made");
    T_STR(text_of(made, "from"), partner);
    T_STR(text_of(json_object_get(made, "answer"), "type"), "answer");
    T_STR(text_of(a->user->profile, "name"), "Ann");
    world_close(&w);
}

/* --- words -------------------------------------------------------------------------------- */

static void chat_reaches_the_partner_as_it_is(void)
{
    struct client *a, *b;

    world_open(&w, 0, 1000);
    two_meet(&a, &b);
    const json_t *ack = world_ask(a, "chat-message",
                                  json_pack("{s:s, s:s}", "text", "<b>hé 😀</b>", "id", "m-1"));
    T_OK(json_is_true(json_object_get(ack, "ok")));
    T_STR(text_of(ack, "id"), "m-1");
    const json_t *message = heard(b, "chat-message");
    T_STR(text_of(message, "text"), "<b>hé 😀</b>");
    T_STR(text_of(message, "id"), "m-1");
    T_STR(text_of(message, "from"), "peer");
    T_OK(json_is_true(json_object_get(message, "verified")));
    T_OK(json_equal(json_object_get(message, "timestamp"), json_object_get(ack, "timestamp")));
    T_EQ(json_object_size(message), 5); /* nothing else of the sender's */
    T_OK(!heard(a, "chat-message"));
    world_close(&w);
}

static void a_message_without_a_good_id_gets_one(void)
{
    struct client *a, *b;

    world_open(&w, 0, 1000);
    two_meet(&a, &b);
    world_say(a, "chat-message", json("{\"text\":\"hi\"}"));
    T_EQ(strlen(text_of(heard(b, "chat-message"), "id")), 16);
    world_say(a, "chat-message", json("{\"text\":\"hi\",\"id\":\"two words\"}"));
    T_EQ(strlen(text_of(heard(b, "chat-message"), "id")), 16);
    world_say(a, "chat-message", json("{\"text\":\"hi\",\"id\":7}"));
    T_EQ(strlen(text_of(heard(b, "chat-message"), "id")), 16);
    world_close(&w);
}

static void chat_without_a_partner_is_told_in_both_vocabularies(void)
{
    world_open(&w, 0, 1000);
    struct client *a = join();
    world_say(a, "chat-message", json("{\"text\":\"hi\"}"));
    T_STR(text_of(heard(a, "error"), "code"), "no_partner");
    T_OK(*text_of(heard(a, "connection-error"), "message"));
    world_close(&w);
}

static void small_objects_are_passed_on_with_the_sender_named(void)
{
    static const char *const events[][2] = {
        {"typing-start", "typing-start"},
        {"typing-stop", "typing-stop"},
        {"stream-state-change", "stream-state-change"},
        {"connection-status", "connection-status"},
        {"vibe-tap", "vibe-tap"},
        {"mark-messages-read", "message-read"},
    };
    struct client *a, *b;

    world_open(&w, 0, 1000);
    two_meet(&a, &b);
    for (size_t i = 0; i < ARRAY_LEN(events); i++) {
        json_t *payload = json_pack("{s:b, s:s, s:s}", "video", 0, "to", a->user->partner_alias,
                                    "from", "somebody else");
        T_OK(acknowledged(world_ask(a, events[i][0], json_incref(payload))));
        T_STR(text_of(payload, "from"), "somebody else"); /* what came in is not touched */
        json_decref(payload);
        const json_t *got = heard(b, events[i][1]);
        T_STR(text_of(got, "from"), b->user->partner_alias);
        T_OK(json_is_false(json_object_get(got, "video")));
        T_OK(!json_object_get(got, "to"));
        world_say(a, events[i][0], NULL);
        T_EQ(json_object_size(heard(b, events[i][1])), 1);
    }
    T_STR(b->status, "matched"); /* a partner's connection-status is not the server's */
    world_close(&w);
}

static void what_is_too_large_to_pass_on_is_refused(void)
{
    static char large[5000];
    struct client *a, *b;

    world_open(&w, 0, 1000);
    two_meet(&a, &b);
    memset(large, 'x', sizeof large - 1);
    T_STR(text_of(world_ask(a, "typing-start", json_pack("{s:s}", "x", large)), "code"),
          "message_too_large");
    T_OK(!heard(b, "typing-start"));
    world_close(&w);
}

/* --- about the connection ----------------------------------------------------------------- */

static void ping_is_answered_by_ack_or_by_pong(void)
{
    world_open(&w, 0, 1000);
    struct client *a = join();
    const json_t *pong = world_ask(a, "ping", json("{\"timestamp\":12.5}"));
    T_OK(json_real_value(json_object_get(pong, "timestamp")) == 12.5);
    T_OK(!heard(a, "pong"));
    world_say(a, "ping", NULL);
    pong = heard(a, "pong");
    T_OK(json_integer_value(json_object_get(pong, "timestamp")) > 1600000000000);
    T_STR(text_of(pong, "connectionQuality"), "good");
    const json_t *load = json_object_get(pong, "serverLoad");
    T_EQ(json_integer_value(json_object_get(load, "activeConnections")), 1);
    T_EQ(json_integer_value(json_object_get(load, "waitingUsers")), 0);
    world_close(&w);
}

static void reports_are_taken_and_counted(void)
{
    world_open(&w, 0, 1000);
    struct client *a = join();
    json_t *report = json("{\"latency\":40,\"packetLoss\":0.5,\"bandwidth\":1e6}");
    T_OK(acknowledged(world_ask(a, "report-quality", report)));
    report = json("{\"type\":7,\"message\":{}}");
    T_OK(acknowledged(world_ask(a, "report-error", report)));
    T_OK(acknowledged(world_ask(a, "report-error", NULL)));
    T_EQ(counter_get(&lobby_stats(w.lobby)->reports), 2);
    world_close(&w);
}

static void only_the_partner_of_now_can_be_restored(void)
{
    struct client *a, *b;

    world_open(&w, 0, 1000);
    two_meet(&a, &b);
    char partner[ALIAS_LEN + 1];
    strcpy(partner, a->user->partner_alias);
    const json_t *ack =
        world_ask(a, "restore-connection", json_pack("{s:s}", "peerId", partner));
    T_STR(text_of(ack, "status"), "active");
    T_STR(text_of(ack, "peerId"), partner);
    world_say(a, "restore-connection", json_pack("{s:s}", "peerId", partner));
    T_STR(text_of(heard(a, "connection-restored"), "status"), "active");
    world_say(b, "leave-chat", NULL);
    world_say(a, "restore-connection", json_pack("{s:s}", "peerId", partner));
    T_STR(text_of(heard(a, "peer-disconnected"), "reason"), "gone");
    T_STR(text_of(heard(a, "peer-disconnected"), "peerId"), partner);
    world_close(&w);
}

static void further_arguments_are_ignored(void)
{
    world_open(&w, 0, 1000);
    struct client *a = join();
    world_call(a, "find-match", json("[{\"type\":\"text\"}, 7, []]"), SIO_NO_ACK);
    T_EQ(a->user->seeker->ticket.card.kind, MATCH_TEXT);
    world_close(&w);
}

/* --- TURN -----------------------------------------------------------------------------------
 */

static int give_turn(void *arg, const char *user_id, struct ice_credentials *out)
{
    static const char *const uris[] = {"turn:a.example:3478?transport=udp"};
    (void)arg;

    *out = (struct ice_credentials){
        .turn = uris, .turn_count = 1, .credential = "secret", .ttl = 600};
    snprintf(out->username, sizeof out->username, "1700000000:%s", user_id);
    return RC_OK;
}

static void who_asks_for_turn_gets_a_credential_of_their_own(void)
{
    char name[64];

    world_open(&w, 0, 1000);
    w.ice.credentials = give_turn;
    struct client *a = join();
    snprintf(name, sizeof name, "1700000000:%s", a->user->id);

    const json_t *servers = json_object_get(heard(a, "session"), "iceServers");
    T_EQ(json_array_size(servers), 1);
    T_STR(text_of(json_array_get(servers, 0), "username"), name);

    const json_t *ack = world_ask(a, "request-turn-credentials", NULL);
    T_STR(text_of(ack, "username"), name);
    T_STR(text_of(ack, "credential"), "secret");
    T_EQ(json_integer_value(json_object_get(ack, "ttl")), 600);
    T_EQ(json_array_size(json_object_get(ack, "uris")), 1);
    T_EQ(heard_count(a, "turn-credentials"), 0);

    world_say(a, "request-turn-credentials", json("{\"anything\":1}"));
    T_STR(text_of(heard(a, "turn-credentials"), "username"), name);
    world_close(&w);
}

static void credentials_are_given_so_many_times_a_second(void)
{
    world_open(&w, 0, 1000);
    w.ice.credentials = give_turn;
    struct client *a = join();

    for (int i = 0; i < ICE_SERVERS_PER_SECOND; i++)
        T_OK(text_of(world_ask(a, "request-turn-credentials", NULL), "username")[0]);
    T_STR(text_of(world_ask(a, "request-turn-credentials", NULL), "code"), "rate_limit");
    world_pass(&w, SEC(1));
    T_OK(text_of(world_ask(a, "request-turn-credentials", NULL), "username")[0]);
    world_close(&w);
}

static const struct t_case cases[] = {
    T_CASE(what_is_refused_is_refused_by_ack_or_by_error_and_never_both),
    T_CASE(malformed_payloads_are_refused_and_change_nothing),
    T_CASE(lists_have_a_limit),
    T_CASE(the_ack_of_a_search_comes_before_its_events),
    T_CASE(asking_again_keeps_the_place),
    T_CASE(a_refused_search_changes_nothing),
    T_CASE(what_is_refused_while_matched_parts_nobody),
    T_CASE(whom_one_avoids_one_does_not_meet_even_later),
    T_CASE(text_meets_text),
    T_CASE(the_second_vocabulary_meets_the_first),
    T_CASE(cancelling_is_acknowledged_in_every_state),
    T_CASE(an_offer_is_answered_by_ack_and_event),
    T_CASE(a_refused_offer_leaves_the_running_connection_alone),
    T_CASE(offers_have_a_rate_limit_of_their_own),
    T_CASE(candidates_come_in_every_form),
    T_CASE(call_user_wants_the_partner_by_name),
    T_CASE(chat_reaches_the_partner_as_it_is),
    T_CASE(a_message_without_a_good_id_gets_one),
    T_CASE(chat_without_a_partner_is_told_in_both_vocabularies),
    T_CASE(small_objects_are_passed_on_with_the_sender_named),
    T_CASE(what_is_too_large_to_pass_on_is_refused),
    T_CASE(ping_is_answered_by_ack_or_by_pong),
    T_CASE(reports_are_taken_and_counted),
    T_CASE(only_the_partner_of_now_can_be_restored),
    T_CASE(further_arguments_are_ignored),
    T_CASE(who_asks_for_turn_gets_a_credential_of_their_own),
    T_CASE(credentials_are_given_so_many_times_a_second),
};

T_MAIN(cases)
