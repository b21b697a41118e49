/*
 * turn/turn_hello.h - the first words of a DTLS client, answered without making any state:
 * ClientHello, HelloVerifyRequest and the cookie between them (RFC 6347
 * sections 4.1, 4.2.1, 4.2.2).
 *
 * Sans-IO, no allocation. A jar belongs to one thread, the rest is any thread's.
 */
#ifndef TURN_TURN_HELLO_H
#define TURN_TURN_HELLO_H

#include "core/address.h"
#include "core/base.h"

#define TURN_COOKIE_BYTES 20
#define TURN_COOKIE_SECRET 32
#define TURN_COOKIE_LIFE SEC(60) /* of a secret; a cookie is good for that long to twice that  \
                                  */
#define TURN_HELLO_VERIFY_BYTES 48 /* shorter than any ClientHello: nothing is amplified */

struct turn_hello {
    const uint8_t *random; /* 32 bytes, in the datagram */
    struct span cookie;    /* in the datagram; empty in a first ClientHello */
    uint64_t sequence;     /* of its record */
    uint16_t message_seq;  /* of the handshake message */
};

/* RC_OK: the datagram's first record is a ClientHello in the clear, whose first fragment has
 * the cookie. RC_BAD: it is something else. */
int turn_hello_read(struct turn_hello *out, struct span datagram);

/* Two secrets, so that a change of them spoils no handshake that is under way. */
struct turn_cookie_jar {
    uint8_t secret[2][TURN_COOKIE_SECRET]; /* now, before */
    usec_t since;
};
void turn_cookie_jar_init(struct turn_cookie_jar *jar, usec_t now);

/* An HMAC over both addresses and the client's random. */
void turn_cookie_make(struct turn_cookie_jar *jar, const struct address *remote,
                      const struct address *local, const struct turn_hello *hello, usec_t now,
                      uint8_t out[static TURN_COOKIE_BYTES]);
/* Has the ClientHello a cookie that was made for it? Constant time. */
bool turn_cookie_check(struct turn_cookie_jar *jar, const struct address *remote,
                       const struct address *local, const struct turn_hello *hello, usec_t now);

/* The whole datagram that answers `hello`. */
void turn_hello_verify_write(uint8_t out[static TURN_HELLO_VERIFY_BYTES],
                             const struct turn_hello *hello,
                             const uint8_t cookie[static TURN_COOKIE_BYTES]);

#endif
