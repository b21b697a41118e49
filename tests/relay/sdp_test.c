/* Reading offers: what the browsers send, what strangers send, and the limits. */
#include "relay/sdp.h"
#include "relay/sdp_text.h"
#include "tests/relay/sdp_lib.h"
#include "tests/t.h"

static char text[SDP_LIB_TEXT_MAX];
static struct sdp_offer offer;

static int parse(enum refusal *why)
{
    return sdp_offer_parse(text, strlen(text), &offer, why);
}

static void must_parse(void)
{
    enum refusal why;
    T_EQ(parse(&why), RC_OK);
    T_EQ(why, REFUSAL_NONE);
}

static const struct sdp_payload *payload(const struct sdp_section *section, uint8_t type)
{
    for (uint8_t i = 0; i < section->payload_count; i++)
        if (section->payload[i].type == type)
            return &section->payload[i];
    return NULL;
}

static void chromium_is_read(void)
{
    sdp_lib_load("chromium_audio_video_data.sdp", text);
    must_parse();
    T_EQ(offer.session_id, 5530199485728820490);
    T_EQ(offer.session_version, 2);
    T_EQ(offer.bundle_count, 3);
    T_EQ(offer.section_count, 3);

    const struct sdp_section *audio = &offer.section[0];
    T_EQ(audio->media, SDP_AUDIO);
    T_OK(audio->in_bundle && audio->rtcp_mux && audio->rtcp_rsize);
    T_OK(audio->extmap_allow_mixed); /* of the session */
    T_OK(sdp_text_is(audio->transport.ice_ufrag, "Q8c0"));
    T_OK(audio->transport.ice_trickle);
    T_EQ(audio->transport.setup, SDP_SETUP_ACTPASS);
    T_EQ(audio->transport.fingerprint_count, 1);
    T_EQ(audio->transport.fingerprint[0].bytes[0], 0xe0);
    T_EQ(audio->candidate_count, 4);
    T_EQ(audio->payload_count, 2); /* Opus and RED; the others are not ours */
    T_EQ(audio->payload[0].type, 111);
    T_EQ(audio->payload[0].codec, CODEC_OPUS);
    T_EQ(audio->payload[1].codec, CODEC_RED);
    T_EQ(audio->extension[RTP_EXTENSION_AUDIO_LEVEL].id, 1);
    T_EQ(audio->extension[RTP_EXTENSION_MID].id, 4);
    T_EQ(audio->ssrc_count, 1);
    T_EQ(audio->ssrc[0].ssrc, 1467253235);

    const struct sdp_section *video = &offer.section[1];
    T_EQ(video->payload[0].codec, CODEC_VP8);
    T_EQ(payload(video, 97)->codec, CODEC_RTX);
    T_EQ(payload(video, 97)->apt, 96);
    T_EQ(payload(video, 108)->codec, CODEC_H264);
    T_OK(!payload(video, 104)); /* packetization-mode 0 */
    T_OK(!payload(video, 100)); /* VP9 profile 2 */
    T_EQ(payload(video, 96)->feedback, FEEDBACK_NACK | FEEDBACK_NACK_PLI | FEEDBACK_CCM_FIR |
                                           FEEDBACK_GOOG_REMB | FEEDBACK_TRANSPORT_CC);
    T_EQ(video->ssrc[0].ssrc, 1641821809);
    T_EQ(video->ssrc[0].rtx, 2763622975);
    T_OK(video->ssrc[1].is_repair);

    T_EQ(offer.section[2].media, SDP_APPLICATION);
    T_EQ(offer.section[2].sctp_port, 5000);
    T_EQ(offer.section[2].max_message_size, 262144);
}

/* Its attributes come in the order of the alphabet, and the fingerprint is the session's. */
static void firefox_is_read(void)
{
    sdp_lib_load("firefox_audio_video_data.sdp", text);
    must_parse();
    T_EQ(offer.section_count, 3);

    const struct sdp_section *audio = &offer.section[0], *video = &offer.section[1];
    T_EQ(audio->transport.fingerprint_count, 1);
    T_EQ(video->transport.fingerprint[0].bytes[0], 0x9c);
    T_EQ(audio->payload[0].type, 109);
    T_EQ(audio->payload[0].feedback, FEEDBACK_TRANSPORT_CC);
    T_OK(audio->end_of_candidates);
    T_EQ(payload(video, 124)->apt, 120);
    T_EQ(payload(video, 120)->codec, CODEC_VP8);
    T_EQ(payload(video, 99)->codec, CODEC_AV1);
    T_EQ(video->extension[RTP_EXTENSION_PLAYOUT_DELAY].id, 6);
    T_EQ(video->extension[RTP_EXTENSION_PLAYOUT_DELAY].direction, SDP_RECV);
    T_EQ(video->ssrc[0].rtx, 503924176); /* its ssrc-group comes last */
    T_EQ(offer.section[2].max_message_size, 1073741823);
}

static void every_file_is_read(void)
{
    for (size_t i = 0; i < sdp_lib_file_count; i++) {
        printf("#   %s\n", sdp_lib_files[i]);
        sdp_lib_load(sdp_lib_files[i], text);
        must_parse();
        T_OK(offer.section_count > 0);
    }
}

static void lines_may_end_in_lf_and_the_text_in_blank_lines(void)
{
    strcpy(text, sdp_lib_offer);
    sdp_lib_replace(text, "\r\n", "\n");
    strcat(text, "\n\n");
    must_parse();
    T_EQ(offer.section_count, 3);
}

static void a_section_without_its_own_has_the_sessions(void)
{
    strcpy(text, sdp_lib_offer);
    sdp_lib_replace(text, "a=sendrecv\r\n", "");
    sdp_lib_replace(text, "t=0 0\r\n", "t=0 0\r\na=recvonly\r\na=fingerprint:sha-1 00\r\n");
    must_parse();
    T_EQ(offer.section[0].direction, SDP_RECV);
    T_OK(!offer.section[0].transport.weak_fingerprint); /* it has its own */
    T_EQ(offer.section[0].transport.fingerprint_count, 1);
}

static void wildcard_feedback_is_for_every_payload(void)
{
    strcpy(text, sdp_lib_offer);
    must_parse();
    T_EQ(payload(&offer.section[1], 96)->feedback,
         FEEDBACK_NACK | FEEDBACK_NACK_PLI | FEEDBACK_TRANSPORT_CC);
    T_EQ(payload(&offer.section[1], 102)->feedback, FEEDBACK_NACK);
}

/* clang-format off */
static const struct {
    const char *what;
    const char *from, *to; /* what is edited in sdp_lib_offer */
    enum refusal why;      /* REFUSAL_NONE: still an offer */
} rows[] = {
    {"no version", "v=0\r\n", "", REFUSAL_SDP_MALFORMED},
    {"version 1", "v=0\r\n", "v=1\r\n", REFUSAL_SDP_MALFORMED},
    {"no origin", "o=- 7 2 IN IP4 127.0.0.1\r\n", "", REFUSAL_SDP_MALFORMED},
    {"session id is a word", "o=- 7 2", "o=- seven 2", REFUSAL_SDP_MALFORMED},
    {"session id of 65 bits", "o=- 7 2", "o=- 18446744073709551616 2", REFUSAL_SDP_MALFORMED},
    {"session id of 64 bits", "o=- 7 2", "o=- 18446744073709551615 2", REFUSAL_NONE},
    {"short origin", "2 IN IP4 127.0.0.1", "2", REFUSAL_SDP_MALFORMED},
    {"a line of prose", "t=0 0", "hello", REFUSAL_SDP_MALFORMED},
    {"a blank line inside", "t=0 0\r\n", "t=0 0\r\n\r\n", REFUSAL_SDP_MALFORMED},
    {"a control character", "a=mid:v", "a=mid:v\x01", REFUSAL_SDP_MALFORMED},
    {"a lone carriage return", "t=0 0", "t=0\r0", REFUSAL_SDP_MALFORMED},
    {"unknown attributes", "t=0 0", "t=0 0\r\na=x-unknown:yes", REFUSAL_NONE},
    {"media without formats", "SAVPF 111 63 0", "SAVPF", REFUSAL_SDP_MALFORMED},
    {"port 65536", "m=audio 9 ", "m=audio 65536 ", REFUSAL_SDP_MALFORMED},
    {"a number of ports", "m=audio 9 ", "m=audio 9/2 ", REFUSAL_NONE},
    {"a format is a word", "SAVPF 111 63 0", "SAVPF opus", REFUSAL_SDP_MALFORMED},
    {"payload type 128", "SAVPF 111 63 0", "SAVPF 111 128", REFUSAL_SDP_MALFORMED},
    {"the m= line is not ASCII", "m=audio", "m=aud\xc3\xado", REFUSAL_SDP_MALFORMED},
    {"ufrag of three", "ice-ufrag:user", "ice-ufrag:use", REFUSAL_SDP_MALFORMED},
    {"ufrag with a colon", "ice-ufrag:user", "ice-ufrag:us:r", REFUSAL_SDP_MALFORMED},
    {"short password", "passwordpasswordpassword", "passwordpasswordpassw", REFUSAL_SDP_MALFORMED},
    {"fingerprint of 31 bytes", ":1E:1F", ":1E", REFUSAL_SDP_MALFORMED},
    {"fingerprint is not hexadecimal", ":1E:1F", ":1E:1G", REFUSAL_SDP_MALFORMED},
    {"fingerprint without a value", "sha-256 ", "sha-256\r\na=x:", REFUSAL_SDP_MALFORMED},
    {"fingerprint in lower case", ":1E:1F", ":1e:1f", REFUSAL_NONE},
    {"holdconn", "setup:actpass", "setup:holdconn", REFUSAL_SDP_MALFORMED},
    {"two mids in a section", "a=mid:a", "a=mid:a\r\na=mid:b", REFUSAL_SDP_MALFORMED},
    {"one mid in two sections", "a=mid:v", "a=mid:a", REFUSAL_SDP_MALFORMED},
    {"empty mid", "a=mid:v", "a=mid:", REFUSAL_SDP_MALFORMED},
    {"mid of 31", "a=mid:v", "a=mid:1234567890123456789012345678901", REFUSAL_NONE},
    {"mid of 32", "a=mid:v", "a=mid:12345678901234567890123456789012", REFUSAL_SDP_MALFORMED},
    {"mid with a space", "a=mid:v", "a=mid:v w", REFUSAL_SDP_MALFORMED},
    {"rtpmap without a rate", "opus/48000/2", "opus", REFUSAL_SDP_MALFORMED},
    {"rtpmap of another type", "rtpmap:0 PCMU", "rtpmap:8 PCMA", REFUSAL_NONE},
    {"rtpmap without a type", "rtpmap:0 PCMU", "rtpmap:x PCMA", REFUSAL_SDP_MALFORMED},
    {"fmtp of type 200", "fmtp:63 ", "fmtp:200 ", REFUSAL_SDP_MALFORMED},
    {"extension id 0", "extmap:1 ", "extmap:0 ", REFUSAL_SDP_MALFORMED},
    {"extension id 4096", "extmap:1 ", "extmap:4096 ", REFUSAL_NONE},
    {"extension with a strange direction", "extmap:1 ", "extmap:1/up ", REFUSAL_SDP_MALFORMED},
    {"extension without a name", "extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level", "extmap:1", REFUSAL_SDP_MALFORMED},
    {"ssrc of 33 bits", "ssrc:1001", "ssrc:4294967296", REFUSAL_SDP_MALFORMED},
    {"group of one ssrc", "FID 2001 2002", "FID 2001", REFUSAL_SDP_MALFORMED},
    {"unknown group of ssrcs", "FID 2001 2002", "SIM 2001 2002", REFUSAL_NONE},
    {"sctp port 65536", "sctp-port:5000", "sctp-port:65536", REFUSAL_SDP_MALFORMED},
    {"message size is a word", "size:65536", "size:big", REFUSAL_SDP_MALFORMED},
};
/* clang-format on */

static void every_row(void)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        enum refusal why;

        printf("#   %s\n", rows[i].what);
        strcpy(text, sdp_lib_offer);
        sdp_lib_replace(text, rows[i].from, rows[i].to);
        T_EQ(parse(&why), rows[i].why == REFUSAL_NONE ? RC_OK : RC_BAD);
        T_STR(refusal_code(why), refusal_code(rows[i].why));
    }
}

static void every_shorter_text_is_survived(void)
{
    const size_t n = strlen(sdp_lib_offer);

    for (size_t i = 0; i < n; i++) {
        enum refusal why;
        char *cut = malloc(i ? i : 1); /* exact, so that a sanitizer sees the byte behind */
        memcpy(cut, sdp_lib_offer, i);
        (void)sdp_offer_parse(cut, i, &offer, &why);
        free(cut);
    }
}

static void append(const char *line, unsigned times)
{
    size_t n = strlen(text);

    while (times--) {
        T_OK(n + strlen(line) < sizeof text);
        n += (size_t)sprintf(text + n, "%s", line);
    }
}

static void a_nul_is_refused(void)
{
    enum refusal why;

    strcpy(text, sdp_lib_offer);
    T_EQ(sdp_offer_parse(text, strlen(text) + 1, &offer, &why), RC_BAD);
}

static void limits_are_kept(void)
{
    static char line[SDP_LINE_MAX + 3];
    enum refusal why;

    strcpy(text, sdp_lib_offer);
    append("m=text 9 UDP x\r\n", SDP_SECTIONS_MAX - 3);
    must_parse();
    append("m=text 9 UDP x\r\n", 1);
    T_EQ(parse(&why), RC_FULL);
    T_EQ(why, REFUSAL_SDP_TOO_LARGE);

    strcpy(text, sdp_lib_offer);
    memset(line, 'x', SDP_LINE_MAX);
    memcpy(line, "a=", 2);
    line[SDP_LINE_MAX] = '\n';
    append(line, 1);
    must_parse();
    line[SDP_LINE_MAX] = 'x';
    line[SDP_LINE_MAX + 1] = '\n';
    append(line, 1);
    T_EQ(parse(&why), RC_FULL);

    strcpy(text, sdp_lib_offer);
    append("a=x\n", SDP_LINES_MAX);
    T_EQ(parse(&why), RC_FULL);

    T_EQ(sdp_offer_parse(text, SDP_TEXT_MAX + 1, &offer, &why), RC_FULL);
    T_EQ(why, REFUSAL_SDP_TOO_LARGE);
}

static void more_than_we_keep_is_ignored(void)
{
    strcpy(text, sdp_lib_offer);
    sdp_lib_replace(text, "a=ssrc-group:FID 2001 2002\r\n", "a=ssrc-group:FID 2001 2002\r\n@");
    for (unsigned i = 0; i < 20; i++) {
        char line[64];
        sprintf(line, "a=ssrc:%u cname:x\r\n@", 5000 + i);
        sdp_lib_replace(text, "@", line);
    }
    sdp_lib_replace(text, "@", "");
    must_parse();
    T_EQ(offer.section[1].ssrc_count, SDP_SSRCS_MAX);
    T_EQ(offer.section[1].ssrc[0].ssrc, 2001);
}

static void the_old_form_of_a_data_channel_is_read(void)
{
    strcpy(text, sdp_lib_offer);
    sdp_lib_replace(text, "UDP/DTLS/SCTP webrtc-datachannel", "DTLS/SCTP 5001");
    sdp_lib_replace(text, "a=sctp-port:5000", "a=sctpmap:5001 webrtc-datachannel 1024");
    must_parse();
    T_EQ(offer.section[2].media, SDP_APPLICATION);
    T_OK(offer.section[2].sctpmap);
    T_EQ(offer.section[2].sctp_port, 5001);
}

static void types_that_would_be_rtcp_are_not_taken(void)
{
    strcpy(text, sdp_lib_offer);
    sdp_lib_replace(text, "96", "72");
    must_parse();
    T_OK(!payload(&offer.section[1], 72));
    T_OK(payload(&offer.section[1], 102));
}

static const struct t_case cases[] = {
    T_CASE(chromium_is_read),
    T_CASE(firefox_is_read),
    T_CASE(every_file_is_read),
    T_CASE(lines_may_end_in_lf_and_the_text_in_blank_lines),
    T_CASE(a_section_without_its_own_has_the_sessions),
    T_CASE(wildcard_feedback_is_for_every_payload),
    T_CASE(every_row),
    T_CASE(every_shorter_text_is_survived),
    T_CASE(a_nul_is_refused),
    T_CASE(limits_are_kept),
    T_CASE(more_than_we_keep_is_ignored),
    T_CASE(the_old_form_of_a_data_channel_is_read),
    T_CASE(types_that_would_be_rtcp_are_not_taken),
};
T_MAIN(cases)
