#include "relay/peer_clock.h"

#include "relay/ntp.h"

void peer_clock_init(struct peer_clock *clock)
{
    *clock = (struct peer_clock){.known = false};
}

void peer_clock_report(struct peer_clock *clock, uint64_t ntp, usec_t now)
{
    const int64_t sample = (int64_t)now - (int64_t)ntp_to_usec(ntp);
    const int64_t off = sample - clock->offset;
    const usec_t elapsed = now - clock->updated;

    clock->updated = now;
    if (!clock->known || off > (int64_t)PEER_CLOCK_STEP || off < -(int64_t)PEER_CLOCK_STEP) {
        clock->known = true;
        clock->offset = sample;
        return;
    }
    const int64_t risen = (int64_t)(elapsed * PEER_CLOCK_DRIFT_PPM / SEC(1));
    clock->offset += off < risen ? off : risen;
}

usec_t peer_clock_to_local(const struct peer_clock *clock, uint64_t ntp)
{
    const int64_t local = (int64_t)ntp_to_usec(ntp) + clock->offset;

    return local > 0 ? (usec_t)local : 0;
}
