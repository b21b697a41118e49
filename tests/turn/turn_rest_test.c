#include "tests/t.h"
#include "turn/turn_capability.h"
#include "turn/turn_rest.h"

static struct span of(const char *text)
{
    return (struct span){(const uint8_t *)text, strlen(text)};
}

/* clang-format off */
static const struct {
    const char *name;
    int rc;
    int64_t expires;
    const char *userid; /* NULL: none */
} names[] = {
    {"1700000000:ann",        RC_OK, 1700000000, "ann"},
    {"1700000000",            RC_OK, 1700000000, NULL},
    {"0001:ann",              RC_OK, 1, "ann"},
    {"1700000000:ann:bob",    RC_OK, 1700000000, "ann:bob"},
    {"1700000000::",          RC_OK, 1700000000, ":"},
    {"999999999999999999:a",  RC_OK, 999999999999999999, "a"},
    {"",                      RC_BAD, 0, NULL},
    {":",                     RC_BAD, 0, NULL},
    {":ann",                  RC_BAD, 0, NULL},
    {"1700000000:",           RC_BAD, 0, NULL},
    {"0:ann",                 RC_BAD, 0, NULL}, /* 0 would be for ever */
    {"0",                     RC_BAD, 0, NULL},
    {"ann",                   RC_BAD, 0, NULL},
    {"ann:1700000000",        RC_BAD, 0, NULL},
    {"-1:ann",                RC_BAD, 0, NULL},
    {"+1:ann",                RC_BAD, 0, NULL},
    {" 1:ann",                RC_BAD, 0, NULL},
    {"1 :ann",                RC_BAD, 0, NULL},
    {"1x:ann",                RC_BAD, 0, NULL},
    {"9999999999999999999:a", RC_BAD, 0, NULL},
    {"18446744073709551617:a", RC_BAD, 0, NULL},
    {"1700000000|ann",        RC_BAD, 0, NULL},
};

/* printf NAME | openssl dgst -sha1 -hmac SECRET -binary | base64 */
static const struct {
    const char *secret, *name, *password;
} passwords[] = {
    {"north", "1700000000:ninefingers", "BolPTOD5PfwR9mBZDLLqyT3MLj4="},
    {"south", "1700000000:ninefingers", "wFRSMxOLLi41Qj6DwEC9Y7uboqc="},
    {"north", "1700000000", "CWyHi3zCeWqXBir9thl4m+iZPRY="},
    {"north", "1700000000:ann~cap=cD1zZnU7Yj04MDAwO249Mg", "eQYsmpstx6lVxX/gdLeSWMvcajQ="},
};
/* clang-format on */

static void every_name(void)
{
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct turn_rest_name name = {.expires = 77};

        printf("#   %s\n", names[i].name);
        T_EQ(turn_rest_parse(&name, of(names[i].name), ':'), names[i].rc);
        if (names[i].rc != RC_OK) {
            T_EQ(name.expires, 77);
            continue;
        }
        T_EQ(name.expires, names[i].expires);
        T_EQ(name.userid.p != NULL, names[i].userid != NULL);
        T_EQ(name.userid.n, names[i].userid ? strlen(names[i].userid) : 0);
        if (names[i].userid)
            T_MEM(name.userid.p, names[i].userid, name.userid.n);
    }
}

static void another_separator_is_possible(void)
{
    struct turn_rest_name name;

    T_EQ(turn_rest_parse(&name, of("1700000000|a:b"), '|'), RC_OK);
    T_EQ(name.userid.n, 3);
    T_EQ(turn_rest_parse(&name, of("1700000000:a"), '|'), RC_BAD);
}

static void passwords_are_those_that_openssl_makes(void)
{
    for (size_t i = 0; i < ARRAY_LEN(passwords); i++) {
        char password[TURN_REST_PASSWORD_MAX];
        struct stun_key key;

        stun_key_raw(&key, passwords[i].secret, strlen(passwords[i].secret));
        turn_rest_password(password, &key, of(passwords[i].name));
        T_STR(password, passwords[i].password);
    }
}

static void a_credential_is_made_for_a_user_and_a_time(void)
{
    const struct turn_capability sfu = {
        .sfu_only = true, .max_bytes_second = 1000, .max_allocations = 2};
    struct turn_credential c;

    T_EQ(turn_rest_make(&c, of("north"), ':', "ninefingers", NULL, 86400, 1699913600), RC_OK);
    T_STR(c.username, "1700000000:ninefingers");
    T_STR(c.password, "BolPTOD5PfwR9mBZDLLqyT3MLj4=");
    T_EQ(c.expires, 1700000000);
    T_EQ(turn_rest_make(&c, of("north"), ':', "ann", &sfu, 600, 1699999400), RC_OK);
    T_STR(c.username, "1700000000:ann~cap=cD1zZnU7Yj04MDAwO249Mg");
    T_STR(c.password, "eQYsmpstx6lVxX/gdLeSWMvcajQ=");
}

static void nobody_makes_a_credential_that_could_not_be_used(void)
{
    static const char *const userids[] = {"", "a\nb", "\xff", "ann~cap=cD1zZnU", "ann~cap=x"};
    struct turn_credential c = {.username = "untouched"};
    struct turn_capability nets = {.net_count = 7};
    char userid[600];

    for (size_t i = 0; i < ARRAY_LEN(userids); i++)
        T_EQ(turn_rest_make(&c, of("north"), ':', userids[i], NULL, 60, 1700000000), RC_BAD);
    T_EQ(turn_rest_make(&c, of("north"), ':', "ann", NULL, 0, 1700000000), RC_BAD);
    memset(userid, 'a', sizeof userid);
    userid[508] = '\0';
    T_EQ(turn_rest_make(&c, of("north"), ':', userid, NULL, 60, 1700000000), RC_FULL);
    userid[497] = '\0';
    T_EQ(turn_rest_make(&c, of("north"), ':', userid, NULL, 60, 1700000000), RC_OK);
    T_EQ(strlen(c.username), 508);
    for (unsigned i = 0; i < nets.net_count; i++)
        T_EQ(address_net_parse(&nets.net[i], "1111:2222:3333:4444:5555:6666:7777:8888"), RC_OK);
    T_EQ(turn_rest_make(&c, of("north"), ':', "ann", &nets, 60, 1700000000), RC_OK);
    userid[100] = '\0';
    T_EQ(turn_rest_make(&c, of("north"), ':', userid, &nets, 60, 1700000000), RC_FULL);
}

static const struct t_case cases[] = {
    T_CASE(every_name),
    T_CASE(another_separator_is_possible),
    T_CASE(passwords_are_those_that_openssl_makes),
    T_CASE(a_credential_is_made_for_a_user_and_a_time),
    T_CASE(nobody_makes_a_credential_that_could_not_be_used),
};
T_MAIN(cases)
