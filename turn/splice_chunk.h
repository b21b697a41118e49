/*
 * turn/splice_chunk.h - datagrams between a client's thread and the media's, when these are
 * two: many in one message.
 *
 * Sans-IO; a value that belongs to one thread at a time.
 */
#ifndef TURN_SPLICE_CHUNK_H
#define TURN_SPLICE_CHUNK_H

#include "core/address.h"
#include "core/base.h"

#define SPLICE_CHUNK_BYTES 65536
#define SPLICE_DATAGRAM_MAX 2048 /* as of sockets */
#define SPLICE_SLACK 32          /* readable bytes behind the data of each */

struct splice_chunk {
    unsigned origin; /* the thread that made it */
    bool to_media;   /* else to the client */
    size_t len;
    _Alignas(8) uint8_t bytes[SPLICE_CHUNK_BYTES];
};

/* One datagram, either way. */
struct splice_datagram {
    struct address relayed; /* what the client is known by */
    struct address peer;    /* this server's media, as the client named it */
    uint8_t *data;
    size_t len;
};

/* Copies it in. RC_FULL: no room. RC_BAD: longer than SPLICE_DATAGRAM_MAX. */
int splice_chunk_add(struct splice_chunk *chunk, const struct address *relayed,
                     const struct address *peer, struct span data);
/* The datagram at *at, which begins at 0 and moves on; the data lies in the chunk. False: that
 * was all. */
bool splice_chunk_next(struct splice_chunk *chunk, size_t *at, struct splice_datagram *out);

#endif
