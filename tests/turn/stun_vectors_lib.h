/*
 * tests/turn/stun_vectors_lib.h - the sample messages of RFC 5769 and of RFC 8489, appendix B
 * (as its verified erratum 6268 has it: length, algorithm and digest differ from the first
 * print).
 */
#ifndef TESTS_TURN_STUN_VECTORS_LIB_H
#define TESTS_TURN_STUN_VECTORS_LIB_H

#include "core/base.h"

extern const struct span rfc5769_request;           /* section 2.1: short-term, FINGERPRINT */
extern const struct span rfc5769_response_v4;       /* section 2.2 */
extern const struct span rfc5769_response_v6;       /* section 2.3 */
extern const struct span rfc5769_long_term_request; /* section 2.4 */
extern const struct span rfc8489_request;           /* appendix B.1: USERHASH, SHA-256 */

#define RFC5769_PASSWORD "VOkJxbRl1RmTxUk/WvJxBt" /* of the first three */

/* Of the last two: the name is "MATORIKKUSU" in katakana, the password is after preparation. */
#define LONG_TERM_NAME                                                                         \
    "\xe3\x83\x9e\xe3\x83\x88\xe3\x83\xaa\xe3\x83\x83\xe3\x82\xaf\xe3\x82\xb9"
#define LONG_TERM_REALM "example.org"
#define LONG_TERM_PASSWORD "TheMatrIX"

#endif
