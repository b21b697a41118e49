/*
 * CPU per packet of the media core alone (relay/media.h): no kernel, no threads, virtual time.
 * 100 pairs of synthetic clients; a frame of one goes in as one batch and leaves as one, as it
 * does when clients do not tick together.
 *
 *   media_bench [PACKETS of a frame, 5 if left out] [SECONDS of the call, 10]
 *
 * Instructions instead of time, the same on every run:
 *   valgrind --tool=callgrind --collect-atstart=no --toggle-collect=forward_frame
 *            build/bench/media_bench 5 4
 */
#include "core/clock.h"
#include "relay/media.h"
#include "relay/sdp_answer.h"
#include "tests/sim/media_client_lib.h"
#include "tests/sim/virtual_clock_lib.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define USERS 200
#define DATAGRAM_MAX_LEN 1600
#define BATCH 64
#define PAYLOAD 1160

#define MUST(cond) ((cond) ? (void)0 : (fprintf(stderr, "media_bench: %s\n", #cond), exit(1)))

struct user {
    struct media_client *client;
    struct address address;
};

static struct user users[USERS];
static struct media *media;
static struct timers *timers;
static usec_t now = SEC(1000);

/* What a client has sent and the core has not seen yet. */
static uint8_t up[BATCH][DATAGRAM_MAX_LEN + 32];
static struct udp_datagram up_batch[BATCH];
static size_t up_count;
/* What the core has sent and nobody has read yet. */
static struct {
    unsigned to;
    size_t len;
    uint8_t bytes[DATAGRAM_MAX_LEN + 32];
} down[4096];
static size_t down_count;

static uint64_t forwarded_cpu, frames, packets, spread;

static uint64_t cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void client_sends(void *arg, const uint8_t *data, size_t len)
{
    const struct user *user = arg;

    MUST(up_count < BATCH && len <= DATAGRAM_MAX_LEN);
    memcpy(up[up_count], data, len);
    up_batch[up_count] =
        (struct udp_datagram){.data = up[up_count], .len = len, .from = user->address};
    up_count++;
}

static void core_sends(void *arg, const struct address *to, const struct address *local,
                       const uint8_t *data, size_t len)
{
    (void)arg;
    (void)local;
    MUST(down_count < ARRAY_LEN(down) && len <= DATAGRAM_MAX_LEN);
    down[down_count].to = address_port(to) - 1000u;
    down[down_count].len = len;
    memcpy(down[down_count++].bytes, data, len);
}

static void core_flushes(void *arg)
{
    (void)arg;
}

static void on_event(void *arg, uint64_t peer, const struct media_event *event)
{
    (void)arg;
    (void)peer;
    MUST(event->kind != MEDIA_EVENT_FAILED);
}

/* One wakeup of a worker: what is measured. Not static, so that profilers find it. */
void forward_frame(struct udp_datagram *batch, size_t count);
__attribute__((noinline)) void forward_frame(struct udp_datagram *batch, size_t count)
{
    media_input(media, batch, count, now);
    media_flush(media, now);
}

static void run_timers(void)
{
    timers_run(timers, now);
    media_flush(media, now);
}

static void deliver_up(bool measure)
{
    const size_t count = up_count;

    up_count = 0;
    if (count && !measure) {
        media_input(media, up_batch, count, now);
        media_flush(media, now);
    } else if (count) {
        const uint64_t began = cpu_ns();

        forward_frame(up_batch, count);
        forwarded_cpu += cpu_ns() - began;
        frames++;
        packets += count;
    }
}

static void deliver_down(void)
{
    for (size_t i = 0; i < down_count; i++) {
        media_client_input(users[down[i].to].client, down[i].bytes, down[i].len, now);
        deliver_up(false);
    }
    down_count = 0;
}

/* Everyone's caches are cold by the time the next frame comes, as on a busy machine. */
static void step(bool measure)
{
    now += 250;
    virtual_clock_set(now);
    if (timers_next(timers) <= now) {
        const uint64_t began = cpu_ns();
        run_timers();
        if (measure)
            spread += cpu_ns() - began;
    }
    for (unsigned i = 0; i < USERS; i++) {
        if (media_client_deadline(users[i].client) > now)
            continue;
        const uint32_t sent = media_client_video_out(users[i].client)->packets;
        media_client_tick(users[i].client, now);
        deliver_up(measure && media_client_video_out(users[i].client)->packets != sent);
        deliver_down();
    }
    deliver_down();
}

static void add(unsigned i, const struct media_client_options *base,
                const struct certificate *certificate)
{
    static struct sdp_offer offer;
    struct media_client_options options = *base;
    struct ice_credentials credentials;
    struct media_peer_options peer = {.id = i + 1,
                                      .audio_ssrc = 0x50000000u + i,
                                      .video_ssrc = 0x60000000u + i,
                                      .video_rtx_ssrc = 0x70000000u + i,
                                      .cname = "relay"};
    char text[MEDIA_CLIENT_OFFER_MAX], *answer;
    enum refusal why;

    options.id = i + 1;
    options.arg = &users[i];
    MUST(media_client_create(&users[i].client, &options) == RC_OK);
    MUST(address_parse(&users[i].address, "192.0.2.1") == RC_OK);
    address_set_port(&users[i].address, (uint16_t)(1000 + i));
    MUST(sdp_offer_parse(text, media_client_offer(users[i].client, text), &offer, &why) ==
         RC_OK);
    ice_credentials_make(&credentials);
    const struct sdp_local local = {
        .session_id = i + 1,
        .ice_ufrag = credentials.ufrag,
        .ice_pwd = credentials.pwd,
        .fingerprint = certificate_fingerprint(certificate),
        .audio_ssrc = peer.audio_ssrc,
        .video_ssrc = peer.video_ssrc,
        .video_rtx_ssrc = peer.video_rtx_ssrc,
        .cname = "relay",
        .stream_id = "s",
        .audio_track_id = "a",
        .video_track_id = "v",
        .video_codecs = {CODEC_VP8},
        .video_codec_count = 1,
    };
    MUST(sdp_answer_write(&offer, &local, NULL, &peer.negotiated, &answer, &why) == RC_OK);
    const struct sdp_negotiated *n = &peer.negotiated;
    MUST(ice_session_init(
             &peer.ice, (struct span){(const uint8_t *)n->ice_ufrag, strlen(n->ice_ufrag)},
             (struct span){(const uint8_t *)n->ice_pwd, strlen(n->ice_pwd)}, now) == RC_OK);
    ice_session_use(&peer.ice, &credentials);
    MUST(media_peer_open(media, &peer, now) == RC_OK);
    MUST(media_client_answer(users[i].client, answer, now, NULL) == RC_OK);
    free(answer);
    deliver_up(false);
    deliver_down();
}

static void connect_all(void)
{
    for (unsigned left = USERS; left > 0;) {
        step(false);
        left = 0;
        for (unsigned i = 0; i < USERS; i++)
            left += !media_client_connected(users[i].client);
    }
    for (unsigned i = 0; i < USERS; i += 2)
        media_link(media, i + 1, i + 2, now);
    media_flush(media, now);
}

int main(int argc, char **argv)
{
    const unsigned frame = argc > 1 ? (unsigned)atoi(argv[1]) : 5;
    const unsigned seconds = argc > 2 ? (unsigned)atoi(argv[2]) : 10;
    const usec_t interval = frame > 1 ? MSEC(50) : MSEC(10);
    struct certificate *certificate;
    struct dtls_context *dtls;
    struct srtp_engine *engine;

    MUST(frame >= 1 && frame <= 12 && seconds >= 1);
    MUST(certificate_create(&certificate) == RC_OK);
    MUST(dtls_context_create(&dtls, certificate) == RC_OK);
    MUST(srtp_engine_create(&engine, SRTP_ENGINE_AUTO) == RC_OK);
    MUST(timers_create(&timers) == RC_OK);
    const struct media_options options = {.dtls = dtls,
                                          .srtp = engine,
                                          .timers = timers,
                                          .max_peers = USERS,
                                          .max_handshakes = USERS};
    const struct media_output output = {.sink = {NULL, core_sends, core_flushes},
                                        .event = on_event};
    MUST(media_create(&media, &options, &output) == RC_OK);

    const struct media_client_options client = {
        .certificate = certificate,
        .dtls = dtls,
        .srtp = engine,
        .video = CODEC_VP8,
        .payload_max = PAYLOAD,
        .video_interval = interval,
        .video_bitrate = (uint32_t)(PAYLOAD * frame * 8 * (SEC(1) / interval)),
        .send = client_sends,
    };
    for (unsigned i = 0; i < USERS; i++)
        add(i, &client, certificate);
    connect_all();
    for (unsigned i = 0; i < USERS; i++) {
        now += interval / USERS;
        step(false);
        media_client_start(users[i].client, now);
        stream_sender_stop(media_client_audio_out(users[i].client));
    }
    const usec_t warm = now + SEC(2), until = warm + SEC(seconds);
    while (now < warm)
        step(false);
    while (now < until)
        step(true);
    printf("media core: %.0f ns per packet of frames of %u (%llu packets), timers %.0f ns per "
           "packet\n",
           (double)forwarded_cpu / (double)packets, frame, (unsigned long long)packets,
           (double)spread / (double)packets);
    media_free(media);
    return 0;
}
