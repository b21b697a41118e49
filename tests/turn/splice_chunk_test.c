#include "turn/splice_chunk.h"

#include "tests/t.h"

static struct splice_chunk chunk;
static const uint8_t bytes[SPLICE_DATAGRAM_MAX + 1];

static struct address numbered(uint16_t port)
{
    struct address a;

    T_EQ(address_parse(&a, port % 2 ? "192.0.2.1" : "2001:db8::1"), RC_OK);
    address_set_port(&a, port);
    return a;
}

static int add(uint16_t n, size_t len)
{
    const struct address relayed = numbered(n), peer = numbered((uint16_t)(n + 1));

    return splice_chunk_add(&chunk, &relayed, &peer, (struct span){bytes, len});
}

static void what_goes_in_comes_out(void)
{
    static const size_t sizes[] = {0, 1, 7, 160, 1200, SPLICE_DATAGRAM_MAX};
    struct splice_datagram out;
    size_t at = 0;

    chunk.len = 0;
    T_OK(!splice_chunk_next(&chunk, &at, &out));
    for (uint16_t i = 0; i < ARRAY_LEN(sizes); i++)
        T_EQ(add(i, sizes[i]), RC_OK);
    for (uint16_t i = 0; i < ARRAY_LEN(sizes); i++) {
        const struct address relayed = numbered(i), peer = numbered((uint16_t)(i + 1));

        T_OK(splice_chunk_next(&chunk, &at, &out));
        T_OK(address_equal(&out.relayed, &relayed));
        T_OK(address_equal(&out.peer, &peer));
        T_EQ(out.len, sizes[i]);
        T_MEM(out.data, bytes,
              sizes[i] + SPLICE_SLACK < sizeof bytes ? sizes[i] + SPLICE_SLACK : sizes[i]);
        out.data[0] = 0xff; /* the receiver may write there: it is zeroes again for nobody */
    }
    T_OK(!splice_chunk_next(&chunk, &at, &out));
}

static void a_full_one_takes_no_more_and_keeps_what_it_has(void)
{
    struct splice_datagram out;
    unsigned count = 0, found = 0;
    size_t at = 0;
    int rc;

    chunk.len = 0;
    while ((rc = add(1, 1200)) == RC_OK)
        count++;
    T_EQ(rc, RC_FULL);
    T_OK(count >= 45);
    T_OK(chunk.len <= SPLICE_CHUNK_BYTES);
    while (splice_chunk_next(&chunk, &at, &out)) {
        T_EQ(out.len, 1200);
        found++;
    }
    T_EQ(found, count);
    T_EQ(add(1, SPLICE_DATAGRAM_MAX + 1), RC_BAD);
}

static const struct t_case cases[] = {
    T_CASE(what_goes_in_comes_out),
    T_CASE(a_full_one_takes_no_more_and_keeps_what_it_has),
};
T_MAIN(cases)
