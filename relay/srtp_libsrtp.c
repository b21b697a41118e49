/*
 * The portable engine: libsrtp2, one srtp_t per context.
 *
 * libsrtp2 parses the packet again and keeps SSRCs, rollover counters and windows of its own,
 * with the sizes of ours. Its functions want 32-bit alignment, which a packet out of a TCP
 * stream need not have: such packets take the way through `aligned`.
 */
#include "relay/srtp_engine.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <srtp2/srtp.h>
#include <stdlib.h>
#include <string.h>

struct libsrtp_state {
    _Alignas(8) uint8_t aligned[SRTP_PACKET_MAX + SRTP_MAX_TRAILER_LEN];
};

static pthread_once_t init_once = PTHREAD_ONCE_INIT;
static srtp_err_status_t init_status;

static void init_library(void)
{
    init_status = srtp_init();
}

static int libsrtp_open(void **out)
{
    pthread_once(&init_once, init_library);
    if (init_status != srtp_err_status_ok)
        return RC_BAD;

    struct libsrtp_state *state = calloc(1, sizeof *state);
    if (!state)
        return RC_NOMEM;
    *out = state;
    return RC_OK;
}

static void libsrtp_close(void *state)
{
    free(state);
}

static void set_policy(srtp_policy_t *policy, enum srtp_profile profile)
{
    switch (profile) {
    case SRTP_PROFILE_AEAD_AES_128_GCM:
        srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy->rtp);
        srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy->rtcp);
        break;
    case SRTP_PROFILE_AEAD_AES_256_GCM:
        srtp_crypto_policy_set_aes_gcm_256_16_auth(&policy->rtp);
        srtp_crypto_policy_set_aes_gcm_256_16_auth(&policy->rtcp);
        break;
    case SRTP_PROFILE_AES128_CM_SHA1_80:
    case SRTP_PROFILE_NONE:
        srtp_crypto_policy_set_rtp_default(&policy->rtp);
        srtp_crypto_policy_set_rtcp_default(&policy->rtcp);
        break;
    }
}

static int libsrtp_keys_create(void **out, void *state,
                               const struct srtp_key_material *material)
{
    const struct span key = material->master_key, salt = material->master_salt;
    uint8_t key_and_salt[SRTP_KEY_MAX + SRTP_SALT_MAX];
    srtp_policy_t policy = {
        .ssrc = {.type = material->direction == SRTP_INBOUND ? ssrc_any_inbound
                                                             : ssrc_any_outbound},
        .key = key_and_salt,
        .window_size = SRTP_REPLAY_WINDOW,
    };
    srtp_t session = NULL;
    (void)state;

    if (key.n != material->profile->key_len || salt.n != material->profile->salt_len)
        return RC_BAD;
    memcpy(key_and_salt, key.p, key.n);
    memcpy(key_and_salt + key.n, salt.p, salt.n);
    set_policy(&policy, material->profile->profile);

    const srtp_err_status_t status = srtp_create(&session, &policy);
    explicit_bzero(key_and_salt, sizeof key_and_salt);
    if (status != srtp_err_status_ok)
        return status == srtp_err_status_alloc_fail ? RC_NOMEM : RC_BAD;
    *out = session;
    return RC_OK;
}

static void libsrtp_keys_free(void *keys, const struct srtp_profile_info *profile)
{
    (void)profile;
    if (keys)
        srtp_dealloc(keys); /* wipes */
}

static void libsrtp_forget(void *keys, uint32_t ssrc)
{
    srtp_remove_stream(keys, htonl(ssrc));
}

typedef srtp_err_status_t libsrtp_fn(srtp_t session, void *packet, int *len);

static libsrtp_fn *const functions[] = {
    [SRTP_PROTECT] = srtp_protect,
    [SRTP_UNPROTECT] = srtp_unprotect,
    [SRTP_PROTECT_RTCP] = srtp_protect_rtcp,
    [SRTP_UNPROTECT_RTCP] = srtp_unprotect_rtcp,
};

static enum refusal refusal_of(srtp_err_status_t status)
{
    switch (status) {
    case srtp_err_status_ok:
        return REFUSAL_NONE;
    case srtp_err_status_replay_fail:
    case srtp_err_status_replay_old:
        return REFUSAL_SRTP_REPLAY;
    default:
        return REFUSAL_SRTP_AUTH;
    }
}

static void libsrtp_run(void *arg, enum srtp_operation operation, struct srtp_job *jobs,
                        size_t n)
{
    struct libsrtp_state *state = arg;

    for (size_t i = 0; i < n; i++) {
        struct srtp_job *job = &jobs[i];
        const bool direct = (uintptr_t)job->data % 4 == 0;
        uint8_t *data = direct ? job->data : state->aligned;
        int len = (int)job->packet->len;

        if (!direct)
            memcpy(data, job->data, (size_t)len);
        job->result = refusal_of(functions[operation](job->keys, data, &len));
        if (!direct && job->result == REFUSAL_NONE)
            memcpy(job->data, data, (size_t)len);
    }
}

const struct srtp_engine_functions srtp_engine_libsrtp = {
    .name = "libsrtp2",
    .open = libsrtp_open,
    .close = libsrtp_close,
    .keys_create = libsrtp_keys_create,
    .keys_free = libsrtp_keys_free,
    .forget = libsrtp_forget,
    .run = libsrtp_run,
};
