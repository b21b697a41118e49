/*
 * turn/stun_integrity.h - MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256 and FINGERPRINT (RFC 8489
 * sections 14.5 to 14.7), and the keys of long-term credentials (sections 9.2.2, 14.4, 18.5.1).
 *
 * Sans-IO, no allocation, any thread.
 */
#ifndef TURN_STUN_INTEGRITY_H
#define TURN_STUN_INTEGRITY_H

#include "core/base.h"

struct stun_message;

/* RFC 8489 section 18.5.1. */
enum stun_password_algorithm { STUN_PASSWORD_MD5 = 1, STUN_PASSWORD_SHA256 = 2 };
enum stun_integrity { STUN_INTEGRITY_SHA1, STUN_INTEGRITY_SHA256 };

#define STUN_SHA1_BYTES 20
#define STUN_SHA256_BYTES 32

/* The HMAC key of one user with the padded-key states of both hashes computed once, so that a
 * check costs no more than hashing the message. Plain value; wipe it with explicit_bzero. */
struct stun_key {
    uint32_t sha1_inner[5], sha1_outer[5];
    uint32_t sha256_inner[8], sha256_outer[8];
};

/* Any key of `n` bytes. */
void stun_key_raw(struct stun_key *out, const void *key, size_t n);
/* Long-term: hash(username ":" realm ":" password) (section 9.2.2); the strings as they are:
 * whoever calls has applied OpaqueString. */
void stun_key_long_term(struct stun_key *out, enum stun_password_algorithm algorithm,
                        struct span username, struct span realm, struct span password);
/* SHA-256(username ":" realm), section 14.4. */
void stun_userhash(uint8_t out[static STUN_SHA256_BYTES], struct span username,
                   struct span realm);

/* Constant time in the digest. False too when the message has no such attribute. A SHA-256 that
 * is truncated to fewer than 16 bytes never gets here; whether a truncated one is welcome is
 * the caller's business. */
bool stun_verify(const struct stun_message *m, const struct stun_key *key,
                 enum stun_integrity which);

/* The HMAC over any bytes. Returns the digest's length. */
size_t stun_hmac(uint8_t out[static STUN_SHA256_BYTES], const struct stun_key *key,
                 enum stun_integrity which, struct span data);

/* The HMAC over the first `before` bytes of a message, at least a header, as if its length
 * field ended with an integrity attribute there whose value has `value` bytes. Returns the
 * digest's length. */
size_t stun_mac(uint8_t out[static STUN_SHA256_BYTES], const struct stun_key *key,
                enum stun_integrity which, const uint8_t *message, size_t before, size_t value);

/* The value of FINGERPRINT behind the first `before` bytes of a message, whose length field
 * counts it already. */
uint32_t stun_fingerprint(const uint8_t *message, size_t before);

#endif
