/*
 * core/udp_port.h - one UDP socket that is read and written in batches.
 *
 * Glue: sockets, libevent and the clock. Belongs to the thread of its loop. Receives with
 * recvmmsg (and UDP_GRO), sends with sendmmsg, neighbouring equal-sized packets to one
 * destination as one UDP GSO message. Where the kernel refuses GSO or GRO for good (EIO,
 * ENOPROTOOPT, EOPNOTSUPP) it is off for the life of the port; EINVAL and EMSGSIZE mean packet
 * by packet this time. A packet that the socket cannot take at once waits in a bounded queue
 * and is dropped (and counted) when it is older than 100 ms.
 *
 * A socket on the wildcard address is dual stack and remembers on which local address a
 * datagram came in, so that the answer leaves from there.
 */
#ifndef CORE_UDP_PORT_H
#define CORE_UDP_PORT_H

#include "core/address.h"
#include "core/base.h"
#include "core/loop.h"
#include "core/metrics.h"

#define UDP_BATCH_MAX 64      /* messages of one receive call */
#define UDP_DATAGRAM_MAX 2048 /* longer datagrams are dropped and counted */
#define UDP_DELIVER_MAX 256   /* datagrams of one call of the receive function */
#define UDP_PORT_QUEUE 1024   /* packets that wait for a full socket */

struct mmsghdr;
typedef int udp_sendmmsg_fn(int fd, struct mmsghdr *messages, unsigned count, int flags);

struct udp_datagram {
    uint8_t *data; /* writable, valid until the receive function returns */
    size_t len;
    struct address from;
    struct address
        local; /* port 0; AF_UNSPEC when the socket is bound to one address. For
                * udp_port_send: the answer leaves from where the question came to. */
};

/* The datagrams of one system call, after GRO is undone, in arrays of at most UDP_DELIVER_MAX;
 * a call that brought more is delivered in several. At least 32 readable bytes lie behind the
 * last byte of every datagram. What is queued on this port while it runs, datagrams that are
 * forwarded where they lie included, is flushed after the call's last array. */
typedef void udp_receive_fn(void *arg, struct udp_datagram *batch, size_t count, usec_t now);
/* Called after the last receive function of a wakeup: the place to flush what was queued. */
typedef void udp_idle_fn(void *arg, usec_t now);

struct udp_port_options {
    struct address at;         /* address and port to bind; port 0 takes a free one */
    bool reuse_port;           /* SO_REUSEPORT */
    bool no_gso, no_gro;       /* for tests and measurements */
    int buffer_bytes;          /* SO_RCVBUF and SO_SNDBUF; 0: 4 MB */
    udp_sendmmsg_fn *sendmmsg; /* for tests: in place of the kernel's */
};

/* Counters are written by the port's thread only; register them where they are. */
struct udp_port_stats {
    struct counter packets_in, bytes_in, packets_out, bytes_out;
    struct counter calls_in, calls_out; /* system calls */
    struct counter gso_messages;        /* messages that carried more than one packet */
    struct counter dropped_kernel;      /* SO_RXQ_OVFL */
    struct counter dropped_oversize, dropped_queue_full, dropped_queue_late, send_errors;
};

struct udp_port;

/* RC_SYS (errno: EADDRINUSE, EACCES…), RC_NOMEM; RC_BAD when options->at is no address. The
 * receive function must not close the port: loop_defer that. */
int udp_port_open(struct udp_port **out, struct loop *loop,
                  const struct udp_port_options *options, udp_receive_fn *receive,
                  udp_idle_fn *idle, void *arg);
void udp_port_close(struct udp_port *port);

/* Queues one packet. `data` is borrowed until udp_port_flush returns; sends in the order of the
 * calls. `local` may be NULL. Flushes by itself when its batch is full. A packet longer than
 * UDP_DATAGRAM_MAX or for an address that this socket cannot reach is counted in send_errors.
 */
void udp_port_send(struct udp_port *port, const struct address *to, const struct address *local,
                   const uint8_t *data, size_t len);
/* One packet of up to three pieces, any of them empty. The head is copied; the data is borrowed
 * as above and never moved: packets of one length are one GSO message all the same. */
struct udp_parts {
    struct span head, data;
    size_t tail; /* zero bytes behind the data, at most UDP_TAIL_MAX */
};
#define UDP_TAIL_MAX 3
void udp_port_send_parts(struct udp_port *port, const struct address *to,
                         const struct address *local, const struct udp_parts *parts);
/* Hands everything queued to the kernel; what it does not take is copied and waits. */
void udp_port_flush(struct udp_port *port);

/* The bound address with the real port. */
struct address udp_port_address(const struct udp_port *port);
struct udp_port_stats *udp_port_stats(struct udp_port *port);

#endif
