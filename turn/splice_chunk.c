#include "turn/splice_chunk.h"

#include <string.h>

/* In front of each datagram's bytes. */
struct record {
    struct address relayed, peer;
    size_t len;
};

static size_t space_of(size_t len)
{
    const size_t unit = _Alignof(struct record);

    return (sizeof(struct record) + len + SPLICE_SLACK + unit - 1) / unit * unit;
}

int splice_chunk_add(struct splice_chunk *chunk, const struct address *relayed,
                     const struct address *peer, struct span data)
{
    const struct record record = {*relayed, *peer, data.n};
    uint8_t *at = chunk->bytes + chunk->len;

    if (data.n > SPLICE_DATAGRAM_MAX)
        return RC_BAD;
    if (space_of(data.n) > SPLICE_CHUNK_BYTES - chunk->len)
        return RC_FULL;
    memcpy(at, &record, sizeof record);
    if (data.n)
        memcpy(at + sizeof record, data.p, data.n);
    memset(at + sizeof record + data.n, 0, SPLICE_SLACK);
    chunk->len += space_of(data.n);
    return RC_OK;
}

bool splice_chunk_next(struct splice_chunk *chunk, size_t *at, struct splice_datagram *out)
{
    struct record record;

    if (*at >= chunk->len)
        return false;
    memcpy(&record, chunk->bytes + *at, sizeof record);
    *out = (struct splice_datagram){record.relayed, record.peer,
                                    chunk->bytes + *at + sizeof record, record.len};
    *at += space_of(record.len);
    return true;
}
