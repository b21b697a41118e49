#include "signaling/pair.h"

#include "core/clock.h"
#include "core/random.h"
#include "signaling/lobby.h"
#include "signaling/user_media.h"

#include <string.h>

static int name_partner(struct user *user, const struct user *partner)
{
    /* Sorts before, or after, every socket id: either kind of client decides to offer. */
    const char prefix = user->vocabulary == VOCABULARY_MATCH ? '!' : '~';
    const char *alias = alias_make(&user->aliases, prefix, partner->number);

    if (!alias)
        return RC_NOMEM;
    memcpy(user->partner_alias, alias, sizeof user->partner_alias);
    return RC_OK;
}

int pair_make(struct user *a, struct user *b, int score)
{
    if (name_partner(a, b) != RC_OK || name_partner(b, a) != RC_OK)
        return RC_NOMEM;
    random_id(a->match_id, MATCH_ID_LEN);
    memcpy(b->match_id, a->match_id, sizeof b->match_id);
    a->match_score = b->match_score = score;
    a->partner = b;
    b->partner = a;
    user_set_state(a, USER_MATCHED);
    user_set_state(b, USER_MATCHED);
    counter_add(&lobby_stats(a->lobby)->matches, 1);
    user_media_link(a);
    return RC_OK;
}

json_t *pair_data(const struct user *user)
{
    const struct user *partner = user->partner;

    return json_pack("{s:s, s:s, s:i, s:s, s:s}", "peerId", user->partner_alias, "matchId",
                     user->match_id, "score", user->match_score, "region",
                     partner->region[0] ? partner->region : "unknown", "networkQuality",
                     quality_name(partner->quality));
}

static json_t *found_data(const struct user *user)
{
    json_t *found =
        json_pack("{s:s, s:s}", "partnerId", user->partner_alias, "matchId", user->match_id);

    if (found && user->partner->profile)
        (void)json_object_set(found, "profile", user->partner->profile);
    return found;
}

static void announce_to(struct user *user)
{
    user_tell_state(user);
    if (user->vocabulary == VOCABULARY_MATCH)
        user_emit(user, "match-found", pair_data(user));
    else
        user_emit(user, "user-found", found_data(user));
}

void pair_announce(struct user *user)
{
    announce_to(user);
    announce_to(user->partner);
}

void pair_tell_gone(struct user *user, const char *alias, const char *reason)
{
    json_t *payload =
        json_pack("{s:s, s:s, s:I, s:b}", "peerId", alias, "reason", reason, "timestamp",
                  (json_int_t)(clock_wall() / 1000), "canReconnect", 0);

    user_emit(user, "peer-left", json_incref(payload));
    user_emit(user, "peer-disconnected", payload);
}

static void set_free(struct user *user)
{
    user->partner = NULL;
    user_set_state(user, USER_CONNECTED);
}

void pair_part(struct user *user, const char *reason, usec_t now)
{
    struct user *partner = user->partner;

    user_media_unlink(user);
    match_parted(&user->seeker->ticket, &partner->seeker->ticket, now);
    set_free(user);
    set_free(partner);
    if (lobby_is_draining(user->lobby))
        return; /* the partner's connection ends in this very moment as well */
    pair_tell_gone(partner, partner->partner_alias, reason);
    user_tell_state(partner);
}
