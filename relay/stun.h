/*
 * relay/stun.h - a look at a STUN message before any library sees it, and the answer to a plain
 * Binding request (RFC 8489; RFC 8445 for what an ICE check must carry).
 *
 * stun_scan walks the attributes once and checks every length, so that what is handed to
 * libnice's engine cannot make it read past the datagram or give up. Sans-IO, any thread, no
 * state but the reply budget.
 */
#ifndef RELAY_STUN_H
#define RELAY_STUN_H

#include "core/address.h"
#include "core/base.h"
#include "core/refusal.h"

#define STUN_HEADER_LEN 20
#define STUN_COOKIE 0x2112A442u
/* A USERNAME is ours (8), a colon and theirs (at most 256, RFC 8839 section 5.4). */
#define STUN_USERNAME_MAX 265
/* Of a message that this server answers: a check is about 120 bytes; more than an Ethernet
 * frame is nobody's check. */
#define STUN_MESSAGE_MAX 1280
#define STUN_UNKNOWN_MAX 8 /* unknown attributes that a 420 answer names; more are left out */

/* Largest answer of stun_binding_reply: a 420 that names STUN_UNKNOWN_MAX attributes. */
#define STUN_BINDING_REPLY_MAX 64

struct stun_view {
    uint16_t type;        /* class and method: 0x0001 is a Binding request */
    const uint8_t *id;    /* the 12 bytes of the transaction id */
    struct span username; /* p NULL when absent */
    bool has_integrity;   /* MESSAGE-INTEGRITY of the right length, before any FINGERPRINT */
    bool has_fingerprint; /* the last attribute, and its CRC-32 is right */
    uint16_t unknown[STUN_UNKNOWN_MAX]; /* comprehension-required ones that we do not know */
    uint8_t unknown_count;
};

#define STUN_BINDING_REQUEST 0x0001

/* RC_BAD for anything that is not exactly one well-formed message: wrong cookie or lengths, an
 * attribute that runs past the end, a USERNAME over STUN_USERNAME_MAX or given twice, a
 * MESSAGE-INTEGRITY that is not 20 bytes long, a FINGERPRINT that is wrong or not the last.
 * *out is then untouched. Attributes between MESSAGE-INTEGRITY and FINGERPRINT are ignored
 * (section 14.5). */
int stun_scan(struct span datagram, struct stun_view *out);

/* How many plain Binding requests a thread answers: the answer is at most 32 bytes longer than
 * the request (20 for IPv4), so a forged source gains nothing, and this bounds it all the same.
 */
#define STUN_REPLIES_PER_SECOND 5000

struct stun_budget {
    usec_t full_at; /* when it is whole again; 0 is a whole one */
};

/* Answers a Binding request without credentials (RFC 8489 section 6.3.1): XOR-MAPPED-ADDRESS
 * and FINGERPRINT, or 420. REFUSAL_NONE with *len > 0: send `reply` to `from`. REFUSAL_NONE
 * with *len 0: an indication, which wants no answer. Otherwise the reason, already counted, and
 * *len is 0: STUN_MALFORMED, STUN_UNKNOWN_USER (it has credentials, but they are of no
 * session), STUN_RATE_LIMIT. */
enum refusal stun_binding_reply(struct stun_budget *budget, struct span datagram,
                                const struct address *from, usec_t now,
                                uint8_t reply[static STUN_BINDING_REPLY_MAX], size_t *len);

#endif
