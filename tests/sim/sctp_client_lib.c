#include "tests/sim/sctp_client_lib.h"

#include <stdlib.h>
#include <string.h>
#include <usrsctp.h> /* usrsctp_crc32c alone */

enum {
    HEADER = 12,
    PACKET_MAX = 1200,
    WINDOW = 64, /* fragments under way */
    STREAMS = 65535,
    CHUNK_DATA = 0,
    CHUNK_INIT = 1,
    CHUNK_INIT_ACK = 2,
    CHUNK_SACK = 3,
    CHUNK_HEARTBEAT = 4,
    CHUNK_HEARTBEAT_ACK = 5,
    CHUNK_ABORT = 6,
    CHUNK_COOKIE_ECHO = 10,
    CHUNK_COOKIE_ACK = 11,
    CHUNK_RECONFIG = 130,
    CHUNK_FORWARD_TSN = 192,
    DATA_HEADER = 16,
    DATA_END = 1,
    DATA_BEGIN = 2,
    DATA_UNORDERED = 4,
    PARAM_COOKIE = 7,
    PARAM_RESET_OUTGOING = 13,
    PARAM_RESET_RESPONSE = 16,
    RESET_PERFORMED = 1,
    RESET_IN_PROGRESS = 6,
};

struct fragment {
    struct fragment *next;
    uint32_t tsn;
    size_t n;
    uint8_t chunk[]; /* DATA, padded */
};

struct sctp_client {
    struct sctp_client_output output;
    uint32_t tag, their_tag;
    bool up, aborted, frozen;
    uint8_t cookie[1024];
    size_t cookie_len;
    bool connecting;

    uint32_t next_tsn, their_tsn; /* the next of ours; the last of theirs in order */
    uint16_t ssn[1 << 16];
    struct fragment *first, **last;
    unsigned pending;

    uint32_t next_reset, their_reset; /* request sequence numbers */
    uint8_t reset_request[20];        /* waits for its response */
    size_t reset_request_len;
    uint16_t resets[64]; /* to be asked for */
    size_t reset_count;

    uint8_t *message; /* owned: being put together */
    size_t message_len;
};

static size_t padded(size_t n)
{
    return (n + 3) & ~(size_t)3;
}

/* --- sending ------------------------------------------------------------------------------ */

static void send_with_tag(struct sctp_client *client, uint32_t tag, struct span chunks)
{
    uint8_t packet[PACKET_MAX + HEADER];

    if (chunks.n > PACKET_MAX)
        abort();
    store_be16(packet, SCTP_CLIENT_PORT);
    store_be16(packet + 2, SCTP_CLIENT_PORT);
    store_be32(packet + 4, tag);
    store_be32(packet + 8, 0);
    if (chunks.n)
        memcpy(packet + HEADER, chunks.p, chunks.n);
    const uint32_t sum = usrsctp_crc32c(packet, HEADER + chunks.n);
    memcpy(packet + 8, &sum, sizeof sum);
    client->output.packet(client->output.arg, (struct span){packet, HEADER + chunks.n});
}

void sctp_client_send_chunks(struct sctp_client *client, struct span chunks)
{
    send_with_tag(client, client->their_tag, chunks);
}

static void send_chunk(struct sctp_client *client, uint8_t type, struct span value)
{
    uint8_t chunk[PACKET_MAX] = {type};

    store_be16(chunk + 2, (uint16_t)(4 + value.n));
    if (value.n)
        memcpy(chunk + 4, value.p, value.n);
    sctp_client_send_chunks(client, (struct span){chunk, padded(4 + value.n)});
}

static void send_init(struct sctp_client *client)
{
    uint8_t init[] = {CHUNK_INIT, 0, 0, 32, 0, 0, 0, 0, 0, 2, 0, 0, STREAMS >> 8, STREAMS & 255,
                      STREAMS >> 8, STREAMS & 255, 0, 0, 0, 0,
                      /* Forward-TSN-Supported; Supported Extensions: RE-CONFIG, FORWARD-TSN */
                      0xc0, 0, 0, 4, 0x80, 0x08, 0, 6, CHUNK_RECONFIG, CHUNK_FORWARD_TSN, 0, 0};

    store_be32(init + 4, client->tag);
    store_be32(init + 16, client->next_tsn);
    init[3] = 30;
    send_with_tag(client, 0, (struct span){init, sizeof init});
}

static void send_sack(struct sctp_client *client)
{
    uint8_t sack[12] = {0};

    store_be32(sack, client->their_tsn);
    store_be32(sack + 4, 1 << 17);
    send_chunk(client, CHUNK_SACK, (struct span){sack, sizeof sack});
}

static void send_window(struct sctp_client *client, bool again)
{
    unsigned n = 0;

    if (!client->up)
        return;
    for (struct fragment *f = client->first; f && n < WINDOW; f = f->next, n++)
        if (again || f->chunk[1] & 0x80) { /* marked: never sent */
            f->chunk[1] &= 0x7f;
            sctp_client_send_chunks(client, (struct span){f->chunk, f->n});
        }
}

static void add_fragment(struct sctp_client *client, const struct sctp_client_message *m,
                         struct span part, uint8_t flags)
{
    struct fragment *f = calloc(1, sizeof *f + DATA_HEADER + padded(part.n));

    if (!f)
        abort();
    f->tsn = client->next_tsn++;
    f->n = DATA_HEADER + padded(part.n);
    f->chunk[0] = CHUNK_DATA;
    f->chunk[1] = (uint8_t)(flags | 0x80);
    store_be16(f->chunk + 2, (uint16_t)(DATA_HEADER + part.n));
    store_be32(f->chunk + 4, f->tsn);
    store_be16(f->chunk + 8, m->stream);
    store_be16(f->chunk + 10, client->ssn[m->stream]);
    store_be32(f->chunk + 12, m->ppid);
    memcpy(f->chunk + DATA_HEADER, part.p, part.n);
    *client->last = f;
    client->last = &f->next;
    client->pending++;
}

void sctp_client_send(struct sctp_client *client, const struct sctp_client_message *message)
{
    struct span rest = message->data;
    uint8_t flags = DATA_BEGIN | (message->unordered ? DATA_UNORDERED : 0);

    while (rest.n > 0) {
        const size_t n = rest.n < SCTP_CLIENT_FRAGMENT ? rest.n : SCTP_CLIENT_FRAGMENT;

        if (n == rest.n)
            flags |= DATA_END;
        add_fragment(client, message, (struct span){rest.p, n}, flags);
        flags &= (uint8_t)~DATA_BEGIN;
        rest = (struct span){rest.p + n, rest.n - n};
    }
    if (!message->unordered)
        client->ssn[message->stream]++;
    send_window(client, false);
}

void sctp_client_open(struct sctp_client *client, uint16_t stream, uint8_t channel_type,
                      uint32_t parameter, const char *label)
{
    uint8_t open[12 + 256] = {3, channel_type, 1, 0};
    const size_t n = strlen(label);

    store_be32(open + 4, parameter);
    store_be16(open + 8, (uint16_t)n);
    memcpy(open + 12, label, n);
    sctp_client_send(client, &(struct sctp_client_message){
                                 .stream = stream, .ppid = 50, .data = {open, 12 + n}});
}

/* --- stream resets (RFC 6525) ------------------------------------------------------------- */

static void send_reset_request(struct sctp_client *client)
{
    uint8_t *p = client->reset_request;

    if (client->reset_request_len || client->reset_count == 0 || client->first)
        return; /* one at a time, and behind what was sent on the stream */
    store_be16(p, PARAM_RESET_OUTGOING);
    store_be16(p + 2, 18);
    store_be32(p + 4, client->next_reset);
    store_be32(p + 8, client->their_reset - 1);
    store_be32(p + 12, client->next_tsn - 1);
    store_be16(p + 16, client->resets[0]);
    store_be16(p + 18, 0);
    client->reset_request_len = 18;
    client->ssn[client->resets[0]] = 0;
    client->reset_count--;
    memmove(client->resets, client->resets + 1, client->reset_count * sizeof *client->resets);
    send_chunk(client, CHUNK_RECONFIG, (struct span){p, client->reset_request_len});
}

void sctp_client_reset(struct sctp_client *client, uint16_t stream)
{
    if (client->reset_count < 64)
        client->resets[client->reset_count++] = stream;
    send_reset_request(client);
}

static void on_reset_request(struct sctp_client *client, struct span request)
{
    uint8_t response[12];
    uint32_t result = RESET_PERFORMED;

    if (request.n < 16)
        return;
    const uint32_t sequence = load_be32(request.p + 4);
    if ((int32_t)(load_be32(request.p + 12) - client->their_tsn) > 0)
        result = RESET_IN_PROGRESS;
    else if (sequence == client->their_reset) {
        client->their_reset++;
        for (size_t at = 16; at + 2 <= request.n; at += 2)
            client->output.reset(client->output.arg, load_be16(request.p + at));
    }
    store_be16(response, PARAM_RESET_RESPONSE);
    store_be16(response + 2, sizeof response);
    store_be32(response + 4, sequence);
    store_be32(response + 8, result);
    send_chunk(client, CHUNK_RECONFIG, (struct span){response, sizeof response});
}

static void on_reconfig(struct sctp_client *client, struct span value)
{
    while (value.n >= 4) {
        const uint16_t type = load_be16(value.p);
        const size_t n = load_be16(value.p + 2);

        if (n < 4 || n > value.n)
            return;
        if (type == PARAM_RESET_OUTGOING) {
            on_reset_request(client, (struct span){value.p, n});
        } else if (type == PARAM_RESET_RESPONSE && n >= 12 && client->reset_request_len &&
                   load_be32(value.p + 4) == client->next_reset &&
                   load_be32(value.p + 8) != RESET_IN_PROGRESS) {
            client->next_reset++;
            client->reset_request_len = 0;
            send_reset_request(client);
        }
        const size_t step = padded(n) < value.n ? padded(n) : value.n;
        value = (struct span){value.p + step, value.n - step};
    }
}

/* --- receiving ---------------------------------------------------------------------------- */

static void on_init_ack(struct sctp_client *client, struct span value)
{
    if (client->up || value.n < 16)
        return;
    client->their_tag = load_be32(value.p);
    client->their_tsn = load_be32(value.p + 12) - 1;
    client->their_reset = load_be32(value.p + 12);
    for (size_t at = 16; at + 4 <= value.n;) {
        const size_t n = load_be16(value.p + at + 2);

        if (n < 4 || n > value.n - at)
            return;
        if (load_be16(value.p + at) == PARAM_COOKIE && n - 4 <= sizeof client->cookie) {
            client->cookie_len = n - 4;
            memcpy(client->cookie, value.p + at + 4, n - 4);
        }
        at += padded(n);
    }
    send_chunk(client, CHUNK_COOKIE_ECHO, (struct span){client->cookie, client->cookie_len});
}

static void on_data(struct sctp_client *client, uint8_t flags, struct span value)
{
    if (value.n < 12 || client->frozen)
        return;
    if (load_be32(value.p) == client->their_tsn + 1) {
        const struct span part = {value.p + 12, value.n - 12};

        client->their_tsn++;
        if (flags & DATA_BEGIN)
            client->message_len = 0;
        client->message = realloc(client->message, client->message_len + part.n + 1);
        memcpy(client->message + client->message_len, part.p, part.n);
        client->message_len += part.n;
        if (flags & DATA_END)
            client->output.message(client->output.arg,
                                   &(struct sctp_client_message){
                                       .stream = load_be16(value.p + 4),
                                       .ppid = load_be32(value.p + 8),
                                       .unordered = flags & DATA_UNORDERED,
                                       .data = {client->message, client->message_len},
                                   });
    }
    send_sack(client);
}

static void on_sack(struct sctp_client *client, struct span value)
{
    if (value.n < 12 || client->frozen)
        return;
    const uint32_t tsn = load_be32(value.p);
    while (client->first && (int32_t)(client->first->tsn - tsn) <= 0) {
        struct fragment *done = client->first;

        client->first = done->next;
        if (!client->first)
            client->last = &client->first;
        free(done);
        client->pending--;
    }
    send_window(client, false);
    send_reset_request(client);
}

static void on_chunk(struct sctp_client *client, uint8_t type, uint8_t flags, struct span value)
{
    switch (type) {
    case CHUNK_INIT_ACK:
        on_init_ack(client, value);
        break;
    case CHUNK_COOKIE_ACK:
        client->up = true;
        send_window(client, false);
        break;
    case CHUNK_DATA:
        on_data(client, flags, value);
        break;
    case CHUNK_SACK:
        on_sack(client, value);
        break;
    case CHUNK_HEARTBEAT:
        send_chunk(client, CHUNK_HEARTBEAT_ACK, value);
        break;
    case CHUNK_ABORT:
        client->aborted = true;
        client->up = false;
        break;
    case CHUNK_RECONFIG:
        on_reconfig(client, value);
        break;
    case CHUNK_FORWARD_TSN:
        if (value.n >= 4 && (int32_t)(load_be32(value.p) - client->their_tsn) > 0)
            client->their_tsn = load_be32(value.p);
        send_sack(client);
        break;
    default: /* an INIT of the server's: ours is enough for both */
        break;
    }
}

void sctp_client_input(struct sctp_client *client, struct span packet)
{
    if (packet.n < HEADER || client->aborted)
        return;
    struct span rest = {packet.p + HEADER, packet.n - HEADER};
    while (rest.n >= 4) {
        const size_t n = load_be16(rest.p + 2);

        if (n < 4 || n > rest.n)
            return;
        on_chunk(client, rest.p[0], rest.p[1], (struct span){rest.p + 4, n - 4});
        const size_t step = padded(n) < rest.n ? padded(n) : rest.n;
        rest = (struct span){rest.p + step, rest.n - step};
    }
}

/* --- life --------------------------------------------------------------------------------- */

void sctp_client_tick(struct sctp_client *client)
{
    if (client->aborted || !client->connecting)
        return;
    if (!client->up && client->cookie_len)
        send_chunk(client, CHUNK_COOKIE_ECHO,
                   (struct span){client->cookie, client->cookie_len});
    else if (!client->up)
        send_init(client);
    send_window(client, true);
    if (client->reset_request_len)
        send_chunk(client, CHUNK_RECONFIG,
                   (struct span){client->reset_request, client->reset_request_len});
}

struct sctp_client *sctp_client_create(const struct sctp_client_output *output, uint32_t seed)
{
    struct sctp_client *client = calloc(1, sizeof *client);

    if (!client)
        abort();
    client->output = *output;
    client->tag = seed * 2654435761u | 1;
    client->next_tsn = seed * 40503u;
    client->next_reset = client->next_tsn;
    client->last = &client->first;
    return client;
}

void sctp_client_free(struct sctp_client *client)
{
    if (!client)
        return;
    while (client->first) {
        struct fragment *f = client->first;

        client->first = f->next;
        free(f);
    }
    free(client->message);
    free(client);
}

void sctp_client_connect(struct sctp_client *client)
{
    client->connecting = true;
    send_init(client);
}

bool sctp_client_up(const struct sctp_client *client)
{
    return client->up;
}

bool sctp_client_aborted(const struct sctp_client *client)
{
    return client->aborted;
}

void sctp_client_abort(struct sctp_client *client)
{
    send_chunk(client, CHUNK_ABORT, (struct span){NULL, 0});
    client->aborted = true;
}

unsigned sctp_client_pending(const struct sctp_client *client)
{
    return client->pending;
}

void sctp_client_freeze(struct sctp_client *client, bool frozen)
{
    client->frozen = frozen;
}
