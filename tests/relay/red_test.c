#include "relay/red.h"
#include "tests/t.h"

/* clang-format off */
static const struct {
    const char *what;
    struct span payload;
    int rc;
    size_t blocks;
    struct span primary;
} rows[] = {
    {"the primary alone", SPAN_LITERAL("\x6f" "abc"), RC_OK, 1, SPAN_LITERAL("abc")},
    {"an empty primary", SPAN_LITERAL("\x6f"), RC_OK, 1, SPAN_LITERAL("")},
    {"one redundant block",
     SPAN_LITERAL("\xef\x0f\x00\x02\x6f" "xx" "abc"), RC_OK, 2, SPAN_LITERAL("abc")},
    {"two redundant blocks",
     SPAN_LITERAL("\xef\x1e\x00\x01\xef\x0f\x00\x02\x6f" "w" "xx" "abc"),
     RC_OK, 3, SPAN_LITERAL("abc")},
    {"nothing", SPAN_LITERAL(""), RC_BAD, 0, SPAN_LITERAL("")},
    {"no primary header", SPAN_LITERAL("\xef\x0f\x00\x02"), RC_BAD, 0, SPAN_LITERAL("")},
    {"a header cut in half", SPAN_LITERAL("\xef\x0f"), RC_BAD, 0, SPAN_LITERAL("")},
    {"a block longer than the payload",
     SPAN_LITERAL("\xef\x0f\x03\xff\x6f" "xx"), RC_BAD, 0, SPAN_LITERAL("")},
    {"nine blocks", SPAN_LITERAL("\xef\0\0\0\xef\0\0\0\xef\0\0\0\xef\0\0\0\xef\0\0\0\xef\0\0\0"
                                 "\xef\0\0\0\xef\0\0\0\x6f" "abc"),
     RC_FULL, 0, SPAN_LITERAL("")},
    {"eight blocks", SPAN_LITERAL("\xef\0\0\0\xef\0\0\0\xef\0\0\0\xef\0\0\0\xef\0\0\0\xef\0\0\0"
                                  "\xef\0\0\0\x6f" "abc"), RC_OK, 8, SPAN_LITERAL("abc")},
};
/* clang-format on */

static void reads_what_fits_and_refuses_the_rest(void)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct red_block blocks[RED_BLOCKS_MAX], primary = {.payload_type = 1};
        size_t count = 0;

        printf("#   %s\n", rows[i].what);
        T_EQ(red_parse(rows[i].payload, blocks, &count), rows[i].rc);
        T_EQ(count, rows[i].blocks);
        T_EQ(red_primary(rows[i].payload, &primary), rows[i].rc);
        T_EQ(primary.payload_type, rows[i].rc == RC_OK ? 111 : 1);
        T_EQ(primary.data.n, rows[i].primary.n);
        if (primary.data.n)
            T_MEM(primary.data.p, rows[i].primary.p, primary.data.n);
    }
}

static void redundant_blocks_keep_their_time(void)
{
    const struct span payload = SPAN_LITERAL("\xef\x0f\x00\x02\x6f"
                                             "xx"
                                             "abc");
    struct red_block blocks[RED_BLOCKS_MAX];
    size_t count;

    T_EQ(red_parse(payload, blocks, &count), RC_OK);
    T_EQ(blocks[0].timestamp_offset, 960); /* 20 ms before */
    T_EQ(blocks[0].data.n, 2);
    T_MEM(blocks[0].data.p, "xx", 2);
    T_EQ(blocks[1].timestamp_offset, 0);
}

static const struct t_case cases[] = {
    T_CASE(reads_what_fits_and_refuses_the_rest),
    T_CASE(redundant_blocks_keep_their_time),
};
T_MAIN(cases)
