/*
 * The fast engine: libipsec-mb (amd64 with AES-NI).
 *
 * AES-GCM goes packet by packet, the library's one-shot functions are fast that way. AES-CM
 * with HMAC-SHA1 goes in bursts, as the hash of up to 16 packets runs in the lanes of one
 * vector register. A burst of a few would leave most lanes idle: it goes to a second
 * manager of the SSE level, whose SHA-NI hash is faster by the packet.
 *
 * Incoming AES-CM is hashed first and deciphered only if its tag is right. GCM does both at
 * once, so that a forged packet's buffer holds rubbish afterwards: relay/srtp.h says so.
 */
#include "relay/srtp_engine.h"

#define NO_COMPAT_IMB_API_053
#include <intel-ipsec-mb.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

enum {
    AES_BLOCK = 16,
    GCM_IV_LEN = 12,
    GCM_TAG_LEN = 16,
    RTCP_INDEX_LEN = 4,
    ROC_LEN = 4,
    HMAC_TAG_LEN = 10,
    HMAC_JOB_TAG_LEN = 12, /* the library computes 12 or 20 bytes, nothing else */
    SHA1_BLOCK = 64,
    SMALL_BURST = 5, /* measured: up to here the SSE level is the faster one */
    ALIGNMENT = 64,
};

struct mb_state {
    IMB_MGR *wide;   /* owned: best level of this CPU */
    IMB_MGR *narrow; /* owned: SSE level */
    struct gcm_context_data gcm;
    size_t burst; /* packets in the arrays below */
    struct srtp_job *job[SRTP_JOBS_MAX];
    IMB_JOB work[SRTP_JOBS_MAX];
    uint8_t iv[SRTP_JOBS_MAX][AES_BLOCK];
    uint8_t tag[SRTP_JOBS_MAX][HMAC_JOB_TAG_LEN];
    uint8_t received[SRTP_JOBS_MAX][HMAC_TAG_LEN];
};

/* One kind of packet, 1024 bytes. */
struct gcm_half {
    _Alignas(ALIGNMENT) struct gcm_key_data key;
    uint8_t salt[GCM_IV_LEN];
};

struct cm_half {
    _Alignas(16) uint32_t round_keys[4 * 11];
    _Alignas(16) uint8_t inner[IMB_SHA1_DIGEST_SIZE_IN_BYTES]; /* HMAC after its first block */
    _Alignas(16) uint8_t outer[IMB_SHA1_DIGEST_SIZE_IN_BYTES];
    uint8_t salt[SRTP_SALT_MAX];
};

/* What `keys` points to is one of the two, by profile: AES-CM needs a quarter of the memory. */
struct gcm_keys {
    struct gcm_half rtp, rtcp;
};

struct cm_keys {
    struct cm_half rtp, rtcp;
};

/* --- engine and keys
 * --------------------------------------------------------------------------- */

static void mb_close(void *arg)
{
    struct mb_state *state = arg;

    if (state->wide)
        free_mb_mgr(state->wide);
    if (state->narrow)
        free_mb_mgr(state->narrow);
    explicit_bzero(state, sizeof *state); /* GCM leaves key stream in its context */
    free(state);
}

/* The library's init functions crash on CPUs that lack these: ask before. */
static bool cpu_has_aes(void)
{
    return __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul") &&
           __builtin_cpu_supports("sse4.2");
}

static int mb_open(void **out)
{
    if (!cpu_has_aes())
        return RC_BAD;

    struct mb_state *state = calloc(1, sizeof *state);
    if (!state)
        return RC_NOMEM;
    state->wide = alloc_mb_mgr(0);
    state->narrow = alloc_mb_mgr(0);
    if (!state->wide || !state->narrow) {
        mb_close(state);
        return RC_NOMEM;
    }
    init_mb_mgr_auto(state->wide, NULL);
    init_mb_mgr_sse(state->narrow);
    if (imb_get_errno(state->wide) || imb_get_errno(state->narrow)) {
        mb_close(state);
        return RC_BAD;
    }
    *out = state;
    return RC_OK;
}

static size_t keys_size(const struct srtp_profile_info *profile)
{
    const size_t size =
        profile->auth_key_len ? sizeof(struct cm_keys) : sizeof(struct gcm_keys);
    return (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static void mb_keys_free(void *keys, const struct srtp_profile_info *profile)
{
    if (!keys)
        return;
    explicit_bzero(keys, keys_size(profile));
    free(keys);
}

static void gcm_half_init(struct gcm_half *half, IMB_MGR *mgr, size_t key_len,
                          const uint8_t *key, const uint8_t *salt)
{
    if (key_len == 16)
        IMB_AES128_GCM_PRE(mgr, key, &half->key);
    else
        IMB_AES256_GCM_PRE(mgr, key, &half->key);
    memcpy(half->salt, salt, sizeof half->salt);
}

/* The state of SHA-1 after the padded key: every packet's HMAC starts from there (RFC 2104, 4).
 */
static void hmac_pad(IMB_MGR *mgr, const uint8_t key[static SRTP_AUTH_KEY_LEN], uint8_t pad,
                     uint8_t *out)
{
    uint8_t block[SHA1_BLOCK];

    memset(block, pad, sizeof block);
    for (size_t i = 0; i < SRTP_AUTH_KEY_LEN; i++)
        block[i] ^= key[i];
    IMB_SHA1_ONE_BLOCK(mgr, block, out);
    explicit_bzero(block, sizeof block);
}

static void cm_half_init(struct cm_half *half, IMB_MGR *mgr, const uint8_t *key,
                         const uint8_t *auth, const uint8_t *salt)
{
    _Alignas(16) uint32_t unused_decryption_keys[4 * 11];

    IMB_AES_KEYEXP_128(mgr, key, half->round_keys, unused_decryption_keys);
    explicit_bzero(unused_decryption_keys, sizeof unused_decryption_keys);
    hmac_pad(mgr, auth, 0x36, half->inner);
    hmac_pad(mgr, auth, 0x5c, half->outer);
    memcpy(half->salt, salt, sizeof half->salt);
}

static int mb_keys_create(void **out, void *arg, const struct srtp_key_material *material)
{
    const struct mb_state *state = arg;
    const struct srtp_session_keys *session = material->session;
    const size_t key_len = material->profile->key_len;
    const size_t size = keys_size(material->profile);
    void *keys = aligned_alloc(ALIGNMENT, size);

    if (!keys)
        return RC_NOMEM;
    memset(keys, 0, size);
    if (material->profile->auth_key_len) {
        struct cm_keys *cm = keys;
        cm_half_init(&cm->rtp, state->wide, session->rtp_key, session->rtp_auth,
                     session->rtp_salt);
        cm_half_init(&cm->rtcp, state->wide, session->rtcp_key, session->rtcp_auth,
                     session->rtcp_salt);
    } else {
        struct gcm_keys *gcm = keys;
        gcm_half_init(&gcm->rtp, state->wide, key_len, session->rtp_key, session->rtp_salt);
        gcm_half_init(&gcm->rtcp, state->wide, key_len, session->rtcp_key, session->rtcp_salt);
    }
    *out = keys;
    return RC_OK;
}

static void mb_forget(void *keys, uint32_t ssrc)
{
    (void)keys; /* nothing is kept by SSRC */
    (void)ssrc;
}

/* --- AES-GCM (RFC 7714)
 * ------------------------------------------------------------------------ */

/*
 * RFC 7714, 8.1 and 9.1. SRTP puts ROC and SEQ at the end, which together are the 48-bit index;
 * SRTCP puts its 31-bit index there.
 *
 *     | 00 00 | SSRC (4) | index (6) |  xor salt
 */
static void gcm_iv(uint8_t iv[static GCM_IV_LEN], const struct srtp_job *job,
                   const uint8_t *salt)
{
    iv[0] = iv[1] = 0;
    store_be32(iv + 2, job->ssrc);
    store_be16(iv + 6, (uint16_t)(job->index >> 32));
    store_be32(iv + 8, (uint32_t)job->index);
    for (size_t i = 0; i < GCM_IV_LEN; i++)
        iv[i] ^= salt[i];
}

/* The library's functions by key length and direction: they share a type, not a name. */
static aes_gcm_enc_dec_t gcm_function(const IMB_MGR *mgr, size_t key_len, bool decrypt)
{
    if (key_len == 16)
        return decrypt ? mgr->gcm128_dec : mgr->gcm128_enc;
    return decrypt ? mgr->gcm256_dec : mgr->gcm256_enc;
}

static void gcm_run(struct mb_state *state, enum srtp_operation operation, struct srtp_job *job)
{
    const struct gcm_keys *keys = job->keys;
    const struct gcm_half *half = srtp_operation_is_rtcp(operation) ? &keys->rtcp : &keys->rtp;
    const bool decrypt = srtp_operation_is_inbound(operation);
    uint8_t *body = job->data + job->header_len;
    uint8_t *tag = body + job->body_len;
    const uint8_t *aad = job->data;
    size_t aad_len = job->header_len;
    uint8_t rtcp_aad[12], iv[GCM_IV_LEN], computed[GCM_TAG_LEN];

    gcm_iv(iv, job, half->salt);
    if (srtp_operation_is_rtcp(
            operation)) { /* 9.2: the AAD is the header and the index that follows the tag */
        memcpy(rtcp_aad, job->data, 8);
        store_be32(rtcp_aad + 8, SRTCP_ENCRYPTED | (uint32_t)job->index);
        aad = rtcp_aad;
        aad_len = sizeof rtcp_aad;
    }
    gcm_function(state->wide, job->profile->key_len,
                 decrypt)(&half->key, &state->gcm, body, body, job->body_len, iv, aad, aad_len,
                          decrypt ? computed : tag, GCM_TAG_LEN);
    if (decrypt && CRYPTO_memcmp(computed, tag, GCM_TAG_LEN) != 0)
        job->result = REFUSAL_SRTP_AUTH;
    else if (!decrypt && srtp_operation_is_rtcp(operation))
        memcpy(tag + GCM_TAG_LEN, rtcp_aad + 8, RTCP_INDEX_LEN);
}

/* --- AES-CM and HMAC-SHA1 (RFC 3711)
 * ----------------------------------------------------------- */

/* RFC 3711, 4.1.1: (salt * 2^16) xor (SSRC * 2^64) xor (index * 2^16), in 16 bytes. */
static void cm_iv(uint8_t iv[static AES_BLOCK], const struct srtp_job *job, const uint8_t *salt)
{
    uint8_t word[10];

    memcpy(iv, salt, SRTP_SALT_MAX);
    iv[14] = iv[15] = 0; /* the block counter */
    store_be32(word, job->ssrc);
    store_be16(word + 4, (uint16_t)(job->index >> 32));
    store_be32(word + 6, (uint32_t)job->index);
    for (size_t i = 0; i < sizeof word; i++)
        iv[4 + i] ^= word[i];
}

static const struct cm_half *cm_half_of(const struct srtp_job *job, bool rtcp)
{
    const struct cm_keys *keys = job->keys;
    return rtcp ? &keys->rtcp : &keys->rtp;
}

/* Enciphers or deciphers the burst, all of it or false. An empty body is no work, and the
 * library refuses it. */
static bool cm_cipher(struct mb_state *state, bool rtcp, bool decrypt)
{
    uint32_t n = 0;

    for (size_t i = 0; i < state->burst; i++) {
        const struct srtp_job *job = state->job[i];
        const struct cm_half *half = cm_half_of(job, rtcp);
        uint8_t *body = job->data + job->header_len;

        if (job->body_len == 0 || job->result != REFUSAL_NONE)
            continue;
        cm_iv(state->iv[n], job, half->salt);
        IMB_JOB *work = &state->work[n];
        work->enc_keys = half->round_keys;
        work->dec_keys = half->round_keys;
        work->key_len_in_bytes = 16;
        work->src = body;
        work->dst = body;
        work->cipher_start_src_offset_in_bytes = 0;
        work->msg_len_to_cipher_in_bytes = job->body_len;
        work->iv = state->iv[n];
        work->iv_len_in_bytes = AES_BLOCK;
        n++;
    }
    return n == 0 || IMB_SUBMIT_CIPHER_BURST_NOCHECK(
                         state->wide, state->work, n, IMB_CIPHER_CNTR,
                         decrypt ? IMB_DIR_DECRYPT : IMB_DIR_ENCRYPT, IMB_KEY_128_BYTES) == n;
}

/*
 * Tags of the burst into state->tag. RTP hashes the packet and then the ROC, which isn't sent
 * (RFC 3711, 4.2): it lies where the tag belongs, which is saved before (inbound) or written
 * afterwards (outbound). RTCP hashes the packet and the index behind it.
 */
static bool cm_hash(struct mb_state *state, bool rtcp)
{
    const uint32_t n = (uint32_t)state->burst;
    IMB_MGR *mgr = state->burst <= SMALL_BURST ? state->narrow : state->wide;

    for (size_t i = 0; i < n; i++) {
        const struct srtp_job *job = state->job[i];
        const struct cm_half *half = cm_half_of(job, rtcp);
        const size_t len = job->header_len + job->body_len;
        IMB_JOB *work = &state->work[i];

        store_be32(job->data + len, rtcp ? SRTCP_ENCRYPTED | (uint32_t)job->index
                                         : (uint32_t)(job->index >> 16));
        work->src = job->data;
        work->hash_start_src_offset_in_bytes = 0;
        work->msg_len_to_hash_in_bytes = len + ROC_LEN;
        work->auth_tag_output = state->tag[i];
        work->auth_tag_output_len_in_bytes = HMAC_JOB_TAG_LEN;
        work->u.HMAC._hashed_auth_key_xor_ipad = half->inner;
        work->u.HMAC._hashed_auth_key_xor_opad = half->outer;
    }
    return IMB_SUBMIT_HASH_BURST_NOCHECK(mgr, state->work, n, IMB_AUTH_HMAC_SHA_1) == n;
}

static uint8_t *cm_tag_place(const struct srtp_job *job, bool rtcp)
{
    return job->data + job->header_len + job->body_len + (rtcp ? RTCP_INDEX_LEN : 0);
}

/* The library has no reason to fail a well-formed burst; if it does, none of it is believed. */
static void cm_fail(struct mb_state *state)
{
    for (size_t i = 0; i < state->burst; i++)
        state->job[i]->result = REFUSAL_SRTP_AUTH;
}

static bool cm_protect(struct mb_state *state, bool rtcp)
{
    if (!cm_cipher(state, rtcp, false) || !cm_hash(state, rtcp))
        return false;
    for (size_t i = 0; i < state->burst; i++)
        memcpy(cm_tag_place(state->job[i], rtcp), state->tag[i], HMAC_TAG_LEN);
    return true;
}

static bool cm_unprotect(struct mb_state *state, bool rtcp)
{
    for (size_t i = 0; i < state->burst; i++)
        memcpy(state->received[i], cm_tag_place(state->job[i], rtcp), HMAC_TAG_LEN);
    if (!cm_hash(state, rtcp))
        return false;
    for (size_t i = 0; i < state->burst; i++) {
        if (CRYPTO_memcmp(state->received[i], state->tag[i], HMAC_TAG_LEN) != 0)
            state->job[i]->result = REFUSAL_SRTP_AUTH;
    }
    return cm_cipher(state, rtcp, true);
}

static void cm_run(struct mb_state *state, enum srtp_operation operation)
{
    const bool rtcp = srtp_operation_is_rtcp(operation);

    if (state->burst == 0)
        return;
    if (!(srtp_operation_is_inbound(operation) ? cm_unprotect(state, rtcp)
                                               : cm_protect(state, rtcp)))
        cm_fail(state);
    state->burst = 0;
}

static void mb_run(void *arg, enum srtp_operation operation, struct srtp_job *jobs, size_t n)
{
    struct mb_state *state = arg;

    for (size_t i = 0; i < n; i++) {
        jobs[i].result = REFUSAL_NONE;
        if (jobs[i].profile->auth_key_len)
            state->job[state->burst++] = &jobs[i];
        else
            gcm_run(state, operation, &jobs[i]);
    }
    cm_run(state, operation);
}

const struct srtp_engine_functions srtp_engine_ipsec_mb = {
    .name = "ipsec-mb",
    .open = mb_open,
    .close = mb_close,
    .keys_create = mb_keys_create,
    .keys_free = mb_keys_free,
    .forget = mb_forget,
    .run = mb_run,
};
