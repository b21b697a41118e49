/*
 * relay/dtls.h - a DTLS 1.2 endpoint (RFC 6347) that yields SRTP keys (RFC 5764) and carries
 * SCTP.
 *
 * OpenSSL behind a BIO of our own: a datagram in, datagrams out. The peer proves itself by the
 * fingerprint that its SDP named; nothing else of its certificate matters. No cookie exchange:
 * call dtls_input for addresses only that an authenticated ICE check stands behind.
 *
 * After every dtls_input, dtls_tick, dtls_send, dtls_close and dtls_session_create, send what
 * dtls_poll returns, and set the timer to dtls_deadline.
 *
 * Sans-IO: no sockets; callers pass `now`. One impurity: OpenSSL's retransmission timer reads
 * the wall clock (gettimeofday); all other limits go by `now`, so a clock that jumps delays a
 * retransmission and nothing more.
 *
 * Threads: a context is shared by all; a session belongs to one thread.
 * Memory, measured: 65 kB while handshaking, 40 kB after dtls_trim (22 kB of it is a handshake
 * buffer that OpenSSL keeps), 0.5 kB after dtls_release. CPU: 300 to 500 µs per handshake,
 * which is why half-open sessions (DTLS_HANDSHAKING) must be counted and capped by the owner.
 */
#ifndef RELAY_DTLS_H
#define RELAY_DTLS_H

#include "core/base.h"
#include "core/refusal.h"
#include "relay/certificate.h"
#include "relay/srtp.h"

#define DTLS_MTU 1200         /* of UDP payload: what every path carries */
#define DTLS_RECORD_MAX 16384 /* plaintext of one record: room for dtls_receive */
#define DTLS_HANDSHAKE_LIMIT SEC(30)
#define DTLS_TIMER_FIRST MSEC(100) /* doubled with each retransmission up to … */
#define DTLS_TIMER_MAX SEC(4)

struct dtls_context; /* opaque: SSL_CTX and certificate */
struct dtls_session; /* opaque */

/* `certificate` is borrowed and outlives the context. RC_NOMEM when OpenSSL cannot. */
int dtls_context_create(struct dtls_context **out, const struct certificate *certificate);
void dtls_context_free(struct dtls_context *context); /* after its sessions; NULL is fine */

enum dtls_role { DTLS_SERVER, DTLS_CLIENT }; /* a=setup: passive, active */

enum dtls_state {
    DTLS_HANDSHAKING,
    DTLS_CONNECTED,
    DTLS_CLOSED, /* close_notify came or was sent */
    DTLS_FAILED, /* dtls_refusal says why */
};

struct dtls_options {
    enum dtls_role role;
    struct fingerprint expected; /* of the peer's certificate */
    bool srtp_required; /* fail without a common profile; else only data channels work */
};

/* A client's first flight is ready for dtls_poll at once. RC_NOMEM. */
int dtls_session_create(struct dtls_session **out, struct dtls_context *context,
                        const struct dtls_options *options, usec_t now);
/* Says nothing to the peer (dtls_close does). Wipes the keys. NULL is fine. */
void dtls_session_free(struct dtls_session *session);

/* One datagram. REFUSAL_NONE, or what ended the session just now, already counted: DTLS_FAILED,
 * DTLS_FINGERPRINT, DTLS_NO_SRTP_PROFILE; the alert for the peer is in dtls_poll. Datagrams
 * that are no DTLS or that do not authenticate are dropped without a word (RFC 6347
 * section 4.1.2.7). When application data may have come, drain dtls_receive before the next
 * input. */
enum refusal dtls_input(struct dtls_session *session, struct span datagram, usec_t now);

/* Copies the next outgoing datagram (at most DTLS_MTU bytes). Its length; 0: none. A datagram
 * that does not fit `capacity` is dropped. */
size_t dtls_poll(struct dtls_session *session, uint8_t *buf, size_t capacity);

/* USEC_NEVER when there is nothing to wait for. */
usec_t dtls_deadline(const struct dtls_session *session);
/* Retransmits; after DTLS_HANDSHAKE_LIMIT, DTLS_TIMEOUT. Result as of dtls_input. */
enum refusal dtls_tick(struct dtls_session *session, usec_t now);

enum dtls_state dtls_state(const struct dtls_session *session);
enum refusal dtls_refusal(const struct dtls_session *session); /* NONE unless DTLS_FAILED */

/* What SRTP needs (RFC 5764 section 4.2). Lengths are those of the profile. */
struct dtls_key {
    uint8_t key[SRTP_KEY_MAX];
    uint8_t salt[SRTP_SALT_MAX];
    uint8_t key_len, salt_len;
};

struct dtls_keys {
    enum srtp_profile profile;
    struct dtls_key ours;   /* protects what we send */
    struct dtls_key theirs; /* unprotects what they send */
};

/* Once connected and before dtls_release. RC_BAD: not connected, or no profile was agreed. The
 * caller wipes *out (explicit_bzero) when the SRTP contexts are made. */
int dtls_keys(const struct dtls_session *session, struct dtls_keys *out);

/* One record of application data (SCTP). RC_OK; RC_BAD: not connected, released, or longer than
 * dtls_data_mtu; RC_AGAIN: drain dtls_poll first. */
int dtls_send(struct dtls_session *session, struct span data);
/* The next record's plaintext: its length, or 0 when there is none. A record longer than
 * `capacity` is cut: give DTLS_RECORD_MAX, or less and lose what no SCTP stack of ours would
 * send. */
size_t dtls_receive(struct dtls_session *session, uint8_t *buf, size_t capacity);
/* The longest dtls_send that leaves as one datagram of DTLS_MTU; 0 until connected. */
size_t dtls_data_mtu(const struct dtls_session *session);

/* Frees record buffers and outbox of a connected session; they come back by themselves when
 * something arrives. For sessions with a data channel: after each burst. */
void dtls_trim(struct dtls_session *session);

/* For sessions without a data channel: frees everything of OpenSSL and keeps one close_notify,
 * sealed in advance, for dtls_close. The state stays DTLS_CONNECTED; further input is ignored.
 * Call it after the first authenticated SRTP packet and dtls_keys: until then a client whose
 * Finished was not answered repeats it, and only a whole session answers (section 4.2.4). */
void dtls_release(struct dtls_session *session);
bool dtls_released(const struct dtls_session *session);

/* close_notify, once; then DTLS_CLOSED. Harmless at any time. */
void dtls_close(struct dtls_session *session);

#endif
