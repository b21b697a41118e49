/* Fuzzes rtp_parse, and RTX both ways on what it accepts: no span escapes, nothing is lost. */
#include "relay/rtp.h"
#include "relay/rtx.h"

#include <stdlib.h>
#include <string.h>

#define MUST(cond) ((cond) ? (void)0 : abort()) /* active in every build, unlike assert */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool inside(struct span inner, struct span outer)
{
    if (inner.n == 0)
        return true;
    if (inner.p < outer.p || inner.n > outer.n)
        return false;
    return (size_t)(inner.p - outer.p) <= outer.n - inner.n;
}

/* A packet that travels in RTX arrives as it was, but for its padding. */
static void goes_there_and_back(struct span packet, const struct rtp_view *view)
{
    const struct rtx_stream stream = {.ssrc = 1, .payload_type = 97, .seq = 2};
    const size_t plain = packet.n - view->padding;
    uint8_t *wrapped = malloc(plain + RTX_OVERHEAD);
    struct span back;

    MUST(wrapped);
    MUST(rtx_encapsulate(packet, &stream, wrapped, plain + 1) == RC_FULL);
    MUST(rtx_encapsulate(packet, &stream, wrapped, plain + RTX_OVERHEAD) ==
         (int)(plain + RTX_OVERHEAD));
    MUST(rtx_decapsulate(wrapped, plain + RTX_OVERHEAD, view->ssrc, view->payload_type,
                         &back) == RC_OK);
    MUST(back.n == plain);
    MUST(back.p[0] == (packet.p[0] & 0xdf));
    MUST(memcmp(back.p + 1, packet.p + 1, plain - 1) == 0);
    free(wrapped);
}

static void unwraps_or_leaves_alone(struct span packet)
{
    uint8_t *copy = malloc(packet.n);
    struct span out;

    MUST(copy);
    memcpy(copy, packet.p, packet.n);
    if (rtx_decapsulate(copy, packet.n, 3, 96, &out) == RC_OK) {
        struct rtp_view view;

        MUST(inside(out, (struct span){copy, packet.n}));
        MUST(rtp_parse(out, &view) == RC_OK);
        MUST(view.ssrc == 3 && view.payload_type == 96 && view.padding == 0);
    } else {
        MUST(memcmp(copy, packet.p, packet.n) == 0);
    }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct span packet = {data, size};
    struct rtp_view view;

    if (rtp_parse(packet, &view) != RC_OK)
        return 0;

    const enum datagram_kind kind = datagram_classify(packet);
    MUST(kind == DATAGRAM_RTP || kind == DATAGRAM_RTCP);
    MUST(size >= RTP_HEADER_LEN);
    MUST(inside(view.extension, packet));
    MUST(inside(view.payload, packet));
    MUST(view.extension.n % 4 == 0);
    MUST(view.payload.p + view.payload.n + view.padding == data + size);
    if (view.extension.n > 0)
        MUST(view.extension.p + view.extension.n == view.payload.p);
    goes_there_and_back(packet, &view);
    unwraps_or_leaves_alone(packet);
    return 0;
}
