/*
 * Fuzzes sio_packet_parse. What is accepted must keep the promises of the header, and, written
 * and read again, be the same packet.
 */
#include "core/utf8.h"
#include "signaling/socketio.h"
#include "signaling/socketio_packet.h"

#include <stdlib.h>
#include <string.h>

#define MUST(cond) ((cond) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void keeps_its_promises(const struct sio_packet *packet)
{
    const bool binary = packet->type == SIO_BINARY_EVENT || packet->type == SIO_BINARY_ACK;
    const bool event = packet->type == SIO_EVENT || packet->type == SIO_BINARY_EVENT;
    const bool ack = packet->type == SIO_ACK || packet->type == SIO_BINARY_ACK;

    MUST(packet->type != SIO_CONNECT_ERROR);
    MUST(packet->attachments <= (binary ? SIO_ATTACHMENTS_MAX : 0));
    MUST(packet->namespace.n >= 1 && packet->namespace.n <= SIO_NAMESPACE_NAME_MAX);
    MUST(packet->namespace.p[0] == '/');
    MUST(packet->ack_id >= (ack ? 0 : SIO_NO_ACK));
    if (event) {
        const json_t *const name = json_array_get(packet->json, 0);
        MUST(json_is_string(name) && !sio_event_reserved(json_string_value(name)));
        MUST(strlen(json_string_value(name)) <= SIO_EVENT_NAME_MAX);
    }
    MUST(!ack || json_is_array(packet->json));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct span text = {data, size};
    struct sio_packet packet, again;

    if (!utf8_valid(text) || sio_packet_parse(&packet, text) != RC_OK)
        return 0;
    keeps_its_promises(&packet);

    const size_t n = sio_packet_write(&packet, NULL, 0);
    MUST(n > 0);
    uint8_t *const out = malloc(n);
    MUST(out);
    MUST(sio_packet_write(&packet, out, n) == n);
    MUST(utf8_valid((struct span){out, n}));
    MUST(sio_packet_parse(&again, (struct span){out, n}) == RC_OK);
    MUST(again.type == packet.type && again.attachments == packet.attachments);
    MUST(again.ack_id == packet.ack_id && again.namespace.n == packet.namespace.n);
    MUST(memcmp(again.namespace.p, packet.namespace.p, again.namespace.n) == 0);
    MUST(!again.json == !packet.json && (!again.json || json_equal(again.json, packet.json)));
    json_decref(again.json);
    json_decref(packet.json);
    free(out);
    return 0;
}
