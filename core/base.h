/*
 * core/base.h - words every other file speaks. Includes nothing of ours.
 */
#ifndef CORE_BASE_H
#define CORE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Monotonic microseconds. Only event-loop files read the clock; everyone else is told. */
typedef uint64_t usec_t;
#define USEC_NEVER UINT64_MAX
#define MSEC(n) ((usec_t)(n)*1000u)
#define SEC(n) ((usec_t)(n)*1000000u)

/* Bytes that belong to someone else. Valid only as long as the call that handed it over. */
struct span {
    const uint8_t *p;
    size_t n;
};

/* A span over a string literal or a byte array, without its terminator. */
#define SPAN_LITERAL(s) ((struct span){(const uint8_t *)(s), sizeof(s) - 1})

/* Zero is success and every failure is negative, so a count and a failure can share one int. */
enum rc {
    RC_OK = 0,
    RC_BAD = -1,   /* the peer broke the protocol: drop, count, carry on */
    RC_FULL = -2,  /* one of our own limits: refuse politely */
    RC_NOMEM = -3, /* no memory */
    RC_SYS = -4,   /* the kernel said no; errno still holds the reason */
    RC_AGAIN = -5, /* not yet: more bytes or another turn of the loop are needed */
};

#define ARRAY_LEN(a) (sizeof(a) / sizeof *(a))

static inline uint16_t load_be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t load_be24(const uint8_t *p)
{
    return (uint32_t)p[0] << 16 | load_be16(p + 1);
}

static inline uint32_t load_be32(const uint8_t *p)
{
    return (uint32_t)load_be16(p) << 16 | load_be16(p + 2);
}

static inline uint64_t load_be64(const uint8_t *p)
{
    return (uint64_t)load_be32(p) << 32 | load_be32(p + 4);
}

static inline void store_be16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void store_be24(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 16);
    store_be16(p + 1, (uint16_t)v);
}

static inline void store_be32(uint8_t *p, uint32_t v)
{
    store_be16(p, (uint16_t)(v >> 16));
    store_be16(p + 2, (uint16_t)v);
}

static inline void store_be64(uint8_t *p, uint64_t v)
{
    store_be32(p, (uint32_t)(v >> 32));
    store_be32(p + 4, (uint32_t)v);
}

/* RFC 1982 serial arithmetic: is `a` after `b` on a 16-bit circle? */
static inline bool seq16_after(uint16_t a, uint16_t b)
{
    return a != b && (uint16_t)(a - b) < 0x8000;
}

#endif
