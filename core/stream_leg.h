/*
 * core/stream_leg.h - media on its way into a TCP connection, so that it does not lag.
 *
 * TCP delivers everything and in order: what is written while the path is slower than the media
 * waits for seconds, first in the kernel, then in the network. So the kernel is given no more
 * than the path takes at once, the rest waits here, bounded in time and not in bytes, and when
 * it would wait too long a picture is left out, whole frames, while sound and control go on.
 *
 * - Two queues: control (STUN, DTLS, RTCP, whatever is no RTP) and sound before pictures.
 * - The gate: a frame that begins while pictures would have to wait for more than
 * STREAM_LEG_LIMIT of what the leg really drains is not let in, nor are those behind it, until
 * the queue has cleared. What came in is sent to its end. Who can (the relay) asks the gate
 * before a packet gets its sequence number, so that the receiver sees no gap, and asks for a
 * key frame once it is open again; whoever carries packets that it cannot read (TURN) leaves it
 * to stream_leg_put.
 * - A large frame, as a key frame is, may take longer by what it needs itself, up to
 *   STREAM_LEG_LARGE, and that allowance fades: the encoder makes it good with small ones.
 * - What waited too long all the same (a stall) is thrown away rather than sent late.
 *
 * Sans-IO: packets, samples of the connection and `now` in, bytes to write out;
 * core/stream_pump puts it on a socket. One thread.
 */
#ifndef CORE_STREAM_LEG_H
#define CORE_STREAM_LEG_H

#include "core/base.h"
#include "core/metrics.h"
#include "core/packet_fifo.h"
#include "core/stream_sample.h"

#define STREAM_LEG_LIMIT MSEC(100)         /* of pictures, before the gate shuts */
#define STREAM_LEG_CLEAR MSEC(30)          /* and when it opens again */
#define STREAM_LEG_LARGE MSEC(200)         /* more, behind a large frame */
#define STREAM_LEG_STALE_SOUND MSEC(300)   /* late sound is noise */
#define STREAM_LEG_STALE_PICTURE MSEC(600) /* and a late picture in nobody's face */
#define STREAM_LEG_PACE MSEC(5) /* who waits for the path to drain comes again so soon */
#define STREAM_LEG_CHUNK 16384  /* bytes of one write at most */

struct stream_leg; /* opaque; 1.5 kB, and what waits: 256 kB at most */

/* What all legs of a thread share; the owner registers the numbers on /metrics. */
struct stream_legs {
    uint8_t out[STREAM_LEG_CHUNK]; /* private: of the write under way */
    struct histogram queue; /* microseconds that a packet would wait, each time that it is
                             * looked at */
    struct counter frames_dropped;   /* pictures, by the gate */
    struct counter gates_shut;       /* how often that began */
    struct counter packets_stale;    /* thrown away after a stall */
    struct counter packets_overflow; /* no room: a leg that does not move at all */
};

void stream_legs_init(struct stream_legs *legs);

/* `legs` is borrowed. RC_NOMEM. */
int stream_leg_create(struct stream_leg **out, struct stream_legs *legs);
void stream_leg_free(struct stream_leg *leg); /* NULL is fine */

enum stream_leg_kind {
    STREAM_LEG_SOUND,
    STREAM_LEG_PICTURE,  /* put asks the gate at each frame */
    STREAM_LEG_ADMITTED, /* a picture whose owner asks: stream_leg_admits */
};

/* What the packets of this SSRC are. Of others it is found out by their looks. */
void stream_leg_know(struct stream_leg *leg, uint32_t ssrc, enum stream_leg_kind kind);

/* A frame of the picture begins: may it go? Once for each frame; its packets are then all put,
 * or none. */
bool stream_leg_admits(struct stream_leg *leg, usec_t now);
/* No picture goes: what was lost of one need not be repeated either. */
bool stream_leg_is_shut(const struct stream_leg *leg);
/* Would a frame that begins now be let in? */
bool stream_leg_has_room(const struct stream_leg *leg, usec_t now);

/* What is no RTP in the packets that are put is somebody else's data, and may be any amount of
 * it: too late, it is thrown away as sound is. Without this it is control, which must arrive.
 */
void stream_leg_carries_data(struct stream_leg *leg);

/* One message, framing in `head` and `tail`, with the packet in `data`. RC_FULL, RC_NOMEM: it
 * was left out, and counted. */
int stream_leg_put(struct stream_leg *leg, const struct packet_parts *parts, usec_t now);
/* One that must arrive, whatever is in it. RC_FULL: so many wait that nobody reads them. */
int stream_leg_put_reply(struct stream_leg *leg, const struct packet_parts *parts, usec_t now);

/* The newest of the connection, before each write. */
void stream_leg_sample(struct stream_leg *leg, const struct stream_sample *sample, usec_t now);
/* What to write now; n 0: nothing, or the kernel has enough. Valid until stream_leg_took, which
 * has to follow before anything else of this thread's legs is called. */
struct span stream_leg_next(struct stream_leg *leg, usec_t now);
/* The first n of them, 0 maybe, were written; the others come first the next time. RC_NOMEM:
 * they are lost, and with them the stream. */
int stream_leg_took(struct stream_leg *leg, size_t n);

/* Is there anything to write? */
bool stream_leg_waits(const struct stream_leg *leg);
size_t stream_leg_bytes(const struct stream_leg *leg);
/* The connection is to end: what must arrive comes out at once, whatever the kernel holds, and
 * the rest is thrown away. */
void stream_leg_hurry(struct stream_leg *leg);
/* How much unsent the kernel should hold at most: for TCP_NOTSENT_LOWAT. */
uint32_t stream_leg_unsent_max(const struct stream_leg *leg);
/* What a picture that came in now would wait, the network's queue included; sound waits less.
 */
usec_t stream_leg_delay(const struct stream_leg *leg, usec_t now);
/* bit/s that may be sent without a queue standing; 0: no limit is known. */
uint64_t stream_leg_cap(const struct stream_leg *leg);

#endif
