#include "tests/signaling/web_lib.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SETTLE_TURNS = 12 };

static void nothing(void *arg)
{
    (void)arg;
}

void web_open(struct web *web, const struct http_options *options)
{
    if (loop_create(&web->loop, "test", 0) != RC_OK ||
        http_server_create(&web->server, web->loop, options) != RC_OK)
        abort();
}

void web_close(struct web *web)
{
    http_server_free(web->server);
    loop_free(web->loop);
}

void web_settle(struct web *web)
{
    for (int i = 0; i < SETTLE_TURNS; i++) {
        loop_defer(web->loop, nothing, NULL); /* so that the turn does not wait */
        loop_turn(web->loop);
    }
}

void web_pass(struct web *web, usec_t time)
{
    timers_run(loop_timers(web->loop), loop_now(web->loop) + time);
    web_settle(web);
}

static void on_read(struct bufferevent *bev, void *arg)
{
    struct web_client *client = arg;
    struct evbuffer *input = bufferevent_get_input(bev);
    const size_t n = evbuffer_get_length(input);
    char *text = realloc(client->text, client->n + n + 1);

    if (!text)
        abort();
    evbuffer_remove(input, text + client->n, n);
    client->text = text;
    client->n += n;
    client->text[client->n] = '\0';
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    struct web_client *client = arg;

    if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) {
        on_read(bev, arg);
        client->ended = true;
    }
}

struct web_client *web_connect_from(struct web *web, const char *from)
{
    struct web_client *client = calloc(1, sizeof *client);
    struct bufferevent *pair[2];
    struct address address;

    if (!client || address_parse(&address, from) != RC_OK ||
        bufferevent_pair_new(loop_base(web->loop), BEV_OPT_DEFER_CALLBACKS, pair) != 0)
        abort();
    client->web = web;
    client->bev = pair[0];
    client->text = calloc(1, 1);
    bufferevent_setcb(client->bev, on_read, NULL, on_event, client);
    bufferevent_enable(client->bev, EV_READ | EV_WRITE);
    http_server_accept(web->server, NULL, pair[1], &address, false);
    return client;
}

struct web_client *web_connect(struct web *web)
{
    return web_connect_from(web, "192.0.2.1:4000");
}

void web_send(struct web_client *client, const void *bytes, size_t n)
{
    bufferevent_write(client->bev, bytes, n);
    web_settle(client->web);
}

void web_say(struct web_client *client, const char *text)
{
    web_send(client, text, strlen(text));
}

void web_hang_up(struct web_client *client)
{
    bufferevent_flush(client->bev, EV_WRITE, BEV_FINISHED);
    web_settle(client->web);
}

void web_read(struct web_client *client, bool on)
{
    if (on)
        bufferevent_enable(client->bev, EV_READ);
    else
        bufferevent_disable(client->bev, EV_READ);
    web_settle(client->web);
}

void web_take(struct web_client *client, size_t n)
{
    if (n > client->n)
        n = client->n;
    client->n -= n;
    memmove(client->text, client->text + n, client->n + 1);
}

void web_free(struct web_client *client)
{
    bufferevent_flush(client->bev, EV_WRITE, BEV_FINISHED);
    bufferevent_setcb(client->bev, NULL, NULL, NULL, NULL);
    bufferevent_free(client->bev);
    web_settle(client->web);
    free(client->text);
    free(client);
}

size_t web_frame(uint8_t *out, uint8_t first, const void *payload, size_t n)
{
    static const uint8_t mask[4] = {1, 2, 3, 4};
    const uint8_t *from = payload;
    size_t at = 2;

    out[0] = first;
    out[1] = (uint8_t)(0x80 | (n <= 125 ? n : n <= 65535 ? 126 : 127));
    if (n > 65535) {
        store_be64(out + 2, n);
        at = 10;
    } else if (n > 125) {
        store_be16(out + 2, (uint16_t)n);
        at = 4;
    }
    memcpy(out + at, mask, 4);
    at += 4;
    for (size_t i = 0; i < n; i++)
        out[at + i] = from[i] ^ mask[i % 4];
    return at + n;
}

void web_send_frame(struct web_client *client, uint8_t first, const void *payload, size_t n)
{
    uint8_t *frame = malloc(n + 14);

    if (!frame)
        abort();
    web_send(client, frame, web_frame(frame, first, payload, n));
    free(frame);
}

void web_say_upgrade(struct web_client *client, const char *path, const char *extra)
{
    char text[1024];

    snprintf(
        text, sizeof text,
        "GET %s HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n",
        path, extra);
    web_say(client, text);
}
