#include "signaling/message_codec.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

enum {
    LEVEL = 4,         /* half the time of zlib's default for a few percent more bytes */
    WINDOW_BITS = -15, /* raw DEFLATE, the largest window: what every client may use */
    MEMORY_LEVEL = 8,
    BUFFER_START = 16 * 1024,
    BUFFER_KEEP = 128 * 1024, /* larger buffers are given back after use */
};

struct buffer {
    uint8_t *p; /* owned */
    size_t size;
};

struct message_codec {
    z_stream inflater, deflater;
    bool inflater_ready, deflater_ready;
    struct buffer inflated, deflated;
};

static int buffer_grow(struct buffer *buffer, size_t size)
{
    uint8_t *p = realloc(buffer->p, size);

    if (!p)
        return RC_NOMEM;
    *buffer = (struct buffer){p, size};
    return RC_OK;
}

static int buffer_prepare(struct buffer *buffer)
{
    if (buffer->size > BUFFER_KEEP) {
        free(buffer->p);
        *buffer = (struct buffer){0};
    }
    return buffer->p ? RC_OK : buffer_grow(buffer, BUFFER_START);
}

int message_codec_create(struct message_codec **out)
{
    struct message_codec *codec = calloc(1, sizeof *codec);

    if (!codec)
        return RC_NOMEM;
    codec->inflater_ready = inflateInit2(&codec->inflater, WINDOW_BITS) == Z_OK;
    codec->deflater_ready = deflateInit2(&codec->deflater, LEVEL, Z_DEFLATED, WINDOW_BITS,
                                         MEMORY_LEVEL, Z_DEFAULT_STRATEGY) == Z_OK;
    if (!codec->inflater_ready || !codec->deflater_ready) {
        message_codec_free(codec);
        return RC_NOMEM;
    }
    *out = codec;
    return RC_OK;
}

void message_codec_free(struct message_codec *codec)
{
    if (!codec)
        return;
    if (codec->inflater_ready)
        inflateEnd(&codec->inflater);
    if (codec->deflater_ready)
        deflateEnd(&codec->deflater);
    free(codec->inflated.p);
    free(codec->deflated.p);
    free(codec);
}

/* Points zlib at the free part of the buffer; RC_FULL when it holds more than `max` already.
 * The one byte beyond `max` tells a message that ends there from one that goes on. */
static int make_room(z_stream *z, struct buffer *buffer, size_t used, size_t max)
{
    if (used > max)
        return RC_FULL;
    if (used == buffer->size) {
        const size_t twice = buffer->size * 2;
        if (buffer_grow(buffer, twice < max + 1 ? twice : max + 1) != RC_OK)
            return RC_NOMEM;
    }
    z->next_out = buffer->p + used;
    z->avail_out = (uInt)(buffer->size - used);
    return RC_OK;
}

/* Inflates all of `in` behind the *used bytes that are there. *whole: it ended with a block. */
static int inflate_part(struct message_codec *codec, struct span in, size_t max, size_t *used,
                        bool *whole)
{
    z_stream *z = &codec->inflater;

    z->next_in = (z_const Bytef *)(uintptr_t)in.p;
    z->avail_in = (uInt)in.n;
    do {
        const int rc = make_room(z, &codec->inflated, *used, max);
        if (rc != RC_OK)
            return rc;
        const int status = inflate(z, Z_SYNC_FLUSH);
        *used = (size_t)(z->next_out - codec->inflated.p);
        if (status == Z_MEM_ERROR)
            return RC_NOMEM;
        if (status != Z_OK && status != Z_BUF_ERROR && status != Z_STREAM_END)
            return RC_BAD;
        /* Section 7.2.3.5: a sender may end blocks with BFINAL; what follows is a new stream.
         */
        if (status == Z_STREAM_END && inflateReset(z) != Z_OK)
            return RC_BAD;
        *whole = status == Z_STREAM_END || z->data_type & 128; /* between two blocks */
    } while (z->avail_in > 0 || z->avail_out == 0);
    return RC_OK;
}

int message_inflate(struct message_codec *codec, struct span in, size_t max, struct span *out)
{
    bool ended = true, whole = true;
    size_t used = 0;

    if (in.n > UINT32_MAX || buffer_prepare(&codec->inflated) != RC_OK)
        return in.n > UINT32_MAX ? RC_FULL : RC_NOMEM;
    if (in.n == 0) { /* not what section 7.2.3.6 asks for, but what it means is clear */
        *out = in;
        return RC_OK;
    }
    inflateReset(&codec->inflater);
    int rc = inflate_part(codec, in, max, &used, &ended);
    if (rc == RC_OK)
        rc = inflate_part(codec, SPAN_LITERAL("\x00\x00\xff\xff"), max, &used, &whole);
    if (rc == RC_OK && !whole && !ended)
        rc = RC_BAD;
    if (rc == RC_OK && used > max)
        rc = RC_FULL;
    if (rc != RC_OK)
        return rc;
    *out = (struct span){codec->inflated.p, used};
    return RC_OK;
}

int message_deflate(struct message_codec *codec, struct span in, struct span *out)
{
    z_stream *z = &codec->deflater;

    if (in.n > INT32_MAX || buffer_prepare(&codec->deflated) != RC_OK)
        return RC_NOMEM;
    if (codec->deflated.size < in.n && buffer_grow(&codec->deflated, in.n) != RC_OK)
        return RC_NOMEM;

    deflateReset(z);
    z->next_in = (z_const Bytef *)(uintptr_t)in.p;
    z->avail_in = (uInt)in.n;
    z->next_out = codec->deflated.p;
    z->avail_out = (uInt)in.n; /* no room for more: then it does not get shorter */
    if (deflate(z, Z_SYNC_FLUSH) != Z_OK || z->avail_in > 0 || z->avail_out == 0)
        return RC_AGAIN;

    /* Section 7.2.1: the empty stored block at the end is not sent. */
    const size_t n = (size_t)(z->next_out - codec->deflated.p) - 4;
    *out = (struct span){codec->deflated.p, n};
    return RC_OK;
}

/* ---- negotiation (section 7.1) -------------------------------------------------------------
 */

/* "name" or "name=value" or `name="value"`. */
struct parameter {
    const char *name, *value;
    size_t name_n, value_n;
};

static struct parameter parameter_read(const char *p, size_t n)
{
    while (n > 0 && (*p == ' ' || *p == '\t'))
        p++, n--;
    while (n > 0 && (p[n - 1] == ' ' || p[n - 1] == '\t'))
        n--;
    const char *equals = memchr(p, '=', n);
    struct parameter out = {.name = p, .name_n = equals ? (size_t)(equals - p) : n};

    if (!equals)
        return out;
    out.value = equals + 1;
    out.value_n = (size_t)(p + n - out.value);
    if (out.value_n >= 2 && out.value[0] == '"' && out.value[out.value_n - 1] == '"') {
        out.value++;
        out.value_n -= 2;
    }
    return out;
}

static bool is_named(const struct parameter *parameter, const char *name)
{
    return parameter->name_n == strlen(name) &&
           strncasecmp(parameter->name, name, parameter->name_n) == 0;
}

/* 8 to 15 without a leading zero, or 0. */
static int window_bits(const struct parameter *parameter)
{
    const char *v = parameter->value;

    if (parameter->value_n == 1 && (v[0] == '8' || v[0] == '9'))
        return v[0] - '0';
    if (parameter->value_n == 2 && v[0] == '1' && v[1] >= '0' && v[1] <= '5')
        return 10 + v[1] - '0';
    return 0;
}

enum { SERVER_TAKEOVER = 1, CLIENT_TAKEOVER = 2, SERVER_BITS = 4, CLIENT_BITS = 8 };

/* Which of the four it is, 0 when its name or value is wrong or we cannot do it. */
static unsigned parameter_kind(const struct parameter *parameter)
{
    if (is_named(parameter, "server_no_context_takeover"))
        return parameter->value ? 0 : SERVER_TAKEOVER;
    if (is_named(parameter, "client_no_context_takeover"))
        return parameter->value ? 0 : CLIENT_TAKEOVER;
    if (is_named(parameter, "client_max_window_bits"))
        return !parameter->value || window_bits(parameter) ? CLIENT_BITS : 0;
    /* The one deflater has the largest window: a client that cannot hold it gets no
     * compression. */
    if (is_named(parameter, "server_max_window_bits"))
        return window_bits(parameter) == 15 ? SERVER_BITS : 0;
    return 0;
}

/* One offer of n characters. */
static const char *offer_answer(const char *offer, size_t n)
{
    unsigned seen = 0;

    for (size_t at = 0, i = 0; at < n; i++) {
        const char *semicolon = memchr(offer + at, ';', n - at);
        const size_t length = semicolon ? (size_t)(semicolon - offer) - at : n - at;
        const struct parameter parameter = parameter_read(offer + at, length);

        at += length + 1;
        if (i == 0) {
            if (!is_named(&parameter, "permessage-deflate") || parameter.value)
                return NULL;
            continue;
        }
        const unsigned kind = parameter_kind(&parameter);
        if (!kind || seen & kind)
            return NULL;
        seen |= kind;
    }
    return seen & SERVER_BITS
               ? "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
                 "server_max_window_bits=15"
               : "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
}

const char *deflate_negotiate(const char *offers)
{
    while (*offers) {
        const size_t n = strcspn(offers, ",");
        const char *answer = n > 0 ? offer_answer(offers, n) : NULL;

        if (answer)
            return answer;
        offers += n + (offers[n] == ',');
    }
    return NULL;
}
