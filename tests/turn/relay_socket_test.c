#include "turn/relay_socket.h"

#include "core/clock.h"
#include "tests/t.h"
#include "turn/relay_direct.h"

#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOTES = 4096, PEERS = 4, PATIENCE_SECONDS = 10 };

/* What the relays tell: notes are checked against the bytes when they must be given back. */
struct note {
    struct turn_allocation *owner;
    struct address peer;
    struct span data;
    uint8_t first;
};

static struct {
    struct loop *loop;
    struct relay_addresses *addresses;
    struct relay_sockets *sockets;
    struct note note[NOTES];
    size_t notes, checked, flushes;
    unsigned icmps;
    struct address icmp_peer;
    struct turn_allocation *icmp_owner;
    uint8_t icmp_type, icmp_code;
    uint32_t icmp_data;
    int peer[PEERS];
    struct address peer_at[PEERS];
    struct turn_relay *close_at_note; /* closed by whoever is told first */
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

/* --- events ----------------------------------------------------------------------------------
 */

static void on_datagram(void *arg, struct turn_allocation *whose, const struct address *peer,
                        struct span data, usec_t now)
{
    (void)arg;
    (void)now;
    T_OK(net.notes < NOTES);
    net.note[net.notes++] = (struct note){whose, *peer, data, data.n ? data.p[0] : 0};
    if (net.close_at_note)
        relay_socket_close(net.sockets, net.close_at_note);
    net.close_at_note = NULL;
}

static void on_icmp(void *arg, struct turn_allocation *whose, const struct address *peer,
                    uint8_t type, uint8_t code, uint32_t data, usec_t now)
{
    (void)arg;
    (void)now;
    net.icmps++;
    net.icmp_owner = whose;
    net.icmp_peer = *peer;
    net.icmp_type = type;
    net.icmp_code = code;
    net.icmp_data = data;
}

/* Nothing that was lent may have been written to by then. */
static void on_flush(void *arg, usec_t now)
{
    (void)arg;
    (void)now;
    net.flushes++;
    for (; net.checked < net.notes; net.checked++) {
        const struct note *note = &net.note[net.checked];

        for (size_t i = 0; i < note->data.n; i++)
            T_EQ(note->data.p[i], note->first);
    }
}

/* --- the scene
 * --------------------------------------------------------------------------------- */

static void open_peers(const char *ip)
{
    for (int i = 0; i < PEERS; i++) {
        socklen_t len = sizeof net.peer_at[i];

        net.peer_at[i] = at(ip);
        net.peer[i] = socket(net.peer_at[i].sa.sa_family, SOCK_DGRAM | SOCK_NONBLOCK, 0);
        T_EQ(bind(net.peer[i], &net.peer_at[i].sa, address_len(&net.peer_at[i])), 0);
        T_EQ(getsockname(net.peer[i], &net.peer_at[i].sa, &len), 0);
    }
}

static void open_net_at(const char *ip, const struct relay_addresses_options *addresses,
                        const struct relay_sockets_options *with)
{
    struct relay_sockets_options options = with ? *with : (struct relay_sockets_options){0};

    memset(&net, 0, sizeof net);
    T_EQ(loop_create(&net.loop, "test", 16), RC_OK);
    T_EQ(relay_addresses_create(&net.addresses, addresses), RC_OK);
    options.loop = net.loop;
    options.addresses = net.addresses;
    options.events = (struct relay_socket_events){NULL, on_datagram, on_icmp, on_flush};
    T_EQ(relay_sockets_create(&net.sockets, &options), RC_OK);
    open_peers(ip);
}

static void open_net(const struct relay_sockets_options *with)
{
    open_net_at("127.0.0.1", &(struct relay_addresses_options){.min_port = 0}, with);
}

static void close_net(void)
{
    for (int i = 0; i < PEERS; i++)
        close(net.peer[i]);
    relay_sockets_free(net.sockets);
    relay_addresses_free(net.addresses);
    loop_free(net.loop);
}

static struct turn_relay *open_relay(uintptr_t n, struct address *told)
{
    const struct address local = net.peer_at[0];
    struct turn_relay *relay = NULL;

    T_EQ(relay_socket_open(net.sockets, local.sa.sa_family, false, &local, owner(n), &relay,
                           told, NULL),
         RC_OK);
    return relay;
}

static uint8_t bytes[256][4096];

static struct span filled(uint8_t tag, size_t len)
{
    memset(bytes[tag], tag, len);
    return (struct span){bytes[tag], len};
}

static void peer_sends(int peer, const struct address *to, uint8_t tag, size_t len)
{
    const struct span data = filled(tag, len);

    T_EQ(sendto(net.peer[peer], data.p, data.n, 0, &to->sa, address_len(to)), len);
}

static void relay_sends(struct turn_relay *relay, int peer, uint8_t tag, size_t len)
{
    relay_socket_send(net.sockets, relay, &net.peer_at[peer], filled(tag, len), false);
}

/* Loopback delivers within the sending call. */
static void expect_at_peer(int peer, uint8_t tag, size_t len, const struct address *from)
{
    uint8_t in[4096];
    struct address sender;
    socklen_t sender_len = sizeof sender;

    T_EQ(recvfrom(net.peer[peer], in, sizeof in, 0, &sender.sa, &sender_len), len);
    if (len)
        T_EQ(in[0], tag);
    if (len)
        T_EQ(in[len - 1], tag);
    if (from)
        T_OK(address_equal(&sender, from));
}

static void expect_nothing_at_peer(int peer)
{
    uint8_t in[16];

    T_EQ(recv(net.peer[peer], in, sizeof in, 0), -1);
}

static void turn_until_notes(size_t count)
{
    const usec_t end = clock_now() + SEC(PATIENCE_SECONDS);

    while (net.notes < count && clock_now() < end)
        loop_turn(net.loop);
    T_EQ(net.notes, count);
}

static void turn_until_icmps(unsigned count)
{
    const usec_t end = clock_now() + SEC(PATIENCE_SECONDS);

    while (net.icmps < count && clock_now() < end)
        loop_turn(net.loop);
    T_OK(net.icmps >= count);
}

static uint64_t stat(const struct counter *counter)
{
    return counter_get(counter);
}

/* --- both ways
 * ----------------------------------------------------------------------------------- */

static void both_ways(const char *ip)
{
    struct address told;

    open_net_at(ip, &(struct relay_addresses_options){.min_port = 0}, NULL);
    struct turn_relay *relay = open_relay(1, &told);
    T_OK(address_equal_ip(&told, &net.peer_at[0]));
    T_OK(address_port(&told) >= RELAY_PORT_FIRST);

    peer_sends(0, &told, 'a', 100);
    turn_until_notes(1);
    T_OK(net.note[0].owner == owner(1));
    T_OK(address_equal(&net.note[0].peer, &net.peer_at[0]));
    T_EQ(net.note[0].data.n, 100);
    T_EQ(net.note[0].first, 'a');
    T_EQ(net.flushes, 1);

    relay_sends(relay, 1, 'b', 50);
    expect_nothing_at_peer(1);
    relay_sockets_flush(net.sockets);
    expect_at_peer(1, 'b', 50, &told);
    close_net();
}

static void datagrams_go_both_ways(void)
{
    both_ways("127.0.0.1");
}

static bool has_ipv6(void)
{
    const struct address a = at("::1");
    const int fd = socket(AF_INET6, SOCK_DGRAM, 0);
    const bool has = fd >= 0 && bind(fd, &a.sa, address_len(&a)) == 0;

    if (fd >= 0)
        close(fd);
    return has;
}

static void they_do_so_over_ipv6(void)
{
    if (has_ipv6())
        both_ways("::1");
}

static void peers_are_told_the_external_address(void)
{
    const struct relay_external external = {.public = at("203.0.113.7")};
    struct address told;

    open_net_at("127.0.0.1",
                &(struct relay_addresses_options){.external = &external, .external_count = 1},
                NULL);
    struct turn_relay *relay = open_relay(1, &told);
    const struct address expected = at("203.0.113.7");
    T_OK(address_equal_ip(&told, &expected));
    const struct address again = relay_socket_told(relay);
    T_OK(address_equal(&told, &again));

    struct address real = at("127.0.0.1");
    address_set_port(&real, address_port(&told));
    relay_sends(relay, 0, 'x', 10);
    relay_sockets_flush(net.sockets);
    expect_at_peer(0, 'x', 10, &real);
    close_net();
}

static void an_empty_datagram_is_one(void)
{
    struct address told;

    open_net(NULL);
    struct turn_relay *relay = open_relay(1, &told);
    peer_sends(0, &told, 'a', 0);
    turn_until_notes(1);
    T_EQ(net.note[0].data.n, 0);
    for (int i = 0; i < 3; i++)
        relay_sends(relay, 1, 'b', 0);
    relay_sockets_flush(net.sockets);
    for (int i = 0; i < 3; i++)
        expect_at_peer(1, 'b', 0, &told);
    close_net();
}

static void what_is_too_long_is_dropped_and_counted(void)
{
    struct address told;

    open_net(NULL);
    struct turn_relay *relay = open_relay(1, &told);
    peer_sends(0, &told, 'a', RELAY_PACKET_MAX + 1);
    peer_sends(0, &told, 'b', RELAY_PACKET_MAX);
    turn_until_notes(1);
    T_EQ(net.note[0].data.n, RELAY_PACKET_MAX);
    relay_sends(relay, 1, 'c', RELAY_PACKET_MAX + 1);
    relay_sends(relay, 1, 'd', RELAY_PACKET_MAX);
    relay_sockets_flush(net.sockets);
    expect_at_peer(1, 'd', RELAY_PACKET_MAX, NULL);
    T_EQ(stat(&relay_sockets_stats(net.sockets)->dropped_oversize), 1);
    T_EQ(stat(&relay_sockets_stats(net.sockets)->send_errors), 1);
    close_net();
}

static void a_peer_of_the_other_family_is_not_sent_to(void)
{
    const struct address v6 = at("[::1]:9");

    open_net(NULL);
    relay_socket_send(net.sockets, open_relay(1, &(struct address){{{0}}}), &v6, filled(1, 9),
                      false);
    relay_sockets_flush(net.sockets);
    T_EQ(stat(&relay_sockets_stats(net.sockets)->send_errors), 1);
    close_net();
}

/* --- ports
 * --------------------------------------------------------------------------------------- */

static void open_range(uint16_t first, uint16_t last)
{
    open_net_at("127.0.0.1",
                &(struct relay_addresses_options){.min_port = first, .max_port = last}, NULL);
}

static int try_open(bool even, struct turn_relay **relay, struct turn_relay **next)
{
    struct address told;

    return relay_socket_open(net.sockets, AF_INET, even, &net.peer_at[0], owner(1), relay,
                             &told, next);
}

/* A range that nobody on this machine uses: relays take all of it at once. */
static uint16_t find_free_range(uint16_t count)
{
    for (uint16_t first = 20000; first < 60000; first = (uint16_t)(first + count)) {
        struct turn_relay *relay;
        bool all = true;

        open_range(first, (uint16_t)(first + count - 1));
        for (uint16_t i = 0; i < count; i++)
            all = all && try_open(false, &relay, NULL) == RC_OK;
        close_net();
        if (all)
            return first;
    }
    T_OK(!"a machine without free ports");
    return 0;
}

static void ports_run_out_and_come_back(void)
{
    const uint16_t first = find_free_range(8);
    struct turn_relay *relay[8], *extra;

    open_range(first, (uint16_t)(first + 7));
    for (int i = 0; i < 8; i++)
        T_EQ(try_open(false, &relay[i], NULL), RC_OK);
    T_EQ(try_open(false, &extra, NULL), RC_FULL);
    T_EQ(stat(&relay_sockets_stats(net.sockets)->ports_exhausted), 1);
    T_EQ(stat(&relay_sockets_stats(net.sockets)->open), 8);
    const struct address freed = relay_socket_told(relay[3]);
    relay_socket_close(net.sockets, relay[3]);
    T_EQ(try_open(false, &extra, NULL), RC_OK);
    const struct address again = relay_socket_told(extra);
    T_OK(address_equal(&freed, &again));
    close_net();
}

static void even_ports_and_pairs_are_what_they_say(void)
{
    const uint16_t first = find_free_range(8);
    struct turn_relay *even[2], *pair[2], *next[2], *extra, *above;

    open_range(first, (uint16_t)(first + 7));
    for (int i = 0; i < 2; i++) {
        T_EQ(try_open(true, &pair[i], &next[i]), RC_OK);
        const struct address low = relay_socket_told(pair[i]),
                             high = relay_socket_told(next[i]);
        T_EQ(address_port(&low) % 2, 0);
        T_EQ(address_port(&high), address_port(&low) + 1);
        T_EQ(try_open(true, &even[i], NULL), RC_OK);
        const struct address alone = relay_socket_told(even[i]);
        T_EQ(address_port(&alone) % 2, 0);
    }
    T_EQ(try_open(true, &extra, &above), RC_FULL);
    T_EQ(try_open(true, &extra, NULL), RC_FULL);
    T_EQ(try_open(false, &extra, NULL), RC_OK);
    close_net();
}

static void an_address_can_be_held_without_a_socket(void)
{
    const uint16_t first = find_free_range(2);
    struct turn_relay *held, *relay;
    struct address told;

    open_range(first, (uint16_t)(first + 1));
    T_EQ(relay_socket_hold(net.sockets, AF_INET, true, &net.peer_at[0], owner(1), &held, &told),
         RC_OK);
    T_EQ(address_port(&told) % 2, 0);
    T_EQ(counter_get(&relay_sockets_stats(net.sockets)->open), 0);
    T_EQ(try_open(false, &relay, NULL), RC_OK); /* the other port, never the held one */
    T_EQ(try_open(false, &relay, NULL), RC_FULL);

    relay_socket_send(net.sockets, held, &net.peer_at[0], filled(1, 10), false);
    relay_sockets_flush(net.sockets);
    T_EQ(counter_get(&relay_sockets_stats(net.sockets)->send_errors), 1);
    relay_socket_close(net.sockets, held);
    T_EQ(try_open(false, &relay, NULL), RC_OK);
    close_net();
}

static void a_reserved_port_belongs_to_nobody_until_it_is_adopted(void)
{
    struct turn_relay *relay, *next;

    open_net(NULL);
    T_EQ(try_open(true, &relay, &next), RC_OK);
    const struct address told = relay_socket_told(next);
    peer_sends(0, &told, 'a', 10);
    loop_turn(net.loop);
    T_EQ(net.notes, 0);
    relay_socket_adopt(next, owner(5));
    peer_sends(0, &told, 'b', 10);
    turn_until_notes(1);
    T_OK(net.note[0].owner == owner(5));
    T_EQ(net.note[0].first, 'b');
    close_net();
}

static int hold_port(uint16_t port)
{
    const int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct address a = at("127.0.0.1");

    address_set_port(&a, port);
    T_EQ(bind(fd, &a.sa, address_len(&a)), 0);
    return fd;
}

static void ports_of_other_programs_are_passed_over_and_not_lost(void)
{
    const uint16_t first = find_free_range(8);
    struct turn_relay *relay, *next;

    open_range(first, (uint16_t)(first + 7));
    const int other = hold_port((uint16_t)(first + 1));
    for (int i = 0; i < 3; i++)
        T_EQ(try_open(true, &relay, &next), RC_OK);
    T_EQ(try_open(true, &relay, &next), RC_FULL);
    T_EQ(try_open(false, &relay, NULL), RC_OK);
    T_EQ(try_open(false, &next, NULL), RC_FULL);
    close(other);
    T_EQ(try_open(false, &next, NULL), RC_OK);
    T_EQ(try_open(false, &next, NULL), RC_FULL);
    close_net();
}

static void an_address_that_the_machine_does_not_have_is_an_error(void)
{
    const struct address foreign = at("192.0.2.1");
    struct turn_relay *relay;

    open_net_at("127.0.0.1",
                &(struct relay_addresses_options){.relay_ip = &foreign, .relay_ip_count = 1},
                NULL);
    T_EQ(try_open(false, &relay, NULL), RC_SYS);
    T_EQ(errno, EADDRNOTAVAIL);
    T_EQ(relay_socket_open(net.sockets, AF_INET6, false, &net.peer_at[0], owner(1), &relay,
                           &(struct address){{{0}}}, NULL),
         RC_BAD);
    close_net();
}

/* --- batches
 * ------------------------------------------------------------------------------------- */

static void a_run_to_one_peer_is_one_gso_message(void)
{
    struct address told;

    open_net(NULL);
    struct turn_relay *relay = open_relay(1, &told);
    for (uint8_t i = 0; i < 5; i++)
        relay_sends(relay, 0, i, i < 4 ? 1200 : 300);
    for (uint8_t i = 5; i < 8; i++)
        relay_sends(relay, 1, i, 500);
    relay_sockets_flush(net.sockets);
    for (uint8_t i = 0; i < 5; i++)
        expect_at_peer(0, i, i < 4 ? 1200 : 300, &told);
    for (uint8_t i = 5; i < 8; i++)
        expect_at_peer(1, i, 500, &told);
    T_EQ(stat(&relay_sockets_stats(net.sockets)->calls_out), 1);
    T_EQ(stat(&relay_sockets_stats(net.sockets)->gso_messages), 2);
    T_EQ(stat(&relay_sockets_stats(net.sockets)->packets_out), 8);
    T_EQ(stat(&relay_sockets_stats(net.sockets)->bytes_out), 4 * 1200 + 300 + 3 * 500);
    close_net();
}

static void each_relay_sends_its_own_in_one_call(void)
{
    struct turn_relay *relay[3];
    struct address told[3];

    open_net(NULL);
    for (uint8_t i = 0; i < 3; i++)
        relay[i] = open_relay(i, &told[i]);
    for (uint8_t k = 0; k < 4; k++)
        for (uint8_t i = 0; i < 3; i++) /* in turns, growing: nothing is a run */
            relay_sends(relay[i], i, (uint8_t)(16 * i + k), 100 + 10u * k);
    relay_sockets_flush(net.sockets);
    for (uint8_t k = 0; k < 4; k++)
        for (uint8_t i = 0; i < 3; i++)
            expect_at_peer(i, (uint8_t)(16 * i + k), 100 + 10u * k, &told[i]);
    T_EQ(stat(&relay_sockets_stats(net.sockets)->calls_out), 3);
    T_EQ(stat(&relay_sockets_stats(net.sockets)->gso_messages), 0);
    close_net();
}

static void more_than_a_batch_is_sent_all_the_same(void)
{
    enum { COUNT = 3 * RELAY_PENDING + 7 };
    struct address told;

    open_net(NULL);
    struct turn_relay *relay = open_relay(1, &told);
    for (int i = 0; i < COUNT; i++)
        relay_sends(relay, i % PEERS, (uint8_t)i, 10 + (size_t)(i % 3));
    relay_sockets_flush(net.sockets);
    for (int i = 0; i < COUNT; i++)
        expect_at_peer(i % PEERS, (uint8_t)i, 10 + (size_t)(i % 3), &told);
    close_net();
}

static void a_burst_arrives_in_order_and_untouched(bool gro)
{
    enum { COUNT = 200 };
    struct address told;

    open_net(&(struct relay_sockets_options){.no_gro = !gro, .buffer_bytes = 1 << 20});
    (void)open_relay(1, &told);
    for (int i = 0; i < COUNT; i++)
        peer_sends(0, &told, (uint8_t)(i % 256), 200 + (size_t)i);
    turn_until_notes(COUNT);
    for (int i = 0; i < COUNT; i++) {
        T_EQ(net.note[i].first, i % 256);
        T_EQ(net.note[i].data.n, 200 + i);
    }
    T_EQ(net.checked, COUNT);
    /* The first read finds out that there is more; then bursts are read at once. */
    T_OK(stat(&relay_sockets_stats(net.sockets)->calls_in) < COUNT / 4);
    close_net();
}

static void bursts_are_read_at_once(void)
{
    a_burst_arrives_in_order_and_untouched(true);
    a_burst_arrives_in_order_and_untouched(false);
}

/* What one relay sends as GSO comes to another as one message, and is taken apart. */
static void a_coalesced_message_is_taken_apart(void)
{
    struct address told, other;

    open_net(NULL);
    struct turn_relay *sender = open_relay(1, &told);
    (void)open_relay(2, &other);
    for (uint8_t i = 0; i < 5; i++)
        relay_socket_send(net.sockets, sender, &other, filled(i, i < 4 ? 700 : 90), false);
    relay_sockets_flush(net.sockets);
    turn_until_notes(5);
    for (uint8_t i = 0; i < 5; i++) {
        T_OK(net.note[i].owner == owner(2));
        T_OK(address_equal(&net.note[i].peer, &told));
        T_EQ(net.note[i].first, i);
        T_EQ(net.note[i].data.n, i < 4 ? 700 : 90);
    }
    T_EQ(stat(&relay_sockets_stats(net.sockets)->calls_in), 1);
    close_net();
}

static void a_flood_to_one_relay_does_not_keep_the_others_waiting(void)
{
    enum { FLOOD = 400 };
    struct address busy, quiet;
    size_t before = 0;

    open_net(&(struct relay_sockets_options){.no_gro = true, .buffer_bytes = 1 << 20});
    (void)open_relay(1, &busy);
    (void)open_relay(2, &quiet);
    for (int i = 0; i < FLOOD; i++)
        peer_sends(0, &busy, 'f', 100);
    peer_sends(1, &quiet, 'q', 100);
    loop_turn(net.loop);
    while (before < net.notes && net.note[before].first != 'q')
        before++;
    T_OK(before <= 1); /* one round */
    T_OK(net.notes < FLOOD / 2);
    turn_until_notes(FLOOD + 1);
    close_net();
}

static void a_relay_may_be_closed_from_inside_an_event(void)
{
    struct address told[3];

    open_net(NULL);
    for (int which = 0; which < 3; which++) {
        struct turn_relay *relay[3];

        net.notes = net.checked = 0;
        for (uint8_t i = 0; i < 3; i++)
            relay[i] = open_relay(i, &told[i]);
        for (int k = 0; k < 10; k++)
            for (uint8_t i = 0; i < 3; i++)
                peer_sends(0, &told[i], i, 100);
        relay_sends(relay[which], 3, 'l', 20); /* is sent all the same */
        net.close_at_note = relay[which];
        for (int turns = 0; turns < 20; turns++)
            loop_turn(net.loop), peer_sends(0, &told[(which + 1) % 3], 9, 100);
        expect_at_peer(3, 'l', 20, NULL);
        T_OK(net.notes >= 20);
        for (uint8_t i = 0; i < 3; i++)
            if (i != which)
                relay_socket_close(net.sockets, relay[i]);
        T_EQ(stat(&relay_sockets_stats(net.sockets)->open), 0);
    }
    close_net();
}

/* --- errors
 * ------------------------------------------------------------------------------------------ */

static void an_unreachable_peer_is_told_and_breaks_nothing(void)
{
    struct address told, dead;

    open_net(NULL);
    struct turn_relay *relay = open_relay(7, &told);
    dead = net.peer_at[3];
    close(net.peer[3]);
    for (uint8_t round = 0; round < 10; round++) {
        relay_socket_send(net.sockets, relay, &dead, filled('d', 33), false);
        relay_sends(relay, 0, round, 44);
        relay_sockets_flush(net.sockets);
        expect_at_peer(0, round, 44, &told); /* although an error waits */
        relay_sends(relay, 1, round, 55);
        relay_sockets_flush(net.sockets);
        expect_at_peer(1, round, 55, &told);
    }
    turn_until_icmps(10);
    T_OK(net.icmp_owner == owner(7));
    T_OK(address_equal(&net.icmp_peer, &dead));
    T_EQ(net.icmp_type, 3);
    T_EQ(net.icmp_code, 3);
    peer_sends(0, &told, 'z', 10);
    turn_until_notes(1);
    T_EQ(stat(&relay_sockets_stats(net.sockets)->send_errors), 0);
    open_peers("127.0.0.1"); /* for close_net */
    close_net();
}

static struct {
    const int *script;
    size_t length, at;
    unsigned gso_seen, single_seen;
} kernel;

static int scripted(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    const bool gso = messages[0].msg_hdr.msg_iovlen > 1;

    kernel.gso_seen += gso;
    kernel.single_seen += !gso;
    if (kernel.at < kernel.length) {
        errno = kernel.script[kernel.at++];
        if (errno)
            return -1;
    }
    return sendmmsg(fd, messages, count, flags);
}

static struct turn_relay *open_scripted(const int *script, size_t length)
{
    struct address told;

    memset(&kernel, 0, sizeof kernel);
    kernel.script = script;
    kernel.length = length;
    open_net(&(struct relay_sockets_options){.sendmmsg = scripted});
    return open_relay(1, &told);
}

static void send_run(struct turn_relay *relay, uint8_t first, uint8_t count)
{
    for (uint8_t i = 0; i < count; i++)
        relay_sends(relay, 0, (uint8_t)(first + i), 600);
    relay_sockets_flush(net.sockets);
}

static void expect_run(uint8_t first, uint8_t count)
{
    for (uint8_t i = 0; i < count; i++)
        expect_at_peer(0, (uint8_t)(first + i), 600, NULL);
}

static void a_kernel_without_gso_is_asked_once(void)
{
    static const int errors[] = {EIO, ENOPROTOOPT, EOPNOTSUPP};

    for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
        struct turn_relay *relay = open_scripted(&errors[i], 1);

        send_run(relay, 0, 4);
        send_run(relay, 4, 4);
        expect_run(0, 8);
        T_EQ(kernel.gso_seen, 1);
        close_net();
    }
}

static void a_run_that_gso_cannot_carry_goes_packet_by_packet_this_time(void)
{
    static const int errors[] = {EINVAL, EMSGSIZE};

    for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
        struct turn_relay *relay = open_scripted(&errors[i], 1);

        send_run(relay, 0, 4);
        send_run(relay, 4, 4);
        expect_run(0, 8);
        T_EQ(kernel.gso_seen, 2);
        T_EQ(kernel.single_seen, 4);
        close_net();
    }
}

static void an_error_of_before_costs_no_packet(void)
{
    static const int script[] = {ECONNREFUSED};
    struct turn_relay *relay = open_scripted(script, 1);

    send_run(relay, 0, 1);
    expect_run(0, 1);
    T_EQ(stat(&relay_sockets_stats(net.sockets)->send_errors), 0);
    close_net();
}

static void a_peer_that_cannot_be_sent_to_costs_its_own_packets_alone(void)
{
    static const int script[] = {ENETUNREACH, ENETUNREACH};
    struct turn_relay *relay = open_scripted(script, 2);

    relay_sends(relay, 1, 'x', 100);
    relay_sends(relay, 0, 0, 600);
    relay_sockets_flush(net.sockets);
    expect_run(0, 1);
    T_EQ(stat(&relay_sockets_stats(net.sockets)->send_errors), 1);
    close_net();
}

static void what_a_full_socket_does_not_take_is_lost_and_counted(void)
{
    static const int script[] = {EAGAIN};
    struct turn_relay *relay = open_scripted(script, 1);

    send_run(relay, 0, 4);
    expect_nothing_at_peer(0);
    T_EQ(stat(&relay_sockets_stats(net.sockets)->dropped_full), 4);
    send_run(relay, 4, 4);
    expect_run(4, 4);
    close_net();
}

/* --- a second socket for busy relays -------------------------------------------------------
 */

static void relay_sends_many(struct turn_relay *relay, int peer, int count)
{
    for (int i = 0; i < count; i++) {
        relay_sends(relay, peer, (uint8_t)i, 100);
        relay_sockets_flush(net.sockets);
        expect_at_peer(peer, (uint8_t)i, 100, NULL);
    }
}

static uint64_t direct_sockets(void)
{
    return stat(&relay_sockets_stats(net.sockets)->direct);
}

static void who_talks_to_one_peer_gets_a_connected_socket_and_hears_everybody(void)
{
    struct address told;

    open_net(NULL);
    struct turn_relay *relay = open_relay(4, &told);
    relay_sends_many(relay, 0, RELAY_DIRECT_AFTER - 1);
    T_EQ(direct_sockets(), 0);
    relay_sends_many(relay, 0, 1);
    T_EQ(direct_sockets(), 1);
    for (int round = 0; round < 20; round++) {
        net.notes = net.checked = 0;
        for (int i = 0; i < PEERS; i++)
            peer_sends(i, &told, (uint8_t)('a' + i), 50);
        turn_until_notes(PEERS);
        unsigned heard = 0;
        for (int i = 0; i < PEERS; i++) {
            T_OK(net.note[i].owner == owner(4));
            T_OK(address_equal(&net.note[i].peer, &net.peer_at[net.note[i].first - 'a']));
            heard |= 1u << (net.note[i].first - 'a');
        }
        T_EQ(heard, 0xf);
        for (uint8_t i = 0; i < PEERS; i++)
            relay_sends(relay, i, i, 200);
        relay_sockets_flush(net.sockets);
        for (uint8_t i = 0; i < PEERS; i++)
            expect_at_peer(i, i, 200,
                           &told); /* from the same address, whichever socket it was */
    }
    T_EQ(stat(&relay_sockets_stats(net.sockets)->open), 1);
    relay_socket_close(net.sockets, relay);
    T_EQ(direct_sockets(), 0);
    close_net();
}

static void a_connected_socket_goes_when_it_is_not_used_any_more(void)
{
    struct address told;

    open_net(NULL);
    struct turn_relay *relay = open_relay(4, &told);
    relay_sends_many(relay, 0, RELAY_DIRECT_AFTER);
    for (int i = 0; i < RELAY_DIRECT_UNUSED + RELAY_DIRECT_AFTER; i++)
        relay_sends_many(relay, 1 + i % 2, 1); /* two in turns: neither is worth one */
    T_EQ(direct_sockets(), 0);
    relay_sends_many(relay, 2, RELAY_DIRECT_AFTER);
    T_EQ(direct_sockets(), 1);
    peer_sends(0, &told, 'x', 10);
    peer_sends(2, &told, 'y', 10);
    turn_until_notes(2);
    close_net();
}

static void a_connected_socket_tells_of_an_unreachable_peer(void)
{
    struct address told;

    open_net(NULL);
    struct turn_relay *relay = open_relay(6, &told);
    relay_sends_many(relay, 3, RELAY_DIRECT_AFTER);
    T_EQ(direct_sockets(), 1);
    close(net.peer[3]);
    for (uint8_t i = 0; i < 10; i++) {
        relay_sends(relay, 3, 'd', 30);
        relay_sends(relay, 0, i, 40);
        relay_sockets_flush(net.sockets);
        expect_at_peer(0, i, 40, &told);
    }
    turn_until_icmps(1);
    T_OK(net.icmp_owner == owner(6));
    T_OK(address_equal(&net.icmp_peer, &net.peer_at[3]));
    T_EQ(net.icmp_type, 3);
    T_EQ(net.icmp_code, 3);
    open_peers("127.0.0.1"); /* for close_net */
    close_net();
}

static void a_relay_may_be_closed_from_inside_an_event_of_its_second_socket(void)
{
    struct address told;

    open_net(NULL);
    struct turn_relay *relay = open_relay(1, &told);
    relay_sends_many(relay, 0, RELAY_DIRECT_AFTER);
    for (int i = 0; i < 5; i++) {
        peer_sends(0, &told, 'a', 100);
        peer_sends(1, &told, 'b', 100);
    }
    net.close_at_note = relay;
    turn_until_notes(1);
    T_EQ(stat(&relay_sockets_stats(net.sockets)->open), 0);
    T_EQ(direct_sockets(), 0);
    close_net();
}

/* --- DONT-FRAGMENT, where the way is narrow
 * ---------------------------------------------------- */

enum { NARROW = 1400 };

static bool make_loopback_narrow(void)
{
    struct ifreq request = {.ifr_name = "lo"};
    const int fd = socket(AF_INET, SOCK_DGRAM, 0);

    request.ifr_mtu = NARROW;
    bool ok = ioctl(fd, SIOCSIFMTU, &request) == 0;
    request.ifr_flags = IFF_UP;
    ok = ok && ioctl(fd, SIOCSIFFLAGS, &request) == 0;
    close(fd);
    return ok;
}

static void try_narrow(bool direct)
{
    struct address told;

    open_net(NULL);
    struct turn_relay *relay = open_relay(3, &told);
    if (direct)
        relay_sends_many(relay, 1, RELAY_DIRECT_AFTER);
    relay_sends(relay, 0, 'a', 1600); /* in fragments */
    relay_sockets_flush(net.sockets);
    expect_at_peer(0, 'a', 1600, &told);

    relay_socket_send(net.sockets, relay, &net.peer_at[1], filled('b', 1600), true);
    relay_socket_send(net.sockets, relay, &net.peer_at[0], filled('c', 1000), true);
    relay_socket_send(net.sockets, relay, &net.peer_at[0], filled('d', 1600), false);
    relay_sockets_flush(net.sockets);
    expect_nothing_at_peer(1);
    expect_at_peer(0, 'c', 1000, &told);
    expect_at_peer(0, 'd', 1600, &told);
    turn_until_icmps(1);
    T_EQ(net.icmp_type, 3);
    T_EQ(net.icmp_code, 4);
    T_EQ(net.icmp_data, NARROW);
    T_OK(address_equal(&net.icmp_peer, &net.peer_at[1]));
    T_EQ(stat(&relay_sockets_stats(net.sockets)->send_errors), 1);
    close_net();
}

/* In a network namespace of its own; where none can be made, nothing is tested. */
static void a_datagram_that_must_not_be_fragmented_is_refused_with_the_mtu(void)
{
    int status;
    const pid_t child = fork();

    T_OK(child >= 0);
    if (child == 0) {
        if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
            _exit(EXIT_SUCCESS);
        if (!make_loopback_narrow())
            _exit(EXIT_SUCCESS);
        if (setjmp(t_jump) != 0)
            _exit(EXIT_FAILURE);
        try_narrow(false);
        try_narrow(true);
        _exit(EXIT_SUCCESS);
    }
    T_EQ(waitpid(child, &status, 0), child);
    T_OK(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS);
}

static const struct t_case cases[] = {
    T_CASE(datagrams_go_both_ways),
    T_CASE(they_do_so_over_ipv6),
    T_CASE(peers_are_told_the_external_address),
    T_CASE(an_empty_datagram_is_one),
    T_CASE(what_is_too_long_is_dropped_and_counted),
    T_CASE(a_peer_of_the_other_family_is_not_sent_to),
    T_CASE(ports_run_out_and_come_back),
    T_CASE(even_ports_and_pairs_are_what_they_say),
    T_CASE(an_address_can_be_held_without_a_socket),
    T_CASE(a_reserved_port_belongs_to_nobody_until_it_is_adopted),
    T_CASE(ports_of_other_programs_are_passed_over_and_not_lost),
    T_CASE(an_address_that_the_machine_does_not_have_is_an_error),
    T_CASE(a_run_to_one_peer_is_one_gso_message),
    T_CASE(each_relay_sends_its_own_in_one_call),
    T_CASE(more_than_a_batch_is_sent_all_the_same),
    T_CASE(bursts_are_read_at_once),
    T_CASE(a_coalesced_message_is_taken_apart),
    T_CASE(a_flood_to_one_relay_does_not_keep_the_others_waiting),
    T_CASE(a_relay_may_be_closed_from_inside_an_event),
    T_CASE(an_unreachable_peer_is_told_and_breaks_nothing),
    T_CASE(a_kernel_without_gso_is_asked_once),
    T_CASE(a_run_that_gso_cannot_carry_goes_packet_by_packet_this_time),
    T_CASE(an_error_of_before_costs_no_packet),
    T_CASE(a_peer_that_cannot_be_sent_to_costs_its_own_packets_alone),
    T_CASE(what_a_full_socket_does_not_take_is_lost_and_counted),
    T_CASE(who_talks_to_one_peer_gets_a_connected_socket_and_hears_everybody),
    T_CASE(a_connected_socket_goes_when_it_is_not_used_any_more),
    T_CASE(a_connected_socket_tells_of_an_unreachable_peer),
    T_CASE(a_relay_may_be_closed_from_inside_an_event_of_its_second_socket),
    T_CASE(a_datagram_that_must_not_be_fragmented_is_refused_with_the_mtu),
};
T_MAIN(cases)
