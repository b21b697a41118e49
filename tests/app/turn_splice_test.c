/* The splice, whole: synthetic WebRTC clients behind TURN whose peer is this server's own
 * media; on one thread and across threads, over UDP and TCP, with relay ports and without. */
#include "tests/t.h"
#include "core/clock.h"
#include "core/metrics.h"
#include "core/random.h"
#include "tests/app/turn_client_lib.h"
#include "tests/sim/media_client_lib.h"

#include <stdio.h>

enum { GUESTS_MAX = 4, ENOUGH = 20 };
#define PATIENCE SEC(20) /* a machine under ThreadSanitizer and load */
#define TICK MSEC(2)

struct guest {
    struct media_client *client;  /* owned */
    struct turn_client_lib *turn; /* owned */
    struct relay_peer *peer;
    bool bound;
    unsigned connected, failed;
};

static struct {
    struct loop *control;
    struct relay *relay;
    struct turn_host *host;
    struct listener *listener;
    struct listener_protocol protocol;
    struct timer tick;
    struct guest guest[GUESTS_MAX];
    unsigned guests;
    struct certificate *certificate;
    struct dtls_context *dtls;
    struct srtp_engine *srtp;
} world;

struct scene {
    const char *what;
    unsigned workers;
    bool none, tcp; /* relay-ports = none; the clients speak TCP */
};

/* --- clients ----------------------------------------------------------------------------- */

static void on_send(void *arg, const uint8_t *data, size_t len)
{
    const struct guest *guest = arg;

    if (guest->bound)
        turn_client_send(guest->turn, data, len);
}

static void on_data(void *arg, uint8_t *bytes, size_t n)
{
    const struct guest *guest = arg;

    media_client_input(guest->client, bytes, n, loop_now(world.control));
}

static void on_tick(struct timer *timer, void *arg, usec_t now)
{
    (void)arg;
    for (unsigned i = 0; i < world.guests; i++) {
        struct guest *guest = &world.guest[i];

        turn_client_read(guest->turn, on_data, guest);
        if (guest->bound && media_client_deadline(guest->client) <= now)
            media_client_tick(guest->client, now);
    }
    T_EQ(timers_set(loop_timers(world.control), timer, now + TICK), RC_OK);
}

static bool until(bool (*is_true)(void))
{
    const usec_t end = clock_now() + PATIENCE;

    while (!is_true()) {
        if (clock_now() >= end)
            return false;
        loop_turn(world.control);
    }
    return true;
}

static const struct guest *asking;
static unsigned code;

static bool is_answered(void)
{
    return turn_client_answer(asking->turn, &code);
}

/* 0, or the error's code. */
static unsigned ask(struct guest *guest, enum turn_client_ask what, const struct address *peer)
{
    asking = guest;
    turn_client_ask(guest->turn, what, peer);
    T_OK(until(is_answered));
    return code;
}

/* With an allocation, and a channel to the media of its answer. */
static void add_guest(bool tcp)
{
    struct guest *guest = &world.guest[world.guests++];
    const struct media_client_options options = {
        .id = world.guests,
        .certificate = world.certificate,
        .dtls = world.dtls,
        .srtp = world.srtp,
        .video = CODEC_VP8,
        .video_bitrate = 300000,
        .send = on_send,
        .arg = guest,
    };
    char offer[MEDIA_CLIENT_OFFER_MAX], *answer = NULL;
    const struct address server =
        tcp ? listener_address(world.listener) : relay_address(world.relay);
    struct address media;

    *guest = (struct guest){.turn = turn_client_open(&server, tcp)};
    T_EQ(media_client_create(&guest->client, &options), RC_OK);
    const size_t n = media_client_offer(guest->client, offer);
    T_EQ(relay_offer(world.relay, &guest->peer, guest, offer, n, &answer), REFUSAL_NONE);
    T_EQ(media_client_answer(guest->client, answer, clock_now(), &media), RC_OK);
    free(answer);
    T_EQ(ask(guest, TURN_CLIENT_NONCE, NULL), 0);
    T_EQ(ask(guest, TURN_CLIENT_ALLOCATE, NULL), 0);
    T_EQ(ask(guest, TURN_CLIENT_BIND, &media), 0);
    guest->bound = true;
}

/* --- the server -------------------------------------------------------------------------- */

static void on_state(void *user, enum relay_peer_state state, enum refusal why)
{
    struct guest *guest = user;
    (void)why;

    guest->connected += state == RELAY_PEER_CONNECTED;
    guest->failed += state == RELAY_PEER_FAILED;
}

static void on_silence(void *user, bool silent)
{
    (void)user;
    (void)silent;
}

static void on_quality(void *user, const struct relay_quality *quality)
{
    (void)user;
    (void)quality;
}

static const struct relay_events events = {on_state, on_silence, on_quality};

static int try_to_start(const struct scene *scene)
{
    struct relay_options media = {
        .workers = scene->workers,
        .listen_count = 1,
        /* Several workers need ports in a row that nobody else has. */
        .port = (uint16_t)(scene->workers > 1 ? 20000 + random_u32() % 40000 : 0),
        .video_codecs = {CODEC_VP8},
        .video_codec_count = 1,
        .max_peers = 100,
        .max_handshakes = 100,
    };
    char error[RELAY_ERROR_MAX];

    T_EQ(address_parse(&media.listen[0], "127.0.0.1"), RC_OK);
    world.host = turn_client_host(world.control, &media, scene->none);
    const int rc = relay_start(&world.relay, &media, world.control, &events, error);
    if (rc != RC_OK)
        turn_client_host_free(world.host);
    return rc;
}

static void begin(const struct scene *scene)
{
    struct listener_options options = {.protocols = &world.protocol, .protocol_count = 1};
    int rc = RC_SYS;

    printf("    %s\n", scene->what);
    memset(&world, 0, sizeof world);
    T_EQ(certificate_create(&world.certificate), RC_OK);
    T_EQ(dtls_context_create(&world.dtls, world.certificate), RC_OK);
    T_EQ(srtp_engine_create(&world.srtp, SRTP_ENGINE_AUTO), RC_OK);
    T_EQ(loop_create(&world.control, "control", 0), RC_OK);
    for (int tries = 0; rc != RC_OK && tries < 50; tries++)
        rc = try_to_start(scene);
    T_EQ(rc, RC_OK);
    world.protocol = turn_client_host_streams(world.host);
    T_EQ(address_parse(&options.at, "127.0.0.1"), RC_OK);
    T_EQ(listener_open(&world.listener, world.control, &options), RC_OK);
    timer_init(&world.tick, on_tick, NULL);
    T_EQ(timers_set(loop_timers(world.control), &world.tick, 1), RC_OK);
}

static void end(void)
{
    turn_client_host_stop(world.host);
    relay_stop(world.relay);
    turn_client_host_free(world.host);
    listener_close(world.listener);
    for (unsigned i = 0; i < world.guests; i++) {
        media_client_free(world.guest[i].client);
        turn_client_close(world.guest[i].turn);
    }
    loop_free(world.control);
    srtp_engine_free(world.srtp);
    dtls_context_free(world.dtls);
    certificate_free(world.certificate);
}

/* What /metrics says: the sum over all threads. */
static double metric(const char *name)
{
    char *page = metrics_write(), line[128];
    double value = -1;

    T_OK(page != NULL);
    snprintf(line, sizeof line, "\n%s ", name);
    const char *at = strstr(page, line);
    if (at)
        value = atof(at + strlen(line));
    free(page);
    return value;
}

/* --- the cases --------------------------------------------------------------------------- */

static bool all_connected(void)
{
    for (unsigned i = 0; i < world.guests; i++)
        if (!world.guest[i].connected || !media_client_connected(world.guest[i].client))
            return false;
    return true;
}

static struct {
    uint64_t video[2], audio[2];
} expected;

static bool media_has_come(void)
{
    for (int i = 0; i < 2; i++)
        if (media_client_video_in(world.guest[i].client)->packets < expected.video[i] ||
            media_client_audio_in(world.guest[i].client)->packets < expected.audio[i])
            return false;
    return true;
}

static void expect_media(void)
{
    for (int i = 0; i < 2; i++) {
        expected.video[i] = media_client_video_in(world.guest[i].client)->packets + ENOUGH;
        expected.audio[i] = media_client_audio_in(world.guest[i].client)->packets + ENOUGH;
    }
    T_OK(until(media_has_come));
}

static void begin_call(const struct scene *scene)
{
    begin(scene);
    add_guest(scene->tcp);
    add_guest(scene->tcp);
    T_OK(until(all_connected));
    for (int i = 0; i < 2; i++)
        media_client_start(world.guest[i].client, clock_now());
    relay_link(world.guest[0].peer, world.guest[1].peer);
    expect_media();
}

static const struct scene scenes[] = {
    {"one worker", 1, false, false},
    {"three workers", 3, false, false},
    {"one worker, no relay ports", 1, true, false},
    {"three workers, no relay ports", 3, true, false},
    {"one worker, clients over TCP", 1, false, true},
    {"three workers, clients over TCP, no relay ports", 3, true, true},
};

static void people_behind_turn_see_each_other_without_a_relay_socket(void)
{
    for (size_t i = 0; i < ARRAY_LEN(scenes); i++) {
        begin_call(&scenes[i]);
        T_OK(metric("turn_spliced_packets") > 2 * ENOUGH);
        T_EQ(metric("meetopia_splice_lost_total"), 0);
        T_EQ(metric("turn_relay_sockets"), scenes[i].none ? -1 : 2);
        if (!scenes[i].none) {
            T_EQ(metric("turn_relay_packets_total{direction=\"in\"}"), 0);
            T_EQ(metric("turn_relay_packets_total{direction=\"out\"}"), 0);
        }
        for (int k = 0; k < 2; k++) {
            const struct media_client_heard *heard = media_client_heard(world.guest[k].client);

            T_EQ(heard->unauthentic, 0);
            T_EQ(heard->malformed, 0);
            T_EQ(heard->unknown_ssrc, 0);
            T_EQ(world.guest[k].failed, 0);
            T_EQ(media_client_video_in(world.guest[k].client)->broken, 0);
        }
        end();
    }
}

static bool first_heard_the_end(void)
{
    return media_client_heard(world.guest[0].client)->closed;
}

static void a_peer_that_is_closed_says_so_through_turn(void)
{
    for (size_t i = 0; i < ARRAY_LEN(scenes); i++) {
        begin_call(&scenes[i]);
        relay_peer_close(world.guest[0].peer);
        T_OK(until(first_heard_the_end));
        end();
    }
}

static unsigned rounds;

static bool some_time_is_over(void)
{
    return ++rounds > 100;
}

static void an_allocation_that_ends_in_the_middle_hurts_nobody(void)
{
    for (size_t i = 0; i < ARRAY_LEN(scenes); i++) {
        begin_call(&scenes[i]);
        T_EQ(ask(&world.guest[0], TURN_CLIENT_END, NULL), 0);
        rounds = 0;
        T_OK(until(some_time_is_over)); /* both media and client go on for a while */
        /* It comes back, with another address. */
        T_EQ(ask(&world.guest[0], TURN_CLIENT_ALLOCATE, NULL), 0);
        rounds = 0;
        T_OK(until(some_time_is_over));
        end();
    }
}

static void without_relay_ports_nobody_else_can_be_reached(void)
{
    struct address stranger;

    begin(&scenes[2]);
    add_guest(false);
    T_EQ(address_parse(&stranger, "8.8.8.8:53"), RC_OK);
    T_EQ(ask(&world.guest[0], TURN_CLIENT_PERMIT, &stranger), 403);
    T_EQ(metric("turn_relay_sockets"), -1);
    end();
}

static const struct t_case cases[] = {
    T_CASE(people_behind_turn_see_each_other_without_a_relay_socket),
    T_CASE(a_peer_that_is_closed_says_so_through_turn),
    T_CASE(an_allocation_that_ends_in_the_middle_hurts_nobody),
    T_CASE(without_relay_ports_nobody_else_can_be_reached),
};
T_MAIN(cases)
