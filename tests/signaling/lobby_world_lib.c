#include "tests/signaling/lobby_world_lib.h"

#include "signaling/user_media.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MUST(cond) ((cond) ? (void)0 : must_fail(#cond, __LINE__))

static void must_fail(const char *what, int line)
{
    fprintf(stderr, "lobby_world_lib.c:%d: %s\n", line, what);
    abort();
}

const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text ? text : "";
}

json_t *offer_of(const char *sdp)
{
    return json_pack("{s:s, s:s}", "type", "offer", "sdp", sdp);
}

/* --- the media service -------------------------------------------------------------------- */

static enum refusal media_offer(void *arg, struct media_peer **peer, void *user,
                                const char *sdp, size_t length, char **answer)
{
    struct world *world = arg;

    world->offers++;
    MUST(strlen(sdp) <= length);
    if (strcmp(sdp, "refuse") == 0)
        return REFUSAL_SDP_NO_CODEC;
    if (!*peer) {
        struct media_peer *fresh = calloc(1, sizeof *fresh);
        MUST(fresh);
        fresh->world = world;
        fresh->user = user;
        fresh->next = world->peers;
        world->peers = fresh;
        *peer = fresh;
    }
    MUST((*peer)->user == user);
    *answer = strdup("v=0 the answer");
    return REFUSAL_NONE;
}

static enum refusal media_candidate(void *arg, struct media_peer *peer, const char *candidate)
{
    struct world *world = arg;

    MUST(peer->world == world);
    world->candidates++;
    return candidate && strcmp(candidate, "bad") == 0 ? REFUSAL_CANDIDATE_MALFORMED
                                                      : REFUSAL_NONE;
}

static void media_link(void *arg, struct media_peer *a, struct media_peer *b)
{
    struct world *world = arg;

    MUST(a != b && !a->linked && !b->linked);
    world->links++;
    a->linked = b;
    b->linked = a;
}

static void media_unlink(void *arg, struct media_peer *a, struct media_peer *b)
{
    struct world *world = arg;

    MUST(a->linked == b && b->linked == a);
    world->unlinks++;
    a->linked = b->linked = NULL;
}

static void media_close(void *arg, struct media_peer *peer)
{
    struct world *world = arg;
    struct media_peer **link = &world->peers;

    MUST(!peer->linked);
    while (*link && *link != peer)
        link = &(*link)->next;
    MUST(*link == peer);
    *link = peer->next;
    world->closes++;
    free(peer);
}

/* --- clients ------------------------------------------------------------------------------ */

static usec_t host_now(void *arg)
{
    const struct world *world = arg;

    return world->now;
}

/* What a client's own account of itself comes to, from nothing but what it is told. */
static void note(struct client *client, const char *event, const json_t *payload)
{
    if (strcmp(event, "connection-status") == 0 && !json_object_get(payload, "from"))
        snprintf(client->status, sizeof client->status, "%s", text_of(payload, "status"));
    if (strcmp(event, "match-found") == 0)
        snprintf(client->peer, sizeof client->peer, "%s", text_of(payload, "peerId"));
    if (strcmp(event, "user-found") == 0)
        snprintf(client->peer, sizeof client->peer, "%s", text_of(payload, "partnerId"));
    if (strcmp(event, "peer-left") == 0) {
        MUST(strcmp(client->peer, text_of(payload, "peerId")) == 0);
        client->peer[0] = '\0';
    }
}

/* Whatever is sent can be written. */
static void check_writable(const json_t *payload)
{
    char *text = json_dumps(payload, JSON_COMPACT);

    MUST(text);
    free(text);
}

static void host_emit(void *arg, void *socket, const char *event, json_t *payload)
{
    struct client *client = socket;

    MUST(client->world == arg && payload);
    check_writable(payload);
    note(client, event, payload);
    if (json_array_size(client->heard) >= WORLD_HEARD_MAX)
        json_array_remove(client->heard, 0);
    json_array_append_new(client->heard, json_pack("[s, o]", event, payload));
}

static void host_ack(void *arg, void *socket, int64_t ack_id, json_t *payload)
{
    struct client *client = socket;

    MUST(client->world == arg && payload && ack_id == 7);
    check_writable(payload);
    client->acks++;
    json_decref(client->ack);
    client->ack = payload;
}

const json_t *heard(const struct client *client, const char *event)
{
    const int at = heard_at(client, event);

    return at < 0 ? NULL : json_array_get(json_array_get(client->heard, (size_t)at), 1);
}

int heard_at(const struct client *client, const char *event)
{
    int found = -1;
    size_t i;
    json_t *entry;

    json_array_foreach(client->heard, i, entry)
    {
        if (strcmp(json_string_value(json_array_get(entry, 0)), event) == 0)
            found = (int)i;
    }
    return found;
}

int heard_count(const struct client *client, const char *event)
{
    int count = 0;
    size_t i;
    json_t *entry;

    json_array_foreach(client->heard, i, entry)
    {
        count += strcmp(json_string_value(json_array_get(entry, 0)), event) == 0;
    }
    return count;
}

void forget(struct client *client)
{
    json_array_clear(client->heard);
}

struct client *world_join(struct world *world, const char *ip, enum refusal *why)
{
    struct client *client = world->client;
    struct address address;
    struct user *user;

    while (client->user)
        client++;
    MUST(client < world->client + WORLD_CLIENTS);
    MUST(address_parse(&address, ip) == RC_OK);
    const enum refusal refusal = lobby_admit(world->lobby, &address, "", &user);
    if (why)
        *why = refusal;
    if (refusal != REFUSAL_NONE)
        return NULL;
    *client = (struct client){.world = world, .user = user, .heard = json_array()};
    lobby_welcome(user, client);
    return client;
}

void world_leave(struct client *client)
{
    lobby_remove(client->user, "disconnected");
    json_decref(client->heard);
    json_decref(client->ack);
    *client = (struct client){0};
}

void world_call(struct client *client, const char *event, json_t *args, int64_t ack_id)
{
    const struct sio_event call = {.name = event, .args = args, .ack_id = ack_id};

    client->acks = 0;
    lobby_event(client->user, &call);
    MUST(client->acks <= (ack_id == SIO_NO_ACK ? 0 : 1));
    json_decref(args);
}

static json_t *one_argument(json_t *payload)
{
    return payload ? json_pack("[o]", payload) : json_array();
}

void world_say(struct client *client, const char *event, json_t *payload)
{
    world_call(client, event, one_argument(payload), SIO_NO_ACK);
}

const json_t *world_ask(struct client *client, const char *event, json_t *payload)
{
    json_decref(client->ack);
    client->ack = NULL;
    world_call(client, event, one_argument(payload), 7);
    return client->ack;
}

/* --- the world ---------------------------------------------------------------------------- */

void world_open(struct world *world, uint32_t max_users_per_ip, uint32_t events_per_second)
{
    memset(world, 0, sizeof *world);
    world->now = SEC(1000);
    MUST(timers_create(&world->timers) == RC_OK);
    world->media = (struct media_service){world,      media_offer,  media_candidate,
                                          media_link, media_unlink, media_close};
    const struct lobby_host host = {world, world->timers, host_now, host_emit, host_ack};
    const struct lobby_options options = {max_users_per_ip, events_per_second, &world->media,
                                          &world->ice, NULL};
    MUST(lobby_create(&world->lobby, &host, &options) == RC_OK);
}

void world_close(struct world *world)
{
    world_check(world);
    for (size_t i = 0; i < WORLD_CLIENTS; i++)
        if (world->client[i].user)
            world_leave(&world->client[i]);
    world_check(world);
    MUST(!world->peers);
    lobby_free(world->lobby);
    MUST(timers_count(world->timers) == 0);
    timers_free(world->timers);
}

void world_pass(struct world *world, usec_t time)
{
    const usec_t end = world->now + time;

    while (timers_next(world->timers) <= end) {
        world->now = timers_next(world->timers);
        timers_run(world->timers, world->now);
    }
    world->now = end;
}

/* --- what must hold ----------------------------------------------------------------------- */

static void check_pair(const struct user *user)
{
    const struct user *partner = user->partner;

    MUST((partner != NULL) == (user->state == USER_MATCHED));
    if (!partner) {
        MUST(!user->linked && !timer_is_set(&user->media_lost));
        return;
    }
    MUST(partner != user && partner->partner == user);
    MUST(strcmp(user->match_id, partner->match_id) == 0);
    MUST(lobby_by_alias(user, user->partner_alias) == partner);
    MUST(user->linked == partner->linked);
    MUST(user->linked == (user->media && partner->media));
    MUST(!timer_is_set(&user->media_lost) || !user->linked);
    MUST(!user->linked || user->media->linked == partner->media);
}

static void check_client(const struct client *client)
{
    const struct user *user = client->user;

    check_pair(user);
    MUST(user->state < USER_GONE);
    MUST((user->seeker && user->seeker->ticket.waiting) == (user->state == USER_WAITING));
    MUST(!user->seeker || user->seeker->user == user);
    /* Nobody who may never be seen is with somebody who looks for video. */
    MUST(!user->media_proving || user->state != USER_MATCHED ||
         user->seeker->ticket.card.kind == MATCH_TEXT);
    MUST(!user->media || user->media->user == user);
    /* What the client was told is what is. */
    MUST(strcmp(client->status, user_state_name(user->state)) == 0);
    MUST(user->state != USER_MATCHED || strcmp(client->peer, user->partner_alias) == 0);
}

void world_check(struct world *world)
{
    const struct lobby_stats *stats = lobby_stats(world->lobby);
    const struct quality_summary *quality = lobby_quality(world->lobby);
    uint32_t in_state[USER_STATE_COUNT] = {0}, total = 0, peers = 0, seen = 0;

    for (size_t i = 0; i < WORLD_CLIENTS; i++) {
        const struct client *client = &world->client[i];
        if (!client->user)
            continue;
        check_client(client);
        in_state[client->user->state]++;
        peers += client->user->media != NULL;
        total++;
    }
    MUST(lobby_users(world->lobby) == total);
    MUST(lobby_waiting(world->lobby) == in_state[USER_WAITING]);
    MUST(in_state[USER_MATCHED] % 2 == 0);
    for (size_t i = 0; i < USER_STATE_COUNT; i++)
        MUST(counter_get(&stats->users[i]) == in_state[i]);
    for (size_t i = 0; i < QUALITY_COUNT; i++)
        seen += quality->users[i];
    MUST(seen == total);
    for (const struct media_peer *peer = world->peers; peer; peer = peer->next)
        peers--;
    MUST(peers == 0);
    MUST(counter_get(&stats->unsendable) == 0);
}
