/*
 * relay/nack_generator.h - which packets of an incoming stream are missing, and when to ask for
 * them (RFC 4585, section 6.2.1).
 *
 * A missing packet is asked for at once, and again after each round trip until it comes, its
 * tries are used up or it is too old to be of use. Video that gives up says so: then only a
 * key frame helps. Audio asks less and is concealed by the decoder.
 *
 * Sans-IO, no malloc. The list is a fixed sorted array; a packet in order costs a comparison, a
 * late one a binary search and a move of at most 2 kB. Plain value, owned by the track's
 * worker.
 */
#ifndef RELAY_NACK_GENERATOR_H
#define RELAY_NACK_GENERATOR_H

#include "core/base.h"
#include "relay/codec.h"

#define NACK_LIST_MAX 128 /* packets missing at one time; a larger hole needs a key frame */

struct nack_limits {
    uint16_t list;   /* at most NACK_LIST_MAX */
    uint8_t tries;   /* requests per packet */
    usec_t age;      /* since it was found missing: later it is of no use */
    usec_t interval; /* between two requests for one packet, when the round trip is shorter */
};

struct nack_entry {
    usec_t found;
    uint32_t wait; /* microseconds from `found` to the next request */
    uint16_t seq;
    uint8_t tries;
};

struct nack_generator {
    struct nack_limits limits;
    bool video;
    bool started;
    bool key_frame_needed;
    uint16_t highest;
    uint16_t count;
    usec_t due; /* nothing is to be done before; USEC_NEVER: the list is empty */
    /* For statistics: requests, packets, packets. */
    uint64_t asked, recovered, given_up;
    struct nack_entry missing[NACK_LIST_MAX]; /* oldest first */
};

/* Video: 128 packets, 10 tries, 1 s. Audio: 32 packets, 3 tries, 200 ms. */
void nack_generator_init(struct nack_generator *n, enum media_kind kind);
/* Forgets everything: the stream started over (RECEIVE_FIRST). */
void nack_generator_reset(struct nack_generator *n);

/* A packet that came in, by its original sequence number, whether in order, late or by RTX.
 * True when it was on the list of the missing. */
bool nack_generator_packet(struct nack_generator *n, uint16_t seq, usec_t now);
/* A key frame begins at `seq`: what is missing before it is not needed any more. */
void nack_generator_key_frame(struct nack_generator *n, uint16_t seq);

/* The sequence numbers to ask for now, ascending, at most `max`; drops those that are given up.
 * rtt: to the sender, 0 when not known. Call after each packet or at the deadline. */
size_t nack_generator_poll(struct nack_generator *n, usec_t now, usec_t rtt, uint16_t *out,
                           size_t max);
usec_t nack_generator_deadline(const struct nack_generator *n);

/* Has something been given up that the decoder needs? True once; video only. */
bool nack_generator_take_key_frame_needed(struct nack_generator *n);

#endif
