/* What an offer and we have in common, what is refused, and what a later offer may change. */
#include "relay/sdp_negotiated.h"
#include "tests/relay/sdp_lib.h"
#include "tests/t.h"

static char text[SDP_LIB_TEXT_MAX];
static struct sdp_offer offer;
static struct sdp_negotiated n, before;

static void read_offer(void)
{
    enum refusal why;
    T_EQ(sdp_offer_parse(text, strlen(text), &offer, &why), RC_OK);
}

static enum refusal negotiate(const struct sdp_local *local,
                              const struct sdp_negotiated *previous)
{
    read_offer();
    return sdp_negotiate(&offer, local, previous, &n);
}

static void must_negotiate(const struct sdp_negotiated *previous)
{
    const struct sdp_local local = sdp_lib_local();
    T_STR(refusal_code(negotiate(&local, previous)), "ok");
}

static void negotiate_file(const char *name, const struct sdp_negotiated *previous)
{
    sdp_lib_load(name, text);
    must_negotiate(previous);
}

/* Answers sdp_lib_offer, so that `before` is a running session. */
static void start_session(void)
{
    strcpy(text, sdp_lib_offer);
    must_negotiate(NULL);
    before = n;
}

static void chromium_gets_opus_red_and_vp8(void)
{
    negotiate_file("chromium_audio_video_data.sdp", NULL);
    T_EQ(n.audio.codec, CODEC_OPUS);
    T_EQ(n.audio.payload_type[CODEC_OPUS], 111);
    T_EQ(n.audio.payload_type[CODEC_RED], 63);
    T_EQ(n.audio.feedback, FEEDBACK_TRANSPORT_CC);
    T_EQ(n.audio.remote_ssrc, 1467253235);
    T_STR(n.audio.remote_cname, "WYFtnD/Mapq+cBtF");
    T_EQ(n.video.codec, CODEC_VP8);
    T_EQ(n.video.payload_type[CODEC_VP8], 96);
    T_EQ(n.video.payload_type[CODEC_RTX], 97);
    T_EQ(n.video.payload_type[CODEC_H264], 0);
    T_EQ(n.video.remote_ssrc, 1641821809);
    T_EQ(n.video.remote_rtx_ssrc, 2763622975);
    T_EQ(n.video.receive_extension[RTP_EXTENSION_TRANSPORT_WIDE_CC], 3);
    T_EQ(n.video.send_extension[RTP_EXTENSION_TRANSPORT_WIDE_CC], 3);
    T_OK(n.video.rtcp_rsize);
    T_STR(n.video.mid, "1");
    T_EQ(n.data.remote_sctp_port, 5000);
    T_EQ(n.data.max_message_size, 262144);
    T_STR(n.ice_ufrag, "Q8c0");
    T_STR(n.ice_pwd, "eNdNp+FJO8zEYo0lPe/o3fNo");
    T_OK(!n.dtls_client);
    T_EQ(n.answer_version, 1);
}

static void firefox_gets_opus_and_vp8(void)
{
    negotiate_file("firefox_audio_video_data.sdp", NULL);
    T_EQ(n.audio.payload_type[CODEC_OPUS], 109);
    T_EQ(n.audio.payload_type[CODEC_RED], 0);
    T_EQ(n.video.payload_type[CODEC_VP8], 120);
    T_EQ(n.video.payload_type[CODEC_RTX], 124);
    T_EQ(n.video.remote_rtx_ssrc, 503924176);
    /* "/recvonly": Firefox takes it and never sends it. */
    T_EQ(n.video.send_extension[RTP_EXTENSION_PLAYOUT_DELAY], 6);
    T_EQ(n.video.receive_extension[RTP_EXTENSION_PLAYOUT_DELAY], 0);
    T_EQ(n.data.max_message_size, SDP_MAX_MESSAGE_SIZE); /* it would take a gigabyte */
}

static void safari_gets_vp8_though_it_prefers_h264(void)
{
    negotiate_file("safari_audio_video_data.sdp", NULL);
    T_EQ(n.video.codec, CODEC_VP8);
    T_EQ(n.video.payload_type[CODEC_VP8], 106);
}

static void a_device_with_h264_only_gets_constrained_baseline(void)
{
    negotiate_file("chromium_h264_only.sdp", NULL);
    T_EQ(n.video.codec, CODEC_H264);
    T_EQ(n.video.payload_type[CODEC_H264], 108); /* 42e01f; 102 is 42001f and comes first */
    T_EQ(n.video.payload_type[CODEC_RTX], 109);
}

static void the_order_of_our_list_decides(void)
{
    static const struct {
        enum codec_id codec;
        uint8_t type, rtx;
    } want[] = {
        {CODEC_VP8, 96, 97}, {CODEC_H264, 108, 109}, {CODEC_VP9, 98, 99}, {CODEC_AV1, 45, 46}};

    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        struct sdp_local local = sdp_lib_local();

        local.video_codecs[0] = want[i].codec;
        sdp_lib_load("chromium_audio_video_data.sdp", text);
        T_EQ(negotiate(&local, NULL), REFUSAL_NONE);
        T_EQ(n.video.codec, want[i].codec);
        T_EQ(n.video.payload_type[want[i].codec], want[i].type);
        T_EQ(n.video.payload_type[CODEC_RTX], want[i].rtx);
    }
}

static void one_stream_of_simulcast_is_taken(void)
{
    negotiate_file("firefox_simulcast.sdp", NULL);
    T_EQ(n.video.remote_ssrc, 2190909706);
    T_EQ(n.video.remote_rtx_ssrc, 1596669129);
    negotiate_file("chromium_simulcast.sdp", NULL); /* announces no SSRC */
    T_EQ(n.video.remote_ssrc, 0);
    T_OK(n.video.present);
}

static void directions_are_reversed(void)
{
    static const struct {
        const char *offered;
        enum sdp_direction ours;
    } want[] = {{"a=sendrecv", SDP_SENDRECV},
                {"a=sendonly", SDP_RECV},
                {"a=recvonly", SDP_SEND},
                {"a=inactive", SDP_INACTIVE}};

    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        strcpy(text, sdp_lib_offer);
        if (i > 0)
            sdp_lib_replace(text, "a=sendrecv", want[i].offered);
        must_negotiate(NULL);
        T_EQ(n.audio.direction, want[i].ours);
        T_EQ(n.video.direction, want[i].ours);
    }
}

static void the_most_useful_section_of_a_kind_is_taken(void)
{
    negotiate_file("firefox_extra_0.sdp", NULL);
    T_EQ(n.mline_count, 4);
    T_EQ(n.audio.mline, 0);
    T_EQ(n.video.mline, 1);
    T_OK(!n.mline[2].accepted && !n.mline[3].accepted);

    strcpy(text, sdp_lib_offer);
    sdp_lib_replace(text, "BUNDLE a", "BUNDLE z a");
    sdp_lib_replace(text, "m=audio",
                    "m=audio 9 RTP/SAVPF 50\r\na=mid:z\r\na=rtcp-mux\r\n"
                    "a=recvonly\r\na=rtpmap:50 opus/48000/2\r\nm=audio");
    must_negotiate(NULL);
    T_EQ(n.audio.mline, 1);
    T_STR(n.audio.mid, "a");
    T_STR(n.ice_ufrag, "user"); /* the first of the group has none */
}

static void the_dtls_role_follows_the_offer(void)
{
    static const struct {
        const char *offered;
        bool client;
    } want[] = {{"actpass", false}, {"active", false}, {"passive", true}};

    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        strcpy(text, sdp_lib_offer);
        sdp_lib_replace(text, "actpass", want[i].offered);
        must_negotiate(NULL);
        T_EQ(n.dtls_client, want[i].client);
    }
    strcpy(text, sdp_lib_offer);
    sdp_lib_replace(text, "a=setup:actpass\r\n", "");
    must_negotiate(NULL);
    T_OK(!n.dtls_client);
}

static void the_strongest_fingerprint_is_taken(void)
{
    strcpy(text, sdp_lib_offer);
    sdp_lib_replace(text, "a=setup",
                    "a=fingerprint:SHA-384 "
                    "00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:"
                    "18:19:1A:1B:1C:1D:1E:1F:20:21:22:23:24:25:26:27:28:29:2A:2B:2C:2D:2E:2F"
                    "\r\na=fingerprint:sha-1 00\r\na=setup");
    must_negotiate(NULL);
    T_EQ(n.fingerprint.algorithm, FINGERPRINT_SHA384);
    T_EQ(n.fingerprint.length, 48);
    T_EQ(n.fingerprint.bytes[47], 0x2f);
}

/* clang-format off */
static const struct {
    const char *what;
    const char *from, *to; /* what is edited in sdp_lib_offer */
    enum refusal why;
} refusals[] = {
    {"no BUNDLE", "a=group:BUNDLE a v d\r\n", "", REFUSAL_SDP_NO_BUNDLE},
    {"an empty BUNDLE", "BUNDLE a v d", "BUNDLE", REFUSAL_SDP_NO_BUNDLE},
    {"a BUNDLE of others", "BUNDLE a v d", "BUNDLE x y", REFUSAL_SDP_NO_MEDIA},
    {"no rtcp-mux", "a=rtcp-mux\r\n", "", REFUSAL_SDP_NO_RTCP_MUX},
    {"no ufrag", "a=ice-ufrag:user\r\n", "", REFUSAL_SDP_NO_ICE},
    {"no password", "a=ice-pwd:passwordpasswordpassword\r\n", "", REFUSAL_SDP_NO_ICE},
    {"another ICE-lite end", "t=0 0", "t=0 0\r\na=ice-lite", REFUSAL_SDP_ICE_LITE},
    {"no fingerprint", "a=fingerprint:sha-256", "a=x-fingerprint:sha-256", REFUSAL_SDP_NO_FINGERPRINT},
    {"only SHA-1", "a=fingerprint:sha-256", "a=fingerprint:sha-1", REFUSAL_SDP_NO_FINGERPRINT},
    {"every section is stopped", " 9 ", " 0 ", REFUSAL_SDP_NO_MEDIA},
    {"one type for audio and video", "111", "96", REFUSAL_SDP_MALFORMED},
    {"one SSRC for audio and video", "1001", "2001", REFUSAL_SDP_MALFORMED},
};
/* clang-format on */

static void every_refusal(void)
{
    const struct sdp_local local = sdp_lib_local();

    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        printf("#   %s\n", refusals[i].what);
        strcpy(text, sdp_lib_offer);
        sdp_lib_replace(text, refusals[i].from, refusals[i].to);
        n = (struct sdp_negotiated){.session_id = 77};
        T_STR(refusal_code(negotiate(&local, NULL)), refusal_code(refusals[i].why));
        T_EQ(n.session_id, 77); /* untouched */
    }
}

static void no_codec_of_ours_is_refused_only_when_nothing_is_left(void)
{
    struct sdp_local local = sdp_lib_local();

    strcpy(text, sdp_lib_offer);
    sdp_lib_replace(text, "VP8", "H265");
    sdp_lib_replace(text, "H264", "H266");
    T_EQ(negotiate(&local, NULL), REFUSAL_NONE);
    T_OK(n.audio.present && !n.video.present && n.data.present);

    sdp_lib_replace(text, "opus", "speex");
    T_EQ(negotiate(&local, NULL), REFUSAL_NONE);
    T_OK(!n.audio.present && !n.video.present && n.data.present);

    local.data_channels = false;
    T_EQ(negotiate(&local, NULL), REFUSAL_SDP_NO_CODEC);

    sdp_lib_load("chromium_data_only.sdp", text);
    T_EQ(negotiate(&local, NULL), REFUSAL_SDP_NO_MEDIA);

    strcpy(text, "v=0\r\no=- 7 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n");
    T_EQ(negotiate(&local, NULL), REFUSAL_SDP_NO_MEDIA);
}

static void one_section_needs_no_bundle(void)
{
    sdp_lib_load("chromium_data_only.sdp", text);
    sdp_lib_replace(text, "a=group:BUNDLE 0\r\n", "");
    must_negotiate(NULL);
    T_OK(n.data.present);
    T_OK(!n.bundle);
}

static void red_needs_our_opus_inside(void)
{
    strcpy(text, sdp_lib_offer);
    sdp_lib_replace(text, "111/111", "111/0");
    must_negotiate(NULL);
    T_EQ(n.audio.payload_type[CODEC_RED], 0);
}

static void extensions_mean_the_same_in_the_whole_bundle(void)
{
    strcpy(text, sdp_lib_offer);
    sdp_lib_replace(text, "extmap:3 ", "extmap:1 "); /* audio's level has 1 */
    must_negotiate(NULL);
    T_EQ(n.audio.receive_extension[RTP_EXTENSION_AUDIO_LEVEL], 1);
    T_EQ(n.video.receive_extension[RTP_EXTENSION_TRANSPORT_WIDE_CC], 0);
    T_EQ(n.video.feedback & FEEDBACK_TRANSPORT_CC, 0); /* it would count nothing */
    T_EQ(n.video.receive_extension[RTP_EXTENSION_MID], 4);
}

static void ids_over_14_need_leave_to_mix(void)
{
    strcpy(text, sdp_lib_offer);
    sdp_lib_replace(text, "extmap:3 ", "extmap:20 ");
    must_negotiate(NULL);
    T_EQ(n.video.receive_extension[RTP_EXTENSION_TRANSPORT_WIDE_CC], 0);
    sdp_lib_replace(text, "t=0 0", "t=0 0\r\na=extmap-allow-mixed");
    must_negotiate(NULL);
    T_EQ(n.video.receive_extension[RTP_EXTENSION_TRANSPORT_WIDE_CC], 20);
}

static void a_long_mid_goes_without_its_extension(void)
{
    strcpy(text, sdp_lib_offer);
    sdp_lib_replace(text, "BUNDLE a v", "BUNDLE a a-mid-of-17-bytes");
    sdp_lib_replace(text, "mid:v", "mid:a-mid-of-17-bytes");
    must_negotiate(NULL);
    T_STR(n.video.mid, "a-mid-of-17-bytes");
    T_EQ(n.video.receive_extension[RTP_EXTENSION_MID], 0);
    T_EQ(n.audio.receive_extension[RTP_EXTENSION_MID], 4);
}

static void message_sizes_are_the_smaller_of_both(void)
{
    static const struct {
        const char *line;
        uint32_t size;
    } want[] = {{"a=max-message-size:65535\r\n", 65535},
                {"a=max-message-size:0\r\n", SDP_MAX_MESSAGE_SIZE}, /* any */
                {"a=max-message-size:18446744073709551615\r\n", SDP_MAX_MESSAGE_SIZE},
                {"", 65536}};

    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        strcpy(text, sdp_lib_offer);
        sdp_lib_replace(text, "a=max-message-size:65536\r\n", want[i].line);
        must_negotiate(NULL);
        T_EQ(n.data.max_message_size, want[i].size);
    }
}

static void what_a_later_offer_is(void)
{
    start_session();
    read_offer();
    T_EQ(sdp_change_kind(NULL, &offer), SDP_NEW_SESSION);
    T_EQ(sdp_change_kind(&before, &offer), SDP_RENEGOTIATION);

    sdp_lib_replace(text, "ice-ufrag:user", "ice-ufrag:user2");
    read_offer();
    T_EQ(sdp_change_kind(&before, &offer), SDP_ICE_RESTART);

    sdp_lib_replace(text, ":1E:1F", ":1E:20");
    read_offer();
    T_EQ(sdp_change_kind(&before, &offer), SDP_NEW_SESSION);

    strcpy(text, sdp_lib_offer);
    sdp_lib_replace(text, "o=- 7 2", "o=- 8 3");
    read_offer();
    T_EQ(sdp_change_kind(&before, &offer), SDP_NEW_SESSION);
}

static void browsers_restart_ice(void)
{
    static const char *const browsers[] = {"chromium", "firefox"};

    for (size_t i = 0; i < ARRAY_LEN(browsers); i++) {
        char name[64];

        sprintf(name, "%s_restart_0.sdp", browsers[i]);
        negotiate_file(name, NULL);
        before = n;
        sprintf(name, "%s_restart_1.sdp", browsers[i]);
        sdp_lib_load(name, text);
        read_offer();
        T_EQ(sdp_change_kind(&before, &offer), SDP_ICE_RESTART);
        must_negotiate(&before);
        T_OK(strcmp(n.ice_ufrag, before.ice_ufrag) != 0);
        T_EQ(n.answer_version, 2);
        T_MEM(n.video.payload_type, before.video.payload_type, sizeof n.video.payload_type);
    }
}

/* The camera's transceiver is stopped, then its m= line is used again for another. */
static void browsers_stop_and_recycle_a_section(void)
{
    static const char *const browsers[] = {"chromium", "firefox"};

    for (size_t i = 0; i < ARRAY_LEN(browsers); i++) {
        char name[64];

        sprintf(name, "%s_stop_0.sdp", browsers[i]);
        negotiate_file(name, NULL);
        T_OK(n.video.present);
        before = n;
        sprintf(name, "%s_stop_1.sdp", browsers[i]);
        negotiate_file(name, &before);
        T_OK(!n.video.present && n.audio.present && n.data.present);
        before = n;
        sprintf(name, "%s_stop_2.sdp", browsers[i]);
        negotiate_file(name, &before);
        T_OK(n.video.present);
        T_EQ(n.video.mline, 1);
        T_STR(n.video.mid, "3");
    }
}

static void a_rejected_section_stays_rejected(void)
{
    negotiate_file("chromium_extra_0.sdp", NULL);
    before = n;
    negotiate_file("chromium_extra_1.sdp", &before);
    T_EQ(n.video.mline, 1);
    T_OK(!n.mline[2].accepted && !n.mline[3].accepted);
}

static void what_runs_goes_on_though_another_would_be_chosen_now(void)
{
    struct sdp_local local = sdp_lib_local();

    start_session();
    local.video_codecs[0] = CODEC_H264;
    sdp_lib_replace(text, "a=sendrecv\r\na=rtcp-mux\r\na=rtcp-rsize",
                    "a=recvonly\r\na=rtcp-mux\r\na=rtcp-rsize");
    T_EQ(negotiate(&local, &before), REFUSAL_NONE);
    T_EQ(n.video.codec, CODEC_VP8);
    T_EQ(n.video.direction, SDP_SEND);

    /* A better section of the kind comes behind it. */
    sdp_lib_replace(text, "BUNDLE a v d", "BUNDLE a v d w");
    strcat(text, "m=video 9 UDP/TLS/RTP/SAVPF 102\r\na=mid:w\r\na=rtcp-mux\r\n"
                 "a=rtpmap:102 H264/90000\r\na=fmtp:102 packetization-mode=1;"
                 "profile-level-id=42e01f\r\n");
    T_EQ(negotiate(&local, &before), REFUSAL_NONE);
    T_STR(n.video.mid, "v");
    T_OK(!n.mline[3].accepted);
}

static void a_codec_that_is_gone_is_replaced(void)
{
    start_session();
    sdp_lib_replace(text, "VP8", "H265");
    must_negotiate(&before);
    T_EQ(n.video.codec, CODEC_H264);
}

static void the_role_stays_in_later_offers(void)
{
    strcpy(text, sdp_lib_offer);
    sdp_lib_replace(text, "actpass", "passive");
    must_negotiate(NULL);
    before = n;
    strcpy(text, sdp_lib_offer);
    must_negotiate(&before);
    T_OK(n.dtls_client);
}

/* clang-format off */
static const struct {
    const char *what;
    const char *from, *to; /* what is edited in sdp_lib_offer */
} bad_changes[] = {
    {"another session", "o=- 7 2", "o=- 8 2"},
    {"another certificate", ":1E:1F", ":1E:00"},
    {"another mid", "mid:d", "mid:e"},
    {"another kind", "m=video", "m=text"},
    {"a type with another codec", "rtpmap:96 VP8", "rtpmap:96 VP9"},
    {"the RTX type becomes a codec", "rtpmap:97 rtx", "rtpmap:97 VP9"},
    {"the client wants to be passive", "actpass", "passive"},
    {"another SCTP port", "sctp-port:5000", "sctp-port:5001"},
};
/* clang-format on */

static void every_bad_change(void)
{
    const struct sdp_local local = sdp_lib_local();

    start_session();
    for (size_t i = 0; i < ARRAY_LEN(bad_changes); i++) {
        const bool bundle = i == 2;

        printf("#   %s\n", bad_changes[i].what);
        strcpy(text, sdp_lib_offer);
        sdp_lib_replace(text, bad_changes[i].from, bad_changes[i].to);
        if (bundle)
            sdp_lib_replace(text, "BUNDLE a v d", "BUNDLE a v e");
        const enum refusal why = negotiate(&local, &before);
        /* A section that became one of no interest is just gone. */
        T_STR(refusal_code(why), i == 3 ? "ok" : "sdp_bad_change");
    }

    strcpy(text, sdp_lib_offer);
    *strstr(text, "m=application") = '\0';
    T_EQ(negotiate(&local, &before), REFUSAL_SDP_BAD_CHANGE);
}

static const struct t_case cases[] = {
    T_CASE(chromium_gets_opus_red_and_vp8),
    T_CASE(firefox_gets_opus_and_vp8),
    T_CASE(safari_gets_vp8_though_it_prefers_h264),
    T_CASE(a_device_with_h264_only_gets_constrained_baseline),
    T_CASE(the_order_of_our_list_decides),
    T_CASE(one_stream_of_simulcast_is_taken),
    T_CASE(directions_are_reversed),
    T_CASE(the_most_useful_section_of_a_kind_is_taken),
    T_CASE(the_dtls_role_follows_the_offer),
    T_CASE(the_strongest_fingerprint_is_taken),
    T_CASE(every_refusal),
    T_CASE(no_codec_of_ours_is_refused_only_when_nothing_is_left),
    T_CASE(one_section_needs_no_bundle),
    T_CASE(red_needs_our_opus_inside),
    T_CASE(extensions_mean_the_same_in_the_whole_bundle),
    T_CASE(ids_over_14_need_leave_to_mix),
    T_CASE(a_long_mid_goes_without_its_extension),
    T_CASE(message_sizes_are_the_smaller_of_both),
    T_CASE(what_a_later_offer_is),
    T_CASE(browsers_restart_ice),
    T_CASE(browsers_stop_and_recycle_a_section),
    T_CASE(a_rejected_section_stays_rejected),
    T_CASE(what_runs_goes_on_though_another_would_be_chosen_now),
    T_CASE(a_codec_that_is_gone_is_replaced),
    T_CASE(the_role_stays_in_later_offers),
    T_CASE(every_bad_change),
};
T_MAIN(cases)
