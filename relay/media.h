/*
 * relay/media.h - everything of one worker: its peers, and the way of a datagram through them.
 *
 * Sans-IO: datagrams and `now` in; datagrams, events and timers out. relay/worker.c puts it on a
 * thread and a socket, tests/sim on a network of function calls. One thread.
 *
 * A batch is classified (RFC 7983), SRTP is unprotected in one go, each packet goes through its
 * peer (relay/peer.h) into the outbox, and media_flush protects and sends what is there.
 */
#ifndef RELAY_MEDIA_H
#define RELAY_MEDIA_H

#include "core/address.h"
#include "core/base.h"
#include "core/metrics.h"
#include "core/timer.h"
#include "core/udp_port.h"
#include "relay/dtls.h"
#include "relay/guest.h"
#include "relay/ice.h"
#include "relay/outbox.h"
#include "relay/peer_clock.h"
#include "relay/quality.h"
#include "relay/rtp_extension.h"
#include "relay/sdp_negotiated.h"

struct media;

/* Counters of one worker. */
struct media_stats {
    struct counter rtp_in, rtcp_in, stun_in, dtls_in, channel_data_in;
    struct counter rtp_forwarded;  /* packets that left as part of a link, RTX not included */
    struct counter retransmitted;  /* answers to NACKs */
    struct counter nack_asked, pli_asked;
    struct counter recovered;      /* packets that RTX brought back */
    struct counter unlinked;       /* media of clients without a partner: dropped, not counted as loss */
    struct counter codec_mismatch; /* packets that the partner cannot decode */
    struct counter peers, handshakes; /* gauges */
    struct counter peers_connected;   /* total that got as far as keys */
};

enum media_event_kind {
    MEDIA_EVENT_CONNECTED, /* DTLS done, keys there */
    MEDIA_EVENT_FAILED,    /* `why`; REFUSAL_NONE: the client closed it */
    MEDIA_EVENT_SILENCE,   /* `silent` */
    MEDIA_EVENT_QUALITY,   /* `quality` */
};

struct media_event {
    enum media_event_kind kind;
    enum refusal why;
    bool silent;
    struct relay_quality quality;
};

/* What one track of a peer is, for a worker that only forwards it. */
struct track_description {
    bool present;
    enum codec_id codec;
    uint8_t payload_type, red_payload_type;
    struct rtp_extension_map extensions;
};

enum media_remote_kind {
    MEDIA_REMOTE_TRACKS,    /* `audio`, `video`: what the sender's packets are; `ask` */
    MEDIA_REMOTE_PACKET,    /* `bytes`: a plaintext RTP packet of `media` */
    MEDIA_REMOTE_REPORT,    /* `ntp`, `timestamp`, `clock`: a sender report of `media` */
    MEDIA_REMOTE_KEY_FRAME, /* a key frame is wanted of the receiver of this message */
    MEDIA_REMOTE_CAPACITY,  /* `bitrate`: what the path to the sender's client carries */
};

/* What two linked peers on different workers tell each other. */
struct media_remote {
    enum media_remote_kind kind;
    uint64_t from; /* peer id of the teller */
    enum media_kind media;
    struct span bytes; /* borrowed */
    struct track_description audio, video;
    bool ask; /* the teller was linked just now and knows nothing yet */
    uint64_t ntp;
    uint32_t timestamp;
    struct peer_clock clock;
    uint64_t bitrate;
};

/* The world outside. */
struct media_output {
    void *arg;
    struct outbox_sink sink;
    /* Something waits for media_flush, made by a timer or a call: once until the next flush. */
    void (*wake)(void *arg);
    void (*event)(void *arg, uint64_t peer, const struct media_event *event);
    /* Decrypted SCTP packets of a peer with a data channel. NULL: there are none. */
    void (*data)(void *arg, uint64_t peer, struct span packet);
    /* For the peer `to` of another worker; copied. NULL: there is no other worker. */
    void (*remote)(void *arg, unsigned worker, uint64_t to, const struct media_remote *what);
    /* What carries packets to this address. NULL: UDP, always. */
    void (*leg)(void *arg, const struct address *to, struct relay_leg *out);
    /* A TCP connection (relay/stream_address.h) is nobody's path any more: to be closed, after the next
     * flush. May be told of one that is closed already. NULL where there are none. */
    void (*stream_end)(void *arg, const struct address *remote);
    /* Datagrams of a batch that are nobody's here, once a batch, behind the rest of it. NULL: there is no
     * guest; plain Binding requests are then answered here. */
    void (*guest)(void *arg, struct udp_datagram *batch, size_t count, usec_t now);
};

struct media_options {
    struct dtls_context *dtls;   /* borrowed */
    struct srtp_engine *srtp;    /* borrowed */
    struct timers *timers;       /* borrowed: the loop's, or the simulation's */
    uint32_t max_peers, max_handshakes;
    uint64_t max_bitrate; /* 0: none */
};

/* What a peer is made of; from the control thread. Plain value. */
struct media_peer_options {
    uint64_t id;
    struct ice_session ice;
    struct sdp_negotiated negotiated;
    uint32_t audio_ssrc, video_ssrc, video_rtx_ssrc;
    char cname[32];
};

int media_create(struct media **out, const struct media_options *options,
                 const struct media_output *output);
/* Closes every peer with a BYE and close_notify. NULL is fine. */
void media_free(struct media *media);

/* Datagrams from one read. Media may be changed in place. */
void media_input(struct media *media, struct udp_datagram *batch, size_t count, usec_t now);
/* The same for what the guest relays to its own server: nothing of it goes to the guest. */
void media_splice(struct media *media, struct udp_datagram *batch, size_t count, usec_t now);
/* Is `from` a path of a peer? */
bool media_accepts(const struct media *media, const struct address *from);
/* The TCP connection of this address is closed: its peer goes by another path, or waits for one. */
void media_stream_lost(struct media *media, const struct address *remote, usec_t now);
/* A leg elsewhere is doing like this. Of nobody's address: nothing. */
void media_leg_report(struct media *media, const struct address *remote,
                      const struct relay_leg *leg);
/* The relay_leg of this address is gone; its peer goes on without. */
void media_leg_gone(struct media *media, const struct address *remote);
/* Sends what the inputs and timers since the last flush have made. After each wakeup. */
void media_flush(struct media *media, usec_t now);

/* RC_FULL: max_peers; RC_BAD: the id is there already; RC_NOMEM. */
int media_peer_open(struct media *media, const struct media_peer_options *options, usec_t now);
/* A renegotiation. With `restart`, an ICE restart with these credentials of ours too. */
int media_peer_update(struct media *media, uint64_t id, const struct sdp_negotiated *negotiated,
                      const struct ice_credentials *restart, usec_t now);
/* Tells the client (BYE, close_notify) and forgets it. Harmless for an unknown id. */
void media_peer_close(struct media *media, uint64_t id, usec_t now);

/* Both live here: each sees and hears the other from now on. */
void media_link(struct media *media, uint64_t a, uint64_t b, usec_t now);
void media_unlink(struct media *media, uint64_t a, uint64_t b, usec_t now);

/* The same for a partner on another worker: each of the two is told of the other. A link ends when
 * either side unlinks or closes; the other is unlinked by its own call. */
void media_link_remote(struct media *media, uint64_t id, unsigned worker, uint64_t partner,
                       usec_t now);
void media_unlink_remote(struct media *media, uint64_t id, uint64_t partner, usec_t now);
/* What the partner's worker has to say. */
void media_remote_input(struct media *media, uint64_t id, const struct media_remote *what,
                        usec_t now);

/* An SCTP packet to a peer's data channel. */
void media_peer_send_data(struct media *media, uint64_t id, struct span packet, usec_t now);

struct media_stats *media_stats(struct media *media);

#endif
