/* A guest on a worker's ports: what it is given, how it answers, and its way into the media. */
#include "relay/worker.h"

#include "tests/relay/stun_builder_lib.h"
#include "tests/t.h"

#include <pthread.h>
#include <unistd.h>

enum { WAIT_SECONDS = 10 };

/* The guest counts, sends back all but commands, and does what a command says. */
enum command { ECHO = 0x40, SPLICE = 0x41, ELSEWHERE = 0x42 };

static struct {
    struct loop *control;
    struct certificate *certificate;
    struct dtls_context *dtls;
    struct worker *worker, *host; /* the same, as the guest was told */
    int fd;
    _Atomic unsigned inputs, datagrams, idles, closes;
    pthread_mutex_t lock;
    struct address client;    /* who sent last */
    struct address local;     /* where it came in; under the lock */
    struct address relayed;   /* what the guest takes */
    struct address elsewhere; /* another socket of the worker's */
    bool refuse;
} world;

static struct address at(const char *text)
{
    struct address a;

    T_EQ(address_parse(&a, text), RC_OK);
    return a;
}

/* --- the guest, on the worker's thread
 * ---------------------------------------------------------- */

static void splice(struct udp_datagram *datagram, usec_t now)
{
    struct udp_datagram inside = {
        .data = datagram->data + 4,
        .len = datagram->len - 4,
        .from = world.relayed,
        .local = at("192.0.2.9"),
    };

    worker_splice(world.host, &inside, 1, now);
}

static void on_input(void *arg, struct udp_datagram *batch, size_t count, usec_t now)
{
    static const uint8_t head[] = "echo";
    (void)arg;

    world.inputs++;
    for (size_t i = 0; i < count; i++) {
        world.datagrams++;
        world.client = batch[i].from;
        pthread_mutex_lock(&world.lock);
        world.local = batch[i].local;
        pthread_mutex_unlock(&world.lock);
        if (batch[i].len > 4 && batch[i].data[0] == SPLICE)
            splice(&batch[i], now);
        else if (batch[i].data[0] == ELSEWHERE)
            worker_send(world.worker, &batch[i].from, &world.elsewhere,
                        &(struct udp_parts){.head = {head, 4}});
        else
            worker_send(world.worker, &batch[i].from, &batch[i].local,
                        &(struct udp_parts){{head, 4}, {batch[i].data, batch[i].len}, 1});
    }
}

static void on_idle(void *arg, usec_t now)
{
    (void)arg;
    (void)now;
    world.idles++;
}

static bool on_take(void *arg, const struct address *to, const struct address *local,
                    struct span data, usec_t now)
{
    static const uint8_t head[] = "took";
    const struct address expected = at("192.0.2.9");
    (void)arg;
    (void)now;

    if (!address_equal(to, &world.relayed))
        return false;
    if (address_equal_ip(local, &expected))
        worker_send(world.host, &world.client, &world.local,
                    &(struct udp_parts){{head, 4}, data, 0});
    return true;
}

static void on_close(void *arg)
{
    (void)arg;
    world.closes++;
}

static int make_guest(void *arg, unsigned index, struct worker *worker, struct media_guest *out)
{
    (void)index;
    if (world.refuse)
        return RC_NOMEM;
    world.host = worker;
    *out = (struct media_guest){arg, on_input, on_idle, on_take, on_close, NULL};
    return RC_OK;
}

/* --- the client
 * ----------------------------------------------------------------------------------- */

static void no_event(void *arg, uint64_t peer, const struct media_event *event)
{
    (void)arg;
    (void)peer;
    (void)event;
}

static int start_worker(const char *listen, const char *also)
{
    const struct address media = at(listen), guest = at(also ? also : "127.0.0.1");
    struct address failed;
    struct worker_options options = {
        .listen = &media,
        .listen_count = 1,
        .also = &guest,
        .also_count = also != NULL,
        .media = {.dtls = world.dtls, .max_peers = 1, .max_handshakes = 1},
        .control = world.control,
        .event = no_event,
        .guest = make_guest,
        .guest_arg = &world,
    };

    const int rc = worker_start(&world.worker, &options, &failed);
    T_EQ(address_len(&failed), 0);
    return rc;
}

static void open_world(void)
{
    const struct timeval patience = {WAIT_SECONDS, 0};

    world.inputs = world.datagrams = world.idles = world.closes = 0;
    world.refuse = false;
    world.relayed = at("192.0.2.1:50000");
    pthread_mutex_init(&world.lock, NULL);
    T_EQ(loop_create(&world.control, "control", 0), RC_OK);
    T_EQ(certificate_create(&world.certificate), RC_OK);
    T_EQ(dtls_context_create(&world.dtls, world.certificate), RC_OK);
    world.fd = socket(AF_INET, SOCK_DGRAM, 0);
    setsockopt(world.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
}

static void close_world(void)
{
    worker_free(world.worker);
    dtls_context_free(world.dtls);
    certificate_free(world.certificate);
    loop_free(world.control);
    close(world.fd);
}

static void send_bytes(const struct address *to, const void *data, size_t n)
{
    T_EQ(sendto(world.fd, data, n, 0, &to->sa, address_len(to)), n);
}

static size_t receive(uint8_t out[static 2048], struct address *from)
{
    socklen_t len = sizeof *from;
    const ssize_t n = recvfrom(world.fd, out, 2048, 0, &from->sa, &len);

    T_OK(n >= 0);
    return (size_t)n;
}

static void expect_echo(const struct address *server, const void *data, size_t n)
{
    struct address from;
    uint8_t reply[2048];

    T_EQ(receive(reply, &from), n + 5);
    T_MEM(reply, "echo", 4);
    T_MEM(reply + 4, data, n);
    T_EQ(reply[4 + n], 0);
    T_OK(address_equal(&from, server));
}

static struct address server_at(const char *ip)
{
    struct address a = at(ip);

    address_set_port(&a, worker_port(world.worker));
    return a;
}

static bool came_in_at(const struct address *server)
{
    pthread_mutex_lock(&world.lock);
    const bool equal = address_equal(&world.local, server);
    pthread_mutex_unlock(&world.lock);
    return equal;
}

static const uint8_t id[12] = "0123456789ab";

/* --- the cases
 * -------------------------------------------------------------------------------------- */

static void what_is_nobodys_goes_to_the_guest(void)
{
    struct stun_builder plain, stranger, allocate;
    static const uint8_t channel[] = {0x40, 1, 0, 3, 'a', 'b', 'c'};
    static const uint8_t hello[] = {22, 0xfe, 0xfd, 0, 0};
    static const uint8_t rtp[12] = {0x80, 96}, junk[] = {0xff, 1};

    open_world();
    T_EQ(start_worker("127.0.0.1", NULL), RC_OK);
    const struct address server = server_at("127.0.0.1");
    stun_builder_begin(&plain, 0x0001, id);
    stun_builder_begin(&allocate, 0x0003, id);
    stun_builder_begin(&stranger, 0x0001, id); /* a check for a session that is not there */
    stun_builder_append(&stranger, 0x0006, "abcdefgh:them", 13);
    stun_builder_integrity(&stranger, "0123456789012345678901");

    const struct span rows[] = {
        stun_builder_span(&plain), stun_builder_span(&allocate), stun_builder_span(&stranger),
        {channel, sizeof channel}, {hello, sizeof hello},
    };
    send_bytes(&server, rtp, sizeof rtp); /* these stay the media's */
    send_bytes(&server, junk, sizeof junk);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        send_bytes(&server, rows[i].p, rows[i].n);
        expect_echo(&server, rows[i].p, rows[i].n);
        T_OK(came_in_at(&server));
    }
    T_EQ(world.datagrams, ARRAY_LEN(rows));
    T_EQ(world.closes, 0);
    close_world();
    T_EQ(world.closes, 1);
    T_OK(world.idles > 0);
}

static void a_batch_comes_as_one_and_in_order(void)
{
    enum { COUNT = 50 };
    uint8_t reply[2048];
    struct address from;
    int twice = 0;

    open_world();
    T_EQ(start_worker("127.0.0.1", NULL), RC_OK);
    const struct address server = server_at("127.0.0.1");
    for (uint8_t i = 0; i < COUNT; i++)
        send_bytes(&server, (uint8_t[]){ECHO, 1, 0, 1, i}, 5);
    for (uint8_t i = 0; i < COUNT; i++) {
        T_EQ(receive(reply, &from), 10);
        twice += reply[8] != i;
    }
    T_EQ(twice, 0);
    T_EQ(world.datagrams, COUNT);
    T_OK(world.inputs <= COUNT);
    close_world();
}

static void an_answer_leaves_from_the_address_that_was_asked(void)
{
    static const uint8_t channel[] = {ECHO, 1, 0, 1, 7};

    open_world();
    T_EQ(start_worker("*", NULL), RC_OK);
    const struct address server = server_at("127.0.0.7");
    send_bytes(&server, channel, sizeof channel);
    expect_echo(&server, channel, sizeof channel);
    T_OK(came_in_at(&server));
    close_world();
}

/* Another port of this test's own: whoever has a free one may lose it again, so it is tried. */
/* This IP with a port that is free at this moment. */
static struct address free_address(const char *ip)
{
    const int probe = socket(AF_INET, SOCK_DGRAM, 0);
    struct address a = at(ip);
    socklen_t len = sizeof a;

    T_EQ(bind(probe, &a.sa, address_len(&a)), 0);
    T_EQ(getsockname(probe, &a.sa, &len), 0);
    close(probe);
    return a;
}

static void a_port_of_the_guests_own_answers_too(void)
{
    static const uint8_t channel[] = {ECHO, 1, 0, 1, 7}, rtp[12] = {0x80, 96};
    char text[ADDRESS_TEXT_MAX];

    open_world();
    const struct address also = free_address("127.0.0.1");
    T_EQ(start_worker("127.0.0.1", address_format(&also, text, sizeof text)), RC_OK);
    const struct address server = server_at("127.0.0.1");
    send_bytes(&also, channel, sizeof channel);
    expect_echo(&also, channel, sizeof channel);
    T_OK(came_in_at(&also));
    send_bytes(&server, channel, sizeof channel);
    expect_echo(&server, channel, sizeof channel);
    T_OK(came_in_at(&server));
    send_bytes(&also, rtp, sizeof rtp); /* all of it is the guest's */
    expect_echo(&also, rtp, sizeof rtp);
    close_world();
}

/* A plain Binding request through the splice is the media's to answer, to a relayed address
 * that the guest takes: no socket has it. */
static void the_media_answers_through_the_guest(void)
{
    struct stun_builder inside;
    uint8_t bytes[4 + STUN_BUILDER_MAX] = {SPLICE}, reply[2048];
    struct address from;

    open_world();
    T_EQ(start_worker("127.0.0.1", NULL), RC_OK);
    const struct address server = server_at("127.0.0.1");
    stun_builder_begin(&inside, 0x0001, id);
    memcpy(bytes + 4, inside.bytes, inside.n);
    send_bytes(&server, bytes, 4 + inside.n);
    const size_t n = receive(reply, &from);
    T_OK(n > 4 + 20);
    T_MEM(reply, "took", 4);
    T_EQ(load_be16(reply + 4), 0x0101);
    T_MEM(reply + 4 + 8, id, 12);
    T_EQ(world.datagrams, 1);
    close_world();
}

static void a_guest_is_never_its_own_client(void)
{
    static const uint8_t nested[] = {SPLICE, 0, 0, 0, SPLICE, 0, 0, 0, 1, 2, 3};
    static const uint8_t hello[] = {SPLICE, 0, 0, 0, 22, 0xfe, 0xfd, 0, 0};
    static const uint8_t last[] = {ECHO, 1, 0, 1, 7};

    open_world();
    T_EQ(start_worker("127.0.0.1", NULL), RC_OK);
    const struct address server = server_at("127.0.0.1");
    send_bytes(&server, nested, sizeof nested);
    send_bytes(&server, hello, sizeof hello);
    send_bytes(&server, last, sizeof last);
    expect_echo(&server, last, sizeof last);
    T_EQ(world.datagrams, 3);
    close_world();
}

static void a_guest_that_cannot_be_made_is_no_start(void)
{
    open_world();
    world.refuse = true;
    T_EQ(start_worker("127.0.0.1", NULL), RC_NOMEM);
    world.worker = NULL;
    close_world();
    T_EQ(world.closes, 0);
}

static void an_answer_may_leave_by_another_socket(void)
{
    const uint8_t question[] = {ELSEWHERE, 1, 0, 0};
    char text[ADDRESS_TEXT_MAX];
    struct address from;
    uint8_t reply[2048];

    open_world();
    world.elsewhere = free_address("127.0.0.2");
    T_EQ(start_worker("127.0.0.1", address_format(&world.elsewhere, text, sizeof text)), RC_OK);
    const struct address server = server_at("127.0.0.1");
    for (int i = 0; i < 3; i++) { /* it does not wait for what comes next */
        send_bytes(&server, question, sizeof question);
        T_EQ(receive(reply, &from), 4);
        T_OK(address_equal(&from, &world.elsewhere));
    }
    close_world();
}

static const struct t_case cases[] = {
    T_CASE(what_is_nobodys_goes_to_the_guest),
    T_CASE(a_batch_comes_as_one_and_in_order),
    T_CASE(an_answer_leaves_from_the_address_that_was_asked),
    T_CASE(a_port_of_the_guests_own_answers_too),
    T_CASE(the_media_answers_through_the_guest),
    T_CASE(a_guest_is_never_its_own_client),
    T_CASE(a_guest_that_cannot_be_made_is_no_start),
    T_CASE(an_answer_may_leave_by_another_socket),
};
T_MAIN(cases)
