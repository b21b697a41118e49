#include "signaling/websocket.h"

#include "signaling/message_codec.h"
#include "tests/signaling/web_lib.h"
#include "tests/t.h"

/* ---- a server that echoes, and a client that has shaken hands
 * -------------------------------- */

static struct web web;
static struct websockets *all;
static struct websocket *last; /* accepted last, NULL once closed */
static struct websocket_options options;
static unsigned messages, closes, drains;
static size_t last_length;
static uint16_t close_code;
static enum refusal close_why;
static void (*on_message)(struct websocket *ws, enum websocket_kind kind, struct span message);

static void echo(struct websocket *ws, enum websocket_kind kind, struct span message)
{
    websocket_send(ws, kind, message);
}

static void message_came(struct websocket *ws, void *arg, enum websocket_kind kind,
                         struct span message)
{
    T_OK(arg == &web);
    messages++;
    last_length = message.n;
    if (on_message)
        on_message(ws, kind, message);
}

static void closed(struct websocket *ws, void *arg, uint16_t code, enum refusal why)
{
    (void)arg;
    T_OK(ws == last);
    last = NULL;
    closes++;
    close_code = code;
    close_why = why;
}

static void drained(struct websocket *ws, void *arg)
{
    (void)ws;
    (void)arg;
    drains++;
}

static const struct websocket_callbacks callbacks = {message_came, closed, drained};

static void accept_it(struct http_request *request, void *arg)
{
    (void)arg;
    last = websocket_accept(all, request, &options, &callbacks, &web);
}

static const struct http_route routes[] = {
    {.path = "/ws", .methods = METHOD_GET | METHOD_POST, .handle = accept_it},
};

static void set_up(void)
{
    const struct http_options http = {.routes = routes, .route_count = ARRAY_LEN(routes)};

    web_open(&web, &http);
    T_EQ(websockets_create(&all, web.loop), RC_OK);
    last = NULL;
    options = (struct websocket_options){0};
    messages = closes = drains = 0;
    close_code = 0;
    close_why = REFUSAL_NONE;
    on_message = echo;
}

static void tear_down(void)
{
    websockets_free(all);
    web_close(&web);
}

/* A client behind the handshake, with its answer taken away. */
static struct web_client *shake_hands(const char *extra)
{
    struct web_client *client = web_connect(&web);

    web_say_upgrade(client, "/ws", extra);
    T_OK(strstr(client->text, "HTTP/1.1 101 "));
    T_OK(last);
    web_take(client, client->n);
    return client;
}

#define DEFLATE "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"

static bool received(const struct web_client *client, const void *bytes, size_t n)
{
    return client->n == n && memcmp(client->text, bytes, n) == 0;
}

#define RECEIVED(client, literal) T_OK(received(client, literal, sizeof(literal) - 1))

/* ---- the handshake
 * --------------------------------------------------------------------------- */

static void handshake_is_that_of_the_rfc(void)
{
    set_up();
    struct web_client *client = web_connect(&web);

    web_say_upgrade(client, "/ws", "");
    T_OK(strstr(client->text, "HTTP/1.1 101 Switching Protocols\r\n") == client->text);
    T_OK(strstr(client->text, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    T_OK(!strstr(client->text, "Sec-WebSocket-Extensions"));
    T_EQ(websockets_count(all), 1);
    T_EQ(counter_get(&http_server_stats(web.server)->connections_open), 0);
    web_free(client);
    T_EQ(closes, 1);
    T_EQ(close_code, WEBSOCKET_ABNORMAL);
    T_EQ(websockets_count(all), 0);
    tear_down();
}

static void malformed_handshakes_are_refused(void)
{
    static const struct {
        const char *head, *status;
    } rows[] = {
        {"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 8\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
         "426"},
        {"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ==\r\n",
         "400"},
        {"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n", "400"},
        {"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
         "400"},
        {"Upgrade: h2c\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
         "400"},
        {"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
         "400"},
    };
    set_up();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct web_client *client = web_connect(&web);
        const uint64_t before = refusal_total(REFUSAL_BAD_WEBSOCKET);

        web_say(client, "GET /ws HTTP/1.1\r\nHost: here\r\n");
        web_say(client, rows[i].head);
        web_say(client, "\r\n");
        T_MEM(client->text + 9, rows[i].status, 3);
        T_OK(strstr(client->text, "\"code\":\"bad_websocket\""));
        T_EQ(refusal_total(REFUSAL_BAD_WEBSOCKET), before + 1);
        T_EQ(websockets_count(all), 0);
        web_free(client);
    }
    tear_down();
}

static void frames_right_behind_the_handshake_are_read(void)
{
    set_up();
    struct web_client *client = web_connect(&web);
    char text[512];
    const int head = snprintf(text, sizeof text,
                              "GET /ws HTTP/1.1\r\nHost: here\r\nUpgrade: WebSocket\r\n"
                              "Connection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    const size_t n = web_frame((uint8_t *)text + head, 0x81, "hi", 2);

    web_send(client, text, (size_t)head + n);
    T_EQ(messages, 1);
    T_OK(client->n > 4 && memcmp(client->text + client->n - 4, "\x81\x02hi", 4) == 0);
    web_free(client);
    tear_down();
}

static void extra_fields_go_into_the_answer(void)
{
    static const struct http_field fields[] = {{"Set-Cookie", "io=abc"}, {NULL, NULL}};
    set_up();
    struct web_client *client = web_connect(&web);

    options.fields = fields;
    web_say_upgrade(client, "/ws", "");
    T_OK(strstr(client->text, "\r\nSet-Cookie: io=abc\r\n"));
    web_free(client);
    tear_down();
}

/* ---- messages
 * -------------------------------------------------------------------------------- */

static void echoes_text_and_binary_of_every_length_form(void)
{
    static const size_t lengths[] = {0, 1, 125, 126, 65535, 65536, 200000};
    static uint8_t payload[200000];
    set_up();
    struct web_client *client = shake_hands("");

    memset(payload, 'x', sizeof payload);
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        const size_t n = lengths[i];

        web_send_frame(client, i % 2 ? 0x81 : 0x82, payload, n);
        const size_t header = n <= 125 ? 2 : n <= 65535 ? 4 : 10;
        T_EQ(client->n, header + n);
        T_EQ((uint8_t)client->text[0], i % 2 ? 0x81 : 0x82);
        T_MEM(client->text + header, payload, n);
        web_take(client, client->n);
    }
    T_EQ(messages, ARRAY_LEN(lengths));
    web_free(client);
    tear_down();
}

static void fragments_become_one_message_with_a_ping_between(void)
{
    set_up();
    struct web_client *client = shake_hands("");

    web_send_frame(client, 0x01, "Hel", 3);
    web_send_frame(client, 0x89, "p", 1);
    RECEIVED(client, "\x8a\x01p");
    web_take(client, client->n);
    web_send_frame(client, 0x80, "lo", 2);
    RECEIVED(client, "\x81\x05Hello");
    web_free(client);
    tear_down();
}

static void bytes_one_at_a_time_are_the_same(void)
{
    set_up();
    struct web_client *client = shake_hands("");
    uint8_t frame[300];
    const size_t n = web_frame(frame, 0x81, "0123456789", 10);

    for (size_t i = 0; i < n; i++)
        web_send(client, frame + i, 1);
    RECEIVED(client, "\x81\x0a"
                     "0123456789");
    web_free(client);
    tear_down();
}

static void many_frames_at_once_come_in_order(void)
{
    set_up();
    struct web_client *client = shake_hands("");
    uint8_t frames[1000 * 8];
    size_t n = 0;

    for (int i = 0; i < 1000; i++) {
        const uint8_t payload[2] = {(uint8_t)(i / 256), (uint8_t)i};
        n += web_frame(frames + n, 0x82, payload, 2);
    }
    web_send(client, frames, n);
    T_EQ(messages, 1000);
    T_EQ(client->n, 4000);
    for (int i = 0; i < 1000; i++)
        T_EQ(load_be16((uint8_t *)client->text + i * 4 + 2), i);
    web_free(client);
    tear_down();
}

/* ---- what a client must not do
 * ---------------------------------------------------------------- */

/* clang-format off */
static const struct {
    const char *what;
    const char *bytes; size_t n;
    uint16_t code;
    enum refusal why;
} wrongs[] = {
#define ROW(what, bytes, code, why) {what, bytes, sizeof(bytes) - 1, code, REFUSAL_##why}
    ROW("a frame without a mask",        "\x81\x02hi", 1002, BAD_WEBSOCKET),
    ROW("RSV1 without the extension",    "\xc1\x81\0\0\0\0a", 1002, BAD_WEBSOCKET),
    ROW("RSV2",                          "\xa1\x81\0\0\0\0a", 1002, BAD_WEBSOCKET),
    ROW("RSV3",                          "\x91\x81\0\0\0\0a", 1002, BAD_WEBSOCKET),
    ROW("opcode 3",                      "\x83\x81\0\0\0\0a", 1002, BAD_WEBSOCKET),
    ROW("opcode 11",                     "\x8b\x80\0\0\0\0", 1002, BAD_WEBSOCKET),
    ROW("a ping of 126 bytes",           "\x89\xfe\x00\x7e\0\0\0\0", 1002, BAD_WEBSOCKET),
    ROW("a ping in pieces",              "\x09\x80\0\0\0\0", 1002, BAD_WEBSOCKET),
    ROW("a continuation of nothing",     "\x80\x81\0\0\0\0a", 1002, BAD_WEBSOCKET),
    ROW("a text inside a text",          "\x01\x81\0\0\0\0a" "\x81\x81\0\0\0\0a", 1002, BAD_WEBSOCKET),
    ROW("a length longer than needed",   "\x81\xfe\x00\x05\0\0\0\0abcde", 1002, BAD_WEBSOCKET),
    ROW("a 64-bit length under 65536",   "\x81\xff\0\0\0\0\0\0\0\x05\0\0\0\0abcde", 1002, BAD_WEBSOCKET),
    ROW("a length of 2^63",              "\x81\xff\x80\0\0\0\0\0\0\0\0\0\0\0a", 1002, BAD_WEBSOCKET),
    ROW("a length over the limit",       "\x82\xff\0\0\0\0\0\x10\0\0\0\0\0\0a", 1009, MESSAGE_TOO_LARGE),
    ROW("an enormous length",            "\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0a", 1009, MESSAGE_TOO_LARGE),
    ROW("text that is not UTF-8",        "\x81\x82\0\0\0\0\xc3\x28", 1007, BAD_WEBSOCKET),
    ROW("half a character at the end",   "\x81\x81\0\0\0\0\xc3", 1007, BAD_WEBSOCKET),
    ROW("a surrogate",                   "\x81\x83\0\0\0\0\xed\xa0\x80", 1007, BAD_WEBSOCKET),
    ROW("a close of one byte",           "\x88\x81\0\0\0\0a", 1002, BAD_WEBSOCKET),
    ROW("a close with code 1005",        "\x88\x82\0\0\0\0\x03\xed", 1002, BAD_WEBSOCKET),
    ROW("a close with code 999",         "\x88\x82\0\0\0\0\x03\xe7", 1002, BAD_WEBSOCKET),
    ROW("a close whose reason is no UTF-8", "\x88\x83\0\0\0\0\x03\xe8\xff", 1007, BAD_WEBSOCKET),
#undef ROW
};
/* clang-format on */

static void every_wrong_frame_ends_the_connection_with_its_code(void)
{
    set_up();
    for (size_t i = 0; i < ARRAY_LEN(wrongs); i++) {
        struct web_client *client = shake_hands("");
        const uint64_t before = refusal_total(wrongs[i].why);
        const uint8_t close_frame[] = {0x88, 2, (uint8_t)(wrongs[i].code >> 8),
                                       (uint8_t)wrongs[i].code};

        printf("#   %s\n", wrongs[i].what);
        messages = closes = 0;
        web_send(client, wrongs[i].bytes, wrongs[i].n);
        T_EQ(messages, 0);
        T_EQ(closes, 1);
        T_EQ(close_code, wrongs[i].code);
        T_EQ(close_why, wrongs[i].why);
        T_EQ(refusal_total(wrongs[i].why), before + 1);
        T_OK(received(client, close_frame, sizeof close_frame));
        web_pass(&web, HTTP_LINGER_TIMEOUT);
        T_OK(client->ended);
        T_EQ(websockets_count(all), 0);
        web_free(client);
    }
    tear_down();
}

static void fragments_that_add_up_over_the_limit_are_refused(void)
{
    static uint8_t payload[600000];
    set_up();
    struct web_client *client = shake_hands("");

    web_send_frame(client, 0x02, payload, sizeof payload);
    T_EQ(closes, 0);
    web_send_frame(client, 0x80, payload, sizeof payload);
    T_EQ(closes, 1);
    T_EQ(close_code, WEBSOCKET_TOO_BIG);
    web_free(client);
    tear_down();
}

static void a_message_that_never_ends_is_cut_off(void)
{
    set_up();
    struct web_client *client = shake_hands("");

    web_send_frame(client, 0x01, "ab", 2);
    web_pass(&web, WEBSOCKET_MESSAGE_TIMEOUT - SEC(1));
    T_EQ(closes, 0);
    web_send_frame(client, 0x89, "x", 1); /* a ping wins no time */
    web_pass(&web, WEBSOCKET_MESSAGE_TIMEOUT + SEC(1));
    T_EQ(closes, 1);
    T_EQ(close_why, REFUSAL_REQUEST_TIMEOUT);
    T_EQ(close_code, WEBSOCKET_POLICY);
    web_free(client);

    client = shake_hands("");
    web_send(client, "\x81\x85\0\0\0\0ab", 8);
    web_pass(&web, WEBSOCKET_MESSAGE_TIMEOUT + SEC(1));
    T_EQ(closes, 2);
    web_free(client);
    tear_down();
}

static void an_idle_connection_has_no_deadline(void)
{
    set_up();
    struct web_client *client = shake_hands("");

    web_send_frame(client, 0x81, "hello", 5);
    web_pass(&web, SEC(100000));
    T_EQ(closes, 0);
    T_OK(!client->ended);
    web_free(client);
    tear_down();
}

static void a_client_that_does_not_read_is_cut_off_at_the_limit(void)
{
    static uint8_t payload[100000];
    set_up();
    struct web_client *client = shake_hands("");
    const uint64_t before = refusal_total(REFUSAL_SLOW_READER);
    int sent = 0;

    web_read(client, false);
    while (last && websocket_send(last, WEBSOCKET_BINARY,
                                  (struct span){payload, sizeof payload}) == RC_OK)
        sent++;
    T_EQ(sent, WEBSOCKET_OUTPUT_MAX / 100010);
    T_EQ(closes, 0); /* never from inside websocket_send */
    T_OK(websocket_buffered(last) <= WEBSOCKET_OUTPUT_MAX);
    T_EQ(websocket_send(last, WEBSOCKET_BINARY, (struct span){payload, 1}), RC_AGAIN);
    web_settle(&web);
    T_EQ(closes, 1);
    T_EQ(close_why, REFUSAL_SLOW_READER);
    T_EQ(refusal_total(REFUSAL_SLOW_READER), before + 1);
    T_OK(client->ended);
    web_free(client);
    tear_down();
}

static void a_flood_of_pings_without_reading_ends_at_the_limit(void)
{
    static uint8_t frames[131 * 500];
    char payload[125] = {0};
    size_t n = 0;
    set_up();
    struct web_client *client = shake_hands("");

    while (n + 131 <= sizeof frames)
        n += web_frame(frames + n, 0x89, payload, sizeof payload);
    web_read(client, false);
    for (int i = 0; i < 100 && last; i++)
        web_send(client, frames, n);
    T_EQ(closes, 1);
    T_EQ(close_why, REFUSAL_SLOW_READER);
    web_free(client);
    tear_down();
}

/* ---- permessage-deflate
 * ----------------------------------------------------------------------- */

static void long_messages_are_deflated_and_short_ones_are_not(void)
{
    static char text[5000];
    struct message_codec *codec;
    struct span inflated;
    set_up();
    T_EQ(message_codec_create(&codec), RC_OK);
    struct web_client *client = web_connect(&web);

    web_say_upgrade(client, "/ws", DEFLATE);
    T_OK(strstr(client->text, "Sec-WebSocket-Extensions: permessage-deflate; "
                              "server_no_context_takeover; client_no_context_takeover\r\n"));
    web_take(client, client->n);

    memset(text, 'a', sizeof text);
    T_EQ(websocket_send(last, WEBSOCKET_TEXT, (struct span){(uint8_t *)text, 1024}), RC_OK);
    web_settle(&web);
    T_EQ((uint8_t)client->text[0], 0x81);
    web_take(client, client->n);

    for (int again = 0; again < 2; again++) { /* no context is taken over */
        websocket_send(last, WEBSOCKET_TEXT, (struct span){(uint8_t *)text, sizeof text});
        web_settle(&web);
        T_EQ((uint8_t)client->text[0], 0xc1);
        T_OK(client->n < 100);
        const struct span payload = {(uint8_t *)client->text + 2, client->n - 2};
        T_EQ(message_inflate(codec, payload, 10000, &inflated), RC_OK);
        T_EQ(inflated.n, sizeof text);
        T_MEM(inflated.p, text, sizeof text);
        web_take(client, client->n);
    }
    web_free(client);
    message_codec_free(codec);
    tear_down();
}

static void deflated_messages_are_read_whole_and_in_pieces(void)
{
    /* RFC 7692 section 7.2.3.1: "Hello" */
    static const char hello[] = "\xf2\x48\xcd\xc9\xc9\x07\x00";
    set_up();
    struct web_client *client = shake_hands(DEFLATE);

    web_send_frame(client, 0xc1, hello, 7);
    RECEIVED(client, "\x81\x05Hello");
    web_take(client, client->n);
    web_send_frame(client, 0x41, hello, 3);
    web_send_frame(client, 0x80, hello + 3, 4);
    RECEIVED(client, "\x81\x05Hello");
    web_take(client, client->n);
    web_send_frame(client, 0x81, "plain", 5);
    RECEIVED(client, "\x81\x05plain");
    web_free(client);
    tear_down();
}

/* Sends `text` deflated as one message of that first byte. */
static void send_deflated(struct web_client *client, uint8_t first, const void *text, size_t n)
{
    struct message_codec *codec;
    struct span small;

    T_EQ(message_codec_create(&codec), RC_OK);
    T_EQ(message_deflate(codec, (struct span){text, n}, &small), RC_OK);
    web_send_frame(client, first, small.p, small.n);
    message_codec_free(codec);
}

static void a_zip_bomb_is_refused_at_the_limit(void)
{
    static uint8_t zeros[8 * 1000 * 1000];
    set_up();
    struct web_client *client = shake_hands(DEFLATE);
    const uint64_t before = refusal_total(REFUSAL_MESSAGE_TOO_LARGE);

    send_deflated(client, 0xc2, zeros, 1000000);
    T_EQ(messages, 1);
    T_EQ(last_length, 1000000);
    web_take(client, client->n);
    send_deflated(client, 0xc2, zeros, sizeof zeros);
    T_EQ(messages, 1);
    T_EQ(closes, 1);
    T_EQ(close_code, WEBSOCKET_TOO_BIG);
    T_EQ(refusal_total(REFUSAL_MESSAGE_TOO_LARGE), before + 1);
    web_free(client);
    tear_down();
}

static void utf8_is_checked_after_inflating(void)
{
    char text[200];
    set_up();
    struct web_client *client = shake_hands(DEFLATE);

    memset(text, 'a', sizeof text);
    text[100] = (char)0xff;
    send_deflated(client, 0xc1, text, sizeof text);
    T_EQ(closes, 1);
    T_EQ(close_code, WEBSOCKET_BAD_DATA);
    web_free(client);
    tear_down();
}

static void what_is_not_deflate_is_refused(void)
{
    static const struct {
        const char *what, *bytes;
        size_t n;
    } rows[] = {
        {"block type 3", "\x07\xff\xff", 3},
        {"a message cut in half", "\xf2\x48\xcd", 3},
        {"a stored block with a wrong length", "\x00\x05\x00\x00\x00hello", 10},
        {"a distance too far back", "\x4b\x04\x52\x00", 4},
    };
    set_up();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct web_client *client = shake_hands(DEFLATE);

        printf("#   %s\n", rows[i].what);
        closes = 0;
        web_send_frame(client, 0xc1, rows[i].bytes, rows[i].n);
        T_EQ(closes, 1);
        T_EQ(close_code, WEBSOCKET_BAD_DATA);
        web_free(client);
    }
    tear_down();
}

static void rsv1_on_a_continuation_or_a_ping_is_refused(void)
{
    set_up();
    struct web_client *client = shake_hands(DEFLATE);

    web_send_frame(client, 0x01, "a", 1);
    web_send_frame(client, 0xc0, "b", 1);
    T_EQ(close_code, WEBSOCKET_PROTOCOL_ERROR);
    web_free(client);
    client = shake_hands(DEFLATE);
    close_code = 0;
    web_send_frame(client, 0xc9, "b", 1);
    T_EQ(close_code, WEBSOCKET_PROTOCOL_ERROR);
    web_free(client);
    tear_down();
}

/* ---- closing
 * --------------------------------------------------------------------------------- */

static void the_clients_close_is_answered(void)
{
    set_up();
    struct web_client *client = shake_hands("");

    web_send_frame(client, 0x88, "\x03\xe9gone", 6);
    RECEIVED(client, "\x88\x02\x03\xe9");
    T_EQ(closes, 1);
    T_EQ(close_code, 1001);
    T_EQ(close_why, REFUSAL_NONE);
    T_OK(client->ended);
    web_free(client);

    client = shake_hands("");
    web_send_frame(client, 0x88, "", 0);
    RECEIVED(client, "\x88\x00");
    T_EQ(close_code, WEBSOCKET_NO_STATUS);
    T_OK(client->ended);
    web_free(client);
    tear_down();
}

static void our_close_waits_for_the_clients(void)
{
    set_up();
    struct web_client *client = shake_hands("");

    websocket_close(last, WEBSOCKET_GOING_AWAY);
    websocket_close(last, WEBSOCKET_NORMAL); /* too late: once is enough */
    web_settle(&web);
    RECEIVED(client, "\x88\x02\x03\xe9");
    T_EQ(closes, 0);
    web_send_frame(client, 0x81, "late", 4);
    T_EQ(messages, 0);
    web_send_frame(client, 0x88, "\x03\xe9", 2);
    T_EQ(closes, 1);
    T_EQ(close_code, WEBSOCKET_GOING_AWAY);
    T_OK(client->ended);
    web_free(client);
    tear_down();
}

static void a_client_that_ignores_our_close_is_cut_off(void)
{
    set_up();
    struct web_client *client = shake_hands("");

    websocket_close(last, WEBSOCKET_NORMAL);
    web_send_frame(client, 0x81, "still here", 10);
    web_pass(&web, WEBSOCKET_CLOSE_TIMEOUT + SEC(1));
    T_EQ(closes, 1);
    T_EQ(close_code, WEBSOCKET_NORMAL);
    T_OK(client->ended);
    web_free(client);
    tear_down();
}

static void close_in_message(struct websocket *ws, enum websocket_kind kind,
                             struct span message)
{
    (void)kind;
    (void)message;
    websocket_send(ws, WEBSOCKET_TEXT, SPAN_LITERAL("bye"));
    websocket_close(ws, WEBSOCKET_NORMAL);
}

static void abort_in_message(struct websocket *ws, enum websocket_kind kind,
                             struct span message)
{
    (void)kind;
    (void)message;
    websocket_abort(ws);
}

static void the_owner_may_close_inside_its_message_callback(void)
{
    set_up();
    struct web_client *client = shake_hands("");
    uint8_t two[16];
    size_t n = web_frame(two, 0x81, "a", 1);

    n += web_frame(two + n, 0x81, "b", 1);
    on_message = close_in_message;
    web_send(client, two, n);
    T_EQ(messages, 1);
    RECEIVED(client, "\x81\x03"
                     "bye"
                     "\x88\x02\x03\xe8");
    web_free(client);
    T_EQ(closes, 1);

    client = shake_hands("");
    on_message = abort_in_message;
    web_send(client, two, n);
    T_EQ(messages, 2);
    T_EQ(closes, 2);
    T_EQ(close_code, WEBSOCKET_ABNORMAL);
    T_OK(client->ended);
    web_free(client);
    tear_down();
}

static void a_detached_connection_calls_nobody(void)
{
    set_up();
    struct web_client *client = shake_hands("");

    websocket_detach(last);
    web_send_frame(client, 0x81, "a", 1);
    web_free(client);
    T_EQ(messages, 0);
    T_EQ(closes, 0);
    T_EQ(websockets_count(all), 0);
    last = NULL;
    tear_down();
}

static void written_output_is_told(void)
{
    set_up();
    struct web_client *client = shake_hands("");

    drains = 0;
    websocket_send(last, WEBSOCKET_TEXT, SPAN_LITERAL("a"));
    websocket_send(last, WEBSOCKET_TEXT, SPAN_LITERAL("b"));
    web_settle(&web);
    T_OK(drains > 0);
    T_EQ(websocket_buffered(last), 0);
    RECEIVED(client, "\x81\x01"
                     "a"
                     "\x81\x01"
                     "b");
    web_free(client);
    tear_down();
}

static void freeing_the_server_tells_every_owner(void)
{
    set_up();
    struct web_client *client = shake_hands("");

    websockets_free(all);
    T_EQ(closes, 1);
    T_EQ(close_code, WEBSOCKET_GOING_AWAY);
    all = NULL;
    web_free(client);
    web_close(&web);
}

static const struct t_case cases[] = {
    T_CASE(handshake_is_that_of_the_rfc),
    T_CASE(malformed_handshakes_are_refused),
    T_CASE(frames_right_behind_the_handshake_are_read),
    T_CASE(extra_fields_go_into_the_answer),
    T_CASE(echoes_text_and_binary_of_every_length_form),
    T_CASE(fragments_become_one_message_with_a_ping_between),
    T_CASE(bytes_one_at_a_time_are_the_same),
    T_CASE(many_frames_at_once_come_in_order),
    T_CASE(every_wrong_frame_ends_the_connection_with_its_code),
    T_CASE(fragments_that_add_up_over_the_limit_are_refused),
    T_CASE(a_message_that_never_ends_is_cut_off),
    T_CASE(an_idle_connection_has_no_deadline),
    T_CASE(a_client_that_does_not_read_is_cut_off_at_the_limit),
    T_CASE(a_flood_of_pings_without_reading_ends_at_the_limit),
    T_CASE(long_messages_are_deflated_and_short_ones_are_not),
    T_CASE(deflated_messages_are_read_whole_and_in_pieces),
    T_CASE(a_zip_bomb_is_refused_at_the_limit),
    T_CASE(utf8_is_checked_after_inflating),
    T_CASE(what_is_not_deflate_is_refused),
    T_CASE(rsv1_on_a_continuation_or_a_ping_is_refused),
    T_CASE(the_clients_close_is_answered),
    T_CASE(our_close_waits_for_the_clients),
    T_CASE(a_client_that_ignores_our_close_is_cut_off),
    T_CASE(the_owner_may_close_inside_its_message_callback),
    T_CASE(a_detached_connection_calls_nobody),
    T_CASE(written_output_is_told),
    T_CASE(freeing_the_server_tells_every_owner),
};
T_MAIN(cases)
