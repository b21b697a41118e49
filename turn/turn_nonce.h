/*
 * turn/turn_nonce.h - nonces that need no memory (RFC 8489 sections 9.2 and 14.10).
 *
 *     "obMatJos2"  FEATURES   TIME and MAC
 *      9            4          22 characters of base64url: 4 bytes of Unix seconds, 12 of the
 * MAC
 *
 * FEATURES are the 24 security feature bits in base64; bit 0 (the first) is "password
 * algorithms", bit 1 "username anonymity". The MAC is HMAC-SHA1 over features, time and the
 * client's IP, so that whoever strips a feature on the way (bid-down) makes a foreign nonce.
 *
 * Sans-IO, no state, any thread.
 */
#ifndef TURN_TURN_NONCE_H
#define TURN_TURN_NONCE_H

#include "core/address.h"
#include "core/base.h"
#include "turn/turn_auth.h"

/* `features`: a mask of enum turn_feature. Returns the length without the NUL. */
size_t turn_nonce_write(char out[static TURN_NONCE_MAX], const struct stun_key *key,
                        unsigned features, const struct address *client, int64_t unix_now);

/* `life` in seconds, 0: without end. */
enum turn_nonce_verdict turn_nonce_judge(struct span nonce, const struct stun_key *key,
                                         unsigned features, uint32_t life,
                                         const struct address *client, int64_t unix_now);

#endif
