/*
 * relay/sdp_parser.h - what relay/sdp.c (lines and sections) and relay/sdp_attribute.c (a=)
 * share while an offer is read. Not for others.
 *
 * RFC 8866 lets attributes come in any order, and Firefox has a=fmtp before a=rtpmap: formats
 * are collected by payload type and judged when their section ends.
 */
#ifndef RELAY_SDP_PARSER_H
#define RELAY_SDP_PARSER_H

#include "relay/sdp.h"

#define SDP_PAYLOAD_TYPES 128 /* 7 bits */

/* One payload type of the m= line. */
struct sdp_format {
    bool listed; /* on the m= line; attributes of others are skipped */
    struct span name;
    uint32_t clock_rate;
    unsigned channels;
    struct span fmtp;
    unsigned feedback;
};

struct sdp_parser {
    struct sdp_offer *offer;
    struct sdp_section *section; /* NULL before the first m= line */

    /* What a section has unless it says otherwise. */
    struct sdp_transport session_transport;
    enum sdp_direction session_direction;
    bool session_allow_mixed;

    /* Of the current section. */
    bool own_fingerprint;
    unsigned wildcard_feedback;
    uint8_t order[SDP_PAYLOAD_TYPES]; /* payload types as the m= line has them */
    uint8_t order_count;
    struct sdp_format format[SDP_PAYLOAD_TYPES];
};

/* Reads what stands behind "a=". False: an attribute that we know, and malformed. */
bool sdp_parser_attribute(struct sdp_parser *parser, struct span text);

#endif
