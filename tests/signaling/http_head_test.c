#include "signaling/http_head.h"

#include "tests/t.h"

#define HOST "Host: here\r\n"

/* Parses a copy, of exactly its size. *bytes has to be freed. */
static int parse(const char *text, size_t n, struct http_head *head, uint8_t **bytes,
                 enum refusal *why)
{
    *bytes = malloc(n);
    memcpy(*bytes, text, n);
    return http_head_parse(*bytes, n, head, why);
}

/* clang-format off */
static const struct {
    const char *what, *text;
    size_t n;
    int status;
} rows[] = {
#define ROW(what, text, status) {what, text "\r\n", sizeof(text "\r\n") - 1, status}
    ROW("the least that is a request",    "GET / HTTP/1.1\r\n" HOST, 0),
    ROW("HTTP/1.0 needs no Host",         "GET / HTTP/1.0\r\n", 0),
    ROW("absolute-form",                  "GET http://here/x?y HTTP/1.1\r\n" HOST, 0),
    ROW("absolute-form without a path",   "GET http://here HTTP/1.1\r\n" HOST, 0),
    ROW("OPTIONS *",                      "OPTIONS * HTTP/1.1\r\n" HOST, 0),
    ROW("chunked",                        "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n", 0),
    ROW("Chunked in another case",        "POST / HTTP/1.1\r\n" HOST "transfer-encoding:Chunked\r\n", 0),
    ROW("an empty value",                 "GET / HTTP/1.1\r\n" HOST "X:\r\n", 0),
    ROW("a value of bytes over 127",      "GET / HTTP/1.1\r\n" HOST "X: \xc3\xa9\r\n", 0),

    ROW("nothing at all",                 "", 400),
    ROW("no Host",                        "GET / HTTP/1.1\r\n", 400),
    ROW("two Hosts",                      "GET / HTTP/1.1\r\n" HOST HOST, 400),
    ROW("a Host with a path",             "GET / HTTP/1.1\r\nHost: here/there\r\n", 400),
    ROW("GET *",                          "GET * HTTP/1.1\r\n" HOST, 400),
    ROW("an escape that is none",         "GET /%zz HTTP/1.1\r\n" HOST, 400),
    ROW("half an escape",                 "GET /%4 HTTP/1.1\r\n" HOST, 400),
    ROW("an encoded NUL",                 "GET /%00 HTTP/1.1\r\n" HOST, 400),
    ROW("an encoded line end",            "GET /a%0d%0aX: HTTP/1.1\r\n" HOST, 400),
    ROW("a fragment",                     "GET /#x HTTP/1.1\r\n" HOST, 400),
    ROW("no target",                      "GET HTTP/1.1\r\n" HOST, 400),
    ROW("HTTP/0.9",                       "GET /\r\n", 505),
    ROW("HTTP/2.0",                       "GET / HTTP/2.0\r\n" HOST, 505),
    ROW("HTTP/1.1 misspelt",              "GET / HTTQ/1.1\r\n" HOST, 400),
    ROW("a method that nobody knows",     "FETCH / HTTP/1.1\r\n" HOST, 400),
    ROW("CONNECT",                        "CONNECT here:80 HTTP/1.1\r\n" HOST, 501),
    ROW("TRACE",                          "TRACE / HTTP/1.1\r\n" HOST, 501),
    ROW("an expectation that is unknown", "GET / HTTP/1.1\r\n" HOST "Expect: 200-ok\r\n", 417),

    /* What a proxy in front of us could read differently. */
    ROW("length and chunked",             "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400),
    ROW("chunked and length",             "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", 400),
    ROW("two lengths",                    "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 6\r\n", 400),
    ROW("two equal lengths",              "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 5\r\n", 400),
    ROW("a list of lengths",              "POST / HTTP/1.1\r\n" HOST "Content-Length: 5, 5\r\n", 400),
    ROW("a length with a sign",           "POST / HTTP/1.1\r\n" HOST "Content-Length: +5\r\n", 400),
    ROW("a length below zero",            "POST / HTTP/1.1\r\n" HOST "Content-Length: -5\r\n", 400),
    ROW("a hexadecimal length",           "POST / HTTP/1.1\r\n" HOST "Content-Length: 0x5\r\n", 400),
    ROW("an empty length",                "POST / HTTP/1.1\r\n" HOST "Content-Length: \r\n", 400),
    ROW("a length over 64 bits",          "POST / HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999\r\n", 400),
    ROW("chunked twice",                  "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400),
    ROW("chunked in HTTP/1.0",            "POST / HTTP/1.0\r\n" "Transfer-Encoding: chunked\r\n", 400),
    ROW("gzip, chunked",                  "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n", 501),
    ROW("chunked, identity",              "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, identity\r\n", 501),
    ROW("xchunked",                       "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n", 501),
    ROW("a space before the colon",       "POST / HTTP/1.1\r\n" HOST "Content-Length : 5\r\n", 400),
    ROW("a space in a name",              "GET / HTTP/1.1\r\n" HOST "X Y: 5\r\n", 400),
    ROW("a name of nothing",              "GET / HTTP/1.1\r\n" HOST ": 5\r\n", 400),
    ROW("no colon",                       "GET / HTTP/1.1\r\n" HOST "X\r\n", 400),
    ROW("a folded line",                  "GET / HTTP/1.1\r\n" HOST "X: a\r\n b\r\n", 400),
    ROW("a first line that is folded",    "GET / HTTP/1.1\r\n " HOST, 400),
    ROW("a chunked that is folded",       "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n chunked\r\n", 400),
    ROW("a bare line feed",               "GET / HTTP/1.1\r\n" HOST "X: a\nY: b\r\n", 400),
    ROW("a bare carriage return",         "GET / HTTP/1.1\r\n" HOST "X: a\rY: b\r\n", 400),
    ROW("a NUL",                          "GET / HTTP/1.1\r\n" HOST "X: a\0b\r\n", 400),
    ROW("a control character",            "GET / HTTP/1.1\r\n" HOST "X: a\x01" "b\r\n", 400),
#undef ROW
};
/* clang-format on */

static void every_row_is_taken_or_refused_with_its_status(void)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct http_head head;
        enum refusal why;
        uint8_t *bytes;

        printf("#   %s\n", rows[i].what);
        T_EQ(parse(rows[i].text, rows[i].n, &head, &bytes, &why), rows[i].status);
        free(bytes);
    }
}

static void a_request_is_taken_apart(void)
{
    static const char text[] = "GET /a%20b/c%2Fd?x=%41&y HTTP/1.1\r\nHost: here:3003\r\n"
                               "Accept:  text/html \t\r\nCookie: a=b\r\ncookie: c=d\r\n\r\n";
    struct http_head head;
    enum refusal why;
    uint8_t *bytes;

    T_EQ(parse(text, sizeof text - 1, &head, &bytes, &why), 0);
    T_EQ(head.method, METHOD_GET);
    T_STR(head.method_name, "GET");
    T_STR(head.path, "/a b/c/d");
    T_STR(head.query, "x=%41&y");
    T_OK(head.keep_alive && !head.chunked && !head.http_1_0);
    T_EQ(head.content_length, 0);
    T_EQ(head.field_count, 4);
    T_STR(http_head_field(&head, "host", 0), "here:3003");
    T_STR(http_head_field(&head, "ACCEPT", 0), "text/html");
    T_STR(http_head_field(&head, "Cookie", 0), "a=b");
    T_STR(http_head_field(&head, "Cookie", 1), "c=d");
    T_OK(!http_head_field(&head, "Cookie", 2));
    free(bytes);
}

static void keep_alive_follows_version_and_connection(void)
{
    static const struct {
        const char *text;
        bool keep_alive;
    } all[] = {
        {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", true},
        {"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost: x\r\nConnection: Foo, CLOSE\r\n\r\n", false},
        {"GET / HTTP/1.0\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        struct http_head head;
        enum refusal why;
        uint8_t *bytes;

        T_EQ(parse(all[i].text, strlen(all[i].text), &head, &bytes, &why), 0);
        T_EQ(head.keep_alive, all[i].keep_alive);
        free(bytes);
    }
}

static void the_framing_of_the_body_is_told(void)
{
    static const char length[] = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 12345\r\n\r\n";
    static const char chunked[] =
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    struct http_head head;
    enum refusal why;
    uint8_t *bytes;

    T_EQ(parse(length, sizeof length - 1, &head, &bytes, &why), 0);
    T_EQ(head.content_length, 12345);
    T_OK(!head.chunked);
    free(bytes);
    T_EQ(parse(chunked, sizeof chunked - 1, &head, &bytes, &why), 0);
    T_EQ(head.content_length, 0);
    T_OK(head.chunked);
    free(bytes);
}

static void one_field_too_many_is_431(void)
{
    for (int count = HTTP_FIELDS_MAX - 1; count <= HTTP_FIELDS_MAX; count++) {
        char text[2048] = "GET / HTTP/1.1\r\nHost: x\r\n";
        struct http_head head;
        enum refusal why;
        uint8_t *bytes;

        for (int i = 0; i < count; i++)
            strcat(text, "A: b\r\n");
        strcat(text, "\r\n");
        T_EQ(parse(text, strlen(text), &head, &bytes, &why), count < HTTP_FIELDS_MAX ? 0 : 431);
        if (count == HTTP_FIELDS_MAX)
            T_EQ(why, REFUSAL_HEADER_TOO_LARGE);
        free(bytes);
    }
}

static void the_end_of_a_head_is_found_wherever_it_was_cut(void)
{
    static const char text[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\nbody\r\n\r\n";
    const struct span all = {(const uint8_t *)text, sizeof text - 1};

    for (size_t seen = 0; seen < 27; seen++)
        T_EQ(http_head_end(all, seen), 27);
    for (size_t n = 0; n < 27; n++)
        T_EQ(http_head_end((struct span){all.p, n}, 0), 0);
}

static void lists_are_searched_by_token(void)
{
    T_OK(http_list_has("Upgrade", "upgrade"));
    T_OK(http_list_has("keep-alive, Upgrade", "upgrade"));
    T_OK(http_list_has(" ,gzip;q=0.5 , br", "br"));
    T_OK(http_list_has("gzip;q=0.5", "gzip"));
    T_OK(!http_list_has("upgrades", "upgrade"));
    T_OK(!http_list_has("x upgrade", "upgrade"));
    T_OK(!http_list_has("", "upgrade"));
}

static const struct t_case cases[] = {
    T_CASE(every_row_is_taken_or_refused_with_its_status),
    T_CASE(a_request_is_taken_apart),
    T_CASE(keep_alive_follows_version_and_connection),
    T_CASE(the_framing_of_the_body_is_told),
    T_CASE(one_field_too_many_is_431),
    T_CASE(the_end_of_a_head_is_found_wherever_it_was_cut),
    T_CASE(lists_are_searched_by_token),
};
T_MAIN(cases)
