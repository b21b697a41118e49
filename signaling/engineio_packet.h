/*
 * signaling/engineio_packet.h - how Engine.IO packets look on the wire, revisions 4 and 3.
 *
 *   text packet     <type digit><data>                               WebSocket text, both
 *   binary packet   <data>                                           WebSocket binary, revision
 * 4 <type byte 0-6><data>                            WebSocket binary, revision 3 b<base64> as
 * text, revision 4 b<type digit><base64>                            as text, revision 3 payload
 * <packet>\x1e<packet>...                          HTTP, revision 4 <length>:<packet>...
 * (UTF-16 code units)       HTTP text, revision 3
 *                   {<0|1><length, a byte a digit>\xff<packet>}...   HTTP octets, revision 3
 *                       0: <type digit><UTF-8>, 1: <type byte><bytes>
 *
 * Sans-IO, any thread. Nothing is copied but base64, which is decoded in place: input buffers
 * are therefore writable.
 */
#ifndef SIGNALING_ENGINEIO_PACKET_H
#define SIGNALING_ENGINEIO_PACKET_H

#include "core/base.h"

enum eio_type {
    EIO_PACKET_OPEN,
    EIO_PACKET_CLOSE,
    EIO_PACKET_PING,
    EIO_PACKET_PONG,
    EIO_PACKET_MESSAGE,
    EIO_PACKET_UPGRADE,
    EIO_PACKET_NOOP,
};

struct eio_packet {
    enum eio_type type;
    bool binary;      /* only messages are */
    bool base64;      /* data is still base64: eio_packet_decode */
    struct span data; /* valid UTF-8 unless binary; lies within the input */
};

/* How one session writes its packets. */
struct eio_format {
    int protocol; /* 4 or 3 */
    bool base64;  /* the client asked with b64=1: no raw binary, on any transport */
};

/* --- reading ------------------------------------------------------------------------------ */

/* A packet that came as a text frame or as one part of a payload. RC_BAD: empty, unknown type,
 * invalid UTF-8. */
int eio_packet_parse_text(struct eio_packet *out, int protocol, struct span text);

/* A packet that came as a binary frame. RC_BAD: revision 3 without the type byte of a message.
 */
int eio_packet_parse_binary(struct eio_packet *out, int protocol, struct span bytes);

/* Decodes a packet's base64 to `scratch`, which holds base64_decoded_max(data.n) bytes and is
 * what data then points to. RC_BAD: it is not base64. */
int eio_packet_decode(struct eio_packet *packet, uint8_t *scratch);

/* Walks through a payload. */
struct eio_payload {
    struct span rest;
    int protocol;
    bool octets; /* revision 3: Content-Type application/octet-stream */
};

/* RC_OK with *out; RC_AGAIN at the end, also of an empty payload; RC_BAD: give the payload up.
 */
int eio_payload_next(struct eio_payload *payload, struct eio_packet *out);

/* --- writing ------------------------------------------------------------------------------ */

/* A packet ready to be written: for text its type digit and its data, for binary a byte 4 and
 * the data. This is how messages wait in queues. */
struct eio_raw {
    bool binary;
    struct span bytes;
};

/* Does the packet go as a binary frame on WebSocket? Otherwise it is text. */
bool eio_frame_is_binary(struct eio_format format, struct eio_raw packet);
/* What the frame holds: part of packet.bytes, or base64 written to `scratch`, which then must
 * hold eio_frame_scratch(packet) bytes. */
struct span eio_frame(struct eio_format format, struct eio_raw packet, uint8_t *scratch);
size_t eio_frame_scratch(struct eio_raw packet);

/* Upper bound of what `count` packets take as a payload. */
size_t eio_payload_bound(const struct eio_raw *packets, size_t count);
/* Writes them; returns how many bytes. *octets: the Content-Type is application/octet-stream.
 */
size_t eio_payload_write(struct eio_format format, const struct eio_raw *packets, size_t count,
                         uint8_t *out, bool *octets);

#endif
