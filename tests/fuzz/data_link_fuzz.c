/*
 * Fuzzes the pairing of data channels: three clients do what the input says, one byte of what
 * and some of how. Whatever they do: no more channels than the limit, the gauge counts them,
 * what is sent is well-formed and on streams that there are, and somebody who waits is woken.
 */
#include "relay/data_link.h"
#include "relay/dcep.h"

#include <stdlib.h>
#include <string.h>

#define MUST(cond) ((cond) ? (void)0 : abort()) /* active in every build, unlike assert */
#define CLIENTS 3
#define STREAMS 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct client {
    struct data_end *end;
    bool full;  /* answers RC_AGAIN */
    bool waits; /* a message of it was not taken, and it was not woken since */
    bool up;
    uint64_t resetting; /* streams whose reset we asked for */
};

static struct client clients[CLIENTS];

static int on_send(void *arg, const struct sctp_message *message)
{
    struct client *client = arg;
    struct dcep_message dcep;

    MUST(client->up);
    MUST(message->stream < STREAMS);
    MUST(message->data.n > 0);
    if (message->ppid == SCTP_PPID_DCEP) {
        MUST(dcep_parse(message->data, &dcep) == RC_OK);
        MUST(message->delivery.reliability == SCTP_DELIVER_ALL && !message->delivery.unordered);
    }
    if (message->data.n > 200)
        return RC_FULL;
    return client->full ? RC_AGAIN : RC_OK;
}

static int on_reset(void *arg, uint16_t stream)
{
    struct client *client = arg;

    MUST(client->up);
    MUST(stream < STREAMS);
    if (client->full)
        return RC_AGAIN;
    client->resetting |= UINT64_C(1) << stream;
    return RC_OK;
}

static void on_wake(void *arg)
{
    struct client *client = arg;

    client->waits = false;
}

static struct data_link_stats stats;

static void check(void)
{
    uint64_t channels = 0;

    for (size_t i = 0; i < CLIENTS; i++) {
        const struct client *client = &clients[i];
        const struct data_end *partner = data_link_partner(client->end);

        MUST(data_end_channel_count(client->end) <= DATA_CHANNELS_MAX);
        channels += data_end_channel_count(client->end);
        MUST(!partner || data_link_partner(partner) == client->end);
        MUST(!client->waits || partner); /* who waits has somebody to wait for */
    }
    MUST(counter_get(&stats.channels) == channels);
}

static void say(struct client *client, uint16_t stream, uint32_t ppid, struct span bytes)
{
    const struct sctp_message m = {stream, ppid, {.unordered = stream & 8}, bytes};

    if (bytes.n && client->up && !client->waits)
        client->waits = !data_end_message(client->end, &m);
}

static void open_channel(struct client *client, uint16_t stream, struct span bytes)
{
    const struct dcep_open open = {
        .delivery = {.unordered = stream & 4, .reliability = stream % 3, .limit = 1},
        .label = {(const uint8_t *)"abcdef", bytes.n ? bytes.p[0] % 6u : 0},
    };
    uint8_t buf[DCEP_MESSAGE_MAX];

    say(client, stream, SCTP_PPID_DCEP,
        (struct span){buf, dcep_write_open(buf, sizeof buf, &open)});
}

static void finish_resets(struct client *client)
{
    for (uint16_t i = 0; i < STREAMS; i++)
        if (client->resetting & UINT64_C(1) << i)
            data_end_reset_done(client->end, i);
    client->resetting = 0;
}

static void act(unsigned what, struct client *client, uint16_t stream, struct span bytes)
{
    static const uint32_t ppids[] = {50, 51, 52, 53, 54, 56, 57, 0};
    struct client *other = &clients[stream % CLIENTS];

    switch (what) {
    case 0:
    case 1:
        open_channel(client, stream, bytes);
        break;
    case 2:
        say(client, stream, SCTP_PPID_DCEP, SPAN_LITERAL("\x02"));
        break;
    case 3:
        say(client, stream, ppids[bytes.n % ARRAY_LEN(ppids)], bytes);
        break;
    case 4:
        say(client, stream, SCTP_PPID_BINARY, SPAN_LITERAL("x"));
        break;
    case 5:
        data_end_reset(client->end, stream);
        break;
    case 6:
        finish_resets(client);
        break;
    case 7:
        client->full = !client->full;
        if (!client->full)
            data_end_flush(client->end);
        break;
    case 8:
        data_link_join(client->end, other->end);
        break;
    case 9:
        data_link_part(client->end);
        break;
    case 10:
        client->up = true;
        client->resetting = 0;
        data_end_up(client->end, stream);
        break;
    case 11:
        data_end_too_large(client->end, stream);
        break;
    case 12:
        data_end_flush(client->end);
        break;
    default:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span rest = {data, size};

    for (size_t i = 0; i < CLIENTS; i++) {
        const struct data_end_output output = {&clients[i], on_send, on_reset, on_wake};

        clients[i] = (struct client){.up = i > 0};
        MUST(data_end_create(&clients[i].end, &output, &stats, i == 2) == RC_OK);
        if (clients[i].up)
            data_end_up(clients[i].end, STREAMS);
    }
    while (rest.n >= 3) {
        const size_t n = rest.p[2] % 64 < rest.n - 3 ? rest.p[2] % 64 : rest.n - 3;

        act(rest.p[0] >> 4, &clients[rest.p[0] % CLIENTS], rest.p[1] % STREAMS,
            (struct span){rest.p + 3, n});
        check();
        rest = (struct span){rest.p + 3 + n, rest.n - 3 - n};
    }
    for (size_t i = 0; i < CLIENTS; i++) {
        clients[i].full = false;
        data_end_free(clients[i].end);
    }
    MUST(counter_get(&stats.channels) == 0);
    return 0;
}
