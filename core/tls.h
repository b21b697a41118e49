/*
 * core/tls.h - the TLS context of the listener: from PEM files, or with a certificate of its
 * own.
 *
 * TLS 1.2 and later, ECDHE with AEAD ciphers only, no renegotiation, no session tickets or
 * cache (memory per connection). Reads files; otherwise touches nothing. The caller owns the
 * context (SSL_CTX_free). Any thread.
 */
#ifndef CORE_TLS_H
#define CORE_TLS_H

#include "core/address.h"
#include "core/base.h"

#include <openssl/ssl.h>

#define TLS_ERROR_MAX 512

/* From a certificate chain and its private key, PEM both; pkey NULL: in the same file. RC_SYS
 * when a file cannot be read, RC_BAD when it is not what it should be or the key belongs to
 * another certificate; `error` names the file and says what is wrong. A certificate that is out
 * of date is used, and a warning logged. */
int tls_context_load(SSL_CTX **out, const char *cert, const char *pkey,
                     char error[static TLS_ERROR_MAX]);

/* The same with more to say. */
struct tls_files {
    const char *cert, *pkey;
    const char *password; /* of the private key; NULL: it has none */
    const char *ciphers;  /* of TLS 1.2, in OpenSSL's words; NULL: ECDHE with AEAD */
    bool tls13_only;
};
int tls_context_load_files(SSL_CTX **out, const struct tls_files *files,
                           char error[static TLS_ERROR_MAX]);

/* With a fresh self-signed ECDSA P-256 certificate, made in memory, for "localhost", the name
 * of this machine and the addresses given: so that a phone, which gives its camera to https
 * pages only, can open the page after a warning. Valid for a year. RC_NOMEM when OpenSSL fails.
 */
int tls_context_self_signed(SSL_CTX **out, const struct address *addresses, size_t count,
                            char error[static TLS_ERROR_MAX]);

#endif
