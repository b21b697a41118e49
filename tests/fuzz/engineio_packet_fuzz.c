/*
 * Fuzzes Engine.IO payloads. The first byte chooses revision and form. What is accepted must
 * lie inside the input, be UTF-8 where it is text, and survive being written and read again.
 */
#include "core/base64.h"
#include "core/utf8.h"
#include "signaling/engineio_packet.h"

#include <stdlib.h>
#include <string.h>

#define MUST(cond) ((cond) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool inside(struct span inner, struct span outer)
{
    if (inner.n == 0)
        return true;
    return inner.p >= outer.p && inner.n <= outer.n &&
           (size_t)(inner.p - outer.p) <= outer.n - inner.n;
}

/* A message as sessions keep it: behind its type. Caller frees. */
static uint8_t *keep(const struct eio_packet *packet, struct eio_raw *raw)
{
    uint8_t *const kept = malloc(packet->data.n + 1);

    MUST(kept);
    kept[0] = (uint8_t)(packet->binary ? EIO_PACKET_MESSAGE : '0' + packet->type);
    if (packet->data.n > 0)
        memcpy(kept + 1, packet->data.p, packet->data.n);
    *raw = (struct eio_raw){packet->binary, {kept, packet->data.n + 1}};
    return kept;
}

static void round_trip(const struct eio_packet *packet, struct eio_format format)
{
    struct eio_raw raw[2];
    uint8_t *const kept = keep(packet, &raw[0]);
    raw[1] = raw[0];
    uint8_t *const out = malloc(eio_payload_bound(raw, 2));
    bool octets;
    MUST(out);
    const size_t n = eio_payload_write(format, raw, 2, out, &octets);
    struct eio_payload payload = {{out, n}, format.protocol, octets};
    struct eio_packet again;

    MUST(n <= eio_payload_bound(raw, 2));
    for (int i = 0; i < 2; i++) {
        MUST(eio_payload_next(&payload, &again) == RC_OK);
        uint8_t *const scratch = malloc(base64_decoded_max(again.data.n));
        MUST(scratch);
        if (again.base64)
            MUST(eio_packet_decode(&again, scratch) == RC_OK);
        MUST(again.type == packet->type && again.binary == packet->binary);
        MUST(again.data.n == packet->data.n);
        MUST(again.data.n == 0 || memcmp(again.data.p, packet->data.p, again.data.n) == 0);
        free(scratch);
    }
    MUST(eio_payload_next(&payload, &again) == RC_AGAIN);
    free(out);
    free(kept);
}

static void check(struct eio_packet *packet, struct eio_payload whole)
{
    MUST(inside(packet->data, whole.rest));
    MUST(packet->type <= EIO_PACKET_NOOP);
    MUST(packet->binary || utf8_valid(packet->data));
    MUST(!packet->binary || packet->type == EIO_PACKET_MESSAGE);

    uint8_t *const scratch = malloc(base64_decoded_max(packet->data.n));
    MUST(scratch);
    const bool good = !packet->base64 || eio_packet_decode(packet, scratch) == RC_OK;
    /* Revision 4 cannot say a separator inside text: what has one cannot have come that way. */
    if (good && !(whole.protocol == 3 && !packet->binary && packet->data.n > 0 &&
                  memchr(packet->data.p, 0x1e, packet->data.n)))
        round_trip(packet, (struct eio_format){4, false});
    if (good) {
        round_trip(packet, (struct eio_format){3, true});
        round_trip(packet, (struct eio_format){3, false});
    }
    free(scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const struct eio_payload whole = {
        {data + 1, size - 1}, data[0] % 3 == 0 ? 4 : 3, data[0] % 3 == 2};
    struct eio_payload payload = whole;
    struct eio_packet packet;
    size_t left = payload.rest.n;

    while (eio_payload_next(&payload, &packet) == RC_OK) {
        MUST(payload.rest.n < left); /* every packet takes something away */
        left = payload.rest.n;
        check(&packet, whole);
    }
    return 0;
}
