#include "signaling/websocket_reader.h"

#include "core/utf8.h"
#include "signaling/websocket.h"

#include <stdlib.h>
#include <string.h>
#include <wslay/wslay.h>

enum {
    SPARE_MAX = 32, /* frame readers that are kept: as many frames are cut in half at a time */
    MESSAGE_START = 4096,
};

struct frame_reader {
    struct frame_reader *next;     /* in the list of spare ones */
    wslay_frame_context_ptr wslay; /* owned */
    struct span *in;               /* borrowed during websocket_reader_next */
    uint64_t given, taken;         /* bytes that wslay got, and that it gave back as frames */
    uint64_t left;                 /* of the payload of the frame at hand */
    bool in_frame;                 /* its header was checked, payload is missing */
    uint8_t control_n;
    uint8_t control[WEBSOCKET_CONTROL_MAX];
};

/* ---- the shop
 * -------------------------------------------------------------------------------- */

static ssize_t give_bytes(uint8_t *buf, size_t n, int flags, void *user_data)
{
    struct frame_reader *frame = user_data;
    struct span *in = frame->in;
    (void)flags;

    if (n > in->n)
        n = in->n;
    if (n == 0)
        return -1;
    memcpy(buf, in->p, n);
    *in = (struct span){in->p + n, in->n - n};
    frame->given += n;
    return (ssize_t)n;
}

static struct frame_reader *frame_reader_new(void)
{
    static const struct wslay_frame_callbacks callbacks = {.recv_callback = give_bytes};
    struct frame_reader *frame = calloc(1, sizeof *frame);

    if (frame && wslay_frame_context_init(&frame->wslay, &callbacks, frame) != 0) {
        free(frame);
        return NULL;
    }
    return frame;
}

static void frame_reader_free(struct frame_reader *frame)
{
    wslay_frame_context_free(frame->wslay);
    free(frame);
}

static struct frame_reader *lend(struct websocket_shop *shop)
{
    struct frame_reader *frame = shop->spare;

    if (!frame)
        return frame_reader_new();
    shop->spare = frame->next;
    shop->spare_count--;
    return frame;
}

/* Only between two frames: wslay is then as good as new. */
static void take_back(struct websocket_shop *shop, struct frame_reader *frame)
{
    if (shop->spare_count == SPARE_MAX) {
        frame_reader_free(frame);
        return;
    }
    frame->in = NULL;
    frame->next = shop->spare;
    shop->spare = frame;
    shop->spare_count++;
}

int websocket_shop_open(struct websocket_shop *shop)
{
    *shop = (struct websocket_shop){0};
    return message_codec_create(&shop->codec);
}

void websocket_shop_close(struct websocket_shop *shop)
{
    while (shop->spare) {
        struct frame_reader *frame = lend(shop);
        frame_reader_free(frame);
    }
    message_codec_free(shop->codec);
    shop->codec = NULL;
}

/* ---- events
 * ---------------------------------------------------------------------------------- */

static int fail(struct websocket_event *event, enum websocket_code code)
{
    *event = (struct websocket_event){
        .kind = WEBSOCKET_EVENT_FAILED,
        .code = (uint16_t)code,
        .why = code == WEBSOCKET_TOO_BIG ? REFUSAL_MESSAGE_TOO_LARGE : REFUSAL_BAD_WEBSOCKET,
    };
    return RC_OK;
}

/* RFC 6455 section 7.4: codes that may be sent. */
static bool close_code_valid(uint16_t code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

static int close_event(struct span payload, struct websocket_event *event)
{
    uint16_t code = WEBSOCKET_NO_STATUS;

    if (payload.n == 1)
        return fail(event, WEBSOCKET_PROTOCOL_ERROR);
    if (payload.n >= 2) {
        code = load_be16(payload.p);
        payload = (struct span){payload.p + 2, payload.n - 2};
        if (!close_code_valid(code))
            return fail(event, WEBSOCKET_PROTOCOL_ERROR);
        if (!utf8_valid(payload))
            return fail(event, WEBSOCKET_BAD_DATA);
    }
    *event = (struct websocket_event){
        .kind = WEBSOCKET_EVENT_CLOSE, .payload = payload, .code = code};
    return RC_OK;
}

static int control_event(uint8_t opcode, struct span payload, struct websocket_event *event)
{
    if (opcode == WSLAY_CONNECTION_CLOSE)
        return close_event(payload, event);
    *event = (struct websocket_event){
        .kind = opcode == WSLAY_PING ? WEBSOCKET_EVENT_PING : WEBSOCKET_EVENT_PONG,
        .payload = payload,
    };
    return RC_OK;
}

/* A whole message: inflated if it must be, then checked (RFC 6455 section 8.1). */
static int message_event(struct websocket_shop *shop, struct websocket_reader *reader,
                         struct span payload, struct websocket_event *event)
{
    const bool text = reader->opcode == WSLAY_TEXT_FRAME;

    reader->opcode = 0;
    reader->delivered = true;
    if (reader->compressed) {
        const int rc = message_inflate(shop->codec, payload, reader->max_message, &payload);

        if (rc != RC_OK)
            return fail(event, rc == RC_FULL  ? WEBSOCKET_TOO_BIG
                               : rc == RC_BAD ? WEBSOCKET_BAD_DATA
                                              : WEBSOCKET_TRY_LATER);
    }
    if (text && !utf8_valid(payload))
        return fail(event, WEBSOCKET_BAD_DATA);
    *event = (struct websocket_event){
        .kind = text ? WEBSOCKET_EVENT_TEXT : WEBSOCKET_EVENT_BINARY, .payload = payload};
    return RC_OK;
}

/* ---- frames
 * ---------------------------------------------------------------------------------- */

/* What a frame's header may say here and now. 0 or the code that ends the connection. wslay has
 * checked the length's form and that a control frame is short and whole. */
static int check_frame(const struct websocket_reader *reader,
                       const struct wslay_frame_iocb *frame)
{
    const bool first = frame->opcode == WSLAY_TEXT_FRAME || frame->opcode == WSLAY_BINARY_FRAME;
    const bool control = wslay_is_ctrl_frame(frame->opcode);

    if (!frame->mask) /* section 5.1 */
        return WEBSOCKET_PROTOCOL_ERROR;
    if (!first && frame->opcode != WSLAY_CONTINUATION_FRAME &&
        (!control || frame->opcode > WSLAY_PONG))
        return WEBSOCKET_PROTOCOL_ERROR;
    /* RFC 7692 section 6: RSV1 is set on the first frame of a compressed message only. */
    if (frame->rsv && !(first && reader->deflate && frame->rsv == WSLAY_RSV1_BIT))
        return WEBSOCKET_PROTOCOL_ERROR;
    if (control)
        return 0;
    if (first == (reader->opcode != 0)) /* section 5.4: a continuation continues something */
        return WEBSOCKET_PROTOCOL_ERROR;
    return frame->payload_length > reader->max_message - reader->message_n ? WEBSOCKET_TOO_BIG
                                                                           : 0;
}

/* Length of the header of a masked frame (section 5.2). */
static uint64_t header_length(uint64_t payload_length)
{
    return 6 + (payload_length > 65535 ? 8u : payload_length > 125 ? 2u : 0u);
}

static int append(struct websocket_reader *reader, struct span data, size_t frame_left)
{
    if (data.n > reader->message_size - reader->message_n) {
        /* Doubled as bytes come, never by what a header claims. */
        size_t size = reader->message_size ? reader->message_size * 2 : MESSAGE_START;
        while (size - reader->message_n < data.n)
            size *= 2;
        const size_t whole = reader->message_n + data.n + frame_left;
        if (size > whole)
            size = whole;
        uint8_t *message = realloc(reader->message, size);
        if (!message)
            return RC_NOMEM;
        reader->message = message;
        reader->message_size = size;
    }
    memcpy(reader->message + reader->message_n, data.p, data.n);
    reader->message_n += data.n;
    return RC_OK;
}

static int on_control(struct frame_reader *frame, const struct wslay_frame_iocb *piece,
                      struct websocket_event *event)
{
    if (piece->data_length > 0)
        memcpy(frame->control + frame->control_n, piece->data, piece->data_length);
    frame->control_n = (uint8_t)(frame->control_n + piece->data_length);
    if (frame->left > 0)
        return RC_AGAIN;
    const struct span payload = {frame->control, frame->control_n};
    frame->control_n = 0;
    return control_event(piece->opcode, payload, event);
}

static int on_data(struct websocket_shop *shop, struct websocket_reader *reader,
                   const struct wslay_frame_iocb *piece, struct websocket_event *event)
{
    const struct span data = {piece->data, piece->data_length};
    const uint64_t left = reader->frame->left;

    /* Most messages lie whole in wslay's buffer: no copy, no malloc. */
    if (piece->fin && left == 0 && reader->message_n == 0)
        return message_event(shop, reader, data, event);
    if (data.n > 0 && append(reader, data, (size_t)left) != RC_OK)
        return fail(event, WEBSOCKET_TRY_LATER);
    if (!piece->fin || left > 0)
        return RC_AGAIN;
    return message_event(shop, reader, (struct span){reader->message, reader->message_n},
                         event);
}

/* One piece of a frame. RC_AGAIN: nothing to tell yet. */
static int on_piece(struct websocket_shop *shop, struct websocket_reader *reader,
                    const struct wslay_frame_iocb *piece, struct websocket_event *event)
{
    struct frame_reader *frame = reader->frame;

    if (!frame->in_frame) {
        const int code = check_frame(reader, piece);

        if (code)
            return fail(event, (enum websocket_code)code);
        frame->left = piece->payload_length;
        frame->taken += header_length(piece->payload_length);
        if (piece->opcode == WSLAY_TEXT_FRAME || piece->opcode == WSLAY_BINARY_FRAME) {
            reader->opcode = piece->opcode;
            reader->compressed = piece->rsv != 0;
        }
    }
    frame->left -= piece->data_length;
    frame->taken += piece->data_length;
    frame->in_frame = frame->left > 0;
    if (wslay_is_ctrl_frame(piece->opcode))
        return on_control(frame, piece, event);
    return on_data(shop, reader, piece, event);
}

/* ---- the reader
 * ------------------------------------------------------------------------------ */

void websocket_reader_init(struct websocket_reader *reader, size_t max_message, bool deflate)
{
    *reader = (struct websocket_reader){.max_message = max_message, .deflate = deflate};
}

static void drop_message(struct websocket_reader *reader)
{
    free(reader->message);
    reader->message = NULL;
    reader->message_n = reader->message_size = 0;
    reader->delivered = false;
}

void websocket_reader_clear(struct websocket_reader *reader)
{
    drop_message(reader);
    if (reader->frame)
        frame_reader_free(reader->frame); /* wslay may be in the middle of a frame */
    reader->frame = NULL;
}

bool websocket_reader_busy(const struct websocket_reader *reader)
{
    return reader->frame || reader->opcode != 0;
}

/* Everything that came was told: what is at rest gives its frame reader back. */
static int rest(struct websocket_shop *shop, struct websocket_reader *reader)
{
    struct frame_reader *frame = reader->frame;

    if (!frame->in_frame && frame->given == frame->taken) {
        frame->given = frame->taken = 0;
        take_back(shop, frame);
        reader->frame = NULL;
    }
    return RC_AGAIN;
}

int websocket_reader_next(struct websocket_shop *shop, struct websocket_reader *reader,
                          struct span *in, struct websocket_event *event)
{
    struct wslay_frame_iocb piece;

    if (reader->delivered)
        drop_message(reader);
    if (!reader->frame) {
        if (in->n == 0)
            return RC_AGAIN;
        reader->frame = lend(shop);
        if (!reader->frame)
            return fail(event, WEBSOCKET_TRY_LATER);
    }
    reader->frame->in = in;
    for (;;) {
        memset(&piece, 0, sizeof piece);
        const ssize_t n = wslay_frame_recv(reader->frame->wslay, &piece);

        if (n == WSLAY_ERR_WANT_READ)
            return rest(shop, reader);
        if (n < 0)
            return fail(event, WEBSOCKET_PROTOCOL_ERROR);
        if (on_piece(shop, reader, &piece, event) == RC_OK)
            return RC_OK;
    }
}
