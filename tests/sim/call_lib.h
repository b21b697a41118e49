/*
 * tests/sim/call_lib.h - synthetic clients (media_client) against one or two real media cores
 * (relay/media.h) through a network in virtual time that loses, repeats, reorders, delays and
 * throttles.
 *
 * One call at a time: everything is in one static world, and the same seed gives the same run.
 */
#ifndef TESTS_SIM_CALL_LIB_H
#define TESTS_SIM_CALL_LIB_H

#include "core/stream_leg.h"
#include "relay/media.h"
#include "tests/sim/media_client_lib.h"
#include "tests/sim/tcp_pipe_lib.h"

#define CALL_T0 SEC(1000)
#define CALL_CLIENTS_MAX 4
#define CALL_EVENTS_MAX 64

/* One direction between one client and its media core. All zero: 10 ms and nothing else. */
struct call_path {
    usec_t delay;       /* 0: 10 ms */
    usec_t jitter;      /* up to that much more, evenly spread: reorders */
    unsigned loss;      /* per mille */
    unsigned duplicate; /* per mille */
    uint64_t bitrate;   /* bit/s of a bottleneck; 0: none */
    usec_t queue;       /* the longest wait before it; 0: 300 ms */
};

struct call_client {
    struct media_client *client; /* owned */
    uint64_t peer;               /* id in its media core */
    unsigned worker;             /* 0 or 1 */
    struct address address;      /* where it sends from; change it to roam */
    struct call_path up, down;
    bool gone; /* unplugged: neither sends nor hears, and does not know */
    struct sdp_negotiated negotiated;
    char answer_ufrag[ICE_UFRAG_LEN + 1];
    unsigned event_count;
    struct media_event event[CALL_EVENTS_MAX];
    usec_t event_at[CALL_EVENTS_MAX];
    usec_t last_up;              /* when the last datagram of this client was delivered */
    uint64_t up_free, down_free; /* private: when the bottleneck is idle again */
    uint64_t delivered_up, delivered_down, lost_up, lost_down;
    struct sdp_local local;
    struct ice_credentials credentials;
    /* Over TCP, what comes down: `down.bitrate` and `down.delay`, and no loss; else NULL. */
    struct tcp_pipe *pipe;
    struct stream_leg *leg;
};

/* The world of the test. */
struct call {
    usec_t now;
    struct media *media[2]; /* owned; the second when `workers` is 2 */
    struct timers *timers[2];
    struct call_client client[CALL_CLIENTS_MAX];
    unsigned clients, workers;
    struct stream_legs legs; /* of all that come over TCP */
};

struct call_options {
    unsigned workers; /* 0: 1 */
    uint64_t max_bitrate;
    uint64_t seed; /* 0: the usual one */
    unsigned tcp;  /* mask by index: clients that come over TCP */
};

/* Ends the previous call. */
struct call *call_begin(const struct call_options *options);
void call_end(void);

/* A client with the id of its place, 1 more than its index, on worker `worker`. `base` may be
 * NULL; id, certificate, contexts and output are filled in. It offers and gets its answer now;
 * returns its index. */
unsigned call_add(unsigned worker, const struct media_client_options *base);
/* The client's page is loaded again: its peer is closed, and a new one connects from the same
 * address. What it was linked to, the caller unlinks before and links again. */
void call_reload(unsigned index, const struct media_client_options *base);
/* Lets time go by. */
void call_run(usec_t duration);
/* Until all clients are connected; the time that it took. Fails the test after 20 s. */
usec_t call_connect(void);
void call_link(unsigned a, unsigned b);
void call_unlink(unsigned a, unsigned b);
/* Both directions of every client. */
void call_paths(const struct call_path *path);
/* Cameras and microphones of all. */
void call_start_all(void);

/* Offers again; `restart`: with new ICE credentials. */
void call_renegotiate(unsigned index, bool restart);
/* Hands a datagram to the client's media core as if it came from `from` (NULL: its address). */
void call_inject(unsigned index, const struct address *from, const uint8_t *data, size_t len);
/* Notes datagrams that the client sends: the last SRTP packet, RTP or RTCP. Its length. */
size_t call_last_srtp(unsigned index, uint8_t *buf, size_t capacity);

/* How many events of a kind, and the last of them (NULL: none). */
unsigned call_events(unsigned index, enum media_event_kind kind);
const struct media_event *call_last_event(unsigned index, enum media_event_kind kind);

#endif
