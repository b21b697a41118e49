#include "turn/relay_addresses.h"

#include "tests/t.h"

static struct relay_addresses *addresses;

static struct address at(const char *text)
{
    struct address a = {0};

    if (text)
        T_EQ(address_parse(&a, text), RC_OK);
    return a;
}

static void open_with(const char *const *ips, size_t ip_count, const char *const (*pairs)[2],
                      size_t pair_count)
{
    struct address ip[8];
    struct relay_external external[8];

    for (size_t i = 0; i < ip_count; i++)
        ip[i] = at(ips[i]);
    for (size_t i = 0; i < pair_count; i++)
        external[i] = (struct relay_external){at(pairs[i][0]), at(pairs[i][1])};
    T_EQ(relay_addresses_create(&addresses,
                                &(struct relay_addresses_options){
                                    .relay_ip = ip,
                                    .relay_ip_count = ip_count,
                                    .external = external,
                                    .external_count = pair_count,
                                }),
         RC_OK);
}

static void expect(sa_family_t family, const char *local, const char *bind, const char *told)
{
    const struct address client = at(local);
    const struct relay_address *entry = relay_addresses_choose(addresses, family, &client);
    char text[ADDRESS_TEXT_MAX];

    T_OK(entry != NULL);
    T_STR(address_format_ip(&entry->bind, text, sizeof text), bind);
    T_STR(address_format_ip(&entry->told, text, sizeof text), told);
    T_EQ(address_port(&entry->told), 0);
}

static void without_relay_ip_the_address_that_the_client_named_is_used(void)
{
    open_with(NULL, 0, NULL, 0);
    expect(AF_INET, "127.0.0.1:3478", "127.0.0.1", "127.0.0.1");
    expect(AF_INET, "127.0.0.3:3478", "127.0.0.3", "127.0.0.3");
    expect(AF_INET6, "[::1]:3478", "::1", "::1");
    const struct address a = at("127.0.0.1:1"), b = at("127.0.0.3:1");
    const struct relay_address *first = relay_addresses_choose(addresses, AF_INET, &a);
    T_OK(relay_addresses_choose(addresses, AF_INET, &a) == first);
    T_OK(relay_addresses_choose(addresses, AF_INET, &b)->ports != first->ports);
    relay_addresses_free(addresses);
}

static void the_other_family_is_the_machines(void)
{
    const struct address local = at("127.0.0.1:3478");

    open_with(NULL, 0, NULL, 0);
    const struct relay_address *entry = relay_addresses_choose(addresses, AF_INET6, &local);
    T_OK(entry != NULL); /* at least ::1 for somebody who is on this machine */
    T_EQ(entry->bind.sa.sa_family, AF_INET6);
    relay_addresses_free(addresses);
}

static void relay_ips_are_used_alone(void)
{
    static const char *const ips[] = {"192.0.2.1", "192.0.2.2"};
    const struct address local = at("192.0.2.1:3478");

    open_with(ips, 2, NULL, 0);
    expect(AF_INET, "192.0.2.2:3478", "192.0.2.2", "192.0.2.2");
    expect(AF_INET, "198.51.100.1:3478", "192.0.2.1", "192.0.2.1");
    expect(AF_INET, "[2001:db8::1]:3478", "192.0.2.1", "192.0.2.1");
    expect(AF_INET, "0.0.0.0", "192.0.2.1", "192.0.2.1");
    T_OK(relay_addresses_choose(addresses, AF_INET6, &local) == NULL);
    relay_addresses_free(addresses);
}

static void peers_see_the_external_address(void)
{
    static const char *const ips[] = {"10.0.0.1", "10.0.0.2", "2001:db8::1"};
    static const char *const pairs[][2] = {{"203.0.113.2", "10.0.0.2"}, {"203.0.113.1", NULL}};

    open_with(ips, 3, pairs, 2);
    expect(AF_INET, "10.0.0.1:1", "10.0.0.1", "203.0.113.1");
    expect(AF_INET, "10.0.0.2:1", "10.0.0.2", "203.0.113.2");
    expect(AF_INET6, "[2001:db8::1]:1", "2001:db8::1", "2001:db8::1");
    relay_addresses_free(addresses);
}

static void what_makes_no_sense_is_refused(void)
{
    static const struct address many[RELAY_ADDRESSES_LIMIT + 1];
    static const struct relay_addresses_options rows[] = {
        {.min_port = 100, .max_port = 99},
        {.min_port = 100},
        {.max_port = 100},
        {.relay_ip = many, .relay_ip_count = RELAY_ADDRESSES_LIMIT + 1},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        T_EQ(relay_addresses_create(&addresses, &rows[i]), RC_BAD);
    relay_addresses_free(NULL);
}

static void more_addresses_than_there_is_room_for_fall_back_to_the_first(void)
{
    open_with(NULL, 0, NULL, 0);
    for (int i = 1; i <= RELAY_ADDRESSES_LIMIT + 5; i++) {
        char text[32];

        snprintf(text, sizeof text, "127.0.1.%d", i);
        expect(AF_INET, text, i <= RELAY_ADDRESSES_LIMIT ? text : "127.0.1.1",
               i <= RELAY_ADDRESSES_LIMIT ? text : "127.0.1.1");
    }
    relay_addresses_free(addresses);
}

static const struct t_case cases[] = {
    T_CASE(without_relay_ip_the_address_that_the_client_named_is_used),
    T_CASE(the_other_family_is_the_machines),
    T_CASE(relay_ips_are_used_alone),
    T_CASE(peers_see_the_external_address),
    T_CASE(what_makes_no_sense_is_refused),
    T_CASE(more_addresses_than_there_is_room_for_fall_back_to_the_first),
};
T_MAIN(cases)
