#include "bench/turn_crowd_lib.h"

#include "core/clock.h"
#include "core/random.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define WINDOW 64
#define REPEAT_AFTER MSEC(500)
#define TRIES 6
#define EVENTS_MAX 64
#define SOCKET_BUFFER (256 * 1024)

static void die(const char *what)
{
    fprintf(stderr, "turn_load: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

/* Some address of 127/8, not 127.0. */
static struct address random_address(void)
{
    struct address address = {.v4 = {.sin_family = AF_INET}};

    address.v4.sin_addr.s_addr =
        htonl(INADDR_LOOPBACK | (random_u32() & 0xffff00) | (1 + random_u32() % 250) << 16);
    return address;
}

void turn_crowd_init(struct turn_crowd *crowd, const struct address *server, const char *name,
                     const char *password, unsigned capacity)
{
    *crowd = (struct turn_crowd){
        .server = *server,
        .account = {.name = name, .password = password},
        .capacity = capacity,
        .member = calloc(capacity, sizeof *crowd->member),
        .epoll = epoll_create1(EPOLL_CLOEXEC),
        .window = WINDOW,
    };
    if (!crowd->member || crowd->epoll < 0)
        die("no crowd");
    crowd->sink = random_address();
    address_set_port(&crowd->sink, 9);
}

void turn_crowd_free(struct turn_crowd *crowd)
{
    for (unsigned i = 0; i < crowd->count; i++) {
        if (crowd->member[i].fd >= 0)
            close(crowd->member[i].fd);
        if (crowd->member[i].peer_fd >= 0)
            close(crowd->member[i].peer_fd);
    }
    if (crowd->epoll >= 0)
        close(crowd->epoll);
    free(crowd->member);
}

/* --- sockets --- */

static int open_socket(struct turn_crowd *crowd, uint32_t number)
{
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int size = SOCKET_BUFFER;
    const struct address at = random_address();
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = number};

    if (fd < 0 || bind(fd, &at.sa, address_len(&at)) != 0 ||
        epoll_ctl(crowd->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        die("no socket");
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    return fd;
}

static struct address name_of(int fd)
{
    struct sockaddr_storage name;
    socklen_t len = sizeof name;
    struct address address = {0};

    if (getsockname(fd, (struct sockaddr *)&name, &len) == 0)
        (void)address_from_sockaddr(&address, (struct sockaddr *)&name, len);
    return address;
}

void turn_crowd_grow(struct turn_crowd *crowd, unsigned more, bool with_peers)
{
    for (unsigned i = 0; i < more && crowd->count < crowd->capacity; i++) {
        const uint32_t number = crowd->count++;
        struct turn_member *member = &crowd->member[number];

        *member = (struct turn_member){
            .dialog = {.account = &crowd->account, .channel = STUN_CHANNEL_FIRST},
            .fd = open_socket(crowd, number),
            .peer_fd = with_peers ? open_socket(crowd, number | TURN_PEER_BIT) : -1,
        };
        if (connect(member->fd, &crowd->server.sa, address_len(&crowd->server)) != 0)
            die("no way to the server");
    }
}

/* --- asking --- */

static void send_next(struct turn_crowd *crowd, struct turn_member *member)
{
    const struct address peer = member->peer_fd >= 0 ? name_of(member->peer_fd) : crowd->sink;
    uint8_t request[TURN_ASK_MAX];
    const size_t n = turn_dialog_ask(&member->dialog, *member->todo, &peer, request);

    member->sent_at = clock_now();
    (void)send(member->fd, request, n, 0); /* lost ones are repeated */
}

static void begin(struct turn_crowd *crowd, struct turn_member *member,
                  const enum turn_ask *asks, unsigned count)
{
    member->todo = asks;
    member->todo_count = count;
    member->tries = 0;
    member->failed = false;
    send_next(crowd, member);
}

/* True: it has nothing more to ask. */
static bool end(struct turn_member *member, bool failed)
{
    member->failed = failed;
    member->todo = NULL;
    return true;
}

static void connect_peer(const struct turn_member *member)
{
    const struct address *relayed = &member->dialog.relayed;

    if (member->peer_fd >= 0 &&
        connect(member->peer_fd, &relayed->sa, address_len(relayed)) != 0)
        die("no way to the relayed address");
}

static bool on_reply(struct turn_crowd *crowd, struct turn_member *member, struct span reply)
{
    unsigned code;
    const enum turn_verdict verdict = turn_dialog_answer(&member->dialog, reply, &code);

    if (!member->todo || verdict == TURN_NOT_MINE)
        return false;
    if (verdict == TURN_REFUSED) {
        crowd->refusal = code;
        return end(member, true);
    }
    if (verdict == TURN_ASK_ANEW) {
        if (++member->tries >= TRIES)
            return end(member, true);
    } else {
        if (*member->todo == TURN_ASK_ALLOCATION)
            connect_peer(member);
        member->tries = 0;
        member->todo++;
        if (--member->todo_count == 0)
            return end(member, false);
    }
    send_next(crowd, member);
    return false;
}

/* How many have nothing more to ask since. */
static unsigned read_replies(struct turn_crowd *crowd, int wait_ms)
{
    struct epoll_event events[EVENTS_MAX];
    const int n = epoll_wait(crowd->epoll, events, EVENTS_MAX, wait_ms);
    unsigned ended = 0;

    for (int i = 0; i < n; i++) {
        struct turn_member *member = &crowd->member[events[i].data.u32 & ~TURN_PEER_BIT];
        const bool peer = events[i].data.u32 & TURN_PEER_BIT;
        uint8_t reply[2048];
        ssize_t got;

        while ((got = recv(peer ? member->peer_fd : member->fd, reply, sizeof reply, 0)) > 0)
            if (!peer)
                ended += on_reply(crowd, member, (struct span){reply, (size_t)got});
    }
    return ended;
}

static unsigned repeat_late(struct turn_crowd *crowd, unsigned first, unsigned last)
{
    const usec_t now = clock_now();
    unsigned ended = 0;

    for (unsigned i = first; i < last; i++) {
        struct turn_member *member = &crowd->member[i];

        if (!member->todo || now - member->sent_at < REPEAT_AFTER)
            continue;
        if (++member->tries >= TRIES)
            ended += end(member, true);
        else
            send_next(crowd, member);
    }
    return ended;
}

unsigned turn_crowd_ask(struct turn_crowd *crowd, unsigned first, unsigned count,
                        const enum turn_ask *asks, unsigned ask_count)
{
    unsigned started = 0, ended = 0, failed = 0;
    usec_t looked = clock_now();

    while (ended < count) {
        while (started < count && started - ended < crowd->window)
            begin(crowd, &crowd->member[first + started++], asks, ask_count);
        ended += read_replies(crowd, 100);
        if (clock_now() - looked >= REPEAT_AFTER / 5) {
            ended += repeat_late(crowd, first, first + started);
            looked = clock_now();
        }
    }
    for (unsigned i = first; i < first + count; i++)
        failed += crowd->member[i].failed;
    return count - failed;
}

void turn_crowd_leave(struct turn_crowd *crowd, unsigned first)
{
    static const enum turn_ask asks[] = {TURN_ASK_END};

    if (first >= crowd->count)
        return;
    (void)turn_crowd_ask(crowd, first, crowd->count - first, asks, ARRAY_LEN(asks));
    while (crowd->count > first) {
        struct turn_member *member = &crowd->member[--crowd->count];

        close(member->fd);
        if (member->peer_fd >= 0)
            close(member->peer_fd);
    }
}
