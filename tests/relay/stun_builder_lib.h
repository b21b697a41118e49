/*
 * tests/relay/stun_builder_lib.h - STUN messages made byte by byte, right or wrong at will,
 * with OpenSSL's HMAC and zlib's CRC: nothing of it is shared with the code under test.
 */
#ifndef TESTS_RELAY_STUN_BUILDER_LIB_H
#define TESTS_RELAY_STUN_BUILDER_LIB_H

#include "core/base.h"

#define STUN_BUILDER_MAX 2048

struct stun_builder {
    uint8_t bytes[STUN_BUILDER_MAX];
    size_t n;
    uint8_t pad; /* what padding is made of; anything is right (RFC 8489 section 14) */
};

void stun_builder_begin(struct stun_builder *builder, uint16_t type,
                        const uint8_t id[static 12]);
/* Pads and updates the header's length. */
void stun_builder_append(struct stun_builder *builder, uint16_t type, const void *value,
                         size_t n);
void stun_builder_append32(struct stun_builder *builder, uint16_t type, uint32_t value);
void stun_builder_append64(struct stun_builder *builder, uint16_t type, uint64_t value);
/* MESSAGE-INTEGRITY as RFC 8489 section 14.5 computes it, FINGERPRINT as 14.7. */
void stun_builder_integrity(struct stun_builder *builder, const char *pwd);
void stun_builder_fingerprint(struct stun_builder *builder);
struct span stun_builder_span(const struct stun_builder *builder);

#endif
