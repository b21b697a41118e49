/*
 * signaling/websocket_reader.h - bytes of a client in, whole WebSocket messages out (RFC 6455
 * sections 5 to 8, RFC 7692 section 6).
 *
 * Sans-IO; frames are taken apart by wslay. One thread. What is costly is shared: `struct
 * websocket_shop` holds the one inflater and the frame readers (4.4 kB each), which are lent to
 * a connection only while a frame is on its way. A reader at rest is the 48 bytes seen here.
 */
#ifndef SIGNALING_WEBSOCKET_READER_H
#define SIGNALING_WEBSOCKET_READER_H

#include "core/base.h"
#include "core/refusal.h"
#include "signaling/message_codec.h"

#define WEBSOCKET_CONTROL_MAX 125 /* bytes of a control frame's payload, section 5.5 */

struct frame_reader;

struct websocket_shop {
    struct message_codec *codec; /* owned */
    struct frame_reader *spare;  /* owned: a list of those not lent */
    uint32_t spare_count;
};

int websocket_shop_open(struct websocket_shop *shop); /* RC_NOMEM */
void websocket_shop_close(struct websocket_shop *shop);

struct websocket_reader {
    struct frame_reader *frame; /* lent while a frame is on its way, or NULL */
    uint8_t *message;           /* owned: the parts so far, NULL between messages */
    size_t message_n, message_size;
    size_t max_message;
    uint8_t opcode;  /* of the message on its way, 0: none */
    bool compressed; /* the message on its way */
    bool deflate;    /* negotiated */
    bool delivered;  /* `message` was handed out and is not needed any more */
};

enum websocket_event_kind {
    WEBSOCKET_EVENT_TEXT = 1, /* as enum websocket_kind */
    WEBSOCKET_EVENT_BINARY = 2,
    WEBSOCKET_EVENT_CLOSE,
    WEBSOCKET_EVENT_PING,
    WEBSOCKET_EVENT_PONG,
    WEBSOCKET_EVENT_FAILED, /* the client broke the protocol or a limit: end it with `code` */
};

struct websocket_event {
    enum websocket_event_kind kind;
    struct span payload; /* borrowed until the next call for any reader of the shop */
    uint16_t code;       /* CLOSE: the client's, 1005 without one; FAILED: ours */
    enum refusal why;    /* FAILED: not yet counted */
};

void websocket_reader_init(struct websocket_reader *reader, size_t max_message, bool deflate);
void websocket_reader_clear(struct websocket_reader *reader);

/* Takes bytes from *in, which shrinks, until there is something to tell. RC_OK: an event, call
 * again; RC_AGAIN: *in is empty and everything was told. After FAILED the reader is of no use.
 */
int websocket_reader_next(struct websocket_shop *shop, struct websocket_reader *reader,
                          struct span *in, struct websocket_event *event);

/* Is a message or a frame on its way? */
bool websocket_reader_busy(const struct websocket_reader *reader);

#endif
