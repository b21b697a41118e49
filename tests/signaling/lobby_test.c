#include "signaling/user_media.h"
#include "signaling/user_quality.h"
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
    T_EQ((*a)->user->state, USER_MATCHED);
    world_check(&w);
}

/* --- coming in ---------------------------------------------------------------------------- */

static void a_newcomer_is_told_its_session_and_status(void)
{
    world_open(&w, 0, 100);
    const struct client *a = join();
    const json_t *session = heard(a, "session");

    T_EQ(heard_at(a, "session"), 0);
    T_EQ(strlen(text_of(session, "userId")), USER_ID_LEN);
    T_OK(json_is_null(json_object_get(session, "sessionToken")));
    T_OK(json_is_false(json_object_get(session, "restored")));
    T_EQ(json_integer_value(json_object_get(session, "standbyMs")), 0);
    T_EQ(json_integer_value(json_object_get(session, "reportIntervalMs")), 5000);
    T_EQ(json_array_size(json_object_get(session, "iceServers")), 0);
    T_STR(text_of(session, "region"), "unknown");
    T_STR(a->status, "connected");
    world_close(&w);
}

static void an_address_has_no_more_users_than_allowed(void)
{
    enum refusal why;

    world_open(&w, 2, 100);
    T_OK(world_join(&w, "192.0.2.1", &why));
    struct client *second = world_join(&w, "192.0.2.1", &why);
    T_OK(second);
    T_OK(!world_join(&w, "192.0.2.1", &why));
    T_EQ(why, REFUSAL_IP_LIMIT);
    T_OK(world_join(&w, "192.0.2.2", &why));
    world_leave(second);
    T_OK(world_join(&w, "192.0.2.1", &why));
    lobby_set_limits(w.lobby, 3, 100);
    T_OK(world_join(&w, "192.0.2.1", &why));
    T_OK(!world_join(&w, "192.0.2.1", &why));
    lobby_set_limits(w.lobby, 0, 100);
    T_OK(world_join(&w, "192.0.2.1", &why));
    world_close(&w);
}

static void who_is_admitted_and_never_welcomed_leaves_nothing_behind(void)
{
    struct address address;
    struct user *user;

    world_open(&w, 1, 100);
    T_EQ(address_parse(&address, "192.0.2.1"), RC_OK);
    T_EQ(lobby_admit(w.lobby, &address, "eu", &user), REFUSAL_NONE);
    lobby_drain(w.lobby, SEC(1)); /* nobody to tell: it has no socket */
    lobby_remove(user, "never connected");
    world_close(&w);
}

static void a_flood_is_refused_once_a_second_and_counted_always(void)
{
    const uint64_t before = refusal_total(REFUSAL_RATE_LIMIT);

    world_open(&w, 0, 10);
    struct client *a = join(), *b = join();
    for (int i = 0; i < 1000; i++)
        world_say(a, "ping", NULL);
    T_EQ(heard_count(a, "pong"), 10);
    T_EQ(heard_count(a, "error"), 1);
    T_STR(text_of(heard(a, "error"), "code"), "rate_limit");
    T_EQ(refusal_total(REFUSAL_RATE_LIMIT) - before, 990);
    world_say(b, "ping", NULL); /* nobody else pays for it */
    T_EQ(heard_count(b, "pong"), 1);
    world_pass(&w, SEC(1));
    world_say(a, "ping", NULL);
    T_EQ(heard_count(a, "pong"), 11);
    world_close(&w);
}

/* --- pairs -------------------------------------------------------------------------------- */

static void partners_know_each_other_by_names_of_their_own(void)
{
    struct client *a, *b;

    world_open(&w, 0, 100);
    two_meet(&a, &b);
    const json_t *found = heard(a, "match-found");
    T_EQ(text_of(found, "peerId")[0], '!');
    T_OK(strcmp(text_of(found, "peerId"), text_of(heard(b, "match-found"), "peerId")) != 0);
    T_STR(text_of(found, "matchId"), text_of(heard(b, "match-found"), "matchId"));
    T_STR(text_of(found, "networkQuality"), "good");
    T_OK(lobby_by_alias(a->user, b->user->partner_alias) == NULL); /* b's name for a is b's */
    world_close(&w);
}

static void who_leaves_the_partner_is_told(void)
{
    struct client *a, *b;

    world_open(&w, 0, 100);
    two_meet(&a, &b);
    forget(a);
    forget(b);
    world_say(a, "leave-chat", NULL);
    T_STR(text_of(heard(b, "peer-left"), "reason"), "left");
    T_STR(text_of(heard(b, "peer-disconnected"), "reason"), "left");
    T_OK(json_is_false(json_object_get(heard(b, "peer-left"), "canReconnect")));
    T_OK(!heard(a, "peer-left"));
    T_STR(a->status, "connected");
    T_STR(b->status, "connected");
    world_close(&w);
}

static void who_disconnects_the_partner_is_told(void)
{
    struct client *a, *b;

    world_open(&w, 0, 100);
    two_meet(&a, &b);
    world_leave(a);
    T_STR(text_of(heard(b, "peer-left"), "reason"), "disconnected");
    T_EQ(b->user->state, USER_CONNECTED);
    world_close(&w);
}

static void next_among_three_finds_the_third(void)
{
    struct client *a, *b;

    world_open(&w, 0, 100);
    two_meet(&a, &b);
    struct client *c = join();
    world_say(c, "find-match", NULL);
    T_EQ(c->user->state, USER_WAITING);
    world_say(a, "find-match", NULL);
    T_OK(a->user->partner == c->user);
    T_STR(text_of(heard(b, "peer-left"), "reason"), "next");
    T_EQ(b->user->state, USER_CONNECTED);
    world_check(&w);
    world_close(&w);
}

static void two_alone_meet_again_after_the_cool_down(void)
{
    struct client *a, *b;

    world_open(&w, 0, 100);
    two_meet(&a, &b);
    world_say(a, "find-match", NULL);
    world_say(b, "find-match", NULL);
    T_EQ(a->user->state, USER_WAITING);
    T_EQ(b->user->state, USER_WAITING);
    world_pass(&w, match_options_default().cool_down - 1);
    T_EQ(a->user->state, USER_WAITING);
    world_pass(&w, MSEC(500));
    T_EQ(a->user->state, USER_MATCHED);
    world_check(&w);
    T_STR(text_of(heard(a, "match-found"), "peerId"), a->user->partner_alias);
    world_close(&w);
}

static void nobody_is_looked_at_while_at_most_one_waits(void)
{
    world_open(&w, 0, 100);
    struct client *a = join();
    world_say(a, "find-match", NULL);
    T_EQ(timers_count(w.timers), 0);
    world_close(&w);
}

/* --- matching ----------------------------------------------------------------------------- */

static json_t *wishes(const char *interest, const char *language)
{
    return json_pack("{s:[s], s:[s]}", "interests", interest, "languages", language);
}

/* Two who would meet but that the first avoids the second; so both wait. */
static void two_wait(struct client *a, struct client *b, const char *first, const char *second)
{
    const char *alias = alias_make(&a->user->aliases, '!', b->user->number);

    world_say(a, "find-match",
              json_pack("{s:[s], s:[s], s:[s]}", "interests", first, "languages", "en",
                        "avoidPeers", alias));
    world_say(b, "find-match", wishes(second, "en"));
    T_EQ(a->user->state, USER_WAITING);
    T_EQ(b->user->state, USER_WAITING);
}

static void a_match_says_its_score_and_can_be_explained(void)
{
    world_open(&w, 0, 100);
    struct client *a = join(), *b = join();
    world_say(a, "find-match", wishes("chess", "de-AT"));
    world_pass(&w, SEC(2));
    world_say(b, "find-match", wishes("Chess", "DE"));
    const json_t *found = heard(b, "match-found");
    const struct match_record *record =
        match_records_find(&lobby_waiting_room(w.lobby)->records, text_of(found, "matchId"));

    T_OK(record);
    T_EQ(record->parts.interest, match_weights_default.interest[1]);
    T_EQ(record->parts.language, match_weights_default.language);
    T_EQ(record->parts.region, match_weights_default.region_unknown);
    T_EQ(record->parts.waiting, 2);
    T_EQ(record->waited[0] + record->waited[1], SEC(2));
    T_EQ(json_integer_value(json_object_get(found, "score")), record->parts.total);
    T_EQ(json_integer_value(json_object_get(heard(a, "match-found"), "score")),
         record->parts.total);
    T_EQ(counter_get(&lobby_waiting_room(w.lobby)->score.sum), record->parts.total);
    T_EQ(counter_get(&lobby_waiting_room(w.lobby)->wait.sum), SEC(2));
    world_close(&w);
}

static void who_shares_more_is_met_first(void)
{
    world_open(&w, 0, 100);
    struct client *a = join(), *b = join(), *c = join(), *d = join();
    two_wait(a, b, "chess", "football");
    T_EQ(c->user->state, USER_CONNECTED);
    world_say(c, "find-match", wishes("football", "en"));
    T_OK(c->user->partner == b->user);
    world_say(d, "find-match", wishes("chess", "en"));
    T_OK(d->user->partner == a->user);
    world_check(&w);
    world_close(&w);
}

static void nobody_is_offered_for_video_before_the_media_is_proved(void)
{
    world_open(&w, 0, 100);
    struct client *a = join(), *b = join();
    world_say(a, "offer", offer_of("a"));
    world_say(a, "find-match", NULL);
    world_say(b, "find-match", NULL);
    T_EQ(a->user->state, USER_WAITING);
    T_EQ(b->user->state, USER_WAITING);
    world_check(&w);
    user_media_listener.state(a->user, MEDIA_CONNECTED, REFUSAL_NONE);
    T_EQ(a->user->state, USER_MATCHED);
    T_STR(text_of(heard(b, "match-found"), "peerId"), b->user->partner_alias);
    world_check(&w);
    world_close(&w);
}

static void text_needs_no_media(void)
{
    world_open(&w, 0, 100);
    struct client *a = join(), *b = join();
    world_say(a, "offer", offer_of("a"));
    world_say(a, "find-match", json_pack("{s:s}", "type", "text"));
    world_say(b, "find-match", json_pack("{s:s}", "type", "text"));
    T_OK(a->user->partner == b->user);
    world_close(&w);
}

static void media_that_was_offered_for_a_match_holds_nobody_up(void)
{
    struct client *a, *b;

    world_open(&w, 0, 100);
    two_meet(&a, &b);
    struct client *c = join();
    world_say(a, "offer", offer_of("a")); /* a client that offers once it is matched */
    world_say(c, "find-match", NULL);
    world_say(a, "find-match", NULL);
    T_OK(a->user->partner == c->user);
    world_close(&w);
}

static void whose_media_failed_is_matched_all_the_same_but_not_preferred(void)
{
    world_open(&w, 0, 100);
    struct client *a = join(), *b = join(), *c = join();
    world_say(a, "offer", offer_of("a"));
    user_media_listener.state(a->user, MEDIA_FAILED, REFUSAL_ICE_TIMEOUT);
    T_EQ(a->user->path_quality, 0);
    two_wait(a, b, "chess", "football");
    world_say(c, "find-match", wishes("music", "en"));
    T_OK(c->user->partner == b->user);
    world_say(b, "leave-chat", NULL);
    world_say(b, "find-match", wishes("football", "en"));
    T_EQ(b->user->state, USER_WAITING);
    world_say(a, "find-match", NULL);
    T_OK(a->user->partner == b->user);
    world_check(&w);
    world_close(&w);
}

static void another_kind_while_waiting_is_another_queue(void)
{
    world_open(&w, 0, 100);
    struct client *a = join(), *b = join();
    world_say(a, "find-match", NULL);
    world_say(b, "find-match", json_pack("{s:s}", "type", "text"));
    world_check(&w);
    const json_t *ack = world_ask(a, "find-match", json_pack("{s:s}", "type", "text"));
    T_STR(text_of(ack, "status"), "matched");
    world_check(&w);
    world_close(&w);
}

static void the_place_in_the_queue_is_told(void)
{
    struct client *a, *b;

    world_open(&w, 0, 100);
    two_meet(&a, &b);
    world_say(a, "leave-chat", NULL);
    world_say(a, "find-match", NULL);
    const json_t *ack = world_ask(b, "find-match", NULL);
    T_EQ(json_integer_value(json_object_get(ack, "position")), 2);
    T_OK(json_integer_value(json_object_get(ack, "estimatedWaitTime")) > 0);
    world_close(&w);
}

static void what_is_known_of_a_path_gets_better_and_never_worse(void)
{
    world_open(&w, 0, 100);
    struct client *a = join();
    struct user *user = a->user;

    T_EQ(user->path_quality, MATCH_QUALITY_UNKNOWN);
    user_quality_hint(user, 0);
    T_EQ(user->path_quality, MATCH_QUALITY_UNKNOWN);
    user_quality_hint(user, 200000);
    T_EQ(user->path_quality, 75);
    world_say(a, "report-quality", json_pack("{s:i, s:f}", "latency", 500, "packetLoss", 0.0));
    T_EQ(user->path_quality, 45);
    T_EQ(user->quality, QUALITY_POOR);
    world_say(a, "report-quality", json_pack("{s:i}", "bandwidth", 1000)); /* says nothing */
    T_EQ(user->path_quality, 45);
    user_media_listener.quality(user,
                                &(struct media_quality){.rtt = 1000, .path = MEDIA_PATH_TCP});
    T_EQ(user->path_quality, 79);
    T_STR(text_of(heard(a, "quality"), "path"), "tcp");
    world_say(a, "report-quality", json_pack("{s:i}", "latency", 900));
    T_EQ(user->path_quality, 79);
    world_check(&w);
    world_close(&w);
}

static void a_report_of_the_client_reaches_the_partner_too(void)
{
    struct client *a, *b;

    world_open(&w, 0, 100);
    two_meet(&a, &b);
    world_say(a, "report-quality", json_pack("{s:i, s:f}", "latency", 300, "packetLoss", 0.01));
    T_STR(text_of(heard(b, "peer-quality-changed"), "quality"), "fair");
    world_close(&w);
}

static void a_matching_that_cannot_be_is_refused(void)
{
    const struct lobby_host host = {0};
    struct match_options matching = match_options_default();
    const struct lobby_options options = {0, 100, NULL, NULL, &matching};
    struct lobby *lobby = NULL;

    matching.curve.count = 0;
    T_EQ(lobby_create(&lobby, &host, &options), RC_BAD);
    T_OK(!lobby);
}

/* --- media -------------------------------------------------------------------------------- */

static void warm_media_is_linked_before_anybody_is_told(void)
{
    world_open(&w, 0, 100);
    struct client *a = join(), *b = join();
    world_say(a, "offer", offer_of("a"));
    world_say(b, "offer", offer_of("b"));
    T_EQ(w.links, 0);
    user_media_listener.state(a->user, MEDIA_CONNECTED, REFUSAL_NONE);
    user_media_listener.state(b->user, MEDIA_CONNECTED, REFUSAL_NONE);
    world_say(a, "find-match", NULL);
    world_say(b, "find-match", NULL);
    T_EQ(w.links, 1);
    T_OK(a->user->linked && b->user->linked);
    T_EQ(w.offers, 2); /* a match costs no SDP */
    world_say(a, "leave-chat", NULL);
    T_EQ(w.unlinks, 1);
    T_OK(a->user->media && b->user->media); /* and the connections stay warm */
    world_close(&w);
}

static void media_that_comes_after_the_match_is_linked_when_both_have_some(void)
{
    struct client *a, *b;

    world_open(&w, 0, 100);
    two_meet(&a, &b);
    world_say(a, "offer", offer_of("a"));
    T_EQ(w.links, 0);
    world_say(b, "offer", offer_of("b"));
    T_EQ(w.links, 1);
    world_say(b, "offer", offer_of("b again")); /* a restart changes no link */
    T_EQ(w.links, 1);
    world_close(&w);
}

static void two_with_media(struct client **a, struct client **b)
{
    two_meet(a, b);
    world_say(*a, "offer", offer_of("a"));
    world_say(*b, "offer", offer_of("b"));
    forget(*a);
    forget(*b);
}

static void lost_media_is_told_and_may_come_back(void)
{
    struct client *a, *b;

    world_open(&w, 0, 100);
    two_with_media(&a, &b);
    user_media_listener.state(a->user, MEDIA_FAILED, REFUSAL_ICE_CONSENT_EXPIRED);
    T_STR(text_of(heard(a, "error"), "code"), "ice_consent_expired");
    T_STR(text_of(heard(a, "error"), "event"), "media");
    T_STR(text_of(heard(b, "peer-reconnecting"), "peerId"), b->user->partner_alias);
    T_EQ(json_integer_value(json_object_get(heard(b, "peer-reconnecting"), "timeoutMs")),
         20000);
    T_OK(!a->user->media && b->user->media);
    world_check(&w);

    world_pass(&w, SEC(10));
    world_say(a, "offer", offer_of("a again"));
    T_STR(text_of(heard(b, "peer-reconnected"), "peerId"), b->user->partner_alias);
    T_EQ(w.links, 2);
    world_pass(&w, SEC(60));
    T_EQ(a->user->state, USER_MATCHED);
    world_check(&w);
    world_close(&w);
}

static void media_that_stays_away_ends_the_pair(void)
{
    struct client *a, *b;

    world_open(&w, 0, 100);
    two_with_media(&a, &b);
    user_media_listener.state(a->user, MEDIA_FAILED, REFUSAL_ICE_CONSENT_EXPIRED);
    world_pass(&w, USER_MEDIA_PATIENCE - 1);
    T_EQ(a->user->state, USER_MATCHED);
    world_pass(&w, 1);
    T_STR(text_of(heard(a, "peer-left"), "reason"), "media_lost");
    T_STR(text_of(heard(b, "peer-left"), "reason"), "media_lost");
    T_EQ(a->user->state, USER_CONNECTED);
    world_close(&w);
}

static void media_that_the_client_closed_is_no_fault(void)
{
    struct client *a, *b;

    world_open(&w, 0, 100);
    two_with_media(&a, &b);
    user_media_listener.state(a->user, MEDIA_FAILED, REFUSAL_NONE);
    T_EQ(json_array_size(a->heard), 0);
    T_EQ(json_array_size(b->heard), 0);
    T_OK(!a->user->media && !b->user->linked);
    world_pass(&w, SEC(60));
    T_EQ(a->user->state, USER_MATCHED);
    world_say(a, "offer", offer_of("a fresh one"));
    T_OK(a->user->linked);
    world_close(&w);
}

static void both_may_lose_their_media(void)
{
    struct client *a, *b;

    world_open(&w, 0, 100);
    two_with_media(&a, &b);
    user_media_listener.state(a->user, MEDIA_FAILED, REFUSAL_DTLS_TIMEOUT);
    user_media_listener.state(b->user, MEDIA_FAILED, REFUSAL_DTLS_TIMEOUT);
    world_check(&w);
    world_say(b, "offer", offer_of("b again"));
    world_check(&w);
    world_leave(a);
    world_check(&w);
    world_close(&w);
}

static void media_that_fails_while_alone_is_told_to_its_user_alone(void)
{
    world_open(&w, 0, 100);
    struct client *a = join();
    world_say(a, "offer", offer_of("a"));
    user_media_listener.state(a->user, MEDIA_CONNECTED, REFUSAL_NONE);
    user_media_listener.state(a->user, MEDIA_FAILED, REFUSAL_ICE_TIMEOUT);
    T_STR(text_of(heard(a, "error"), "code"), "ice_timeout");
    T_EQ(counter_get(&lobby_stats(w.lobby)->media_connected), 1);
    T_EQ(counter_get(&lobby_stats(w.lobby)->media_failed), 1);
    T_EQ(w.closes, 1);
    world_close(&w);
}

static void quality_is_told_and_its_changes_to_the_partner(void)
{
    struct media_quality report = {.rtt = 40000, .up_loss = 0.01f};
    struct client *a, *b;

    world_open(&w, 0, 100);
    two_with_media(&a, &b);
    user_media_listener.quality(a->user, &report);
    T_STR(text_of(heard(a, "quality"), "networkQuality"), "good");
    T_EQ(json_number_value(json_object_get(json_object_get(heard(a, "quality"), "up"), "rtt")),
         40);
    T_EQ(heard_count(b, "peer-quality-changed"), 1);
    user_media_listener.quality(a->user, &report);
    T_EQ(heard_count(b, "peer-quality-changed"), 1);
    report.down_loss = 0.2f;
    user_media_listener.quality(a->user, &report);
    T_STR(text_of(heard(b, "peer-quality-changed"), "quality"), "poor");
    T_EQ(lobby_quality(w.lobby)->users[QUALITY_POOR], 1);
    T_EQ(lobby_quality(w.lobby)->mean_rtt, 40000);
    world_check(&w);
    world_close(&w);
}

static void silence_is_told_to_who_is_silent(void)
{
    struct client *a, *b;

    world_open(&w, 0, 100);
    two_with_media(&a, &b);
    user_media_listener.silence(a->user, true);
    T_OK(json_is_true(json_object_get(heard(a, "audio-activity"), "silent")));
    T_EQ(json_array_size(b->heard), 0);
    world_close(&w);
}

/* --- memory ------------------------------------------------------------------------------- */

static void what_cannot_be_encoded_is_counted_and_not_sent(void)
{
    world_open(&w, 0, 100);
    struct client *a = join();
    forget(a);
    user_emit(a->user, "quality", json_pack("{s:s}", "text", "not UTF-8: \xff"));
    T_EQ(json_array_size(a->heard), 0);
    T_EQ(counter_get(&lobby_stats(w.lobby)->unsendable), 1);
    counter_set(&lobby_stats(w.lobby)->unsendable, 0);
    world_close(&w);
}

static void a_user_is_small(void)
{
    T_OK(sizeof(struct user) <= 400);
}

/* --- draining ----------------------------------------------------------------------------- */

static void a_draining_lobby_tells_everybody_and_takes_nobody(void)
{
    struct client *a, *b;
    enum refusal why;

    world_open(&w, 0, 100);
    two_meet(&a, &b);
    lobby_drain(w.lobby, SEC(5));
    const json_t *told = heard(a, "server-draining");
    T_EQ(json_integer_value(json_object_get(told, "deadlineMs")), 5000);
    const json_int_t after = json_integer_value(json_object_get(told, "reconnectAfterMs"));
    T_OK(after >= 1000 && after < 3000);
    T_OK(heard(b, "server-draining"));
    T_OK(!world_join(&w, "192.0.2.9", &why));
    T_EQ(why, REFUSAL_SHUTTING_DOWN);
    lobby_remove(a->user, "server shutting down"); /* as each connection is closed */
    T_OK(!heard(b, "peer-left"));
    lobby_remove(b->user, "server shutting down");
    json_decref(a->heard);
    json_decref(b->heard);
    *a = *b = (struct client){0};
    world_close(&w);
}

static const struct t_case cases[] = {
    T_CASE(a_newcomer_is_told_its_session_and_status),
    T_CASE(an_address_has_no_more_users_than_allowed),
    T_CASE(who_is_admitted_and_never_welcomed_leaves_nothing_behind),
    T_CASE(a_flood_is_refused_once_a_second_and_counted_always),
    T_CASE(partners_know_each_other_by_names_of_their_own),
    T_CASE(who_leaves_the_partner_is_told),
    T_CASE(who_disconnects_the_partner_is_told),
    T_CASE(next_among_three_finds_the_third),
    T_CASE(two_alone_meet_again_after_the_cool_down),
    T_CASE(nobody_is_looked_at_while_at_most_one_waits),
    T_CASE(a_match_says_its_score_and_can_be_explained),
    T_CASE(who_shares_more_is_met_first),
    T_CASE(nobody_is_offered_for_video_before_the_media_is_proved),
    T_CASE(text_needs_no_media),
    T_CASE(media_that_was_offered_for_a_match_holds_nobody_up),
    T_CASE(whose_media_failed_is_matched_all_the_same_but_not_preferred),
    T_CASE(another_kind_while_waiting_is_another_queue),
    T_CASE(the_place_in_the_queue_is_told),
    T_CASE(what_is_known_of_a_path_gets_better_and_never_worse),
    T_CASE(a_report_of_the_client_reaches_the_partner_too),
    T_CASE(a_matching_that_cannot_be_is_refused),
    T_CASE(warm_media_is_linked_before_anybody_is_told),
    T_CASE(media_that_comes_after_the_match_is_linked_when_both_have_some),
    T_CASE(lost_media_is_told_and_may_come_back),
    T_CASE(media_that_stays_away_ends_the_pair),
    T_CASE(media_that_the_client_closed_is_no_fault),
    T_CASE(both_may_lose_their_media),
    T_CASE(media_that_fails_while_alone_is_told_to_its_user_alone),
    T_CASE(quality_is_told_and_its_changes_to_the_partner),
    T_CASE(silence_is_told_to_who_is_silent),
    T_CASE(what_cannot_be_encoded_is_counted_and_not_sent),
    T_CASE(a_user_is_small),
    T_CASE(a_draining_lobby_tells_everybody_and_takes_nobody),
};

T_MAIN(cases)
