/*
 * turn/stun_message.h - STUN messages as bytes (RFC 8489), with the attributes of TURN (RFC 8656,
 * 6062, 8016), NAT behaviour discovery (RFC 5780) and ICE (RFC 8445): reading and writing.
 *
 * Sans-IO, no allocation, any thread. stun_read walks a message once and checks every length; what
 * it leaves in struct stun_message are spans into the caller's bytes. A message is written into
 * the caller's buffer by a builder that never runs over: stun_finish says 0 if it would have.
 *
 * libnice exports functions named stun_message_*, stun_agent_*, stun_usage_* and stun_timer_*: none
 * here may have such a name.
 */
#ifndef TURN_STUN_MESSAGE_H
#define TURN_STUN_MESSAGE_H

#include "core/address.h"
#include "core/base.h"

#define STUN_HEADER_BYTES 20
#define STUN_ID_BYTES 12
#define STUN_MAGIC 0x2112A442u
#define STUN_PEERS_MAX 16   /* XOR-PEER-ADDRESS in one CreatePermission */
#define STUN_UNKNOWNS_MAX 8 /* named in a 420; more are left out */

enum stun_class { STUN_REQUEST, STUN_INDICATION, STUN_SUCCESS, STUN_ERROR };

enum stun_method {
    STUN_BINDING = 0x001,
    STUN_ALLOCATE = 0x003,
    STUN_REFRESH = 0x004,
    STUN_SEND = 0x006,
    STUN_DATA = 0x007,
    STUN_CREATE_PERMISSION = 0x008,
    STUN_CHANNEL_BIND = 0x009,
    STUN_CONNECT = 0x00A,            /* RFC 6062 */
    STUN_CONNECTION_BIND = 0x00B,    /* RFC 6062 */
    STUN_CONNECTION_ATTEMPT = 0x00C, /* RFC 6062 */
};

/* X(NAME, type, shortest value, longest value): every attribute that is understood. A length
 * outside makes the message malformed. */
#define STUN_ATTRIBUTES(X)                                                                     \
    X(MAPPED_ADDRESS, 0x0001, 8, 20)                                                           \
    X(CHANGE_REQUEST, 0x0003, 4, 4)                                                            \
    X(USERNAME, 0x0006, 0, 513)                                                                \
    X(MESSAGE_INTEGRITY, 0x0008, 20, 20)                                                       \
    X(ERROR_CODE, 0x0009, 4, 763)                                                              \
    X(UNKNOWN_ATTRIBUTES, 0x000A, 0, 763)                                                      \
    X(CHANNEL_NUMBER, 0x000C, 4, 4)                                                            \
    X(LIFETIME, 0x000D, 4, 4)                                                                  \
    X(XOR_PEER_ADDRESS, 0x0012, 8, 20)                                                         \
    X(DATA, 0x0013, 0, 65535)                                                                  \
    X(REALM, 0x0014, 0, 763)                                                                   \
    X(NONCE, 0x0015, 0, 763)                                                                   \
    X(XOR_RELAYED_ADDRESS, 0x0016, 8, 20)                                                      \
    X(REQUESTED_ADDRESS_FAMILY, 0x0017, 4, 4)                                                  \
    X(EVEN_PORT, 0x0018, 1, 1)                                                                 \
    X(REQUESTED_TRANSPORT, 0x0019, 4, 4)                                                       \
    X(DONT_FRAGMENT, 0x001A, 0, 0)                                                             \
    X(ACCESS_TOKEN, 0x001B, 0, 763)                                                            \
    X(MESSAGE_INTEGRITY_SHA256, 0x001C, 16, 32)                                                \
    X(PASSWORD_ALGORITHM, 0x001D, 4, 763)                                                      \
    X(USERHASH, 0x001E, 32, 32)                                                                \
    X(XOR_MAPPED_ADDRESS, 0x0020, 8, 20)                                                       \
    X(RESERVATION_TOKEN, 0x0022, 8, 8)                                                         \
    X(PRIORITY, 0x0024, 4, 4)                                                                  \
    X(USE_CANDIDATE, 0x0025, 0, 0)                                                             \
    X(PADDING, 0x0026, 0, 65535)                                                               \
    X(RESPONSE_PORT, 0x0027, 2, 4)                                                             \
    X(CONNECTION_ID, 0x002A, 4, 4)                                                             \
    X(ADDITIONAL_ADDRESS_FAMILY, 0x8000, 4, 4)                                                 \
    X(ADDRESS_ERROR_CODE, 0x8001, 4, 763)                                                      \
    X(PASSWORD_ALGORITHMS, 0x8002, 0, 763)                                                     \
    X(ALTERNATE_DOMAIN, 0x8003, 0, 255)                                                        \
    X(ICMP, 0x8004, 8, 8)                                                                      \
    X(SOFTWARE, 0x8022, 0, 763)                                                                \
    X(ALTERNATE_SERVER, 0x8023, 8, 20)                                                         \
    X(FINGERPRINT, 0x8028, 4, 4)                                                               \
    X(ICE_CONTROLLED, 0x8029, 8, 8)                                                            \
    X(ICE_CONTROLLING, 0x802A, 8, 8)                                                           \
    X(RESPONSE_ORIGIN, 0x802B, 8, 20)                                                          \
    X(OTHER_ADDRESS, 0x802C, 8, 20)                                                            \
    X(MOBILITY_TICKET, 0x8030, 0, 763)

/* Index into struct stun_message.attribute. */
enum stun_known {
#define X(name, type, least, most) STUN_HAS_##name,
    STUN_ATTRIBUTES(X)
#undef X
        STUN_KNOWN_COUNT
};

/* The number on the wire. */
enum stun_attribute {
#define X(name, type, least, most) STUN_ATTR_##name = type,
    STUN_ATTRIBUTES(X)
#undef X
};

struct stun_message {
    struct span bytes; /* the message, borrowed */
    enum stun_class class;
    uint16_t method;   /* enum stun_method, or one that we do not know */
    const uint8_t *id; /* STUN_ID_BYTES inside bytes */
    uint64_t has;      /* bit 1 << enum stun_known; use stun_has */
    /* Where the first of each lies in bytes; attributes behind MESSAGE-INTEGRITY(-SHA256) that must be
     * ignored there (section 14.5) are not here. */
    struct {
        uint16_t at, len;
    } attribute[STUN_KNOWN_COUNT];
    uint8_t peer_count; /* XOR-PEER-ADDRESS attributes, up to STUN_PEERS_MAX */
    uint16_t peer_at[STUN_PEERS_MAX];
    bool too_many_peers;
    uint8_t unknown_count;
    uint16_t unknown[STUN_UNKNOWNS_MAX]; /* comprehension-required ones that are not in the table */
};

/* Is this the start of a STUN message: the two zero bits, the cookie, a length that is a multiple of
 * four? Takes what there is of the first 20 bytes: *total is the whole message's length when it says
 * yes. RC_AGAIN: fewer than 20 bytes, and they do not contradict it. RC_BAD: no. */
int stun_peek(struct span bytes, size_t *total);

/* Reads exactly one message. RC_BAD: malformed (cookie, length, an attribute past the end or of a
 * wrong length, FINGERPRINT wrong or not last). *out is then undefined. An attribute that stands twice
 * counts once, the first (section 14), but for XOR-PEER-ADDRESS. */
int stun_read(struct stun_message *out, struct span datagram);

static inline bool stun_has(const struct stun_message *m, enum stun_known which)
{
    return m->has >> which & 1;
}
/* {NULL, 0} when absent. */
struct span stun_get(const struct stun_message *m, enum stun_known which);
/* Only when stun_has: the attributes of four bytes. */
uint32_t stun_get_u32(const struct stun_message *m, enum stun_known which);
/* MAPPED_ADDRESS plainly, the others XORed. RC_BAD: absent, or of no known family. */
int stun_get_address(const struct stun_message *m, enum stun_known which, struct address *out);
/* The i-th XOR-PEER-ADDRESS. RC_BAD as above. */
int stun_get_peer(const struct stun_message *m, unsigned i, struct address *out);
/* Of an error response; 0 when absent or malformed. */
unsigned stun_get_error(const struct stun_message *m);

/* --- integrity -------------------------------------------------------------------------------- */

/* RFC 8489 section 18.5.1. */
enum stun_password_algorithm { STUN_PASSWORD_MD5 = 1, STUN_PASSWORD_SHA256 = 2 };
enum stun_integrity { STUN_INTEGRITY_SHA1, STUN_INTEGRITY_SHA256 };

/* The HMAC key of one user with the padded-key states of both hashes computed once, so that a check
 * costs no more than hashing the message. Plain value; wipe it with explicit_bzero. */
struct stun_key {
    uint32_t sha1_inner[5], sha1_outer[5];
    uint32_t sha256_inner[8], sha256_outer[8];
};

/* Any key of `n` bytes. */
void stun_key_raw(struct stun_key *out, const void *key, size_t n);
/* Long-term: hash(username ":" realm ":" password) (section 9.2.2); the strings as they are: whoever
 * calls has applied OpaqueString. */
void stun_key_long_term(struct stun_key *out, enum stun_password_algorithm algorithm,
                        struct span username, struct span realm, struct span password);
/* SHA-256(username ":" realm), section 14.4. */
void stun_userhash(uint8_t out[static 32], struct span username, struct span realm);

/* Constant time in the digest. False too when the message has no such attribute. A SHA-256 that is
 * truncated to fewer than 16 bytes never gets here; whether a truncated one is welcome is the caller's
 * business. */
bool stun_verify(const struct stun_message *m, const struct stun_key *key,
                 enum stun_integrity which);

/* --- writing ---------------------------------------------------------------------------------- */

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
/* XORed for the XOR-… types, plain for the rest. */
void stun_put_address(struct stun_builder *b, uint16_t type, const struct address *address);
/* ERROR-CODE with the RFC's reason phrase for `code`. */
void stun_put_error(struct stun_builder *b, unsigned code);
/* Reserves `n` bytes of an attribute's value to be written in place; NULL on overflow. */
uint8_t *stun_reserve(struct stun_builder *b, uint16_t type, size_t n);
void stun_put_integrity(struct stun_builder *b, const struct stun_key *key,
                        enum stun_integrity which);
/* Writes the length, and FINGERPRINT if asked. Returns the message's length, 0 if it did not fit. */
size_t stun_finish(struct stun_builder *b, bool fingerprint);

/* "Unauthorized" for 401…; "" for a code that is not in the RFCs. */
const char *stun_error_reason(unsigned code);

/* --- ChannelData (RFC 8656 section 12.4) ------------------------------------------------------ */

#define STUN_CHANNEL_HEADER 4
#define STUN_CHANNEL_FIRST 0x4000
#define STUN_CHANNEL_LAST 0x4FFF

/* RC_BAD: no channel number of the range, or a length that lies. RC_AGAIN: not all there (streams).
 * *total: bytes that it takes, with padding when `padded` (streams, section 12.5). */
int stun_channel_read(struct span bytes, bool padded, uint16_t *channel, struct span *data,
                      size_t *total);

#endif
