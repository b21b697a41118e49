/*
 * signaling/media_service.h - what signaling asks of a media relay, and what it is told.
 *
 * The interface that lets signaling know nothing of relay/: app/ fills it in. Control thread
 * only; no call blocks, and none calls the listener from inside. A peer is one user's peer
 * connection with the server; a link makes two of them see and hear each other.
 */
#ifndef SIGNALING_MEDIA_SERVICE_H
#define SIGNALING_MEDIA_SERVICE_H

#include "core/base.h"
#include "core/refusal.h"

struct media_peer; /* opaque, owned by the media service until close */

struct media_service {
    void *arg;

    /*
     * Answers an offer. *peer is NULL for a first offer and set on success; for a later one the
     * service decides whether it is an ICE restart, a renegotiation or a new peer connection in
     * place of the old one (*peer stays valid, links stay). *answer is malloc'ed, caller frees.
     * `user` comes back in events. On refusal nothing has changed, and nothing is counted:
     * whoever tells the client counts.
     */
    enum refusal (*offer)(void *arg, struct media_peer **peer, void *user, const char *sdp,
                          size_t length, char **answer);
    /* A trickled candidate, RTCIceCandidateInit's `candidate` ("" or NULL: the end). */
    enum refusal (*candidate)(void *arg, struct media_peer *peer, const char *candidate);
    /* Both must be unlinked. From now on each gets what the other sends. */
    void (*link)(void *arg, struct media_peer *a, struct media_peer *b);
    /* Harmless when not linked. */
    void (*unlink)(void *arg, struct media_peer *a, struct media_peer *b);
    /* Ends the peer connection and its link; the pointer is gone. No event follows. */
    void (*close)(void *arg, struct media_peer *peer);
};

enum media_state {
    MEDIA_CONNECTING, /* answered, ICE and DTLS under way */
    MEDIA_CONNECTED,  /* keys agreed: media flows as soon as it is linked */
    MEDIA_FAILED,     /* `why` says; the peer is dead, close it or answer a new offer on it */
};

/* How a client's media reaches the server. */
enum media_path {
    MEDIA_PATH_UDP,
    MEDIA_PATH_TCP,
    MEDIA_PATH_TURN_UDP,
    MEDIA_PATH_TURN_TCP,
    MEDIA_PATH_TURN_TLS,
    MEDIA_PATH_COUNT
};

/* What one path measured over the last report interval (5 s). Ratios 0..1, times in
 * microseconds, bitrates in bit/s. */
struct media_quality {
    enum media_path path;
    uint32_t rtt;
    float up_loss, down_loss;
    uint32_t up_jitter, down_jitter;
    uint64_t up_bitrate, down_bitrate;
    uint64_t down_estimate; /* what the path to the client is thought to carry; 0 unknown */
};

/* What signaling offers to whoever runs the media service. Control thread. */
struct media_listener {
    void (*state)(void *user, enum media_state state, enum refusal why);
    /* The user's microphone went silent, or came back. */
    void (*silence)(void *user, bool silent);
    void (*quality)(void *user, const struct media_quality *quality);
};

#endif
