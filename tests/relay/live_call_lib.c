#include "tests/relay/live_call_lib.h"

#include "core/clock.h"
#include "core/random.h"
#include "tests/t.h"

#include <event2/event.h>
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
    (void)quality;

    guest->qualities++;
}

static const struct relay_events events = {on_state, on_silence, on_quality};

/* --- sockets
 * ------------------------------------------------------------------------------------- */

static void on_send(void *arg, const uint8_t *data, size_t len)
{
    struct live_guest *guest = arg;

    if (guest->mute)
        return;
    MUST(len <= LIVE_DATAGRAM_MAX);
    struct live_datagram *kept = &guest->sent[datagram_classify((struct span){data, len})];
    memcpy(kept->bytes, data, len);
    kept->len = len;
    (void)send(guest->fd, data, len, MSG_DONTWAIT);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct live_guest *guest = arg;
    const usec_t now = loop_now(world.control);
    uint8_t bytes[2048];
    (void)what;

    for (int i = 0; i < READS_PER_WAKEUP; i++) {
        const ssize_t n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);

        if (n < 0)
            return;
        if (!guest->deaf_to_dtls ||
            datagram_classify((struct span){bytes, (size_t)n}) != DATAGRAM_DTLS)
            media_client_input(guest->client, bytes, (size_t)n, now);
    }
}

static void on_tick(struct timer *timer, void *arg, usec_t now)
{
    (void)arg;

    for (unsigned i = 0; i < world.guests; i++) {
        struct live_guest *guest = &world.guest[i];

        if (guest->client && media_client_deadline(guest->client) <= now)
            media_client_tick(guest->client, now);
    }
    MUST(timers_set(loop_timers(world.control), timer, now + TICK) == RC_OK);
}

static void open_socket(struct live_guest *guest)
{
    guest->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    MUST(guest->fd >= 0);
    MUST(connect(guest->fd, &guest->server.sa, address_len(&guest->server)) == 0);
    guest->readable = event_new(loop_base(world.control), guest->fd, EV_READ | EV_PERSIST,
                                on_readable, guest);
    MUST(guest->readable && event_add(guest->readable, NULL) == 0);
}

static void forget_client(struct live_guest *guest)
{
    if (guest->readable)
        event_free(guest->readable);
    if (guest->client)
        close(guest->fd);
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
        .video_bitrate = 300000,
        .send = on_send,
        .arg = guest,
    };
    char offer[MEDIA_CLIENT_OFFER_MAX], *answer = NULL;

    MUST(media_client_create(&guest->client, &options) == RC_OK);
    const size_t n = media_client_offer(guest->client, offer);
    MUST(relay_offer(world.relay, &guest->peer, guest, offer, n, &answer) == REFUSAL_NONE);

    /* The first check leaves with the answer: the socket has to be there, and the server's
     * address is in the answer. It is asked again when it is not. */
    guest->fd = -1;
    guest->mute = true;
    MUST(media_client_answer(guest->client, answer, clock_now(), &guest->server) == RC_OK);
    guest->mute = false;
    open_socket(guest);
    free(answer);
}

unsigned live_add(void)
{
    MUST(world.guests < LIVE_GUESTS_MAX);
    const unsigned index = world.guests++;

    world.guest[index] = (struct live_guest){.fd = -1};
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
