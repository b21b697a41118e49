#include "signaling/query.h"

#include "tests/t.h"

/* clang-format off */
static const struct {
    const char *query, *name, *value;
    int result;
    bool has;
} rows[] = {
    {"a=1&b=2",             "a",   "1", 1, true},
    {"a=1&b=2",             "b",   "2", 1, true},
    {"a=1&a=2",             "a",   "1", 1, true},
    {"a=1&b=2",             "c",   "", 0, false},
    {"",                    "a",   "", 0, false},
    {"a",                   "a",   "", 0, true},
    {"a=",                  "a",   "", 0, true},
    {"&&a=1&",              "a",   "1", 1, true},
    {"ab=1",                "a",   "", 0, false},
    {"a=b=c",               "a",   "b=c", 3, true},
    {"a=x+y%20z",           "a",   "x y z", 5, true},
    {"a=%7B%22b%22%3A1%7d", "a",   "{\"b\":1}", 7, true},
    {"%73id=1",             "sid", "1", 1, true},
    {"a=%C3%A9",            "a",   "\xc3\xa9", 2, true},
    {"a=1234567",           "a",   "1234567", 7, true},
    {"a=12345678",          "a",   "", RC_FULL, true},
    {"a=%31%32%33%34%35%36%37%38", "a", "", RC_FULL, true},
    {"a=%4",                "a",   "", RC_BAD, true},
    {"a=%",                 "a",   "", RC_BAD, true},
    {"a=%4&b=1",            "a",   "", RC_BAD, true},
    {"a=%xy",               "a",   "", RC_BAD, true},
    {"a=b%00c",             "a",   "", RC_BAD, true},
    {"%zz=1&a=2",           "a",   "2", 1, true},
};
/* clang-format on */

static void every_row(void)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char buf[8] = "unset";

        printf("#   %s\n", rows[i].query);
        T_EQ(query_get(rows[i].query, rows[i].name, buf, sizeof buf), rows[i].result);
        T_STR(buf, rows[i].value);
        T_EQ(query_has(rows[i].query, rows[i].name), rows[i].has);
    }
}

static const struct t_case cases[] = {T_CASE(every_row)};
T_MAIN(cases)
