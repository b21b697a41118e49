/*
 * tests/signaling/lobby_world_lib.h - a lobby with nothing around it: clients that only
 * remember what they are told, a media service that only remembers what it is asked, time that
 * is a variable.
 *
 * world_check states what must hold whenever the lobby is at rest.
 */
#ifndef TESTS_SIGNALING_LOBBY_WORLD_LIB_H
#define TESTS_SIGNALING_LOBBY_WORLD_LIB_H

#include "core/timer.h"
#include "signaling/lobby.h"

#define WORLD_CLIENTS 64
#define WORLD_HEARD_MAX 64 /* events that a client remembers; older ones are forgotten */

struct world;

struct client {
    struct world *world;
    struct user *user; /* NULL: not here */
    json_t *heard;     /* [[event, payload], …] */
    json_t *ack;       /* payload of the last ack, or NULL */
    int acks;          /* since the last world_say */
    char status[32];   /* the last connection-status of the server */
    char peer[32];     /* whom it takes for its partner; "" nobody */
};

/* What the fake media service keeps of a peer connection. */
struct media_peer {
    struct world *world;
    struct user *user;
    struct media_peer *linked, *next;
};

struct world {
    struct lobby *lobby;
    struct timers *timers;
    usec_t now;
    struct media_service media;
    struct ice_servers ice; /* offers nothing unless a test fills it in */
    struct media_peer *peers;
    int offers, candidates, links, unlinks, closes; /* calls so far */
    struct client client[WORLD_CLIENTS];
};

void world_open(struct world *world, uint32_t max_users_per_ip, uint32_t events_per_second);
/* Everybody leaves; nothing may be left over. */
void world_close(struct world *world);
/* Passes time and runs timers. */
void world_pass(struct world *world, usec_t time);
/* Aborts unless everything adds up. */
void world_check(struct world *world);

/* A free client comes in from `ip`; NULL and *why when it is refused. */
struct client *world_join(struct world *world, const char *ip, enum refusal *why);
void world_leave(struct client *client);
/* Says an event without asking for an ack. `payload` as by json_pack, taken over, may be NULL.
 */
void world_say(struct client *client, const char *event, json_t *payload);
/* The same with an ack, whose payload is returned (borrowed), NULL when none came. */
const json_t *world_ask(struct client *client, const char *event, json_t *payload);
/* With all arguments; args is taken over. */
void world_call(struct client *client, const char *event, json_t *args, int64_t ack_id);

/* The last payload that was heard of an event; NULL when it was not heard. */
const json_t *heard(const struct client *client, const char *event);
int heard_count(const struct client *client, const char *event);
/* Place of the last one among what was heard, -1. */
int heard_at(const struct client *client, const char *event);
void forget(struct client *client);
/* A member's text, "" when there is none. */
const char *text_of(const json_t *object, const char *name);

/* An offer that the fake answers; "refuse" is an SDP that it refuses with SDP_NO_CODEC. */
json_t *offer_of(const char *sdp);

#endif
