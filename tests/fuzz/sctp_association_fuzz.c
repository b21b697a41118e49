/*
 * Fuzzes what an SCTP client may say: the input is a row of packets' chunks, sent behind right
 * headers and checksums by a client that is connected, linked and has a channel. Two others
 * talk all the while and must not be disturbed; nothing may be left over.
 */
#include "relay/data_switch.h"
#include "relay/sctp_association.h"
#include "tests/sim/sctp_client_lib.h"
#include "tests/sim/virtual_clock_lib.h"

#include <stdlib.h>
#include <string.h>

#define MUST(cond) ((cond) ? (void)0 : abort()) /* active in every build, unlike assert */
#define CLIENTS 4 /* 0 is hostile and linked with 1; 2 is linked with 3 */
#define QUEUE_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct data_switch *sw;
static uint64_t first_id = 1; /* of this run's clients */
static usec_t now = SEC(1000);

static struct client {
    struct sctp_client *sctp;
    unsigned heard;
} clients[CLIENTS];

static struct packet {
    uint64_t peer;
    bool to_server;
    size_t n;
    uint8_t bytes[1500];
} queue[QUEUE_MAX];
static size_t queue_first, queue_count;

static void put(uint64_t peer, bool to_server, struct span bytes)
{
    struct packet *packet = &queue[(queue_first + queue_count) % QUEUE_MAX];

    MUST(bytes.n <= sizeof packet->bytes);
    if (queue_count == QUEUE_MAX)
        return;
    packet->peer = peer;
    packet->to_server = to_server;
    packet->n = bytes.n;
    memcpy(packet->bytes, bytes.p, bytes.n);
    queue_count++;
}

static void to_client(void *arg, unsigned worker, uint64_t peer, struct span packet)
{
    (void)arg;
    (void)worker;
    MUST(packet.n <= SCTP_PACKET_MAX);
    put(peer, false, packet);
}

static void to_server(void *arg, struct span packet)
{
    put(first_id + (uint64_t)((struct client *)arg - clients), true, packet);
}

static void deliver(void)
{
    for (unsigned n = 0; queue_count && n < 4 * QUEUE_MAX; n++) {
        const struct packet packet = queue[queue_first];

        queue_first = (queue_first + 1) % QUEUE_MAX;
        queue_count--;
        if (packet.to_server)
            data_switch_input(sw, packet.peer, (struct span){packet.bytes, packet.n}, now);
        else if (packet.peer >= first_id)
            sctp_client_input(clients[packet.peer - first_id].sctp,
                              (struct span){packet.bytes, packet.n});
    }
    queue_count = 0;
}

static void pass(usec_t duration)
{
    const usec_t until = now + duration;

    deliver();
    while (now < until) {
        now += SCTP_TICK;
        virtual_clock_set(now);
        data_switch_tick(sw, now);
        deliver();
    }
}

static void on_message(void *arg, const struct sctp_client_message *m)
{
    struct client *client = arg;

    if (m->ppid == SCTP_PPID_STRING)
        client->heard++;
}

static void on_reset(void *arg, uint16_t stream)
{
    sctp_client_reset(((struct client *)arg)->sctp, stream);
}

static void arrive(size_t i)
{
    const struct sctp_client_output output = {&clients[i], to_server, on_message, on_reset};
    const struct data_switch_peer peer = {
        .id = first_id + i,
        .data = {.present = true,
                 .remote_sctp_port = SCTP_CLIENT_PORT,
                 .local_sctp_port = SCTP_CLIENT_PORT,
                 .max_message_size = SCTP_MESSAGE_MAX,
                 .local_max_message_size = SCTP_MESSAGE_MAX},
    };

    clients[i] = (struct client){.sctp = sctp_client_create(&output, (uint32_t)i + 5)};
    MUST(data_switch_open(sw, &peer) == RC_OK);
    sctp_client_connect(clients[i].sctp);
    sctp_client_open(clients[i].sctp, 0, 0, 0, "chat");
}

static void say_hello(size_t i)
{
    sctp_client_send(clients[i].sctp, &(struct sctp_client_message){0, SCTP_PPID_STRING, false,
                                                                    SPAN_LITERAL("hello")});
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span rest = {data, size < 8192 ? size : 8192};

    if (!sw)
        MUST(data_switch_create(&sw, &(struct data_switch_output){to_client, NULL}) == RC_OK);
    virtual_clock_set(now);
    for (size_t i = 0; i < CLIENTS; i++)
        arrive(i);
    pass(MSEC(80));
    data_switch_link(sw, first_id, first_id + 1);
    data_switch_link(sw, first_id + 2, first_id + 3);
    pass(MSEC(80));

    while (rest.n > 2) {
        const size_t want = load_be16(rest.p) % 1100, left = rest.n - 2;
        const size_t n = want < left ? want : left;

        sctp_client_send_chunks(clients[0].sctp, (struct span){rest.p + 2, n});
        deliver();
        rest = (struct span){rest.p + 2 + n, left - n};
    }
    pass(MSEC(400));
    say_hello(2);
    say_hello(3);
    pass(MSEC(400));
    MUST(clients[2].heard == 1 && clients[3].heard == 1);

    for (size_t i = 0; i < CLIENTS; i++) {
        data_switch_close(sw, first_id + i);
        sctp_client_free(clients[i].sctp);
        clients[i].sctp = NULL;
    }
    queue_count = 0;
    first_id += CLIENTS;
    MUST(counter_get(&data_switch_stats(sw)->associations) == 0);
    MUST(counter_get(&data_switch_stats(sw)->link.channels) == 0);
    return 0;
}
