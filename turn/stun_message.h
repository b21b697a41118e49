/*
 * turn/stun_message.h - STUN messages as bytes (RFC 8489), with the attributes of TURN (RFC
 * 8656, 6062, 8016), NAT behaviour discovery (RFC 5780) and ICE (RFC 8445): reading. Writing,
 * integrity and ChannelData have headers of their own, included here.
 *
 * Sans-IO, no allocation, any thread. stun_read walks a message once and checks every length;
 * what it leaves in struct stun_message are places in the caller's bytes. A message is written
 * into the caller's buffer by a builder that never runs over: stun_finish says 0 if it would
 * have.
 *
 * libnice exports functions named stun_message_*, stun_agent_*, stun_usage_* and stun_timer_*:
 * none here may have such a name.
 */
#ifndef TURN_STUN_MESSAGE_H
#define TURN_STUN_MESSAGE_H

#include "core/address.h"
#include "core/base.h"
#include "turn/channel_data.h"
#include "turn/stun_attribute.h"
#include "turn/stun_builder.h"
#include "turn/stun_integrity.h"

#define STUN_PEERS_MAX 16   /* XOR-PEER-ADDRESS in one CreatePermission */
#define STUN_UNKNOWNS_MAX 8 /* named in a 420; more are left out */

struct stun_message {
    struct span bytes; /* the message, borrowed */
    enum stun_class class;
    uint16_t method;    /* enum stun_method, or one that we do not know */
    const uint8_t *id;  /* STUN_ID_BYTES inside bytes */
    uint64_t has;       /* bit 1 << enum stun_known; use stun_has */
    uint8_t peer_count; /* XOR-PEER-ADDRESS attributes, up to STUN_PEERS_MAX */
    bool too_many_peers;
    uint8_t unknown_count;
    uint16_t unknown[STUN_UNKNOWNS_MAX]; /* comprehension-required ones that are not in the
                                          * table, each once */
    uint16_t peer_at[STUN_PEERS_MAX];
    /* Where the value of the first of each lies in bytes, set where `has` says so; attributes
     * behind MESSAGE-INTEGRITY(-SHA256) that must be ignored there (section 14.5) are not here.
     */
    struct {
        uint16_t at, len;
    } attribute[STUN_KNOWN_COUNT];
};

/* Is this the start of a STUN message: the two zero bits, the cookie, a length that is a
 * multiple of four and at most STUN_BYTES_MAX with the header? Takes what there is of the first
 * 20 bytes: *total is the whole message's length when it says yes. RC_AGAIN: fewer than 20
 * bytes, and they do not contradict it. RC_BAD: no. */
int stun_peek(struct span bytes, size_t *total);

/* Reads exactly one message. RC_BAD: malformed (cookie, length, an attribute past the end or of
 * a wrong length, FINGERPRINT wrong or not last). *out is then undefined. An attribute that
 * stands twice counts once, the first (section 14), but for XOR-PEER-ADDRESS. */
int stun_read(struct stun_message *out, struct span datagram);

static inline bool stun_has(const struct stun_message *m, enum stun_known which)
{
    return m->has >> which & 1;
}
/* {NULL, 0} when absent. */
struct span stun_get(const struct stun_message *m, enum stun_known which);
/* The first four bytes of a value; 0 when it is absent or shorter. */
uint32_t stun_get_u32(const struct stun_message *m, enum stun_known which);
/* The XOR-… ones XORed, the others plainly. A v4-mapped address comes out as IPv4. RC_BAD:
 * absent, of no known family, or of another length than its family's. */
int stun_get_address(const struct stun_message *m, enum stun_known which, struct address *out);
/* The i-th XOR-PEER-ADDRESS. RC_BAD as above. */
int stun_get_peer(const struct stun_message *m, unsigned i, struct address *out);
/* Of an error response, 300 to 699; 0 when absent or malformed. */
unsigned stun_get_error(const struct stun_message *m);

#endif
