#include "relay/track_in.h"

#include "relay/red.h"

#include <string.h>

void track_in_init(struct track_in *track, enum media_kind media)
{
    const struct packet_ring_options ring = PACKET_RING_VIDEO;

    memset(track, 0, sizeof *track);
    track->media = media;
    packet_ring_init(&track->ring, &ring);
    nack_generator_init(&track->nack, media);
    keyframe_request_init(&track->key_frame);
    silence_init(&track->silence);
}

/* Another stream from here on: nothing that was counted or kept is about it. */
static void restart(struct track_in *track, uint32_t ssrc)
{
    const struct codec *codec = codec_get(track->codec);

    track->ssrc = ssrc;
    receive_stats_init(&track->stats, ssrc, codec ? codec->clock_rate : 90000);
    nack_generator_reset(&track->nack);
    packet_ring_clear(&track->ring);
}

void track_in_configure(struct track_in *track, const struct sdp_negotiated_media *negotiated,
                        usec_t now)
{
    const enum codec_id old_codec = track->codec;
    (void)now;

    track->present = negotiated->present && (negotiated->direction & SDP_RECV);
    track->codec = negotiated->present ? negotiated->codec : CODEC_NONE;
    track->payload_type = negotiated->payload_type[negotiated->codec];
    track->red_payload_type = negotiated->payload_type[CODEC_RED];
    track->rtx_payload_type = negotiated->payload_type[CODEC_RTX];
    track->feedback = negotiated->feedback;
    if (!track->present || !(track->feedback & FEEDBACK_NACK))
        nack_generator_reset(&track->nack); /* nobody would ask, and its deadline stay due */

    memset(&track->extensions, 0, sizeof track->extensions);
    for (unsigned kind = 1; kind < RTP_EXTENSION_COUNT; kind++)
        if (negotiated->receive_extension[kind])
            (void)rtp_extension_map_set(&track->extensions, negotiated->receive_extension[kind],
                                        kind);

    track->declared = negotiated->remote_ssrc != 0;
    track->rtx_ssrc = negotiated->remote_rtx_ssrc;
    if (track->codec != old_codec || (track->declared && track->ssrc != negotiated->remote_ssrc))
        restart(track, negotiated->remote_ssrc);
}

void track_in_configure_remote(struct track_in *track,
                               const struct track_description *description)
{
    if (track->codec != description->codec)
        packet_ring_clear(&track->ring);
    track->present = description->present;
    track->codec = description->codec;
    track->payload_type = description->payload_type;
    track->red_payload_type = description->red_payload_type;
    track->extensions = description->extensions;
}

void track_in_free(struct track_in *track)
{
    packet_ring_free(&track->ring);
}

bool track_in_owns(struct track_in *track, uint32_t ssrc, uint8_t payload_type)
{
    if (!track->present)
        return false;
    if (ssrc == track->ssrc && ssrc)
        return true;
    if (track->rtx_ssrc && ssrc == track->rtx_ssrc)
        return true;
    if (track->declared)
        return false;

    if (payload_type == track->rtx_payload_type && payload_type) {
        track->rtx_ssrc = ssrc;
        return true;
    }
    if (payload_type != track->payload_type &&
        (payload_type != track->red_payload_type || !payload_type))
        return false;
    restart(track, ssrc);
    return true;
}

/* A redundant or plain Opus packet: how many bytes the sound of now takes. */
static size_t opus_size(const struct track_packet *packet)
{
    struct red_block primary;

    if (packet->codec != CODEC_RED)
        return packet->view.payload.n;
    return red_primary(packet->view.payload, &primary) == RC_OK ? primary.data.n : 0;
}

static enum silence_event hear(struct track_in *track, const struct track_packet *packet,
                                 usec_t now)
{
    struct silence_packet heard = {.payload_size = opus_size(packet)};
    struct span level;
    bool voice;

    if (rtp_extension_find(&packet->view, &track->extensions, RTP_EXTENSION_AUDIO_LEVEL, &level))
        heard.has_level = rtp_extension_read_audio_level(level, &heard.level, &voice);
    return silence_input(&track->silence, &heard, now);
}

bool track_in_describe(const struct track_in *track, struct span bytes, struct track_packet *out)
{
    struct span descriptor;

    memset(out, 0, sizeof *out);
    if (rtp_parse(bytes, &out->view) != RC_OK)
        return false;
    out->bytes = bytes;
    if (out->view.payload_type == track->payload_type)
        out->codec = track->codec;
    else if (track->red_payload_type && out->view.payload_type == track->red_payload_type)
        out->codec = CODEC_RED;
    else
        return false;

    if (track->media == MEDIA_AUDIO) {
        out->info.key_frame = true;
        return true;
    }
    if (out->view.payload.n &&
        payload_inspect(out->codec, out->view.payload, out->view.marker, &out->info) != RC_OK)
        return false;
    if (rtp_extension_find(&out->view, &track->extensions, RTP_EXTENSION_DEPENDENCY_DESCRIPTOR,
                           &descriptor))
        out->has_frame_number =
            rtp_extension_read_frame_number(descriptor, &out->frame_number);
    return true;
}

bool track_in_keep(struct track_in *track, uint16_t seq, struct span bytes, usec_t now)
{
    if (track->media == MEDIA_AUDIO)
        return true;
    /* RC_BAD: it is there already, by its own or by another RTX packet. */
    return packet_ring_put(&track->ring, seq, bytes, now) != RC_BAD;
}

enum refusal track_in_packet(struct track_in *track, struct span bytes, bool recovered,
                             usec_t now, struct track_packet *out, enum silence_event *silence)
{
    *silence = SILENCE_NOTHING;
    if (!track_in_describe(track, bytes, out))
        return rtp_parse(bytes, &out->view) == RC_OK ? REFUSAL_RTP_UNKNOWN_PAYLOAD
                                                     : REFUSAL_RTP_MALFORMED;

    const struct rtp_view *view = &out->view;
    const enum receive_order order =
        recovered ? RECEIVE_LATE
                  : receive_stats_packet(&track->stats, view->seq, view->timestamp,
                                         view->payload.n, now);
    if (order == RECEIVE_REFUSED)
        return REFUSAL_RTP_MALFORMED;
    if (order == RECEIVE_FIRST) {
        nack_generator_reset(&track->nack);
        packet_ring_clear(&track->ring);
    }

    track->last_packet = now;
    if (track->feedback & FEEDBACK_NACK)
        nack_generator_packet(&track->nack, view->seq, now);
    if (track->media == MEDIA_VIDEO && out->info.key_frame) {
        nack_generator_key_frame(&track->nack, view->seq);
        keyframe_request_arrived(&track->key_frame);
    }
    if (track->media == MEDIA_AUDIO)
        *silence = hear(track, out, now);
    out->duplicate = !track_in_keep(track, view->seq, bytes, now);
    return REFUSAL_NONE;
}
