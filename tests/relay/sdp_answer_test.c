/* The text of our answers. */
#include "relay/sdp_answer.h"
#include "tests/relay/sdp_lib.h"
#include "tests/t.h"

static char text[SDP_LIB_TEXT_MAX];
static char answer[SDP_LIB_TEXT_MAX];
static struct sdp_offer offer;
static struct sdp_negotiated n;

/* Answers what `text` holds into `answer`. */
static void answer_with(const struct sdp_local *local, const struct sdp_negotiated *previous)
{
    enum refusal why;
    char *written;

    T_EQ(sdp_offer_parse(text, strlen(text), &offer, &why), RC_OK);
    T_EQ(sdp_answer_write(&offer, local, previous, &n, &written, &why), RC_OK);
    snprintf(answer, sizeof answer, "%s", written);
    free(written);

    const char *fault = sdp_lib_fault(&offer, local, &n, answer);
    if (fault)
        printf("# %s\n", fault);
    T_OK(!fault);
}

static void answer_text(void)
{
    const struct sdp_local local = sdp_lib_local();
    answer_with(&local, NULL);
}

static unsigned count(const char *what)
{
    unsigned found = 0;

    for (const char *at = strstr(answer, what); at; at = strstr(at + 1, what))
        found++;
    return found;
}

static bool has(const char *line)
{
    char whole[512];

    snprintf(whole, sizeof whole, "\r\n%s\r\n", line);
    return strstr(answer, whole) != NULL;
}

static void every_browser_is_answered(void)
{
    for (size_t i = 0; i < sdp_lib_file_count; i++) {
        printf("#   %s\n", sdp_lib_files[i]);
        sdp_lib_load(sdp_lib_files[i], text);
        answer_text();
    }
}

#define SERVER_DIGEST                                                                          \
    "AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:"  \
    "AB:AB:AB"
#define SERVER_TRANSPORT                                                                       \
    "a=ice-ufrag:srvr\r\n"                                                                     \
    "a=ice-pwd:serverserverserverserver\r\n"                                                   \
    "a=fingerprint:sha-256 " SERVER_DIGEST "\r\n"                                              \
    "a=setup:passive\r\n"

static void the_whole_answer_is_this(void)
{
    static const char want[] =
        "v=0\r\n"
        "o=- 4242 1 IN IP4 0.0.0.0\r\n"
        "s=-\r\n"
        "t=0 0\r\n"
        "a=group:BUNDLE a v d\r\n"
        "a=ice-lite\r\n"
        "a=ice-options:trickle ice2\r\n"
        "a=msid-semantic: WMS *\r\n"
        "m=audio 3478 UDP/TLS/RTP/SAVPF 111 63\r\n"
        "c=IN IP4 192.0.2.9\r\n"
        "a=candidate:1 1 udp 2130706431 2001:db8::9 3478 typ host\r\n"
        "a=candidate:2 1 udp 2130706175 192.0.2.9 3478 typ host\r\n"
        "a=end-of-candidates\r\n" SERVER_TRANSPORT "a=mid:a\r\n"
        "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n"
        "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n"
        "a=sendrecv\r\n"
        "a=msid:stream audio\r\n"
        "a=rtcp-mux\r\n"
        "a=rtpmap:111 opus/48000/2\r\n"
        "a=fmtp:111 minptime=10;useinbandfec=1\r\n"
        "a=rtpmap:63 red/48000/2\r\n"
        "a=fmtp:63 111/111\r\n"
        "a=ssrc:1 cname:relay\r\n"
        "a=ssrc:1 msid:stream audio\r\n"
        "m=video 3478 UDP/TLS/RTP/SAVPF 96 97\r\n"
        "c=IN IP4 192.0.2.9\r\n" SERVER_TRANSPORT "a=mid:v\r\n"
        "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n"
        "a=extmap:3 "
        "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n"
        "a=sendrecv\r\n"
        "a=msid:stream video\r\n"
        "a=rtcp-mux\r\n"
        "a=rtcp-rsize\r\n"
        "a=rtpmap:96 VP8/90000\r\n"
        "a=rtcp-fb:96 nack\r\n"
        "a=rtcp-fb:96 nack pli\r\n"
        "a=rtcp-fb:96 transport-cc\r\n"
        "a=rtpmap:97 rtx/90000\r\n"
        "a=fmtp:97 apt=96\r\n"
        "a=ssrc-group:FID 2 3\r\n"
        "a=ssrc:2 cname:relay\r\n"
        "a=ssrc:2 msid:stream video\r\n"
        "a=ssrc:3 cname:relay\r\n"
        "a=ssrc:3 msid:stream video\r\n"
        "m=application 3478 UDP/DTLS/SCTP webrtc-datachannel\r\n"
        "c=IN IP4 192.0.2.9\r\n" SERVER_TRANSPORT "a=mid:d\r\n"
        "a=sctp-port:5000\r\n"
        "a=max-message-size:262144\r\n";

    strcpy(text, sdp_lib_offer);
    answer_text();
    T_STR(answer, want);
}

static void where_we_do_not_send_no_track_is_announced(void)
{
    strcpy(text, sdp_lib_offer);
    sdp_lib_replace(text, "a=sendrecv", "a=sendonly");
    answer_text();
    T_EQ(count("a=recvonly\r\n"), 2);
    T_EQ(count("a=msid:"), 0);
    T_EQ(count("a=ssrc"), 0);
}

static void without_rtx_there_is_no_second_ssrc(void)
{
    strcpy(text, sdp_lib_offer);
    sdp_lib_replace(text, "rtx/90000", "other/90000");
    answer_text();
    T_EQ(count("a=ssrc-group"), 0);
    T_EQ(count("a=ssrc:3"), 0);
    T_OK(has("m=video 3478 UDP/TLS/RTP/SAVPF 96"));
}

static void h264_repeats_the_profile(void)
{
    sdp_lib_load("chromium_h264_only.sdp", text);
    answer_text();
    T_OK(has("a=fmtp:108 level-asymmetry-allowed=1;packetization-mode=1;"
             "profile-level-id=42e01f"));
    T_EQ(count("a=rtpmap:"), 4);
}

static void vp9_and_av1_say_profile_0(void)
{
    struct sdp_local local = sdp_lib_local();

    sdp_lib_load("chromium_audio_video_data.sdp", text);
    local.video_codecs[0] = CODEC_VP9;
    answer_with(&local, NULL);
    T_OK(has("a=fmtp:98 profile-id=0"));
    local.video_codecs[0] = CODEC_AV1;
    answer_with(&local, NULL);
    T_OK(has("a=fmtp:45 level-idx=5;profile=0;tier=0"));
}

static void dtx_is_answered_as_offered(void)
{
    strcpy(text, sdp_lib_offer);
    sdp_lib_replace(text, "useinbandfec=1", "useinbandfec=1;usedtx=1");
    answer_text();
    T_OK(has("a=fmtp:111 minptime=10;useinbandfec=1;usedtx=1"));
}

static void red_goes_first_only_when_the_offer_says_so(void)
{
    sdp_lib_load("chromium_red_preferred.sdp", text);
    answer_text();
    T_OK(has("m=audio 3478 UDP/TLS/RTP/SAVPF 63 111"));
}

static void one_way_extensions_are_answered_the_other_way(void)
{
    sdp_lib_load("firefox_audio_video_data.sdp", text);
    answer_text();
    T_OK(has("a=extmap:6/sendonly "
             "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"));
}

static void simulcast_is_passed_over_in_silence(void)
{
    sdp_lib_load("chromium_simulcast.sdp", text);
    answer_text();
    T_EQ(count("a=simulcast"), 0);
    T_EQ(count("a=rid"), 0);
    T_EQ(count("rtp-stream-id"), 0);
}

static void rejected_sections_have_port_0_and_leave_the_bundle(void)
{
    sdp_lib_load("firefox_extra_0.sdp", text);
    answer_text();
    T_OK(has("a=group:BUNDLE 0 1"));
    T_OK(has("m=audio 0 UDP/TLS/RTP/SAVPF 109"));
    T_OK(has("m=video 0 UDP/TLS/RTP/SAVPF 120"));
    T_EQ(count("m="), 4);
    T_EQ(count("a=candidate:"), 2);
}

static void candidates_are_in_the_first_section_that_is_accepted(void)
{
    strcpy(text, sdp_lib_offer);
    sdp_lib_replace(text, "opus", "speex"); /* audio is rejected */
    answer_text();
    T_EQ(count("a=candidate:"), 2);
    T_OK(strstr(answer, "a=candidate:") > strstr(answer, "m=video"));
    T_OK(has("a=group:BUNDLE v d"));
}

static void a_server_without_candidates_says_port_9(void)
{
    struct sdp_local local = sdp_lib_local();

    local.candidate_count = 0;
    strcpy(text, sdp_lib_offer);
    answer_with(&local, NULL);
    T_OK(has("c=IN IP4 0.0.0.0"));
    T_OK(has("m=video 9 UDP/TLS/RTP/SAVPF 96 97"));
}

static void a_server_with_ipv6_only_says_so(void)
{
    struct sdp_local local = sdp_lib_local();

    local.candidate_count = 1;
    strcpy(text, sdp_lib_offer);
    answer_with(&local, NULL);
    T_OK(has("c=IN IP6 2001:db8::9"));
}

static void trickle_is_answered_only_to_who_speaks_it(void)
{
    strcpy(text, sdp_lib_offer);
    sdp_lib_replace(text, "a=ice-options:trickle\r\n", "");
    answer_text();
    T_OK(has("a=ice-options:ice2"));
}

static void the_old_form_of_a_data_channel_is_answered_in_kind(void)
{
    strcpy(text, sdp_lib_offer);
    sdp_lib_replace(text, "UDP/DTLS/SCTP webrtc-datachannel", "DTLS/SCTP 5001");
    sdp_lib_replace(text, "a=sctp-port:5000", "a=sctpmap:5001 webrtc-datachannel 1024");
    answer_text();
    T_OK(has("m=application 3478 DTLS/SCTP 5001"));
    T_OK(has("a=sctpmap:5001 webrtc-datachannel 1024"));
    T_EQ(count("a=sctp-port"), 0);
}

static void renegotiation_keeps_ids_and_counts_the_version(void)
{
    const struct sdp_local local = sdp_lib_local();
    static char first[SDP_LIB_TEXT_MAX];

    strcpy(text, sdp_lib_offer);
    answer_text();
    strcpy(first, answer);
    answer_with(&local, &n); /* previous and out are one object */
    T_EQ(n.answer_version, 2);
    T_OK(has("o=- 4242 2 IN IP4 0.0.0.0"));
    sdp_lib_replace(answer, "o=- 4242 2", "o=- 4242 1");
    T_STR(answer, first);
}

static void a_refusal_leaves_the_session_as_it_was(void)
{
    const struct sdp_local local = sdp_lib_local();
    struct sdp_negotiated before;
    char *written = NULL;
    enum refusal why;

    strcpy(text, sdp_lib_offer);
    answer_text();
    before = n;
    sdp_lib_replace(text, "rtpmap:96 VP8", "rtpmap:96 VP9");
    T_EQ(sdp_offer_parse(text, strlen(text), &offer, &why), RC_OK);
    T_EQ(sdp_answer_write(&offer, &local, &n, &n, &written, &why), RC_BAD);
    T_EQ(why, REFUSAL_SDP_BAD_CHANGE);
    T_OK(!written);
    T_MEM(&before, &n, sizeof n);
}

static const struct t_case cases[] = {
    T_CASE(every_browser_is_answered),
    T_CASE(the_whole_answer_is_this),
    T_CASE(where_we_do_not_send_no_track_is_announced),
    T_CASE(without_rtx_there_is_no_second_ssrc),
    T_CASE(h264_repeats_the_profile),
    T_CASE(vp9_and_av1_say_profile_0),
    T_CASE(dtx_is_answered_as_offered),
    T_CASE(red_goes_first_only_when_the_offer_says_so),
    T_CASE(one_way_extensions_are_answered_the_other_way),
    T_CASE(simulcast_is_passed_over_in_silence),
    T_CASE(rejected_sections_have_port_0_and_leave_the_bundle),
    T_CASE(candidates_are_in_the_first_section_that_is_accepted),
    T_CASE(a_server_without_candidates_says_port_9),
    T_CASE(a_server_with_ipv6_only_says_so),
    T_CASE(trickle_is_answered_only_to_who_speaks_it),
    T_CASE(the_old_form_of_a_data_channel_is_answered_in_kind),
    T_CASE(renegotiation_keeps_ids_and_counts_the_version),
    T_CASE(a_refusal_leaves_the_session_as_it_was),
};
T_MAIN(cases)
