#include "bench/turn_traffic_lib.h"

#include <errno.h>
#include <linux/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#define EVENTS_MAX 64
#define SPIN_NS 200000     /* waits shorter than this are spent asking */
#define BEHIND_NS 20000000 /* packets that are this late are left out */
#define DRAIN_NS 50000000
#define RTP_HEADER 12
#define MAGIC 0x6d454554u

/* Behind the RTP header. This program reads it again, so it is in the machine's order. */
struct stamp {
    uint32_t magic, member, round;
    int64_t sent;            /* by the client, ns of the wall clock */
    int64_t reached, echoed; /* the peer: the kernel's time of arrival, and of sending again */
};

static void die(const char *what)
{
    fprintf(stderr, "turn_load: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static int64_t nanoseconds(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void prepare_socket(int fd, bool stamps)
{
    const int on = 1;

    (void)setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof on);
    if (stamps && setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) != 0)
        die("no timestamps");
}

void turn_traffic_init(struct turn_traffic *traffic, struct turn_crowd *crowd,
                       const struct turn_traffic_options *options)
{
    *traffic = (struct turn_traffic){.crowd = crowd, .options = *options};
    for (unsigned i = 0; i < crowd->count; i++) {
        prepare_socket(crowd->member[i].fd, options->echo);
        prepare_socket(crowd->member[i].peer_fd, options->echo);
    }
}

void turn_traffic_reset(struct turn_traffic *traffic)
{
    traffic->round++;
    memset(&traffic->counts, 0, sizeof traffic->counts);
}

/* --- out --- */

static size_t write_packet(uint8_t *p, const struct turn_traffic *traffic, bool up,
                           const struct stamp *stamp, const struct turn_member *member)
{
    const uint16_t size = traffic->options.size;
    uint8_t *rtp = up ? p + STUN_CHANNEL_HEADER : p;

    if (up)
        stun_channel_write(p, member->dialog.channel, size);
    rtp[0] = 0x80; /* RTP, version 2 */
    rtp[1] = 96;
    memcpy(rtp + RTP_HEADER, stamp, sizeof *stamp);
    return (size_t)(rtp - p) + size;
}

static void send_run(int fd, void *data, size_t n, uint16_t segment)
{
    struct iovec iov = {data, n};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof segment)];
    } control = {.bytes = {0}};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

    if (n > segment) {
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof control.bytes;
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = IPPROTO_UDP;
        header->cmsg_type = UDP_SEGMENT;
        header->cmsg_len = CMSG_LEN(sizeof segment);
        memcpy(CMSG_DATA(header), &segment, sizeof segment);
    }
    /* An ICMP error about an earlier packet is reported here; this one counts as lost. */
    if (sendmsg(fd, &message, 0) < 0 && errno != ECONNREFUSED && errno != EAGAIN)
        die("cannot send");
}

static void send_burst(struct turn_traffic *traffic, unsigned number, bool up,
                       struct stamp *stamp, unsigned burst)
{
    static uint8_t data[TURN_BURST_MAX * (TURN_PACKET_MAX + STUN_CHANNEL_HEADER)];
    const struct turn_member *member = &traffic->crowd->member[number];
    size_t n = 0;

    stamp->magic = MAGIC;
    stamp->member = number;
    stamp->round = traffic->round;
    for (unsigned i = 0; i < burst; i++)
        n += write_packet(data + n, traffic, up, stamp, member);
    traffic->counts.sent += burst;
    send_run(up ? member->fd : member->peer_fd, data, n, (uint16_t)(n / burst));
}

static void send_next(struct turn_traffic *traffic)
{
    const unsigned count = traffic->crowd->count;
    const uint64_t turn = traffic->turn++;
    const unsigned number = (unsigned)(turn % count);
    struct stamp stamp = {.sent = traffic->options.echo ? nanoseconds(CLOCK_REALTIME) : 0};
    bool up = traffic->options.direction == TURN_UP;

    if (traffic->options.direction == TURN_BOTH)
        up = (turn / count + turn) & 1; /* each client's own take turns */
    send_burst(traffic, number, up, &stamp, traffic->options.burst);
}

/* --- in --- */

static void read_control(struct msghdr *message, int64_t *arrived, size_t *segment)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
            struct timespec t;

            memcpy(&t, CMSG_DATA(c), sizeof t);
            *arrived = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
        } else if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
            int size;

            memcpy(&size, CMSG_DATA(c), sizeof size);
            *segment = (size_t)size;
        }
    }
}

static void count_round_trip(struct turn_counts *counts, const struct stamp *stamp,
                             int64_t arrived)
{
    const int64_t ns = arrived - stamp->echoed + stamp->reached - stamp->sent;
    const uint64_t us = ns > 0 ? (uint64_t)ns / 1000 : 0;

    counts->rtt[us < TURN_RTT_MAX ? us : TURN_RTT_MAX]++;
    counts->rtts++;
}

static void on_packet(struct turn_traffic *traffic, unsigned number, bool at_peer,
                      struct span packet, int64_t arrived)
{
    const struct turn_member *member = &traffic->crowd->member[number];
    struct stamp stamp;
    struct span data = packet;
    uint16_t channel;
    size_t total;

    if (!at_peer && (stun_channel_read(packet, false, &channel, &data, &total) != RC_OK ||
                     channel != member->dialog.channel))
        return; /* no packet of ours: it counts as lost */
    if (data.n != traffic->options.size)
        return;
    memcpy(&stamp, data.p + RTP_HEADER, sizeof stamp);
    if (stamp.magic != MAGIC || stamp.member != number || stamp.round != traffic->round)
        return; /* so does one that comes after its round is over */
    traffic->counts.received++;
    if (traffic->options.echo && at_peer) {
        stamp.reached = arrived;
        stamp.echoed = nanoseconds(CLOCK_REALTIME);
        send_burst(traffic, number, false, &stamp, 1);
    } else if (traffic->options.echo) {
        count_round_trip(&traffic->counts, &stamp, arrived);
    }
}

static void read_socket(struct turn_traffic *traffic, uint32_t which)
{
    static uint8_t buf[65536];
    union {
        struct cmsghdr align;
        char bytes[128];
    } control;
    const unsigned number = which & ~TURN_PEER_BIT;
    const bool at_peer = which & TURN_PEER_BIT;
    const struct turn_member *member = &traffic->crowd->member[number];
    struct iovec iov = {buf, sizeof buf};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    const ssize_t n = recvmsg(at_peer ? member->peer_fd : member->fd, &message, 0);
    if (n <= 0)
        return;

    size_t segment = (size_t)n;
    int64_t arrived = 0;
    read_control(&message, &arrived, &segment);
    for (size_t at = 0; at < (size_t)n; at += segment) {
        const size_t rest = (size_t)n - at;

        on_packet(traffic, number, at_peer,
                  (struct span){buf + at, rest < segment ? rest : segment}, arrived);
    }
}

static void read_all(struct turn_traffic *traffic, int64_t wait_ns)
{
    const struct timespec wait = {0, wait_ns};
    struct epoll_event events[EVENTS_MAX];
    const int n = epoll_pwait2(traffic->crowd->epoll, events, EVENTS_MAX, &wait, NULL);

    for (int i = 0; i < n; i++)
        read_socket(traffic, events[i].data.u32);
}

/* --- time --- */

static void drain(struct turn_traffic *traffic)
{
    const int64_t end = nanoseconds(CLOCK_MONOTONIC) + DRAIN_NS;

    while (traffic->counts.received < traffic->counts.sent &&
           nanoseconds(CLOCK_MONOTONIC) < end)
        read_all(traffic, 1000000);
}

void turn_traffic_run(struct turn_traffic *traffic, usec_t duration)
{
    const int64_t begin = nanoseconds(CLOCK_MONOTONIC);
    const int64_t end = begin + (int64_t)duration * 1000;
    const int64_t interval =
        (int64_t)1000000000 * traffic->options.burst / traffic->options.rate;
    int64_t due = begin, now = begin;

    while (now < end) {
        if (now - due > BEHIND_NS) {
            traffic->counts.late += (uint64_t)((now - due) / interval) * traffic->options.burst;
            due = now;
        }
        if (due <= now) {
            send_next(traffic);
            due += interval;
        }
        now = nanoseconds(CLOCK_MONOTONIC);
        if (due > now || traffic->turn % EVENTS_MAX == 0)
            read_all(traffic, due - now > SPIN_NS ? due - now - SPIN_NS : 0);
        now = nanoseconds(CLOCK_MONOTONIC);
    }
    drain(traffic);
}

unsigned turn_counts_percentile(const struct turn_counts *counts, double share)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i <= TURN_RTT_MAX; i++) {
        sum += counts->rtt[i];
        if ((double)sum >= share * (double)counts->rtts)
            return i;
    }
    return TURN_RTT_MAX;
}
