#include "turn/stun_message.h"

#include "tests/t.h"
#include "tests/turn/stun_vectors_lib.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#define ID ((const uint8_t *)"abcdefghijkl")

static const struct span NAME = {(const uint8_t *)LONG_TERM_NAME, sizeof(LONG_TERM_NAME) - 1};
static const struct span REALM = {(const uint8_t *)LONG_TERM_REALM,
                                  sizeof(LONG_TERM_REALM) - 1};
static const struct span PASSWORD = {(const uint8_t *)LONG_TERM_PASSWORD,
                                     sizeof(LONG_TERM_PASSWORD) - 1};

static bool verifies(struct span bytes, const struct stun_key *key, enum stun_integrity which)
{
    struct stun_message m;

    T_EQ(stun_read(&m, bytes), RC_OK);
    return stun_verify(&m, key, which);
}

static void the_short_term_samples_of_rfc_5769_verify(void)
{
    struct stun_key key, other;

    stun_key_raw(&key, RFC5769_PASSWORD, strlen(RFC5769_PASSWORD));
    stun_key_raw(&other, "VOkJxbRl1RmTxUk/WvJxBu", strlen(RFC5769_PASSWORD));
    T_OK(verifies(rfc5769_request, &key, STUN_INTEGRITY_SHA1));
    T_OK(verifies(rfc5769_response_v4, &key, STUN_INTEGRITY_SHA1));
    T_OK(verifies(rfc5769_response_v6, &key, STUN_INTEGRITY_SHA1));
    T_OK(!verifies(rfc5769_request, &other, STUN_INTEGRITY_SHA1));
    T_OK(!verifies(rfc5769_request, &key, STUN_INTEGRITY_SHA256)); /* it has none */
}

static void the_long_term_sample_of_rfc_5769_verifies(void)
{
    struct stun_key key;

    stun_key_long_term(&key, STUN_PASSWORD_MD5, NAME, REALM, PASSWORD);
    T_OK(verifies(rfc5769_long_term_request, &key, STUN_INTEGRITY_SHA1));
    stun_key_long_term(&key, STUN_PASSWORD_SHA256, NAME, REALM, PASSWORD);
    T_OK(!verifies(rfc5769_long_term_request, &key, STUN_INTEGRITY_SHA1));
}

static void the_sample_of_rfc_8489_verifies_and_has_the_userhash_of_its_user(void)
{
    struct stun_key key;
    struct stun_message m;
    uint8_t userhash[32];

    stun_key_long_term(&key, STUN_PASSWORD_SHA256, NAME, REALM, PASSWORD);
    T_OK(verifies(rfc8489_request, &key, STUN_INTEGRITY_SHA256));
    T_OK(!verifies(rfc8489_request, &key, STUN_INTEGRITY_SHA1));
    stun_key_long_term(&key, STUN_PASSWORD_MD5, NAME, REALM, PASSWORD);
    T_OK(!verifies(rfc8489_request, &key, STUN_INTEGRITY_SHA256));

    T_EQ(stun_read(&m, rfc8489_request), RC_OK);
    stun_userhash(userhash, NAME, REALM);
    T_MEM(stun_get(&m, STUN_HAS_USERHASH).p, userhash, sizeof userhash);
}

static void no_changed_bit_before_the_digest_verifies(void)
{
    uint8_t copy[256];
    struct stun_key key;
    struct stun_message m;
    const size_t n = rfc8489_request.n;

    stun_key_long_term(&key, STUN_PASSWORD_SHA256, NAME, REALM, PASSWORD);
    for (size_t bit = 0; bit < 8 * n; bit++) {
        memcpy(copy, rfc8489_request.p, n);
        copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (stun_read(&m, (struct span){copy, n}) == RC_OK)
            T_OK(!stun_verify(&m, &key, STUN_INTEGRITY_SHA256));
    }
}

/* Any key and any length of message, against OpenSSL's own HMAC. */
static void every_key_and_message_length_agrees_with_openssl(void)
{
    uint8_t message[300], key[200], mine[32], theirs[EVP_MAX_MD_SIZE];
    struct stun_key states;

    for (size_t i = 0; i < sizeof message; i++)
        message[i] = (uint8_t)(i * 7);
    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)(i * 13 + 1);
    for (size_t n = STUN_HEADER_BYTES; n + 24 <= sizeof message; n += 4) {
        const int key_n = (int)(n % sizeof key); /* below, at and above a block */

        store_be16(message + 2, (uint16_t)(n + 24 - STUN_HEADER_BYTES));
        stun_key_raw(&states, key, (size_t)key_n);
        T_EQ(stun_mac(mine, &states, STUN_INTEGRITY_SHA1, message, n, 20), 20);
        T_OK(HMAC(EVP_sha1(), key, key_n, message, n, theirs, NULL));
        T_MEM(mine, theirs, 20);
        T_EQ(stun_mac(mine, &states, STUN_INTEGRITY_SHA256, message, n, 20), 32);
        T_OK(HMAC(EVP_sha256(), key, key_n, message, n, theirs, NULL));
        T_MEM(mine, theirs, 32);
    }
    for (int key_n = 60; key_n < 70; key_n++) {
        stun_key_raw(&states, key, (size_t)key_n);
        stun_mac(mine, &states, STUN_INTEGRITY_SHA256, message, 20,
                 load_be16(message + 2) - 4u);
        HMAC(EVP_sha256(), key, key_n, message, 20, theirs, NULL);
        T_MEM(mine, theirs, 32);
    }
}

static size_t build(uint8_t *bytes, size_t size, const struct stun_key *key, bool sha1,
                    bool sha256)
{
    struct stun_builder b;

    stun_begin(&b, bytes, size, STUN_REQUEST, STUN_ALLOCATE, ID);
    stun_put(&b, STUN_ATTR_USERNAME, "alice", 5);
    if (sha1)
        stun_put_integrity(&b, key, STUN_INTEGRITY_SHA1);
    if (sha256)
        stun_put_integrity(&b, key, STUN_INTEGRITY_SHA256);
    return stun_finish(&b, true);
}

static void what_is_signed_verifies_with_either_both_and_behind_a_fingerprint(void)
{
    uint8_t bytes[256];
    struct stun_key key;

    stun_key_raw(&key, "secret", 6);
    for (int which = 0; which < 4; which++) {
        const bool sha1 = which & 1, sha256 = which & 2;
        const struct span s = {bytes, build(bytes, sizeof bytes, &key, sha1, sha256)};

        T_OK(s.n > 0);
        T_EQ(verifies(s, &key, STUN_INTEGRITY_SHA1), sha1);
        T_EQ(verifies(s, &key, STUN_INTEGRITY_SHA256), sha256);
    }
}

static size_t build_truncated(uint8_t *bytes, size_t size, const struct stun_key *key, size_t n)
{
    struct stun_builder b;
    uint8_t mac[32];

    stun_begin(&b, bytes, size, STUN_REQUEST, STUN_ALLOCATE, ID);
    stun_put(&b, STUN_ATTR_USERNAME, "alice", 5);
    stun_mac(mac, key, STUN_INTEGRITY_SHA256, bytes, b.len, n);
    stun_put(&b, STUN_ATTR_MESSAGE_INTEGRITY_SHA256, mac, n);
    return stun_finish(&b, false);
}

static void a_truncated_digest_verifies_with_the_length_that_it_has(void)
{
    uint8_t bytes[256];
    struct stun_key key, other;

    stun_key_raw(&key, "secret", 6);
    stun_key_raw(&other, "Secret", 6);
    for (size_t n = 16; n <= 32; n += 4) {
        const struct span s = {bytes, build_truncated(bytes, sizeof bytes, &key, n)};

        T_OK(verifies(s, &key, STUN_INTEGRITY_SHA256));
        T_OK(!verifies(s, &other, STUN_INTEGRITY_SHA256));
        bytes[s.n - 1] ^= 1; /* its last byte counts */
        T_OK(!verifies(s, &key, STUN_INTEGRITY_SHA256));
    }
}

static void a_message_without_integrity_never_verifies(void)
{
    uint8_t bytes[64];
    struct stun_key key = {0};
    struct stun_builder b;

    stun_begin(&b, bytes, sizeof bytes, STUN_REQUEST, STUN_ALLOCATE, ID);
    const struct span s = {bytes, stun_finish(&b, false)};
    T_OK(!verifies(s, &key, STUN_INTEGRITY_SHA1));
    T_OK(!verifies(s, &key, STUN_INTEGRITY_SHA256));
}

static void empty_strings_make_a_key_like_any_other(void)
{
    static const uint8_t digest[] = "::";
    const struct span none = {NULL, 0};
    uint8_t md5[EVP_MAX_MD_SIZE];
    struct stun_key key, raw;

    T_OK(EVP_Digest(digest, 2, md5, NULL, EVP_md5(), NULL));
    stun_key_raw(&raw, md5, 16);
    stun_key_long_term(&key, STUN_PASSWORD_MD5, none, none, none);
    T_MEM(&key, &raw, sizeof key);
}

static void any_bytes_have_a_mac(void)
{
    /* openssl dgst -sha1 -hmac key, and -sha256 */
    static const uint8_t sha1[] = {0xde, 0x7c, 0x9b, 0x85, 0xb8, 0xb7, 0x8a, 0xa6, 0xbc, 0x8a,
                                   0x7a, 0x36, 0xf7, 0x0a, 0x90, 0x70, 0x1c, 0x9d, 0xb4, 0xd9};
    static const uint8_t sha256[] = {0xf7, 0xbc, 0x83, 0xf4, 0x30, 0x53, 0x84, 0x24,
                                     0xb1, 0x32, 0x98, 0xe6, 0xaa, 0x6f, 0xb1, 0x43,
                                     0xef, 0x4d, 0x59, 0xa1, 0x49, 0x46, 0x17, 0x59,
                                     0x97, 0x47, 0x9d, 0xbc, 0x2d, 0x1a, 0x3c, 0xd8};
    const struct span text = SPAN_LITERAL("The quick brown fox jumps over the lazy dog");
    uint8_t mac[STUN_SHA256_BYTES];
    struct stun_key key;

    stun_key_raw(&key, "key", 3);
    T_EQ(stun_hmac(mac, &key, STUN_INTEGRITY_SHA1, text), sizeof sha1);
    T_MEM(mac, sha1, sizeof sha1);
    T_EQ(stun_hmac(mac, &key, STUN_INTEGRITY_SHA256, text), sizeof sha256);
    T_MEM(mac, sha256, sizeof sha256);
}

static const struct t_case cases[] = {
    T_CASE(the_short_term_samples_of_rfc_5769_verify),
    T_CASE(the_long_term_sample_of_rfc_5769_verifies),
    T_CASE(the_sample_of_rfc_8489_verifies_and_has_the_userhash_of_its_user),
    T_CASE(no_changed_bit_before_the_digest_verifies),
    T_CASE(every_key_and_message_length_agrees_with_openssl),
    T_CASE(what_is_signed_verifies_with_either_both_and_behind_a_fingerprint),
    T_CASE(a_truncated_digest_verifies_with_the_length_that_it_has),
    T_CASE(a_message_without_integrity_never_verifies),
    T_CASE(empty_strings_make_a_key_like_any_other),
    T_CASE(any_bytes_have_a_mac),
};
T_MAIN(cases)
