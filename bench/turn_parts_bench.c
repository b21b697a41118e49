/*
 * What the parts of the TURN server cost that need no server: the codec, in nanoseconds of CPU
 * per call, and what a client over TCP or DTLS takes of the heap. Sockets and the kernel are
 * not in it.
 *
 *     build/bench/turn_parts_bench [calls per figure]
 */
#include "core/tls.h"
#include "tests/turn/dtls_client_lib.h"
#include "tests/turn/stun_vectors_lib.h"
#include "turn/stun_message.h"
#include "turn/turn_stream.h"
#include "turn/turn_tcp_connection.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { DEFAULT_CALLS = 200000, PAYLOAD = 1200, STREAM = 14000 };

#define ID ((const uint8_t *)"abcdefghijkl")

static uint8_t bytes[4096], stream_bytes[STREAM];
static struct stun_key key;
static struct stun_message parsed;
static struct span send_indication, signed_request, request_with_fingerprint, channel_data;
static size_t sink; /* so that nothing is optimized away */

static double cpu_ns(void)
{
    struct timespec at;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at);
    return (double)at.tv_sec * 1e9 + (double)at.tv_nsec;
}

static void must(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "%s\n", what);
    exit(EXIT_FAILURE);
}

/* --- the codec
 * -------------------------------------------------------------------------------- */

static struct span keep(const struct stun_builder *b, size_t n)
{
    uint8_t *copy = malloc(n);

    must(n > 0 && copy, "a message");
    memcpy(copy, b->p, n);
    return (struct span){copy, n};
}

static void make_messages(void)
{
    static const uint8_t payload[PAYLOAD];
    struct stun_builder b;
    struct address peer;

    address_parse(&peer, "192.0.2.1:4000");
    stun_key_long_term(&key, STUN_PASSWORD_MD5, SPAN_LITERAL("user"),
                       SPAN_LITERAL("example.org"), SPAN_LITERAL("password"));
    stun_begin(&b, bytes, sizeof bytes, STUN_INDICATION, STUN_SEND, ID);
    stun_put_address(&b, STUN_ATTR_XOR_PEER_ADDRESS, &peer);
    stun_put(&b, STUN_ATTR_DATA, payload, sizeof payload);
    send_indication = keep(&b, stun_finish(&b, false));

    stun_begin(&b, bytes, sizeof bytes, STUN_REQUEST, STUN_CREATE_PERMISSION, ID);
    stun_put_address(&b, STUN_ATTR_XOR_PEER_ADDRESS, &peer);
    stun_put(&b, STUN_ATTR_USERNAME, "1700000000:user", 15);
    stun_put(&b, STUN_ATTR_REALM, "example.org", 11);
    stun_put(&b, STUN_ATTR_NONCE, "obMatJos2AAAC0123456789abcdef0123456789abcdef", 45);
    stun_put_integrity(&b, &key, STUN_INTEGRITY_SHA1);
    signed_request = keep(&b, stun_finish(&b, false));
    request_with_fingerprint = keep(&b, stun_finish(&b, true));

    stun_channel_write(bytes, 0x4000, PAYLOAD);
    memset(bytes + STUN_CHANNEL_HEADER, 0, PAYLOAD);
    b.p = bytes;
    channel_data = keep(&b, STUN_CHANNEL_HEADER + PAYLOAD);
    for (size_t at = 0; at + channel_data.n <= STREAM; at += channel_data.n)
        memcpy(stream_bytes + at, channel_data.p, channel_data.n);
}

static void read_send(void)
{
    must(stun_read(&parsed, send_indication) == RC_OK, "Send");
    sink += stun_get(&parsed, STUN_HAS_DATA).n;
}

static void read_send_and_peer(void)
{
    struct address peer;

    read_send();
    must(stun_get_peer(&parsed, 0, &peer) == RC_OK, "peer");
    sink += address_port(&peer);
}

static void read_channel(void)
{
    uint16_t channel;
    struct span data;
    size_t total;

    must(stun_channel_read(channel_data, false, &channel, &data, &total) == RC_OK, "channel");
    sink += channel + data.n;
}

static void read_request(void)
{
    must(stun_read(&parsed, signed_request) == RC_OK, "request");
}

static void read_fingerprint(void)
{
    must(stun_read(&parsed, request_with_fingerprint) == RC_OK, "FINGERPRINT");
}

static void verify_sha1(void)
{
    must(stun_verify(&parsed, &key, STUN_INTEGRITY_SHA1), "integrity");
}

static void mac_sha256(void)
{
    uint8_t mac[STUN_SHA256_BYTES];

    sink +=
        stun_mac(mac, &key, STUN_INTEGRITY_SHA256, signed_request.p, signed_request.n - 24, 32);
    sink += mac[0];
}

static void make_key(void)
{
    struct stun_key made;

    stun_key_long_term(&made, STUN_PASSWORD_MD5, SPAN_LITERAL("1700000000:user"),
                       SPAN_LITERAL("example.org"),
                       SPAN_LITERAL("0123456789abcdefghijklmnopq="));
    sink += made.sha1_inner[0];
}

static void build_success(void)
{
    uint8_t out[128];
    struct stun_builder b;

    stun_begin(&b, out, sizeof out, STUN_SUCCESS, STUN_CREATE_PERMISSION, ID);
    stun_put_integrity(&b, &key, STUN_INTEGRITY_SHA1);
    sink += stun_finish(&b, true);
}

static void build_data_head(void)
{
    uint8_t out[64];
    struct stun_builder b;
    struct address peer;
    size_t tail;

    must(stun_get_peer(&parsed, 0, &peer) == RC_OK, "peer");
    stun_begin(&b, out, sizeof out, STUN_INDICATION, STUN_DATA, ID);
    stun_put_address(&b, STUN_ATTR_XOR_PEER_ADDRESS, &peer);
    sink += stun_finish_data(&b, PAYLOAD, &tail);
}

static void cut_stream(void)
{
    struct turn_stream stream = {0};
    struct span rest = {stream_bytes, STREAM - STREAM % channel_data.n}, message;

    while (turn_stream_next(&stream, TURN_STREAM_MESSAGE_MAX, &rest, &message) == RC_OK)
        sink += message.n;
}

static void measure(const char *what, void (*call)(void), long calls, double per_call)
{
    for (long i = 0; i < calls / 10; i++)
        call();
    const double start = cpu_ns();
    for (long i = 0; i < calls; i++)
        call();
    printf("  %-58s %7.1f ns\n", what, (cpu_ns() - start) / (double)calls / per_call);
}

static void codec(long calls)
{
    make_messages();
    printf("CPU per call, caches warm:\n");
    measure("read a Send indication of 1200 bytes", read_send, calls, 1);
    measure("the same, with its peer's address", read_send_and_peer, calls, 1);
    measure("head of a Data indication to an IPv4 peer", build_data_head, calls, 1);
    measure("read ChannelData", read_channel, calls, 1);
    measure("cut ChannelData of 1200 bytes out of a stream, each", cut_stream, calls / 10,
            STREAM / (STUN_CHANNEL_HEADER + PAYLOAD));
    measure("read a CreatePermission (5 attributes)", read_request, calls, 1);
    measure("the same, with FINGERPRINT", read_fingerprint, calls, 1);
    measure("verify its MESSAGE-INTEGRITY (156 bytes)", verify_sha1, calls, 1);
    measure("the same with SHA-256", mac_sha256, calls, 1);
    measure("build a success response with integrity and FINGERPRINT", build_success, calls, 1);
    measure("key of a long-term credential, with its padded states", make_key, calls, 1);
}

/* --- clients
 * ---------------------------------------------------------------------------------- */

static int no_message(void *arg, const struct turn_client *from, struct span message,
                      usec_t now)
{
    (void)arg;
    (void)from;
    (void)now;
    sink += message.n;
    return RC_OK;
}

static void no_end(void *arg, const struct turn_client *client, usec_t now)
{
    (void)arg;
    (void)client;
    (void)now;
}

static bool always(void *arg, const struct turn_client *client)
{
    (void)arg;
    (void)client;
    return true;
}

static void dtls(void)
{
    static struct dtls_net net;
    char error[TLS_ERROR_MAX];
    SSL_CTX *tls;
    size_t server_side = 0;
    double cpu = 0;

    must(tls_context_self_signed(&tls, NULL, 0, error) == RC_OK, "certificate");
    dtls_net_open(&net, SEC(1000));
    const struct turn_dtls_options options = {
        .timers = net.timers,
        .user = {&net, dtls_net_send, no_message, NULL, no_end, always},
    };
    must(turn_dtls_create(&net.dtls, &options, tls, net.now) == RC_OK, "turn_dtls");
    for (unsigned i = 0; i < DTLS_CLIENTS; i++) {
        const double start = cpu_ns();
        dtls_net_client(&net, i, 1 + i, 1000);
        dtls_net_settle(&net);
        cpu += cpu_ns() - start;
        must(net.client[i].connected, "handshake");
    }
    printf("DTLS, %u clients:\n", turn_dtls_sessions(net.dtls));
    printf("  %-58s %7.1f us\n", "CPU per handshake, both ends",
           cpu / 1e3 / turn_dtls_sessions(net.dtls));
    const size_t before = mallinfo2().uordblks;
    const uint32_t count = turn_dtls_sessions(net.dtls);
    turn_dtls_free(net.dtls);
    server_side = before - mallinfo2().uordblks;
    printf("  %-58s %7.1f kB\n", "heap per connected session",
           (double)server_side / count / 1e3);
    dtls_net_close(&net);
    SSL_CTX_free(tls);
}

int main(int argc, char **argv)
{
    const long calls = argc > 1 ? atol(argv[1]) : DEFAULT_CALLS;

    codec(calls > 10 ? calls : DEFAULT_CALLS);
    dtls();
    printf("TCP and TLS:\n  %-58s %7zu bytes\n",
           "of ours per connection, libevent and OpenSSL aside",
           sizeof(struct turn_tcp_connection));
    return sink == 0;
}
