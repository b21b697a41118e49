#include "app/relay_media.h"

#include "signaling/user_media.h"

/* --- what signaling asks ------------------------------------------------------------------ */

static enum refusal media_offer(void *arg, struct media_peer **peer, void *user,
                                const char *sdp, size_t length, char **answer)
{
    struct relay_peer *relay_peer = (struct relay_peer *)*peer;

    const enum refusal why = relay_offer(arg, &relay_peer, user, sdp, length, answer);
    *peer = (struct media_peer *)relay_peer;
    return why;
}

static enum refusal media_candidate(void *arg, struct media_peer *peer, const char *candidate)
{
    (void)arg;
    return relay_candidate((struct relay_peer *)peer, candidate);
}

static void media_link(void *arg, struct media_peer *a, struct media_peer *b)
{
    (void)arg;
    relay_link((struct relay_peer *)a, (struct relay_peer *)b);
}

static void media_unlink(void *arg, struct media_peer *a, struct media_peer *b)
{
    (void)arg;
    relay_unlink((struct relay_peer *)a, (struct relay_peer *)b);
}

static void media_close(void *arg, struct media_peer *peer)
{
    (void)arg;
    relay_peer_close((struct relay_peer *)peer);
}

/* --- what the relay tells ----------------------------------------------------------------- */

static void on_state(void *user, enum relay_peer_state state, enum refusal why)
{
    static const enum media_state states[] = {
        [RELAY_PEER_CONNECTING] = MEDIA_CONNECTING,
        [RELAY_PEER_CONNECTED] = MEDIA_CONNECTED,
        [RELAY_PEER_FAILED] = MEDIA_FAILED,
    };
    user_media_listener.state(user, states[state], why);
}

static void on_silence(void *user, bool silent)
{
    user_media_listener.silence(user, silent);
}

static void on_quality(void *user, const struct relay_quality *q)
{
    static const enum media_path paths[] = {
        [RELAY_PATH_UDP] = MEDIA_PATH_UDP,
        [RELAY_PATH_TCP] = MEDIA_PATH_TCP,
        [RELAY_PATH_TURN_UDP] = MEDIA_PATH_TURN_UDP,
        [RELAY_PATH_TURN_TCP] = MEDIA_PATH_TURN_TCP,
        [RELAY_PATH_TURN_TLS] = MEDIA_PATH_TURN_TLS,
    };

    user_media_listener.quality(user, &(struct media_quality){
                                          .rtt = q->rtt,
                                          .up_loss = q->up_loss,
                                          .down_loss = q->down_loss,
                                          .up_jitter = q->up_jitter,
                                          .down_jitter = q->down_jitter,
                                          .up_bitrate = q->up_bitrate,
                                          .down_bitrate = q->down_bitrate,
                                          .down_estimate = q->down_estimate,
                                          .path = paths[q->path],
                                      });
}

/* --- both --------------------------------------------------------------------------------- */

struct media_service relay_media_service(struct relay *relay)
{
    return (struct media_service){
        .arg = relay,
        .offer = media_offer,
        .candidate = media_candidate,
        .link = media_link,
        .unlink = media_unlink,
        .close = media_close,
    };
}

const struct relay_events relay_media_events = {
    .state = on_state,
    .silence = on_silence,
    .quality = on_quality,
};
