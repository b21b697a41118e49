/*
 * relay/peer_clock.h - what our clock shows when a peer's NTP clock shows something.
 *
 * One offset per peer, from the sender reports of all its streams: audio and video are moved by
 * the same amount, so lip sync is the sender's own. The offset is the least that was seen (the
 * report that waited least on its way), and rises by 200 ppm to follow a clock that drifts.
 *
 * Sans-IO, no malloc. Plain value of one peer, owned by its worker.
 */
#ifndef RELAY_PEER_CLOCK_H
#define RELAY_PEER_CLOCK_H

#include "core/base.h"

#define PEER_CLOCK_DRIFT_PPM 200
/* A step of the peer's clock: an offset so far off starts over. */
#define PEER_CLOCK_STEP SEC(5)

struct peer_clock {
    bool known;
    int64_t offset; /* our microseconds less theirs */
    usec_t updated;
};

void peer_clock_init(struct peer_clock *clock);
/* An SR of the peer came in at `now`. */
void peer_clock_report(struct peer_clock *clock, uint64_t ntp, usec_t now);
/* Our time of the peer's NTP time; never before time 0. Only when known. */
usec_t peer_clock_to_local(const struct peer_clock *clock, uint64_t ntp);

#endif
