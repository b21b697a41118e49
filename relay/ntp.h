/*
 * relay/ntp.h - NTP timestamps as RTCP writes them (RFC 3550, section 4): seconds in 32.32
 * fixed point.
 *
 * Sans-IO, pure, any thread. Our own NTP clock is the monotonic clock: RFC 3550, section 6.4.1
 * allows a sender to use the time since its start, and it never steps.
 */
#ifndef RELAY_NTP_H
#define RELAY_NTP_H

#include "core/base.h"

/* Wraps after 2^32 seconds, as NTP does. ntp_to_usec gives the same microsecond back. */
static inline uint64_t ntp_from_usec(usec_t t)
{
    return (t / SEC(1)) << 32 | ((t % SEC(1)) << 32) / SEC(1);
}

/* Rounded to the nearest microsecond. */
static inline usec_t ntp_to_usec(uint64_t ntp)
{
    return (ntp >> 32) * SEC(1) + (((ntp & 0xffffffffu) * SEC(1) + 0x80000000u) >> 32);
}

/* The middle 32 bits, 16.16: what LSR and DLSR are made of. */
static inline uint32_t ntp_middle(uint64_t ntp)
{
    return (uint32_t)(ntp >> 16);
}

/* A 16.16 interval in microseconds. */
static inline usec_t ntp_short_to_usec(uint32_t interval)
{
    return ((usec_t)interval * SEC(1)) >> 16;
}

#endif
