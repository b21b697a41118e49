#include "signaling/chunked.h"

#include "tests/t.h"

/* Decodes `in`, given in pieces of at most `piece` bytes. Length of the body, RC_BAD, or
 * RC_AGAIN when it has no end; *used: where it ended. */
static int decode(struct span in, size_t piece, char *body, size_t *used)
{
    struct chunked chunked = {0};
    size_t at = 0, length = 0;

    while (!chunked_done(&chunked) && at < in.n) {
        const size_t n = in.n - at < piece ? in.n - at : piece;
        struct span data;
        const int taken = chunked_input(&chunked, (struct span){in.p + at, n}, &data);

        if (taken < 0)
            return taken;
        T_OK(taken > 0 && (size_t)taken <= n);
        at += (size_t)taken;
        if (data.n > 0)
            memcpy(body + length, data.p, data.n);
        length += data.n;
    }
    *used = at;
    return chunked_done(&chunked) ? (int)length : RC_AGAIN;
}

/* clang-format off */
static const struct {
    const char *what;
    struct span in;
    int result;
} rows[] = {
    {"nothing in it",                     SPAN_LITERAL("0\r\n\r\n"), 0},
    {"one chunk",                         SPAN_LITERAL("5\r\nhello\r\n0\r\n\r\n"), 5},
    {"two chunks",                        SPAN_LITERAL("5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n"), 6},
    {"hexadecimal in both cases",         SPAN_LITERAL("a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n"), 20},
    {"leading zeros",                     SPAN_LITERAL("00000005\r\nhello\r\n0\r\n\r\n"), 5},
    {"an extension",                      SPAN_LITERAL("5;a=b\r\nhello\r\n0;c\r\n\r\n"), 5},
    {"trailer fields",                    SPAN_LITERAL("0\r\nA: b\r\nC: d\r\n\r\n"), 0},
    {"line ends as data",                 SPAN_LITERAL("4\r\n\r\n\r\n\r\n0\r\n\r\n"), 4},
    {"no end",                            SPAN_LITERAL("5\r\nhello\r\n"), RC_AGAIN},
    {"nine digits",                       SPAN_LITERAL("000000005\r\nhello\r\n0\r\n\r\n"), RC_BAD},
    {"no digit",                          SPAN_LITERAL("\r\nhello\r\n"), RC_BAD},
    {"a sign",                            SPAN_LITERAL("+5\r\nhello\r\n0\r\n\r\n"), RC_BAD},
    {"0x",                                SPAN_LITERAL("0x5\r\nhello\r\n0\r\n\r\n"), RC_BAD},
    {"a space before the size",           SPAN_LITERAL(" 5\r\nhello\r\n0\r\n\r\n"), RC_BAD},
    {"a space behind the size",           SPAN_LITERAL("5 \r\nhello\r\n0\r\n\r\n"), RC_BAD},
    {"a bare line feed behind the size",  SPAN_LITERAL("5\nhello\r\n0\r\n\r\n"), RC_BAD},
    {"a carriage return alone",           SPAN_LITERAL("5\rXhello\r\n0\r\n\r\n"), RC_BAD},
    {"a bare line feed in an extension",  SPAN_LITERAL("5;a\nhello\r\n0\r\n\r\n"), RC_BAD},
    {"a chunk longer than its size",      SPAN_LITERAL("5\r\nhello!\r\n0\r\n\r\n"), RC_BAD},
    {"a bare line feed behind the data",  SPAN_LITERAL("5\r\nhello\n0\r\n\r\n"), RC_BAD},
    {"a bare line feed at the end",       SPAN_LITERAL("0\r\n\n"), RC_BAD},
    {"a NUL in a trailer",                SPAN_LITERAL("0\r\nA: \0\r\n\r\n"), RC_BAD},
};
/* clang-format on */

static void every_row_reads_the_same_in_pieces_of_every_size(void)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        printf("#   %s\n", rows[i].what);
        for (size_t piece = 1; piece <= rows[i].in.n; piece++) {
            char body[64];
            size_t used = 0;

            T_EQ(decode(rows[i].in, piece, body, &used), rows[i].result);
            if (rows[i].result >= 0)
                T_EQ(used, rows[i].in.n);
        }
    }
}

static void what_follows_the_last_chunk_is_left_alone(void)
{
    const struct span in = SPAN_LITERAL("2\r\nhi\r\n0\r\n\r\nGET / HTTP/1.1");
    char body[8];
    size_t used;

    T_EQ(decode(in, in.n, body, &used), 2);
    T_MEM(body, "hi", 2);
    T_EQ(used, 12);
}

static void extensions_are_limited(void)
{
    struct chunked chunked = {0};
    struct span data;
    uint8_t text[1000];
    size_t n = 0;
    int rc;

    T_EQ(chunked_input(&chunked, SPAN_LITERAL("5;"), &data), 2);
    memset(text, 'x', sizeof text);
    while ((rc = chunked_input(&chunked, (struct span){text, sizeof text}, &data)) > 0)
        n += (size_t)rc;
    T_EQ(rc, RC_BAD);
    T_OK(n <= CHUNKED_OVERHEAD_MAX);
}

static const struct t_case cases[] = {
    T_CASE(every_row_reads_the_same_in_pieces_of_every_size),
    T_CASE(what_follows_the_last_chunk_is_left_alone),
    T_CASE(extensions_are_limited),
};
T_MAIN(cases)
