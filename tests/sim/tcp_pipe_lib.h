/*
 * tests/sim/tcp_pipe_lib.h - one direction of a TCP connection in virtual time: a kernel that
 * takes whatever it is given, a bottleneck with an endless queue, and a receiver that takes the
 * frames of RFC 4571 apart. Nothing gets lost: what TCP repeats is time.
 *
 * Sans-IO, one thread.
 */
#ifndef TESTS_SIM_TCP_PIPE_LIB_H
#define TESTS_SIM_TCP_PIPE_LIB_H

#include "core/stream_sample.h"

#define TCP_PIPE_WRITES_MAX 8192 /* under way */

struct tcp_pipe {
    uint64_t bitrate; /* of the bottleneck; 0: none */
    usec_t delay;     /* one way, without any queue */
    void (*deliver)(void *arg, uint8_t *packet, size_t len);
    void *arg;

    usec_t free; /* when the bottleneck is idle again */
    uint64_t written, passed, acked;
    struct tcp_pipe_write {
        usec_t passes; /* the bottleneck; arrives `delay`, is acknowledged twice that later */
        size_t len;
        uint8_t *bytes;                                        /* owned until it has arrived */
    } write[TCP_PIPE_WRITES_MAX];                              /* ring */
    uint64_t first_passing, first_arriving, first_acking, end; /* counts of writes */
    size_t have;
    uint8_t rest[4096];
};

/* What is under way is thrown away. */
void tcp_pipe_clear(struct tcp_pipe *pipe);
void tcp_pipe_write(struct tcp_pipe *pipe, struct span bytes, usec_t now);
/* Lets what is due pass, arrive and be acknowledged. */
void tcp_pipe_run(struct tcp_pipe *pipe, usec_t now);
/* When something of it is due; USEC_NEVER. */
usec_t tcp_pipe_deadline(const struct tcp_pipe *pipe);
struct stream_sample tcp_pipe_sample(const struct tcp_pipe *pipe, usec_t now);

#endif
