/*
 * relay/certificate.h - the self-signed certificate of our DTLS endpoint, and fingerprints as
 * SDP writes them (RFC 8122).
 *
 * A certificate is immutable after certificate_create: any thread may read it. Its private key
 * lives in memory only, and is new at each start.
 */
#ifndef RELAY_CERTIFICATE_H
#define RELAY_CERTIFICATE_H

#include "core/base.h"

#include <openssl/x509.h>

#define FINGERPRINT_BYTES_MAX 64
#define FINGERPRINT_TEXT_MAX (3 * FINGERPRINT_BYTES_MAX) /* "AA:BB:…" and its NUL */

/* SHA-1 and MD5 certificates can be forged: an offer that has no better one is refused. */
enum fingerprint_algorithm { FINGERPRINT_SHA256, FINGERPRINT_SHA384, FINGERPRINT_SHA512 };

struct fingerprint {
    enum fingerprint_algorithm algorithm;
    uint8_t bytes[FINGERPRINT_BYTES_MAX];
    uint8_t length; /* 32, 48 or 64 */
};

/* Of "sha-256" (any case) and "AA:BB:…". RC_BAD: unknown algorithm, wrong length or form. */
int fingerprint_parse(struct fingerprint *out, struct span algorithm, struct span text);
/* "AA:BB:…", upper case as RFC 8122 wants it; returns buf. */
const char *fingerprint_format(const struct fingerprint *fingerprint,
                               char buf[static FINGERPRINT_TEXT_MAX]);
/* "sha-256", "sha-384", "sha-512". */
const char *fingerprint_algorithm_name(enum fingerprint_algorithm algorithm);
/* Constant time. */
bool fingerprint_equal(const struct fingerprint *a, const struct fingerprint *b);
/* RC_NOMEM when OpenSSL cannot. */
int fingerprint_of(struct fingerprint *out, X509 *certificate,
                   enum fingerprint_algorithm algorithm);

struct certificate; /* opaque: X509, private key, fingerprint */

/* Makes an ECDSA P-256 key and a certificate for it. Reads the wall clock for its validity (a
 * day before now to ten years after; nobody checks it). RC_NOMEM when OpenSSL cannot. */
int certificate_create(struct certificate **out);
void certificate_free(struct certificate *certificate); /* NULL is fine */

X509 *certificate_x509(const struct certificate *certificate);    /* borrowed */
EVP_PKEY *certificate_key(const struct certificate *certificate); /* borrowed */
const struct fingerprint *certificate_fingerprint(const struct certificate *certificate);
/* SHA-256, for a=fingerprint:sha-256. Lives as long as the certificate. */
const char *certificate_fingerprint_text(const struct certificate *certificate);

#endif
