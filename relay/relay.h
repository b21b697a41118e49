/*
 * relay/relay.h - the media relay as the control thread sees it: workers, peer connections,
 * links.
 *
 * A peer connection is answered here (SDP, on the control thread) and lives on one worker (ICE,
 * DTLS, SRTP, RTP); the two talk by messages, so no call blocks and every answer is immediate.
 * The handle belongs to the relay until relay_peer_close. All functions: control thread only.
 */
#ifndef RELAY_RELAY_H
#define RELAY_RELAY_H

#include "core/address.h"
#include "core/base.h"
#include "core/listener.h"
#include "core/loop.h"
#include "core/refusal.h"
#include "relay/codec.h"
#include "relay/guest.h"
#include "relay/quality.h"

#define RELAY_WORKERS_MAX 64
#define RELAY_ADDRESSES_MAX 16
#define RELAY_TCP_PORTS_MAX 8
#define RELAY_GUEST_PORTS_MAX 4

struct relay;
struct relay_peer;

struct relay_options {
    unsigned workers;      /* at least 1 */
    struct address listen[RELAY_ADDRESSES_MAX]; /* IPs to bind; none: all of the machine */
    size_t listen_count;
    uint16_t port;       /* UDP port of worker 0; 0: any free one (one worker only) */
    uint16_t media_port; /* worker i has media_port + i; 0: port + i */
    struct address external[RELAY_ADDRESSES_MAX]; /* for candidates; none: the machine's */
    size_t external_count;
    enum codec_id video_codecs[CODEC_COUNT]; /* in order of preference */
    size_t video_codec_count;
    uint32_t max_peers;      /* of the whole process */
    uint32_t max_handshakes; /* half-open DTLS handshakes per worker */
    uint64_t max_bitrate;    /* cap of a sender's video, bit/s; 0: none */
    uint32_t max_streams_per_ip; /* media connections over TCP from one address; 0: no limit */
    int buffer_bytes;        /* socket buffers, 0: 4 MB */
    bool libsrtp_only;       /* the portable SRTP engine even where the fast one works */
    /* Somebody else on the same ports (relay/guest.h), and on these of the first worker's that are
     * not the media's. NULL: nobody. */
    media_guest_fn *guest;
    void *guest_arg;
    uint16_t guest_port[RELAY_GUEST_PORTS_MAX];
    size_t guest_port_count;
};

enum relay_peer_state { RELAY_PEER_CONNECTING, RELAY_PEER_CONNECTED, RELAY_PEER_FAILED };

/* Called on the control thread. `user` is what relay_offer was given. */
struct relay_events {
    void (*state)(void *user, enum relay_peer_state state, enum refusal why);
    void (*silence)(void *user, bool silent);
    void (*quality)(void *user, const struct relay_quality *quality);
};

#define RELAY_ERROR_MAX 256

/* Opens the ports and starts the threads. RC_SYS, RC_NOMEM with a sentence in `error`. */
int relay_start(struct relay **out, const struct relay_options *options, struct loop *control,
                const struct relay_events *events, char error[static RELAY_ERROR_MAX]);
/* Ends every peer (DTLS close_notify, RTCP BYE), joins the threads, closes the ports. */
void relay_stop(struct relay *relay);

/* See media_service.offer for the meaning of *peer. *answer is malloc'ed. Refusals of both are not
 * counted here: whoever tells the client counts. */
enum refusal relay_offer(struct relay *relay, struct relay_peer **peer, void *user,
                         const char *sdp, size_t length, char **answer);
enum refusal relay_candidate(struct relay_peer *peer, const char *candidate);
void relay_link(struct relay_peer *a, struct relay_peer *b);
void relay_unlink(struct relay_peer *a, struct relay_peer *b);
void relay_peer_close(struct relay_peer *peer);

/* Media over TCP (RFC 6544): for the listeners, borrows the relay. */
struct listener_protocol relay_tcp_protocol(struct relay *relay);
/* The ports that they have: offered to clients from now on. None: nothing is offered. */
void relay_set_tcp_ports(struct relay *relay, const uint16_t *ports, size_t count);
/* Connections of media over TCP. */
uint32_t relay_streams(const struct relay *relay);
void relay_set_stream_limit(struct relay *relay, uint32_t max_streams_per_ip);

uint32_t relay_peer_count(const struct relay *relay);
/* The UDP port of a worker; 0: there is no such worker. */
uint16_t relay_worker_port(const struct relay *relay, unsigned index);
/* The UDP address that the first worker listens on, with its real port. */
struct address relay_address(const struct relay *relay);

#endif
