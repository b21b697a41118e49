#include "turn/turn_recognise.h"

#include "tests/t.h"
#include "tests/turn/stun_vectors_lib.h"

#define BYTES(literal)                                                                         \
    {                                                                                          \
        (const uint8_t *)(literal), sizeof(literal) - 1                                        \
    }
#define COOKIE "\x21\x12\xa4\x42"

/* clang-format off */
static const struct {
    const char *what;
    struct span first;
    enum recognition is;
} rows[] = {
    {"an Allocate",                          BYTES("\x00\x03\x00\x08" COOKIE "abcdefghijkl"), RECOGNISED_YES},
    {"a Binding request of no attributes",   BYTES("\x00\x01\x00\x00" COOKIE), RECOGNISED_YES},
    {"a ConnectionBind (RFC 6062)",          BYTES("\x00\x0b\x00\x54" COOKIE), RECOGNISED_YES},
    {"a method that we do not know",         BYTES("\x00\xef\x00\x54" COOKIE), RECOGNISED_YES},
    {"half a cookie",                        BYTES("\x00\x03\x00\x08\x21\x12"), RECOGNISED_MORE},
    {"one zero",                             BYTES("\x00"), RECOGNISED_MORE},
    {"nothing",                              BYTES(""), RECOGNISED_MORE},
    {"an indication",                        BYTES("\x00\x16\x00\x08" COOKIE), RECOGNISED_NO},
    {"a success response",                   BYTES("\x01\x01\x00\x08" COOKIE), RECOGNISED_NO},
    {"an error response",                    BYTES("\x01\x13\x00\x08" COOKIE), RECOGNISED_NO},
    {"STUN without the cookie (RFC 3489)",   BYTES("\x00\x01\x00\x08" "abcdabcdabcdabcd"), RECOGNISED_NO},
    {"a cookie that is wrong at its end",    BYTES("\x00\x01\x00\x08\x21\x12\xa4\x43"), RECOGNISED_NO},
    {"a length that is no multiple of four", BYTES("\x00\x01\x00\x06" COOKIE), RECOGNISED_NO},
    {"a first message of 2048 bytes more",   BYTES("\x00\x01\x08\x00" COOKIE), RECOGNISED_NO},
    {"ChannelData",                          BYTES("\x40\x00\x00\x04" "data"), RECOGNISED_NO},
    {"ICE-TCP: a frame around a check",      BYTES("\x00\x64" "\x00\x01\x00\x50" COOKIE), RECOGNISED_NO},
    {"ICE-TCP: its first three bytes",       BYTES("\x00\x64\x00"), RECOGNISED_MORE},
    {"ICE-TCP: its first four bytes",        BYTES("\x00\x64\x00\x01"), RECOGNISED_NO},
    {"ICE-TCP: a frame of 256 and more",     BYTES("\x01\x04\x00\x01\x00\xf0" COOKIE), RECOGNISED_NO},
    {"HTTP",                                 BYTES("GET / HTTP/1.1\r\n"), RECOGNISED_NO},
    {"one letter of HTTP",                   BYTES("G"), RECOGNISED_NO},
    {"a TLS ClientHello",                    BYTES("\x16\x03\x01\x02\x00\x01\x00"), RECOGNISED_NO},
    {"an SSLv2 ClientHello",                 BYTES("\x80\x2e\x01\x03\x01"), RECOGNISED_NO},
    {"PROXY protocol v2",                    BYTES("\r\n\r\n\0\r\nQUIT\n"), RECOGNISED_NO},
    {"PROXY protocol v1",                    BYTES("PROXY TCP4 "), RECOGNISED_NO},
    {"RTP",                                  BYTES("\x80\x60\x00\x01"), RECOGNISED_NO},
    {"SSH",                                  BYTES("SSH-2.0-"), RECOGNISED_NO},
    {"zeroes",                               BYTES("\0\0\0\0\0\0\0\0\0\0\0\0"), RECOGNISED_NO},
};
/* clang-format on */

static void every_row(void)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        printf("    %s\n", rows[i].what);
        T_EQ(turn_recognise(rows[i].first.p, rows[i].first.n), rows[i].is);
    }
}

/* Whoever is recognised was not refused with fewer bytes, and the other way round. */
static void more_bytes_never_change_an_answer(void)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        enum recognition before = RECOGNISED_MORE;

        for (size_t n = 0; n <= rows[i].first.n; n++) {
            const enum recognition is = turn_recognise(rows[i].first.p, n);
            T_OK(before == RECOGNISED_MORE || is == before);
            before = is;
        }
    }
}

static void the_sample_requests_are_recognised(void)
{
    T_EQ(turn_recognise(rfc5769_request.p, LISTENER_FIRST_BYTES), RECOGNISED_YES);
    T_EQ(turn_recognise(rfc8489_request.p, LISTENER_FIRST_BYTES), RECOGNISED_YES);
    T_EQ(turn_recognise(rfc5769_response_v4.p, LISTENER_FIRST_BYTES), RECOGNISED_NO);
}

static const struct t_case cases[] = {
    T_CASE(every_row),
    T_CASE(more_bytes_never_change_an_answer),
    T_CASE(the_sample_requests_are_recognised),
};
T_MAIN(cases)
