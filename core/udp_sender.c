#include "core/udp_sender.h"

#include "core/log.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/mman.h>

enum {
    GSO_SEGMENTS = 64,      /* the kernel's UDP_MAX_SEGMENTS */
    GSO_BYTES = 65507 - 40, /* the largest payload, v6 with room for an extension header */
};

#define QUEUE_LATE MSEC(100) /* real-time media older than that is worth nothing */

struct queued_packet {
    struct address to, local;
    usec_t since;
    size_t len;
    uint8_t data[UDP_DATAGRAM_MAX];
};

#define QUEUE_BYTES (UDP_PORT_QUEUE * sizeof(struct queued_packet))

/* --- gathering what is sent -------------------------------------------------------------- */

/* May this packet travel as one more segment of the message? */
static bool fits(const struct udp_sender *sender, const struct send_slot *slot,
                 const struct address *to, const struct address *local, size_t len)
{
    return sender->gso && !slot->closed && len > 0 && len <= slot->segment_len &&
           slot->count < GSO_SEGMENTS && slot->bytes + len <= GSO_BYTES &&
           address_equal(&slot->to, to) && address_equal_ip(&slot->local, local);
}

static void add_piece(struct udp_sender *sender, struct send_slot *slot, const uint8_t *data,
                      size_t len)
{
    union {
        const uint8_t *in;
        void *out; /* sendmmsg does not write: an iovec has no const form */
    } bytes = {data};

    sender->piece[sender->piece_count++] = (struct iovec){bytes.out, len};
    slot->pieces++;
}

static void begin(struct udp_sender *sender, const struct address *to,
                  const struct address *local, size_t len)
{
    struct send_slot *slot = &sender->out_slots[sender->message_count++];

    slot->to = *to;
    slot->local = *local;
    slot->first = (uint32_t)sender->piece_count;
    slot->pieces = 0;
    slot->count = 0;
    slot->segment_len = len;
    slot->bytes = 0;
}

/* The message that the next packet belongs to; its pieces, `len` bytes, must follow. */
static struct send_slot *gather(struct udp_sender *sender, const struct address *to,
                                const struct address *local, size_t len)
{
    if (sender->message_count == 0 ||
        !fits(sender, &sender->out_slots[sender->message_count - 1], to, local, len))
        begin(sender, to, local, len);

    struct send_slot *slot = &sender->out_slots[sender->message_count - 1];
    slot->count++;
    slot->bytes += len;
    slot->closed = len < slot->segment_len;
    return slot;
}

static bool gathered_full(const struct udp_sender *sender)
{
    return sender->message_count == SEND_MESSAGES ||
           sender->piece_count > SEND_PIECES - PACKET_PIECES;
}

static bool can_reach(const struct udp_sender *sender, const struct address *to, size_t len)
{
    if (len <= UDP_DATAGRAM_MAX && address_len(to) &&
        (sender->family == AF_INET6 || to->sa.sa_family == AF_INET))
        return true;
    counter_add(&sender->stats->send_errors, 1);
    return false;
}

static const struct address nowhere;

void udp_sender_send(struct udp_sender *sender, const struct address *to,
                     const struct address *local, const uint8_t *data, size_t len)
{
    if (!can_reach(sender, to, len))
        return;
    if (gathered_full(sender))
        udp_sender_flush(sender);
    add_piece(sender, gather(sender, to, local && sender->wildcard ? local : &nowhere, len),
              data, len);
}

static const uint8_t *copy_head(struct udp_sender *sender, struct span head)
{
    uint8_t *copy = sender->heads + sender->head_bytes;

    memcpy(copy, head.p, head.n);
    sender->head_bytes += head.n;
    return copy;
}

void udp_sender_send_parts(struct udp_sender *sender, const struct address *to,
                           const struct address *local, const struct udp_parts *parts)
{
    static const uint8_t zeros[UDP_TAIL_MAX];
    const size_t len = parts->head.n + parts->data.n + parts->tail;

    if (!can_reach(sender, to, len))
        return;
    if (gathered_full(sender) || parts->head.n > SEND_HEADS - sender->head_bytes)
        udp_sender_flush(sender);
    struct send_slot *slot =
        gather(sender, to, local && sender->wildcard ? local : &nowhere, len);
    if (parts->head.n)
        add_piece(sender, slot, copy_head(sender, parts->head), parts->head.n);
    if (parts->data.n || !len)
        add_piece(sender, slot, parts->data.p, parts->data.n);
    if (parts->tail)
        add_piece(sender, slot, zeros, parts->tail);
}

/* --- handing it to the kernel ------------------------------------------------------------ */

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

static void add_local(struct udp_sender *sender, struct msghdr *header, struct send_slot *slot)
{
    if (!address_len(&slot->local))
        return;
    if (sender->family == AF_INET) {
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

/* Bytes of the first packet of what a message still has. */
static size_t first_len(const struct send_slot *slot)
{
    return slot->count > 1 ? slot->segment_len : slot->bytes;
}

/* How many pieces that packet has. */
static uint32_t first_pieces(const struct udp_sender *sender, const struct send_slot *slot)
{
    const size_t len = first_len(slot);
    size_t bytes = 0;
    uint32_t n = 0;

    do
        bytes += sender->piece[slot->first + n++].iov_len;
    while (bytes < len);
    return n;
}

/* Fills in the kernel's header of message `i`, whole or only its first packet. */
static void make_header(struct udp_sender *sender, size_t i, bool whole)
{
    struct send_slot *slot = &sender->out_slots[i];
    struct msghdr *header = &sender->out[i].msg_hdr;

    *header = (struct msghdr){
        .msg_name = &slot->to,
        .msg_iov = &sender->piece[slot->first],
        .msg_iovlen = whole ? slot->pieces : first_pieces(sender, slot),
    };
    if (sender->family == AF_INET6)
        address_to_v6(&slot->to, &slot->to);
    header->msg_namelen = address_len(&slot->to);
    add_local(sender, header, slot);
    if (whole && slot->count > 1) {
        const uint16_t len = (uint16_t)slot->segment_len;
        add_control(header, slot->control, SOL_UDP, UDP_SEGMENT, &len, sizeof len);
    }
    header->msg_control = header->msg_controllen ? slot->control : NULL;
}

static void count_sent(struct udp_sender *sender, size_t packets, size_t bytes)
{
    counter_add(&sender->stats->packets_out, packets);
    counter_add(&sender->stats->bytes_out, bytes);
    if (packets > 1)
        counter_add(&sender->stats->gso_messages, 1);
}

/* The first packet of a message is dealt with: what is left of it is the rest. */
static void advance(struct udp_sender *sender, struct send_slot *slot)
{
    const uint32_t pieces = first_pieces(sender, slot);

    slot->bytes -= first_len(slot);
    slot->first += pieces;
    slot->pieces -= pieces;
    slot->count--;
}

/* One message is cheaper alone, by a tenth of what sending costs. */
static int send_messages(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    if (count == 1)
        return sendmsg(fd, &messages->msg_hdr, flags) < 0 ? -1 : 1;
    return sendmmsg(fd, messages, count, flags);
}

static int call_kernel(struct udp_sender *sender, size_t from, size_t count)
{
    int n;

    do
        n = sender->sendmmsg(sender->fd, sender->out + from, (unsigned)count, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    counter_add(&sender->stats->calls_out, 1);
    return n;
}

static bool socket_is_full(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK;
}

/* Message `i` packet by packet. False when the socket is full; the rest of it is then left. */
static bool send_singly(struct udp_sender *sender, size_t i)
{
    struct send_slot *slot = &sender->out_slots[i];

    while (slot->count > 0) {
        make_header(sender, i, false);
        if (call_kernel(sender, i, 1) == 1)
            count_sent(sender, 1, first_len(slot));
        else if (socket_is_full(errno))
            return false;
        else
            counter_add(&sender->stats->send_errors, 1);
        advance(sender, slot);
    }
    return true;
}

/* Message `i` was refused for another reason than a full socket. False as in send_singly. */
static bool recover(struct udp_sender *sender, size_t i, int error)
{
    struct send_slot *slot = &sender->out_slots[i];

    if (slot->count == 1) {
        /* Unreachable, filtered, too large: for one destination this is a lost packet. */
        counter_add(&sender->stats->send_errors, 1);
        return true;
    }
    if (error == EIO || error == ENOPROTOOPT || error == EOPNOTSUPP) {
        sender->gso = false;
        log_info("udp", "the kernel does without UDP GSO: %s", strerror(error));
        return send_singly(sender, i);
    }
    if (error == EINVAL || error == EMSGSIZE)
        return send_singly(sender, i);
    counter_add(&sender->stats->send_errors, slot->count);
    return true;
}

/* Sends what is gathered, in order. Returns how many messages are done with, sent or given up;
 * fewer than all when the socket is full. */
static size_t submit(struct udp_sender *sender)
{
    size_t done = 0;

    for (size_t i = 0; i < sender->message_count; i++)
        make_header(sender, i, true);
    while (done < sender->message_count) {
        const int n = call_kernel(sender, done, sender->message_count - done);

        for (int k = 0; k < n; k++, done++)
            count_sent(sender, sender->out_slots[done].count, sender->out_slots[done].bytes);
        if (n > 0)
            continue;
        const int error = errno;
        if (socket_is_full(error) || !recover(sender, done, error))
            break;
        done++;
    }
    return done;
}

static void clear_gathered(struct udp_sender *sender)
{
    sender->message_count = sender->piece_count = sender->head_bytes = 0;
}

/* --- the queue for a full socket --------------------------------------------------------- */

static void copy_first(const struct udp_sender *sender, const struct send_slot *slot,
                       struct queued_packet *q)
{
    const uint32_t pieces = first_pieces(sender, slot);

    q->len = 0;
    for (uint32_t k = 0; k < pieces; k++) {
        const struct iovec *piece = &sender->piece[slot->first + k];

        if (piece->iov_len) /* an empty datagram may have no address at all */
            memcpy(q->data + q->len, piece->iov_base, piece->iov_len);
        q->len += piece->iov_len;
    }
}

static void enqueue(struct udp_sender *sender, struct send_slot *slot, usec_t now)
{
    for (; slot->count; advance(sender, slot)) {
        if (sender->queue_count == UDP_PORT_QUEUE) {
            counter_add(&sender->stats->dropped_queue_full, slot->count);
            return;
        }
        struct queued_packet *q =
            &sender->queue[(sender->queue_head + sender->queue_count++) % UDP_PORT_QUEUE];
        q->to = slot->to;
        q->local = slot->local;
        q->since = now;
        copy_first(sender, slot, q);
    }
}

static void dequeue(struct udp_sender *sender, uint32_t packets)
{
    sender->queue_head = (sender->queue_head + packets) % UDP_PORT_QUEUE;
    sender->queue_count -= packets;
}

static void drop_late(struct udp_sender *sender, usec_t now)
{
    while (sender->queue_count && now - sender->queue[sender->queue_head].since > QUEUE_LATE) {
        counter_add(&sender->stats->dropped_queue_late, 1);
        dequeue(sender, 1);
    }
}

/* What is gathered from message `done` on waits in the queue. */
static void keep_rest(struct udp_sender *sender, size_t done)
{
    const usec_t now = loop_now(sender->loop);

    drop_late(sender, now);
    for (; done < sender->message_count; done++)
        enqueue(sender, &sender->out_slots[done], now);
    if (sender->queue_count)
        event_add(sender->writable, NULL);
}

void udp_sender_flush(struct udp_sender *sender)
{
    size_t done = 0;

    if (sender->message_count == 0)
        return;
    /* Nothing overtakes what already waits. */
    if (sender->queue_count == 0)
        done = submit(sender);
    if (done < sender->message_count)
        keep_rest(sender, done);
    clear_gathered(sender);
}

/* Gathers from the head of the queue without taking it off. Returns how many packets. */
static uint32_t gather_queued(struct udp_sender *sender)
{
    uint32_t n = 0;

    for (; n < sender->queue_count && !gathered_full(sender); n++) {
        const struct queued_packet *q =
            &sender->queue[(sender->queue_head + n) % UDP_PORT_QUEUE];

        add_piece(sender, gather(sender, &q->to, &q->local, q->len), q->data, q->len);
    }
    return n;
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct udp_sender *sender = arg;
    bool full = false;
    (void)fd;
    (void)what;

    loop_enter(sender->loop, "udp queue");
    drop_late(sender, loop_now(sender->loop));
    while (sender->queue_count && !full) {
        uint32_t left = 0;
        const uint32_t gathered = gather_queued(sender);
        const size_t done = submit(sender);

        for (size_t i = done; i < sender->message_count; i++)
            left += sender->out_slots[i].count;
        full = done < sender->message_count;
        clear_gathered(sender);
        dequeue(sender, gathered - left);
    }
    if (!sender->queue_count)
        event_del(sender->writable);
    loop_leave(sender->loop);
}

/* --- opening and closing
 * ---------------------------------------------------------------------- */

/* Zero pages that cost nothing until they are touched. */
void *udp_map_pages(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

int udp_sender_open(struct udp_sender *sender, struct loop *loop, int fd,
                    const struct address *at, const struct udp_port_options *options,
                    struct udp_port_stats *stats)
{
    sender->loop = loop;
    sender->stats = stats;
    sender->sendmmsg = options->sendmmsg ? options->sendmmsg : send_messages;
    sender->fd = fd;
    sender->family = at->sa.sa_family;
    sender->wildcard = address_is_wildcard(at);
    sender->gso = !options->no_gso;
    sender->queue = udp_map_pages(QUEUE_BYTES);
    sender->writable =
        event_new(loop_base(loop), fd, EV_WRITE | EV_PERSIST, on_writable, sender);
    return sender->queue && sender->writable ? RC_OK : RC_NOMEM;
}

void udp_sender_close(struct udp_sender *sender)
{
    if (sender->writable)
        event_free(sender->writable);
    if (sender->queue)
        munmap(sender->queue, QUEUE_BYTES);
}
