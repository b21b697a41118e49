/*
 * core/base64.h - base64 with padding, and base64url without (RFC 4648, sections 4 and 5).
 *
 * Sans-IO, no state, any thread.
 */
#ifndef CORE_BASE64_H
#define CORE_BASE64_H

#include "core/base.h"

/* Characters that n bytes become. */
static inline size_t base64_encoded_length(size_t n)
{
    return (n + 2) / 3 * 4;
}

/* An upper bound of the bytes that n characters become. */
static inline size_t base64_decoded_max(size_t n)
{
    return n / 4 * 3 + 3;
}

/* Writes base64_encoded_length(in.n) characters and no NUL; returns how many. */
size_t base64_encode(char *out, struct span in);

/* Writes at most base64_decoded_max(in.n) bytes; `out` may be where `in` is. Padding may be
 * left out, as some clients do. RC_BAD for any other character, for a length that no bytes
 * have, and for data behind the padding. */
int base64_decode(uint8_t *out, struct span in, size_t *length);

/* Characters that n bytes become in base64url, which is written without padding here. */
static inline size_t base64url_encoded_length(size_t n)
{
    return (n * 4 + 2) / 3;
}

/* Writes base64url_encoded_length(in.n) characters and no NUL; returns how many. */
size_t base64url_encode(char *out, struct span in);
/* As base64_decode, but strict: one text for each string of bytes. RC_BAD also for padding and
 * for bits behind the last byte that are not zero (section 3.5). */
int base64url_decode(uint8_t *out, struct span in, size_t *length);

#endif
