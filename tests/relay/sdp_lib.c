#include "tests/relay/sdp_lib.h"

#include "relay/sdp_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGEST                                                                                 \
    "00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:"  \
    "1D:1E:1F"
#define TRANSPORT                                                                              \
    "c=IN IP4 0.0.0.0\r\n"                                                                     \
    "a=ice-ufrag:user\r\n"                                                                     \
    "a=ice-pwd:passwordpasswordpassword\r\n"                                                   \
    "a=ice-options:trickle\r\n"                                                                \
    "a=fingerprint:sha-256 " DIGEST "\r\n"                                                     \
    "a=setup:actpass\r\n"

const char sdp_lib_offer[] =
    "v=0\r\n"
    "o=- 7 2 IN IP4 127.0.0.1\r\n"
    "s=-\r\n"
    "t=0 0\r\n"
    "a=group:BUNDLE a v d\r\n"
    "m=audio 9 UDP/TLS/RTP/SAVPF 111 63 0\r\n" TRANSPORT "a=mid:a\r\n"
    "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n"
    "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n"
    "a=sendrecv\r\n"
    "a=rtcp-mux\r\n"
    "a=rtpmap:111 opus/48000/2\r\n"
    "a=fmtp:111 minptime=10;useinbandfec=1\r\n"
    "a=rtpmap:63 red/48000/2\r\n"
    "a=fmtp:63 111/111\r\n"
    "a=rtpmap:0 PCMU/8000\r\n"
    "a=ssrc:1001 cname:client\r\n"
    "m=video 9 UDP/TLS/RTP/SAVPF 96 97 102 103\r\n" TRANSPORT "a=mid:v\r\n"
    "a=extmap:3 "
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n"
    "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n"
    "a=sendrecv\r\n"
    "a=rtcp-mux\r\n"
    "a=rtcp-rsize\r\n"
    "a=rtpmap:96 VP8/90000\r\n"
    "a=rtcp-fb:96 transport-cc\r\n"
    "a=rtcp-fb:96 nack pli\r\n"
    "a=rtcp-fb:* nack\r\n"
    "a=rtpmap:97 rtx/90000\r\n"
    "a=fmtp:97 apt=96\r\n"
    "a=rtpmap:102 H264/90000\r\n"
    "a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n"
    "a=rtpmap:103 rtx/90000\r\n"
    "a=fmtp:103 apt=102\r\n"
    "a=ssrc-group:FID 2001 2002\r\n"
    "a=ssrc:2001 cname:client\r\n"
    "a=ssrc:2002 cname:client\r\n"
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n" TRANSPORT "a=mid:d\r\n"
    "a=sctp-port:5000\r\n"
    "a=max-message-size:65536\r\n";

const char *const sdp_lib_files[] = {
    "chromium_audio_video_data.sdp",
    "chromium_data_only.sdp",
    "chromium_extra_0.sdp",
    "chromium_extra_1.sdp",
    "chromium_h264_only.sdp",
    "chromium_max_bundle.sdp",
    "chromium_red_preferred.sdp",
    "chromium_restart_0.sdp",
    "chromium_restart_1.sdp",
    "chromium_simulcast.sdp",
    "chromium_stop_0.sdp",
    "chromium_stop_1.sdp",
    "chromium_stop_2.sdp",
    "firefox_audio_video_data.sdp",
    "firefox_extra_0.sdp",
    "firefox_extra_1.sdp",
    "firefox_restart_0.sdp",
    "firefox_restart_1.sdp",
    "firefox_simulcast.sdp",
    "firefox_stop_0.sdp",
    "firefox_stop_1.sdp",
    "firefox_stop_2.sdp",
    "safari_audio_video_data.sdp",
};
const size_t sdp_lib_file_count = ARRAY_LEN(sdp_lib_files);

void sdp_lib_load(const char *name, char buf[static SDP_LIB_TEXT_MAX])
{
    char path[256];

    snprintf(path, sizeof path, "tests/relay/data/%s", name);
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    const size_t n = fread(buf, 1, SDP_LIB_TEXT_MAX - 1, file);
    buf[n] = '\0';
    fclose(file);
}

void sdp_lib_replace(char buf[static SDP_LIB_TEXT_MAX], const char *from, const char *to)
{
    const size_t from_len = strlen(from), to_len = strlen(to);
    unsigned found = 0;

    for (char *at = strstr(buf, from); at; at = strstr(at + to_len, from)) {
        const size_t tail = strlen(at + from_len) + 1;
        if ((size_t)(at - buf) + to_len + tail > SDP_LIB_TEXT_MAX)
            abort();
        memmove(at + to_len, at + from_len, tail);
        memcpy(at, to, to_len);
        found++;
    }
    if (!found) {
        printf("# no \"%s\" to replace\n", from);
        exit(EXIT_FAILURE);
    }
}

struct sdp_local sdp_lib_local(void)
{
    static struct candidate candidates[2];
    static struct fingerprint fingerprint = {.algorithm = FINGERPRINT_SHA256, .length = 32};
    struct address v4, v6;

    if (address_parse(&v4, "192.0.2.9:3478") != RC_OK ||
        address_parse(&v6, "[2001:db8::9]:3478") != RC_OK)
        abort();
    memset(fingerprint.bytes, 0xab, 32);
    candidate_make_host(&candidates[0], CANDIDATE_UDP, &v6, 0);
    candidate_make_host(&candidates[1], CANDIDATE_UDP, &v4, 1);
    return (struct sdp_local){
        .session_id = 4242,
        .ice_ufrag = "srvr",
        .ice_pwd = "serverserverserverserver",
        .fingerprint = &fingerprint,
        .candidates = candidates,
        .candidate_count = 2,
        .audio_ssrc = 1,
        .video_ssrc = 2,
        .video_rtx_ssrc = 3,
        .cname = "relay",
        .stream_id = "stream",
        .audio_track_id = "audio",
        .video_track_id = "video",
        .video_codecs = {CODEC_VP8, CODEC_H264, CODEC_VP9, CODEC_AV1},
        .video_codec_count = 4,
        .data_channels = true,
    };
}

static bool has_type(const struct sdp_section *section, uint8_t type, enum codec_id codec)
{
    for (uint8_t i = 0; i < section->payload_count; i++)
        if (section->payload[i].type == type && section->payload[i].codec == codec)
            return true;
    return false;
}

static const char *media_fault(const struct sdp_section *section,
                               const struct sdp_negotiated_media *media)
{
    if (section->port == 0 && !section->bundle_only)
        return "a stopped section is accepted";
    if (media->direction != sdp_direction_reverse(section->direction))
        return "the direction is not the reverse";
    if (!media->payload_type[media->codec])
        return "the codec has no payload type";
    for (int i = 0; i < CODEC_COUNT; i++)
        if (media->payload_type[i] &&
            !has_type(section, media->payload_type[i], (enum codec_id)i))
            return "a payload type was not offered as this codec";
    for (int i = 0; i < RTP_EXTENSION_COUNT; i++) {
        const uint8_t receive = media->receive_extension[i], send = media->send_extension[i];
        if ((receive && receive != section->extension[i].id) ||
            (send && send != section->extension[i].id))
            return "an extension has an id that was not offered";
    }
    return NULL;
}

static const char *section_fault(const struct sdp_section *offered,
                                 const struct sdp_section *answered, bool accepted)
{
    if (!sdp_text_equal(offered->media_name, answered->media_name) ||
        !sdp_text_equal(offered->proto, answered->proto))
        return "an m= line has another kind or protocol";
    if (!sdp_text_equal(offered->mid, answered->mid))
        return "a section has another mid";
    if (accepted != (answered->port != 0))
        return "port 0 and rejection are not the same";
    if (!accepted)
        return answered->direction == SDP_INACTIVE ? NULL : "a rejected section is active";
    if (answered->media != SDP_APPLICATION && !answered->rtcp_mux)
        return "an accepted section has no rtcp-mux";
    if (answered->transport.fingerprint_count != 1 || answered->transport.ice_ufrag.n == 0)
        return "an accepted section has no transport";
    if (answered->transport.setup != SDP_SETUP_ACTIVE &&
        answered->transport.setup != SDP_SETUP_PASSIVE)
        return "the DTLS role is open";
    if (answered->media != SDP_APPLICATION && answered->payload_count == 0)
        return "an accepted section has no codec";
    return NULL;
}

const char *sdp_lib_fault(const struct sdp_offer *offer, const struct sdp_local *local,
                          const struct sdp_negotiated *n, const char *answer)
{
    static struct sdp_offer parsed;
    const size_t length = strlen(answer);
    enum refusal why;
    unsigned accepted = 0;

    for (const char *at = answer; *at; at = strchr(at, '\n') + 1) {
        const char *end = strstr(at, "\r\n");
        if (!end || end != at + strcspn(at, "\r\n"))
            return "a line does not end in CRLF";
        if (end - at > SDP_LINE_MAX)
            return "a line is too long";
    }
    if (sdp_offer_parse(answer, length, &parsed, &why) != RC_OK)
        return "the answer does not parse";
    if (parsed.section_count != offer->section_count || n->mline_count != offer->section_count)
        return "the answer has another number of m= lines";
    for (uint8_t i = 0; i < offer->section_count; i++) {
        const char *fault =
            section_fault(&offer->section[i], &parsed.section[i], n->mline[i].accepted);
        if (fault)
            return fault;
        accepted += n->mline[i].accepted;
        if (n->bundle && n->mline[i].accepted != parsed.section[i].in_bundle)
            return "the BUNDLE group is not what was accepted";
    }
    if (accepted == 0 || accepted > 3 ||
        accepted != (unsigned)n->audio.present + n->video.present + n->data.present)
        return "what was accepted does not add up";
    if (n->audio.present && media_fault(&offer->section[n->audio.mline], &n->audio))
        return media_fault(&offer->section[n->audio.mline], &n->audio);
    if (n->video.present && media_fault(&offer->section[n->video.mline], &n->video))
        return media_fault(&offer->section[n->video.mline], &n->video);
    if (n->data.present && (n->data.max_message_size == 0 ||
                            n->data.max_message_size > n->data.local_max_message_size))
        return "the message size is out of bounds";
    return parsed.session_id == local->session_id ? NULL : "o= is not ours";
}
