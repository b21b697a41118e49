/*
 * The a= lines of an offer: one table of those that we read, one short function each.
 */
#include "relay/sdp_parser.h"
#include "relay/sdp_text.h"

#include <string.h>

typedef bool attribute_fn(struct sdp_parser *parser, struct span value);

/* --- ICE and DTLS ----------------------------------------------------------------------- */

static struct sdp_transport *transport(struct sdp_parser *parser)
{
    return parser->section ? &parser->section->transport : &parser->session_transport;
}

/* RFC 8839, section 5.4, ice-char; libwebrtc also lets "-=#_" pass, so clients send them. */
static bool is_ice_text(struct span text, size_t min, size_t max)
{
    if (text.n < min || text.n > max)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        const uint8_t c = text.p[i];
        const bool alphanumeric =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!alphanumeric && (c == 0 || !strchr("+/-=#_", c)))
            return false;
    }
    return true;
}

static bool on_ice_ufrag(struct sdp_parser *parser, struct span value)
{
    transport(parser)->ice_ufrag = value;
    return is_ice_text(value, SDP_UFRAG_MIN, SDP_UFRAG_MAX);
}

static bool on_ice_pwd(struct sdp_parser *parser, struct span value)
{
    transport(parser)->ice_pwd = value;
    return is_ice_text(value, SDP_PWD_MIN, SDP_PWD_MAX);
}

static bool on_ice_options(struct sdp_parser *parser, struct span value)
{
    struct sdp_transport *t = transport(parser);
    struct span option;

    while (sdp_text_token(&value, &option)) {
        t->ice_trickle = t->ice_trickle || sdp_text_is(option, "trickle");
        t->ice_renomination = t->ice_renomination || sdp_text_is(option, "renomination");
        t->ice2 = t->ice2 || sdp_text_is(option, "ice2");
    }
    return true;
}

static bool on_ice_lite(struct sdp_parser *parser, struct span value)
{
    (void)value;
    parser->offer->ice_lite = true;
    return true;
}

static bool is_known_hash(struct span name)
{
    for (int i = FINGERPRINT_SHA256; i <= FINGERPRINT_SHA512; i++)
        if (sdp_text_is_nocase(name, fingerprint_algorithm_name((enum fingerprint_algorithm)i)))
            return true;
    return false;
}

/* RFC 8122, section 5: several lines may be there; hashes that we don't take are passed over.
 */
static bool on_fingerprint(struct sdp_parser *parser, struct span value)
{
    struct sdp_transport *t = transport(parser);
    struct fingerprint fingerprint;
    struct span hash, text;

    if (!sdp_text_token(&value, &hash) || !sdp_text_token(&value, &text))
        return false;
    if (parser->section && !parser->own_fingerprint) { /* the session's no longer hold */
        parser->own_fingerprint = true;
        t->fingerprint_count = 0;
        t->weak_fingerprint = false;
    }
    if (!is_known_hash(hash)) {
        t->weak_fingerprint = true;
        return true;
    }
    if (fingerprint_parse(&fingerprint, hash, text) != RC_OK)
        return false;
    if (t->fingerprint_count < SDP_FINGERPRINTS_MAX)
        t->fingerprint[t->fingerprint_count++] = fingerprint;
    return true;
}

/* RFC 8842, section 5.1: holdconn must not be used. */
static bool on_setup(struct sdp_parser *parser, struct span value)
{
    static const struct {
        const char *word;
        enum sdp_setup setup;
    } rows[] = {
        {"actpass", SDP_SETUP_ACTPASS},
        {"active", SDP_SETUP_ACTIVE},
        {"passive", SDP_SETUP_PASSIVE},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (sdp_text_is(value, rows[i].word)) {
            transport(parser)->setup = rows[i].setup;
            return true;
        }
    }
    return false;
}

/* Never probed (we are ICE-lite), and of forms that we need not know: counted. */
static bool on_candidate(struct sdp_parser *parser, struct span value)
{
    (void)value;
    if (parser->section->candidate_count < UINT16_MAX)
        parser->section->candidate_count++;
    return true;
}

static bool on_end_of_candidates(struct sdp_parser *parser, struct span value)
{
    (void)value;
    parser->section->end_of_candidates = true;
    return true;
}

/* --- sections and their grouping -------------------------------------------------------- */

/* RFC 9143, section 4: several BUNDLE groups may be there; we take one transport, the first. */
static bool on_group(struct sdp_parser *parser, struct span value)
{
    struct sdp_offer *offer = parser->offer;
    struct span semantics, mid;

    if (!sdp_text_token(&value, &semantics))
        return false;
    if (!sdp_text_is(semantics, "BUNDLE") || offer->has_bundle)
        return true;
    offer->has_bundle = true;
    while (sdp_text_token(&value, &mid)) {
        if (offer->bundle_count == SDP_GROUP_MAX)
            return false;
        offer->bundle[offer->bundle_count++] = mid;
    }
    return true;
}

static bool on_mid(struct sdp_parser *parser, struct span value)
{
    if (parser->section->mid.n > 0 || value.n > SDP_MID_MAX)
        return false;
    parser->section->mid = value;
    return sdp_text_is_token(value);
}

static bool on_bundle_only(struct sdp_parser *parser, struct span value)
{
    (void)value;
    parser->section->bundle_only = true;
    return true;
}

static bool set_direction(struct sdp_parser *parser, enum sdp_direction direction)
{
    if (parser->section)
        parser->section->direction = direction;
    else
        parser->session_direction = direction;
    return true;
}

static bool on_sendrecv(struct sdp_parser *parser, struct span value)
{
    (void)value;
    return set_direction(parser, SDP_SENDRECV);
}

static bool on_sendonly(struct sdp_parser *parser, struct span value)
{
    (void)value;
    return set_direction(parser, SDP_SEND);
}

static bool on_recvonly(struct sdp_parser *parser, struct span value)
{
    (void)value;
    return set_direction(parser, SDP_RECV);
}

static bool on_inactive(struct sdp_parser *parser, struct span value)
{
    (void)value;
    return set_direction(parser, SDP_INACTIVE);
}

/* --- RTP -------------------------------------------------------------------------------- */

static bool on_rtcp_mux(struct sdp_parser *parser, struct span value)
{
    (void)value;
    parser->section->rtcp_mux = true;
    return true;
}

static bool on_rtcp_rsize(struct sdp_parser *parser, struct span value)
{
    (void)value;
    parser->section->rtcp_rsize = true;
    return true;
}

/* The format that an attribute "<pt> …" is about, *value behind it. NULL with true: a type that
 * the m= line does not have, to be skipped. */
static bool format_of(struct sdp_parser *parser, struct span *value, struct sdp_format **format)
{
    struct span token;
    uint64_t type;

    *format = NULL;
    if (!sdp_text_token(value, &token) || !sdp_text_number(token, SDP_PAYLOAD_TYPES - 1, &type))
        return false;
    while (value->n > 0 && value->p[0] == ' ')
        *value = (struct span){value->p + 1, value->n - 1};
    if (parser->format[type].listed)
        *format = &parser->format[type];
    return true;
}

static bool is_rtp(const struct sdp_section *section)
{
    return section->media == SDP_AUDIO || section->media == SDP_VIDEO;
}

/* "<pt> <name>/<clock rate>[/<channels>]" (RFC 8866, section 6.6) */
static bool on_rtpmap(struct sdp_parser *parser, struct span value)
{
    struct sdp_format *format;
    struct span name, rate_text;
    uint64_t rate, channels = 1;

    if (!is_rtp(parser->section))
        return true;
    if (!format_of(parser, &value, &format))
        return false;
    sdp_text_cut(&value, '/', &name);
    sdp_text_cut(&value, '/', &rate_text);
    if (!sdp_text_is_visible(name) || !sdp_text_number(rate_text, UINT32_MAX, &rate) ||
        (value.n > 0 && !sdp_text_number(value, 255, &channels)))
        return false;
    if (!format)
        return true;
    format->name = name;
    format->clock_rate = (uint32_t)rate;
    format->channels = (unsigned)channels;
    return true;
}

static bool on_fmtp(struct sdp_parser *parser, struct span value)
{
    struct sdp_format *format;

    if (!is_rtp(parser->section))
        return true;
    if (!format_of(parser, &value, &format))
        return false;
    if (format)
        format->fmtp = value;
    return true;
}

/* "<pt> nack pli", or "* nack" for all (RFC 4585, section 4.2) */
static bool on_rtcp_fb(struct sdp_parser *parser, struct span value)
{
    struct sdp_format *format;

    if (!is_rtp(parser->section))
        return true;
    if (value.n >= 2 && value.p[0] == '*' && value.p[1] == ' ') {
        parser->wildcard_feedback |=
            codec_feedback_by_name((struct span){value.p + 2, value.n - 2});
        return true;
    }
    if (!format_of(parser, &value, &format))
        return false;
    if (format)
        format->feedback |= codec_feedback_by_name(value);
    return true;
}

static bool parse_direction(struct span word, enum sdp_direction *out)
{
    if (sdp_text_is(word, "sendrecv"))
        *out = SDP_SENDRECV;
    else if (sdp_text_is(word, "sendonly"))
        *out = SDP_SEND;
    else if (sdp_text_is(word, "recvonly"))
        *out = SDP_RECV;
    else if (sdp_text_is(word, "inactive"))
        *out = SDP_INACTIVE;
    else
        return false;
    return true;
}

static bool is_id_taken(const struct sdp_section *section, uint64_t id)
{
    for (int kind = 0; kind < RTP_EXTENSION_COUNT; kind++)
        if (section->extension[kind].id == id)
            return true;
    return false;
}

/* "<id>[/<direction>] <uri> [<attributes>]" (RFC 8285, section 8). Ids 4096 and up are offers
 * of more than fit, section 6; we leave them. 15 is reserved. */
static bool on_extmap(struct sdp_parser *parser, struct span value)
{
    struct sdp_section *section = parser->section;
    enum sdp_direction direction = SDP_SENDRECV;
    struct span entry, id_text, uri;
    uint64_t id;

    if (!sdp_text_token(&value, &entry) || !sdp_text_token(&value, &uri))
        return false;
    sdp_text_cut(&entry, '/', &id_text);
    if (!sdp_text_number(id_text, UINT16_MAX, &id) || id == 0 ||
        (entry.n > 0 && !parse_direction(entry, &direction)))
        return false;

    const enum rtp_extension_kind kind = rtp_extension_by_uri(uri);
    if (kind == RTP_EXTENSION_NONE || id > RTP_EXTENSION_ID_MAX || id == 15)
        return true;

    const unsigned media = section->media == SDP_AUDIO   ? MEDIA_AUDIO
                           : section->media == SDP_VIDEO ? MEDIA_VIDEO
                                                         : MEDIA_NONE;
    if (!(rtp_extension_info(kind)->media & media) || section->extension[kind].id != 0 ||
        is_id_taken(section, id))
        return true;
    section->extension[kind] = (struct sdp_extension){(uint8_t)id, direction};
    return true;
}

static bool on_extmap_allow_mixed(struct sdp_parser *parser, struct span value)
{
    (void)value;
    if (parser->section)
        parser->section->extmap_allow_mixed = true;
    else
        parser->session_allow_mixed = true;
    return true;
}

static bool on_simulcast(struct sdp_parser *parser, struct span value)
{
    (void)value;
    parser->section->simulcast = true;
    return true;
}

static bool on_msid(struct sdp_parser *parser, struct span value)
{
    parser->section->msid = value;
    return true;
}

/* The entry for `text`, a new one if need be. NULL with true: there are more than we keep. */
static bool ssrc_of(struct sdp_section *section, struct span text, struct sdp_ssrc **out)
{
    uint64_t ssrc;

    *out = NULL;
    if (!sdp_text_number(text, UINT32_MAX, &ssrc))
        return false;
    for (uint8_t i = 0; i < section->ssrc_count; i++) {
        if (section->ssrc[i].ssrc == ssrc) {
            *out = &section->ssrc[i];
            return true;
        }
    }
    if (section->ssrc_count < SDP_SSRCS_MAX) {
        *out = &section->ssrc[section->ssrc_count++];
        (*out)->ssrc = (uint32_t)ssrc;
    }
    return true;
}

/* "<ssrc> cname:…" (RFC 5576, section 4.1) */
static bool on_ssrc(struct sdp_parser *parser, struct span value)
{
    struct sdp_ssrc *ssrc;
    struct span number, name;

    if (!sdp_text_token(&value, &number) || !ssrc_of(parser->section, number, &ssrc))
        return false;
    while (value.n > 0 && value.p[0] == ' ')
        value = (struct span){value.p + 1, value.n - 1};
    sdp_text_cut(&value, ':', &name);
    if (ssrc && sdp_text_is(name, "cname") && value.n <= SDP_CNAME_MAX)
        ssrc->cname = value;
    if (ssrc && sdp_text_is(name, "msid"))
        ssrc->msid = value;
    return true;
}

/* "FID <media> <rtx>" (RFC 5576, section 4.2; RFC 4588, section 8), "FEC-FR <media> <fec>" */
static bool on_ssrc_group(struct sdp_parser *parser, struct span value)
{
    struct sdp_ssrc *media, *repair;
    struct span semantics, first, second;

    if (!sdp_text_token(&value, &semantics))
        return false;
    const bool fid = sdp_text_is(semantics, "FID");
    if (!fid && !sdp_text_is(semantics, "FEC-FR"))
        return true;
    if (!sdp_text_token(&value, &first) || !sdp_text_token(&value, &second) ||
        !ssrc_of(parser->section, first, &media) || !ssrc_of(parser->section, second, &repair))
        return false;
    if (!media || !repair || media == repair)
        return true;
    repair->is_repair = true;
    if (fid && media->rtx == 0)
        media->rtx = repair->ssrc;
    return true;
}

/* --- SCTP ------------------------------------------------------------------------------- */

static bool on_sctp_port(struct sdp_parser *parser, struct span value)
{
    uint64_t port;

    if (!sdp_text_number(value, UINT16_MAX, &port))
        return false;
    parser->section->sctp_port = (uint16_t)port;
    return true;
}

/* "5000 webrtc-datachannel 1024": the form before RFC 8841 */
static bool on_sctpmap(struct sdp_parser *parser, struct span value)
{
    struct span port;

    if (!sdp_text_token(&value, &port))
        return false;
    parser->section->sctpmap = true;
    return on_sctp_port(parser, port);
}

static bool on_max_message_size(struct sdp_parser *parser, struct span value)
{
    parser->section->has_max_message_size = true;
    return sdp_text_number(value, UINT64_MAX, &parser->section->max_message_size);
}

/* --- the table -------------------------------------------------------------------------- */

enum { SESSION = 1 << 0, MEDIA = 1 << 1 };

static const struct {
    const char *name;
    unsigned level; /* where it means something; elsewhere it is skipped */
    attribute_fn *read;
} attributes[] = {
    {"group", SESSION, on_group},
    {"ice-lite", SESSION, on_ice_lite},
    {"ice-ufrag", SESSION | MEDIA, on_ice_ufrag},
    {"ice-pwd", SESSION | MEDIA, on_ice_pwd},
    {"ice-options", SESSION | MEDIA, on_ice_options},
    {"fingerprint", SESSION | MEDIA, on_fingerprint},
    {"setup", SESSION | MEDIA, on_setup},
    {"sendrecv", SESSION | MEDIA, on_sendrecv},
    {"sendonly", SESSION | MEDIA, on_sendonly},
    {"recvonly", SESSION | MEDIA, on_recvonly},
    {"inactive", SESSION | MEDIA, on_inactive},
    {"extmap-allow-mixed", SESSION | MEDIA, on_extmap_allow_mixed},
    {"mid", MEDIA, on_mid},
    {"bundle-only", MEDIA, on_bundle_only},
    {"candidate", MEDIA, on_candidate},
    {"end-of-candidates", MEDIA, on_end_of_candidates},
    {"rtcp-mux", MEDIA, on_rtcp_mux},
    {"rtcp-rsize", MEDIA, on_rtcp_rsize},
    {"rtpmap", MEDIA, on_rtpmap},
    {"fmtp", MEDIA, on_fmtp},
    {"rtcp-fb", MEDIA, on_rtcp_fb},
    {"extmap", MEDIA, on_extmap},
    {"simulcast", MEDIA, on_simulcast},
    {"msid", MEDIA, on_msid},
    {"ssrc", MEDIA, on_ssrc},
    {"ssrc-group", MEDIA, on_ssrc_group},
    {"sctp-port", MEDIA, on_sctp_port},
    {"sctpmap", MEDIA, on_sctpmap},
    {"max-message-size", MEDIA, on_max_message_size},
};

bool sdp_parser_attribute(struct sdp_parser *parser, struct span text)
{
    struct span name;

    sdp_text_cut(&text, ':', &name);
    for (size_t i = 0; i < ARRAY_LEN(attributes); i++) {
        if (!sdp_text_is(name, attributes[i].name))
            continue;
        const unsigned level = parser->section ? MEDIA : SESSION;
        return !(attributes[i].level & level) || attributes[i].read(parser, text);
    }
    return true;
}
