#include "turn/relay_sender.h"

#include "core/log.h"
#include "turn/relay_direct.h"

#include <errno.h>
#include <netinet/udp.h>
#include <string.h>

enum {
    GSO_SEGMENTS = 64,      /* the kernel's UDP_MAX_SEGMENTS */
    GSO_BYTES = 65507 - 40, /* the largest payload, v6 with room for an extension header */
};

/* --- gathering -------------------------------------------------------------------------------
 */

static void mark_dirty(struct relay_sender *sender, struct turn_relay *relay, uint16_t first)
{
    relay->first = first;
    relay->gathered = 0;
    relay->dirty_next = sender->dirty;
    if (sender->dirty)
        sender->dirty->dirty_at = &relay->dirty_next;
    relay->dirty_at = &sender->dirty;
    sender->dirty = relay;
}

static void unmark_dirty(struct turn_relay *relay)
{
    *relay->dirty_at = relay->dirty_next;
    if (relay->dirty_next)
        relay->dirty_next->dirty_at = relay->dirty_at;
    relay->dirty_at = NULL;
}

void relay_sender_send(struct relay_sender *sender, struct turn_relay *relay,
                       const struct address *peer, struct span data, bool dont_fragment)
{
    if (data.n > RELAY_PACKET_MAX || peer->sa.sa_family != relay->family) {
        counter_add(&sender->stats->send_errors, 1);
        return;
    }
    if (sender->count == RELAY_PENDING)
        relay_sender_flush(sender);
    const uint16_t index = sender->count++;
    sender->packet[index] = (struct relay_packet){
        .to = *peer, .data = data.p, .len = (uint16_t)data.n, .dont_fragment = dont_fragment};
    if (relay->dirty_at)
        sender->packet[relay->last].next = index;
    else
        mark_dirty(sender, relay, index);
    relay->last = index;
    relay->gathered++;
}

/* --- messages --------------------------------------------------------------------------------
 */

static int call_kernel(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    if (count == 1) /* cheaper by a tenth of what sending costs */
        return sendmsg(fd, &messages->msg_hdr, flags) < 0 ? -1 : 1;
    return sendmmsg(fd, messages, count, flags);
}

static void add_piece(struct relay_sender *sender, const struct relay_packet *packet)
{
    union {
        const uint8_t *in;
        void *out; /* sending does not write: an iovec has no const form */
    } bytes = {packet->data};

    sender->piece[sender->pieces++] = (struct iovec){bytes.out, packet->len};
}

/* UDP_SEGMENT, for a message of several packets. */
static void set_segment(struct relay_sender *sender, unsigned i, uint16_t len)
{
    struct msghdr *header = &sender->out[i].msg_hdr;
    struct cmsghdr *c = (struct cmsghdr *)(void *)sender->control[i];

    c->cmsg_level = SOL_UDP;
    c->cmsg_type = UDP_SEGMENT;
    c->cmsg_len = CMSG_LEN(sizeof len);
    memcpy(CMSG_DATA(c), &len, sizeof len);
    header->msg_control = c;
    header->msg_controllen = CMSG_SPACE(sizeof len);
}

static bool joins(const struct relay_packet *first, const struct relay_packet *packet,
                  size_t bytes)
{
    return packet->len > 0 && packet->len <= first->len && bytes + packet->len <= GSO_BYTES &&
           packet->dont_fragment == first->dont_fragment &&
           address_equal(&packet->to, &first->to);
}

/* Makes a message of the packets from `index` on, of `left` that the relay has. Returns how
 * many. */
static unsigned make_message(struct relay_sender *sender, uint16_t index, unsigned left,
                             bool connected)
{
    struct relay_packet *first = &sender->packet[index];
    const struct relay_packet *packet = first;
    struct msghdr *header = &sender->out[sender->messages].msg_hdr;
    size_t bytes = first->len;
    unsigned n = 1;

    *header = (struct msghdr){
        .msg_name = connected ? NULL : &first->to,
        .msg_namelen = connected ? 0 : address_len(&first->to),
        .msg_iov = &sender->piece[sender->pieces],
    };
    add_piece(sender, first);
    while (sender->gso && n < left && n < GSO_SEGMENTS && packet->len == first->len &&
           joins(first, &sender->packet[packet->next], bytes)) {
        packet = &sender->packet[packet->next];
        add_piece(sender, packet);
        bytes += packet->len;
        n++;
    }
    header->msg_iovlen = n;
    if (n > 1)
        set_segment(sender, sender->messages, first->len);
    sender->messages++;
    return n;
}

/* --- handing them to the kernel
 * ---------------------------------------------------------------- */

static int hand_over(struct relay_sender *sender, struct mmsghdr *messages, unsigned count)
{
    int n;

    do
        n = sender->sendmmsg(sender->way->fd, messages, count, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    counter_add(&sender->stats->calls_out, 1);
    return n;
}

static void count_sent(struct relay_sender *sender, const struct msghdr *header)
{
    size_t bytes = 0;

    for (size_t i = 0; i < header->msg_iovlen; i++)
        bytes += header->msg_iov[i].iov_len;
    counter_add(&sender->stats->packets_out, header->msg_iovlen);
    counter_add(&sender->stats->bytes_out, bytes);
    if (header->msg_iovlen > 1)
        counter_add(&sender->stats->gso_messages, 1);
}

static bool socket_is_full(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK || error == ENOBUFS;
}

/* An ICMP error that came meanwhile is told once, by whatever call comes next, and says nothing
 * about the packet of that call: it is tried again. */
static int send_again(struct relay_sender *sender, struct mmsghdr *message)
{
    const struct address *to = message->msg_hdr.msg_name;

    if (errno != EMSGSIZE)
        return hand_over(sender, message, 1);
    if (to)
        sender->way->too_long_port = to->v4.sin_port; /* v6 has it at the same place */
    return -1;
}

_Static_assert(offsetof(struct sockaddr_in, sin_port) ==
                   offsetof(struct sockaddr_in6, sin6_port),
               "");

/* One message that was refused, packet by packet. False: the socket is full, the rest is lost.
 */
static bool send_singly(struct relay_sender *sender, const struct msghdr *run)
{
    for (size_t i = 0; i < run->msg_iovlen; i++) {
        struct mmsghdr one = {.msg_hdr = {
                                  .msg_name = run->msg_name,
                                  .msg_namelen = run->msg_namelen,
                                  .msg_iov = &run->msg_iov[i],
                                  .msg_iovlen = 1,
                              }};

        if (hand_over(sender, &one, 1) == 1 ||
            (!socket_is_full(errno) && send_again(sender, &one) == 1)) {
            count_sent(sender, &one.msg_hdr);
        } else if (socket_is_full(errno)) {
            counter_add(&sender->stats->dropped_full, run->msg_iovlen - i);
            return false;
        } else {
            counter_add(&sender->stats->send_errors, 1);
        }
    }
    return true;
}

/* The kernel said no to this message. False: the socket is full. */
static bool recover(struct relay_sender *sender, struct mmsghdr *message)
{
    const struct msghdr *header = &message->msg_hdr;
    const int error = errno;

    if (socket_is_full(error))
        return false;
    if (header->msg_iovlen > 1 &&
        (error == EIO || error == ENOPROTOOPT || error == EOPNOTSUPP)) {
        sender->gso = false;
        log_info("turn", "the kernel does without UDP GSO: %s", strerror(error));
        return send_singly(sender, header);
    }
    if (header->msg_iovlen > 1 && (error == EINVAL || error == EMSGSIZE))
        return send_singly(sender, header);
    if (send_again(sender, message) == 1)
        count_sent(sender, header);
    else if (socket_is_full(errno))
        return false;
    else
        counter_add(&sender->stats->send_errors, header->msg_iovlen);
    return true;
}

/* What is gathered in messages. What a full socket does not take is lost: the peers hear of
 * loss sooner than of delay. */
static void submit(struct relay_sender *sender)
{
    unsigned done = 0;

    while (done < sender->messages) {
        const int n = hand_over(sender, sender->out + done, sender->messages - done);

        for (int k = 0; k < n; k++, done++)
            count_sent(sender, &sender->out[done].msg_hdr);
        if (n <= 0 && !recover(sender, &sender->out[done]))
            break;
        done += n <= 0;
    }
    for (; done < sender->messages; done++)
        counter_add(&sender->stats->dropped_full, sender->out[done].msg_hdr.msg_iovlen);
    sender->messages = sender->pieces = 0;
}

/* RFC 8656 section 14: DF is set for who asks by DONT-FRAGMENT, and not for others. */
static void set_dont_fragment(struct turn_relay *relay, bool on)
{
    const int v4 = on ? IP_PMTUDISC_DO : IP_PMTUDISC_DONT;
    const int v6 = on ? IPV6_PMTUDISC_DO : IPV6_PMTUDISC_WANT;

    if (relay->family == AF_INET)
        (void)setsockopt(relay->fd, IPPROTO_IP, IP_MTU_DISCOVER, &v4, sizeof v4);
    else
        (void)setsockopt(relay->fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &v6, sizeof v6);
    relay->dont_fragment = on;
}

/* What is in the way of a message for this packet leaves first: messages of another socket, or
 * with another DF. */
static void choose_way(struct relay_sender *sender, struct turn_relay *relay,
                       const struct relay_packet *packet)
{
    struct turn_relay *way = relay;

    if (sender->receiver && !packet->dont_fragment)
        way = relay_direct_way(relay, &packet->to);
    if (way != sender->way || packet->dont_fragment != way->dont_fragment)
        submit(sender);
    sender->way = way;
    if (packet->dont_fragment != way->dont_fragment)
        set_dont_fragment(way, packet->dont_fragment);
}

static void send_all(struct relay_sender *sender, struct turn_relay *relay)
{
    unsigned left = relay->gathered;
    uint16_t index = relay->first;

    while (left > 0) {
        const struct relay_packet *first = &sender->packet[index];

        choose_way(sender, relay, first);
        const unsigned n = make_message(sender, index, left, sender->way != relay);
        if (sender->receiver)
            relay_direct_count(relay, sender->way, &first->to, n);
        for (unsigned i = 0; i < n; i++)
            index = sender->packet[index].next;
        left -= n;
        if (sender->messages == RELAY_SEND_MESSAGES)
            submit(sender);
    }
    submit(sender);
    if (sender->receiver)
        relay_direct_adjust(relay, sender->receiver);
}

void relay_sender_finish(struct relay_sender *sender, struct turn_relay *relay)
{
    if (!relay->dirty_at)
        return;
    send_all(sender, relay);
    unmark_dirty(relay);
}

void relay_sender_flush(struct relay_sender *sender)
{
    while (sender->dirty)
        relay_sender_finish(sender, sender->dirty);
    sender->count = 0;
}

void relay_sender_init(struct relay_sender *sender, const struct relay_sockets_options *options,
                       struct relay_sockets_stats *stats, struct relay_receiver *receiver)
{
    sender->stats = stats;
    sender->receiver = options->no_direct ? NULL : receiver;
    sender->sendmmsg = options->sendmmsg ? options->sendmmsg : call_kernel;
    sender->gso = !options->no_gso;
}
