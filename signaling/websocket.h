/*
 * signaling/websocket.h - WebSocket connections, server side (RFC 6455), with
 * permessage-deflate (RFC 7692).
 *
 * Glue: libevent, the loop's timers; frames are read by wslay. One thread, that of the loop. A
 * WebSocket belongs to its `struct websockets`; the owner's pointer is good until `closed`
 * returns.
 *
 * An idle connection holds no parser, no zlib window and no message: frame readers are lent
 * while a frame is on its way, one inflater and one deflater serve all (no context takeover on
 * either side). Refused and counted: wrong masks, reserved bits and opcodes, control frames
 * over 125 bytes or in pieces, text that is not UTF-8 (after inflating), messages over the
 * limit (after inflating), a message that does not end within a minute, a client that does not
 * read.
 *
 * Several messages sent within one turn of the loop leave in one write.
 */
#ifndef SIGNALING_WEBSOCKET_H
#define SIGNALING_WEBSOCKET_H

#include "core/base.h"
#include "core/refusal.h"
#include "signaling/http.h"

#define WEBSOCKET_MESSAGE_MAX 1000000      /* bytes of a message, after inflating */
#define WEBSOCKET_OUTPUT_MAX (1024 * 1024) /* unwritten bytes: beyond, slow_reader */
#define WEBSOCKET_COMPRESS_OVER 1024       /* bytes; shorter messages are sent as they are */
#define WEBSOCKET_MESSAGE_TIMEOUT SEC(60)  /* from the first byte of a message to its last */
#define WEBSOCKET_CLOSE_TIMEOUT SEC(5)     /* for the client's Close, then it is cut off */

/* Close codes that this server uses (RFC 6455 section 7.4.1). */
enum websocket_code {
    WEBSOCKET_NORMAL = 1000,
    WEBSOCKET_GOING_AWAY = 1001,
    WEBSOCKET_PROTOCOL_ERROR = 1002,
    WEBSOCKET_UNSUPPORTED = 1003,
    WEBSOCKET_NO_STATUS = 1005, /* never sent: the client's Close had no code */
    WEBSOCKET_ABNORMAL = 1006,  /* never sent: the connection broke without a Close */
    WEBSOCKET_BAD_DATA = 1007,
    WEBSOCKET_POLICY = 1008,
    WEBSOCKET_TOO_BIG = 1009,
    WEBSOCKET_TRY_LATER = 1013,
};

enum websocket_kind { WEBSOCKET_TEXT = 1, WEBSOCKET_BINARY = 2 };

struct websocket;
struct websockets;

/* All are called from the loop, never from inside a function of this header (but for those that
 * the owner calls from a callback, which call none back). */
struct websocket_callbacks {
    /* A whole message; text is valid UTF-8. The span is borrowed for the call. */
    void (*message)(struct websocket *ws, void *arg, enum websocket_kind kind,
                    struct span message);
    /* The last call, once. code: the client's, or why we ended it; why: REFUSAL_NONE unless we
     * refused something (already counted). ws is gone when it returns. */
    void (*closed)(struct websocket *ws, void *arg, uint16_t code, enum refusal why);
    /* All output was handed to the kernel. May be NULL. */
    void (*drained)(struct websocket *ws, void *arg);
};

struct websocket_options {
    size_t max_message;              /* 0: WEBSOCKET_MESSAGE_MAX */
    size_t output_max;               /* 0: WEBSOCKET_OUTPUT_MAX */
    bool no_compression;             /* do not accept permessage-deflate */
    const struct http_field *fields; /* further fields of the 101 answer, or NULL */
};

/* What the WebSockets of one thread share. RC_NOMEM. */
int websockets_create(struct websockets **out, struct loop *loop);
/* Cuts off every connection that is left, with its closed callback (1001). NULL is fine. */
void websockets_free(struct websockets *all);
size_t websockets_count(const struct websockets *all);

/* Does the request ask for a WebSocket (Upgrade: websocket)? */
bool websocket_wanted(const struct http_request *request);

/* Answers the handshake and takes the connection over; the request is gone. NULL: the handshake
 * was malformed or memory is out, and the request has been answered (400, 426, 503) and
 * counted. `callbacks` is borrowed for the life of the connection (a static const struct);
 * options may be NULL and is read during the call. The first message comes from the loop, not
 * from this call. */
struct websocket *websocket_accept(struct websockets *all, struct http_request *request,
                                   const struct websocket_options *options,
                                   const struct websocket_callbacks *callbacks, void *arg);

/* Queues one message; the span is copied. Text must be valid UTF-8: the caller's duty. RC_OK;
 * RC_FULL: over the output limit, the connection is being cut off (closed will follow, why =
 * SLOW_READER); RC_AGAIN: it is closing already, nothing was sent; RC_NOMEM likewise. */
int websocket_send(struct websocket *ws, enum websocket_kind kind, struct span message);

/* Sends Close and waits for the client's; no more messages are delivered, closed follows. Once
 * is enough, more is harmless. */
void websocket_close(struct websocket *ws, uint16_t code);
/* Ends without waiting; what is queued is still written if the client reads it within 2 s.
 * closed follows with 1006. */
void websocket_abort(struct websocket *ws);
/* No callbacks any more, closed included: the owner may forget it (it should close it too). */
void websocket_detach(struct websocket *ws);

void *websocket_arg(const struct websocket *ws);
void websocket_set_arg(struct websocket *ws, void *arg);
/* Unwritten bytes. */
size_t websocket_buffered(const struct websocket *ws);
struct address websocket_from(const struct websocket *ws);

#endif
