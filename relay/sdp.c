#include "relay/sdp.h"

#include "relay/sdp_parser.h"
#include "relay/sdp_text.h"

#include <string.h>

/* RFC 8829, section 5.1.3: all of these mean RTP over DTLS-SRTP over ICE. */
static const char *const rtp_protos[] = {
    "UDP/TLS/RTP/SAVPF", "TCP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP", "TCP/TLS/RTP/SAVP",
    "RTP/SAVPF",         "RTP/AVPF",          "RTP/SAVP",         "RTP/AVP",
};

/* RFC 8841, section 4, and the form before it. */
static const char *const sctp_protos[] = {"UDP/DTLS/SCTP", "TCP/DTLS/SCTP", "DTLS/SCTP"};

static bool is_one_of(struct span text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (sdp_text_is(text, words[i]))
            return true;
    return false;
}

static enum sdp_media media_of(struct span name, struct span proto, struct span format)
{
    const bool rtp = is_one_of(proto, rtp_protos, ARRAY_LEN(rtp_protos));

    if (rtp && sdp_text_is(name, "audio"))
        return SDP_AUDIO;
    if (rtp && sdp_text_is(name, "video"))
        return SDP_VIDEO;
    if (!sdp_text_is(name, "application") ||
        !is_one_of(proto, sctp_protos, ARRAY_LEN(sctp_protos)))
        return SDP_OTHER;

    /* The old form has the SCTP port here, and a=sctpmap says what runs over it. */
    uint64_t port;
    const bool known =
        sdp_text_is(format, "webrtc-datachannel") ||
        (sdp_text_is(proto, "DTLS/SCTP") && sdp_text_number(format, UINT16_MAX, &port));
    return known ? SDP_APPLICATION : SDP_OTHER;
}

/* The bit of enum media_kind, MEDIA_NONE for what is no RTP. */
static enum media_kind kind_of(enum sdp_media media)
{
    return media == SDP_AUDIO ? MEDIA_AUDIO : media == SDP_VIDEO ? MEDIA_VIDEO : MEDIA_NONE;
}

/* RFC 5761, section 4: with rtcp-mux, 64 to 95 would be taken for RTCP. Type 0 is PCMU, and our
 * sign for "none". */
static bool is_usable_type(unsigned type)
{
    return type != 0 && (type < 64 || type > 95);
}

static uint8_t rtx_apt(struct span fmtp)
{
    struct span value;
    uint64_t apt;

    if (!codec_fmtp(fmtp, "apt", &value) || !sdp_text_number(value, 127, &apt))
        return 0;
    return (uint8_t)apt;
}

/* Keeps those formats of the section that ended whose codec we have. */
static void finish_section(struct sdp_parser *parser)
{
    struct sdp_section *section = parser->section;
    if (!section || kind_of(section->media) == MEDIA_NONE)
        return;

    for (uint8_t i = 0; i < parser->order_count; i++) {
        const uint8_t type = parser->order[i];
        const struct sdp_format *format = &parser->format[type];

        if (!is_usable_type(type) || format->name.n == 0)
            continue;
        const enum codec_id codec =
            codec_match(kind_of(section->media), format->name, format->clock_rate,
                        format->channels, format->fmtp);
        if (codec == CODEC_NONE || section->payload_count == SDP_PAYLOADS_MAX)
            continue;
        section->payload[section->payload_count++] = (struct sdp_payload){
            .type = type,
            .codec = codec,
            .feedback = format->feedback | parser->wildcard_feedback,
            .fmtp = format->fmtp,
            .apt = codec == CODEC_RTX ? rtx_apt(format->fmtp) : 0,
        };
    }
}

static bool parse_formats(struct sdp_parser *parser, struct span rest)
{
    struct span token;
    uint64_t type;

    while (sdp_text_token(&rest, &token)) {
        if (!sdp_text_number(token, SDP_PAYLOAD_TYPES - 1, &type))
            return false;
        if (parser->format[type].listed)
            continue;
        parser->format[type].listed = true;
        parser->order[parser->order_count++] = (uint8_t)type;
    }
    return true;
}

/* "video 9 UDP/TLS/RTP/SAVPF 96 97": opens a section. */
static bool parse_media(struct sdp_parser *parser, struct span rest)
{
    struct span name, port_text, port_digits, proto, format;
    uint64_t port;

    finish_section(parser);
    for (size_t i = 0; i < rest.n; i++)
        if (rest.p[i] >= 0x7f) /* parts of this line go into our answer */
            return false;
    if (!sdp_text_token(&rest, &name) || !sdp_text_token(&rest, &port_text) ||
        !sdp_text_token(&rest, &proto))
        return false;
    sdp_text_cut(&port_text, '/', &port_digits); /* "<port>/<number of ports>" */
    if (!sdp_text_number(port_digits, UINT16_MAX, &port))
        return false;

    const struct span formats = rest;
    if (!sdp_text_token(&rest, &format))
        return false;

    parser->section = &parser->offer->section[parser->offer->section_count++];
    *parser->section = (struct sdp_section){
        .media = media_of(name, proto, format),
        .media_name = name,
        .proto = proto,
        .format = format,
        .port = (uint16_t)port,
        .transport = parser->session_transport,
        .direction = parser->session_direction,
        .extmap_allow_mixed = parser->session_allow_mixed,
    };
    parser->own_fingerprint = false;
    parser->wildcard_feedback = 0;
    parser->order_count = 0;
    memset(parser->format, 0, sizeof parser->format);
    return kind_of(parser->section->media) == MEDIA_NONE || parse_formats(parser, formats);
}

/* "- 4611731400430051336 2 IN IP4 127.0.0.1" */
static bool parse_origin(struct span rest, struct sdp_offer *offer)
{
    struct span user, id, version, net, address_type, address;

    return sdp_text_token(&rest, &user) && sdp_text_token(&rest, &id) &&
           sdp_text_token(&rest, &version) && sdp_text_token(&rest, &net) &&
           sdp_text_token(&rest, &address_type) && sdp_text_token(&rest, &address) &&
           sdp_text_number(id, UINT64_MAX, &offer->session_id) &&
           sdp_text_number(version, UINT64_MAX, &offer->session_version);
}

static bool is_clean(struct span line)
{
    for (size_t i = 0; i < line.n; i++)
        if (line.p[i] < 0x20 && line.p[i] != '\t')
            return false;
    return true;
}

/* RFC 8866, section 5: v=, o= and s= come first, in this order. */
static bool parse_preamble(struct span *rest, struct sdp_offer *offer)
{
    struct span version, origin, name;

    if (!sdp_text_line(rest, &version) || !sdp_text_is(version, "v=0"))
        return false;
    if (!sdp_text_line(rest, &origin) || !is_clean(origin) || origin.n < 2 ||
        memcmp(origin.p, "o=", 2) != 0 ||
        !parse_origin((struct span){origin.p + 2, origin.n - 2}, offer))
        return false;
    return sdp_text_line(rest, &name) && name.n >= 2 && memcmp(name.p, "s=", 2) == 0;
}

static int parse_line(struct sdp_parser *parser, struct span line)
{
    if (line.n < 2 || line.p[1] != '=' || line.p[0] < 'a' || line.p[0] > 'z' || !is_clean(line))
        return RC_BAD;

    const struct span value = {line.p + 2, line.n - 2};
    if (line.p[0] == 'a')
        return sdp_parser_attribute(parser, value) ? RC_OK : RC_BAD;
    if (line.p[0] != 'm')
        return RC_OK; /* t=, c=, b= and the like say nothing that we need */
    if (parser->offer->section_count == SDP_SECTIONS_MAX)
        return RC_FULL;
    return parse_media(parser, value) ? RC_OK : RC_BAD;
}

static bool is_blank(struct span text)
{
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] != '\r' && text.p[i] != '\n')
            return false;
    return true;
}

static int parse_lines(struct sdp_parser *parser, struct span rest)
{
    struct span line;
    unsigned lines = 0;

    if (!parse_preamble(&rest, parser->offer))
        return RC_BAD;
    while (!is_blank(rest) && sdp_text_line(&rest, &line)) {
        if (line.n > SDP_LINE_MAX || ++lines > SDP_LINES_MAX)
            return RC_FULL;
        const int rc = parse_line(parser, line);
        if (rc != RC_OK)
            return rc;
    }
    finish_section(parser);
    return RC_OK;
}

static bool has_mid(struct span mids[], uint8_t count, struct span mid)
{
    for (uint8_t i = 0; i < count; i++)
        if (sdp_text_equal(mids[i], mid))
            return true;
    return false;
}

/* Marks the members of the BUNDLE group. False when two sections have one mid (RFC 5888,
 * section 4). */
static bool link_bundle(struct sdp_offer *offer)
{
    for (uint8_t i = 0; i < offer->section_count; i++) {
        struct sdp_section *section = &offer->section[i];

        if (section->mid.n == 0)
            continue;
        section->in_bundle = has_mid(offer->bundle, offer->bundle_count, section->mid);
        for (uint8_t k = 0; k < i; k++)
            if (sdp_text_equal(offer->section[k].mid, section->mid))
                return false;
    }
    return true;
}

int sdp_offer_parse(const char *text, size_t n, struct sdp_offer *out, enum refusal *why)
{
    struct sdp_parser parser = {.offer = out, .session_direction = SDP_SENDRECV};
    int rc = RC_FULL;

    *out = (struct sdp_offer){0};
    if (n <= SDP_TEXT_MAX)
        rc = parse_lines(&parser, (struct span){(const uint8_t *)text, n});
    if (rc == RC_OK && !link_bundle(out))
        rc = RC_BAD;
    *why = rc == RC_OK     ? REFUSAL_NONE
           : rc == RC_FULL ? REFUSAL_SDP_TOO_LARGE
                           : REFUSAL_SDP_MALFORMED;
    return rc;
}
