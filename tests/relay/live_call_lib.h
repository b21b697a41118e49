/*
 * tests/relay/live_call_lib.h - a real relay, its threads and sockets on the loopback, with
 * synthetic clients (media_client) that have a socket each. One world at a time; the test's
 * thread is the control thread.
 */
#ifndef TESTS_RELAY_LIVE_CALL_LIB_H
#define TESTS_RELAY_LIVE_CALL_LIB_H

#include "core/stream.h"
#include "relay/relay.h"
#include "tests/sim/media_client_lib.h"

#define LIVE_GUESTS_MAX 16
#define LIVE_DATAGRAM_MAX 2048
#define LIVE_PATIENCE SEC(20) /* a machine under ThreadSanitizer and load */

enum live_transport { LIVE_UDP, LIVE_TCP, LIVE_TLS };

struct live_options {
    unsigned workers;              /* 0: 1 */
    uint32_t control_mailbox;      /* 0: the usual one */
    uint32_t max_peers;            /* 0: 100 */
    uint32_t max_handshakes;       /* 0: 100 */
    enum live_transport transport; /* of the guests */
    uint32_t max_streams_per_ip;
    uint32_t video_bitrate; /* 0: 300 000 */
    bool adapts;            /* to REMB */
    uint32_t records;       /* packets of each stream that notes are kept of */
};

/* A datagram that a guest has sent. */
struct live_datagram {
    size_t len;
    uint8_t bytes[LIVE_DATAGRAM_MAX];
};

struct live_guest {
    struct media_client *client; /* owned; NULL: the place is free */
    struct relay_peer *peer;     /* of the relay's; NULL: closed */
    enum live_transport transport;
    struct stream stream; /* connected to the server: a datagram socket, or TCP */
    size_t received;      /* bytes of frames that are not whole yet */
    uint8_t bytes[65536];
    struct event *readable;
    struct address server;
    bool mute;          /* sends nothing, as one that vanished */
    bool deaf_to_dtls;  /* what comes of it is thrown away: the handshake stays half open */
    bool hung_up;       /* by the server; TCP */
    bool silent;        /* on this connection so far: it has to begin with a check */
    uint64_t read_rate; /* bit/s; 0: everything at once. Set before live_throttle */
    usec_t read_at;
    size_t may_read;
    unsigned connected, failed, qualities;
    enum relay_path path; /* of the last quality report */
    enum refusal why;
    struct live_datagram sent[DATAGRAM_RTCP + 1]; /* the last by enum datagram_kind */
};

struct live_world {
    struct loop *control;
    struct relay *relay;       /* NULL: stopped */
    struct listener *listener; /* of the TCP port */
    /* Of guests that are added from now on. */
    enum live_transport transport;
    uint32_t video_bitrate, records;
    bool adapts;
    struct live_guest guest[LIVE_GUESTS_MAX];
    unsigned guests; /* places ever taken */
    uint32_t clients_made;
};

/* Ends the world before. */
struct live_world *live_begin(const struct live_options *options);
void live_end(void);
/* The relay ends; the clients stay, to look at what they heard. */
void live_stop_relay(void);

/* A client that has offered and got its answer; its number. VP8 of 300 kbit/s and Opus. */
unsigned live_add(void);
/* From now on the guest reads its connection at so many bit/s, and the kernel holds little. */
void live_throttle(unsigned guest, uint64_t bitrate);
/* Hangs up and connects anew, with the same session; TCP. */
void live_reconnect(unsigned guest);
/* The user is gone: the relay closes the peer. The client's socket stays. */
void live_close(unsigned guest);
/* Offers again from a fresh PeerConnection: the peer is replaced, the client is another one. */
void live_replace(unsigned guest);
void live_link(unsigned a, unsigned b);
void live_unlink(unsigned a, unsigned b);
void live_start_media(void);

void live_run(usec_t duration);
/* False: it did not come true within the patience. */
bool live_until(bool (*is_true)(void), usec_t patience);
bool live_all_connected(void);

/* Packets of video and sound that came to a guest so far. */
uint64_t live_video_packets(unsigned guest);
uint64_t live_audio_packets(unsigned guest);
/* Waits until both see and hear more than before; fails the test otherwise. */
void live_expect_media(unsigned a, unsigned b);

#endif
