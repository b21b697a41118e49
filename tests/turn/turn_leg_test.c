#include "turn/turn_leg.h"

#include "tests/t.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MESSAGE = 1000, SMALL = 4096 };

static struct loop *loop;
static struct bufferevent *bev;
static struct turn_leg leg;
static struct turn_leg_stats stats;
static int client;
static size_t received;
static uint8_t last; /* first byte of the last whole message that the client read */
static struct turn_leg_report reported;
static unsigned reports;

static void on_written(struct bufferevent *bufferevent, void *arg)
{
    (void)bufferevent;
    (void)arg;
    turn_leg_drained(&leg, loop_now(loop));
}

static void on_changed(void *arg, const struct turn_leg_report *report)
{
    (void)arg;
    reported = *report;
    reports++;
}

static void nothing(void *arg)
{
    (void)arg;
}

/* Everything that can happen without waiting. */
static void settle(void)
{
    for (int i = 0; i < 20; i++) {
        loop_defer(loop, nothing, NULL); /* so that the turn does not wait */
        loop_turn(loop);
    }
}

/* Both ends of a connection over loopback, with little room in the kernel. */
static void connect_both(int ends[2])
{
    const int small = SMALL, listening = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof at;

    T_EQ(bind(listening, (struct sockaddr *)&at, len), 0);
    T_EQ(listen(listening, 1), 0);
    T_EQ(getsockname(listening, (struct sockaddr *)&at, &len), 0);
    ends[1] = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(ends[1], SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    T_EQ(connect(ends[1], (struct sockaddr *)&at, len), 0);
    ends[0] = accept4(listening, NULL, NULL, SOCK_NONBLOCK);
    T_OK(ends[0] >= 0);
    T_EQ(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    close(listening);
}

static void begin(void)
{
    int ends[2];

    alarm(60); /* a case that hangs is a case that fails */
    received = 0;
    reports = 0;
    turn_leg_stats_init(&stats);
    T_EQ(loop_create(&loop, "test", 16), RC_OK);
    connect_both(ends);
    client = ends[1];
    bev = bufferevent_socket_new(loop_base(loop), ends[0], BEV_OPT_CLOSE_ON_FREE);
    T_OK(bev);
    bufferevent_setcb(bev, NULL, on_written, NULL, NULL);
    bufferevent_enable(bev, EV_WRITE);
    turn_leg_open(&leg, bev, loop, &stats);
    leg.changed = on_changed;
}

static void end(void)
{
    turn_leg_close(&leg);
    bufferevent_free(bev);
    close(client);
    loop_free(loop);
}

static int send_letter(enum leg_kind kind, uint8_t letter)
{
    uint8_t bytes[MESSAGE];

    memset(bytes, letter, sizeof bytes);
    const struct leg_message message = {
        .kind = kind, .head = {bytes, 4}, .data = {bytes, MESSAGE - 6}, .tail = 2};
    return turn_leg_send(&leg, &message, loop_now(loop));
}

/* The client reads what comes until nothing waits any more. */
static void read_all(void)
{
    uint8_t bytes[MESSAGE];

    do {
        ssize_t n;

        settle();
        while ((n = recv(client, bytes, MESSAGE - received % MESSAGE, 0)) > 0) {
            if (received % MESSAGE == 0)
                last = bytes[0];
            received += (size_t)n;
        }
        T_EQ(errno, EAGAIN);
        if (turn_leg_bytes(&leg))
            loop_turn(loop);
    } while (turn_leg_bytes(&leg) || recv(client, bytes, 1, MSG_PEEK) > 0);
}

/* Until the kernel and the path are full, and something waits with us. */
static void fill_up(void)
{
    for (int i = 0; i < 1000 && !stream_leg_waits(leg.leg); i++) {
        T_EQ(send_letter(LEG_DATA, 'x'), RC_OK);
        settle();
    }
    T_OK(stream_leg_waits(leg.leg));
}

static void messages_leave_with_the_turn_in_which_they_came(void)
{
    begin();
    for (int i = 0; i < 3; i++)
        T_EQ(send_letter(LEG_DATA, (uint8_t)i), RC_OK);
    T_EQ(evbuffer_get_length(bufferevent_get_output(bev)), 0);
    T_EQ(turn_leg_bytes(&leg), 3 * MESSAGE);
    read_all();
    T_EQ(received, 3 * MESSAGE);
    T_EQ(last, 2);
    T_EQ(counter_get(&stats.messages), 3);
    T_EQ(counter_get(&stats.bytes), 3 * MESSAGE);
    end();
}

static void what_the_path_does_not_take_waits_with_us(void)
{
    begin();
    fill_up();
    const size_t held = evbuffer_get_length(bufferevent_get_output(bev));
    for (int i = 0; i < 5; i++)
        T_EQ(send_letter(LEG_DATA, 'y'), RC_OK);
    settle();
    T_EQ(evbuffer_get_length(bufferevent_get_output(bev)), held);
    T_OK(turn_leg_bytes(&leg) >= held + 5 * MESSAGE);
    read_all();
    T_EQ(last, 'y');
    T_EQ(received % MESSAGE, 0);
    end();
}

static void a_client_that_reads_nothing_loses_data_and_not_replies(void)
{
    begin();
    fill_up();
    int rc = RC_OK;
    for (int i = 0; i < 200 && rc == RC_OK; i++)
        rc = send_letter(LEG_DATA, 'y');
    T_EQ(rc, RC_AGAIN);
    T_EQ(counter_get(&stats.legs.packets_overflow), 1);
    T_EQ(send_letter(LEG_REPLY, 'r'), RC_OK);
    read_all();
    T_EQ(last, 'r');
    end();
}

static void replies_without_end_to_a_client_that_reads_nothing_are_too_many(void)
{
    begin();
    fill_up();
    int rc = RC_OK;
    for (int i = 0; i < 200 && rc == RC_OK; i++)
        rc = send_letter(LEG_REPLY, 'r');
    T_EQ(rc, RC_FULL);
    end();
}

static void before_it_goes_replies_are_handed_over_and_data_is_dropped(void)
{
    begin();
    fill_up();
    T_EQ(send_letter(LEG_DATA, 'y'), RC_OK);
    T_EQ(send_letter(LEG_REPLY, 'r'), RC_OK);
    turn_leg_flush(&leg, loop_now(loop));
    T_OK(!stream_leg_waits(leg.leg));
    read_all();
    T_EQ(last, 'r');
    T_EQ(received % MESSAGE, 0);
    end();
}

/* A frame of a picture, two packets of it. */
static int send_frame(uint32_t number)
{
    uint8_t bytes[MESSAGE] = {0x80, 96};
    const struct leg_message message = {.kind = LEG_DATA, .data = {bytes, MESSAGE}};
    int rc = RC_OK;

    store_be32(bytes + 4, number * 3000);
    store_be32(bytes + 8, 77);
    for (int i = 0; i < 2 && rc == RC_OK; i++)
        rc = turn_leg_send(&leg, &message, loop_now(loop));
    return rc;
}

static void a_leg_that_is_full_for_pictures_says_so_and_says_when_it_is_not(void)
{
    begin();
    uint32_t number = 0;
    while (!reported.full && number < 2000) {
        (void)send_frame(number++);
        loop_turn(loop); /* a few milliseconds once something waits */
    }
    T_OK(reported.full);
    T_OK(counter_get(&stats.legs.gates_shut) <= 1);
    read_all();
    for (int i = 0; i < 1000 && reported.full; i++)
        loop_turn(loop);
    T_OK(!reported.full);
    end();
}

static void the_socket_keeps_little_that_is_not_sent_and_not_for_long(void)
{
    int on = 0, unsent = 0, patience = 0;
    socklen_t len = sizeof(int);

    begin();
    const int fd = bufferevent_getfd(bev);
    T_EQ(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
    T_EQ(getsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, &len), 0);
    T_OK(on);
    T_OK(unsent > 0 && unsent < 16384);
    T_EQ(getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &patience, &len), 0);
    T_EQ(patience, TURN_LEG_PATIENCE / MSEC(1));
    end();
}

static const struct t_case cases[] = {
    T_CASE(messages_leave_with_the_turn_in_which_they_came),
    T_CASE(what_the_path_does_not_take_waits_with_us),
    T_CASE(a_client_that_reads_nothing_loses_data_and_not_replies),
    T_CASE(replies_without_end_to_a_client_that_reads_nothing_are_too_many),
    T_CASE(before_it_goes_replies_are_handed_over_and_data_is_dropped),
    T_CASE(a_leg_that_is_full_for_pictures_says_so_and_says_when_it_is_not),
    T_CASE(the_socket_keeps_little_that_is_not_sent_and_not_for_long),
};
T_MAIN(cases)
