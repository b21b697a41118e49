#include "core/udp_port.h"

#include "core/clock.h"
#include "tests/t.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ARRIVALS_MAX = 4096 };

/* Two ports on one loop: `a` sends, `b` notes what arrives. */
static struct {
    struct loop *loop;
    struct udp_port *a, *b;
    struct arrival {
        size_t len;
        uint8_t first, last;
        struct address from, local;
    } arrival[ARRIVALS_MAX];
    size_t arrivals, calls, idles, batch_largest;
    bool echo; /* b sends every datagram back from where it lies */
} net;

static void note_arrivals(void *arg, struct udp_datagram *batch, size_t count, usec_t now)
{
    (void)arg;
    (void)now;
    net.calls++;
    if (count > net.batch_largest)
        net.batch_largest = count;
    for (size_t i = 0; i < count; i++) {
        const struct udp_datagram *d = &batch[i];
        unsigned slack = 0;

        T_OK(net.arrivals < ARRIVALS_MAX);
        for (size_t k = 0; k < 32; k++)
            slack += d->data[d->len + k]; /* the sanitizer checks the promise */
        (void)slack;
        net.arrival[net.arrivals++] = (struct arrival){
            .len = d->len,
            .first = d->len ? d->data[0] : 0,
            .last = d->len ? d->data[d->len - 1] : 0,
            .from = d->from,
            .local = d->local,
        };
        if (net.echo)
            udp_port_send(net.b, &d->from, &d->local, d->data, d->len);
    }
}

static void count_idle(void *arg, usec_t now)
{
    (void)arg;
    (void)now;
    net.idles++;
}

static size_t echoes;

static void count_echoes(void *arg, struct udp_datagram *batch, size_t count, usec_t now)
{
    (void)arg;
    (void)now;
    for (size_t i = 0; i < count; i++)
        echoes += batch[i].data[0] == (uint8_t)batch[i].len;
}

static struct address at(const char *text)
{
    struct address a;

    T_EQ(address_parse(&a, text), RC_OK);
    return a;
}

static void open_net(const struct udp_port_options *a, const struct udp_port_options *b)
{
    memset(&net, 0, sizeof net);
    echoes = 0;
    T_EQ(loop_create(&net.loop, "test", 16), RC_OK);
    T_EQ(udp_port_open(&net.a, net.loop, a, count_echoes, NULL, NULL), RC_OK);
    T_EQ(udp_port_open(&net.b, net.loop, b, note_arrivals, count_idle, NULL), RC_OK);
}

static void open_on(const char *a, const char *b)
{
    open_net(&(struct udp_port_options){.at = at(a)}, &(struct udp_port_options){.at = at(b)});
}

static void close_net(void)
{
    udp_port_close(net.a);
    udp_port_close(net.b);
    loop_free(net.loop);
}

static struct address to_b(const char *ip)
{
    const struct address b = udp_port_address(net.b);
    struct address a = at(ip);

    address_set_port(&a, address_port(&b));
    return a;
}

/* Loopback delivers within the send call: a turn finds what was sent. */
static void receive(size_t count)
{
    while (net.arrivals < count)
        loop_turn(net.loop);
}

static uint8_t bytes[UDP_DATAGRAM_MAX + 1];

static void send_to(const struct address *to, uint8_t tag, size_t len)
{
    static uint8_t copies[1024][UDP_DATAGRAM_MAX];
    static size_t next;
    uint8_t *copy = copies[next++ % 1024];

    memset(copy, tag, len);
    udp_port_send(net.a, to, NULL, copy, len);
}

static void a_datagram_arrives_with_its_sender(void)
{
    open_on("127.0.0.1", "127.0.0.1");
    const struct address to = udp_port_address(net.b), from = udp_port_address(net.a);

    T_OK(address_port(&to) != 0);
    send_to(&to, 'x', 100);
    udp_port_flush(net.a);
    receive(1);
    T_EQ(net.arrival[0].len, 100);
    T_EQ(net.arrival[0].first, 'x');
    T_OK(address_equal(&net.arrival[0].from, &from));
    T_EQ(address_len(&net.arrival[0].local), 0); /* bound to one address: nothing to remember */
    T_EQ(net.idles, 1);
    close_net();
}

static void a_run_of_equal_packets_is_one_gso_message(void)
{
    open_on("127.0.0.1", "127.0.0.1");
    const struct address to = udp_port_address(net.b);

    for (uint8_t i = 0; i < 5; i++)
        send_to(&to, i, i < 4 ? 1200 : 300); /* the last may be shorter */
    udp_port_flush(net.a);
    receive(5);
    for (uint8_t i = 0; i < 5; i++) {
        T_EQ(net.arrival[i].len, i < 4 ? 1200 : 300);
        T_EQ(net.arrival[i].first, i);
        T_EQ(net.arrival[i].last, i);
    }
    T_EQ(counter_get(&udp_port_stats(net.a)->gso_messages), 1);
    T_EQ(counter_get(&udp_port_stats(net.a)->calls_out), 1);
    T_EQ(counter_get(&udp_port_stats(net.a)->packets_out), 5);
    T_EQ(counter_get(&udp_port_stats(net.a)->bytes_out), 4 * 1200 + 300);
    T_EQ(counter_get(&udp_port_stats(net.b)->packets_in), 5);
    T_EQ(counter_get(&udp_port_stats(net.b)->bytes_in), 4 * 1200 + 300);
    close_net();
}

/* Sizes and destinations that must not be glued together, each to arrive as it was sent. */
static void packets_that_differ_stay_apart_and_in_order(void)
{
    static const size_t sizes[] = {500, 400, 400, 500, 500, 0, 0, 700, 1, 2, 2048};

    open_on("127.0.0.1", "127.0.0.1");
    const struct address to = udp_port_address(net.b);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
        send_to(&to, (uint8_t)i, sizes[i]);
    udp_port_flush(net.a);
    receive(ARRAY_LEN(sizes));
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        T_EQ(net.arrival[i].len, sizes[i]);
        T_EQ(net.arrival[i].first, sizes[i] ? i : 0);
    }
    close_net();
}

static void many_packets_arrive_in_bounded_arrays(void)
{
    enum { COUNT = 1500 };

    open_on("127.0.0.1", "127.0.0.1");
    const struct address to = udp_port_address(net.b);
    for (size_t i = 0; i < COUNT; i++)
        send_to(&to, (uint8_t)i, 200);
    udp_port_flush(net.a);
    receive(COUNT);
    for (size_t i = 0; i < COUNT; i++)
        T_EQ(net.arrival[i].first, (uint8_t)i);
    T_OK(net.batch_largest <= UDP_DELIVER_MAX);
    T_EQ(counter_get(&udp_port_stats(net.b)->dropped_kernel), 0);
    close_net();
}

static void it_works_without_gso_and_gro(void)
{
    const struct udp_port_options plain = {
        .at = at("127.0.0.1"), .no_gso = true, .no_gro = true};

    open_net(&plain, &plain);
    const struct address to = udp_port_address(net.b);
    for (uint8_t i = 0; i < 100; i++)
        send_to(&to, i, 1200);
    udp_port_flush(net.a);
    receive(100);
    T_EQ(net.arrival[99].first, 99);
    T_EQ(counter_get(&udp_port_stats(net.a)->gso_messages), 0);
    close_net();
}

static void gso_reaches_a_port_without_gro(void)
{
    open_net(&(struct udp_port_options){.at = at("127.0.0.1")},
             &(struct udp_port_options){.at = at("127.0.0.1"), .no_gro = true});
    const struct address to = udp_port_address(net.b);
    for (uint8_t i = 0; i < 100; i++)
        send_to(&to, i, 1200);
    udp_port_flush(net.a);
    receive(100);
    for (uint8_t i = 0; i < 100; i++)
        T_EQ(net.arrival[i].first, i);
    close_net();
}

static void datagrams_that_are_too_long_are_dropped_and_counted(void)
{
    static const bool no_gro[] = {false, true};

    for (size_t i = 0; i < ARRAY_LEN(no_gro); i++) {
        open_net(&(struct udp_port_options){.at = at("127.0.0.1")},
                 &(struct udp_port_options){.at = at("127.0.0.1"), .no_gro = no_gro[i]});
        const struct address to = udp_port_address(net.b);
        const int fd = socket(AF_INET, SOCK_DGRAM, 0);
        static uint8_t large[9000];

        T_EQ(sendto(fd, large, UDP_DATAGRAM_MAX + 1, 0, &to.sa, address_len(&to)),
             UDP_DATAGRAM_MAX + 1);
        T_EQ(sendto(fd, large, sizeof large, 0, &to.sa, address_len(&to)), sizeof large);
        T_EQ(sendto(fd, large, UDP_DATAGRAM_MAX, 0, &to.sa, address_len(&to)),
             UDP_DATAGRAM_MAX);
        close(fd);
        receive(1);
        T_EQ(net.arrivals, 1);
        T_EQ(net.arrival[0].len, UDP_DATAGRAM_MAX);
        T_EQ(counter_get(&udp_port_stats(net.b)->dropped_oversize), 2);
        close_net();
    }
}

static void too_long_a_packet_is_not_sent(void)
{
    open_on("127.0.0.1", "127.0.0.1");
    const struct address to = udp_port_address(net.b), v6 = at("[::1]:9"), none = {0};

    udp_port_send(net.a, &to, NULL, bytes, UDP_DATAGRAM_MAX + 1);
    udp_port_send(net.a, &v6, NULL, bytes, 10); /* from a v4 socket */
    udp_port_send(net.a, &none, NULL, bytes, 10);
    udp_port_flush(net.a);
    T_EQ(counter_get(&udp_port_stats(net.a)->send_errors), 3);
    T_EQ(counter_get(&udp_port_stats(net.a)->calls_out), 0);
    close_net();
}

/* --- the wildcard address ---------------------------------------------------------------- */

static void a_wildcard_port_remembers_where_a_datagram_came_in(void)
{
    static const char *const wildcards[] = {"*", "0.0.0.0"};

    for (size_t i = 0; i < ARRAY_LEN(wildcards); i++) {
        open_on("127.0.0.1", wildcards[i]);
        const struct address to = to_b("127.0.0.2");

        net.echo = true;
        send_to(&to, 77, 77);
        udp_port_flush(net.a);
        receive(1);
        const struct address expected = at("127.0.0.2");
        T_OK(address_equal(&net.arrival[0].local, &expected));
        T_EQ(net.arrival[0].from.sa.sa_family, AF_INET);
        while (echoes < 1)
            loop_turn(net.loop);
        close_net();
    }
}

static struct address echo_from;

static void note_echo_sender(void *arg, struct udp_datagram *batch, size_t count, usec_t now)
{
    (void)arg;
    (void)now;
    echo_from = batch[count - 1].from;
    echoes += count;
}

static bool machine_has(const char *ip)
{
    const struct address a = at(ip);
    const int fd = socket(a.sa.sa_family, SOCK_DGRAM, 0);
    const bool has = fd >= 0 && bind(fd, &a.sa, address_len(&a)) == 0;

    if (fd >= 0)
        close(fd);
    return has;
}

static void an_answer_leaves_from_the_address_that_was_asked(void)
{
    static const char *const rows[][3] = {
        {"127.0.0.1", "*", "127.0.0.3"},
        {"127.0.0.1", "0.0.0.0", "127.0.0.3"},
        {"::1", "*", "::1"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (!machine_has(rows[i][0]))
            continue; /* a container without IPv6 */
        open_on("127.0.0.1", rows[i][1]);
        udp_port_close(net.a);
        const struct udp_port_options options = {.at = at(rows[i][0])};
        T_EQ(udp_port_open(&net.a, net.loop, &options, note_echo_sender, NULL, NULL), RC_OK);
        const struct address to = to_b(rows[i][2]);

        net.echo = true;
        for (int k = 0; k < 3; k++)
            send_to(&to, 9, 90); /* echoed as one GSO message with a source address */
        udp_port_flush(net.a);
        while (echoes < 3)
            loop_turn(net.loop);
        T_OK(address_equal(&echo_from, &to));
        close_net();
    }
}

static void forwarding_in_place_survives_the_next_receive_call(void)
{
    enum { COUNT = 250 }; /* four receive calls without GRO */

    open_net(&(struct udp_port_options){.at = at("127.0.0.1"), .no_gso = true},
             &(struct udp_port_options){.at = at("127.0.0.1"), .no_gro = true});
    const struct address to = udp_port_address(net.b);
    net.echo = true;
    for (size_t i = 0; i < COUNT; i++)
        send_to(&to, (uint8_t)(i + 1), i + 1 > 255 ? 255 : i + 1); /* byte 0 is the length */
    udp_port_flush(net.a);
    while (net.arrivals < COUNT || echoes < COUNT)
        loop_turn(net.loop);
    T_EQ(echoes, COUNT);
    close_net();
}

/* --- packets in pieces -------------------------------------------------------------------- */

/* A head of four bytes that is gone after the call, `len` bytes of data and a tail. */
static void send_parts_to(const struct address *to, uint8_t tag, size_t len, size_t tail)
{
    static uint8_t copies[1024][UDP_DATAGRAM_MAX];
    static size_t next;
    uint8_t *data = copies[next++ % 1024];
    uint8_t head[4] = {tag, 1, 2, 3};

    memset(data, tag ^ 0xff, len);
    udp_port_send_parts(net.a, to, NULL,
                        &(struct udp_parts){{head, sizeof head}, {data, len}, tail});
    memset(head, 0xee, sizeof head);
}

static void packets_of_a_head_and_data_are_one_gso_message(void)
{
    open_on("127.0.0.1", "127.0.0.1");
    const struct address to = udp_port_address(net.b);

    for (uint8_t i = 0; i < 5; i++)
        send_parts_to(&to, i, i < 4 ? 1200 : 300, 0);
    udp_port_flush(net.a);
    receive(5);
    for (uint8_t i = 0; i < 5; i++) {
        T_EQ(net.arrival[i].len, i < 4 ? 1204 : 304);
        T_EQ(net.arrival[i].first, i);
        T_EQ(net.arrival[i].last, i ^ 0xff);
    }
    T_EQ(counter_get(&udp_port_stats(net.a)->gso_messages), 1);
    T_EQ(counter_get(&udp_port_stats(net.a)->calls_out), 1);
    T_EQ(counter_get(&udp_port_stats(net.a)->bytes_out), 4 * 1204 + 304);
    close_net();
}

/* Equal in length, different in pieces: one run. */
static void whole_packets_and_packets_in_pieces_share_a_message(void)
{
    open_on("127.0.0.1", "127.0.0.1");
    const struct address to = udp_port_address(net.b);

    send_to(&to, 0, 207);
    send_parts_to(&to, 1, 203, 0);
    send_parts_to(&to, 2, 200, 3);
    send_to(&to, 3, 207);
    send_parts_to(&to, 4, 0, 0); /* a head alone ends the run */
    udp_port_flush(net.a);
    receive(5);
    for (uint8_t i = 0; i < 5; i++) {
        T_EQ(net.arrival[i].len, i < 4 ? 207 : 4);
        T_EQ(net.arrival[i].first, i);
    }
    T_EQ(net.arrival[1].last, 1 ^ 0xff);
    T_EQ(net.arrival[2].last, 0);
    T_EQ(counter_get(&udp_port_stats(net.a)->gso_messages), 1);
    T_EQ(counter_get(&udp_port_stats(net.a)->calls_out), 1);
    close_net();
}

static void any_piece_may_be_missing(void)
{
    static const struct udp_parts rows[] = {
        {{bytes, 5}, {bytes, 0}, 0}, {{NULL, 0}, {bytes, 6}, 0}, {{NULL, 0}, {NULL, 0}, 3},
        {{NULL, 0}, {NULL, 0}, 0},   {{bytes, 2}, {NULL, 0}, 1},
    };
    static const size_t lengths[] = {5, 6, 3, 0, 3};

    open_on("127.0.0.1", "127.0.0.1");
    const struct address to = udp_port_address(net.b);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        udp_port_send_parts(net.a, &to, NULL, &rows[i]);
        udp_port_flush(net.a);
        receive(i + 1);
        T_EQ(net.arrival[i].len, lengths[i]);
    }
    close_net();
}

static void heads_of_any_number_and_size_arrive_whole(void)
{
    enum { COUNT = 200, HEAD = 1000 };
    static uint8_t head[HEAD], data[HEAD];

    open_on("127.0.0.1", "127.0.0.1");
    const struct address to = udp_port_address(net.b);
    for (size_t i = 0; i < COUNT; i++) {
        memset(head, (uint8_t)i, HEAD);
        udp_port_send_parts(net.a, &to, NULL,
                            &(struct udp_parts){{head, HEAD}, {data, i % 7}, 0});
    }
    memset(head, 0xee, HEAD);
    udp_port_flush(net.a);
    receive(COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        T_EQ(net.arrival[i].len, HEAD + i % 7);
        T_EQ(net.arrival[i].first, (uint8_t)i);
    }
    udp_port_send_parts(net.a, &to, NULL,
                        &(struct udp_parts){{head, HEAD}, {bytes, UDP_DATAGRAM_MAX}, 0});
    T_EQ(counter_get(&udp_port_stats(net.a)->send_errors), 1);
    close_net();
}

/* --- a kernel that says no --------------------------------------------------------------- */

/* What the stand-in for sendmmsg does next: errno values for calls, 0 lets one message through.
 */
static struct {
    const int *script;
    size_t length, at;
    bool gso_only; /* errors hit only messages with several segments */
    unsigned gso_seen, single_seen;
} kernel;

static int scripted_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    const bool gso = messages[0].msg_hdr.msg_iovlen > 1;

    if (gso)
        kernel.gso_seen++;
    else
        kernel.single_seen++;
    if (kernel.at < kernel.length && (gso || !kernel.gso_only)) {
        errno = kernel.script[kernel.at++];
        if (errno)
            return -1;
        count = 1;
    }
    return sendmmsg(fd, messages, count, flags);
}

static void open_scripted(const int *script, size_t length, bool gso_only)
{
    memset(&kernel, 0, sizeof kernel);
    kernel.script = script;
    kernel.length = length;
    kernel.gso_only = gso_only;
    open_net(&(struct udp_port_options){.at = at("127.0.0.1"), .sendmmsg = scripted_sendmmsg},
             &(struct udp_port_options){.at = at("127.0.0.1")});
}

static void send_run(uint8_t first, int count)
{
    const struct address to = udp_port_address(net.b);

    for (int i = 0; i < count; i++)
        send_to(&to, (uint8_t)(first + i), 600);
    udp_port_flush(net.a);
}

static void expect_run(uint8_t count)
{
    receive(count);
    for (uint8_t i = 0; i < count; i++)
        T_EQ(net.arrival[i].first, i);
}

static void a_kernel_without_gso_is_asked_once(void)
{
    static const int errors[] = {EIO, ENOPROTOOPT, EOPNOTSUPP};

    for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
        open_scripted(&errors[i], 1, true);
        send_run(0, 4);
        send_run(4, 4);
        expect_run(8);
        T_EQ(kernel.gso_seen, 1);
        T_EQ(counter_get(&udp_port_stats(net.a)->packets_out), 8);
        T_EQ(counter_get(&udp_port_stats(net.a)->send_errors), 0);
        close_net();
    }
}

static void a_message_that_gso_cannot_carry_goes_packet_by_packet_this_time(void)
{
    static const int errors[] = {EINVAL, EMSGSIZE};

    for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
        open_scripted(&errors[i], 1, true);
        send_run(0, 4);
        send_run(4, 4);
        expect_run(8);
        T_EQ(kernel.gso_seen, 2);
        T_EQ(kernel.single_seen, 4);
        T_EQ(counter_get(&udp_port_stats(net.a)->gso_messages), 1);
        close_net();
    }
}

static void an_unreachable_destination_costs_its_own_packets_alone(void)
{
    static const int script[] = {0, ENETUNREACH};

    open_scripted(script, 2, false);
    const struct address to = udp_port_address(net.b);
    for (uint8_t i = 0; i < 4; i++)
        send_to(&to, i, 100 + 10u * i); /* growing: four messages */
    udp_port_flush(net.a);
    receive(3);
    T_EQ(net.arrival[0].first, 0);
    T_EQ(net.arrival[1].first, 2);
    T_EQ(net.arrival[2].first, 3);
    T_EQ(counter_get(&udp_port_stats(net.a)->send_errors), 1);
    close_net();
}

static void packets_wait_for_a_full_socket_and_keep_their_order(void)
{
    static const int script[] = {EAGAIN, 0, EAGAIN};

    open_scripted(script, 3, false);
    send_run(0, 4); /* refused: queued */
    send_run(4, 4); /* behind them */
    expect_run(8);
    T_EQ(counter_get(&udp_port_stats(net.a)->packets_out), 8);
    T_EQ(counter_get(&udp_port_stats(net.a)->dropped_queue_late), 0);
    close_net();
}

static void a_socket_that_fills_up_in_the_middle_of_a_run_loses_nothing(void)
{
    /* The GSO message is refused, one packet goes alone, then the socket is full. */
    static const int script[] = {EMSGSIZE, 0, EAGAIN, EAGAIN};

    open_scripted(script, 4, false);
    send_run(0, 6);
    expect_run(6);
    T_EQ(counter_get(&udp_port_stats(net.a)->packets_out), 6);
    close_net();
}

static void send_run_in_pieces(uint8_t first, int count)
{
    const struct address to = udp_port_address(net.b);

    for (int i = 0; i < count; i++)
        send_parts_to(&to, (uint8_t)(first + i), 600, i % 2 ? 1 : 0);
    udp_port_flush(net.a);
}

static void expect_run_in_pieces(uint8_t count)
{
    receive(count);
    for (uint8_t i = 0; i < count; i++) {
        T_EQ(net.arrival[i].len, 604 + i % 2);
        T_EQ(net.arrival[i].first, i);
        T_EQ(net.arrival[i].last, i % 2 ? 0 : i ^ 0xff);
    }
}

static void packets_in_pieces_survive_a_refused_run_and_a_full_socket(void)
{
    /* Runs of two and one; the second is refused, then one packet goes, then the socket is
     * full. */
    static const int script[] = {0, EMSGSIZE, 0, EAGAIN, EAGAIN};

    open_scripted(script, ARRAY_LEN(script), false);
    send_run_in_pieces(0, 8);
    send_run_in_pieces(8, 6);
    expect_run_in_pieces(14);
    T_EQ(counter_get(&udp_port_stats(net.a)->packets_out), 14);
    T_EQ(counter_get(&udp_port_stats(net.a)->send_errors), 0);
    close_net();
}

static void a_full_queue_drops_and_counts(void)
{
    static int script[4096];

    for (size_t i = 0; i < ARRAY_LEN(script); i++)
        script[i] = EAGAIN;
    open_scripted(script, ARRAY_LEN(script), false);
    const struct address to = udp_port_address(net.b);
    for (int i = 0; i < UDP_PORT_QUEUE + 10; i++)
        send_to(&to, 1, 50);
    udp_port_flush(net.a);
    T_EQ(counter_get(&udp_port_stats(net.a)->dropped_queue_full), 10);
    close_net();
}

static void packets_that_waited_too_long_are_dropped_and_counted(void)
{
    static int script[1 << 20];

    for (size_t i = 0; i < ARRAY_LEN(script); i++)
        script[i] = EAGAIN;
    open_scripted(script, ARRAY_LEN(script), false);
    const usec_t start = clock_now();
    send_run(0, 4);
    while (counter_get(&udp_port_stats(net.a)->dropped_queue_late) < 4 &&
           kernel.at < kernel.length)
        loop_turn(net.loop);
    T_OK(clock_now() - start > MSEC(100));
    T_EQ(counter_get(&udp_port_stats(net.a)->dropped_queue_late), 4);
    close_net();
}

/* --- opening ----------------------------------------------------------------------------- */

static void a_port_in_use_is_an_error_with_its_errno(void)
{
    open_on("127.0.0.1", "127.0.0.1");
    const struct udp_port_options options = {.at = udp_port_address(net.b)};
    struct udp_port *second = NULL;

    T_EQ(udp_port_open(&second, net.loop, &options, note_arrivals, NULL, NULL), RC_SYS);
    T_EQ(errno, EADDRINUSE);
    T_OK(second == NULL);
    close_net();
}

static void ports_may_share_an_address_when_both_say_so(void)
{
    const struct udp_port_options first = {.at = at("127.0.0.1"), .reuse_port = true};

    open_net(&(struct udp_port_options){.at = at("127.0.0.1")}, &first);
    const struct udp_port_options again = {.at = udp_port_address(net.b), .reuse_port = true};
    struct udp_port *second = NULL;
    T_EQ(udp_port_open(&second, net.loop, &again, note_arrivals, NULL, NULL), RC_OK);
    udp_port_close(second);
    close_net();
}

static void what_the_kernel_drops_is_counted(void)
{
    open_net(&(struct udp_port_options){.at = at("127.0.0.1"), .no_gso = true},
             &(struct udp_port_options){.at = at("127.0.0.1"), .buffer_bytes = 4096});
    const struct address to = udp_port_address(net.b);

    for (int i = 0; i < 200; i++)
        send_to(&to, 1, 1000);
    udp_port_flush(net.a);
    receive(1); /* makes room; the next datagram carries the count */
    while (counter_get(&udp_port_stats(net.b)->dropped_kernel) == 0) {
        send_to(&to, 1, 1000);
        udp_port_flush(net.a);
        loop_turn(net.loop);
    }
    T_OK(net.arrivals < 200);
    close_net();
}

static const struct t_case cases[] = {
    T_CASE(a_datagram_arrives_with_its_sender),
    T_CASE(a_run_of_equal_packets_is_one_gso_message),
    T_CASE(packets_that_differ_stay_apart_and_in_order),
    T_CASE(many_packets_arrive_in_bounded_arrays),
    T_CASE(it_works_without_gso_and_gro),
    T_CASE(gso_reaches_a_port_without_gro),
    T_CASE(datagrams_that_are_too_long_are_dropped_and_counted),
    T_CASE(too_long_a_packet_is_not_sent),
    T_CASE(a_wildcard_port_remembers_where_a_datagram_came_in),
    T_CASE(an_answer_leaves_from_the_address_that_was_asked),
    T_CASE(forwarding_in_place_survives_the_next_receive_call),
    T_CASE(packets_of_a_head_and_data_are_one_gso_message),
    T_CASE(whole_packets_and_packets_in_pieces_share_a_message),
    T_CASE(any_piece_may_be_missing),
    T_CASE(heads_of_any_number_and_size_arrive_whole),
    T_CASE(a_kernel_without_gso_is_asked_once),
    T_CASE(a_message_that_gso_cannot_carry_goes_packet_by_packet_this_time),
    T_CASE(an_unreachable_destination_costs_its_own_packets_alone),
    T_CASE(packets_wait_for_a_full_socket_and_keep_their_order),
    T_CASE(a_socket_that_fills_up_in_the_middle_of_a_run_loses_nothing),
    T_CASE(packets_in_pieces_survive_a_refused_run_and_a_full_socket),
    T_CASE(a_full_queue_drops_and_counts),
    T_CASE(packets_that_waited_too_long_are_dropped_and_counted),
    T_CASE(a_port_in_use_is_an_error_with_its_errno),
    T_CASE(ports_may_share_an_address_when_both_say_so),
    T_CASE(what_the_kernel_drops_is_counted),
};
T_MAIN(cases)
