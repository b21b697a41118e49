#include "core/udp_port.h"

#include "core/log.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    SLACK = 32,             /* readable bytes behind a datagram */
    GRO_MAX = 65535,        /* one coalesced message */
    SLOT_PLAIN = 2112,      /* UDP_DATAGRAM_MAX + SLACK, in odd cache lines */
    SLOT_GRO = 65600,       /* GRO_MAX + SLACK, the same: slots must not share cache sets */
    RECEIVE_CALLS = 4,      /* per wakeup, so that one port cannot starve the loop */
    CONTROL_IN = 128,       /* pktinfo 40, UDP_GRO 24, SO_RXQ_OVFL 24 */
    CONTROL_OUT = 64,       /* pktinfo 40, UDP_SEGMENT 24 */
    SEND_MESSAGES = 64,     /* of one sendmmsg call */
    SEND_PACKETS = 1024,    /* of one sendmmsg call, all segments together */
    GSO_SEGMENTS = 64,      /* the kernel's UDP_MAX_SEGMENTS */
    GSO_BYTES = 65507 - 40, /* the largest payload, v6 with room for an extension header */
    BUFFER_DEFAULT = 4 * 1024 * 1024,
};

#define QUEUE_LATE MSEC(100) /* real-time media older than that is worth nothing */

_Static_assert(SLOT_PLAIN >= UDP_DATAGRAM_MAX + SLACK && SLOT_PLAIN / 64 % 2 == 1, "");
_Static_assert(SLOT_GRO >= GRO_MAX + SLACK && SLOT_GRO / 64 % 2 == 1, "");

struct receive_slot {
    struct address from;
    struct iovec iov;
    _Alignas(8) uint8_t control[CONTROL_IN];
};

/* One message that is being gathered: `count` packets from packets[first] on, all of
 * segment_len bytes but for the last. */
struct send_slot {
    struct address to; /* in the form that the socket wants */
    struct address local;
    uint32_t first, count;
    size_t segment_len, bytes;
    bool closed; /* the last packet was shorter: nothing may follow it */
    _Alignas(8) uint8_t control[CONTROL_OUT];
};

struct queued {
    struct address to, local;
    usec_t since;
    size_t len;
    uint8_t data[UDP_DATAGRAM_MAX];
};

struct udp_port {
    struct loop *loop; /* borrowed */
    udp_receive_fn *receive;
    udp_idle_fn *idle; /* may be NULL */
    void *arg;         /* borrowed */
    udp_sendmmsg_fn *sendmmsg;
    struct event *readable; /* owned */
    struct event *writable; /* owned, added only while something is queued */
    int fd;                 /* owned */
    struct address bound;
    sa_family_t family;
    bool wildcard, gso, gro;
    uint32_t kernel_drops; /* SO_RXQ_OVFL's running number */
    struct udp_port_stats stats;

    uint8_t *slots; /* owned: mmap, touched only as far as datagrams reach */
    size_t slot_size;
    struct mmsghdr in[UDP_BATCH_MAX];
    struct receive_slot in_slots[UDP_BATCH_MAX];
    struct udp_datagram batch[UDP_DELIVER_MAX];

    size_t message_count, packet_count;
    struct mmsghdr out[SEND_MESSAGES];
    struct send_slot out_slots[SEND_MESSAGES];
    struct iovec packets[SEND_PACKETS];

    struct queued *queue; /* owned: mmap, a ring of UDP_PORT_QUEUE */
    uint32_t queue_head, queue_count;
};

/* --- receiving ------------------------------------------------------------------------------
 */

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

/* One call's worth. Returns how many messages there were; fewer than UDP_BATCH_MAX: drained. */
static int receive_batch(struct udp_port *port, usec_t now)
{
    const int n = recvmmsg(port->fd, port->in, UDP_BATCH_MAX, MSG_DONTWAIT, NULL);
    size_t gathered = 0;

    counter_add(&port->stats.calls_in, 1);
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

/* --- gathering what is sent -----------------------------------------------------------------
 */

/* May this packet travel as one more segment of the message? */
static bool fits(const struct udp_port *port, const struct send_slot *slot,
                 const struct address *to, const struct address *local, size_t len)
{
    return port->gso && !slot->closed && len > 0 && len <= slot->segment_len &&
           slot->count < GSO_SEGMENTS && slot->bytes + len <= GSO_BYTES &&
           address_equal(&slot->to, to) && address_equal_ip(&slot->local, local);
}

static void append(struct udp_port *port, const uint8_t *data, size_t len)
{
    struct send_slot *slot = &port->out_slots[port->message_count - 1];
    union {
        const uint8_t *in;
        void *out; /* sendmmsg does not write: an iovec has no const form */
    } bytes = {data};

    port->packets[port->packet_count++] = (struct iovec){bytes.out, len};
    slot->count++;
    slot->bytes += len;
    slot->closed = len < slot->segment_len;
}

static void begin(struct udp_port *port, const struct address *to, const struct address *local,
                  size_t len)
{
    struct send_slot *slot = &port->out_slots[port->message_count++];

    slot->to = *to;
    slot->local = *local;
    slot->first = (uint32_t)port->packet_count;
    slot->count = 0;
    slot->segment_len = len;
    slot->bytes = 0;
}

static void gather(struct udp_port *port, const struct address *to, const struct address *local,
                   const uint8_t *data, size_t len)
{
    if (port->message_count == 0 ||
        !fits(port, &port->out_slots[port->message_count - 1], to, local, len))
        begin(port, to, local, len);
    append(port, data, len);
}

static bool gathered_full(const struct udp_port *port)
{
    return port->message_count == SEND_MESSAGES || port->packet_count == SEND_PACKETS;
}

void udp_port_send(struct udp_port *port, const struct address *to, const struct address *local,
                   const uint8_t *data, size_t len)
{
    static const struct address nowhere;

    if (len > UDP_DATAGRAM_MAX || !address_len(to) ||
        (port->family == AF_INET && to->sa.sa_family != AF_INET)) {
        counter_add(&port->stats.send_errors, 1);
        return;
    }
    if (gathered_full(port))
        udp_port_flush(port);
    gather(port, to, local && port->wildcard ? local : &nowhere, data, len);
}

/* --- handing it to the kernel ---------------------------------------------------------------
 */

static struct cmsghdr *add_control(struct msghdr *header, uint8_t *control, int level, int type,
                                   const void *data, size_t len)
{
    struct cmsghdr *c = (struct cmsghdr *)(void *)(control + header->msg_controllen);

    c->cmsg_level = level;
    c->cmsg_type = type;
    c->cmsg_len = CMSG_LEN(len);
    memcpy(CMSG_DATA(c), data, len);
    header->msg_controllen += CMSG_SPACE(len);
    return c;
}

static void add_local(struct udp_port *port, struct msghdr *header, struct send_slot *slot)
{
    if (!address_len(&slot->local))
        return;
    if (port->family == AF_INET) {
        const struct in_pktinfo info = {.ipi_spec_dst = slot->local.v4.sin_addr};
        add_control(header, slot->control, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
        return;
    }
    struct address v6;
    address_to_v6(&v6, &slot->local);
    const struct in6_pktinfo info = {.ipi6_addr = v6.v6.sin6_addr,
                                     .ipi6_ifindex = v6.v6.sin6_scope_id};
    add_control(header, slot->control, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
}

/* Fills in the kernel's header of message `i`, whole or only its first packet. */
static void make_header(struct udp_port *port, size_t i, bool whole)
{
    struct send_slot *slot = &port->out_slots[i];
    struct msghdr *header = &port->out[i].msg_hdr;

    *header = (struct msghdr){
        .msg_name = &slot->to,
        .msg_iov = &port->packets[slot->first],
        .msg_iovlen = whole ? slot->count : 1,
    };
    if (port->family == AF_INET6)
        address_to_v6(&slot->to, &slot->to);
    header->msg_namelen = address_len(&slot->to);
    add_local(port, header, slot);
    if (whole && slot->count > 1) {
        const uint16_t len = (uint16_t)slot->segment_len;
        add_control(header, slot->control, SOL_UDP, UDP_SEGMENT, &len, sizeof len);
    }
    header->msg_control = header->msg_controllen ? slot->control : NULL;
}

static void count_sent(struct udp_port *port, const struct send_slot *slot, size_t packets)
{
    size_t bytes = slot->bytes;

    if (packets != slot->count) {
        bytes = 0;
        for (size_t k = 0; k < packets; k++)
            bytes += port->packets[slot->first + k].iov_len;
    }
    counter_add(&port->stats.packets_out, packets);
    counter_add(&port->stats.bytes_out, bytes);
    if (packets > 1)
        counter_add(&port->stats.gso_messages, 1);
}

/* The first `packets` of a message are dealt with: what is left of it is the rest. */
static void advance(struct udp_port *port, struct send_slot *slot, uint32_t packets)
{
    for (uint32_t k = 0; k < packets; k++)
        slot->bytes -= port->packets[slot->first + k].iov_len;
    slot->first += packets;
    slot->count -= packets;
}

static int call_kernel(struct udp_port *port, size_t from, size_t count)
{
    int n;

    do
        n = port->sendmmsg(port->fd, port->out + from, (unsigned)count, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    counter_add(&port->stats.calls_out, 1);
    return n;
}

static bool socket_is_full(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK;
}

/* Message `i` packet by packet. False when the socket is full; the rest of it is then left. */
static bool send_singly(struct udp_port *port, size_t i)
{
    struct send_slot *slot = &port->out_slots[i];

    while (slot->count > 0) {
        make_header(port, i, false);
        if (call_kernel(port, i, 1) == 1)
            count_sent(port, slot, 1);
        else if (socket_is_full(errno))
            return false;
        else
            counter_add(&port->stats.send_errors, 1);
        advance(port, slot, 1);
    }
    return true;
}

/* Message `i` was refused for another reason than a full socket. False as in send_singly. */
static bool recover(struct udp_port *port, size_t i, int error)
{
    struct send_slot *slot = &port->out_slots[i];

    if (slot->count == 1) {
        /* Unreachable, filtered, too large: for one destination this is a lost packet. */
        counter_add(&port->stats.send_errors, 1);
        return true;
    }
    if (error == EIO || error == ENOPROTOOPT || error == EOPNOTSUPP) {
        port->gso = false;
        log_info("udp", "the kernel does without UDP GSO: %s", strerror(error));
        return send_singly(port, i);
    }
    if (error == EINVAL || error == EMSGSIZE)
        return send_singly(port, i);
    counter_add(&port->stats.send_errors, slot->count);
    return true;
}

/* Sends what is gathered, in order. Returns how many messages are done with, sent or given up;
 * fewer than all when the socket is full. */
static size_t submit(struct udp_port *port)
{
    size_t done = 0;

    for (size_t i = 0; i < port->message_count; i++)
        make_header(port, i, true);
    while (done < port->message_count) {
        const int n = call_kernel(port, done, port->message_count - done);

        for (int k = 0; k < n; k++, done++)
            count_sent(port, &port->out_slots[done], port->out_slots[done].count);
        if (n > 0)
            continue;
        const int error = errno;
        if (socket_is_full(error) || !recover(port, done, error))
            break;
        done++;
    }
    return done;
}

static void clear_gathered(struct udp_port *port)
{
    port->message_count = port->packet_count = 0;
}

/* --- the queue for a full socket ------------------------------------------------------------
 */

static void enqueue(struct udp_port *port, const struct send_slot *slot, usec_t now)
{
    for (uint32_t k = 0; k < slot->count; k++) {
        const struct iovec *packet = &port->packets[slot->first + k];

        if (port->queue_count == UDP_PORT_QUEUE) {
            counter_add(&port->stats.dropped_queue_full, slot->count - k);
            return;
        }
        struct queued *q =
            &port->queue[(port->queue_head + port->queue_count++) % UDP_PORT_QUEUE];
        q->to = slot->to;
        q->local = slot->local;
        q->since = now;
        q->len = packet->iov_len;
        memcpy(q->data, packet->iov_base, packet->iov_len);
    }
}

static void dequeue(struct udp_port *port, uint32_t packets)
{
    port->queue_head = (port->queue_head + packets) % UDP_PORT_QUEUE;
    port->queue_count -= packets;
}

static void drop_late(struct udp_port *port, usec_t now)
{
    while (port->queue_count && now - port->queue[port->queue_head].since > QUEUE_LATE) {
        counter_add(&port->stats.dropped_queue_late, 1);
        dequeue(port, 1);
    }
}

/* What is gathered from message `done` on waits in the queue. */
static void keep_rest(struct udp_port *port, size_t done)
{
    const usec_t now = loop_now(port->loop);

    drop_late(port, now);
    for (; done < port->message_count; done++)
        enqueue(port, &port->out_slots[done], now);
    if (port->queue_count)
        event_add(port->writable, NULL);
}

void udp_port_flush(struct udp_port *port)
{
    size_t done = 0;

    if (port->message_count == 0)
        return;
    /* Nothing overtakes what already waits. */
    if (port->queue_count == 0)
        done = submit(port);
    if (done < port->message_count)
        keep_rest(port, done);
    clear_gathered(port);
}

/* Gathers from the head of the queue without taking it off. Returns how many packets. */
static uint32_t gather_queued(struct udp_port *port)
{
    uint32_t n = 0;

    for (; n < port->queue_count && !gathered_full(port); n++) {
        const struct queued *q = &port->queue[(port->queue_head + n) % UDP_PORT_QUEUE];

        gather(port, &q->to, &q->local, q->data, q->len);
    }
    return n;
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct udp_port *port = arg;
    bool full = false;
    (void)fd;
    (void)what;

    loop_enter(port->loop, "udp queue");
    drop_late(port, loop_now(port->loop));
    while (port->queue_count && !full) {
        uint32_t left = 0;
        const uint32_t gathered = gather_queued(port);
        const size_t done = submit(port);

        for (size_t i = done; i < port->message_count; i++)
            left += port->out_slots[i].count;
        full = done < port->message_count;
        clear_gathered(port);
        dequeue(port, gathered - left);
    }
    if (!port->queue_count)
        event_del(port->writable);
    loop_leave(port->loop);
}

/* --- opening and closing --------------------------------------------------------------------
 */

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
    port->family = at.sa.sa_family;
    port->wildcard = address_is_wildcard(&at);
    if (port->family == AF_INET6 &&
        !set_flag(port->fd, IPPROTO_IPV6, IPV6_V6ONLY, !port->wildcard))
        return RC_SYS;
    if (options->reuse_port && !set_flag(port->fd, SOL_SOCKET, SO_REUSEPORT, 1))
        return RC_SYS;
    if (port->wildcard && !ask_for_pktinfo(port->fd, port->family))
        return RC_SYS;
    set_flag(port->fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
    set_buffer(port->fd, SO_RCVBUFFORCE, SO_RCVBUF, bytes);
    set_buffer(port->fd, SO_SNDBUFFORCE, SO_SNDBUF, bytes);

    if (bind(port->fd, &at.sa, address_len(&at)) < 0 ||
        getsockname(port->fd, &bound.sa, &len) < 0)
        return RC_SYS;
    address_from_sockaddr(&port->bound, &bound.sa, len);
    port->gso = !options->no_gso;
    port->gro = !options->no_gro && set_flag(port->fd, SOL_UDP, UDP_GRO, 1);
    return RC_OK;
}

/* Zero pages that cost nothing until they are touched. */
static void *map_pages(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

#define QUEUE_BYTES (UDP_PORT_QUEUE * sizeof(struct queued))

static int build(struct udp_port *port, const struct udp_port_options *options)
{
    const int rc = open_socket(port, options);
    if (rc != RC_OK)
        return rc;

    struct event_base *base = loop_base(port->loop);
    port->slot_size = port->gro ? SLOT_GRO : SLOT_PLAIN;
    port->slots = map_pages(UDP_BATCH_MAX * port->slot_size);
    port->queue = map_pages(QUEUE_BYTES);
    port->readable = event_new(base, port->fd, EV_READ | EV_PERSIST, on_readable, port);
    port->writable = event_new(base, port->fd, EV_WRITE | EV_PERSIST, on_writable, port);
    if (!port->slots || !port->queue || !port->readable || !port->writable)
        return RC_NOMEM;
    init_slots(port);
    return event_add(port->readable, NULL) == 0 ? RC_OK : RC_NOMEM;
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
    port->sendmmsg = options->sendmmsg ? options->sendmmsg : sendmmsg;
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
    if (port->writable)
        event_free(port->writable);
    if (port->slots)
        munmap(port->slots, UDP_BATCH_MAX * port->slot_size);
    if (port->queue)
        munmap(port->queue, QUEUE_BYTES);
    if (port->fd >= 0)
        close(port->fd);
    free(port);
    errno = saved;
}

struct address udp_port_address(const struct udp_port *port)
{
    return port->bound;
}

struct udp_port_stats *udp_port_stats(struct udp_port *port)
{
    return &port->stats;
}
