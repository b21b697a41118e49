#include "relay/sdp_answer.h"

#include "relay/sdp_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* What every section writer needs. */
struct answer {
    FILE *out;
    const struct sdp_offer *offer;
    const struct sdp_local *local;
    const struct sdp_negotiated *n;
    bool has_candidates; /* already in an earlier section */
};

#define LINE(a, ...) fprintf((a)->out, __VA_ARGS__)
#define SPAN(s) (int)(s).n, (const char *)(s).p /* for "%.*s" */

static const char *const setup_names[] = {"passive", "active"};

static const char *direction_name(enum sdp_direction direction)
{
    static const char *const names[] = {
        [SDP_INACTIVE] = "inactive",
        [SDP_SEND] = "sendonly",
        [SDP_RECV] = "recvonly",
        [SDP_SENDRECV] = "sendrecv",
    };
    return names[direction];
}

/* --- session ---------------------------------------------------------------------------- */

static void write_bundle(const struct answer *a)
{
    if (!a->n->bundle)
        return;
    LINE(a, "a=group:BUNDLE");
    for (uint8_t i = 0; i < a->n->mline_count; i++)
        if (a->n->mline[i].accepted)
            LINE(a, " %s", a->n->mline[i].mid);
    LINE(a, "\r\n");
}

static void write_session(const struct answer *a)
{
    LINE(a, "v=0\r\no=- %" PRIu64 " %" PRIu64 " IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n",
         a->local->session_id, a->n->answer_version);
    write_bundle(a);
    LINE(a, "a=ice-lite\r\n");
    /* RFC 8445, section 10 and RFC 8838, section 16; the latter only to who speaks it. All our
     * candidates are in the answer, we take the client's one by one. */
    LINE(a, "a=ice-options:%sice2\r\n", a->n->ice_trickle ? "trickle " : "");
    LINE(a, "a=msid-semantic: WMS *\r\n");
}

/* --- what every accepted section has ---------------------------------------------------- */

/* The default candidate of m= and c= (RFC 8839, section 4.3.1): IPv4 if we have it. */
static const struct candidate *default_candidate(const struct sdp_local *local)
{
    for (size_t i = 0; i < local->candidate_count; i++)
        if (local->candidates[i].transport == CANDIDATE_UDP &&
            local->candidates[i].address.sa.sa_family == AF_INET)
            return &local->candidates[i];
    return local->candidate_count > 0 ? &local->candidates[0] : NULL;
}

static unsigned default_port(const struct sdp_local *local)
{
    const struct candidate *candidate = default_candidate(local);

    return candidate ? address_port(&candidate->address) : 9;
}

static void write_connection(const struct answer *a)
{
    const struct candidate *candidate = default_candidate(a->local);
    char ip[ADDRESS_TEXT_MAX];

    if (!candidate) {
        LINE(a, "c=IN IP4 0.0.0.0\r\n");
        return;
    }
    LINE(a, "c=IN %s %s\r\n", candidate->address.sa.sa_family == AF_INET6 ? "IP6" : "IP4",
         address_format_ip(&candidate->address, ip, sizeof ip));
}

/* RFC 9143, section 7.3: in the first section of the bundle only. */
static void write_candidates(struct answer *a)
{
    char text[CANDIDATE_TEXT_MAX];

    if (a->has_candidates)
        return;
    a->has_candidates = true;
    for (size_t i = 0; i < a->local->candidate_count; i++)
        if (candidate_format(&a->local->candidates[i], text, sizeof text) > 0)
            LINE(a, "a=%s\r\n", text);
    LINE(a, "a=end-of-candidates\r\n");
}

static void write_transport(struct answer *a, const char *mid)
{
    char digest[FINGERPRINT_TEXT_MAX];

    write_connection(a);
    write_candidates(a);
    LINE(a, "a=ice-ufrag:%s\r\na=ice-pwd:%s\r\n", a->local->ice_ufrag, a->local->ice_pwd);
    LINE(a, "a=fingerprint:%s %s\r\n",
         fingerprint_algorithm_name(a->local->fingerprint->algorithm),
         fingerprint_format(a->local->fingerprint, digest));
    LINE(a, "a=setup:%s\r\n", setup_names[a->n->dtls_client]);
    if (mid[0])
        LINE(a, "a=mid:%s\r\n", mid);
}

/* --- audio and video -------------------------------------------------------------------- */

static void write_extensions(const struct answer *a, const struct sdp_section *section,
                             const struct sdp_negotiated_media *media)
{
    for (int kind = RTP_EXTENSION_NONE + 1; kind < RTP_EXTENSION_COUNT; kind++) {
        const uint8_t receive = media->receive_extension[kind];
        const uint8_t send = media->send_extension[kind];

        if (!receive && !send)
            continue;
        LINE(a, "a=extmap:%u%s %s\r\n", receive | send,
             !send      ? "/recvonly"
             : !receive ? "/sendonly"
                        : "",
             rtp_extension_info((enum rtp_extension_kind)kind)->uri);
    }
    if (section->extmap_allow_mixed)
        LINE(a, "a=extmap-allow-mixed\r\n");
}

static void write_feedback(const struct answer *a, const struct sdp_negotiated_media *media)
{
    for (unsigned i = 0; i < FEEDBACK_COUNT; i++)
        if (media->feedback & 1u << i)
            LINE(a, "a=rtcp-fb:%u %s\r\n", media->payload_type[media->codec],
                 codec_feedback_name(1u << i));
}

/* RFC 7587, section 7: the parameters say how the client shall send to us. */
static void write_opus(const struct answer *a, const struct sdp_payload *payload)
{
    struct span dtx;
    const bool wants_dtx = codec_fmtp(payload->fmtp, "usedtx", &dtx) && sdp_text_is(dtx, "1");

    LINE(a, "a=fmtp:%u minptime=10;useinbandfec=1%s\r\n", payload->type,
         wants_dtx ? ";usedtx=1" : "");
}

/* RFC 6184, section 8.2.2: the answer repeats the profile and the mode; the level may differ.
 */
static void write_h264(const struct answer *a, const struct sdp_payload *payload)
{
    struct span profile, asymmetry;

    LINE(a, "a=fmtp:%u ", payload->type);
    if (codec_fmtp(payload->fmtp, "level-asymmetry-allowed", &asymmetry) &&
        sdp_text_is(asymmetry, "1"))
        LINE(a, "level-asymmetry-allowed=1;");
    LINE(a, "packetization-mode=1");
    if (codec_fmtp(payload->fmtp, "profile-level-id", &profile) && profile.n == 6)
        LINE(a, ";profile-level-id=%.*s", SPAN(profile));
    LINE(a, "\r\n");
}

/* AV1 RTP payload format, section 7.2.1: what is left out means level 3.1, profile 0, tier 0.
 */
static void write_av1(const struct answer *a, const struct sdp_payload *payload)
{
    struct span value;
    uint64_t level = 5;

    if (payload->fmtp.n == 0)
        return;
    if (codec_fmtp(payload->fmtp, "level-idx", &value))
        (void)sdp_text_number(value, 31, &level);
    LINE(a, "a=fmtp:%u level-idx=%" PRIu64 ";profile=0;tier=0\r\n", payload->type, level);
}

static void write_fmtp(const struct answer *a, const struct sdp_payload *payload,
                       const struct sdp_negotiated_media *media)
{
    const uint8_t main_type = media->payload_type[media->codec];

    switch (payload->codec) {
    case CODEC_OPUS:
        write_opus(a, payload);
        break;
    case CODEC_RED:
        LINE(a, "a=fmtp:%u %u/%u\r\n", payload->type, main_type, main_type);
        break;
    case CODEC_RTX:
        LINE(a, "a=fmtp:%u apt=%u\r\n", payload->type, main_type);
        break;
    case CODEC_H264:
        write_h264(a, payload);
        break;
    case CODEC_VP9:
        LINE(a, "a=fmtp:%u profile-id=0\r\n", payload->type);
        break;
    case CODEC_AV1:
        write_av1(a, payload);
        break;
    case CODEC_VP8:
    case CODEC_NONE:
    case CODEC_COUNT:
        break;
    }
}

static void write_payload(const struct answer *a, const struct sdp_payload *payload,
                          const struct sdp_negotiated_media *media)
{
    const struct codec *codec = codec_get(payload->codec);

    LINE(a, "a=rtpmap:%u %s/%u", payload->type, codec->name, codec->clock_rate);
    if (codec->channels > 1)
        LINE(a, "/%u", codec->channels);
    LINE(a, "\r\n");
    if (payload->codec == media->codec)
        write_feedback(a, media);
    write_fmtp(a, payload, media);
}

static bool is_negotiated(const struct sdp_payload *payload,
                          const struct sdp_negotiated_media *media)
{
    return media->payload_type[payload->codec] == payload->type;
}

static void write_ssrc(const struct answer *a, uint32_t ssrc, const char *track)
{
    LINE(a, "a=ssrc:%u cname:%s\r\n", ssrc, a->local->cname);
    LINE(a, "a=ssrc:%u msid:%s %s\r\n", ssrc, a->local->stream_id, track);
}

static void write_ssrcs(const struct answer *a, const struct sdp_section *section,
                        const struct sdp_negotiated_media *media, const char *track)
{
    const struct sdp_local *local = a->local;

    if (section->media == SDP_AUDIO) {
        write_ssrc(a, local->audio_ssrc, track);
        return;
    }
    if (media->payload_type[CODEC_RTX])
        LINE(a, "a=ssrc-group:FID %u %u\r\n", local->video_ssrc, local->video_rtx_ssrc);
    write_ssrc(a, local->video_ssrc, track);
    if (media->payload_type[CODEC_RTX])
        write_ssrc(a, local->video_rtx_ssrc, track);
}

static void write_rtp(struct answer *a, const struct sdp_section *section,
                      const struct sdp_negotiated_media *media)
{
    const char *track =
        section->media == SDP_AUDIO ? a->local->audio_track_id : a->local->video_track_id;
    const bool sends = media->direction & SDP_SEND;

    LINE(a, "m=%.*s %u %.*s", SPAN(section->media_name), default_port(a->local),
         SPAN(section->proto));
    for (uint8_t i = 0; i < section->payload_count; i++)
        if (is_negotiated(&section->payload[i], media))
            LINE(a, " %u", section->payload[i].type);
    LINE(a, "\r\n");

    write_transport(a, media->mid);
    write_extensions(a, section, media);
    LINE(a, "a=%s\r\n", direction_name(media->direction));
    if (sends)
        LINE(a, "a=msid:%s %s\r\n", a->local->stream_id, track);
    LINE(a, "a=rtcp-mux\r\n");
    if (media->rtcp_rsize)
        LINE(a, "a=rtcp-rsize\r\n");
    for (uint8_t i = 0; i < section->payload_count; i++)
        if (is_negotiated(&section->payload[i], media))
            write_payload(a, &section->payload[i], media);
    if (sends)
        write_ssrcs(a, section, media, track);
}

/* --- data channel and rejected sections ------------------------------------------------- */

static void write_data(struct answer *a, const struct sdp_section *section,
                       const struct sdp_negotiated_data *data)
{
    LINE(a, "m=application %u %.*s %.*s\r\n", default_port(a->local), SPAN(section->proto),
         SPAN(section->format));
    write_transport(a, data->mid);
    if (section->sctpmap)
        LINE(a, "a=sctpmap:%u webrtc-datachannel 1024\r\n", data->local_sctp_port);
    else
        LINE(a, "a=sctp-port:%u\r\n", data->local_sctp_port);
    LINE(a, "a=max-message-size:%u\r\n", data->local_max_message_size);
}

/* RFC 3264, section 6: port 0; the formats mean nothing but one must be there. */
static void write_rejected(const struct answer *a, const struct sdp_section *section)
{
    LINE(a, "m=%.*s 0 %.*s %.*s\r\nc=IN IP4 0.0.0.0\r\n", SPAN(section->media_name),
         SPAN(section->proto), SPAN(section->format));
    if (section->mid.n > 0)
        LINE(a, "a=mid:%.*s\r\n", SPAN(section->mid));
    LINE(a, "a=inactive\r\n");
}

static void write_section(struct answer *a, uint8_t index)
{
    const struct sdp_section *section = &a->offer->section[index];

    if (!a->n->mline[index].accepted)
        write_rejected(a, section);
    else if (section->media == SDP_APPLICATION)
        write_data(a, section, &a->n->data);
    else
        write_rtp(a, section, section->media == SDP_AUDIO ? &a->n->audio : &a->n->video);
}

/* NULL: no memory. */
static char *write_answer(const struct sdp_offer *offer, const struct sdp_local *local,
                          const struct sdp_negotiated *n)
{
    char *text = NULL;
    size_t size = 0;
    struct answer a = {.offer = offer, .local = local, .n = n};

    a.out = open_memstream(&text, &size);
    if (!a.out)
        return NULL;
    write_session(&a);
    for (uint8_t i = 0; i < offer->section_count; i++)
        write_section(&a, i);

    const bool failed = ferror(a.out);
    if (fclose(a.out) != 0 || failed) {
        free(text);
        return NULL;
    }
    return text;
}

int sdp_answer_write(const struct sdp_offer *offer, const struct sdp_local *local,
                     const struct sdp_negotiated *previous, struct sdp_negotiated *out,
                     char **answer_text, enum refusal *why)
{
    struct sdp_negotiated n;

    *why = sdp_negotiate(offer, local, previous, &n);
    if (*why != REFUSAL_NONE)
        return RC_BAD;

    char *text = write_answer(offer, local, &n);
    if (!text) {
        *why = REFUSAL_SERVER_FULL;
        return RC_NOMEM;
    }
    *answer_text = text;
    *out = n;
    return RC_OK;
}
