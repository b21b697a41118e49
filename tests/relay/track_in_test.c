#include "relay/track_in.h"

#include "tests/t.h"

#define T0 SEC(1000)
#define PT 96
#define RTX_PT 97

static struct track_in track;
static uint8_t bytes[64];

static struct sdp_negotiated_media negotiated(uint32_t ssrc, uint32_t rtx_ssrc)
{
    struct sdp_negotiated_media media = {
        .present = true,
        .direction = SDP_SENDRECV,
        .codec = CODEC_VP8,
        .feedback = FEEDBACK_NACK | FEEDBACK_NACK_PLI,
        .remote_ssrc = ssrc,
        .remote_rtx_ssrc = rtx_ssrc,
    };

    media.payload_type[CODEC_VP8] = PT;
    media.payload_type[CODEC_RTX] = RTX_PT;
    return media;
}

static void begin(uint32_t ssrc, uint32_t rtx_ssrc)
{
    const struct sdp_negotiated_media media = negotiated(ssrc, rtx_ssrc);

    track_in_free(&track);
    track_in_init(&track, MEDIA_VIDEO);
    track_in_configure(&track, &media, T0);
}

/* VP8: a descriptor of one byte, start of a frame; then a key frame or another. */
static struct span packet(uint32_t ssrc, uint16_t seq, bool key_frame)
{
    const struct rtp_header header = {
        .marker = true, .payload_type = PT, .seq = seq, .timestamp = seq * 3000u, .ssrc = ssrc};

    memset(bytes, 0, sizeof bytes);
    rtp_write_header(bytes, &header);
    bytes[RTP_HEADER_LEN] = 0x10;
    memcpy(bytes + RTP_HEADER_LEN + 1, key_frame ? "\0\0\0\x9d\x01\x2a" : "\1\0\0\0\0", 6);
    return (struct span){bytes, RTP_HEADER_LEN + 20};
}

static enum refusal put(struct span p, bool recovered, usec_t now, struct track_packet *out)
{
    enum silence_event silence;

    return track_in_packet(&track, p, recovered, now, out, &silence);
}

static void an_announced_ssrc_is_owned_and_no_other(void)
{
    begin(7, 8);
    T_OK(track_in_owns(&track, 7, PT));
    T_OK(track_in_owns(&track, 8, RTX_PT));
    T_OK(!track_in_owns(&track, 9, PT));
    T_OK(!track_in_owns(&track, 9, RTX_PT));
    T_EQ(track.ssrc, 7);
    T_EQ(track.rtx_ssrc, 8);
}

static void an_ssrc_is_learnt_by_its_payload_type(void)
{
    begin(0, 0);
    T_OK(!track_in_owns(&track, 7, 100));
    T_OK(track_in_owns(&track, 7, PT));
    T_OK(track_in_owns(&track, 8, RTX_PT));
    T_EQ(track.ssrc, 7);
    T_EQ(track.rtx_ssrc, 8);
    T_OK(track_in_owns(&track, 9, PT)); /* its sender chose another */
    T_EQ(track.ssrc, 9);
}

static void a_track_that_the_client_may_not_send_owns_nothing(void)
{
    struct sdp_negotiated_media media = negotiated(7, 8);

    begin(7, 8);
    media.direction = SDP_SEND;
    track_in_configure(&track, &media, T0);
    T_OK(!track_in_owns(&track, 7, PT));
}

static void a_packet_is_described_and_kept(void)
{
    struct track_packet out;
    struct packet_ring_entry entry;

    begin(7, 8);
    T_EQ(put(packet(7, 100, true), false, T0, &out), REFUSAL_NONE);
    T_EQ(out.codec, CODEC_VP8);
    T_OK(out.info.key_frame);
    T_OK(!out.duplicate);
    T_OK(packet_ring_get(&track.ring, 100, T0, &entry));
    T_EQ(entry.packet.n, RTP_HEADER_LEN + 20);
    T_EQ(put(packet(7, 101, false), false, T0, &out), REFUSAL_NONE);
    T_OK(!out.info.key_frame);
}

static void a_packet_that_comes_twice_is_a_duplicate(void)
{
    struct track_packet out;

    begin(7, 8);
    T_EQ(put(packet(7, 100, true), false, T0, &out), REFUSAL_NONE);
    T_EQ(put(packet(7, 100, true), true, T0, &out), REFUSAL_NONE);
    T_OK(out.duplicate);
}

static void another_payload_type_of_the_stream_is_refused(void)
{
    struct track_packet out;
    const struct span p = packet(7, 100, true);

    begin(7, 8);
    bytes[1] = 100;
    T_EQ(put(p, false, T0, &out), REFUSAL_RTP_UNKNOWN_PAYLOAD);
    T_EQ(put((struct span){bytes, 5}, false, T0, &out), REFUSAL_RTP_MALFORMED);
}

static void what_rtx_brings_back_is_not_asked_for_again(void)
{
    struct track_packet out;
    uint16_t seqs[8];

    begin(7, 8);
    T_EQ(put(packet(7, 100, true), false, T0, &out), REFUSAL_NONE);
    T_EQ(put(packet(7, 102, false), false, T0, &out), REFUSAL_NONE);
    T_EQ(nack_generator_poll(&track.nack, T0, MSEC(10), seqs, 8), 1);
    T_EQ(seqs[0], 101);
    T_EQ(put(packet(7, 101, false), true, T0, &out), REFUSAL_NONE);
    T_OK(!out.duplicate);
    T_EQ(nack_generator_deadline(&track.nack), USEC_NEVER);
}

static void a_renegotiation_keeps_the_stream_and_a_new_ssrc_starts_another(void)
{
    struct sdp_negotiated_media media = negotiated(7, 8);
    struct track_packet out;
    struct packet_ring_entry entry;

    begin(7, 8);
    T_EQ(put(packet(7, 100, true), false, T0, &out), REFUSAL_NONE);
    track_in_configure(&track, &media, T0);
    T_OK(track.stats.started);
    T_OK(packet_ring_get(&track.ring, 100, T0, &entry));
    media.remote_ssrc = 9;
    track_in_configure(&track, &media, T0);
    T_EQ(track.ssrc, 9);
    T_OK(!track.stats.started);
    T_OK(!packet_ring_get(&track.ring, 100, T0, &entry));
}

static void a_renegotiation_without_nack_leaves_no_deadline_behind(void)
{
    struct sdp_negotiated_media media = negotiated(7, 8);
    struct track_packet out;

    begin(7, 8);
    T_EQ(put(packet(7, 100, true), false, T0, &out), REFUSAL_NONE);
    T_EQ(put(packet(7, 105, false), false, T0, &out), REFUSAL_NONE);
    T_OK(nack_generator_deadline(&track.nack) <= T0);
    media.feedback = FEEDBACK_NACK_PLI;
    track_in_configure(&track, &media, T0);
    T_EQ(nack_generator_deadline(&track.nack), USEC_NEVER);
}

static const struct t_case cases[] = {
    T_CASE(an_announced_ssrc_is_owned_and_no_other),
    T_CASE(an_ssrc_is_learnt_by_its_payload_type),
    T_CASE(a_track_that_the_client_may_not_send_owns_nothing),
    T_CASE(a_packet_is_described_and_kept),
    T_CASE(a_packet_that_comes_twice_is_a_duplicate),
    T_CASE(another_payload_type_of_the_stream_is_refused),
    T_CASE(what_rtx_brings_back_is_not_asked_for_again),
    T_CASE(a_renegotiation_keeps_the_stream_and_a_new_ssrc_starts_another),
    T_CASE(a_renegotiation_without_nack_leaves_no_deadline_behind),
};
T_MAIN(cases)
