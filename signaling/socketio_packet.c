#include "signaling/socketio_packet.h"

#include "signaling/socketio.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum {
    ACK_ID_DIGITS = 15, /* below 2^53, what JavaScript counts exactly */
    HEADER_MAX = 64 + SIO_NAMESPACE_NAME_MAX,
};

bool sio_event_reserved(const char *name)
{
    static const char *const reserved[] = {"connect",       "connect_error", "disconnect",
                                           "disconnecting", "newListener",   "removeListener"};

    for (size_t i = 0; i < ARRAY_LEN(reserved); i++) {
        if (strcmp(name, reserved[i]) == 0)
            return true;
    }
    return false;
}

static bool is_binary(enum sio_type type)
{
    return type == SIO_BINARY_EVENT || type == SIO_BINARY_ACK;
}

/* --- reading --- */

static struct span drop(struct span text, size_t n)
{
    return (struct span){text.p + n, text.n - n};
}

/* Takes up to `max` leading digits; how many there were, or RC_BAD when there are more. */
static int take_number(struct span *text, size_t max, int64_t *value)
{
    size_t n = 0;
    int64_t v = 0;

    for (; n < text->n && text->p[n] >= '0' && text->p[n] <= '9'; n++) {
        if (n == max)
            return RC_BAD;
        v = v * 10 + (text->p[n] - '0');
    }
    *value = v;
    *text = drop(*text, n);
    return (int)n;
}

static int take_attachments(struct span *text, uint32_t *attachments)
{
    int64_t count = 0;
    const int digits = take_number(text, 4, &count);

    if (digits <= 0 || text->n == 0 || text->p[0] != '-')
        return RC_BAD;
    if (count > SIO_ATTACHMENTS_MAX)
        return RC_FULL;
    *text = drop(*text, 1);
    *attachments = (uint32_t)count;
    return RC_OK;
}

/* "/name?query," up to the comma or the end. Client 2.x sends the query when it connects. */
static int take_namespace(struct span *text, struct span *namespace)
{
    *namespace = SPAN_LITERAL("/");
    if (text->n == 0 || text->p[0] != '/')
        return RC_OK;

    const uint8_t *const comma = memchr(text->p, ',', text->n);
    const size_t whole = comma ? (size_t)(comma - text->p) : text->n;
    const uint8_t *const query = memchr(text->p, '?', whole);
    const size_t n = query ? (size_t)(query - text->p) : whole;
    if (n > SIO_NAMESPACE_NAME_MAX)
        return RC_BAD;

    *namespace = (struct span){text->p, n};
    *text = drop(*text, comma ? whole + 1 : whole);
    return RC_OK;
}

/* Arrays and objects nested too deep would be a deep recursion in every function that walks. */
static bool too_deep(struct span text)
{
    bool in_string = false;
    int depth = 0;

    for (size_t i = 0; i < text.n; i++) {
        const uint8_t c = text.p[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            if (++depth > SIO_JSON_DEPTH_MAX)
                return true;
        } else if (c == ']' || c == '}') {
            depth--;
        }
    }
    return false;
}

/* The code unit of a \uXXXX escape at the start of text; -1 when there is none. */
static int unit_escape(struct span text)
{
    char digits[5] = "";
    char *end;

    if (text.n < 6 || text.p[0] != '\\' || text.p[1] != 'u')
        return -1;
    memcpy(digits, text.p + 2, 4);
    const long unit = isxdigit((unsigned char)digits[0]) ? strtol(digits, &end, 16) : -1;
    return unit >= 0 && end == digits + 4 ? (int)unit : -1;
}

static bool is_high_surrogate(int unit)
{
    return unit >= 0xd800 && unit < 0xdc00;
}

static bool is_low_surrogate(int unit)
{
    return unit >= 0xdc00 && unit < 0xe000;
}

/* Puts U+FFFD in place of the halves of surrogate pairs that stand alone, as decoders of text
 * do. Returns how many there were. */
static size_t mend_surrogates(uint8_t *bytes, size_t n)
{
    size_t mended = 0;

    for (size_t i = 0; i < n; i++) {
        if (bytes[i] != '\\')
            continue;
        const int unit = unit_escape((struct span){bytes + i, n - i});
        if (is_high_surrogate(unit) &&
            is_low_surrogate(unit_escape((struct span){bytes + i + 6, n - i - 6}))) {
            i += 11;
        } else if (is_high_surrogate(unit) || is_low_surrogate(unit)) {
            memcpy(bytes + i + 2, "fffd", 4);
            mended++;
            i += 5;
        } else {
            i++; /* the character that is escaped */
        }
    }
    return mended;
}

static json_t *parse_mended(struct span text)
{
    json_t *json = NULL;
    uint8_t *copy = malloc(text.n);

    if (!copy)
        return NULL;
    memcpy(copy, text.p, text.n);
    if (mend_surrogates(copy, text.n) > 0)
        json = json_loadb((const char *)copy, text.n, JSON_DECODE_ANY, NULL);
    free(copy);
    return json;
}

/* NULL when malformed. What JavaScript writes and jansson does not take as it is: integers
 * beyond 64 bits (1e20) become reals; a string that was cut in the middle of an emoji, which is
 * legal JSON (RFC 8259, section 8.2), is mended. */
static json_t *parse_json(struct span text)
{
    json_error_t error;

    if (too_deep(text))
        return NULL;
    json_t *json = json_loadb((const char *)text.p, text.n, JSON_DECODE_ANY, &error);
    if (json)
        return json;
    switch (json_error_code(&error)) {
    case json_error_numeric_overflow:
        return json_loadb((const char *)text.p, text.n,
                          JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, &error);
    case json_error_invalid_syntax:
        return parse_mended(text);
    default:
        return NULL;
    }
}

static bool placeholders_fit(const json_t *value, uint32_t attachments)
{
    if (json_is_array(value)) {
        for (size_t i = 0; i < json_array_size(value); i++) {
            if (!placeholders_fit(json_array_get(value, i), attachments))
                return false;
        }
        return true;
    }
    if (!json_is_object(value))
        return true;

    if (json_is_true(json_object_get(value, "_placeholder"))) {
        const json_t *const num = json_object_get(value, "num");
        return json_is_integer(num) && json_integer_value(num) >= 0 &&
               json_integer_value(num) < attachments;
    }
    /* Iterators do not change the object, but their functions are not declared that way. */
    json_t *const object = json_incref((json_t *)(uintptr_t)value);
    const char *key;
    json_t *member;
    bool fit = true;
    json_object_foreach(object, key, member)
    {
        if (!placeholders_fit(member, attachments)) {
            fit = false;
            break;
        }
    }
    json_decref(object);
    return fit;
}

static bool is_event(const json_t *json)
{
    const json_t *const name = json_array_get(json, 0);

    return json_is_string(name) && json_string_length(name) <= SIO_EVENT_NAME_MAX &&
           !sio_event_reserved(json_string_value(name));
}

/* Does the JSON fit the type of the packet? json NULL: there is none. */
static bool payload_fits(const struct sio_packet *packet)
{
    switch (packet->type) {
    case SIO_CONNECT:
        return !packet->json || json_is_object(packet->json);
    case SIO_DISCONNECT:
        return !packet->json;
    case SIO_EVENT:
        return is_event(packet->json);
    case SIO_BINARY_EVENT:
        return is_event(packet->json) && placeholders_fit(packet->json, packet->attachments);
    case SIO_ACK:
        return json_is_array(packet->json) && packet->ack_id >= 0;
    case SIO_BINARY_ACK:
        return json_is_array(packet->json) && packet->ack_id >= 0 &&
               placeholders_fit(packet->json, packet->attachments);
    case SIO_CONNECT_ERROR:
        break; /* only servers send it */
    }
    return false;
}

int sio_packet_parse(struct sio_packet *out, struct span text)
{
    struct sio_packet packet = {.ack_id = SIO_NO_ACK};
    int64_t id = 0;

    if (text.n == 0 || text.p[0] < '0' || text.p[0] > '6')
        return RC_BAD;
    packet.type = (enum sio_type)(text.p[0] - '0');
    text = drop(text, 1);

    if (is_binary(packet.type)) {
        const int rc = take_attachments(&text, &packet.attachments);
        if (rc != RC_OK)
            return rc;
    }
    if (take_namespace(&text, &packet.namespace) != RC_OK)
        return RC_BAD;
    const int digits = take_number(&text, ACK_ID_DIGITS, &id);
    if (digits < 0)
        return RC_BAD;
    if (digits > 0)
        packet.ack_id = id;

    if (text.n > 0) {
        packet.json = parse_json(text);
        if (!packet.json)
            return RC_BAD;
    }
    if (!payload_fits(&packet)) {
        json_decref(packet.json);
        return RC_BAD;
    }
    *out = packet;
    return RC_OK;
}

/* --- writing --- */

/* Everything before the JSON. */
static size_t write_header(const struct sio_packet *packet, char out[static HEADER_MAX])
{
    size_t n = 0;

    out[n++] = (char)('0' + packet->type);
    if (is_binary(packet->type))
        n += (size_t)snprintf(out + n, HEADER_MAX - n, "%u-", packet->attachments);
    if (packet->namespace.n > 1) {
        memcpy(out + n, packet->namespace.p, packet->namespace.n);
        n += packet->namespace.n;
        out[n++] = ',';
    }
    if (packet->ack_id != SIO_NO_ACK)
        n += (size_t)snprintf(out + n, HEADER_MAX - n, "%lld", (long long)packet->ack_id);
    return n;
}

size_t sio_packet_write(const struct sio_packet *packet, uint8_t *out, size_t size)
{
    char header[HEADER_MAX];
    size_t n, json = 0;

    if (packet->namespace.n > SIO_NAMESPACE_NAME_MAX)
        return 0;
    n = write_header(packet, header);
    if (size > 0)
        memcpy(out, header, n < size ? n : size);
    if (packet->json) {
        char *const at = n < size ? (char *)out + n : NULL;
        json = json_dumpb(packet->json, at, n < size ? size - n : 0,
                          JSON_COMPACT | JSON_ENCODE_ANY);
        if (json == 0)
            return 0;
    }
    return n + json;
}
