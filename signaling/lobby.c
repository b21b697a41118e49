#include "signaling/lobby.h"

#include "core/clock.h"
#include "core/log.h"
#include "core/random.h"

#include <stdlib.h>
#include <string.h>

#define RETRY_INTERVAL MSEC(500) /* how often waiting people are looked at for time's sake alone */
#define REPORT_INTERVAL_MS 5000
#define MATCH_ID_LEN 16
#define RTT_FAIR 200000 /* microseconds: from here on a path is not good any more */
#define RTT_POOR 500000
#define LOSS_FAIR 0.03f
#define LOSS_POOR 0.10f

/* How many users an address has; lives while it has any. */
struct ip_entry {
    uint8_t ip[16];
    uint32_t users;
    UT_hash_handle hh;
};

struct lobby {
    struct loop *loop; /* borrowed */
    struct lobby_options options;
    struct sio_namespace *namespace;
    struct matcher matcher;
    struct user *users; /* by number */
    struct ip_entry *ips;
    uint64_t next_number;
    struct timer retry;
    bool draining;
    uint32_t quality[3];
    usec_t mean_rtt;
    struct lobby_stats stats;
};

static const char *const quality_names[] = {"good", "fair", "poor"};

const char *user_state_name(enum user_state state)
{
    static const char *const names[USER_STATE_COUNT] = {
        [USER_CONNECTED] = "connected",
        [USER_WAITING] = "waiting",
        [USER_MATCHED] = "matched",
        [USER_GONE] = "disconnected",
    };
    return names[state];
}

/* --- small things ------------------------------------------------------------------------------- */

void user_emit(struct user *user, const char *event, json_t *payload)
{
    if (user->state == USER_GONE)
        json_decref(payload);
    else
        (void)sio_emit(user->socket, event, payload);
}

void user_refuse(struct user *user, const struct sio_event *event, enum refusal why)
{
    json_t *payload = json_pack("{s:s, s:s, s:s}", "code", refusal_code(why), "message",
                                refusal_text(why), "event", event->name);

    refuse(why);
    if (event->ack_id != SIO_NO_ACK) {
        json_object_set_new(payload, "ok", json_false());
        json_object_set_new(payload, "status", json_string("error"));
        (void)sio_ack(user->socket, event->ack_id, payload);
        return;
    }
    user_emit(user, "error", payload);
}

const struct lobby_options *lobby_options(const struct lobby *lobby)
{
    return &lobby->options;
}

struct lobby_stats *lobby_stats(struct lobby *lobby)
{
    return &lobby->stats;
}

uint32_t lobby_users(const struct lobby *lobby)
{
    return HASH_COUNT(lobby->users);
}

uint32_t lobby_waiting(const struct lobby *lobby)
{
    return lobby->matcher.waiting;
}

void lobby_quality(const struct lobby *lobby, uint32_t counts[static 3])
{
    memcpy(counts, lobby->quality, sizeof lobby->quality);
}

usec_t lobby_mean_rtt(const struct lobby *lobby)
{
    return lobby->mean_rtt;
}

uint32_t lobby_position(const struct lobby *lobby, const struct user *user)
{
    return matcher_position(&lobby->matcher, &user->ticket);
}

usec_t lobby_estimate(const struct lobby *lobby)
{
    return matcher_estimate(&lobby->matcher);
}

static void gauge_add(struct counter *gauge, int by)
{
    counter_set(gauge, counter_get(gauge) + (uint64_t)(int64_t)by);
}

/* Which states may follow which: everything else is a mistake of ours. */
static bool is_edge(enum user_state from, enum user_state to)
{
    static const unsigned char edges[USER_STATE_COUNT] = {
        [USER_CONNECTED] = 1 << USER_WAITING | 1 << USER_GONE,
        [USER_WAITING] = 1 << USER_CONNECTED | 1 << USER_MATCHED | 1 << USER_GONE,
        [USER_MATCHED] = 1 << USER_CONNECTED | 1 << USER_GONE,
    };
    return edges[from] >> to & 1;
}

static void set_state(struct user *user, enum user_state state)
{
    struct lobby *lobby = user->lobby;

    if (!is_edge(user->state, state)) {
        log_error("lobby", "user %s: no edge from %s to %s", user->id,
                  user_state_name(user->state), user_state_name(state));
        return;
    }
    log_debug("lobby", "user %s: %s -> %s", user->id, user_state_name(user->state),
              user_state_name(state));
    gauge_add(&lobby->stats.users[user->state], -1);
    gauge_add(&lobby->stats.users[state], 1);
    user->state = state;
    user_emit(user, "connection-status", json_pack("{s:s}", "status", user_state_name(state)));
}

/* --- addresses ------------------------------------------------------------------------------------ */

/* IPv6: a household has a /64, so that is what counts as one address. */
static void ip_key(const struct address *address, uint8_t key[static 16])
{
    memset(key, 0, 16);
    if (address->sa.sa_family == AF_INET) {
        key[0] = 4;
        memcpy(key + 1, &address->v4.sin_addr, 4);
    } else {
        memcpy(key, &address->v6.sin6_addr, 8);
        key[15] = 6;
    }
}

static struct ip_entry *ip_find(const struct lobby *lobby, const struct address *address)
{
    struct ip_entry *entry;
    uint8_t key[16];

    ip_key(address, key);
    HASH_FIND(hh, lobby->ips, key, sizeof key, entry);
    return entry;
}

static bool ip_take(struct lobby *lobby, const struct address *address)
{
    struct ip_entry *entry = ip_find(lobby, address);

    if (!entry) {
        entry = calloc(1, sizeof *entry);
        if (!entry)
            return false;
        ip_key(address, entry->ip);
        HASH_ADD(hh, lobby->ips, ip, sizeof entry->ip, entry);
    }
    entry->users++;
    return true;
}

static void ip_give(struct lobby *lobby, const struct address *address)
{
    struct ip_entry *entry = ip_find(lobby, address);

    if (!entry || --entry->users > 0)
        return;
    HASH_DEL(lobby->ips, entry);
    free(entry);
}

/* --- media ------------------------------------------------------------------------------------------ */

void lobby_link_media(struct user *user)
{
    const struct media_service *media = user->lobby->options.media;
    struct user *partner = user->partner;

    if (!partner || user->linked || !user->media || !partner->media)
        return;
    media->link(media->arg, user->media, partner->media);
    user->linked = partner->linked = true;
}

static void unlink_media(struct user *user)
{
    const struct media_service *media = user->lobby->options.media;
    struct user *partner = user->partner;

    if (!user->linked || !partner)
        return;
    media->unlink(media->arg, user->media, partner->media);
    user->linked = partner->linked = false;
}

static void close_media(struct user *user)
{
    const struct media_service *media = user->lobby->options.media;

    unlink_media(user);
    if (user->media)
        media->close(media->arg, user->media);
    user->media = NULL;
}

static void on_media_state(void *arg, enum media_state state, enum refusal why)
{
    struct user *user = arg;

    user->media_state = state;
    if (state == MEDIA_CONNECTED)
        counter_add(&user->lobby->stats.media_connected, 1);
    if (state != MEDIA_FAILED)
        return;

    log_debug("lobby", "user %s: media ended: %s", user->id, refusal_code(why));
    close_media(user);
    if (why == REFUSAL_NONE) /* the client closed it: nothing that it does not know */
        return;
    counter_add(&user->lobby->stats.media_failed, 1);
    user_emit(user, "error",
              json_pack("{s:s, s:s, s:s}", "code", refusal_code(why), "message",
                        refusal_text(why), "event", "media"));
}

static void on_media_silence(void *arg, bool silent)
{
    struct user *user = arg;

    user_emit(user, "audio-activity", json_pack("{s:b}", "silent", silent));
}

static int quality_class(const struct media_quality *q)
{
    const float loss = q->up_loss > q->down_loss ? q->up_loss : q->down_loss;

    if (q->rtt >= RTT_POOR || loss >= LOSS_POOR)
        return 2;
    return q->rtt >= RTT_FAIR || loss >= LOSS_FAIR;
}

static void on_media_quality(void *arg, const struct media_quality *q)
{
    struct user *user = arg;
    struct lobby *lobby = user->lobby;
    const int class = quality_class(q);
    const double ms = (double)q->rtt / 1000;

    if (q->rtt)
        lobby->mean_rtt = lobby->mean_rtt ? (15 * lobby->mean_rtt + q->rtt) / 16 : q->rtt;
    user_emit(user, "quality",
              json_pack("{s:{s:f, s:f, s:f, s:I}, s:{s:f, s:f, s:f, s:I, s:I}, s:s, s:s}", "up",
                        "rtt", ms, "loss", (double)q->up_loss, "jitter",
                        (double)q->up_jitter / 1000, "bitrate", (json_int_t)q->up_bitrate, "down",
                        "rtt", ms, "loss", (double)q->down_loss, "jitter",
                        (double)q->down_jitter / 1000, "bitrate", (json_int_t)q->down_bitrate,
                        "estimate", (json_int_t)q->down_estimate, "networkQuality",
                        quality_names[class], "path", "udp"));
    if (class == user->quality)
        return;
    if (user->quality >= 0)
        lobby->quality[user->quality]--;
    lobby->quality[class]++;
    user->quality = class;
    if (user->partner)
        user_emit(user->partner, "peer-quality-changed",
                  json_pack("{s:s, s:{s:f, s:f}}", "quality", quality_names[class], "metrics",
                            "latency", ms, "packetLoss", (double)q->up_loss));
}

const struct media_listener lobby_media_listener = {
    .state = on_media_state,
    .silence = on_media_silence,
    .quality = on_media_quality,
};

/* --- matching ---------------------------------------------------------------------------------------- */

static struct user *user_of(struct match_ticket *ticket)
{
    return (struct user *)((char *)ticket - offsetof(struct user, ticket));
}

json_t *lobby_match_data(const struct user *user)
{
    const struct user *partner = user->partner;
    const int class = partner->quality < 0 ? 0 : partner->quality;

    return json_pack("{s:s, s:s, s:i, s:s, s:s}", "peerId", user->partner_alias, "matchId",
                     user->match_id, "score", 0, "region",
                     partner->region[0] ? partner->region : "unknown", "networkQuality",
                     quality_names[class]);
}

static void tell_match(struct user *user)
{
    if (user->vocabulary == VOCABULARY_MATCH) {
        user_emit(user, "match-found", lobby_match_data(user));
        return;
    }
    json_t *found = json_pack("{s:s, s:s}", "partnerId", user->partner_alias, "matchId",
                              user->match_id);
    if (user->partner->profile)
        json_object_set(found, "profile", user->partner->profile);
    user_emit(user, "user-found", found);
}

static bool name_partner(struct user *user, const struct user *partner)
{
    const char *alias = alias_make(&user->aliases,
                                   user->vocabulary == VOCABULARY_MATCH ? '!' : '~',
                                   partner->number);
    if (!alias)
        return false;
    memcpy(user->partner_alias, alias, sizeof user->partner_alias);
    return true;
}

static void pair(struct user *a, struct user *b, usec_t now)
{
    char id[MATCH_ID_LEN + 1];

    if (!name_partner(a, b) || !name_partner(b, a)) {
        matcher_add(&a->lobby->matcher, &a->ticket, now); /* no memory: both wait on */
        matcher_add(&a->lobby->matcher, &b->ticket, now);
        return;
    }
    random_id(id, MATCH_ID_LEN);
    memcpy(a->match_id, id, sizeof a->match_id);
    memcpy(b->match_id, id, sizeof b->match_id);
    a->partner = b;
    b->partner = a;
    counter_add(&a->lobby->stats.matches, 1);
    lobby_link_media(a); /* before anybody is told: their first packets find the way */
    set_state(a, USER_MATCHED);
    set_state(b, USER_MATCHED);
    tell_match(a);
    tell_match(b);
}

static void arm_retry(struct lobby *lobby, usec_t now)
{
    if (lobby->matcher.waiting > 1 && !timer_is_set(&lobby->retry))
        (void)timers_set(loop_timers(lobby->loop), &lobby->retry, now + RETRY_INTERVAL);
}

static void on_retry(struct timer *timer, void *arg, usec_t now)
{
    struct lobby *lobby = arg;
    struct match_ticket *a, *b;
    (void)timer;

    while (matcher_next_pair(&lobby->matcher, now, &a, &b))
        pair(user_of(a), user_of(b), now);
    arm_retry(lobby, now);
}

void lobby_find(struct user *user, usec_t now)
{
    struct lobby *lobby = user->lobby;

    set_state(user, USER_WAITING);
    matcher_add(&lobby->matcher, &user->ticket, now);
    struct match_ticket *other = matcher_find(&lobby->matcher, &user->ticket, now);
    if (other)
        pair(user, user_of(other), now);
    arm_retry(lobby, now);
}

static void tell_left(struct user *user, const char *alias, const char *reason)
{
    const json_int_t timestamp = (json_int_t)(clock_wall() / 1000);
    json_t *payload = json_pack("{s:s, s:s, s:I, s:b}", "peerId", alias, "reason", reason,
                                "timestamp", timestamp, "canReconnect", false);

    user_emit(user, "peer-left", json_incref(payload));
    user_emit(user, "peer-disconnected", payload);
}

static void part(struct user *user, const char *reason, usec_t now)
{
    struct user *partner = user->partner;

    unlink_media(user);
    user->partner = NULL;
    partner->partner = NULL;
    user->ticket.left = partner->number;
    partner->ticket.left = user->number;
    user->ticket.left_at = partner->ticket.left_at = now;
    tell_left(partner, partner->partner_alias, reason);
    set_state(partner, USER_CONNECTED);
}

void lobby_leave(struct user *user, const char *reason, usec_t now)
{
    matcher_remove(&user->lobby->matcher, &user->ticket);
    if (user->partner)
        part(user, reason, now);
    if (user->state != USER_CONNECTED)
        set_state(user, USER_CONNECTED);
}

struct user *lobby_by_alias(const struct user *user, const char *alias)
{
    const uint64_t number = alias_find(&user->aliases, alias);
    struct user *found;

    HASH_FIND(hh, user->lobby->users, &number, sizeof number, found);
    return found;
}

/* --- coming and going -------------------------------------------------------------------------------- */

static bool is_plain(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || (unsigned char)*text > 0x7e)
            return false;
    return true;
}

/* What the handshake may say of a person (docs/protocol.md): all optional, all looked at. */
static enum refusal read_handshake(const struct sio_handshake *handshake, struct user *user)
{
    char text[2048];

    if (sio_handshake_query(handshake, "userId", text, sizeof text) &&
        (strlen(text) > 128 || !is_plain(text)))
        return REFUSAL_BAD_PAYLOAD;
    if (sio_handshake_query(handshake, "region", text, sizeof text)) {
        if (strlen(text) > USER_REGION_MAX || !is_plain(text))
            return REFUSAL_BAD_PAYLOAD;
        memcpy(user->region, text, strlen(text) + 1);
    }
    return REFUSAL_NONE;
}

static enum refusal on_authorize(void *arg, const struct sio_handshake *handshake, void **out)
{
    struct lobby *lobby = arg;
    const struct address *address = sio_handshake_address(handshake);
    const struct ip_entry *entry = ip_find(lobby, address);
    const uint32_t limit = lobby->options.max_users_per_ip;

    if (lobby->draining)
        return REFUSAL_SHUTTING_DOWN;
    if (limit && entry && entry->users >= limit)
        return REFUSAL_IP_LIMIT;

    struct user *user = calloc(1, sizeof *user);
    if (!user)
        return REFUSAL_SERVER_FULL;
    const enum refusal why = read_handshake(handshake, user);
    if (why != REFUSAL_NONE || !ip_take(lobby, address)) {
        free(user);
        return why != REFUSAL_NONE ? why : REFUSAL_SERVER_FULL;
    }
    user->lobby = lobby;
    user->number = user->ticket.user = lobby->next_number++;
    user->address = *address;
    user->quality = -1;
    random_id(user->id, USER_ID_LEN);
    *out = user;
    return REFUSAL_NONE;
}

static void on_connected(void *arg, struct sio_socket *socket)
{
    struct lobby *lobby = arg;
    struct user *user = sio_user(socket);
    char token[33];

    user->socket = socket;
    HASH_ADD(hh, lobby->users, number, sizeof user->number, user);
    gauge_add(&lobby->stats.users[USER_CONNECTED], 1);
    counter_add(&lobby->stats.connected, 1);
    random_id(token, sizeof token - 1);
    user_emit(user, "session",
              json_pack("{s:s, s:s, s:b, s:i, s:[], s:i, s:s, s:s}", "userId", user->id,
                        "sessionToken", token, "restored", false, "standbyMs", 0, "iceServers",
                        "reportIntervalMs", REPORT_INTERVAL_MS, "region",
                        user->region[0] ? user->region : "unknown", "node", "local"));
    user_emit(user, "connection-status", json_pack("{s:s}", "status", "connected"));
}

static void on_event(void *arg, struct sio_socket *socket, const struct sio_event *event)
{
    struct lobby *lobby = arg;
    struct user *user = sio_user(socket);
    const usec_t now = loop_now(lobby->loop);

    counter_add(&lobby->stats.events, 1);
    if (rate_limit_take(&user->events, lobby->options.events_per_second, now)) {
        events_handle(user, event, now);
        return;
    }
    /* Told once a second; a flood must not become a flood of errors. */
    if (rate_limit_take(&user->refusals, 1, now))
        user_refuse(user, event, REFUSAL_RATE_LIMIT);
    else
        refuse(REFUSAL_RATE_LIMIT);
}

static void on_disconnected(void *arg, struct sio_socket *socket, const char *reason)
{
    struct lobby *lobby = arg;
    struct user *user = sio_user(socket);
    const usec_t now = loop_now(lobby->loop);

    log_debug("lobby", "user %s: gone: %s", user->id, reason);
    matcher_remove(&lobby->matcher, &user->ticket);
    if (user->partner)
        part(user, "disconnected", now);
    close_media(user);
    if (user->quality >= 0)
        lobby->quality[user->quality]--;
    gauge_add(&lobby->stats.users[user->state], -1);
    user->state = USER_GONE;
    ip_give(lobby, &user->address);
    HASH_DEL(lobby->users, user);
    alias_book_free(&user->aliases);
    json_decref(user->profile);
    free(user->ticket.avoid);
    free(user);
}

const struct sio_handlers lobby_handlers = {
    .authorize = on_authorize,
    .connected = on_connected,
    .event = on_event,
    .disconnected = on_disconnected,
};

/* --- life --------------------------------------------------------------------------------------------- */

static void register_metrics(struct lobby *lobby)
{
    struct lobby_stats *s = &lobby->stats;

    (void)metrics_add("meetopia_users", "state=\"connected\"", "people by state", METRIC_GAUGE, &s->users[USER_CONNECTED]);
    (void)metrics_add("meetopia_users", "state=\"waiting\"", "people by state", METRIC_GAUGE, &s->users[USER_WAITING]);
    (void)metrics_add("meetopia_users", "state=\"matched\"", "people by state", METRIC_GAUGE, &s->users[USER_MATCHED]);
    (void)metrics_add("meetopia_users_connected_total", "", "people who came", METRIC_COUNTER, &s->connected);
    (void)metrics_add("meetopia_matches_total", "", "pairs made", METRIC_COUNTER, &s->matches);
    (void)metrics_add("meetopia_chat_messages_total", "", "chat messages delivered", METRIC_COUNTER, &s->messages);
    (void)metrics_add("meetopia_events_total", "", "events received", METRIC_COUNTER, &s->events);
    (void)metrics_add("meetopia_client_errors_total", "", "report-error events", METRIC_COUNTER, &s->reports);
    (void)metrics_add("meetopia_media_connected_total", "", "peer connections that came up", METRIC_COUNTER, &s->media_connected);
    (void)metrics_add("meetopia_media_failed_total", "", "peer connections that failed", METRIC_COUNTER, &s->media_failed);
}

int lobby_create(struct lobby **out, struct loop *loop, struct sio_server *server,
                 const struct lobby_options *options)
{
    struct lobby *lobby = calloc(1, sizeof *lobby);
    if (!lobby)
        return RC_NOMEM;
    lobby->loop = loop;
    lobby->options = *options;
    lobby->next_number = 1;
    matcher_init(&lobby->matcher);
    timer_init(&lobby->retry, on_retry, lobby);
    const int rc = sio_namespace_create(&lobby->namespace, server, "/", &lobby_handlers, lobby);
    if (rc != RC_OK) {
        free(lobby);
        return rc;
    }
    register_metrics(lobby);
    *out = lobby;
    return RC_OK;
}

void lobby_free(struct lobby *lobby)
{
    if (!lobby)
        return;
    timers_clear(loop_timers(lobby->loop), &lobby->retry);
    metrics_remove(&lobby->stats, sizeof lobby->stats);
    free(lobby);
}

void lobby_set_limits(struct lobby *lobby, uint32_t max_users_per_ip, uint32_t events_per_second)
{
    lobby->options.max_users_per_ip = max_users_per_ip;
    lobby->options.events_per_second = events_per_second;
}

void lobby_drain(struct lobby *lobby, usec_t deadline)
{
    lobby->draining = true;
    (void)sio_emit_all(lobby->namespace, NULL, "server-draining",
                       json_pack("{s:I, s:i}", "deadlineMs", (json_int_t)(deadline / 1000),
                                 "reconnectAfterMs", 1000 + (int)(random_u32() % 2000)));
}
