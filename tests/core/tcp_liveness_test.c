#include "core/tcp_liveness.h"

#include "tests/t.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

static int get(int fd, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof value;

    T_EQ(getsockopt(fd, level, name, &value, &len), 0);
    return value;
}

static void a_silent_connection_is_asked_and_given_up_in_time(void)
{
    const int fd = socket(AF_INET, SOCK_STREAM, 0);

    tcp_liveness_set(fd, SEC(32), true);
    T_EQ(get(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
    T_EQ(get(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 32000);
    T_EQ(get(fd, IPPROTO_TCP, TCP_KEEPIDLE), 16);
    T_EQ(get(fd, IPPROTO_TCP, TCP_KEEPINTVL), 4);
    T_EQ(get(fd, IPPROTO_TCP, TCP_KEEPCNT), 4);
    close(fd);
}

static void it_is_only_asked_when_it_may_be(void)
{
    const int fd = socket(AF_INET, SOCK_STREAM, 0);

    tcp_liveness_set(fd, SEC(32), false);
    T_EQ(get(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
    T_EQ(get(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 32000);
    close(fd);
}

static void the_shortest_patience_is_a_second_or_so(void)
{
    const int fd = socket(AF_INET6, SOCK_STREAM, 0);

    if (fd < 0)
        return; /* no IPv6 here */
    tcp_liveness_set(fd, SEC(1), true);
    T_EQ(get(fd, IPPROTO_TCP, TCP_KEEPIDLE), 1);
    T_EQ(get(fd, IPPROTO_TCP, TCP_KEEPINTVL), 1);
    close(fd);
}

static void what_is_no_tcp_socket_is_left_alone(void)
{
    tcp_liveness_set(-1, SEC(10), true);
}

static const struct t_case cases[] = {
    T_CASE(a_silent_connection_is_asked_and_given_up_in_time),
    T_CASE(it_is_only_asked_when_it_may_be),
    T_CASE(the_shortest_patience_is_a_second_or_so),
    T_CASE(what_is_no_tcp_socket_is_left_alone),
};
T_MAIN(cases)
