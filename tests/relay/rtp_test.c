#include "relay/rtp.h"
#include "tests/t.h"

/* V=2, PT 96, seq 1, timestamp 2, SSRC 3. Only the flag bits differ from row to row. */
#define TAIL "\x60\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03"
#define PLAIN "\x80" TAIL
#define EXTENDED "\x90" TAIL
#define PADDED "\xa0" TAIL
#define BYTES(literal)                                                                         \
    {                                                                                          \
        (const uint8_t *)(literal), sizeof(literal) - 1                                        \
    }

/* clang-format off */
static const struct {
    const char *what;
    struct span packet;
    int rc;
    size_t payload;
} rows[] = {
    {"a header alone is legal",       BYTES(PLAIN), RC_OK, 0},
    {"header and two bytes",          BYTES(PLAIN "hi"), RC_OK, 2},
    {"padding is cut off",            BYTES(PADDED "hi\x00\x02"), RC_OK, 2},
    {"nothing but padding",           BYTES(PADDED "\x01"), RC_OK, 0},
    {"a padding count of zero",       BYTES(PADDED "hi\x00"), RC_BAD, 0},
    {"padding longer than the body",  BYTES(PADDED "hi\x09"), RC_BAD, 0},
    {"padded, without a body",        BYTES(PADDED), RC_BAD, 0},
    {"one extension word",            BYTES(EXTENDED "\xbe\xde\x00\x01" "abcd" "hi"), RC_OK, 2},
    {"an empty extension",            BYTES(EXTENDED "\xbe\xde\x00\x00" "hi"), RC_OK, 2},
    {"extension runs past the end",   BYTES(EXTENDED "\xbe\xde\x00\x02" "abcd"), RC_BAD, 0},
    {"extension header cut in half",  BYTES(EXTENDED "\xbe\xde"), RC_BAD, 0},
    {"one CSRC",                      BYTES("\x81" TAIL "csrc" "hi"), RC_OK, 2},
    {"more CSRCs than bytes",         BYTES("\x82" TAIL "csrc" "hi"), RC_BAD, 0},
    {"version 1",                     BYTES("\x40" TAIL), RC_BAD, 0},
    {"eleven bytes",                  {(const uint8_t *)PLAIN, 11}, RC_BAD, 0},
    {"empty datagram",                BYTES(""), RC_BAD, 0},
};

static const struct {
    const char *what;
    struct span datagram;
    enum datagram_kind kind;
} datagrams[] = {
    {"empty",                     BYTES(""), DATAGRAM_UNKNOWN},
    {"a STUN request",            BYTES("\x00\x01"), DATAGRAM_STUN},
    {"the last STUN byte",        BYTES("\x03"), DATAGRAM_STUN},
    {"4 is nobody's",             BYTES("\x04"), DATAGRAM_UNKNOWN},
    {"19 is nobody's for us",     BYTES("\x13"), DATAGRAM_UNKNOWN},
    {"a DTLS handshake",          BYTES("\x16\xfe\xfd"), DATAGRAM_DTLS},
    {"DTLS 1.3 ciphertext",       BYTES("\x3f"), DATAGRAM_DTLS},
    {"channel data",              BYTES("\x40\x00"), DATAGRAM_CHANNEL_DATA},
    {"the channels of RFC 5766",  BYTES("\x7f\xff"), DATAGRAM_CHANNEL_DATA},
    {"RTP",                       BYTES("\x80\x60"), DATAGRAM_RTP},
    {"RTP with the marker",       BYTES("\x80\xe0"), DATAGRAM_RTP},
    {"RTP, payload type 63, M",   BYTES("\x80\xbf"), DATAGRAM_RTP},
    {"the first RTCP type",       BYTES("\x80\xc0"), DATAGRAM_RTCP},
    {"a sender report",           BYTES("\x80\xc8"), DATAGRAM_RTCP},
    {"the last RTCP type",        BYTES("\xbf\xdf"), DATAGRAM_RTCP},
    {"one byte of RTP",           BYTES("\x80"), DATAGRAM_UNKNOWN},
    {"192 is nobody's",           BYTES("\xc0\xc8"), DATAGRAM_UNKNOWN},
};
/* clang-format on */

static void parses_what_is_legal_and_refuses_the_rest(void)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct rtp_view view = {.ssrc = 0xdead};

        printf("#   %s\n", rows[i].what);
        const int rc = rtp_parse(rows[i].packet, &view);

        T_EQ(rc, rows[i].rc);
        T_EQ(view.payload.n, rows[i].payload);
        T_EQ(view.ssrc, rc == RC_OK ? 3 : 0xdead); /* untouched on failure, as promised */
    }
}

static void classifies_by_the_first_bytes(void)
{
    for (size_t i = 0; i < ARRAY_LEN(datagrams); i++) {
        printf("#   %s\n", datagrams[i].what);
        T_EQ(datagram_classify(datagrams[i].datagram), datagrams[i].kind);
    }
}

static void a_written_header_reads_back(void)
{
    const struct rtp_header header = {.marker = true,
                                      .payload_type = 127,
                                      .seq = 0xfffe,
                                      .timestamp = 0x80000001,
                                      .ssrc = 0xcafebabe};
    uint8_t packet[RTP_HEADER_LEN];
    struct rtp_view view;

    T_EQ(rtp_write_header(packet, &header), RTP_HEADER_LEN);
    T_EQ(rtp_parse((struct span){packet, sizeof packet}, &view), RC_OK);
    T_OK(view.marker);
    T_EQ(view.payload_type, 127);
    T_EQ(view.seq, 0xfffe);
    T_EQ(view.timestamp, 0x80000001);
    T_EQ(view.ssrc, 0xcafebabe);
    T_EQ(view.csrc_count, 0);
}

static void ticks_do_not_overflow(void)
{
    T_EQ(rtp_ticks(MSEC(20), 48000), 960);
    T_EQ(rtp_ticks(SEC(1), 90000), 90000);
    T_EQ(rtp_ticks(SEC(86400) * 3650, 90000), (uint32_t)(86400ull * 3650 * 90000));
}

static const struct t_case cases[] = {
    T_CASE(parses_what_is_legal_and_refuses_the_rest),
    T_CASE(classifies_by_the_first_bytes),
    T_CASE(a_written_header_reads_back),
    T_CASE(ticks_do_not_overflow),
};
T_MAIN(cases)
