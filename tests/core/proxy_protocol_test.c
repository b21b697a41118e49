#include "core/proxy_protocol.h"

#include "tests/t.h"

/* A header under construction; the length field is right unless a test breaks it. */
static struct {
    uint8_t bytes[4096];
    size_t n;
} h;

static void begin(uint8_t command, uint8_t protocol)
{
    static const uint8_t signature[] = "\r\n\r\n\0\r\nQUIT\n";

    memcpy(h.bytes, signature, 12);
    h.bytes[12] = command;
    h.bytes[13] = protocol;
    h.n = PROXY_PROTOCOL_FIXED;
    store_be16(h.bytes + 14, 0);
}

static void add(const void *bytes, size_t n)
{
    memcpy(h.bytes + h.n, bytes, n);
    h.n += n;
    store_be16(h.bytes + 14, (uint16_t)(h.n - PROXY_PROTOCOL_FIXED));
}

static void add_tlv(uint8_t type, const void *bytes, size_t n)
{
    const uint8_t head[] = {type, (uint8_t)(n >> 8), (uint8_t)n};

    add(head, sizeof head);
    add(bytes, n);
}

#define ADD(literal) add(literal, sizeof(literal) - 1)
#define ADD_V4() ADD("\xc0\x00\x02\x07\xc6\x33\x64\x01\x12\x34\x01\xbb")

static int parse(struct proxy_header *out)
{
    size_t need;

    return proxy_protocol_parse((struct span){h.bytes, h.n}, out, &need);
}

static void expect_address(const struct address *a, const char *text)
{
    char buf[ADDRESS_TEXT_MAX];

    T_STR(address_format(a, buf, sizeof buf), text);
}

static void a_v4_client_is_read(void)
{
    struct proxy_header out;

    begin(0x21, 0x11);
    ADD_V4();
    h.bytes[h.n] = 'G'; /* the client's first byte */
    h.n++;
    T_EQ(parse(&out), RC_OK);
    T_EQ(out.len, 28);
    T_OK(out.has_client);
    expect_address(&out.from, "192.0.2.7:4660");
    expect_address(&out.to, "198.51.100.1:443");
}

static void a_v6_client_is_read_and_a_mapped_one_is_v4(void)
{
    static const uint8_t v6[36] = {
        0x20, 0x01, 0x0d, 0xb8, [15] = 7, [31] = 1, [32] = 0x12, 0x34, 0x01, 0xbb};
    static const uint8_t mapped[36] = {
        [10] = 0xff, 0xff, 192, 0, 2, 9, [31] = 1, [32] = 0, 80, 0, 81};
    struct proxy_header out;

    begin(0x21, 0x21);
    add(v6, sizeof v6);
    T_EQ(parse(&out), RC_OK);
    T_EQ(out.len, 52);
    expect_address(&out.from, "[2001:db8::7]:4660");
    expect_address(&out.to, "[::1]:443");

    begin(0x21, 0x20);
    add(mapped, sizeof mapped);
    T_EQ(parse(&out), RC_OK);
    expect_address(&out.from, "192.0.2.9:80");
}

static void local_and_unspecified_say_nothing_of_a_client(void)
{
    struct proxy_header out;

    begin(0x20, 0x00); /* a health check */
    T_EQ(parse(&out), RC_OK);
    T_OK(!out.has_client);
    T_EQ(out.len, 16);

    begin(0x20, 0x11); /* its addresses are to be ignored */
    ADD_V4();
    T_EQ(parse(&out), RC_OK);
    T_OK(!out.has_client);
    T_EQ(out.len, 28);

    begin(0x21, 0x00);
    ADD("whatever");
    T_EQ(parse(&out), RC_OK);
    T_OK(!out.has_client);
    T_EQ(out.len, 24);

    begin(0x21, 0x31);
    h.n += 216; /* two paths */
    store_be16(h.bytes + 14, 216);
    T_EQ(parse(&out), RC_OK);
    T_OK(!out.has_client);
}

static void every_part_of_a_header_asks_for_more_and_says_how_much(void)
{
    struct proxy_header out;
    size_t need;

    begin(0x21, 0x11);
    ADD_V4();
    for (size_t n = 1; n < h.n; n++) {
        T_EQ(proxy_protocol_parse((struct span){h.bytes, n}, &out, &need), RC_AGAIN);
        T_EQ(need, n < 16 ? 16 : 28);
    }
    T_EQ(parse(&out), RC_OK);
}

static void a_byte_that_does_not_belong_there_is_refused_at_once(void)
{
    struct proxy_header out;

    for (size_t i = 0; i < 13; i++) {
        begin(0x21, 0x11);
        ADD_V4();
        h.bytes[i] ^= 0x40;
        size_t need;
        T_EQ(proxy_protocol_parse((struct span){h.bytes, i < 12 ? i + 1 : h.n}, &out, &need),
             RC_BAD);
    }
    h.n = 5;
    memcpy(h.bytes, "PROXY", 5); /* version 1 */
    T_EQ(parse(&out), RC_BAD);
}

static void commands_families_and_transports_that_are_none_are_refused(void)
{
    static const struct {
        uint8_t command, protocol;
    } rows[] = {
        {0x11, 0x11}, {0x22, 0x11}, {0x2f, 0x11}, {0x31, 0x11},
        {0x21, 0x12}, {0x21, 0x13}, {0x21, 0x41}, {0x21, 0xf1},
    };
    struct proxy_header out;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        begin(rows[i].command, rows[i].protocol);
        h.n += 216;
        store_be16(h.bytes + 14, 216);
        T_EQ(parse(&out), RC_BAD);
    }
}

static void addresses_that_do_not_fit_in_their_length_are_refused(void)
{
    static const struct {
        uint8_t protocol;
        uint16_t len;
    } rows[] = {{0x11, 0}, {0x11, 11}, {0x21, 12}, {0x21, 35}, {0x31, 36}, {0x31, 215}};
    struct proxy_header out;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        begin(0x21, rows[i].protocol);
        h.n += rows[i].len;
        store_be16(h.bytes + 14, rows[i].len);
        T_EQ(parse(&out), RC_BAD);
    }
}

static void a_length_beyond_the_limit_is_refused_before_it_is_waited_for(void)
{
    struct proxy_header out;
    size_t need;

    begin(0x21, 0x11);
    store_be16(h.bytes + 14, PROXY_PROTOCOL_MAX - PROXY_PROTOCOL_FIXED);
    T_EQ(proxy_protocol_parse((struct span){h.bytes, h.n}, &out, &need), RC_AGAIN);
    T_EQ(need, PROXY_PROTOCOL_MAX);
    store_be16(h.bytes + 14, PROXY_PROTOCOL_MAX - PROXY_PROTOCOL_FIXED + 1);
    T_EQ(proxy_protocol_parse((struct span){h.bytes, h.n}, &out, &need), RC_BAD);
    store_be16(h.bytes + 14, 0xffff);
    T_EQ(proxy_protocol_parse((struct span){h.bytes, h.n}, &out, &need), RC_BAD);
}

static void extensions_are_skipped_and_must_end_where_the_header_ends(void)
{
    struct proxy_header out;

    begin(0x21, 0x11);
    ADD_V4();
    add_tlv(0x01, "h2", 2);
    add_tlv(0x02, "video.example", 13);
    add_tlv(0xea, "", 0);
    T_EQ(parse(&out), RC_OK);
    T_EQ(out.len, 28 + 5 + 16 + 3);
    expect_address(&out.from, "192.0.2.7:4660");

    for (size_t cut = 1; cut < 3; cut++) { /* half of the last one's head */
        h.n = out.len - cut;
        store_be16(h.bytes + 14, (uint16_t)(h.n - PROXY_PROTOCOL_FIXED));
        T_EQ(parse(&out), RC_BAD);
        h.n += cut;
    }
    store_be16(h.bytes + 14, (uint16_t)(h.n - PROXY_PROTOCOL_FIXED));
    store_be16(h.bytes + h.n - 2, 1); /* lies about a byte behind the end */
    T_EQ(parse(&out), RC_BAD);
}

static void a_checksum_is_checked(void)
{
    /* CRC-32C of the header below with four zero bytes in its place. */
    struct proxy_header out;

    begin(0x21, 0x11);
    ADD_V4();
    add_tlv(0x03, "\x82\x61\x6f\x8c", 4);
    T_EQ(parse(&out), RC_OK);
    h.bytes[20] ^= 1;
    T_EQ(parse(&out), RC_BAD);
    h.bytes[20] ^= 1;
    h.bytes[h.n - 1] ^= 1;
    T_EQ(parse(&out), RC_BAD);

    begin(0x21, 0x11);
    ADD_V4();
    add_tlv(0x03, "\0\0\0", 3);
    T_EQ(parse(&out), RC_BAD);
}

static const struct t_case cases[] = {
    T_CASE(a_v4_client_is_read),
    T_CASE(a_v6_client_is_read_and_a_mapped_one_is_v4),
    T_CASE(local_and_unspecified_say_nothing_of_a_client),
    T_CASE(every_part_of_a_header_asks_for_more_and_says_how_much),
    T_CASE(a_byte_that_does_not_belong_there_is_refused_at_once),
    T_CASE(commands_families_and_transports_that_are_none_are_refused),
    T_CASE(addresses_that_do_not_fit_in_their_length_are_refused),
    T_CASE(a_length_beyond_the_limit_is_refused_before_it_is_waited_for),
    T_CASE(extensions_are_skipped_and_must_end_where_the_header_ends),
    T_CASE(a_checksum_is_checked),
};
T_MAIN(cases)
