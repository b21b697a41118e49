#include "core/udp_port.h"

#include "core/udp_sender.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    SLACK = 32,        /* readable bytes behind a datagram */
    GRO_MAX = 65535,   /* one coalesced message */
    SLOT_PLAIN = 2112, /* UDP_DATAGRAM_MAX + SLACK, in odd cache lines */
    SLOT_GRO = 65600,  /* GRO_MAX + SLACK, the same: slots must not share cache sets */
    RECEIVE_CALLS = 4, /* per wakeup, so that one port cannot starve the loop */
    CONTROL_IN = 128,  /* pktinfo 40, UDP_GRO 24, SO_RXQ_OVFL 24 */
    BUFFER_DEFAULT = 4 * 1024 * 1024,
    QUIET_AFTER = 8, /* reads in a row that found one message */
};

/* A wakeup that comes so soon after the last had more to read. */
#define BUSY_INTERVAL 20

_Static_assert(SLOT_PLAIN >= UDP_DATAGRAM_MAX + SLACK && SLOT_PLAIN / 64 % 2 == 1, "");
_Static_assert(SLOT_GRO >= GRO_MAX + SLACK && SLOT_GRO / 64 % 2 == 1, "");

struct receive_slot {
    struct address from;
    struct iovec iov;
    _Alignas(8) uint8_t control[CONTROL_IN];
};

struct udp_port {
    struct loop *loop; /* borrowed */
    udp_receive_fn *receive;
    udp_idle_fn *idle;      /* may be NULL */
    void *arg;              /* borrowed */
    struct event *readable; /* owned */
    int fd;                 /* owned */
    struct address bound;
    bool gro;
    uint32_t kernel_drops; /* SO_RXQ_OVFL's running number */
    unsigned lonely;       /* reads in a row that found one message or none */
    usec_t woken;
    struct udp_port_stats stats;
    struct udp_sender sender;

    uint8_t *slots; /* owned: mmap, touched only as far as datagrams reach */
    size_t slot_size;
    struct mmsghdr in[UDP_BATCH_MAX];
    struct receive_slot in_slots[UDP_BATCH_MAX];
    struct udp_datagram batch[UDP_DELIVER_MAX];
};

/* --- receiving --------------------------------------------------------------------------- */

static void prepare_slot(struct udp_port *port, size_t i)
{
    struct receive_slot *slot = &port->in_slots[i];
    struct msghdr *header = &port->in[i].msg_hdr;

    header->msg_namelen = sizeof slot->from;
    header->msg_controllen = sizeof slot->control;
    header->msg_flags = 0;
}

static void init_slots(struct udp_port *port)
{
    for (size_t i = 0; i < UDP_BATCH_MAX; i++) {
        struct receive_slot *slot = &port->in_slots[i];

        slot->iov = (struct iovec){port->slots + i * port->slot_size, port->slot_size - SLACK};
        port->in[i].msg_hdr = (struct msghdr){
            .msg_name = &slot->from,
            .msg_iov = &slot->iov,
            .msg_iovlen = 1,
            .msg_control = slot->control,
        };
        prepare_slot(port, i);
    }
}

/* What the kernel says about a message besides its bytes. */
struct ancillary {
    struct address local;
    size_t segment_len; /* 0: the message is one datagram */
};

static void read_pktinfo(struct address *out, const struct cmsghdr *c)
{
    if (c->cmsg_level == IPPROTO_IPV6) {
        struct in6_pktinfo info;
        memcpy(&info, CMSG_DATA(c), sizeof info);
        const struct sockaddr_in6 sa = {.sin6_family = AF_INET6,
                                        .sin6_addr = info.ipi6_addr,
                                        .sin6_scope_id = info.ipi6_ifindex};
        address_from_sockaddr(out, (const struct sockaddr *)&sa, sizeof sa);
        return;
    }
    struct in_pktinfo info;
    memcpy(&info, CMSG_DATA(c), sizeof info);
    const struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr = info.ipi_spec_dst};
    address_from_sockaddr(out, (const struct sockaddr *)&sa, sizeof sa);
}

static void count_kernel_drops(struct udp_port *port, const struct cmsghdr *c)
{
    uint32_t total;

    memcpy(&total, CMSG_DATA(c), sizeof total);
    counter_add(&port->stats.dropped_kernel, (uint32_t)(total - port->kernel_drops));
    port->kernel_drops = total;
}

static void read_ancillary(struct udp_port *port, struct msghdr *header, struct ancillary *out)
{
    out->segment_len = 0;
    out->local.sa.sa_family = AF_UNSPEC;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
        if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
            int len;
            memcpy(&len, CMSG_DATA(c), sizeof len);
            out->segment_len = len > 0 ? (size_t)len : 0;
        } else if ((c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) ||
                   (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO)) {
            read_pktinfo(&out->local, c);
        } else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) {
            count_kernel_drops(port, c);
        }
    }
}

static size_t deliver(struct udp_port *port, size_t gathered, usec_t now)
{
    if (gathered > 0)
        port->receive(port->arg, port->batch, gathered, now);
    return 0;
}

/* Cuts message `i` into datagrams behind the `gathered` ones; delivers whenever the array is
 * full. Returns how many are gathered then. */
static size_t split(struct udp_port *port, size_t i, size_t gathered, usec_t now)
{
    struct receive_slot *slot = &port->in_slots[i];
    struct msghdr *header = &port->in[i].msg_hdr;
    const size_t total = port->in[i].msg_len;
    struct ancillary extra;
    struct address from;

    read_ancillary(port, header, &extra);
    const size_t step =
        extra.segment_len && extra.segment_len < total ? extra.segment_len : total;
    const size_t packets = total ? (total + step - 1) / step : 1;

    counter_add(&port->stats.packets_in, packets);
    counter_add(&port->stats.bytes_in, total);
    if (header->msg_flags & MSG_TRUNC || step > UDP_DATAGRAM_MAX) {
        counter_add(&port->stats.dropped_oversize, packets);
        return gathered;
    }
    if (address_from_sockaddr(&from, &slot->from.sa, header->msg_namelen) != RC_OK)
        return gathered;

    uint8_t *data = slot->iov.iov_base;
    for (size_t left = total, k = 0; k < packets; k++) {
        const size_t len = left < step ? left : step;

        if (gathered == UDP_DELIVER_MAX)
            gathered = deliver(port, gathered, now);
        port->batch[gathered++] = (struct udp_datagram){data, len, from, extra.local};
        data += len;
        left -= len;
    }
    return gathered;
}

/* recvmmsg asks once more in vain when there is one message: a fifth of what receiving costs.
 * Where messages come one at a time it is not used. Returns how many there were. */
static int read_messages(struct udp_port *port)
{
    counter_add(&port->stats.calls_in, 1);
    if (port->lonely < QUIET_AFTER)
        return recvmmsg(port->fd, port->in, UDP_BATCH_MAX, MSG_DONTWAIT, NULL);
    const ssize_t len = recvmsg(port->fd, &port->in[0].msg_hdr, MSG_DONTWAIT);
    if (len < 0)
        return -1;
    port->in[0].msg_len = (unsigned)len;
    return 1;
}

/* One call's worth. Returns how many messages there were; fewer than UDP_BATCH_MAX: drained, or
 * the rest wakes us again at once. */
static int receive_batch(struct udp_port *port, usec_t now)
{
    const int n = read_messages(port);
    size_t gathered = 0;

    port->lonely = n > 1 ? 0 : port->lonely + 1;
    if (n <= 0)
        return 0; /* nothing there, or an ICMP error about someone else's packet */
    for (size_t i = 0; i < (size_t)n; i++) {
        gathered = split(port, i, gathered, now);
        prepare_slot(port, i);
    }
    deliver(port, gathered, now);
    return n;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct udp_port *port = arg;
    (void)fd;
    (void)what;

    loop_enter(port->loop, "udp");
    const usec_t now = loop_now(port->loop);
    if (now - port->woken < BUSY_INTERVAL || loop_keeps_pace(port->loop))
        port->lonely = 0;
    port->woken = now;
    for (int i = 0; i < RECEIVE_CALLS; i++) {
        const int n = receive_batch(port, now);

        /* Packets that are forwarded where they lie must leave before the slots are used again.
         */
        udp_port_flush(port);
        if (n < UDP_BATCH_MAX)
            break;
    }
    if (port->idle)
        port->idle(port->arg, now);
    udp_port_flush(port);
    loop_leave(port->loop);
}

/* --- opening and closing ----------------------------------------------------------------- */

/* Beyond the system's limit where we may, up to it where we may not. */
static void set_buffer(int fd, int forced, int polite, int bytes)
{
    if (setsockopt(fd, SOL_SOCKET, forced, &bytes, sizeof bytes) < 0)
        (void)setsockopt(fd, SOL_SOCKET, polite, &bytes, sizeof bytes);
}

static bool set_flag(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof value) == 0;
}

static bool ask_for_pktinfo(int fd, sa_family_t family)
{
    return family == AF_INET ? set_flag(fd, IPPROTO_IP, IP_PKTINFO, 1)
                             : set_flag(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
}

/* A kernel without IPv6 serves the v4 half of "every address". */
static int new_socket(struct address *at)
{
    int fd = socket(at->sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0 && errno == EAFNOSUPPORT && address_is_wildcard(at)) {
        at->v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = at->v6.sin6_port};
        fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    }
    return fd;
}

static int open_socket(struct udp_port *port, const struct udp_port_options *options)
{
    struct address at = options->at;
    const int bytes = options->buffer_bytes ? options->buffer_bytes : BUFFER_DEFAULT;
    struct address bound = {0};
    socklen_t len = sizeof bound;

    port->fd = new_socket(&at);
    if (port->fd < 0)
        return RC_SYS;
    const bool wildcard = address_is_wildcard(&at);
    if (at.sa.sa_family == AF_INET6 &&
        !set_flag(port->fd, IPPROTO_IPV6, IPV6_V6ONLY, !wildcard))
        return RC_SYS;
    if (options->reuse_port && !set_flag(port->fd, SOL_SOCKET, SO_REUSEPORT, 1))
        return RC_SYS;
    if (wildcard && !ask_for_pktinfo(port->fd, at.sa.sa_family))
        return RC_SYS;
    set_flag(port->fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
    set_buffer(port->fd, SO_RCVBUFFORCE, SO_RCVBUF, bytes);
    set_buffer(port->fd, SO_SNDBUFFORCE, SO_SNDBUF, bytes);

    if (bind(port->fd, &at.sa, address_len(&at)) < 0 ||
        getsockname(port->fd, &bound.sa, &len) < 0)
        return RC_SYS;
    address_from_sockaddr(&port->bound, &bound.sa, len);
    port->gro = !options->no_gro && set_flag(port->fd, SOL_UDP, UDP_GRO, 1);
    return RC_OK;
}

static int build(struct udp_port *port, const struct udp_port_options *options)
{
    const int rc = open_socket(port, options);
    if (rc != RC_OK)
        return rc;

    port->slot_size = port->gro ? SLOT_GRO : SLOT_PLAIN;
    port->slots = udp_map_pages(UDP_BATCH_MAX * port->slot_size);
    port->readable =
        event_new(loop_base(port->loop), port->fd, EV_READ | EV_PERSIST, on_readable, port);
    if (!port->slots || !port->readable)
        return RC_NOMEM;
    init_slots(port);
    if (event_add(port->readable, NULL) < 0)
        return RC_NOMEM;
    return udp_sender_open(&port->sender, port->loop, port->fd, &port->bound, options,
                           &port->stats);
}

int udp_port_open(struct udp_port **out, struct loop *loop,
                  const struct udp_port_options *options, udp_receive_fn *receive,
                  udp_idle_fn *idle, void *arg)
{
    if (!address_len(&options->at))
        return RC_BAD;

    struct udp_port *port = calloc(1, sizeof *port);
    if (!port)
        return RC_NOMEM;
    port->loop = loop;
    port->receive = receive;
    port->idle = idle;
    port->arg = arg;
    port->fd = -1;

    const int rc = build(port, options);
    if (rc != RC_OK) {
        udp_port_close(port);
        return rc;
    }
    *out = port;
    return RC_OK;
}

void udp_port_close(struct udp_port *port)
{
    const int saved = errno; /* RC_SYS promises the caller that errno survives */

    if (!port)
        return;
    if (port->readable)
        event_free(port->readable);
    if (port->slots)
        munmap(port->slots, UDP_BATCH_MAX * port->slot_size);
    udp_sender_close(&port->sender);
    if (port->fd >= 0)
        close(port->fd);
    free(port);
    errno = saved;
}

void udp_port_send(struct udp_port *port, const struct address *to, const struct address *local,
                   const uint8_t *data, size_t len)
{
    udp_sender_send(&port->sender, to, local, data, len);
}

void udp_port_send_parts(struct udp_port *port, const struct address *to,
                         const struct address *local, const struct udp_parts *parts)
{
    udp_sender_send_parts(&port->sender, to, local, parts);
}

void udp_port_flush(struct udp_port *port)
{
    udp_sender_flush(&port->sender);
}

struct address udp_port_address(const struct udp_port *port)
{
    return port->bound;
}

struct udp_port_stats *udp_port_stats(struct udp_port *port)
{
    return &port->stats;
}
