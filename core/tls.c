#include "core/tls.h"

#include "core/log.h"
#include "core/random.h"

#include <errno.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    DAY = 24 * 3600,
    VALID_DAYS = 365, /* Apple's limit for a server certificate is 398 */
    SERIAL_BYTES = 16,
};

static int fail(char error[static TLS_ERROR_MAX], int rc, const char *path, const char *what)
{
    const unsigned long code = ERR_peek_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;

    snprintf(error, TLS_ERROR_MAX, "%s%s%s%s%s%s", path ? path : "", path ? ": " : "", what,
             reason ? " (" : "", reason ? reason : "", reason ? ")" : "");
    ERR_clear_error();
    return rc;
}

static SSL_CTX *new_context(void)
{
    static const char ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20";

    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (!context)
        return NULL;
    SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_RENEGOTIATION |
                                     SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_num_tickets(context, 0) != 1 ||
        SSL_CTX_set_cipher_list(context, ciphers) != 1) {
        SSL_CTX_free(context);
        return NULL;
    }
    return context;
}

/* --- from files -------------------------------------------------------------------------- */

struct passphrase {
    const char *text; /* borrowed; NULL: none is known */
    bool asked;
};

/* There is nobody to type one: a key that needs another one is an error, not a prompt. */
static int give_passphrase(char *buf, int size, int writing, void *arg)
{
    struct passphrase *passphrase = arg;
    (void)writing;

    passphrase->asked = true;
    const size_t n = passphrase->text ? strlen(passphrase->text) : 0;
    if (n == 0 || n > (size_t)size)
        return -1;
    memcpy(buf, passphrase->text, n);
    return (int)n;
}

static BIO *open_file(const char *path, char error[static TLS_ERROR_MAX])
{
    FILE *file = fopen(path, "r");
    BIO *bio = NULL;

    if (file)
        bio = BIO_new_fp(file, BIO_CLOSE);
    if (!bio) {
        const int why = errno;
        snprintf(error, TLS_ERROR_MAX, "%s: %s", path, strerror(why));
        if (file)
            fclose(file);
        errno = why;
    }
    return bio;
}

static int load_key(EVP_PKEY **out, const char *path, const char *password,
                    char error[static TLS_ERROR_MAX])
{
    struct passphrase passphrase = {.text = password};
    BIO *bio = open_file(path, error);

    if (!bio)
        return RC_SYS;
    *out = PEM_read_bio_PrivateKey(bio, NULL, give_passphrase, &passphrase);
    BIO_free(bio);
    if (*out)
        return RC_OK;
    ERR_clear_error(); /* "no start line" says less than we do */
    if (passphrase.asked)
        return fail(error, RC_BAD, path,
                    password ? "the private key is protected by another passphrase"
                             : "the private key is protected by a passphrase");
    return fail(error, RC_BAD, path, "no PEM private key in it");
}

static void warn_of_dates(const char *path, const X509 *cert)
{
    if (X509_cmp_current_time(X509_get0_notAfter(cert)) < 0)
        log_warn("tls", "the certificate in %s has expired", path);
    else if (X509_cmp_current_time(X509_get0_notBefore(cert)) > 0)
        log_warn("tls", "the certificate in %s is not valid yet", path);
}

/* The server's own certificate first, then those that lead to a root. */
static int load_chain(SSL_CTX *context, const char *path, char error[static TLS_ERROR_MAX])
{
    BIO *bio = open_file(path, error);
    X509 *cert;
    int count = 0;
    bool taken = true;

    if (!bio)
        return RC_SYS;
    while (taken && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
        if (count++ == 0) {
            warn_of_dates(path, cert);
            taken = SSL_CTX_use_certificate(context, cert) == 1;
        } else {
            taken = SSL_CTX_add1_chain_cert(context, cert) == 1;
        }
        X509_free(cert);
    }
    BIO_free(bio);
    if (!taken)
        return fail(error, RC_BAD, path, "OpenSSL refuses the certificate");
    /* The way to find the end of the file is to fail at it; anything else is a broken block. */
    const unsigned long why = ERR_peek_last_error();
    if (count == 0) {
        ERR_clear_error();
        return fail(error, RC_BAD, path, "no PEM certificate in it");
    }
    if (ERR_GET_REASON(why) != PEM_R_NO_START_LINE)
        return fail(error, RC_BAD, path, "a damaged certificate in the chain");
    ERR_clear_error();
    return RC_OK;
}

static int restrict_to(SSL_CTX *context, const struct tls_files *files,
                       char error[static TLS_ERROR_MAX])
{
    if (files->tls13_only && SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1)
        return fail(error, RC_BAD, NULL, "OpenSSL has no TLS 1.3");
    if (files->ciphers && SSL_CTX_set_cipher_list(context, files->ciphers) != 1)
        return fail(error, RC_BAD, NULL, "cipher-list: OpenSSL knows no cipher of it");
    return RC_OK;
}

static int load(SSL_CTX *context, const struct tls_files *files,
                char error[static TLS_ERROR_MAX])
{
    const char *cert = files->cert, *pkey = files->pkey ? files->pkey : files->cert;
    EVP_PKEY *key;

    int rc = restrict_to(context, files, error);
    if (rc == RC_OK)
        rc = load_chain(context, cert, error);
    if (rc == RC_OK)
        rc = load_key(&key, pkey, files->password, error);
    if (rc != RC_OK)
        return rc;
    /* use_PrivateKey compares it with the certificate as well. */
    if (SSL_CTX_use_PrivateKey(context, key) != 1 || SSL_CTX_check_private_key(context) != 1) {
        ERR_clear_error();
        rc = RC_BAD;
        snprintf(error, TLS_ERROR_MAX, "%s: the private key does not belong to %s", pkey, cert);
    }
    EVP_PKEY_free(key);
    return rc;
}

int tls_context_load(SSL_CTX **out, const char *cert, const char *pkey,
                     char error[static TLS_ERROR_MAX])
{
    return tls_context_load_files(out, &(struct tls_files){.cert = cert, .pkey = pkey}, error);
}

int tls_context_load_files(SSL_CTX **out, const struct tls_files *files,
                           char error[static TLS_ERROR_MAX])
{
    SSL_CTX *context = new_context();
    if (!context)
        return fail(error, RC_NOMEM, NULL, "cannot make a TLS context");

    const int rc = load(context, files, error);
    if (rc != RC_OK) {
        const int saved = errno;
        SSL_CTX_free(context);
        errno = saved;
        return rc;
    }
    *out = context;
    return RC_OK;
}

/* --- self-signed ----------------------------------------------------------------------------
 */

static bool add_name(GENERAL_NAMES *names, int type, const void *data, size_t n)
{
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_STRING *text = type == GEN_IPADD ? ASN1_OCTET_STRING_new() : ASN1_IA5STRING_new();

    if (!name || !text || ASN1_STRING_set(text, data, (int)n) != 1) {
        GENERAL_NAME_free(name);
        ASN1_STRING_free(text);
        return false;
    }
    GENERAL_NAME_set0_value(name, type, text);
    if (sk_GENERAL_NAME_push(names, name) > 0)
        return true;
    GENERAL_NAME_free(name);
    return false;
}

static bool add_address(GENERAL_NAMES *names, const struct address *a)
{
    if (a->sa.sa_family == AF_INET)
        return add_name(names, GEN_IPADD, &a->v4.sin_addr, 4);
    if (a->sa.sa_family == AF_INET6)
        return add_name(names, GEN_IPADD, &a->v6.sin6_addr, 16);
    return true;
}

/* Whom the certificate speaks for. */
static GENERAL_NAMES *make_names(const struct address *addresses, size_t count)
{
    static const uint8_t loopback4[] = {127, 0, 0, 1}, loopback6[16] = {[15] = 1};
    char host[256] = "";
    GENERAL_NAMES *names = GENERAL_NAMES_new();

    bool good = names && add_name(names, GEN_DNS, "localhost", strlen("localhost")) &&
                add_name(names, GEN_IPADD, loopback4, sizeof loopback4) &&
                add_name(names, GEN_IPADD, loopback6, sizeof loopback6);
    if (gethostname(host, sizeof host - 1) == 0 && *host && strcmp(host, "localhost") != 0)
        good = good && add_name(names, GEN_DNS, host, strlen(host));
    for (size_t i = 0; i < count; i++)
        good = good && add_address(names, &addresses[i]);
    if (good)
        return names;
    GENERAL_NAMES_free(names);
    return NULL;
}

static bool set_serial(X509 *cert)
{
    uint8_t bytes[SERIAL_BYTES];

    random_bytes(bytes, sizeof bytes);
    bytes[0] = (bytes[0] & 0x7f) | 0x40; /* positive, and of one length */
    BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
    const bool good = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert));
    BN_free(number);
    return good;
}

static bool add_text_extension(X509 *cert, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    const bool good = extension && X509_add_ext(cert, extension, -1) == 1;

    X509_EXTENSION_free(extension);
    return good;
}

static bool fill_certificate(X509 *cert, EVP_PKEY *key, const GENERAL_NAMES *names)
{
    static const uint8_t common_name[] = "Meetopia Relay";
    X509_NAME *subject = X509_get_subject_name(cert);

    return X509_set_version(cert, X509_VERSION_3) == 1 && set_serial(cert) &&
           X509_gmtime_adj(X509_getm_notBefore(cert), -DAY) &&
           X509_gmtime_adj(X509_getm_notAfter(cert), (long)VALID_DAYS * DAY) &&
           X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, common_name, -1, -1, 0) ==
               1 &&
           X509_set_issuer_name(cert, subject) == 1 && X509_set_pubkey(cert, key) == 1 &&
           add_text_extension(cert, NID_basic_constraints, "critical,CA:FALSE") &&
           add_text_extension(cert, NID_key_usage, "critical,digitalSignature") &&
           add_text_extension(cert, NID_ext_key_usage, "serverAuth") &&
           X509_add1_ext_i2d(cert, NID_subject_alt_name, (void *)(uintptr_t)names, 0, 0) == 1 &&
           X509_sign(cert, key, EVP_sha256()) > 0;
}

int tls_context_self_signed(SSL_CTX **out, const struct address *addresses, size_t count,
                            char error[static TLS_ERROR_MAX])
{
    SSL_CTX *context = new_context();
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    GENERAL_NAMES *names = make_names(addresses, count);

    const bool good = context && key && cert && names && fill_certificate(cert, key, names) &&
                      SSL_CTX_use_certificate(context, cert) == 1 &&
                      SSL_CTX_use_PrivateKey(context, key) == 1;
    GENERAL_NAMES_free(names);
    X509_free(cert);
    EVP_PKEY_free(key);
    if (!good) {
        SSL_CTX_free(context);
        return fail(error, RC_NOMEM, NULL, "cannot make a self-signed certificate");
    }
    *out = context;
    return RC_OK;
}
