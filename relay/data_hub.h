/*
 * relay/data_hub.h - the thread of all SCTP of the process: relay/data_switch.h on a loop.
 *
 * Glue on core/loop.h. Workers post the packets that they have decrypted, the control thread
 * opens, links and closes; packets for clients are handed to a callback, which posts them to
 * the worker of the client. One hub per process. An idle hub sleeps.
 *
 * Packets of one client take at most DATA_HUB_QUEUE_PER_PEER places of the queue, so that none
 * can crowd out the others; the rest is refused (DATA_OVERLOAD) and SCTP sends it again.
 */
#ifndef RELAY_DATA_HUB_H
#define RELAY_DATA_HUB_H

#include "core/base.h"
#include "core/loop.h"
#include "relay/data_switch.h"

#define DATA_HUB_QUEUE 8192
#define DATA_HUB_QUEUE_PER_PEER 256 /* twice what the window of one association holds */

struct data_hub;

struct data_hub_options {
    struct loop *control; /* borrowed: of the thread that makes the hub and commands it */
    /* On the hub's thread: an SCTP packet for the DTLS session of `peer` on `worker`. */
    void (*send)(void *arg, unsigned worker, uint64_t peer, struct span packet);
    void *arg;
};

/* RC_FULL: this process has one; RC_NOMEM; RC_SYS. */
int data_hub_start(struct data_hub **out, const struct data_hub_options *options);
/* Ends the thread, once nobody posts any more. NULL is fine. */
void data_hub_free(struct data_hub *hub);

/* These: control thread; done in order, also while the hub is behind. RC_FULL, RC_NOMEM. */
int data_hub_open(struct data_hub *hub, const struct data_switch_peer *peer);
int data_hub_close(struct data_hub *hub, uint64_t peer);
/* Harmless where one of them is not open; link again when it is. */
int data_hub_link(struct data_hub *hub, uint64_t a, uint64_t b);
int data_hub_unlink(struct data_hub *hub, uint64_t a, uint64_t b);

/* Any thread; copied. RC_FULL (counted), RC_NOMEM: lost, as a network may lose it. */
int data_hub_packet(struct data_hub *hub, uint64_t peer, struct span packet);

/* Any thread may read the counters. */
const struct data_switch_stats *data_hub_stats(const struct data_hub *hub);

#endif
