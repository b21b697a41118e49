/*
 * signaling/user.h - a person: not a socket and not a peer connection, but the one who has
 * them.
 *
 * A value that the files of the lobby share: lobby.c owns users, pair.c joins two of them,
 * user_media.c looks after their peer connections, events.c does what they ask. Sans-IO: what
 * is said to a client goes through struct lobby_host. Control thread.
 */
#ifndef SIGNALING_USER_H
#define SIGNALING_USER_H

#include "core/address.h"
#include "core/base.h"
#include "core/refusal.h"
#include "core/table.h"
#include "core/timer.h"
#include "signaling/alias.h"
#include "signaling/match_record.h"
#include "signaling/media_service.h"
#include "signaling/quality.h"
#include "signaling/rate_limit.h"

#include <jansson.h>

#define USER_ID_LEN 20
#define USER_REGION_MAX 31 /* bytes, printable ASCII */

enum user_state {
    USER_CONNECTED, /* here, and nothing more */
    USER_WAITING,   /* in the queue */
    USER_MATCHED,   /* has a partner */
    USER_GONE,      /* about to be freed; nothing is said to this one any more */
    USER_STATE_COUNT
};

/* Which of the two vocabularies of deployed clients this one speaks (docs/protocol.md). */
enum vocabulary { VOCABULARY_MATCH, VOCABULARY_FIND };

struct lobby;
struct seeker;
struct sio_event;

struct user {
    uint64_t number; /* never reused */
    char id[USER_ID_LEN + 1];
    char region[USER_REGION_MAX + 1]; /* "" when the client named none */
    struct lobby *lobby;              /* borrowed, the owner */
    void *socket;                     /* borrowed: what the host knows the client by */
    struct address address;
    enum user_state state; /* changed by user_set_state only */
    enum vocabulary vocabulary;

    struct seeker *seeker; /* owned, by way of the waiting room; NULL until the first search */
    struct alias_book aliases;
    struct user *partner;              /* borrowed; set exactly while USER_MATCHED */
    char partner_alias[ALIAS_LEN + 1]; /* what this user calls the partner */
    char match_id[MATCH_ID_LEN + 1];   /* of the pair, as is */
    int match_score;                   /* the points that it was made for */
    json_t *profile;                   /* owned; shown to partners (find-user); or NULL */

    struct media_peer *media; /* owned through the media service; NULL: none */
    bool media_proving; /* offered before a match and not connected yet: who knows if it will */
    bool linked;        /* with the partner's media */
    struct timer media_lost; /* set while a partner waits for this one's media to come back */
    enum quality quality;    /* of the path, by the best account of it: user_quality.h */
    uint8_t path_quality;    /* the same in finer steps: struct match_card */
    bool quality_measured;   /* by the media relay */

    struct rate_limit events, offers, errors, credentials;
    UT_hash_handle hh; /* by number */
};

/* "connected", "waiting", "matched", "disconnected": what connection-status says. */
const char *user_state_name(enum user_state state);
/* The one place where a state changes: checks the edge, keeps the gauges. Tells nobody. */
void user_set_state(struct user *user, enum user_state state);
/* Says connection-status to the client. */
void user_tell_state(struct user *user);

/* Sends an event to the client; takes the payload. NULL is what json_pack gives without memory
 * or for text that is not UTF-8: it is counted and nothing is sent. */
void user_emit(struct user *user, const char *event, json_t *payload);
/* Answers `event` if the client asked for an ack; takes the payload, NULL as above. */
void user_ack(struct user *user, const struct sio_event *event, json_t *payload);
/* Counts `why` and tells the client: by the ack if it asked for one, else by an `error` event.
 */
void user_refuse(struct user *user, const struct sio_event *event, enum refusal why);

#endif
