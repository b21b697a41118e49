/*
 * Fuzzes the reader of WebSocket frames. The first byte: bit 7 permessage-deflate, the rest how
 * the bytes are cut. Events must be the same however that is; text is UTF-8; nothing is over
 * the limit.
 */
#include "signaling/websocket_reader.h"

#include "core/utf8.h"

#include <stdlib.h>

#define MUST(cond) ((cond) ? (void)0 : abort())
enum { MESSAGE_MAX = 3000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct websocket_shop shop;

struct trace {
    uint64_t hash;
    bool failed, busy;
};

static void note(struct trace *trace, const struct websocket_event *event)
{
    uint64_t hash = trace->hash * 31 + (uint64_t)event->kind * 7 + event->code;

    for (size_t i = 0; i < event->payload.n; i++)
        hash = (hash ^ event->payload.p[i]) * 0x100000001b3u;
    trace->hash = hash;
}

static void check(const struct websocket_event *event)
{
    switch (event->kind) {
    case WEBSOCKET_EVENT_TEXT:
        MUST(utf8_valid(event->payload));
        MUST(event->payload.n <= MESSAGE_MAX);
        break;
    case WEBSOCKET_EVENT_BINARY:
        MUST(event->payload.n <= MESSAGE_MAX);
        break;
    case WEBSOCKET_EVENT_CLOSE:
        MUST(event->code >= 1000 && event->code <= 4999);
        MUST(event->payload.n <= WEBSOCKET_CONTROL_MAX);
        break;
    case WEBSOCKET_EVENT_PING:
    case WEBSOCKET_EVENT_PONG:
        MUST(event->payload.n <= WEBSOCKET_CONTROL_MAX);
        break;
    case WEBSOCKET_EVENT_FAILED:
        MUST(event->why != REFUSAL_NONE && event->code > 1000);
        break;
    }
}

static struct trace run(const uint8_t *data, size_t size, size_t piece, bool deflate)
{
    struct websocket_reader reader;
    struct trace trace = {.hash = 0xcbf29ce484222325u};
    struct websocket_event event;

    websocket_reader_init(&reader, MESSAGE_MAX, deflate);
    for (size_t at = 0; at < size && !trace.failed; at += piece) {
        struct span in = {data + at, size - at < piece ? size - at : piece};

        while (!trace.failed && websocket_reader_next(&shop, &reader, &in, &event) == RC_OK) {
            check(&event);
            note(&trace, &event);
            trace.failed = event.kind == WEBSOCKET_EVENT_FAILED;
        }
        MUST(trace.failed || in.n == 0);
    }
    trace.busy = !trace.failed && websocket_reader_busy(&reader);
    websocket_reader_clear(&reader);
    return trace;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!shop.codec && websocket_shop_open(&shop) != RC_OK)
        abort();
    if (size < 2)
        return 0;

    const bool deflate = data[0] & 0x80;
    const struct trace whole = run(data + 1, size - 1, size, deflate);
    const struct trace cut = run(data + 1, size - 1, data[0] % 0x80 % 16 + 1, deflate);
    MUST(whole.hash == cut.hash && whole.failed == cut.failed && whole.busy == cut.busy);
    return 0;
}
