/* The one-shot functions of OpenSSL 3 look their algorithm up and allocate on each call, and
 * have no way to start from a saved state; these do, and are still there. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "turn/stun_integrity.h"

#include "turn/stun_message.h"

#include <openssl/crypto.h>
#include <openssl/md5.h>
#include <openssl/sha.h>
#include <string.h>
#include <zlib.h>

enum {
    BLOCK = 64, /* of MD5, SHA-1 and SHA-256 alike */
    FINGERPRINT_XOR = 0x5354554e,
};

_Static_assert(STUN_SHA1_BYTES == SHA_DIGEST_LENGTH, "the digest of SHA-1");
_Static_assert(STUN_SHA256_BYTES == SHA256_DIGEST_LENGTH, "the digest of SHA-256");

/* --- hashes that go on from a state of exactly one block -------------------------------------
 */

static void sha1_resume(SHA_CTX *c, const uint32_t state[static 5])
{
    c->h0 = state[0];
    c->h1 = state[1];
    c->h2 = state[2];
    c->h3 = state[3];
    c->h4 = state[4];
    c->Nl = 8 * BLOCK;
    c->Nh = 0;
    c->num = 0;
}

static void sha256_resume(SHA256_CTX *c, const uint32_t state[static 8])
{
    memcpy(c->h, state, sizeof c->h);
    c->Nl = 8 * BLOCK;
    c->Nh = 0;
    c->num = 0;
    c->md_len = SHA256_DIGEST_LENGTH;
}

static void sha1_after(uint32_t state[static 5], const uint8_t block[static BLOCK])
{
    SHA_CTX c;

    SHA1_Init(&c);
    SHA1_Transform(&c, block);
    state[0] = c.h0;
    state[1] = c.h1;
    state[2] = c.h2;
    state[3] = c.h3;
    state[4] = c.h4;
    OPENSSL_cleanse(&c, sizeof c);
}

static void sha256_after(uint32_t state[static 8], const uint8_t block[static BLOCK])
{
    SHA256_CTX c;

    SHA256_Init(&c);
    SHA256_Transform(&c, block);
    memcpy(state, c.h, sizeof c.h);
    OPENSSL_cleanse(&c, sizeof c);
}

/* --- keys ------------------------------------------------------------------------------------
 */

static void pad(uint8_t block[static BLOCK], const uint8_t *key, size_t n, uint8_t with)
{
    memset(block, with, BLOCK);
    for (size_t i = 0; i < n; i++)
        block[i] ^= key[i];
}

/* RFC 2104: a key that is longer than a block is hashed first, by each with its own hash. */
void stun_key_raw(struct stun_key *out, const void *key, size_t n)
{
    uint8_t short1[SHA_DIGEST_LENGTH], short256[SHA256_DIGEST_LENGTH], block[BLOCK];
    const uint8_t *key1 = key, *key256 = key;
    size_t n1 = n, n256 = n;

    if (n > BLOCK) {
        key1 = SHA1(key, n, short1);
        n1 = sizeof short1;
        key256 = SHA256(key, n, short256);
        n256 = sizeof short256;
    }
    pad(block, key1, n1, 0x36);
    sha1_after(out->sha1_inner, block);
    pad(block, key1, n1, 0x5c);
    sha1_after(out->sha1_outer, block);
    pad(block, key256, n256, 0x36);
    sha256_after(out->sha256_inner, block);
    pad(block, key256, n256, 0x5c);
    sha256_after(out->sha256_outer, block);

    OPENSSL_cleanse(block, sizeof block);
    OPENSSL_cleanse(short1, sizeof short1);
    OPENSSL_cleanse(short256, sizeof short256);
}

static size_t md5_joined(uint8_t *out, const struct span *parts, size_t count)
{
    MD5_CTX c;

    MD5_Init(&c);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            MD5_Update(&c, ":", 1);
        if (parts[i].n > 0)
            MD5_Update(&c, parts[i].p, parts[i].n);
    }
    MD5_Final(out, &c);
    OPENSSL_cleanse(&c, sizeof c);
    return MD5_DIGEST_LENGTH;
}

static size_t sha256_joined(uint8_t *out, const struct span *parts, size_t count)
{
    SHA256_CTX c;

    SHA256_Init(&c);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            SHA256_Update(&c, ":", 1);
        if (parts[i].n > 0)
            SHA256_Update(&c, parts[i].p, parts[i].n);
    }
    SHA256_Final(out, &c);
    OPENSSL_cleanse(&c, sizeof c);
    return SHA256_DIGEST_LENGTH;
}

void stun_key_long_term(struct stun_key *out, enum stun_password_algorithm algorithm,
                        struct span username, struct span realm, struct span password)
{
    const struct span parts[] = {username, realm, password};
    uint8_t key[STUN_SHA256_BYTES];

    const size_t n = algorithm == STUN_PASSWORD_MD5
                         ? md5_joined(key, parts, ARRAY_LEN(parts))
                         : sha256_joined(key, parts, ARRAY_LEN(parts));
    stun_key_raw(out, key, n);
    OPENSSL_cleanse(key, sizeof key);
}

void stun_userhash(uint8_t out[static STUN_SHA256_BYTES], struct span username,
                   struct span realm)
{
    const struct span parts[] = {username, realm};

    sha256_joined(out, parts, ARRAY_LEN(parts));
}

/* --- over messages ---------------------------------------------------------------------------
 */

/* `head` is a copy of the message's first block, with another length. */
static void hmac_sha1(uint8_t *out, const struct stun_key *key, struct span head,
                      struct span rest)
{
    SHA_CTX c;

    sha1_resume(&c, key->sha1_inner);
    SHA1_Update(&c, head.p, head.n);
    if (rest.n > 0)
        SHA1_Update(&c, rest.p, rest.n);
    SHA1_Final(out, &c);
    sha1_resume(&c, key->sha1_outer);
    SHA1_Update(&c, out, SHA_DIGEST_LENGTH);
    SHA1_Final(out, &c);
}

static void hmac_sha256(uint8_t *out, const struct stun_key *key, struct span head,
                        struct span rest)
{
    SHA256_CTX c;

    sha256_resume(&c, key->sha256_inner);
    SHA256_Update(&c, head.p, head.n);
    if (rest.n > 0)
        SHA256_Update(&c, rest.p, rest.n);
    SHA256_Final(out, &c);
    sha256_resume(&c, key->sha256_outer);
    SHA256_Update(&c, out, SHA256_DIGEST_LENGTH);
    SHA256_Final(out, &c);
}

size_t stun_hmac(uint8_t out[static STUN_SHA256_BYTES], const struct stun_key *key,
                 enum stun_integrity which, struct span data)
{
    if (which == STUN_INTEGRITY_SHA1) {
        hmac_sha1(out, key, data, (struct span){NULL, 0});
        return STUN_SHA1_BYTES;
    }
    hmac_sha256(out, key, data, (struct span){NULL, 0});
    return STUN_SHA256_BYTES;
}

/* Section 14.5: "the Length field ... MUST then be adjusted to point to the end" of the
 * attribute, whatever follows it. A whole block is copied, so that the hash takes the rest from
 * where it lies. */
size_t stun_mac(uint8_t out[static STUN_SHA256_BYTES], const struct stun_key *key,
                enum stun_integrity which, const uint8_t *message, size_t before, size_t value)
{
    uint8_t block[BLOCK];
    const size_t n = before < sizeof block ? before : sizeof block;
    const struct span head = {block, n}, rest = {message + n, before - n};

    memcpy(block, message, n);
    store_be16(block + 2,
               (uint16_t)(before + STUN_ATTRIBUTE_HEADER + value - STUN_HEADER_BYTES));
    if (which == STUN_INTEGRITY_SHA1) {
        hmac_sha1(out, key, head, rest);
        return STUN_SHA1_BYTES;
    }
    hmac_sha256(out, key, head, rest);
    return STUN_SHA256_BYTES;
}

bool stun_verify(const struct stun_message *m, const struct stun_key *key,
                 enum stun_integrity which)
{
    const struct span value =
        stun_get(m, which == STUN_INTEGRITY_SHA1 ? STUN_HAS_MESSAGE_INTEGRITY
                                                 : STUN_HAS_MESSAGE_INTEGRITY_SHA256);
    uint8_t mac[STUN_SHA256_BYTES];

    if (!value.p)
        return false;
    const size_t before = (size_t)(value.p - m->bytes.p) - STUN_ATTRIBUTE_HEADER;
    const size_t n = stun_mac(mac, key, which, m->bytes.p, before, value.n);
    return value.n <= n && CRYPTO_memcmp(mac, value.p, value.n) == 0;
}

uint32_t stun_fingerprint(const uint8_t *message, size_t before)
{
    return (uint32_t)crc32(0, message, (uInt)before) ^ (uint32_t)FINGERPRINT_XOR;
}
