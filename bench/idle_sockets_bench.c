/*
 * Resident memory of the server per idle connection over loopback: connects, shakes hands, says
 * one message, hears the answer, is silent. The kernel's socket buffers are not in the figure.
 *
 *   idle_sockets_bench [COUNT, 5000 if left out]
 *
 * Rows: a WebSocket alone; the same with permessage-deflate; Engine.IO and Socket.IO upon it;
 * that over TLS.
 */
#include "core/listener.h"
#include "core/tls.h"
#include "signaling/socketio.h"
#include "signaling/websocket.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { COUNT_DEFAULT = 5000, FRAME_MASKED = 0x80, TEXT = 0x81 };

static void __attribute__((noreturn)) fail(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

/* ---- the server
 * ------------------------------------------------------------------------------ */

static void echo(struct websocket *ws, void *arg, enum websocket_kind kind, struct span message)
{
    (void)arg;
    websocket_send(ws, kind, message);
}

static void closed(struct websocket *ws, void *arg, uint16_t code, enum refusal why)
{
    (void)ws;
    (void)arg;
    (void)code;
    (void)why;
}

static const struct websocket_callbacks callbacks = {echo, closed, NULL};

static void accept_websocket(struct http_request *request, void *arg)
{
    websocket_accept(arg, request, NULL, &callbacks, NULL);
}

static void eio_opened(void *arg, struct eio_session *session)
{
    (void)arg;
    (void)session;
}

static void eio_message_came(void *arg, struct eio_session *session, struct span data,
                             bool binary)
{
    struct eio_message *message = eio_message_create(binary, data.n);
    (void)arg;

    memcpy(eio_message_data(message), data.p, data.n);
    eio_session_send(session, message);
    eio_message_release(message);
}

static void eio_closed(void *arg, struct eio_session *session, enum eio_close why)
{
    (void)arg;
    (void)session;
    (void)why;
}

static const struct eio_handlers eio_handlers = {eio_opened, eio_message_came, eio_closed};

static void sio_event_came(void *arg, struct sio_socket *socket, const struct sio_event *event)
{
    (void)arg;
    sio_emit_args(socket, event->name, event->args, NULL, 0);
}

static const struct sio_handlers sio_handlers = {.event = sio_event_came};

/* Runs until it is killed. Tells its port through `ready`. */
static void serve(int ready)
{
    struct loop *loop = NULL;
    struct websockets *all = NULL;
    struct eio_server *eio = NULL;
    struct sio_server *sio = NULL;
    struct sio_namespace *namespace = NULL;
    struct http_server *http = NULL;
    struct listener *listener = NULL;
    struct listener_options at = {.protocol_count = 1};
    char error[TLS_ERROR_MAX];
    SSL_CTX *tls;

    if (loop_create(&loop, "server", 0) != RC_OK || websockets_create(&all, loop) != RC_OK ||
        eio_server_create(&eio, loop, &(struct eio_options){0}, &eio_handlers, NULL) != RC_OK ||
        sio_server_create(&sio, loop, &(struct sio_options){0}) != RC_OK ||
        sio_namespace_create(&namespace, sio, "/", &sio_handlers, NULL) != RC_OK)
        fail("server");
    const struct http_route routes[] = {
        {.path = "/websocket", .methods = METHOD_GET, .handle = accept_websocket, .arg = all},
        eio_server_route(eio),
        sio_server_route(sio),
    };
    const struct http_options options = {.routes = routes, .route_count = ARRAY_LEN(routes)};
    if (http_server_create(&http, loop, &options) != RC_OK)
        fail("http");
    const struct listener_protocol protocol = http_server_protocol(http);
    at.protocols = &protocol;
    address_parse(&at.at, "127.0.0.1");
    if (listener_open(&listener, loop, &at) != RC_OK)
        fail("listen");
    if (tls_context_self_signed(&tls, NULL, 0, error) != RC_OK)
        fail(error);
    listener_set_tls(listener, tls);
    const struct address bound = listener_address(listener);
    const uint16_t port = address_port(&bound);
    if (write(ready, &port, sizeof port) != sizeof port)
        fail("write");
    loop_run(loop);
}

/* ---- the clients
 * ----------------------------------------------------------------------------- */

struct client {
    int fd;
    SSL *ssl; /* NULL: plain TCP */
};

struct row {
    const char *what, *path, *fields;
    const char *says[2];  /* messages of the client, in turn */
    const char *hears[3]; /* beginnings of the server's: one before, then one after each */
    bool tls;
};

#define DEFLATE "Sec-WebSocket-Extensions: permessage-deflate\r\n"
#define ENGINE "/engine.io/?EIO=4&transport=websocket"
#define SOCKET "/socket.io/?EIO=4&transport=websocket"
#define SOCKET_SAYS                                                                            \
    {                                                                                          \
        "40", "42[\"hello\"]"                                                                  \
    }
#define SOCKET_HEARS                                                                           \
    {                                                                                          \
        "0{", "40{", "42[\"hello\"]"                                                           \
    }

/* clang-format off */
static const struct row rows[] = {
    {"WebSocket", "/websocket", "", {"hello"}, {NULL, "hello"}, false},
    {"WebSocket with permessage-deflate", "/websocket", DEFLATE, {"hello"}, {NULL, "hello"}, false},
    {"Engine.IO", ENGINE, "", {"4hello"}, {"0{", "4hello"}, false},
    {"Socket.IO", SOCKET, "", SOCKET_SAYS, SOCKET_HEARS, false},
    {"Socket.IO over TLS", SOCKET, "", SOCKET_SAYS, SOCKET_HEARS, true},
};
/* clang-format on */

static void read_exactly(const struct client *client, void *out, size_t n)
{
    for (size_t got = 0; got < n;) {
        char *to = (char *)out + got;
        const ssize_t part = client->ssl ? SSL_read(client->ssl, to, (int)(n - got))
                                         : read(client->fd, to, n - got);
        if (part <= 0)
            fail("read");
        got += (size_t)part;
    }
}

static void write_all(const struct client *client, const void *bytes, size_t n)
{
    const ssize_t written =
        client->ssl ? SSL_write(client->ssl, bytes, (int)n) : write(client->fd, bytes, n);

    if (written != (ssize_t)n)
        fail("write");
}

static void hear(const struct client *client, const char *beginning)
{
    uint8_t head[4];
    char text[512] = "";

    if (!beginning)
        return;
    read_exactly(client, head, 2);
    size_t n = head[1];
    if (n == 126) {
        read_exactly(client, head + 2, 2);
        n = load_be16(head + 2);
    }
    if (n >= sizeof text)
        fail("a long message");
    read_exactly(client, text, n);
    if (strncmp(text, beginning, strlen(beginning)) != 0) {
        fprintf(stderr, "\"%s\" instead of \"%s\"\n", text, beginning);
        exit(EXIT_FAILURE);
    }
}

static void say(const struct client *client, const char *text)
{
    uint8_t frame[128] = {TEXT, (uint8_t)(FRAME_MASKED | strlen(text)), 0, 0, 0, 0};
    const size_t n = strlen(text);

    memcpy(frame + 6, text, n);
    write_all(client, frame, n + 6);
}

static void shake_hands(const struct client *client, const struct row *row)
{
    char text[512];
    size_t n = 0;

    const int length = snprintf(
        text, sizeof text,
        "GET %s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101 Firefox/115.0\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n",
        row->path, row->fields);
    write_all(client, text, (size_t)length);
    do {
        read_exactly(client, text + n++, 1);
    } while (n < 4 || memcmp(text + n - 4, "\r\n\r\n", 4) != 0);
    if (strncmp(text, "HTTP/1.1 101 ", 13) != 0)
        fail("no upgrade");
}

static void start_tls(struct client *client)
{
    static SSL_CTX *context;

    if (!context)
        context = SSL_CTX_new(TLS_client_method());
    client->ssl = SSL_new(context);
    SSL_set_fd(client->ssl, client->fd);
    if (SSL_connect(client->ssl) != 1)
        fail("TLS");
}

static struct client connect_one(uint16_t port, const struct row *row)
{
    const struct sockaddr_in at = {.sin_family = AF_INET,
                                   .sin_port = htons(port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct client client = {.fd = socket(AF_INET, SOCK_STREAM, 0)};
    const int on = 1;

    /* The request goes out right behind the TLS Finished: Nagle would wait 40 ms between them.
     */
    setsockopt(client.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (client.fd < 0 || connect(client.fd, (const struct sockaddr *)&at, sizeof at) < 0)
        fail("connect");
    if (row->tls)
        start_tls(&client);
    shake_hands(&client, row);
    hear(&client, row->hears[0]);
    for (size_t i = 0; i < ARRAY_LEN(row->says) && row->says[i]; i++) {
        say(&client, row->says[i]);
        hear(&client, row->hears[i + 1]);
    }
    return client;
}

static void disconnect(struct client *client)
{
    SSL_free(client->ssl);
    close(client->fd);
}

/* ---- the figure
 * ------------------------------------------------------------------------------ */

static size_t resident_bytes(pid_t pid)
{
    char name[64];
    unsigned long total, resident = 0;

    snprintf(name, sizeof name, "/proc/%d/statm", (int)pid);
    FILE *file = fopen(name, "r");
    if (!file || fscanf(file, "%lu %lu", &total, &resident) != 2)
        fail(name);
    fclose(file);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

static void measure(const struct row *row, int count)
{
    struct client *clients = calloc((size_t)count, sizeof *clients);
    int ready[2];
    uint16_t port;

    if (!clients || pipe(ready) < 0)
        fail("pipe");
    fflush(stdout);
    const pid_t pid = fork();
    if (pid < 0)
        fail("fork");
    if (pid == 0) {
        serve(ready[1]);
        _exit(EXIT_SUCCESS);
    }
    if (read(ready[0], &port, sizeof port) != sizeof port)
        fail("no server");
    /* The first ones pay for what all share: codec, pools, the pages of the program itself. */
    for (int i = 0; i < 50; i++) {
        struct client client = connect_one(port, row);
        disconnect(&client);
    }
    usleep(200 * 1000);
    const size_t before = resident_bytes(pid);
    for (int i = 0; i < count; i++)
        clients[i] = connect_one(port, row);
    const size_t after = resident_bytes(pid);

    printf("%-36s %6d idle: %6.2f kB each\n", row->what, count,
           ((double)after - (double)before) / count / 1000);
    for (int i = 0; i < count; i++)
        disconnect(&clients[i]);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(ready[0]);
    close(ready[1]);
    free(clients);
}

int main(int argc, char **argv)
{
    const int count = argc > 1 ? atoi(argv[1]) : COUNT_DEFAULT;
    struct rlimit limit;

    if (count < 1 || getrlimit(RLIMIT_NOFILE, &limit) < 0)
        fail("count");
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        measure(&rows[i], count);
    return EXIT_SUCCESS;
}
