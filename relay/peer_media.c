/*
 * relay/peer_media.c - the way of media through a peer: from a plaintext packet to its track,
 * and from there to whoever watches; links between two peers.
 */
#include "relay/peer.h"

#include "relay/rtx.h"

/* Of a link's capacity, what is kept for sound and feedback when the video's sender is told how
 * much it may send. */
#define CAP_AUDIO_SHARE 50000u

static struct track_in *find_track(struct peer *peer, const struct rtp_view *view)
{
    if (track_in_owns(&peer->video_in, view->ssrc, view->payload_type))
        return &peer->video_in;
    if (track_in_owns(&peer->audio_in, view->ssrc, view->payload_type))
        return &peer->audio_in;
    return NULL;
}

/* Transport-wide sequence numbers span the tracks of a peer; each section has its own ids. */
static void note_arrival(struct peer *peer, const struct track_in *track,
                         const struct rtp_view *view, usec_t now)
{
    struct span data;
    uint16_t seq;

    if (!peer->reports_arrivals)
        return;
    if (!rtp_extension_find(view, &track->extensions, RTP_EXTENSION_TRANSPORT_WIDE_CC, &data))
        return;
    if (rtp_extension_read_transport_sequence(data, &seq))
        arrival_log_packet(&peer->arrivals, seq, now);
}

static void tell_silence(struct peer *peer, enum silence_event silence)
{
    if (silence == SILENCE_NOTHING)
        return;
    const struct media_event event = {.kind = MEDIA_EVENT_SILENCE,
                                      .silent = silence == SILENCE_SILENT};
    media_emit(peer->media, peer, &event);
}

void peer_listen(struct peer *peer, usec_t now)
{
    if (silence_deadline(&peer->audio_in.silence) <= now)
        tell_silence(peer, silence_tick(&peer->audio_in.silence, now));
}

void peer_show(struct peer *peer, struct track_out *watcher, const struct track_packet *packet,
               usec_t now)
{
    struct media_stats *stats = media_stats(peer->media);
    const uint64_t before = watcher->packets;

    if (!track_out_takes(watcher, packet->codec))
        counter_add(&stats->codec_mismatch, 1);
    track_out_packet(watcher, packet, now);
    counter_add(&stats->rtp_forwarded, watcher->packets - before);
}

static void take_packet(struct peer *peer, struct track_in *track, struct span bytes,
                        bool recovered, usec_t now)
{
    struct media_stats *stats = media_stats(peer->media);
    struct track_packet packet;
    enum silence_event silence;

    const enum refusal why = track_in_packet(track, bytes, recovered, now, &packet, &silence);
    if (why != REFUSAL_NONE) {
        refuse(why);
        return;
    }
    tell_silence(peer, silence);
    if (packet.duplicate)
        return;
    if (recovered)
        counter_add(&stats->recovered, 1);
    if (track->sink)
        peer_show(peer, track->sink, &packet, now);
    else if (peer->remote)
        peer_remote_tell_packet(peer, track->media, packet.bytes);
    else
        counter_add(&stats->unlinked, 1);
}

static void take_rtx(struct peer *peer, struct track_in *track, uint8_t *data, size_t len,
                     usec_t now)
{
    struct span media;

    /* RC_AGAIN: padding that probes the path. */
    const int rc = rtx_decapsulate(data, len, track->ssrc, track->payload_type, &media);
    if (rc == RC_BAD)
        refuse(REFUSAL_RTP_MALFORMED);
    else if (rc == RC_OK && track->ssrc)
        take_packet(peer, track, media, true, now);
}

void peer_rtp(struct peer *peer, uint8_t *data, size_t len, usec_t now)
{
    const struct span bytes = {data, len};
    struct rtp_view view;

    if (rtp_parse(bytes, &view) != RC_OK) {
        refuse(REFUSAL_RTP_MALFORMED);
        return;
    }
    struct track_in *track = find_track(peer, &view);
    if (!track) {
        refuse(REFUSAL_RTP_UNKNOWN_SSRC);
        return;
    }
    note_arrival(peer, track, &view, now);
    if (track->media == MEDIA_AUDIO || peer->remote)
        peer->stirred = true;
    if (track->rtx_ssrc && view.ssrc == track->rtx_ssrc)
        take_rtx(peer, track, data, len, now);
    else
        take_packet(peer, track, bytes, false, now);
}

/* --- links
 * --------------------------------------------------------------------------------------- */

uint64_t peer_leg_cap(const struct peer *peer)
{
    return peer->leg.stream ? stream_leg_cap(peer->leg.stream) : peer->elsewhere_cap;
}

uint64_t peer_capacity(const struct peer *peer)
{
    /* When packets arrive over TCP says how TCP works, and little of the path: what the client
     * makes of it, and we of its reports, is wrong. The leg itself knows. */
    if (peer->leg.stream || peer->leg.elsewhere)
        return peer_leg_cap(peer);
    if (peer->leg.sent && bandwidth_is_known(&peer->bandwidth))
        return bandwidth_estimate(&peer->bandwidth);
    return peer->remb;
}

uint64_t peer_send_cap(const struct peer *peer)
{
    const uint64_t limit = media_context(peer->media)->max_bitrate;
    uint64_t path = 0;

    if (peer->partner)
        path = peer_capacity(peer->partner);
    else if (peer->remote)
        path = peer->remote->capacity;
    if (path == 0)
        return limit;
    path = path > 2 * CAP_AUDIO_SHARE ? path - CAP_AUDIO_SHARE : CAP_AUDIO_SHARE;
    return limit && limit < path ? limit : path;
}

/* A client that was connected before has told its clock already: sound and picture belong
 * together from the first report on. */
static void adopt_clock(struct track_out *track, const struct peer *watched)
{
    const struct receive_stats *stats = &track->source->stats;

    if (stats->has_sr && watched->clock.known)
        sender_report_source(&track->report, &watched->clock, stats->sr_ntp,
                             stats->sr_timestamp);
}

static void watch(struct peer *watcher, struct peer *watched, usec_t now)
{
    track_out_watch(&watcher->audio_out, &watched->audio_in);
    track_out_watch(&watcher->video_out, &watched->video_in);
    adopt_clock(&watcher->audio_out, watched);
    adopt_clock(&watcher->video_out, watched);
    rtcp_schedule_set_remb(&watched->schedule, peer_send_cap(watched));
    media_mark_dirty(watched->media, watched);
    (void)now;
}

void peer_link(struct peer *a, struct peer *b, usec_t now)
{
    peer_unlink(a, now);
    peer_unlink(b, now);
    a->partner = b;
    b->partner = a;
    watch(a, b, now);
    watch(b, a, now);
}

void peer_unlink(struct peer *peer, usec_t now)
{
    struct peer *partner = peer->partner;
    (void)now;

    peer_unlink_remote(peer);
    if (!partner)
        return;
    track_out_watch(&peer->audio_out, NULL);
    track_out_watch(&peer->video_out, NULL);
    track_out_watch(&partner->audio_out, NULL);
    track_out_watch(&partner->video_out, NULL);
    peer->partner = NULL;
    partner->partner = NULL;
    rtcp_schedule_set_remb(&peer->schedule, peer_send_cap(peer));
    rtcp_schedule_set_remb(&partner->schedule, peer_send_cap(partner));
}
