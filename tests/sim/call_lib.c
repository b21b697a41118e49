#include "tests/sim/call_lib.h"

#include "relay/sdp_answer.h"
#include "relay/stream_address.h"
#include "tests/sim/virtual_clock_lib.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLIGHT_MAX 1600
#define SLACK 32
#define BATCH_MAX 64
#define ARRIVED_MAX 4096 /* datagrams of one microsecond */
#define DELAY_DEFAULT MSEC(10)
#define QUEUE_DEFAULT MSEC(300)
#define SEED 0x9e3779b97f4a7c15u
#define MUST(cond)                                                                             \
    ((cond) ? (void)0 : (printf("# %s:%d: %s\n", __FILE__, __LINE__, #cond), abort()))

/* A datagram, or a message between workers, under way. */
struct flight {
    struct timer timer;
    uint64_t order; /* what arrives at one time arrives in the order of sending */
    bool up;        /* to a media core */
    unsigned client;
    unsigned worker;
    uint64_t to; /* of a message: the peer */
    bool is_remote;
    struct media_remote remote;
    struct address from;
    size_t len;
    uint8_t bytes[FLIGHT_MAX + SLACK];
};

static struct {
    struct call call;
    bool begun;
    unsigned tcp;
    usec_t pace; /* when a leg that waits is looked after again */
    struct timers *network;
    struct certificate *certificate[2]; /* server, clients; made once */
    struct dtls_context *dtls[2];
    struct srtp_engine *srtp[2];
    uint64_t random;
    size_t last_srtp_len[CALL_CLIENTS_MAX];
    uint8_t last_srtp[CALL_CLIENTS_MAX][FLIGHT_MAX];
    uint64_t order;
    size_t arrived_count;
    struct flight *arrived[ARRIVED_MAX];
    size_t batch_count[2];
    struct flight *batch[2][BATCH_MAX];
} world;

static uint64_t next_random(void)
{
    world.random ^= world.random << 13;
    world.random ^= world.random >> 7;
    world.random ^= world.random << 17;
    return world.random >> 11;
}

static bool chance(unsigned per_mille)
{
    return per_mille && next_random() % 1000 < per_mille;
}

/* --- the network --- */

static void deliver_batch(unsigned worker)
{
    struct udp_datagram batch[BATCH_MAX];
    const size_t n = world.batch_count[worker];

    if (!n)
        return;
    for (size_t i = 0; i < n; i++) {
        struct flight *flight = world.batch[worker][i];

        batch[i] = (struct udp_datagram){
            .data = flight->bytes, .len = flight->len, .from = flight->from};
    }
    world.batch_count[worker] = 0;
    media_input(world.call.media[worker], batch, n, world.call.now);
    for (size_t i = 0; i < n; i++)
        free(world.batch[worker][i]);
}

static void deliver_remote(struct flight *flight)
{
    flight->remote.bytes = (struct span){flight->bytes, flight->len};
    media_remote_input(world.call.media[flight->worker], flight->to, &flight->remote,
                       world.call.now);
    free(flight);
}

static void arrive(struct flight *flight)
{
    struct call_client *client = &world.call.client[flight->client];

    if (flight->is_remote) {
        deliver_remote(flight);
        return;
    }
    if (client->gone) {
        free(flight);
        return;
    }
    if (!flight->up) {
        client->delivered_down++;
        media_client_input(client->client, flight->bytes, flight->len, world.call.now);
        free(flight);
        return;
    }
    client->delivered_up++;
    client->last_up = world.call.now;
    world.batch[client->worker][world.batch_count[client->worker]++] = flight;
    if (world.batch_count[client->worker] == BATCH_MAX)
        deliver_batch(client->worker);
}

static int by_order(const void *a, const void *b)
{
    const uint64_t x = (*(struct flight *const *)a)->order;
    const uint64_t y = (*(struct flight *const *)b)->order;

    return x < y ? -1 : x > y;
}

static void arrive_all(void)
{
    const size_t n = world.arrived_count;

    world.arrived_count = 0;
    qsort(world.arrived, n, sizeof *world.arrived, by_order);
    for (size_t i = 0; i < n; i++)
        arrive(world.arrived[i]);
}

static void on_arrival(struct timer *timer, void *arg, usec_t now)
{
    struct flight *flight = arg;
    (void)timer;
    (void)now;

    if (!world.begun) {
        free(flight);
        return;
    }
    MUST(world.arrived_count < ARRIVED_MAX);
    world.arrived[world.arrived_count++] = flight;
}

static void take_off(const struct flight *flight, usec_t due)
{
    struct flight *copy = malloc(sizeof *copy);

    MUST(copy);
    *copy = *flight;
    copy->order = world.order++;
    timer_init(&copy->timer, on_arrival, copy);
    MUST(timers_set(world.network, &copy->timer, due) == RC_OK);
}

/* How long a packet waits before the bottleneck and takes through it; false: its queue is full.
 */
static bool pass_bottleneck(const struct call_path *path, uint64_t *free_at, size_t len,
                            usec_t *wait)
{
    const usec_t now = world.call.now;

    *wait = 0;
    if (!path->bitrate)
        return true;
    const usec_t begin = *free_at > now ? *free_at : now;
    if (begin - now > (path->queue ? path->queue : QUEUE_DEFAULT))
        return false;
    *free_at = begin + (len + 28) * 8 * SEC(1) / path->bitrate;
    *wait = *free_at - now;
    return true;
}

static void travel(const struct call_path *path, uint64_t *free_at, uint64_t *lost,
                   const struct flight *flight)
{
    const unsigned copies = chance(path->duplicate) ? 2 : 1;
    usec_t wait;

    if (chance(path->loss) || !pass_bottleneck(path, free_at, flight->len, &wait)) {
        (*lost)++;
        return;
    }
    for (unsigned i = 0; i < copies; i++)
        take_off(flight, world.call.now + wait + (path->delay ? path->delay : DELAY_DEFAULT) +
                             (path->jitter ? next_random() % path->jitter : 0));
}

static void client_sends(void *arg, const uint8_t *data, size_t len)
{
    struct call_client *client = arg;
    const unsigned index = (unsigned)(client - world.call.client);
    static struct flight flight;

    MUST(len <= FLIGHT_MAX);
    if (client->gone)
        return;
    flight = (struct flight){.up = true, .client = index, .from = client->address, .len = len};
    memcpy(flight.bytes, data, len);
    if (len && data[0] >= 128 && data[0] < 192) {
        memcpy(world.last_srtp[index], data, len);
        world.last_srtp_len[index] = len;
    }
    travel(&client->up, &client->up_free, &client->lost_up, &flight);
}

/* --- over TCP --- */

static void pump(struct call_client *client)
{
    const usec_t now = world.call.now;

    client->pipe->bitrate = client->down.bitrate;
    client->pipe->delay = client->down.delay ? client->down.delay : DELAY_DEFAULT;
    while (stream_leg_waits(client->leg)) {
        const struct stream_sample sample = tcp_pipe_sample(client->pipe, now);

        stream_leg_sample(client->leg, &sample, now);
        const struct span bytes = stream_leg_next(client->leg, now);
        if (bytes.n == 0) {
            world.pace = now + STREAM_LEG_PACE;
            return;
        }
        tcp_pipe_write(client->pipe, bytes, now);
        MUST(stream_leg_took(client->leg, bytes.n) == RC_OK);
    }
}

static void pump_all(void)
{
    for (unsigned i = 0; i < world.call.clients; i++)
        if (world.call.client[i].pipe)
            pump(&world.call.client[i]);
}

static void pipe_delivers(void *arg, uint8_t *packet, size_t len)
{
    struct call_client *client = arg;

    client->delivered_down++;
    if (!client->gone)
        media_client_input(client->client, packet, len, world.call.now);
}

static void open_pipe(struct call_client *client)
{
    client->pipe = calloc(1, sizeof *client->pipe);
    MUST(client->pipe);
    client->pipe->deliver = pipe_delivers;
    client->pipe->arg = client;
    MUST(stream_leg_create(&client->leg, &world.call.legs) == RC_OK);
}

static void close_pipe(struct call_client *client)
{
    if (!client->pipe)
        return;
    tcp_pipe_clear(client->pipe);
    free(client->pipe);
    stream_leg_free(client->leg);
}

static void find_leg(void *arg, const struct address *to, struct relay_leg *out)
{
    (void)arg;

    for (unsigned i = 0; i < world.call.clients; i++)
        if (world.call.client[i].pipe && address_equal(&world.call.client[i].address, to))
            *out = (struct relay_leg){.path = RELAY_PATH_TCP,
                                       .stream = world.call.client[i].leg};
}

static void send_by_leg(struct call_client *client, const uint8_t *data, size_t len)
{
    uint8_t head[2];
    const struct packet_parts parts = {{head, sizeof head}, {data, len}, 0};

    store_be16(head, (uint16_t)len);
    (void)stream_leg_put(client->leg, &parts, world.call.now);
}

static void server_sends(void *arg, const struct address *to, const struct address *local,
                         const uint8_t *data, size_t len)
{
    static struct flight flight;
    (void)arg;
    (void)local;

    MUST(len <= FLIGHT_MAX);
    for (unsigned i = 0; i < world.call.clients; i++) {
        struct call_client *client = &world.call.client[i];

        if (!address_equal(&client->address, to))
            continue;
        if (client->pipe) {
            send_by_leg(client, data, len);
            return;
        }
        flight = (struct flight){.client = i, .len = len};
        memcpy(flight.bytes, data, len);
        travel(&client->down, &client->down_free, &client->lost_down, &flight);
        return;
    }
}

static void server_flushes(void *arg)
{
    (void)arg;
    pump_all();
}

static void server_says(void *arg, unsigned worker, uint64_t to,
                        const struct media_remote *what)
{
    static struct flight flight;
    (void)arg;

    flight = (struct flight){
        .is_remote = true, .worker = worker, .to = to, .remote = *what, .len = what->bytes.n};
    if (what->bytes.n)
        memcpy(flight.bytes, what->bytes.p, what->bytes.n);
    take_off(&flight, world.call.now + 20); /* microseconds from thread to thread */
}

static void on_event(void *arg, uint64_t peer, const struct media_event *event)
{
    (void)arg;
    for (unsigned i = 0; i < world.call.clients; i++) {
        struct call_client *client = &world.call.client[i];

        if (client->peer != peer || client->event_count == CALL_EVENTS_MAX)
            continue;
        client->event_at[client->event_count] = world.call.now;
        client->event[client->event_count++] = *event;
    }
}

/* --- time --- */

static usec_t earlier(usec_t a, usec_t b)
{
    return a < b ? a : b;
}

static usec_t next_event(void)
{
    usec_t due = timers_next(world.network);

    for (unsigned i = 0; i < world.call.workers; i++)
        due = earlier(due, timers_next(world.call.timers[i]));
    for (unsigned i = 0; i < world.call.clients; i++) {
        const struct call_client *client = &world.call.client[i];

        if (!client->pipe)
            continue;
        due = earlier(due, tcp_pipe_deadline(client->pipe));
        if (stream_leg_waits(client->leg))
            due = earlier(due, world.pace);
    }
    for (unsigned i = 0; i < world.call.clients; i++)
        if (!world.call.client[i].gone)
            due = earlier(due, media_client_deadline(world.call.client[i].client));
    return due;
}

static void step(void)
{
    const usec_t now = world.call.now;

    virtual_clock_set(now);
    timers_run(world.network, now);
    for (unsigned i = 0; i < world.call.clients; i++)
        if (world.call.client[i].pipe)
            tcp_pipe_run(world.call.client[i].pipe, now);
    pump_all();
    arrive_all();
    for (unsigned i = 0; i < world.call.workers; i++) {
        deliver_batch(i);
        timers_run(world.call.timers[i], now);
        media_flush(world.call.media[i], now);
    }
    for (unsigned i = 0; i < world.call.clients; i++) {
        struct call_client *client = &world.call.client[i];

        if (!client->gone && media_client_deadline(client->client) <= now)
            media_client_tick(client->client, now);
    }
}

void call_run(usec_t duration)
{
    const usec_t until = world.call.now + duration;

    for (;;) {
        const usec_t due = next_event();

        if (due >= until)
            break;
        /* Who asks to be woken for now, again and again, would spin the server. */
        world.call.now = due > world.call.now ? due : world.call.now + 1;
        step();
    }
    world.call.now = until;
    step();
}

/* --- life --- */

static void make_lasting(void)
{
    for (int i = 0; i < 2; i++) {
        if (world.certificate[i])
            continue;
        MUST(certificate_create(&world.certificate[i]) == RC_OK);
        MUST(dtls_context_create(&world.dtls[i], world.certificate[i]) == RC_OK);
        MUST(srtp_engine_create(&world.srtp[i], SRTP_ENGINE_AUTO) == RC_OK);
    }
}

void call_end(void)
{
    struct call *call = &world.call;

    if (!world.begun)
        return;
    for (unsigned i = 0; i < call->workers; i++)
        media_free(call->media[i]);
    for (unsigned i = 0; i < call->clients; i++) {
        media_client_free(call->client[i].client);
        close_pipe(&call->client[i]);
    }
    for (unsigned i = 0; i < call->workers; i++)
        timers_free(call->timers[i]);
    world.begun = false; /* what is still under way arrives nowhere */
    while (timers_count(world.network) > 0)
        timers_run(world.network, timers_next(world.network));
    timers_free(world.network);
    memset(call, 0, sizeof *call);
}

struct call *call_begin(const struct call_options *options)
{
    struct call *call = &world.call;

    call_end();
    make_lasting();
    world.begun = true;
    world.tcp = options ? options->tcp : 0;
    stream_legs_init(&call->legs);
    world.random = options && options->seed ? options->seed : SEED;
    MUST(timers_create(&world.network) == RC_OK);
    call->now = CALL_T0;
    virtual_clock_set(call->now);
    call->workers = options && options->workers ? options->workers : 1;
    for (unsigned i = 0; i < call->workers; i++) {
        MUST(timers_create(&call->timers[i]) == RC_OK);
        const struct media_options media = {
            .dtls = world.dtls[0],
            .srtp = world.srtp[0],
            .timers = call->timers[i],
            .max_peers = 100,
            .max_handshakes = 100,
            .max_bitrate = options ? options->max_bitrate : 0,
        };
        const struct media_output output = {
            .sink = {NULL, server_sends, server_flushes},
            .event = on_event,
            .remote = server_says,
            .leg = find_leg,
        };
        MUST(media_create(&call->media[i], &media, &output) == RC_OK);
    }
    return call;
}

static char *answer_to(struct call_client *client, const struct sdp_negotiated *previous)
{
    static struct sdp_offer offer;
    char text[MEDIA_CLIENT_OFFER_MAX];
    const size_t n = media_client_offer(client->client, text);
    enum refusal why;
    char *answer;

    MUST(sdp_offer_parse(text, n, &offer, &why) == RC_OK);
    client->local.ice_ufrag = client->credentials.ufrag;
    client->local.ice_pwd = client->credentials.pwd;
    MUST(sdp_answer_write(&offer, &client->local, previous, &client->negotiated, &answer,
                          &why) == RC_OK);
    return answer;
}

static struct span text_span(const char *text)
{
    return (struct span){(const uint8_t *)text, strlen(text)};
}

static void open_peer(struct call_client *client)
{
    struct media_peer_options peer = {
        .id = client->peer,
        .negotiated = client->negotiated,
        .audio_ssrc = client->local.audio_ssrc,
        .video_ssrc = client->local.video_ssrc,
        .video_rtx_ssrc = client->local.video_rtx_ssrc,
        .cname = "relay",
    };

    MUST(ice_session_init(&peer.ice, text_span(client->negotiated.ice_ufrag),
                          text_span(client->negotiated.ice_pwd), world.call.now) == RC_OK);
    ice_session_use(&peer.ice, &client->credentials);
    MUST(media_peer_open(world.call.media[client->worker], &peer, world.call.now) == RC_OK);
}

static void create_client(unsigned index, const struct media_client_options *base)
{
    struct call_client *client = &world.call.client[index];
    struct media_client_options options = base ? *base : (struct media_client_options){0};

    if (!base)
        options.video = CODEC_VP8;
    options.id = index + 1;
    options.certificate = world.certificate[1];
    options.dtls = world.dtls[1];
    options.srtp = world.srtp[1];
    if (!options.records)
        options.records = 40000;
    options.send = client_sends;
    options.arg = client;
    MUST(media_client_create(&client->client, &options) == RC_OK);

    ice_credentials_make(&client->credentials);
    client->local = (struct sdp_local){
        .session_id = 5000 + index,
        .fingerprint = certificate_fingerprint(world.certificate[0]),
        .audio_ssrc = 0x50000000u + index,
        .video_ssrc = 0x60000000u + index,
        .video_rtx_ssrc = 0x70000000u + index,
        .cname = "relay",
        .stream_id = "stream",
        .audio_track_id = "audio",
        .video_track_id = "video",
        .video_codecs = {CODEC_VP8, CODEC_H264},
        .video_codec_count = 2,
        .data_channels = options.data,
    };
    char *answer = answer_to(client, NULL);
    open_peer(client);
    MUST(media_client_answer(client->client, answer, world.call.now, NULL) == RC_OK);
    free(answer);
}

unsigned call_add(unsigned worker, const struct media_client_options *base)
{
    const unsigned index = world.call.clients++;
    struct call_client *client = &world.call.client[index];
    char text[ADDRESS_TEXT_MAX];

    MUST(index < CALL_CLIENTS_MAX);
    client->peer = 100 + index;
    client->worker = worker;
    snprintf(text, sizeof text, "192.0.2.%u:5000", index + 1);
    MUST(address_parse(&client->address, text) == RC_OK);
    if (world.tcp & 1u << index) {
        client->address = stream_address_make(&client->address, index + 1);
        open_pipe(client);
    }
    create_client(index, base);
    return index;
}

void call_reload(unsigned index, const struct media_client_options *base)
{
    struct call_client *client = &world.call.client[index];

    media_peer_close(world.call.media[client->worker], client->peer, world.call.now);
    media_client_free(client->client);
    client->peer += CALL_CLIENTS_MAX;
    client->event_count = 0;
    create_client(index, base);
}

usec_t call_connect(void)
{
    const usec_t began = world.call.now;

    for (;;) {
        bool all = true;

        for (unsigned i = 0; i < world.call.clients; i++)
            all &= media_client_connected(world.call.client[i].client) &&
                   call_events(i, MEDIA_EVENT_CONNECTED) > 0;
        if (all)
            return world.call.now - began;
        MUST(world.call.now - began < SEC(20));
        call_run(MSEC(5));
    }
}

void call_link(unsigned a, unsigned b)
{
    struct call *call = &world.call;
    const struct call_client *x = &call->client[a], *y = &call->client[b];

    if (x->worker == y->worker) {
        media_link(call->media[x->worker], x->peer, y->peer, call->now);
    } else {
        media_link_remote(call->media[x->worker], x->peer, y->worker, y->peer, call->now);
        media_link_remote(call->media[y->worker], y->peer, x->worker, x->peer, call->now);
    }
    for (unsigned i = 0; i < call->workers; i++)
        media_flush(call->media[i], call->now);
}

void call_unlink(unsigned a, unsigned b)
{
    struct call *call = &world.call;
    const struct call_client *x = &call->client[a], *y = &call->client[b];

    if (x->worker == y->worker) {
        media_unlink(call->media[x->worker], x->peer, y->peer, call->now);
    } else {
        media_unlink_remote(call->media[x->worker], x->peer, y->peer, call->now);
        media_unlink_remote(call->media[y->worker], y->peer, x->peer, call->now);
    }
    for (unsigned i = 0; i < call->workers; i++)
        media_flush(call->media[i], call->now);
}

void call_paths(const struct call_path *path)
{
    for (unsigned i = 0; i < world.call.clients; i++)
        world.call.client[i].up = world.call.client[i].down = *path;
}

void call_start_all(void)
{
    for (unsigned i = 0; i < world.call.clients; i++)
        media_client_start(world.call.client[i].client, world.call.now);
}

void call_renegotiate(unsigned index, bool restart)
{
    struct call_client *client = &world.call.client[index];
    const struct sdp_negotiated previous = client->negotiated;
    struct ice_credentials fresh;

    if (restart) {
        media_client_restart_ice(client->client);
        ice_credentials_make(&fresh);
        client->credentials = fresh;
    }
    char *answer = answer_to(client, &previous);
    MUST(media_peer_update(world.call.media[client->worker], client->peer, &client->negotiated,
                           restart ? &fresh : NULL, world.call.now) == RC_OK);
    if (restart)
        MUST(media_client_answer(client->client, answer, world.call.now, NULL) == RC_OK);
    free(answer);
}

/* --- looking and meddling --- */

void call_inject(unsigned index, const struct address *from, const uint8_t *data, size_t len)
{
    const struct call_client *client = &world.call.client[index];
    uint8_t bytes[FLIGHT_MAX + SLACK] = {0};
    struct udp_datagram datagram = {
        .data = bytes, .len = len, .from = from ? *from : client->address};

    MUST(len <= FLIGHT_MAX);
    memcpy(bytes, data, len);
    media_input(world.call.media[client->worker], &datagram, 1, world.call.now);
    media_flush(world.call.media[client->worker], world.call.now);
}

size_t call_last_srtp(unsigned index, uint8_t *buf, size_t capacity)
{
    const size_t n = world.last_srtp_len[index];

    MUST(n <= capacity);
    memcpy(buf, world.last_srtp[index], n);
    return n;
}

const struct media_event *call_last_event(unsigned index, enum media_event_kind kind)
{
    const struct call_client *client = &world.call.client[index];

    for (unsigned i = client->event_count; i > 0; i--)
        if (client->event[i - 1].kind == kind)
            return &client->event[i - 1];
    return NULL;
}

unsigned call_events(unsigned index, enum media_event_kind kind)
{
    const struct call_client *client = &world.call.client[index];
    unsigned count = 0;

    for (unsigned i = 0; i < client->event_count; i++)
        count += client->event[i].kind == kind;
    return count;
}
