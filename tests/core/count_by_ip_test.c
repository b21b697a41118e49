#include "core/count_by_ip.h"
#include "tests/t.h"

static struct address at(const char *text)
{
    struct address address;

    T_EQ(address_parse(&address, text), RC_OK);
    return address;
}

static void what_there_is_is_counted_by_address(void)
{
    struct count_by_ip table = {0};
    const struct address a = at("192.0.2.1"), b = at("192.0.2.2");

    T_EQ(count_by_ip_get(&table, &a), 0);
    T_EQ(count_by_ip_add(&table, &a), RC_OK);
    T_EQ(count_by_ip_add(&table, &a), RC_OK);
    T_EQ(count_by_ip_add(&table, &b), RC_OK);
    T_EQ(count_by_ip_get(&table, &a), 2);
    T_EQ(count_by_ip_get(&table, &b), 1);
    count_by_ip_remove(&table, &a);
    T_EQ(count_by_ip_get(&table, &a), 1);
    count_by_ip_remove(&table, &a);
    count_by_ip_remove(&table, &b);
    T_EQ(count_by_ip_get(&table, &a), 0);
    T_OK(!table.entries); /* no address is remembered that has nobody */
}

static void ports_do_not_matter(void)
{
    struct count_by_ip table = {0};
    const struct address a = at("192.0.2.1:1000"), b = at("192.0.2.1:2000");

    T_EQ(count_by_ip_add(&table, &a), RC_OK);
    T_EQ(count_by_ip_get(&table, &b), 1);
    count_by_ip_remove(&table, &b);
    T_OK(!table.entries);
}

static void an_ipv6_household_is_one_address(void)
{
    struct count_by_ip table = {0};
    const struct address a = at("2001:db8:1:2::1"), b = at("2001:db8:1:2:ffff::9"),
                         other = at("2001:db8:1:3::1");

    T_EQ(count_by_ip_add(&table, &a), RC_OK);
    T_EQ(count_by_ip_get(&table, &b), 1);
    T_EQ(count_by_ip_get(&table, &other), 0);
    count_by_ip_remove(&table, &b);
    T_OK(!table.entries);
}

static void a_mapped_address_is_its_ipv4_address(void)
{
    struct count_by_ip table = {0};
    const struct address a = at("192.0.2.1"), mapped = at("::ffff:192.0.2.1"),
                         other = at("::ffff:192.0.2.2");

    T_EQ(count_by_ip_add(&table, &a), RC_OK);
    T_EQ(count_by_ip_get(&table, &mapped), 1);
    T_EQ(count_by_ip_get(&table, &other), 0);
    count_by_ip_remove(&table, &a);
}

static void the_families_do_not_mix(void)
{
    struct count_by_ip table = {0};
    const struct address v4 = at("0.0.0.1"), v6 = at("0:0:1::");

    T_EQ(count_by_ip_add(&table, &v4), RC_OK);
    T_EQ(count_by_ip_get(&table, &v6), 0);
    count_by_ip_remove(&table, &v4);
}

static const struct t_case cases[] = {
    T_CASE(what_there_is_is_counted_by_address),
    T_CASE(ports_do_not_matter),
    T_CASE(an_ipv6_household_is_one_address),
    T_CASE(a_mapped_address_is_its_ipv4_address),
    T_CASE(the_families_do_not_mix),
};

T_MAIN(cases)
