#include "turn/turn_dtls_session.h"

#include "core/dtls_record.h"

#include <openssl/err.h>
#include <string.h>
#include <sys/time.h>

/* --- OpenSSL's network
 * ------------------------------------------------------------------------ */

static int bio_read(BIO *bio, char *buf, int size)
{
    struct turn_dtls_session *session = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    if (session->in.n == 0 || size <= 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    const size_t n = session->in.n < (size_t)size ? session->in.n : (size_t)size;
    memcpy(buf, session->in.p, n);
    session->in = (struct span){NULL, 0};
    return (int)n;
}

/* One write is one datagram; what becomes of it is not OpenSSL's business. */
static int bio_write(BIO *bio, const char *data, int size)
{
    struct turn_dtls_session *session = BIO_get_data(bio);
    const struct turn_dtls_user *user = &session->dtls->options.user;

    BIO_clear_retry_flags(bio);
    if (size <= 0)
        return 0;
    user->send(user->arg, &session->client.remote, &session->client.local,
               (struct span){(const uint8_t *)data, (size_t)size});
    return size;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

BIO_METHOD *turn_dtls_bio_method(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "turn dtls");

    if (!method)
        return NULL;
    BIO_meth_set_read(method, bio_read);
    BIO_meth_set_write(method, bio_write);
    BIO_meth_set_ctrl(method, bio_ctrl);
    return method;
}

int turn_dtls_cookie_again(SSL *ssl, const unsigned char *cookie, unsigned n)
{
    const struct turn_dtls_session *session = SSL_get_app_data(ssl);

    return n == sizeof session->cookie && CRYPTO_memcmp(cookie, session->cookie, n) == 0;
}

/* --- the end
 * ---------------------------------------------------------------------------------- */

static void settle(struct turn_dtls_session *session, usec_t now)
{
    const struct turn_dtls_user user = session->dtls->options.user;

    if (session->busy || session->ending == TURN_DTLS_STAYS)
        return;
    if (session->connected)
        (void)SSL_shutdown(session->ssl); /* close_notify, once */
    ERR_clear_error();
    const struct turn_client client = session->client;
    /* A handshake that failed is nothing that the server has heard of. */
    const bool tell = session->ending == TURN_DTLS_BROKEN && session->connected;
    turn_dtls_forget(session);
    if (tell)
        user.gone(user.arg, &client, now);
}

void turn_dtls_session_end(struct turn_dtls_session *session, enum turn_dtls_ending ending,
                           usec_t now)
{
    if (session->ending == TURN_DTLS_STAYS)
        session->ending = ending;
    settle(session, now);
}

/* REFUSAL_NONE: it is nobody's fault. */
static void break_off(struct turn_dtls_session *session, enum refusal why, usec_t now)
{
    refuse(why);
    turn_dtls_session_end(session, TURN_DTLS_BROKEN, now);
}

/* --- timers
 * ----------------------------------------------------------------------------------- */

/* OpenSSL's callback: microseconds until the next retransmission; `current` 0: the first. */
static unsigned next_timeout(SSL *ssl, unsigned current)
{
    (void)ssl;
    if (current == 0)
        return TURN_DTLS_TIMER_FIRST;
    return current < TURN_DTLS_TIMER_MAX / 2 ? current * 2 : (unsigned)TURN_DTLS_TIMER_MAX;
}

/* Puts OpenSSL's timer, which counts from the wall clock's now, on ours. Never "at once": 1 ms
 * keeps a clock that disagrees from spinning the loop. */
static void arm(struct turn_dtls_session *session, usec_t now)
{
    struct timeval left;

    session->retransmit = USEC_NEVER;
    if (!session->connected && DTLSv1_get_timeout(session->ssl, &left) == 1) {
        const usec_t wait = SEC(left.tv_sec) + (usec_t)left.tv_usec;
        session->retransmit = now + (wait > MSEC(1) ? wait : MSEC(1));
    }
    (void)timers_set(session->dtls->options.timers, &session->timer,
                     session->retransmit < session->deadline ? session->retransmit
                                                             : session->deadline);
}

static void retransmit(struct turn_dtls_session *session, usec_t now)
{
    ERR_clear_error();
    if (DTLSv1_handle_timeout(session->ssl) < 0) {
        ERR_clear_error();
        break_off(session, REFUSAL_DTLS_TIMEOUT, now); /* OpenSSL's limit: 12 of them */
        return;
    }
    arm(session, now);
}

static void on_timer(struct timer *timer, void *arg, usec_t now)
{
    struct turn_dtls_session *session = arg;
    const struct turn_dtls_options *options = &session->dtls->options;
    (void)timer;

    if (now < session->deadline) {
        retransmit(session, now);
        return;
    }
    if (!session->connected) {
        break_off(session, REFUSAL_DTLS_TIMEOUT, now);
        return;
    }
    if (!options->user.has_allocation(options->user.arg, &session->client)) {
        break_off(session, REFUSAL_REQUEST_TIMEOUT, now);
        return;
    }
    session->deadline = now + options->idle;
    arm(session, now);
}

/* --- in
 * --------------------------------------------------------------------------------------- */

/* A result of OpenSSL's that is not a success. */
static void on_ssl_error(struct turn_dtls_session *session, int rc, usec_t now)
{
    switch (SSL_get_error(session->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return;
    case SSL_ERROR_ZERO_RETURN:
        break_off(session, REFUSAL_NONE, now);
        return;
    default:
        ERR_clear_error();
        break_off(session, REFUSAL_DTLS_FAILED, now);
    }
}

static void shake_hands(struct turn_dtls_session *session, usec_t now)
{
    struct turn_dtls *dtls = session->dtls;

    ERR_clear_error();
    const int rc = SSL_accept(session->ssl);
    if (rc == 1) {
        session->deadline = now + dtls->options.idle;
        turn_dtls_connected(session);
    } else {
        on_ssl_error(session, rc, now);
    }
    if (session->ending == TURN_DTLS_STAYS)
        arm(session, now);
}

/* All records of the datagram; each is a message. */
static void read_messages(struct turn_dtls_session *session, usec_t now)
{
    struct turn_dtls *dtls = session->dtls;
    const struct turn_dtls_user *user = &dtls->options.user;

    while (session->ending == TURN_DTLS_STAYS) {
        ERR_clear_error();
        const int n = SSL_read(session->ssl, dtls->plain, sizeof dtls->plain);

        if (n <= 0) {
            on_ssl_error(session, n, now);
            return;
        }
        const struct span message = {dtls->plain, (size_t)n};
        (void)user->input(user->arg, &session->client, message, now);
        if (user->flush)
            user->flush(user->arg, now);
    }
}

void turn_dtls_session_input(struct turn_dtls_session *session, struct span datagram,
                             usec_t now)
{
    session->in = dtls_usable_records(datagram, dtls_record_overhead(session->ssl));
    if (session->in.n == 0)
        return;
    session->busy = true;
    if (!session->connected)
        shake_hands(session, now);
    if (session->connected)
        read_messages(session, now);
    session->in = (struct span){NULL, 0};
    session->busy = false;
    settle(session, now);
}

/* --- out
 * -------------------------------------------------------------------------------------- */

void turn_dtls_session_send(struct turn_dtls_session *session, struct span message)
{
    if (!session->connected || session->ending != TURN_DTLS_STAYS || message.n == 0)
        return;
    ERR_clear_error();
    if (SSL_write(session->ssl, message.p, (int)message.n) <= 0)
        ERR_clear_error(); /* lost, as it may be on the wire */
}

/* --- the beginning
 * ---------------------------------------------------------------------------- */

static bool make_ssl(struct turn_dtls_session *session)
{
    BIO *bio = BIO_new(session->dtls->method);

    session->ssl = SSL_new(session->dtls->context);
    if (!bio || !session->ssl) {
        BIO_free(bio);
        return false;
    }
    BIO_set_data(bio, session);
    BIO_set_init(bio, 1);
    SSL_set_bio(session->ssl, bio, bio); /* takes it over */
    SSL_set_app_data(session->ssl, session);
    DTLS_set_timer_cb(session->ssl, next_timeout);
    SSL_set_mtu(session->ssl, TURN_DTLS_MTU);
    return true;
}

int turn_dtls_session_start(struct turn_dtls_session *session, struct span hello, usec_t now)
{
    timer_init(&session->timer, on_timer, session);
    session->retransmit = USEC_NEVER;
    session->deadline = now + session->dtls->options.handshake_time;
    ERR_clear_error();
    if (!make_ssl(session)) {
        ERR_clear_error();
        return RC_NOMEM;
    }
    /* Tells OpenSSL that the cookie exchange was, and sets its sequence numbers behind it. */
    session->in = hello;
    const int rc = DTLSv1_listen(session->ssl, session->dtls->nobody);
    session->in = (struct span){NULL, 0};
    if (rc != 1) {
        ERR_clear_error();
        return RC_BAD;
    }
    session->busy = true;
    shake_hands(session, now);
    session->busy = false;
    settle(session, now);
    return RC_OK;
}
