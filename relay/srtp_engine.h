/*
 * relay/srtp_engine.h - what relay/srtp.c asks of an engine. Private to the relay/srtp_* files
 * and their test.
 *
 * relay/srtp.c parses packets, finds their index, keeps the replay windows and decides what is
 * refused; an engine turns clear bytes into protected ones and back. An engine holds no state
 * that decides anything, with one exception: libsrtp2 can't be had without its own SSRC table
 * and windows. Those have the same sizes and follow the same rules as ours, so the two agree.
 */
#ifndef RELAY_SRTP_ENGINE_H
#define RELAY_SRTP_ENGINE_H

#include "config.h"
#include "relay/srtp.h"
#include "relay/srtp_kdf.h"
#include "relay/srtp_stream.h"

#define SRTP_JOBS_MAX 64 /* packets that an engine gets at a time */

enum srtp_operation { SRTP_PROTECT, SRTP_UNPROTECT, SRTP_PROTECT_RTCP, SRTP_UNPROTECT_RTCP };

static inline bool srtp_operation_is_rtcp(enum srtp_operation operation)
{
    return operation == SRTP_PROTECT_RTCP || operation == SRTP_UNPROTECT_RTCP;
}

static inline bool srtp_operation_is_inbound(enum srtp_operation operation)
{
    return operation == SRTP_UNPROTECT || operation == SRTP_UNPROTECT_RTCP;
}

#define SRTCP_ENCRYPTED 0x80000000u /* the E flag in front of the SRTCP index */

/*
 * One packet on its way through an engine.
 *
 *     RTP:   header, CSRCs, extension | body | tag
 *     RTCP:  header (8)               | body | index with E  | tag     AES-CM  (RFC 3711, 3.4)
 *                                     | body | tag | index with E      GCM     (RFC 7714, 9.3)
 */
struct srtp_job {
    struct srtp_packet *packet;
    struct srtp_stream *stream; /* inbound: NULL while the SSRC is unknown */
    const struct srtp_profile_info *profile;
    void *keys; /* of the engine's making */
    uint8_t *data;
    size_t header_len; /* authenticated, not encrypted */
    size_t body_len;   /* encrypted; the same length on both sides */
    uint32_t ssrc;
    uint64_t index;      /* RTP: 48 bits, RTCP: 31 bits */
    enum refusal result; /* out: NONE, SRTP_AUTH or SRTP_REPLAY */
};

/* What keys are made from: ipsec-mb takes the session keys, libsrtp2 insists on deriving them.
 */
struct srtp_key_material {
    const struct srtp_profile_info *profile;
    enum srtp_direction direction;
    struct span master_key, master_salt; /* empty when a test gives session keys only */
    const struct srtp_session_keys *session;
};

struct srtp_engine_functions {
    const char *name;
    /* RC_NOMEM; RC_BAD when this machine can't run it. */
    int (*open)(void **state);
    void (*close)(void *state);
    /* RC_NOMEM, RC_BAD. */
    int (*keys_create)(void **out, void *state, const struct srtp_key_material *material);
    void (*keys_free)(void *keys,
                      const struct srtp_profile_info *profile); /* wipes; NULL is fine */
    /* An inbound SSRC has been recycled. */
    void (*forget)(void *keys, uint32_t ssrc);
    /* 1 to SRTP_JOBS_MAX jobs, any mix of keys, in order. Protecting: every job has room. */
    void (*run)(void *state, enum srtp_operation operation, struct srtp_job *jobs, size_t n);
};

extern const struct srtp_engine_functions srtp_engine_libsrtp;
#if HAVE_IPSEC_MB
extern const struct srtp_engine_functions srtp_engine_ipsec_mb;
#endif

/* For the test vectors of the RFCs, which start at the session keys. RC_BAD with libsrtp2. */
int srtp_context_create_from_session(struct srtp_context **out, struct srtp_engine *engine,
                                     enum srtp_profile profile, enum srtp_direction direction,
                                     const struct srtp_session_keys *session);

#endif
