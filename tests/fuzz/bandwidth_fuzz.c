/*
 * Fuzzes relay/bandwidth and relay/sent_packets with a hostile receiver: whatever its feedback
 * claims, the estimate is a number within its bounds and the books balance.
 */
#include "relay/bandwidth.h"

#include <stdlib.h>

#define MUST(cond) ((cond) ? (void)0 : abort()) /* active in every build, unlike assert */
#define MIN 50000u
#define MAX 5000000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct sent_packets sent;
static struct bandwidth estimate;

static void check(void)
{
    const double loss = bandwidth_loss(&estimate);
    uint64_t in_flight = 0;

    MUST(bandwidth_estimate(&estimate) >= MIN && bandwidth_estimate(&estimate) <= MAX);
    MUST(loss >= 0 && loss <= 1);
    MUST(estimate.trend.threshold >= 1 && estimate.trend.threshold <= 1000);
    MUST(estimate.capacity >= 0);
    for (size_t i = 0; i < SENT_PACKETS_MAX; i++) {
        if (sent.slot[i].state == SENT_IN_FLIGHT)
            in_flight += sent.slot[i].bytes;
    }
    MUST(in_flight == sent.in_flight);
}

/* A step is a byte for its length, a byte for the time that passes, and its body: a message
 * when that parses, else packets to send. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    usec_t now = SEC(1000);

    sent_packets_init(&sent);
    bandwidth_init(&estimate, MIN, 1000000, MAX);
    while (size >= 2) {
        const size_t len = data[0] < size - 2 ? data[0] : size - 2;
        const struct rtcp_packet packet = {.body = {data + 2, len}};
        struct transport_feedback feedback;

        now += (usec_t)data[1] * data[1] * 100;
        if (transport_feedback_parse(&packet, &feedback) == RC_OK)
            bandwidth_feedback(&estimate, &sent, &feedback, now);
        else
            for (size_t i = 0; i < 16 * len; i++)
                sent_packets_add(&sent, 100 * len % 1500, now + i * 50);
        if (bandwidth_deadline(&estimate, &sent) <= now) {
            bandwidth_tick(&estimate, &sent, now);
            MUST(bandwidth_deadline(&estimate, &sent) > now);
        }
        check();
        data += 2 + len;
        size -= 2 + len;
    }
    return 0;
}
