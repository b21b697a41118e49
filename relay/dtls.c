#include "relay/dtls.h"

#include "core/dtls_record.h"
#include "relay/datagram_bio.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

enum { WRITE_BUFFER_LEN = 2048 }; /* of a record: ours are never over the MTU */

struct dtls_context {
    SSL_CTX *ssl;       /* owned */
    BIO_METHOD *method; /* owned */
};

struct dtls_session {
    SSL *ssl; /* owned; NULL when failed, closed or released */
    enum dtls_state state;
    enum refusal why;
    enum dtls_role role;
    bool srtp_required;
    bool fingerprint_differs; /* the verify callback's finding */
    struct fingerprint expected;
    usec_t started;
    usec_t retransmit; /* OpenSSL's timer on our clock; USEC_NEVER */
    struct datagram_bio bio;
};

/* --- context ---------------------------------------------------------------------------------
 */

/* The certificate is self-signed and means nothing: what counts is that it is the one that the
 * peer's SDP named (RFC 8827 section 6.5). Called with every certificate, by OpenSSL. */
static int on_verify(X509_STORE_CTX *store, void *arg)
{
    const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct dtls_session *session = SSL_get_app_data(ssl);
    X509 *certificate = X509_STORE_CTX_get0_cert(store);
    struct fingerprint actual;
    (void)arg;

    if (certificate &&
        fingerprint_of(&actual, certificate, session->expected.algorithm) == RC_OK &&
        fingerprint_equal(&actual, &session->expected))
        return 1;
    session->fingerprint_differs = true;
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
    return 0;
}

static const char ciphers[] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
                              "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
                              "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384";

static bool context_configure(SSL_CTX *ssl, const struct certificate *certificate)
{
    SSL_CTX_set_options(ssl, SSL_OP_NO_QUERY_MTU | SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
                                 SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_cert_verify_callback(ssl, on_verify, NULL);
    return SSL_CTX_set_min_proto_version(ssl, DTLS1_2_VERSION) &&
           SSL_CTX_set_max_send_fragment(ssl, WRITE_BUFFER_LEN) &&
           SSL_CTX_set_cipher_list(ssl, ciphers) &&
           SSL_CTX_set_tlsext_use_srtp(ssl, srtp_profile_list()) == 0 && /* 0 is success */
           SSL_CTX_use_certificate(ssl, certificate_x509(certificate)) == 1 &&
           SSL_CTX_use_PrivateKey(ssl, certificate_key(certificate)) == 1;
}

int dtls_context_create(struct dtls_context **out, const struct certificate *certificate)
{
    struct dtls_context *context = calloc(1, sizeof *context);
    if (!context)
        return RC_NOMEM;

    context->method = datagram_bio_method();
    context->ssl = SSL_CTX_new(DTLS_method());
    if (!context->method || !context->ssl || !context_configure(context->ssl, certificate)) {
        ERR_clear_error();
        dtls_context_free(context);
        return RC_NOMEM;
    }
    *out = context;
    return RC_OK;
}

void dtls_context_free(struct dtls_context *context)
{
    if (!context)
        return;
    SSL_CTX_free(context->ssl);
    BIO_meth_free(context->method);
    free(context);
}

/* --- state -----------------------------------------------------------------------------------
 */

static void ssl_free(struct dtls_session *session)
{
    SSL_free(session->ssl); /* and its BIO */
    session->ssl = NULL;
    session->retransmit = USEC_NEVER;
}

static enum refusal fail(struct dtls_session *session, enum refusal why)
{
    ssl_free(session);
    session->state = DTLS_FAILED;
    session->why = refuse(why);
    return session->why;
}

/* OpenSSL writes DTLS records into a buffer that it takes for granted, and dtls_trim frees it.
 */
static bool can_write(const struct dtls_session *session)
{
    return SSL_alloc_buffers(session->ssl) == 1;
}

static void say_goodbye(struct dtls_session *session)
{
    if (can_write(session))
        (void)SSL_shutdown(session->ssl);
    ERR_clear_error();
}

/* The peer said goodbye: so do we, if we have not. */
static void on_close_notify(struct dtls_session *session)
{
    say_goodbye(session);
    ssl_free(session);
    session->state = DTLS_CLOSED;
}

static enum refusal on_connected(struct dtls_session *session)
{
    if (session->srtp_required && !SSL_get_selected_srtp_profile(session->ssl)) {
        say_goodbye(session);
        return fail(session, REFUSAL_DTLS_NO_SRTP_PROFILE);
    }
    session->state = DTLS_CONNECTED;
    return REFUSAL_NONE;
}

/* A result of OpenSSL's that is not a success. */
static enum refusal on_ssl_error(struct dtls_session *session, int rc)
{
    switch (SSL_get_error(session->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return REFUSAL_NONE;
    case SSL_ERROR_ZERO_RETURN:
        on_close_notify(session);
        return REFUSAL_NONE;
    default:
        ERR_clear_error();
        return fail(session, session->fingerprint_differs ? REFUSAL_DTLS_FINGERPRINT
                                                          : REFUSAL_DTLS_FAILED);
    }
}

/* Puts OpenSSL's timer, which counts from the wall clock's now, on ours. Never “at once”: the 1
 * ms keeps a clock that disagrees from spinning the loop. */
static void update_timer(struct dtls_session *session, usec_t now)
{
    struct timeval left;

    session->retransmit = USEC_NEVER;
    if (session->state != DTLS_HANDSHAKING || DTLSv1_get_timeout(session->ssl, &left) != 1)
        return;
    const usec_t wait = SEC(left.tv_sec) + (usec_t)left.tv_usec;
    session->retransmit = now + (wait > MSEC(1) ? wait : MSEC(1));
}

static enum refusal handshake(struct dtls_session *session, usec_t now)
{
    ERR_clear_error();
    const int rc = SSL_do_handshake(session->ssl);
    const enum refusal why = rc == 1 ? on_connected(session) : on_ssl_error(session, rc);

    update_timer(session, now);
    return why;
}

/* Lets OpenSSL take the datagram in: alerts, the client's repeated Finished (answered with our
 * last flight). Application data waits inside for dtls_receive. */
static enum refusal take_in(struct dtls_session *session)
{
    uint8_t byte;

    ERR_clear_error();
    const int rc = SSL_peek(session->ssl, &byte, 1);
    return rc > 0 ? REFUSAL_NONE : on_ssl_error(session, rc);
}

enum refusal dtls_input(struct dtls_session *session, struct span datagram, usec_t now)
{
    enum refusal why = REFUSAL_NONE;

    if (!session->ssl)
        return REFUSAL_NONE;
    datagram = dtls_usable_records(datagram, dtls_record_overhead(session->ssl));
    if (datagram.n == 0)
        return REFUSAL_NONE;
    session->bio.in = datagram;
    if (session->state == DTLS_HANDSHAKING)
        why = handshake(session, now);
    if (session->state == DTLS_CONNECTED)
        why = take_in(session);
    session->bio.in = (struct span){0};
    return why;
}

/* --- timers ----------------------------------------------------------------------------------
 */

/* OpenSSL's callback: microseconds until the next retransmission; `current` 0: the first. */
static unsigned next_timeout(SSL *ssl, unsigned current)
{
    (void)ssl;
    if (current == 0)
        return DTLS_TIMER_FIRST;
    return current < DTLS_TIMER_MAX / 2 ? current * 2 : (unsigned)DTLS_TIMER_MAX;
}

usec_t dtls_deadline(const struct dtls_session *session)
{
    if (session->state != DTLS_HANDSHAKING)
        return USEC_NEVER;
    const usec_t limit = session->started + DTLS_HANDSHAKE_LIMIT;
    return session->retransmit < limit ? session->retransmit : limit;
}

enum refusal dtls_tick(struct dtls_session *session, usec_t now)
{
    if (session->state != DTLS_HANDSHAKING)
        return REFUSAL_NONE;
    if (session->started + DTLS_HANDSHAKE_LIMIT <= now)
        return fail(session, REFUSAL_DTLS_TIMEOUT);
    if (session->retransmit > now)
        return REFUSAL_NONE;

    ERR_clear_error();
    if (DTLSv1_handle_timeout(session->ssl) < 0) {
        ERR_clear_error();
        return fail(session, REFUSAL_DTLS_TIMEOUT); /* OpenSSL's limit: 12 retransmissions */
    }
    update_timer(session, now);
    return REFUSAL_NONE;
}

/* --- life ------------------------------------------------------------------------------------
 */

static bool ssl_create(struct dtls_session *session, const struct dtls_context *context)
{
    BIO *bio = datagram_bio_open(context->method, &session->bio);

    session->ssl = SSL_new(context->ssl);
    if (!bio || !session->ssl) {
        BIO_free(bio);
        return false;
    }
    SSL_set_bio(session->ssl, bio, bio); /* takes it over */
    SSL_set_app_data(session->ssl, session);
    SSL_set_mtu(session->ssl, DTLS_MTU);
    DTLS_set_timer_cb(session->ssl, next_timeout);
    if (session->role == DTLS_CLIENT)
        SSL_set_connect_state(session->ssl);
    else
        SSL_set_accept_state(session->ssl);
    return true;
}

int dtls_session_create(struct dtls_session **out, struct dtls_context *context,
                        const struct dtls_options *options, usec_t now)
{
    struct dtls_session *session = calloc(1, sizeof *session);
    if (!session)
        return RC_NOMEM;

    session->expected = options->expected;
    session->role = options->role;
    session->srtp_required = options->srtp_required;
    session->started = now;
    session->retransmit = USEC_NEVER;
    ERR_clear_error();
    if (!ssl_create(session, context) ||
        (session->role == DTLS_CLIENT && handshake(session, now) != REFUSAL_NONE)) {
        dtls_session_free(session);
        return RC_NOMEM;
    }
    *out = session;
    return RC_OK;
}

void dtls_session_free(struct dtls_session *session)
{
    if (!session)
        return;
    SSL_free(session->ssl); /* OpenSSL wipes its keys */
    datagram_bio_clear(&session->bio);
    free(session);
}

enum dtls_state dtls_state(const struct dtls_session *session)
{
    return session->state;
}

enum refusal dtls_refusal(const struct dtls_session *session)
{
    return session->why;
}

size_t dtls_poll(struct dtls_session *session, uint8_t *buf, size_t capacity)
{
    const size_t n = datagram_bio_take(&session->bio, buf, capacity);

    if (n == 0 && !session->ssl)
        datagram_bio_trim(&session->bio);
    return n;
}

/* --- keys ------------------------------------------------------------------------------------
 */

static void take_key(struct dtls_key *out, const struct srtp_profile_info *profile,
                     const uint8_t *key, const uint8_t *salt)
{
    memcpy(out->key, key, profile->key_len);
    memcpy(out->salt, salt, profile->salt_len);
    out->key_len = (uint8_t)profile->key_len;
    out->salt_len = (uint8_t)profile->salt_len;
}

/* RFC 5764 section 4.2: client key, server key, client salt, server salt. */
int dtls_keys(const struct dtls_session *session, struct dtls_keys *out)
{
    static const char label[] = "EXTRACTOR-dtls_srtp";
    uint8_t material[2 * (SRTP_KEY_MAX + SRTP_SALT_MAX)];

    if (session->state != DTLS_CONNECTED || !session->ssl)
        return RC_BAD;
    const SRTP_PROTECTION_PROFILE *selected = SSL_get_selected_srtp_profile(session->ssl);
    const struct srtp_profile_info *profile =
        selected ? srtp_profile_find((unsigned)selected->id) : NULL;
    if (!profile)
        return RC_BAD;

    const size_t k = profile->key_len, s = profile->salt_len;
    if (SSL_export_keying_material(session->ssl, material, 2 * (k + s), label, sizeof label - 1,
                                   NULL, 0, 0) != 1) {
        ERR_clear_error();
        return RC_BAD;
    }
    const bool client = session->role == DTLS_CLIENT;
    out->profile = profile->profile;
    take_key(client ? &out->ours : &out->theirs, profile, material, material + 2 * k);
    take_key(client ? &out->theirs : &out->ours, profile, material + k, material + 2 * k + s);
    explicit_bzero(material, sizeof material);
    return RC_OK;
}

/* --- application data ------------------------------------------------------------------------
 */

size_t dtls_data_mtu(const struct dtls_session *session)
{
    if (session->state != DTLS_CONNECTED || !session->ssl)
        return 0;
    return DTLS_get_data_mtu(session->ssl);
}

int dtls_send(struct dtls_session *session, struct span data)
{
    if (session->state != DTLS_CONNECTED || !session->ssl)
        return RC_BAD;
    if (data.n == 0 || data.n > DTLS_get_data_mtu(session->ssl))
        return RC_BAD;
    if (!datagram_bio_has_room(&session->bio, DTLS_MTU))
        return RC_AGAIN;
    ERR_clear_error();
    if (!can_write(session) || SSL_write(session->ssl, data.p, (int)data.n) != (int)data.n) {
        ERR_clear_error();
        return RC_BAD;
    }
    return RC_OK;
}

/* OpenSSL keeps the rest of a record that did not fit for the next read. */
static void discard_rest_of_record(SSL *ssl)
{
    uint8_t rest[256];

    while (SSL_pending(ssl) > 0 && SSL_read(ssl, rest, sizeof rest) > 0)
        continue;
}

size_t dtls_receive(struct dtls_session *session, uint8_t *buf, size_t capacity)
{
    if (session->state != DTLS_CONNECTED || !session->ssl || capacity == 0)
        return 0;
    ERR_clear_error();
    const int rc = SSL_read(session->ssl, buf,
                            (int)(capacity < DTLS_RECORD_MAX ? capacity : DTLS_RECORD_MAX));
    if (rc <= 0) {
        (void)on_ssl_error(session, rc);
        return 0;
    }
    if ((size_t)rc == capacity)
        discard_rest_of_record(session->ssl);
    return (size_t)rc;
}

/* --- the end ---------------------------------------------------------------------------------
 */

void dtls_trim(struct dtls_session *session)
{
    if (session->state != DTLS_CONNECTED || !session->ssl)
        return;
    (void)SSL_free_buffers(session->ssl); /* refuses while something is in them */
    datagram_bio_trim(&session->bio);
}

void dtls_release(struct dtls_session *session)
{
    if (session->state != DTLS_CONNECTED || !session->ssl)
        return;
    session->bio.sealing = true;
    say_goodbye(session);
    session->bio.sealing = false;
    ssl_free(session);
    datagram_bio_trim(&session->bio);
}

bool dtls_released(const struct dtls_session *session)
{
    return session->state == DTLS_CONNECTED && !session->ssl;
}

void dtls_close(struct dtls_session *session)
{
    if (session->state == DTLS_CLOSED || session->state == DTLS_FAILED)
        return;
    if (dtls_released(session))
        datagram_bio_push(&session->bio, session->bio.sealed, session->bio.sealed_len);
    else if (session->state == DTLS_CONNECTED)
        say_goodbye(session);
    ssl_free(session);
    session->state = DTLS_CLOSED;
}
