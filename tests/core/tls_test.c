#include "tests/t.h"
#include "core/tls.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

static char folder[] = "/tmp/tls_test.XXXXXX";
static char cert_path[64], key_path[64], other_path[64], junk_path[64], both_path[64];
static char locked_path[64];
static char error[TLS_ERROR_MAX];

/* --- files ------------------------------------------------------------------------------- */

static void write_pem(const char *path, X509 *cert, EVP_PKEY *key, const char *passphrase)
{
    FILE *file = fopen(path, "w");
    const EVP_CIPHER *cipher = passphrase ? EVP_aes_128_cbc() : NULL;
    union {
        const char *in;
        void *out;
    } phrase = {passphrase};

    if (!file || (cert && PEM_write_X509(file, cert) != 1) ||
        (key && PEM_write_PrivateKey(file, key, cipher, NULL, 0, NULL, phrase.out) != 1))
        abort();
    fclose(file);
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    if (!file || fputs(text, file) < 0)
        abort();
    fclose(file);
}

/* What a self-signed context holds is written out and serves as the files. */
static void make_files(void)
{
    SSL_CTX *context, *other;

    if (tls_context_self_signed(&context, NULL, 0, error) != RC_OK ||
        tls_context_self_signed(&other, NULL, 0, error) != RC_OK)
        abort();
    X509 *cert = SSL_CTX_get0_certificate(context);
    EVP_PKEY *key = SSL_CTX_get0_privatekey(context);
    write_pem(cert_path, cert, NULL, NULL);
    write_pem(key_path, NULL, key, NULL);
    write_pem(both_path, cert, key, NULL);
    write_pem(other_path, NULL, SSL_CTX_get0_privatekey(other), NULL);
    write_pem(locked_path, NULL, key, "secret");
    write_text(junk_path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    SSL_CTX_free(context);
    SSL_CTX_free(other);
}

static void a_certificate_and_its_key_are_loaded(void)
{
    SSL_CTX *context = NULL;

    T_EQ(tls_context_load(&context, cert_path, key_path, error), RC_OK);
    T_OK(SSL_CTX_check_private_key(context) == 1);
    SSL_CTX_free(context);
    T_EQ(tls_context_load(&context, both_path, NULL, error), RC_OK);
    SSL_CTX_free(context);
}

static void expect_failure(const char *cert, const char *key, int rc, const char *path,
                           const char *what)
{
    SSL_CTX *context = NULL;

    memset(error, 0, sizeof error);
    T_EQ(tls_context_load(&context, cert, key, error), rc);
    T_OK(context == NULL);
    printf("    %s\n", error);
    T_OK(strncmp(error, path, strlen(path)) == 0);
    T_OK(strstr(error, what) != NULL);
}

static void every_mistake_names_the_file_and_says_what_is_wrong(void)
{
    expect_failure("/nonexistent/c.pem", key_path, RC_SYS,
                   "/nonexistent/c.pem: ", "No such file or directory");
    T_EQ(errno, ENOENT);
    expect_failure(cert_path, "/nonexistent/k.pem", RC_SYS,
                   "/nonexistent/k.pem: ", "No such file or directory");
    expect_failure(key_path, key_path, RC_BAD, key_path, "no PEM certificate in it");
    expect_failure("/dev/null", key_path, RC_BAD, "/dev/null: ", "no PEM certificate in it");
    expect_failure(junk_path, key_path, RC_BAD, junk_path, "no PEM certificate in it");
    expect_failure(cert_path, cert_path, RC_BAD, cert_path, "no PEM private key in it");
    expect_failure(cert_path, NULL, RC_BAD, cert_path, "no PEM private key in it");
    expect_failure(cert_path, locked_path, RC_BAD, locked_path, "protected by a passphrase");
    expect_failure(cert_path, other_path, RC_BAD, other_path, "does not belong to");
    T_OK(strstr(error, cert_path) != NULL);
}

static void a_damaged_chain_is_an_error(void)
{
    char path[80], text[8192] = "";
    FILE *file = fopen(cert_path, "r");

    T_OK(file != NULL);
    const size_t n = fread(text, 1, sizeof text - 200, file);
    fclose(file);
    snprintf(text + n, sizeof text - n,
             "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    snprintf(path, sizeof path, "%s/chain", folder);
    write_text(path, text);
    expect_failure(path, key_path, RC_BAD, path, "a damaged certificate in the chain");
    unlink(path);
}

/* --- self-signed ----------------------------------------------------------------------------
 */

static void a_self_signed_certificate_speaks_for_this_machine(void)
{
    struct address addresses[2];
    SSL_CTX *context = NULL;

    T_EQ(address_parse(&addresses[0], "192.168.1.7"), RC_OK);
    T_EQ(address_parse(&addresses[1], "2001:db8::7"), RC_OK);
    T_EQ(tls_context_self_signed(&context, addresses, 2, error), RC_OK);
    X509 *cert = SSL_CTX_get0_certificate(context);
    T_EQ(X509_check_host(cert, "localhost", 0, 0, NULL), 1);
    T_EQ(X509_check_ip_asc(cert, "127.0.0.1", 0), 1);
    T_EQ(X509_check_ip_asc(cert, "::1", 0), 1);
    T_EQ(X509_check_ip_asc(cert, "192.168.1.7", 0), 1);
    T_EQ(X509_check_ip_asc(cert, "2001:db8::7", 0), 1);
    T_EQ(X509_check_ip_asc(cert, "192.168.1.8", 0), 0);
    T_EQ(X509_check_purpose(cert, X509_PURPOSE_SSL_SERVER, 0), 1);
    T_EQ(X509_verify(cert, X509_get0_pubkey(cert)), 1);
    T_OK(X509_cmp_current_time(X509_get0_notBefore(cert)) < 0);
    T_OK(X509_cmp_current_time(X509_get0_notAfter(cert)) > 0);
    SSL_CTX_free(context);
}

static void two_certificates_have_different_keys_and_serials(void)
{
    SSL_CTX *a = NULL, *b = NULL;

    T_EQ(tls_context_self_signed(&a, NULL, 0, error), RC_OK);
    T_EQ(tls_context_self_signed(&b, NULL, 0, error), RC_OK);
    X509 *x = SSL_CTX_get0_certificate(a), *y = SSL_CTX_get0_certificate(b);
    T_OK(ASN1_INTEGER_cmp(X509_get0_serialNumber(x), X509_get0_serialNumber(y)) != 0);
    T_OK(EVP_PKEY_eq(X509_get0_pubkey(x), X509_get0_pubkey(y)) != 1);
    SSL_CTX_free(a);
    SSL_CTX_free(b);
}

/* --- handshakes -------------------------------------------------------------------------- */

static SSL *end(SSL_CTX *context, BIO *bio, bool server)
{
    SSL *ssl = SSL_new(context);

    T_OK(ssl != NULL);
    BIO_up_ref(bio);
    SSL_set_bio(ssl, bio, bio);
    if (server)
        SSL_set_accept_state(ssl);
    else
        SSL_set_connect_state(ssl);
    return ssl;
}

/* A client of exactly that version against our context, in memory. The version spoken, or 0. */
static int shake_hands(int version)
{
    SSL_CTX *server, *client = SSL_CTX_new(TLS_client_method());
    BIO *a, *b;
    int spoken = 0;

    T_EQ(tls_context_self_signed(&server, NULL, 0, error), RC_OK);
    T_EQ(BIO_new_bio_pair(&a, 0, &b, 0), 1);
    SSL_CTX_set_security_level(client, 0);
    SSL_CTX_set_min_proto_version(client, version);
    SSL_CTX_set_max_proto_version(client, version);
    SSL *s = end(server, a, true), *c = end(client, b, false);
    for (int i = 0; i < 10; i++) {
        SSL_do_handshake(c);
        SSL_do_handshake(s);
    }
    if (SSL_is_init_finished(s) && SSL_is_init_finished(c))
        spoken = SSL_version(c);
    SSL_free(s);
    SSL_free(c);
    BIO_free(a);
    BIO_free(b);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
    return spoken;
}

static void tls_1_2_and_1_3_are_spoken_and_nothing_older(void)
{
    T_EQ(shake_hands(TLS1_3_VERSION), TLS1_3_VERSION);
    T_EQ(shake_hands(TLS1_2_VERSION), TLS1_2_VERSION);
    T_EQ(shake_hands(TLS1_1_VERSION), 0);
}

static void a_locked_key_opens_with_its_passphrase_alone(void)
{
    struct tls_files files = {.cert = cert_path, .pkey = locked_path, .password = "secret"};
    SSL_CTX *context = NULL;

    T_EQ(tls_context_load_files(&context, &files, error), RC_OK);
    SSL_CTX_free(context);
    files.password = "secrets";
    T_EQ(tls_context_load_files(&context, &files, error), RC_BAD);
    T_OK(strstr(error, "another passphrase"));
}

static void ciphers_and_versions_can_be_restricted(void)
{
    struct tls_files files = {.cert = cert_path,
                              .pkey = key_path,
                              .ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384",
                              .tls13_only = true};
    SSL_CTX *context = NULL;
    bool found = false;

    T_EQ(tls_context_load_files(&context, &files, error), RC_OK);
    T_EQ(SSL_CTX_get_min_proto_version(context), TLS1_3_VERSION);
    STACK_OF(SSL_CIPHER) *ciphers = SSL_CTX_get_ciphers(context);
    for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); i++) {
        const char *name = SSL_CIPHER_get_name(sk_SSL_CIPHER_value(ciphers, i));
        T_OK(strncmp(name, "TLS_", 4) == 0 || strcmp(name, files.ciphers) == 0);
        found |= strcmp(name, files.ciphers) == 0;
    }
    T_OK(found);
    SSL_CTX_free(context);
    context = NULL;
    files.ciphers = "NO-SUCH-CIPHER";
    T_EQ(tls_context_load_files(&context, &files, error), RC_BAD);
    T_STR(error, "cipher-list: OpenSSL knows no cipher of it (no cipher match)");
    T_OK(!context);
}

static const struct t_case cases[] = {
    T_CASE(a_certificate_and_its_key_are_loaded),
    T_CASE(every_mistake_names_the_file_and_says_what_is_wrong),
    T_CASE(a_damaged_chain_is_an_error),
    T_CASE(a_self_signed_certificate_speaks_for_this_machine),
    T_CASE(two_certificates_have_different_keys_and_serials),
    T_CASE(tls_1_2_and_1_3_are_spoken_and_nothing_older),
    T_CASE(a_locked_key_opens_with_its_passphrase_alone),
    T_CASE(ciphers_and_versions_can_be_restricted),
};

int main(int argc, char **argv)
{
    const struct {
        char *path;
        const char *name;
    } files[] = {{cert_path, "cert.pem"}, {key_path, "key.pem"},   {other_path, "other.pem"},
                 {junk_path, "junk.pem"}, {both_path, "both.pem"}, {locked_path, "locked.pem"}};

    if (!mkdtemp(folder))
        return EXIT_FAILURE;
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        snprintf(files[i].path, sizeof cert_path, "%s/%s", folder, files[i].name);
    make_files();
    const int result = t_run(cases, ARRAY_LEN(cases), argc, argv);
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        unlink(files[i].path);
    rmdir(folder);
    return result;
}
