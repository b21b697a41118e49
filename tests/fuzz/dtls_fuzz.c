/*
 * Fuzzes DTLS sessions: two of ours shake hands and talk over a link on which the fuzzer loses,
 * repeats, changes, cuts and invents datagrams.
 *
 * Input: one byte of settings, then per datagram an operation byte and its arguments. When the
 * input is used up everything passes. OpenSSL's randomness is replaced, so that runs repeat.
 */
#define OPENSSL_SUPPRESS_DEPRECATED /* RAND_set_rand_method has no successor but a provider */
#include "relay/dtls.h"
#include "tests/sim/virtual_clock_lib.h"

#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#define MUST(cond) ((cond) ? (void)0 : abort()) /* active in every build, unlike assert */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SERVER, CLIENT, STRANGER, PARTIES };

static struct certificate *certificate[PARTIES];
static struct dtls_context *context[PARTIES];
static struct dtls_session *session[2];
static enum dtls_state last_state[2];
static struct span rest; /* of the fuzzer's input */
static usec_t now;
static uint64_t seed;

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

/* HANDSHAKING goes anywhere, CONNECTED to an end, an end nowhere. */
static void check_state(unsigned who)
{
    const enum dtls_state state = dtls_state(session[who]), before = last_state[who];

    MUST(before == state || before == DTLS_HANDSHAKING ||
         (before == DTLS_CONNECTED && state != DTLS_HANDSHAKING));
    MUST((state == DTLS_FAILED) == (dtls_refusal(session[who]) != REFUSAL_NONE));
    MUST(state == DTLS_HANDSHAKING || dtls_deadline(session[who]) == USEC_NEVER);
    MUST(dtls_deadline(session[who]) > now);
    last_state[who] = state;
}

/* Only what the other side said may come out. */
static void drain(unsigned who)
{
    uint8_t buf[DTLS_RECORD_MAX];
    size_t n;

    while ((n = dtls_receive(session[who], buf, sizeof buf)) > 0)
        MUST(n == 6 && memcmp(buf, who == SERVER ? "client" : "server", 6) == 0);
}

static void input(unsigned to, const uint8_t *data, size_t n)
{
    uint8_t *exact = malloc(n + 1);

    MUST(exact);
    memcpy(exact, data, n);
    (void)dtls_input(session[to], (struct span){exact, n}, now);
    free(exact);
    drain(to);
    check_state(to);
}

static size_t invent(uint8_t *buf)
{
    size_t n = next_byte();

    if (n > rest.n)
        n = rest.n;
    memcpy(buf, rest.p, n);
    rest.p += n;
    rest.n -= n;
    return n;
}

static void carry(unsigned to, uint8_t *data, size_t n)
{
    uint8_t invented[256];

    switch (next_byte() % 8) {
    case 1: /* lost */
        return;
    case 2: /* twice */
        input(to, data, n);
        break;
    case 3: /* changed */
        data[(next_byte() | (size_t)next_byte() << 8) % n] ^= next_byte();
        break;
    case 4: /* changed near the front, where the lengths are */
        data[next_byte() % (n < 32 ? n : 32)] = next_byte();
        break;
    case 5: /* cut */
        n = (next_byte() | (size_t)next_byte() << 8) % (n + 1);
        break;
    case 6: /* another one before it */
        input(to, invented, invent(invented));
        break;
    case 7: /* returned to its sender */
        input(!to, data, n);
        break;
    default:
        break;
    }
    input(to, data, n);
}

static bool exchange(void)
{
    uint8_t buf[DTLS_MTU];
    bool moved = false;
    size_t n;

    for (unsigned from = 0; from < 2; from++) {
        while ((n = dtls_poll(session[from], buf, sizeof buf)) > 0) {
            carry(!from, buf, n);
            moved = true;
        }
    }
    return moved;
}

static void let_time_go_by(void)
{
    usec_t due = now + SEC(1);

    for (unsigned who = 0; who < 2; who++) {
        if (dtls_deadline(session[who]) < due)
            due = dtls_deadline(session[who]);
    }
    now = due;
    virtual_clock_set(now);
    for (unsigned who = 0; who < 2; who++) {
        if (dtls_deadline(session[who]) <= now)
            (void)dtls_tick(session[who], now);
        check_state(who);
    }
}

static void talk(uint8_t settings)
{
    (void)dtls_send(session[CLIENT], SPAN_LITERAL("client"));
    (void)dtls_send(session[SERVER], SPAN_LITERAL("server"));
    while (exchange())
        continue;
    if (settings & 2)
        dtls_trim(session[SERVER]);
    if (settings & 4)
        dtls_release(session[SERVER]);
    (void)dtls_send(session[CLIENT], SPAN_LITERAL("client"));
    dtls_close(session[settings >> 3 & 1]);
    check_state(settings >> 3 & 1);
    while (exchange())
        continue;
}

static void begin(bool stranger)
{
    seed = 0x9e3779b97f4a7c15u;
    now = SEC(1000);
    virtual_clock_set(now);
    if (!context[0]) {
        MUST(RAND_set_rand_method(&seeded) == 1);
        for (unsigned i = 0; i < PARTIES; i++) {
            MUST(certificate_create(&certificate[i]) == RC_OK);
            MUST(dtls_context_create(&context[i], certificate[i]) == RC_OK);
        }
    }
    for (unsigned who = 0; who < 2; who++) {
        const struct dtls_options options = {
            .role = who == CLIENT ? DTLS_CLIENT : DTLS_SERVER,
            .expected = *certificate_fingerprint(certificate[!who]),
            .srtp_required = true,
        };
        MUST(dtls_session_create(&session[who],
                                 context[who == CLIENT && stranger ? STRANGER : who], &options,
                                 now) == RC_OK);
        last_state[who] = DTLS_HANDSHAKING;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dtls_keys keys[2];

    rest = (struct span){data, size};
    const uint8_t settings = next_byte();
    const bool stranger = settings & 1;

    begin(stranger);
    for (int rounds = 0; rounds < 100; rounds++) {
        if (!exchange())
            let_time_go_by();
        if (last_state[0] != DTLS_HANDSHAKING && last_state[1] != DTLS_HANDSHAKING)
            break;
    }
    MUST(!stranger || last_state[SERVER] != DTLS_CONNECTED);
    if (last_state[0] == DTLS_CONNECTED && last_state[1] == DTLS_CONNECTED) {
        MUST(dtls_keys(session[0], &keys[0]) == RC_OK &&
             dtls_keys(session[1], &keys[1]) == RC_OK);
        MUST(keys[0].profile == keys[1].profile);
        MUST(memcmp(keys[0].ours.key, keys[1].theirs.key, keys[0].ours.key_len) == 0);
    }
    talk(settings);
    for (unsigned who = 0; who < 2; who++)
        dtls_session_free(session[who]);
    return 0;
}
