/*
 * relay/peer.h - one client's peer connection on its worker: ICE, DTLS, SRTP, two tracks each way
 * and their RTCP.
 *
 * Sans-IO. Sequences the value modules and holds no algorithm of its own: peer.c is its life (ICE,
 * DTLS, timers), peer_media.c the way of media, peer_rtcp.c what is said about it. Owned by the
 * worker's struct media; one thread.
 */
#ifndef RELAY_PEER_H
#define RELAY_PEER_H

#include "core/timer.h"
#include "relay/bandwidth.h"
#include "relay/handshake_queue.h"
#include "relay/media.h"
#include "relay/peer_clock.h"
#include "relay/rtcp_schedule.h"
#include "relay/track_in.h"
#include "relay/track_out.h"
#include "relay/transport_feedback.h"

/* After that long without an SRTP packet the DTLS session is released all the same: a client that
 * has our Finished does not repeat its own. */
#define PEER_DTLS_KEEP SEC(10)
/* Checks, then a handshake, each at its slowest; who has no keys by then is given up. */
#define PEER_CONNECT_LIMIT (ICE_CONNECT_TIMEOUT + DTLS_HANDSHAKE_LIMIT)
#define PEER_QUALITY_INTERVAL SEC(5)
#define PEER_LOSSY SEC(10) /* a client that missed something is expected to miss more */
#define PEER_NACK_MAX 64 /* sequence numbers of one NACK that we answer or ask */

enum peer_state { PEER_CONNECTING, PEER_CONNECTED, PEER_FAILED };

/* A partner on another worker: its tracks as they come from there. */
struct remote_partner {
    unsigned worker;
    uint64_t id;
    struct track_in audio, video; /* fed by messages: ring and descriptions, no statistics */
    uint64_t capacity;            /* of the path to the partner's client; 0 unknown */
    /* To be told at the end of the batch, once, however often the client said it. */
    bool capacity_news;
    unsigned report_news; /* mask of enum media_kind: a sender report came in */
};

struct peer {
    /* What every packet looks at, together: relay/peer_prefetch.c asks for these lines first. */
    uint64_t id;
    struct media *media; /* borrowed, the owner */
    enum peer_state state;
    bool dirty;    /* in the worker's list of those to look after at the end of the batch */
    bool stirred;  /* something else than video came since it was looked after */
    bool has_data; /* negotiated */
    bool reports_arrivals; /* transport-wide feedback is negotiated for what the client sends */
    struct peer *next_dirty;
    struct peer *partner; /* borrowed; NULL: not linked, or with somebody on another worker */
    struct remote_partner *remote; /* owned; NULL: not linked, or with somebody on this one */
    struct srtp_context *srtp_in, *srtp_out; /* owned; NULL before keys */
    struct dtls_session *dtls; /* owned; NULL before the first datagram */
    struct timer timer;        /* one for all deadlines */

    struct ice_session ice;
    struct fingerprint expected;
    bool dtls_client;
    struct handshake handshake; /* queued while it is half open */
    bool dtls_used; /* since its buffers were given back last */
    usec_t connect_by; /* while connecting */
    usec_t connected_at;
    struct outbox_route route;

    char cname[32];
    struct track_in audio_in, video_in;
    struct track_out audio_out, video_out;
    struct track_leg leg;
    uint64_t elsewhere_cap; /* of a leg over TCP of another thread; 0: no limit is known */
    enum relay_path path;  /* of the route */
    uint64_t leg_told;     /* of what a leg over TCP takes: what was passed on last */
    struct sent_packets sent;
    struct arrival_log arrivals;
    bool reduced_size;     /* RFC 5506 */
    struct bandwidth bandwidth;
    uint64_t remb; /* what the client says that it can receive; 0: nothing */
    struct peer_clock clock;
    struct rtcp_schedule schedule;
    usec_t quality_due;
};

/* --- peer.c ---------------------------------------------------------------------------------- */

int peer_create(struct peer **out, struct media *media, const struct media_peer_options *options,
                usec_t now);
/* Says goodbye on the wire when it can. */
void peer_free(struct peer *peer, usec_t now);
void peer_configure(struct peer *peer, const struct sdp_negotiated *negotiated, usec_t now);
void peer_restart_ice(struct peer *peer, const struct sdp_negotiated *negotiated,
                      const struct ice_credentials *credentials, usec_t now);

void peer_stun(struct peer *peer, struct span datagram, const struct address *from,
               const struct address *local, usec_t now);
/* Not counted as a sign of life: whether a record authenticated is OpenSSL's secret. */
void peer_dtls(struct peer *peer, struct span datagram, usec_t now);
void peer_send_data(struct peer *peer, struct span packet, usec_t now);
/* The TCP connection of one of its paths is closed. */
void peer_stream_lost(struct peer *peer, const struct address *remote, usec_t now);
/* What carried packets to `remote` is gone. */
void peer_leg_gone(struct peer *peer, const struct address *remote);
void peer_leg_report(struct peer *peer, const struct address *remote,
                     const struct relay_leg *leg);
/* An SRTP or SRTCP packet authenticated: `from` is alive, and the handshake is over. */
void peer_authenticated(struct peer *peer, const struct address *from, usec_t now);
/* At the end of a batch in which something came in: asks and reports what cannot wait. */
void peer_settle(struct peer *peer, usec_t now);

/* --- peer_prefetch.c --- */

/* For a peer that packets of this batch come from, step by step, each for all of them before the
 * next for any: the peer's first lines; when it has keys, what they point to, what else is embedded
 * in it and its partner's first lines; what is embedded there; and before the packets are looked
 * at, what that points to. */
void peer_prefetch_first(const struct peer *peer);
void peer_prefetch(const struct peer *peer);
void peer_prefetch_partner(const struct peer *peer);
void peer_prefetch_more(const struct peer *peer);

/* --- peer_media.c ---------------------------------------------------------------------------- */

/* One plaintext RTP packet; may be changed in place. */
void peer_rtp(struct peer *peer, uint8_t *data, size_t len, usec_t now);
/* A packet to the track that watches it, counted when it leaves and when its codec does not fit.
 * `peer`: anyone of this worker. */
void peer_show(struct peer *peer, struct track_out *watcher, const struct track_packet *packet,
               usec_t now);
/* Packets may have stopped coming: tells when the person fell silent. */
void peer_listen(struct peer *peer, usec_t now);
void peer_link(struct peer *a, struct peer *b, usec_t now);
void peer_unlink(struct peer *peer, usec_t now);
/* What the path to the client carries, as far as is known; 0: unknown. */
uint64_t peer_capacity(const struct peer *peer);
/* What its leg over TCP takes, if that is what it has; 0: unknown. */
uint64_t peer_leg_cap(const struct peer *peer);
/* What the client may send, as the partner's path and our own limit have it; 0: no limit. */
uint64_t peer_send_cap(const struct peer *peer);

/* --- peer_remote.c --------------------------------------------------------------------------- */

void peer_link_remote(struct peer *peer, unsigned worker, uint64_t partner);
void peer_unlink_remote(struct peer *peer);
void peer_remote_input(struct peer *peer, const struct media_remote *what, usec_t now);
/* To the partner's worker: what our tracks are, a packet. */
void peer_remote_tell_tracks(const struct peer *peer, bool ask);
void peer_remote_tell_packet(const struct peer *peer, enum media_kind media, struct span bytes);
/* Passes on key frame requests, sender reports and what the path to our client carries. */
void peer_remote_poll(struct peer *peer, usec_t now);
/* With each report, once a second: repeats what the partner must know, since a worker that is
 * behind loses messages, and looks after the rings. */
void peer_remote_tick(struct peer *peer, usec_t now);

/* --- peer_rtcp.c ------------------------------------------------------------------------------ */

/* One plaintext, possibly compound, RTCP datagram. */
void peer_rtcp(struct peer *peer, struct span datagram, usec_t now);
/* Whatever of NACK, PLI, transport feedback, REMB and reports is due. */
void peer_rtcp_poll(struct peer *peer, usec_t now);
usec_t peer_rtcp_deadline(const struct peer *peer);
void peer_rtcp_bye(struct peer *peer);
void peer_quality(struct peer *peer, usec_t now);

static inline usec_t earlier(usec_t a, usec_t b)
{
    return a < b ? a : b;
}

/* --- media.c, for all of these ---------------------------------------------------------------- */

struct media_context {
    struct ice_agent *ice;
    struct dtls_context *dtls;
    struct srtp_engine *srtp;
    struct timers *timers;
    struct outbox *outbox;
    struct handshake_queue *handshakes;
    uint64_t max_bitrate;
};

const struct media_context *media_context(const struct media *media);
/* The peer is looked after at the end of the batch: everything that may have become due is. */
void media_mark_dirty(struct media *media, struct peer *peer);
/* With each check from there. Another peer that is connected and was heard from there just now
 * keeps the address: a client must not take its neighbour's by one forged source address. */
void media_add_address(struct media *media, struct peer *peer, const struct address *address,
                       usec_t now);
void media_remove_address(struct media *media, struct peer *peer, const struct address *address);
/* A peer has two ufrags during an ICE restart. */
void media_add_ufrag(struct media *media, struct peer *peer, const char *ufrag);
void media_remove_ufrag(struct media *media, struct peer *peer, const char *ufrag);
/* What carries packets there. */
struct relay_leg media_leg(const struct media *media, const struct address *to);
void media_emit(struct media *media, const struct peer *peer, const struct media_event *event);
void media_tell_remote(struct media *media, unsigned worker, uint64_t to,
                       const struct media_remote *what);
void media_emit_data(struct media *media, const struct peer *peer, struct span packet);

#endif
