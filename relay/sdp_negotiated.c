#include "relay/sdp_negotiated.h"

#include "relay/sdp_text.h"

#include <string.h>

enum {
    SCTP_PORT = 5000,                /* ours; any would do, DTLS has no ports */
    MESSAGE_SIZE_DEFAULT = 65536,    /* RFC 8841, section 6.1: the offer is silent */
    MID_EXTENSION_MAX = 16,          /* longest value of a one-byte header extension */
    ONE_BYTE_ID_MAX = 14,            /* RFC 8285, section 4.2 */
    H264_CONSTRAINED_BASELINE = 0x40 /* constraint_set1_flag of profile-iop */
};

/* The sections that we take; NULL: none. */
struct choice {
    const struct sdp_section *audio, *video, *data;
};

/* --- which sections --------------------------------------------------------------------- */

/* RFC 8829, section 5.3.1: port 0 is a section that the offerer stopped, unless bundle-only. */
static bool is_live(const struct sdp_section *section)
{
    return section->media != SDP_OTHER && (section->port != 0 || section->bundle_only);
}

static unsigned count_live(const struct sdp_offer *offer)
{
    unsigned n = 0;

    for (uint8_t i = 0; i < offer->section_count; i++)
        n += is_live(&offer->section[i]);
    return n;
}

/* Without a group one section is its own transport; with one, it must be in it. */
static bool is_reachable(const struct sdp_offer *offer, const struct sdp_section *section)
{
    return is_live(section) && (section->in_bundle || offer->bundle_count == 0);
}

static const struct sdp_payload *find_type(const struct sdp_section *section, uint8_t type)
{
    for (uint8_t i = 0; i < section->payload_count; i++)
        if (section->payload[i].type == type)
            return &section->payload[i];
    return NULL;
}

/* Partners of all kinds must decode it: constrained baseline goes before baseline. */
static bool is_constrained_baseline(const struct sdp_payload *payload)
{
    struct span level;

    if (payload->codec != CODEC_H264 || !codec_fmtp(payload->fmtp, "profile-level-id", &level))
        return false;
    return level.n == 6 && sdp_text_hex(level.p[2]) >= 0 &&
           (sdp_text_hex(level.p[2]) << 4 & H264_CONSTRAINED_BASELINE);
}

static const struct sdp_payload *find_codec(const struct sdp_section *section,
                                            enum codec_id codec)
{
    const struct sdp_payload *first = NULL;

    for (uint8_t i = 0; i < section->payload_count; i++) {
        const struct sdp_payload *payload = &section->payload[i];

        if (payload->codec != codec)
            continue;
        if (is_constrained_baseline(payload))
            return payload;
        if (!first)
            first = payload;
    }
    return first;
}

/* The codec of a section: what runs already if it is still offered, else the first of our list
 * (RFC 3264, section 6.1 lets the answerer choose). NULL: none of ours. */
static const struct sdp_payload *choose_codec(const struct sdp_section *section,
                                              const struct sdp_local *local,
                                              const struct sdp_negotiated_media *running)
{
    if (running && running->present) {
        const struct sdp_payload *same =
            find_type(section, running->payload_type[running->codec]);
        if (same && same->codec == running->codec)
            return same;
    }
    if (section->media == SDP_AUDIO)
        return find_codec(section, CODEC_OPUS);
    for (size_t i = 0; i < local->video_codec_count; i++) {
        const struct sdp_payload *payload = find_codec(section, local->video_codecs[i]);
        if (payload && codec_get(payload->codec)->media_codec)
            return payload;
    }
    return NULL;
}

static bool is_usable(const struct sdp_section *section, const struct sdp_local *local)
{
    if (section->media == SDP_APPLICATION)
        return local->data_channels && section->sctp_port != 0;
    return choose_codec(section, local, NULL) != NULL;
}

/* sendrecv before sendonly before recvonly before inactive. */
static int rank(const struct sdp_section *section)
{
    return (section->direction & SDP_SEND ? 2 : 0) + (section->direction & SDP_RECV ? 1 : 0);
}

/* The section of one kind: the one that runs, else the most useful, else the first. */
static const struct sdp_section *choose_section(const struct sdp_offer *offer,
                                                const struct sdp_local *local,
                                                enum sdp_media media, bool runs, uint8_t mline)
{
    const struct sdp_section *best = NULL;

    for (uint8_t i = 0; i < offer->section_count; i++) {
        const struct sdp_section *section = &offer->section[i];

        if (section->media != media || !is_reachable(offer, section) ||
            !is_usable(section, local))
            continue;
        if (runs && i == mline)
            return section;
        if (!best || rank(section) > rank(best))
            best = section;
    }
    return best;
}

static struct choice choose_sections(const struct sdp_offer *offer,
                                     const struct sdp_local *local,
                                     const struct sdp_negotiated *previous)
{
    static const struct sdp_negotiated nothing;
    const struct sdp_negotiated *p = previous ? previous : &nothing;

    return (struct choice){
        .audio = choose_section(offer, local, SDP_AUDIO, p->audio.present, p->audio.mline),
        .video = choose_section(offer, local, SDP_VIDEO, p->video.present, p->video.mline),
        .data = choose_section(offer, local, SDP_APPLICATION, p->data.present, p->data.mline),
    };
}

/* --- the transport ---------------------------------------------------------------------- */

/* RFC 9143, section 7.2.1: the first section of the group has it; browsers repeat it in all. */
static const struct sdp_section *transport_section(const struct sdp_offer *offer)
{
    for (uint8_t g = 0; g < offer->bundle_count; g++) {
        for (uint8_t i = 0; i < offer->section_count; i++) {
            const struct sdp_section *section = &offer->section[i];

            if (is_live(section) && sdp_text_equal(section->mid, offer->bundle[g]) &&
                section->transport.ice_ufrag.n > 0)
                return section;
        }
    }
    for (uint8_t i = 0; i < offer->section_count; i++)
        if (is_reachable(offer, &offer->section[i]))
            return &offer->section[i];
    return NULL;
}

static const struct fingerprint *strongest_fingerprint(const struct sdp_transport *transport)
{
    const struct fingerprint *best = NULL;

    for (uint8_t i = 0; i < transport->fingerprint_count; i++)
        if (!best || transport->fingerprint[i].algorithm > best->algorithm)
            best = &transport->fingerprint[i];
    return best;
}

enum sdp_change sdp_change_kind(const struct sdp_negotiated *previous,
                                const struct sdp_offer *offer)
{
    const struct sdp_section *section = transport_section(offer);
    if (!previous || !section || previous->session_id != offer->session_id)
        return SDP_NEW_SESSION;

    const struct sdp_transport *transport = &section->transport;
    const struct fingerprint *fingerprint = strongest_fingerprint(transport);
    if (!fingerprint || !fingerprint_equal(fingerprint, &previous->fingerprint))
        return SDP_NEW_SESSION;

    const bool same_credentials = sdp_text_is(transport->ice_ufrag, previous->ice_ufrag) &&
                                  sdp_text_is(transport->ice_pwd, previous->ice_pwd);
    return same_credentials ? SDP_RENEGOTIATION : SDP_ICE_RESTART;
}

static void fill_transport(const struct sdp_offer *offer, const struct sdp_transport *transport,
                           const struct sdp_negotiated *previous, struct sdp_negotiated *out)
{
    out->session_id = offer->session_id;
    out->session_version = offer->session_version;
    out->answer_version = previous ? previous->answer_version + 1 : 1;
    out->bundle = offer->bundle_count > 0;
    sdp_text_copy(transport->ice_ufrag, out->ice_ufrag, sizeof out->ice_ufrag);
    sdp_text_copy(transport->ice_pwd, out->ice_pwd, sizeof out->ice_pwd);
    out->ice_trickle = transport->ice_trickle;
    out->fingerprint = *strongest_fingerprint(transport);
    /* RFC 8842, section 5.3: an answerer should be active. We are not unless we must: who only
     * sends checks then costs no handshake. Later offers keep the role. */
    out->dtls_client = previous ? previous->dtls_client : transport->setup == SDP_SETUP_PASSIVE;
}

/* --- one audio or video section --------------------------------------------------------- */

/* RFC 4588, section 8.6: a=fmtp:<rtx> apt=<what it repairs>. */
static uint8_t find_rtx(const struct sdp_section *section, uint8_t repaired)
{
    for (uint8_t i = 0; i < section->payload_count; i++)
        if (section->payload[i].codec == CODEC_RTX && section->payload[i].apt == repaired)
            return section->payload[i].type;
    return 0;
}

/* RFC 2198, section 5: a=fmtp:<red> <primary>/<redundant>…, all of them our Opus. */
static uint8_t find_red(const struct sdp_section *section, uint8_t opus)
{
    const struct sdp_payload *red = find_codec(section, CODEC_RED);
    if (!red || red->fmtp.n == 0)
        return 0;

    struct span rest = red->fmtp, part;
    while (rest.n > 0) {
        uint64_t type;
        sdp_text_cut(&rest, '/', &part);
        if (!sdp_text_number(part, UINT8_MAX, &type) || type != opus)
            return 0;
    }
    return red->type;
}

static void fill_extensions(const struct sdp_section *section, struct sdp_negotiated_media *out)
{
    for (int kind = RTP_EXTENSION_NONE + 1; kind < RTP_EXTENSION_COUNT; kind++) {
        const struct sdp_extension *offered = &section->extension[kind];

        /* Ids over 14 need two-byte headers, and the leave to mix them with the others. */
        if (offered->id > ONE_BYTE_ID_MAX && !section->extmap_allow_mixed)
            continue;
        if (kind == RTP_EXTENSION_MID &&
            (section->mid.n == 0 || section->mid.n > MID_EXTENSION_MAX))
            continue;
        if (offered->direction & SDP_SEND)
            out->receive_extension[kind] = offered->id;
        if (offered->direction & SDP_RECV)
            out->send_extension[kind] = offered->id;
    }
}

static void fill_ssrcs(const struct sdp_section *section, struct sdp_negotiated_media *out)
{
    for (uint8_t i = 0; i < section->ssrc_count; i++) {
        const struct sdp_ssrc *ssrc = &section->ssrc[i];

        if (ssrc->is_repair)
            continue;
        out->remote_ssrc = ssrc->ssrc;
        out->remote_rtx_ssrc = out->payload_type[CODEC_RTX] ? ssrc->rtx : 0;
        sdp_text_copy(ssrc->cname, out->remote_cname, sizeof out->remote_cname);
        return; /* of simulcast, the first: we take one stream */
    }
}

static void fill_media(const struct sdp_offer *offer, const struct sdp_section *section,
                       const struct sdp_payload *chosen, struct sdp_negotiated_media *out)
{
    out->present = true;
    out->mline = (uint8_t)(section - offer->section);
    sdp_text_copy(section->mid, out->mid, sizeof out->mid);
    out->direction = sdp_direction_reverse(section->direction);
    out->rtcp_rsize = section->rtcp_rsize;

    out->codec = chosen->codec;
    out->payload_type[chosen->codec] = chosen->type;
    if (section->media == SDP_AUDIO)
        out->payload_type[CODEC_RED] = find_red(section, chosen->type);
    else
        out->payload_type[CODEC_RTX] = find_rtx(section, chosen->type);

    fill_extensions(section, out);
    out->feedback = chosen->feedback & codec_get(chosen->codec)->feedback;
    /* Its feedback counts the numbers that this extension carries. */
    if (!out->receive_extension[RTP_EXTENSION_TRANSPORT_WIDE_CC])
        out->feedback &= ~(unsigned)FEEDBACK_TRANSPORT_CC;
    fill_ssrcs(section, out);
}

/* RFC 9143, section 9.1 for payload types, RFC 8285, section 6 for extensions, and one SSRC is
 * one source: in a bundle each may have one meaning. Extensions that clash are left to audio.
 */
static bool settle_clashes(struct sdp_negotiated_media *audio,
                           struct sdp_negotiated_media *video)
{
    for (int a = 0; a < CODEC_COUNT; a++)
        for (int v = 0; v < CODEC_COUNT; v++)
            if (audio->payload_type[a] && audio->payload_type[a] == video->payload_type[v])
                return false;

    const uint32_t ssrcs[] = {audio->remote_ssrc, video->remote_ssrc, video->remote_rtx_ssrc};
    for (size_t i = 0; i < ARRAY_LEN(ssrcs); i++)
        for (size_t k = i + 1; k < ARRAY_LEN(ssrcs); k++)
            if (ssrcs[i] && ssrcs[i] == ssrcs[k])
                return false;

    for (int a = 0; a < RTP_EXTENSION_COUNT; a++) {
        for (int v = 0; v < RTP_EXTENSION_COUNT; v++) {
            const uint8_t id = audio->receive_extension[a] | audio->send_extension[a];
            const uint8_t other = video->receive_extension[v] | video->send_extension[v];
            if (id && other && (a == v) != (id == other))
                video->receive_extension[v] = video->send_extension[v] = 0;
        }
    }
    if (!video->receive_extension[RTP_EXTENSION_TRANSPORT_WIDE_CC])
        video->feedback &= ~(unsigned)FEEDBACK_TRANSPORT_CC;
    return true;
}

/* --- the data channel section ----------------------------------------------------------- */

static uint32_t our_message_size(const struct sdp_local *local)
{
    return local->max_message_size ? local->max_message_size : SDP_MAX_MESSAGE_SIZE;
}

static uint32_t message_size(const struct sdp_section *section, uint32_t ours)
{
    const uint64_t theirs =
        section->has_max_message_size ? section->max_message_size : MESSAGE_SIZE_DEFAULT;

    return theirs == 0 || theirs > ours ? ours : (uint32_t)theirs;
}

static void fill_data(const struct sdp_offer *offer, const struct sdp_section *section,
                      const struct sdp_local *local, struct sdp_negotiated_data *out)
{
    out->present = true;
    out->mline = (uint8_t)(section - offer->section);
    sdp_text_copy(section->mid, out->mid, sizeof out->mid);
    out->remote_sctp_port = section->sctp_port;
    out->local_sctp_port = section->sctpmap ? section->sctp_port : SCTP_PORT;
    out->max_message_size = message_size(section, our_message_size(local));
    out->local_max_message_size = our_message_size(local);
}

/* --- may it be answered ----------------------------------------------------------------- */

static bool lacks_codec(const struct sdp_offer *offer, const struct sdp_local *local)
{
    for (uint8_t i = 0; i < offer->section_count; i++) {
        const struct sdp_section *section = &offer->section[i];

        if (section->media != SDP_APPLICATION && is_reachable(offer, section) &&
            !is_usable(section, local))
            return true;
    }
    return false;
}

static bool lacks_rtcp_mux(const struct sdp_section *section,
                           const struct sdp_section *transport)
{
    /* RFC 8829, section 5.2.2: what is identical in a bundle may stand in one section only. */
    return section && !section->rtcp_mux && !transport->rtcp_mux;
}

static enum refusal offer_refusal(const struct sdp_offer *offer, const struct sdp_local *local,
                                  const struct choice *choice)
{
    if (count_live(offer) == 0)
        return REFUSAL_SDP_NO_MEDIA;
    if (count_live(offer) > 1 && offer->bundle_count == 0)
        return REFUSAL_SDP_NO_BUNDLE;
    if (offer->ice_lite)
        return REFUSAL_SDP_ICE_LITE; /* RFC 8445, section 6.1.1: both lite, nobody checks */
    if (!choice->audio && !choice->video && !choice->data)
        return lacks_codec(offer, local) ? REFUSAL_SDP_NO_CODEC : REFUSAL_SDP_NO_MEDIA;

    const struct sdp_section *section = transport_section(offer);
    if (!section)
        return REFUSAL_SDP_NO_MEDIA;
    if (lacks_rtcp_mux(choice->audio, section) || lacks_rtcp_mux(choice->video, section))
        return REFUSAL_SDP_NO_RTCP_MUX;
    if (section->transport.ice_ufrag.n == 0 || section->transport.ice_pwd.n == 0)
        return REFUSAL_SDP_NO_ICE;
    if (!strongest_fingerprint(&section->transport))
        return REFUSAL_SDP_NO_FINGERPRINT;
    return REFUSAL_NONE;
}

static bool moves_sections(const struct sdp_negotiated *previous, const struct sdp_offer *offer)
{
    /* RFC 3264, section 8: m= lines never vanish. A stopped one may become another. */
    if (offer->section_count < previous->mline_count)
        return true;
    for (uint8_t i = 0; i < previous->mline_count; i++) {
        const struct sdp_mline *old = &previous->mline[i];
        const struct sdp_section *new = &offer->section[i];

        if (old->accepted && is_live(new) &&
            (old->media != new->media || !sdp_text_is(new->mid, old->mid)))
            return true;
    }
    return false;
}

/* RFC 3264, section 8.3.2: a payload type never gets another meaning. */
static bool remaps_payload(const struct sdp_negotiated_media *old,
                           const struct sdp_section *section)
{
    if (!old->present || !section)
        return false;
    for (int codec = CODEC_NONE + 1; codec < CODEC_COUNT; codec++) {
        const struct sdp_payload *payload =
            old->payload_type[codec] ? find_type(section, old->payload_type[codec]) : NULL;
        if (payload && payload->codec != (enum codec_id)codec)
            return true;
    }
    return false;
}

/* RFC 8842, section 5.5: the roles of a DTLS association that goes on stay as they are. */
static bool changes_role(const struct sdp_negotiated *previous,
                         const struct sdp_transport *transport)
{
    return transport->setup != SDP_SETUP_ACTPASS &&
           previous->dtls_client != (transport->setup == SDP_SETUP_PASSIVE);
}

static bool is_bad_change(const struct sdp_negotiated *previous, const struct sdp_offer *offer,
                          const struct choice *choice)
{
    return sdp_change_kind(previous, offer) == SDP_NEW_SESSION ||
           moves_sections(previous, offer) || remaps_payload(&previous->audio, choice->audio) ||
           remaps_payload(&previous->video, choice->video) ||
           changes_role(previous, &transport_section(offer)->transport) ||
           (previous->data.present && choice->data &&
            previous->data.remote_sctp_port != choice->data->sctp_port);
}

static void fill_mlines(const struct sdp_offer *offer, const struct choice *choice,
                        struct sdp_negotiated *out)
{
    out->mline_count = offer->section_count;
    for (uint8_t i = 0; i < offer->section_count; i++) {
        const struct sdp_section *section = &offer->section[i];
        struct sdp_mline *mline = &out->mline[i];

        mline->media = section->media;
        mline->accepted =
            section == choice->audio || section == choice->video || section == choice->data;
        sdp_text_copy(section->mid, mline->mid, sizeof mline->mid);
    }
}

enum refusal sdp_negotiate(const struct sdp_offer *offer, const struct sdp_local *local,
                           const struct sdp_negotiated *previous, struct sdp_negotiated *out)
{
    const struct choice choice = choose_sections(offer, local, previous);
    struct sdp_negotiated n = {0};

    const enum refusal why = offer_refusal(offer, local, &choice);
    if (why != REFUSAL_NONE)
        return why;
    if (previous && is_bad_change(previous, offer, &choice))
        return REFUSAL_SDP_BAD_CHANGE;

    fill_transport(offer, &transport_section(offer)->transport, previous, &n);
    fill_mlines(offer, &choice, &n);
    if (choice.audio)
        fill_media(offer, choice.audio,
                   choose_codec(choice.audio, local, previous ? &previous->audio : NULL),
                   &n.audio);
    if (choice.video)
        fill_media(offer, choice.video,
                   choose_codec(choice.video, local, previous ? &previous->video : NULL),
                   &n.video);
    if (choice.data)
        fill_data(offer, choice.data, local, &n.data);
    if (!settle_clashes(&n.audio, &n.video))
        return REFUSAL_SDP_MALFORMED;
    n.extmap_allow_mixed = (choice.audio && choice.audio->extmap_allow_mixed) ||
                           (choice.video && choice.video->extmap_allow_mixed);
    *out = n;
    return REFUSAL_NONE;
}
