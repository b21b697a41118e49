#include "relay/certificate.h"

#include "core/random.h"

#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { SECONDS_PER_DAY = 24 * 60 * 60, VALID_DAYS = 3650 };

struct certificate {
    X509 *x509;    /* owned */
    EVP_PKEY *key; /* owned */
    struct fingerprint fingerprint;
    char text[FINGERPRINT_TEXT_MAX];
};

/* --- fingerprints ----------------------------------------------------------------------------
 */

static const struct {
    const char *name;
    uint8_t length;
} algorithms[] = {
    [FINGERPRINT_SHA256] = {"sha-256", 32},
    [FINGERPRINT_SHA384] = {"sha-384", 48},
    [FINGERPRINT_SHA512] = {"sha-512", 64},
};

static int algorithm_parse(enum fingerprint_algorithm *out, struct span word)
{
    for (size_t i = 0; i < ARRAY_LEN(algorithms); i++) {
        const char *name = algorithms[i].name;

        if (word.n == strlen(name) && strncasecmp((const char *)word.p, name, word.n) == 0) {
            *out = (enum fingerprint_algorithm)i;
            return RC_OK;
        }
    }
    return RC_BAD;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int fingerprint_parse(struct fingerprint *out, struct span algorithm, struct span text)
{
    struct fingerprint fingerprint = {0};

    if (algorithm_parse(&fingerprint.algorithm, algorithm) < 0)
        return RC_BAD;
    fingerprint.length = algorithms[fingerprint.algorithm].length;
    if (text.n != 3u * fingerprint.length - 1)
        return RC_BAD;

    for (size_t i = 0; i < fingerprint.length; i++) {
        const int high = hex_digit(text.p[3 * i]), low = hex_digit(text.p[3 * i + 1]);

        if (high < 0 || low < 0 || (i > 0 && text.p[3 * i - 1] != ':'))
            return RC_BAD;
        fingerprint.bytes[i] = (uint8_t)(high << 4 | low);
    }
    *out = fingerprint;
    return RC_OK;
}

const char *fingerprint_format(const struct fingerprint *fingerprint,
                               char buf[static FINGERPRINT_TEXT_MAX])
{
    static const char digits[] = "0123456789ABCDEF";
    char *p = buf;

    for (size_t i = 0; i < fingerprint->length; i++) {
        if (i > 0)
            *p++ = ':';
        *p++ = digits[fingerprint->bytes[i] >> 4];
        *p++ = digits[fingerprint->bytes[i] & 15];
    }
    *p = '\0';
    return buf;
}

const char *fingerprint_algorithm_name(enum fingerprint_algorithm algorithm)
{
    return algorithms[algorithm].name;
}

bool fingerprint_equal(const struct fingerprint *a, const struct fingerprint *b)
{
    return a->algorithm == b->algorithm && a->length == b->length &&
           CRYPTO_memcmp(a->bytes, b->bytes, a->length) == 0;
}

static const EVP_MD *digest_of(enum fingerprint_algorithm algorithm)
{
    switch (algorithm) {
    case FINGERPRINT_SHA384:
        return EVP_sha384();
    case FINGERPRINT_SHA512:
        return EVP_sha512();
    case FINGERPRINT_SHA256:
        break;
    }
    return EVP_sha256();
}

int fingerprint_of(struct fingerprint *out, X509 *certificate,
                   enum fingerprint_algorithm algorithm)
{
    struct fingerprint fingerprint = {.algorithm = algorithm};
    unsigned length = 0;

    if (!X509_digest(certificate, digest_of(algorithm), fingerprint.bytes, &length))
        return RC_NOMEM;
    fingerprint.length = (uint8_t)length;
    *out = fingerprint;
    return RC_OK;
}

/* --- our own certificate ---------------------------------------------------------------------
 */

static bool set_serial(X509 *x509)
{
    /* RFC 5280 section 4.1.2.2: positive. */
    return ASN1_INTEGER_set_uint64(X509_get_serialNumber(x509), random_u64() >> 1 | 1);
}

/* Issuer and subject say nothing: RFC 8827 section 6.5 wants no identity in there. */
static bool set_name(X509 *x509)
{
    X509_NAME *name = X509_get_subject_name(x509);
    const uint8_t text[] = "WebRTC";

    return X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_ASC, text, sizeof text - 1,
                                      -1, 0) &&
           X509_set_issuer_name(x509, name);
}

static bool set_validity(X509 *x509)
{
    return X509_gmtime_adj(X509_getm_notBefore(x509), -(long)SECONDS_PER_DAY) &&
           X509_gmtime_adj(X509_getm_notAfter(x509), (long)SECONDS_PER_DAY * VALID_DAYS);
}

static bool fill_and_sign(struct certificate *certificate)
{
    X509 *x509 = certificate->x509;

    return X509_set_version(x509, X509_VERSION_3) && set_serial(x509) && set_name(x509) &&
           set_validity(x509) && X509_set_pubkey(x509, certificate->key) &&
           X509_sign(x509, certificate->key, EVP_sha256()) > 0;
}

int certificate_create(struct certificate **out)
{
    struct certificate *certificate = calloc(1, sizeof *certificate);
    if (!certificate)
        return RC_NOMEM;

    certificate->key = EVP_EC_gen("P-256");
    certificate->x509 = X509_new();
    if (!certificate->key || !certificate->x509 || !fill_and_sign(certificate))
        goto fail;
    if (fingerprint_of(&certificate->fingerprint, certificate->x509, FINGERPRINT_SHA256) < 0)
        goto fail;
    fingerprint_format(&certificate->fingerprint, certificate->text);
    *out = certificate;
    return RC_OK;

fail:
    ERR_clear_error();
    certificate_free(certificate);
    return RC_NOMEM;
}

void certificate_free(struct certificate *certificate)
{
    if (!certificate)
        return;
    X509_free(certificate->x509);
    EVP_PKEY_free(certificate->key);
    free(certificate);
}

X509 *certificate_x509(const struct certificate *certificate)
{
    return certificate->x509;
}

EVP_PKEY *certificate_key(const struct certificate *certificate)
{
    return certificate->key;
}

const struct fingerprint *certificate_fingerprint(const struct certificate *certificate)
{
    return &certificate->fingerprint;
}

const char *certificate_fingerprint_text(const struct certificate *certificate)
{
    return certificate->text;
}
