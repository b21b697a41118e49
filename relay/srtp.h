/*
 * relay/srtp.h - SRTP and SRTCP in batches (RFC 3711; AES-GCM: RFC 7714; profiles: RFC 5764).
 *
 * An engine is what does the arithmetic: libipsec-mb (amd64 with AES-NI) or libsrtp2
 * (everywhere). Both speak the same bytes and have the same limits. A context is one direction
 * of one peer, RTP and RTCP, with the rollover counter and the replay windows of each of its
 * SSRCs.
 *
 * Header extensions and CSRCs stay readable (no RFC 6904), there is no MKI, SRTCP is always
 * encrypted (RFC 8827, 6.5: a packet with E = 0 is refused).
 *
 * Sans-IO: no socket, no clock.
 * Ownership: the caller owns engine, contexts and packets; a context outlives the batch it is
 * in and is freed before its engine. Threads: one engine a thread. A context may be used with
 * any engine of the same kind, by one thread at a time. Creating engines is safe from any
 * thread. Memory: 3 kB per context of up to 4 SSRCs, 3.7 kB up to 8 (ipsec-mb, GCM; AES-CM 1.5
 * kB less); libsrtp2 18 to 30 kB. The hot path allocates only when a new SSRC has authenticated
 * and its context has to grow.
 *
 * The names srtp_protect, srtp_unprotect and so on belong to libsrtp2, hence
 * srtp_engine_protect; SRTP_AES128_CM_SHA1_80 is a macro of OpenSSL's, hence SRTP_PROFILE_…
 */
#ifndef RELAY_SRTP_H
#define RELAY_SRTP_H

#include "core/base.h"
#include "core/refusal.h"

#define SRTP_KEY_MAX 32      /* bytes of a master key */
#define SRTP_SALT_MAX 14     /* bytes of a master salt */
#define SRTP_OVERHEAD_MAX 20 /* what protecting adds at most: GCM tag and SRTCP index */
#define SRTP_PACKET_MAX 4096 /* longer packets are RTP_MALFORMED: no datagram of ours is */
#define SRTP_INBOUND_STREAMS_MAX 16  /* SSRCs; the one unused for longest makes room */
#define SRTP_OUTBOUND_STREAMS_MAX 64 /* SSRCs; never forgotten: no nonce may be used twice */
#define SRTP_REPLAY_WINDOW 1024      /* RTP packets; NACKed ones come late on their own SSRC */
#define SRTCP_REPLAY_WINDOW 128      /* RTCP packets */

/* The value is the id in DTLS's use_srtp extension (RFC 5764, 4.1.2; RFC 7714, 14.2). */
enum srtp_profile {
    SRTP_PROFILE_NONE = 0,
    SRTP_PROFILE_AES128_CM_SHA1_80 = 0x0001,
    SRTP_PROFILE_AEAD_AES_128_GCM = 0x0007,
    SRTP_PROFILE_AEAD_AES_256_GCM = 0x0008,
};

struct srtp_profile_info {
    enum srtp_profile profile;
    const char *name; /* as OpenSSL and the statistics API spell it: "SRTP_AEAD_AES_128_GCM" */
    size_t key_len;   /* master key */
    size_t salt_len;  /* master salt */
    size_t auth_key_len; /* of the session HMAC; 0 with GCM */
    size_t tag_len;
    size_t rtp_overhead; /* bytes that protecting adds */
    size_t rtcp_overhead;
};

/* In the order in which DTLS should prefer them. */
#define SRTP_PROFILE_COUNT 3
extern const struct srtp_profile_info srtp_profiles[SRTP_PROFILE_COUNT];

/* The row of a profile; NULL for SRTP_PROFILE_NONE and anything unknown. */
const struct srtp_profile_info *srtp_profile_find(unsigned id);
/* The list that SSL_CTX_set_tlsext_use_srtp takes: the names, joined by colons. Static. */
const char *srtp_profile_list(void);

enum srtp_engine_kind {
    SRTP_ENGINE_AUTO, /* ipsec-mb where build and CPU have it, else libsrtp2 */
    SRTP_ENGINE_LIBSRTP,
    SRTP_ENGINE_IPSEC_MB, /* the same as AUTO: falls back to libsrtp2 */
};

struct srtp_engine;
struct srtp_context;

/* RC_NOMEM, or RC_BAD when libsrtp2 can't start. About 500 kB with ipsec-mb: one per thread. */
int srtp_engine_create(struct srtp_engine **out, enum srtp_engine_kind kind);
void srtp_engine_free(struct srtp_engine *engine); /* NULL is fine */
/* "ipsec-mb" or "libsrtp2": what it really is. Static. */
const char *srtp_engine_name(const struct srtp_engine *engine);

enum srtp_direction {
    SRTP_INBOUND,  /* for unprotecting, with the keys that the other side writes with */
    SRTP_OUTBOUND, /* for protecting */
};

/* Master key and salt as DTLS exports them (RFC 5764, 4.2). Copied; the caller wipes its own.
 * RC_BAD: unknown profile or lengths that are not the profile's. RC_NOMEM. */
int srtp_context_create(struct srtp_context **out, struct srtp_engine *engine,
                        enum srtp_profile profile, enum srtp_direction direction,
                        struct span master_key, struct span master_salt);
/* Wipes the keys. NULL is fine. Not while a batch with it is under way. */
void srtp_context_free(struct srtp_context *context);
/* A hint that packets of this context come next: its keys and its first streams. */
void srtp_context_prefetch(const struct srtp_context *context);
enum srtp_profile srtp_context_profile(const struct srtp_context *context);

/* One packet of a batch; everything is borrowed until the call returns. */
struct srtp_packet {
    struct srtp_context *context; /* of the direction that the call wants */
    uint8_t *data;                /* changed in place; any alignment */
    size_t len;                   /* in: what there is; out: what it became, if not refused */
    size_t capacity;              /* bytes usable at data, at least len */
    enum refusal refusal;         /* out: REFUSAL_NONE or why not */
};

/*
 * Any number of packets of any mix of contexts and profiles. The result is the same as that of
 * one packet after the other, in order: rollovers and duplicates inside a batch count as they
 * would across batches. Batches of 4 and more are what AES-CM is fast with.
 *
 * Every refusal is counted with refuse() here. A refused packet's bytes are undefined (they may
 * hold unauthenticated plaintext): drop it. Its len is left alone.
 *
 * Inbound: SRTP_AUTH, SRTP_REPLAY (seen before, or older than the window), RTP_MALFORMED (not
 * even a header and a tag). Nothing that doesn't authenticate changes any state. An SSRC is
 * first heard with rollover counter 0, as the standard has it for streams without other
 * signaling.
 *
 * Outbound: the caller chooses sequence numbers; out of order is fine within
 * SRTP_REPLAY_WINDOW. SRTP_REPLAY: that SSRC has used that sequence number already, or may have
 * (a retransmission goes on an RTX SSRC of its own); RTP_MALFORMED: no RTP header, or capacity
 * is short of the profile's overhead; SRTP_STREAM_LIMIT: more than SRTP_OUTBOUND_STREAMS_MAX
 * SSRCs in this context.
 */
void srtp_engine_unprotect(struct srtp_engine *engine, struct srtp_packet *packets, size_t n);
void srtp_engine_protect(struct srtp_engine *engine, struct srtp_packet *packets, size_t n);

/* The same for (compound) RTCP packets: data starts with an RTCP header of 8 bytes. */
void srtp_engine_unprotect_rtcp(struct srtp_engine *engine, struct srtp_packet *packets,
                                size_t n);
void srtp_engine_protect_rtcp(struct srtp_engine *engine, struct srtp_packet *packets,
                              size_t n);

#endif
