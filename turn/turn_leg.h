/*
 * turn/turn_leg.h - the way out to one client over TCP or TLS: core/stream_leg.h on a
 * bufferevent.
 *
 * Glue. One thread. The bufferevent gets no more than the path takes at once; the rest waits in
 * the leg, where it can still be left out: whole pictures first, so that the client hears what
 * is new and never what is old. What this server cannot read it tells apart by its looks
 * (core/rtp_glance.h). Messages of one turn of the loop leave together at its end.
 */
#ifndef TURN_TURN_LEG_H
#define TURN_TURN_LEG_H

#include "core/base.h"
#include "core/loop.h"
#include "core/metrics.h"
#include "core/stream_leg.h"

struct bufferevent;

/* Of a client that does not acknowledge, or does not read: as long as consent to send lasts
 * (RFC 7675). */
#define TURN_LEG_PATIENCE SEC(30)

/* Of all legs of a thread; one writer. */
struct turn_leg_stats {
    struct counter messages, bytes; /* that were to be sent */
    struct stream_legs legs;
};

enum leg_kind {
    LEG_REPLY, /* what the protocol needs: never dropped */
    LEG_DATA,  /* what a peer sent: as good as a datagram */
};

/* One message in up to three pieces, any of them empty. */
struct leg_message {
    enum leg_kind kind;
    struct span head, data;
    size_t tail; /* zero bytes behind them, 0 to 3 */
};

/* How a leg is doing, for whoever feeds it. */
struct turn_leg_report {
    uint64_t cap; /* bit/s that may be sent without a queue standing; 0: no limit is known */
    bool full;    /* no picture gets through for now */
};

struct turn_leg {
    struct bufferevent *bev;      /* borrowed */
    struct turn_leg_stats *stats; /* borrowed */
    struct loop *loop;            /* borrowed */
    struct stream_leg *leg;       /* owned; NULL: no memory, and everything is refused */
    struct timer timer;           /* the end of this turn, or when to look again */
    uint32_t lowat;
    struct turn_leg_report reported;
    usec_t reported_at;
    /* Called when the report has changed by more than noise, and once a second while anything
     * is sent; NULL: nobody asks. */
    void (*changed)(void *arg, const struct turn_leg_report *report);
    void *arg;
};

void turn_leg_stats_init(struct turn_leg_stats *stats);

/* Sets the socket's options. */
void turn_leg_open(struct turn_leg *leg, struct bufferevent *bev, struct loop *loop,
                   struct turn_leg_stats *stats);
/* Frees what waits; the bufferevent stays the owner's. */
void turn_leg_close(struct turn_leg *leg);

/* Sends with the end of this turn, or as soon as the path takes it. RC_OK; RC_AGAIN: it was
 * data and is left out, and counted; RC_FULL: it was a reply and there is no room even for
 * that, so the client does not read: close it. */
int turn_leg_send(struct turn_leg *leg, const struct leg_message *message, usec_t now);
/* From the bufferevent's write callback: its output is empty. */
void turn_leg_drained(struct turn_leg *leg, usec_t now);
/* Hands everything that waits to the bufferevent whatever it holds: before it goes. */
void turn_leg_flush(struct turn_leg *leg, usec_t now);

/* What was put and is not the kernel's yet: bytes, and how long a picture would wait. */
size_t turn_leg_bytes(const struct turn_leg *leg);
usec_t turn_leg_delay(const struct turn_leg *leg, usec_t now);

#endif
