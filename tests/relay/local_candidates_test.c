#include "relay/local_candidates.h"

#include "tests/t.h"

static struct relay_options options;
static struct local_candidates local;
static struct candidate made[LOCAL_CANDIDATES_MAX];

static void begin(const char *const *external, size_t count)
{
    options = (struct relay_options){.external_count = count};
    for (size_t i = 0; i < count; i++)
        T_EQ(address_parse(&options.external[i], external[i]), RC_OK);
    local_candidates_init(&local, &options);
}

static void expect(size_t i, const char *text)
{
    char buf[CANDIDATE_TEXT_MAX];

    T_OK(candidate_format(&made[i], buf, sizeof buf) > 0);
    T_STR(buf, text);
}

static void udp_and_each_tcp_port_at_each_address(void)
{
    static const char *const external[] = {"192.0.2.1", "2001:db8::1"};
    static const uint16_t ports[] = {443, 3003};

    begin(external, 2);
    T_EQ(local_candidates_make(&local, 3478, SEC(1), made), 2);
    local_candidates_set_tcp(&local, ports, 2);
    T_EQ(local_candidates_make(&local, 3478, SEC(1), made), 6);
    expect(0, "candidate:1 1 udp 2130706431 192.0.2.1 3478 typ host");
    expect(1, "candidate:2 1 udp 2130706175 2001:db8::1 3478 typ host");
    expect(2, "candidate:3 1 tcp 1520434687 192.0.2.1 443 typ host tcptype passive");
    expect(3, "candidate:4 1 tcp 1520434431 2001:db8::1 443 typ host tcptype passive");
    expect(4, "candidate:5 1 tcp 1520434175 192.0.2.1 3003 typ host tcptype passive");
    expect(5, "candidate:6 1 tcp 1520433919 2001:db8::1 3003 typ host tcptype passive");
}

static void many_addresses_do_not_make_a_client_open_many_connections(void)
{
    const char *external[RELAY_ADDRESSES_MAX];
    static const uint16_t ports[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};

    for (size_t i = 0; i < RELAY_ADDRESSES_MAX; i++)
        external[i] = "192.0.2.1";
    begin(external, RELAY_ADDRESSES_MAX);
    local_candidates_set_tcp(&local, ports, ARRAY_LEN(ports));
    T_EQ(local_candidates_make(&local, 3478, SEC(1), made), LOCAL_CANDIDATES_MAX);
    for (size_t i = 0; i < LOCAL_CANDIDATES_MAX; i++)
        T_EQ(made[i].transport,
             i < RELAY_ADDRESSES_MAX ? CANDIDATE_UDP : CANDIDATE_TCP_PASSIVE);
}

static void without_configured_addresses_the_machines_are_offered(void)
{
    begin(NULL, 0);
    const size_t n = local_candidates_make(&local, 3478, SEC(1), made);

    T_OK(n >= 1);
    T_EQ(address_port(&made[0].address), 3478);
}

static const struct t_case cases[] = {
    T_CASE(udp_and_each_tcp_port_at_each_address),
    T_CASE(many_addresses_do_not_make_a_client_open_many_connections),
    T_CASE(without_configured_addresses_the_machines_are_offered),
};
T_MAIN(cases)
