/*
 * core/refusal.h - the closed list of reasons why this server says no.
 *
 * One list for the whole tree: the code that a client reads in an `error` event or an HTTP body,
 * the sentence for a person, and the counter meetopia_refused_total{code="…"} on /metrics.
 * Adding a reason is adding a row here; docs/protocol.md lists the rows that clients can see.
 * Any thread.
 */
#ifndef CORE_REFUSAL_H
#define CORE_REFUSAL_H

#include "core/base.h"

/* X(ENUM_SUFFIX, "code", "sentence") - ordered by layer, keep groups together. */
#define REFUSAL_TABLE(X)                                                                       \
    /* listener, HTTP, WebSocket */                                                            \
    X(CONNECTION_LIMIT, "connection_limit", "the server has as many connections as it takes")  \
    X(IP_LIMIT, "ip_limit", "too many connections from this address")                          \
    X(UNKNOWN_PROTOCOL, "unknown_protocol", "the first bytes belong to no protocol of this port") \
    X(TLS_FAILED, "tls_failed", "the TLS handshake failed")                                    \
    X(REQUEST_TIMEOUT, "request_timeout", "the request did not arrive in time")                \
    X(BAD_HTTP, "bad_http", "malformed HTTP request")                                          \
    X(HEADER_TOO_LARGE, "header_too_large", "the request header is too large")                 \
    X(BODY_TOO_LARGE, "body_too_large", "the request body is too large")                       \
    X(NOT_FOUND, "not_found", "there is nothing under this path")                              \
    X(METHOD_NOT_ALLOWED, "method_not_allowed", "this method is not allowed here")             \
    X(ORIGIN_REFUSED, "origin_refused", "pages of this origin may not use this server")        \
    X(UNAUTHORIZED, "unauthorized", "credentials are missing or wrong")                        \
    X(BAD_WEBSOCKET, "bad_websocket", "malformed WebSocket handshake or frame")                \
    X(MESSAGE_TOO_LARGE, "message_too_large", "the message is larger than maxPayload")         \
    X(SLOW_READER, "slow_reader", "the client does not read what it is sent")                  \
    X(PROXY_HEADER, "proxy_header", "a proxy's connection does not begin with a PROXY protocol header") \
    /* Engine.IO, Socket.IO */                                                                 \
    X(EIO_TRANSPORT_UNKNOWN, "eio_transport_unknown", "Engine.IO: unknown transport")          \
    X(EIO_SESSION_UNKNOWN, "eio_session_unknown", "Engine.IO: unknown session id")             \
    X(EIO_BAD_REQUEST, "eio_bad_request", "Engine.IO: bad request")                            \
    X(EIO_VERSION, "eio_version", "Engine.IO: unsupported protocol version")                   \
    X(EIO_BAD_PACKET, "eio_bad_packet", "Engine.IO: malformed packet")                         \
    X(EIO_PING_TIMEOUT, "eio_ping_timeout", "Engine.IO: no pong in time")                      \
    X(SIO_BAD_PACKET, "sio_bad_packet", "Socket.IO: malformed packet")                         \
    X(SIO_NAMESPACE, "sio_namespace", "Socket.IO: invalid namespace")                          \
    X(SIO_CONNECT_TIMEOUT, "sio_connect_timeout", "Socket.IO: no CONNECT packet in time")      \
    X(SIO_TOO_MANY_ATTACHMENTS, "sio_too_many_attachments", "Socket.IO: too many attachments") \
    /* events of users */                                                                      \
    X(UNKNOWN_EVENT, "unknown_event", "this event is not known")                               \
    X(BAD_PAYLOAD, "bad_payload", "the payload of this event is malformed")                    \
    X(WRONG_STATE, "wrong_state", "this event does not fit the state that you are in")         \
    X(NO_PARTNER, "no_partner", "there is no partner to send this to")                         \
    X(RATE_LIMIT, "rate_limit", "too many events in a short time")                             \
    X(CHAT_EMPTY, "chat_empty", "the message is empty")                                        \
    X(CHAT_TOO_LONG, "chat_too_long", "the message has more than 500 characters")              \
    X(CHAT_BAD_TEXT, "chat_bad_text", "the message is not valid text")                         \
    X(NOT_AVAILABLE, "not_available", "this server does not offer that")                       \
    X(SERVER_FULL, "server_full", "the server is full")                                        \
    X(SHUTTING_DOWN, "shutting_down", "the server is shutting down")                           \
    /* SDP */                                                                                  \
    X(SDP_TOO_LARGE, "sdp_too_large", "the session description is too large")                  \
    X(SDP_MALFORMED, "sdp_malformed", "the session description is malformed")                  \
    X(SDP_NO_BUNDLE, "sdp_no_bundle", "the offer does not BUNDLE its media")                   \
    X(SDP_NO_RTCP_MUX, "sdp_no_rtcp_mux", "the offer does not multiplex RTP and RTCP")         \
    X(SDP_NO_ICE, "sdp_no_ice", "the offer has no ICE credentials")                            \
    X(SDP_ICE_LITE, "sdp_ice_lite", "the offer is ICE-lite, as this server is: no end would check") \
    X(SDP_NO_FINGERPRINT, "sdp_no_fingerprint", "the offer has no usable DTLS fingerprint")    \
    X(SDP_NO_CODEC, "sdp_no_codec", "the offer has no codec that this server forwards")        \
    X(SDP_NO_MEDIA, "sdp_no_media", "the offer has no media section")                          \
    X(SDP_BAD_CHANGE, "sdp_bad_change", "the offer changes what a running session must keep")  \
    X(CANDIDATE_MALFORMED, "candidate_malformed", "the ICE candidate is malformed")            \
    /* ICE, DTLS */                                                                            \
    X(DATAGRAM_UNKNOWN, "datagram_unknown", "a datagram of no protocol of this port")          \
    X(DATAGRAM_NO_PEER, "datagram_no_peer", "a datagram from an address without a session")    \
    X(STUN_MALFORMED, "stun_malformed", "malformed STUN message")                              \
    X(STUN_UNAUTHORIZED, "stun_unauthorized", "STUN message with wrong or no integrity")       \
    X(STUN_UNKNOWN_USER, "stun_unknown_user", "STUN check for no session of this server")      \
    X(STUN_REPLAY, "stun_replay", "STUN check that came from another address before")          \
    X(STUN_RATE_LIMIT, "stun_rate_limit", "too many STUN requests without credentials")        \
    X(ICE_TIMEOUT, "ice_timeout", "no ICE check arrived in time")                              \
    X(ICE_CONSENT_EXPIRED, "ice_consent_expired", "the client was silent for 30 seconds")      \
    X(STREAM_FRAME, "stream_frame", "a frame over TCP that is longer than any packet")         \
    X(STREAM_LIMIT, "stream_limit", "too many media connections over TCP from this address")   \
    X(DTLS_TOO_MANY, "dtls_too_many", "too many DTLS handshakes are half open")                \
    X(DTLS_UNEXPECTED, "dtls_unexpected", "DTLS datagram before, after or beside its session") \
    X(DTLS_FAILED, "dtls_failed", "the DTLS handshake failed")                                 \
    X(DTLS_TIMEOUT, "dtls_timeout", "the DTLS handshake took too long")                        \
    X(DTLS_FINGERPRINT, "dtls_fingerprint", "the certificate does not match the fingerprint")  \
    X(DTLS_NO_SRTP_PROFILE, "dtls_no_srtp_profile", "no SRTP profile in common")               \
    /* SRTP, RTP, RTCP, SCTP */                                                                \
    X(SRTP_AUTH, "srtp_auth", "SRTP or SRTCP packet that does not authenticate")               \
    X(SRTP_REPLAY, "srtp_replay", "SRTP or SRTCP packet that was seen before")                 \
    X(SRTP_STREAM_LIMIT, "srtp_stream_limit", "too many SSRCs to send with one SRTP key")       \
    X(RTP_MALFORMED, "rtp_malformed", "malformed RTP packet")                                  \
    X(RTP_UNKNOWN_SSRC, "rtp_unknown_ssrc", "RTP packet of a stream that was not negotiated")  \
    X(RTP_UNKNOWN_PAYLOAD, "rtp_unknown_payload", "RTP packet of a payload type that was not negotiated") \
    X(RTCP_MALFORMED, "rtcp_malformed", "malformed RTCP packet")                               \
    X(SCTP_MALFORMED, "sctp_malformed", "malformed SCTP packet or data channel message")       \
    X(CHANNEL_LIMIT, "channel_limit", "too many data channels")                                \
    X(CHANNEL_NAME, "channel_name", "the label or protocol of a data channel is too long")     \
    X(DATA_TOO_LARGE, "data_too_large", "a data channel message is larger than the other end takes") \
    X(DATA_OVERLOAD, "data_overload", "more data channel packets than the server can queue")   \
    X(PEER_LIMIT, "peer_limit", "the server has as many peer connections as it takes")         \
    /* TURN: users, quotas, peers */                                                           \
    X(TURN_USER_QUOTA, "turn_user_quota", "the user has as many TURN allocations as one may")  \
    X(TURN_TOTAL_QUOTA, "turn_total_quota", "the server has as many TURN allocations as it takes") \
    X(TURN_CAPACITY, "turn_capacity", "nothing is left of the TURN server's bps-capacity")

enum refusal {
    REFUSAL_NONE = 0,
#define X(name, code, text) REFUSAL_##name,
    REFUSAL_TABLE(X)
#undef X
        REFUSAL_COUNT
};

/* "ip_limit". For REFUSAL_NONE: "ok". The string is static. */
const char *refusal_code(enum refusal why);
/* The sentence for a person. */
const char *refusal_text(enum refusal why);
/* Counts one. Lock-free, any thread. Returns `why`, so that `return refuse(REFUSAL_X);` reads. */
enum refusal refuse(enum refusal why);
/* Counts so far; for tests. */
uint64_t refusal_total(enum refusal why);
/* Registers the counters on /metrics. Once, from main. */
int refusal_register_metrics(void);

#endif
