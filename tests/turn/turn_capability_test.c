#include "tests/t.h"
#include "core/base64.h"
#include "turn/turn_capability.h"

static struct span of(const char *text)
{
    return (struct span){(const uint8_t *)text, strlen(text)};
}

/* "ann~cap=" and the list in base64url. */
static const char *with_list(const char *list)
{
    static char text[1200];

    memcpy(text, "ann~cap=", 8);
    const size_t n = base64url_encode(text + 8, of(list));
    text[8 + n] = '\0';
    return text;
}

#define NINE_NETS                                                                              \
    "p=10.0.0.0/8,10.1.0.0/16,10.2.0.0/16,10.3.0.0/16,10.4.0.0/16,10.5.0.0/16,10.6.0.0/16,"    \
    "10.7.0.0/16,10.8.0.0/16"

/* clang-format off */
static const struct {
    const char *list;
    int rc;
    bool sfu;
    unsigned nets;
    uint64_t rate;
    uint32_t allocations;
} lists[] = {
    {"p=sfu",                                RC_OK, true,  0, 0, 0},
    {"p=sfu;b=8000;n=2",                     RC_OK, true,  0, 1000, 2},
    {"n=2;p=sfu;b=8000",                     RC_OK, true,  0, 1000, 2},
    {"b=1",                                  RC_OK, false, 0, 1, 0},
    {"b=9",                                  RC_OK, false, 0, 2, 0},
    {"n=4294967295",                         RC_OK, false, 0, 0, UINT32_MAX},
    {"b=99999999999999999",                  RC_OK, false, 0, 12500000000000000, 0},
    {"p=192.0.2.1",                          RC_OK, false, 1, 0, 0},
    {"p=192.0.2.0/24,2001:db8::/32",         RC_OK, false, 2, 0, 0},
    {"",                  RC_BAD, false, 0, 0, 0},
    {";",                 RC_BAD, false, 0, 0, 0},
    {"p=sfu;",            RC_BAD, false, 0, 0, 0},
    {";p=sfu",            RC_BAD, false, 0, 0, 0},
    {"p=sfu;;n=1",        RC_BAD, false, 0, 0, 0},
    {"p=",                RC_BAD, false, 0, 0, 0},
    {"p",                 RC_BAD, false, 0, 0, 0},
    {"p=SFU",             RC_BAD, false, 0, 0, 0},
    {"p=sfu,10.0.0.0/8",  RC_BAD, false, 0, 0, 0},
    {"p=10.0.0.0/8,",     RC_BAD, false, 0, 0, 0},
    {"p=10.0.0.0/33",     RC_BAD, false, 0, 0, 0},
    {"p=10.0.0.1:80",     RC_BAD, false, 0, 0, 0},
    {"p=ten",             RC_BAD, false, 0, 0, 0},
    {NINE_NETS,           RC_BAD, false, 0, 0, 0},
    {"p=sfu;p=sfu",       RC_BAD, false, 0, 0, 0},
    {"p=10.0.0.0/8;p=10.0.0.0/8", RC_BAD, false, 0, 0, 0},
    {"n=0",               RC_BAD, false, 0, 0, 0},
    {"n=01",              RC_BAD, false, 0, 0, 0},
    {"n=4294967296",      RC_BAD, false, 0, 0, 0},
    {"n=-1",              RC_BAD, false, 0, 0, 0},
    {"n=1 ",              RC_BAD, false, 0, 0, 0},
    {" n=1",              RC_BAD, false, 0, 0, 0},
    {"n=1;n=2",           RC_BAD, false, 0, 0, 0},
    {"b=0",               RC_BAD, false, 0, 0, 0},
    {"b=999999999999999999", RC_BAD, false, 0, 0, 0},
    {"b=1;b=1",           RC_BAD, false, 0, 0, 0},
    {"N=1",               RC_BAD, false, 0, 0, 0},
    {"x=1",               RC_BAD, false, 0, 0, 0}, /* a restriction that we do not know */
    {"nn=1",              RC_BAD, false, 0, 0, 0},
};
/* clang-format on */

static void every_list(void)
{
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        struct turn_capability c = {.max_allocations = 77};
        struct span name = {NULL, 99};

        printf("#   %s\n", lists[i].list);
        T_EQ(turn_capability_read(of(with_list(lists[i].list)), &name, &c), lists[i].rc);
        if (lists[i].rc != RC_OK) {
            T_EQ(name.n, 99);
            T_EQ(c.max_allocations, 77);
            continue;
        }
        T_EQ(name.n, 3);
        T_EQ(c.sfu_only, lists[i].sfu);
        T_EQ(c.net_count, lists[i].nets);
        T_EQ(c.max_bytes_second, lists[i].rate);
        T_EQ(c.max_allocations, lists[i].allocations);
    }
}

static void a_name_without_the_mark_is_all_name(void)
{
    static const char *const names[] = {"ann",       "ann~bob", "~cap", "cap=x",
                                        "ann~CAP=x", "~",       ""};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct turn_capability c = {.max_allocations = 77};
        struct span name;

        T_EQ(turn_capability_read(of(names[i]), &name, &c), RC_OK);
        T_EQ(name.n, strlen(names[i]));
        T_EQ(c.max_allocations, 0);
    }
}

static void a_suffix_that_is_not_what_base64url_writes_is_refused(void)
{
    static const char *const userids[] = {
        "ann~cap=",
        "ann~cap=cD1zZnU=",
        "ann~cap=cD1zZn",
        "~cap=cD1zZnU",
        "ann~cap=cD1zZnU~cap=cD1zZnU",
        "ann~cap=cD1z ZnU",
        "ann~cap=cD1zZnU\n",
        "ann~cap=bj0x\x80",
        "ann~cap=cD1zZnV",
    };
    struct turn_capability c;
    struct span name;

    T_EQ(turn_capability_read(of("ann~cap=cD1zZnU"), &name, &c), RC_OK);
    for (size_t i = 0; i < ARRAY_LEN(userids); i++) {
        printf("#   %s\n", userids[i]);
        T_EQ(turn_capability_read(of(userids[i]), &name, &c), RC_BAD);
    }
}

static void a_list_that_is_too_long_is_refused_before_it_is_decoded(void)
{
    char list[800];
    struct turn_capability c;
    struct span name;

    memset(list, '1', sizeof list);
    memcpy(list, "n=", 2);
    list[TURN_CAPABILITY_LIST_MAX + 1] = '\0';
    T_EQ(turn_capability_read(of(with_list(list)), &name, &c), RC_BAD);
}

static void what_is_written_reads_back(void)
{
    struct turn_capability c = {
        .max_allocations = 3, .max_bytes_second = 125000, .net_count = 2};
    struct turn_capability back;
    char suffix[TURN_CAPABILITY_SUFFIX_MAX], userid[TURN_CAPABILITY_SUFFIX_MAX + 8];
    struct span name;

    T_EQ(address_net_parse(&c.net[0], "192.0.2.0/24"), RC_OK);
    T_EQ(address_net_parse(&c.net[1], "2001:db8::/32"), RC_OK);
    T_EQ(turn_capability_write(suffix, &c), RC_OK);
    snprintf(userid, sizeof userid, "ann%s", suffix);
    T_EQ(turn_capability_read(of(userid), &name, &back), RC_OK);
    T_MEM(&back, &c, sizeof c);

    c = (struct turn_capability){
        .sfu_only = true, .max_bytes_second = 1000, .max_allocations = 2};
    T_EQ(turn_capability_write(suffix, &c), RC_OK);
    T_STR(suffix, "~cap=cD1zZnU7Yj04MDAwO249Mg"); /* printf 'p=sfu;b=8000;n=2' | base64 */
    T_EQ(turn_capability_write(suffix, &(struct turn_capability){0}), RC_OK);
    T_STR(suffix, "");
}

static void what_is_too_long_to_write_is_refused(void)
{
    struct turn_capability c = {.net_count = TURN_CAPABILITY_NETS};
    char suffix[TURN_CAPABILITY_SUFFIX_MAX] = "untouched";

    for (size_t i = 0; i < TURN_CAPABILITY_NETS; i++)
        T_EQ(address_net_parse(&c.net[i], "1111:2222:3333:4444:5555:6666:7777:8888"), RC_OK);
    T_EQ(turn_capability_write(suffix, &c), RC_FULL);
    c = (struct turn_capability){.max_bytes_second = UINT64_MAX / 8};
    T_EQ(turn_capability_write(suffix, &c), RC_FULL);
    T_STR(suffix, "untouched");
}

static const struct t_case cases[] = {
    T_CASE(every_list),
    T_CASE(a_name_without_the_mark_is_all_name),
    T_CASE(a_suffix_that_is_not_what_base64url_writes_is_refused),
    T_CASE(a_list_that_is_too_long_is_refused_before_it_is_decoded),
    T_CASE(what_is_written_reads_back),
    T_CASE(what_is_too_long_to_write_is_refused),
};
T_MAIN(cases)
