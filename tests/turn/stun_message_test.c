#include "turn/stun_message.h"

#include "tests/t.h"
#include "tests/turn/stun_vectors_lib.h"

#define BYTES(literal)                                                                         \
    {                                                                                          \
        (const uint8_t *)(literal), sizeof(literal) - 1                                        \
    }
#define COOKIE "\x21\x12\xa4\x42"
#define ID "abcdefghijkl"
/* A Send indication whose attributes take `length` bytes. */
#define SEND(length) "\x00\x16\x00" length COOKIE ID

static struct stun_message read_ok(struct span bytes)
{
    struct stun_message m;

    T_EQ(stun_read(&m, bytes), RC_OK);
    T_OK(m.bytes.p == bytes.p && m.bytes.n == bytes.n);
    return m;
}

static void is_text(struct span value, const char *text)
{
    T_EQ(value.n, strlen(text));
    T_MEM(value.p, text, value.n);
}

static void is_address(const struct address *address, const char *text)
{
    char buffer[ADDRESS_TEXT_MAX];

    T_STR(address_format(address, buffer, sizeof buffer), text);
}

static void the_sample_request_of_rfc_5769_is_read(void)
{
    const struct stun_message m = read_ok(rfc5769_request);

    T_EQ(m.class, STUN_REQUEST);
    T_EQ(m.method, STUN_BINDING);
    T_OK(m.id == rfc5769_request.p + 8);
    is_text(stun_get(&m, STUN_HAS_SOFTWARE), "STUN test client");
    is_text(stun_get(&m, STUN_HAS_USERNAME), "evtj:h6vY");
    T_EQ(stun_get_u32(&m, STUN_HAS_PRIORITY), 0x6e0001ff);
    T_EQ(load_be64(stun_get(&m, STUN_HAS_ICE_CONTROLLED).p), 0x932ff9b151263b36);
    T_OK(stun_has(&m, STUN_HAS_MESSAGE_INTEGRITY));
    T_OK(stun_has(&m, STUN_HAS_FINGERPRINT));
    T_OK(!stun_has(&m, STUN_HAS_REALM));
    T_OK(!stun_get(&m, STUN_HAS_REALM).p);
    T_EQ(m.unknown_count, 0);
}

static void the_sample_responses_of_rfc_5769_tell_their_address(void)
{
    const struct stun_message v4 = read_ok(rfc5769_response_v4);
    const struct stun_message v6 = read_ok(rfc5769_response_v6);
    struct address a;

    T_EQ(v4.class, STUN_SUCCESS);
    T_EQ(v4.method, STUN_BINDING);
    is_text(stun_get(&v4, STUN_HAS_SOFTWARE), "test vector");
    T_EQ(stun_get_address(&v4, STUN_HAS_XOR_MAPPED_ADDRESS, &a), RC_OK);
    is_address(&a, "192.0.2.1:32853");
    T_EQ(stun_get_address(&v6, STUN_HAS_XOR_MAPPED_ADDRESS, &a), RC_OK);
    is_address(&a, "[2001:db8:1234:5678:11:2233:4455:6677]:32853");
    T_EQ(stun_get_address(&v6, STUN_HAS_MAPPED_ADDRESS, &a), RC_BAD);
}

static void the_requests_with_long_term_credentials_are_read(void)
{
    const struct stun_message old = read_ok(rfc5769_long_term_request);
    const struct stun_message new = read_ok(rfc8489_request);

    is_text(stun_get(&old, STUN_HAS_USERNAME), LONG_TERM_NAME);
    is_text(stun_get(&old, STUN_HAS_NONCE), "f//499k954d6OL34oL9FSTvy64sA");
    is_text(stun_get(&old, STUN_HAS_REALM), LONG_TERM_REALM);
    is_text(stun_get(&new, STUN_HAS_NONCE), "obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA");
    T_EQ(stun_get_u32(&new, STUN_HAS_PASSWORD_ALGORITHM) >> 16, STUN_PASSWORD_SHA256);
    T_EQ(stun_get(&new, STUN_HAS_MESSAGE_INTEGRITY_SHA256).n, 32);
}

static void no_changed_bit_of_a_sample_passes_the_fingerprint(void)
{
    uint8_t copy[256];
    struct stun_message m;

    for (size_t bit = 0; bit < 8 * rfc5769_request.n; bit++) {
        memcpy(copy, rfc5769_request.p, rfc5769_request.n);
        copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (stun_read(&m, (struct span){copy, rfc5769_request.n}) == RC_OK)
            T_OK(!stun_has(&m, STUN_HAS_FINGERPRINT)); /* its own type was changed */
    }
}

/* clang-format off */
static const struct {
    const char *what;
    struct span bytes;
    int rc;
} shapes[] = {
    {"a header alone",                      BYTES(SEND("\x00")), RC_OK},
    {"an empty datagram",                   BYTES(""), RC_BAD},
    {"a header cut by one byte",            BYTES("\x00\x16\x00\x00" COOKIE "abcdefghijk"), RC_BAD},
    {"the first two bits are not zero",     BYTES("\x40\x16\x00\x00" COOKIE ID), RC_BAD},
    {"no cookie (RFC 3489)",                BYTES("\x00\x01\x00\x00" "\x21\x12\xa4\x43" ID), RC_BAD},
    {"a length that is no multiple of four", BYTES(SEND("\x05") "\x00\x13\x00\x01" "x"), RC_BAD},
    {"bytes behind the length",             BYTES(SEND("\x00") "\x00\x1a\x00\x00"), RC_BAD},
    {"a length beyond the bytes",           BYTES(SEND("\x08") "\x00\x1a\x00\x00"), RC_BAD},
    {"an attribute of no bytes",            BYTES(SEND("\x04") "\x00\x1a\x00\x00"), RC_OK},
    {"an attribute past the end by one",    BYTES(SEND("\x08") "\x00\x13\x00\x05" "data"), RC_BAD},
    {"an attribute past the end by 64 kB",  BYTES(SEND("\x08") "\x00\x13\xff\xff" "data"), RC_BAD},
    {"an attribute whose padding is outside", BYTES(SEND("\x08") "\x00\x13\x00\x03" "dat\0"), RC_OK},
    {"padding of anything",                 BYTES(SEND("\x08") "\x00\x13\x00\x01" "d\xff\xfe\xfd"), RC_OK},
    {"DATA of no bytes",                    BYTES(SEND("\x04") "\x00\x13\x00\x00"), RC_OK},
    {"CHANNEL-NUMBER of two bytes",         BYTES(SEND("\x08") "\x00\x0c\x00\x02" "\x40\x00\x00\x00"), RC_BAD},
    {"LIFETIME of eight bytes",             BYTES(SEND("\x0c") "\x00\x0d\x00\x08" "\0\0\0\0\0\0\0\0"), RC_BAD},
    {"an address of seven bytes",           BYTES(SEND("\x0c") "\x00\x12\x00\x07" "\0\1\0\0\0\0\0\0"), RC_BAD},
    {"EVEN-PORT of four bytes",             BYTES(SEND("\x08") "\x00\x18\x00\x04" "\x80\0\0\0"), RC_BAD},
    {"EVEN-PORT of one byte",               BYTES(SEND("\x08") "\x00\x18\x00\x01" "\x80\0\0\0"), RC_OK},
    {"DONT-FRAGMENT with a value",          BYTES(SEND("\x08") "\x00\x1a\x00\x04" "abcd"), RC_BAD},
    {"RESERVATION-TOKEN of seven bytes",    BYTES(SEND("\x0c") "\x00\x22\x00\x07" "abcdefg\0"), RC_BAD},
    {"MESSAGE-INTEGRITY of 16 bytes",       BYTES(SEND("\x14") "\x00\x08\x00\x10" "abcdefghijklmnop"), RC_BAD},
    {"MESSAGE-INTEGRITY-SHA256 of 16 bytes", BYTES(SEND("\x14") "\x00\x1c\x00\x10" "abcdefghijklmnop"), RC_OK},
    {"MESSAGE-INTEGRITY-SHA256 of 12 bytes", BYTES(SEND("\x10") "\x00\x1c\x00\x0c" "abcdefghijkl"), RC_BAD},
    {"MESSAGE-INTEGRITY-SHA256 of 18 bytes", BYTES(SEND("\x18") "\x00\x1c\x00\x12" "abcdefghijklmnopqr\0\0"), RC_BAD},
    {"a wrong FINGERPRINT",                 BYTES(SEND("\x08") "\x80\x28\x00\x04" "abcd"), RC_BAD},
    {"FINGERPRINT of no bytes",             BYTES(SEND("\x04") "\x80\x28\x00\x00"), RC_BAD},
    {"an unknown attribute of any length",  BYTES(SEND("\x08") "\x00\x3f\x00\x03" "abc\0"), RC_OK},
    {"a type that shares a row in the table", BYTES(SEND("\x08") "\x10\x0d\x00\x01" "a\0\0\0"), RC_OK},
};
/* clang-format on */

static void every_shape(void)
{
    struct stun_message m;

    for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
        printf("    %s\n", shapes[i].what);
        T_EQ(stun_read(&m, shapes[i].bytes), shapes[i].rc);
    }
}

static void the_right_fingerprint_counts_at_the_end_alone(void)
{
    uint8_t bytes[64];
    struct stun_builder b;
    struct stun_message m;

    stun_begin(&b, bytes, sizeof bytes, STUN_REQUEST, STUN_BINDING, (const uint8_t *)ID);
    const size_t n = stun_finish(&b, true);
    T_EQ(stun_read(&m, (struct span){bytes, n}), RC_OK);

    /* The checksum covers the length, so it must be right with the longer one. */
    stun_begin(&b, bytes, sizeof bytes, STUN_REQUEST, STUN_BINDING, (const uint8_t *)ID);
    store_be16(bytes + 2, 12);
    stun_put_u32(&b, STUN_ATTR_FINGERPRINT, stun_fingerprint(bytes, STUN_HEADER_BYTES));
    stun_put(&b, STUN_ATTR_DONT_FRAGMENT, NULL, 0);
    T_EQ(stun_finish(&b, false), 32);
    T_EQ(stun_read(&m, (struct span){bytes, 32}), RC_BAD);
}

static void class_and_method_survive_in_every_combination(void)
{
    uint8_t bytes[STUN_HEADER_BYTES];
    struct stun_builder b;

    for (unsigned class = 0; class < 4; class ++) {
        for (uint16_t method = 0; method < 0x1000; method++) {
            stun_begin(&b, bytes, sizeof bytes, (enum stun_class) class, method,
                       (const uint8_t *)ID);
            T_EQ(stun_finish(&b, false), sizeof bytes);
            const struct stun_message m = read_ok((struct span){bytes, sizeof bytes});
            T_EQ(m.class, class);
            T_EQ(m.method, method);
        }
    }
}

static void behind_an_integrity_attribute_only_its_like_counts(void)
{
    static const uint8_t zero[32];
    uint8_t bytes[256];
    struct stun_builder b;

    stun_begin(&b, bytes, sizeof bytes, STUN_REQUEST, STUN_REFRESH, (const uint8_t *)ID);
    stun_put_u32(&b, STUN_ATTR_LIFETIME, 1);
    stun_put(&b, STUN_ATTR_MESSAGE_INTEGRITY, zero, 20);
    stun_put(&b, STUN_ATTR_EVEN_PORT, zero, 1);
    stun_put_u32(&b, 0x0039, 1);                     /* unknown, and must not end in a 420 */
    stun_put(&b, STUN_ATTR_CHANNEL_NUMBER, zero, 1); /* of a wrong length, and nobody cares */
    stun_put(&b, STUN_ATTR_MESSAGE_INTEGRITY_SHA256, zero, 32);
    stun_put(&b, STUN_ATTR_USERNAME, "eve", 3);
    stun_put(&b, STUN_ATTR_MESSAGE_INTEGRITY_SHA256, zero, 1);
    const size_t n = stun_finish(&b, true);

    const struct stun_message m = read_ok((struct span){bytes, n});
    T_OK(stun_has(&m, STUN_HAS_LIFETIME));
    T_OK(stun_has(&m, STUN_HAS_MESSAGE_INTEGRITY));
    T_OK(stun_has(&m, STUN_HAS_MESSAGE_INTEGRITY_SHA256));
    T_OK(stun_has(&m, STUN_HAS_FINGERPRINT));
    T_OK(!stun_has(&m, STUN_HAS_EVEN_PORT));
    T_OK(!stun_has(&m, STUN_HAS_USERNAME));
    T_OK(!stun_has(&m, STUN_HAS_CHANNEL_NUMBER));
    T_EQ(m.unknown_count, 0);
}

static void message_integrity_behind_its_sha256_is_ignored(void)
{
    static const uint8_t zero[32];
    uint8_t bytes[128];
    struct stun_builder b;

    stun_begin(&b, bytes, sizeof bytes, STUN_REQUEST, STUN_REFRESH, (const uint8_t *)ID);
    stun_put(&b, STUN_ATTR_MESSAGE_INTEGRITY_SHA256, zero, 32);
    stun_put(&b, STUN_ATTR_MESSAGE_INTEGRITY, zero, 20);
    const struct stun_message m = read_ok((struct span){bytes, stun_finish(&b, false)});
    T_OK(stun_has(&m, STUN_HAS_MESSAGE_INTEGRITY_SHA256));
    T_OK(!stun_has(&m, STUN_HAS_MESSAGE_INTEGRITY));
}

static void of_two_alike_the_first_counts(void)
{
    const struct span bytes = BYTES(SEND("\x10") "\x00\x0d\x00\x04"
                                                 "\0\0\0\1"
                                                 "\x00\x0d\x00\x04"
                                                 "\0\0\0\2");
    const struct stun_message m = read_ok(bytes);

    T_EQ(stun_get_u32(&m, STUN_HAS_LIFETIME), 1);
}

static void unknown_attributes_that_must_be_understood_are_collected_once(void)
{
    uint8_t bytes[256];
    struct stun_builder b;

    stun_begin(&b, bytes, sizeof bytes, STUN_REQUEST, STUN_ALLOCATE, (const uint8_t *)ID);
    stun_put_u32(&b, 0x7fff, 1);
    stun_put_u32(&b, 0x9000, 1); /* optional */
    stun_put_u32(&b, 0x7fff, 1);
    for (uint16_t type = 0x0040; type < 0x0050; type++)
        stun_put(&b, type, NULL, 0);
    const struct stun_message m = read_ok((struct span){bytes, stun_finish(&b, false)});
    T_EQ(m.unknown_count, STUN_UNKNOWNS_MAX);
    T_EQ(m.unknown[0], 0x7fff);
    T_EQ(m.unknown[1], 0x0040);
    T_EQ(m.unknown[7], 0x0046);
}

static void every_peer_of_a_create_permission_is_kept_up_to_the_limit(void)
{
    uint8_t bytes[512];
    struct stun_builder b;
    struct address peer;

    for (unsigned count = 0; count <= STUN_PEERS_MAX + 1; count++) {
        stun_begin(&b, bytes, sizeof bytes, STUN_REQUEST, STUN_CREATE_PERMISSION,
                   (const uint8_t *)ID);
        for (unsigned i = 0; i < count; i++) {
            T_EQ(address_parse(&peer, i % 2 ? "2001:db8::1" : "192.0.2.1"), RC_OK);
            address_set_port(&peer, (uint16_t)(1000 + i));
            stun_put_address(&b, STUN_ATTR_XOR_PEER_ADDRESS, &peer);
        }
        const struct stun_message m = read_ok((struct span){bytes, stun_finish(&b, false)});
        T_EQ(m.peer_count, count < STUN_PEERS_MAX ? count : STUN_PEERS_MAX);
        T_EQ(m.too_many_peers, count > STUN_PEERS_MAX);
        for (unsigned i = 0; i < m.peer_count; i++) {
            T_EQ(stun_get_peer(&m, i, &peer), RC_OK);
            T_EQ(address_port(&peer), 1000 + i);
            T_EQ(peer.sa.sa_family, i % 2 ? AF_INET6 : AF_INET);
        }
        T_EQ(stun_get_peer(&m, m.peer_count, &peer), RC_BAD);
    }
}

static void an_address_must_fit_its_family(void)
{
    static const struct span rows[] = {
        BYTES(SEND("\x0c") "\x00\x12\x00\x08"
                           "\0\2\0\0\0\0\0\0"), /* IPv6 in four bytes */
        BYTES(SEND("\x0c") "\x00\x12\x00\x08"
                           "\0\3\0\0\0\0\0\0"), /* of no family */
        BYTES(SEND("\x10") "\x00\x12\x00\x0c"
                           "\0\1\0\0\0\0\0\0\0\0\0\0"),
        BYTES(SEND("\x18") "\x00\x12\x00\x14"
                           "\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
    };
    struct address a;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct stun_message m = read_ok(rows[i]);
        T_EQ(stun_get_address(&m, STUN_HAS_XOR_PEER_ADDRESS, &a), RC_BAD);
        T_EQ(stun_get_peer(&m, 0, &a), RC_BAD);
    }
}

static void a_mapped_address_inside_ipv6_comes_out_as_ipv4(void)
{
    const struct span bytes =
        BYTES(SEND("\x18") "\x00\x01\x00\x14"
                           "\0\2\0\x50\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\1");
    const struct stun_message m = read_ok(bytes);
    struct address a;

    T_EQ(stun_get_address(&m, STUN_HAS_MAPPED_ADDRESS, &a), RC_OK);
    is_address(&a, "127.0.0.1:80");
}

static void a_short_value_is_no_number(void)
{
    const struct span bytes = BYTES(SEND("\x08") "\x00\x27\x00\x02"
                                                 "\x12\x34\xff\xff");
    const struct stun_message m = read_ok(bytes);

    T_OK(stun_has(&m, STUN_HAS_RESPONSE_PORT));
    T_EQ(stun_get_u32(&m, STUN_HAS_RESPONSE_PORT), 0);
    T_EQ(stun_get_u32(&m, STUN_HAS_LIFETIME), 0);
}

static void an_error_code_is_read_when_it_is_one(void)
{
    static const struct {
        struct span bytes;
        unsigned code;
    } rows[] = {
        {BYTES(SEND("\x08") "\x00\x09\x00\x04"
                            "\0\0\4\1"),
         401},
        {BYTES(SEND("\x08") "\x00\x09\x00\x04"
                            "\xff\xff\xfc\x26"),
         438}, /* reserved bits */
        {BYTES(SEND("\x08") "\x00\x09\x00\x04"
                            "\0\0\6\x63"),
         699},
        {BYTES(SEND("\x08") "\x00\x09\x00\x04"
                            "\0\0\4\x64"),
         0},
        {BYTES(SEND("\x08") "\x00\x09\x00\x04"
                            "\0\0\2\0"),
         0},
        {BYTES(SEND("\x08") "\x00\x09\x00\x04"
                            "\0\0\7\0"),
         0},
        {BYTES(SEND("\x00")), 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct stun_message m = read_ok(rows[i].bytes);
        T_EQ(stun_get_error(&m), rows[i].code);
    }
}

static void a_stream_knows_a_message_as_soon_as_it_can(void)
{
    const struct span whole = rfc5769_request;
    size_t total = 0;

    for (size_t n = 0; n < STUN_HEADER_BYTES; n++)
        T_EQ(stun_peek((struct span){whole.p, n}, &total), RC_AGAIN);
    T_EQ(total, 0);
    T_EQ(stun_peek((struct span){whole.p, STUN_HEADER_BYTES}, &total), RC_OK);
    T_EQ(total, whole.n);
}

static void a_stream_knows_what_is_no_message_as_soon_as_it_can(void)
{
    static const struct span rows[] = {
        BYTES("G"),                            /* HTTP */
        BYTES("\x16\x03\x01\x00\x04\x01\x00"), /* a TLS record: no cookie */
        BYTES("\x00\x01\x00\x03"),             /* length */
        BYTES("\x00\x01\xff\xfc"),             /* longer than the longest */
        BYTES("\x00\x01\x00\x00!x"),           /* cookie */
        BYTES("\x80"),
    };
    size_t total = 0;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        T_EQ(stun_peek(rows[i], &total), RC_BAD);
    T_EQ(total, 0);
}

static void the_longest_message_is_read(void)
{
    static uint8_t bytes[STUN_BYTES_MAX + 4];
    struct stun_builder b;
    size_t total;

    stun_begin(&b, bytes, sizeof bytes, STUN_INDICATION, STUN_SEND, (const uint8_t *)ID);
    T_OK(stun_reserve(&b, STUN_ATTR_DATA, STUN_BYTES_MAX - STUN_HEADER_BYTES - 8));
    stun_put(&b, STUN_ATTR_DONT_FRAGMENT, NULL, 0); /* its value begins at the very end */
    T_EQ(stun_finish(&b, false), STUN_BYTES_MAX);
    const struct stun_message m = read_ok((struct span){bytes, STUN_BYTES_MAX});
    T_OK(stun_get(&m, STUN_HAS_DONT_FRAGMENT).p == bytes + STUN_BYTES_MAX);

    store_be16(bytes + 2, STUN_BYTES_MAX + 4 - STUN_HEADER_BYTES);
    T_EQ(stun_peek((struct span){bytes, sizeof bytes}, &total), RC_BAD);
}

static const struct t_case cases[] = {
    T_CASE(the_sample_request_of_rfc_5769_is_read),
    T_CASE(the_sample_responses_of_rfc_5769_tell_their_address),
    T_CASE(the_requests_with_long_term_credentials_are_read),
    T_CASE(no_changed_bit_of_a_sample_passes_the_fingerprint),
    T_CASE(every_shape),
    T_CASE(the_right_fingerprint_counts_at_the_end_alone),
    T_CASE(class_and_method_survive_in_every_combination),
    T_CASE(behind_an_integrity_attribute_only_its_like_counts),
    T_CASE(message_integrity_behind_its_sha256_is_ignored),
    T_CASE(of_two_alike_the_first_counts),
    T_CASE(unknown_attributes_that_must_be_understood_are_collected_once),
    T_CASE(every_peer_of_a_create_permission_is_kept_up_to_the_limit),
    T_CASE(an_address_must_fit_its_family),
    T_CASE(a_mapped_address_inside_ipv6_comes_out_as_ipv4),
    T_CASE(a_short_value_is_no_number),
    T_CASE(an_error_code_is_read_when_it_is_one),
    T_CASE(a_stream_knows_a_message_as_soon_as_it_can),
    T_CASE(a_stream_knows_what_is_no_message_as_soon_as_it_can),
    T_CASE(the_longest_message_is_read),
};
T_MAIN(cases)
