#include "relay/red.h"

#include <string.h>

/*
 * RFC 2198, section 3. Headers first, data in the same order behind them all:
 * |1| block PT (7) | timestamp offset (14) | block length (10) |   each redundant block
 * |0| block PT (7) |                                               the primary, up to the end
 */
int red_parse(struct span payload, struct red_block blocks[static RED_BLOCKS_MAX],
              size_t *count)
{
    struct red_block list[RED_BLOCKS_MAX];
    struct span rest = payload;
    size_t n = 0;

    while (rest.n > 0 && rest.p[0] & 0x80) {
        if (n == RED_BLOCKS_MAX - 1)
            return RC_FULL;
        if (rest.n < 4)
            return RC_BAD;
        const uint32_t header = load_be32(rest.p);
        list[n++] = (struct red_block){
            .payload_type = header >> 24 & 0x7f,
            .timestamp_offset = header >> 10 & 0x3fff,
            .data.n = header & 0x3ff,
        };
        rest = (struct span){rest.p + 4, rest.n - 4};
    }
    if (rest.n == 0)
        return RC_BAD;
    list[n] = (struct red_block){.payload_type = rest.p[0] & 0x7f};
    rest = (struct span){rest.p + 1, rest.n - 1};

    for (size_t i = 0; i < n; i++) {
        if (rest.n < list[i].data.n)
            return RC_BAD;
        list[i].data.p = rest.p;
        rest = (struct span){rest.p + list[i].data.n, rest.n - list[i].data.n};
    }
    list[n++].data = rest;
    memcpy(blocks, list, n * sizeof *list);
    *count = n;
    return RC_OK;
}

int red_primary(struct span payload, struct red_block *out)
{
    struct red_block blocks[RED_BLOCKS_MAX];
    size_t count;
    const int rc = red_parse(payload, blocks, &count);

    if (rc == RC_OK)
        *out = blocks[count - 1];
    return rc;
}
