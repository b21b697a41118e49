#include "bench/load_socket_lib.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_MAX 16384
#define REQUEST                                                                                \
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\n"                \
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"               \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

static int write_all(int fd, const void *data, size_t n)
{
    for (const char *at = data; n > 0;) {
        const ssize_t sent = send(fd, at, n, MSG_NOSIGNAL);

        if (sent < 0 && errno == EAGAIN) {
            usleep(1000); /* a load generator may wait for the server */
            continue;
        }
        if (sent <= 0)
            return RC_SYS;
        at += sent;
        n -= (size_t)sent;
    }
    return RC_OK;
}

/* RFC 6455, section 5.2: one text frame, masked (with zeros, so the text stays as it is). */
static int write_text(int fd, const char *text, size_t n)
{
    uint8_t head[14] = {0x81};
    size_t at;

    if (n < 126) {
        head[1] = (uint8_t)(0x80 | n);
        at = 2;
    } else {
        head[1] = 0x80 | 126;
        store_be16(head + 2, (uint16_t)n);
        at = 4;
    }
    const int rc = write_all(fd, head, at + 4);
    return rc == RC_OK ? write_all(fd, text, n) : rc;
}

static bool more(struct load_socket *s, int flags)
{
    if (s->capacity - s->len < READ_MAX) {
        char *bigger = realloc(s->buf, s->capacity + 2 * READ_MAX);

        if (!bigger)
            return false;
        s->buf = bigger;
        s->capacity += 2 * READ_MAX;
    }
    const ssize_t n = recv(s->fd, s->buf + s->len, READ_MAX, flags);
    if (n < 0)
        return errno == EAGAIN;
    s->len += (size_t)n;
    return n > 0;
}

static void take(struct load_socket *s, size_t n)
{
    s->len -= n;
    memmove(s->buf, s->buf + n, s->len);
    if (s->len == 0) { /* thousands of idle sockets */
        free(s->buf);
        s->buf = NULL;
        s->capacity = 0;
    }
}

/* Engine.IO 4: open, ping and message; Socket.IO 5: connect and event. */
static bool on_text(struct load_socket *s, const char *text, size_t n)
{
    if (n >= 1 && text[0] == '0')
        return write_text(s->fd, "40", 2) == RC_OK;
    if (n >= 1 && text[0] == '2')
        return write_text(s->fd, "3", 1) == RC_OK;
    if (n < 3 || text[0] != '4' || text[1] != '2')
        return true;

    json_t *event = json_loadb(text + 2, n - 2, 0, NULL);
    const char *name = json_string_value(json_array_get(event, 0));
    if (name && s->event)
        s->event(s->arg, name, json_array_get(event, 1));
    json_decref(event);
    return true;
}

/* Length of the first frame, its head in *head; 0: not whole yet. */
static size_t whole_frame(const struct load_socket *s, size_t *head)
{
    const uint8_t *p = (const uint8_t *)s->buf;

    if (s->len < 2)
        return 0;
    size_t n = p[1] & 0x7f;
    *head = n == 126 ? 4 : n == 127 ? 10 : 2;
    if (s->len < *head)
        return 0;
    if (n == 126)
        n = load_be16(p + 2);
    else if (n == 127)
        n = load_be64(p + 2);
    return s->len - *head < n ? 0 : *head + n;
}

static bool take_frames(struct load_socket *s)
{
    size_t n, head;

    while ((n = whole_frame(s, &head)) > 0) {
        const uint8_t opcode = (uint8_t)s->buf[0] & 0x0f;

        if (opcode == 8)
            return false;
        if (opcode == 1 && !on_text(s, s->buf + head, n - head))
            return false;
        take(s, n);
    }
    return true;
}

bool load_socket_read(struct load_socket *s)
{
    for (;;) {
        const size_t before = s->len;

        if (!more(s, MSG_DONTWAIT))
            return false;
        const bool last = s->len - before < READ_MAX;
        if (!take_frames(s))
            return false;
        if (last)
            return true;
    }
}

void load_socket_emit(struct load_socket *s, const char *name, json_t *payload)
{
    json_t *event = json_pack("[s,o]", name, payload);
    char *text = json_dumps(event, JSON_COMPACT);
    const size_t n = text ? strlen(text) : 0;
    char *packet = malloc(n + 2);

    if (!packet || n == 0 || n > 65000)
        abort();
    memcpy(packet, "42", 2);
    memcpy(packet + 2, text, n);
    (void)write_text(s->fd, packet, n + 2);
    free(packet);
    free(text);
    json_decref(event);
}

/* The answer to the upgrade, up to the empty line; what is behind it stays. */
static bool read_upgrade(struct load_socket *s)
{
    for (;;) {
        if (!more(s, 0))
            return false;
        const char *end = memmem(s->buf, s->len, "\r\n\r\n", 4);
        if (!end)
            continue;
        if (strncmp(s->buf, "HTTP/1.1 101", 12) != 0)
            return false;
        take(s, (size_t)(end - s->buf) + 4);
        return true;
    }
}

int load_socket_open(struct load_socket *s, const struct address *server,
                     load_socket_event_fn *event, void *arg)
{
    *s = (struct load_socket){.event = event, .arg = arg};
    s->fd = socket(server->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s->fd < 0)
        return RC_SYS;
    if (connect(s->fd, &server->sa, address_len(server)) != 0 ||
        write_all(s->fd, REQUEST, sizeof REQUEST - 1) != RC_OK || !read_upgrade(s)) {
        load_socket_close(s);
        return RC_SYS;
    }
    (void)fcntl(s->fd, F_SETFL, O_NONBLOCK);
    return take_frames(s) ? RC_OK : RC_SYS;
}

void load_socket_close(struct load_socket *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
    free(s->buf);
    s->buf = NULL;
}
