/*
 * relay/relay.c - the control thread's half of the media relay: answers offers, chooses workers,
 * keeps the handles, and brings the workers' events home.
 */
#include "relay/relay.h"

#include "core/clock.h"
#include "core/log.h"
#include "core/random.h"
#include "core/table.h"
#include "relay/certificate.h"
#include "relay/data_hub.h"
#include "relay/ice_tcp.h"
#include "relay/local_candidates.h"
#include "relay/sdp_answer.h"
#include "relay/worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CNAME_LEN 16
#define TRACK_ID_LEN 24

struct relay_peer {
    struct relay *relay; /* borrowed, the owner */
    uint64_t id;         /* new with each PeerConnection of the client */
    unsigned worker;
    void *user;
    struct relay_peer *partner; /* borrowed; NULL: not linked */
    uint64_t session_id;        /* of our o= lines */
    struct ice_credentials ice;
    uint32_t audio_ssrc, video_ssrc, video_rtx_ssrc;
    char cname[CNAME_LEN + 1];
    char stream_id[TRACK_ID_LEN + 1], audio_id[TRACK_ID_LEN + 1], video_id[TRACK_ID_LEN + 1];
    struct sdp_negotiated negotiated;
    UT_hash_handle hh;
    char known_ufrag[ICE_UFRAG_LEN + 1]; /* in by_ufrag; "": not there */
    UT_hash_handle hh_ufrag;
};

struct relay {
    struct relay_options options;
    struct relay_events events;
    struct loop *control; /* borrowed */
    struct certificate *certificate;
    struct dtls_context *dtls;
    struct data_hub *hub; /* NULL: no data channels */
    struct worker *worker[RELAY_WORKERS_MAX];
    uint32_t load[RELAY_WORKERS_MAX]; /* peers */
    unsigned workers;
    struct relay_peer *peers; /* by id */
    uint64_t next_id;
    struct local_candidates local;
    struct ice_tcp *tcp;
    struct relay_peer *by_ufrag; /* the same peers */
    struct sdp_offer offer; /* 30 kB, of the call under way */
};

/* --- events ------------------------------------------------------------------------------------- */

static void tell(struct relay *relay, struct relay_peer *peer, const struct media_event *event)
{
    switch (event->kind) {
    case MEDIA_EVENT_CONNECTED:
        relay->events.state(peer->user, RELAY_PEER_CONNECTED, REFUSAL_NONE);
        break;
    case MEDIA_EVENT_FAILED:
        relay->events.state(peer->user, RELAY_PEER_FAILED, event->why);
        break;
    case MEDIA_EVENT_SILENCE:
        relay->events.silence(peer->user, event->silent);
        break;
    case MEDIA_EVENT_QUALITY:
        relay->events.quality(peer->user, &event->quality);
        break;
    }
}

static void on_event(void *arg, uint64_t id, const struct media_event *event)
{
    struct relay *relay = arg;
    struct relay_peer *peer;

    HASH_FIND(hh, relay->peers, &id, sizeof id, peer);
    if (peer) /* else it was closed meanwhile */
        tell(relay, peer, event);
}

/* --- data channels ---------------------------------------------------------------------------------- */

/* On a worker's thread. */
static void on_worker_data(void *arg, uint64_t peer, struct span packet)
{
    struct relay *relay = arg;

    (void)data_hub_packet(relay->hub, peer, packet); /* SCTP sends again what was refused */
}

/* On the hub's thread. */
static void on_hub_send(void *arg, unsigned worker, uint64_t peer, struct span packet)
{
    struct relay *relay = arg;

    (void)worker_send_data(relay->worker[worker], peer, packet);
}

/* A server without data channels is still a server. */
static void start_hub(struct relay *relay)
{
    const struct data_hub_options options = {relay->control, on_hub_send, relay};
    const int rc = data_hub_start(&relay->hub, &options);

    if (rc != RC_OK)
        log_warn("relay", "no data channels: %s",
                 rc == RC_FULL ? "another relay of this process has them" : strerror(errno));
}

/* A DTLS session that was made without a data channel is soon given back: a section that a later
 * offer adds is rejected, and the client makes a new connection for it. */
static bool may_have_data(const struct relay *relay, const struct sdp_negotiated *previous)
{
    return relay->hub && (!previous || previous->data.present);
}

static void link_data(const struct relay_peer *a, const struct relay_peer *b)
{
    if (a->negotiated.data.present && b->negotiated.data.present)
        (void)data_hub_link(a->relay->hub, a->id, b->id);
}

static void unlink_data(const struct relay_peer *a, const struct relay_peer *b)
{
    if (a->negotiated.data.present && b->negotiated.data.present)
        (void)data_hub_unlink(a->relay->hub, a->id, b->id);
}

/* A hub that cannot take it leaves a client without channels, and its media as it is. */
static void open_data(const struct relay_peer *peer)
{
    const struct data_switch_peer data = {
        .id = peer->id,
        .worker = peer->worker,
        .dtls_client = peer->negotiated.dtls_client,
        .data = peer->negotiated.data,
    };

    if (data.data.present)
        (void)data_hub_open(peer->relay->hub, &data);
}

static void close_data(const struct relay_peer *peer)
{
    if (peer->negotiated.data.present)
        (void)data_hub_close(peer->relay->hub, peer->id);
}

/* --- TCP connections -------------------------------------------------------------------------------- */

/* A connection's first check names its session by our ufrag. */
static void know_ufrag(struct relay_peer *peer)
{
    struct relay *relay = peer->relay;

    if (peer->known_ufrag[0])
        HASH_DELETE(hh_ufrag, relay->by_ufrag, peer);
    memcpy(peer->known_ufrag, peer->ice.ufrag, sizeof peer->known_ufrag);
    HASH_ADD(hh_ufrag, relay->by_ufrag, known_ufrag, ICE_UFRAG_LEN, peer);
}

static void forget_ufrag(struct relay_peer *peer)
{
    if (peer->known_ufrag[0])
        HASH_DELETE(hh_ufrag, peer->relay->by_ufrag, peer);
    peer->known_ufrag[0] = '\0';
}

static struct worker *worker_of_ufrag(void *arg, const char *ufrag)
{
    const struct relay *relay = arg;
    const struct relay_peer *peer;

    HASH_FIND(hh_ufrag, relay->by_ufrag, ufrag, ICE_UFRAG_LEN, peer);
    return peer ? relay->worker[peer->worker] : NULL;
}

static void on_stream_closed(void *arg, void *ticket)
{
    struct relay *relay = arg;

    ice_tcp_closed(relay->tcp, ticket);
}

struct listener_protocol relay_tcp_protocol(struct relay *relay)
{
    return ice_tcp_protocol(relay->tcp);
}

void relay_set_tcp_ports(struct relay *relay, const uint16_t *ports, size_t count)
{
    local_candidates_set_tcp(&relay->local, ports, count);
}

uint32_t relay_streams(const struct relay *relay)
{
    return ice_tcp_connections(relay->tcp);
}

void relay_set_stream_limit(struct relay *relay, uint32_t max_streams_per_ip)
{
    ice_tcp_set_limit(relay->tcp, max_streams_per_ip);
}

static int start_tcp(struct relay *relay)
{
    const struct ice_tcp_options options = {
        .max_per_ip = relay->options.max_streams_per_ip,
        .find = worker_of_ufrag,
        .arg = relay,
    };
    return ice_tcp_create(&relay->tcp, &options);
}

/* --- start and stop -------------------------------------------------------------------------------- */

/* The listed addresses or the wildcard, with this port. */
static size_t listen_addresses(const struct relay_options *options, uint16_t port,
                               struct address out[static RELAY_ADDRESSES_MAX])
{
    size_t count = options->listen_count;

    memcpy(out, options->listen, count * sizeof *out);
    if (count == 0)
        (void)address_parse(&out[count++], "*");
    for (size_t i = 0; i < count; i++)
        address_set_port(&out[i], port);
    return count;
}

static uint16_t port_of_worker(const struct relay_options *options, unsigned index)
{
    const uint16_t base = options->media_port ? options->media_port : options->port;

    return options->workers > 1 ? (uint16_t)(base + index) : options->port;
}

static size_t guest_addresses(const struct relay_options *options, unsigned index,
                              struct address *out)
{
    size_t count = 0;

    for (size_t i = 0; index == 0 && i < options->guest_port_count; i++)
        if (options->guest_port[i] != port_of_worker(options, 0))
            count += listen_addresses(options, options->guest_port[i], out + count);
    return count;
}

static struct worker *other_worker(void *arg, unsigned index)
{
    const struct relay *relay = arg;

    return index < relay->workers ? relay->worker[index] : NULL;
}

static void explain(int rc, const struct address *failed, char error[static RELAY_ERROR_MAX])
{
    const char *why = rc == RC_SYS ? strerror(errno) : "no memory";
    char text[ADDRESS_TEXT_MAX];

    if (address_len(failed))
        snprintf(error, RELAY_ERROR_MAX, "cannot listen on UDP %s: %s",
                 address_format(failed, text, sizeof text), why);
    else
        snprintf(error, RELAY_ERROR_MAX, "cannot start a media thread: %s", why);
}

static int start_worker(struct relay *relay, unsigned index, char error[static RELAY_ERROR_MAX])
{
    const struct relay_options *o = &relay->options;
    struct address listen[RELAY_ADDRESSES_MAX], failed = {0};
    struct address also[RELAY_GUEST_PORTS_MAX * RELAY_ADDRESSES_MAX];
    const struct worker_options options = {
        .index = index,
        .listen = listen,
        .listen_count = listen_addresses(o, port_of_worker(o, index), listen),
        .also = also,
        .also_count = guest_addresses(o, index, also),
        .buffer_bytes = o->buffer_bytes,
        .srtp_engine = o->libsrtp_only ? SRTP_ENGINE_LIBSRTP : SRTP_ENGINE_AUTO,
        .media =
            {
                .dtls = relay->dtls,
                /* One that replaces another is opened before the other is closed. */
                .max_peers = o->max_peers + 1,
                .max_handshakes = o->max_handshakes,
                .max_bitrate = o->max_bitrate,
            },
        .control = relay->control,
        .event = on_event,
        .data = relay->hub ? on_worker_data : NULL,
        .stream_closed = on_stream_closed,
        .other = o->workers > 1 ? other_worker : NULL,
        .arg = relay,
        .guest = o->guest,
        .guest_arg = o->guest_arg,
    };

    const int rc = worker_start(&relay->worker[index], &options, &failed);
    if (rc == RC_OK) {
        relay->workers = index + 1;
        return RC_OK;
    }
    explain(rc, &failed, error);
    return rc;
}

int relay_start(struct relay **out, const struct relay_options *options, struct loop *control,
                const struct relay_events *events, char error[static RELAY_ERROR_MAX])
{
    struct relay *relay = calloc(1, sizeof *relay);
    int rc = RC_NOMEM;

    snprintf(error, RELAY_ERROR_MAX, "no memory");
    if (!relay)
        return RC_NOMEM;
    relay->options = *options;
    relay->events = *events;
    relay->control = control;
    relay->next_id = 1;
    local_candidates_init(&relay->local, &relay->options);
    rc = start_tcp(relay);
    if (rc == RC_OK)
        rc = certificate_create(&relay->certificate);
    if (rc == RC_OK)
        rc = dtls_context_create(&relay->dtls, relay->certificate);
    if (rc == RC_OK)
        start_hub(relay);
    for (unsigned i = 0; rc == RC_OK && i < options->workers; i++)
        rc = start_worker(relay, i, error);
    if (rc != RC_OK) {
        relay_stop(relay);
        return rc;
    }
    *out = relay;
    return RC_OK;
}

void relay_stop(struct relay *relay)
{
    struct relay_peer *peer, *next;

    if (!relay)
        return;
    for (unsigned i = 0; i < relay->workers; i++)
        worker_stop(relay->worker[i]);
    data_hub_free(relay->hub); /* nobody posts to it any more; it may still post to workers */
    for (unsigned i = 0; i < relay->workers; i++)
        worker_free(relay->worker[i]);
    ice_tcp_free(relay->tcp);
    HASH_CLEAR(hh_ufrag, relay->by_ufrag);
    HASH_ITER(hh, relay->peers, peer, next)
    {
        HASH_DEL(relay->peers, peer);
        free(peer);
    }
    dtls_context_free(relay->dtls);
    certificate_free(relay->certificate);
    free(relay);
}

/* --- two workers or one --------------------------------------------------------------------------- */

static void link_on_workers(struct relay_peer *a, struct relay_peer *b)
{
    struct relay *relay = a->relay;

    link_data(a, b);
    if (a->worker == b->worker) {
        (void)worker_link(relay->worker[a->worker], a->id, b->id);
        return;
    }
    (void)worker_link_remote(relay->worker[a->worker], a->id, b->worker, b->id);
    (void)worker_link_remote(relay->worker[b->worker], b->id, a->worker, a->id);
}

static void unlink_on_workers(struct relay_peer *a, struct relay_peer *b)
{
    struct relay *relay = a->relay;

    unlink_data(a, b);
    if (a->worker == b->worker) {
        (void)worker_unlink(relay->worker[a->worker], a->id, b->id);
        return;
    }
    (void)worker_unlink_remote(relay->worker[a->worker], a->id, b->id);
    (void)worker_unlink_remote(relay->worker[b->worker], b->id, a->id);
}

/* --- offers ----------------------------------------------------------------------------------------- */

static unsigned least_loaded(const struct relay *relay)
{
    unsigned best = 0;

    for (unsigned i = 1; i < relay->workers; i++)
        if (relay->load[i] < relay->load[best])
            best = i;
    return best;
}

/* RFC 3711, section 9.1: one master key must not serve two streams of one SSRC. */
static void make_ssrcs(struct relay_peer *peer)
{
    do {
        peer->audio_ssrc = random_u32();
        peer->video_ssrc = random_u32();
        peer->video_rtx_ssrc = random_u32();
    } while (!peer->audio_ssrc || !peer->video_ssrc || !peer->video_rtx_ssrc ||
             peer->audio_ssrc == peer->video_ssrc || peer->audio_ssrc == peer->video_rtx_ssrc ||
             peer->video_ssrc == peer->video_rtx_ssrc);
}

static struct relay_peer *new_peer(struct relay *relay, void *user)
{
    struct relay_peer *peer = calloc(1, sizeof *peer);

    if (!peer)
        return NULL;
    peer->relay = relay;
    peer->user = user;
    peer->session_id = random_u64() >> 2;
    random_id(peer->cname, CNAME_LEN);
    random_id(peer->stream_id, TRACK_ID_LEN);
    random_id(peer->audio_id, TRACK_ID_LEN);
    random_id(peer->video_id, TRACK_ID_LEN);
    return peer;
}

static int write_answer(struct relay_peer *peer, const struct sdp_negotiated *previous,
                        struct sdp_negotiated *out, char **answer, enum refusal *why)
{
    struct relay *relay = peer->relay;
    struct candidate candidates[LOCAL_CANDIDATES_MAX];
    struct sdp_local local = {
        .session_id = peer->session_id,
        .ice_ufrag = peer->ice.ufrag,
        .ice_pwd = peer->ice.pwd,
        .fingerprint = certificate_fingerprint(relay->certificate),
        .candidates = candidates,
        .candidate_count = local_candidates_make(
            &relay->local, worker_port(relay->worker[peer->worker]), clock_now(), candidates),
        .audio_ssrc = peer->audio_ssrc,
        .video_ssrc = peer->video_ssrc,
        .video_rtx_ssrc = peer->video_rtx_ssrc,
        .cname = peer->cname,
        .stream_id = peer->stream_id,
        .audio_track_id = peer->audio_id,
        .video_track_id = peer->video_id,
        .video_codec_count = relay->options.video_codec_count,
        .data_channels = may_have_data(relay, previous),
    };

    memcpy(local.video_codecs, relay->options.video_codecs, sizeof local.video_codecs);
    return sdp_answer_write(&relay->offer, &local, previous, out, answer, why);
}

static void forget(struct relay_peer *peer)
{
    struct relay *relay = peer->relay;

    HASH_DEL(relay->peers, peer);
    forget_ufrag(peer);
    relay->load[peer->worker]--;
    close_data(peer);
    (void)worker_close(relay->worker[peer->worker], peer->id);
}

/* Gives the handle a peer connection of its own on `worker`. */
static int open_on_worker(struct relay_peer *peer, const struct sdp_negotiated *negotiated)
{
    struct relay *relay = peer->relay;
    struct media_peer_options options = {
        .id = peer->id,
        .negotiated = *negotiated,
        .audio_ssrc = peer->audio_ssrc,
        .video_ssrc = peer->video_ssrc,
        .video_rtx_ssrc = peer->video_rtx_ssrc,
    };
    const struct span ufrag = {(const uint8_t *)negotiated->ice_ufrag,
                               strlen(negotiated->ice_ufrag)};
    const struct span pwd = {(const uint8_t *)negotiated->ice_pwd, strlen(negotiated->ice_pwd)};

    memcpy(options.cname, peer->cname, sizeof peer->cname);
    int rc = ice_session_init(&options.ice, ufrag, pwd, clock_now());
    if (rc == RC_OK) {
        ice_session_use(&options.ice, &peer->ice);
        rc = worker_open(relay->worker[peer->worker], &options);
    }
    explicit_bzero(&options, sizeof options);
    return rc;
}

static enum refusal answer_new(struct relay_peer *peer, bool replaces, char **answer)
{
    struct relay *relay = peer->relay;
    const struct relay_peer before = *peer;
    struct sdp_negotiated negotiated;
    enum refusal why = REFUSAL_SERVER_FULL;

    peer->id = relay->next_id++;
    peer->worker = replaces ? before.worker : least_loaded(relay);
    make_ssrcs(peer);
    ice_credentials_make(&peer->ice);

    int rc = write_answer(peer, NULL, &negotiated, answer, &why);
    if (rc == RC_OK) {
        rc = open_on_worker(peer, &negotiated);
        why = REFUSAL_SERVER_FULL;
        if (rc != RC_OK) {
            free(*answer);
            *answer = NULL;
        }
    }
    if (rc != RC_OK) {
        *peer = before;
        return why;
    }

    if (replaces) { /* the handle is hashed under the id of the connection that it replaces */
        const uint64_t id = peer->id;

        peer->id = before.id;
        forget(peer);
        peer->id = id;
    }
    peer->negotiated = negotiated;
    open_data(peer);
    HASH_ADD(hh, relay->peers, id, sizeof peer->id, peer);
    know_ufrag(peer);
    relay->load[peer->worker]++;
    if (peer->partner)
        link_on_workers(peer, peer->partner);
    return REFUSAL_NONE;
}

static enum refusal answer_again(struct relay_peer *peer, bool restart, char **answer)
{
    struct relay *relay = peer->relay;
    const struct ice_credentials before = peer->ice;
    struct sdp_negotiated negotiated;
    enum refusal why;

    if (restart)
        ice_credentials_make(&peer->ice);
    if (write_answer(peer, &peer->negotiated, &negotiated, answer, &why) != RC_OK) {
        peer->ice = before;
        return why;
    }
    if (worker_update(relay->worker[peer->worker], peer->id, &negotiated,
                      restart ? &peer->ice : NULL) != RC_OK) {
        peer->ice = before;
        free(*answer);
        *answer = NULL;
        return REFUSAL_SERVER_FULL;
    }
    if (!negotiated.data.present)
        close_data(peer);
    peer->negotiated = negotiated;
    know_ufrag(peer);
    return REFUSAL_NONE;
}

static enum refusal answer_offer(struct relay *relay, struct relay_peer **peer, void *user,
                                 char **answer)
{
    if (*peer) {
        switch (sdp_change_kind(&(*peer)->negotiated, &relay->offer)) {
        case SDP_NEW_SESSION:
            return answer_new(*peer, true, answer);
        case SDP_ICE_RESTART:
            return answer_again(*peer, true, answer);
        case SDP_RENEGOTIATION:
            return answer_again(*peer, false, answer);
        }
    }
    if (relay_peer_count(relay) >= relay->options.max_peers)
        return REFUSAL_PEER_LIMIT;
    struct relay_peer *fresh = new_peer(relay, user);
    if (!fresh)
        return REFUSAL_SERVER_FULL;
    const enum refusal why = answer_new(fresh, false, answer);
    if (why == REFUSAL_NONE)
        *peer = fresh;
    else
        free(fresh);
    return why;
}

enum refusal relay_offer(struct relay *relay, struct relay_peer **peer, void *user,
                         const char *sdp, size_t length, char **answer)
{
    enum refusal why = REFUSAL_SDP_MALFORMED;

    if (sdp_offer_parse(sdp, length, &relay->offer, &why) != RC_OK)
        return why;
    return answer_offer(relay, peer, user, answer);
}

enum refusal relay_candidate(struct relay_peer *peer, const char *text)
{
    struct candidate candidate;
    const size_t length = text ? strlen(text) : 0;
    (void)peer;

    /* An ICE-lite agent makes no checks: a candidate is looked at and not needed. */
    if (length == 0 || candidate_is_end(text, length))
        return REFUSAL_NONE;
    if (candidate_parse(text, length, &candidate) != RC_OK)
        return REFUSAL_CANDIDATE_MALFORMED;
    return REFUSAL_NONE;
}

/* --- links ------------------------------------------------------------------------------------------- */

void relay_link(struct relay_peer *a, struct relay_peer *b)
{
    if (a == b || a->partner || b->partner)
        return;
    a->partner = b;
    b->partner = a;
    link_on_workers(a, b);
}

void relay_unlink(struct relay_peer *a, struct relay_peer *b)
{
    if (a->partner != b)
        return;
    a->partner = NULL;
    b->partner = NULL;
    unlink_on_workers(a, b);
}

void relay_peer_close(struct relay_peer *peer)
{
    if (!peer)
        return;
    if (peer->partner)
        relay_unlink(peer, peer->partner);
    forget(peer);
    explicit_bzero(&peer->ice, sizeof peer->ice);
    free(peer);
}

uint32_t relay_peer_count(const struct relay *relay)
{
    return HASH_COUNT(relay->peers);
}

struct address relay_address(const struct relay *relay)
{
    struct address listen[RELAY_ADDRESSES_MAX];

    (void)listen_addresses(&relay->options, worker_port(relay->worker[0]), listen);
    return listen[0];
}

uint16_t relay_worker_port(const struct relay *relay, unsigned index)
{
    return index < relay->workers ? worker_port(relay->worker[index]) : 0;
}
