#include "core/address.h"
#include "tests/t.h"

#include <arpa/inet.h>

/* clang-format off */
static const struct {
    const char *text;
    int rc;
    const char *back; /* address_format */
    const char *ip;   /* address_format_ip */
} texts[] = {
    {"192.0.2.1",                RC_OK,  "192.0.2.1:0",           "192.0.2.1"},
    {"192.0.2.1:80",             RC_OK,  "192.0.2.1:80",          "192.0.2.1"},
    {"192.0.2.1:65535",          RC_OK,  "192.0.2.1:65535",       "192.0.2.1"},
    {"2001:db8::1",              RC_OK,  "[2001:db8::1]:0",       "2001:db8::1"},
    {"[2001:db8::1]",            RC_OK,  "[2001:db8::1]:0",       "2001:db8::1"},
    {"[2001:DB8:0::1]:80",       RC_OK,  "[2001:db8::1]:80",      "2001:db8::1"},
    {"::",                       RC_OK,  "[::]:0",                "::"},
    {"*",                        RC_OK,  "[::]:0",                "::"},
    {"*:3003",                   RC_OK,  "[::]:3003",             "::"},
    {"::ffff:192.0.2.1",         RC_OK,  "192.0.2.1:0",           "192.0.2.1"},
    {"[::ffff:192.0.2.1]:9",     RC_OK,  "192.0.2.1:9",           "192.0.2.1"},
    {"fe80::1%7",                RC_OK,  "[fe80::1%7]:0",         "fe80::1%7"},
    {"[fe80::1%7]:80",           RC_OK,  "[fe80::1%7]:80",        "fe80::1%7"},
    {"[fe80::1%lo]:80",          RC_OK,  "[fe80::1%1]:80",        "fe80::1%1"},
    {"",                         RC_BAD, NULL, NULL},
    {"localhost",                RC_BAD, NULL, NULL},
    {"192.0.2.1:",               RC_BAD, NULL, NULL},
    {"192.0.2.1:65536",          RC_BAD, NULL, NULL},
    {"192.0.2.1:-1",             RC_BAD, NULL, NULL},
    {"192.0.2.1: 1",             RC_BAD, NULL, NULL},
    {"192.0.2.1 ",               RC_BAD, NULL, NULL},
    {"192.0.2",                  RC_BAD, NULL, NULL},
    {"192.0.2.256",              RC_BAD, NULL, NULL},
    {"192.0.2.01",               RC_BAD, NULL, NULL},
    {"[192.0.2.1]:80",           RC_BAD, NULL, NULL},
    {"[2001:db8::1",             RC_BAD, NULL, NULL},
    {"[2001:db8::1]80",          RC_BAD, NULL, NULL},
    {"[2001:db8::1]:",           RC_BAD, NULL, NULL},
    {"[]:80",                    RC_BAD, NULL, NULL},
    {"2001:db8::1%7",            RC_BAD, NULL, NULL}, /* a scope where there is none */
    {"fe80::1%",                 RC_BAD, NULL, NULL},
    {"fe80::1%nosuchinterface",  RC_BAD, NULL, NULL},
    {"fe80::1%0",                RC_BAD, NULL, NULL},
    {"192.0.2.1%1",              RC_BAD, NULL, NULL},
    {":80",                      RC_BAD, NULL, NULL},
    {"[1111:2222:3333:4444:5555:6666:7777:8888%12345678901234567890]:65535", RC_BAD, NULL, NULL},
};
/* clang-format on */

static void every_text(void)
{
    char buf[ADDRESS_TEXT_MAX];

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct address a = {.sa = {.sa_family = 77}};

        printf("    %s\n", texts[i].text);
        T_EQ(address_parse(&a, texts[i].text), texts[i].rc);
        if (texts[i].rc != RC_OK) {
            T_EQ(a.sa.sa_family, 77); /* untouched */
            continue;
        }
        T_STR(address_format(&a, buf, sizeof buf), texts[i].back);
        T_STR(address_format_ip(&a, buf, sizeof buf), texts[i].ip);
        struct address again;
        T_EQ(address_parse(&again, texts[i].back), RC_OK);
        T_OK(address_equal(&a, &again));
        T_EQ(address_hash(&a), address_hash(&again));
    }
}

static struct address parsed(const char *text)
{
    struct address a;

    T_EQ(address_parse(&a, text), RC_OK);
    return a;
}

static void a_short_buffer_is_not_overrun(void)
{
    const struct address a = parsed("[2001:db8::1]:80"), none = {0};
    char buf[8] = "xxxxxxx";

    T_STR(address_format(&a, buf, 5), "[200");
    T_EQ(buf[5], 'x');
    T_STR(address_format(&none, buf, sizeof buf), "none");
    T_STR(address_format_ip(&none, buf, sizeof buf), "none");
}

static void the_longest_text_fits(void)
{
    struct address a = parsed("[fe80:2222:3333:4444:5555:6666:7777:8888%4294967295]:65535");
    char buf[ADDRESS_TEXT_MAX];

    T_STR(address_format(&a, buf, sizeof buf),
          "[fe80:2222:3333:4444:5555:6666:7777:8888%4294967295]:65535");
}

/* --- sockaddr ---------------------------------------------------------------------------- */

static void the_kernels_form_comes_in_as_it_is(void)
{
    struct address a;
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
                              .sin6_port = htons(5),
                              .sin6_flowinfo = 99,
                              .sin6_scope_id = 3};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(6)};

    inet_pton(AF_INET6, "2001:db8::9", &v6.sin6_addr);
    T_EQ(address_from_sockaddr(&a, (struct sockaddr *)&v6, sizeof v6), RC_OK);
    const struct address same = parsed("[2001:db8::9]:5");
    T_OK(address_equal(&a, &same)); /* no flow label, no scope where it means nothing */
    T_EQ(address_len(&a), sizeof v6);

    inet_pton(AF_INET6, "fe80::9", &v6.sin6_addr);
    T_EQ(address_from_sockaddr(&a, (struct sockaddr *)&v6, sizeof v6), RC_OK);
    T_EQ(a.v6.sin6_scope_id, 3);

    inet_pton(AF_INET6, "::ffff:10.0.0.1", &v6.sin6_addr);
    T_EQ(address_from_sockaddr(&a, (struct sockaddr *)&v6, sizeof v6), RC_OK);
    const struct address mapped = parsed("10.0.0.1:5");
    T_OK(address_equal(&a, &mapped));
    T_EQ(address_len(&a), sizeof v4);

    T_EQ(address_from_sockaddr(&a, (struct sockaddr *)&v4, sizeof v4), RC_OK);
    T_EQ(address_port(&a), 6);
}

static void short_and_foreign_forms_are_refused(void)
{
    struct address a;
    const struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    const struct sockaddr_in v4 = {.sin_family = AF_INET};
    const struct sockaddr local = {.sa_family = AF_UNIX};

    T_EQ(address_from_sockaddr(&a, (const struct sockaddr *)&v6, sizeof v6 - 1), RC_BAD);
    T_EQ(address_from_sockaddr(&a, (const struct sockaddr *)&v4, sizeof v4 - 1), RC_BAD);
    T_EQ(address_from_sockaddr(&a, &local, sizeof local), RC_BAD);
    T_EQ(address_from_sockaddr(&a, &local, 0), RC_BAD);
}

static void v4_and_its_mapped_form_go_both_ways(void)
{
    const struct address v4 = parsed("192.0.2.1:80"), v6 = parsed("[2001:db8::1]:80");
    struct address out, back;

    address_to_v6(&out, &v4);
    T_EQ(out.sa.sa_family, AF_INET6);
    T_OK(IN6_IS_ADDR_V4MAPPED(&out.v6.sin6_addr));
    T_EQ(address_from_sockaddr(&back, &out.sa, address_len(&out)), RC_OK);
    T_OK(address_equal(&back, &v4));
    address_to_v6(&out, &v6);
    T_OK(address_equal(&out, &v6));
    out = v4;
    address_to_v6(&out, &out);
    T_EQ(address_port(&out), 80);
}

static void equality_looks_at_ip_port_and_family(void)
{
    const struct address a = parsed("192.0.2.1:80"), port = parsed("192.0.2.1:81"),
                         ip = parsed("192.0.2.2:80"), v6 = parsed("[2001:db8::1]:80"),
                         scope1 = parsed("fe80::1%1"), scope2 = parsed("fe80::1%2"), none = {0};
    struct address moved = a;

    T_OK(!address_equal(&a, &port) && address_equal_ip(&a, &port));
    T_OK(!address_equal_ip(&a, &ip) && !address_equal_ip(&a, &v6));
    T_OK(!address_equal_ip(&scope1, &scope2));
    T_OK(address_equal(&none, &none) && !address_equal(&none, &a));
    T_OK(address_hash(&a) != address_hash(&port) || address_hash(&a) != address_hash(&ip));
    address_set_port(&moved, 81);
    T_OK(address_equal(&moved, &port));
    T_EQ(address_len(&none), 0);
    T_EQ(address_port(&none), 0);
}

/* --- classes ----------------------------------------------------------------------------- */

/* clang-format off */
static const struct {
    const char *first, *last; /* inside */
    const char *outside;      /* next to it, NULL where a neighbour is another class */
    unsigned mask;
} classes[] = {
    {"0.0.0.0", "0.255.255.255", "1.0.0.0", ADDRESS_UNSPECIFIED},
    {"10.0.0.0", "10.255.255.255", "11.0.0.0", ADDRESS_PRIVATE},
    {"100.64.0.0", "100.127.255.255", "100.128.0.0", ADDRESS_CGNAT},
    {"127.0.0.0", "127.255.255.255", "128.0.0.0", ADDRESS_LOOPBACK},
    {"169.254.0.0", "169.254.255.255", "169.255.0.0", ADDRESS_LINK_LOCAL},
    {"172.16.0.0", "172.31.255.255", "172.32.0.0", ADDRESS_PRIVATE},
    {"192.0.0.0", "192.0.0.255", "192.0.1.0", ADDRESS_RESERVED},
    {"192.0.2.0", "192.0.2.255", "192.0.3.0", ADDRESS_RESERVED},
    {"192.88.99.0", "192.88.99.255", "192.88.100.0", ADDRESS_RESERVED},
    {"192.168.0.0", "192.168.255.255", "192.169.0.0", ADDRESS_PRIVATE},
    {"198.18.0.0", "198.19.255.255", "198.20.0.0", ADDRESS_RESERVED},
    {"198.51.100.0", "198.51.100.255", "198.51.101.0", ADDRESS_RESERVED},
    {"203.0.113.0", "203.0.113.255", "203.0.114.0", ADDRESS_RESERVED},
    {"224.0.0.0", "239.255.255.255", "223.255.255.255", ADDRESS_MULTICAST},
    {"240.0.0.0", "255.255.255.254", NULL, ADDRESS_RESERVED},
    {"255.255.255.255", "255.255.255.255", NULL, ADDRESS_RESERVED | ADDRESS_BROADCAST},
    {"::", "::", NULL, ADDRESS_UNSPECIFIED | ADDRESS_RESERVED},
    {"::1", "::1", NULL, ADDRESS_LOOPBACK | ADDRESS_RESERVED},
    {"::2", "::fffe:ffff", "2000::", ADDRESS_RESERVED},
    {"64:ff9b::", "64:ff9b::ffff:ffff", "64:ff9b:0:0:0:1::", ADDRESS_RESERVED},
    {"64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", "64:ff9b:2::", ADDRESS_RESERVED},
    {"100::", "100::ffff:ffff:ffff:ffff", "100:0:0:1::", ADDRESS_RESERVED},
    {"2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:200::", ADDRESS_RESERVED},
    {"2001:db8::", "2001:db8:ffff::", "2001:db9::", ADDRESS_RESERVED},
    {"2002::", "2002:ffff::", "2003::", ADDRESS_RESERVED},
    {"3fff::", "3fff:fff::", "3fff:1000::", ADDRESS_RESERVED},
    {"fc00::", "fdff::", "fe00::", ADDRESS_ULA},
    {"fe80::", "febf::", NULL, ADDRESS_LINK_LOCAL},
    {"fec0::", "feff::", NULL, ADDRESS_RESERVED},
    {"ff00::", "ffff::", NULL, ADDRESS_MULTICAST},
    {"::ffff:127.0.0.1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", ADDRESS_LOOPBACK},
    {"8.8.8.8", "8.8.8.8", NULL, 0},
    {"2606:4700::1", "2606:4700::1", NULL, 0},
};
/* clang-format on */

static void every_class_ends_where_its_registry_says(void)
{
    for (size_t i = 0; i < ARRAY_LEN(classes); i++) {
        const struct address first = parsed(classes[i].first), last = parsed(classes[i].last);

        printf("    %s\n", classes[i].first);
        T_EQ(address_classify(&first), classes[i].mask);
        T_EQ(address_classify(&last), classes[i].mask);
        if (!classes[i].outside)
            continue;
        const struct address outside = parsed(classes[i].outside);
        T_EQ(address_classify(&outside), 0);
    }
}

/* --- networks ---------------------------------------------------------------------------- */

static void a_network_contains_its_addresses(void)
{
    static const struct {
        const char *net, *inside, *outside;
    } rows[] = {
        {"10.0.0.0/8", "10.255.0.1", "11.0.0.1"},
        {"10.1.2.3/8", "10.255.0.1", "11.0.0.1"}, /* host bits do not matter */
        {"192.0.2.1", "192.0.2.1", "192.0.2.2"},
        {"192.0.2.128/25", "192.0.2.255", "192.0.2.127"},
        {"0.0.0.0/0", "255.1.2.3", "::1"},
        {"::/0", "2001:db8::1", "192.0.2.1"},
        {"2001:db8::/33", "2001:db8:7fff::", "2001:db8:8000::"},
        {"::ffff:10.0.0.0/104", "10.9.9.9", "11.0.0.0"},
        {"::ffff:10.0.0.1", "10.0.0.1", "10.0.0.2"},
        {"2001:db8::1", "2001:db8::1", "2001:db8::2"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct address_net net;
        const struct address in = parsed(rows[i].inside), out = parsed(rows[i].outside);

        printf("    %s\n", rows[i].net);
        T_EQ(address_net_parse(&net, rows[i].net), RC_OK);
        T_OK(address_net_contains(&net, &in));
        T_OK(!address_net_contains(&net, &out));
        T_OK(!address_net_contains(&net, &(struct address){0}));
    }
}

static void what_is_no_network_is_refused(void)
{
    static const char *const rows[] = {
        "",
        "10.0.0.0/",
        "10.0.0.0/33",
        "::/129",
        "10.0.0.0/8/8",
        "10.0.0/8",
        "10.0.0.0:80",
        "10.0.0.0:80/8",
        "[::]/0",
        "fe80::1%1/10",
        "/8",
        "10.0.0.0/-1",
        "::ffff:10.0.0.0/95",
        "10.0.0.0/ 8",
        "*",
        "10.0.0.0/99999999999999999999",
    };
    struct address_net net;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        printf("    %s\n", rows[i]);
        T_EQ(address_net_parse(&net, rows[i]), RC_BAD);
    }
}

static void this_machine_has_an_address(void)
{
    struct address found[32], one;
    const int count = address_local(found, 32);

    T_OK(count >= 1);
    for (int i = 0; i < count; i++) {
        T_OK(address_len(&found[i]) > 0);
        T_EQ(address_port(&found[i]), 0);
        for (int k = 0; k < i; k++)
            T_OK(!address_equal_ip(&found[i], &found[k]));
    }
    T_EQ(address_local(&one, 1), 1);
    T_EQ(address_local(NULL, 0), 0);
}

static const struct t_case cases[] = {
    T_CASE(every_text),
    T_CASE(a_short_buffer_is_not_overrun),
    T_CASE(the_longest_text_fits),
    T_CASE(the_kernels_form_comes_in_as_it_is),
    T_CASE(short_and_foreign_forms_are_refused),
    T_CASE(v4_and_its_mapped_form_go_both_ways),
    T_CASE(equality_looks_at_ip_port_and_family),
    T_CASE(every_class_ends_where_its_registry_says),
    T_CASE(a_network_contains_its_addresses),
    T_CASE(what_is_no_network_is_refused),
    T_CASE(this_machine_has_an_address),
};
T_MAIN(cases)
