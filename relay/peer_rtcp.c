/*
 * relay/peer_rtcp.c - what is said about media: RTCP that a client sends, and all that we send it.
 */
#include "relay/peer.h"

#include <string.h>

#define RTCP_DATAGRAM_MAX 1150 /* of plaintext: fits DTLS_MTU with SRTCP's tag and index */

/* --- what the client says --------------------------------------------------------------------- */

static struct track_in *track_in_of(struct peer *peer, uint32_t ssrc)
{
    if (ssrc && ssrc == peer->audio_in.ssrc)
        return &peer->audio_in;
    if (ssrc && ssrc == peer->video_in.ssrc)
        return &peer->video_in;
    return NULL;
}

static struct track_out *track_out_of(struct peer *peer, uint32_t ssrc)
{
    if (ssrc == peer->audio_out.ssrc)
        return &peer->audio_out;
    if (ssrc == peer->video_out.ssrc)
        return &peer->video_out;
    return NULL;
}

static void on_blocks(struct peer *peer, struct span blocks, usec_t now)
{
    struct rtcp_report_block block;
    usec_t rtt;

    while (rtcp_next_block(&blocks, &block)) {
        struct track_out *track = track_out_of(peer, block.ssrc);

        if (!track)
            continue;
        track->fraction_lost = block.fraction_lost;
        track->jitter = block.jitter;
        if (sender_report_rtt(&block, now, &rtt) == RC_OK)
            peer->leg.rtt = peer->leg.rtt ? (7 * peer->leg.rtt + rtt) / 8 : rtt;
    }
}

static void on_sr(struct peer *peer, const struct rtcp_packet *packet, usec_t now)
{
    struct rtcp_sr sr;

    if (rtcp_parse_sr(packet, &sr) != RC_OK)
        return;
    struct track_in *track = track_in_of(peer, sr.ssrc);
    if (track) {
        receive_stats_sr(&track->stats, &sr, now);
        peer_clock_report(&peer->clock, sr.ntp, now);
        if (peer->remote)
            peer->remote->report_news |= track->media;
        if (track->sink)
            sender_report_source(&track->sink->report, &peer->clock, sr.ntp, sr.timestamp);
    }
    on_blocks(peer, sr.blocks, now);
}

static void on_key_frame_wanted(struct peer *peer, uint32_t ssrc)
{
    const struct track_out *track = track_out_of(peer, ssrc);

    if (!track || !track->source)
        return;
    if (track_leg_is_shut(&peer->leg))
        return; /* it could not be sent; it is asked for when it can */
    keyframe_request_want(&track->source->key_frame);
    media_mark_dirty(peer->media, peer->partner ? peer->partner : peer);
}

/* What the client may still ask for: three requests and their answers, one of which must come
 * through. A browser that does not know the RTT yet waits for 100 ms between two; where packets
 * get lost, the memory for all that it may want is well spent. The ring is the source's, which
 * has no other watcher. */
static void keep_for_nacks(const struct track_out *track, usec_t rtt, usec_t now)
{
    const usec_t least = PACKET_RING_VIDEO.keep, most = SENT_HISTORY_KEEP;
    const bool lossy = track->nacked && now - track->nacked < PEER_LOSSY;
    const usec_t wanted = lossy ? most : 4 * rtt;

    if (track->source)
        packet_ring_set_keep(&track->source->ring,
                             wanted < least ? least : wanted > most ? most : wanted);
}

static void on_nack(struct peer *peer, const struct rtcp_feedback *feedback, usec_t now)
{
    struct track_out *track = track_out_of(peer, feedback->media_ssrc);
    uint16_t seqs[PEER_NACK_MAX];

    if (!track)
        return;
    track->nacked = now;
    if (track->media == MEDIA_VIDEO)
        keep_for_nacks(track, peer->leg.rtt, now);
    const size_t count = rtcp_nack_seqs(feedback->fci, seqs, PEER_NACK_MAX);
    for (size_t i = 0; i < count; i++) {
        if (track_out_resend(track, seqs[i], now))
            counter_add(&media_stats(peer->media)->retransmitted, 1);
        else if (track_out_is_beyond_repair(track, seqs[i], now))
            on_key_frame_wanted(peer, track->ssrc);
    }
}

static void on_fir(struct peer *peer, const struct rtcp_feedback *feedback)
{
    struct span fci = feedback->fci;
    struct rtcp_fir fir;

    while (rtcp_next_fir(&fci, &fir))
        on_key_frame_wanted(peer, fir.ssrc);
}

/* What the client can receive has changed: its partner is told what it may send. */
static void on_capacity(struct peer *peer)
{
    struct peer *partner = peer->partner;

    if (peer->remote)
        peer->remote->capacity_news = true;
    if (!partner)
        return;
    rtcp_schedule_set_remb(&partner->schedule, peer_send_cap(partner));
    media_mark_dirty(peer->media, partner);
}

static void on_transport_feedback(struct peer *peer, const struct rtcp_packet *packet,
                                  usec_t now)
{
    struct transport_feedback feedback;

    if (!peer->leg.sent || transport_feedback_parse(packet, &feedback) != RC_OK)
        return;
    bandwidth_feedback(&peer->bandwidth, &peer->sent, &feedback, now);
    on_capacity(peer);
}

static void on_packet(struct peer *peer, const struct rtcp_packet *packet, usec_t now)
{
    struct rtcp_feedback feedback;
    struct rtcp_remb remb;
    struct rtcp_rr rr;

    switch (packet->kind) {
    case RTCP_SR:
        on_sr(peer, packet, now);
        break;
    case RTCP_RR:
        if (rtcp_parse_rr(packet, &rr) == RC_OK)
            on_blocks(peer, rr.blocks, now);
        break;
    case RTCP_NACK:
        if (rtcp_parse_feedback(packet, &feedback) == RC_OK)
            on_nack(peer, &feedback, now);
        break;
    case RTCP_PLI:
        if (rtcp_parse_feedback(packet, &feedback) == RC_OK)
            on_key_frame_wanted(peer, feedback.media_ssrc);
        break;
    case RTCP_FIR:
        if (rtcp_parse_feedback(packet, &feedback) == RC_OK)
            on_fir(peer, &feedback);
        break;
    case RTCP_REMB:
        if (rtcp_parse_remb(packet, &remb) == RC_OK) {
            peer->remb = remb.bitrate;
            on_capacity(peer);
        }
        break;
    case RTCP_TRANSPORT_FEEDBACK:
        on_transport_feedback(peer, packet, now);
        break;
    default: /* SDES names and BYE change nothing: the tracks belong to the negotiation */
        break;
    }
}

void peer_rtcp(struct peer *peer, struct span datagram, usec_t now)
{
    struct rtcp_packet packet;

    if (rtcp_validate(datagram) != RC_OK) {
        refuse(REFUSAL_RTCP_MALFORMED);
        return;
    }
    while (rtcp_next(&datagram, &packet))
        on_packet(peer, &packet, now);
}

/* --- what we say -------------------------------------------------------------------------------- */

/* The SSRC that speaks for us: any stream of ours that the client knows. */
static uint32_t our_ssrc(const struct peer *peer)
{
    return peer->video_out.payload_type[CODEC_RTX] || peer->video_out.present
               ? peer->video_out.ssrc
               : peer->audio_out.ssrc;
}

/* A datagram under construction, sent when it is full or at the end. */
struct mouth {
    struct peer *peer;
    struct rtcp_writer writer;
};

/* Without RFC 5506 every datagram begins with a report and a CNAME (RFC 3550, 6.1). */
static void open_datagram(struct mouth *mouth)
{
    struct peer *peer = mouth->peer;
    const struct span cname = {(const uint8_t *)peer->cname, strlen(peer->cname)};

    rtcp_writer_init(&mouth->writer, outbox_reserve(peer->leg.outbox), RTCP_DATAGRAM_MAX);
    if (peer->reduced_size)
        return;
    (void)rtcp_write_rr(&mouth->writer, our_ssrc(peer), NULL, 0);
    (void)rtcp_write_cname(&mouth->writer, our_ssrc(peer), cname);
}

static void close_datagram(struct mouth *mouth)
{
    if (mouth->writer.len && mouth->writer.buf)
        outbox_commit(mouth->peer->leg.outbox, mouth->peer->leg.route, OUTBOX_RTCP,
                      mouth->writer.len);
    mouth->writer = (struct rtcp_writer){.buf = NULL};
}

static struct rtcp_writer *writer_of(struct mouth *mouth)
{
    if (!mouth->writer.buf)
        open_datagram(mouth);
    return &mouth->writer;
}

/* A fresh datagram when the present one has less than `room` left. */
static struct rtcp_writer *writer_with(struct mouth *mouth, size_t room)
{
    struct rtcp_writer *writer = writer_of(mouth);

    if (writer->max - writer->len < room) {
        close_datagram(mouth);
        writer = writer_of(mouth);
    }
    return writer;
}

static size_t report_block(struct track_in *track, usec_t now, struct rtcp_report_block *block)
{
    if (!track->present || !track->ssrc || !track->stats.started)
        return 0;
    receive_stats_report(&track->stats, now, block);
    return 1;
}

static void write_reports(struct mouth *mouth, usec_t now)
{
    struct peer *peer = mouth->peer;
    const struct span cname = {(const uint8_t *)peer->cname, strlen(peer->cname)};
    struct rtcp_report_block blocks[2];
    struct rtcp_sr sr;
    uint32_t told[2];
    size_t told_count = 0;

    size_t count = report_block(&peer->audio_in, now, blocks);
    count += report_block(&peer->video_in, now, blocks + count);

    rtcp_writer_init(&mouth->writer, outbox_reserve(peer->leg.outbox), RTCP_DATAGRAM_MAX);
    struct track_out *tracks[] = {&peer->video_out, &peer->audio_out};
    for (size_t i = 0; i < ARRAY_LEN(tracks); i++) {
        if (!tracks[i]->source || !track_out_report(tracks[i], now, &sr))
            continue;
        (void)rtcp_write_sr(&mouth->writer, &sr, blocks,
                            told_count ? 0 : count);
        told[told_count++] = tracks[i]->ssrc;
    }
    if (!told_count) {
        told[told_count++] = our_ssrc(peer);
        (void)rtcp_write_rr(&mouth->writer, told[0], blocks, count);
    }
    /* RFC 3550, section 6.1: the CNAME says which streams belong together. */
    for (size_t i = 0; i < told_count; i++)
        (void)rtcp_write_cname(&mouth->writer, told[i], cname);
}

static void write_nacks(struct mouth *mouth, struct track_in *track, usec_t now)
{
    struct peer *peer = mouth->peer;
    uint16_t seqs[PEER_NACK_MAX];

    if (!(track->feedback & FEEDBACK_NACK))
        return;
    const size_t count =
        nack_generator_poll(&track->nack, now, peer->leg.rtt, seqs, PEER_NACK_MAX);
    for (size_t done = 0; done < count;) {
        const size_t n = rtcp_write_nack(writer_with(mouth, 64), our_ssrc(peer), track->ssrc,
                                         seqs + done, count - done);
        if (n == 0)
            break;
        done += n;
    }
    counter_add(&media_stats(peer->media)->nack_asked, count);
    if (nack_generator_take_key_frame_needed(&track->nack) && (track->sink || peer->remote))
        keyframe_request_want(&track->key_frame);
}

static void write_key_frame_request(struct mouth *mouth, usec_t now)
{
    struct peer *peer = mouth->peer;
    struct track_in *track = &peer->video_in;

    if (!track->ssrc || !track->present || !keyframe_request_poll(&track->key_frame, now))
        return;
    if (track->feedback & FEEDBACK_NACK_PLI) {
        (void)rtcp_write_pli(writer_with(mouth, 12), our_ssrc(peer), track->ssrc);
    } else if (track->feedback & FEEDBACK_CCM_FIR) {
        const struct rtcp_fir fir = {.ssrc = track->ssrc, .seq = track->key_frame.fir_seq};
        (void)rtcp_write_fir(writer_with(mouth, 20), our_ssrc(peer), &fir);
    }
    counter_add(&media_stats(peer->media)->pli_asked, 1);
}

static void write_arrivals(struct mouth *mouth, usec_t now)
{
    struct peer *peer = mouth->peer;
    const uint32_t media = peer->video_in.ssrc ? peer->video_in.ssrc : peer->audio_in.ssrc;

    if (arrival_log_deadline(&peer->arrivals) > now)
        return;
    /* A full message speaks of 512 packets: a kilobyte at the most. */
    for (int i = 0; i < 4 && arrival_log_deadline(&peer->arrivals) <= now; i++)
        if (!arrival_log_write(&peer->arrivals, writer_with(mouth, i ? RTCP_DATAGRAM_MAX - 64 : 256),
                               our_ssrc(peer), media, now))
            close_datagram(mouth);
}

static void write_remb(struct mouth *mouth, usec_t now)
{
    struct peer *peer = mouth->peer;
    uint64_t bitrate;

    /* Taken even when the client cannot be told, or its deadline would stay due. */
    if (!rtcp_schedule_take_remb(&peer->schedule, now, &bitrate))
        return;
    if ((peer->video_in.feedback & FEEDBACK_GOOG_REMB) && peer->video_in.ssrc)
        (void)rtcp_write_remb(writer_with(mouth, 24), our_ssrc(peer), bitrate,
                              &peer->video_in.ssrc, 1);
}

/* What a leg over TCP takes has changed by more than noise. */
static void watch_leg(struct peer *peer)
{
    const uint64_t cap = peer_leg_cap(peer);
    const uint64_t told = peer->leg_told, difference = cap > told ? cap - told : told - cap;

    if (difference <= told / 50)
        return;
    peer->leg_told = cap;
    on_capacity(peer);
}

void peer_rtcp_poll(struct peer *peer, usec_t now)
{
    struct mouth mouth = {.peer = peer};

    if (!peer->srtp_out)
        return;
    watch_leg(peer);
    if (bandwidth_deadline(&peer->bandwidth, &peer->sent) <= now) {
        bandwidth_tick(&peer->bandwidth, &peer->sent, now);
        on_capacity(peer);
    }
    peer_listen(peer, now);
    if (rtcp_schedule_take_report(&peer->schedule, now)) {
        write_reports(&mouth, now);
        keep_for_nacks(&peer->video_out, peer->leg.rtt, now);
        packet_ring_tick(&peer->video_in.ring, now);
        if (peer->remote)
            peer_remote_tick(peer, now);
        sent_history_tick(&peer->video_out.history, now);
    }
    if (peer->remote)
        peer_remote_poll(peer, now);
    write_nacks(&mouth, &peer->audio_in, now);
    write_nacks(&mouth, &peer->video_in, now);
    write_key_frame_request(&mouth, now);
    write_arrivals(&mouth, now);
    write_remb(&mouth, now);
    close_datagram(&mouth);
}

usec_t peer_rtcp_deadline(const struct peer *peer)
{
    if (!peer->srtp_out)
        return USEC_NEVER; /* peer_rtcp_poll would leave everything due */

    usec_t due = rtcp_schedule_deadline(&peer->schedule);
    due = earlier(due, nack_generator_deadline(&peer->audio_in.nack));
    due = earlier(due, nack_generator_deadline(&peer->video_in.nack));
    due = earlier(due, silence_deadline(&peer->audio_in.silence));
    due = earlier(due, bandwidth_deadline(&peer->bandwidth, &peer->sent));
    if (peer->video_in.ssrc && peer->video_in.present)
        due = earlier(due, keyframe_request_deadline(&peer->video_in.key_frame));
    if (peer->remote)
        due = earlier(due, keyframe_request_deadline(&peer->remote->video.key_frame));
    if (peer->reports_arrivals)
        due = earlier(due, arrival_log_deadline(&peer->arrivals));
    return due;
}

void peer_rtcp_bye(struct peer *peer)
{
    const uint32_t sources[] = {peer->audio_out.ssrc, peer->video_out.ssrc};
    struct mouth mouth = {.peer = peer};

    if (!peer->srtp_out)
        return;
    (void)rtcp_write_bye(writer_of(&mouth), sources, ARRAY_LEN(sources));
    close_datagram(&mouth);
}

void peer_quality(struct peer *peer, usec_t now)
{
    struct receive_stats *stats =
        peer->video_in.stats.started ? &peer->video_in.stats : &peer->audio_in.stats;
    const struct track_out *out =
        peer->video_out.packets ? &peer->video_out : &peer->audio_out;
    const uint32_t clock_rate = out->media == MEDIA_VIDEO ? 90 : 48; /* per millisecond */
    struct media_event event = {.kind = MEDIA_EVENT_QUALITY};
    struct relay_quality *quality = &event.quality;

    quality->path = peer->path;
    quality->rtt = (uint32_t)peer->leg.rtt;
    quality->up_loss = (float)stats->fraction_lost / 256.0f;
    quality->up_jitter = (uint32_t)receive_stats_jitter(stats);
    quality->up_bitrate = receive_stats_bitrate(&peer->video_in.stats, now) +
                          receive_stats_bitrate(&peer->audio_in.stats, now);
    quality->down_loss = (float)out->fraction_lost / 256.0f;
    quality->down_jitter = (uint32_t)((uint64_t)out->jitter * 1000 / clock_rate);
    quality->down_bitrate = bandwidth_acked_rate(&peer->bandwidth);
    quality->down_estimate = peer->leg.stream || peer->leg.elsewhere ? peer_leg_cap(peer)
                             : peer->leg.sent ? bandwidth_estimate(&peer->bandwidth)
                                              : peer->remb;
    media_emit(peer->media, peer, &event);
}
