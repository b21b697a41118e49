/*
 * tests/sim/dtls_world_lib.h - two DTLS ends and a link that loses, repeats, delays and
 * reorders, all in virtual time.
 */
#ifndef TESTS_SIM_DTLS_WORLD_LIB_H
#define TESTS_SIM_DTLS_WORLD_LIB_H

#include "core/base.h"
#include "relay/dtls.h"

#define DTLS_WORLD_LATENCY MSEC(10)
#define DTLS_WORLD_IN_FLIGHT 256

/* What becomes of the nth datagram (from 0) that `from` (0 or 1) sends. */
struct dtls_fate {
    unsigned copies; /* 0: lost */
    usec_t extra;    /* latency of each copy on top of DTLS_WORLD_LATENCY */
};
typedef struct dtls_fate dtls_fate_fn(unsigned from, unsigned nth, const uint8_t *data,
                                      size_t n);

/* An end: one of ours, or anything else that the test has. */
struct dtls_world_end {
    void *self;
    void (*input)(void *self, struct span datagram, usec_t now);
    size_t (*poll)(void *self, uint8_t *buf, size_t capacity);
    usec_t (*deadline)(void *self);
    void (*tick)(void *self, usec_t now);
};

struct dtls_world {
    usec_t now;
    dtls_fate_fn *fate; /* NULL: everything arrives */
    struct dtls_world_end end[2];
    unsigned sent[2];
    struct {
        usec_t due; /* 0: free */
        unsigned to;
        uint64_t order;
        size_t n;
        uint8_t bytes[2048];
    } flight[DTLS_WORLD_IN_FLIGHT];
    uint64_t order;
};

struct dtls_world_end dtls_world_session(struct dtls_session *session);

/* Sends what the ends have to say, and lets time go by until `until` or until nothing is under
 * way and nobody waits for anything. Sets the virtual clock. */
void dtls_world_run(struct dtls_world *world, usec_t until);

#endif
