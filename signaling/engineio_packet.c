#include "signaling/engineio_packet.h"

#include "core/base64.h"
#include "core/utf8.h"
#include "signaling/utf16.h"

#include <stdio.h>
#include <string.h>

enum {
    SEPARATOR = 0x1e,  /* revision 4: between packets of a payload */
    LENGTH_END = 0xff, /* revision 3, octets: behind the length */
    LENGTH_DIGITS = 9, /* a longer length could not be a length of ours */
    BINARY_MARK = 'b', /* base64 follows */
    FRAMING_MAX =
        1 + LENGTH_DIGITS + 1 + 2, /* most that one packet adds to its base64 or bytes */
};

static int type_of_digit(uint8_t digit, enum eio_type *type)
{
    if (digit < '0' || digit > '6')
        return RC_BAD;
    *type = (enum eio_type)(digit - '0');
    return RC_OK;
}

/* --- reading --- */

static struct span drop(struct span bytes, size_t n)
{
    return (struct span){bytes.p + n, bytes.n - n};
}

/* Takes the first n bytes of *rest away and returns them. */
static struct span take(struct span *rest, size_t n)
{
    const struct span taken = {rest->p, n};

    *rest = drop(*rest, n);
    return taken;
}

/* "b<base64>" in revision 4, "b<type digit><base64>" in revision 3. */
static int parse_base64(struct eio_packet *out, int protocol, struct span text)
{
    enum eio_type type = EIO_PACKET_MESSAGE;

    text = drop(text, 1);
    if (protocol == 3) {
        if (text.n == 0 || type_of_digit(text.p[0], &type) != RC_OK)
            return RC_BAD;
        text = drop(text, 1);
    }
    if (type != EIO_PACKET_MESSAGE)
        return RC_BAD;
    *out = (struct eio_packet){.type = type, .binary = true, .base64 = true, .data = text};
    return RC_OK;
}

int eio_packet_parse_text(struct eio_packet *out, int protocol, struct span text)
{
    enum eio_type type;

    if (text.n == 0)
        return RC_BAD;
    if (text.p[0] == BINARY_MARK)
        return parse_base64(out, protocol, text);
    if (type_of_digit(text.p[0], &type) != RC_OK)
        return RC_BAD;

    const struct span data = drop(text, 1);
    if (!utf8_valid(data))
        return RC_BAD;
    *out = (struct eio_packet){.type = type, .data = data};
    return RC_OK;
}

int eio_packet_parse_binary(struct eio_packet *out, int protocol, struct span bytes)
{
    if (protocol == 3) {
        /* No client sends any other packet as bytes. */
        if (bytes.n == 0 || bytes.p[0] != EIO_PACKET_MESSAGE)
            return RC_BAD;
        bytes = drop(bytes, 1);
    }
    *out = (struct eio_packet){.type = EIO_PACKET_MESSAGE, .binary = true, .data = bytes};
    return RC_OK;
}

int eio_packet_decode(struct eio_packet *packet, uint8_t *scratch)
{
    size_t n = 0;

    if (base64_decode(scratch, packet->data, &n) != RC_OK)
        return RC_BAD;
    packet->data = (struct span){scratch, n};
    packet->base64 = false;
    return RC_OK;
}

static int next_v4(struct eio_payload *payload, struct eio_packet *out)
{
    const struct span rest = payload->rest;
    const uint8_t *const end = memchr(rest.p, SEPARATOR, rest.n);
    const size_t n = end ? (size_t)(end - rest.p) : rest.n;

    if (end && n + 1 == rest.n)
        return RC_BAD; /* a separator with nothing behind it: an empty packet */
    payload->rest = drop(rest, end ? n + 1 : n);
    return eio_packet_parse_text(out, payload->protocol, (struct span){rest.p, n});
}

/* Takes decimal digits, `zero` being the first, and `end`. RC_BAD: none, too many, no end. */
static int take_length(struct span *rest, uint8_t zero, uint8_t end, size_t *length)
{
    size_t value = 0, i = 0;

    for (; i < rest->n && rest->p[i] != end; i++) {
        const uint8_t digit = (uint8_t)(rest->p[i] - zero);
        if (digit > 9 || i == LENGTH_DIGITS)
            return RC_BAD;
        value = value * 10 + digit;
    }
    if (i == 0 || i == rest->n)
        return RC_BAD;
    *rest = drop(*rest, i + 1);
    *length = value;
    return RC_OK;
}

static int next_v3_text(struct eio_payload *payload, struct eio_packet *out)
{
    size_t units = 0, n = 0;

    if (take_length(&payload->rest, '0', ':', &units) != RC_OK)
        return RC_BAD;
    if (utf16_prefix(payload->rest, units, &n) != RC_OK)
        return RC_BAD;
    return eio_packet_parse_text(out, payload->protocol, take(&payload->rest, n));
}

static int next_v3_octets(struct eio_payload *payload, struct eio_packet *out)
{
    const uint8_t kind = payload->rest.p[0];
    size_t n = 0;

    payload->rest = drop(payload->rest, 1);
    if (kind > 1 || take_length(&payload->rest, 0, LENGTH_END, &n) != RC_OK)
        return RC_BAD;
    if (n > payload->rest.n)
        return RC_BAD;
    const struct span packet = take(&payload->rest, n);
    return kind == 1 ? eio_packet_parse_binary(out, payload->protocol, packet)
                     : eio_packet_parse_text(out, payload->protocol, packet);
}

int eio_payload_next(struct eio_payload *payload, struct eio_packet *out)
{
    if (payload->rest.n == 0)
        return RC_AGAIN;
    if (payload->protocol != 3)
        return next_v4(payload, out);
    return payload->octets ? next_v3_octets(payload, out) : next_v3_text(payload, out);
}

/* --- writing --- */

bool eio_frame_is_binary(struct eio_format format, struct eio_raw packet)
{
    return packet.binary && !format.base64;
}

size_t eio_frame_scratch(struct eio_raw packet)
{
    return packet.binary ? base64_encoded_length(packet.bytes.n) + 2 : 0;
}

/* The bytes of a binary packet without the type byte that they are kept with. */
static struct span binary_data(struct eio_raw packet)
{
    return (struct span){packet.bytes.p + 1, packet.bytes.n - 1};
}

static size_t write_base64(struct eio_format format, struct eio_raw packet, uint8_t *out)
{
    size_t n = 0;

    out[n++] = BINARY_MARK;
    if (format.protocol == 3)
        out[n++] = '0' + EIO_PACKET_MESSAGE;
    return n + base64_encode((char *)out + n, binary_data(packet));
}

struct span eio_frame(struct eio_format format, struct eio_raw packet, uint8_t *scratch)
{
    if (!packet.binary)
        return packet.bytes;
    if (format.base64)
        return (struct span){scratch, write_base64(format, packet, scratch)};
    return format.protocol == 3 ? packet.bytes : binary_data(packet);
}

size_t eio_payload_bound(const struct eio_raw *packets, size_t count)
{
    size_t bound = 0;

    for (size_t i = 0; i < count; i++) {
        const size_t n = packets[i].bytes.n;
        bound += FRAMING_MAX + (packets[i].binary ? base64_encoded_length(n) : n);
    }
    return bound;
}

static size_t write_v4(struct eio_format format, const struct eio_raw *packets, size_t count,
                       uint8_t *out)
{
    size_t n = 0;

    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            out[n++] = SEPARATOR;
        if (packets[i].binary) {
            n += write_base64(format, packets[i], out + n);
        } else {
            memcpy(out + n, packets[i].bytes.p, packets[i].bytes.n);
            n += packets[i].bytes.n;
        }
    }
    return n;
}

/* Decimal digits without a NUL, `zero` being the first. */
static size_t write_length(uint8_t *out, size_t length, uint8_t zero)
{
    char digits[24];
    const int n = snprintf(digits, sizeof digits, "%zu", length);

    for (int i = 0; i < n; i++)
        out[i] = (uint8_t)(digits[i] - '0' + zero);
    return (size_t)n;
}

static size_t write_v3_text(struct eio_format format, const struct eio_raw *packets,
                            size_t count, uint8_t *out)
{
    size_t n = 0;

    for (size_t i = 0; i < count; i++) {
        const struct eio_raw *const packet = &packets[i];
        const size_t base64 = base64_encoded_length(packet->bytes.n - 1) + 2;
        const size_t length = packet->binary ? base64 : utf16_length(packet->bytes);

        n += write_length(out + n, length, '0');
        out[n++] = ':';
        if (packet->binary) {
            n += write_base64(format, *packet, out + n);
        } else {
            memcpy(out + n, packet->bytes.p, packet->bytes.n);
            n += packet->bytes.n;
        }
    }
    return n;
}

static size_t write_v3_octets(const struct eio_raw *packets, size_t count, uint8_t *out)
{
    size_t n = 0;

    for (size_t i = 0; i < count; i++) {
        out[n++] = packets[i].binary ? 1 : 0;
        n += write_length(out + n, packets[i].bytes.n, 0);
        out[n++] = LENGTH_END;
        memcpy(out + n, packets[i].bytes.p, packets[i].bytes.n);
        n += packets[i].bytes.n;
    }
    return n;
}

static bool any_binary(const struct eio_raw *packets, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (packets[i].binary)
            return true;
    }
    return false;
}

size_t eio_payload_write(struct eio_format format, const struct eio_raw *packets, size_t count,
                         uint8_t *out, bool *octets)
{
    *octets = format.protocol == 3 && !format.base64 && any_binary(packets, count);
    if (format.protocol != 3)
        return write_v4(format, packets, count, out);
    if (*octets)
        return write_v3_octets(packets, count, out);
    return write_v3_text(format, packets, count, out);
}
