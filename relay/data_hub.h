/*
 * relay/data_hub.h - the thread of all SCTP of the process: associations, and the links between
 * their data channels.
 *
 * Glue on core/loop.h. Workers post the packets that they have decrypted, the control thread
 * opens, links and closes; packets for clients are handed to a callback, which posts them to
 * the worker of the client. usrsctp allows one hub per process. An idle hub sleeps.
 *
 * A packet from one client takes at most DATA_HUB_QUEUE_PER_PEER places of the queue, all
 * packets together three quarters, so that no client can crowd out others or the control
 * thread; the rest is refused (DATA_OVERLOAD) and SCTP sends it again.
 */
#ifndef RELAY_DATA_HUB_H
#define RELAY_DATA_HUB_H

#include "core/base.h"
#include "core/metrics.h"
#include "relay/data_link.h"
#include "relay/sdp_negotiated.h"

#define DATA_HUB_QUEUE 8192
#define DATA_HUB_QUEUE_PER_PEER 256 /* twice what the window of one association holds */

struct data_hub;

struct data_hub_options {
    /* On the hub's thread: an SCTP packet for the DTLS session of `peer` on `worker`. */
    void (*send)(void *arg, unsigned worker, uint64_t peer, struct span packet);
    void *arg;
};

struct data_hub_stats {
    struct counter peers, associations; /* gauges */
    struct counter established, failed; /* associations, total */
    struct counter packets_in, packets_out;
    struct data_link_stats link;
};

/* RC_FULL: this process has one; RC_NOMEM, RC_SYS. */
int data_hub_start(struct data_hub **out, const struct data_hub_options *options);
/* Ends the thread. Others may still post to it. */
void data_hub_stop(struct data_hub *hub);
/* Once nobody posts any more. NULL is fine. */
void data_hub_free(struct data_hub *hub);

/* All of these: any thread; done in order of one caller; RC_FULL, RC_NOMEM: not taken. */

/* `dtls_client`: our role. The association begins with the client's first packet. */
int data_hub_open(struct data_hub *hub, uint64_t peer, unsigned worker,
                  const struct sdp_negotiated_data *data, bool dtls_client);
int data_hub_close(struct data_hub *hub, uint64_t peer);
/* Harmless where one of them is not open; link again when it is. */
int data_hub_link(struct data_hub *hub, uint64_t a, uint64_t b);
int data_hub_unlink(struct data_hub *hub, uint64_t a, uint64_t b);
/* Copied. Refusals are counted. */
int data_hub_packet(struct data_hub *hub, uint64_t peer, struct span packet);

const struct data_hub_stats *data_hub_stats(const struct data_hub *hub);

#endif
