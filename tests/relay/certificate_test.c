#include "relay/certificate.h"
#include "tests/t.h"

#include <openssl/evp.h>

static struct certificate *make(void)
{
    struct certificate *certificate = NULL;

    T_EQ(certificate_create(&certificate), RC_OK);
    return certificate;
}

static struct span text_span(const char *text)
{
    return (struct span){(const uint8_t *)text, strlen(text)};
}

static void a_certificate_fits_its_key_and_is_signed_by_it(void)
{
    struct certificate *certificate = make();

    T_EQ(X509_check_private_key(certificate_x509(certificate), certificate_key(certificate)),
         1);
    T_EQ(X509_verify(certificate_x509(certificate), certificate_key(certificate)), 1);
    T_EQ(EVP_PKEY_get_bits(certificate_key(certificate)), 256);
    T_OK(X509_cmp_current_time(X509_get0_notBefore(certificate_x509(certificate))) < 0);
    T_OK(X509_cmp_current_time(X509_get0_notAfter(certificate_x509(certificate))) > 0);
    certificate_free(certificate);
}

static void every_certificate_is_another_one(void)
{
    struct certificate *a = make(), *b = make();

    T_OK(!fingerprint_equal(certificate_fingerprint(a), certificate_fingerprint(b)));
    T_OK(strcmp(certificate_fingerprint_text(a), certificate_fingerprint_text(b)) != 0);
    certificate_free(a);
    certificate_free(b);
    certificate_free(NULL);
}

static void the_text_of_a_fingerprint_reads_back(void)
{
    static const enum fingerprint_algorithm all[] = {FINGERPRINT_SHA256, FINGERPRINT_SHA384,
                                                     FINGERPRINT_SHA512};
    struct certificate *certificate = make();
    char text[FINGERPRINT_TEXT_MAX];

    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        struct fingerprint out, back;

        T_EQ(fingerprint_of(&out, certificate_x509(certificate), all[i]), RC_OK);
        fingerprint_format(&out, text);
        T_EQ(strlen(text), 3u * out.length - 1);
        T_EQ(fingerprint_parse(&back, text_span(fingerprint_algorithm_name(all[i])),
                               text_span(text)),
             RC_OK);
        T_OK(fingerprint_equal(&out, &back));
    }
    T_EQ(strlen(certificate_fingerprint_text(certificate)), 95);
    certificate_free(certificate);
}

#define PAIRS8 "00:11:22:33:44:55:66:77:"
#define LOWER8 "aa:bb:cc:dd:ee:ff:0a:fa"
#define UPPER8 "AA:BB:CC:DD:EE:FF:0A:FA"

/* clang-format off */
static const struct {
    const char *what, *algorithm, *text;
    int rc;
} rows[] = {
    {"upper case",             "sha-256", PAIRS8 PAIRS8 PAIRS8 UPPER8, RC_OK},
    {"lower case",             "SHA-256", PAIRS8 PAIRS8 PAIRS8 LOWER8, RC_OK},
    {"too short",              "sha-256", PAIRS8 PAIRS8 UPPER8, RC_BAD},
    {"too long",               "sha-256", PAIRS8 PAIRS8 PAIRS8 UPPER8 ":00", RC_BAD},
    {"length of another hash", "sha-384", PAIRS8 PAIRS8 PAIRS8 UPPER8, RC_BAD},
    {"no hexadecimal",         "sha-256", PAIRS8 PAIRS8 PAIRS8 "AA:BB:CC:DD:EE:FF:0A:FG", RC_BAD},
    {"another separator",      "sha-256", PAIRS8 PAIRS8 PAIRS8 "AA-BB:CC:DD:EE:FF:0A:FA", RC_BAD},
    {"empty",                  "sha-256", "", RC_BAD},
    {"a hash that is broken",  "sha-1", "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33", RC_BAD},
    {"a hash that is unknown", "sha-3", PAIRS8 PAIRS8 PAIRS8 UPPER8, RC_BAD},
};
/* clang-format on */

static void every_row(void)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fingerprint out = {.length = 0xee};

        printf("    # %s\n", rows[i].what);
        T_EQ(fingerprint_parse(&out, text_span(rows[i].algorithm), text_span(rows[i].text)),
             rows[i].rc);
        T_EQ(out.length, rows[i].rc == RC_OK ? 32 : 0xee);
    }
}

static void fingerprints_of_different_hashes_are_never_equal(void)
{
    const struct fingerprint a = {.algorithm = FINGERPRINT_SHA256, .length = 32};
    const struct fingerprint b = {.algorithm = FINGERPRINT_SHA384, .length = 48};
    struct fingerprint c = a;

    c.bytes[31] = 1;
    T_OK(fingerprint_equal(&a, &a));
    T_OK(!fingerprint_equal(&a, &b));
    T_OK(!fingerprint_equal(&a, &c));
}

static const struct t_case cases[] = {
    T_CASE(a_certificate_fits_its_key_and_is_signed_by_it),
    T_CASE(every_certificate_is_another_one),
    T_CASE(the_text_of_a_fingerprint_reads_back),
    T_CASE(every_row),
    T_CASE(fingerprints_of_different_hashes_are_never_equal),
};
T_MAIN(cases)
