/*
 * relay/data_switch.h - the data channels of all clients: an SCTP association each, and the
 * links between them.
 *
 * Packets and `now` in, packets out; no sockets and no threads, but see
 * relay/sctp_association.h for what usrsctp brings along: one switch per process. One thread,
 * relay/data_hub.h's. Packets come out from inside these functions: never call back into them
 * from data_switch_output.packet.
 *
 * An association that fails takes its channels with it, and nothing else: the client's media
 * does not know of it.
 */
#ifndef RELAY_DATA_SWITCH_H
#define RELAY_DATA_SWITCH_H

#include "core/base.h"
#include "core/metrics.h"
#include "relay/data_link.h"
#include "relay/sdp_negotiated.h"

struct data_switch;

struct data_switch_output {
    /* An SCTP packet for the DTLS session of `peer` on `worker`. */
    void (*packet)(void *arg, unsigned worker, uint64_t peer, struct span packet);
    void *arg;
};

struct data_switch_peer {
    uint64_t id;
    unsigned worker;  /* only handed back with packets */
    bool dtls_client; /* our role */
    struct sdp_negotiated_data data;
};

struct data_switch_stats {
    struct counter peers, associations; /* gauges */
    struct counter established, ended;  /* associations: came up; ended before their peer */
    struct counter packets_in, packets_out;
    struct data_link_stats link;
};

/* RC_FULL: this process has one; RC_NOMEM. */
int data_switch_create(struct data_switch **out, const struct data_switch_output *output);
/* Closes every peer. NULL is fine. */
void data_switch_free(struct data_switch *sw);

/* The association begins with the client's first packet. RC_BAD: the id is in use; RC_NOMEM. */
int data_switch_open(struct data_switch *sw, const struct data_switch_peer *peer);
/* These are harmless for ids that are not open. */
void data_switch_close(struct data_switch *sw, uint64_t peer);
void data_switch_link(struct data_switch *sw, uint64_t a, uint64_t b);
void data_switch_unlink(struct data_switch *sw, uint64_t a, uint64_t b);
void data_switch_input(struct data_switch *sw, uint64_t peer, struct span packet, usec_t now);

/* USEC_NEVER while there is no association. */
usec_t data_switch_deadline(const struct data_switch *sw);
void data_switch_tick(struct data_switch *sw, usec_t now);

struct data_switch_stats *data_switch_stats(struct data_switch *sw);

#endif
