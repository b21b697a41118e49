/*
 * signaling/lobby.h - the service: everybody who is here, who waits, who is with whom.
 *
 * Sans-IO: clients are reached through struct lobby_host (signaling/entrance.c puts Socket.IO
 * there), media through struct media_service, time is asked of the host. The events of clients
 * are handled in signaling/events.c. Control thread.
 *
 * Owner of every user, from lobby_admit to lobby_remove. The lobby itself never frees a user:
 * only lobby_remove does, and the host never calls it from inside emit or ack. So a user lives
 * through the handling of an event, whatever that does.
 */
#ifndef SIGNALING_LOBBY_H
#define SIGNALING_LOBBY_H

#include "core/base.h"
#include "core/metrics.h"
#include "core/timer.h"
#include "signaling/ice_servers.h"
#include "signaling/media_service.h"
#include "signaling/socketio.h"
#include "signaling/user.h"
#include "signaling/waiting_room.h"

#define LOBBY_REPORT_INTERVAL MSEC(5000) /* between two `quality` events */

struct lobby_host {
    void *arg;
    struct timers *timers; /* borrowed */
    usec_t (*now)(void *arg);
    /* Both take the payload, which is never NULL. A client that cannot take it is ended by the
     * host: later, not from inside. */
    void (*emit)(void *arg, void *socket, const char *event, json_t *payload);
    void (*ack)(void *arg, void *socket, int64_t ack_id, json_t *payload);
};

struct lobby_options {
    uint32_t max_users_per_ip; /* 0: no limit */
    uint32_t events_per_second;
    const struct media_service *media; /* borrowed */
    const struct ice_servers *ice;     /* borrowed; NULL: there is no TURN */
    /* Borrowed while the lobby is created; NULL: match_options_default. */
    const struct match_options *matching;
};

struct lobby_stats {
    struct counter users[USER_STATE_COUNT]; /* gauges by state */
    struct counter connected, matches, messages, media_connected, media_failed;
    struct counter events, reports;
    struct counter unsendable; /* answers lost because memory was out */
};

struct lobby;

/* RC_NOMEM; RC_BAD for a matching that cannot be. `host` is copied, what it points to borrowed.
 */
int lobby_create(struct lobby **out, const struct lobby_host *host,
                 const struct lobby_options *options);
/* Everybody must have been removed. NULL is fine. */
void lobby_free(struct lobby *lobby);
/* Limits that may change while running; they hold for newcomers and for the next event. */
void lobby_set_limits(struct lobby *lobby, uint32_t max_users_per_ip,
                      uint32_t events_per_second);
/* Tells everybody that the server goes in `grace`, and refuses newcomers. */
void lobby_drain(struct lobby *lobby, usec_t grace);
bool lobby_is_draining(const struct lobby *lobby);

/* --- coming and going --------------------------------------------------------------------- */

/* May one more come in from there? Then *out is that user, of whom nobody knows yet. `region`:
 * printable ASCII, at most USER_REGION_MAX bytes; "" when unknown. */
enum refusal lobby_admit(struct lobby *lobby, const struct address *address, const char *region,
                         struct user **out);
/* The client of an admitted user can be reached as `socket` from now on: `session` is said. */
void lobby_welcome(struct user *user, void *socket);
/* The client says something. Within the rate limit it goes to events_handle. */
void lobby_event(struct user *user, const struct sio_event *event);
/* The client is gone: its partner is told `reason`, its media is closed, the user is freed.
 * Also for one who was never welcomed. */
void lobby_remove(struct user *user, const char *reason);

/* --- what events do ----------------------------------------------------------------------- */

/* In signaling/events.c. */
void events_handle(struct user *user, const struct sio_event *event);

/* Takes what the user looks for, from now on. RC_NOMEM: nothing has changed. */
int lobby_seek(struct user *user, const struct search *search);
/* Looks for a partner, for one who has sought and has none: one who is connected begins to
 * wait, one who waits keeps the place. *found: the two are a pair, and pair_announce has to
 * follow. RC_NOMEM: does not wait. */
int lobby_find(struct user *user, bool *found);
/* Something has changed that others may have waited for: the same for one who waits, announced
 * from here. Harmless for others. */
void lobby_look_again(struct user *user);
/* Leaves the queue, or the partner, who is told `reason`; harmless for the free. The client of
 * `user` is told nothing. */
void lobby_leave(struct user *user, const char *reason);
/* Whom an alias of this user's means, if they are here; NULL. */
struct user *lobby_by_alias(const struct user *user, const char *alias);
/* Place in the queue, 1 for the next, and how long one at that place will wait; of one who
 * waits. */
uint32_t lobby_position(const struct user *user);
usec_t lobby_estimate(const struct user *user);

/* --- looking ------------------------------------------------------------------------------ */

const struct lobby_host *lobby_host(const struct lobby *lobby);
const struct lobby_options *lobby_options(const struct lobby *lobby);
struct lobby_stats *lobby_stats(struct lobby *lobby);
struct quality_summary *lobby_quality(struct lobby *lobby);
struct waiting_room *lobby_waiting_room(struct lobby *lobby);
uint32_t lobby_users(const struct lobby *lobby);
uint32_t lobby_waiting(const struct lobby *lobby);
usec_t lobby_now(const struct lobby *lobby);
/* Asks fn of everybody, in no order; it must neither admit nor remove. */
void lobby_for_each(struct lobby *lobby, void (*fn)(struct user *user, void *arg), void *arg);

#endif
