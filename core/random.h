/*
 * core/random.h - random bytes from the kernel's generator by way of OpenSSL. Any thread.
 */
#ifndef CORE_RANDOM_H
#define CORE_RANDOM_H

#include "core/base.h"

/* Ends the process if the system has no randomness: nothing here is safe without it. */
void random_bytes(void *out, size_t n);
uint32_t random_u32(void);
uint64_t random_u64(void);
/* `n` characters of [A-Za-z0-9+/] (ICE's alphabet) and a NUL: buf holds n + 1. */
void random_ice_chars(char *buf, size_t n);
/* `n` characters of [A-Za-z0-9_-] and a NUL. */
void random_id(char *buf, size_t n);

#endif
