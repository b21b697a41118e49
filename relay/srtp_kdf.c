#include "relay/srtp_kdf.h"

#include <openssl/evp.h>
#include <string.h>

enum {
    AES_BLOCK = 16,
    LABEL_AT =
        7, /* key_id is 56 bits, label first, right-aligned with the 112 bits of the salt */
};

/* AES in counter mode over zeros: the PRF of RFC 3711, 4.3.3. */
static int counter_mode(uint8_t *out, size_t n, struct span key,
                        const uint8_t iv[static AES_BLOCK])
{
    const EVP_CIPHER *cipher = key.n == 32 ? EVP_aes_256_ctr() : EVP_aes_128_ctr();
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int done = 0;
    int rc = RC_NOMEM;

    memset(out, 0, n);
    if (ctx && EVP_EncryptInit_ex(ctx, cipher, NULL, key.p, iv) == 1 &&
        EVP_EncryptUpdate(ctx, out, &done, out, (int)n) == 1)
        rc = RC_OK;
    EVP_CIPHER_CTX_free(ctx); /* wipes the key schedule */
    return rc;
}

int srtp_kdf_generate(uint8_t *out, size_t n, enum srtp_kdf_label label, struct span master_key,
                      struct span master_salt)
{
    uint8_t iv[AES_BLOCK] = {0};

    if ((master_key.n != 16 && master_key.n != 32) || master_salt.n > SRTP_SALT_MAX ||
        n > UINT16_MAX)
        return RC_BAD;

    memcpy(iv, master_salt.p, master_salt.n);
    iv[LABEL_AT] ^= (uint8_t)label;
    const int rc = counter_mode(out, n, master_key, iv);
    explicit_bzero(iv, sizeof iv);
    return rc;
}

int srtp_kdf_derive(struct srtp_session_keys *out, const struct srtp_profile_info *profile,
                    struct span master_key, struct span master_salt)
{
    if (master_key.n != profile->key_len || master_salt.n != profile->salt_len)
        return RC_BAD;

    struct srtp_session_keys keys = {0};
    const struct {
        enum srtp_kdf_label label;
        uint8_t *out;
        size_t n;
    } parts[] = {
        {SRTP_LABEL_RTP_KEY, keys.rtp_key, profile->key_len},
        {SRTP_LABEL_RTP_SALT, keys.rtp_salt, profile->salt_len},
        {SRTP_LABEL_RTP_AUTH, keys.rtp_auth, profile->auth_key_len},
        {SRTP_LABEL_RTCP_KEY, keys.rtcp_key, profile->key_len},
        {SRTP_LABEL_RTCP_SALT, keys.rtcp_salt, profile->salt_len},
        {SRTP_LABEL_RTCP_AUTH, keys.rtcp_auth, profile->auth_key_len},
    };
    int rc = RC_OK;

    for (size_t i = 0; i < ARRAY_LEN(parts) && rc == RC_OK; i++)
        rc = srtp_kdf_generate(parts[i].out, parts[i].n, parts[i].label, master_key,
                               master_salt);
    if (rc == RC_OK)
        *out = keys;
    explicit_bzero(&keys, sizeof keys);
    return rc;
}
