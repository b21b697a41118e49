#include "relay/rtp.h"
#include "relay/rtx.h"
#include "tests/t.h"

/* V=2, marker, PT 96, seq 0x1234, timestamp 2, SSRC 3. */
#define TAIL "\xe0\x12\x34\x00\x00\x00\x02\x00\x00\x00\x03"
#define EXTENSION "\xbe\xde\x00\x01\x10z\x00\x00"

static const struct rtx_stream stream = {.ssrc = 0xabcd, .payload_type = 97, .seq = 0x5678};

static void a_packet_survives_the_way_there_and_back(void)
{
    const struct span packet = SPAN_LITERAL("\x91" TAIL "csrc" EXTENSION "hello");
    uint8_t wrapped[64];
    struct rtp_view view;
    struct span back;

    const int len = rtx_encapsulate(packet, &stream, wrapped, sizeof wrapped);
    T_EQ(len, packet.n + RTX_OVERHEAD);
    T_EQ(rtp_parse((struct span){wrapped, (size_t)len}, &view), RC_OK);
    T_OK(view.marker);
    T_EQ(view.payload_type, 97);
    T_EQ(view.seq, 0x5678);
    T_EQ(view.timestamp, 2);
    T_EQ(view.ssrc, 0xabcd);
    T_EQ(view.extension.n, 4);
    T_EQ(view.payload.n, 7);
    T_MEM(view.payload.p, "\x12\x34hello", 7);

    T_EQ(rtx_decapsulate(wrapped, (size_t)len, 3, 96, &back), RC_OK);
    T_EQ(back.n, packet.n);
    T_MEM(back.p, packet.p, packet.n);
}

static void padding_does_not_travel(void)
{
    const struct span padded = SPAN_LITERAL("\xa0" TAIL "hi\x00\x02");
    uint8_t wrapped[64];

    T_EQ(rtx_encapsulate(padded, &stream, wrapped, sizeof wrapped), 12 + 2 + 2);
    T_EQ(wrapped[0], 0x80);

    uint8_t rtx[] = "\xa0" TAIL "\x00\x01hi\x00\x02";
    struct span back;
    T_EQ(rtx_decapsulate(rtx, sizeof rtx - 1, 3, 96, &back), RC_OK);
    T_EQ(back.n, 12 + 2);
    T_EQ(back.p[0], 0x80);
    T_MEM(back.p + 12, "hi", 2);
}

static void a_probe_holds_nothing(void)
{
    uint8_t probe[] = "\xa0" TAIL "\x00\x00\x03", before[sizeof probe];
    struct span back = {NULL, 0};

    memcpy(before, probe, sizeof probe);
    T_EQ(rtx_decapsulate(probe, sizeof probe - 1, 3, 96, &back), RC_AGAIN);
    T_OK(!back.p);
    T_MEM(probe, before, sizeof probe);
}

static void broken_packets_are_refused(void)
{
    uint8_t one[] = "\x80" TAIL "x", half[] = "\x80\x60", out[64];
    struct span back;

    T_EQ(rtx_decapsulate(one, sizeof one - 1, 3, 96, &back), RC_BAD);
    T_EQ(rtx_decapsulate(half, sizeof half - 1, 3, 96, &back), RC_BAD);
    T_EQ(rtx_encapsulate((struct span){half, 2}, &stream, out, sizeof out), RC_BAD);
    T_EQ(rtx_encapsulate((struct span){one, 13}, &stream, out, 14), RC_FULL);
    T_EQ(rtx_encapsulate((struct span){one, 13}, &stream, out, 15), 15);
}

static const struct t_case cases[] = {
    T_CASE(a_packet_survives_the_way_there_and_back),
    T_CASE(padding_does_not_travel),
    T_CASE(a_probe_holds_nothing),
    T_CASE(broken_packets_are_refused),
};
T_MAIN(cases)
