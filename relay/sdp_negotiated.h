/*
 * relay/sdp_negotiated.h - what an offer and we have in common: the plain value that a media
 * worker is given, and the pure function that decides it (RFC 3264, RFC 8829 section 5.3).
 *
 * Sans-IO, no malloc, no pointers inside: copy it to another thread as it is. Any thread.
 *
 * We accept at most one audio, one video and one data channel section, all in one BUNDLE with
 * rtcp-mux; every other section is rejected with port 0, so a client that sends and receives
 * one kind in two sections gets the one in which it sends. Directions are ours: SDP_SEND means
 * that the server sends.
 */
#ifndef RELAY_SDP_NEGOTIATED_H
#define RELAY_SDP_NEGOTIATED_H

#include "relay/candidate.h"
#include "relay/sdp.h"

#define SDP_MAX_MESSAGE_SIZE 262144 /* ours unless sdp_local says otherwise; Chromium's too */

/* Ours, for one peer. Strings are borrowed for the call. */
struct sdp_local {
    uint64_t session_id; /* of our o=; random, below 2^63, the same for every answer */
    const char *ice_ufrag, *ice_pwd;
    const struct fingerprint *fingerprint; /* of our certificate */
    const struct candidate *candidates;
    size_t candidate_count;
    uint32_t audio_ssrc, video_ssrc, video_rtx_ssrc;
    const char *cname;
    const char *stream_id, *audio_track_id,
        *video_track_id;                     /* a=msid; one stream, two tracks */
    enum codec_id video_codecs[CODEC_COUNT]; /* in order of preference */
    size_t video_codec_count;
    bool data_channels;        /* false: such a section is rejected */
    uint32_t max_message_size; /* 0: SDP_MAX_MESSAGE_SIZE */
};

/* One audio or video section. */
struct sdp_negotiated_media {
    bool present; /* false: not offered, or rejected; nothing else counts then */
    uint8_t mline;
    char mid[SDP_MID_MAX + 1]; /* "" only when the offer had no mid */
    enum sdp_direction direction;
    enum codec_id codec;               /* Opus, or the video codec; never RED or RTX */
    uint8_t payload_type[CODEC_COUNT]; /* by codec: `codec`, CODEC_RED, CODEC_RTX; 0: none */
    unsigned feedback;                 /* mask of enum codec_feedback that our answer has */
    /* Ids by enum rtp_extension_kind, 0: not negotiated that way. Equal but for lines like
     * "a=extmap:6/recvonly". The MID extension is left out when the mid is over 16 bytes. */
    uint8_t receive_extension[RTP_EXTENSION_COUNT]; /* the client may send us these */
    uint8_t send_extension[RTP_EXTENSION_COUNT];    /* we may send the client these */
    uint32_t remote_ssrc, remote_rtx_ssrc; /* 0: not announced; learn them by MID or type */
    char remote_cname[SDP_CNAME_MAX + 1];
    bool rtcp_rsize;
};

struct sdp_negotiated_data {
    bool present;
    uint8_t mline;
    char mid[SDP_MID_MAX + 1];
    uint16_t remote_sctp_port, local_sctp_port;
    uint32_t max_message_size;       /* largest that we may send; never over our own limit */
    uint32_t local_max_message_size; /* largest that the client may send */
};

/* An m= line of the last offer, so that the next can be held against it. */
struct sdp_mline {
    enum sdp_media media;
    bool accepted;
    char mid[SDP_MID_MAX + 1];
};

struct sdp_negotiated {
    uint64_t session_id, session_version; /* of the client's o= */
    uint64_t answer_version;              /* of our o=, 1 for the first answer */
    char ice_ufrag[SDP_UFRAG_MAX + 1], ice_pwd[SDP_PWD_MAX + 1]; /* the client's */
    bool ice_trickle;
    struct fingerprint fingerprint; /* the client's, the strongest of those offered */
    bool dtls_client; /* our DTLS role: true when we are active (the offer was passive) */
    bool extmap_allow_mixed;
    struct sdp_negotiated_media audio, video;
    struct sdp_negotiated_data data;
    bool bundle; /* the answer has a BUNDLE group */
    uint8_t mline_count;
    struct sdp_mline mline[SDP_SECTIONS_MAX];
};

enum sdp_change {
    SDP_NEW_SESSION,   /* another PeerConnection: answer with previous = NULL */
    SDP_ICE_RESTART,   /* the same, with new ICE credentials; sections may change as well */
    SDP_RENEGOTIATION, /* the same, on the same path */
};

/* What a later offer is, by o= session id, DTLS fingerprint and ICE credentials (RFC 8839,
 * section 4.4.1.1.1). previous NULL: SDP_NEW_SESSION. */
enum sdp_change sdp_change_kind(const struct sdp_negotiated *previous,
                                const struct sdp_offer *offer);

/*
 * Decides the answer. `previous` is NULL for a new session, else what the running session has:
 * mids, order of sections, payload types and the DTLS role stay as they are; a section may be
 * added, stopped (port 0) or change direction.
 *
 * REFUSAL_NONE and *out, or the reason with *out untouched:
 *   SDP_NO_MEDIA        no section that we could take at all
 *   SDP_NO_CODEC        sections, but no codec of ours in any of them
 *   SDP_NO_BUNDLE       more than one section and no BUNDLE group
 *   SDP_NO_RTCP_MUX     an audio or video section without a=rtcp-mux
 *   SDP_NO_ICE          no a=ice-ufrag and a=ice-pwd
 *   SDP_ICE_LITE        the offerer is ICE-lite like us: nobody would check
 *   SDP_NO_FINGERPRINT  no a=fingerprint, or none but weak ones
 *   SDP_BAD_CHANGE      m= lines vanished or changed kind or mid; a payload type, the DTLS role
 *                       or the SCTP port changed
 *   SDP_MALFORMED       one payload type with two meanings in the bundle
 */
enum refusal sdp_negotiate(const struct sdp_offer *offer, const struct sdp_local *local,
                           const struct sdp_negotiated *previous, struct sdp_negotiated *out);

#endif
