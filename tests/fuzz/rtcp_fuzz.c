/*
 * Fuzzes the compound packet parser of relay/rtcp: no span leaves the datagram, every iterator
 * ends, and what was read can be written and read again.
 */
#include "relay/rtcp.h"

#include <stdlib.h>
#include <string.h>

#define MUST(cond) ((cond) ? (void)0 : abort()) /* active in every build, unlike assert */
#define SEQS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool inside(struct span inner, struct span outer)
{
    if (inner.n == 0)
        return true;
    if (inner.p < outer.p || inner.n > outer.n)
        return false;
    return (size_t)(inner.p - outer.p) <= outer.n - inner.n;
}

static struct rtcp_packet written(const struct rtcp_writer *writer)
{
    struct span rest = {writer->buf, writer->len};
    struct rtcp_packet packet = {.kind = RTCP_OTHER};

    MUST(rtcp_validate(rest) == RC_OK);
    MUST(rtcp_next(&rest, &packet));
    MUST(rest.n == 0);
    return packet;
}

static bool same_block(const struct rtcp_report_block *a, const struct rtcp_report_block *b)
{
    return a->ssrc == b->ssrc && a->fraction_lost == b->fraction_lost &&
           a->cumulative_lost == b->cumulative_lost && a->highest_seq == b->highest_seq &&
           a->jitter == b->jitter && a->lsr == b->lsr && a->dlsr == b->dlsr;
}

static void check_blocks(struct span blocks)
{
    struct rtcp_report_block block[RTCP_BLOCKS_MAX], again;
    uint8_t buf[1200];
    struct rtcp_writer writer;
    struct rtcp_rr rr;
    size_t count = 0;

    while (rtcp_next_block(&blocks, &block[count])) {
        MUST(block[count].cumulative_lost >= -0x800000);
        MUST(block[count].cumulative_lost <= 0x7fffff);
        count++;
    }
    rtcp_writer_init(&writer, buf, sizeof buf);
    MUST(rtcp_write_rr(&writer, 1, block, count) == RC_OK);
    const struct rtcp_packet packet = written(&writer);
    MUST(rtcp_parse_rr(&packet, &rr) == RC_OK);
    for (size_t i = 0; i < count; i++) {
        MUST(rtcp_next_block(&rr.blocks, &again));
        MUST(same_block(&again, &block[i]));
    }
}

/* A NACK names each number once, so a set in order is what comes back. */
static void check_nack(struct span fci)
{
    uint16_t seqs[SEQS_MAX], again[SEQS_MAX];
    uint8_t buf[200];
    struct rtcp_writer writer;
    struct rtcp_feedback feedback;
    const size_t count = rtcp_nack_seqs(fci, seqs, SEQS_MAX);

    MUST(count <= SEQS_MAX);
    for (size_t i = 1; i < count; i++) {
        if (!seq16_after(seqs[i], seqs[i - 1]))
            return; /* not in order: not for the writer */
    }
    rtcp_writer_init(&writer, buf, sizeof buf);
    const size_t told = rtcp_write_nack(&writer, 1, 2, seqs, count);
    MUST(told <= count && (told > 0) == (count > 0));
    if (told == 0)
        return;
    const struct rtcp_packet packet = written(&writer);
    MUST(rtcp_parse_feedback(&packet, &feedback) == RC_OK);
    MUST(rtcp_nack_seqs(feedback.fci, again, SEQS_MAX) == told);
    MUST(memcmp(seqs, again, told * sizeof *seqs) == 0);
}

static void check_remb(const struct rtcp_packet *packet)
{
    struct rtcp_remb remb, again;
    uint8_t buf[64];
    struct rtcp_writer writer;
    uint32_t ssrc;

    if (rtcp_parse_remb(packet, &remb) != RC_OK)
        return;
    MUST(inside(remb.sources, packet->body));
    while (rtcp_next_ssrc(&remb.sources, &ssrc))
        continue;
    rtcp_writer_init(&writer, buf, sizeof buf);
    MUST(rtcp_write_remb(&writer, 1, remb.bitrate, NULL, 0) == RC_OK);
    const struct rtcp_packet back = written(&writer);
    MUST(rtcp_parse_remb(&back, &again) == RC_OK);
    MUST(again.bitrate <= remb.bitrate && again.bitrate >= remb.bitrate - (remb.bitrate >> 17));
}

static void check_sdes(struct span chunks, struct span datagram)
{
    struct rtcp_sdes_chunk chunk;

    while (rtcp_next_sdes(&chunks, &chunk)) {
        MUST(inside(chunk.cname, datagram));
        MUST(chunk.cname.n <= RTCP_CNAME_MAX);
    }
}

static void check_feedback(const struct rtcp_packet *packet)
{
    struct rtcp_feedback feedback;
    struct rtcp_fir fir;

    if (rtcp_parse_feedback(packet, &feedback) != RC_OK)
        return;
    MUST(inside(feedback.fci, packet->body));
    if (packet->kind == RTCP_NACK)
        check_nack(feedback.fci);
    if (packet->kind == RTCP_FIR) {
        while (rtcp_next_fir(&feedback.fci, &fir))
            continue;
    }
}

static void check_packet(const struct rtcp_packet *packet, struct span datagram)
{
    struct rtcp_sr sr;
    struct rtcp_rr rr;
    struct rtcp_bye bye;

    MUST(inside(packet->body, datagram));
    switch (packet->kind) {
    case RTCP_SR:
        if (rtcp_parse_sr(packet, &sr) == RC_OK)
            check_blocks(sr.blocks);
        break;
    case RTCP_RR:
        if (rtcp_parse_rr(packet, &rr) == RC_OK)
            check_blocks(rr.blocks);
        break;
    case RTCP_SDES:
        check_sdes(packet->body, datagram);
        break;
    case RTCP_BYE:
        if (rtcp_parse_bye(packet, &bye) == RC_OK)
            MUST(inside(bye.sources, datagram) && inside(bye.reason, datagram));
        break;
    case RTCP_REMB:
        check_remb(packet);
        break;
    case RTCP_NACK:
    case RTCP_PLI:
    case RTCP_FIR:
    case RTCP_TRANSPORT_FEEDBACK:
        check_feedback(packet);
        break;
    case RTCP_OTHER:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct span datagram = {data, size};
    struct span rest = datagram;
    struct rtcp_packet packet;
    size_t packets = 0;

    while (rtcp_next(&rest, &packet)) {
        MUST(inside(rest, datagram));
        check_packet(&packet, datagram);
        packets++;
    }
    MUST(packets <= size / RTCP_HEADER_LEN);
    MUST((rtcp_validate(datagram) == RC_OK) == (size > 0 && rest.n == 0));
    return 0;
}
