#include "turn/channel_data.h"

#include "tests/t.h"

#define BYTES(literal)                                                                         \
    {                                                                                          \
        (const uint8_t *)(literal), sizeof(literal) - 1                                        \
    }

/* clang-format off */
static const struct {
    const char *what;
    struct span bytes;
    bool padded;
    int rc;
    size_t data, total;
} rows[] = {
    {"five bytes in a datagram",             BYTES("\x40\x00\x00\x05" "hello"), false, RC_OK, 5, 9},
    {"a datagram may be padded",             BYTES("\x40\x00\x00\x05" "hello\0\0"), false, RC_OK, 5, 9},
    {"no data at all",                       BYTES("\x40\x00\x00\x00"), false, RC_OK, 0, 4},
    {"the last channel",                     BYTES("\x4f\xff\x00\x01" "x"), false, RC_OK, 1, 5},
    {"the last channel of RFC 5766",         BYTES("\x7f\xff\x00\x01" "x"), false, RC_OK, 1, 5},
    {"above the last channel",               BYTES("\x80\x00\x00\x01" "x"), false, RC_BAD, 0, 0},
    {"below the first channel",              BYTES("\x3f\xff\x00\x01" "x"), false, RC_BAD, 0, 0},
    {"a length that lies by one",            BYTES("\x40\x00\x00\x06" "hello"), false, RC_BAD, 0, 0},
    {"a length that lies by much",           BYTES("\x40\x00\xff\xff" "hello"), false, RC_BAD, 0, 0},
    {"a header cut in half",                 BYTES("\x40\x00\x00"), false, RC_BAD, 0, 0},
    {"nothing",                              BYTES(""), false, RC_BAD, 0, 0},
    {"a stream is padded to four",           BYTES("\x40\x00\x00\x05" "hello\0\0\0" "@"), true, RC_OK, 5, 12},
    {"a stream without need of padding",     BYTES("\x40\x00\x00\x04" "hell"), true, RC_OK, 4, 8},
    {"a stream whose padding is missing",    BYTES("\x40\x00\x00\x05" "hello\0\0"), true, RC_AGAIN, 0, 0},
    {"a stream with half a header",          BYTES("\x40\x00"), true, RC_AGAIN, 0, 0},
    {"a stream with nothing yet",            BYTES(""), true, RC_AGAIN, 0, 0},
    {"a stream of something else",           BYTES("\x80"), true, RC_BAD, 0, 0},
};
/* clang-format on */

static void every_row(void)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint16_t channel = 7;
        struct span data = {NULL, 0};
        size_t total = 0;

        printf("    %s\n", rows[i].what);
        T_EQ(stun_channel_read(rows[i].bytes, rows[i].padded, &channel, &data, &total),
             rows[i].rc);
        T_EQ(data.n, rows[i].data);
        T_EQ(total, rows[i].total);
        T_EQ(channel, rows[i].rc == RC_OK ? load_be16(rows[i].bytes.p) : 7);
        T_OK(rows[i].rc != RC_OK || data.p == rows[i].bytes.p + STUN_CHANNEL_HEADER);
    }
}

static void what_is_written_reads_back_with_its_padding(void)
{
    uint8_t bytes[STUN_CHANNEL_HEADER + 8] = {0};

    for (size_t n = 0; n <= 5; n++) {
        uint16_t channel;
        struct span data;
        size_t total;

        stun_channel_write(bytes, 0x4123, n);
        T_EQ(stun_channel_read((struct span){bytes, sizeof bytes}, true, &channel, &data,
                               &total),
             RC_OK);
        T_EQ(channel, 0x4123);
        T_EQ(data.n, n);
        T_EQ(total, STUN_CHANNEL_HEADER + n + stun_padding(n));
        T_EQ(total % 4, 0);
    }
}

static void a_stream_knows_how_long_a_message_will_be(void)
{
    const uint8_t bytes[] = {0x40, 0x01, 0x01, 0x01};
    size_t total = 0;

    for (size_t n = 0; n < sizeof bytes; n++)
        T_EQ(stun_channel_peek((struct span){bytes, n}, &total), RC_AGAIN);
    T_EQ(stun_channel_peek((struct span){bytes, sizeof bytes}, &total), RC_OK);
    T_EQ(total, 4 + 257 + 3);
    T_EQ(stun_channel_peek((struct span){(const uint8_t *)"\x80", 1}, &total), RC_BAD);
}

static const struct t_case cases[] = {
    T_CASE(every_row),
    T_CASE(a_stream_knows_how_long_a_message_will_be),
    T_CASE(what_is_written_reads_back_with_its_padding),
};
T_MAIN(cases)
