#include "signaling/forwarded.h"

#include "tests/t.h"

/* The client that a request from 10.0.0.1:5 with these fields has; 10/8 and fd00::/8 are
 * trusted. */
static struct forwarded resolve(const char *from, const char *first, const char *second,
                                const char *proto)
{
    struct address_net trusted[2];
    struct http_head head = {0};
    struct address address;

    T_EQ(address_net_parse(&trusted[0], "10.0.0.0/8"), RC_OK);
    T_EQ(address_net_parse(&trusted[1], "fd00::/8"), RC_OK);
    T_EQ(address_parse(&address, from), RC_OK);
    if (first) {
        head.field[head.field_count].name = "X-Forwarded-For";
        head.field[head.field_count++].value = first;
    }
    if (second) {
        head.field[head.field_count].name = "x-forwarded-for";
        head.field[head.field_count++].value = second;
    }
    if (proto) {
        head.field[head.field_count].name = "X-Forwarded-Proto";
        head.field[head.field_count++].value = proto;
    }
    return forwarded_resolve(&head, &address, false, trusted, 2);
}

/* clang-format off */
static const struct {
    const char *what, *from, *first, *second, *client;
} rows[] = {
    {"nobody forwarded",               "198.51.100.1:5", NULL, NULL, "198.51.100.1:5"},
    {"a stranger says so",             "198.51.100.1:5", "192.0.2.1", NULL, "198.51.100.1:5"},
    {"our proxy says so",              "10.0.0.1:5", "192.0.2.1", NULL, "192.0.2.1"},
    {"our proxy says nothing",         "10.0.0.1:5", NULL, NULL, "10.0.0.1:5"},
    {"the client forged the left part", "10.0.0.1:5", "1.1.1.1, 192.0.2.1", NULL, "192.0.2.1"},
    {"two proxies of ours",            "10.0.0.1:5", "192.0.2.1, 10.0.0.2", NULL, "192.0.2.1"},
    {"in two fields",                  "10.0.0.1:5", "1.1.1.1,192.0.2.1", " 10.0.0.2 ", "192.0.2.1"},
    {"with a port",                    "10.0.0.1:5", "192.0.2.1:1234", NULL, "192.0.2.1"},
    {"IPv6",                           "[fd00::1]:5", "2001:db8::1", NULL, "2001:db8::1"},
    {"IPv6 with a port",               "[fd00::1]:5", "[2001:db8::1]:99", NULL, "2001:db8::1"},
    {"not an address",                 "10.0.0.1:5", "unknown", NULL, "10.0.0.1:5"},
    {"not an address behind one",      "10.0.0.1:5", "192.0.2.1, unknown, 10.0.0.2", NULL, "10.0.0.2"},
    {"empty",                          "10.0.0.1:5", "", NULL, "10.0.0.1:5"},
    {"commas",                         "10.0.0.1:5", " , ,", NULL, "10.0.0.1:5"},
    {"an enormous entry",              "10.0.0.1:5", "1111111111111111111111111111111111111111111111111111111111111111111111111111", NULL, "10.0.0.1:5"},
};
/* clang-format on */

static void every_row(void)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct address wanted;

        printf("#   %s\n", rows[i].what);
        const struct forwarded got = resolve(rows[i].from, rows[i].first, rows[i].second, NULL);
        T_EQ(address_parse(&wanted, rows[i].client), RC_OK);
        T_OK(address_equal(&got.from, &wanted));
    }
}

static void the_scheme_is_believed_of_our_proxies_only(void)
{
    T_OK(resolve("10.0.0.1:5", NULL, NULL, "https").tls);
    T_OK(!resolve("10.0.0.1:5", NULL, NULL, "http").tls);
    T_OK(!resolve("198.51.100.1:5", NULL, NULL, "https").tls);
}

static const struct t_case cases[] = {
    T_CASE(every_row),
    T_CASE(the_scheme_is_believed_of_our_proxies_only),
};
T_MAIN(cases)
