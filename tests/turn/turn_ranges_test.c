#include "tests/t.h"
#include "turn/turn_ranges.h"

/* clang-format off */
static const struct {
    const char *text;
    int rc;
    const char *in, *out; /* an address inside, one outside; NULL: none to name */
} texts[] = {
    {"192.0.2.1",                       RC_OK,  "192.0.2.1",      "192.0.2.2"},
    {"192.0.2.0-192.0.2.255",           RC_OK,  "192.0.2.255",    "192.0.3.0"},
    {"192.0.2.7-192.0.2.7",             RC_OK,  "192.0.2.7",      "192.0.2.6"},
    {"192.0.2.9/24",                    RC_OK,  "192.0.2.0",      "192.0.1.255"},
    {"0.0.0.0/0",                       RC_OK,  "8.8.8.8",        "2001:db8::1"},
    {"2001:db8::1",                     RC_OK,  "2001:db8::1",    "2001:db8::2"},
    {"2001:db8::/32",                   RC_OK,  "2001:db8:f::",   "2001:db9::"},
    /* not aligned to a prefix: numbers, not bytes one by one */
    {"2001:db8::1:ff00-2001:db8::2:ff", RC_OK,  "2001:db8::2:0",  "2001:db8::2:100"},
    {"2001:db8::1:ff00-2001:db8::2:ff", RC_OK,  "2001:db8::1:ffff", "2001:db8::1:feff"},
    {"::/0",                            RC_OK,  "ff02::1",        "192.0.2.1"},
    {"::ffff:10.0.0.0-::ffff:10.0.0.9", RC_OK,  "10.0.0.9",       "10.0.0.10"},
    {"::ffff:10.0.0.0/104",             RC_OK,  "10.255.0.1",     "11.0.0.1"},
    {"::ffff:0.0.0.0-::ffff:255.255.255.255", RC_OK, NULL,        "192.0.2.1"},
    {"::ffff:0:0/96",                   RC_OK,  NULL,             "192.0.2.1"},
    {"",                                RC_BAD, NULL, NULL},
    {"-",                               RC_BAD, NULL, NULL},
    {"192.0.2.1-",                      RC_BAD, NULL, NULL},
    {"-192.0.2.1",                      RC_BAD, NULL, NULL},
    {"192.0.2.2-192.0.2.1",             RC_BAD, NULL, NULL},
    {"192.0.2.1-2001:db8::1",           RC_BAD, NULL, NULL},
    {"192.0.2.1-192.0.2.2-192.0.2.3",   RC_BAD, NULL, NULL},
    {"192.0.2.0/24-192.0.3.0",          RC_BAD, NULL, NULL},
    {"192.0.2.0/33",                    RC_BAD, NULL, NULL},
    {"192.0.2.1:80",                    RC_BAD, NULL, NULL},
    {"192.0.2.1:0",                     RC_BAD, NULL, NULL},
    {"[2001:db8::1]",                   RC_BAD, NULL, NULL},
    {"fe80::1%1",                       RC_BAD, NULL, NULL},
    {"*",                               RC_BAD, NULL, NULL},
    {"localhost",                       RC_BAD, NULL, NULL},
    {"1111:2222:3333:4444:5555:6666:7777:8888-1111:2222:3333:4444:5555:6666:7777:9999-"
     "1111:2222:3333:4444:5555:6666:7777:8888-1111:2222:3333:4444:5555:6666:7777:9999",
                                        RC_BAD, NULL, NULL},
};
/* clang-format on */

static struct address parsed(const char *text)
{
    struct address a;

    T_EQ(address_parse(&a, text), RC_OK);
    return a;
}

static bool contains(const struct turn_ranges *ranges, const char *ip)
{
    const struct address a = parsed(ip);

    return turn_ranges_contain(ranges, &a);
}

static void every_text(void)
{
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct turn_ranges ranges;
        size_t bad = 99;

        printf("#   %s\n", texts[i].text);
        T_EQ(turn_ranges_build(&ranges, &texts[i].text, 1, &bad), texts[i].rc);
        if (texts[i].rc != RC_OK) {
            T_EQ(bad, 0);
            continue;
        }
        T_OK(!texts[i].in || contains(&ranges, texts[i].in));
        T_OK(!contains(&ranges, texts[i].out));
        turn_ranges_clear(&ranges);
    }
}

static void ranges_that_overlap_or_nest_are_all_found(void)
{
    static const char *const list[] = {
        "10.0.5.0-10.0.9.255", "10.0.0.0/16", "2001:db8::/32",
        "10.0.200.0-10.1.3.0", "10.0.0.5",    "9.0.0.0/8",
        "2001:db8::5",         "10.4.0.0",
    };
    struct turn_ranges ranges;
    size_t bad;

    T_EQ(turn_ranges_build(&ranges, list, ARRAY_LEN(list), &bad), RC_OK);
    T_EQ(ranges.count, 4); /* 9/8, 10.0.0.0-10.1.3.0, 10.4.0.0, 2001:db8::/32 */
    T_OK(contains(&ranges, "10.0.0.5"));
    T_OK(contains(&ranges, "10.0.99.1"));
    T_OK(contains(&ranges, "10.1.3.0"));
    T_OK(!contains(&ranges, "10.1.3.1"));
    T_OK(contains(&ranges, "10.4.0.0"));
    T_OK(!contains(&ranges, "10.4.0.1"));
    T_OK(contains(&ranges, "9.255.255.255"));
    T_OK(!contains(&ranges, "8.255.255.255"));
    T_OK(contains(&ranges, "2001:db8:ffff::"));
    turn_ranges_clear(&ranges);
}

static void the_first_bad_text_is_named(void)
{
    static const char *const list[] = {"10.0.0.1", "10.0.0.2", "ten", "eleven"};
    struct turn_ranges ranges;
    size_t bad = 0;

    T_EQ(turn_ranges_build(&ranges, list, ARRAY_LEN(list), &bad), RC_BAD);
    T_EQ(bad, 2);
}

static void an_empty_set_contains_nothing(void)
{
    struct turn_ranges ranges;
    const struct address none = {0};
    size_t bad;

    T_EQ(turn_ranges_build(&ranges, NULL, 0, &bad), RC_OK);
    T_OK(!contains(&ranges, "192.0.2.1"));
    T_OK(!turn_ranges_contain(&ranges, &none));
    turn_ranges_clear(&ranges);
    turn_ranges_clear(&ranges);
}

static const struct t_case cases[] = {
    T_CASE(every_text),
    T_CASE(ranges_that_overlap_or_nest_are_all_found),
    T_CASE(the_first_bad_text_is_named),
    T_CASE(an_empty_set_contains_nothing),
};
T_MAIN(cases)
