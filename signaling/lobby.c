#include "signaling/lobby.h"

#include "core/count_by_ip.h"
#include "core/log.h"
#include "core/random.h"
#include "signaling/pair.h"
#include "signaling/user_media.h"
#include "signaling/user_quality.h"

#include <stdlib.h>
#include <string.h>

/* Clients come back spread over this time after a restart, and not all in one moment. */
#define RECONNECT_AFTER_MIN_MS 1000
#define RECONNECT_SPREAD_MS 2000

struct lobby {
    struct lobby_host host;
    struct lobby_options options;
    struct waiting_room waiting_room;
    struct user *users; /* owned; by number */
    struct count_by_ip by_ip;
    uint64_t next_number;
    bool draining;
    struct quality_summary quality;
    struct lobby_stats stats;
};

/* --- looking ------------------------------------------------------------------------------ */

const struct lobby_host *lobby_host(const struct lobby *lobby)
{
    return &lobby->host;
}

const struct lobby_options *lobby_options(const struct lobby *lobby)
{
    return &lobby->options;
}

struct lobby_stats *lobby_stats(struct lobby *lobby)
{
    return &lobby->stats;
}

struct quality_summary *lobby_quality(struct lobby *lobby)
{
    return &lobby->quality;
}

struct waiting_room *lobby_waiting_room(struct lobby *lobby)
{
    return &lobby->waiting_room;
}

uint32_t lobby_users(const struct lobby *lobby)
{
    return HASH_COUNT(lobby->users);
}

uint32_t lobby_waiting(const struct lobby *lobby)
{
    return waiting_room_count(&lobby->waiting_room);
}

usec_t lobby_now(const struct lobby *lobby)
{
    return lobby->host.now(lobby->host.arg);
}

void lobby_for_each(struct lobby *lobby, void (*fn)(struct user *user, void *arg), void *arg)
{
    struct user *user, *next;

    HASH_ITER(hh, lobby->users, user, next)
    fn(user, arg);
}

uint32_t lobby_position(const struct user *user)
{
    return match_position(user->lobby->waiting_room.match, &user->seeker->ticket);
}

usec_t lobby_estimate(const struct user *user)
{
    const struct lobby *lobby = user->lobby;

    return match_estimate(lobby->waiting_room.match, &user->seeker->ticket, lobby_now(lobby));
}

struct user *lobby_by_alias(const struct user *user, const char *alias)
{
    const uint64_t number = alias_find(&user->aliases, alias);
    struct user *found;

    HASH_FIND(hh, user->lobby->users, &number, sizeof number, found);
    return found;
}

bool lobby_is_draining(const struct lobby *lobby)
{
    return lobby->draining;
}

/* --- matching ----------------------------------------------------------------------------- */

int lobby_seek(struct user *user, const struct search *search)
{
    struct lobby *lobby = user->lobby;

    return waiting_room_seek(&lobby->waiting_room, user, search, lobby_now(lobby));
}

int lobby_find(struct user *user, bool *found)
{
    struct lobby *lobby = user->lobby;
    const usec_t now = lobby_now(lobby);
    int rc = RC_OK;

    if (user->state != USER_WAITING)
        rc = waiting_room_enter(&lobby->waiting_room, user, false, now);
    *found = rc == RC_OK && waiting_room_find(&lobby->waiting_room, user, now);
    return rc;
}

void lobby_look_again(struct user *user)
{
    struct lobby *lobby = user->lobby;

    if (user->state == USER_WAITING &&
        waiting_room_find(&lobby->waiting_room, user, lobby_now(lobby)))
        pair_announce(user);
}

void lobby_leave(struct user *user, const char *reason)
{
    struct lobby *lobby = user->lobby;

    if (user->state == USER_WAITING) {
        waiting_room_leave(&lobby->waiting_room, user);
    } else if (user->state == USER_MATCHED) {
        pair_part(user, reason, lobby_now(lobby));
    }
}

/* --- coming and going --------------------------------------------------------------------- */

enum refusal lobby_admit(struct lobby *lobby, const struct address *address, const char *region,
                         struct user **out)
{
    const uint32_t limit = lobby->options.max_users_per_ip;

    if (lobby->draining)
        return REFUSAL_SHUTTING_DOWN;
    if (limit && count_by_ip_get(&lobby->by_ip, address) >= limit)
        return REFUSAL_IP_LIMIT;

    struct user *user = calloc(1, sizeof *user);
    if (!user || count_by_ip_add(&lobby->by_ip, address) != RC_OK) {
        free(user);
        return REFUSAL_SERVER_FULL;
    }
    user->lobby = lobby;
    user->number = lobby->next_number++;
    user->address = *address;
    memcpy(user->region, region, strlen(region) + 1);
    random_id(user->id, USER_ID_LEN);
    user_media_init(user);
    user_quality_init(user);
    HASH_ADD(hh, lobby->users, number, sizeof user->number, user);
    counter_add(&lobby->stats.users[USER_CONNECTED], 1);
    *out = user;
    return REFUSAL_NONE;
}

/* This version keeps no sessions: standbyMs is 0, and there is no token to come back with. */
void lobby_welcome(struct user *user, void *socket)
{
    user->socket = socket;
    counter_add(&user->lobby->stats.connected, 1);
    user_emit(user, "session",
              json_pack("{s:s, s:n, s:b, s:i, s:o, s:I, s:s, s:s}", "userId", user->id,
                        "sessionToken", "restored", 0, "standbyMs", 0, "iceServers",
                        ice_servers_list(user->lobby->options.ice, user->id),
                        "reportIntervalMs", (json_int_t)(LOBBY_REPORT_INTERVAL / 1000),
                        "region", user->region[0] ? user->region : "unknown", "node", "local"));
    user_tell_state(user);
}

void lobby_event(struct user *user, const struct sio_event *event)
{
    struct lobby *lobby = user->lobby;
    const usec_t now = lobby_now(lobby);

    counter_add(&lobby->stats.events, 1);
    waiting_room_heard(&lobby->waiting_room, user, now);
    if (rate_limit_take(&user->events, lobby->options.events_per_second, now)) {
        events_handle(user, event);
        return;
    }
    /* Told once a second: a flood must not become a flood of errors. */
    if (rate_limit_take(&user->errors, 1, now))
        user_refuse(user, event, REFUSAL_RATE_LIMIT);
    else
        refuse(REFUSAL_RATE_LIMIT);
}

void lobby_remove(struct user *user, const char *reason)
{
    struct lobby *lobby = user->lobby;

    log_debug("lobby", "user %s: gone: %s", user->id, reason);
    lobby_leave(user, reason);
    user_media_close(user);
    user_set_state(user, USER_GONE);
    lobby->quality.users[user->quality]--;
    count_by_ip_remove(&lobby->by_ip, &user->address);
    HASH_DEL(lobby->users, user);
    alias_book_free(&user->aliases);
    json_decref(user->profile);
    seeker_free(user->seeker);
    free(user);
}

/* --- life --------------------------------------------------------------------------------- */

static void register_metrics(struct lobby_stats *s)
{
    static const char users[] = "people by state";
    const struct {
        const char *name, *labels, *help;
        enum metric_kind kind;
        struct counter *value;
    } rows[] = {
        {"meetopia_users", "state=\"connected\"", users, METRIC_GAUGE,
         &s->users[USER_CONNECTED]},
        {"meetopia_users", "state=\"waiting\"", users, METRIC_GAUGE, &s->users[USER_WAITING]},
        {"meetopia_users", "state=\"matched\"", users, METRIC_GAUGE, &s->users[USER_MATCHED]},
        {"meetopia_users_connected_total", "", "people who came", METRIC_COUNTER,
         &s->connected},
        {"meetopia_matches_total", "", "pairs made", METRIC_COUNTER, &s->matches},
        {"meetopia_chat_messages_total", "", "chat messages delivered", METRIC_COUNTER,
         &s->messages},
        {"meetopia_events_total", "", "events received", METRIC_COUNTER, &s->events},
        {"meetopia_events_unsendable_total", "", "answers lost because memory was out",
         METRIC_COUNTER, &s->unsendable},
        {"meetopia_client_errors_total", "", "report-error events", METRIC_COUNTER,
         &s->reports},
        {"meetopia_media_connected_total", "", "peer connections that came up", METRIC_COUNTER,
         &s->media_connected},
        {"meetopia_media_failed_total", "", "peer connections that failed", METRIC_COUNTER,
         &s->media_failed},
    };

    /* Without memory for it a number is missing on the page: no reason not to serve. */
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        (void)metrics_add(rows[i].name, rows[i].labels, rows[i].help, rows[i].kind,
                          rows[i].value);
}

int lobby_create(struct lobby **out, const struct lobby_host *host,
                 const struct lobby_options *options)
{
    const struct match_options usual = match_options_default();
    const struct match_options *matching = options->matching ? options->matching : &usual;
    struct lobby *lobby = calloc(1, sizeof *lobby);

    if (!lobby)
        return RC_NOMEM;
    const int rc = waiting_room_open(&lobby->waiting_room, host->timers, matching);
    if (rc != RC_OK) {
        free(lobby);
        return rc;
    }
    lobby->host = *host;
    lobby->options = *options;
    lobby->options.matching = NULL;
    lobby->next_number = 1; /* 0 is nobody */
    register_metrics(&lobby->stats);
    *out = lobby;
    return RC_OK;
}

void lobby_free(struct lobby *lobby)
{
    if (!lobby)
        return;
    waiting_room_close(&lobby->waiting_room);
    metrics_remove(&lobby->stats, sizeof lobby->stats);
    free(lobby);
}

void lobby_set_limits(struct lobby *lobby, uint32_t max_users_per_ip,
                      uint32_t events_per_second)
{
    lobby->options.max_users_per_ip = max_users_per_ip;
    lobby->options.events_per_second = events_per_second;
}

static void tell_draining(struct user *user, void *arg)
{
    const usec_t *grace = arg;
    const json_int_t after = RECONNECT_AFTER_MIN_MS + random_u32() % RECONNECT_SPREAD_MS;

    user_emit(user, "server-draining",
              json_pack("{s:I, s:I}", "deadlineMs", (json_int_t)(*grace / 1000),
                        "reconnectAfterMs", after));
}

void lobby_drain(struct lobby *lobby, usec_t grace)
{
    lobby->draining = true;
    lobby_for_each(lobby, tell_draining, &grace);
}
