#include "signaling/user_media.h"

#include "core/log.h"
#include "signaling/lobby.h"
#include "signaling/pair.h"
#include "signaling/user_quality.h"

static const struct media_service *service_of(const struct user *user)
{
    return lobby_options(user->lobby)->media;
}

/* --- losing and finding it again ---------------------------------------------------------- */

static void on_patience_over(struct timer *timer, void *arg, usec_t now)
{
    struct user *user = arg;
    (void)timer;

    pair_part(user, "media_lost", now);
    pair_tell_gone(user, user->partner_alias, "media_lost");
    user_tell_state(user);
}

void user_media_init(struct user *user)
{
    timer_init(&user->media_lost, on_patience_over, user);
}

static void stop_waiting(struct user *user)
{
    timers_clear(lobby_host(user->lobby)->timers, &user->media_lost);
}

/* The partner's picture stands still: say so, and wait for a new offer. */
static void wait_for_return(struct user *user)
{
    const struct lobby_host *host = lobby_host(user->lobby);
    struct user *partner = user->partner;

    (void)timers_set(host->timers, &user->media_lost,
                     host->now(host->arg) + USER_MEDIA_PATIENCE);
    user_emit(partner, "peer-reconnecting",
              json_pack("{s:s, s:I}", "peerId", partner->partner_alias, "timeoutMs",
                        (json_int_t)(USER_MEDIA_PATIENCE / 1000)));
}

static void tell_returned(struct user *user)
{
    struct user *partner = user->partner;

    if (!timer_is_set(&user->media_lost))
        return;
    stop_waiting(user);
    user_emit(partner, "peer-reconnected",
              json_pack("{s:s, s:s}", "peerId", partner->partner_alias, "networkQuality",
                        quality_name(user->quality)));
}

/* --- what signaling does with it ---------------------------------------------------------- */

bool user_media_may_meet(const struct user *user)
{
    return !user->media_proving;
}

static void set_proving(struct user *user, bool proving)
{
    if (user->media_proving == proving)
        return;
    user->media_proving = proving;
    waiting_room_update(lobby_waiting_room(user->lobby), user);
}

enum refusal user_media_offer(struct user *user, const char *sdp, size_t length, char **answer)
{
    const struct media_service *media = service_of(user);

    const bool is_first = !user->media;
    const enum refusal why = media->offer(media->arg, &user->media, user, sdp, length, answer);
    if (why != REFUSAL_NONE)
        return why;
    if (is_first && !user->partner)
        set_proving(user, true);
    user_media_link(user);
    return REFUSAL_NONE;
}

enum refusal user_media_candidate(struct user *user, const char *candidate)
{
    const struct media_service *media = service_of(user);

    if (!user->media)
        return REFUSAL_WRONG_STATE;
    return media->candidate(media->arg, user->media, candidate);
}

void user_media_link(struct user *user)
{
    const struct media_service *media = service_of(user);
    struct user *partner = user->partner;

    if (!partner || user->linked || !user->media || !partner->media)
        return;
    media->link(media->arg, user->media, partner->media);
    user->linked = partner->linked = true;
    tell_returned(user);
    tell_returned(partner);
}

static void unlink_pair(struct user *user)
{
    const struct media_service *media = service_of(user);
    struct user *partner = user->partner;

    if (!user->linked)
        return;
    media->unlink(media->arg, user->media, partner->media);
    user->linked = partner->linked = false;
}

void user_media_unlink(struct user *user)
{
    unlink_pair(user);
    stop_waiting(user);
    if (user->partner)
        stop_waiting(user->partner);
}

static void close_peer(struct user *user)
{
    const struct media_service *media = service_of(user);

    unlink_pair(user);
    if (user->media)
        media->close(media->arg, user->media);
    user->media = NULL;
    user->quality_measured = false;
    set_proving(user, false);
}

void user_media_close(struct user *user)
{
    stop_waiting(user);
    close_peer(user);
}

/* --- what the media service tells
 * ------------------------------------------------------------- */

static void on_failed(struct user *user, enum refusal why)
{
    const bool was_linked = user->linked;

    log_debug("lobby", "user %s: media ended: %s", user->id, refusal_code(why));
    close_peer(user);
    if (why == REFUSAL_NONE) /* the client closed it: nothing that it does not know */
        return;
    counter_add(&lobby_stats(user->lobby)->media_failed, 1);
    user_quality_lost(user);
    user_emit(user, "error",
              json_pack("{s:s, s:s, s:s}", "code", refusal_code(why), "message",
                        refusal_text(why), "event", "media"));
    if (was_linked)
        wait_for_return(user);
}

static void on_connected(struct user *user)
{
    counter_add(&lobby_stats(user->lobby)->media_connected, 1);
    set_proving(user, false);
    lobby_look_again(user);
}

static void on_state(void *arg, enum media_state state, enum refusal why)
{
    struct user *user = arg;

    if (state == MEDIA_CONNECTED)
        on_connected(user);
    else if (state == MEDIA_FAILED)
        on_failed(user, why);
}

static void on_silence(void *arg, bool silent)
{
    user_emit(arg, "audio-activity", json_pack("{s:b}", "silent", silent));
}

static void on_quality(void *arg, const struct media_quality *report)
{
    struct user *user = arg;

    waiting_room_heard(lobby_waiting_room(user->lobby), user, lobby_now(user->lobby));
    user_emit(user, "quality", quality_json(report));
    user_quality_measure(user, report);
}

const struct media_listener user_media_listener = {
    .state = on_state,
    .silence = on_silence,
    .quality = on_quality,
};
