#include "relay/stream_frame.h"

#include "relay/stun.h"
#include "tests/t.h"

static void packets_are_taken_off_one_by_one(void)
{
    static const uint8_t bytes[] = {0, 3, 'a', 'b', 'c', 0, 0, 0, 1, 'd', 0, 2, 'e'};
    struct span rest = {bytes, sizeof bytes}, packet;

    T_EQ(stream_frame_next(&rest, &packet), RC_OK);
    T_EQ(packet.n, 3);
    T_MEM(packet.p, "abc", 3);
    T_EQ(stream_frame_next(&rest, &packet), RC_OK); /* an empty one before it */
    T_EQ(packet.n, 1);
    T_EQ(packet.p[0], 'd');
    T_EQ(stream_frame_next(&rest, &packet), RC_AGAIN);
    T_EQ(rest.n, 3);
}

static void every_split_gives_the_same_packets(void)
{
    static const uint8_t bytes[] = {0, 0, 0, 2, 1, 2, 0, 1, 3};

    for (size_t n = 0; n <= sizeof bytes; n++) {
        struct span rest = {bytes, n}, packet;
        unsigned count = 0;

        while (stream_frame_next(&rest, &packet) == RC_OK)
            count++;
        T_EQ(count, n < 6 ? 0 : n < 9 ? 1 : 2);
    }
}

static void a_packet_too_long_for_a_datagram_ends_it(void)
{
    uint8_t bytes[2 + STREAM_FRAME_MAX] = {STREAM_FRAME_MAX >> 8, STREAM_FRAME_MAX & 0xff};
    struct span rest = {bytes, sizeof bytes}, packet;

    T_EQ(stream_frame_next(&rest, &packet), RC_OK);
    T_EQ(packet.n, STREAM_FRAME_MAX);
    store_be16(bytes, STREAM_FRAME_MAX + 1);
    rest = (struct span){bytes, 2};
    T_EQ(stream_frame_next(&rest, &packet), RC_BAD);
    store_be16(bytes, 0xffff);
    T_EQ(stream_frame_next(&rest, &packet), RC_BAD);
}

/* --- recognition
 * ------------------------------------------------------------------------------ */

#define COOKIE "\x21\x12\xa4\x42"

static void what_the_port_speaks_is_told_apart(void)
{
    static const struct {
        const char *what;
        const char *bytes;
        size_t n;
        enum recognition r;
    } rows[] = {
#define ROW(what, literal, r) {what, literal, sizeof(literal) - 1, r}
        ROW("a framed check, its head", "\0\x5c\0\1\0\x48" COOKIE, RECOGNISED_MORE),
        ROW("a framed check without attributes", "\0\x14\0\1\0\0" COOKIE "123456789012",
            RECOGNISED_YES),
        ROW("and with more behind it", "\0\x14\0\1\0\0" COOKIE "123456789012\0\x14",
            RECOGNISED_YES),
        ROW("the first byte of one", "\0", RECOGNISED_MORE),
        ROW("of a long one", "\5", RECOGNISED_MORE),
        ROW("the longest", "\5\0\0\1\4\xec" COOKIE, RECOGNISED_MORE),
        ROW("too long", "\5\4\0\1\4\xf0" COOKIE, RECOGNISED_NO),
        ROW("too long by its first byte", "\6", RECOGNISED_NO),
        ROW("shorter than STUN is", "\0\x10\0\1", RECOGNISED_NO),
        ROW("no multiple of four", "\0\x5d\0\1", RECOGNISED_NO),
        ROW("another length inside", "\0\x5c\0\1\0\x44", RECOGNISED_NO),
        ROW("another cookie", "\0\x5c\0\1\0\x48\x21\x12\xa4\x43", RECOGNISED_NO),
        ROW("a framed response", "\0\x5c\1\1\0\x48" COOKIE, RECOGNISED_NO),
        ROW("a framed Allocate", "\0\x5c\0\3\0\x48" COOKIE, RECOGNISED_NO),
        ROW("TURN: Allocate", "\0\3\0\x24" COOKIE, RECOGNISED_NO),
        ROW("TURN: Binding", "\0\1\0\x08" COOKIE, RECOGNISED_NO),
        ROW("TURN: Binding, two bytes", "\0\1", RECOGNISED_NO),
        ROW("TURN: Send indication", "\0\x16\0\x14" COOKIE, RECOGNISED_NO),
        ROW("TURN: ConnectionBind", "\0\x0b\0\x08" COOKIE, RECOGNISED_NO),
        ROW("TURN: ChannelData", "\x40\1\0\x64", RECOGNISED_NO),
        ROW("HTTP", "GET / HTTP/1.1\r\n", RECOGNISED_NO),
        ROW("TLS", "\x16\3\1\2\0\1", RECOGNISED_NO),
        ROW("a proxy's header", "\r\n\r\n\0\r\nQUIT\n", RECOGNISED_NO),
        ROW("framed DTLS", "\0\x9c\x16\xfe\xfd", RECOGNISED_NO),
        ROW("framed RTP", "\0\xac\x80\x6f", RECOGNISED_NO),
        ROW("zeros", "\0\0\0\0\0\0\0\0", RECOGNISED_NO),
#undef ROW
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const enum recognition r =
            stream_frame_recognise((const uint8_t *)rows[i].bytes, rows[i].n);
        if (r != rows[i].r)
            printf("# %s\n", rows[i].what);
        T_EQ(r, rows[i].r);
    }
}

static void it_is_recognised_when_the_last_byte_is_there(void)
{
    uint8_t bytes[2 + 92] = {0, 92, 0, 1, 0, 72, 0x21, 0x12, 0xa4, 0x42};

    for (size_t n = 1; n < sizeof bytes; n++)
        T_EQ(stream_frame_recognise(bytes, n), RECOGNISED_MORE);
    T_EQ(stream_frame_recognise(bytes, sizeof bytes), RECOGNISED_YES);
    T_OK(STREAM_FRAME_HEAD + STUN_MESSAGE_MAX <= LISTENER_FIRST_BYTES);
}

/* No bytes are both a framed check and STUN without a frame. */
static void no_length_and_type_are_both(void)
{
    for (unsigned type = 0; type < 0x4000; type++) {
        for (unsigned len = 0; len <= 1280; len += 4) {
            uint8_t bytes[10];

            store_be16(bytes, (uint16_t)type);
            store_be16(bytes + 2, (uint16_t)len);
            store_be32(bytes + 4, STUN_COOKIE);
            store_be16(bytes + 8, 0xa442);
            T_EQ(stream_frame_recognise(bytes, sizeof bytes), RECOGNISED_NO);
        }
    }
}

static const struct t_case cases[] = {
    T_CASE(packets_are_taken_off_one_by_one),
    T_CASE(every_split_gives_the_same_packets),
    T_CASE(a_packet_too_long_for_a_datagram_ends_it),
    T_CASE(what_the_port_speaks_is_told_apart),
    T_CASE(it_is_recognised_when_the_last_byte_is_there),
    T_CASE(no_length_and_type_are_both),
};
T_MAIN(cases)
