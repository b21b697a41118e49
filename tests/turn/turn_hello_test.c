#include "turn/turn_hello.h"

#include "tests/t.h"

static const usec_t T0 = SEC(1000); /* the test owns time */

/* A ClientHello as it is on the wire: record, message, and a body up to a cipher list. */
struct wire {
    uint8_t bytes[256];
    size_t n;
};

struct shape {
    uint8_t random, session_id, cookie; /* first byte of the random; lengths */
    uint16_t message_seq;
};

static struct wire make(struct shape shape)
{
    struct wire w = {0};
    uint8_t *body = w.bytes + 25, *p = body;

    store_be16(p, 0xfefd);
    memset(p + 2, shape.random, 32);
    p += 34;
    *p++ = shape.session_id;
    memset(p, 0x11, shape.session_id);
    p += shape.session_id;
    *p++ = shape.cookie;
    memset(p, 0x22, shape.cookie);
    p += shape.cookie;
    memcpy(p, "\x00\x02\xc0\x2b\x01\x00", 6);
    p += 6;

    const size_t n = (size_t)(p - body);
    w.n = 25 + n;
    w.bytes[0] = 22;
    store_be16(w.bytes + 1, 0xfeff);
    store_be64(w.bytes + 3, 0x123456);
    store_be16(w.bytes + 11, (uint16_t)(12 + n));
    w.bytes[13] = 1;
    store_be24(w.bytes + 14, (uint32_t)n);
    store_be16(w.bytes + 17, shape.message_seq);
    store_be24(w.bytes + 22, (uint32_t)n);
    return w;
}

static struct span span_of(const struct wire *w)
{
    return (struct span){w->bytes, w->n};
}

static void a_client_hello_is_read(void)
{
    const struct wire w =
        make((struct shape){.random = 7, .session_id = 3, .cookie = 20, .message_seq = 1});
    struct turn_hello hello;

    T_EQ(turn_hello_read(&hello, span_of(&w)), RC_OK);
    T_EQ(hello.sequence, 0x123456);
    T_EQ(hello.message_seq, 1);
    T_EQ(hello.random[0], 7);
    T_EQ(hello.cookie.n, 20);
    T_EQ(hello.cookie.p[0], 0x22);
}

static void one_that_is_cut_anywhere_is_none(void)
{
    const struct wire w = make((struct shape){.cookie = 20});
    struct turn_hello hello;

    for (size_t n = 0; n < w.n; n++) {
        uint8_t *exact =
            malloc(n ? n : 1); /* so that a sanitizer sees the first byte past it */
        memcpy(exact, w.bytes, n);
        T_EQ(turn_hello_read(&hello, (struct span){exact, n}), RC_BAD);
        free(exact);
    }
}

static void what_is_no_client_hello_is_not_taken_for_one(void)
{
    static const struct {
        size_t at;
        uint8_t value;
    } changes[] = {
        {0, 23},            /* application data */
        {1, 0x03},          /* TLS */
        {3, 1},             /* an epoch in which nothing is in the clear */
        {4, 1},    {13, 2}, /* ServerHello */
        {21, 1},            /* a fragment that is not the first */
        {22, 1},            /* a fragment longer than the record */
        {25, 3},            /* another protocol's version */
        {59, 33},           /* a session id that is too long */
    };
    struct turn_hello hello;

    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        struct wire w = make((struct shape){.cookie = 20});
        w.bytes[changes[i].at] = changes[i].value;
        T_EQ(turn_hello_read(&hello, span_of(&w)), RC_BAD);
    }
}

static void a_first_fragment_is_enough_when_the_cookie_is_in_it(void)
{
    struct wire w = make((struct shape){.cookie = 20});
    struct turn_hello hello;

    store_be24(w.bytes + 14, 900); /* the whole message is longer */
    T_EQ(turn_hello_read(&hello, span_of(&w)), RC_OK);
    store_be24(w.bytes + 14, 20); /* or shorter than its fragment, which is a lie */
    T_EQ(turn_hello_read(&hello, span_of(&w)), RC_BAD);
}

static struct address at(const char *text)
{
    struct address a;

    T_EQ(address_parse(&a, text), RC_OK);
    return a;
}

static void a_cookie_is_good_for_its_client_and_for_nobody_else(void)
{
    const struct address me = at("192.0.2.1:1000"), here = at("198.51.100.1:3478");
    const struct address other[] = {at("192.0.2.1:1001"), at("192.0.2.2:1000"),
                                    at("[2001:db8::1]:1000")};
    const struct wire w = make((struct shape){.random = 1}),
                      x = make((struct shape){.random = 2});
    struct turn_cookie_jar jar;
    struct turn_hello hello, changed;
    uint8_t cookie[TURN_COOKIE_BYTES];

    turn_cookie_jar_init(&jar, T0);
    T_EQ(turn_hello_read(&hello, span_of(&w)), RC_OK);
    T_EQ(turn_hello_read(&changed, span_of(&x)), RC_OK);
    T_OK(!turn_cookie_check(&jar, &me, &here, &hello, T0)); /* it has none */
    turn_cookie_make(&jar, &me, &here, &hello, T0, cookie);
    hello.cookie = changed.cookie = (struct span){cookie, sizeof cookie};
    T_OK(turn_cookie_check(&jar, &me, &here, &hello, T0));
    T_OK(!turn_cookie_check(&jar, &me, &here, &changed, T0));
    for (size_t i = 0; i < ARRAY_LEN(other); i++)
        T_OK(!turn_cookie_check(&jar, &other[i], &here, &hello, T0));
    T_OK(!turn_cookie_check(&jar, &me, &other[0], &hello, T0));
    hello.cookie.n--;
    T_OK(!turn_cookie_check(&jar, &me, &here, &hello, T0));
    hello.cookie.n++;
    cookie[TURN_COOKIE_BYTES - 1] ^= 1;
    T_OK(!turn_cookie_check(&jar, &me, &here, &hello, T0));
}

static void a_cookie_lives_for_one_to_two_lives_of_a_secret(void)
{
    const struct address me = at("192.0.2.1:1000"), here = at("198.51.100.1:3478");
    const struct wire w = make((struct shape){.random = 1});
    struct turn_cookie_jar jar;
    struct turn_hello hello;
    uint8_t cookie[TURN_COOKIE_BYTES];

    turn_cookie_jar_init(&jar, T0);
    T_EQ(turn_hello_read(&hello, span_of(&w)), RC_OK);
    turn_cookie_make(&jar, &me, &here, &hello, T0, cookie);
    hello.cookie = (struct span){cookie, sizeof cookie};
    T_OK(turn_cookie_check(&jar, &me, &here, &hello, T0 + TURN_COOKIE_LIFE));
    T_OK(turn_cookie_check(&jar, &me, &here, &hello, T0 + 2 * TURN_COOKIE_LIFE - 1));
    T_OK(!turn_cookie_check(&jar, &me, &here, &hello, T0 + 2 * TURN_COOKIE_LIFE));

    turn_cookie_jar_init(&jar, T0);
    turn_cookie_make(&jar, &me, &here, &hello, T0, cookie);
    T_OK(!turn_cookie_check(&jar, &me, &here, &hello, T0 + SEC(3600))); /* a quiet hour */
}

static void the_answer_says_what_the_rfc_wants(void)
{
    const struct wire w = make((struct shape){.random = 1});
    uint8_t cookie[TURN_COOKIE_BYTES], out[TURN_HELLO_VERIFY_BYTES];
    struct turn_hello hello;

    memset(cookie, 0x33, sizeof cookie);
    T_EQ(turn_hello_read(&hello, span_of(&w)), RC_OK);
    turn_hello_verify_write(out, &hello, cookie);
    T_MEM(out, "\x16\xfe\xff\x00\x00\x00\x00\x00\x12\x34\x56\x00\x23", 13);
    T_MEM(out + 13, "\x03\x00\x00\x17\x00\x00\x00\x00\x00\x00\x00\x17", 12);
    T_MEM(out + 25, "\xfe\xff\x14", 3);
    T_MEM(out + 28, cookie, sizeof cookie);
    T_OK(sizeof out < w.n); /* nothing is amplified */
}

static const struct t_case cases[] = {
    T_CASE(a_client_hello_is_read),
    T_CASE(one_that_is_cut_anywhere_is_none),
    T_CASE(what_is_no_client_hello_is_not_taken_for_one),
    T_CASE(a_first_fragment_is_enough_when_the_cookie_is_in_it),
    T_CASE(a_cookie_is_good_for_its_client_and_for_nobody_else),
    T_CASE(a_cookie_lives_for_one_to_two_lives_of_a_secret),
    T_CASE(the_answer_says_what_the_rfc_wants),
};
T_MAIN(cases)
