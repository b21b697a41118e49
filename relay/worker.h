/*
 * relay/worker.h - one media thread: an event loop, its UDP sockets, and the peers of relay/media.
 *
 * Glue: the only file of relay/ besides relay.c that knows threads, sockets and the clock. What the
 * control thread wants is posted as messages and done in order; what happens is posted back.
 */
#ifndef RELAY_WORKER_H
#define RELAY_WORKER_H

#include "core/loop.h"
#include "relay/guest.h"
#include "relay/ice_streams.h"
#include "relay/media.h"
#include "relay/relay.h"

struct worker;

struct worker_options {
    unsigned index;
    const struct address *listen; /* borrowed for the call; ports are set, all to the same */
    size_t listen_count;
    const struct address *also; /* the same, of the guest alone; another port */
    size_t also_count;
    int buffer_bytes;
    uint32_t mailbox_capacity; /* 0: LOOP_MAILBOX_DEFAULT */
    enum srtp_engine_kind srtp_engine;
    struct media_options media; /* srtp and timers are filled in by the worker */
    struct loop *control; /* borrowed: of the thread that makes the worker and commands it */
    /* Called on the control thread. None is lost but for quality reports while it is behind. */
    void (*event)(void *arg, uint64_t peer, const struct media_event *event);
    /* Called on the worker's thread; NULL: no data channels. */
    void (*data)(void *arg, uint64_t peer, struct span packet);
    /* The worker of that index; NULL while there is none. Called once all of them run. */
    struct worker *(*other)(void *arg, unsigned index);
    void *arg;
    /* Called on the control thread: a connection of worker_take is closed. */
    void (*stream_closed)(void *arg, void *ticket);
    media_guest_fn *guest; /* NULL: none */
    void *guest_arg;
};

/* Binds, then starts the thread. RC_SYS with errno; `failed` is the address that could not be
 * bound, AF_UNSPEC when it was something else. */
int worker_start(struct worker **out, const struct worker_options *options,
                 struct address *failed);
/* Closes the peers, ends the thread, waits for it. Other workers may still post to it. */
void worker_stop(struct worker *worker);
/* Once every worker is stopped; no event comes any more. NULL is fine. */
void worker_free(struct worker *worker);

/* All of these: control thread; done in order. RC_NOMEM; RC_FULL when the worker is behind. An end,
 * a link and its end wait then and are done all the same, unless 65536 of them wait already. */
int worker_open(struct worker *worker, const struct media_peer_options *peer);
int worker_update(struct worker *worker, uint64_t peer, const struct sdp_negotiated *negotiated,
                  const struct ice_credentials *restart);
int worker_close(struct worker *worker, uint64_t peer);
int worker_link(struct worker *worker, uint64_t a, uint64_t b);
int worker_unlink(struct worker *worker, uint64_t a, uint64_t b);
int worker_link_remote(struct worker *worker, uint64_t peer, unsigned other, uint64_t partner);
int worker_unlink_remote(struct worker *worker, uint64_t peer, uint64_t partner);

/* Gives a TCP connection to the worker, whose first check names a session of it; `first` is copied.
 * Control thread. RC_FULL, RC_NOMEM: the connection is still the caller's; otherwise stream_closed
 * follows in the end, but for those that are open when the worker is stopped. */
int worker_take(struct worker *worker, const struct ice_stream_arrival *arrival);

/* An SCTP packet; copied. Any thread. RC_FULL, RC_NOMEM: lost, as a network may lose it. */
int worker_send_data(struct worker *worker, uint64_t peer, struct span packet);

#endif
