/*
 * signaling/events.c - what a client may say, one row and one function per event.
 *
 * The table is docs/protocol.md's; both vocabularies of deployed clients are in it. A function
 * looks at the payload, and refuses with a code before it has changed anything, or acts through
 * the lobby. Whoever asked for an ack has it before any event that follows from the same
 * request.
 */
#include "signaling/chat.h"
#include "signaling/lobby.h"
#include "signaling/pair.h"
#include "signaling/search.h"
#include "signaling/user_media.h"
#include "signaling/user_quality.h"

#include "core/clock.h"
#include "core/log.h"
#include "core/random.h"

#include <stdlib.h>
#include <string.h>

#define SMALL_OBJECT_MAX 4096 /* bytes of JSON of what is passed to the partner as it is */
#define MESSAGE_ID_LEN 16     /* of messages that come without one */
#define PEER_ID_MAX 64        /* bytes of what a client takes for the id of a partner */

/* Offers that one user may make in a second: each costs a parse, and maybe a handshake. */
#define OFFERS_PER_SECOND 10

/* One event under way. */
struct call {
    struct user *user;
    const struct sio_event *event;
    json_t *payload; /* borrowed: the first argument; NULL when it is missing or null */
};

typedef enum refusal event_fn(struct call *call);

static json_int_t wall_ms(void)
{
    return (json_int_t)(clock_wall() / 1000);
}

static bool wants_ack(const struct call *call)
{
    return call->event->ack_id != SIO_NO_ACK;
}

/* By the ack if the client asked for one, else by an event. Takes the payload. */
static void answer(struct call *call, const char *event, json_t *payload)
{
    if (wants_ack(call))
        user_ack(call->user, call->event, payload);
    else
        user_emit(call->user, event, payload);
}

static void acknowledge(struct call *call)
{
    if (wants_ack(call))
        user_ack(call->user, call->event, json_pack("{s:b}", "ok", 1));
}

/* An object, or nothing at all. */
static bool is_object_or_none(const json_t *payload)
{
    return !payload || json_is_object(payload);
}

/* Without writing it: jansson counts. */
static size_t json_length(const json_t *json)
{
    return json_dumpb(json, NULL, 0, JSON_COMPACT);
}

/* The member's text, NULL when there is none. */
static const char *member_text(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

/* --- matching ----------------------------------------------------------------------------- */

static void set_profile(struct user *user, json_t *profile)
{
    if (!profile)
        return;
    json_decref(user->profile);
    user->profile = json_incref(profile);
}

static json_t *waiting_data(const struct user *user)
{
    return json_pack("{s:s, s:I, s:I}", "status", "waiting", "position",
                     (json_int_t)lobby_position(user), "estimatedWaitTime",
                     (json_int_t)(lobby_estimate(user) / 1000));
}

static enum refusal find(struct call *call, enum vocabulary vocabulary)
{
    struct user *user = call->user;
    struct search search;
    bool found;

    const enum refusal why = search_read(call->payload, &user->aliases, &search);
    if (why != REFUSAL_NONE)
        return why;
    if (lobby_seek(user, &search) != RC_OK)
        return REFUSAL_SERVER_FULL;
    set_profile(user, search.profile);
    user->vocabulary = vocabulary;
    if (user->state == USER_MATCHED)
        lobby_leave(user, "next");

    if (lobby_find(user, &found) != RC_OK)
        return REFUSAL_SERVER_FULL;
    if (found) {
        if (wants_ack(call))
            user_ack(
                user, call->event,
                json_pack("{s:s, s:o}", "status", "matched", "matchData", pair_data(user)));
        pair_announce(user);
        return REFUSAL_NONE;
    }
    if (wants_ack(call))
        user_ack(user, call->event, waiting_data(user));
    user_tell_state(user);
    user_emit(user, "waiting", waiting_data(user));
    return REFUSAL_NONE;
}

static enum refusal on_find_match(struct call *call)
{
    return find(call, VOCABULARY_MATCH);
}

static enum refusal on_find_user(struct call *call)
{
    return find(call, VOCABULARY_FIND);
}

static enum refusal on_leave(struct call *call)
{
    lobby_leave(call->user, "left");
    acknowledge(call);
    user_tell_state(call->user);
    return REFUSAL_NONE;
}

/* --- media -------------------------------------------------------------------------------- */

/* The sdp of {type:'offer', sdp}, where the type may be missing. */
static const json_t *sdp_of(const json_t *description)
{
    const json_t *type = json_object_get(description, "type");
    const json_t *sdp = json_object_get(description, "sdp");

    if (!json_is_string(sdp))
        return NULL;
    if (type && (!json_is_string(type) || strcmp(json_string_value(type), "offer") != 0))
        return NULL;
    return sdp;
}

/* Answers an offer: *out is {type:'answer', sdp}, a new reference. */
static enum refusal negotiate(struct call *call, const json_t *description, json_t **out)
{
    struct user *user = call->user;
    const json_t *offer = sdp_of(description);
    char *sdp = NULL;

    if (!offer)
        return REFUSAL_BAD_PAYLOAD;
    if (!rate_limit_take(&user->offers, OFFERS_PER_SECOND, lobby_now(user->lobby)))
        return REFUSAL_RATE_LIMIT;
    const enum refusal why =
        user_media_offer(user, json_string_value(offer), json_string_length(offer), &sdp);
    if (why != REFUSAL_NONE)
        return why;
    *out = json_pack("{s:s, s:s}", "type", "answer", "sdp", sdp);
    free(sdp);
    return REFUSAL_NONE;
}

static enum refusal on_offer(struct call *call)
{
    json_t *description = NULL;

    const enum refusal why = negotiate(call, call->payload, &description);
    if (why != REFUSAL_NONE)
        return why;
    if (wants_ack(call))
        user_ack(call->user, call->event, json_incref(description));
    user_emit(call->user, "answer", description);
    return REFUSAL_NONE;
}

/* Second vocabulary: {offer, to, profile?} → answer-made {answer, from}. */
static enum refusal on_call_user(struct call *call)
{
    struct user *user = call->user;
    const char *to = member_text(call->payload, "to");
    json_t *profile, *description = NULL;

    if (!to || !search_read_profile(json_object_get(call->payload, "profile"), &profile))
        return REFUSAL_BAD_PAYLOAD;
    if (!user->partner || lobby_by_alias(user, to) != user->partner)
        return REFUSAL_NO_PARTNER;
    const enum refusal why =
        negotiate(call, json_object_get(call->payload, "offer"), &description);
    if (why != REFUSAL_NONE)
        return why;
    set_profile(user, profile);
    acknowledge(call);
    user_emit(user, "answer-made",
              json_pack("{s:o, s:s}", "answer", description, "from", user->partner_alias));
    return REFUSAL_NONE;
}

/* An RTCIceCandidateInit, or {candidate: RTCIceCandidateInit, to}, or null at the end. */
static enum refusal on_ice_candidate(struct call *call)
{
    const json_t *candidate = call->payload;

    for (int depth = 0; depth < 2 && json_is_object(candidate); depth++)
        candidate = json_object_get(candidate, "candidate");
    if (candidate && !json_is_null(candidate) && !json_is_string(candidate))
        return REFUSAL_BAD_PAYLOAD;
    const enum refusal why = user_media_candidate(call->user, json_string_value(candidate));
    if (why == REFUSAL_NONE)
        acknowledge(call);
    return why;
}

/* --- words to the partner ----------------------------------------------------------------- */

static json_t *no_partner_data(void)
{
    return json_pack("{s:s}", "message", refusal_text(REFUSAL_NO_PARTNER));
}

/* The client's own id where it is a good one, else a new one. */
static void choose_message_id(char out[static CHAT_ID_MAX + 1], const char *given)
{
    if (given && chat_check_id(given))
        memcpy(out, given, strlen(given) + 1);
    else
        random_id(out, MESSAGE_ID_LEN);
}

static enum refusal on_chat_message(struct call *call)
{
    struct user *user = call->user;
    const json_t *text = json_object_get(call->payload, "text");
    const json_int_t timestamp = wall_ms();
    char id[CHAT_ID_MAX + 1];

    if (!json_is_string(text))
        return REFUSAL_BAD_PAYLOAD;
    const enum refusal why = chat_check_text(json_string_value(text), json_string_length(text));
    if (why != REFUSAL_NONE)
        return why;
    if (!user->partner) {
        user_emit(user, "connection-error", no_partner_data());
        return REFUSAL_NO_PARTNER;
    }
    choose_message_id(id, member_text(call->payload, "id"));
    counter_add(&lobby_stats(user->lobby)->messages, 1);
    if (wants_ack(call))
        user_ack(user, call->event,
                 json_pack("{s:b, s:s, s:I}", "ok", 1, "id", id, "timestamp", timestamp));
    user_emit(user->partner, "chat-message",
              json_pack("{s:s, s:O, s:I, s:s, s:b}", "id", id, "text", text, "timestamp",
                        timestamp, "from", "peer", "verified", 1));
    return REFUSAL_NONE;
}

/* What the partner gets of a small object: the same, with `from` and without `to`, which is a
 * name that only the sender knows. NULL without memory. */
static json_t *passed_on(json_t *payload, const struct user *partner)
{
    json_t *copy = payload ? json_copy(payload) : json_object();

    if (!copy)
        return NULL;
    (void)json_object_del(copy, "to");
    if (json_object_set_new(copy, "from", json_string(partner->partner_alias)) == 0)
        return copy;
    json_decref(copy);
    return NULL;
}

/* Passes a small object to the partner as `event`. */
static enum refusal pass_as(struct call *call, const char *event)
{
    struct user *partner = call->user->partner;

    if (!is_object_or_none(call->payload))
        return REFUSAL_BAD_PAYLOAD;
    if (call->payload && json_length(call->payload) > SMALL_OBJECT_MAX)
        return REFUSAL_MESSAGE_TOO_LARGE;
    if (!partner)
        return REFUSAL_NO_PARTNER;
    acknowledge(call);
    user_emit(partner, event, passed_on(call->payload, partner));
    return REFUSAL_NONE;
}

static enum refusal on_pass(struct call *call)
{
    return pass_as(call, call->event->name);
}

static enum refusal on_messages_read(struct call *call)
{
    return pass_as(call, "message-read");
}

/* --- about the connection ----------------------------------------------------------------- */

static enum refusal on_ping(struct call *call)
{
    const struct user *user = call->user;
    const struct lobby *lobby = user->lobby;
    json_t *timestamp = json_object_get(call->payload, "timestamp");

    timestamp = json_is_number(timestamp) ? json_incref(timestamp) : json_integer(wall_ms());
    answer(call, "pong",
           json_pack("{s:o, s:s, s:{s:I, s:I}}", "timestamp", timestamp, "connectionQuality",
                     quality_name(user->quality), "serverLoad", "activeConnections",
                     (json_int_t)lobby_users(lobby), "waitingUsers",
                     (json_int_t)lobby_waiting(lobby)));
    return REFUSAL_NONE;
}

/* Missing, or a number within [0, max]. */
static bool is_measure(const json_t *value, double max)
{
    if (!value || json_is_null(value))
        return true;
    return json_is_number(value) && json_number_value(value) >= 0 &&
           json_number_value(value) <= max;
}

#define REPORTED_LATENCY_MAX_MS 60000.0 /* what is longer is as bad */

/* Counts only while the relay has not measured for itself. */
static void take_report(struct user *user, const json_t *latency, const json_t *loss)
{
    const double ms = json_number_value(latency); /* 0 when it is missing */
    const double rtt = ms < REPORTED_LATENCY_MAX_MS ? ms : REPORTED_LATENCY_MAX_MS;

    if (json_is_number(latency) || json_is_number(loss))
        user_quality_report(user,
                            &(struct media_quality){.rtt = (uint32_t)(rtt * 1000),
                                                    .up_loss = (float)json_number_value(loss)});
}

static enum refusal on_report_quality(struct call *call)
{
    static const char *const counts[] = {"bandwidth", "packetsLost", "packetsReceived",
                                         "bytesReceived"};
    const json_t *payload = call->payload;

    if (!json_is_object(payload) || !is_measure(json_object_get(payload, "latency"), 1e9) ||
        !is_measure(json_object_get(payload, "packetLoss"), 1))
        return REFUSAL_BAD_PAYLOAD;
    for (size_t i = 0; i < ARRAY_LEN(counts); i++)
        if (!is_measure(json_object_get(payload, counts[i]), 1e18))
            return REFUSAL_BAD_PAYLOAD;
    acknowledge(call);
    take_report(call->user, json_object_get(payload, "latency"),
                json_object_get(payload, "packetLoss"));
    return REFUSAL_NONE;
}

/* Each is counted; the log has one a second of each client. */
static enum refusal on_report_error(struct call *call)
{
    struct user *user = call->user;
    const char *type = member_text(call->payload, "type");
    const char *message = member_text(call->payload, "message");

    if (!is_object_or_none(call->payload))
        return REFUSAL_BAD_PAYLOAD;
    counter_add(&lobby_stats(user->lobby)->reports, 1);
    if (rate_limit_take(&user->errors, 1, lobby_now(user->lobby)))
        log_info("client", "user %s reports %.64s: %.256s", user->id, type ? type : "error",
                 message ? message : "");
    acknowledge(call);
    return REFUSAL_NONE;
}

/* There is no session to come back to in this version: who is not the partner now is gone. */
static enum refusal on_restore_connection(struct call *call)
{
    struct user *user = call->user;
    const json_t *peer = json_object_get(call->payload, "peerId");

    if (!json_is_string(peer) || json_string_length(peer) > PEER_ID_MAX)
        return REFUSAL_BAD_PAYLOAD;
    if (user->partner && lobby_by_alias(user, json_string_value(peer)) == user->partner)
        answer(call, "connection-restored",
               json_pack("{s:s, s:s}", "peerId", user->partner_alias, "status", "active"));
    else
        answer(call, "peer-disconnected",
               json_pack("{s:O, s:s, s:I, s:b}", "peerId", peer, "reason", "gone", "timestamp",
                         wall_ms(), "canReconnect", 0));
    return REFUSAL_NONE;
}

static enum refusal on_request_turn_credentials(struct call *call)
{
    struct user *user = call->user;
    json_t *credentials;

    if (!rate_limit_take(&user->credentials, ICE_SERVERS_PER_SECOND, lobby_now(user->lobby)))
        return REFUSAL_RATE_LIMIT;
    if (ice_servers_turn(lobby_options(user->lobby)->ice, user->id, &credentials) != RC_OK)
        return REFUSAL_NOT_AVAILABLE;
    answer(call, "turn-credentials", credentials);
    return REFUSAL_NONE;
}

/* What this version knows by name and does not have. */
static enum refusal on_not_available(struct call *call)
{
    (void)call;
    return REFUSAL_NOT_AVAILABLE;
}

/* --- the table ---------------------------------------------------------------------------- */

static const struct {
    const char *name;
    event_fn *handle;
} table[] = {
    {"find-match", on_find_match},
    {"find-user", on_find_user},
    {"find-next-user", on_find_user},
    {"cancel-match", on_leave},
    {"leave-chat", on_leave},
    {"peer-left", on_leave},
    {"offer", on_offer},
    {"call-user", on_call_user},
    {"ice-candidate", on_ice_candidate},
    {"chat-message", on_chat_message},
    {"typing-start", on_pass},
    {"typing-stop", on_pass},
    {"stream-state-change", on_pass},
    {"connection-status", on_pass},
    {"vibe-tap", on_pass},
    {"mark-messages-read", on_messages_read},
    {"ping", on_ping},
    {"report-quality", on_report_quality},
    {"report-error", on_report_error},
    {"restore-connection", on_restore_connection},
    {"request-turn-credentials", on_request_turn_credentials},
    {"reconnect-attempt", on_not_available},
    {"report-user", on_not_available},
};

void events_handle(struct user *user, const struct sio_event *event)
{
    json_t *first = json_array_get(event->args, 0);
    struct call call = {user, event, json_is_null(first) ? NULL : first};

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        if (strcmp(table[i].name, event->name) != 0)
            continue;
        const enum refusal why = table[i].handle(&call);
        if (why != REFUSAL_NONE)
            user_refuse(user, event, why);
        return;
    }
    user_refuse(user, event, REFUSAL_UNKNOWN_EVENT);
}
