/*
 * signaling/lobby.h - the service: everybody who is here, who waits, who is with whom.
 *
 * Control thread. Speaks Socket.IO to clients (the events of docs/protocol.md are handled in
 * signaling/events.c), asks the matcher, and tells the media service who sees whom.
 */
#ifndef SIGNALING_LOBBY_H
#define SIGNALING_LOBBY_H

#include "core/base.h"
#include "core/loop.h"
#include "core/metrics.h"
#include "signaling/media_service.h"
#include "signaling/socketio.h"
#include "signaling/user.h"

struct lobby_options {
    uint32_t max_users_per_ip; /* 0: no limit */
    uint32_t events_per_second;
    const struct media_service *media; /* borrowed */
};

struct lobby_stats {
    struct counter users[USER_STATE_COUNT]; /* gauges by state */
    struct counter connected, matches, messages, media_connected, media_failed;
    struct counter events, reports;
};

struct lobby;

int lobby_create(struct lobby **out, struct loop *loop, struct sio_server *server,
                 const struct lobby_options *options);
void lobby_free(struct lobby *lobby); /* after the Socket.IO server */
/* Limits that may change while running. */
void lobby_set_limits(struct lobby *lobby, uint32_t max_users_per_ip, uint32_t events_per_second);
/* Tells everybody that the server goes, and refuses newcomers. */
void lobby_drain(struct lobby *lobby, usec_t deadline);

/* What the media service calls. */
extern const struct media_listener lobby_media_listener;

struct lobby_stats *lobby_stats(struct lobby *lobby);
uint32_t lobby_users(const struct lobby *lobby);
uint32_t lobby_waiting(const struct lobby *lobby);
/* Of the networks of the connected, by their last quality report: good, fair, poor. */
void lobby_quality(const struct lobby *lobby, uint32_t counts[static 3]);
/* A moving mean of round trips in microseconds; 0: none measured. */
usec_t lobby_mean_rtt(const struct lobby *lobby);

/* --- for events.c ------------------------------------------------------------------------------ */

extern const struct sio_handlers lobby_handlers; /* in lobby.c; events go to events_handle */
void events_handle(struct user *user, const struct sio_event *event, usec_t now);

const struct lobby_options *lobby_options(const struct lobby *lobby);
/* Queues and, when somebody fits, matches at once: then user->state is USER_MATCHED. */
void lobby_find(struct user *user, usec_t now);
/* Leaves the queue or the partner, who is told `reason`. */
void lobby_leave(struct user *user, const char *reason, usec_t now);
/* Whom an alias of this user's means, if they are here; NULL. */
struct user *lobby_by_alias(const struct user *user, const char *alias);
/* Connects the media of two partners, once both have some. */
void lobby_link_media(struct user *user);
/* {peerId, matchId, …} as match-found carries it, for this side. New reference. */
json_t *lobby_match_data(const struct user *user);

/* Place in the queue, 1 for the next, and how long people wait at present. */
uint32_t lobby_position(const struct lobby *lobby, const struct user *user);
usec_t lobby_estimate(const struct lobby *lobby);

/* Emits; takes the payload. */
void user_emit(struct user *user, const char *event, json_t *payload);
/* Counts, and tells the client: by the ack if it asked for one, else by an `error` event. */
void user_refuse(struct user *user, const struct sio_event *event, enum refusal why);

#endif
