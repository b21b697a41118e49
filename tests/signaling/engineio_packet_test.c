#include "core/base64.h"
#include "signaling/engineio_packet.h"
#include "tests/t.h"

#define BYTES(literal)                                                                         \
    {                                                                                          \
        (const uint8_t *)(literal), sizeof(literal) - 1                                        \
    }

/* clang-format off */
/* What a payload becomes: each packet as its type digit, "b" if binary, its data, and "|"; "!" when
 * the payload is malformed there. */
static const struct {
    const char *what;
    int protocol;
    bool octets;
    struct span payload;
    const char *packets;
} payloads[] = {
    {"one packet",                       4, false, BYTES("4hello"), "4hello|"},
    {"three packets",                    4, false, BYTES("4a\x1e" "4b\x1e" "2"), "4a|4b|2|"},
    {"text and binary",                  4, false, BYTES("4hello\x1e" "bAQIDBA=="), "4hello|4b\x01\x02\x03\x04|"},
    {"an empty message",                 4, false, BYTES("4"), "4|"},
    {"empty binary",                     4, false, BYTES("b"), "4b|"},
    {"nothing",                          4, false, BYTES(""), ""},
    {"an unknown type",                  4, false, BYTES("abc"), "!"},
    {"type 7",                           4, false, BYTES("7"), "!"},
    {"a separator at the end",           4, false, BYTES("4a\x1e"), "!"},
    {"a separator at the beginning",     4, false, BYTES("\x1e" "4a"), "!"},
    {"two separators",                   4, false, BYTES("4a\x1e\x1e" "4b"), "4a|!"},
    {"bad base64",                       4, false, BYTES("bAQ*="), "!"},
    {"text that is not UTF-8",           4, false, BYTES("4\xff"), "!"},
    {"an overlong form",                 4, false, BYTES("4\xc0\x80"), "!"},
    {"a surrogate",                      4, false, BYTES("4\xed\xa0\x80"), "!"},

    {"revision 3, one packet",           3, false, BYTES("6:4hello"), "4hello|"},
    {"revision 3, three packets",        3, false, BYTES("6:4test16:4test21:2"), "4test1|4test2|2|"},
    {"revision 3, base64",               3, false, BYTES("6:4hello10:b4AQIDBA=="), "4hello|4b\x01\x02\x03\x04|"},
    {"length in UTF-16 code units",      3, false, BYTES("4:4\xe2\x82\xac\xf0\x9f\x98\x80" "1:2"), "4\xe2\x82\xac\xf0\x9f\x98\x80|2|"},
    {"a length that cuts a pair",        3, false, BYTES("2:4\xf0\x9f\x98\x80"), "!"},
    {"a length beyond the end",          3, false, BYTES("7:4hello"), "!"},
    {"a length of nothing",              3, false, BYTES("0:"), "!"},
    {"no length",                        3, false, BYTES(":4a"), "!"},
    {"no colon",                         3, false, BYTES("6"), "!"},
    {"a negative length",                3, false, BYTES("-1:4"), "!"},
    {"a length of ten digits",           3, false, BYTES("0000000002:4a"), "!"},
    {"letters",                          3, false, BYTES("abc"), "!"},
    {"base64 of another type",           3, false, BYTES("6:b2AAAA"), "!"},
    {"base64 without a type",            3, false, BYTES("1:b"), "!"},

    {"octets: text and binary",          3, true,  BYTES("\0\6\xff" "4hello" "\1\5\xff\4\1\2\3\4"), "4hello|4b\x01\x02\x03\x04|"},
    {"octets: two digits",               3, true,  BYTES("\0\1\0\xff" "4ninebyte"), "!"},
    {"octets: ten bytes",                3, true,  BYTES("\0\1\0\xff" "4ninebytes"), "4ninebytes|"},
    {"octets: beyond the end",           3, true,  BYTES("\0\7\xff" "4hello"), "!"},
    {"octets: no end of length",         3, true,  BYTES("\0\6"), "!"},
    {"octets: no length",                3, true,  BYTES("\0\xff" "4"), "!"},
    {"octets: another kind",             3, true,  BYTES("\2\1\xff" "4"), "!"},
    {"octets: a digit above nine",       3, true,  BYTES("\0\12\xff" "4234567890"), "!"},
    {"octets: binary of another type",   3, true,  BYTES("\1\1\xff\2"), "!"},
    {"octets: binary of no type",        3, true,  BYTES("\1\0\xff"), "!"},
};
/* clang-format on */

/* Walks through a payload the way a session does. */
static void describe(struct eio_payload payload, char *out, size_t size)
{
    uint8_t scratch[256];
    struct eio_packet packet;
    size_t n = 0;
    int rc;

    while ((rc = eio_payload_next(&payload, &packet)) == RC_OK) {
        if (packet.base64 && eio_packet_decode(&packet, scratch) != RC_OK) {
            rc = RC_BAD;
            break;
        }
        T_OK(n + packet.data.n + 4 < size);
        out[n++] = (char)('0' + packet.type);
        if (packet.binary)
            out[n++] = 'b';
        memcpy(out + n, packet.data.p, packet.data.n);
        n += packet.data.n;
        out[n++] = '|';
    }
    if (rc == RC_BAD)
        out[n++] = '!';
    out[n] = '\0';
}

static void every_payload(void)
{
    char got[256];

    for (size_t i = 0; i < ARRAY_LEN(payloads); i++) {
        printf("    %s\n", payloads[i].what);
        describe(
            (struct eio_payload){payloads[i].payload, payloads[i].protocol, payloads[i].octets},
            got, sizeof got);
        T_STR(got, payloads[i].packets);
    }
}

static void binary_frames_have_a_type_byte_in_revision_3_only(void)
{
    struct eio_packet packet;

    T_EQ(eio_packet_parse_binary(&packet, 4, SPAN_LITERAL("\4\1\2")), RC_OK);
    T_EQ(packet.data.n, 3);
    T_EQ(eio_packet_parse_binary(&packet, 3, SPAN_LITERAL("\4\1\2")), RC_OK);
    T_EQ(packet.data.n, 2);
    T_EQ(eio_packet_parse_binary(&packet, 3, SPAN_LITERAL("\2")), RC_BAD);
    T_EQ(eio_packet_parse_binary(&packet, 3, SPAN_LITERAL("")), RC_BAD);
    T_EQ(eio_packet_parse_binary(&packet, 4, SPAN_LITERAL("")), RC_OK);
}

static const struct eio_raw HELLO = {false, BYTES("4hello")};
static const struct eio_raw EURO = {false, BYTES("4\xe2\x82\xac")};
static const struct eio_raw FOUR_BYTES = {true, BYTES("\4\1\2\3\4")};

static void expect_payload(struct eio_format format, const struct eio_raw *packets,
                           size_t count, struct span expected, bool expect_octets)
{
    uint8_t out[256];
    bool octets;

    T_OK(eio_payload_bound(packets, count) <= sizeof out);
    const size_t n = eio_payload_write(format, packets, count, out, &octets);
    T_EQ(n, expected.n);
    T_MEM(out, expected.p, n);
    T_EQ(octets, expect_octets);
    T_OK(n <= eio_payload_bound(packets, count));
}

static void payloads_are_written_as_each_revision_wants_them(void)
{
    const struct eio_raw both[] = {HELLO, FOUR_BYTES};
    const struct eio_raw text[] = {HELLO, EURO};
    const struct eio_format v4 = {4, false}, v3 = {3, false}, v3_base64 = {3, true};

    expect_payload(v4, both, 2,
                   SPAN_LITERAL("4hello\x1e"
                                "bAQIDBA=="),
                   false);
    expect_payload(v4, text, 2,
                   SPAN_LITERAL("4hello\x1e"
                                "4\xe2\x82\xac"),
                   false);
    expect_payload(v3_base64, both, 2, SPAN_LITERAL("6:4hello10:b4AQIDBA=="), false);
    expect_payload(v3, text, 2, SPAN_LITERAL("6:4hello2:4\xe2\x82\xac"), false);
    expect_payload(v3, both, 2,
                   SPAN_LITERAL("\0\6\xff"
                                "4hello"
                                "\1\5\xff\4\1\2\3\4"),
                   true);
}

static void expect_frame(struct eio_format format, struct eio_raw packet, bool binary,
                         struct span expected)
{
    uint8_t scratch[64];

    T_OK(eio_frame_scratch(packet) <= sizeof scratch);
    T_EQ(eio_frame_is_binary(format, packet), binary);
    const struct span frame = eio_frame(format, packet, scratch);
    T_EQ(frame.n, expected.n);
    T_MEM(frame.p, expected.p, frame.n);
}

static void frames_are_written_as_each_revision_wants_them(void)
{
    expect_frame((struct eio_format){4, false}, HELLO, false, SPAN_LITERAL("4hello"));
    expect_frame((struct eio_format){4, false}, FOUR_BYTES, true, SPAN_LITERAL("\1\2\3\4"));
    expect_frame((struct eio_format){3, false}, FOUR_BYTES, true, SPAN_LITERAL("\4\1\2\3\4"));
    expect_frame((struct eio_format){4, true}, FOUR_BYTES, false, SPAN_LITERAL("bAQIDBA=="));
    expect_frame((struct eio_format){3, true}, FOUR_BYTES, false, SPAN_LITERAL("b4AQIDBA=="));
}

static const struct t_case cases[] = {
    T_CASE(every_payload),
    T_CASE(binary_frames_have_a_type_byte_in_revision_3_only),
    T_CASE(payloads_are_written_as_each_revision_wants_them),
    T_CASE(frames_are_written_as_each_revision_wants_them),
};
T_MAIN(cases)
