#include "bench/load_users_lib.h"

#include "bench/load_socket_lib.h"
#include "bench/load_turn_lib.h"
#include "core/clock.h"
#include "core/timer.h"
#include "tests/sim/media_client_lib.h"
#include "turn/channel_data.h"

#include <errno.h>
#include <linux/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define CONNECT_LIMIT SEC(60)
#define GATHER_MAX 65000
#define SEGMENTS_MAX 60
#define FRAMES_KEPT 64 /* whose time of sending is known: over half a second */
#define EVENTS_MAX 64
#define SOCKET_BUFFER (256 * 1024)
#define SRTP_VIDEO_OVERHEAD (12 + 12 + 16) /* RTP header, extensions, GCM tag */

struct load_user {
    struct load *load;
    unsigned index;
    struct load_socket socket;
    int udp;
    struct media_client *client;
    struct timer timer;
    bool answered, connected;
    usec_t frame_sent[FRAMES_KEPT];           /* by frame number */
    size_t gathered, gathered_count, segment; /* a run of equal-sized datagrams, not sent yet */
    uint8_t gather[GATHER_MAX + 2048];
};

struct load {
    struct load_options options;
    int epoll;
    struct timers *timers;
    struct certificate *certificate;
    struct dtls_context *dtls;
    struct srtp_engine *srtp;
    struct load_user *user;
    unsigned opened, connected;
    struct load_turn *turn; /* owned */
    int64_t wall_offset;    /* nanoseconds: wall clock less monotonic clock */
    struct load_counts counts;
};

static void die(const char *what)
{
    fprintf(stderr, "relay_load: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static int64_t nanoseconds(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* --- out --- */

static void send_gathered(struct load_user *user)
{
    struct iovec iov = {user->gather, user->gathered};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(uint16_t))];
    } control = {.bytes = {0}};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    const uint16_t segment = (uint16_t)user->segment;

    if (user->gathered == 0)
        return;
    if (user->gathered_count > 1) {
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof control.bytes;
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = IPPROTO_UDP;
        header->cmsg_type = UDP_SEGMENT;
        header->cmsg_len = CMSG_LEN(sizeof segment);
        memcpy(CMSG_DATA(header), &segment, sizeof segment);
    }
    const struct stream_sender *video = media_client_video_out(user->client);
    if (video->frame > 0)
        user->frame_sent[(video->frame - 1) % FRAMES_KEPT] = clock_now();
    (void)sendmsg(user->udp, &message, 0); /* what the kernel drops is lost as on any path */
    user->gathered = user->gathered_count = 0;
}

static bool is_relayed(const struct load_user *user)
{
    return user->load->options.turn.sa.sa_family != AF_UNSPEC;
}

static void gather(void *arg, const uint8_t *data, size_t len)
{
    struct load_user *user = arg;
    const size_t head = is_relayed(user) ? STUN_CHANNEL_HEADER : 0, whole = head + len;

    if (user->udp < 0)
        return;
    if (user->gathered && (whole != user->segment || user->gathered + whole > GATHER_MAX ||
                           user->gathered_count == SEGMENTS_MAX))
        send_gathered(user);
    user->segment = whole;
    if (head)
        stun_channel_write(user->gather + user->gathered, STUN_CHANNEL_FIRST, len);
    memcpy(user->gather + user->gathered + head, data, len);
    user->gathered += whole;
    user->gathered_count++;
}

static void rearm(struct load_user *user)
{
    send_gathered(user);
    const usec_t due = media_client_deadline(user->client);
    if (due == USEC_NEVER)
        timers_clear(user->load->timers, &user->timer);
    else if (timers_set(user->load->timers, &user->timer, due) != RC_OK)
        die("no memory");
}

static void on_timer(struct timer *timer, void *arg, usec_t now)
{
    struct load_user *user = arg;
    (void)timer;
    (void)now;

    media_client_tick(user->client, clock_now());
    rearm(user);
}

/* --- in --- */

static void on_packet(void *arg, const struct stream_stamp *stamp, bool recovered, usec_t now)
{
    struct load *load = arg;

    load->counts.received += !recovered;
    if (recovered || stamp->sender == 0 || stamp->sender > load->options.users)
        return;
    const usec_t sent = load->user[stamp->sender - 1].frame_sent[stamp->frame % FRAMES_KEPT];
    if (sent == 0 || now < sent)
        return;
    const usec_t delay = now - sent;
    load->counts.delay[delay < LOAD_DELAY_MAX ? delay : LOAD_DELAY_MAX]++;
    load->counts.delays++;
}

static void on_sound(void *arg, const struct stream_stamp *stamp, bool recovered, usec_t now)
{
    struct load *load = arg;
    (void)stamp;
    (void)now;

    load->counts.received += !recovered;
}

/* When the kernel had the datagram, by our clock, and how GRO cut it. */
static usec_t read_control(const struct load *load, struct msghdr *message, size_t *segment)
{
    usec_t when = clock_now();

    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
            struct timespec t;

            memcpy(&t, CMSG_DATA(c), sizeof t);
            when = (usec_t)(((int64_t)t.tv_sec * 1000000000 + t.tv_nsec - load->wall_offset) /
                            1000);
        } else if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
            int size;

            memcpy(&size, CMSG_DATA(c), sizeof size);
            *segment = (size_t)size;
        }
    }
    return when;
}

static void input(struct load_user *user, uint8_t *p, size_t n, usec_t when)
{
    struct span data = {p, n};
    uint16_t channel;
    size_t total;

    if (is_relayed(user) &&
        stun_channel_read((struct span){p, n}, false, &channel, &data, &total) != RC_OK)
        return;
    media_client_input(user->client, p + (data.p - p), data.n, when);
}

static void read_udp(struct load_user *user)
{
    static uint8_t buf[65536 + 64];
    union {
        struct cmsghdr align;
        char bytes[128];
    } control;

    for (;;) {
        struct iovec iov = {buf, 65536};
        struct msghdr message = {.msg_iov = &iov,
                                 .msg_iovlen = 1,
                                 .msg_control = control.bytes,
                                 .msg_controllen = sizeof control.bytes};
        const ssize_t n = recvmsg(user->udp, &message, MSG_DONTWAIT);
        if (n <= 0)
            break;
        size_t segment = (size_t)n;
        const usec_t when = read_control(user->load, &message, &segment);
        for (size_t at = 0; at < (size_t)n; at += segment) {
            const size_t rest = (size_t)n - at;

            input(user, buf + at, rest < segment ? rest : segment, when);
        }
    }
    rearm(user);
}

static int open_udp(const struct address *server)
{
    const int fd = socket(server->sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int on = 1, buffer = SOCKET_BUFFER;

    if (fd < 0 || connect(fd, &server->sa, address_len(server)) != 0)
        die("UDP socket");
    (void)setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    (void)setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof on);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    return fd;
}

/* --- signaling --- */

static void watch(struct load *load, int fd, struct load_user *user, bool udp)
{
    struct epoll_event event = {.events = EPOLLIN};

    event.data.u64 = (uint64_t)user->index << 1 | udp;
    if (epoll_ctl(load->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        die("epoll");
}

static void on_answer(struct load_user *user, const json_t *payload)
{
    const char *sdp = json_string_value(json_object_get(payload, "sdp"));
    struct address server = user->load->options.server;

    if (!sdp || user->answered)
        return;
    user->answered = true;
    if (media_client_answer(user->client, sdp, clock_now(), &server) != RC_OK)
        die("the answer makes no sense");
    user->udp = open_udp(is_relayed(user) ? &user->load->options.turn : &server);
    if (is_relayed(user) &&
        load_turn_open(user->load->turn, user->udp, STUN_CHANNEL_FIRST, &server) != RC_OK)
        die("no channel of the TURN server");
    watch(user->load, user->udp, user, true);
    media_client_tick(user->client, clock_now());
    rearm(user);
}

static void on_event(void *arg, const char *name, const json_t *payload)
{
    struct load_user *user = arg;

    if (strcmp(name, "answer") == 0)
        on_answer(user, payload);
    else if (strcmp(name, "error") == 0)
        fprintf(stderr, "relay_load: refused: %s\n",
                json_string_value(json_object_get(payload, "message")));
}

static void offer(struct load_user *user)
{
    char sdp[MEDIA_CLIENT_OFFER_MAX];
    const size_t n = media_client_offer(user->client, sdp);

    load_socket_emit(&user->socket, "offer",
                     json_pack("{s:s, s:s%}", "type", "offer", "sdp", sdp, n));
}

static void open_user(struct load *load, unsigned index)
{
    const struct load_options *o = &load->options;
    struct load_user *user = &load->user[index];
    const uint16_t payload = (uint16_t)(o->packet_size - SRTP_VIDEO_OVERHEAD);
    const usec_t interval = SEC(1) / o->frame_rate;
    const struct media_client_options options = {
        .id = index + 1,
        .certificate = load->certificate,
        .dtls = load->dtls,
        .srtp = load->srtp,
        .video = CODEC_VP8,
        .video_bitrate =
            (uint32_t)((uint64_t)payload * o->frame_packets * 8 * SEC(1) / interval +
                       SEC(1) / interval * 4), /* rounded up to whole packets */
        .payload_max = payload,
        .video_interval = interval,
        .send = gather,
        .arg = user,
    };

    *user = (struct load_user){.load = load, .index = index, .udp = -1};
    timer_init(&user->timer, on_timer, user);
    if (media_client_create(&user->client, &options) != RC_OK)
        die("no memory");
    media_client_video_in(user->client)->on_packet = on_packet;
    media_client_video_in(user->client)->arg = load;
    media_client_audio_in(user->client)->on_packet = on_sound;
    media_client_audio_in(user->client)->arg = load;
    if (load_socket_open(&user->socket, &o->server, on_event, user) != RC_OK)
        die("no Socket.IO connection");
    watch(load, user->socket.fd, user, false);
    offer(user);
}

/* --- the loop --- */

static void handle(struct load *load, const struct epoll_event *event)
{
    struct load_user *user = &load->user[event->data.u64 >> 1];

    if (event->data.u64 & 1)
        read_udp(user);
    else if (!load_socket_read(&user->socket))
        die("the server hung up");
    if (!user->connected && media_client_connected(user->client)) {
        user->connected = true;
        load->connected++;
    }
}

static void turn(struct load *load, usec_t until)
{
    struct epoll_event events[EVENTS_MAX];
    const usec_t now = clock_now(), next = timers_next(load->timers);
    const usec_t due = next < until ? next : until;
    const usec_t wait = due > now ? due - now : 0;
    const struct timespec timeout = {(time_t)(wait / SEC(1)), (long)(wait % SEC(1) * 1000)};

    const int n = epoll_pwait2(load->epoll, events, EVENTS_MAX, &timeout, NULL);
    load->wall_offset = nanoseconds(CLOCK_REALTIME) - nanoseconds(CLOCK_MONOTONIC);
    for (int i = 0; i < n; i++)
        handle(load, &events[i]);
    timers_run(load->timers, clock_now());
}

void load_run(struct load *load, usec_t duration)
{
    const usec_t until = clock_now() + duration;

    while (clock_now() < until)
        turn(load, until);
}

static uint64_t packets_sent(const struct load *load)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < load->opened; i++)
        sum += media_client_video_out(load->user[i].client)->packets +
               media_client_audio_out(load->user[i].client)->packets;
    return sum;
}

struct load *load_create(const struct load_options *options)
{
    struct load *load = calloc(1, sizeof *load);
    const usec_t began = clock_now();

    if (!load)
        die("no memory");
    load->options = *options;
    load->turn = load_turn_create(options->turn_user, options->turn_password);
    load->user = calloc(options->users, sizeof *load->user);
    load->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!load->user || !load->turn || load->epoll < 0 ||
        timers_create(&load->timers) != RC_OK ||
        certificate_create(&load->certificate) != RC_OK ||
        dtls_context_create(&load->dtls, load->certificate) != RC_OK ||
        srtp_engine_create(&load->srtp, SRTP_ENGINE_AUTO) != RC_OK)
        die("no memory");

    while (load->connected < options->users) {
        if (load->opened < options->users &&
            load->opened - load->connected < options->half_open_max)
            open_user(load, load->opened++);
        turn(load, clock_now() + (load->opened < options->users ? 0 : MSEC(20)));
        if (clock_now() - began > CONNECT_LIMIT)
            die("users cannot connect");
    }
    return load;
}

void load_match(struct load *load)
{
    const struct load_options *o = &load->options;
    const usec_t interval = SEC(1) / o->frame_rate;

    for (unsigned i = 0; i < o->users; i++)
        load_socket_emit(&load->user[i].socket, "find-match",
                         json_pack("{s:s}", "type", "video"));
    load_run(load, MSEC(200));
    /* Cameras do not tick together. */
    for (unsigned i = 0; i < o->users; i++) {
        struct load_user *user = &load->user[i];

        load_run(load, interval / o->users);
        media_client_start(user->client, clock_now());
        if (!o->audio)
            stream_sender_stop(media_client_audio_out(user->client));
        rearm(user);
    }
}

void load_reset(struct load *load)
{
    memset(&load->counts, 0, sizeof load->counts);
    load->counts.sent = (uint64_t)0 - packets_sent(load);
}

const struct load_counts *load_counts(const struct load *load)
{
    static struct load_counts counts;

    counts = load->counts;
    counts.sent += packets_sent(load);
    return &counts;
}

unsigned load_served(const struct load *load)
{
    unsigned served = 0;

    for (unsigned i = 0; i < load->opened; i++)
        served += media_client_video_in(load->user[i].client)->packets > 0;
    return served;
}

void load_free(struct load *load)
{
    for (unsigned i = 0; i < load->opened; i++) {
        struct load_user *user = &load->user[i];

        timers_clear(load->timers, &user->timer);
        load_socket_close(&user->socket);
        if (user->udp >= 0)
            close(user->udp);
        media_client_free(user->client);
    }
    close(load->epoll);
    timers_free(load->timers);
    srtp_engine_free(load->srtp);
    dtls_context_free(load->dtls);
    certificate_free(load->certificate);
    load_turn_free(load->turn);
    free(load->user);
    free(load);
}
