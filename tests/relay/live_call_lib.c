#include "tests/relay/live_call_lib.h"

#include "core/clock.h"
#include "core/listener.h"
#include "core/random.h"
#include "core/tls.h"
#include "relay/stream_frame.h"
#include "tests/t.h"

#include <event2/event.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TICK MSEC(2)
#define ENOUGH 20 /* packets, for media to flow */

/* A failure of the scaffolding is nobody's result: the program ends. */
#define MUST(cond)                                                                             \
    do {                                                                                       \
        if (!(cond)) {                                                                         \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond);                         \
            abort();                                                                           \
        }                                                                                      \
    } while (0)

enum { READS_PER_WAKEUP = 64 };

static struct live_world world;
static struct certificate *certificate;
static struct dtls_context *dtls;
static struct srtp_engine *srtp;
static struct timer tick;

/* --- what the relay tells
 * ----------------------------------------------------------------------- */

static void on_state(void *user, enum relay_peer_state state, enum refusal why)
{
    struct live_guest *guest = user;

    if (state == RELAY_PEER_CONNECTED)
        guest->connected++;
    if (state == RELAY_PEER_FAILED) {
        guest->failed++;
        guest->why = why;
    }
}

static void on_silence(void *user, bool silent)
{
    (void)user;
    (void)silent;
}

static void on_quality(void *user, const struct relay_quality *quality)
{
    struct live_guest *guest = user;

    guest->qualities++;
    guest->path = quality->path;
}

static const struct relay_events events = {on_state, on_silence, on_quality};

/* --- sockets
 * ------------------------------------------------------------------------------------- */

/* The loopback takes it at once, or the connection is gone. */
static void send_frame(struct live_guest *guest, const uint8_t *data, size_t len)
{
    uint8_t frame[STREAM_FRAME_HEAD + LIVE_DATAGRAM_MAX];
    unsigned wants;

    if (guest->silent && datagram_classify((struct span){data, len}) != DATAGRAM_STUN)
        return;
    if (guest->hung_up)
        return;
    guest->silent = false;
    store_be16(frame, (uint16_t)len);
    memcpy(frame + STREAM_FRAME_HEAD, data, len);
    const long n = stream_write(&guest->stream, frame, STREAM_FRAME_HEAD + len, &wants);
    MUST(n == (long)(STREAM_FRAME_HEAD + len) || n == RC_SYS);
}

static void on_send(void *arg, const uint8_t *data, size_t len)
{
    struct live_guest *guest = arg;

    if (guest->mute)
        return;
    MUST(len <= LIVE_DATAGRAM_MAX);
    struct live_datagram *kept = &guest->sent[datagram_classify((struct span){data, len})];
    memcpy(kept->bytes, data, len);
    kept->len = len;
    if (guest->transport == LIVE_UDP)
        (void)send(guest->stream.fd, data, len, MSG_DONTWAIT);
    else
        send_frame(guest, data, len);
}

static void hear(struct live_guest *guest, uint8_t *bytes, size_t n)
{
    const struct span span = {bytes, n};

    if (!guest->deaf_to_dtls || datagram_classify(span) != DATAGRAM_DTLS)
        media_client_input(guest->client, bytes, n, loop_now(world.control));
}

static void read_datagrams(struct live_guest *guest)
{
    uint8_t bytes[LIVE_DATAGRAM_MAX];

    for (int i = 0; i < READS_PER_WAKEUP; i++) {
        const ssize_t n = recv(guest->stream.fd, bytes, sizeof bytes, MSG_DONTWAIT);

        if (n < 0)
            return;
        hear(guest, bytes, (size_t)n);
    }
}

static void take_frames(struct live_guest *guest)
{
    struct span rest = {guest->bytes, guest->received}, packet;
    int rc;

    while ((rc = stream_frame_next(&rest, &packet)) == RC_OK)
        hear(guest, guest->bytes + (packet.p - guest->bytes), packet.n);
    MUST(rc == RC_AGAIN);
    memmove(guest->bytes, rest.p, rest.n);
    guest->received = rest.n;
}

/* How much may be read now: all that there is, or as much as a slow line would bring. */
static size_t allowance(struct live_guest *guest)
{
    const size_t room = sizeof guest->bytes - guest->received;
    const usec_t now = clock_now();

    if (!guest->read_rate)
        return room;
    guest->may_read += (now - guest->read_at) * guest->read_rate / SEC(8);
    guest->read_at = now;
    return guest->may_read < room ? guest->may_read : room;
}

static void read_frames(struct live_guest *guest)
{
    unsigned wants;

    for (;;) {
        const size_t most = allowance(guest);
        if (most == 0)
            return;
        const long n =
            stream_read(&guest->stream, guest->bytes + guest->received, most, &wants);
        if (n == RC_AGAIN) {
            guest->may_read = 0; /* an idle line saves nothing */
            return;
        }
        if (n > 0 && guest->read_rate)
            guest->may_read -= (size_t)n;
        if (n <= 0) {
            guest->hung_up = true;
            event_del(guest->readable);
            return;
        }
        guest->received += (size_t)n;
        take_frames(guest);
    }
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct live_guest *guest = arg;
    (void)fd;
    (void)what;

    if (guest->transport == LIVE_UDP)
        read_datagrams(guest);
    else
        read_frames(guest);
}

static void on_tick(struct timer *timer, void *arg, usec_t now)
{
    (void)arg;

    for (unsigned i = 0; i < world.guests; i++) {
        struct live_guest *guest = &world.guest[i];

        if (guest->client && media_client_deadline(guest->client) <= now)
            media_client_tick(guest->client, now);
        if (guest->client && guest->read_rate && !guest->hung_up)
            read_frames(guest);
    }
    MUST(timers_set(loop_timers(world.control), timer, now + TICK) == RC_OK);
}

static void begin_tls(struct live_guest *guest)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    MUST(context);
    guest->stream.tls = SSL_new(context);
    SSL_CTX_free(context);
    MUST(guest->stream.tls && SSL_set_fd(guest->stream.tls, guest->stream.fd) == 1);
    SSL_set_connect_state(guest->stream.tls);
    while (SSL_do_handshake(guest->stream.tls) != 1)
        loop_turn(world.control);
}

static void open_socket(struct live_guest *guest)
{
    const int type = guest->transport == LIVE_UDP ? SOCK_DGRAM : SOCK_STREAM;
    const struct address to =
        guest->transport == LIVE_UDP ? guest->server : listener_address(world.listener);
    const int on = 1;

    guest->stream = (struct stream){.fd = socket(AF_INET, type | SOCK_CLOEXEC, 0)};
    MUST(guest->stream.fd >= 0);
    MUST(connect(guest->stream.fd, &to.sa, address_len(&to)) == 0);
    MUST(evutil_make_socket_nonblocking(guest->stream.fd) == 0);
    if (type == SOCK_STREAM)
        (void)setsockopt(guest->stream.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (guest->transport == LIVE_TLS)
        begin_tls(guest);
    guest->hung_up = false;
    guest->silent = true;
    guest->received = 0;
    guest->readable = event_new(loop_base(world.control), guest->stream.fd,
                                EV_READ | EV_PERSIST, on_readable, guest);
    MUST(guest->readable && event_add(guest->readable, NULL) == 0);
}

void live_throttle(unsigned index, uint64_t bitrate)
{
    struct live_guest *guest = &world.guest[index];
    const int small = 4096;

    event_del(guest->readable);
    (void)setsockopt(guest->stream.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    guest->read_rate = bitrate;
    guest->read_at = clock_now();
    guest->may_read = 0;
}

void live_reconnect(unsigned index)
{
    struct live_guest *guest = &world.guest[index];

    event_free(guest->readable);
    stream_close(&guest->stream);
    guest->mute = true; /* until its handshake is done */
    open_socket(guest);
    guest->mute = false;
}

static void forget_client(struct live_guest *guest)
{
    if (guest->readable)
        event_free(guest->readable);
    if (guest->client)
        stream_close(&guest->stream);
    media_client_free(guest->client);
    guest->client = NULL;
    guest->readable = NULL;
}

/* --- guests
 * ---------------------------------------------------------------------------------------- */

static void make_client(struct live_guest *guest)
{
    const struct media_client_options options = {
        .id = ++world.clients_made, /* its offer's o= is made of it */
        .certificate = certificate,
        .dtls = dtls,
        .srtp = srtp,
        .video = CODEC_VP8,
        .video_bitrate = world.video_bitrate,
        .adapts = world.adapts,
        .records = world.records,
        .send = on_send,
        .arg = guest,
    };
    char offer[MEDIA_CLIENT_OFFER_MAX], *answer = NULL;

    MUST(media_client_create(&guest->client, &options) == RC_OK);
    const size_t n = media_client_offer(guest->client, offer);
    MUST(relay_offer(world.relay, &guest->peer, guest, offer, n, &answer) == REFUSAL_NONE);

    /* The first check leaves with the answer: the socket has to be there, and the server's
     * address is in the answer. It is asked again when it is not. */
    guest->stream.fd = -1;
    guest->transport = world.transport;
    guest->mute = true;
    MUST(media_client_answer(guest->client, answer, clock_now(), &guest->server) == RC_OK);
    open_socket(guest);
    guest->mute = false;
    free(answer);
}

unsigned live_add(void)
{
    MUST(world.guests < LIVE_GUESTS_MAX);
    const unsigned index = world.guests++;

    world.guest[index] = (struct live_guest){.stream = {.fd = -1}};
    make_client(&world.guest[index]);
    return index;
}

void live_replace(unsigned index)
{
    struct live_guest *guest = &world.guest[index];

    forget_client(guest);
    guest->connected = 0;
    make_client(guest);
}

void live_close(unsigned index)
{
    struct live_guest *guest = &world.guest[index];

    relay_peer_close(guest->peer);
    guest->peer = NULL;
}

void live_link(unsigned a, unsigned b)
{
    relay_link(world.guest[a].peer, world.guest[b].peer);
}

void live_unlink(unsigned a, unsigned b)
{
    relay_unlink(world.guest[a].peer, world.guest[b].peer);
}

void live_start_media(void)
{
    for (unsigned i = 0; i < world.guests; i++)
        if (world.guest[i].client)
            media_client_start(world.guest[i].client, clock_now());
}

/* --- the world
 * -------------------------------------------------------------------------------------- */

/* Several workers need ports in a row that nobody else has: tried until there are some. */
static int try_to_start(const struct live_options *options, char error[static RELAY_ERROR_MAX])
{
    struct relay_options o = {
        .workers = options->workers ? options->workers : 1,
        .listen_count = 1,
        .port = (uint16_t)(options->workers > 1 ? 20000 + random_u32() % 40000 : 0),
        .video_codecs = {CODEC_VP8},
        .video_codec_count = 1,
        .max_peers = options->max_peers ? options->max_peers : 100,
        .max_handshakes = options->max_handshakes ? options->max_handshakes : 100,
        .max_streams_per_ip = options->max_streams_per_ip,
    };

    MUST(address_parse(&o.listen[0], "127.0.0.1") == RC_OK);
    return relay_start(&world.relay, &o, world.control, &events, error);
}

static void make_keys(void)
{
    if (certificate)
        return;
    MUST(certificate_create(&certificate) == RC_OK);
    MUST(dtls_context_create(&dtls, certificate) == RC_OK);
    MUST(srtp_engine_create(&srtp, SRTP_ENGINE_AUTO) == RC_OK);
}

static void open_tcp_port(void)
{
    static struct listener_protocol protocol;
    struct listener_options options = {.protocols = &protocol, .protocol_count = 1};
    char error[TLS_ERROR_MAX];
    SSL_CTX *tls;

    protocol = relay_tcp_protocol(world.relay);
    MUST(address_parse(&options.at, "127.0.0.1") == RC_OK);
    MUST(listener_open(&world.listener, world.control, &options) == RC_OK);
    MUST(tls_context_self_signed(&tls, NULL, 0, error) == RC_OK);
    listener_set_tls(world.listener, tls);
    SSL_CTX_free(tls);
    const struct address at = listener_address(world.listener);
    relay_set_tcp_ports(world.relay, &(uint16_t){address_port(&at)}, 1);
}

struct live_world *live_begin(const struct live_options *options)
{
    char error[RELAY_ERROR_MAX];
    int rc = RC_SYS;

    live_end();
    make_keys();
    MUST(loop_create(&world.control, "control", options->control_mailbox) == RC_OK);
    for (int tries = 0; rc != RC_OK && tries < 50; tries++)
        rc = try_to_start(options, error);
    if (rc != RC_OK)
        fprintf(stderr, "%s\n", error);
    MUST(rc == RC_OK);
    open_tcp_port();
    world.transport = options->transport;
    world.video_bitrate = options->video_bitrate ? options->video_bitrate : 300000;
    world.adapts = options->adapts;
    world.records = options->records;
    timer_init(&tick, on_tick, NULL);
    MUST(timers_set(loop_timers(world.control), &tick, clock_now()) == RC_OK);
    return &world;
}

void live_stop_relay(void)
{
    relay_stop(world.relay);
    world.relay = NULL;
    for (unsigned i = 0; i < world.guests; i++)
        world.guest[i].peer = NULL;
}

void live_end(void)
{
    if (!world.control)
        return;
    live_stop_relay();
    listener_close(world.listener);
    for (unsigned i = 0; i < world.guests; i++)
        forget_client(&world.guest[i]);
    loop_free(world.control);
    world = (struct live_world){.relay = NULL};
}

/* --- time
 * --------------------------------------------------------------------------------------------
 */

static bool never(void)
{
    return false;
}

bool live_until(bool (*is_true)(void), usec_t patience)
{
    const usec_t end = clock_now() + patience;

    while (!is_true()) {
        if (clock_now() >= end)
            return false;
        loop_turn(world.control);
    }
    return true;
}

void live_run(usec_t duration)
{
    (void)live_until(never, duration);
}

bool live_all_connected(void)
{
    for (unsigned i = 0; i < world.guests; i++) {
        const struct live_guest *guest = &world.guest[i];

        if (guest->peer && (!media_client_connected(guest->client) || !guest->connected))
            return false;
    }
    return true;
}

/* --- looking
 * ------------------------------------------------------------------------------------------ */

uint64_t live_video_packets(unsigned guest)
{
    return media_client_video_in(world.guest[guest].client)->packets;
}

uint64_t live_audio_packets(unsigned guest)
{
    return media_client_audio_in(world.guest[guest].client)->packets;
}

static struct {
    unsigned guest[2];
    uint64_t video[2], audio[2];
} expected;

static bool media_has_come(void)
{
    for (int i = 0; i < 2; i++)
        if (live_video_packets(expected.guest[i]) < expected.video[i] ||
            live_audio_packets(expected.guest[i]) < expected.audio[i])
            return false;
    return true;
}

void live_expect_media(unsigned a, unsigned b)
{
    expected.guest[0] = a;
    expected.guest[1] = b;
    for (int i = 0; i < 2; i++) {
        expected.video[i] = live_video_packets(expected.guest[i]) + ENOUGH;
        expected.audio[i] = live_audio_packets(expected.guest[i]) + ENOUGH;
    }
    const bool flows = live_until(media_has_come, LIVE_PATIENCE);
    if (flows)
        return;
    for (int i = 0; i < 2; i++)
        printf("# guest %u: %llu video, %llu sound\n", expected.guest[i],
               (unsigned long long)live_video_packets(expected.guest[i]),
               (unsigned long long)live_audio_packets(expected.guest[i]));
    T_OK(flows);
}
