/*
 * Fuzzes relay/transport_feedback from both ends. First byte even: the rest is the body of a
 * message from a hostile peer. Odd: the rest is a script of arrivals, and what the messages say
 * must be what arrived.
 */
#include "relay/transport_feedback.h"

#include <stdlib.h>
#include <string.h>

#define MUST(cond) ((cond) ? (void)0 : abort()) /* active in every build, unlike assert */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_hostile(struct span body)
{
    const struct rtcp_packet packet = {.body = body};
    struct transport_feedback feedback;
    struct packet_result result;
    unsigned told = 0;

    if (transport_feedback_parse(&packet, &feedback) != RC_OK)
        return;
    const uint16_t base = feedback.base_seq;
    MUST(feedback.status_count > 0 && feedback.status_count <= TRANSPORT_FEEDBACK_STATUS_MAX);
    MUST(feedback.deltas.p + feedback.deltas.n <= body.p + body.n);
    while (transport_feedback_next(&feedback, &result)) {
        MUST(result.seq == (uint16_t)(base + told));
        told++;
    }
    MUST(told == feedback.status_count);
    MUST(feedback.deltas.n == 0); /* exactly what the symbols asked for */
}

/* What arrived, as a model. A number may come again, as a duplicate or after a wrap. */
#define TIMES_MAX 4
static struct {
    uint8_t times[0x10000];
    uint32_t ticks[0x10000][TIMES_MAX];
} model;

static bool model_knows(const struct packet_result *result)
{
    for (unsigned i = 0; i < model.times[result->seq]; i++) {
        if (model.ticks[result->seq][i] == result->arrival)
            return true;
    }
    return false;
}

/* Reads every message written and counts the packets that it says arrived. */
static unsigned check_messages(const struct rtcp_writer *writer)
{
    struct span rest = {writer->buf, writer->len};
    struct rtcp_packet packet;
    unsigned received = 0;

    while (rtcp_next(&rest, &packet)) {
        struct transport_feedback feedback;
        struct packet_result result;

        MUST(packet.kind == RTCP_TRANSPORT_FEEDBACK);
        MUST(transport_feedback_parse(&packet, &feedback) == RC_OK);
        while (transport_feedback_next(&feedback, &result)) {
            if (!result.received)
                continue;
            MUST(model_knows(&result));
            received++;
        }
    }
    MUST(rest.n == 0);
    return received;
}

static void flush(struct arrival_log *log, size_t max, usec_t now)
{
    uint8_t buf[1200];
    struct rtcp_writer writer;

    while (arrival_log_deadline(log) != USEC_NEVER) {
        rtcp_writer_init(&writer, buf, max);
        MUST(arrival_log_write(log, &writer, 1, 2, now));
        while (arrival_log_write(log, &writer, 1, 2, now))
            continue;
        MUST(writer.len <= max);
        MUST(check_messages(&writer) > 0);
    }
}

/* Each step: how far the number moves (signed), how much later (in units of 0.25 to 64 ms). */
static void run_script(const uint8_t *data, size_t size)
{
    struct arrival_log log;
    usec_t now = SEC(1000);
    uint16_t seq = 0xff00;

    memset(model.times, 0, sizeof model.times);
    arrival_log_init(&log);
    for (; size >= 3; data += 3, size -= 3) {
        if (data[0] == 0xff) {
            flush(&log, TRANSPORT_FEEDBACK_ROOM + data[1] * 4u, now);
            continue;
        }
        seq = (uint16_t)(seq + (int8_t)data[0] * (data[2] & 0x80 ? 64 : 1));
        now += (usec_t)data[1] * 250u * (data[2] & 0x40 ? 256 : 1);
        if (model.times[seq] == TIMES_MAX)
            continue;
        model.ticks[seq][model.times[seq]++] = (uint32_t)(now / 250);
        arrival_log_packet(&log, seq, now);
        MUST(log.next <= log.highest + 1 &&
             log.highest - log.next + 1 <= TRANSPORT_FEEDBACK_WINDOW);
    }
    flush(&log, 1200, now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] & 1)
        run_script(data + 1, size - 1);
    else
        read_hostile((struct span){data + 1, size - 1});
    return 0;
}
