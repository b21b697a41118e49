/*
 * relay/srtp_kdf.h - session keys from a master key and salt (RFC 3711, 4.3; for AES-256 RFC
 * 6188; for GCM RFC 7714, 11).
 *
 * Sans-IO, any thread. The key derivation rate is 0, the only one that DTLS-SRTP knows: one set
 * of session keys for the life of the master key.
 */
#ifndef RELAY_SRTP_KDF_H
#define RELAY_SRTP_KDF_H

#include "relay/srtp.h"

#define SRTP_AUTH_KEY_LEN 20 /* HMAC-SHA1; unused with GCM */

/* Plain value; whoever holds one wipes it with explicit_bzero. */
struct srtp_session_keys {
    uint8_t rtp_key[SRTP_KEY_MAX];
    uint8_t rtp_salt[SRTP_SALT_MAX];
    uint8_t rtp_auth[SRTP_AUTH_KEY_LEN];
    uint8_t rtcp_key[SRTP_KEY_MAX];
    uint8_t rtcp_salt[SRTP_SALT_MAX];
    uint8_t rtcp_auth[SRTP_AUTH_KEY_LEN];
};

/* The labels of RFC 3711, 4.3.1 and 4.3.2. */
enum srtp_kdf_label {
    SRTP_LABEL_RTP_KEY = 0,
    SRTP_LABEL_RTP_AUTH = 1,
    SRTP_LABEL_RTP_SALT = 2,
    SRTP_LABEL_RTCP_KEY = 3,
    SRTP_LABEL_RTCP_AUTH = 4,
    SRTP_LABEL_RTCP_SALT = 5,
};

/* `n` bytes of key stream for a label. Master key of 16 or 32 bytes, salt of at most 14
 * (shorter ones are filled up with zeros at the end). RC_BAD for other lengths, RC_NOMEM. */
int srtp_kdf_generate(uint8_t *out, size_t n, enum srtp_kdf_label label, struct span master_key,
                      struct span master_salt);

/* All that a profile needs; what it doesn't is zero. RC_BAD, RC_NOMEM as above. */
int srtp_kdf_derive(struct srtp_session_keys *out, const struct srtp_profile_info *profile,
                    struct span master_key, struct span master_salt);

#endif
