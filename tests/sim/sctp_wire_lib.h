/*
 * tests/sim/sctp_wire_lib.h - a network of function calls between SCTP associations of this
 * process: what the association `id` sends arrives at `id ^ 1`, unless it is lost.
 *
 * Virtual time (tests/sim/virtual_clock_lib.h): sctp_wire_run moves it. One stack per process,
 * so one wire at a time.
 */
#ifndef TESTS_SIM_SCTP_WIRE_LIB_H
#define TESTS_SIM_SCTP_WIRE_LIB_H

#include "relay/sctp_association.h"

#define SCTP_WIRE_ENDS 64 /* ids 1 to 63 */

struct sctp_wire;

/* Takes part in the wire under an id; `association` may be NULL until the first packet. */
struct sctp_wire_end {
    /* A packet arrives. */
    void (*input)(void *arg, struct span packet);
    /* Something may have happened: read events, send what waits. */
    void (*work)(void *arg);
    void *arg;
};

struct sctp_wire *sctp_wire_create(void);
void sctp_wire_free(struct sctp_wire *wire);
struct sctp_stack *sctp_wire_stack(struct sctp_wire *wire);
usec_t sctp_wire_now(const struct sctp_wire *wire);
void sctp_wire_attach(struct sctp_wire *wire, uint64_t id, const struct sctp_wire_end *end);
void sctp_wire_detach(struct sctp_wire *wire, uint64_t id);
/* One of `nth` packets is lost; 0: none. */
void sctp_wire_lose(struct sctp_wire *wire, unsigned nth);
/* Hands over packets and lets time pass until nothing is under way and `duration` is over. */
void sctp_wire_run(struct sctp_wire *wire, usec_t duration);
/* The longest packet so far, and how many there were. */
size_t sctp_wire_longest(const struct sctp_wire *wire);
unsigned sctp_wire_packets(const struct sctp_wire *wire);

#endif
