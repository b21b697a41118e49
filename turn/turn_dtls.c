#include "turn/turn_dtls.h"

#include "turn/turn_dtls_session.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

/* --- certificate
 * ------------------------------------------------------------------------------ */

static const char ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20"; /* as core/tls.c; all AEAD */

static bool configure(SSL_CTX *context, SSL_CTX *tls)
{
    X509 *certificate = SSL_CTX_get0_certificate(tls);
    EVP_PKEY *key = SSL_CTX_get0_privatekey(tls);
    STACK_OF(X509) *chain = NULL;

    SSL_CTX_set_options(context, SSL_OP_NO_QUERY_MTU | SSL_OP_NO_TICKET |
                                     SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_COOKIE_EXCHANGE);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_cookie_verify_cb(context, turn_dtls_cookie_again);
    SSL_CTX_get_extra_chain_certs(tls, &chain); /* or those of the certificate */
    SSL_CTX_set_max_send_fragment(context, TURN_DTLS_RECORD_MAX); /* sizes its write buffer */
    return certificate && key && SSL_CTX_set_min_proto_version(context, DTLS1_2_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(context, ciphers) == 1 &&
           SSL_CTX_use_certificate(context, certificate) == 1 &&
           SSL_CTX_use_PrivateKey(context, key) == 1 &&
           (!chain || SSL_CTX_set1_chain(context, chain) == 1);
}

int turn_dtls_certificate(struct turn_dtls *dtls, SSL_CTX *tls)
{
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(DTLS_server_method());
    if (!context)
        return RC_NOMEM;
    if (!configure(context, tls)) {
        ERR_clear_error();
        SSL_CTX_free(context);
        return RC_BAD;
    }
    SSL_CTX_free(dtls->context); /* sessions have references of their own */
    dtls->context = context;
    return RC_OK;
}

/* --- the table
 * -------------------------------------------------------------------------------- */

static void put_address(uint8_t p[static TURN_DTLS_KEY / 2], const struct address *a)
{
    const bool v6 = a->sa.sa_family == AF_INET6;

    p[0] = v6 ? 6 : 4;
    store_be16(p + 1, address_port(a));
    if (v6) {
        memcpy(p + 3, a->v6.sin6_addr.s6_addr, 16);
        store_be32(p + 19, a->v6.sin6_scope_id);
    } else {
        memcpy(p + 3, &a->v4.sin_addr, 4);
    }
}

static void make_key(uint8_t key[static TURN_DTLS_KEY], const struct address *remote,
                     const struct address *local)
{
    memset(key, 0, TURN_DTLS_KEY);
    put_address(key, remote);
    put_address(key + TURN_DTLS_KEY / 2, local);
}

static struct turn_dtls_session *find(const struct turn_dtls *dtls,
                                      const struct address *remote, const struct address *local)
{
    struct turn_dtls_session *session;
    uint8_t key[TURN_DTLS_KEY];

    make_key(key, remote, local);
    HASH_FIND(hh, dtls->sessions, key, TURN_DTLS_KEY, session);
    return session;
}

static struct turn_dtls_session *find_client(const struct turn_dtls *dtls,
                                             const struct turn_client *client)
{
    struct turn_dtls_session *session = find(dtls, &client->remote, &client->local);

    return session && session->client.connection == client->connection ? session : NULL;
}

static void count(struct turn_dtls *dtls)
{
    counter_set(&dtls->stats.sessions, HASH_COUNT(dtls->sessions));
    counter_set(&dtls->stats.half_open, dtls->half_open);
}

static void leave_half_open(struct turn_dtls_session *session)
{
    struct turn_dtls *dtls = session->dtls;

    dtls->half_open--;
    count_by_ip_remove(&dtls->half_open_sources, &session->client.remote);
}

void turn_dtls_connected(struct turn_dtls_session *session)
{
    session->connected = true;
    leave_half_open(session);
    count(session->dtls);
    counter_add(&session->dtls->stats.handshakes, 1);
}

void turn_dtls_forget(struct turn_dtls_session *session)
{
    struct turn_dtls *dtls = session->dtls;

    timers_clear(dtls->options.timers, &session->timer);
    HASH_DEL(dtls->sessions, session);
    if (!session->connected)
        leave_half_open(session);
    count_by_ip_remove(&dtls->sources, &session->client.remote);
    count(dtls);
    SSL_free(session->ssl); /* and its BIO; OpenSSL wipes its keys */
    free(session);
}

/* REFUSAL_NONE: it may come, and is counted. */
static enum refusal admit(struct turn_dtls *dtls, const struct address *remote)
{
    const struct turn_dtls_options *options = &dtls->options;

    if (HASH_COUNT(dtls->sessions) >= options->max_sessions ||
        dtls->half_open >= options->max_half_open)
        return REFUSAL_DTLS_TOO_MANY;
    if (count_by_ip_get(&dtls->sources, remote) >= options->max_per_source ||
        count_by_ip_get(&dtls->half_open_sources, remote) >= options->max_half_open_per_source)
        return REFUSAL_IP_LIMIT;
    if (count_by_ip_add(&dtls->sources, remote) != RC_OK)
        return REFUSAL_SERVER_FULL;
    if (count_by_ip_add(&dtls->half_open_sources, remote) == RC_OK)
        return REFUSAL_NONE;
    count_by_ip_remove(&dtls->sources, remote);
    return REFUSAL_SERVER_FULL;
}

/* --- in
 * --------------------------------------------------------------------------------------- */

static void open_session(struct turn_dtls *dtls, const struct turn_client *client,
                         const struct turn_hello *hello, struct span datagram, usec_t now)
{
    struct turn_dtls_session *session = calloc(1, sizeof *session);
    const enum refusal why = session ? admit(dtls, &client->remote) : REFUSAL_SERVER_FULL;

    if (why != REFUSAL_NONE) {
        refuse(why);
        free(session);
        return;
    }
    session->dtls = dtls;
    session->client = *client;
    session->client.connection = ++dtls->next_number;
    memcpy(session->cookie, hello->cookie.p, sizeof session->cookie);
    make_key(session->key, &client->remote, &client->local);
    HASH_ADD(hh, dtls->sessions, key, TURN_DTLS_KEY, session);
    dtls->half_open++;
    count(dtls);
    if (turn_dtls_session_start(session, datagram, now) == RC_OK)
        return;
    refuse(REFUSAL_DTLS_FAILED);
    turn_dtls_forget(session);
}

static void answer_by_cookie(struct turn_dtls *dtls, const struct turn_client *client,
                             const struct turn_hello *hello, usec_t now)
{
    const struct turn_dtls_user *user = &dtls->options.user;
    uint8_t cookie[TURN_COOKIE_BYTES], answer[TURN_HELLO_VERIFY_BYTES];

    turn_cookie_make(&dtls->jar, &client->remote, &client->local, hello, now, cookie);
    turn_hello_verify_write(answer, hello, cookie);
    counter_add(&dtls->stats.hellos, 1);
    user->send(user->arg, &client->remote, &client->local,
               (struct span){answer, sizeof answer});
}

/* RFC 6347 section 4.2.8: a client that begins anew at the same address proves it with a cookie
 * before the session that it had is given up. */
static void on_hello(struct turn_dtls *dtls, struct turn_dtls_session *session,
                     const struct turn_client *client, const struct turn_hello *hello,
                     struct span datagram, usec_t now)
{
    if (session && hello->cookie.n == TURN_COOKIE_BYTES &&
        memcmp(hello->cookie.p, session->cookie, TURN_COOKIE_BYTES) == 0) {
        if (!session->connected) /* it has not heard our answer */
            turn_dtls_session_input(session, datagram, now);
        return;
    }
    /* OpenSSL counts from the second message of the client on. */
    if (hello->message_seq != 1 ||
        !turn_cookie_check(&dtls->jar, &client->remote, &client->local, hello, now)) {
        answer_by_cookie(dtls, client, hello, now);
        return;
    }
    if (session)
        turn_dtls_session_end(session, TURN_DTLS_BROKEN, now);
    open_session(dtls, client, hello, datagram, now);
}

void turn_dtls_input(struct turn_dtls *dtls, const struct address *remote,
                     const struct address *local, struct span datagram, usec_t now)
{
    struct turn_dtls_session *session = find(dtls, remote, local);
    struct turn_hello hello;

    if (turn_hello_read(&hello, datagram) == RC_OK) {
        const struct turn_client client = {
            .transport = TURN_DTLS, .remote = *remote, .local = *local};
        on_hello(dtls, session, &client, &hello, datagram, now);
    } else if (session) {
        turn_dtls_session_input(session, datagram, now);
    } else {
        refuse(REFUSAL_DTLS_UNEXPECTED);
    }
}

bool turn_dtls_knows(const struct turn_dtls *dtls, const struct address *remote,
                     const struct address *local)
{
    return find(dtls, remote, local);
}

/* --- out
 * -------------------------------------------------------------------------------------- */

/* The message must lie in one piece for OpenSSL. It may be an answer to what `plain` holds, so
 * it is put together elsewhere. */
void turn_dtls_to_client(struct turn_dtls *dtls, const struct turn_client *client,
                         struct span head, struct span data, size_t tail)
{
    struct turn_dtls_session *session = find_client(dtls, client);
    uint8_t message[TURN_DTLS_MESSAGE_MAX];
    const size_t n = head.n + data.n + tail;

    if (!session)
        return;
    if (n > sizeof message) {
        counter_add(&dtls->stats.dropped_oversize, 1);
        return;
    }
    if (head.n > 0)
        memcpy(message, head.p, head.n);
    if (data.n > 0)
        memcpy(message + head.n, data.p, data.n);
    memset(message + head.n + data.n, 0, tail);
    turn_dtls_session_send(session, (struct span){message, n});
}

void turn_dtls_close_client(struct turn_dtls *dtls, const struct turn_client *client,
                            usec_t now)
{
    struct turn_dtls_session *session = find_client(dtls, client);

    if (session)
        turn_dtls_session_end(session, TURN_DTLS_CLOSED, now);
}

/* --- all of them
 * ------------------------------------------------------------------------------ */

static void fill_in(struct turn_dtls_options *options)
{
    if (!options->max_sessions)
        options->max_sessions = TURN_DTLS_SESSIONS;
    if (!options->max_half_open)
        options->max_half_open = TURN_DTLS_HALF_OPEN;
    if (!options->max_per_source)
        options->max_per_source = TURN_DTLS_PER_SOURCE;
    if (!options->max_half_open_per_source)
        options->max_half_open_per_source = TURN_DTLS_HALF_OPEN_PER_SOURCE;
    if (!options->idle)
        options->idle = TURN_DTLS_IDLE;
    if (!options->handshake_time)
        options->handshake_time = TURN_DTLS_HANDSHAKE_TIME;
}

int turn_dtls_create(struct turn_dtls **out, const struct turn_dtls_options *options,
                     SSL_CTX *tls, usec_t now)
{
    struct turn_dtls *dtls = calloc(1, sizeof *dtls);
    if (!dtls)
        return RC_NOMEM;

    dtls->options = *options;
    fill_in(&dtls->options);
    turn_cookie_jar_init(&dtls->jar, now);
    dtls->method = turn_dtls_bio_method();
    dtls->nobody = BIO_ADDR_new();
    const int rc = dtls->method && dtls->nobody ? turn_dtls_certificate(dtls, tls) : RC_NOMEM;
    if (rc != RC_OK) {
        turn_dtls_free(dtls);
        return rc;
    }
    *out = dtls;
    return RC_OK;
}

void turn_dtls_free(struct turn_dtls *dtls)
{
    struct turn_dtls_session *session, *next;

    if (!dtls)
        return;
    HASH_ITER(hh, dtls->sessions, session, next)
    turn_dtls_forget(session);
    SSL_CTX_free(dtls->context);
    BIO_meth_free(dtls->method);
    BIO_ADDR_free(dtls->nobody);
    explicit_bzero(&dtls->jar, sizeof dtls->jar);
    free(dtls);
}

uint32_t turn_dtls_sessions(const struct turn_dtls *dtls)
{
    return HASH_COUNT(dtls->sessions);
}

struct turn_dtls_stats *turn_dtls_stats(struct turn_dtls *dtls)
{
    return &dtls->stats;
}
