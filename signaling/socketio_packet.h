/*
 * signaling/socketio_packet.h - how Socket.IO packets look inside Engine.IO messages, revisions
 * 5 and 4 (which differ only in what CONNECT and CONNECT_ERROR carry).
 *
 *   <type digit>[<attachments>-][/<namespace>[?<query>],][<ack id>][<JSON>]
 *
 * Sans-IO but for jansson's memory. Any thread.
 */
#ifndef SIGNALING_SOCKETIO_PACKET_H
#define SIGNALING_SOCKETIO_PACKET_H

#include "core/base.h"

#include <jansson.h>

enum sio_type {
    SIO_CONNECT,
    SIO_DISCONNECT,
    SIO_EVENT,
    SIO_ACK,
    SIO_CONNECT_ERROR, /* revision 4 calls it ERROR */
    SIO_BINARY_EVENT,
    SIO_BINARY_ACK,
};

struct sio_packet {
    enum sio_type type;
    uint32_t attachments;  /* that follow; 0 unless the type is a binary one */
    struct span namespace; /* "/" when the packet names none; without its query */
    int64_t ack_id;        /* SIO_NO_ACK: none */
    json_t *json;          /* owned; NULL: none. Events: the array, name first */
};

/*
 * Reads what a client may send. `text` is valid UTF-8; namespace points into it or is static.
 * RC_FULL: more attachments than SIO_ATTACHMENTS_MAX. RC_BAD for anything else: unknown type or
 * one that only servers send, JSON that is malformed, nested deeper than SIO_JSON_DEPTH_MAX or
 * of the wrong kind for the type, reserved event names, an ack without id, placeholders out of
 * range. On success the caller owns out->json.
 */
int sio_packet_parse(struct sio_packet *out, struct span text);

/* Names that the two ends use for themselves: no event may have one. */
bool sio_event_reserved(const char *name);

/* Bytes that the packet takes; what fits of it is written to `out`. 0: it cannot be encoded. */
size_t sio_packet_write(const struct sio_packet *packet, uint8_t *out, size_t size);

#endif
