#include "core/tcp_liveness.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

enum { PROBES = 4 }; /* in the second half of the patience */

static void set(int fd, int level, int name, int value)
{
    (void)setsockopt(fd, level, name, &value, sizeof value);
}

static int seconds(usec_t time)
{
    return time < SEC(1) ? 1 : (int)(time / SEC(1));
}

void tcp_liveness_set(int fd, usec_t patience, bool ask)
{
    set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, (int)(patience / MSEC(1)));
    if (!ask)
        return;
    set(fd, IPPROTO_TCP, TCP_KEEPIDLE, seconds(patience / 2));
    set(fd, IPPROTO_TCP, TCP_KEEPINTVL, seconds(patience / 2 / PROBES));
    set(fd, IPPROTO_TCP, TCP_KEEPCNT, PROBES);
    set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
}
