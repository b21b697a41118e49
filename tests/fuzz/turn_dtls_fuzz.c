/*
 * Fuzzes turn_dtls: datagrams from anywhere, hellos with a cookie that is right, clients of
 * OpenSSL's whose datagrams are changed, and time that goes by. The limits hold, strangers make
 * no state, answers to them are short, and a session that was there before is answered in the
 * end as if nothing had been.
 *
 * Per step one byte of operation and its arguments. OpenSSL's randomness is replaced, so that
 * runs repeat.
 */
#define OPENSSL_SUPPRESS_DEPRECATED /* RAND_set_rand_method has no successor but a provider */
#include "turn/turn_dtls.h"

#include "core/tls.h"
#include "tests/turn/dtls_client_lib.h"
#include "turn/turn_hello.h"

#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#define MUST(cond) ((cond) ? (void)0 : abort()) /* active in every build, unlike assert */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SESSIONS = 6, HALF_OPEN = 3, PER_SOURCE = 4, STEPS = 200, GOOD = 0 };

static struct dtls_net net;
static SSL_CTX *tls;
static struct span rest; /* of the fuzzer's input */
static uint64_t seed;
static size_t from_good; /* messages of the client that nobody touches */

static int seeded_bytes(unsigned char *out, int n)
{
    for (int i = 0; i < n; i++) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        out[i] = (unsigned char)(seed >> 24);
    }
    return 1;
}

static int seeded_status(void)
{
    return 1;
}

static const RAND_METHOD seeded = {
    .bytes = seeded_bytes, .pseudorand = seeded_bytes, .status = seeded_status};

static uint8_t next_byte(void)
{
    if (rest.n == 0)
        return 0;
    rest.n--;
    return *rest.p++;
}

static struct span next_bytes(void)
{
    struct span bytes = {rest.p, next_byte()};

    bytes.p = rest.p;
    if (bytes.n > rest.n)
        bytes.n = rest.n;
    rest.p += bytes.n;
    rest.n -= bytes.n;
    return bytes;
}

/* --- the server
 * ------------------------------------------------------------------------------- */

static int on_message(void *arg, const struct turn_client *from, struct span message,
                      usec_t now)
{
    MUST(arg == &net && now == net.now && from->transport == TURN_DTLS);
    MUST(turn_dtls_knows(net.dtls, &from->remote, &from->local));
    from_good += address_equal(&from->remote, &net.client[GOOD].address);
    if (message.n % 7 == 6)
        turn_dtls_close_client(net.dtls, from, now);
    else
        turn_dtls_to_client(net.dtls, from, SPAN_LITERAL("re: "), message, 0);
    return RC_OK;
}

static void on_gone(void *arg, const struct turn_client *client, usec_t now)
{
    MUST(arg == &net && now == net.now);
    MUST(!address_equal(&client->remote, &net.client[GOOD].address));
}

/* By its port, so that some stay and some go. */
static bool has_allocation(void *arg, const struct turn_client *client)
{
    (void)arg;
    return address_port(&client->remote) % 2 == 0;
}

/* --- what happens to it
 * ----------------------------------------------------------------------- */

static struct address stranger(void)
{
    struct address from;

    MUST(address_parse(&from, "203.0.113.1:1000") == RC_OK);
    from.v4.sin_addr.s_addr ^= (uint32_t)(next_byte() % 4) << 24;
    address_set_port(&from, (uint16_t)(1000 + next_byte() % 4));
    return from;
}

static void inject_anything(void)
{
    /* From the good client's address as well: whatever it is, it is not authentic. */
    const bool forged = next_byte() % 2;
    const struct address from = forged ? net.client[GOOD].address : stranger();
    const size_t strays = net.strays;
    const uint32_t sessions = turn_dtls_sessions(net.dtls);

    dtls_net_inject(&net, &from, next_bytes());
    if (sessions == 1) /* only the good one: strangers are answered by a cookie or not at all */
        MUST(net.strays == strays || net.stray_n == TURN_HELLO_VERIFY_BYTES);
    MUST(turn_dtls_sessions(net.dtls) <= sessions);
}

/* The fuzzer's ClientHello, in a frame that is right, with the cookie that the server gives for
 * it. */
static void inject_hello(void)
{
    const struct address from = stranger();
    const struct span tail = next_bytes();
    uint8_t bytes[13 + 12 + 35 + 1 + TURN_COOKIE_BYTES + 256] = {0}, *p;

    for (unsigned round = 0; round < 2; round++) {
        p = bytes + 25;
        store_be16(p, 0xfefd);
        memset(p + 2, 0x5a, 32);
        p[34] = 0;
        p += 35;
        *p++ = round ? TURN_COOKIE_BYTES : 0;
        if (round) {
            if (net.stray_n != TURN_HELLO_VERIFY_BYTES)
                return;
            memcpy(p, net.stray + 28, TURN_COOKIE_BYTES);
            p += TURN_COOKIE_BYTES;
        }
        if (tail.n > 0)
            memcpy(p, tail.p, tail.n);
        p += tail.n;
        const uint32_t n = (uint32_t)(p - bytes - 25);
        memcpy(bytes, "\x16\xfe\xff", 3);
        bytes[10] = (uint8_t)round;
        store_be16(bytes + 11, (uint16_t)(n + 12));
        bytes[13] = 1;
        store_be24(bytes + 14, n);
        store_be16(bytes + 17, (uint16_t)round);
        store_be24(bytes + 22, n);
        net.stray_n = 0;
        dtls_net_inject(&net, &from, (struct span){bytes, (size_t)(p - bytes)});
    }
}

/* One of OpenSSL's clients begins anew; a third of them is forgotten half-way. */
static void begin_client(void)
{
    const unsigned slot = 1 + next_byte() % 4;

    dtls_net_client(&net, slot, 1 + slot, 1000u + next_byte() % 4);
}

static void change_datagram(void)
{
    struct dtls_client *client = &net.client[1 + next_byte() % 4];
    uint8_t bytes[2048];

    if (!client->ssl)
        return;
    size_t n = datagram_bio_take(&client->bio, bytes, sizeof bytes);
    if (n == 0)
        return;
    bytes[(next_byte() | (size_t)next_byte() << 8) % n] ^= next_byte();
    if (next_byte() % 4 == 0)
        n = next_byte() % n;
    dtls_net_inject(&net, &client->address, (struct span){bytes, n});
}

static void say(void)
{
    struct dtls_client *client = &net.client[1 + next_byte() % 4];
    const struct span message = next_bytes();

    if (client->ssl && client->connected && !client->closed && message.n > 0)
        dtls_client_say(&net, client, message);
}

static void step(void)
{
    switch (next_byte() % 7) {
    case 0:
        inject_anything();
        break;
    case 1:
        inject_hello();
        break;
    case 2:
        begin_client();
        break;
    case 3:
        change_datagram();
        break;
    case 4:
        dtls_net_settle(&net);
        break;
    case 5:
        say();
        break;
    default:
        dtls_net_run(&net, net.now + MSEC(200) * next_byte());
    }
    MUST(turn_dtls_sessions(net.dtls) <= SESSIONS);
    MUST(counter_get(&turn_dtls_stats(net.dtls)->half_open) <= HALF_OPEN);
}

static void good_client_is_answered(void)
{
    struct dtls_client *client = &net.client[GOOD];
    const size_t received = client->received, messages = from_good;

    dtls_client_say(&net, client, SPAN_LITERAL("hello"));
    MUST(client->received == received + 1 && from_good == messages + 1);
    MUST(client->last_n == 9 && memcmp(client->last, "re: hello", 9) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char error[TLS_ERROR_MAX];

    seed = 0x9e3779b97f4a7c15u;
    from_good = 0;
    if (!tls) {
        MUST(RAND_set_rand_method(&seeded) == 1);
        MUST(tls_context_self_signed(&tls, NULL, 0, error) == RC_OK);
    }
    rest = (struct span){data, size};
    dtls_net_open(&net, SEC(1000));
    const struct turn_dtls_options options = {
        .timers = net.timers,
        .user = {&net, dtls_net_send, on_message, NULL, on_gone, has_allocation},
        .max_sessions = SESSIONS,
        .max_half_open = HALF_OPEN,
        .max_per_source = PER_SOURCE,
    };
    MUST(turn_dtls_create(&net.dtls, &options, tls, net.now) == RC_OK);
    dtls_net_client(&net, GOOD, 1, 1000);
    dtls_net_settle(&net);
    good_client_is_answered();
    for (int i = 0; i < STEPS && rest.n > 0; i++)
        step();
    good_client_is_answered();
    turn_dtls_free(net.dtls);
    dtls_net_close(&net);
    return 0;
}
