/*
 * relay/peer_remote.c - a link between peers of two workers.
 *
 * Nothing of a worker is touched by another thread, so the sender's worker hands plaintext packets
 * over, and the receiver's worker does for them what it does for its own: ring, rewriting, NACK
 * answers, encryption. One copy more than a link within a worker, and no shared state.
 */
#include "relay/peer.h"

#include <stdlib.h>

static void tell(const struct peer *peer, struct media_remote *what)
{
    what->from = peer->id;
    media_tell_remote(peer->media, peer->remote->worker, peer->remote->id, what);
}

static struct track_description describe(const struct track_in *track)
{
    return (struct track_description){
        .present = track->present,
        .codec = track->codec,
        .payload_type = track->payload_type,
        .red_payload_type = track->red_payload_type,
        .extensions = track->extensions,
    };
}

void peer_remote_tell_tracks(const struct peer *peer, bool ask)
{
    struct media_remote what = {
        .kind = MEDIA_REMOTE_TRACKS,
        .ask = ask,
        .audio = describe(&peer->audio_in),
        .video = describe(&peer->video_in),
    };
    tell(peer, &what);
}

void peer_remote_tell_packet(const struct peer *peer, enum media_kind media, struct span bytes)
{
    struct media_remote what = {
        .kind = MEDIA_REMOTE_PACKET, .media = media, .bytes = bytes};
    tell(peer, &what);
}

static void tell_report(const struct peer *peer, const struct track_in *track)
{
    struct media_remote what = {
        .kind = MEDIA_REMOTE_REPORT,
        .media = track->media,
        .ntp = track->stats.sr_ntp,
        .timestamp = track->stats.sr_timestamp,
        .clock = peer->clock, /* both workers have the same clock */
    };
    if (track->stats.has_sr)
        tell(peer, &what);
}

static void tell_capacity(const struct peer *peer)
{
    struct media_remote what = {.kind = MEDIA_REMOTE_CAPACITY, .bitrate = peer_capacity(peer)};

    tell(peer, &what);
}

void peer_link_remote(struct peer *peer, unsigned worker, uint64_t partner)
{
    struct remote_partner *remote = calloc(1, sizeof *remote);

    if (!remote)
        return;
    remote->worker = worker;
    remote->id = partner;
    track_in_init(&remote->audio, MEDIA_AUDIO);
    track_in_init(&remote->video, MEDIA_VIDEO);
    remote->capacity_news = true;
    peer->remote = remote;
    track_out_watch(&peer->audio_out, &remote->audio);
    track_out_watch(&peer->video_out, &remote->video);
    /* The partner's worker may not have heard of the link yet, and then this is lost: it asks as
     * well, and whoever is linked last is answered. */
    peer_remote_tell_tracks(peer, true);
    media_mark_dirty(peer->media, peer);
}

void peer_unlink_remote(struct peer *peer)
{
    struct remote_partner *remote = peer->remote;

    if (!remote)
        return;
    track_out_watch(&peer->audio_out, NULL);
    track_out_watch(&peer->video_out, NULL);
    keyframe_request_cancel(&peer->video_in.key_frame); /* it was the partner's wish */
    peer->remote = NULL;
    track_in_free(&remote->audio);
    track_in_free(&remote->video);
    free(remote);
    rtcp_schedule_set_remb(&peer->schedule, peer_send_cap(peer));
}

static void take_packet(struct peer *peer, struct track_in *track, struct span bytes, usec_t now)
{
    struct track_packet packet;

    if (!track_in_describe(track, bytes, &packet))
        return;
    if (track->media == MEDIA_VIDEO && packet.info.key_frame)
        keyframe_request_arrived(&track->key_frame);
    if (track_in_keep(track, packet.view.seq, bytes, now) && track->sink)
        peer_show(peer, track->sink, &packet, now);
    media_mark_dirty(peer->media, peer);
}

void peer_remote_input(struct peer *peer, const struct media_remote *what, usec_t now)
{
    struct remote_partner *remote = peer->remote;
    struct track_in *track = what->media == MEDIA_VIDEO ? &remote->video : &remote->audio;

    switch (what->kind) {
    case MEDIA_REMOTE_TRACKS:
        track_in_configure_remote(&remote->audio, &what->audio);
        track_in_configure_remote(&remote->video, &what->video);
        if (what->ask) {
            peer_remote_tell_tracks(peer, false);
            remote->capacity_news = true;
            media_mark_dirty(peer->media, peer);
        }
        break;
    case MEDIA_REMOTE_PACKET:
        take_packet(peer, track, what->bytes, now);
        break;
    case MEDIA_REMOTE_REPORT:
        if (track->sink)
            sender_report_source(&track->sink->report, &what->clock, what->ntp,
                                 what->timestamp);
        break;
    case MEDIA_REMOTE_KEY_FRAME:
        keyframe_request_want(&peer->video_in.key_frame);
        media_mark_dirty(peer->media, peer);
        break;
    case MEDIA_REMOTE_CAPACITY:
        remote->capacity = what->bitrate;
        rtcp_schedule_set_remb(&peer->schedule, peer_send_cap(peer));
        media_mark_dirty(peer->media, peer);
        break;
    }
}

void peer_remote_poll(struct peer *peer, usec_t now)
{
    struct remote_partner *remote = peer->remote;

    if (keyframe_request_poll(&remote->video.key_frame, now)) {
        struct media_remote what = {.kind = MEDIA_REMOTE_KEY_FRAME};
        tell(peer, &what);
    }
    if (remote->report_news & MEDIA_AUDIO)
        tell_report(peer, &peer->audio_in);
    if (remote->report_news & MEDIA_VIDEO)
        tell_report(peer, &peer->video_in);
    remote->report_news = 0;
    if (remote->capacity_news)
        tell_capacity(peer);
    remote->capacity_news = false;
}

void peer_remote_tick(struct peer *peer, usec_t now)
{
    packet_ring_tick(&peer->remote->video.ring, now);
    peer_remote_tell_tracks(peer, false);
    peer->remote->capacity_news = true;
}
