/*
 * relay/sctp_association.h - one client's SCTP association over DTLS (RFC 8831, RFC 8261), an
 * endpoint of usrsctp.
 *
 * Packets in, packets and events out; no sockets, no threads of ours. Two impurities of
 * usrsctp: it is one per process, and it reads the wall clock to measure round trips; its
 * timers move by sctp_stack_tick alone. All calls on one thread, that of relay/data_hub.h or of
 * a test. Packets are written from inside these functions: never call back into them from
 * sctp_output.packet.
 *
 * Memory: 15 kB per association at SCTP_STREAMS, more only while messages are under way: at
 * most SCTP_RECEIVE_BUFFER, one message being put together, and SCTP_SEND_BUFFER.
 */
#ifndef RELAY_SCTP_ASSOCIATION_H
#define RELAY_SCTP_ASSOCIATION_H

#include "core/base.h"
#include "relay/sctp_message.h"

#define SCTP_STREAMS 64                  /* ids 0 to 63; each costs memory on both sides */
#define SCTP_PACKET_MAX 1132             /* below dtls_data_mtu with every cipher of ours */
#define SCTP_MESSAGE_MAX 262144          /* what our answers announce (SDP_MAX_MESSAGE_SIZE) */
#define SCTP_RECEIVE_BUFFER (128 * 1024) /* the window that the client sees */
#define SCTP_SEND_BUFFER (384 * 1024)    /* the longest message fits behind some others */
#define SCTP_TICK MSEC(40)               /* how often sctp_stack_tick wants to be called */

struct sctp_stack;       /* opaque: usrsctp of this process */
struct sctp_association; /* opaque */

struct sctp_output {
    void *arg;
    /* A packet of the association `id`, to be sealed and sent. May come from any call, of any
     * association, also after its close. */
    void (*packet)(void *arg, uint64_t id, struct span packet);
};

/* RC_FULL: this process has one already; RC_NOMEM. */
int sctp_stack_create(struct sctp_stack **out, const struct sctp_output *output);
/* After its associations. NULL is fine. */
void sctp_stack_free(struct sctp_stack *stack);
/* `now` counts from the first call. */
void sctp_stack_tick(struct sctp_stack *stack, usec_t now);
/* The next association for which a timer or an input may have made an event: drain it with
 * sctp_association_peek. NULL: no more. */
struct sctp_association *sctp_stack_next_ready(struct sctp_stack *stack);

struct sctp_association_options {
    uint64_t id; /* not 0, not in use; below 2^32 where pointers are that small */
    uint16_t local_port, remote_port;
    uint32_t max_message_in;  /* longer ones are refused; at most SCTP_MESSAGE_MAX */
    uint32_t max_message_out; /* what the client takes; at most SCTP_MESSAGE_MAX */
    void *user;               /* borrowed */
};

/* Sends an INIT at once; both ends do (RFC 8841 section 10.2). RC_NOMEM, RC_SYS. */
int sctp_association_open(struct sctp_association **out, struct sctp_stack *stack,
                          const struct sctp_association_options *options);
/* Sends an ABORT if there is somebody to tell. NULL is fine. */
void sctp_association_close(struct sctp_association *association);
void *sctp_association_user(const struct sctp_association *association);

/* One decrypted packet, whatever it is. RC_BAD, counted: not an SCTP packet for these ports. */
int sctp_association_input(struct sctp_association *association, struct span packet);

enum sctp_association_event_kind {
    SCTP_EVENT_UP,         /* messages can be sent; again after the client restarted it */
    SCTP_EVENT_DOWN,       /* lost, aborted or shut down: close it, nothing more will come */
    SCTP_EVENT_MESSAGE,    /* `message` */
    SCTP_EVENT_TOO_LARGE,  /* a message over max_message_in began on `message.stream` */
    SCTP_EVENT_RESET,      /* the client has ended the streams of `streams` */
    SCTP_EVENT_RESET_DONE, /* our end of `streams` is reset, so their ids are free */
};

struct sctp_association_event {
    enum sctp_association_event_kind kind;
    struct sctp_message message; /* its data lives until sctp_association_pop or _close */
    uint64_t streams;            /* of a reset; bit i: stream i */
    unsigned stream_count;       /* SCTP_EVENT_UP: streams that both ends have */
};

/* The oldest event; false: none. It stays until sctp_association_pop: while it does, nothing
 * more is read, the client's window closes and the client waits. */
bool sctp_association_peek(struct sctp_association *association,
                           struct sctp_association_event *event);
void sctp_association_pop(struct sctp_association *association);

/* RC_AGAIN: the client is slow, try again after the next input; RC_FULL: longer than
 * max_message_out; RC_BAD: not up, or a stream that there is not. */
int sctp_association_send(struct sctp_association *association,
                          const struct sctp_message *message);
/* Ends our half of a stream once what was sent on it has left (RFC 6525). RC_AGAIN: another
 * reset is under way, try again after SCTP_EVENT_RESET_DONE; RC_BAD: not up, no such stream, or
 * a client that cannot. */
int sctp_association_reset(struct sctp_association *association, uint16_t stream);

#endif
