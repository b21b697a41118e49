#include "signaling/cors.h"

#include "tests/t.h"

static enum cors_verdict check(const char *rule, const char *origin, const char *host)
{
    struct cors *cors;

    T_EQ(cors_create(&cors, &rule, 1, NULL), RC_OK);
    const enum cors_verdict verdict = cors_check(cors, origin, host);
    cors_free(cors);
    return verdict;
}

/* clang-format off */
static const struct {
    const char *rule, *origin;
    enum cors_verdict verdict;
} rows[] = {
    {"*",                             "https://any.example",             CORS_ALLOWED},
    {"*",                             "null",                            CORS_ALLOWED},
    {"null",                          "null",                            CORS_ALLOWED},
    {"null",                          "https://null",                    CORS_REFUSED},
    {"https://app.example.org",       "null",                            CORS_REFUSED},
    {"https://app.example.org",       "https://app.example.org",         CORS_ALLOWED},
    {"https://app.example.org/",      "https://app.example.org",         CORS_ALLOWED},
    {"https://app.example.org",       "https://APP.example.org",         CORS_ALLOWED},
    {"https://app.example.org:443",   "https://app.example.org",         CORS_ALLOWED},
    {"https://app.example.org",       "https://app.example.org:443",     CORS_ALLOWED},
    {"https://app.example.org",       "http://app.example.org",          CORS_REFUSED},
    {"https://app.example.org",       "https://app.example.org:8443",    CORS_REFUSED},
    {"https://app.example.org",       "https://app.example.org.evil.com", CORS_REFUSED},
    {"https://app.example.org",       "https://evil.com/app.example.org", CORS_REFUSED},
    {"https://app.example.org",       "https://app.example.org@evil.com", CORS_REFUSED},
    {"http://localhost:3000",         "http://localhost:3000",           CORS_ALLOWED},
    {"http://localhost:3000",         "http://localhost:3001",           CORS_REFUSED},
    {"http://[::1]:3000",             "http://[::1]:3000",               CORS_ALLOWED},
    {"app.example.org",               "https://app.example.org",         CORS_ALLOWED},
    {"app.example.org",               "http://app.example.org:81",       CORS_ALLOWED},
    {"app.example.org:81",            "http://app.example.org:81",       CORS_ALLOWED},
    {"app.example.org:81",            "http://app.example.org",          CORS_REFUSED},
    {"*.example.org",                 "https://a.example.org",           CORS_ALLOWED},
    {"*.example.org",                 "https://a.b.example.org:81",      CORS_ALLOWED},
    {"*.example.org",                 "https://example.org",             CORS_REFUSED},
    {"*.example.org",                 "https://evilexample.org",         CORS_REFUSED},
    {"*.example.org",                 "https://a.example.org.evil.com",  CORS_REFUSED},
    {"https://*.example.org",         "https://a.example.org",           CORS_ALLOWED},
    {"https://*.example.org",         "http://a.example.org",            CORS_REFUSED},
    {"https://*.example.org",         "https://a.example.org:81",        CORS_REFUSED},
    {"x.org",                         "",                                CORS_REFUSED},
    {"x.org",                         "x.org",                           CORS_REFUSED},
    {"x.org",                         "https://",                        CORS_REFUSED},
    {"x.org",                         "https://x.org:",                  CORS_REFUSED},
    {"x.org",                         "https://x.org:123456",            CORS_REFUSED},
    {"x.org",                         "https://x.org ",                  CORS_REFUSED},
    {"x.org",                         "https://x.org,https://y.org",     CORS_REFUSED},
    {"x.org",                         "https://[x.org",                  CORS_REFUSED},
};
/* clang-format on */

static void every_row(void)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        printf("#   %s %s\n", rows[i].rule, rows[i].origin);
        T_EQ(check(rows[i].rule, rows[i].origin, "here:3003"), rows[i].verdict);
    }
}

static void no_origin_is_no_question(void)
{
    T_EQ(check("x.org", NULL, "here"), CORS_NO_ORIGIN);
}

static void pages_of_this_server_are_welcome(void)
{
    T_EQ(check("x.org", "http://here:3003", "here:3003"), CORS_ALLOWED);
    T_EQ(check("x.org", "https://here", "here"), CORS_ALLOWED);
    T_EQ(check("x.org", "https://here", "here:443"), CORS_ALLOWED);
    T_EQ(check("x.org", "http://Here:80", "here"), CORS_ALLOWED);
    T_EQ(check("x.org", "http://here:3004", "here:3003"), CORS_REFUSED);
    T_EQ(check("x.org", "http://there", "here"), CORS_REFUSED);
    T_EQ(check("x.org", "http://here", NULL), CORS_REFUSED);
}

static void an_empty_list_allows_only_own_pages(void)
{
    struct cors *cors;

    T_EQ(cors_create(&cors, NULL, 0, NULL), RC_OK);
    T_EQ(cors_check(cors, "http://here", "here"), CORS_ALLOWED);
    T_EQ(cors_check(cors, "http://there", "here"), CORS_REFUSED);
    T_EQ(cors_check(cors, "null", "here"), CORS_REFUSED);
    cors_free(cors);
}

static void rules_that_mean_nothing_are_named(void)
{
    static const char *const bad[] = {"",           "https://", "a*.org",     "https://a.*.org",
                                      "a b",        "*.",       "x.org/path", "**",
                                      "x.org:http", "*x.org"};
    struct cors *cors;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        const char *rules[] = {"fine.example", bad[i]};
        size_t which = 0;

        printf("#   %s\n", bad[i]);
        T_EQ(cors_create(&cors, rules, 2, &which), RC_BAD);
        T_EQ(which, 1);
    }
}

static const struct t_case cases[] = {
    T_CASE(every_row),
    T_CASE(no_origin_is_no_question),
    T_CASE(pages_of_this_server_are_welcome),
    T_CASE(an_empty_list_allows_only_own_pages),
    T_CASE(rules_that_mean_nothing_are_named),
};
T_MAIN(cases)
