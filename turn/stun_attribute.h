/*
 * turn/stun_attribute.h - the numbers of STUN: classes, methods and the closed list of
 * attributes that are understood (RFC 8489 section 18, RFC 8656 section 17, 6062, 8016, 5780,
 * 8445).
 *
 * Constants alone, any thread.
 */
#ifndef TURN_STUN_ATTRIBUTE_H
#define TURN_STUN_ATTRIBUTE_H

#define STUN_HEADER_BYTES 20
#define STUN_ATTRIBUTE_HEADER 4
#define STUN_ID_BYTES 12
#define STUN_MAGIC 0x2112A442u
/* Of a whole message, so that every place in one is a number of 16 bits. A datagram is shorter.
 */
#define STUN_BYTES_MAX 65532

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
 * outside makes the message malformed. Types end below 0x0040 and 0x8040: the reader's table
 * has that many rows. */
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

#endif
