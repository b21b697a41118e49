#include "tests/turn/dtls_client_lib.h"

#include "tests/sim/virtual_clock_lib.h"

#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#define MUST(cond) ((cond) ? (void)0 : abort())

void dtls_net_open(struct dtls_net *net, usec_t now)
{
    memset(net, 0, sizeof *net);
    net->now = now;
    virtual_clock_set(now);
    MUST(timers_create(&net->timers) == RC_OK);
    MUST(address_parse(&net->server, "198.51.100.1:3478") == RC_OK);
    net->context = SSL_CTX_new(DTLS_client_method());
    net->method = datagram_bio_method();
    MUST(net->context && net->method);
    SSL_CTX_set_options(net->context, SSL_OP_NO_QUERY_MTU);
}

static void remove_client(struct dtls_client *client)
{
    SSL_free(client->ssl);
    datagram_bio_clear(&client->bio);
    memset(client, 0, sizeof *client);
}

void dtls_net_close(struct dtls_net *net)
{
    for (size_t i = 0; i < DTLS_CLIENTS; i++)
        remove_client(&net->client[i]);
    SSL_CTX_free(net->context);
    BIO_meth_free(net->method);
    timers_free(net->timers);
}

static struct dtls_client *at(struct dtls_net *net, const struct address *address)
{
    for (size_t i = 0; i < DTLS_CLIENTS; i++)
        if (net->client[i].ssl && address_equal(&net->client[i].address, address))
            return &net->client[i];
    return NULL;
}

void dtls_net_send(void *arg, const struct address *remote, const struct address *local,
                   struct span bytes)
{
    struct dtls_net *net = arg;
    struct dtls_client *client = at(net, remote);

    MUST(address_equal(local, &net->server) && bytes.n > 0 && bytes.n <= 2048);
    if (!client) {
        net->strays++;
        net->stray_n = bytes.n;
        memcpy(net->stray, bytes.p, bytes.n);
        return;
    }
    if (net->lost && net->lost(net->sent++))
        return;
    MUST(client->inbox_n < DTLS_CLIENT_INBOX);
    client->inbox[client->inbox_n].n = bytes.n;
    memcpy(client->inbox[client->inbox_n++].bytes, bytes.p, bytes.n);
}

void dtls_net_inject(struct dtls_net *net, const struct address *from, struct span bytes)
{
    uint8_t *exact = malloc(bytes.n ? bytes.n : 1);

    MUST(exact);
    if (bytes.n > 0)
        memcpy(exact, bytes.p, bytes.n);
    turn_dtls_input(net->dtls, from, &net->server, (struct span){exact, bytes.n}, net->now);
    free(exact);
}

/* What the client has written goes to the server. */
static bool carry(struct dtls_net *net, struct dtls_client *client)
{
    uint8_t bytes[2048];
    bool moved = false;
    size_t n;

    while ((n = datagram_bio_take(&client->bio, bytes, sizeof bytes)) > 0) {
        moved = true;
        if (!net->lost || !net->lost(net->sent++))
            dtls_net_inject(net, &client->address, (struct span){bytes, n});
    }
    return moved;
}

static void step(struct dtls_client *client)
{
    ERR_clear_error();
    if (!client->connected)
        client->connected = SSL_connect(client->ssl) == 1;
    while (client->connected && !client->closed) {
        const int n = SSL_read(client->ssl, client->last, sizeof client->last);
        if (n <= 0) {
            client->closed = SSL_get_error(client->ssl, n) == SSL_ERROR_ZERO_RETURN;
            break;
        }
        client->last_n = (size_t)n;
        client->received++;
    }
    ERR_clear_error();
}

/* What the server has sent goes to the client. */
static bool receive(struct dtls_client *client)
{
    const size_t n = client->inbox_n;

    for (size_t i = 0; i < n; i++) {
        client->bio.in = (struct span){client->inbox[i].bytes, client->inbox[i].n};
        step(client);
    }
    memmove(client->inbox, client->inbox + n, (client->inbox_n - n) * sizeof *client->inbox);
    client->inbox_n -= n;
    return n > 0;
}

void dtls_net_settle(struct dtls_net *net)
{
    bool moved;

    do {
        moved = false;
        for (size_t i = 0; i < DTLS_CLIENTS; i++) {
            struct dtls_client *client = &net->client[i];

            if (!client->ssl)
                continue;
            moved |= receive(client);
            moved |= carry(net, client);
        }
    } while (moved);
}

static usec_t client_due(struct dtls_net *net, struct dtls_client *client)
{
    struct timeval left;

    if (!client->ssl || client->connected || DTLSv1_get_timeout(client->ssl, &left) != 1)
        return USEC_NEVER;
    const usec_t wait = SEC(left.tv_sec) + (usec_t)left.tv_usec;
    return net->now + (wait > MSEC(1) ? wait : MSEC(1));
}

void dtls_net_run(struct dtls_net *net, usec_t until)
{
    for (;;) {
        usec_t next = timers_next(net->timers);

        dtls_net_settle(net);
        for (size_t i = 0; i < DTLS_CLIENTS; i++) {
            const usec_t due = client_due(net, &net->client[i]);
            next = due < next ? due : next;
        }
        if (next > until)
            break;
        net->now = next;
        virtual_clock_set(net->now);
        timers_run(net->timers, net->now);
        for (size_t i = 0; i < DTLS_CLIENTS; i++) {
            struct dtls_client *client = &net->client[i];
            if (client->ssl && !client->connected)
                (void)DTLSv1_handle_timeout(client->ssl);
        }
        ERR_clear_error();
    }
    net->now = until;
    virtual_clock_set(until);
    dtls_net_settle(net);
}

struct dtls_client *dtls_net_client(struct dtls_net *net, unsigned slot, unsigned host,
                                    unsigned port)
{
    struct dtls_client *client = &net->client[slot];
    char text[ADDRESS_TEXT_MAX];
    BIO *bio;

    remove_client(client);
    snprintf(text, sizeof text, "192.0.2.%u:%u", host, port);
    MUST(address_parse(&client->address, text) == RC_OK);
    client->ssl = SSL_new(net->context);
    bio = datagram_bio_open(net->method, &client->bio);
    MUST(client->ssl && bio);
    SSL_set_bio(client->ssl, bio, bio);
    SSL_set_mtu(client->ssl, 1200);
    step(client);
    return client;
}

void dtls_client_say(struct dtls_net *net, struct dtls_client *client, struct span message)
{
    MUST(SSL_write(client->ssl, message.p, (int)message.n) == (int)message.n);
    dtls_net_settle(net);
}

void dtls_client_leave(struct dtls_net *net, struct dtls_client *client)
{
    (void)SSL_shutdown(client->ssl);
    dtls_net_settle(net);
}
