/*
 * relay/guest.h - who else speaks on the media ports: what comes in and belongs to no peer
 * connection (STUN for no live ICE session, plain Binding requests, ChannelData, DTLS from
 * unknown addresses) is given to a guest, which answers through the same sockets. A STUN and
 * TURN server is one.
 *
 * One guest for each worker, on the worker's thread. The relay knows nothing of its protocol.
 */
#ifndef RELAY_GUEST_H
#define RELAY_GUEST_H

#include "core/loop.h"
#include "core/udp_port.h"
#include "relay/quality.h"

struct media_guest {
    void *arg;
    /* At most UDP_DELIVER_MAX datagrams, valid until it returns. `local` is where each came in,
     * with its port: an answer is told by it where to leave. */
    void (*input)(void *arg, struct udp_datagram *batch, size_t count, usec_t now);
    /* After all that a wakeup has made, the media's own sending included. */
    void (*idle)(void *arg, usec_t now);
    /* Something that the media sends to `to`, from `local` (IP alone). True: `to` is the
     * guest's own (splice), and it has been taken. Asked for each packet: must be quick. `data`
     * is borrowed as in udp_port_send, until the worker's next flush. NULL: there is no such
     * address. */
    bool (*take)(void *arg, const struct address *to, const struct address *local,
                 struct span data, usec_t now);
    /* The last call. On the worker's thread, or on the control thread when that never ran. */
    void (*close)(void *arg);
    /* What carries packets to an address that is the guest's own, with its queue if that is a
     * stream (core/stream_leg.h): pictures are then left out before they get a number, and the
     * sender is told what the stream takes. Before it goes away, worker_leg_gone. NULL: nothing
     * is known. */
    void (*leg)(void *arg, const struct address *to, struct relay_leg *out);
};

/* What a worker does for its guest. Own thread only, but for the loop's mailbox. */
struct worker;

struct loop *worker_loop(struct worker *worker);
/* The port of media; all sockets of media have it. */
uint16_t worker_port(const struct worker *worker);
/* `local` as a datagram's: IP and port of one of the worker's sockets. As udp_port_send_parts.
 */
void worker_send(struct worker *worker, const struct address *to, const struct address *local,
                 const struct udp_parts *parts);
void worker_flush(struct worker *worker);
void worker_leg_gone(struct worker *worker, const struct address *to);
/* How the stream of another thread is doing that carries packets to `to`, an address of the
 * guest's. With each change of it, and once a second. */
void worker_leg_report(struct worker *worker, const struct address *to,
                       const struct relay_leg *leg);
/* Datagrams for the media as if they had come in by a socket: `from` is an address that the
 * guest takes, `local` an IP with port 0. What belongs to no peer connection is dropped: a
 * guest is never its own client. 32 readable bytes behind each, which may be changed in place.
 * Not from inside `take`. */
void worker_splice(struct worker *worker, struct udp_datagram *batch, size_t count, usec_t now);

/* Makes the guest of worker `index`, whose ports are open and whose thread does not run yet: on
 * the control thread. RC_OK or what made it impossible. */
typedef int media_guest_fn(void *arg, unsigned index, struct worker *worker,
                           struct media_guest *out);

#endif
