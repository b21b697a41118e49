#include "turn/turn_leg.h"

#include "core/loop.h"
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

enum { MESSAGE = 1000, LIMIT = 20 * (MESSAGE + 16) };

static struct loop *loop;
static struct bufferevent *bev;
static struct turn_leg leg;
static struct turn_leg_stats stats;
static int client;
static usec_t now; /* the test owns time, but for the loop's */
static size_t received;
static uint8_t last; /* first byte of the last whole message that the client read */

static void on_written(struct bufferevent *bufferevent, void *arg)
{
    (void)bufferevent;
    (void)arg;
    turn_leg_drained(&leg, now);
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

static void begin(void)
{
    const int small = 4096;
    int ends[2];

    alarm(60); /* a case that hangs is a case that fails */
    now = SEC(1000);
    received = 0;
    memset(&stats, 0, sizeof stats);
    T_EQ(loop_create(&loop, "test", 16), RC_OK);
    T_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    client = ends[1];
    bev = bufferevent_socket_new(loop_base(loop), ends[0], BEV_OPT_CLOSE_ON_FREE);
    T_OK(bev);
    bufferevent_setcb(bev, NULL, on_written, NULL, NULL);
    bufferevent_enable(bev, EV_WRITE);
    turn_leg_open(&leg, bev, &stats, LIMIT, MSEC(100));
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
    return turn_leg_send(&leg, &message, now);
}

/* The client reads what there is. */
static void read_all(void)
{
    uint8_t bytes[MESSAGE];
    ssize_t n;

    do {
        settle();
        while ((n = recv(client, bytes, MESSAGE - received % MESSAGE, 0)) > 0) {
            if (received % MESSAGE == 0)
                last = bytes[0];
            received += (size_t)n;
        }
        T_EQ(errno, EAGAIN);
        settle();
        n = recv(client, bytes, 1, MSG_PEEK);
    } while (n > 0);
}

static void fill_up(void)
{
    while (leg.queue.bytes == 0) {
        T_EQ(send_letter(LEG_DATA, 'x'), RC_OK);
        now += 1;
        settle();
    }
}

static void what_the_kernel_takes_goes_at_once(void)
{
    begin();
    for (int i = 0; i < 10; i++) {
        now += MSEC(1);
        T_EQ(send_letter(LEG_DATA, (uint8_t)i), RC_OK);
        read_all();
    }
    T_EQ(received, 10 * MESSAGE);
    T_EQ(last, 9);
    T_EQ(counter_get(&stats.messages), 10);
    T_EQ(counter_get(&stats.bytes), 10 * MESSAGE);
    T_EQ(turn_leg_bytes(&leg), 0);
    T_EQ(turn_leg_delay(&leg, now), 0);
    T_OK(!leg.queue.memory);
    end();
}

static void messages_of_one_turn_go_together(void)
{
    begin();
    for (int i = 0; i < 16; i++)
        T_EQ(send_letter(LEG_DATA, 'a'), RC_OK);
    T_EQ(leg.queue.bytes, 0); /* all of them fit under TURN_LEG_FEED */
    T_EQ(send_letter(LEG_DATA, 'b'), RC_OK);
    T_EQ(leg.queue.bytes, MESSAGE);
    read_all();
    T_EQ(received, 17 * MESSAGE);
    T_EQ(last, 'b');
    end();
}

static void what_a_full_kernel_does_not_take_waits_with_us(void)
{
    begin();
    fill_up();
    const size_t held = evbuffer_get_length(bufferevent_get_output(bev));
    for (int i = 0; i < 5; i++) {
        now += 1;
        T_EQ(send_letter(LEG_DATA, 'y'), RC_OK);
        settle();
    }
    T_EQ(evbuffer_get_length(bufferevent_get_output(bev)), held);
    T_EQ(leg.queue.bytes, 6 * MESSAGE);
    T_EQ(turn_leg_bytes(&leg), held + 6 * MESSAGE);
    now += MSEC(20);
    T_OK(turn_leg_delay(&leg, now) >= MSEC(20));
    read_all();
    T_EQ(last, 'y');
    T_EQ(received % MESSAGE, 0);
    T_EQ(turn_leg_bytes(&leg), 0);
    end();
}

static void a_client_that_reads_nothing_loses_data_and_not_replies(void)
{
    begin();
    fill_up();
    while (send_letter(LEG_DATA, 'y') == RC_OK)
        continue;
    T_EQ(counter_get(&stats.dropped_full), 1);
    T_EQ(send_letter(LEG_DATA, 'y'), RC_AGAIN);
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
    for (int i = 0; i < 100 && rc == RC_OK; i++)
        rc = send_letter(LEG_REPLY, 'r');
    T_EQ(rc, RC_FULL);
    end();
}

static void what_is_late_is_left_out_and_what_is_new_is_sent(void)
{
    begin();
    fill_up();
    for (int i = 0; i < 5; i++)
        T_EQ(send_letter(LEG_DATA, 'y'), RC_OK);
    now += MSEC(101);
    T_EQ(send_letter(LEG_DATA, 'z'), RC_OK);
    T_EQ(counter_get(&stats.dropped_late), 6);
    const uint64_t before = counter_get(&stats.messages);
    read_all();
    T_EQ(last, 'z');
    T_EQ(counter_get(&stats.messages), before + 1);
    T_EQ(received, MESSAGE * counter_get(&stats.messages)); /* no message was cut */
    end();
}

static void before_it_goes_replies_are_handed_over_and_data_is_dropped(void)
{
    begin();
    fill_up();
    T_EQ(send_letter(LEG_REPLY, 'r'), RC_OK);
    T_EQ(send_letter(LEG_DATA, 'y'), RC_OK);
    turn_leg_flush(&leg, now);
    T_EQ(leg.queue.bytes, 0);
    read_all();
    T_EQ(last, 'r');
    end();
}

static void the_socket_keeps_little_that_is_not_sent_and_not_for_long(void)
{
    int on = 0, unsent = 0, patience = 0;
    socklen_t len = sizeof(int);

    begin();
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct bufferevent *tcp =
        bufferevent_socket_new(loop_base(loop), fd, BEV_OPT_CLOSE_ON_FREE);
    struct turn_leg other;

    T_OK(fd >= 0 && tcp);
    turn_leg_open(&other, tcp, &stats, 0, 0);
    T_EQ(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
    T_EQ(getsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, &len), 0);
    T_OK(on);
    T_EQ(unsent, TURN_LEG_NOTSENT);
    T_EQ(getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &patience, &len), 0);
    T_EQ(patience, TURN_LEG_PATIENCE / MSEC(1));
    turn_leg_close(&other);
    bufferevent_free(tcp);
    end();
}

static const struct t_case cases[] = {
    T_CASE(what_the_kernel_takes_goes_at_once),
    T_CASE(messages_of_one_turn_go_together),
    T_CASE(what_a_full_kernel_does_not_take_waits_with_us),
    T_CASE(a_client_that_reads_nothing_loses_data_and_not_replies),
    T_CASE(replies_without_end_to_a_client_that_reads_nothing_are_too_many),
    T_CASE(what_is_late_is_left_out_and_what_is_new_is_sent),
    T_CASE(before_it_goes_replies_are_handed_over_and_data_is_dropped),
    T_CASE(the_socket_keeps_little_that_is_not_sent_and_not_for_long),
};
T_MAIN(cases)
