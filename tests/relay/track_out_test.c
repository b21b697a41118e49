#include "relay/track_out.h"

#include "relay/rtp.h"
#include "tests/t.h"

#define T0 SEC(1000)
#define SSRC 100
#define RTX_SSRC 101
#define SENT_MAX 4096

/* The way out is encrypted, so it is read where it still is plain: a sink that decrypts. */
static struct srtp_engine *engine;
static struct srtp_context *out_context, *in_context;
static struct outbox *outbox;
static struct outbox_route route;
static struct sent_packets sent_packets;
static struct track_leg leg;
static struct track_in source;
static struct track_out track;
static unsigned sent_count;
static size_t sent_bytes;
static struct {
    struct rtp_header header;
    uint16_t original; /* RTX: the sequence number that it repeats */
} sent[SENT_MAX];

static void on_send(void *arg, const struct address *to, const struct address *local,
                    const uint8_t *data, size_t len)
{
    uint8_t copy[OUTBOX_PACKET_MAX + 64];
    struct srtp_packet packet = {in_context, copy, len, sizeof copy, REFUSAL_NONE};
    struct rtp_view view;
    (void)arg, (void)to, (void)local;

    memcpy(copy, data, len);
    srtp_engine_unprotect(engine, &packet, 1);
    T_EQ(packet.refusal, REFUSAL_NONE);
    T_EQ(rtp_parse((struct span){copy, packet.len}, &view), RC_OK);
    T_OK(sent_count < SENT_MAX);
    sent[sent_count].header = (struct rtp_header){.marker = view.marker,
                                                  .payload_type = view.payload_type,
                                                  .seq = view.seq,
                                                  .timestamp = view.timestamp,
                                                  .ssrc = view.ssrc};
    sent[sent_count++].original = load_be16(view.payload.p);
    sent_bytes += packet.len;
}

static void on_flush(void *arg)
{
    (void)arg;
}

static struct sdp_negotiated_media negotiated(uint32_t ssrc, uint8_t type)
{
    struct sdp_negotiated_media media = {
        .present = true,
        .direction = SDP_SENDRECV,
        .codec = CODEC_VP8,
        .feedback = FEEDBACK_NACK,
        .remote_ssrc = ssrc,
    };

    media.payload_type[CODEC_VP8] = type;
    media.payload_type[CODEC_RTX] = (uint8_t)(type + 1);
    return media;
}

static void begin(void)
{
    const struct outbox_sink sink = {NULL, on_send, on_flush};
    const struct span key = SPAN_LITERAL("0123456789abcdef"),
                      salt = SPAN_LITERAL("0123456789ab");
    const struct sdp_negotiated_media from = negotiated(7, 96), to = negotiated(0, 120);

    if (outbox) {
        track_out_free(&track);
        track_in_free(&source);
        outbox_free(outbox);
        srtp_context_free(out_context);
        srtp_context_free(in_context);
    } else {
        T_EQ(srtp_engine_create(&engine, SRTP_ENGINE_AUTO), RC_OK);
    }
    T_EQ(outbox_create(&outbox, engine, &sink), RC_OK);
    T_EQ(srtp_context_create(&out_context, engine, SRTP_PROFILE_AEAD_AES_128_GCM, SRTP_OUTBOUND,
                             key, salt),
         RC_OK);
    T_EQ(srtp_context_create(&in_context, engine, SRTP_PROFILE_AEAD_AES_128_GCM, SRTP_INBOUND,
                             key, salt),
         RC_OK);
    route = (struct outbox_route){.srtp = out_context};
    T_EQ(address_parse(&route.remote, "192.0.2.1:1000"), RC_OK);
    sent_packets_init(&sent_packets);
    leg = (struct track_leg){.outbox = outbox, .route = &route, .rtt = MSEC(20)};

    track_in_init(&source, MEDIA_VIDEO);
    track_in_configure(&source, &from, T0);
    track_out_init(&track, MEDIA_VIDEO, &(struct track_out_ssrcs){SSRC, RTX_SSRC}, &leg);
    track_out_configure(&track, &to);
    track_out_watch(&track, &source);
    sent_count = 0;
    sent_bytes = 0;
}

/* A VP8 packet with 1000 bytes of payload from the source to whoever watches. */
static void give(uint16_t seq, bool key_frame, usec_t now)
{
    uint8_t bytes[RTP_HEADER_LEN + 1000] = {0};
    const struct rtp_header header = {
        .marker = true, .payload_type = 96, .seq = seq, .timestamp = seq * 3000u, .ssrc = 7};
    struct track_packet packet;
    enum silence_event silence;

    rtp_write_header(bytes, &header);
    bytes[RTP_HEADER_LEN] = 0x10;
    memcpy(bytes + RTP_HEADER_LEN + 1, key_frame ? "\0\0\0\x9d\x01\x2a" : "\1\0\0\0\0", 6);
    T_EQ(track_in_packet(&source, (struct span){bytes, sizeof bytes}, false, now, &packet,
                         &silence),
         REFUSAL_NONE);
    if (source.sink)
        track_out_packet(source.sink, &packet, now);
    outbox_flush(outbox);
}

static void a_stream_begins_with_a_key_frame_under_our_own_names(void)
{
    begin();
    give(10, false, T0);
    T_EQ(sent_count, 0);
    T_OK(source.key_frame.wanted);
    give(11, true, T0);
    give(12, false, T0);
    T_EQ(sent_count, 2);
    for (unsigned i = 0; i < 2; i++) {
        T_EQ(sent[i].header.ssrc, SSRC);
        T_EQ(sent[i].header.payload_type, 120);
        T_OK(sent[i].header.marker);
    }
    T_EQ((uint16_t)(sent[1].header.seq - sent[0].header.seq), 1);
    T_EQ(sent[1].header.timestamp - sent[0].header.timestamp, 3000);
    T_EQ(track.packets, 2);
}

static void a_lost_packet_comes_again_by_rtx(void)
{
    begin();
    give(11, true, T0);
    give(12, false, T0);
    T_OK(track_out_resend(&track, sent[1].header.seq, T0 + MSEC(20)));
    outbox_flush(outbox);
    T_EQ(sent_count, 3);
    T_EQ(sent[2].header.ssrc, RTX_SSRC);
    T_EQ(sent[2].header.payload_type, 121);
    T_EQ(sent[2].original, sent[1].header.seq);
    T_EQ(track.retransmitted, 1);
    T_OK(!track_out_resend(&track, sent[1].header.seq, T0 + MSEC(25))); /* within one RTT */
    T_OK(!track_out_resend(&track, (uint16_t)(sent[1].header.seq + 1), T0 + MSEC(25)));
}

static void without_rtx_nothing_comes_again(void)
{
    struct sdp_negotiated_media to = negotiated(0, 120);

    begin();
    to.payload_type[CODEC_RTX] = 0;
    track_out_configure(&track, &to);
    give(11, true, T0);
    T_OK(!track_out_resend(&track, sent[0].header.seq, T0 + MSEC(20)));
}

static void nothing_of_a_source_comes_again_after_a_change(void)
{
    begin();
    give(11, true, T0);
    track_out_watch(&track, NULL);
    T_OK(!source.sink);
    T_OK(!track_out_resend(&track, sent[0].header.seq, T0 + MSEC(20)));
    track_out_watch(&track, &source);
    T_OK(!track_out_resend(&track, sent[0].header.seq, T0 + MSEC(40)));
}

static void a_client_that_does_not_want_the_track_gets_nothing(void)
{
    struct sdp_negotiated_media to = negotiated(0, 120);

    begin();
    to.direction = SDP_RECV;
    track_out_configure(&track, &to);
    give(11, true, T0);
    T_EQ(sent_count, 0);
}

static void a_codec_that_the_client_lacks_is_not_sent(void)
{
    struct sdp_negotiated_media to = negotiated(0, 120);

    begin();
    to.payload_type[CODEC_VP8] = 0;
    track_out_configure(&track, &to);
    T_OK(!track_out_takes(&track, CODEC_VP8));
    give(11, true, T0);
    T_EQ(sent_count, 0);
}

static void a_flood_of_nacks_repeats_no_more_than_was_sent(void)
{
    begin();
    for (uint16_t i = 0; i < 300; i++)
        give((uint16_t)(11 + i), i == 0, T0 + i * 1000u);
    const size_t once = sent_bytes;
    const uint16_t first = sent[0].header.seq;

    leg.rtt = 1; /* as the client claims */
    for (unsigned round = 0; round < 10; round++)
        for (uint16_t i = 0; i < 300; i++)
            (void)track_out_resend(&track, (uint16_t)(first + i),
                                   T0 + MSEC(310) + round * MSEC(6));
    outbox_flush(outbox);
    T_OK(track.retransmitted >= 250);
    T_OK(sent_bytes - once <= once + TRACK_OUT_RESEND_START);
}

static void what_is_not_kept_any_more_is_beyond_repair_until_a_key_frame(void)
{
    const usec_t later = T0 + MSEC(400); /* than packets are kept */

    begin();
    give(11, true, T0);
    give(12, false, T0);
    T_OK(!track_out_is_beyond_repair(&track, sent[1].header.seq, T0 + MSEC(50)));
    T_OK(track_out_is_beyond_repair(&track, sent[0].header.seq, later));
    T_OK(track_out_is_beyond_repair(&track, sent[1].header.seq, later));
    /* Not sent yet, or missing on the way to us: others see to that. */
    T_OK(!track_out_is_beyond_repair(&track, (uint16_t)(sent[1].header.seq + 1), later));
    give(13, true, later);
    T_OK(!track_out_is_beyond_repair(&track, sent[1].header.seq, later));
    T_OK(!track_out_is_beyond_repair(&track, sent[2].header.seq, later));
}

static void a_request_for_what_is_long_gone_does_not_restart_the_stream(void)
{
    begin();
    give(11, true, T0);
    give(12, false, T0);
    for (uint16_t seq = 2912; seq <= 5812; seq = (uint16_t)(seq + 2900)) /* a bad path up */
        give(seq, false, T0 + MSEC(10));
    const unsigned before = sent_count;
    for (unsigned i = 0; i < 2; i++)
        (void)track_out_resend(&track, sent[i].header.seq, T0 + MSEC(30));
    T_EQ(track.rewriter.state, REWRITER_RUNNING);
    give(5813, false, T0 + MSEC(40));
    T_EQ(sent_count, before + 1);
}

static const struct t_case cases[] = {
    T_CASE(what_is_not_kept_any_more_is_beyond_repair_until_a_key_frame),
    T_CASE(a_request_for_what_is_long_gone_does_not_restart_the_stream),
    T_CASE(a_stream_begins_with_a_key_frame_under_our_own_names),
    T_CASE(a_lost_packet_comes_again_by_rtx),
    T_CASE(without_rtx_nothing_comes_again),
    T_CASE(nothing_of_a_source_comes_again_after_a_change),
    T_CASE(a_client_that_does_not_want_the_track_gets_nothing),
    T_CASE(a_codec_that_the_client_lacks_is_not_sent),
    T_CASE(a_flood_of_nacks_repeats_no_more_than_was_sent),
};
T_MAIN(cases)
