/*
 * turn/turn_leg.h - the way out to one client over TCP or TLS.
 *
 * Glue: a bufferevent. One thread. What the kernel does not take at once waits in a queue of
 * our own (turn/leg_queue.h) and not in the bufferevent, where nothing could be dropped any
 * more; and the kernel keeps little that it has not sent (TCP_NOTSENT_LOWAT). So a slow client
 * gets what is new, or nothing, but never what is old.
 */
#ifndef TURN_TURN_LEG_H
#define TURN_TURN_LEG_H

#include "core/base.h"
#include "core/metrics.h"
#include "turn/leg_queue.h"

struct bufferevent;

#define TURN_LEG_NOTSENT (16 * 1024) /* bytes that the kernel holds unsent */
#define TURN_LEG_PATIENCE                                                                      \
    SEC(30) /* of a client that does not acknowledge, or does not read: as long as consent to  \
               send lasts (RFC 7675) */
#define TURN_LEG_FEED                                                                          \
    (16 * 1024) /* bytes that the bufferevent holds, or one message if that is longer */

/* Of all legs of a thread; one writer. */
struct turn_leg_stats {
    struct counter messages, bytes;            /* handed to the kernel's side */
    struct counter dropped_full, dropped_late; /* data messages */
};

struct turn_leg {
    struct bufferevent *bev;      /* borrowed */
    struct turn_leg_stats *stats; /* borrowed */
    struct leg_queue queue;
    usec_t filled; /* when what the bufferevent holds was put there first */
};

/* Sets the socket's options; core/tcp_liveness.h's among them. `limit` and `age`:
 * leg_queue_init's. */
void turn_leg_open(struct turn_leg *leg, struct bufferevent *bev, struct turn_leg_stats *stats,
                   size_t limit, usec_t age);
/* Frees what waits; the bufferevent stays the owner's. */
void turn_leg_close(struct turn_leg *leg);

/* Sends or queues, with the loop's time of this turn. RC_OK; RC_AGAIN: it was data, there is no
 * room, it is dropped and counted; RC_FULL: it was a reply and there is no room even for that,
 * so the client does not read: close it. */
int turn_leg_send(struct turn_leg *leg, const struct leg_message *message, usec_t now);
/* From the bufferevent's write callback: its output is empty. */
void turn_leg_drained(struct turn_leg *leg, usec_t now);
/* Hands replies that wait to the bufferevent whatever it holds, and drops data: before it goes.
 */
void turn_leg_flush(struct turn_leg *leg, usec_t now);

/* What was put and is not the kernel's yet: bytes, and how long the oldest has waited. */
size_t turn_leg_bytes(const struct turn_leg *leg);
usec_t turn_leg_delay(const struct turn_leg *leg, usec_t now);

#endif
