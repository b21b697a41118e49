#include "tests/app/turn_client_lib.h"

#include "app/turn_host.h"
#include "bench/turn_dialog_lib.h"
#include "turn/turn_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHANNEL = 0x4001, LONGEST = 2048 };

#define MUST(cond)                                                                             \
    do {                                                                                       \
        if (!(cond)) {                                                                         \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond);                         \
            abort();                                                                           \
        }                                                                                      \
    } while (0)

struct turn_client_lib {
    struct turn_account account;
    struct turn_dialog dialog;
    struct turn_stream stream; /* what a TCP connection has brought */
    bool tcp, answered;
    unsigned code;
    int fd;
};

struct turn_client_lib *turn_client_open(const struct address *server, bool tcp)
{
    struct turn_client_lib *client = calloc(1, sizeof *client);

    MUST(client);
    client->tcp = tcp;
    client->account = (struct turn_account){.name = "alice", .password = "wonder"};
    client->dialog = (struct turn_dialog){.account = &client->account, .channel = CHANNEL};
    client->fd = socket(AF_INET, tcp ? SOCK_STREAM : SOCK_DGRAM, 0);
    MUST(connect(client->fd, &server->sa, address_len(server)) == 0);
    MUST(fcntl(client->fd, F_SETFL, O_NONBLOCK) == 0);
    return client;
}

void turn_client_close(struct turn_client_lib *client)
{
    turn_stream_clear(&client->stream);
    close(client->fd);
    free(client);
}

static void send_bytes(const struct turn_client_lib *client, const uint8_t *bytes, size_t n)
{
    MUST(send(client->fd, bytes, n, MSG_NOSIGNAL) == (ssize_t)n || errno == EAGAIN ||
         errno == EPIPE || errno == ECONNRESET || errno == ECONNREFUSED);
}

void turn_client_ask(struct turn_client_lib *client, enum turn_client_ask what,
                     const struct address *peer)
{
    static const enum turn_ask asks[] = {
        [TURN_CLIENT_NONCE] = TURN_ASK_NONCE,
        [TURN_CLIENT_ALLOCATE] = TURN_ASK_ALLOCATION,
        [TURN_CLIENT_PERMIT] = TURN_ASK_PERMISSION,
        [TURN_CLIENT_BIND] = TURN_ASK_CHANNEL,
        [TURN_CLIENT_END] = TURN_ASK_END,
    };
    uint8_t request[TURN_ASK_MAX];

    client->answered = false;
    send_bytes(client, request, turn_dialog_ask(&client->dialog, asks[what], peer, request));
}

bool turn_client_answer(const struct turn_client_lib *client, unsigned *code)
{
    *code = client->dialog.asked == TURN_ASK_NONCE ? 0 : client->code;
    return client->answered;
}

struct address turn_client_relayed(const struct turn_client_lib *client)
{
    return client->dialog.relayed;
}

void turn_client_send(const struct turn_client_lib *client, const uint8_t *data, size_t len)
{
    uint8_t bytes[LONGEST] = {0};

    MUST(len + 8 <= sizeof bytes);
    store_be16(bytes, CHANNEL);
    store_be16(bytes + 2, (uint16_t)len);
    memcpy(bytes + 4, data, len);
    send_bytes(client, bytes, 4 + (client->tcp ? (len + 3) / 4 * 4 : len));
}

struct reader {
    void (*data)(void *arg, uint8_t *bytes, size_t n);
    void *arg;
};

static void on_message(struct turn_client_lib *client, struct span message,
                       const struct reader *reader)
{
    uint8_t data[LONGEST + 64];

    if (message.p[0] >> 6 == 0) {
        client->answered |=
            turn_dialog_answer(&client->dialog, message, &client->code) != TURN_NOT_MINE;
        return;
    }
    const size_t len = load_be16(message.p + 2);
    MUST(load_be16(message.p) == CHANNEL && len + 4 <= message.n && len <= LONGEST);
    memcpy(data, message.p + 4, len);
    reader->data(reader->arg, data, len);
}

void turn_client_read(struct turn_client_lib *client,
                      void (*data)(void *arg, uint8_t *bytes, size_t n), void *arg)
{
    const struct reader reader = {data, arg};
    struct span message;
    uint8_t bytes[2 * LONGEST];
    ssize_t n;

    while ((n = recv(client->fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0) {
        struct span rest = {bytes, (size_t)n};

        if (!client->tcp)
            on_message(client, rest, &reader);
        else
            while (turn_stream_next(&client->stream, sizeof bytes, &rest, &message) == RC_OK)
                on_message(client, message, &reader);
    }
}

/* --- the server ----------------------------------------------------------------------------
 */

struct turn_host *turn_client_host(struct loop *control, struct relay_options *media,
                                   bool relay_ports_none)
{
    static const char *const users[] = {"alice:wonder"};
    const struct turn_host_options options = {
        .auth = {.realm = "test", .user = users, .user_count = 1},
        .relay_ports_none = relay_ports_none,
        .media = media,
    };
    char error[TURN_HOST_ERROR_MAX];
    struct turn_host *host;

    MUST(turn_host_create(&host, &options, control, error) == RC_OK);
    media->guest = turn_host_guest;
    media->guest_arg = host;
    return host;
}

struct listener_protocol turn_client_host_streams(struct turn_host *host)
{
    MUST(turn_host_start_streams(host) == RC_OK);
    return turn_host_protocol(host);
}

uint64_t turn_client_host_allocations(const struct turn_host *host)
{
    return turn_host_allocations(host);
}

int turn_client_host_revoke(struct turn_host *host, const char *user)
{
    uint8_t id[TURN_USER_ID];

    turn_user_id(id, (struct span){(const uint8_t *)user, strlen(user)});
    return turn_host_revoke(host, id, 0);
}

void turn_client_host_stop(struct turn_host *host)
{
    turn_host_stop_streams(host);
}

void turn_client_host_free(struct turn_host *host)
{
    turn_host_free(host);
}
