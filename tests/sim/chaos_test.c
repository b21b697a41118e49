/*
 * Calls in which everything happens at once: four clients on one or two workers change
 * partners, addresses, ICE credentials, cameras, networks and pages at random. Whatever
 * happened, each sees one flawless stream, and in the end everyone sees and hears its partner.
 *
 *   chaos_test [part of a case's name] [SEED]     one run, and what happened in it
 */
#include "tests/sim/call_lib.h"
#include "tests/t.h"

#define CLIENTS 4
#define SEEDS 12
#define ACTS 120
#define NOBODY CLIENTS

static struct call *call;
static uint64_t seed;
static bool told; /* say what happens */
static unsigned partner[CLIENTS];
static unsigned generation[CLIENTS]; /* of the client's page */

static unsigned dice(unsigned sides)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)((seed >> 11) % sides);
}

static void tell(const char *what, unsigned who)
{
    if (told)
        printf("# %8.3f %s %u\n", (double)(call->now - CALL_T0) / 1e6, what, who);
}

static struct media_client *client(unsigned i)
{
    return call->client[i].client;
}

/* --- what must always hold --- */

static void expect_flawless_stream(const struct stream_receiver *stream, unsigned who)
{
    const char *flaw = stream_receiver_flaw(stream);

    if (flaw)
        printf("# client %u, %s: %s\n", who, stream->media == MEDIA_VIDEO ? "video" : "audio",
               flaw);
    T_OK(!flaw);
}

static void expect_flawless(unsigned who)
{
    expect_flawless_stream(media_client_video_in(client(who)), who);
    expect_flawless_stream(media_client_audio_in(client(who)), who);
    T_EQ(media_client_heard(client(who))->malformed, 0);
    T_EQ(media_client_heard(client(who))->unknown_ssrc, 0);
}

/* --- what can happen --- */

static void leave(unsigned who)
{
    const unsigned other = partner[who];

    if (other == NOBODY)
        return;
    tell("leaves its partner:", who);
    call_unlink(who, other);
    partner[who] = partner[other] = NOBODY;
}

static void pair(unsigned who, unsigned other)
{
    call_link(who, other);
    partner[who] = other;
    partner[other] = who;
}

static void meet(unsigned who)
{
    const unsigned other = (who + 1 + dice(CLIENTS - 1)) % CLIENTS;

    leave(who);
    leave(other);
    tell("meets:", who);
    tell("    ", other);
    pair(who, other);
}

static void roam(unsigned who)
{
    static uint16_t port = 6000;

    tell("roams:", who);
    address_set_port(&call->client[who].address, ++port);
}

static void restart_ice(unsigned who)
{
    tell("restarts ICE:", who);
    call_renegotiate(who, true);
}

static void renegotiate(unsigned who)
{
    tell("negotiates again:", who);
    call_renegotiate(who, false);
}

static void switch_camera(unsigned who)
{
    tell("switches its camera:", who);
    if (dice(2))
        media_client_stop(client(who));
    else
        media_client_start(client(who), call->now);
}

static void change_path(unsigned who)
{
    const struct call_path path = {
        .delay = MSEC(1 + dice(80)),
        .jitter = MSEC(dice(3) ? dice(5) : dice(40)),
        .loss = dice(3) ? 0 : dice(100),
        .duplicate = dice(4) ? 0 : dice(50),
        .bitrate = dice(4) ? 0 : 800000 + dice(2000000),
    };

    tell("has another network:", who);
    if (dice(2))
        call->client[who].up = path;
    else
        call->client[who].down = path;
}

static void black_out(unsigned who)
{
    tell("is cut off:", who);
    call->client[who].gone = true;
    call_run(MSEC(1 + dice(2500)));
    call->client[who].gone = false;
}

static void ask(unsigned who)
{
    tell("asks for a key frame:", who);
    if (media_client_connected(client(who)))
        media_client_ask_key_frame(client(who), call->now);
}

static void imitate(unsigned who)
{
    uint8_t packet[2048];
    const size_t n = call_last_srtp(who, packet, sizeof packet);

    tell("is imitated:", who);
    if (n == 0)
        return;
    packet[n - 1] ^= (uint8_t)dice(2);
    call_inject(who, NULL, packet, n);
}

static struct media_client_options options_of(unsigned who)
{
    return (struct media_client_options){
        .video = CODEC_VP8,
        .dialect = who / 2,
        .red = who == 1,
        .no_ssrc = who == 2,
        .passive = generation[who] % 3 == 2,
        .generation = generation[who],
        .first_seq = (uint16_t)dice(65536),
        .records = 60000,
    };
}

static void reload(unsigned who)
{
    tell("loads its page again:", who);
    expect_flawless(who);
    leave(who);
    generation[who]++;
    if (dice(2))
        roam(who);
    const struct media_client_options options = options_of(who);
    call_reload(who, &options);
    media_client_start(client(who), call->now);
}

static void (*const acts[])(unsigned who) = {
    meet,          meet,        meet,      leave, roam,    restart_ice, renegotiate,
    switch_camera, change_path, black_out, ask,   imitate, reload,
};

/* --- how it must end --- */

static void calm_down(void)
{
    for (unsigned i = 0; i < CLIENTS; i++)
        leave(i);
    call_paths(&(struct call_path){.loss = 0});
    call_start_all();
    for (unsigned i = 0; i < CLIENTS; i += 2)
        pair(i, i + 1);
    call_run(SEC(8));
}

static void expect_partner(const struct stream_receiver *stream, unsigned who)
{
    const uint32_t length = stream_receiver_length(stream);
    const struct stream_record *newest = length ? stream_receiver_at(stream, length - 1) : NULL;
    const unsigned other = partner[who];

    T_OK(newest && newest->received);
    T_EQ(newest->stamp.sender, (other + 1) | generation[other] << 16);
    T_OK(newest->arrived + MSEC(200) > call->now);
}

static void expect_order(void)
{
    for (unsigned i = 0; i < CLIENTS; i++) {
        T_EQ(call_events(i, MEDIA_EVENT_FAILED), 0);
        expect_flawless(i);
        expect_partner(media_client_video_in(client(i)), i);
        expect_partner(media_client_audio_in(client(i)), i);
        T_OK(media_client_heard(client(i))->rtt < SEC(1));
    }
}

static void run(unsigned workers, uint64_t number)
{
    seed = 0x9e3779b97f4a7c15u * number;
    if (told)
        printf("# seed %llu\n", (unsigned long long)number);
    call = call_begin(&(struct call_options){.workers = workers, .seed = seed + 1});
    for (unsigned i = 0; i < CLIENTS; i++) {
        generation[i] = 0;
        const struct media_client_options options = options_of(i);
        (void)call_add(i % workers, &options);
        partner[i] = NOBODY;
    }
    (void)call_connect();
    call_start_all();
    for (unsigned i = 0; i < ACTS; i++) {
        acts[dice(ARRAY_LEN(acts))](dice(CLIENTS));
        call_run(MSEC(dice(5) ? dice(400) : 0) + 1);
    }
    calm_down();
    expect_order();
}

static uint64_t first_seed = 1, last_seed = SEEDS;

static void whatever_happens_on_one_worker_streams_are_flawless(void)
{
    for (uint64_t number = first_seed; number <= last_seed; number++)
        run(1, number);
}

static void whatever_happens_on_two_workers_streams_are_flawless(void)
{
    for (uint64_t number = first_seed; number <= last_seed; number++)
        run(2, number);
}

static const struct t_case cases[] = {
    T_CASE(whatever_happens_on_one_worker_streams_are_flawless),
    T_CASE(whatever_happens_on_two_workers_streams_are_flawless),
};

int main(int argc, char **argv)
{
    if (argc > 2) {
        first_seed = last_seed = strtoull(argv[2], NULL, 0);
        told = true;
    }
    return t_run(cases, ARRAY_LEN(cases), argc, argv);
}
