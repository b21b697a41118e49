#include "relay/peer.h"

#include "core/dtls_record.h"

#include <stdlib.h>
#include <string.h>

static void fail(struct peer *peer, enum refusal why)
{
    if (peer->state == PEER_FAILED)
        return;
    peer->state = PEER_FAILED;
    /* From here on nothing is sent to where the client was (RFC 7675, section 5.1); an alert that
     * says why has still to leave. */
    outbox_flush(media_context(peer->media)->outbox);
    peer->route.remote = (struct address){0};
    peer->leg.stream = NULL;
    peer->leg.elsewhere = false;
    const struct media_event event = {.kind = MEDIA_EVENT_FAILED, .why = why};
    media_emit(peer->media, peer, &event);
}

static struct media_stats *stats_of(const struct peer *peer)
{
    return media_stats(peer->media);
}

/* --- deadlines -------------------------------------------------------------------------------- */

static usec_t deadline(const struct peer *peer)
{
    usec_t due = ice_deadline(&peer->ice);

    if (peer->dtls && !dtls_released(peer->dtls)) {
        due = earlier(due, dtls_deadline(peer->dtls));
        if (peer->state == PEER_CONNECTED && !peer->has_data)
            due = earlier(due, peer->connected_at + PEER_DTLS_KEEP);
    }
    if (peer->state == PEER_CONNECTING)
        due = earlier(due, peer->connect_by);
    if (peer->state == PEER_CONNECTED) {
        due = earlier(due, peer_rtcp_deadline(peer));
        due = earlier(due, peer->quality_due);
    }
    return due;
}

static void rearm(struct peer *peer)
{
    struct timers *timers = media_context(peer->media)->timers;
    const usec_t due = peer->state == PEER_FAILED ? USEC_NEVER : deadline(peer);

    if (due == USEC_NEVER)
        timers_clear(timers, &peer->timer);
    else if (!timer_is_set(&peer->timer) || peer->timer.due != due)
        (void)timers_set(timers, &peer->timer, due);
}

/* --- ICE --------------------------------------------------------------------------------------- */

static void start_dtls(struct peer *peer, usec_t now);

static void take_leg(struct peer *peer, const struct relay_leg *leg)
{
    peer->path = leg->path;
    peer->leg.stream = leg->stream;
    peer->leg.elsewhere = leg->elsewhere;
    peer->leg.full = leg->elsewhere && leg->full;
    peer->elsewhere_cap = leg->elsewhere ? leg->cap : 0;
}

/* To the selected path, and what carries packets there. */
static void follow_path(struct peer *peer)
{
    const struct ice_path *path = ice_selected(&peer->ice);

    if (!path)
        return;
    const struct relay_leg leg = media_leg(peer->media, &path->remote);
    peer->route.remote = path->remote;
    peer->route.local = path->local;
    take_leg(peer, &leg);
    if (!leg.stream)
        return;
    stream_leg_know(leg.stream, peer->audio_out.ssrc, STREAM_LEG_SOUND);
    stream_leg_know(leg.stream, peer->video_out.ssrc, STREAM_LEG_ADMITTED);
    stream_leg_know(leg.stream, peer->video_out.rtx_ssrc, STREAM_LEG_ADMITTED);
}

static void take_ice_output(struct peer *peer, const struct ice_output *out, usec_t now)
{
    struct media *media = peer->media;

    for (uint8_t i = 0; i < out->removed_count; i++)
        media_remove_address(media, peer, &out->removed[i]);
    if (out->events & ICE_EVENT_UFRAG_RETIRED)
        media_remove_ufrag(media, peer, out->retired_ufrag);
    if (out->events & ICE_EVENT_PATH && peer->state != PEER_FAILED)
        follow_path(peer);
    if (out->events & ICE_EVENT_FAILED)
        fail(peer, peer->ice.why);
    else if (peer->state == PEER_CONNECTING && peer->dtls_client && !peer->dtls &&
             ice_selected(&peer->ice))
        start_dtls(peer, now);
}

void peer_stun(struct peer *peer, struct span datagram, const struct address *from,
               const struct address *local, usec_t now)
{
    const struct media_context *context = media_context(peer->media);
    struct ice_output out;

    (void)ice_input(context->ice, &peer->ice, datagram, from, local, now, &out);
    if (out.reply_len)
        outbox_send_raw(context->outbox, from, local, (struct span){out.reply, out.reply_len});
    take_ice_output(peer, &out, now);
    if (ice_accepts(&peer->ice, from))
        media_add_address(peer->media, peer, from, now);
    media_mark_dirty(peer->media, peer);
}

void peer_leg_gone(struct peer *peer, const struct address *remote)
{
    if (address_equal(&peer->route.remote, remote))
        peer->leg.stream = NULL;
}

void peer_leg_report(struct peer *peer, const struct address *remote,
                     const struct relay_leg *leg)
{
    if (!address_equal(&peer->route.remote, remote))
        return;
    take_leg(peer, leg);
    media_mark_dirty(peer->media, peer);
}

void peer_stream_lost(struct peer *peer, const struct address *remote, usec_t now)
{
    struct ice_output out;

    peer_leg_gone(peer, remote);
    ice_lost(&peer->ice, remote, &out);
    take_ice_output(peer, &out, now);
    media_mark_dirty(peer->media, peer);
}

void peer_restart_ice(struct peer *peer, const struct sdp_negotiated *negotiated,
                      const struct ice_credentials *credentials, usec_t now)
{
    const struct span ufrag = {(const uint8_t *)negotiated->ice_ufrag,
                               strlen(negotiated->ice_ufrag)};
    const struct span pwd = {(const uint8_t *)negotiated->ice_pwd, strlen(negotiated->ice_pwd)};
    struct ice_output out;

    if (ice_session_restart(&peer->ice, ufrag, pwd, now, &out) != RC_OK)
        return;
    ice_session_use(&peer->ice, credentials);
    peer->connect_by = now + PEER_CONNECT_LIMIT;
    media_add_ufrag(peer->media, peer, peer->ice.local.ufrag);
    take_ice_output(peer, &out, now);
    media_mark_dirty(peer->media, peer);
}

/* --- DTLS --------------------------------------------------------------------------------------- */

static void send_dtls(struct peer *peer)
{
    struct outbox *outbox = media_context(peer->media)->outbox;
    size_t len;

    for (;;) {
        uint8_t *buf = outbox_reserve(outbox);

        len = dtls_poll(peer->dtls, buf, OUTBOX_PACKET_MAX);
        if (len == 0)
            return;
        outbox_commit(outbox, &peer->route, OUTBOX_RAW, len);
    }
}

static void count_handshakes(const struct peer *peer)
{
    counter_set(&stats_of(peer)->handshakes, media_context(peer->media)->handshakes->count);
}

/* The handshake is over, either way. */
static void leave_queue(struct peer *peer)
{
    handshake_queue_remove(media_context(peer->media)->handshakes, &peer->handshake);
    count_handshakes(peer);
}

/* It took its time while others wait for its place. */
static void give_way(struct handshake *handshake)
{
    struct peer *peer = (struct peer *)((char *)handshake - offsetof(struct peer, handshake));

    dtls_session_free(peer->dtls);
    peer->dtls = NULL;
    fail(peer, refuse(REFUSAL_DTLS_TIMEOUT));
    media_mark_dirty(peer->media, peer);
}

static void start_dtls(struct peer *peer, usec_t now)
{
    const struct media_context *context = media_context(peer->media);
    const struct dtls_options options = {
        .role = peer->dtls_client ? DTLS_CLIENT : DTLS_SERVER,
        .expected = peer->expected,
        .srtp_required = !peer->has_data,
    };
    struct handshake *evicted;

    if (handshake_queue_add(context->handshakes, &peer->handshake, now, &evicted) != RC_OK) {
        refuse(REFUSAL_DTLS_TOO_MANY); /* the client sends its ClientHello again */
        return;
    }
    if (evicted)
        give_way(evicted);
    if (dtls_session_create(&peer->dtls, context->dtls, &options, now) != RC_OK) {
        leave_queue(peer);
        return;
    }
    count_handshakes(peer);
    send_dtls(peer);
}

static int make_srtp(struct peer *peer, const struct dtls_keys *keys)
{
    struct srtp_engine *engine = media_context(peer->media)->srtp;
    const struct dtls_key *theirs = &keys->theirs, *ours = &keys->ours;

    int rc = srtp_context_create(&peer->srtp_in, engine, keys->profile, SRTP_INBOUND,
                                 (struct span){theirs->key, theirs->key_len},
                                 (struct span){theirs->salt, theirs->salt_len});
    if (rc == RC_OK)
        rc = srtp_context_create(&peer->srtp_out, engine, keys->profile, SRTP_OUTBOUND,
                                 (struct span){ours->key, ours->key_len},
                                 (struct span){ours->salt, ours->salt_len});
    peer->route.srtp = peer->srtp_out;
    return rc;
}

static void connected(struct peer *peer, usec_t now)
{
    const struct media_event event = {.kind = MEDIA_EVENT_CONNECTED};
    struct dtls_keys keys;

    leave_queue(peer);
    if (dtls_keys(peer->dtls, &keys) == RC_OK) {
        const int rc = make_srtp(peer, &keys);
        explicit_bzero(&keys, sizeof keys);
        if (rc != RC_OK) {
            fail(peer, REFUSAL_SERVER_FULL);
            return;
        }
    }
    peer->state = PEER_CONNECTED;
    peer->connected_at = now;
    peer->quality_due = now + PEER_QUALITY_INTERVAL;
    rtcp_schedule_init(&peer->schedule, (uint32_t)peer->id * 2654435761u, now);
    rtcp_schedule_set_remb(&peer->schedule, peer_send_cap(peer));
    counter_add(&stats_of(peer)->peers_connected, 1);
    media_emit(peer->media, peer, &event);
}

/* After any step of the DTLS session: sends what it has to say and follows its state. */
static void follow_dtls(struct peer *peer, enum refusal result, usec_t now)
{
    send_dtls(peer);
    if (result != REFUSAL_NONE) {
        leave_queue(peer);
        fail(peer, result);
        return;
    }
    switch (dtls_state(peer->dtls)) {
    case DTLS_CONNECTED:
        if (peer->state == PEER_CONNECTING)
            connected(peer, now);
        break;
    case DTLS_CLOSED:
        leave_queue(peer);
        fail(peer, REFUSAL_NONE);
        break;
    default:
        break;
    }
}

static void read_data(struct peer *peer)
{
    uint8_t record[DTLS_RECORD_MAX];
    size_t len;

    while ((len = dtls_receive(peer->dtls, record, sizeof record)) > 0)
        if (peer->has_data)
            media_emit_data(peer->media, peer, (struct span){record, len});
}

/* A session is made for what begins one: a record of epoch 0 with a ClientHello in it. */
static bool may_begin(const struct peer *peer, struct span datagram)
{
    return !peer->dtls_client && dtls_is_client_hello(datagram);
}

void peer_dtls(struct peer *peer, struct span datagram, usec_t now)
{
    media_mark_dirty(peer->media, peer);
    if (peer->state == PEER_CONNECTING && !peer->dtls && may_begin(peer, datagram))
        start_dtls(peer, now);
    else if (!peer->dtls || peer->state == PEER_FAILED || dtls_released(peer->dtls))
        refuse(REFUSAL_DTLS_UNEXPECTED);
    if (!peer->dtls || peer->state == PEER_FAILED || dtls_released(peer->dtls))
        return;

    peer->dtls_used = true;
    const enum refusal result = dtls_input(peer->dtls, datagram, now);
    follow_dtls(peer, result, now);
    if (dtls_state(peer->dtls) == DTLS_CONNECTED)
        read_data(peer);
}

void peer_send_data(struct peer *peer, struct span packet, usec_t now)
{
    (void)now;
    if (peer->state != PEER_CONNECTED || !peer->dtls)
        return;
    peer->dtls_used = true;
    if (dtls_send(peer->dtls, packet) == RC_AGAIN) {
        send_dtls(peer);
        (void)dtls_send(peer->dtls, packet);
    }
    send_dtls(peer);
}

void peer_authenticated(struct peer *peer, const struct address *from, usec_t now)
{
    ice_alive(&peer->ice, from, now);
    if (!peer->has_data && peer->dtls && !dtls_released(peer->dtls))
        dtls_release(peer->dtls);
}

/* --- time ---------------------------------------------------------------------------------------- */

/* Gives back what OpenSSL holds: all of it, or between bursts of data its buffers. */
static void slim_dtls(struct peer *peer, usec_t now)
{
    if (!peer->dtls || dtls_released(peer->dtls))
        return;
    if (!peer->has_data && now >= peer->connected_at + PEER_DTLS_KEEP)
        dtls_release(peer->dtls);
    else if (peer->dtls_used)
        dtls_trim(peer->dtls);
    peer->dtls_used = false;
}

static void on_timer(struct timer *timer, void *arg, usec_t now)
{
    struct peer *peer = arg;
    struct ice_output out;
    (void)timer;

    ice_tick(&peer->ice, now, &out);
    take_ice_output(peer, &out, now);
    if (peer->state == PEER_FAILED)
        return;
    if (peer->dtls && !dtls_released(peer->dtls) && dtls_deadline(peer->dtls) <= now)
        follow_dtls(peer, dtls_tick(peer->dtls, now), now);
    if (peer->state == PEER_CONNECTING && now >= peer->connect_by)
        fail(peer, refuse(REFUSAL_DTLS_TIMEOUT));
    if (peer->state == PEER_CONNECTED)
        slim_dtls(peer, now);
    if (peer->state == PEER_CONNECTED && now >= peer->quality_due) {
        peer->quality_due = now + PEER_QUALITY_INTERVAL;
        peer_quality(peer, now);
    }
    media_mark_dirty(peer->media, peer);
}

/* Only packets of video came: what these can have made due is looked at, and nothing else, which
 * lies in memory that is far away. Deadlines that they put off are found out when the timer rings. */
static bool is_calm(const struct peer *peer, usec_t now)
{
    const struct track_in *video = &peer->video_in;
    const usec_t due = peer->timer.due;

    return !peer->stirred && timer_is_set(&peer->timer) && due > now &&
           peer->state == PEER_CONNECTED && nack_generator_deadline(&video->nack) >= due &&
           !video->nack.key_frame_needed && keyframe_request_deadline(&video->key_frame) >= due &&
           (!peer->reports_arrivals || arrival_log_deadline(&peer->arrivals) >= due);
}

void peer_settle(struct peer *peer, usec_t now)
{
    if (is_calm(peer, now))
        return;
    peer->stirred = false;
    if (peer->state == PEER_CONNECTED)
        peer_rtcp_poll(peer, now);
    rearm(peer);
}

/* --- life ------------------------------------------------------------------------------------------ */

void peer_configure(struct peer *peer, const struct sdp_negotiated *negotiated, usec_t now)
{
    const struct sdp_negotiated_media *audio = &negotiated->audio, *video = &negotiated->video;

    track_in_configure(&peer->audio_in, audio, now);
    track_in_configure(&peer->video_in, video, now);
    track_out_configure(&peer->audio_out, audio);
    track_out_configure(&peer->video_out, video);
    peer->has_data = negotiated->data.present;
    peer->reduced_size = audio->rtcp_rsize || video->rtcp_rsize;
    peer->reports_arrivals = audio->receive_extension[RTP_EXTENSION_TRANSPORT_WIDE_CC] ||
                             video->receive_extension[RTP_EXTENSION_TRANSPORT_WIDE_CC];
    const bool tells_arrivals =
        (video->present && (video->feedback & FEEDBACK_TRANSPORT_CC) &&
         video->send_extension[RTP_EXTENSION_TRANSPORT_WIDE_CC]) ||
        (audio->present && (audio->feedback & FEEDBACK_TRANSPORT_CC) &&
         audio->send_extension[RTP_EXTENSION_TRANSPORT_WIDE_CC]);
    peer->leg.sent = tells_arrivals ? &peer->sent : NULL;

    /* A partner whose stream is another one now is watched anew. */
    if (peer->partner && peer->partner->video_out.source == &peer->video_in &&
        peer->partner->video_out.rewriter.ssrc != peer->video_in.ssrc && peer->video_in.ssrc)
        track_out_watch(&peer->partner->video_out, &peer->video_in);
    if (peer->remote)
        peer_remote_tell_tracks(peer, false);
    media_mark_dirty(peer->media, peer);
}

int peer_create(struct peer **out, struct media *media, const struct media_peer_options *options,
                usec_t now)
{
    struct peer *peer = calloc(1, sizeof *peer);
    if (!peer)
        return RC_NOMEM;

    const struct sdp_negotiated *negotiated = &options->negotiated;
    peer->id = options->id;
    peer->media = media;
    peer->ice = options->ice;
    peer->connect_by = now + PEER_CONNECT_LIMIT;
    peer->dtls_client = negotiated->dtls_client;
    peer->expected = negotiated->fingerprint;
    memcpy(peer->cname, options->cname, sizeof peer->cname);
    timer_init(&peer->timer, on_timer, peer);

    peer->leg.outbox = media_context(media)->outbox;
    peer->leg.route = &peer->route;
    sent_packets_init(&peer->sent);
    arrival_log_init(&peer->arrivals);
    peer_clock_init(&peer->clock);
    const uint64_t cap = media_context(media)->max_bitrate;
    bandwidth_init(&peer->bandwidth, BANDWIDTH_MIN_DEFAULT, BANDWIDTH_START_DEFAULT,
                   cap ? cap : BANDWIDTH_MAX_DEFAULT);

    track_in_init(&peer->audio_in, MEDIA_AUDIO);
    track_in_init(&peer->video_in, MEDIA_VIDEO);
    track_out_init(&peer->audio_out, MEDIA_AUDIO,
                   &(struct track_out_ssrcs){.media = options->audio_ssrc}, &peer->leg);
    track_out_init(
        &peer->video_out, MEDIA_VIDEO,
        &(struct track_out_ssrcs){.media = options->video_ssrc, .rtx = options->video_rtx_ssrc},
        &peer->leg);
    peer_configure(peer, negotiated, now);
    *out = peer;
    return RC_OK;
}

void peer_free(struct peer *peer, usec_t now)
{
    const struct media_context *context = media_context(peer->media);

    peer_unlink(peer, now);
    if (peer->state == PEER_CONNECTED) {
        peer_rtcp_bye(peer);
        dtls_close(peer->dtls);
        send_dtls(peer);
    }
    outbox_flush(context->outbox); /* the route and the SRTP contexts go away */
    leave_queue(peer);
    timers_clear(context->timers, &peer->timer);
    track_out_free(&peer->audio_out);
    track_out_free(&peer->video_out);
    track_in_free(&peer->audio_in);
    track_in_free(&peer->video_in);
    dtls_session_free(peer->dtls);
    srtp_context_free(peer->srtp_in);
    srtp_context_free(peer->srtp_out);
    free(peer);
}
