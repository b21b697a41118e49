/*
 * turn/stun_builder.h - writes STUN messages (RFC 8489 sections 5 and 14).
 *
 * Sans-IO, no allocation, any thread. The bytes go into the caller's buffer, never past its
 * end: once something did not fit, everything after it is ignored, and stun_finish says 0.
 */
#ifndef TURN_STUN_BUILDER_H
#define TURN_STUN_BUILDER_H

#include "core/address.h"
#include "core/base.h"
#include "turn/stun_attribute.h"
#include "turn/stun_integrity.h"

struct stun_builder {
    uint8_t *p; /* borrowed */
    size_t capacity, len;
    bool overflow;
};

void stun_begin(struct stun_builder *b, uint8_t *buffer, size_t capacity, enum stun_class class,
                uint16_t method, const uint8_t id[static STUN_ID_BYTES]);
/* Value and zero padding. */
void stun_put(struct stun_builder *b, uint16_t type, const void *value, size_t n);
void stun_put_u32(struct stun_builder *b, uint16_t type, uint32_t value);
/* XORed for the XOR-… types, plain for the rest. "No address" counts as what did not fit. */
void stun_put_address(struct stun_builder *b, uint16_t type, const struct address *address);
/* ERROR-CODE with the RFC's reason phrase for `code`, 300 to 699. */
void stun_put_error(struct stun_builder *b, unsigned code);
/* Reserves `n` bytes of an attribute's value to be written in place; NULL on overflow. */
uint8_t *stun_reserve(struct stun_builder *b, uint16_t type, size_t n);
/* Over all that was put before. With both, SHA-1 comes first (section 14.5). */
void stun_put_integrity(struct stun_builder *b, const struct stun_key *key,
                        enum stun_integrity which);
/* Writes the length, and FINGERPRINT if asked. Returns the message's length, 0 if it did not
 * fit. */
size_t stun_finish(struct stun_builder *b, bool fingerprint);
/* Ends a message with a DATA attribute whose `n` bytes lie elsewhere: what is in the buffer,
 * those bytes and *tail zeroes are the message. Returns the length of the part in the buffer, 0
 * if it did not fit or the whole would be too long. */
size_t stun_finish_data(struct stun_builder *b, size_t n, size_t *tail);

/* "Unauthenticated" for 401…; "" for a code that is not in the RFCs. */
const char *stun_error_reason(unsigned code);

#endif
