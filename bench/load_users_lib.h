/*
 * bench/load_users_lib.h - many synthetic users of a real server: each has a Socket.IO
 * connection and a UDP socket with a whole WebRTC client (tests/sim/media_client_lib.h) behind
 * it.
 *
 * One thread: epoll, timers, real time. Frames leave as a browser's do, their packets at once
 * (as one UDP GSO message); what arrives is stamped by the kernel.
 */
#ifndef BENCH_LOAD_USERS_LIB_H
#define BENCH_LOAD_USERS_LIB_H

#include "core/address.h"

#define LOAD_DELAY_MAX 100000 /* microseconds; longer ones count as that */

struct load;

struct load_options {
    struct address server;  /* TCP */
    unsigned users;         /* even: they are matched in pairs */
    uint16_t packet_size;   /* UDP payload of a video packet */
    unsigned frame_packets; /* of a video frame */
    unsigned frame_rate;    /* per second */
    bool audio;
    unsigned half_open_max; /* users that connect at one time */
    /* Media goes by a channel of this TURN server; AF_UNSPEC: straight. */
    struct address turn;
    const char *turn_user, *turn_password; /* borrowed */
};

/* Since load_reset. */
struct load_counts {
    uint64_t sent, received; /* RTP packets of video and audio, retransmissions not counted */
    uint64_t video_bytes;    /* received, payload */
    uint32_t delay[LOAD_DELAY_MAX + 1]; /* histogram, microseconds */
    uint64_t delays;
};

/* Opens all sockets and connects all users' media; ends this process with a word on stderr when
 * that takes more than 60 s. */
struct load *load_create(const struct load_options *options);
void load_free(struct load *load);
/* Everyone looks for a partner and turns camera and microphone on. */
void load_match(struct load *load);
void load_run(struct load *load, usec_t duration);
void load_reset(struct load *load);
const struct load_counts *load_counts(const struct load *load);
/* Users that receive video. */
unsigned load_served(const struct load *load);

#endif
