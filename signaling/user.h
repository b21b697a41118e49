/*
 * signaling/user.h - a person: not a socket and not a peer connection, but the one who has them.
 *
 * Control thread. Owned by the lobby (signaling/lobby.h), which is the only one that changes state.
 */
#ifndef SIGNALING_USER_H
#define SIGNALING_USER_H

#include "core/address.h"
#include "core/base.h"
#include "core/table.h"
#include "signaling/alias.h"
#include "signaling/matcher.h"
#include "signaling/media_service.h"
#include "signaling/rate_limit.h"
#include "signaling/socketio.h"


#define USER_ID_LEN 20
#define USER_REGION_MAX 31

enum user_state {
    USER_CONNECTED, /* here, and nothing more */
    USER_WAITING,   /* in the queue */
    USER_MATCHED,   /* has a partner */
    USER_GONE,      /* about to be freed */
    USER_STATE_COUNT
};

/* Which of the two vocabularies of deployed clients this one speaks (docs/protocol.md). */
enum vocabulary { VOCABULARY_MATCH, VOCABULARY_FIND };

struct lobby;

struct user {
    uint64_t number; /* never reused */
    char id[USER_ID_LEN + 1];
    struct lobby *lobby; /* borrowed, the owner */
    enum user_state state;
    enum vocabulary vocabulary;
    struct sio_socket *socket; /* borrowed */
    struct address address;
    char region[USER_REGION_MAX + 1];

    struct match_ticket ticket;
    struct alias_book aliases;
    struct user *partner;                  /* borrowed; set exactly while USER_MATCHED */
    char partner_alias[ALIAS_LEN + 1];     /* what this user calls the partner */
    char match_id[17];                     /* of the pair */
    json_t *profile;                       /* shown to the partner, second vocabulary; or NULL */

    struct media_peer *media; /* owned through the media service; NULL: none */
    enum media_state media_state;
    bool linked; /* with the partner's media */
    int quality; /* last class told to the partner; -1 none yet */

    struct rate_limit events, refusals;
    UT_hash_handle hh; /* by number */
    struct user *next, *prev;
};

/* "connected", "waiting", "matched", "disconnected": what connection-status says. */
const char *user_state_name(enum user_state state);

#endif
