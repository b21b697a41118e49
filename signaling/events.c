/*
 * signaling/events.c - what a client may say, one row and one function per event.
 *
 * The table is docs/protocol.md's; both vocabularies of deployed clients are in it. A function looks
 * at the payload, refuses with a code, or acts through the lobby.
 */
#include "signaling/chat.h"
#include "signaling/lobby.h"

#include "core/clock.h"
#include "core/log.h"
#include "core/random.h"

#include <stdlib.h>
#include <string.h>

#define SMALL_OBJECT_MAX 4096 /* bytes of JSON of what is passed to the partner as it is */
#define INTERESTS_MAX 32
#define MESSAGE_ID_LEN 16

/* One event under way. */
struct call {
    struct user *user;
    const struct sio_event *event;
    const json_t *payload; /* the first argument, or NULL */
    usec_t now;
};

typedef enum refusal event_fn(struct call *call);

static json_int_t wall_ms(void)
{
    return (json_int_t)(clock_wall() / 1000);
}

/* By the ack if the client asked for one, else by an event. Takes the payload. */
static void answer(struct call *call, const char *event, json_t *payload)
{
    if (call->event->ack_id != SIO_NO_ACK)
        (void)sio_ack(call->user->socket, call->event->ack_id, payload);
    else
        user_emit(call->user, event, payload);
}

static void acknowledge(struct call *call)
{
    if (call->event->ack_id != SIO_NO_ACK)
        (void)sio_ack(call->user->socket, call->event->ack_id, json_pack("{s:b}", "ok", 1));
}

/* --- matching ---------------------------------------------------------------------------------- */

/* NULL, or an array of at most INTERESTS_MAX short strings. */
static bool is_word_list(const json_t *list)
{
    size_t i;
    json_t *word;

    if (!list || json_is_null(list))
        return true;
    if (!json_is_array(list) || json_array_size(list) > INTERESTS_MAX)
        return false;
    json_array_foreach(list, i, word)
    {
        if (!json_is_string(word) || json_string_length(word) > 64)
            return false;
    }
    return true;
}

/* Aliases that this user was given become people; those that it was not are ignored. */
static enum refusal read_avoid(struct user *user, const json_t *list)
{
    struct match_ticket *ticket = &user->ticket;
    size_t i;
    json_t *alias;

    free(ticket->avoid);
    ticket->avoid = NULL;
    ticket->avoid_count = 0;
    if (!list || json_is_null(list))
        return REFUSAL_NONE;
    if (!json_is_array(list) || json_array_size(list) > MATCH_AVOID_MAX)
        return REFUSAL_BAD_PAYLOAD;
    if (json_array_size(list) == 0)
        return REFUSAL_NONE;
    ticket->avoid = calloc(json_array_size(list), sizeof *ticket->avoid);
    if (!ticket->avoid)
        return REFUSAL_SERVER_FULL;
    json_array_foreach(list, i, alias)
    {
        if (!json_is_string(alias))
            return REFUSAL_BAD_PAYLOAD;
        const uint64_t met = alias_find(&user->aliases, json_string_value(alias));
        if (met)
            ticket->avoid[ticket->avoid_count++] = met;
    }
    return REFUSAL_NONE;
}

static enum refusal read_kind(const json_t *payload, enum match_kind *kind)
{
    const json_t *type = json_object_get(payload, "type");

    *kind = MATCH_VIDEO;
    if (!type || json_is_null(type))
        return REFUSAL_NONE;
    if (!json_is_string(type))
        return REFUSAL_BAD_PAYLOAD;
    if (strcmp(json_string_value(type), "text") == 0)
        *kind = MATCH_TEXT;
    else if (strcmp(json_string_value(type), "video") != 0)
        return REFUSAL_BAD_PAYLOAD;
    return REFUSAL_NONE;
}

static json_t *waiting_data(const struct user *user)
{
    const struct lobby *lobby = user->lobby;

    return json_pack("{s:s, s:i, s:I}", "status", "waiting", "position",
                     (int)lobby_position(lobby, user), "estimatedWaitTime",
                     (json_int_t)(lobby_estimate(lobby) / 1000));
}

static enum refusal find(struct call *call, enum vocabulary vocabulary)
{
    struct user *user = call->user;
    const json_t *payload = json_is_object(call->payload) ? call->payload : NULL;
    enum match_kind kind;

    enum refusal why = read_kind(payload, &kind);
    if (why == REFUSAL_NONE && (!is_word_list(json_object_get(payload, "interests")) ||
                                !is_word_list(json_object_get(payload, "languages"))))
        why = REFUSAL_BAD_PAYLOAD;
    if (why == REFUSAL_NONE)
        why = read_avoid(user, json_object_get(payload, "avoidPeers"));
    if (why != REFUSAL_NONE)
        return why;

    user->vocabulary = vocabulary;
    user->ticket.kind = kind;
    if (user->state != USER_CONNECTED)
        lobby_leave(user, "next", call->now);
    lobby_find(user, call->now);

    if (user->state == USER_MATCHED) { /* match-found has gone out already */
        if (call->event->ack_id != SIO_NO_ACK)
            answer(call, NULL,
                   json_pack("{s:s, s:o}", "status", "matched", "matchData",
                             lobby_match_data(user)));
        return REFUSAL_NONE;
    }
    if (call->event->ack_id != SIO_NO_ACK)
        answer(call, NULL, waiting_data(user));
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
    lobby_leave(call->user, "left", call->now);
    acknowledge(call);
    return REFUSAL_NONE;
}

/* --- media -------------------------------------------------------------------------------------- */

/* {type:'offer', sdp} or its sdp alone. */
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

/* Answers an offer; *out is malloc'ed SDP. */
static enum refusal negotiate(struct call *call, const json_t *description, char **out)
{
    struct user *user = call->user;
    const struct media_service *media = lobby_options(user->lobby)->media;
    const json_t *sdp = sdp_of(description);

    if (!sdp)
        return REFUSAL_BAD_PAYLOAD;
    const bool first = !user->media;
    const enum refusal why = media->offer(media->arg, &user->media, user,
                                          json_string_value(sdp), json_string_length(sdp), out);
    if (why != REFUSAL_NONE)
        return why;
    if (first)
        user->media_state = MEDIA_CONNECTING;
    lobby_link_media(user);
    return REFUSAL_NONE;
}

static enum refusal on_offer(struct call *call)
{
    char *sdp = NULL;

    const enum refusal why = negotiate(call, call->payload, &sdp);
    if (why != REFUSAL_NONE)
        return why;
    json_t *description = json_pack("{s:s, s:s}", "type", "answer", "sdp", sdp);
    if (call->event->ack_id != SIO_NO_ACK)
        (void)sio_ack(call->user->socket, call->event->ack_id, json_incref(description));
    user_emit(call->user, "answer", description);
    free(sdp);
    return REFUSAL_NONE;
}

/* Second vocabulary: {offer, to, profile?} → answer-made {answer, from}. */
static enum refusal on_call_user(struct call *call)
{
    struct user *user = call->user;
    const json_t *to = json_object_get(call->payload, "to");
    json_t *profile = json_object_get(call->payload, "profile");
    char *sdp = NULL;

    if (!json_is_string(to))
        return REFUSAL_BAD_PAYLOAD;
    if (!user->partner || lobby_by_alias(user, json_string_value(to)) != user->partner)
        return REFUSAL_NO_PARTNER;
    if (json_is_object(profile) && json_dumpb(profile, NULL, 0, JSON_COMPACT) <= SMALL_OBJECT_MAX) {
        json_decref(user->profile);
        user->profile = json_incref(profile);
    }
    const enum refusal why = negotiate(call, json_object_get(call->payload, "offer"), &sdp);
    if (why != REFUSAL_NONE)
        return why;
    user_emit(user, "answer-made",
              json_pack("{s:{s:s, s:s}, s:s}", "answer", "type", "answer", "sdp", sdp, "from",
                        user->partner_alias));
    acknowledge(call);
    free(sdp);
    return REFUSAL_NONE;
}

/* An RTCIceCandidateInit, or {candidate: RTCIceCandidateInit, to}, or null at the end. */
static enum refusal on_ice_candidate(struct call *call)
{
    struct user *user = call->user;
    const struct media_service *media = lobby_options(user->lobby)->media;
    const json_t *candidate = call->payload;

    if (json_is_object(candidate))
        candidate = json_object_get(candidate, "candidate");
    if (json_is_object(candidate))
        candidate = json_object_get(candidate, "candidate");
    if (candidate && !json_is_null(candidate) && !json_is_string(candidate))
        return REFUSAL_BAD_PAYLOAD;
    if (!user->media)
        return REFUSAL_WRONG_STATE;
    const enum refusal why =
        media->candidate(media->arg, user->media, json_string_value(candidate));
    if (why == REFUSAL_NONE)
        acknowledge(call);
    return why;
}

static enum refusal on_request_turn(struct call *call)
{
    (void)call;
    return REFUSAL_NOT_AVAILABLE;
}

/* --- chat ------------------------------------------------------------------------------------------ */

static void tell_no_partner(struct user *user)
{
    user_emit(user, "connection-error",
              json_pack("{s:s}", "message", refusal_text(REFUSAL_NO_PARTNER)));
}

static enum refusal on_chat_message(struct call *call)
{
    struct user *user = call->user;
    const json_t *text = json_object_get(call->payload, "text");
    const json_t *given = json_object_get(call->payload, "id");
    char id[CHAT_ID_MAX + 1];

    if (!json_is_string(text))
        return REFUSAL_BAD_PAYLOAD;
    const enum refusal why =
        chat_check_text(json_string_value(text), json_string_length(text));
    if (why != REFUSAL_NONE)
        return why;
    if (!user->partner) {
        tell_no_partner(user);
        return REFUSAL_NO_PARTNER;
    }
    if (json_is_string(given) && chat_check_id(json_string_value(given)))
        strcpy(id, json_string_value(given));
    else
        random_id(id, MESSAGE_ID_LEN);

    const json_int_t timestamp = wall_ms();
    user_emit(user->partner, "chat-message",
              json_pack("{s:s, s:O, s:I, s:s, s:b}", "id", id, "text", text, "timestamp",
                        timestamp, "from", "peer", "verified", 1));
    counter_add(&lobby_stats(user->lobby)->messages, 1);
    if (call->event->ack_id != SIO_NO_ACK)
        (void)sio_ack(user->socket, call->event->ack_id,
                      json_pack("{s:b, s:s, s:I}", "ok", 1, "id", id, "timestamp", timestamp));
    return REFUSAL_NONE;
}

/* Passes a small object to the partner as `event`. */
static enum refusal pass_as(struct call *call, const char *event)
{
    struct user *partner = call->user->partner;
    json_t *copy;

    if (call->payload && !json_is_object(call->payload) && !json_is_null(call->payload))
        return REFUSAL_BAD_PAYLOAD;
    if (json_is_object(call->payload) &&
        json_dumpb(call->payload, NULL, 0, JSON_COMPACT) > SMALL_OBJECT_MAX)
        return REFUSAL_MESSAGE_TOO_LARGE;
    if (!partner)
        return REFUSAL_NO_PARTNER;
    copy = json_is_object(call->payload) ? json_deep_copy(call->payload) : json_object();
    json_object_del(copy, "to"); /* an alias that only the sender knows */
    json_object_set_new(copy, "from", json_string(partner->partner_alias));
    user_emit(partner, event, copy);
    acknowledge(call);
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

/* --- about the connection ----------------------------------------------------------------------------- */

static enum refusal on_ping(struct call *call)
{
    static const char *const names[] = {"good", "fair", "poor"};
    const struct user *user = call->user;
    const json_t *timestamp = json_object_get(call->payload, "timestamp");
    json_t *pong = json_pack("{s:s, s:{s:i, s:i}}", "connectionQuality",
                             names[user->quality < 0 ? 0 : user->quality], "serverLoad",
                             "activeConnections", (int)lobby_users(user->lobby), "waitingUsers",
                             (int)lobby_waiting(user->lobby));

    if (json_is_number(timestamp))
        json_object_set_new(pong, "timestamp", json_deep_copy(timestamp));
    else
        json_object_set_new(pong, "timestamp", json_integer(wall_ms()));
    answer(call, "pong", pong);
    return REFUSAL_NONE;
}

/* The relay measures for itself; what the client says is looked at and not needed yet. */
static enum refusal on_report_quality(struct call *call)
{
    const json_t *latency = json_object_get(call->payload, "latency");
    const json_t *loss = json_object_get(call->payload, "packetLoss");

    if (!json_is_object(call->payload) || (latency && !json_is_number(latency)) ||
        (loss && (!json_is_number(loss) || json_number_value(loss) < 0 ||
                  json_number_value(loss) > 1)))
        return REFUSAL_BAD_PAYLOAD;
    acknowledge(call);
    return REFUSAL_NONE;
}

static enum refusal on_report_error(struct call *call)
{
    const char *type = json_string_value(json_object_get(call->payload, "type"));
    const char *message = json_string_value(json_object_get(call->payload, "message"));

    counter_add(&lobby_stats(call->user->lobby)->reports, 1);
    log_info("client", "user %s reports %.64s: %.256s", call->user->id, type ? type : "error",
             message ? message : "");
    acknowledge(call);
    return REFUSAL_NONE;
}

/* There is no session to come back to in this version: the partner is gone, and says so. */
static enum refusal on_restore_connection(struct call *call)
{
    const json_t *peer = json_object_get(call->payload, "peerId");

    if (!json_is_string(peer))
        return REFUSAL_BAD_PAYLOAD;
    struct user *user = call->user;
    if (user->partner && lobby_by_alias(user, json_string_value(peer)) == user->partner) {
        user_emit(user, "connection-restored",
                  json_pack("{s:s, s:s}", "peerId", user->partner_alias, "status", "active"));
        return REFUSAL_NONE;
    }
    user_emit(user, "peer-disconnected",
              json_pack("{s:O, s:s, s:I, s:b}", "peerId", peer, "reason", "gone", "timestamp",
                        wall_ms(), "canReconnect", 0));
    return REFUSAL_NONE;
}

static enum refusal on_not_available(struct call *call)
{
    (void)call;
    return REFUSAL_NOT_AVAILABLE;
}

/* --- the table ----------------------------------------------------------------------------------------- */

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
    {"request-turn-credentials", on_request_turn},
    {"restore-connection", on_restore_connection},
    {"reconnect-attempt", on_not_available},
    {"report-user", on_not_available},
};

void events_handle(struct user *user, const struct sio_event *event, usec_t now)
{
    struct call call = {user, event, json_array_get(event->args, 0), now};

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
