#include "relay/ntp.h"
#include "relay/rtcp.h"
#include "tests/t.h"

#define BYTES(literal)                                                                         \
    {                                                                                          \
        (const uint8_t *)(literal), sizeof(literal) - 1                                        \
    }

#define BLOCK                                                                                  \
    "\xaa\xbb\xcc\xdd"                                                                         \
    "\x40\xff\xff\xfe"                                                                         \
    "\x00\x01\x00\x02"                                                                         \
    "\x00\x00\x01\x2c"                                                                         \
    "\x12\x34\x56\x78"                                                                         \
    "\x00\x01\x80\x00"
#define SENDER                                                                                 \
    "\x11\x22\x33\x44"                                                                         \
    "\x83\xaa\x7e\x80\x40\x00\x00\x00"                                                         \
    "\x00\x00\x03\xe8"                                                                         \
    "\x00\x00\x00\x05"                                                                         \
    "\x00\x00\x17\x70"
#define SR_PLAIN "\x80\xc8\x00\x06" SENDER
#define SR_BLOCK "\x81\xc8\x00\x0c" SENDER BLOCK
#define RR_EMPTY "\x80\xc9\x00\x01\x11\x22\x33\x44"
#define RR_BLOCK "\x81\xc9\x00\x07\x11\x22\x33\x44" BLOCK
#define SDES                                                                                   \
    "\x81\xca\x00\x03\x11\x22\x33\x44"                                                         \
    "\x01\x05"                                                                                 \
    "alice\x00"
#define BYE "\x81\xcb\x00\x01\x11\x22\x33\x44"
#define PLI "\x81\xce\x00\x02\x11\x22\x33\x44\xaa\xbb\xcc\xdd"
#define FIR "\x84\xce\x00\x04\x11\x22\x33\x44\x00\x00\x00\x00\xaa\xbb\xcc\xdd\x07\x00\x00\x00"
/* 0xfffe, 0xffff and 14 by the mask; 32 alone. */
#define NACK "\x81\xcd\x00\x04\x11\x22\x33\x44\xaa\xbb\xcc\xdd\xff\xfe\x80\x01\x00\x20\x00\x00"
/* Exponent 3, mantissa 250 000: 2 000 000 bit/s. */
#define REMB                                                                                   \
    "\x8f\xce\x00\x05\x11\x22\x33\x44\x00\x00\x00\x00"                                         \
    "REMB"                                                                                     \
    "\x01\x0f\xd0\x90\xaa\xbb\xcc\xdd"

/* clang-format off */
static const struct {
    const char *what;
    struct span datagram;
    int rc;
    enum rtcp_kind first;
} rows[] = {
    {"an empty receiver report",              BYTES(RR_EMPTY), RC_OK, RTCP_RR},
    {"a compound of report and description",  BYTES(SR_BLOCK SDES), RC_OK, RTCP_SR},
    {"reduced size: a NACK alone",            BYTES(NACK), RC_OK, RTCP_NACK},
    {"reduced size: a PLI alone",             BYTES(PLI), RC_OK, RTCP_PLI},
    {"FIR",                                   BYTES(FIR), RC_OK, RTCP_FIR},
    {"REMB",                                  BYTES(REMB), RC_OK, RTCP_REMB},
    {"application feedback of another kind",
     BYTES("\x8f\xce\x00\x03\x11\x22\x33\x44\x00\x00\x00\x00" "ABCD"), RC_OK, RTCP_OTHER},
    {"transport feedback",
     BYTES("\x8f\xcd\x00\x02\x11\x22\x33\x44\x00\x00\x00\x00"), RC_OK, RTCP_TRANSPORT_FEEDBACK},
    {"extended reports are skipped",
     BYTES("\x80\xcf\x00\x01\x11\x22\x33\x44"), RC_OK, RTCP_OTHER},
    {"a type of the range that nobody uses",  BYTES("\x80\xdf\x00\x00"), RC_OK, RTCP_OTHER},
    {"BYE with no source",                    BYTES("\x80\xcb\x00\x00"), RC_OK, RTCP_BYE},
    {"padding on the first packet",
     BYTES("\xa0\xc9\x00\x02\x11\x22\x33\x44\x00\x00\x00\x04" BYE), RC_OK, RTCP_RR},
    {"nothing but padding",
     BYTES("\xa0\xc9\x00\x01\x00\x00\x00\x04"), RC_OK, RTCP_RR},
    {"a padding count of zero",
     BYTES("\xa0\xc9\x00\x01\x00\x00\x00\x00"), RC_BAD, RTCP_OTHER},
    {"padding longer than the body",
     BYTES("\xa0\xc9\x00\x01\x00\x00\x00\x05"), RC_BAD, RTCP_OTHER},
    {"padding without a body",                BYTES("\xa0\xc9\x00\x00"), RC_BAD, RTCP_OTHER},
    {"version 1",                             BYTES("\x40\xc9\x00\x00"), RC_BAD, RTCP_OTHER},
    {"a type below the range",                BYTES("\x80\xbf\x00\x00"), RC_BAD, RTCP_OTHER},
    {"a type above the range",                BYTES("\x80\xe0\x00\x00"), RC_BAD, RTCP_OTHER},
    {"length past the end",
     BYTES("\x80\xc9\x00\x02\x11\x22\x33\x44"), RC_BAD, RTCP_OTHER},
    {"three bytes left over",                 BYTES(RR_EMPTY "\x80\xc9\x00"), RC_BAD, RTCP_RR},
    {"a second packet of version 0",          BYTES(RR_EMPTY "\x00\xc9\x00\x00"), RC_BAD, RTCP_RR},
    {"empty datagram",                        BYTES(""), RC_BAD, RTCP_OTHER},
};
/* clang-format on */

static void datagrams_are_checked_as_a_whole(void)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct span rest = rows[i].datagram;
        struct rtcp_packet packet = {.kind = RTCP_OTHER};

        printf("#   %s\n", rows[i].what);
        T_EQ(rtcp_validate(rest), rows[i].rc);
        (void)rtcp_next(&rest, &packet);
        T_EQ(packet.kind, rows[i].first);
    }
}

static struct rtcp_packet only_packet(struct span datagram)
{
    struct rtcp_packet packet = {.kind = RTCP_OTHER};

    T_EQ(rtcp_validate(datagram), RC_OK);
    T_OK(rtcp_next(&datagram, &packet));
    T_EQ(datagram.n, 0);
    return packet;
}

static uint8_t buf[1200];

static struct rtcp_writer writer_of(size_t max)
{
    struct rtcp_writer writer;

    rtcp_writer_init(&writer, buf, max);
    memset(buf, 0xee, sizeof buf);
    return writer;
}

#define T_WRITTEN(writer, literal)                                                             \
    do {                                                                                       \
        T_EQ((writer).len, sizeof(literal) - 1);                                               \
        T_MEM((writer).buf, literal, sizeof(literal) - 1);                                     \
        T_EQ((writer).buf[(writer).len], 0xee);                                                \
    } while (0)

static const struct rtcp_report_block block = {
    .ssrc = 0xaabbccdd,
    .fraction_lost = 0x40,
    .cumulative_lost = -2,
    .highest_seq = 0x10002,
    .jitter = 300,
    .lsr = 0x12345678,
    .dlsr = 0x18000,
};
static const struct rtcp_sr sr = {
    .ssrc = 0x11223344,
    .ntp = 0x83aa7e8040000000,
    .timestamp = 1000,
    .packets = 5,
    .octets = 6000,
};

static void reads_a_sender_report_with_a_block(void)
{
    const struct rtcp_packet packet = only_packet(SPAN_LITERAL(SR_BLOCK));
    struct rtcp_sr got;
    struct rtcp_report_block seen;

    T_EQ(rtcp_parse_sr(&packet, &got), RC_OK);
    T_EQ(got.ssrc, sr.ssrc);
    T_OK(got.ntp == sr.ntp);
    T_EQ(got.timestamp, 1000);
    T_EQ(got.packets, 5);
    T_EQ(got.octets, 6000);
    T_OK(rtcp_next_block(&got.blocks, &seen));
    T_EQ(seen.ssrc, block.ssrc);
    T_EQ(seen.fraction_lost, 0x40);
    T_EQ(seen.cumulative_lost, -2);
    T_EQ(seen.highest_seq, 0x10002);
    T_EQ(seen.jitter, 300);
    T_EQ(seen.lsr, 0x12345678);
    T_EQ(seen.dlsr, 0x18000);
    T_OK(!rtcp_next_block(&got.blocks, &seen));
}

static void refuses_a_report_with_fewer_blocks_than_it_says(void)
{
    struct rtcp_sr got = {.ssrc = 7};
    struct rtcp_rr rr = {.ssrc = 7};
    struct rtcp_packet packet = only_packet(SPAN_LITERAL(SR_PLAIN));

    packet.count = 1;
    T_EQ(rtcp_parse_sr(&packet, &got), RC_BAD);
    packet = only_packet(SPAN_LITERAL(RR_BLOCK));
    packet.count = 2;
    T_EQ(rtcp_parse_rr(&packet, &rr), RC_BAD);
    T_EQ(got.ssrc, 7);
    T_EQ(rr.ssrc, 7);
}

static void a_profile_extension_behind_the_blocks_is_ignored(void)
{
    const struct rtcp_packet packet =
        only_packet(SPAN_LITERAL("\x80\xc9\x00\x02\x11\x22\x33\x44zzzz"));
    struct rtcp_rr rr;

    T_EQ(rtcp_parse_rr(&packet, &rr), RC_OK);
    T_EQ(rr.ssrc, 0x11223344);
    T_EQ(rr.blocks.n, 0);
}

static void writes_reports_byte_for_byte(void)
{
    struct rtcp_writer w = writer_of(sizeof buf);

    T_EQ(rtcp_write_sr(&w, &sr, NULL, 0), RC_OK);
    T_WRITTEN(w, SR_PLAIN);
    T_EQ(rtcp_write_rr(&w, 0x11223344, &block, 1), RC_OK);
    T_WRITTEN(w, SR_PLAIN RR_BLOCK);
    T_EQ(rtcp_write_cname(&w, 0x11223344, SPAN_LITERAL("alice")), RC_OK);
    T_WRITTEN(w, SR_PLAIN RR_BLOCK SDES);
    w = writer_of(sizeof buf);
    T_EQ(rtcp_write_sr(&w, &sr, &block, 1), RC_OK);
    T_WRITTEN(w, SR_BLOCK);
    w = writer_of(sizeof buf);
    T_EQ(rtcp_write_rr(&w, 0x11223344, NULL, 0), RC_OK);
    T_WRITTEN(w, RR_EMPTY);
}

static void writes_feedback_byte_for_byte(void)
{
    static const uint16_t seqs[] = {0xfffe, 0xffff, 14, 32};
    const struct rtcp_fir fir = {.ssrc = 0xaabbccdd, .seq = 7};
    const uint32_t source = 0xaabbccdd;
    struct rtcp_writer w = writer_of(sizeof buf);

    T_EQ(rtcp_write_pli(&w, 0x11223344, 0xaabbccdd), RC_OK);
    T_WRITTEN(w, PLI);
    w = writer_of(sizeof buf);
    T_EQ(rtcp_write_fir(&w, 0x11223344, &fir), RC_OK);
    T_WRITTEN(w, FIR);
    w = writer_of(sizeof buf);
    T_EQ(rtcp_write_nack(&w, 0x11223344, 0xaabbccdd, seqs, 4), 4);
    T_WRITTEN(w, NACK);
    w = writer_of(sizeof buf);
    T_EQ(rtcp_write_remb(&w, 0x11223344, 2000000, &source, 1), RC_OK);
    T_WRITTEN(w, REMB);
    w = writer_of(sizeof buf);
    T_EQ(rtcp_write_bye(&w, &sr.ssrc, 1), RC_OK);
    T_WRITTEN(w, BYE);
}

static void nothing_is_written_beyond_the_limit(void)
{
    static const uint16_t seqs[] = {1, 2, 100, 200};
    struct rtcp_writer w = writer_of(sizeof SR_PLAIN - 2);

    T_EQ(rtcp_write_sr(&w, &sr, NULL, 0), RC_FULL);
    T_EQ(w.len, 0);
    w = writer_of(11);
    T_EQ(rtcp_write_pli(&w, 1, 2), RC_FULL);
    T_EQ(rtcp_write_remb(&w, 1, 2, NULL, 0), RC_FULL);
    T_EQ(rtcp_write_fir(&w, 1, &(struct rtcp_fir){0}), RC_FULL);
    T_EQ(rtcp_write_nack(&w, 1, 2, seqs, 4), 0);
    T_EQ(rtcp_write_cname(&w, 1, SPAN_LITERAL("alice")), RC_FULL);
    T_EQ(w.len, 0);
    T_EQ(w.buf[0], 0xee);

    /* Two groups fit: 1 and 2, 100. The caller sends 200 in another datagram. */
    w = writer_of(20);
    T_EQ(rtcp_write_nack(&w, 1, 2, seqs, 4), 3);
    T_EQ(w.len, 20);
}

static void more_blocks_than_the_count_can_say_are_refused(void)
{
    static const struct rtcp_report_block blocks[RTCP_BLOCKS_MAX + 1];
    static const uint8_t text[RTCP_CNAME_MAX + 1];
    struct rtcp_writer w = writer_of(sizeof buf);

    T_EQ(rtcp_write_rr(&w, 1, blocks, RTCP_BLOCKS_MAX + 1), RC_BAD);
    T_EQ(rtcp_write_rr(&w, 1, blocks, RTCP_BLOCKS_MAX), RC_OK);
    T_EQ(rtcp_write_cname(&w, 1, (struct span){text, sizeof text}), RC_BAD);
}

static void a_nack_names_what_was_packed(void)
{
    uint16_t seqs[8];
    struct rtcp_feedback feedback;
    const struct rtcp_packet packet = only_packet(SPAN_LITERAL(NACK));

    T_EQ(rtcp_parse_feedback(&packet, &feedback), RC_OK);
    T_EQ(feedback.sender_ssrc, 0x11223344);
    T_EQ(feedback.media_ssrc, 0xaabbccdd);
    T_EQ(rtcp_nack_seqs(feedback.fci, seqs, 8), 4);
    T_EQ(seqs[0], 0xfffe);
    T_EQ(seqs[1], 0xffff);
    T_EQ(seqs[2], 14);
    T_EQ(seqs[3], 32);
    T_EQ(rtcp_nack_seqs(feedback.fci, seqs, 3), 3);
}

static void remb_survives_both_ways_at_every_size(void)
{
    for (unsigned bit = 0; bit < 64; bit++) {
        const uint64_t bitrate = (uint64_t)1 << bit | (bit > 2 ? (uint64_t)1 << (bit - 2) : 0);
        struct rtcp_writer w = writer_of(sizeof buf);
        struct rtcp_remb remb;

        T_EQ(rtcp_write_remb(&w, 1, bitrate, NULL, 0), RC_OK);
        const struct rtcp_packet packet = only_packet((struct span){w.buf, w.len});
        T_EQ(rtcp_parse_remb(&packet, &remb), RC_OK);
        T_OK(remb.bitrate == bitrate);
    }
}

static void an_absurd_remb_saturates(void)
{
    const struct rtcp_packet packet =
        only_packet(SPAN_LITERAL("\x8f\xce\x00\x04\x11\x22\x33\x44\x00\x00\x00\x00"
                                 "REMB\x00\xff\xff\xff"));
    struct rtcp_remb remb;

    T_EQ(rtcp_parse_remb(&packet, &remb), RC_OK);
    T_OK(remb.bitrate == UINT64_MAX);
}

static void a_remb_with_fewer_sources_than_it_says_is_refused(void)
{
    const struct rtcp_packet packet =
        only_packet(SPAN_LITERAL("\x8f\xce\x00\x04\x11\x22\x33\x44\x00\x00\x00\x00"
                                 "REMB\x01\x0f\xd0\x90"));
    struct rtcp_remb remb;

    T_EQ(rtcp_parse_remb(&packet, &remb), RC_BAD);
}

static void feedback_without_both_sources_is_refused(void)
{
    const struct rtcp_packet packet =
        only_packet(SPAN_LITERAL("\x81\xce\x00\x01\x11\x22\x33\x44"));
    struct rtcp_feedback feedback;

    T_EQ(rtcp_parse_feedback(&packet, &feedback), RC_BAD);
}

/* clang-format off */
static const struct {
    const char *what;
    struct span body;
    int chunks;
    const char *cname;
} sdes_rows[] = {
    {"a name",                        BYTES("\0\0\0\1\1\2hi\0\0\0\0"), 1, "hi"},
    {"a name that fills its word",    BYTES("\0\0\0\1\1\5hello\0"), 1, "hello"},
    {"a note, then a name",           BYTES("\0\0\0\1\7\1x\1\2hi\0\0"), 1, "hi"},
    {"two chunks: the last counts",   BYTES("\0\0\0\1\1\1a\0\0\0\0\2\1\1b\0"), 2, "b"},
    {"no name",                       BYTES("\0\0\0\1\0\0\0\0"), 1, ""},
    {"an empty name",                 BYTES("\0\0\0\1\1\0\0\0"), 1, ""},
    {"text past the end",             BYTES("\0\0\0\1\1\7hi"), 0, ""},
    {"no end of the list",            BYTES("\0\0\0\1\1\2hi"), 0, ""},
    {"an item cut in half",           BYTES("\0\0\0\1\1"), 0, ""},
    {"half an SSRC",                  BYTES("\0\0"), 0, ""},
};
/* clang-format on */

static void descriptions_are_read_chunk_by_chunk(void)
{
    for (size_t i = 0; i < ARRAY_LEN(sdes_rows); i++) {
        struct span rest = sdes_rows[i].body;
        struct rtcp_sdes_chunk chunk = {.ssrc = 0};
        int chunks = 0;

        printf("#   %s\n", sdes_rows[i].what);
        while (rtcp_next_sdes(&rest, &chunk)) {
            chunks++;
            T_EQ(chunk.ssrc, chunks);
        }
        T_EQ(chunks, sdes_rows[i].chunks);
        T_EQ(chunk.cname.n, strlen(sdes_rows[i].cname));
        if (chunk.cname.n)
            T_MEM(chunk.cname.p, sdes_rows[i].cname, chunk.cname.n);
    }
}

static void a_bye_names_its_sources_and_its_reason(void)
{
    struct rtcp_packet packet =
        only_packet(SPAN_LITERAL("\x82\xcb\x00\x03\x00\x00\x00\x01\x00\x00\x00\x02\x03yes"));
    struct rtcp_bye bye;
    uint32_t ssrc;

    T_EQ(rtcp_parse_bye(&packet, &bye), RC_OK);
    T_OK(rtcp_next_ssrc(&bye.sources, &ssrc));
    T_EQ(ssrc, 1);
    T_OK(rtcp_next_ssrc(&bye.sources, &ssrc));
    T_EQ(ssrc, 2);
    T_OK(!rtcp_next_ssrc(&bye.sources, &ssrc));
    T_EQ(bye.reason.n, 3);
    T_MEM(bye.reason.p, "yes", 3);

    packet = only_packet(SPAN_LITERAL("\x80\xcb\x00\x01\x04yes"));
    T_EQ(rtcp_parse_bye(&packet, &bye), RC_BAD);
    packet = only_packet(SPAN_LITERAL("\x82\xcb\x00\x01\x00\x00\x00\x01"));
    T_EQ(rtcp_parse_bye(&packet, &bye), RC_BAD);
}

static void a_fir_names_each_stream(void)
{
    const struct rtcp_packet packet = only_packet(SPAN_LITERAL(FIR));
    struct rtcp_feedback feedback;
    struct rtcp_fir fir;

    T_EQ(rtcp_parse_feedback(&packet, &feedback), RC_OK);
    T_OK(rtcp_next_fir(&feedback.fci, &fir));
    T_EQ(fir.ssrc, 0xaabbccdd);
    T_EQ(fir.seq, 7);
    T_OK(!rtcp_next_fir(&feedback.fci, &fir));
}

static void ntp_keeps_every_microsecond(void)
{
    for (usec_t t = 0; t < SEC(3); t += 997)
        T_OK(ntp_to_usec(ntp_from_usec(t)) == t);
    T_OK(ntp_to_usec(ntp_from_usec(SEC(86400) + 999999)) == SEC(86400) + 999999);
    T_EQ(ntp_middle(ntp_from_usec(SEC(3) + MSEC(500))), 3 << 16 | 0x8000);
    T_EQ(ntp_short_to_usec(0x18000), 1500000);
}

static const struct t_case cases[] = {
    T_CASE(datagrams_are_checked_as_a_whole),
    T_CASE(reads_a_sender_report_with_a_block),
    T_CASE(refuses_a_report_with_fewer_blocks_than_it_says),
    T_CASE(a_profile_extension_behind_the_blocks_is_ignored),
    T_CASE(writes_reports_byte_for_byte),
    T_CASE(writes_feedback_byte_for_byte),
    T_CASE(nothing_is_written_beyond_the_limit),
    T_CASE(more_blocks_than_the_count_can_say_are_refused),
    T_CASE(a_nack_names_what_was_packed),
    T_CASE(remb_survives_both_ways_at_every_size),
    T_CASE(an_absurd_remb_saturates),
    T_CASE(a_remb_with_fewer_sources_than_it_says_is_refused),
    T_CASE(feedback_without_both_sources_is_refused),
    T_CASE(descriptions_are_read_chunk_by_chunk),
    T_CASE(a_bye_names_its_sources_and_its_reason),
    T_CASE(a_fir_names_each_stream),
    T_CASE(ntp_keeps_every_microsecond),
};
T_MAIN(cases)
