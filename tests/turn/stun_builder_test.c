#include "turn/stun_message.h"

#include "tests/t.h"
#include "tests/turn/stun_vectors_lib.h"

#define ID ((const uint8_t *)"abcdefghijkl")
#define LITERAL(s) (s), sizeof(s) - 1

static void the_long_term_sample_of_rfc_5769_is_made_byte_for_byte(void)
{
    uint8_t bytes[256];
    struct stun_builder b;
    struct stun_key key;

    stun_key_long_term(&key, STUN_PASSWORD_MD5, SPAN_LITERAL(LONG_TERM_NAME),
                       SPAN_LITERAL(LONG_TERM_REALM), SPAN_LITERAL(LONG_TERM_PASSWORD));
    stun_begin(&b, bytes, sizeof bytes, STUN_REQUEST, STUN_BINDING,
               rfc5769_long_term_request.p + 8);
    stun_put(&b, STUN_ATTR_USERNAME, LITERAL(LONG_TERM_NAME));
    stun_put(&b, STUN_ATTR_NONCE, LITERAL("f//499k954d6OL34oL9FSTvy64sA"));
    stun_put(&b, STUN_ATTR_REALM, LITERAL(LONG_TERM_REALM));
    stun_put_integrity(&b, &key, STUN_INTEGRITY_SHA1);
    T_EQ(stun_finish(&b, false), rfc5769_long_term_request.n);
    T_MEM(bytes, rfc5769_long_term_request.p, rfc5769_long_term_request.n);
}

static void the_sample_of_rfc_8489_is_made_byte_for_byte(void)
{
    uint8_t bytes[256], userhash[32];
    struct stun_builder b;
    struct stun_key key;

    stun_key_long_term(&key, STUN_PASSWORD_SHA256, SPAN_LITERAL(LONG_TERM_NAME),
                       SPAN_LITERAL(LONG_TERM_REALM), SPAN_LITERAL(LONG_TERM_PASSWORD));
    stun_userhash(userhash, SPAN_LITERAL(LONG_TERM_NAME), SPAN_LITERAL(LONG_TERM_REALM));
    stun_begin(&b, bytes, sizeof bytes, STUN_REQUEST, STUN_BINDING, rfc8489_request.p + 8);
    stun_put(&b, STUN_ATTR_USERHASH, userhash, sizeof userhash);
    stun_put(&b, STUN_ATTR_NONCE, LITERAL("obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA"));
    stun_put(&b, STUN_ATTR_REALM, LITERAL(LONG_TERM_REALM));
    stun_put_u32(&b, STUN_ATTR_PASSWORD_ALGORITHM, STUN_PASSWORD_SHA256 << 16);
    stun_put_integrity(&b, &key, STUN_INTEGRITY_SHA256);
    T_EQ(stun_finish(&b, false), rfc8489_request.n);
    T_MEM(bytes, rfc8489_request.p, rfc8489_request.n);
}

/* Section 2.2 of RFC 5769 pads with blanks; the values are the same. */
static void xored_addresses_are_those_of_the_samples(void)
{
    uint8_t bytes[64];
    struct stun_builder b;
    struct address a;

    T_EQ(address_parse(&a, "192.0.2.1:32853"), RC_OK);
    stun_begin(&b, bytes, sizeof bytes, STUN_SUCCESS, STUN_BINDING, rfc5769_response_v4.p + 8);
    stun_put_address(&b, STUN_ATTR_XOR_MAPPED_ADDRESS, &a);
    T_EQ(stun_finish(&b, false), 32);
    T_MEM(bytes + 20, rfc5769_response_v4.p + 36, 12);

    T_EQ(address_parse(&a, "[2001:db8:1234:5678:11:2233:4455:6677]:32853"), RC_OK);
    stun_begin(&b, bytes, sizeof bytes, STUN_SUCCESS, STUN_BINDING, rfc5769_response_v6.p + 8);
    stun_put_address(&b, STUN_ATTR_XOR_MAPPED_ADDRESS, &a);
    T_EQ(stun_finish(&b, false), 44);
    T_MEM(bytes + 20, rfc5769_response_v6.p + 36, 24);
}

static void every_kind_of_address_reads_back(void)
{
    static const struct {
        uint16_t type;
        enum stun_known which;
    } kinds[] = {
        {STUN_ATTR_MAPPED_ADDRESS, STUN_HAS_MAPPED_ADDRESS},
        {STUN_ATTR_XOR_MAPPED_ADDRESS, STUN_HAS_XOR_MAPPED_ADDRESS},
        {STUN_ATTR_XOR_PEER_ADDRESS, STUN_HAS_XOR_PEER_ADDRESS},
        {STUN_ATTR_XOR_RELAYED_ADDRESS, STUN_HAS_XOR_RELAYED_ADDRESS},
        {STUN_ATTR_ALTERNATE_SERVER, STUN_HAS_ALTERNATE_SERVER},
        {STUN_ATTR_RESPONSE_ORIGIN, STUN_HAS_RESPONSE_ORIGIN},
        {STUN_ATTR_OTHER_ADDRESS, STUN_HAS_OTHER_ADDRESS},
    };
    static const char *const texts[] = {"203.0.113.9:65535", "[2001:db8::7]:1"};

    for (size_t i = 0; i < ARRAY_LEN(kinds) * ARRAY_LEN(texts); i++) {
        uint8_t bytes[64];
        struct stun_builder b;
        struct stun_message m;
        struct address in, out;

        T_EQ(address_parse(&in, texts[i % 2]), RC_OK);
        stun_begin(&b, bytes, sizeof bytes, STUN_SUCCESS, STUN_ALLOCATE, ID);
        stun_put_address(&b, kinds[i / 2].type, &in);
        T_EQ(stun_read(&m, (struct span){bytes, stun_finish(&b, true)}), RC_OK);
        T_EQ(stun_get_address(&m, kinds[i / 2].which, &out), RC_OK);
        T_OK(address_equal(&in, &out));
    }
}

static void an_error_carries_its_code_and_reason(void)
{
    static const unsigned codes[] = {300, 400, 401, 403, 405, 420, 437, 438, 440,
                                     441, 442, 443, 446, 447, 486, 487, 500, 508};

    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        uint8_t bytes[128];
        struct stun_builder b;
        struct stun_message m;

        stun_begin(&b, bytes, sizeof bytes, STUN_ERROR, STUN_ALLOCATE, ID);
        stun_put_error(&b, codes[i]);
        T_EQ(stun_read(&m, (struct span){bytes, stun_finish(&b, false)}), RC_OK);
        T_EQ(stun_get_error(&m), codes[i]);
        const struct span value = stun_get(&m, STUN_HAS_ERROR_CODE);
        T_OK(value.n > 4);
        T_EQ(value.n - 4, strlen(stun_error_reason(codes[i])));
        T_MEM(value.p + 4, stun_error_reason(codes[i]), value.n - 4);
    }
    T_STR(stun_error_reason(499), "");
}

/* Everything that can be put. */
static size_t build_all(uint8_t *bytes, size_t capacity)
{
    struct stun_builder b;
    struct stun_key key;
    struct address a;

    T_EQ(address_parse(&a, "[2001:db8::7]:1"), RC_OK);
    stun_key_raw(&key, "k", 1);
    stun_begin(&b, bytes, capacity, STUN_ERROR, STUN_ALLOCATE, ID);
    stun_put_error(&b, 438);
    stun_put(&b, STUN_ATTR_NONCE, "nonce", 5);
    stun_put_address(&b, STUN_ATTR_XOR_MAPPED_ADDRESS, &a);
    uint8_t *p = stun_reserve(&b, STUN_ATTR_DATA, 3);
    if (p)
        memcpy(p, "abc", 3);
    stun_put_u32(&b, STUN_ATTR_LIFETIME, 600);
    stun_put_integrity(&b, &key, STUN_INTEGRITY_SHA1);
    stun_put_integrity(&b, &key, STUN_INTEGRITY_SHA256);
    return stun_finish(&b, true);
}

static void a_builder_never_writes_past_its_buffer_and_says_so(void)
{
    uint8_t whole[512], bytes[512];
    const size_t n = build_all(whole, sizeof whole);

    T_OK(n > 100);
    for (size_t capacity = 0; capacity <= n; capacity++) {
        memset(bytes, 0xee, sizeof bytes);
        T_EQ(build_all(bytes, capacity), capacity < n ? 0 : n);
        for (size_t i = capacity; i < sizeof bytes; i++)
            T_EQ(bytes[i], 0xee);
    }
    T_MEM(bytes, whole, n);
    T_EQ(build_all(NULL, 0), 0);
}

static void nothing_that_does_not_fit_sixteen_bits_is_made(void)
{
    static uint8_t bytes[1 << 17];
    struct stun_builder b;
    size_t tail;

    stun_begin(&b, bytes, sizeof bytes, STUN_INDICATION, STUN_DATA, ID);
    T_OK(!stun_reserve(&b, STUN_ATTR_DATA, 65536));
    T_EQ(stun_finish(&b, false), 0);
    stun_begin(&b, bytes, sizeof bytes, STUN_INDICATION, STUN_DATA, ID);
    T_OK(!stun_reserve(&b, STUN_ATTR_DATA, 65532));
    T_EQ(stun_finish(&b, false), 0);
    stun_begin(&b, bytes, sizeof bytes, STUN_INDICATION, STUN_DATA, ID);
    T_EQ(stun_finish_data(&b, STUN_BYTES_MAX - 24 + 1, &tail), 0);
    stun_begin(&b, bytes, sizeof bytes, STUN_INDICATION, STUN_DATA, ID);
    T_EQ(stun_finish_data(&b, STUN_BYTES_MAX - 24, &tail), 24);
    T_EQ(tail, 0);
}

static void no_address_is_no_message(void)
{
    const struct address none = {0};
    uint8_t bytes[64];
    struct stun_builder b;

    stun_begin(&b, bytes, sizeof bytes, STUN_SUCCESS, STUN_BINDING, ID);
    stun_put_address(&b, STUN_ATTR_XOR_MAPPED_ADDRESS, &none);
    T_EQ(stun_finish(&b, true), 0);
}

static void a_head_and_data_that_lies_elsewhere_are_one_message(void)
{
    static const uint8_t data[] = "payload of a peer";

    for (size_t n = 0; n < sizeof data; n++) {
        uint8_t whole[128];
        struct stun_builder b;
        struct stun_message m;
        struct address peer;
        size_t tail = 99;

        T_EQ(address_parse(&peer, "192.0.2.1:9"), RC_OK);
        stun_begin(&b, whole, 64, STUN_INDICATION, STUN_DATA, ID);
        stun_put_address(&b, STUN_ATTR_XOR_PEER_ADDRESS, &peer);
        const size_t head = stun_finish_data(&b, n, &tail);
        T_EQ(head, 20 + 12 + 4);
        T_EQ((n + tail) % 4, 0);
        memcpy(whole + head, data, n);
        memset(whole + head + n, 0, tail);
        T_EQ(stun_read(&m, (struct span){whole, head + n + tail}), RC_OK);
        T_EQ(stun_get(&m, STUN_HAS_DATA).n, n);
        T_MEM(stun_get(&m, STUN_HAS_DATA).p, data, n);
    }
}

static const struct t_case cases[] = {
    T_CASE(the_long_term_sample_of_rfc_5769_is_made_byte_for_byte),
    T_CASE(the_sample_of_rfc_8489_is_made_byte_for_byte),
    T_CASE(xored_addresses_are_those_of_the_samples),
    T_CASE(every_kind_of_address_reads_back),
    T_CASE(an_error_carries_its_code_and_reason),
    T_CASE(a_builder_never_writes_past_its_buffer_and_says_so),
    T_CASE(nothing_that_does_not_fit_sixteen_bits_is_made),
    T_CASE(no_address_is_no_message),
    T_CASE(a_head_and_data_that_lies_elsewhere_are_one_message),
};
T_MAIN(cases)
