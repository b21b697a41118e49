#include "app/listeners.h"

#include "core/tls.h"
#include "tests/t.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <unistd.h>

static struct settings settings;
static char cert[] = "cert.pem", loopback[] = "127.0.0.1", private[] = "127.0.0.0/8";
static char *addresses[] = {loopback}, *nets[] = {private};

/* --- which ports ------------------------------------------------------------------------------ */

static void expect_ports(const char *wanted)
{
    struct listeners_port ports[LISTENERS_PORTS_MAX];
    char text[128] = "";
    const size_t count = listeners_ports(&settings, ports);

    for (size_t i = 0; i < count; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%u%s", i ? " " : "",
                 ports[i].port, ports[i].proxies_only ? "p" : "");
    T_STR(text, wanted);
}

static void begin(void)
{
    settings = (struct settings){.port = 3003, .listening_port = 3478, .tls_listening_port = 5349};
}

static void the_pages_port_and_that_of_turn(void)
{
    begin();
    expect_ports("3003 3478");
    settings.cert = cert; /* without one nobody would believe TLS there */
    expect_ports("3003 3478 5349");
}

static void each_port_once(void)
{
    begin();
    settings.cert = cert;
    settings.port = 443;
    settings.tls_listening_port = 443;
    settings.listening_port = 443;
    expect_ports("443");
}

static void what_is_switched_off_is_not_opened(void)
{
    begin();
    settings.cert = cert;
    settings.no_tls = true;
    expect_ports("3003 3478");
    settings.no_tcp = true;
    expect_ports("3003");
    settings.port = settings.listening_port = settings.tls_listening_port = 0;
    settings.no_tcp = settings.no_tls = false;
    expect_ports("0"); /* any free one for the page */
}

static void proxies_have_a_port_of_their_own(void)
{
    begin();
    settings.tcp_proxy_port = 5000;
    expect_ports("3003 3478 5000p");
}

/* --- real ones -------------------------------------------------------------------------------- */

static struct {
    struct loop *loop;
    struct listeners listeners;
    unsigned accepted;
    bool tls;
} world;

static enum recognition recognise(const uint8_t *first, size_t n)
{
    (void)n;
    return first[0] == 'A' ? RECOGNISED_YES : RECOGNISED_NO;
}

static void on_accept(void *arg, struct listener *listener, struct bufferevent *connection,
                      const struct address *from, bool tls)
{
    (void)arg;
    (void)from;

    world.accepted++;
    world.tls = tls;
    listener_release(listener, connection);
}

static const struct listener_protocol protocol = {
    .name = "a", .recognise = recognise, .accept = on_accept};

static void nothing(void *arg)
{
    (void)arg;
}

static void settle(void)
{
    for (int i = 0; i < 20; i++) {
        loop_defer(world.loop, nothing, NULL);
        loop_turn(world.loop);
    }
}

static void say(const struct address *to, const char *bytes, size_t n)
{
    const int fd = socket(AF_INET, SOCK_STREAM, 0);

    T_EQ(connect(fd, &to->sa, address_len(to)), 0);
    T_EQ(send(fd, bytes, n, MSG_NOSIGNAL), (long long)n);
    settle();
    close(fd);
    settle();
}

static void every_port_speaks_the_same(void)
{
    char error[LISTENERS_ERROR_MAX];
    struct address bound[2];

    alarm(60);
    memset(&world, 0, sizeof world);
    begin();
    settings.port = 0;
    settings.listening_port = 20000 + getpid() % 40000;
    settings.listening_ip = (struct option_list){.item = addresses, .count = 1};
    settings.max_connections = 10;
    T_EQ(loop_create(&world.loop, "test", 16), RC_OK);
    listeners_speak(&world.listeners, protocol);
    while (listeners_open(&world.listeners, world.loop, &settings, NULL, error) != RC_OK) {
        listeners_close(&world.listeners); /* somebody has that port */
        world.listeners.ports = 0;
        settings.listening_port++;
    }
    T_EQ(world.listeners.ports, 2);
    T_EQ(world.listeners.port[1], settings.listening_port);
    for (size_t i = 0; i < 2; i++) {
        bound[i] = listener_address(world.listeners.listener[i]);
        T_EQ(address_port(&bound[i]), world.listeners.port[i]);
        say(&bound[i], "A", 1);
        T_EQ(world.accepted, i + 1);
    }
    T_EQ(listeners_connections(&world.listeners), 0);
    listeners_close(&world.listeners);
    loop_free(world.loop);
}

static void the_port_of_proxies_wants_their_header(void)
{
    static const char header[] = "\r\n\r\n\0\r\nQUIT\n\x20\x00\0\0A";
    char error[LISTENERS_ERROR_MAX];

    alarm(60);
    memset(&world, 0, sizeof world);
    begin();
    settings.port = settings.listening_port = 0;
    settings.tcp_proxy_port = 20000 + getpid() % 40000;
    settings.listening_ip = (struct option_list){.item = addresses, .count = 1};
    settings.proxy_protocol = (struct option_list){.item = nets, .count = 0};
    settings.max_connections = 10;
    T_EQ(loop_create(&world.loop, "test", 16), RC_OK);
    listeners_speak(&world.listeners, protocol);
    while (listeners_open(&world.listeners, world.loop, &settings, NULL, error) != RC_OK) {
        listeners_close(&world.listeners);
        world.listeners.ports = 0;
        settings.tcp_proxy_port++;
    }
    T_EQ(world.listeners.count, 2);
    T_EQ(world.listeners.ports, 1); /* clients are told of the page's alone */
    const struct address page = listener_address(world.listeners.listener[0]);
    const struct address proxies = listener_address(world.listeners.listener[1]);
    say(&page, "A", 1); /* there nobody is a proxy, since none are listed */
    T_EQ(world.accepted, 1);
    say(&page, header, sizeof header - 1);
    T_EQ(world.accepted, 1);
    say(&proxies, "A", 1);
    T_EQ(world.accepted, 1);
    say(&proxies, header, sizeof header - 1); /* loopback is private */
    T_EQ(world.accepted, 2);
    listeners_close(&world.listeners);
    loop_free(world.loop);
}

static const struct t_case cases[] = {
    T_CASE(the_pages_port_and_that_of_turn),
    T_CASE(each_port_once),
    T_CASE(what_is_switched_off_is_not_opened),
    T_CASE(proxies_have_a_port_of_their_own),
    T_CASE(every_port_speaks_the_same),
    T_CASE(the_port_of_proxies_wants_their_header),
};
T_MAIN(cases)
