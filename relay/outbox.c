#include "relay/outbox.h"

#include <stdlib.h>
#include <string.h>

struct outbox_slot {
    struct outbox_route *route; /* NULL: to and local below */
    struct address to, local;
    size_t len;
    enum outbox_kind kind;
    uint16_t next; /* of the same route */
    bool done;
};

struct outbox {
    struct srtp_engine *engine; /* borrowed */
    struct outbox_sink sink;
    uint64_t batch;
    uint16_t count;
    struct outbox_slot slot[OUTBOX_SLOTS];
    struct srtp_packet rtp[OUTBOX_SLOTS], rtcp[OUTBOX_SLOTS];
    uint8_t bytes[OUTBOX_SLOTS][OUTBOX_PACKET_MAX + SRTP_OVERHEAD_MAX];
};

int outbox_create(struct outbox **out, struct srtp_engine *engine,
                  const struct outbox_sink *sink)
{
    struct outbox *outbox = calloc(1, sizeof *outbox);
    if (!outbox)
        return RC_NOMEM;
    outbox->engine = engine;
    outbox->sink = *sink;
    outbox->batch = 1;
    *out = outbox;
    return RC_OK;
}

void outbox_free(struct outbox *outbox)
{
    free(outbox);
}

uint8_t *outbox_reserve(struct outbox *outbox)
{
    if (outbox->count == OUTBOX_SLOTS)
        outbox_flush(outbox);
    return outbox->bytes[outbox->count];
}

void outbox_commit(struct outbox *outbox, struct outbox_route *route, enum outbox_kind kind,
                   size_t len)
{
    if (route->remote.sa.sa_family == AF_UNSPEC || (kind != OUTBOX_RAW && !route->srtp))
        return;

    const uint16_t index = outbox->count++;
    outbox->slot[index] =
        (struct outbox_slot){.route = route, .len = len, .kind = kind, .next = OUTBOX_NONE};
    if (route->batch == outbox->batch)
        outbox->slot[route->last].next = index;
    route->batch = outbox->batch;
    route->last = index;
}

void outbox_send_raw(struct outbox *outbox, const struct address *to,
                     const struct address *local, struct span data)
{
    if (data.n > OUTBOX_PACKET_MAX)
        return;
    memcpy(outbox_reserve(outbox), data.p, data.n);
    outbox->slot[outbox->count++] = (struct outbox_slot){
        .to = *to, .local = *local, .len = data.n, .kind = OUTBOX_RAW, .next = OUTBOX_NONE};
}

/* Writes the new lengths back; what could not be protected is not sent. */
static void take_back(struct outbox *outbox, enum outbox_kind kind,
                      const struct srtp_packet *packets)
{
    size_t n = 0;

    for (uint16_t i = 0; i < outbox->count; i++) {
        struct outbox_slot *slot = &outbox->slot[i];

        if (slot->kind != kind)
            continue;
        slot->len = packets[n].len;
        slot->done = packets[n].refusal != REFUSAL_NONE;
        n++;
    }
}

static void protect(struct outbox *outbox)
{
    size_t rtp = 0, rtcp = 0;

    for (uint16_t i = 0; i < outbox->count; i++) {
        const struct outbox_slot *slot = &outbox->slot[i];
        const struct srtp_packet packet = {
            .context = slot->route ? slot->route->srtp : NULL,
            .data = outbox->bytes[i],
            .len = slot->len,
            .capacity = sizeof outbox->bytes[i],
        };

        if (slot->kind == OUTBOX_RTP)
            outbox->rtp[rtp++] = packet;
        else if (slot->kind == OUTBOX_RTCP)
            outbox->rtcp[rtcp++] = packet;
    }
    if (rtp) {
        srtp_engine_protect(outbox->engine, outbox->rtp, rtp);
        take_back(outbox, OUTBOX_RTP, outbox->rtp);
    }
    if (rtcp) {
        srtp_engine_protect_rtcp(outbox->engine, outbox->rtcp, rtcp);
        take_back(outbox, OUTBOX_RTCP, outbox->rtcp);
    }
}

void outbox_flush(struct outbox *outbox)
{
    const struct outbox_sink *sink = &outbox->sink;

    if (outbox->count == 0)
        return;
    protect(outbox);
    for (uint16_t i = 0; i < outbox->count; i++) {
        /* One destination after the other, in the order of their first packets. */
        for (uint16_t k = i; k != OUTBOX_NONE && !outbox->slot[k].done; k = outbox->slot[k].next) {
            struct outbox_slot *slot = &outbox->slot[k];
            const struct outbox_route *route = slot->route;

            sink->send(sink->arg, route ? &route->remote : &slot->to,
                       route ? &route->local : &slot->local, outbox->bytes[k], slot->len);
            slot->done = true;
        }
    }
    sink->flush(sink->arg);
    outbox->count = 0;
    outbox->batch++;
}
