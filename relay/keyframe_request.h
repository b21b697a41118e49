/*
 * relay/keyframe_request.h - when to ask the sender of a video track for a key frame (PLI,
 * RFC 4585 section 6.3.1, or FIR, RFC 5104 section 4.3.1).
 *
 * Requests from receivers and our own are one wish: asked at most once per 500 ms and again
 * until a key frame arrives. A new route asks at once, whatever was asked before.
 *
 * Sans-IO, no malloc. Plain value of one incoming track, owned by its worker.
 */
#ifndef RELAY_KEYFRAME_REQUEST_H
#define RELAY_KEYFRAME_REQUEST_H

#include "core/base.h"

#define KEYFRAME_REQUEST_INTERVAL MSEC(500)
/* After that many without an answer (a camera that is switched off), only every 3 s. */
#define KEYFRAME_REQUEST_PATIENCE 20
#define KEYFRAME_REQUEST_SLOW SEC(3)

struct keyframe_request {
    bool wanted;
    bool urgent;     /* a new route: does not wait for the interval */
    uint8_t fir_seq; /* of the last request; each is a new command, since answers get lost */
    uint32_t asked_count; /* since the wish began */
    bool asked_before;
    usec_t asked; /* last request */
};

void keyframe_request_init(struct keyframe_request *request);
/* Somebody needs a key frame: a PLI or FIR came in, or packets were given up. */
void keyframe_request_want(struct keyframe_request *request);
/* Somebody new watches. */
void keyframe_request_new_route(struct keyframe_request *request);
/* Nobody watches any more. */
void keyframe_request_cancel(struct keyframe_request *request);
/* The first packet of a key frame came in. */
void keyframe_request_arrived(struct keyframe_request *request);

/* True: send a request now (it counts as sent). Call after each of the above and at the
 * deadline. */
bool keyframe_request_poll(struct keyframe_request *request, usec_t now);
/* USEC_NEVER while nothing is wanted; 0 when a request is due at once. */
usec_t keyframe_request_deadline(const struct keyframe_request *request);

#endif
