#include "relay/sent_packets.h"

#include <string.h>

void sent_packets_init(struct sent_packets *sent)
{
    memset(sent, 0, sizeof *sent);
    sent->unanswered_since = USEC_NEVER;
}

static struct sent_slot *slot_of(struct sent_packets *sent, uint16_t seq)
{
    return &sent->slot[seq % SENT_PACKETS_MAX];
}

void sent_packets_prefetch(const struct sent_packets *sent)
{
    __builtin_prefetch(&sent->slot[sent->next % SENT_PACKETS_MAX], 1);
}

uint16_t sent_packets_add(struct sent_packets *sent, size_t bytes, usec_t now)
{
    const uint16_t seq = sent->next++;
    struct sent_slot *packet = slot_of(sent, seq);

    if (packet->state == SENT_IN_FLIGHT)
        sent->in_flight -= packet->bytes;
    *packet = (struct sent_slot){
        .sent = (uint32_t)now,
        .seq = seq,
        .bytes = bytes & 0x3fff, /* no packet is longer than RTP_PACKET_MAX */
        .state = SENT_IN_FLIGHT,
    };
    sent->newest = now;
    sent->in_flight += packet->bytes;
    if (sent->unanswered_since == USEC_NEVER)
        sent->unanswered_since = now;
    return seq;
}

bool sent_packets_report(struct sent_packets *sent, const struct packet_result *result,
                         struct sent_packet *out)
{
    struct sent_slot *packet = slot_of(sent, result->seq);

    if (packet->state == SENT_NONE || packet->seq != result->seq)
        return false;
    if (packet->state == SENT_LOST && !result->received)
        return false;

    if (packet->state == SENT_IN_FLIGHT)
        sent->in_flight -= packet->bytes;
    *out = (struct sent_packet){
        .sent = sent->newest - (uint32_t)((uint32_t)sent->newest - packet->sent),
        .seq = packet->seq,
        .bytes = packet->bytes,
        .state = packet->state,
    };
    packet->state = (result->received ? SENT_NONE : SENT_LOST) & 3u;
    sent->unanswered_since = USEC_NEVER;
    return true;
}
