#include "core/dtls_record.h"
#include "relay/datagram_bio.h"
#include "relay/dtls.h"
#include "tests/sim/dtls_world_lib.h"
#include "tests/sim/virtual_clock_lib.h"
#include "tests/t.h"

#include <malloc.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

static const usec_t T0 = SEC(1000); /* the test owns time */

enum { SERVER, CLIENT };

/* Two parties, each with a certificate, and the world between them. Made once; sessions anew.
 */
static struct certificate *certificate[2];
static struct dtls_context *context[2];
static struct dtls_session *session[2];
static struct dtls_world world;
static uint64_t seed;

static uint32_t chance(uint32_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 20) % n;
}

static struct dtls_options options_of(unsigned who)
{
    return (struct dtls_options){
        .role = who == CLIENT ? DTLS_CLIENT : DTLS_SERVER,
        .expected = *certificate_fingerprint(certificate[!who]),
        .srtp_required = true,
    };
}

static void set_up(dtls_fate_fn *fate)
{
    memset(&world, 0, sizeof world);
    world.now = T0;
    world.fate = fate;
    seed = 0x9e3779b97f4a7c15u;
    virtual_clock_set(T0);
    for (unsigned who = 0; who < 2; who++) {
        if (!certificate[who]) {
            T_EQ(certificate_create(&certificate[who]), RC_OK);
            T_EQ(dtls_context_create(&context[who], certificate[who]), RC_OK);
        }
        dtls_session_free(session[who]);
        session[who] = NULL;
    }
}

static void begin_with(dtls_fate_fn *fate, const struct dtls_options options[2])
{
    set_up(fate);
    for (unsigned who = 0; who < 2; who++) {
        const struct dtls_options given = options ? options[who] : options_of(who);

        T_EQ(dtls_session_create(&session[who], context[who], &given, T0), RC_OK);
        world.end[who] = dtls_world_session(session[who]);
    }
}

static void begin(dtls_fate_fn *fate)
{
    begin_with(fate, NULL);
}

static bool both_are(enum dtls_state state)
{
    return dtls_state(session[0]) == state && dtls_state(session[1]) == state;
}

static void connect_both(void)
{
    begin(NULL);
    dtls_world_run(&world, T0 + SEC(1));
    T_OK(both_are(DTLS_CONNECTED));
}

static void expect_message(unsigned to, const char *text)
{
    uint8_t buf[DTLS_RECORD_MAX];

    T_EQ(dtls_receive(session[to], buf, sizeof buf), strlen(text));
    T_MEM(buf, text, strlen(text));
    T_EQ(dtls_receive(session[to], buf, sizeof buf), 0);
}

static void send_text(unsigned from, const char *text)
{
    T_EQ(dtls_send(session[from], (struct span){(const uint8_t *)text, strlen(text)}), RC_OK);
}

static void exchange(void)
{
    send_text(CLIENT, "from the client");
    send_text(SERVER, "from the server");
    dtls_world_run(&world, world.now + MSEC(50));
    expect_message(SERVER, "from the client");
    expect_message(CLIENT, "from the server");
}

static void expect_mirrored_keys(enum srtp_profile profile)
{
    struct dtls_keys keys[2];

    memset(keys, 0, sizeof keys);
    T_EQ(dtls_keys(session[0], &keys[0]), RC_OK);
    T_EQ(dtls_keys(session[1], &keys[1]), RC_OK);
    T_EQ(keys[0].profile, profile);
    T_EQ(keys[1].profile, profile);
    T_EQ(keys[0].ours.key_len, srtp_profile_find(profile)->key_len);
    T_EQ(keys[0].ours.salt_len, srtp_profile_find(profile)->salt_len);
    T_MEM(&keys[0].ours, &keys[1].theirs, sizeof keys[0].ours);
    T_MEM(&keys[0].theirs, &keys[1].ours, sizeof keys[0].ours);
    T_OK(memcmp(keys[0].ours.key, keys[0].theirs.key, keys[0].ours.key_len) != 0);
}

/* --- the ordinary course ---------------------------------------------------------------------
 */

static void two_ends_agree_on_gcm_and_on_mirrored_keys(void)
{
    connect_both();
    expect_mirrored_keys(SRTP_PROFILE_AEAD_AES_128_GCM);
    exchange();
    T_EQ(dtls_deadline(session[SERVER]), USEC_NEVER);
    T_EQ(dtls_deadline(session[CLIENT]), USEC_NEVER);
}

static void a_handshake_takes_two_round_trips_and_few_datagrams(void)
{
    begin(NULL);
    dtls_world_run(&world, T0 + 4 * DTLS_WORLD_LATENCY);
    T_OK(both_are(DTLS_CONNECTED));
    T_OK(world.sent[CLIENT] <= 2);
    T_OK(world.sent[SERVER] <= 2);
}

static struct dtls_fate no_larger_than_the_mtu(unsigned from, unsigned nth, const uint8_t *data,
                                               size_t n)
{
    (void)from;
    (void)nth;
    (void)data;
    T_OK(n <= DTLS_MTU);
    return (struct dtls_fate){.copies = 1};
}

static void no_datagram_is_larger_than_the_mtu(void)
{
    uint8_t data[DTLS_MTU] = {0};

    begin(no_larger_than_the_mtu);
    dtls_world_run(&world, T0 + SEC(1));
    T_OK(both_are(DTLS_CONNECTED));
    const size_t mtu = dtls_data_mtu(session[SERVER]);
    T_OK(mtu > 1100 && mtu < DTLS_MTU);
    T_EQ(dtls_send(session[SERVER], (struct span){data, mtu}), RC_OK);
    T_EQ(dtls_send(session[SERVER], (struct span){data, mtu + 1}), RC_BAD);
    T_EQ(dtls_send(session[SERVER], (struct span){data, 0}), RC_BAD);
    dtls_world_run(&world, world.now + SEC(1));
    uint8_t buf[DTLS_RECORD_MAX];
    T_EQ(dtls_receive(session[CLIENT], buf, sizeof buf), mtu);
}

static void a_full_outbox_says_so(void)
{
    const uint8_t data[1000] = {0};
    uint8_t buf[DTLS_MTU];
    int sent = 0;

    connect_both();
    while (dtls_send(session[SERVER], (struct span){data, sizeof data}) == RC_OK)
        sent++;
    T_OK(sent >= 4 && sent < 8);
    T_EQ(dtls_send(session[SERVER], (struct span){data, sizeof data}), RC_AGAIN);
    for (int i = 0; i < sent; i++)
        T_OK(dtls_poll(session[SERVER], buf, sizeof buf) > sizeof data);
    T_EQ(dtls_poll(session[SERVER], buf, sizeof buf), 0);
    T_EQ(dtls_send(session[SERVER], (struct span){data, sizeof data}), RC_OK);
}

static void a_record_longer_than_the_buffer_is_cut(void)
{
    uint8_t buf[8];

    connect_both();
    send_text(CLIENT, "a long message");
    dtls_world_run(&world, world.now + MSEC(50));
    T_EQ(dtls_receive(session[SERVER], buf, 6), 6);
    T_MEM(buf, "a long", 6);
    T_EQ(dtls_receive(session[SERVER], buf, 6), 0);
    exchange();
}

/* --- a bad link ------------------------------------------------------------------------------
 */

static unsigned lost_from, lost_nth;

static struct dtls_fate one_is_lost(unsigned from, unsigned nth, const uint8_t *data, size_t n)
{
    (void)data;
    (void)n;
    return (struct dtls_fate){.copies = !(from == lost_from && nth == lost_nth)};
}

static void any_one_lost_datagram_is_made_good_by_the_first_timer(void)
{
    for (lost_from = 0; lost_from < 2; lost_from++) {
        for (lost_nth = 0; lost_nth < 4; lost_nth++) {
            begin(one_is_lost);
            dtls_world_run(&world, T0 + 2 * DTLS_TIMER_FIRST + 8 * DTLS_WORLD_LATENCY);
            T_OK(both_are(DTLS_CONNECTED));
            world.fate = NULL;
            exchange();
        }
    }
}

static struct dtls_fate a_fifth_is_lost(unsigned from, unsigned nth, const uint8_t *data,
                                        size_t n)
{
    (void)from;
    (void)nth;
    (void)data;
    (void)n;
    return (struct dtls_fate){.copies = chance(5) != 0};
}

static struct dtls_fate everything_at_once(unsigned from, unsigned nth, const uint8_t *data,
                                           size_t n)
{
    (void)from;
    (void)nth;
    (void)data;
    (void)n;
    return (struct dtls_fate){.copies = chance(10) == 0 ? 0 : 1 + chance(3) / 2,
                              .extra = chance(4) == 0 ? MSEC(chance(150)) : 0};
}

static void connects_over(dtls_fate_fn *fate)
{
    for (unsigned round = 0; round < 40; round++) {
        begin(fate);
        seed += round * 7919u;
        dtls_world_run(&world, T0 + SEC(25));
        T_OK(both_are(DTLS_CONNECTED));
        world.fate = NULL;
        exchange();
        expect_mirrored_keys(SRTP_PROFILE_AEAD_AES_128_GCM);
    }
}

static void a_fifth_of_the_datagrams_lost_does_no_harm(void)
{
    connects_over(a_fifth_is_lost);
}

static void loss_repetition_and_reordering_together_do_no_harm(void)
{
    connects_over(everything_at_once);
}

static struct dtls_fate all_is_repeated(unsigned from, unsigned nth, const uint8_t *data,
                                        size_t n)
{
    (void)from;
    (void)nth;
    (void)data;
    (void)n;
    return (struct dtls_fate){.copies = 3};
}

static void repeated_datagrams_do_no_harm(void)
{
    begin(all_is_repeated);
    dtls_world_run(&world, T0 + SEC(1));
    T_OK(both_are(DTLS_CONNECTED));
    exchange(); /* each message once: expect_message finds no second */
}

/* --- timers ----------------------------------------------------------------------------------
 */

static usec_t sent_at[32];

static struct dtls_fate note_time_and_lose(unsigned from, unsigned nth, const uint8_t *data,
                                           size_t n)
{
    (void)from;
    (void)data;
    (void)n;
    T_OK(nth < ARRAY_LEN(sent_at));
    sent_at[nth] = world.now;
    return (struct dtls_fate){0};
}

static void retransmissions_start_at_100_ms_and_double_up_to_4_s(void)
{
    begin(note_time_and_lose);
    dtls_world_run(&world, T0 + SEC(20));

    usec_t expected = T0, step = DTLS_TIMER_FIRST;
    for (unsigned i = 0; i < 9; i++) {
        T_EQ(sent_at[i], expected);
        expected += step;
        step = step * 2 < DTLS_TIMER_MAX ? step * 2 : DTLS_TIMER_MAX;
    }
}

static void a_peer_that_never_answers_is_given_up_after_30_seconds(void)
{
    begin(note_time_and_lose);
    dtls_world_run(&world, T0 + DTLS_HANDSHAKE_LIMIT - 1);
    T_EQ(dtls_state(session[SERVER]), DTLS_HANDSHAKING);
    T_EQ(dtls_deadline(session[SERVER]), T0 + DTLS_HANDSHAKE_LIMIT);

    const uint64_t before = refusal_total(REFUSAL_DTLS_TIMEOUT);
    dtls_world_run(&world, T0 + DTLS_HANDSHAKE_LIMIT);
    T_OK(both_are(DTLS_FAILED));
    T_EQ(dtls_refusal(session[SERVER]), REFUSAL_DTLS_TIMEOUT);
    T_EQ(dtls_refusal(session[CLIENT]), REFUSAL_DTLS_TIMEOUT);
    T_OK(refusal_total(REFUSAL_DTLS_TIMEOUT) > before);
    T_EQ(dtls_deadline(session[CLIENT]), USEC_NEVER);
}

static unsigned last_flights_lost;

/* The server's last flight begins with ChangeCipherSpec (20). */
static struct dtls_fate the_last_flight_is_lost(unsigned from, unsigned nth,
                                                const uint8_t *data, size_t n)
{
    (void)nth;
    (void)n;
    if (from == SERVER && data[0] == 20 && last_flights_lost < 3) {
        last_flights_lost++;
        return (struct dtls_fate){0};
    }
    return (struct dtls_fate){.copies = 1};
}

static void a_connected_server_answers_a_repeated_finished(void)
{
    last_flights_lost = 0;
    begin(the_last_flight_is_lost);
    dtls_world_run(&world, T0 + 5 * DTLS_WORLD_LATENCY);
    T_EQ(dtls_state(session[SERVER]), DTLS_CONNECTED);
    T_EQ(dtls_state(session[CLIENT]), DTLS_HANDSHAKING);
    dtls_trim(session[SERVER]); /* which must not forget the flight */
    dtls_world_run(&world, T0 + SEC(5));
    T_EQ(last_flights_lost, 3);
    T_OK(both_are(DTLS_CONNECTED));
    exchange();
}

/* --- who is it? ------------------------------------------------------------------------------
 */

static void a_wrong_fingerprint_fails_the_handshake_at(unsigned who)
{
    struct dtls_options options[2];

    set_up(NULL);
    options[SERVER] = options_of(SERVER);
    options[CLIENT] = options_of(CLIENT);
    options[who].expected.bytes[17] ^= 1;
    begin_with(NULL, options);

    const uint64_t before = refusal_total(REFUSAL_DTLS_FINGERPRINT);
    dtls_world_run(&world, T0 + SEC(1));
    T_OK(both_are(DTLS_FAILED));
    T_EQ(dtls_refusal(session[who]), REFUSAL_DTLS_FINGERPRINT);
    T_EQ(dtls_refusal(session[!who]), REFUSAL_DTLS_FAILED); /* by the alert, not by a timer */
    T_EQ(refusal_total(REFUSAL_DTLS_FINGERPRINT), before + 1);
    struct dtls_keys keys;
    T_EQ(dtls_keys(session[who], &keys), RC_BAD);
}

static void a_client_with_another_certificate_is_refused(void)
{
    a_wrong_fingerprint_fails_the_handshake_at(SERVER);
}

static void a_server_with_another_certificate_is_refused(void)
{
    a_wrong_fingerprint_fails_the_handshake_at(CLIENT);
}

static void a_fingerprint_by_another_hash_is_checked_too(void)
{
    struct dtls_options options[2];

    set_up(NULL);
    for (unsigned who = 0; who < 2; who++) {
        options[who] = options_of(who);
        T_EQ(fingerprint_of(&options[who].expected, certificate_x509(certificate[!who]),
                            who ? FINGERPRINT_SHA384 : FINGERPRINT_SHA512),
             RC_OK);
    }
    begin_with(NULL, options);
    dtls_world_run(&world, T0 + SEC(1));
    T_OK(both_are(DTLS_CONNECTED));
}

/* --- a client that is not ours: OpenSSL's own, set up by the test
 * ------------------------------- */

struct raw_client {
    SSL_CTX *ctx;
    SSL *ssl;
    BIO_METHOD *method;
    struct datagram_bio bio;
    bool connected;
};

static void raw_input(void *self, struct span datagram, usec_t now)
{
    struct raw_client *raw = self;
    uint8_t byte;
    (void)now;

    raw->bio.in = datagram;
    if (!raw->connected)
        raw->connected = SSL_do_handshake(raw->ssl) == 1;
    else
        (void)SSL_peek(raw->ssl, &byte, 1);
    raw->bio.in = (struct span){0};
    ERR_clear_error();
}

static size_t raw_poll(void *self, uint8_t *buf, size_t capacity)
{
    struct raw_client *raw = self;

    return datagram_bio_take(&raw->bio, buf, capacity);
}

static usec_t raw_deadline(void *self)
{
    struct raw_client *raw = self;
    struct timeval left;

    if (raw->connected || DTLSv1_get_timeout(raw->ssl, &left) != 1)
        return USEC_NEVER;
    return world.now + SEC(left.tv_sec) + (usec_t)left.tv_usec + 1;
}

static void raw_tick(void *self, usec_t now)
{
    struct raw_client *raw = self;
    (void)now;

    (void)DTLSv1_handle_timeout(raw->ssl);
}

static void raw_open(struct raw_client *raw, bool with_certificate)
{
    memset(raw, 0, sizeof *raw);
    raw->ctx = SSL_CTX_new(DTLS_client_method());
    raw->method = datagram_bio_method();
    T_OK(raw->ctx && raw->method);
    if (with_certificate) {
        T_EQ(SSL_CTX_use_certificate(raw->ctx, certificate_x509(certificate[CLIENT])), 1);
        T_EQ(SSL_CTX_use_PrivateKey(raw->ctx, certificate_key(certificate[CLIENT])), 1);
    }
    SSL_CTX_set_options(raw->ctx, SSL_OP_NO_QUERY_MTU);
}

static void raw_connect(struct raw_client *raw, long mtu)
{
    raw->ssl = SSL_new(raw->ctx);
    BIO *bio = datagram_bio_open(raw->method, &raw->bio);
    T_OK(raw->ssl && bio);
    SSL_set_bio(raw->ssl, bio, bio);
    SSL_set_mtu(raw->ssl, mtu);
    SSL_set_connect_state(raw->ssl);
    T_OK(SSL_do_handshake(raw->ssl) < 0);
    world.end[CLIENT] =
        (struct dtls_world_end){raw, raw_input, raw_poll, raw_deadline, raw_tick};
}

static void raw_close(struct raw_client *raw)
{
    SSL_free(raw->ssl);
    SSL_CTX_free(raw->ctx);
    BIO_meth_free(raw->method);
    datagram_bio_clear(&raw->bio);
    ERR_clear_error();
}

/* Our server, ready for a raw client. */
static void begin_server(dtls_fate_fn *fate, bool srtp_required)
{
    set_up(fate);
    struct dtls_options options = options_of(SERVER);
    options.srtp_required = srtp_required;
    T_EQ(dtls_session_create(&session[SERVER], context[SERVER], &options, T0), RC_OK);
    world.end[SERVER] = dtls_world_session(session[SERVER]);
}

static void offers_of_a_client_end_in(const char *offer, enum dtls_state state,
                                      enum srtp_profile profile)
{
    struct raw_client raw;
    struct dtls_keys keys;

    begin_server(NULL, true);
    raw_open(&raw, true);
    if (offer)
        T_EQ(SSL_CTX_set_tlsext_use_srtp(raw.ctx, offer), 0);
    raw_connect(&raw, DTLS_MTU);
    dtls_world_run(&world, T0 + SEC(3));
    T_EQ(dtls_state(session[SERVER]), state);
    T_EQ(dtls_keys(session[SERVER], &keys), profile ? RC_OK : RC_BAD);
    if (profile)
        T_EQ(keys.profile, profile);
    raw_close(&raw);
}

static void the_profile_is_the_best_that_both_have_whatever_the_clients_order(void)
{
    offers_of_a_client_end_in("SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_256_GCM:"
                              "SRTP_AEAD_AES_128_GCM",
                              DTLS_CONNECTED, SRTP_PROFILE_AEAD_AES_128_GCM);
    offers_of_a_client_end_in("SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_256_GCM", DTLS_CONNECTED,
                              SRTP_PROFILE_AEAD_AES_256_GCM);
    offers_of_a_client_end_in("SRTP_AES128_CM_SHA1_32:SRTP_AES128_CM_SHA1_80", DTLS_CONNECTED,
                              SRTP_PROFILE_AES128_CM_SHA1_80);
}

static void no_common_profile_fails_where_srtp_is_required(void)
{
    offers_of_a_client_end_in("SRTP_AES128_CM_SHA1_32", DTLS_FAILED, SRTP_PROFILE_NONE);
    T_EQ(dtls_refusal(session[SERVER]), REFUSAL_DTLS_NO_SRTP_PROFILE);
    offers_of_a_client_end_in(NULL, DTLS_FAILED, SRTP_PROFILE_NONE);
    T_EQ(dtls_refusal(session[SERVER]), REFUSAL_DTLS_NO_SRTP_PROFILE);
}

static void data_channels_alone_need_no_profile(void)
{
    struct raw_client raw;
    struct dtls_keys keys;

    begin_server(NULL, false);
    raw_open(&raw, true);
    raw_connect(&raw, DTLS_MTU);
    dtls_world_run(&world, T0 + SEC(3));
    T_EQ(dtls_state(session[SERVER]), DTLS_CONNECTED);
    T_EQ(dtls_keys(session[SERVER], &keys), RC_BAD);
    T_EQ(SSL_write(raw.ssl, "hello", 5), 5);
    dtls_world_run(&world, T0 + SEC(4));
    expect_message(SERVER, "hello");
    raw_close(&raw);
}

static void a_client_without_a_certificate_is_refused(void)
{
    struct raw_client raw;

    begin_server(NULL, true);
    raw_open(&raw, false);
    T_EQ(SSL_CTX_set_tlsext_use_srtp(raw.ctx, srtp_profile_list()), 0);
    raw_connect(&raw, DTLS_MTU);
    dtls_world_run(&world, T0 + SEC(3));
    T_EQ(dtls_state(session[SERVER]), DTLS_FAILED);
    T_EQ(dtls_refusal(session[SERVER]), REFUSAL_DTLS_FAILED);
    raw_close(&raw);
}

static void dtls_1_0_is_refused(void)
{
    struct raw_client raw;

    begin_server(NULL, true);
    raw_open(&raw, true);
    SSL_CTX_set_security_level(raw.ctx, 0);
    T_EQ(SSL_CTX_set_min_proto_version(raw.ctx, DTLS1_VERSION), 1);
    T_EQ(SSL_CTX_set_max_proto_version(raw.ctx, DTLS1_VERSION), 1);
    raw_connect(&raw, DTLS_MTU);
    dtls_world_run(&world, T0 + SEC(3));
    T_EQ(dtls_state(session[SERVER]), DTLS_FAILED);
    raw_close(&raw);
}

static int add_big_extension(SSL *ssl, unsigned type, unsigned when, const unsigned char **data,
                             size_t *n, X509 *x509, size_t chain, int *alert, void *arg)
{
    static const unsigned char key_share[1216]; /* as large as X25519MLKEM768's */
    (void)ssl;
    (void)type;
    (void)when;
    (void)x509;
    (void)chain;
    (void)alert;
    (void)arg;

    *data = key_share;
    *n = sizeof key_share;
    return 1;
}

/* As Chromium's with post-quantum keys: 1.4 kB in two datagrams. */
static void a_fragmented_client_hello_connects(dtls_fate_fn *fate, long mtu)
{
    struct raw_client raw;

    begin_server(fate, true);
    raw_open(&raw, true);
    T_EQ(SSL_CTX_set_tlsext_use_srtp(raw.ctx, srtp_profile_list()), 0);
    T_EQ(SSL_CTX_add_custom_ext(raw.ctx, 0xff77, SSL_EXT_CLIENT_HELLO, add_big_extension, NULL,
                                NULL, NULL, NULL),
         1);
    raw_connect(&raw, mtu);
    dtls_world_run(&world, T0 + SEC(20));
    T_OK(world.sent[CLIENT] >= 3);
    T_EQ(dtls_state(session[SERVER]), DTLS_CONNECTED);
    T_OK(raw.connected);
    raw_close(&raw);
}

static struct dtls_fate first_two_change_places(unsigned from, unsigned nth,
                                                const uint8_t *data, size_t n)
{
    (void)data;
    (void)n;
    return (struct dtls_fate){.copies = 1, .extra = from == CLIENT && nth == 0 ? MSEC(5) : 0};
}

static void a_client_hello_in_fragments_is_put_together(void)
{
    a_fragmented_client_hello_connects(NULL, DTLS_MTU);
    a_fragmented_client_hello_connects(NULL, 300);
    a_fragmented_client_hello_connects(first_two_change_places, DTLS_MTU);
    a_fragmented_client_hello_connects(all_is_repeated, DTLS_MTU);
    lost_from = CLIENT;
    lost_nth = 1;
    a_fragmented_client_hello_connects(one_is_lost, DTLS_MTU);
}

/* --- hostile input ---------------------------------------------------------------------------
 */

static void noise_is_dropped_before_and_after_the_handshake(void)
{
    uint8_t noise[64];

    begin(NULL);
    for (int phase = 0; phase < 2; phase++) {
        for (int i = 0; i < 2000; i++) {
            const size_t n = chance(sizeof noise);
            for (size_t k = 0; k < n; k++)
                noise[k] = (uint8_t)chance(256);
            T_EQ(dtls_input(session[SERVER], (struct span){noise, n}, world.now), REFUSAL_NONE);
        }
        dtls_world_run(&world, world.now + SEC(1));
        T_OK(both_are(DTLS_CONNECTED));
    }
    exchange();
}

static void changed_and_replayed_records_are_dropped(void)
{
    uint8_t record[DTLS_MTU], changed[DTLS_MTU], buf[64];

    connect_both();
    send_text(CLIENT, "once");
    const size_t n = dtls_poll(session[CLIENT], record, sizeof record);
    for (size_t bit = 0; bit < 8 * n; bit++) {
        memcpy(changed, record, n);
        changed[bit / 8] ^= (uint8_t)(1u << bit % 8);
        T_EQ(dtls_input(session[SERVER], (struct span){changed, n}, world.now), REFUSAL_NONE);
        T_EQ(dtls_receive(session[SERVER], buf, sizeof buf), 0);
    }
    T_EQ(dtls_input(session[SERVER], (struct span){record, n}, world.now), REFUSAL_NONE);
    expect_message(SERVER, "once");
    T_EQ(dtls_input(session[SERVER], (struct span){record, n}, world.now), REFUSAL_NONE);
    T_EQ(dtls_receive(session[SERVER], buf, sizeof buf), 0);
    exchange();
}

/* Records that claim to be encrypted and are too short for it, of every type, to both ends. */
static void send_short_records(void)
{
    for (unsigned type = 20; type <= 26; type++) {
        for (uint8_t length = 0; length < DTLS_GCM_OVERHEAD; length++) {
            const uint8_t record[DTLS_RECORD_HEADER + DTLS_GCM_OVERHEAD] = {
                (uint8_t)type, 0xfe, 0xfd, 0, 1, 0, 0, 0, 1, (uint8_t)type, length, 0, length};
            const struct span datagram = {record, DTLS_RECORD_HEADER + length};

            for (unsigned who = 0; who < 2; who++)
                T_EQ(dtls_input(session[who], datagram, world.now), REFUSAL_NONE);
        }
    }
}

static void records_too_short_for_their_cipher_are_dropped_at_any_time(void)
{
    begin(NULL);
    for (int i = 0; i < 60; i++) { /* the handshake is over before */
        send_short_records();
        dtls_world_run(&world, world.now + MSEC(2));
    }
    T_OK(both_are(DTLS_CONNECTED));
    send_short_records();
    exchange();
}

/* --- the end
 * ---------------------------------------------------------------------------------- */

static void a_close_closes_both(void)
{
    connect_both();
    dtls_close(session[SERVER]);
    T_EQ(dtls_state(session[SERVER]), DTLS_CLOSED);
    dtls_world_run(&world, world.now + SEC(1));
    T_OK(both_are(DTLS_CLOSED));
    dtls_close(session[CLIENT]); /* harmless */
    T_EQ(dtls_send(session[CLIENT], SPAN_LITERAL("late")), RC_BAD);
    T_EQ(dtls_data_mtu(session[CLIENT]), 0);
}

static void a_close_during_the_handshake_is_harmless(void)
{
    uint8_t buf[DTLS_MTU];

    begin(NULL);
    dtls_close(session[CLIENT]);
    T_EQ(dtls_state(session[CLIENT]), DTLS_CLOSED);
    T_EQ(dtls_deadline(session[CLIENT]), USEC_NEVER);
    T_EQ(dtls_input(session[CLIENT], SPAN_LITERAL("\x16"), T0), REFUSAL_NONE);
    while (dtls_poll(session[CLIENT], buf, sizeof buf) > 0)
        continue;
}

static void a_trimmed_session_goes_on(void)
{
    connect_both();
    for (int i = 0; i < 3; i++) {
        dtls_trim(session[SERVER]);
        dtls_trim(session[CLIENT]);
        exchange();
    }
}

static void a_released_session_still_says_goodbye(void)
{
    struct dtls_keys keys;

    connect_both();
    dtls_release(session[SERVER]);
    T_OK(dtls_released(session[SERVER]));
    T_EQ(dtls_state(session[SERVER]), DTLS_CONNECTED);
    T_EQ(dtls_keys(session[SERVER], &keys), RC_BAD);
    T_EQ(dtls_send(session[SERVER], SPAN_LITERAL("x")), RC_BAD);
    send_text(CLIENT, "to nobody");
    dtls_world_run(&world, world.now + SEC(1));
    T_EQ(dtls_state(session[CLIENT]), DTLS_CONNECTED);

    dtls_close(session[SERVER]);
    dtls_world_run(&world, world.now + SEC(1));
    T_OK(both_are(DTLS_CLOSED));
    T_OK(!dtls_released(session[SERVER]));
}

/* --- memory ----------------------------------------------------------------------------------
 */

enum { MANY = 40 };

static long heap_per_session(size_t base)
{
    return ((long)mallinfo2().uordblks - (long)base) / MANY;
}

/* A server of `many`, connected by way of the world. */
static struct dtls_session *connect_one(void)
{
    begin(NULL);
    dtls_world_run(&world, T0 + SEC(1));
    T_OK(both_are(DTLS_CONNECTED));
    dtls_session_free(session[CLIENT]);
    session[CLIENT] = NULL;
    struct dtls_session *server = session[SERVER];
    session[SERVER] = NULL;
    return server;
}

static void a_released_session_costs_less_than_a_kilobyte(void)
{
    struct dtls_session *many[MANY];

    dtls_session_free(connect_one()); /* what OpenSSL allocates once */
    const size_t base = mallinfo2().uordblks;
    for (int i = 0; i < MANY; i++)
        many[i] = connect_one();
    const long connected = heap_per_session(base);
    for (int i = 0; i < MANY; i++)
        dtls_trim(many[i]);
    const long trimmed = heap_per_session(base);
    for (int i = 0; i < MANY; i++)
        dtls_release(many[i]);
    const long released = heap_per_session(base);
    for (int i = 0; i < MANY; i++)
        dtls_session_free(many[i]);
    /* A sanitizer's malloc tells nothing: all are 0 then. */
    printf("# heap per session: connected %ld, trimmed %ld, released %ld bytes\n", connected,
           trimmed, released);
    T_OK(connected < 70000);
    T_OK(trimmed < 42000);
    T_OK(released < 1024);
}

static const struct t_case cases[] = {
    T_CASE(two_ends_agree_on_gcm_and_on_mirrored_keys),
    T_CASE(a_handshake_takes_two_round_trips_and_few_datagrams),
    T_CASE(no_datagram_is_larger_than_the_mtu),
    T_CASE(a_full_outbox_says_so),
    T_CASE(a_record_longer_than_the_buffer_is_cut),
    T_CASE(any_one_lost_datagram_is_made_good_by_the_first_timer),
    T_CASE(a_fifth_of_the_datagrams_lost_does_no_harm),
    T_CASE(loss_repetition_and_reordering_together_do_no_harm),
    T_CASE(repeated_datagrams_do_no_harm),
    T_CASE(retransmissions_start_at_100_ms_and_double_up_to_4_s),
    T_CASE(a_peer_that_never_answers_is_given_up_after_30_seconds),
    T_CASE(a_connected_server_answers_a_repeated_finished),
    T_CASE(a_client_with_another_certificate_is_refused),
    T_CASE(a_server_with_another_certificate_is_refused),
    T_CASE(a_fingerprint_by_another_hash_is_checked_too),
    T_CASE(the_profile_is_the_best_that_both_have_whatever_the_clients_order),
    T_CASE(no_common_profile_fails_where_srtp_is_required),
    T_CASE(data_channels_alone_need_no_profile),
    T_CASE(a_client_without_a_certificate_is_refused),
    T_CASE(dtls_1_0_is_refused),
    T_CASE(a_client_hello_in_fragments_is_put_together),
    T_CASE(noise_is_dropped_before_and_after_the_handshake),
    T_CASE(changed_and_replayed_records_are_dropped),
    T_CASE(records_too_short_for_their_cipher_are_dropped_at_any_time),
    T_CASE(a_close_closes_both),
    T_CASE(a_close_during_the_handshake_is_harmless),
    T_CASE(a_trimmed_session_goes_on),
    T_CASE(a_released_session_still_says_goodbye),
    T_CASE(a_released_session_costs_less_than_a_kilobyte),
};
T_MAIN(cases)
