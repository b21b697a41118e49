/*
 * relay/sdp.h - a browser's offer as a bounded struct (RFC 8866; RFC 8839 ICE, RFC 8842 and
 * 8122 DTLS, RFC 9143 BUNDLE, RFC 8841 SCTP, RFC 8285 extmap, RFC 5576 ssrc, RFC 4585 rtcp-fb,
 * all as far as RFC 8829 lets browsers use them).
 *
 * Sans-IO, no malloc. The struct borrows from the text: it is valid only as long as the text.
 * It is 36 kB: keep it on the stack or in a static of one thread, never one per peer.
 * Parsers do not count: who answers calls refuse(why). Any thread.
 *
 * What we do not know is skipped; what we know and is malformed refuses the whole offer.
 */
#ifndef RELAY_SDP_H
#define RELAY_SDP_H

#include "core/base.h"
#include "core/refusal.h"
#include "relay/certificate.h"
#include "relay/codec.h"
#include "relay/rtp_extension.h"

#define SDP_TEXT_MAX 65536     /* bytes of an offer; Chromium's with four sections has 13 kB */
#define SDP_LINE_MAX 2048      /* longest line, its end not counted */
#define SDP_LINES_MAX 4096     /* of the whole offer */
#define SDP_SECTIONS_MAX 16    /* m= lines; we accept three */
#define SDP_PAYLOADS_MAX 32    /* per section, of codecs that we know; more are ignored */
#define SDP_FINGERPRINTS_MAX 4 /* per section; more are ignored */
#define SDP_SSRCS_MAX 8        /* per section; more are ignored */
#define SDP_GROUP_MAX 16       /* mids of the BUNDLE group */
#define SDP_MID_MAX 31         /* bytes; longer is malformed. Browsers use one to three */
#define SDP_UFRAG_MIN 4        /* RFC 8839, section 5.4 */
#define SDP_UFRAG_MAX 256
#define SDP_PWD_MIN 22
#define SDP_PWD_MAX 256
#define SDP_CNAME_MAX 63 /* longer ones are ignored */

enum sdp_media {
    SDP_OTHER, /* text, image, and transports that we don't speak: always rejected */
    SDP_AUDIO,
    SDP_VIDEO,
    SDP_APPLICATION, /* a WebRTC data channel */
};

/* Bits, from the view of whoever wrote the description. */
enum sdp_direction {
    SDP_INACTIVE = 0,
    SDP_SEND = 1 << 0,
    SDP_RECV = 1 << 1,
    SDP_SENDRECV = SDP_SEND | SDP_RECV,
};

enum sdp_setup {
    SDP_SETUP_NONE, /* no a=setup; RFC 4145, section 4: as if active */
    SDP_SETUP_ACTIVE,
    SDP_SETUP_PASSIVE,
    SDP_SETUP_ACTPASS,
};

/* What a transport needs. A section without its own has the session's. */
struct sdp_transport {
    struct span ice_ufrag, ice_pwd;           /* both empty when there are none */
    bool ice_trickle, ice_renomination, ice2; /* of a=ice-options */
    enum sdp_setup setup;
    uint8_t fingerprint_count;
    bool weak_fingerprint; /* there was one with a hash that we don't take */
    struct fingerprint fingerprint[SDP_FINGERPRINTS_MAX];
};

/* A payload type of a codec in relay/codec.h. */
struct sdp_payload {
    uint8_t type;
    enum codec_id codec;
    unsigned feedback; /* mask of enum codec_feedback, wildcard lines included */
    struct span fmtp;  /* empty when there is none */
    uint8_t apt;       /* RTX: the payload type that it repairs */
};

struct sdp_extension {
    uint8_t id;                   /* 0: not offered */
    enum sdp_direction direction; /* SDP_SENDRECV unless the line says otherwise */
};

struct sdp_ssrc {
    uint32_t ssrc;
    uint32_t rtx;      /* its partner in an ssrc-group:FID; 0: none */
    bool is_repair;    /* it is such a partner itself, or FEC */
    struct span cname; /* empty when unknown or over SDP_CNAME_MAX */
    struct span msid;
};

struct sdp_section {
    enum sdp_media media;
    struct span media_name; /* "audio", "video", "application", … */
    struct span proto;      /* "UDP/TLS/RTP/SAVPF" */
    struct span format;     /* the first of the formats */
    uint16_t port;
    bool bundle_only;
    bool in_bundle;  /* its mid is in the BUNDLE group */
    struct span mid; /* empty when there is none */
    struct sdp_transport transport;
    enum sdp_direction direction;
    bool rtcp_mux, rtcp_rsize;
    bool simulcast; /* a=simulcast: we take one stream and say nothing of it */
    bool extmap_allow_mixed;
    uint8_t payload_count;
    struct sdp_payload payload[SDP_PAYLOADS_MAX]; /* in order of the offerer's preference */
    struct sdp_extension extension[RTP_EXTENSION_COUNT]; /* by enum rtp_extension_kind */
    struct span msid;                                    /* a=msid, stream and track */
    uint8_t ssrc_count;
    struct sdp_ssrc ssrc[SDP_SSRCS_MAX];
    uint16_t sctp_port; /* 0: none given */
    bool sctpmap;       /* the form before RFC 8841: m=application 9 DTLS/SCTP 5000 */
    bool has_max_message_size;
    uint64_t max_message_size; /* RFC 8841, section 6: 0 is "any" */
    uint16_t candidate_count;
    bool end_of_candidates;
};

struct sdp_offer {
    uint64_t session_id, session_version; /* of o= */
    bool ice_lite;
    bool has_bundle;
    uint8_t bundle_count;
    struct span bundle[SDP_GROUP_MAX]; /* mids of the first BUNDLE group, in its order */
    uint8_t section_count;
    struct sdp_section section[SDP_SECTIONS_MAX];
};

/*
 * Reads an offer. `text` need not end in NUL; lines end in CRLF or LF. RC_OK, or RC_BAD with
 * *why SDP_MALFORMED, or RC_FULL with *why SDP_TOO_LARGE. On failure *out is unspecified.
 * What an offer must have to be answered is judged later (relay/sdp_negotiated.h).
 */
int sdp_offer_parse(const char *text, size_t n, struct sdp_offer *out, enum refusal *why);

/* The same stream seen from the other end: send and receive change places. */
static inline enum sdp_direction sdp_direction_reverse(enum sdp_direction d)
{
    return (d & SDP_SEND ? SDP_RECV : 0) | (d & SDP_RECV ? SDP_SEND : 0);
}

#endif
