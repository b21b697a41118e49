#include "signaling/engineio_queue.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct eio_message {
    uint32_t references;
    bool binary;
    bool shared;     /* one of the control packets below */
    size_t n;        /* with the type */
    uint8_t bytes[]; /* type digit, or byte 4 when binary, then the data */
};

/* --- packets --- */

static struct eio_message *create(bool binary, uint8_t type, size_t n)
{
    struct eio_message *const message = malloc(sizeof *message + 1 + n);
    if (!message)
        return NULL;
    *message = (struct eio_message){.references = 1, .binary = binary, .n = n + 1};
    message->bytes[0] = type;
    return message;
}

struct eio_message *eio_message_create(bool binary, size_t n)
{
    return create(binary, (binary ? 0 : '0') + EIO_PACKET_MESSAGE, n);
}

struct eio_message *eio_message_create_type(enum eio_type type, size_t n)
{
    return create(false, (uint8_t)('0' + type), n);
}

struct eio_message *eio_message_control(enum eio_type type)
{
    /* A flexible array member cannot be initialised in an array: one object for each. */
    static struct eio_message close = {.shared = true, .n = 1, .bytes = {'1'}},
                              ping = {.shared = true, .n = 1, .bytes = {'2'}},
                              pong = {.shared = true, .n = 1, .bytes = {'3'}},
                              noop = {.shared = true, .n = 1, .bytes = {'6'}};

    switch (type) {
    case EIO_PACKET_CLOSE:
        return &close;
    case EIO_PACKET_PING:
        return &ping;
    case EIO_PACKET_PONG:
        return &pong;
    default:
        assert(type == EIO_PACKET_NOOP); /* the others carry data */
        return &noop;
    }
}

uint8_t *eio_message_data(struct eio_message *message)
{
    return message->bytes + 1;
}

struct eio_message *eio_message_retain(struct eio_message *message)
{
    if (!message->shared)
        message->references++;
    return message;
}

void eio_message_release(struct eio_message *message)
{
    if (!message || message->shared)
        return;
    assert(message->references > 0);
    if (--message->references == 0)
        free(message);
}

struct eio_raw eio_message_raw(const struct eio_message *message)
{
    return (struct eio_raw){message->binary, {message->bytes, message->n}};
}

/* --- the queue --- */

static int grow(struct eio_queue *queue)
{
    const uint32_t capacity = queue->capacity ? 2 * queue->capacity : 4;
    struct eio_message **const item =
        realloc(queue->item, capacity * sizeof(struct eio_message *));

    if (!item)
        return RC_NOMEM;
    queue->item = item;
    queue->capacity = capacity;
    return RC_OK;
}

int eio_queue_push(struct eio_queue *queue, struct eio_message *message, uint32_t max_messages,
                   size_t max_bytes)
{
    if (queue->count >= max_messages || queue->bytes >= max_bytes ||
        message->n > max_bytes - queue->bytes)
        return RC_FULL;
    if (queue->count == queue->capacity && grow(queue) != RC_OK)
        return RC_NOMEM;
    queue->item[queue->count++] = eio_message_retain(message);
    queue->bytes += message->n;
    return RC_OK;
}

void eio_queue_clear(struct eio_queue *queue)
{
    for (uint32_t i = 0; i < queue->count; i++)
        eio_message_release(queue->item[i]);
    free(queue->item);
    *queue = (struct eio_queue){0};
}

uint8_t *eio_queue_payload(const struct eio_queue *queue, struct eio_format format, size_t *n,
                           bool *octets)
{
    struct eio_raw *const raw = malloc((queue->count + 1) * sizeof *raw);
    uint8_t *out = NULL;

    if (!raw)
        return NULL;
    for (uint32_t i = 0; i < queue->count; i++)
        raw[i] = eio_message_raw(queue->item[i]);
    out = malloc(eio_payload_bound(raw, queue->count) + 1);
    if (out)
        *n = eio_payload_write(format, raw, queue->count, out, octets);
    free(raw);
    return out;
}
