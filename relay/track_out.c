#include "relay/track_out.h"

#include "core/random.h"
#include "relay/red.h"
#include "relay/rtx.h"

#include <string.h>

/* After the first key frame of a new source, packets that came before their time are offered
 * again; more than a frame's worth cannot be. */
#define REPLAY_MAX 64

/* What one outgoing packet is made of. */
struct build {
    const struct track_packet *packet;
    struct rewriter_output as;
    enum codec_id codec;
    struct span payload;
    struct rtp_extension_fresh fresh;
};

void track_out_init(struct track_out *track, enum media_kind media,
                    const struct track_out_ssrcs *ssrcs, struct track_leg *leg)
{
    uint16_t random[4];

    random_bytes(random, sizeof random);
    memset(track, 0, sizeof *track);
    track->media = media;
    track->ssrc = ssrcs->media;
    track->rtx_ssrc = ssrcs->rtx;
    track->rtx_seq =
        random[0] & 0x7fff; /* RFC 3711, 3.3.1: low, so that the first wrap is far */
    track->leg = leg;
    track->resend_bytes = TRACK_OUT_RESEND_START;

    const struct rewriter_options options = {
        .clock_rate = media == MEDIA_VIDEO ? 90000 : 48000,
        .first_seq = random[1] & 0x7fff,
        .first_timestamp = random_u32(),
        .first_picture_id = random[2] & 0x7fff,
        .first_frame_number = random[3],
        .first_tl0 = (uint8_t)random[2],
    };
    rewriter_init(&track->rewriter, &options);
    sent_history_init(&track->history, 512);
    sender_report_init(&track->report, ssrcs->media, options.clock_rate);
}

void track_out_configure(struct track_out *track, const struct sdp_negotiated_media *negotiated)
{
    track->present = negotiated->present && (negotiated->direction & SDP_SEND);
    memcpy(track->payload_type, negotiated->payload_type, sizeof track->payload_type);
    track->feedback = negotiated->feedback;
    memset(&track->extensions, 0, sizeof track->extensions);
    for (unsigned kind = 1; kind < RTP_EXTENSION_COUNT; kind++)
        if (negotiated->send_extension[kind])
            (void)rtp_extension_map_set(&track->extensions, negotiated->send_extension[kind],
                                        kind);
}

void track_out_free(struct track_out *track)
{
    track_out_watch(track, NULL);
    sent_history_free(&track->history);
}

void track_out_watch(struct track_out *track, struct track_in *source)
{
    if (track->source) {
        track->source->sink = NULL;
        keyframe_request_cancel(&track->source->key_frame);
    }
    track->source = source;
    track->frame_asked = false;
    if (!source) {
        rewriter_stop(&track->rewriter);
        return;
    }
    source->sink = track;
    rewriter_switch(&track->rewriter, source->ssrc);
    sender_report_new_source(&track->report);
    if (source->media == MEDIA_VIDEO)
        keyframe_request_new_route(&source->key_frame);
}

bool track_out_takes(const struct track_out *track, enum codec_id codec)
{
    return track->payload_type[codec] ||
           (codec == CODEC_RED && track->payload_type[CODEC_OPUS]);
}

/* The codec that this packet leaves in, and its payload. False: the client cannot take it. */
static bool choose_payload(const struct track_out *track, const struct track_packet *packet,
                           enum codec_id *codec, struct span *payload)
{
    struct red_block primary;

    /* RED names the payload types of its blocks (RFC 2198, section 3): a client that has
     * another number for Opus gets the primary block alone. */
    const bool foreign = packet->codec == CODEC_RED &&
                         track->source->payload_type != track->payload_type[CODEC_OPUS];

    *codec = packet->codec;
    *payload = packet->view.payload;
    if (track->payload_type[packet->codec] && !foreign)
        return true;
    if (!track_out_takes(track, packet->codec))
        return false;
    if (red_primary(packet->view.payload, &primary) != RC_OK)
        return false;
    *codec = CODEC_OPUS;
    *payload = primary.data;
    return true;
}

/* Writes the packet into `out`; its length, 0 when it does not fit. */
static size_t write_packet(const struct track_out *track, const struct build *b, uint8_t *out,
                           size_t size)
{
    const struct rtp_view *view = &b->packet->view;
    const struct rtp_extension_map *from = &track->source->extensions;
    const int block = rtp_extension_rewrite(view, from, &track->extensions, &b->fresh,
                                            out + RTP_HEADER_LEN, size - RTP_HEADER_LEN);
    if (block < 0)
        return 0;

    const size_t at = RTP_HEADER_LEN + (size_t)block;
    if (size - at < b->payload.n)
        return 0;
    const struct rtp_header header = {
        .marker = track->media == MEDIA_AUDIO ? view->marker || b->as.first : view->marker,
        .extended = block > 0,
        .payload_type = track->payload_type[b->codec],
        .seq = b->as.seq,
        .timestamp = b->as.timestamp,
        .ssrc = track->ssrc,
    };
    rtp_write_header(out, &header);
    memcpy(out + at, b->payload.p, b->payload.n);
    if (b->packet->info.picture.id_bits || b->packet->info.picture.has_tl0)
        payload_write_picture(out + at, &b->packet->info.picture, b->as.picture_id, b->as.tl0);
    return at + b->payload.n;
}

static int map(struct track_out *track, const struct track_packet *packet, usec_t now,
               struct rewriter_output *out)
{
    const struct rewriter_input in = {
        .ssrc = packet->view.ssrc,
        .seq = packet->view.seq,
        .timestamp = packet->view.timestamp,
        .key_frame = packet->info.key_frame,
        .picture = packet->info.picture,
        .has_frame_number = packet->has_frame_number,
        .frame_number = packet->frame_number,
    };
    return rewriter_map(&track->rewriter, &in, now, out);
}

static void note_times(const struct track_out *track, const struct rewriter_output *as,
                       struct rtp_extension_fresh *fresh, usec_t now)
{
    fresh->has_abs_send_time = track->extensions.id_of[RTP_EXTENSION_ABS_SEND_TIME] != 0;
    fresh->abs_send_time = rtp_abs_send_time(now);
    fresh->has_frame_number = true;
    fresh->frame_number = as->frame_number;
}

static bool has_transport_sequence(const struct track_out *track)
{
    return track->leg->sent && track->extensions.id_of[RTP_EXTENSION_TRANSPORT_WIDE_CC];
}

/* What a NACK for this packet will ask for. Without RTX there is no answer. */
static void remember(struct track_out *track, const struct build *b, usec_t now)
{
    const struct sent_history_entry entry = {
        .seq = b->as.seq,
        .in_seq = b->packet->view.seq,
        .epoch = track->rewriter.epoch,
        .transport_sequence = b->fresh.transport_sequence,
        .abs_send_time = b->fresh.abs_send_time,
    };

    if (track->payload_type[CODEC_RTX])
        (void)sent_history_add(&track->history, &entry, now);
}

static void send_new(struct track_out *track, struct build *b, usec_t now)
{
    struct track_leg *leg = track->leg;
    uint8_t *out = outbox_reserve(leg->outbox);

    note_times(track, &b->as, &b->fresh, now);
    if (has_transport_sequence(track)) {
        b->fresh.has_transport_sequence = true;
        b->fresh.transport_sequence =
            sent_packets_add(leg->sent, b->payload.n + RTP_HEADER_LEN, now);
    }
    const size_t len = write_packet(track, b, out, OUTBOX_PACKET_MAX);
    if (!len)
        return;
    outbox_commit(leg->outbox, leg->route, OUTBOX_RTP, len);

    remember(track, b, now);
    sender_report_packet(&track->report, b->as.timestamp, b->payload.n, now);
    if (b->packet->info.key_frame)
        track->key_frame_seq = b->as.seq;
    track->packets++;
    track->bytes += len;
    track->resend_bytes += len;
    if (track->resend_bytes > TRACK_OUT_RESEND_MAX)
        track->resend_bytes = TRACK_OUT_RESEND_MAX;
}

/* Maps and sends one packet; true when it was the first of a new source. */
static bool forward(struct track_out *track, const struct track_packet *packet, usec_t now)
{
    struct build b = {.packet = packet};

    if (packet->view.payload.n == 0 || !choose_payload(track, packet, &b.codec, &b.payload)) {
        (void)rewriter_drop(&track->rewriter, packet->view.ssrc, packet->view.seq);
        return false;
    }
    const int rc = map(track, packet, now, &b.as);
    if (rc == RC_AGAIN)
        keyframe_request_want(&track->source->key_frame);
    if (rc != RC_OK || b.as.repeated)
        return false;
    send_new(track, &b, now);
    return b.as.first;
}

/* A path over TCP may have no room for a frame: it is then left out before it gets a number, so
 * that the client sees no gap, and what follows has to begin with a key frame, which is asked
 * for once there is room again. Late packets share the fate of the newest frame. */
static bool leg_takes(struct track_out *track, const struct track_packet *packet, usec_t now)
{
    const uint32_t timestamp = packet->view.timestamp;

    const struct track_leg *leg = track->leg;

    if ((!leg->stream && !leg->elsewhere) || track->media != MEDIA_VIDEO)
        return true;
    if (!track->frame_asked || (int32_t)(timestamp - track->frame_timestamp) > 0) {
        track->frame_asked = true;
        track->frame_timestamp = timestamp;
        track->frame_admitted = leg->stream ? stream_leg_admits(leg->stream, now) : !leg->full;
        if (!track->frame_admitted && track->rewriter.state == REWRITER_RUNNING)
            rewriter_switch(&track->rewriter, packet->view.ssrc);
    }
    return track->frame_admitted;
}

void track_out_packet(struct track_out *track, const struct track_packet *packet, usec_t now)
{
    if (!track->present || !track->leg->route->srtp || !leg_takes(track, packet, now))
        return;
    if (track->rewriter.state == REWRITER_IDLE || track->rewriter.ssrc != packet->view.ssrc)
        rewriter_switch(&track->rewriter, packet->view.ssrc);
    if (!forward(track, packet, now) || track->media != MEDIA_VIDEO)
        return;

    /* Packets of the first key frame that overtook its first one wait in the ring. */
    for (uint16_t i = 1; i < REPLAY_MAX; i++) {
        struct packet_ring_entry entry;
        struct track_packet late;

        if (!packet_ring_get(&track->source->ring, (uint16_t)(packet->view.seq + i), now,
                             &entry))
            continue;
        if (track_in_describe(track->source, entry.packet, &late))
            (void)forward(track, &late, now);
    }
}

bool track_out_resend(struct track_out *track, uint16_t seq, usec_t now)
{
    struct track_leg *leg = track->leg;
    struct sent_history_entry sent;
    struct packet_ring_entry entry;
    struct track_packet packet;
    struct build b = {.packet = &packet};
    uint8_t plain[OUTBOX_PACKET_MAX];

    if (!track->source || !track->payload_type[CODEC_RTX] || !track->rtx_ssrc)
        return false;
    if (track->resend_bytes < OUTBOX_PACKET_MAX)
        return false;
    if (track_leg_is_shut(leg))
        return false;
    if (sent_history_resend(&track->history, seq, leg->rtt, now, &sent) != RC_OK)
        return false;
    if (sent.epoch != track->rewriter.epoch)
        return false;
    /* The rewriter takes two packets from so far back for a source that has started over. */
    if ((uint16_t)((uint16_t)track->rewriter.highest_in - sent.in_seq) > REWRITER_LATE_MAX)
        return false;
    if (!packet_ring_get(&track->source->ring, sent.in_seq, now, &entry))
        return false;
    if (!track_in_describe(track->source, entry.packet, &packet))
        return false;
    if (!choose_payload(track, &packet, &b.codec, &b.payload) ||
        map(track, &packet, now, &b.as) != RC_OK || b.as.seq != seq)
        return false;

    note_times(track, &b.as, &b.fresh, now);
    if (has_transport_sequence(track)) {
        b.fresh.has_transport_sequence = true;
        b.fresh.transport_sequence =
            sent_packets_add(leg->sent, b.payload.n + RTP_HEADER_LEN + RTX_OVERHEAD, now);
    }
    const size_t len = write_packet(track, &b, plain, sizeof plain - RTX_OVERHEAD);
    const struct rtx_stream stream = {
        .ssrc = track->rtx_ssrc,
        .payload_type = track->payload_type[CODEC_RTX],
        .seq = track->rtx_seq,
    };
    const int wrapped = rtx_encapsulate((struct span){plain, len}, &stream,
                                        outbox_reserve(leg->outbox), OUTBOX_PACKET_MAX);
    if (wrapped <= 0)
        return false;
    outbox_commit(leg->outbox, leg->route, OUTBOX_RTP, (size_t)wrapped);
    track->resend_bytes -= (size_t)wrapped;
    track->rtx_seq++;
    track->retransmitted++;
    return true;
}

bool track_out_is_beyond_repair(const struct track_out *track, uint16_t seq, usec_t now)
{
    struct sent_history_entry sent;
    struct packet_ring_entry kept;

    if (track->media != MEDIA_VIDEO || !track->source)
        return false;
    if (seq16_after(track->key_frame_seq, seq))
        return false;
    if (!sent_history_find(&track->history, seq, now, &sent) ||
        sent.epoch != track->rewriter.epoch)
        return false;
    return !packet_ring_get(&track->source->ring, sent.in_seq, now, &kept);
}

bool track_out_report(struct track_out *track, usec_t now, struct rtcp_sr *out)
{
    /* Between a change of source and its first packet there is no offset for its clock yet. */
    if (track->rewriter.state != REWRITER_RUNNING)
        return false;
    return sender_report_make(&track->report, track->rewriter.timestamp_offset, now, out);
}
