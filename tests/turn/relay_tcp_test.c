#include "turn/relay_tcp.h"

#include "tests/t.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <unistd.h>

/* The server that says who may connect; a listener by which clients' data connections come,
 * each for the connection that the test names. */
static struct {
    struct loop *loop;
    struct relay_addresses *addresses;
    struct relay_tcp *set;
    struct listener *listener;
    struct listener_protocol protocol;
    bool refuse_all;
    uint32_t next_id, arrived_id;
    unsigned arrivals;
    struct turn_allocation *arrived_at;
    struct address arrived_from;
    unsigned told; /* how connections ended, or began */
    uint32_t told_id;
    bool told_ok;
    unsigned closed;
    uint32_t closed_id;
    size_t carried;
    uint32_t expected;         /* whose client the next data connection is */
    struct turn_relay *closes; /* when a peer arrives */
    bool hang_up_meanwhile;
    int wall; /* a peer's listening socket */
    struct address wall_at;
} net;

/* Allocations are only told apart here. */
static struct turn_allocation *owner(uintptr_t n)
{
    static char places[16];

    return (struct turn_allocation *)(void *)&places[n];
}

static struct address at(const char *text)
{
    struct address a;

    T_EQ(address_parse(&a, text), RC_OK);
    return a;
}

/* --- what the server is told -------------------------------------------------------------- */

static void on_connected(void *arg, uint32_t id, bool ok, usec_t now)
{
    T_OK(arg == &net);
    T_EQ(now, loop_now(net.loop));
    net.told++;
    net.told_id = id;
    net.told_ok = ok;
}

static uint32_t on_arrived(void *arg, struct turn_allocation *whose, const struct address *peer,
                           usec_t now)
{
    T_OK(arg == &net);
    T_EQ(now, loop_now(net.loop));
    net.arrivals++;
    net.arrived_at = whose;
    net.arrived_from = *peer;
    if (net.closes)
        relay_tcp_close(net.set, net.closes);
    net.closes = NULL;
    net.arrived_id = net.refuse_all ? 0 : ++net.next_id;
    return net.arrived_id;
}

static usec_t on_carried(void *arg, uint32_t id, enum relay_pipe_way way, size_t bytes,
                         usec_t now)
{
    T_OK(arg == &net && id != 0);
    (void)way;
    (void)now;
    net.carried += bytes;
    return 0;
}

static void on_closed(void *arg, uint32_t id, usec_t now)
{
    T_OK(arg == &net);
    (void)now;
    net.closed++;
    net.closed_id = id;
}

/* --- clients ------------------------------------------------------------------------------ */

static enum recognition recognise(const uint8_t *first, size_t n)
{
    (void)n;
    return first[0] == '!' ? RECOGNISED_YES : RECOGNISED_NO;
}

static void on_accept(void *arg, struct listener *listener, struct bufferevent *connection,
                      const struct address *from, bool tls)
{
    struct relay_tcp_peer *peer = relay_tcp_expect(net.set, net.expected);
    (void)arg;
    (void)from;
    (void)tls;

    T_OK(peer != NULL);
    T_OK(relay_tcp_expect(net.set, net.expected) == NULL);
    evbuffer_drain(bufferevent_get_input(connection), 1);
    if (net.hang_up_meanwhile)
        relay_tcp_hang_up(net.set, net.expected);
    relay_tcp_take(peer, listener, connection);
}

/* --- the scene ---------------------------------------------------------------------------- */

static void nothing(void *arg)
{
    (void)arg;
}

/* Everything that can happen without waiting. */
static void settle(void)
{
    for (int i = 0; i < 20; i++) {
        loop_defer(net.loop, nothing, NULL); /* so that the turn does not wait */
        loop_turn(net.loop);
    }
}

static int listen_at(const char *ip, struct address *out)
{
    socklen_t len = sizeof *out;

    *out = at(ip);
    const int fd = socket(out->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
    T_EQ(bind(fd, &out->sa, address_len(out)), 0);
    T_EQ(listen(fd, 8), 0);
    T_EQ(getsockname(fd, &out->sa, &len), 0);
    return fd;
}

static void begin_with(const char *ip, const struct relay_addresses_options *addresses,
                       uint32_t max_connections)
{
    struct listener_options clients = {.protocols = &net.protocol, .protocol_count = 1};

    alarm(60); /* a case that hangs is a case that fails */
    memset(&net, 0, sizeof net);
    T_EQ(loop_create(&net.loop, "test", 16), RC_OK);
    T_EQ(relay_addresses_create(&net.addresses, addresses), RC_OK);
    const struct relay_tcp_options options = {
        .loop = net.loop,
        .addresses = net.addresses,
        .events = {&net, on_connected, on_arrived, on_carried, on_closed},
        .max_connections = max_connections,
    };
    T_EQ(relay_tcp_create(&net.set, &options), RC_OK);
    net.protocol =
        (struct listener_protocol){.name = "data", .recognise = recognise, .accept = on_accept};
    clients.at = at(ip);
    T_EQ(listener_open(&net.listener, net.loop, &clients), RC_OK);
    net.wall = listen_at(ip, &net.wall_at);
}

static void begin(void)
{
    begin_with("127.0.0.1", &(struct relay_addresses_options){.min_port = 0}, 0);
}

static void finish(void)
{
    relay_tcp_free(net.set);
    settle();
    T_EQ(listener_connections(net.listener), 0);
    listener_close(net.listener);
    relay_addresses_free(net.addresses);
    loop_free(net.loop);
    close(net.wall);
}

static struct turn_relay *open_relay(uintptr_t n, struct address *told)
{
    struct turn_relay *relay = NULL;

    T_EQ(
        relay_tcp_open(net.set, net.wall_at.sa.sa_family, &net.wall_at, owner(n), &relay, told),
        RC_OK);
    return relay;
}

static int dial(const struct address *to)
{
    const int fd = socket(to->sa.sa_family, SOCK_STREAM, 0), on = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    T_EQ(connect(fd, &to->sa, address_len(to)), 0);
    T_EQ(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static int dial_relay(const struct address *relay)
{
    const int fd = dial(relay);

    settle();
    return fd;
}

/* The client's data connection for connection `id`. */
static int bind_client(uint32_t id)
{
    const struct address to = listener_address(net.listener);

    net.expected = id;
    const int fd = dial(&to);
    T_EQ(send(fd, "!", 1, MSG_NOSIGNAL), 1);
    settle();
    return fd;
}

static int accept_at_wall(struct address *from)
{
    struct sockaddr_storage sa;
    socklen_t len = sizeof sa;

    settle();
    const int fd = accept4(net.wall, (struct sockaddr *)&sa, &len, SOCK_NONBLOCK);
    T_OK(fd >= 0);
    T_EQ(address_from_sockaddr(from, (struct sockaddr *)&sa, len), RC_OK);
    settle();
    return fd;
}

static void say(int fd, const char *text)
{
    T_EQ(send(fd, text, strlen(text), MSG_NOSIGNAL), (long long)strlen(text));
    settle();
}

static void hears(int fd, const char *text)
{
    char in[256] = "";

    settle();
    T_OK(recv(fd, in, sizeof in - 1, 0) >= 0);
    T_STR(in, text);
}

static bool hung_up(int fd)
{
    char c;

    settle();
    const ssize_t n = recv(fd, &c, 1, 0);
    return n == 0 || (n < 0 && errno == ECONNRESET);
}

/* --- relays ------------------------------------------------------------------------------- */

static void a_relay_listens_where_it_says_and_tells_who_comes(void)
{
    struct address told, me;
    socklen_t len = sizeof me;

    begin();
    open_relay(3, &told);
    T_OK(address_equal_ip(&told, &net.wall_at) && address_port(&told) >= RELAY_PORT_FIRST);
    const int fd = dial_relay(&told);
    getsockname(fd, &me.sa, &len);
    T_EQ(net.arrivals, 1);
    T_OK(net.arrived_at == owner(3));
    T_OK(address_equal(&net.arrived_from, &me));
    T_EQ(counter_get(&relay_tcp_stats(net.set)->open), 1);
    T_EQ(counter_get(&relay_tcp_stats(net.set)->connections), 1);
    close(fd);
    finish();
}

static void behind_a_nat_the_outer_address_is_told(void)
{
    const struct relay_external nat = {at("203.0.113.1"), at("127.0.0.1")};
    struct address told;

    begin_with("127.0.0.1",
               &(struct relay_addresses_options){.external = &nat, .external_count = 1}, 0);
    open_relay(0, &told);
    T_OK(address_equal_ip(&told, &nat.public));
    finish();
}

static void relays_share_their_ports_with_udp_and_give_them_back(void)
{
    struct address told;
    struct turn_relay *relay[3];

    begin_with("127.0.0.1",
               &(struct relay_addresses_options){.min_port = 61200, .max_port = 61201}, 0);
    for (int round = 0; round < 3; round++) {
        relay[0] = open_relay(0, &told);
        relay[1] = open_relay(1, &told);
        T_EQ(relay_tcp_open(net.set, AF_INET, &net.wall_at, owner(2), &relay[2], &told),
             RC_FULL);
        relay_tcp_close(net.set, relay[0]);
        relay_tcp_close(net.set, relay[1]);
    }
    T_EQ(relay_ports_left(relay_addresses_choose(net.addresses, AF_INET, &net.wall_at)->ports),
         2);
    T_EQ(counter_get(&relay_tcp_stats(net.set)->ports_exhausted), 3);
    T_EQ(counter_get(&relay_tcp_stats(net.set)->open), 0);
    finish();
}

static void a_port_of_another_program_is_passed_over(void)
{
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct address there = at("127.0.0.1:61210"), told;
    struct turn_relay *relay;

    T_EQ(bind(fd, &there.sa, address_len(&there)), 0);
    T_EQ(listen(fd, 1), 0);
    begin_with("127.0.0.1",
               &(struct relay_addresses_options){.min_port = 61210, .max_port = 61211}, 0);
    open_relay(0, &told);
    T_EQ(address_port(&told), 61211);
    T_EQ(relay_tcp_open(net.set, AF_INET, &net.wall_at, owner(1), &relay, &told), RC_FULL);
    finish();
    close(fd);
}

static void a_family_that_is_not_served_is_refused(void)
{
    const struct address only = at("127.0.0.1");
    struct turn_relay *relay;
    struct address told;

    begin_with("127.0.0.1",
               &(struct relay_addresses_options){.relay_ip = &only, .relay_ip_count = 1}, 0);
    T_EQ(relay_tcp_open(net.set, AF_INET6, &net.wall_at, owner(0), &relay, &told), RC_BAD);
    finish();
}

static void a_relay_may_be_closed_while_a_peer_arrives(void)
{
    struct address told;

    begin();
    net.closes = open_relay(0, &told);
    net.refuse_all = true;
    const int fd = dial(&told), other = dial(&told);
    settle();
    T_EQ(net.arrivals, 1);
    T_OK(hung_up(fd) && hung_up(other));
    close(fd);
    close(other);
    finish();
}

/* --- peers that connect ------------------------------------------------------------------- */

static void a_peer_that_may_not_connect_is_hung_up_on(void)
{
    struct address told;

    begin();
    net.refuse_all = true;
    open_relay(0, &told);
    const int fd = dial_relay(&told);
    T_EQ(net.arrivals, 1);
    T_OK(hung_up(fd));
    T_EQ(counter_get(&relay_tcp_stats(net.set)->connections), 0);
    T_EQ(counter_get(&relay_tcp_stats(net.set)->accepted_refused), 1);
    close(fd);
    finish();
}

static void what_it_says_first_waits_for_the_client(void)
{
    struct address told;

    begin();
    open_relay(0, &told);
    const int peer = dial_relay(&told);
    say(peer, "early");
    const int client = bind_client(net.arrived_id);
    hears(client, "early");
    say(client, "late");
    hears(peer, "late");
    T_EQ(net.carried, 9);
    close(client);
    settle();
    T_OK(hung_up(peer));
    close(peer);
    settle();
    T_EQ(net.closed, 1);
    T_EQ(net.closed_id, net.arrived_id);
    T_EQ(counter_get(&relay_tcp_stats(net.set)->connections), 0);
    finish();
}

static void a_peer_that_has_gone_meanwhile_was_heard(void)
{
    struct address told;

    begin();
    open_relay(0, &told);
    const int peer = dial_relay(&told);
    say(peer, "a whole life");
    close(peer);
    settle();
    T_EQ(net.closed, 0);
    const int client = bind_client(net.arrived_id);
    hears(client, "a whole life");
    T_OK(hung_up(client));
    close(client);
    settle();
    T_EQ(net.closed, 1);
    finish();
}

static void there_are_so_many_connections_and_no_more(void)
{
    struct address told;

    begin_with("127.0.0.1", &(struct relay_addresses_options){.min_port = 0}, 1);
    struct turn_relay *relay = open_relay(0, &told);
    const int first = dial_relay(&told), second = dial_relay(&told);
    T_EQ(net.arrivals, 1);
    T_OK(hung_up(second));
    T_EQ(relay_tcp_connect(net.set, relay, &net.wall_at, 77), RC_FULL);
    relay_tcp_hang_up(net.set, net.arrived_id);
    T_OK(hung_up(first));
    T_EQ(relay_tcp_connect(net.set, relay, &net.wall_at, 77), RC_OK);
    close(first);
    close(second);
    finish();
}

static void without_descriptors_it_waits_for_one(void)
{
    struct rlimit before, none;
    struct address told;

    begin();
    open_relay(0, &told);
    const int fd = dial(&told);
    getrlimit(RLIMIT_NOFILE, &before);
    none = before;
    none.rlim_cur = (rlim_t)fd + 1;
    setrlimit(RLIMIT_NOFILE, &none);
    settle();
    setrlimit(RLIMIT_NOFILE, &before);
    T_EQ(net.arrivals, 0);
    while (net.arrivals == 0)
        loop_turn(net.loop);
    close(fd);
    finish();
}

/* --- peers that are connected to ---------------------------------------------------------- */

static void a_connection_leaves_from_the_relayed_address(void)
{
    struct address told, from;

    begin();
    struct turn_relay *relay = open_relay(0, &told);
    T_EQ(relay_tcp_connect(net.set, relay, &net.wall_at, 5), RC_OK);
    T_EQ(net.told, 0);
    const int peer = accept_at_wall(&from);
    T_OK(address_equal(&from, &told));
    T_EQ(net.told, 1);
    T_OK(net.told_ok && net.told_id == 5);
    const int client = bind_client(5);
    say(client, "to");
    say(peer, "fro");
    hears(peer, "to");
    hears(client, "fro");
    close(client);
    close(peer);
    finish();
}

static void it_may_connect_to_many_and_be_connected_to_by_them(void)
{
    struct address told, from, second_at;

    begin();
    struct turn_relay *relay = open_relay(0, &told);
    const int second = listen_at("127.0.0.1", &second_at);
    const int caller = dial_relay(&told);
    T_EQ(net.arrived_id, 1);
    T_EQ(relay_tcp_connect(net.set, relay, &net.wall_at, 5), RC_OK);
    T_EQ(relay_tcp_connect(net.set, relay, &second_at, 6), RC_OK);
    const int peer = accept_at_wall(&from);
    T_EQ(net.told, 2);
    const int another = dial_relay(&told);
    T_EQ(net.arrivals, 2);
    T_EQ(counter_get(&relay_tcp_stats(net.set)->connections), 4);
    close(peer);
    close(caller);
    close(another);
    close(second);
    finish();
}

static void the_same_peer_twice_from_one_address_fails(void)
{
    struct address told, from;

    begin();
    struct turn_relay *relay = open_relay(0, &told);
    T_EQ(relay_tcp_connect(net.set, relay, &net.wall_at, 5), RC_OK);
    const int peer = accept_at_wall(&from);
    T_EQ(relay_tcp_connect(net.set, relay, &net.wall_at, 6), RC_SYS);
    T_EQ(counter_get(&relay_tcp_stats(net.set)->connects_failed), 1);
    close(peer);
    finish();
}

static void a_peer_that_does_not_listen_is_told_about(void)
{
    struct address told;

    begin();
    struct turn_relay *relay = open_relay(0, &told);
    close(net.wall);
    T_EQ(relay_tcp_connect(net.set, relay, &net.wall_at, 5), RC_OK);
    settle();
    T_EQ(net.told, 1);
    T_OK(!net.told_ok && net.told_id == 5);
    T_EQ(counter_get(&relay_tcp_stats(net.set)->connections), 0);
    T_OK(relay_tcp_expect(net.set, 5) == NULL);
    net.wall = -1;
    finish();
}

static void a_connection_may_be_given_up_before_it_is_there(void)
{
    struct address told, from;

    begin();
    struct turn_relay *relay = open_relay(0, &told);
    T_EQ(relay_tcp_connect(net.set, relay, &net.wall_at, 5), RC_OK);
    T_OK(relay_tcp_expect(net.set, 5) == NULL);
    relay_tcp_hang_up(net.set, 5);
    relay_tcp_hang_up(net.set, 5);
    const int peer = accept_at_wall(&from);
    T_EQ(net.told, 0);
    T_OK(hung_up(peer));
    close(peer);
    finish();
}

static void hung_up_while_its_client_comes_it_closes_that_too(void)
{
    struct address told;

    begin();
    open_relay(0, &told);
    const int peer = dial_relay(&told);
    net.hang_up_meanwhile = true;
    const int client = bind_client(net.arrived_id);
    T_OK(hung_up(client) && hung_up(peer));
    T_EQ(net.closed, 0);
    T_EQ(counter_get(&relay_tcp_stats(net.set)->connections), 0);
    close(client);
    close(peer);
    finish();
}

static void hanging_up_closes_both(void)
{
    struct address told;

    begin();
    open_relay(0, &told);
    const int peer = dial_relay(&told), client = bind_client(net.arrived_id);
    relay_tcp_hang_up(net.set, net.arrived_id);
    T_OK(hung_up(client) && hung_up(peer));
    T_EQ(net.closed, 0);
    close(client);
    close(peer);
    finish();
}

static void a_set_may_end_with_everything_open(void)
{
    struct address told;

    begin();
    struct turn_relay *relay = open_relay(0, &told);
    const int peer = dial_relay(&told), waiting = dial_relay(&told);
    const int client = bind_client(1);
    T_EQ(relay_tcp_connect(net.set, relay, &net.wall_at, 5), RC_OK);
    close(client);
    relay_tcp_free(net.set);
    net.set = NULL;
    T_OK(hung_up(peer) && hung_up(waiting));
    close(peer);
    close(waiting);
    finish();
}

static void all_of_it_works_with_ipv6(void)
{
    const int probe = socket(AF_INET6, SOCK_STREAM, 0);
    struct address told, from, loopback = at("::1");

    const bool none = probe < 0 || bind(probe, &loopback.sa, address_len(&loopback)) < 0;
    close(probe);
    if (none)
        return; /* no IPv6 here */
    begin_with("::1", &(struct relay_addresses_options){.min_port = 0}, 0);
    struct turn_relay *relay = open_relay(0, &told);
    const int caller = dial_relay(&told);
    T_EQ(net.arrivals, 1);
    T_EQ(relay_tcp_connect(net.set, relay, &net.wall_at, 5), RC_OK);
    const int peer = accept_at_wall(&from);
    T_OK(address_equal(&from, &told));
    close(caller);
    close(peer);
    finish();
}

static const struct t_case cases[] = {
    T_CASE(a_relay_listens_where_it_says_and_tells_who_comes),
    T_CASE(behind_a_nat_the_outer_address_is_told),
    T_CASE(relays_share_their_ports_with_udp_and_give_them_back),
    T_CASE(a_port_of_another_program_is_passed_over),
    T_CASE(a_family_that_is_not_served_is_refused),
    T_CASE(a_relay_may_be_closed_while_a_peer_arrives),
    T_CASE(a_peer_that_may_not_connect_is_hung_up_on),
    T_CASE(what_it_says_first_waits_for_the_client),
    T_CASE(a_peer_that_has_gone_meanwhile_was_heard),
    T_CASE(there_are_so_many_connections_and_no_more),
    T_CASE(without_descriptors_it_waits_for_one),
    T_CASE(a_connection_leaves_from_the_relayed_address),
    T_CASE(it_may_connect_to_many_and_be_connected_to_by_them),
    T_CASE(the_same_peer_twice_from_one_address_fails),
    T_CASE(a_peer_that_does_not_listen_is_told_about),
    T_CASE(a_connection_may_be_given_up_before_it_is_there),
    T_CASE(hung_up_while_its_client_comes_it_closes_that_too),
    T_CASE(hanging_up_closes_both),
    T_CASE(a_set_may_end_with_everything_open),
    T_CASE(all_of_it_works_with_ipv6),
};
T_MAIN(cases)
