#include "signaling/chunked.h"

enum { SIZE_DIGITS_MAX = 8 };

static int hex(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Moves on when `c` is what the grammar wants here. */
static int expect(struct chunked *chunked, uint8_t c, uint8_t wanted, enum chunked_state next)
{
    if (c != wanted)
        return RC_BAD;
    chunked->state = next;
    return RC_OK;
}

static int size_digit(struct chunked *chunked, uint8_t c)
{
    const int digit = hex(c);

    if (digit < 0 || chunked->digits == SIZE_DIGITS_MAX)
        return RC_BAD;
    chunked->left = chunked->left << 4 | (uint32_t)digit;
    chunked->digits++;
    chunked->state = CHUNKED_SIZE_DIGITS;
    return RC_OK;
}

/* A byte of an extension or a trailer field: read over, but no control and not for ever. */
static int ignored(struct chunked *chunked, uint8_t c, enum chunked_state stay,
                   enum chunked_state at_cr)
{
    if (c == '\r') {
        chunked->state = at_cr;
        return RC_OK;
    }
    if ((c < 0x20 && c != '\t') || c == 0x7f || ++chunked->overhead > CHUNKED_OVERHEAD_MAX)
        return RC_BAD;
    chunked->state = stay;
    return RC_OK;
}

/* One byte outside of chunk data. */
static int step(struct chunked *chunked, uint8_t c)
{
    switch (chunked->state) {
    case CHUNKED_SIZE:
        chunked->left = 0;
        chunked->digits = 0;
        return size_digit(chunked, c);
    case CHUNKED_SIZE_DIGITS:
        if (c == '\r')
            return expect(chunked, c, '\r', CHUNKED_SIZE_LF);
        if (c == ';')
            return expect(chunked, c, ';', CHUNKED_EXTENSION);
        return size_digit(chunked, c);
    case CHUNKED_EXTENSION:
        return ignored(chunked, c, CHUNKED_EXTENSION, CHUNKED_SIZE_LF);
    case CHUNKED_SIZE_LF:
        return expect(chunked, c, '\n', chunked->left ? CHUNKED_DATA : CHUNKED_TRAILER_START);
    case CHUNKED_DATA_CR:
        return expect(chunked, c, '\r', CHUNKED_DATA_LF);
    case CHUNKED_DATA_LF:
        return expect(chunked, c, '\n', CHUNKED_SIZE);
    case CHUNKED_TRAILER_START:
        return ignored(chunked, c, CHUNKED_TRAILER, CHUNKED_LAST_LF);
    case CHUNKED_TRAILER:
        return ignored(chunked, c, CHUNKED_TRAILER, CHUNKED_TRAILER_LF);
    case CHUNKED_TRAILER_LF:
        return expect(chunked, c, '\n', CHUNKED_TRAILER_START);
    case CHUNKED_LAST_LF:
        return expect(chunked, c, '\n', CHUNKED_DONE);
    case CHUNKED_DATA:
    case CHUNKED_DONE:
        break;
    }
    return RC_BAD;
}

int chunked_input(struct chunked *chunked, struct span in, struct span *data)
{
    size_t used = 0;

    *data = (struct span){0};
    while (used < in.n && chunked->state != CHUNKED_DATA && chunked->state != CHUNKED_DONE) {
        if (step(chunked, in.p[used++]) != RC_OK)
            return RC_BAD;
    }
    if (chunked->state == CHUNKED_DATA) {
        const size_t rest = in.n - used;
        const size_t n = rest < chunked->left ? rest : chunked->left;

        *data = (struct span){in.p + used, n};
        used += n;
        chunked->left -= (uint32_t)n;
        if (chunked->left == 0)
            chunked->state = CHUNKED_DATA_CR;
    }
    return (int)used;
}
